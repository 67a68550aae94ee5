"""``btfschema dump``."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import click

from btfschema.cli.answers import complain
from btfschema.cli.completion import complete_kinds, complete_names
from btfschema.cli.inputs import base_option, open_input, pointer_option, warn_of_kfuncs
from btfschema.cli.options import AnyPath, json_options, number
from btfschema.cli.outputs import echo, json_text, stdout
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.render.c import Like

__all__ = ["dump"]

# How many types that the header has not are named; of the others the number is told.
TOLD = 10


@click.command()
@click.argument("file", required=False, type=AnyPath(allow_dash=True))
@base_option
@pointer_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["raw", "json", "c"]),
    default=None,
    help="raw (default) prints what bpftool prints, json what bpftool -j prints, c a C header.",
)
@json_options("the same as --format json")
@click.option(
    "--id", "ids", type=number, multiple=True, metavar="N", help="Only the type with this id."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="GLOB",
    shell_complete=complete_names,
    help="Only types whose name matches GLOB.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    shell_complete=complete_kinds,
    help="Only types of this kind.",
)
@click.option("--unsorted", is_flag=True, help="Print C in id order.")
@click.option(
    "--stable",
    is_flag=True,
    help="Order and number equal names in C by what the types hold, so that headers of two builds "
    "differ only where the types do.",
)
@click.option(
    "--assert",
    "asserts",
    is_flag=True,
    help="Print C that asserts sizes and offsets at compile time.",
)
@click.option(
    "--like",
    type=click.Choice(["7.1", "7.5", "7.8", "none"]),
    default=None,
    help="Print what this version of bpftool prints, byte for byte, with its faults. Default: "
    "none, which loses no type.",
)
@click.option("--ext", is_flag=True, help="Show the file's .BTF.ext instead of its types.")
def dump(
    file: str | None,
    base_btf: str | None,
    form: str | None,
    as_json: bool,
    pretty: bool,
    ids: tuple[int, ...],
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    unsorted: bool,
    stable: bool,
    asserts: bool,
    like: Like | None,
    ext: bool,
) -> None:
    """Print the types of FILE; without FILE, the running kernel's.

    A split FILE shows its own types, not its base's. --id, --name and --kind may be repeated: a
    type is shown when it has one of the ids, one of the names and one of the kinds. --id also
    reaches types of the base. C output includes the types that the chosen types need, and declares
    functions and variables only when they are chosen; for a split FILE, the C output includes the
    base's types.

    \b
    Examples:
      btfschema dump --name task_struct --kind struct
      btfschema dump /sys/kernel/btf/nf_tables
      btfschema dump nf_tables.ko.xz -B vmlinux --pretty
      btfschema dump prog.bpf.o --ext
      btfschema dump --format c > vmlinux.h
      btfschema dump --format c --like 7.8 > vmlinux.h
    """  # noqa: D301 - click needs the backspace character itself
    options = Options(form, as_json, pretty, unsorted, stable, asserts, like, ext)
    options.check(filtered=bool(ids or names or kinds))
    btf = open_input(file, base_btf)
    if ext:
        _dump_ext(btf, file, options)
        return
    chosen = None
    if ids or names or kinds:
        from btfschema.cli.select import select_ids

        chosen = select_ids(btf, ids, names, kinds)
        if not chosen:
            complain("no type passes the filters")
        if form == "c":
            warn_of_kfuncs(file, btf, chosen)
    elif not len(btf):
        complain("the BTF holds no types", None, "warning")
    left = _write(btf, chosen, options)
    if not left:
        raise click.exceptions.Exit(1)


class Options(NamedTuple):
    """How to print; the names are those of the options."""

    form: str | None
    json: bool
    pretty: bool
    unsorted: bool
    stable: bool
    asserts: bool
    like: Like | None
    ext: bool

    @property
    def as_json(self) -> bool:
        """Whether JSON is wanted, in one way or another."""
        return self.json or self.pretty or self.form == "json"

    def check(self, *, filtered: bool) -> None:
        """Refuse options that contradict each other.

        Raises:
            click.UsageError: two do.
        """
        if self.form == "raw" and (self.json or self.pretty):
            raise click.UsageError("--format raw does not go with --json or --pretty")
        if self.ext and filtered:
            raise click.UsageError("--ext does not go with --id, --name or --kind")
        if self.form == "c" and (self.json or self.pretty or self.ext):
            raise click.UsageError("--format c does not go with --json, --pretty or --ext")
        if self.form != "c" and (self.unsorted or self.stable or self.asserts or self.like):
            raise click.UsageError("--unsorted, --stable, --assert and --like need --format c")
        if self.stable and self.like not in (None, "none"):
            raise click.UsageError(f"--stable does not go with --like {self.like}")


def _write(btf: Btf, chosen: list[int] | None, options: Options) -> bool:
    """Returns whether anything of what was chosen was written."""
    out = stdout()
    try:
        return _write_to(out, btf, chosen, options)
    finally:
        out.flush()


def _write_to(out: BinaryIO, btf: Btf, chosen: list[int] | None, options: Options) -> bool:
    if options.form == "c":
        from btfschema.render.c import write_c

        # A dump makes many objects and few circles: the collector finds nothing worth its time.
        gc.disable()
        told = None
        if options.stable:
            btf, chosen, told = _by_content(btf, chosen)
        asserts, unsorted = options.asserts, options.unsorted
        like = options.like or "none"
        header = write_c(btf, out, chosen, sort=not unsorted, like=like, asserts=asserts, told=told)
        _tell_left_out(header.left_out)
        if header.is_empty:
            return False
    elif options.as_json:
        from btfschema.render.json import write_json

        write_json(btf, out, chosen, pretty=options.pretty)
    else:
        from btfschema.render.text import write_raw

        write_raw(btf, out, chosen)
    return chosen is None or bool(chosen)


def _by_content(btf: Btf, chosen: list[int] | None) -> tuple[Btf, list[int] | None, Sequence[int]]:
    """The types in the order of their content, what was chosen there, and the file's ids."""
    from btfschema.framework.passes import Context
    from btfschema.framework.pipeline import Pipeline

    # C needs the bases' types too, and is the same for all types in one container.
    done = Pipeline.parse("flatten,sort{ties=content}").run(btf, Context())
    if chosen is not None:
        chosen = sorted(done.ids.apply(chosen).tolist())
    return done.btf, chosen, done.ids.invert().to_array().tolist()


def _tell_left_out(left_out: Sequence[str]) -> None:
    for line in left_out[:TOLD]:
        echo(f"btfschema: not in the header: {line}", err=True)
    if len(left_out) > TOLD:
        echo(f"btfschema: not in the header: {len(left_out) - TOLD} more", err=True)


def _dump_ext(btf: Btf, file: str | None, options: Options) -> None:
    from btfschema.errors import NoBtfError
    from btfschema.render.ext import ext_as_data, write_ext

    if btf.ext is None:
        raise NoBtfError(f"{printable(file or 'the running kernel')}: no .BTF.ext section")
    if options.as_json:
        echo(json_text(ext_as_data(btf.ext), pretty=options.pretty))
    else:
        out = stdout()
        write_ext(btf, out)
        out.flush()
