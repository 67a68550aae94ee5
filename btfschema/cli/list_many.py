"""``btfschema list`` over many files: all modules of a kernel, say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from attrs import define, evolve, field, frozen

from btfschema.cli.batch import Reports, run_batch
from btfschema.cli.inputs import brings_base, load_all_over
from btfschema.cli.tree import Found, Kept, shared
from btfschema.cli.types_list import FILE, Listed
from btfschema.cli.workers import workers_of
from btfschema.errors import BtfError, Failure, UnknownNameError, attempt

if TYPE_CHECKING:
    from btfschema.cli.inputs import Opened
    from btfschema.framework.files import Shared
    from btfschema.questions.listing import Conditions

__all__ = ["List", "list_many"]


@frozen
class List:
    """Lists the types of some files; what workers are sent.

    Attributes:
        wanted: what a listed type must be.
        shown: the columns; ``"file"`` may be among them.
        sort: by what.
        limit: how many, or None.
        base: what the files are split over, or None.
    """

    wanted: Conditions
    shown: tuple[str, ...]
    sort: str
    limit: int | None
    base: Shared | Kept | None = None

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some files; of each the rows with what they are sorted by, or why there are none."""
        from btfschema.sources import read_source

        shared = self.base
        base = shared.open() if shared is not None else None
        # The base may lie among its modules.
        sources = [attempt(read_source, file) for file in files]
        bases = [
            None if brings_base(source) or (shared and _same(file, shared.name)) else base
            for file, source in zip(files, sources, strict=True)
        ]
        opened = load_all_over(sources, bases, shared.name if shared else None)
        return [
            one if isinstance(one, BtfError | OSError) else attempt(self._rows, file, one)
            for file, one in zip(files, opened, strict=True)
        ]

    def _rows(self, file: str, opened: Opened) -> dict[str, Any]:
        from btfschema.model.memo import forget
        from btfschema.questions.listing import list_types

        btf, notes = opened
        try:
            found = list_types(btf, self.wanted, self.sort)[: self.limit]
        except UnknownNameError as error:
            # Another file may have the type.
            return {"notes": notes, "unknown": str(error)}
        finally:
            forget(btf)
        columns = [column for column in self.shown if column != FILE]
        rows = []
        for row in found:
            values = dict(zip(columns, row.values(columns), strict=True), file=file)
            key = getattr(row, self.sort)
            rows.append((key, [values[column] for column in self.shown]))
        return {"notes": notes, "rows": rows}


def _same(file: str, other: str) -> bool:
    from btfschema.sources.files import identity

    return identity(file) is not None and identity(file) == identity(other)


@define
class _Told:
    """Keeps what workers found."""

    rows: list[tuple[Any, list[Any]]] = field(factory=list)
    unknown: list[str] = field(factory=list)
    known: bool = False

    def add(self, row: dict[str, Any]) -> None:
        """One file's rows."""
        self.rows += row.get("rows", ())
        self.known |= "rows" in row
        if "unknown" in row:
            self.unknown.append(row["unknown"])


def list_many(
    work: List,
    found: Found,
    base_btf: str | None,
    executor: str | None,
    jobs: int,
    *,
    quiet: bool,
) -> Listed:
    """List the types of many files; those that can't be read are named on stderr.

    Raises:
        UnknownNameError: a condition names a type that no file has.
    """
    base_btf = found.over(base_btf)
    base = shared(base_btf, executor, jobs) if base_btf is not None else None
    told, failed = _Told(), False
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        reports = Reports(summary=told)
        try:
            run_batch(
                found.paths,
                evolve(work, base=base),
                keep_going=True,
                report=None,
                workers=workers,
                reports=reports,
                progress=found.walked and not quiet,
            )
        except click.exceptions.Exit:
            failed = True
    if told.unknown and not told.known:
        raise UnknownNameError(told.unknown[0], expected="a name in one of the files")
    if work.sort == "name":
        told.rows.sort(key=lambda one: str(one[0]))
    elif work.sort != "id":
        told.rows.sort(key=lambda one: -(one[0] or 0))
    return Listed([values for _, values in told.rows[: work.limit]], failed)
