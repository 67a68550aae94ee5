"""``btfschema check``: will these modules' BTF relocate onto those kernels, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, field, frozen

from btfschema.cli.answers import complain
from btfschema.cli.batch import Reports, failure, report_option, rows_printer, run_batch, stdout_of
from btfschema.cli.completion import complete_kernels
from btfschema.cli.given import named_as_given
from btfschema.cli.inputs import (
    load_all_over,
    no_distilled_base,
    noted,
    original_option_of,
    running_kernel,
    standing_alone,
)
from btfschema.cli.kernels import named_kernels, refusal_of
from btfschema.cli.matrix import Matrix
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import DASH, echo, foot, guard, write_output
from btfschema.cli.policies import OTHER, otherwise, policy_option, relocation
from btfschema.cli.tree import Found, Kept, gather, shared, tree_options
from btfschema.cli.workers import workers_of
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.cli.inputs import Opened
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.framework.passes import PassResult
    from btfschema.framework.pipeline import Pipeline
    from btfschema.model.container import Btf
    from btfschema.sources import Source

__all__ = ["check"]


@click.command()
@tree_options
@click.option(
    "-T",
    "--target",
    "targets",
    metavar="[NAME=]FILE",
    shell_complete=complete_kernels,
    multiple=True,
    help="A kernel to check against: its vmlinux or boot image (default: the running kernel). Its "
    "own BTF must be sound by the rules of the newest version that verify --kernel lists. May be "
    "given several times.",
)
@original_option_of(
    "Files without a distilled base need it, and it lets a failure say which members changed."
)
@policy_option
@click.option(
    "--html",
    metavar="FILE",
    type=AnyPath(dir_okay=False, allow_dash=True),
    help="Write an HTML page that shows what breaks on which kernel, and which types cause it.",
)
@report_option
@json_options("an object for each file, what --report writes")
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
    as_json: bool,
    pretty: bool,
) -> None:
    """Say whether each FILE's BTF relocates onto a kernel, and if not, why.

    A FILE with a distilled base (.BTF.base) is checked as it is. An ordinary module is distilled
    first, over -B. All files are checked; the exit code is 1 when one fails. For directories, and
    for several kernels, tables say what breaks and which types are to blame.

    \b
    Examples:
      btfschema check nvme.ko.xz xfs.ko.xz -B vmlinux-6.11 -T /boot/vmlinuz-6.12
      btfschema check --all /lib/modules/6.11 -B vmlinux-6.11 -T 6.12=vmlinuz-6.12 \\
          -T 6.13=vmlinuz-6.13 --html report.html
    """  # noqa: D301 - click needs the backspace character itself
    found = gather(files, trees)
    original_base, named = found.over(original_base), _named(targets)
    reads = {"FILE": found.paths, "--target": list(named.values()), "-B": [original_base]}
    guard({"--report": [report], "--html": [html], **stdout_of(as_json=as_json)}, reads)
    kernels = {name: _target(name, shared(path, executor, jobs)) for name, path in named.items()}
    original = _original(original_base, executor, jobs)
    matrix = Matrix(tuple(named))
    notes = Counter[str]() if found.walked else None
    reports = Reports(notes=notes, rows=rows_printer(as_json=as_json, pretty=pretty))
    # Standard output holds one thing.
    said, aside = not (quiet or as_json), DASH in (report, html)
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if html is not None:
            inputs = {**reads, "FILE": files, "--all": trees}
            stack.callback(lambda: _write_page(html, matrix, found, inputs))
        table = found.walked or len(named) > 1
        if table and said:
            stack.callback(lambda: matrix.show(err=aside))
        elif said and len(found.paths) > 1:
            stack.callback(lambda: echo(matrix.counted(matrix.targets[0]), err=aside))
        wanted = _wanted(table=table, quiet=quiet, as_json=as_json)
        told = _Told(matrix, wanted, found.walked, aside)
        run_batch(
            found.paths,
            Check(kernels, original, policy),
            keep_going=True,
            report=report,
            workers=workers,
            reports=evolve(reports, summary=told),
            progress=found.walked and not quiet,
        )


def _named(targets: Sequence[str]) -> dict[str, str]:
    """The kernels' files by what they are called; without targets, the running kernel."""
    targets = targets or running_kernel("give --target FILE")
    named = dict(named_kernels(targets))
    if len(named) < len(targets):
        raise click.UsageError("a kernel is given twice with --target")
    return named


def _target(name: str, kernel: Shared | Kept) -> Shared | Kept:
    """A kernel whose own BTF the newest of kernels takes.

    Raises:
        BtfError: it refuses it, so that no module loads over it.
    """
    from btfschema.errors import BtfError

    if refusal := refusal_of(name, kernel):
        raise BtfError(refusal)
    return kernel


def _original(path: str | None, executor: str | None, jobs: int) -> Shared | Kept | None:
    """The base of the modules; says if no module loads over it, which need not stop a check."""
    if path is None:
        return None
    base = shared(path, executor, jobs)
    if refusal := refusal_of(path, base):
        complain(refusal, None, "warning")
    return base


def _write_page(
    path: str, matrix: Matrix, found: Found, inputs: Mapping[str, Sequence[str | None]]
) -> None:
    """Write the page; also when modules fail, which ends the command with an exit code."""
    from btfschema.cli.page import page

    names = {named_as_given(file): name for file, name in found.relative.items()}
    write_output(path, page(matrix, names, foot(inputs)).encode())


def _wanted(*, table: bool, quiet: bool, as_json: bool) -> frozenset[str]:
    """The outcomes that are printed file by file: none where a table or JSON tells of them."""
    if as_json or (table and not quiet):
        return frozenset()
    return frozenset({"mismatch"} if quiet else {"mismatch", "ok"})


@frozen
class _Told:
    """Counts each report and prints it.

    Attributes:
        matrix: counts them.
        wanted: the outcomes that are printed.
        once: whether that is said of the first file alone.
        aside: whether reports go to stderr.
        said: what was said.
    """

    matrix: Matrix
    wanted: frozenset[str]
    once: bool
    aside: bool
    said: set[str] = field(factory=set)

    def add(self, row: dict[str, Any]) -> None:
        """One file's report."""
        self.matrix.add(row)
        for one in row.get("targets", ()):
            if one["outcome"] == "error" and not (self.once and one["message"] in self.said):
                self.said.add(one["message"])
                complain(one["message"], row["file"])
        named = len(self.matrix.targets) > 1
        for one in row.get("targets", (row,)):
            if one["outcome"] in self.wanted:
                where = f"{printable(row['file'])}: "
                where += f"{printable(one['target'])}: " if named else ""
                echo(f"{where}{_ending(one)}", err=self.aside)


def _ending(row: Mapping[str, Any]) -> str:
    """What became of a file on a kernel, in words."""
    if row["outcome"] == "mismatch":
        return str(row["message"])
    return f"relocates, all {row['facts']['matched']:,} distilled types have a match"


@frozen
class Check:
    """Relocates files onto each kernel; what workers are sent.

    Attributes:
        targets: the kernels, by what they are called.
        original: what the files were built over, or None.
        policy: of ``relocate``.
    """

    targets: dict[str, Shared | Kept]
    original: Shared | Kept | None
    policy: str

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some files; with several kernels a report has one of each under ``targets``."""
        from btfschema.framework.files import run_loaded
        from btfschema.framework.passes import Context, base_state

        original = self.original.open() if self.original is not None else None
        opened = _opened(files, original, self.original.name if self.original else None)
        btfs: list[Btf | Failure] = [one[0] if isinstance(one, tuple) else one for one in opened]
        full = {
            number: btf
            for number, btf in enumerate(btfs)
            if not isinstance(btf, Exception) and base_state(btf) != "distilled"
        }
        distilled = run_loaded(_pipeline("distill"), list(full.values()), Context())
        for number, result in zip(full, distilled, strict=True):
            btfs[number] = result if isinstance(result, Exception) else result.btf
        moves = {name: self._moved(btfs, original, name, self.policy) for name in self.targets}
        asides = {
            name: otherwise(
                self.policy, ends, self._moved(btfs, original, name, OTHER[self.policy])
            )
            for name, ends in moves.items()
        }
        found: list[dict[str, Any] | Failure] = []
        for number, (file, one) in enumerate(zip(files, opened, strict=True)):
            notes = one[1] if isinstance(one, tuple) else []
            told = [f"{name}: {said[number]}" for name, said in asides.items() if number in said]
            notes = [*notes, *told]
            ends = {name: results[number] for name, results in moves.items()}
            failed = btfs[number]
            found.append(
                noted(failed, notes) if isinstance(failed, Exception) else _row(file, ends, notes)
            )
        return found

    def _moved(
        self, btfs: Sequence[Btf | Failure], original: Btf | None, name: str, policy: str
    ) -> list[PassResult | Failure]:
        """What becomes of all on one kernel under a policy."""
        from btfschema.framework.files import run_loaded
        from btfschema.framework.passes import Context

        inputs = {"target": self.targets[name].open()}
        if original is not None:
            inputs["original"] = original
        pipeline = _pipeline(relocation(policy))
        return run_loaded(pipeline, btfs, Context(inputs))


def _row(
    file: str, ends: Mapping[str, PassResult | Failure], notes: list[str]
) -> dict[str, Any] | Failure:
    """The report of a file, from what became of it on each kernel.

    An error that is not the file's but a kernel's stays with that kernel, and names it.
    """
    from btfschema.errors import BtfError, MatchError

    rows: dict[str, dict[str, Any]] = {}
    for name, end in ends.items():
        if isinstance(end, MatchError):
            rows[name] = failure(file, end)
        elif isinstance(end, Exception):
            rows[name] = failure(file, end)
            message = rows[name]["message"] = f"{printable(name)}: {rows[name]['message']}"
            if len(ends) == 1:
                return noted(BtfError(message), notes)
        else:
            rows[name] = {"outcome": "ok", "facts": dict(end.facts["relocate"])}
    if len(rows) == 1:
        return {**next(iter(rows.values())), "notes": notes}
    outcomes = {row["outcome"] for row in rows.values()}
    outcome = next((one for one in ("mismatch", "error") if one in outcomes), "ok")
    targets = [{"target": name, **row} for name, row in rows.items()]
    errors = [row["message"] for row in rows.values() if row["outcome"] == "error"]
    said = {"message": "; ".join(errors)} if errors else {}
    return {"outcome": outcome, **said, "targets": targets, "notes": notes}


@cache
def _pipeline(text: str) -> Pipeline:
    from btfschema.framework.pipeline import Pipeline

    return Pipeline.parse(text)


def _opened(files: Sequence[str], original: Btf | None, name: str | None) -> list[Opened | Failure]:
    """Files over their distilled bases, or over the base they were built for."""
    from btfschema.errors import attempt
    from btfschema.sources import read_source

    read = [attempt(read_source, file) for file in files]
    pairs = [
        (one, None) if isinstance(one, Exception) else attempt(_with_base, one, original)
        for one in read
    ]
    sources = [pair[0] if isinstance(pair, tuple) else pair for pair in pairs]
    bases = [pair[1] if isinstance(pair, tuple) else None for pair in pairs]
    found = load_all_over(sources, bases, name)
    for number, (file, one) in enumerate(zip(files, found, strict=True)):
        if isinstance(one, tuple) and one[0].base is None:
            found[number] = standing_alone(file)
    return found


def _with_base(source: Source, original: Btf | None) -> tuple[Source, Btf | None]:
    """A file and the base to read it over; None where it brings one, or stands alone."""
    from btfschema.codec.header import read_header
    from btfschema.sources import base_beside

    if source.base is not None or base_beside(source) is not None:
        return source, None
    _, at, length = read_header(source.btf).sections[1]
    alone = length and not source.btf[at]
    if original is None and not alone:
        raise no_distilled_base(source.path, "give the BTF that it was built over with -B")
    return source, None if alone else original
