"""One piece of work over one or many files: where outputs go, what is reported, when to stop."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click
from attrs import evolve, frozen

from btfschema.cli.inputs import Decorator
from btfschema.errors import BtfError, MatchError
from btfschema.jsonlines import line

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from btfschema.cli.resume import Journal
    from btfschema.cli.tree import Found, Progress
    from btfschema.container import Btf
    from btfschema.mapping import Work

__all__ = [
    "Reports",
    "Targets",
    "batch_options",
    "failure",
    "file_arguments",
    "report_option",
    "run_batch",
    "sizes",
    "type_count",
]


# Of a distilled base beside raw BTF.
BASE_SUFFIX = ".base"

file_arguments: Decorator = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True)
)


report_option: Decorator = click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write one JSON object a file: outcome, types, sizes in bytes, reasons, notes.",
)


def batch_options(*, outputs: bool) -> Decorator:
    """The options of every command that takes many files; those about outputs when it has any."""
    options: list[Decorator] = [
        click.option(
            "--keep-going", is_flag=True, help="Go on with the next file after a failure."
        ),
        report_option,
    ]
    if outputs:
        options += [
            click.option("-o", "--output", metavar="FILE", help="Where the result goes."),
            click.option(
                "--out-dir",
                metavar="DIR",
                type=click.Path(file_okay=False),
                help="Where the results of many files go, each under its own name, those of a "
                "directory as they lie there; an interrupted run goes on where it stopped.",
            ),
        ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in options:
            command = option(command)
        return command

    return decorate


@frozen
class Targets:
    """Where the result of each file goes."""

    output: str | None
    out_dir: str | None
    relative: Mapping[str, str]

    @classmethod
    def of(cls, found: Found, output: str | None, out_dir: str | None) -> Targets:
        """Check that the options fit the files.

        Raises:
            click.UsageError: not exactly one of them is given, or ``-o`` for several files or
                without a name, or two files would go to one place.
        """
        if (output is None) == (out_dir is None):
            raise click.UsageError("give either -o/--output FILE or --out-dir DIR")
        if output in ("", "-"):
            raise click.UsageError(f"-o {output!r}: results go to files, give a name")
        if output is not None and len(found.paths) > 1:
            raise click.UsageError(f"-o takes one FILE, not {len(found.paths)}: use --out-dir DIR")
        if out_dir is not None:
            counts = Counter(found.relative.values())
            twice = sorted(name for name, count in counts.items() if count > 1)
            if twice:
                raise click.UsageError(f"several files are called {twice[0]}: run them apart")
            for name in counts:
                (Path(out_dir) / name).parent.mkdir(parents=True, exist_ok=True)
        return cls(output, out_dir, found.relative)

    def of_file(self, file: str) -> str:
        """The path of one file's result."""
        if self.output is not None:
            return self.output
        return os.path.join(self.out_dir or "", self.relative[file])  # noqa: PTH118


def sizes(btf: Btf) -> dict[str, int]:
    """Bytes of the sections of a container, and of its base when that is its own."""
    from btfschema.framework import base_state

    found = {"types": btf.types.words.nbytes, "strings": len(btf.strings.data)}
    if btf.base is not None and base_state(btf) == "distilled":
        found["base_types"] = btf.base.types.words.nbytes
        found["base_strings"] = len(btf.base.strings.data)
    return found


def type_count(btf: Btf) -> int:
    """How many types a container has, with those of its base when that is its own."""
    from btfschema.framework import base_state

    own_base = btf.base if base_state(btf) == "distilled" else None
    return len(btf.types) + (len(own_base.types) if own_base is not None else 0)


class Listener(Protocol):
    """Whoever is given each file's report."""

    def add(self, row: dict[str, Any], /) -> object:
        """One file's report."""


@frozen
class Reports:
    """Whoever wants to know what became of each file.

    Attributes:
        out: takes one JSON object a line, or None.
        progress: shown on the way, or None.
        summary: is given each report, or None.
        journal: is told what is finished, or None.
        notes: counts notes by how they end; the first that ends like this is said. None says all.
    """

    out: TextIO | None = None
    progress: Progress | None = None
    summary: Listener | None = None
    journal: Journal | None = None
    notes: Counter[str] | None = None

    def say(self, text: str) -> None:
        """A line on stderr."""
        if self.progress is not None:
            self.progress.say(text)
        else:
            click.echo(text, err=True)

    def add(self, row: dict[str, Any], *, fresh: bool) -> None:
        """One file's report; ``fresh`` unless an earlier run did the file."""
        notes = row.pop("notes", ())
        for note in notes:
            end = note.rpartition(": ")[2]
            if self.notes is None or not self.notes[end]:
                self.say(f"btfschema: {row['file']}: {note}")
            if self.notes is not None:
                self.notes[end] += 1
        if notes:
            row["notes"] = list(notes)
        if self.journal is not None and fresh and row["outcome"] == "ok":
            self.journal.finished(row, (row["output"], f"{row['output']}{BASE_SUFFIX}"))
        if self.summary is not None:
            self.summary.add(row)
        if self.out is not None:
            self.out.write(line(row) + "\n")
        if self.progress is not None:
            self.progress.step()


def run_batch(
    files: Sequence[str],
    work: Work[str, dict[str, Any]],
    *,
    keep_going: bool,
    report: str | None,
    executor: Executor | None = None,
    reports: Reports | None = None,
) -> None:
    """Do ``work`` on each file; failures are worded on stderr and make the exit code 1.

    Args:
        files: the paths.
        work: does some files and returns for each what to report of it, or its error; what is
            under ``notes`` there is said on stderr too.
        keep_going: whether to go on after a failure.
        report: where to write the reports, one JSON object a line, or None.
        executor: who does the work; None does it here.
        reports: who else is told.
    """
    from btfschema.mapping import TOGETHER, map_ordered

    reports = Reports() if reports is None else reports
    journal, failed = reports.journal, False
    kept = {file: row for file in files if journal and (row := journal.kept(file)) is not None}
    # Nothing is to be done that a failure would have kept from being tried.
    together = TOGETHER if keep_going else 1
    waiting = (file for file in files if file not in kept)
    outcomes = map_ordered(work, waiting, executor, together)
    with ExitStack() as stack:
        # Ends the work that is under way when this ends.
        stack.callback(outcomes.close)
        if report is not None:
            out = stack.enter_context(Path(report).open("w", encoding="utf-8"))
            reports = evolve(reports, out=out)
        for number, file in enumerate(files, 1):
            row = kept.get(file)
            if row is None:
                outcome = next(outcomes)
                row = {"file": file, "outcome": "ok", **(outcome.result or {})}
                if outcome.error is not None:
                    row |= failure(file, outcome.error)
                    reports.say(f"btfschema: {file}: {row['message']}")
            reports.add(row, fresh=file not in kept)
            if row["outcome"] != "ok":
                failed = True
                if not keep_going:
                    if number < len(files):
                        left = f"{len(files) - number} of {len(files)} files were not tried"
                        reports.say(f"btfschema: {left}; --keep-going goes on")
                    break
    if failed:
        raise click.exceptions.Exit(1)


def failure(file: str, error: BtfError | OSError) -> dict[str, Any]:
    """What to report of a file that failed; ``message`` does not repeat its name."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename not in (None, file):
        text = f"{error.filename}: {text}"
    row: dict[str, Any] = {"outcome": "error", "message": text.removeprefix(f"{file}: ")}
    if isinstance(error, MatchError):
        row["outcome"] = "mismatch"
        row["reasons"] = [mismatch.as_dict() for mismatch in error.mismatches]
    return row
