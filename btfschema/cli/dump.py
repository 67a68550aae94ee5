"""``btfschema dump``."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import click

from btfschema.cli.inputs import base_option, open_input

if TYPE_CHECKING:
    from btfschema.container import Btf
    from btfschema.render.c import Like

__all__ = ["dump"]


@click.command()
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@base_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["raw", "json", "c"]),
    default=None,
    help="raw (default) prints what bpftool prints, json what bpftool -j prints, c a C header.",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-p", "--pretty", is_flag=True, help="Indented JSON, as bpftool -p prints it.")
@click.option(
    "--id", "ids", type=int, multiple=True, metavar="N", help="Only the type with this id."
)
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only types of such a name.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only types of this kind.")
@click.option("--unsorted", is_flag=True, help="C in id order, as bpftool 7.1 prints it.")
@click.option(
    "--assert", "asserts", is_flag=True, help="C that asserts sizes and offsets at compile time."
)
@click.option(
    "--like",
    type=click.Choice(["7.1", "7.5", "none"]),
    default=None,
    help="The bpftool that prints the same C; none prints what even 7.5 leaves out or gets wrong. "
    "7.1 with --unsorted, none with --assert, else 7.5.",
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
    asserts: bool,
    like: Like | None,
    ext: bool,
) -> None:
    """Print the types of FILE; without FILE, the running kernel's.

    A split FILE shows its own types, not its base's. --id, --name and --kind may be repeated: a
    type is shown when it has one of the ids, one of the names and one of the kinds. --id also
    reaches types of the base. As C, what a type needs comes along, and all of a split FILE is its
    base's types and its own.

    \b
    Examples:
      btfschema dump --name task_struct --kind struct
      btfschema dump /sys/kernel/btf/nf_tables
      btfschema dump nf_tables.ko.xz -B vmlinux --pretty
      btfschema dump prog.bpf.o --ext
      btfschema dump --format c > vmlinux.h
    """  # noqa: D301 - click needs the backspace character itself
    if form == "raw" and (as_json or pretty):
        raise click.UsageError("--format raw does not go with --json or --pretty")
    if ext and (ids or names or kinds):
        raise click.UsageError("--ext does not go with --id, --name or --kind")
    if form == "c" and (as_json or pretty or ext):
        raise click.UsageError("--format c does not go with --json, --pretty or --ext")
    if form != "c" and (unsorted or asserts or like):
        raise click.UsageError("--unsorted, --assert and --like need --format c")
    as_json = as_json or pretty or form == "json"
    btf = open_input(file, base_btf)
    out = sys.stdout.buffer
    if ext:
        _dump_ext(btf, file, as_json, pretty)
        return
    chosen = None
    if ids or names or kinds:
        from btfschema.cli.select import select_ids

        chosen = select_ids(btf, ids, names, kinds)
    elif not len(btf):
        click.echo("btfschema: the BTF holds no types", err=True)
    if form == "c":
        from btfschema.render.c import write_c

        # A dump makes many objects and few circles: the collector finds nothing worth its time.
        gc.disable()
        like = like or ("none" if asserts else "7.1" if unsorted else "7.5")
        write_c(btf, out, chosen, sort=not unsorted, like=like, asserts=asserts)
    elif as_json:
        from btfschema.render.json import write_json

        write_json(btf, out, chosen, pretty=pretty)
    else:
        from btfschema.render.text import write_raw

        write_raw(btf, out, chosen)


def _dump_ext(btf: Btf, file: str | None, as_json: bool, pretty: bool) -> None:
    from btfschema.errors import NoBtfError
    from btfschema.render.ext import ext_as_data, write_ext

    if btf.ext is None:
        raise NoBtfError(f"{file or 'the running kernel'}: no .BTF.ext section")
    if as_json:
        import json

        click.echo(json.dumps(ext_as_data(btf.ext), indent=4 if pretty else None))
    else:
        write_ext(btf, sys.stdout.buffer)
