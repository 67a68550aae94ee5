"""``btfschema show``."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.inputs import base_option, open_input
from btfschema.cli.outputs import echo, json_text
from btfschema.escapes import on_terminal

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["ids_named", "show", "split_arguments"]

COLOURS: dict[str, dict[str, Any]] = {"comment": {"fg": "cyan"}, "hole": {"fg": "yellow"}}
# No name holds a NUL, so these can't be mistaken when control characters are escaped.
START, END = {style: f"\0{style[0]}" for style in COLOURS}, "\0."


@click.command()
@click.argument("arguments", metavar="NAME... [FILE]", nargs=-1, required=True)
@base_option
@click.option("--expand", is_flag=True, help="Show the members of structs inside of structs.")
@click.option("--json", "as_json", is_flag=True, help="The same facts as JSON, a list of types.")
def show(arguments: tuple[str, ...], base_btf: str | None, expand: bool, as_json: bool) -> None:
    """Show the types called NAME as C, with offsets, sizes, holes and cache lines.

    NAME may have "struct", "union", "enum" or another kind before it, in the same argument, or be
    an id. The last of several arguments is FILE when it is a file or looks like one (it has a "/",
    or a "." inside); without FILE, the running kernel's types are shown.

    \b
    Examples:
      btfschema show task_struct
      btfschema show 'enum pid_type' schedule vmlinux
      btfschema show nft_table nf_tables.ko.xz -B vmlinux --json
    """  # noqa: D301 - click needs the backspace character itself
    names, file = split_arguments(arguments)
    btf = open_input(file, base_btf)
    ids = [type_id for name in names for type_id in ids_named(btf, name)]
    from btfschema.render.show import Viewer

    if as_json:
        viewer = Viewer(btf)
        echo(json_text([viewer.data(i, expand=expand) for i in ids], pretty=True))
        return
    viewer = Viewer(btf, lambda text, style: f"{START[style]}{text}{END}")
    click.echo(_painted("\n".join(viewer.text(i, expand=expand) for i in ids)), nl=False)


def _painted(text: str) -> str:
    """Text without the control characters that names brought, and with our own for its colours."""
    colours = {END: click.style("", reset=True)}
    colours |= {START[name]: click.style("", reset=False, **COLOURS[name]) for name in COLOURS}
    parts = re.split("(\0.)", text)
    return "".join(colours[part] if part in colours else on_terminal(part) for part in parts)


def split_arguments(arguments: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The names, and the file when the last argument is one."""
    *names, last = arguments
    looks_like_file = last == "-" or "/" in last or "." in last[1:] or Path(last).is_file()
    if names and looks_like_file:
        return tuple(names), last
    return arguments, None


def ids_named(btf: Btf, name: str) -> list[int]:
    """The types that an argument means.

    Raises:
        click.UsageError: the kind before the name is unknown.
        TypeIdError: there is no such id.
        UnknownNameError: there is no such name; the message has similar ones.
    """
    from btfschema.cli.select import kind_number
    from btfschema.errors import UnknownNameError

    if name.isdigit():
        return [btf[int(name)].id]
    kind_name, _, plain = name.rpartition(" ")
    kinds = [kind_number(btf, kind_name)] if kind_name else []
    if kind_name.lower() == "enum":
        kinds.append(kind_number(btf, "enum64"))
    ids = [i for i in btf.find_ids(plain) if not kinds or btf[i].kind in kinds]
    if not ids:
        names = {text for each in btf.chain for text in each.strings.names(each.types.name_offs)}
        close = get_close_matches(plain, names, 3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise UnknownNameError(f"no type {name!r}{hint}", got=name, expected="a name in this BTF")
    return ids
