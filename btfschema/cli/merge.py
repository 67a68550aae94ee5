"""``btfschema merge``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click
from attrs import asdict, frozen

from btfschema.cli.answers import complain_of, print_json
from btfschema.cli.completion import complete_passes
from btfschema.cli.given import named_as_given
from btfschema.cli.inputs import base_option, warn
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import DASH, echo, guard
from btfschema.cli.tree import gather
from btfschema.errors import counted
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.framework.passes import PassResult
    from btfschema.model.container import Btf

__all__ = ["merge"]

# What Linux takes, BTF_MAX_SIZE.
KERNEL_LIMIT = 16 << 20
SHOWN_NAMES = 8


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=AnyPath(allow_dash=True))
@click.option(
    "--all",
    "trees",
    metavar="DIR|PACKAGE",
    multiple=True,
    type=click.Path(exists=True),
    help="All modules and .btf files below DIR or in PACKAGE; files without BTF are skipped.",
)
@base_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    help='Write the result to FILE; "-" for standard output.',
)
@click.option(
    "--run",
    "pipeline",
    metavar="PIPELINE",
    shell_complete=complete_passes,
    default="dedup",
    show_default=True,
    help="The passes to run on the merged types; an empty PIPELINE runs none.",
)
@json_options("the result")
@click.option("--flatten", is_flag=True, help="Include the base's types in the result.")
@click.option(
    "--rebase",
    is_flag=True,
    help="First move files that are split over another base onto -B.",
)
def merge(
    files: tuple[str, ...],
    trees: tuple[str, ...],
    base_btf: str | None,
    output: str,
    pipeline: str,
    flatten: bool,
    rebase: bool,
    as_json: bool,
    pretty: bool,
) -> None:
    """Merge the BTF of modules, programs and kernels into one.

    The result is raw BTF, split over the base if the files are; a base that --run makes goes into
    OUT.base. With --flatten the result always stands alone and includes the base's types, each type
    once.

    \b
    Examples:
      btfschema merge --all /lib/modules/6.12 -B vmlinux -o modules.btf
      btfschema merge --all /lib/modules/6.12 -B vmlinux --flatten -o kernel.btf
      btfschema merge a.bpf.o b.bpf.o -o types.btf --run "dedup,sort"
      btfschema merge program -o types.btf    # gcc -gbtf a.c b.c -o program
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.framework.pipeline import Pipeline
    from btfschema.model.merging import merge_named
    from btfschema.sources import load

    text = ",".join(part for part in (pipeline, "flatten,dedup" if flatten else "") if part)
    work = Pipeline.parse(text) if text else None
    gathered = gather(files, trees)
    paths, base_btf = gathered.paths, gathered.over(base_btf)
    guard(
        {"-o": [output], "--json": [DASH if as_json else None]},
        {"FILE": paths, "-B": [base_btf]},
    )
    base = load(base_btf) if base_btf is not None else None
    btfs, names = _loaded(paths, base, optional=bool(trees), rebase=rebase)
    lost = [".BTF.ext"] * any(btf.ext for btf in btfs)
    lost += [".BTF.inline"] * any(btf.inline is not None for btf in btfs)
    if lost:
        warn(output, [f"holds types alone, without the files' {' and '.join(lost)}"])
    found = merge_named(btfs, base, names)
    result = work.run(found.btf) if work is not None else None
    _write(result.btf if result is not None else found.btf, output, found.btf)
    summary = _Summary.of(btfs, found.btf, result)
    if as_json:
        print_json({"output": output, **summary.as_dict()}, pretty=pretty)
    else:
        echo(str(summary), err=True)


def _loaded(
    paths: tuple[str, ...], base: Btf | None, *, optional: bool, rebase: bool
) -> tuple[list[Btf], list[str]]:
    """The files, in order, and their names; those without BTF are left out if none named them.

    Raises:
        BtfError, OSError: some can't be read or moved; all but the last are said.
    """
    from btfschema.errors import BtfError, NoBtfError, attempt
    from btfschema.sources import apart, load_sources, read_source

    named = [(path, attempt(read_source, path)) for path in paths]
    split = [
        (path, part)
        for path, one in named
        for part in ([one] if isinstance(one, Exception) else apart(one))
    ]
    paths, sources = tuple(path for path, _ in split), [one for _, one in split]
    bases = [base] * len(paths)
    if rebase:
        bases = [None if getattr(one, "base", None) else base for one in sources]
    found: list[Btf] = []
    names, failures = list[str](), list[Exception]()
    for path, one in zip(paths, load_sources(sources, bases), strict=True):
        if isinstance(one, NoBtfError) and optional:
            warn(path, ["holds no BTF and is left out"])
        elif isinstance(one, Exception):
            failures.append(one)
        elif isinstance(moved := attempt(_moved, one, base if rebase else None), Exception):
            failures.append(BtfError(f"{printable(path)}: {moved}"))
        else:
            found.append(moved)
            names.append(printable(named_as_given(path)))
    # All that are missing from the result are named, and there is none.
    for failure in failures[:-1]:
        complain_of(failure, paths)
    if failures:
        raise failures[-1]
    return found, names


def _moved(btf: Btf, base: Btf | None) -> Btf:
    """A split over another base, over this one; all else as it is."""
    from btfschema.framework.passes import Context, base_state
    from btfschema.framework.pipeline import Pipeline

    if base is None or btf.base is None or btf.base is base or base.equivalent(btf.base):
        return btf
    name = "relocate" if base_state(btf) == "distilled" else "rebase"
    return Pipeline.parse(name).run(btf, Context({"target": base})).btf


def _write(btf: Btf, output: str, merged: Btf) -> None:
    """Write the result, and the base that a pass gave it, which no file has."""
    from btfschema.model.standing import brings_base
    from btfschema.sources.elfwrite import write_raw_file

    write_raw_file(output, btf, with_base=brings_base(btf, merged))


@frozen
class _Summary:
    """What came of it, and what is to be known of it.

    Attributes:
        files: how many were merged.
        types_read: their types.
        types: those of the result.
        base_types: those of its bases.
        size: bytes of the result, without its header.
        notes: what the passes say.
        different: names that are defined in several ways.
        repeated: how many variables and sections have the name of another one, and are kept since
            each is a thing of its own.
    """

    files: int
    types_read: int
    types: int
    base_types: int
    size: int
    notes: tuple[str, ...]
    different: tuple[str, ...]
    repeated: dict[str, int]

    @classmethod
    def of(cls, btfs: list[Btf], merged: Btf, result: PassResult | None) -> _Summary:
        """Sum up."""
        from btfschema.framework.passes import Analysis
        from btfschema.framework.registry import load_pass

        btf = result.btf if result is not None else merged
        report = cast(Analysis[Any], load_pass("duplicates")()).of(btf)
        names = [one.name for one in report.different if max(map(max, one.groups)) >= btf.first_id]
        return cls(
            len(btfs),
            len(merged),
            len(btf),
            btf.base.end_id - 1 if btf.base is not None else 0,
            4 * len(btf.types.words) + len(btf.strings.data),
            tuple(map(str, result.diagnostics)) if result is not None else (),
            tuple(names),
            _repeated(btf),
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as data."""
        return asdict(self)

    def __str__(self) -> str:
        """The same in lines."""
        over = f" over a base of {self.base_types:,}" if self.base_types else ""
        read = f"{counted(self.files, 'file')}, {counted(self.types_read, 'type')}"
        lines = [f"{read}: {counted(self.types, 'type')}{over}"]
        lines += self.notes
        names = self.different
        if names:
            more = f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""
            shown = ", ".join(map(printable, names[:SHOWN_NAMES]))
            verb = "is" if len(names) == 1 else "are"
            lines.append(
                f"{counted(len(names), 'name')} {verb} defined in several ways: {shown}{more}"
            )
            lines.append('"btfschema duplicates" shows how they differ')
        if self.size > KERNEL_LIMIT:
            size, limit = f"{self.size:,} bytes", f"{KERNEL_LIMIT:,}"
            lines.append(f"{size} are more than the {limit} that kernels load: for tools")
        for what, count in self.repeated.items():
            has, kept = ("has", "is") if count == 1 else ("have", "are")
            named = f"{counted(count, what.removesuffix('s'))} {has} the name of another one"
            lines.append(f"{named} and {kept} kept")
        return "\n".join(lines)


def _repeated(btf: Btf) -> dict[str, int]:
    """How many variables and sections have the name of another one, where some have."""
    from btfschema.schema.kinds import Kind

    found = {}
    for kind, what in ((Kind.VAR, "variables"), (Kind.DATASEC, "sections")):
        rows = btf.types.rows_of(kind)
        names = btf.strings.names(btf.types.name_offs[rows])
        if more := len(names) - len(set(names)):
            found[what] = more
    return found
