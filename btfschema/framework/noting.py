"""Errors that nobody here words say what was worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["Noting", "of_container"]


@frozen
class Noting:
    """Adds notes to an error that leaves a block.

    Attributes:
        notes: gives the notes, when there is such an error.
        worded: errors that get none, since whoever receives them knows what they are about.
    """

    notes: Callable[[], Sequence[str]]
    worded: tuple[type[Exception], ...] = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, self.worded):
            for note in self.notes():
                error.add_note(note)


def of_container(btfs: Sequence[Btf], number: int) -> list[str]:
    """A note that says which of several containers was worked on; none for a container alone."""
    if len(btfs) == 1:
        return []
    return [f"(while working on container {number + 1} of {len(btfs)}, {btfs[number]!r})"]
