"""``btfschema list``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from btfschema.cli.completion import complete_kinds, complete_names
from btfschema.cli.inputs import base_option, open_input
from btfschema.cli.options import json_options, number
from btfschema.cli.outputs import echo, json_text, one_line, print_csv
from btfschema.cli.table import Table
from btfschema.cli.tree import gather, tree_options_with

__all__ = ["FILE", "Listed", "list_"]

# Known without importing what lists; a test compares them.
SORTS = ("id", "size", "name", "holes", "members", "users")
COLUMNS = ("id", "kind", "name", "size", "holes", "packed", "members", "users", "c")
NUMBERS = ("id", "size", "holes", "packed", "members", "users")
DEFAULT = "id,kind,name,size"
HOLES = ("-H", "--holes")
# Of several files, the one that a type is from.
FILE = "file"


@frozen
class Listed:
    """What is to be shown.

    Attributes:
        rows: the columns' values of each type.
        failed: whether a file could not be read.
    """

    rows: Sequence[Sequence[Any]]
    failed: bool = False


class _List(click.Command):
    """The command, with ``--holes`` that may stand without a number.

    Click would take whatever word follows, a FILE too, for the number of such an option.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        counted = [
            "--holes=1" if word in HOLES and not after.isdecimal() else word
            for word, after in pairwise([*args, ""])
        ]
        return super().parse_args(ctx, counted)


@click.command("list", cls=_List)
@tree_options_with("Print no progress.")
@base_option
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    shell_complete=complete_kinds,
    help="Types of this kind; may be given several times.",
)
@click.option(
    "--name",
    "names",
    metavar="GLOB",
    multiple=True,
    shell_complete=complete_names,
    help="Types whose name matches GLOB.",
)
@click.option("--regex", metavar="REGEX", help="Types whose name contains a match of REGEX.")
@click.option("--min-size", metavar="N", type=number, help="Types of N bytes or more.")
@click.option("--max-size", metavar="N", type=number, help="Types of N bytes or less.")
@click.option(
    *HOLES,
    metavar="[N]",
    type=int,
    help="Structs with N holes or more (1 by default), as pahole counts them.",
)
@click.option(
    "-P",
    "--packable",
    is_flag=True,
    help="Structs that another order of members would make smaller.",
)
@click.option(
    "-i",
    "--contains",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_names,
    help="Structs that contain TYPE by value.",
)
@click.option("--deep", is_flag=True, help="Make --contains search nested members too.")
@click.option(
    "-f",
    "--points-to",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_names,
    help="Structs with a pointer to TYPE.",
)
@click.option(
    "--takes",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_names,
    help="Functions that take TYPE or a pointer to it.",
)
@click.option(
    "--returns",
    metavar="TYPE",
    multiple=True,
    shell_complete=complete_names,
    help="Functions that return TYPE or a pointer to it.",
)
@click.option(
    "--tagged",
    metavar="GLOB",
    multiple=True,
    help="Types with a declaration tag that matches GLOB.",
)
@click.option(
    "--member",
    metavar="GLOB",
    multiple=True,
    help="Types with a member whose name matches GLOB, also in an anonymous member.",
)
@click.option(
    "--type-of-member",
    "member_type",
    metavar="C",
    multiple=True,
    help="Types with a member of this type, written as in C: 'struct list_head'; also in an "
    "anonymous member.",
)
@click.option("--unused", is_flag=True, help="Types that no other type refers to.")
@click.option("--duplicated", is_flag=True, help="Types that share kind and name with another.")
@click.option(
    "--sort", type=click.Choice(SORTS), default="id", show_default=True, help="Sort by this column."
)
@click.option("--limit", metavar="N", type=click.IntRange(0), help="List only the first N.")
@click.option(
    "--columns",
    metavar="A,B,...",
    help=f"Columns to print: {', '.join(COLUMNS)}, and {FILE} for several files. Default: "
    f"{DEFAULT}; for several files, {FILE} comes first.",
)
@json_options("an array of objects")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--names", "only_names", is_flag=True, help="Print only names, one per line, for xargs."
)
@click.option("--prototypes", is_flag=True, help="Print functions as C prototypes.")
def list_(
    files: tuple[str, ...],
    trees: tuple[str, ...],
    base_btf: str | None,
    jobs: int,
    executor: str | None,
    quiet: bool,
    sort: str,
    limit: int | None,
    columns: str | None,
    as_json: bool,
    pretty: bool,
    as_csv: bool,
    only_names: bool,
    prototypes: bool,
    **conditions: Any,
) -> None:
    """List types that meet all the conditions; without FILE, the running kernel's.

    TYPE is a name, with "struct", "union" or "enum" before it where C needs one. Split BTF lists
    its own types; with -B, TYPE may be a type of the base.

    \b
    Examples:
      btfschema list vmlinux --kind struct --sort size --limit 10
      btfschema list vmlinux --contains 'struct list_head' --holes 3 --columns name,size,holes
      btfschema list vmlinux --takes 'struct sk_buff' --name tcp_v4_rcv --prototypes
      btfschema list --all /lib/modules/6.12.1 -B vmlinux --points-to 'struct file'
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.questions.listing import Conditions, list_types

    forms = {"--json": as_json, "--csv": as_csv, "--names": only_names, "--prototypes": prototypes}
    _one_form([*filter(forms.get, forms)], columns)
    several = bool(trees) or len(files) > 1 or any(Path(file).is_dir() for file in files)
    chosen = _columns(columns, several=several)
    _check_regex(conditions["regex"])
    conditions["kinds"] = _kinds(conditions["kinds"] or (["func"] if prototypes else []))
    shown = ["c"] if prototypes else ["name"] if only_names else chosen
    wanted = Conditions(**conditions)
    if several:
        from btfschema.cli.list_many import List, list_many

        work, where = List(wanted, tuple(shown), sort, limit), gather(files, trees).with_base
        found = list_many(work, where, base_btf, executor, jobs, quiet=quiet)
    else:
        file = files[0] if files else None
        rows = list_types(open_input(file, base_btf), wanted, sort)[:limit]
        found = Listed([row.values(shown) for row in rows])
    if prototypes or only_names:
        end = ";" if prototypes else ""
        echo("".join(f"{one_line(text)}{end}\n" for (text,) in found.rows if text), nl=False)
    elif as_json:
        echo(json_text([dict(zip(shown, row, strict=True)) for row in found.rows], pretty=pretty))
    elif as_csv:
        _csv(shown, found.rows)
    else:
        cells = [["" if value is None else str(value) for value in row] for row in found.rows]
        right = {number for number, name in enumerate(shown) if name in NUMBERS}
        Table(shown, cells, right=right).show()
    if found.failed:
        raise click.exceptions.Exit(1)


def _columns(text: str | None, *, several: bool) -> list[str]:
    """The columns that are asked for.

    Raises:
        click.UsageError: there is none of a name.
    """
    known = (FILE, *COLUMNS) if several else COLUMNS
    chosen = (DEFAULT if text is None else text).split(",")
    for column in chosen:
        if column not in known:
            raise click.UsageError(f"--columns: {column!r} is not one of {', '.join(known)}")
    return [FILE, *chosen] if several and text is None else chosen


def _kinds(texts: Sequence[str]) -> tuple[str, ...]:
    """The names of the kinds that are asked for.

    Raises:
        click.UsageError: there is none of a name.
    """
    from btfschema.cli.select import kind_number
    from btfschema.schema import KINDS

    return tuple(KINDS.name(kind_number(KINDS, one)) for one in texts)


def _check_regex(text: str | None) -> None:
    import re

    try:
        re.compile(text or "")
    except re.error as error:
        raise click.UsageError(f"--regex: {error}") from None


def _one_form(forms: Sequence[str], columns: str | None) -> None:
    """Refuse what would be ignored: a second form, and columns of one that has no columns."""
    if columns is not None:
        forms = [*forms, *["--columns"] * (forms[:1] in (["--names"], ["--prototypes"]))]
    if len(forms) > 1:
        raise click.UsageError(f"{forms[0]} and {forms[1]} exclude each other")


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    print_csv(text.getvalue())
