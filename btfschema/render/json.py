"""The raw dump as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from btfschema.escapes import plain
from btfschema.model.container import Btf
from btfschema.render.dump import Dump, Fields, Items, Style

__all__ = ["JSON", "PRETTY", "write_json"]

_ESCAPES = {
    **{code: f"\\u{code:04x}" for code in range(0x20)},
    **{ord(char): f"\\{name}" for char, name in zip('\b\f\n\r\t"\\', 'bfnrt"\\', strict=True)},
}
# What strings in JSON hold as it is, and the NUL that ends a name.
_PLAIN = bytes({0, *range(0x20, 0x80)} - set(b'"\\'))


def _escape(text: str) -> str:
    escaped: str = plain(text).translate(_ESCAPES)
    return escaped


def _style(pretty: bool) -> Style:
    def line(depth: int) -> str:
        return "\n" + 4 * depth * " " if pretty else ""

    def name(depth: int) -> str:
        return f'{line(depth)}"%s":{" " if pretty else ""}'

    head = "{" + name(1) % "types" + "["
    tail = f"]{line(0)}}}\n"
    return Style(
        name="json",
        string='"%s"',
        types=Items(head, ",", line(1) + tail, head + tail),
        record=Fields("{", "," + name(3), line(2) + "}"),
        elements=Items("[", ",", line(3) + "]", "[]"),
        element=Fields("{", "," + name(5), line(4) + "}"),
        plain=_PLAIN,
        escape=_escape,
    )


JSON = _style(pretty=False)
PRETTY = _style(pretty=True)


def write_json(
    btf: Btf, out: BinaryIO, ids: Iterable[int] | None = None, pretty: bool = False
) -> None:
    r"""Write types as JSON, like ``bpftool -j btf dump file FILE``.

    It is always JSON. bpftool 7.1 writes a backslash as ``\n`` and most control characters as they
    are; here they are escaped. A byte that is not UTF-8 becomes the escape ``\\xNN`` in the string,
    which :func:`btfschema.escapes.original` turns back. Kept as bpftool has it: an unsigned 32-bit
    enum's value from 2**31 on is written as 64 bits with the upper half set (``val & 0xffffffff``
    is the value). Unlike bpftool 7.1 this shows all 24 bits of a vlen.

    Args:
        btf: the container; of split BTF its own types are written, as with ``bpftool -B``.
        out: a binary file.
        ids: the types to write, in this order, a base's included; what they refer to is not
            added.
        pretty: indent it, like ``bpftool -p``.

    Raises:
        TypeIdError: an id does not exist. What comes before it may be written already.
    """
    Dump(btf, PRETTY if pretty else JSON).write(out, ids)
