"""The raw dump as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.finding import id_of
from btfschema.render.dump import Dump, Fields, Items, Style
from btfschema.render.notation import CONTROLS

if TYPE_CHECKING:
    from btfschema.model.views import TypeView

__all__ = ["TEXT", "format_type", "write_raw"]

# ASCII without them.
_PLAIN = bytes({*range(0x80)} - set(CONTROLS))
# They and C1, as UTF-8 has it.
_C1 = re.compile("[\x01-\x1f\x7f-\x9f]")


def _escape(text: str) -> str:
    return printable(text) if _C1.search(text) else text


TEXT = Style(
    name="text",
    string="%s",
    types=Items("", "\n", "\n", ""),
    record=Fields("", " %s=", ""),
    elements=Items("", "", "", ""),
    element=Fields("\n\t", " %s=", ""),
    plain=_PLAIN,
    escape=_escape,
)


def write_raw(btf: Btf, out: BinaryIO, ids: Iterable[int] | None = None) -> None:
    """Write types as text, like ``bpftool btf dump file FILE``.

    A string that is not UTF-8 is written as the bytes that it has in the file, but one with control
    characters is written with escapes (:func:`btfschema.escapes.printable`), which bpftool writes
    raw. Unlike bpftool 7.1 this shows all 24 bits of a vlen.

    Args:
        btf: the container; of split BTF its own types are written, as with ``bpftool -B``.
        out: a binary file.
        ids: the types to write, in this order, a base's included; what they refer to is not
            added.

    Raises:
        TypeIdError: an id does not exist. What comes before it may be written already.
    """
    Dump(btf, TEXT).write(out, ids)


def format_type(btf: Btf, type_id: TypeView | int | str) -> str:
    """One type as text, without the end of its last line.

    Args:
        btf: the container.
        type_id: the type, as a view, an id or a name.

    Raises:
        LookupError: there is no such type.
    """
    (record,) = Dump(btf, TEXT).records([id_of(btf, type_id)])
    return record
