"""``btfschema list``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.inputs import base_option, open_input
from btfschema.cli.outputs import echo, json_text

if TYPE_CHECKING:
    from btfschema.questions.listing import Row

__all__ = ["list_"]

# Known without importing what lists; a test compares them.
SORTS = ("id", "size", "name", "holes", "members", "users")
COLUMNS = ("id", "kind", "name", "size", "holes", "packed", "members", "users", "c")
DEFAULT = "id,kind,name,size"


@click.command("list")
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@base_option
@click.option("--kind", "kinds", metavar="KIND", multiple=True, help="Of one of these kinds.")
@click.option("--name", "names", metavar="GLOB", multiple=True, help="With such a name.")
@click.option("--regex", metavar="REGEX", help="With a name in which REGEX is found.")
@click.option("--min-size", metavar="N", type=int, help="N bytes or more.")
@click.option("--max-size", metavar="N", type=int, help="N bytes or less.")
@click.option(
    "-H", "--holes", metavar="N", type=int, help="Structs with N holes or more, as pahole's."
)
@click.option(
    "-P", "--packable", is_flag=True, help="Structs that another order of members makes smaller."
)
@click.option(
    "-i", "--contains", metavar="TYPE", multiple=True, help="Structs that contain TYPE by value."
)
@click.option("--deep", is_flag=True, help="--contains also through members' members.")
@click.option(
    "-f", "--points-to", metavar="TYPE", multiple=True, help="Structs with a pointer to TYPE."
)
@click.option(
    "--takes", metavar="TYPE", multiple=True, help="Functions that take TYPE, or a pointer to it."
)
@click.option("--returns", metavar="TYPE", multiple=True, help="Functions that return either.")
@click.option("--tagged", metavar="GLOB", multiple=True, help="With a declaration tag like this.")
@click.option("--member", metavar="GLOB", multiple=True, help="With a member of such a name.")
@click.option(
    "--type-of-member",
    "member_type",
    metavar="C",
    multiple=True,
    help="With a member of this type, as C writes it: 'struct list_head'.",
)
@click.option("--unused", is_flag=True, help="That no type refers to.")
@click.option("--duplicated", is_flag=True, help="That share kind and name with another.")
@click.option("--sort", type=click.Choice(SORTS), default="id", show_default=True)
@click.option("--limit", metavar="N", type=click.IntRange(0), help="The first N.")
@click.option(
    "--columns", metavar="A,B,...", default=DEFAULT, show_default=True, help=f"Of {COLUMNS}."
)
@click.option("-j", "--json", "as_json", is_flag=True, help="A JSON list of objects.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV.")
@click.option("--names", "only_names", is_flag=True, help="Names alone, one a line, for xargs.")
@click.option("--prototypes", is_flag=True, help="Functions as C declares them.")
def list_(
    file: str | None,
    base_btf: str | None,
    sort: str,
    limit: int | None,
    columns: str,
    as_json: bool,
    as_csv: bool,
    only_names: bool,
    prototypes: bool,
    **conditions: Any,
) -> None:
    """List types that meet all the conditions; without FILE, the running kernel's.

    TYPE is a name, with "struct", "union" or "enum" before it where C has that. Of split BTF, its
    own types are listed.

    \b
    Examples:
      btfschema list vmlinux --kind struct --sort size --limit 10
      btfschema list vmlinux --contains 'struct list_head' --holes 3 --columns name,size,holes
      btfschema list vmlinux --takes 'struct sk_buff' --name tcp_v4_rcv --prototypes
    """  # noqa: D301 - click needs the backspace character itself
    import re

    from btfschema.questions.listing import Conditions, list_types

    chosen = columns.split(",")
    for column in chosen:
        if column not in COLUMNS:
            raise click.UsageError(f"--columns: {column!r} is none of {', '.join(COLUMNS)}")
    if conditions["regex"] is not None:
        try:
            re.compile(conditions["regex"])
        except re.error as error:
            raise click.UsageError(f"--regex: {error}") from None
    if prototypes:
        conditions["kinds"] = conditions["kinds"] or ("func",)
    rows = list_types(open_input(file, base_btf), Conditions(**conditions), sort)[:limit]
    if prototypes:
        echo("".join(f"{row.c};\n" for row in rows), nl=False)
    elif only_names:
        echo("".join(f"{row.name}\n" for row in rows if row.name), nl=False)
    elif as_json:
        found = [dict(zip(chosen, row.values(chosen), strict=True)) for row in rows]
        echo(json_text(found, pretty=True))
    elif as_csv:
        _csv(chosen, rows)
    else:
        echo("\n".join(_table(chosen, rows)))


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(row.values(columns) for row in rows)
    echo(text.getvalue(), nl=False)


def _table(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The rows below each other; numbers to the right, the last column as long as it is."""
    cells = [["" if v is None else str(v) for v in row.values(columns)] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    right = {"id", "size", "holes", "packed", "members", "users"}
    lines = []
    for line in ([*columns], *cells):
        texts = [
            text.rjust(width) if column in right else text.ljust(width)
            for column, text, width in zip(columns, line, widths, strict=True)
        ]
        lines.append("  ".join(texts).rstrip())
    return lines
