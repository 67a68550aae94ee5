"""Where the members of a struct are, with the gaps between them, counted as pahole counts.

The facts behind ``show``: offsets, sizes, holes, padding and cache lines. Sizes and offsets are in
bytes unless they are said to be in bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from attrs import Factory, evolve, field, frozen

from btfschema.errors import UnresolvedError
from btfschema.model.container import Btf
from btfschema.render.c.columns import COMPOSITE, TypeColumns
from btfschema.render.c.layout import Layout
from btfschema.schema.kinds import Kind

__all__ = ["CACHE_LINE", "MemberPlace", "StructLayout", "struct_layout", "struct_layouts"]

# Bytes of a cache line on most machines.
CACHE_LINE = 64


@frozen
class MemberPlace:
    """One member, and the gap after it.

    Attributes:
        name: its name, or "".
        type_id: its type.
        bit_offset: from the start of the struct, in bits.
        bitfield_size: in bits; 0 for what is no bit field.
        size: of its type; 0 when that has none.
        offset: of the member; of a bit field, of the unit that it is part of.
        hole: unused bytes between this member and the next one.
        bit_hole: unused bits there, within the units of bit fields.
    """

    name: str
    type_id: int
    bit_offset: int
    bitfield_size: int
    size: int
    hole: int = 0
    bit_hole: int = 0
    offset: int = field(init=False, default=Factory(lambda self: self._offset(), takes_self=True))

    def _offset(self) -> int:
        # A bit field's unit is aligned to its own size, packed or not.
        if self.bitfield_size and self.size:
            return self.bit_offset // (8 * self.size) * self.size
        return self.bit_offset // 8


@frozen
class StructLayout:
    """A struct or union.

    Attributes:
        id: its id.
        kind: ``Kind.STRUCT`` or ``Kind.UNION``.
        name: its name, or "".
        size: its size.
        members: its members.
        padding: unused bytes at its end.
        bit_padding: unused bits of the last bit field's unit.
        alignment: bytes that it is aligned to, 1 when it is packed, 0 when nothing tells.
        leading_hole: unused bytes before the first member.
        leading_bit_hole: unused bits there, within the unit of a bit field.
        cachelines: how many cache lines it covers when it starts on one.
    """

    id: int
    kind: int
    name: str
    size: int
    members: tuple[MemberPlace, ...]
    padding: int = 0
    bit_padding: int = 0
    alignment: int = 0
    leading_hole: int = 0
    leading_bit_hole: int = 0
    cachelines: int = field(
        init=False, default=Factory(lambda self: -(-self.size // CACHE_LINE), takes_self=True)
    )

    @property
    def holes(self) -> list[int]:
        """The sizes of the holes before and between members."""
        sizes = (self.leading_hole, *(member.hole for member in self.members))
        return [size for size in sizes if size]

    @property
    def bit_holes(self) -> list[int]:
        """The sizes of the holes before and between bit fields, in bits."""
        sizes = (self.leading_bit_hole, *(member.bit_hole for member in self.members))
        return [size for size in sizes if size]

    @property
    def sum_members(self) -> int:
        """The bytes of all members that are no bit fields."""
        return sum(member.size for member in self.members if not member.bitfield_size)

    @property
    def sum_bitfields(self) -> int:
        """The bits of all bit fields."""
        return sum(member.bitfield_size for member in self.members)

    @property
    def last_cacheline(self) -> int:
        """The bytes that are used of the last cache line; 0 when it is full."""
        return self.size % CACHE_LINE


def struct_layout(btf: Btf | TypeColumns, type_id: int) -> StructLayout:
    """Where the members of a struct or union are.

    Args:
        btf: the container.
        type_id: a struct or union, or what names one.

    Raises:
        TypeIdError: there is no such id.
        UnresolvedError: it is neither.
    """
    types = btf if isinstance(btf, TypeColumns) else TypeColumns.of(btf)
    struct = types.end_ids[types.require(type_id)]
    if types.kinds[struct] not in COMPOSITE:
        raise UnresolvedError(
            f"{types.describe(type_id)} is no struct or union, so it has no members",
            type_id=type_id,
        )
    first, members = types.firsts[struct], types.exact_members
    places = [
        MemberPlace(
            members.names[at],
            members.types[at],
            members.offsets[at],
            members.widths[at],
            types.full_sizes[members.types[at]],
        )
        for at in range(first, first + types.vlens[struct])
    ]
    kind, name, size = types.kinds[struct], types.names[struct], types.sizes[struct]
    alignment = alignments(types)[struct]
    if kind == Kind.UNION:
        return StructLayout(struct, kind, name, size, tuple(places), alignment=alignment)
    gaps, padding, bit_padding = _gaps(places, size)
    with_gaps = [
        evolve(place, hole=hole, bit_hole=bits) if hole or bits else place
        for place, (hole, bits) in zip(places, gaps[1:], strict=True)
    ]
    return StructLayout(
        struct,
        kind,
        name,
        size,
        tuple(with_gaps),
        padding,
        bit_padding,
        alignment,
        *(gaps[0] if places else (0, 0)),
    )


def struct_layouts(btf: Btf) -> Iterator[StructLayout]:
    """The layouts of all structs and unions of a container, without its bases', in id order.

    What one layout needs to know of the whole container is worked out once.
    """
    types = TypeColumns.of(btf)
    for type_id in range(btf.first_id, btf.end_id):
        if types.kinds[type_id] in COMPOSITE:
            yield struct_layout(types, type_id)


def alignments(types: TypeColumns) -> list[int]:
    """Bytes that each struct and union is aligned to, by id; 0 where nothing tells.

    Nothing tells it of a struct that holds itself, or something without a size.
    """
    kept = types.analyses
    if alignments not in kept:
        layout = Layout(types, exact=True)
        found = [0] * types.count
        for type_id, kind in enumerate(types.kinds):
            if kind in COMPOSITE:
                with suppress(UnresolvedError):
                    found[type_id] = layout.alignment(type_id)
        kept[alignments] = found
    known: list[int] = kept[alignments]
    return known


def _gaps(places: list[MemberPlace], size: int) -> tuple[list[tuple[int, int]], int, int]:
    """The gaps before each member, in bytes and bits, and those at the end.

    Args:
        places: the members.
        size: bytes of the struct.

    Returns:
        A gap for each member and an empty one at the end, then the padding in bytes and in bits.
    """
    gaps = []
    seen = unit_end = unit_size = 0
    in_bitfield = False
    for place in places:
        start, hole, bit_hole = place.bit_offset, 0, 0
        if in_bitfield:
            # What is left of the unit that the last bit field is part of.
            left = min(start, unit_end)
            bit_hole, seen = left - seen, left
        if place.bitfield_size:
            unit = 8 * place.offset
            if seen < unit <= start:
                hole, seen = place.offset - seen // 8, unit
            bit_hole += start - seen
            if start >= unit_end or 8 * place.size > unit_size:
                unit_size = 8 * place.size
                unit_end = unit + unit_size
            seen = start + place.bitfield_size
            # A packed one may reach past its unit, into a byte of which the rest is unused.
            unit_end = max(unit_end, -(-seen // 8) * 8)
        else:
            hole = start // 8 - seen // 8
            unit_size = unit_end = 0
            seen = start + 8 * place.size
        in_bitfield = place.bitfield_size > 0
        gaps.append((hole, bit_hole))
    bit_padding = 0
    if in_bitfield:
        end = min(8 * size, unit_end)
        bit_padding, seen = end - seen, end
    return [*gaps, (0, 0)], size - seen // 8, bit_padding
