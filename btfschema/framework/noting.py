"""What errors say of where they came up: the stage of a pipeline, the container, the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from attrs import frozen

from btfschema.errors import BtfError

if TYPE_CHECKING:
    from btfschema.framework.observers import Stage
    from btfschema.model.container import Btf

__all__ = ["Noting", "blamed", "label", "of_container", "where"]


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


def label(error: BtfError, stage: Stage | None) -> None:
    """Make an error tell its stage as data, unless it tells one already."""
    if stage is not None and error.pass_name is None:
        error.pass_name, error.stage, error.pipeline = stage.name, stage.number, stage.pipeline


def blamed(error: BtfError, stage: Stage) -> BtfError:
    """The error, which now says in which stage it came up."""
    label(error, stage)
    note = where(stage)
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)
    return error


def where(stage: Stage) -> str:
    """A stage in words, for a note."""
    return f'in {stage} of "{stage.pipeline}"'
