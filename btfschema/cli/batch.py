"""One piece of work over one or many files: where outputs go, what is reported, when to stop."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from attrs import frozen

from btfschema.cli.inputs import Decorator
from btfschema.errors import BtfError, MatchError

if TYPE_CHECKING:
    from btfschema.container import Btf

__all__ = [
    "Targets",
    "batch_options",
    "failure",
    "file_arguments",
    "report_option",
    "run_batch",
    "sizes",
]

Work = Callable[[str], dict[str, Any]]

file_arguments: Decorator = click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(allow_dash=True)
)


report_option: Decorator = click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write one JSON object a file: outcome, sizes in bytes, reasons.",
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
                help="Where the results of many files go, each under its own name.",
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

    @classmethod
    def of(cls, files: tuple[str, ...], output: str | None, out_dir: str | None) -> Targets:
        """Check that the options fit the files.

        Raises:
            click.UsageError: not exactly one of them is given, or ``-o`` for several files, or two
                files would go to one place.
        """
        if (output is None) == (out_dir is None):
            raise click.UsageError("give either -o/--output FILE or --out-dir DIR")
        if output in ("", "-"):
            raise click.UsageError(f"-o {output!r}: results go to files, give a name")
        if output is not None and len(files) > 1:
            raise click.UsageError(f"-o takes one FILE, not {len(files)}: use --out-dir DIR")
        if out_dir is not None:
            names = [Path(file).name for file in files]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise click.UsageError(f"several files are called {twice[0]}: run them apart")
            Path(out_dir).mkdir(parents=True, exist_ok=True)
        return cls(output, out_dir)

    def of_file(self, file: str) -> str:
        """The path of one file's result."""
        if self.output is not None:
            return self.output
        return os.path.join(self.out_dir or "", Path(file).name)  # noqa: PTH118


def sizes(btf: Btf) -> dict[str, int]:
    """Bytes of the sections of a container, and of its base when that is its own."""
    from btfschema.framework import base_state

    found = {"types": btf.types.words.nbytes, "strings": len(btf.strings.data)}
    if btf.base is not None and base_state(btf) == "distilled":
        found["base_types"] = btf.base.types.words.nbytes
        found["base_strings"] = len(btf.base.strings.data)
    return found


def run_batch(files: Sequence[str], work: Work, *, keep_going: bool, report: str | None) -> None:
    """Do ``work`` on each file; failures are worded on stderr and make the exit code 1.

    Args:
        files: the paths.
        work: does one file and returns what to report of it.
        keep_going: whether to go on after a failure.
        report: where to write the reports, one JSON object a line, or None.
    """
    failed = False
    with ExitStack() as stack:
        out: TextIO | None = None
        if report is not None:
            out = stack.enter_context(Path(report).open("w", encoding="utf-8"))
        for number, file in enumerate(files, 1):
            row: dict[str, Any] = {"file": file, "outcome": "ok"}
            try:
                row.update(work(file))
            except (BtfError, OSError) as error:
                row.update(failure(file, error))
                click.echo(f"btfschema: {file}: {row['message']}", err=True)
            if out is not None:
                out.write(json.dumps(row) + "\n")
            if row["outcome"] != "ok":
                failed = True
                if not keep_going:
                    if number < len(files):
                        left = f"{len(files) - number} of {len(files)} files were not tried"
                        click.echo(f"btfschema: {left}; --keep-going goes on", err=True)
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
