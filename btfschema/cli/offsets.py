"""``btfschema offsets``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from attrs import define, evolve, field, frozen

from btfschema.cli.answers import called, complain
from btfschema.cli.batch import Reports, report_option, run_batch
from btfschema.cli.inputs import base_option_of, list_text, load_over
from btfschema.cli.kernels import KernelFiles, kernels_of, open_kernel
from btfschema.cli.options import AnyPath, executor_option, jobs_option, json_options
from btfschema.cli.outputs import DASH, echo, guard, write_output
from btfschema.cli.resume import NAME, Journal
from btfschema.cli.tree import Kept, gather, shared
from btfschema.cli.workers import workers_of

if TYPE_CHECKING:
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.questions.offsetfiles import Form
    from btfschema.questions.offsets import Answer, Question

__all__ = ["offsets"]

# Known without importing what writes them; a test compares them.
FORMS = ("csv", "json", "c", "python")


@click.command()
@click.argument("paths", type=AnyPath(dir_okay=False, allow_dash=True))
@click.argument("kernels", metavar="[[NAME=]KERNEL]...", nargs=-1, type=AnyPath())
@click.option(
    "--all",
    "trees",
    metavar="DIR",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="All kernels below DIR, in .deb and .rpm packages too.",
)
@click.option(
    "--modules",
    metavar="[NAME=]DIR|PACKAGE",
    multiple=True,
    help="A kernel's modules, searched for what the kernel itself lacks.",
)
@base_option_of("each KERNEL")
@click.option(
    "-o", "--output", metavar="FILE", help="Write the table to FILE (default: standard output)."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Default: what the name after -o says (.csv, .json, .h, .py), else csv.",
)
@json_options("the same as --format json")
@click.option("--group", is_flag=True, help="Print one row for all kernels with equal answers.")
@jobs_option
@executor_option
@click.option("--quiet", is_flag=True, help="Do not list what kernels lack.")
@report_option
def offsets(
    paths: str,
    kernels: tuple[str, ...],
    trees: tuple[str, ...],
    modules: tuple[str, ...],
    base_btf: str | None,
    output: str | None,
    form: str | None,
    as_json: bool,
    pretty: bool,
    group: bool,
    jobs: int,
    executor: str | None,
    quiet: bool,
    report: str | None,
) -> None:
    """Print offsets, sizes and values of many kernels as one table.

    PATHS is a file ("-" for standard input) with one question per line: TYPE.member, sizeof(TYPE),
    exists(TYPE.member) or enum TYPE.VALUE; "|" separates alternatives, of which the first that a
    kernel has counts. First lists on stderr what kernels lack, and exits with 1 if they lack
    anything. With --all and -o, an interrupted run resumes where it stopped. Without KERNEL, asks
    the running kernel.

    \b
    Examples:
      btfschema offsets paths.txt vmlinux-5.4 vmlinux-6.12 > offsets.csv
      btfschema offsets paths.txt --all btfhub/ --jobs 4 --group -o offsets.h
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.questions.offsetfiles import Answers, lacking, written

    questions = _questions(paths)
    as_form = _form(form, output, as_json=as_json)
    files = _kernels(kernels, trees, modules, base_btf)
    named: dict[str, list[str | None]] = {"PATHS": [paths], "-B": [base_btf]}
    guard({"-o": [output], "--report": [report]}, {**named, **files.reads})
    base = shared(base_btf, executor, jobs) if base_btf is not None else None
    work = Offsets(tuple(questions), files, base)
    told = _Told()
    failed = not _run(work, told, output, executor, jobs, report, quiet=quiet)
    answers = Answers(questions, told.kernels, group)
    lacks = lacking(answers)
    for line in lacks if not quiet else ():
        complain(line, None, "warning")
    data = written(answers, as_form, pretty=pretty or not as_json)
    if output is None or output == DASH:
        echo(data, nl=False)
    else:
        write_output(output, data.encode("utf-8", "surrogateescape"))
    if failed or lacks:
        raise click.exceptions.Exit(1)


def _questions(paths: str) -> list[Question]:
    """What a file asks.

    Raises:
        SpecError: a line is not a question, or there is none; names the file.
    """
    from btfschema.errors import SpecError
    from btfschema.questions.offsets import parse_questions

    try:
        return parse_questions(list_text(paths, "PATHS comes before the KERNELs"))
    except SpecError as error:
        raise SpecError(f"{called(paths)}: {error}") from None


def _run(
    work: Offsets,
    told: _Told,
    output: str | None,
    executor: str | None,
    jobs: int,
    report: str | None,
    *,
    quiet: bool,
) -> bool:
    """Ask all kernels; returns whether all could be read."""
    files = work.kernels
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        reports = Reports(summary=told)
        if files.walked and output is not None and output != DASH:
            reports = evolve(reports, journal=_journal(output, work.questions, files))
        try:
            run_batch(
                files.paths,
                work,
                keep_going=True,
                report=report,
                workers=workers,
                reports=reports,
                progress=files.walked and not quiet,
            )
        except click.exceptions.Exit:
            return False
    return True


def _kernels(
    kernels: Sequence[str], trees: Sequence[str], modules: Sequence[str], base_btf: str | None
) -> KernelFiles:
    """The files to ask; directories among the kernels are searched.

    Raises:
        click.UsageError: there is none.
    """
    folders = [one for one in kernels if Path(one).is_dir()]
    trees = [*trees, *folders]
    named = [one for one in kernels if one not in folders]
    if base_btf is None:
        return kernels_of(named, trees, modules, given="KERNELs")
    if modules:
        raise click.UsageError("--modules belong to a kernel; with -B, give them as KERNELs")
    found = gather(named, trees)
    return KernelFiles(found.paths, found.relative, walked=found.walked)


def _form(form: str | None, output: str | None, *, as_json: bool) -> Form:
    """In which form to write.

    Raises:
        click.UsageError: two are asked for.
    """
    from btfschema.questions.offsetfiles import FORMS as SUFFIXES

    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} contradict each other")
    by_name = SUFFIXES.get(Path(output or "").suffix, "csv")
    found: Any = "json" if as_json else form or by_name
    return cast("Form", found)


def _journal(output: str, questions: Sequence[Question], kernels: KernelFiles) -> Journal:
    """What earlier runs with the same questions have found out, beside the table."""
    modules = [path for paths in kernels.modules.values() for path in paths]
    stats = {path: Path(path).stat() for path in modules}
    run = {
        "offsets": [one.text for one in questions],
        "version": version("btfschema"),
        "modules": {path: [one.st_size, one.st_mtime_ns] for path, one in stats.items()},
    }
    path = Path(output)
    return Journal(str(path.parent), run, f".{path.name}{NAME}", sweeps=False)


@frozen
class Offsets:
    """Asks kernels; what workers are sent.

    Attributes:
        questions: what is asked.
        kernels: the kernels and their modules.
        base: what the files are split over, or None.
    """

    questions: tuple[Question, ...]
    kernels: KernelFiles
    base: Shared | Kept | None = None

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some kernels, one after another; returns the answers of each."""
        from btfschema.errors import attempt

        return [attempt(self._kernel, file) for file in files]

    def _kernel(self, file: str) -> dict[str, Any]:
        from btfschema.model.memo import forget
        from btfschema.questions.offsets import answer
        from btfschema.sources import read_source

        notes: list[str] = []
        with ExitStack() as stack:
            if self.base is None:
                modules = self.kernels.modules.get(file, ())
                kernel, _ = stack.enter_context(open_kernel(file, modules))
                btf, others = kernel.vmlinux, list(kernel.modules.values())
            else:
                btf, notes = load_over(read_source(file), self.base.open(), self.base.name)
                stack.callback(forget, btf)
                others = []
            answers = [answer(btf, one, others).as_dict() for one in self.questions]
        return {"kernel": self.kernels.names[file], "answers": answers, "notes": notes}


@define
class _Told:
    """Keeps the answers, and no more of a kernel."""

    kernels: dict[str, tuple[Answer, ...]] = field(factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """One kernel's report."""
        from btfschema.questions.offsets import Answer

        if "answers" in row:
            self.kernels[row["kernel"]] = tuple(Answer(**one) for one in row["answers"])
