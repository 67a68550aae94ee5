"""``btfschema graph``."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

import click

from btfschema.cli.answers import complain, print_json
from btfschema.cli.completion import complete_names
from btfschema.cli.inputs import base_option, open_input, pointer_option
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import echo

if TYPE_CHECKING:
    from btfschema.render.graph import Direction

__all__ = ["graph"]


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("file", required=False, type=AnyPath(allow_dash=True))
@base_option
@pointer_option
@click.option(
    "--depth",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many steps to follow from NAME.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["dot", "svg", "mermaid"]),
    default="dot",
    show_default=True,
    help="Output format; svg needs Graphviz.",
)
@click.option(
    "--by-value", is_flag=True, help="Follow only members and elements, not pointers and functions."
)
@click.option(
    "--direction",
    type=click.Choice(["out", "in", "both"]),
    default="out",
    show_default=True,
    help="out: what NAME refers to; in: what refers to NAME.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=300,
    show_default=True,
    help="Draw at most this many types, the nearest first.",
)
@json_options("nodes and edges")
def graph(
    name: str,
    file: str | None,
    base_btf: str | None,
    depth: int,
    form: str,
    by_value: bool,
    direction: Direction,
    limit: int,
    as_json: bool,
    pretty: bool,
) -> None:
    """Draw what the type called NAME refers to, or what refers to it.

    Without FILE, looks in the running kernel. Solid lines lead to types held by value, dashed ones
    to what a pointer or a function refers to; lines carry the members' names. Members of anonymous
    structs and unions count as their owner's; numbers are left out. NAME may have "struct",
    "union", "enum" or another kind before it, in the same argument, or be an id.

    \b
    Examples:
      btfschema graph list_head --depth 2
      btfschema graph 'struct file' vmlinux --direction in --by-value
      btfschema graph 'struct file' vmlinux --format svg > file.svg
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.cli.named import one_named
    from btfschema.render.graph import neighbourhood

    btf = open_input(file, base_btf)
    where = os.path.basename(file) if file is not None else f"Linux {platform.release()}"  # noqa: PTH119
    drawn = neighbourhood(
        btf,
        one_named(btf, name),
        depth,
        limit,
        by_value=by_value,
        direction=direction,
        where=where,
    )
    if drawn.left_out:
        complain(f"{drawn.left_out} more types left out (--limit {limit})", None, "warning")
    if as_json:
        print_json(drawn.as_dict(btf.kinds), pretty=pretty)
        return
    text = {"dot": drawn.dot, "svg": drawn.svg, "mermaid": drawn.mermaid}[form]()
    echo(text, nl=False)
