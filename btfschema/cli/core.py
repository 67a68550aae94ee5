"""``btfschema core``: will these BPF objects load on those kernels, and if not, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import define, evolve, field, frozen

from btfschema.cli.batch import Reports, run_batch
from btfschema.cli.completion import complete_kernels
from btfschema.cli.kernels import KernelFiles, kernels_of, open_kernel
from btfschema.cli.options import AnyPath, json_options, kernel_work_options
from btfschema.cli.outputs import echo, foot, guard, json_text, output_stream, write_output
from btfschema.cli.resume import Journal
from btfschema.cli.table import Table
from btfschema.cli.workers import workers_of

if TYPE_CHECKING:
    from btfschema.co_re import BpfObject
    from btfschema.errors import Failure

__all__ = ["core"]

# Where these are the same, relocations fail for one reason at one place.
ALIKE = ("target", "object", "program", "section", "spared", "reason", "file", "line")
# Why what fails does no harm.
NOTES = {
    "guarded": "guarded: never reached on this kernel",
    "initial values": "guarded: never reached while read-only data has its initial values",
    "not loaded": "not loaded: the section's name begins with ?",
    "weak": "weak: the program loads without it",
}


def _no_base(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Elsewhere -B is what FILE is split over; objects are split over nothing."""
    if value is not None:
        raise click.UsageError(f"name the kernel with -T/--target: -T {value}")


@click.command()
@click.argument("objects", metavar="OBJECT...", nargs=-1, required=True, type=AnyPath())
@click.option(
    "-T",
    "--target",
    "targets",
    metavar="[NAME=]FILE",
    shell_complete=complete_kernels,
    multiple=True,
    help="A kernel: its vmlinux, boot image or raw BTF (default: the running kernel). May be "
    "given several times.",
)
@click.option("-B", "--base-btf", "base_btf", hidden=True, expose_value=False, callback=_no_base)
@click.option(
    "--modules",
    metavar="[NAME=]DIR|PACKAGE",
    multiple=True,
    help="The kernel's modules: all those below DIR or in PACKAGE count as loaded.",
)
@json_options("an object for each relocation and name, with -p an array of them")
@click.option(
    "--html",
    metavar="FILE",
    help="Write an HTML page that shows which object loads on which kernel.",
)
@kernel_work_options(
    "Write each kernel's JSON to a file in DIR; an interrupted run resumes where it stopped.",
    quiet="Print the table only.",
)
def core(
    objects: tuple[str, ...],
    targets: tuple[str, ...],
    trees: tuple[str, ...],
    modules: tuple[str, ...],
    as_json: bool,
    pretty: bool,
    html: str | None,
    out_dir: str | None,
    jobs: int,
    executor: str | None,
    quiet: bool,
    report: str | None,
) -> None:
    """Say whether BPF objects will load on kernels, and if not, why.

    Every CO-RE relocation of each OBJECT is resolved as libbpf does when it loads the object. A
    relocation that fails makes its instruction invalid, and the kernel refuses it with "invalid
    func unknown#195896080", unless a check such as bpf_core_field_exists keeps it from being
    reached. What libbpf looks up by name must be in the kernel's BTF too: the functions, LSM hooks,
    tracepoints and iterators that programs attach to, kernel functions and variables that are not
    weak, and struct_ops. "loads" says that all this is found; what else the verifier may refuse is
    not checked. The exit code is 1 when an object does not load on one of the kernels.

    \b
    Examples:
      btfschema core prog.o
      btfschema core prog.o -T old=vmlinux-5.10 -T new=vmlinuz-6.12 --json
      btfschema core a.bpf.o b.bpf.o --all btfhub/ --jobs 4 --html report.html
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.co_re import read_object

    kernels = kernels_of(targets, trees, modules)
    _guard(objects, kernels, {"--html": html, "--report": report}, out_dir)
    for path in objects:
        # Read here too, so that a bad one is told at once.
        read_object(path)
    told = _Told(objects, as_json or pretty, pretty, quiet)
    reports = Reports(summary=told)
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if out_dir is not None:
            reports = evolve(reports, journal=_journal(out_dir, objects, kernels))
        stack.callback(told.finish)
        if html is not None:
            inputs = {"OBJECT": objects, "--target": targets, "--all": trees, "--modules": modules}
            stack.callback(lambda: _write_page(html, told, inputs))
        run_batch(
            kernels.paths,
            Core(objects, kernels, out_dir),
            keep_going=True,
            report=report,
            workers=workers,
            reports=reports,
            progress=kernels.walked and not quiet,
        )
    if any("breaks" in cells for cells in told.cells.values()):
        raise click.exceptions.Exit(1)


def _guard(
    objects: Sequence[str],
    kernels: KernelFiles,
    outputs: Mapping[str, str | None],
    out_dir: str | None,
) -> None:
    """Refuse outputs that are inputs."""
    results = [str(_row_file(out_dir, name)) for name in kernels.names.values() if out_dir]
    named = {option: [path] for option, path in outputs.items()}
    guard({**named, "--out-dir": results}, {"OBJECT": objects, **kernels.reads})


def _journal(out_dir: str, objects: Sequence[str], kernels: KernelFiles) -> Journal:
    """What earlier runs with the same objects have done."""
    for name in kernels.names.values():
        _row_file(out_dir, name).parent.mkdir(parents=True, exist_ok=True)
    modules = [path for paths in kernels.modules.values() for path in paths]
    stats = {path: Path(path).stat() for path in (*objects, *modules)}
    states = {path: [one.st_size, one.st_mtime_ns] for path, one in stats.items()}
    run = {"core": states, "version": version("btfschema"), "modules": dict(kernels.modules)}
    return Journal(out_dir, run)


def _row_file(out_dir: str, name: str) -> Path:
    return Path(out_dir) / f"{name.lstrip('/')}.jsonl"


def _write_page(path: str, told: _Told, inputs: Mapping[str, Sequence[str]]) -> None:
    from btfschema.cli.core_page import core_page

    page = core_page(told.objects, told.cells, told.failing, foot(inputs))
    write_output(path, page.encode())


@frozen
class Core:
    """Resolves objects' relocations on each kernel; what workers are sent.

    Attributes:
        objects: the objects' files.
        kernels: the kernels and their modules.
        out_dir: where the rows of each kernel go, or None.
    """

    objects: tuple[str, ...]
    kernels: KernelFiles
    out_dir: str | None = None

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some kernels, one after another; returns what to report of each."""
        from btfschema.co_re import read_object
        from btfschema.errors import attempt

        programs = [read_object(path) for path in self.objects]
        return [attempt(self._kernel, programs, file) for file in files]

    def _kernel(self, programs: Sequence[BpfObject], file: str) -> dict[str, Any]:
        from btfschema.co_re import check_object

        name = self.kernels.names[file]
        rows: list[dict[str, Any]] = []
        loads: dict[str, bool] = {}
        with open_kernel(file, self.kernels.modules.get(file, ())) as (kernel, _):
            for program in programs:
                found = check_object(program, kernel)
                loads[program.path] = found.loads
                rows += [
                    {"object": program.path, "target": name, **one.as_dict()} for one in found.all
                ]
        row: dict[str, Any] = {"target": name, "loads": loads, "relocations": rows}
        if self.out_dir is not None:
            path = str(_row_file(self.out_dir, name))
            with output_stream(path) as out:
                out.writelines(f"{json_text(one)}\n" for one in rows)
            row["output"] = path
        return row


@define
class _Told:
    """Counts the reports and prints them.

    Attributes:
        objects: the rows of the table.
        as_json: whether to print JSON.
        pretty: whether to print it over several lines.
        quiet: whether to leave out everything but the table.
        cells: by kernel, how each object does: ``"loads"``, ``"breaks"`` or ``"unread"``.
        failing: the relocations that fail.
    """

    objects: tuple[str, ...]
    as_json: bool
    pretty: bool
    quiet: bool
    cells: dict[str, tuple[str, ...]] = field(factory=dict)
    failing: list[dict[str, Any]] = field(factory=list)
    _array: list[dict[str, Any]] = field(factory=list)

    def add(self, row: Mapping[str, Any]) -> None:
        """One kernel's report."""
        if row["outcome"] != "ok":
            self.cells[row["file"]] = ("unread",) * len(self.objects)
            return
        loads = row["loads"]
        self.cells[row["target"]] = tuple(
            "loads" if loads[path] else "breaks" for path in self.objects
        )
        for one in row["relocations"] if self.as_json else ():
            if self.pretty:
                self._array.append(one)
            else:
                echo(json_text(one))
        for group in _alike(one for one in row["relocations"] if one["reason"] is not None):
            if group[0]["fails"]:
                self.failing.append(_merged(group))
            if not self.as_json and not self.quiet:
                echo(_sentence(group))

    def finish(self) -> None:
        """Print what is printed last."""
        if self.as_json:
            if self.pretty:
                echo(json_text(self._array, pretty=True))
            return
        counts = Counter(cell for cells in self.cells.values() for cell in cells)
        rows = [
            (target, cell, path)
            for target, cells in self.cells.items()
            for path, cell in zip(self.objects, cells, strict=True)
        ]
        styles = {"loads": "green", "breaks": "red", "unread": "yellow"}
        Table(("", "", ""), rows, least={1: 6}, styles=styles).show()
        if counts.total() > 1:
            words = [
                f"{counts[cell]:,} {cell if counts[cell] == 1 else cell.rstrip('s')}"
                for cell in ("loads", "breaks", "unread")
            ]
            echo(f"{counts.total():,} object-kernel pairs: {', '.join(words)}")


def _alike(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The relocations of one line that have the same reason: a bit field takes up to six."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(row[part] for part in ALIKE)
        # Where no line is known, nothing says that two belong together.
        groups.setdefault((*key, None if row["file"] else (row["index"], row["path"])), []).append(
            row
        )
    return list(groups.values())


def _merged(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Relocations that are alike as one row, with the kinds of all."""
    kinds = dict.fromkeys(row["kind"] for row in group)
    paths = dict.fromkeys(row["path"] for row in group)
    return {**group[0], "kind": ", ".join(kinds), "path": ", ".join(paths)}


def _sentence(group: Sequence[Mapping[str, Any]]) -> str:
    """Relocations that fail alike, or a name that is not found, in three lines."""
    row = _merged(group)
    note = NOTES[row["spared"]] if row["spared"] else "not guarded" if row["poison"] else ""
    where = f"{row['file']}:{row['line']}: {row['source']}" if row["file"] else row["section"]
    what = f"{row['kind']} {row['path']}"
    if row["index"] is not None:
        numbers = ", ".join(str(one["index"]) for one in group)
        what = f"relocation{'s' if len(group) > 1 else ''} {numbers} ({what})"
    return (
        f"{row['target']}: {row['object']}: {row['program']} {what}{note and f' ({note})'}\n"
        f"  {row['reason']}\n  {where}"
    )
