"""Recursion without Python's stack: types nest as deeply as a file likes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

__all__ = ["Step", "run"]

# A function that would recurse yields the call that it needs and is sent what that returns.
Step = Generator[Any, Any, Any]


def run(step: Step) -> Any:
    """Run a step, and each step that it yields, to their ends; what the first one returns."""
    stack = [step]
    result = None
    while True:
        try:
            stack.append(stack[-1].send(result))
            result = None
        except StopIteration as stop:
            stack.pop()
            result = stop.value
            if not stack:
                return result
