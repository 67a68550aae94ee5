"""One piece of work over one or many files: where outputs go, what is reported, when to stop."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import click
from attrs import evolve, frozen

from btfschema.cli.answers import called, complain, print_json, reason
from btfschema.cli.given import as_given, named_as_given, package_of
from btfschema.cli.options import AnyPath, Decorator, json_options
from btfschema.cli.outputs import DASH, output_stream
from btfschema.cli.policies import WOULD_LEAVE
from btfschema.cli.progress import Progress
from btfschema.cli.stops import Interrupted, between_stops, stops_held
from btfschema.cli.workers import Workers
from btfschema.errors import BtfError, MatchError
from btfschema.escapes import printable
from btfschema.render.jsonlines import line

if TYPE_CHECKING:
    from btfschema.cli.resume import Journal
    from btfschema.cli.tree import Found
    from btfschema.framework.files import Outcome, Work
    from btfschema.model.container import Btf

__all__ = [
    "Reports",
    "Targets",
    "batch_options",
    "failure",
    "file_arguments",
    "one_place",
    "places_in",
    "report_option",
    "rows_printer",
    "run_batch",
    "sizes",
    "stdout_of",
    "type_count",
]

# Each worker gets its files in so many parts, lest it wait long for another's last.
SHARES = 8
# Files that are done before processes are forked: several, which takes another way than one.
FIRST = 2

file_arguments: Decorator = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=AnyPath(allow_dash=True)
)


report_option: Decorator = click.option(
    "--report",
    metavar="FILE",
    type=AnyPath(dir_okay=False, allow_dash=True),
    help='Write one JSON object per file: outcome, types, sizes in bytes, reasons, notes; "-" for '
    "standard output.",
)


def stdout_of(*, as_json: bool) -> dict[str, Sequence[str | None]]:
    """What ``guard`` is told of JSON on standard output."""
    return {"--json": [DASH if as_json else None]}


def rows_printer(
    *, as_json: bool, pretty: bool, err: bool = False
) -> Callable[[dict[str, Any]], None] | None:
    """What prints reports where JSON is asked for."""

    def show(row: dict[str, Any]) -> None:
        print_json(row, pretty=pretty, err=err)

    return show if as_json else None


def batch_options(*, outputs: bool, as_reported: bool = False) -> Decorator:
    """The options of every command that takes many files; those about outputs when it has any.

    Args:
        outputs: whether it has any.
        as_reported: whether JSON always has what ``--report`` writes.
    """
    written = ", what --report writes" if as_reported else ""
    options: list[Decorator] = [
        click.option(
            "--keep-going", is_flag=True, help="Continue with the next file after a failure."
        ),
        report_option,
        json_options(f"an object for each file{written}"),
    ]
    if outputs:
        options += [
            click.option(
                "-o",
                "--output",
                metavar="FILE",
                help='Write the result to FILE; "-" for standard output.',
            ),
            click.option(
                "--in-place",
                is_flag=True,
                help="Replace each FILE with its result, through a temporary file; bases and "
                "targets are never replaced.",
            ),
            click.option(
                "--out-dir",
                metavar="DIR",
                type=AnyPath(file_okay=False),
                help="Write each result to DIR under its file's name, or its path below --all DIR; "
                "an interrupted run resumes where it stopped.",
            ),
        ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in options:
            command = option(command)
        return command

    return decorate


def places_in(folder: str, found: Found) -> dict[str, str]:
    """A place for each file in a directory, under the file's own name.

    Raises:
        click.UsageError: two files have one name.
    """
    counts = Counter(found.relative.values())
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise click.UsageError(f"several files are called {twice[0]}: run them separately")
    return {file: os.path.join(folder, name) for file, name in found.relative.items()}  # noqa: PTH118


def one_place(output: str | None, out_dir: str | None, *, in_place: bool | None) -> None:
    """Check that results go to one place.

    Args:
        output: of ``-o``.
        out_dir: of ``--out-dir``.
        in_place: whether ``--in-place`` is given; None for a command without it.

    Raises:
        click.UsageError: none of them is given, or several.
    """
    chosen = {"-o": output is not None, "--out-dir": out_dir is not None, "--in-place": in_place}
    given = [option for option, is_given in chosen.items() if is_given]
    if not given:
        places = ["-o/--output FILE", "--out-dir DIR", "--in-place"]
        *others, last = places if in_place is not None else places[:2]
        raise click.UsageError(f"give {', '.join(others)} or {last}")
    *others, last = given
    if others:
        raise click.UsageError(f"give only one of {', '.join(others)} and {last}")


@frozen
class Targets:
    """Where the result of each file goes.

    Attributes:
        option: the option that says so.
        paths: of results, by file.
    """

    option: str
    paths: Mapping[str, str]

    @classmethod
    def of(
        cls, found: Found, output: str | None, out_dir: str | None, in_place: bool = False
    ) -> Targets:
        """Check that the options fit the files.

        Raises:
            click.UsageError: not exactly one of them is given, or ``-o`` for several files or
                without a name, or two files would go to one place.
        """
        one_place(output, out_dir, in_place=in_place)
        if in_place:
            if DASH in found.paths:
                raise click.UsageError("--in-place can't replace standard input: give -o FILE")
            if package := next(filter(None, map(package_of, found.paths)), None):
                raise click.UsageError(
                    f"--in-place can't replace files in {printable(package)}: give --out-dir DIR"
                )
            return cls("--in-place", {file: file for file in found.paths})
        if output == "":
            raise click.UsageError("-o '': give a name, or - for standard output")
        if output is not None:
            if len(found.paths) > 1:
                count = len(found.paths)
                raise click.UsageError(f"-o takes one FILE, not {count}: use --out-dir DIR")
            return cls("-o", dict.fromkeys(found.paths, output))
        paths = places_in(out_dir or "", found)
        for folder in {os.path.dirname(path) for path in paths.values()}:  # noqa: PTH120
            os.makedirs(folder or ".", exist_ok=True)  # noqa: PTH103
        return cls("--out-dir", paths)

    @property
    def writes(self) -> dict[str, Sequence[str | None]]:
        """The outputs, by the option that names them."""
        return {self.option: list(self.paths.values())}

    @property
    def own(self) -> Mapping[str, str]:
        """The outputs that may replace a source, and which."""
        return self.paths if self.option == "--in-place" else {}


def sizes(btf: Btf) -> dict[str, int]:
    """Bytes of the sections of a container, and of its base when that is its own."""
    from btfschema.framework.passes import base_state

    found = {"types": btf.types.words.nbytes, "strings": len(btf.strings.data)}
    if btf.base is not None and base_state(btf) == "distilled":
        found["base_types"] = btf.base.types.words.nbytes
        found["base_strings"] = len(btf.base.strings.data)
    return found


def type_count(btf: Btf) -> int:
    """How many types a container has, with those of its base when that is its own."""
    from btfschema.framework.passes import base_state

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
        progress: shown on the way, or None; :func:`run_batch` makes it.
        summary: is given each report, or None.
        journal: is told what is finished, and closed at the end, or None.
        notes: counts notes by what they say; the first that says this is printed. None prints all.
        rows: prints each report, or None.
    """

    out: TextIO | None = None
    progress: Progress | None = None
    summary: Listener | None = None
    journal: Journal | None = None
    notes: Counter[str] | None = None
    rows: Callable[[dict[str, Any]], None] | None = None

    def show(self, row: dict[str, Any]) -> None:
        """Print one file's report, to whoever reads along."""
        notes = row.pop("notes", ())
        for note in notes:
            if not self._said(note):
                complain(note, row["file"], "warning")
        if notes:
            row["notes"] = list(notes)
        if self.out is not None:
            self.out.write(line(row) + "\n")
        if self.rows is not None:
            self.rows(row)

    def _said(self, note: str) -> bool:
        """Count a note; returns whether one that says the same was printed before."""
        if self.notes is None:
            return False
        gist = _gist(note)
        self.notes[gist] += 1
        return self.notes[gist] > 1

    def count(self, row: dict[str, Any], *, fresh: bool) -> None:
        """Add one file's report to what is kept; ``fresh`` unless an earlier run did the file."""
        if self.journal is not None and fresh and row["outcome"] == "ok":
            outputs = [one["output"] for one in row.get("outputs", ())]
            if "output" in row:
                from btfschema.sources.elf import BASE_SUFFIX

                outputs += [row["output"], f"{row['output']}{BASE_SUFFIX}"]
            self.journal.finished(row, outputs)
        if self.summary is not None:
            self.summary.add(row)


def _gist(note: str) -> str:
    """What a note says, without what it says it of: examples behind it, or a reason before it."""
    from btfschema.verification.suspect import DOUBTS

    heads = (text for text in (*DOUBTS, *WOULD_LEAVE.values()) if f"{text}: " in note)
    return next(heads, note.rpartition(": ")[2])


def run_batch(
    files: Sequence[str],
    work: Work[str, dict[str, Any]],
    *,
    keep_going: bool,
    report: str | None,
    workers: Workers | None = None,
    reports: Reports | None = None,
    progress: bool = False,
) -> None:
    """Do ``work`` on each file; failures are worded on stderr and make the exit code 1.

    Args:
        files: the paths.
        work: does some files and returns for each what to report of it, or its error; what is
            under ``notes`` there is said on stderr too.
        keep_going: whether to go on after a failure. If not, no more is started after one, and what
            is under way is finished.
        report: where to write the reports, one JSON object a line, or None.
        workers: who does the work; None does it here.
        reports: who else is told.
        progress: whether to show how many files are done.

    Raises:
        click.exceptions.Exit: a file failed.
        Interrupted: the user interrupted it.
    """
    reports = Reports() if reports is None else reports
    outcomes = Counter[str]()
    try:
        with ExitStack() as stack:
            if reports.journal is not None:
                stack.callback(reports.journal.close)
            if report is not None:
                out = stack.enter_context(output_stream(report))
                reports = evolve(reports, out=out)
            if progress:
                bar = Progress(len(files))
                stack.callback(bar.close)
                reports = evolve(reports, progress=bar)
            found = _done(files, work, keep_going, workers or Workers(), reports)
            # Closing it ends the work that is under way.
            for row, fresh in stack.enter_context(closing(found)):
                reports.show(row)
                with stops_held():
                    reports.count(row, fresh=fresh)
                    outcomes[row["outcome"]] += 1
                if reports.progress is not None and fresh:
                    reports.progress.step()
    except KeyboardInterrupt as cause:
        far = f" after {outcomes.total():,} of {len(files):,} files" if len(files) > 1 else ""
        goes_on = "; the same command goes on" if reports.journal is not None else ""
        raise Interrupted(cause, f"{far}{goes_on}") from None
    left = len(files) - outcomes.total()
    if left:
        text = f"{left:,} of {len(files):,} files were not tried; --keep-going goes on"
        complain(text)
    if set(outcomes) - {"ok"}:
        raise click.exceptions.Exit(1)


def _done(
    files: Sequence[str],
    work: Work[str, dict[str, Any]],
    keep_going: bool,
    workers: Workers,
    reports: Reports,
) -> Generator[tuple[dict[str, Any], bool], None, None]:
    """The report of each file, in order, and whether this run did the file."""
    from btfschema.sources.files import of_stdout

    journal, failed = reports.journal, False
    kept = {
        file: row
        for file in files
        if journal and (row := journal.kept(named_as_given(file))) is not None
    }
    if kept and reports.progress is not None:
        reports.progress.resumed(len(kept))

    def waiting() -> Iterator[str]:
        for file in files:
            if failed and not keep_going:
                return
            if file not in kept:
                yield file

    count = len(files) - len(kept)
    with closing(_outcomes(work, waiting(), count, workers, keep_going)) as outcomes:
        for file in files:
            row = kept.get(file)
            if row is None:
                outcome = next(outcomes, None)
                if outcome is None:
                    continue
                if outcome.error is not None and of_stdout(outcome.error):
                    # No other file can do better.
                    raise outcome.error
                row = {"file": file, "outcome": "ok", **(outcome.result or {})}
                if outcome.error is not None:
                    row |= failure(file, outcome.error)
                row = as_given(row)
                if outcome.error is not None:
                    complain(row["message"], row["file"])
            failed |= row["outcome"] != "ok"
            yield row, file not in kept


def _outcomes(
    work: Work[str, dict[str, Any]],
    files: Iterator[str],
    count: int,
    workers: Workers,
    keep_going: bool,
) -> Generator[Outcome[str, dict[str, Any]], None, None]:
    """What becomes of so many files, in order."""
    from btfschema.framework.files import AHEAD, TOGETHER, map_ordered

    # Where a failure stops the rest, nothing waits for a worker that is not free.
    together, ahead = (None, AHEAD) if keep_going else (1, workers.count)
    if workers.executor is not None and keep_going:
        together = min(max(count // (SHARES * workers.count), 1), TOGETHER)
        ahead = max(AHEAD, 2 * workers.count)
    if workers.fork is not None:
        if count > SHARES * workers.count:
            # What all files need is read and worked out here, and not once more in each worker.
            yield from map_ordered(work, islice(files, FIRST if keep_going else 1))
        workers.fork()
    outcomes = map_ordered(work, files, workers.executor, together, ahead)
    yield from outcomes if workers.fork is None else between_stops(outcomes)


def failure(file: str, error: BtfError | OSError) -> dict[str, Any]:
    """What to report of a file that failed; ``message`` does not repeat its name."""
    from btfschema.errors import for_shell

    text = reason(error) if isinstance(error, OSError) else for_shell(str(error))
    if isinstance(error, OSError) and error.filename not in (None, file):
        text = f"{printable(os.fsdecode(error.filename))}: {text}"
    row: dict[str, Any] = {"outcome": "error", "message": text.removeprefix(f"{called(file)}: ")}
    if isinstance(error, MatchError):
        row["outcome"] = "mismatch"
        row["reasons"] = [mismatch.as_dict() for mismatch in error.mismatches]
    return row
