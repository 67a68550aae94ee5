"""Bit fields as Linux 4.18 to 5.0 wrote them: an INT of a few bits, and no kind_flag."""

from __future__ import annotations

import pytest
from hypothesis import given

from btfschema import Btf, Builder
from btfschema.model.bitfields import member_places, narrow_integers
from btfschema.questions import Conditions, list_types
from btfschema.render.c.columns import TypeColumns
from btfschema.render.show import Viewer
from btfschema.render.structs import struct_layout
from btfschema.schema import Kind
from btfschema.testing import btfs
from btfschema.views import Int, IntEncoding, Member, Struct, Typedef, TypeView, Volatile

OLD: tuple[TypeView, ...] = (
    Int("int", 4, IntEncoding.SIGNED),
    Int("int", 1, IntEncoding.SIGNED, bits=4),
    Typedef("a", 2),
    Volatile(5),
    Int("int", 4, IntEncoding.SIGNED, bits=6, bit_offset=2),
    Struct(
        "t",
        12,
        [Member("a", 1), Member("b", 3, 32), Member("c", 4, 36), Member("d", 1, 64)],
    ),
)


def built(*views: TypeView, base: Btf | None = None) -> Btf:
    builder = Builder(base)
    for view in views:
        builder.add(view)
    return builder.build()


@pytest.mark.parametrize("split", [0, 2, 5])
def test_old_bit_fields_keep_their_widths(split: int) -> None:
    base = built(*OLD[:split]) if split else None
    layout = struct_layout(built(*OLD[split:], base=base), 6)
    places = [(place.name, place.bit_offset, place.bitfield_size) for place in layout.members]
    assert places == [("a", 0, 0), ("b", 32, 4), ("c", 38, 6), ("d", 64, 0)]
    assert (layout.holes, layout.bit_holes) == ([], [2, 20])


@pytest.mark.parametrize("split", [0, 2, 5])
def test_holes_are_counted_with_old_bit_fields(split: int) -> None:
    base = built(*OLD[:split]) if split else None
    gap = Struct("gap", 16, [Member("b", 3), Member("c", 4, 4), Member("e", 2, 64)])
    btf = built(*OLD[split:], gap, base=base)
    found = {row.id: row.holes for row in list_types(btf, Conditions(kinds=("struct",)))}
    assert found == {one: len(struct_layout(btf, one).holes) for one in (6, 7)}
    assert found[7] == 1


def test_old_bit_fields_are_shown_as_bit_fields() -> None:
    lines = [" ".join(line.split()) for line in Viewer(built(*OLD)).text(6).splitlines()]
    assert "a b:4; /* 4: 0 1 */" in lines
    assert "volatile int c:6; /* 4: 6 4 */" in lines


def test_an_integer_in_circles_or_of_no_bits_is_no_bit_field() -> None:
    btf = built(
        Int("none", 4, bits=0),
        Int("narrow", 4, bits=3),
        Typedef("round", 4),
        Typedef("trip", 3),
        Struct("s", 8, [Member("a", 1), Member("b", 3, 32)]),
    )
    _, bits = narrow_integers(btf.all_types)
    assert bits.tolist() == [0, 0, 3, 0, 0, 0]
    types = TypeColumns.of(btf).listed()
    assert types.exact_members == types.members


@given(btf=btfs())
def test_what_kind_flag_says_stays(btf: Btf) -> None:
    table = btf.all_types
    for kind in (Kind.STRUCT, Kind.UNION):
        members = table.elements(kind)
        plain, places = table.member_offsets(members), member_places(table, members)
        flags = table.kind_flags[members.owners]
        for ours, libbpf in zip(places, plain, strict=True):
            assert (ours[flags] == libbpf[flags]).all()
