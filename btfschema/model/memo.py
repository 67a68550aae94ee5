"""Work that is done once for a container, which keeps the answer as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["per_container", "remembered"]

Answer = TypeVar("Answer")


def remembered(btf: Btf, key: object, work: Callable[[Btf], Answer]) -> Answer:
    """The answer that is kept under ``key``, worked out by ``work`` when somebody asks first."""
    known = btf.analyses
    if key not in known:
        known[key] = work(btf)
    found: Answer = known[key]
    return found


def per_container(work: Callable[[Btf], Answer]) -> Callable[[Btf], Answer]:
    """A function of a container, as one that works once for each container."""

    @wraps(work)
    def answer(btf: Btf) -> Answer:
        return remembered(btf, work, work)

    return answer
