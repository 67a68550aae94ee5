"""``btfschema minimise``: the smallest BTF that some programs and types need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from btfschema.cli.batch import Reports, one_place, rows_printer, run_batch, stdout_of
from btfschema.cli.kernels import KernelFiles, kernels_of, open_kernel
from btfschema.cli.options import AnyPath, json_options, kernel_work_options
from btfschema.cli.outputs import DASH, echo, guard, write_output
from btfschema.cli.resume import Journal
from btfschema.cli.workers import workers_of

if TYPE_CHECKING:
    from btfschema.co_re import Kernel, Marks
    from btfschema.errors import Failure
    from btfschema.model.container import Btf

__all__ = ["minimise"]


@click.command()
@click.argument("files", metavar="[VMLINUX [MODULE]...]", nargs=-1, type=AnyPath())
@click.option(
    "--for",
    "programs",
    metavar="OBJECT",
    multiple=True,
    type=AnyPath(),
    help="A BPF object whose CO-RE relocations keep their answers; may be given several times.",
)
@click.option(
    "--keep",
    metavar="NAME",
    multiple=True,
    help='A type to keep, such as task_struct, "enum pid_type" or task_struct.mm; names may have '
    "wildcards.",
)
@click.option(
    "--members",
    type=click.Choice(["all", "named"]),
    default="all",
    show_default=True,
    help="Which members a struct that --keep names keeps.",
)
@click.option(
    "-o", "--output", metavar="FILE", help='Write the result to FILE; "-" for standard output.'
)
@kernel_work_options(
    "Write results to DIR: kernels under their paths below --all DIR, modules under their names; "
    "an interrupted run resumes where it stopped.",
    quiet="Print failures only.",
)
@json_options("an object for each kernel, what --report writes")
def minimise(
    files: tuple[str, ...],
    programs: tuple[str, ...],
    keep: tuple[str, ...],
    members: str,
    trees: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    jobs: int,
    executor: str | None,
    quiet: bool,
    report: str | None,
    as_json: bool,
    pretty: bool,
) -> None:
    """Write the smallest BTF that BPF objects need on a kernel.

    Keeps the types and members that the objects' CO-RE relocations use, as "bpftool gen
    min_core_btf" does, and those that --keep names. Every relocation gets the same answer from the
    result; only type ids change. With MODULEs, writes a minimal kernel and minimal modules over
    it. Without VMLINUX, takes the running kernel.

    \b
    Examples:
      btfschema minimise vmlinux --for prog.o -o min.btf
      btfschema minimise vmlinux nf_tables.ko --for prog.o --out-dir min/
      btfschema minimise --all btfhub/ --for a.o --for b.o --out-dir min/ --jobs 4
    """  # noqa: D301 - click needs the backspace character itself
    if not programs and not keep:
        raise click.UsageError("say what to keep: --for OBJECT, or --keep NAME")
    one_place(output, out_dir, in_place=None)
    vmlinux, modules = files[:1], files[1:]
    kernels = kernels_of(vmlinux, trees, given="VMLINUX")
    if modules:
        kernels = evolve(kernels, modules={files[0]: modules})
    if output is not None and (len(kernels.paths) > 1 or modules):
        raise click.UsageError("-o takes one kernel without modules: use --out-dir DIR")
    work = Minimise(programs, keep, members, kernels, output, out_dir)
    work.prepare(report, as_json=as_json)
    reports = Reports(
        summary=_Told(quiet or as_json or output == DASH or kernels.walked),
        rows=rows_printer(as_json=as_json, pretty=pretty),
    )
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if out_dir is not None:
            stats = {path: list(_state(path)) for path in (*programs, *modules)}
            run = {"minimise": [stats, keep, members], "version": version("btfschema")}
            reports = evolve(reports, journal=Journal(out_dir, run))
        run_batch(
            kernels.paths,
            work,
            keep_going=True,
            report=report,
            workers=workers,
            reports=reports,
            progress=kernels.walked and not quiet,
        )


def _state(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_size, status.st_mtime_ns


@frozen
class _Told:
    """Prints what became of each kernel."""

    quiet: bool

    def add(self, row: dict[str, Any]) -> None:
        """One kernel's report."""
        if self.quiet or row["outcome"] != "ok":
            return
        for one in row["outputs"]:
            kept, of, size = one["types_after"], one["types"], one["bytes"]
            echo(f"{one['output']}: {kept:,} of {of:,} types, {size:,} bytes")


@frozen
class Minimise:
    """Cuts kernels down and writes what is left; what workers are sent.

    Attributes:
        programs: the objects' files.
        keep: types by name.
        members: ``"all"`` or ``"named"``.
        kernels: the kernels and their modules.
        output: the file of the result, for one kernel.
        out_dir: the directory of the results, otherwise.
    """

    programs: tuple[str, ...]
    keep: tuple[str, ...]
    members: Any
    kernels: KernelFiles
    output: str | None
    out_dir: str | None

    def place(self, file: str) -> str:
        """Where a kernel's result goes."""
        if self.output is not None:
            return self.output
        name = self.kernels.below.get(file, Path(file).name)
        suffix = "" if name.endswith(".btf") else ".btf"
        return str(Path(self.out_dir or "") / f"{name}{suffix}")

    def module_place(self, file: str) -> str:
        """Where a module's result goes."""
        name = Path(file).name.partition(".ko")[0].removesuffix(".btf")
        return str(Path(self.out_dir or "") / f"{name}.btf")

    def prepare(self, report: str | None, *, as_json: bool) -> None:
        """Make the directories that results go to, and read the objects: a bad one is told at once.

        Raises:
            BtfError, OSError: one can't be read.
            click.UsageError: a result would replace something that is read, or another result.
        """
        from btfschema.co_re import read_object

        places = [self.place(path) for path in self.kernels.paths]
        for modules in self.kernels.modules.values():
            places += map(self.module_place, modules)
        for place, count in Counter(places).items():
            if count > 1:
                raise click.UsageError(f"{count} results would go to {place}")
        option = "-o" if self.output is not None else "--out-dir"
        reads = {"--for": self.programs, **self.kernels.reads}
        guard({option: places, "--report": [report], **stdout_of(as_json=as_json)}, reads)
        for place in places:
            if place != DASH:
                Path(place).parent.mkdir(parents=True, exist_ok=True)
        for program in self.programs:
            read_object(program)

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some kernels, one after another; returns what to report of each."""
        from btfschema.errors import attempt

        return [attempt(self._kernel, file) for file in files]

    def _kernel(self, file: str) -> dict[str, Any]:
        from btfschema.co_re import Marks, mark_named, mark_object, minimal, read_object

        marks = Marks()
        with open_kernel(file, self.kernels.modules.get(file, ())) as (kernel, modules):
            for program in map(read_object, self.programs):
                mark_object(marks, program, kernel)
            parts = [kernel.vmlinux, *kernel.modules.values()]
            mark_named(marks, parts, self.keep, self.members)
            base = minimal(kernel.vmlinux, marks)
            made = [(self.place(file), kernel.vmlinux, base.btf)]
            for name, btf in _needed(kernel, marks):
                result = minimal(btf, marks, {kernel.vmlinux: base}).btf
                made.append((self.module_place(modules[name]), btf, result))
        rows = [_written(*one) for one in made]
        return {"output": rows[0]["output"], "outputs": rows}


def _needed(kernel: Kernel, marks: Marks) -> list[tuple[str, Btf]]:
    """The modules of which something is kept."""
    return [(name, btf) for name, btf in kernel.modules.items() if marks.types.get(btf)]


def _written(output: str, before: Btf, after: Btf) -> dict[str, Any]:
    """Write a result; returns what to report."""
    from btfschema.model.loading import dumps

    data = dumps(after)
    write_output(output, data)
    return {
        "output": output,
        "types": len(before),
        "types_after": len(after),
        "bytes": len(data),
    }
