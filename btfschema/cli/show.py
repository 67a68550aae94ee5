"""``btfschema show``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from btfschema.cli.answers import complain
from btfschema.cli.completion import complete_names
from btfschema.cli.inputs import base_option, open_input, pointer_option, warn_of_kfuncs
from btfschema.cli.named import Named, split_arguments, wanted
from btfschema.cli.options import json_options
from btfschema.cli.outputs import echo, json_text
from btfschema.escapes import on_terminal

__all__ = ["show"]

Shown = TypeVar("Shown")

COLOURS: dict[str, dict[str, Any]] = {"comment": {"fg": "cyan"}, "hole": {"fg": "yellow"}}
# No name holds a NUL, so these can't be mistaken when control characters are escaped.
START, END = {style: f"\0{style[0]}" for style in COLOURS}, "\0."


@click.command()
@click.argument(
    "arguments", metavar="NAME... [FILE]", nargs=-1, required=True, shell_complete=complete_names
)
@base_option
@pointer_option
@click.option("--expand", is_flag=True, help="Show the members of nested structs.")
@json_options("the same facts, an array of types and members")
def show(
    arguments: tuple[str, ...], base_btf: str | None, expand: bool, as_json: bool, pretty: bool
) -> None:
    """Show the types called NAME as C, with offsets, sizes, holes and cache lines.

    NAME is a name, with "struct", "union", "enum" or another kind before it if you like; a glob
    such as 'list_h*'; a path to a member such as task_struct.se.avg; or an id. The last of several
    arguments is FILE if it is a file or looks like one; without FILE, shows the running kernel's
    types.

    \b
    Examples:
      btfschema show task_struct
      btfschema show task_struct.se.avg
      btfschema show enum pid_type schedule vmlinux
      btfschema show nft_table nf_tables.ko.xz -B vmlinux --json
    """  # noqa: D301 - click needs the backspace character itself
    names, file = split_arguments(arguments)
    btf = open_input(file, base_btf)
    with _no_file(names, file):
        found = wanted(btf, names)
    warn_of_kfuncs(file, btf, [one.type_id for one in found])
    from btfschema.render.show import Viewer

    shown: list[Any]
    if as_json:
        viewer = Viewer(btf)
        shown = list(_each(found, partial(viewer.data, expand=expand), viewer.member_data))
        echo(json_text(shown, pretty=pretty))
    else:
        viewer = Viewer(btf, lambda text, style: f"{START[style]}{text}{END}")
        shown = list(_each(found, partial(viewer.text, expand=expand), viewer.member_text))
        echo(_painted("\n".join(shown)), nl=False, styled=True)
    if len(shown) < len(found):
        raise click.exceptions.Exit(1)


@contextmanager
def _no_file(names: Sequence[str], file: str | None) -> Iterator[None]:
    """Say that the last of several names may be a file that is not there, if it is no type."""
    from btfschema.errors import UnknownNameError

    try:
        yield
    except UnknownNameError as error:
        if file is None and len(names) > 1 and error.got == names[-1]:
            there = Path(names[-1]).is_dir()
            instead = "that is a directory" if there else "nor is there such a file"
            raise UnknownNameError(
                f"{error}; {instead}, so the running kernel's types were searched",
                got=error.got,
                expected=error.expected,
            ) from None
        raise


def _each(
    found: Sequence[Named],
    of_type: Callable[[int], Shown],
    of_member: Callable[[int, str], Shown],
) -> Iterator[Shown]:
    """What is shown of each type or member; of those that can't be shown, the error on stderr.

    Raises:
        BtfError: there is only one, and it can't be shown.
    """
    from btfschema.errors import BtfError

    for one in found:
        try:
            yield of_member(one.type_id, one.path) if one.path else of_type(one.type_id)
        except BtfError as error:
            if len(found) == 1:
                raise
            complain(str(error))


def _painted(text: str) -> str:
    """Text without the control characters that names brought, and with our own for its colours."""
    colours = {END: click.style("", reset=True)}
    colours |= {START[name]: click.style("", reset=False, **COLOURS[name]) for name in COLOURS}
    parts = re.split("(\0.)", text)
    return "".join(colours[part] if part in colours else on_terminal(part) for part in parts)
