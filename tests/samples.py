"""Small BTF that several tests share."""

from __future__ import annotations

import struct

from btfschema import Btf, Builder, views
from btfschema.codec.header import ByteOrder

# Sections of ``tiny()``: 24 header bytes, then 64 of types and 11 of strings.
TINY_TYPES = 24
TINY_STRINGS = TINY_TYPES + 64
TINY_SIZE = TINY_STRINGS + 11


def tiny(base: Btf | None = None, byteorder: ByteOrder | None = None) -> Btf:
    """``struct s { int a; int *b; }`` as three types."""
    builder = Builder(base, byteorder=byteorder)
    number = builder.add(views.Int("int", 4, views.IntEncoding.SIGNED))
    pointer = builder.add(views.Ptr(number))
    members = [views.Member("a", number), views.Member("b", pointer, 64)]
    builder.add(views.Struct("s", 16, members))
    return builder.build()


def patched(blob: bytes, words: dict[int, int]) -> bytes:
    """A copy of a little-endian blob with other u32 words at some byte offsets."""
    data = bytearray(blob)
    for offset, word in words.items():
        struct.pack_into("<I", data, offset, word)
    return bytes(data)


KERNEL_VIEWS: tuple[views.TypeView, ...] = (
    views.Int("int", 4, views.IntEncoding.SIGNED),  # 1
    views.Ptr(4),
    views.Array(1, 1, 3),
    views.Struct("node", 24, [views.Member("next", 2), views.Member("values", 3, 64)]),
    views.Union("either", 8, [views.Member("number", 1), views.Member("", 2)]),  # 5
    views.Enum("state", 4, [views.Enumerator("OFF", 0), views.Enumerator("ON", -1)]),
    views.Fwd("elsewhere", is_union=True),
    views.Typedef("node_t", 4),
    views.Volatile(1),
    views.Const(9),  # 10
    views.Restrict(2),
    views.Func("main", 13, views.Linkage.GLOBAL),
    views.FuncProto(1, [views.Param("argc", 1), views.Param("", 0)]),
    views.Var("counter", 1, views.Linkage.GLOBAL),
    views.Datasec(".data", 8, [views.VarSecinfo(14, 4, 4)]),  # 15
    views.Float("double", 8),
    views.DeclTag("note", 4, 1),
    views.TypeTag("user", 10),
    views.Enum64("wide", 8, [views.Enumerator("ALL", (1 << 64) - 1)]),
    views.Struct("flags", 4, [views.Member("low", 1, 0, 3), views.Member("high", 1, 3, 29)]),  # 20
)
"""A valid type of every kind that Linux 6.x knows, in the order of their numbers."""

LOC_VIEWS: tuple[views.TypeView, ...] = (
    views.LocParam(8, views.LocFlags.SIGNED | views.LocFlags.CONST, [1, 2]),
    views.LocProto([21]),
    views.LocSec(".text", [views.LocEntry(12, 22, 16)]),
)
"""One of each kind of 2026, to come after ``KERNEL_VIEWS``."""


def every_kind(*, byteorder: ByteOrder = "little", layout: bool = False) -> Btf:
    """A container of ``KERNEL_VIEWS`` and ``LOC_VIEWS``."""
    builder = Builder(byteorder=byteorder, layout=layout)
    for view in (*KERNEL_VIEWS, *LOC_VIEWS):
        builder.add(view)
    return builder.build()
