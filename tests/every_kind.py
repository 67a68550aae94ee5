"""BTF with every kind that bpftool 7.1 knows, for tests that compare dumps."""

from __future__ import annotations

from btfschema import Btf, Builder, views
from btfschema.codec.header import ByteOrder

__all__ = ["every_kind"]


def every_kind(byteorder: ByteOrder = "little") -> Btf:
    """One type of each kind that bpftool 7.1 knows, and of some of them two."""
    builder = Builder(byteorder=byteorder)
    for view in (
        views.Int("int", 4, views.IntEncoding.SIGNED),
        views.Ptr(1),
        views.Array(1, 1, 3),
        views.Struct("node", 16, [views.Member("next", 2), views.Member("", 1, bit_offset=64)]),
        views.Struct(
            "flags",
            4,
            [views.Member("on", 1, bitfield_size=1), views.Member("x", 1, bit_offset=8)],
        ),
        views.Union("", 0),
        views.Enum("unsigned", 4, [views.Enumerator("TOP", 0xFFFFFFFE)]),
        views.Enum("signed", 4, [views.Enumerator("LOW", -2)]),
        views.Fwd("later"),
        views.Fwd("either", is_union=True),
        views.Typedef("t", 4),
        views.Volatile(1),
        views.Const(1),
        views.Restrict(2),
        views.FuncProto(0, [views.Param("a", 1), views.Param("", 0)]),
        views.Func("f", 15, views.Linkage.GLOBAL),
        views.Func("odd", 15, 7),
        views.Var("v", 1, views.Linkage.EXTERN),
        views.Datasec(".data", 8, [views.VarSecinfo(18, 4, 4), views.VarSecinfo(0, 0, 4)]),
        views.Float("double", 8),
        views.DeclTag("tag", 4, 1),
        views.DeclTag("whole", 4),
        views.TypeTag("user", 1),
        views.Enum64("big", 8, [views.Enumerator("MAX", (1 << 64) - 1)]),
        views.Enum64("negative", 8, [views.Enumerator("MIN", -(1 << 63))]),
        views.Int("bool", 1, views.IntEncoding.BOOL),
        views.Int("bits", 4, views.IntEncoding.NONE, bits=3, bit_offset=2),
    ):
        builder.add(view)
    return builder.build()
