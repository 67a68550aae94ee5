"""``btfschema value``."""

from __future__ import annotations

import math
import mmap
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.completion import complete_names
from btfschema.cli.inputs import base_option, open_input, pointer_option
from btfschema.cli.options import AnyPath, json_options, number
from btfschema.cli.outputs import echo, json_text

if TYPE_CHECKING:
    from btfschema.values.memory import Data

__all__ = ["value"]


@click.command()
@click.argument("type_", metavar="TYPE", shell_complete=complete_names)
@click.argument("file", required=False, type=AnyPath(allow_dash=False))
@base_option
@pointer_option
@click.option(
    "--data",
    metavar="FILE",
    type=AnyPath(allow_dash=True),
    help='Read the bytes from FILE; "-" for standard input. Default: hex digits from there.',
)
@click.option(
    "--offset", type=number, default="0", help="Where in the data the value starts, in bytes."
)
@click.option("--count", type=click.IntRange(0), help="Read this many values, one after another.")
@click.option("--path", help='Print only this part, such as "se.avg" or "numbers[0]".')
@json_options("only the value")
@click.option("--compact", is_flag=True, help="Print without line breaks.")
@click.option("--zeroes", is_flag=True, help="Also print members that are zero.")
@click.option("--no-names", is_flag=True, help="Omit the names and types of members.")
def value(
    type_: str,
    file: str | None,
    base_btf: str | None,
    data: str | None,
    offset: int,
    count: int | None,
    path: str | None,
    as_json: bool,
    pretty: bool,
    compact: bool,
    zeroes: bool,
    no_names: bool,
) -> None:
    """Print bytes as a value of TYPE.

    TYPE is a name ("task_struct", "enum pid_type", the name of a variable or of a section) or an
    id. The types come from FILE, or from the running kernel. Prints the same text as libbpf's
    btf_dump__dump_type_data.

    \b
    Examples:
      btfschema value iphdr --data packet.bin --offset 14
      echo 01000000 02000000 | btfschema value u32 vmlinux --count 2
      btfschema value page vmlinux --data mem.img --offset 0x1000 --count 64 --json
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.values.text import TextOptions
    from btfschema.values.value import read

    btf = open_input(file, base_btf)
    wanted: int | str = int(type_) if type_.isdecimal() else type_
    found = read(btf, wanted, _bytes_of(data), offset, count=count)
    part = found.at_(path) if path else found
    if as_json:
        text = json_text(_jsonable(part.to_python()), pretty=pretty)
    else:
        text = part.text_(TextOptions(compact, zeroes, not no_names))
    # Names of a file need not be text.
    echo(text)


def _bytes_of(data: str | None) -> Data:
    """The data, mapped into memory where it is a file.

    Raises:
        OSError: it can't be read.
        click.UsageError: standard input has other things than hex digits.
    """
    if data is None:
        text = sys.stdin.read().replace("0x", "")
        try:
            return bytes.fromhex(text)
        except ValueError:
            digits = string.hexdigits + string.whitespace
            odd = next((one for one in text if one not in digits), None)
            why = "a byte has two digits" if odd is None else f"{odd!r} is not a hex digit"
            message = f"standard input is not hex: {why}; give the data with --data"
            raise click.UsageError(message) from None
    if data == "-":
        return sys.stdin.buffer.read()
    with Path(data).open("rb") as file:
        if not Path(data).stat().st_size:
            return file.read()
        # It is closed when nothing looks at it any more.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _jsonable(value: Any) -> Any:
    """What JSON has no number for becomes text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _jsonable(one) for name, one in value.items()}
    return [_jsonable(one) for one in value] if isinstance(value, list) else value
