"""``btfschema check``: will these modules' BTF relocate onto those kernels, and if not, why."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from btfschema.cli.batch import Reports, failure, report_option, run_batch
from btfschema.cli.inputs import load_over, saying
from btfschema.cli.matrix import Matrix
from btfschema.cli.tree import Kept, Progress, executor_of, gather, shared, tree_options

if TYPE_CHECKING:
    from btfschema.container import Btf
    from btfschema.mapping import Shared
    from btfschema.pipeline import Pipeline

__all__ = ["check"]


@click.command()
@tree_options
@click.option(
    "-B",
    "--base-btf",
    "--target",
    "targets",
    metavar="FILE",
    multiple=True,
    required=True,
    help="A kernel to check against: its vmlinux or boot image. May be given several times.",
)
@click.option(
    "--original-base",
    metavar="FILE",
    type=click.Path(),
    help="The base that the files were built over; files without a distilled base need it, "
    "and it lets a failure say which members changed.",
)
@click.option(
    "--policy",
    type=click.Choice(["kernel", "strict"]),
    default="kernel",
    show_default=True,
    help="kernel asks what the kernel would do, strict what is right.",
)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write a page to look at: what breaks on which kernel, and what is to blame.",
)
@report_option
def check(
    files: tuple[str, ...],
    trees: tuple[str, ...],
    targets: tuple[str, ...],
    original_base: str | None,
    policy: str,
    html: str | None,
    jobs: int,
    executor: str | None,
    quiet: bool,
    report: str | None,
) -> None:
    """Say whether each FILE's BTF relocates onto a kernel, and if not, why.

    A FILE with a distilled base (.BTF.base) is checked as it is. An ordinary module is distilled
    first, over --original-base. All files are checked; the exit code is 1 when one fails. For
    directories, and for several kernels, tables say what breaks and which types are to blame.

    \b
    Examples:
      btfschema check nvme.ko.xz xfs.ko.xz -B /boot/vmlinuz-6.12 --original-base vmlinux-6.11
      btfschema check --all /lib/modules/6.11 --original-base vmlinux-6.11 -B vmlinuz-6.12 \\
          -B vmlinuz-6.13 --html report.html
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.mapping import Each

    found = gather(files, trees)
    if len(set(targets)) < len(targets):
        raise click.UsageError("a kernel is given twice with -B")
    kernels = {target: shared(target, executor, jobs) for target in targets}
    original = shared(original_base, executor, jobs) if original_base is not None else None
    matrix = Matrix(targets)
    reports = Reports()
    with ExitStack() as stack:
        workers = stack.enter_context(executor_of(executor, jobs))
        if html is not None:
            # Also when modules fail, which ends the command with an exit code.
            stack.callback(lambda: _write_page(html, matrix, found.relative))
        if found.walked or len(targets) > 1:
            if not quiet:
                stack.callback(lambda: click.echo(str(matrix)))
        elif len(found.paths) > 1 and not quiet:
            stack.callback(lambda: click.echo(matrix.counted(matrix.targets[0])))
        if found.walked and not quiet:
            progress = Progress(len(found.paths))
            stack.callback(progress.close)
            reports = evolve(reports, progress=progress)
        shown = None if found.walked or len(targets) > 1 else (not quiet)
        run_batch(
            found.paths,
            Each(Check(kernels, original, policy)),
            keep_going=True,
            report=report,
            executor=workers,
            reports=evolve(reports, summary=_Told(matrix, shown)),
        )


def _write_page(path: str, matrix: Matrix, names: Any) -> None:
    from btfschema.cli.page import page

    Path(path).write_text(page(matrix, names), encoding="utf-8")


@frozen
class _Told:
    """Counts each report and prints it: all of them, those of failures, or (None) none."""

    matrix: Matrix
    shown: bool | None

    def add(self, row: dict[str, Any]) -> None:
        """One file's report."""
        self.matrix.add(row)
        if self.shown is None:
            return
        if row["outcome"] == "mismatch":
            click.echo(f"{row['file']}: {row['message']}")
        elif row["outcome"] == "ok" and self.shown:
            count = row["facts"]["matched"]
            click.echo(f"{row['file']}: relocates, all {count} distilled types have a partner")


@frozen
class Check:
    """Relocates a file onto each kernel; what workers are sent.

    Attributes:
        targets: the kernels, by what they are called.
        original: what the files were built over, or None.
        policy: of ``relocate``.
    """

    targets: dict[str, Shared | Kept]
    original: Shared | Kept | None
    policy: str

    def __call__(self, file: str) -> dict[str, Any]:
        """Do one file; with several kernels the report has one of each under ``targets``."""
        from btfschema.framework import base_state

        original = self.original.open() if self.original is not None else None
        btf, notes = _opened(file, original, self.original.path if self.original else None)
        if base_state(btf) != "distilled":
            with saying(notes):
                btf = _pipeline("distill").run(btf).btf
        rows = {name: self._onto(file, btf, original, name) for name in self.targets}
        if len(rows) == 1:
            return {**next(iter(rows.values())), "notes": notes}
        broken = any(row["outcome"] != "ok" for row in rows.values())
        outcome = "mismatch" if broken else "ok"
        targets = [{"target": name, **row} for name, row in rows.items()]
        return {"outcome": outcome, "targets": targets, "notes": notes}

    def _onto(self, file: str, btf: Btf, original: Btf | None, name: str) -> dict[str, Any]:
        """The report of one kernel."""
        from btfschema.errors import MatchError
        from btfschema.framework import Context

        inputs = {"target": self.targets[name].open()}
        if original is not None:
            inputs["original"] = original
        try:
            result = _pipeline(f"relocate{{policy={self.policy}}}").run(btf, Context(inputs))
        except MatchError as error:
            return failure(file, error)
        return {"outcome": "ok", "facts": dict(result.facts["relocate"])}


@cache
def _pipeline(text: str) -> Pipeline:
    from btfschema.pipeline import Pipeline

    return Pipeline.parse(text)


def _opened(file: str, original: Btf | None, name: str | None) -> tuple[Btf, list[str]]:
    """A file over its distilled base, or over the base it was built for; what to say of it."""
    from btfschema.errors import MissingBaseError, SourceError
    from btfschema.header import read_header
    from btfschema.sources import base_beside, load_source, read_source

    source = read_source(file)
    if source.base is not None or base_beside(source) is not None:
        return load_source(source), []
    _, at, length = read_header(source.btf).sections[1]
    alone = length and not source.btf[at]
    if original is None and not alone:
        raise MissingBaseError(
            f"{file}: has no distilled base (.BTF.base, or {file}.base beside it): pass the "
            "BTF that it was built over with --original-base"
        )
    btf, notes = load_over(source, None if alone else original, name)
    if btf.base is None:
        raise SourceError(f"{file}: stands alone, so there is nothing to relocate")
    return btf, notes
