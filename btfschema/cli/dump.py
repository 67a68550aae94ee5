"""``btfschema dump``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from btfschema.cli.inputs import base_option, open_input

if TYPE_CHECKING:
    from btfschema.container import Btf

__all__ = ["dump"]


@click.command()
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@base_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["raw", "json"]),
    default=None,
    help="raw (default) prints what bpftool prints, json what bpftool -j prints.",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-p", "--pretty", is_flag=True, help="Indented JSON, as bpftool -p prints it.")
@click.option(
    "--id", "ids", type=int, multiple=True, metavar="N", help="Only the type with this id."
)
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only types of such a name.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only types of this kind.")
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
    ext: bool,
) -> None:
    """Print the types of FILE; without FILE, the running kernel's.

    A split FILE shows its own types, not its base's. --id, --name and --kind may be repeated: a
    type is shown when it has one of the ids, one of the names and one of the kinds. --id also
    reaches types of the base.

    \b
    Examples:
      btfschema dump --name task_struct --kind struct
      btfschema dump /sys/kernel/btf/nf_tables
      btfschema dump nf_tables.ko.xz -B vmlinux --pretty
      btfschema dump prog.bpf.o --ext
    """  # noqa: D301 - click needs the backspace character itself
    if form == "raw" and (as_json or pretty):
        raise click.UsageError("--format raw does not go with --json or --pretty")
    if ext and (ids or names or kinds):
        raise click.UsageError("--ext does not go with --id, --name or --kind")
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
    if as_json:
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
