"""Work that is done once for a container, which keeps the answer as long as it lives.

The one way to remember: what has ``analyses`` (a container, the columns made of one, the comparison
of two) keeps answers there, and only these functions look into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["forget", "notes", "per_container", "remembered"]

Answer = TypeVar("Answer")


class Remembering(Protocol):
    """What keeps answers."""

    # A dict; pyright doesn't take a cached property for what it returns.
    @property
    def analyses(self) -> Any:
        """The answers by what was asked."""


Holder = TypeVar("Holder", bound=Remembering)


def remembered(holder: Holder, key: object, work: Callable[[Holder], Answer]) -> Answer:
    """The answer that is kept under ``key``, worked out by ``work`` when somebody asks first."""
    known = holder.analyses
    if key not in known:
        known[key] = work(holder)
    found: Answer = known[key]
    return found


def notes(holder: Remembering, key: object) -> dict[Any, Any]:
    """A dict that is kept under ``key``, empty at first: for many answers of one kind."""
    found: dict[Any, Any] = holder.analyses.setdefault(key, {})
    return found


def per_container(work: Callable[[Btf], Answer]) -> Callable[[Btf], Answer]:
    """A function of a container, as one that works once for each container."""

    @wraps(work)
    def answer(btf: Btf) -> Answer:
        return remembered(btf, work, work)

    return answer


def forget(holder: Remembering) -> None:
    """Let go of all answers, some of which refer to their container and keep it alive."""
    holder.analyses.clear()
