"""``btfschema duplicates``."""

from __future__ import annotations

from typing import Any, cast

import click

from btfschema.cli.completion import complete_names
from btfschema.cli.inputs import base_option, open_input
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import echo, json_text

__all__ = ["duplicates"]


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=AnyPath(allow_dash=True))
@base_option
@json_options("one object")
@click.option(
    "--name",
    metavar="GLOB",
    shell_complete=complete_names,
    help="Only types whose name matches GLOB; 'struct task_struct' is a name too.",
)
def duplicates(
    file: str | None, base_btf: str | None, as_json: bool, pretty: bool, name: str | None
) -> None:
    """Show which types occur several times in FILE, and what keeps them apart.

    Lists the ids of each kind and name, equal types on one line. For types that differ, shows the
    root cause: the nearest type that both reach by the same path and that itself differs, with its
    members, enumerators or size. Without FILE, looks at the running kernel.

    \b
    Examples:
      btfschema duplicates vmlinux --name task_struct
      btfschema duplicates nf_tables.ko -B vmlinux
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.cli.named import ids_named
    from btfschema.framework.passes import Analysis
    from btfschema.framework.registry import load_pass

    btf = open_input(file, base_btf)
    analysis = cast(Analysis[Any], load_pass("duplicates")())
    found = analysis.of(btf)
    if name is not None:
        found = found.named(name)
        if not found.found:
            # A name that nothing has is an error.
            ids_named(btf, name)
    if as_json:
        echo(json_text(analysis.facts(found), pretty=pretty))
    else:
        echo(str(found))
