"""Where the members of a struct are, with the gaps between them, counted as pahole counts.

The facts behind ``show``: offsets, sizes, holes, padding and cache lines. Sizes and offsets are in
bytes unless they are said to be in bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import Factory, define, evolve, field, frozen

from btfschema.errors import UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.finding import id_of
from btfschema.model.memo import remembered
from btfschema.render.c.columns import COMPOSITE, TypeColumns
from btfschema.render.c.layout import round_up
from btfschema.render.forced import Forced
from btfschema.schema.kinds import Kind

if TYPE_CHECKING:
    from btfschema.model.views import TypeView

__all__ = [
    "CACHE_LINE",
    "Gaps",
    "MemberPlace",
    "StructLayout",
    "gaps_between",
    "struct_layout",
    "struct_layouts",
]

# Bytes of a cache line on most machines.
CACHE_LINE = 64


@frozen
class MemberPlace:
    """One member, and the gap after it.

    Attributes:
        name: its name, or "".
        type_id: its type.
        bit_offset: from the start of the struct, in bits.
        bitfield_size: in bits; 0 for what is not a bit field.
        size: of its type; 0 when that has none.
        offset: of the member; of a bit field, of the unit that it is part of.
        hole: unused bytes between this member and the next one, by offset.
        bit_hole: unused bits there, within the units of bit fields.
        aligned: the alignment that it must have been given, in bytes, if the hole before it is to
            come of one; 0 when its type's own alignment explains where it is, or none does.
        overlap: how many of its bits lie in members before it, by offset.
    """

    name: str
    type_id: int
    bit_offset: int
    bitfield_size: int
    size: int
    hole: int = 0
    bit_hole: int = 0
    aligned: int = 0
    overlap: int = 0
    offset: int = field(init=False, default=Factory(lambda self: self._offset(), takes_self=True))

    @property
    def bits_end(self) -> int:
        """The first bit behind it."""
        return self.bit_offset + (self.bitfield_size or 8 * self.size)

    @property
    def bytes_end(self) -> int:
        """The first byte behind it."""
        return -(-self.bits_end // 8)

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
        members: its members, in the order of the BTF.
        padding: unused bytes at its end.
        bit_padding: unused bits of the last bit field's unit.
        alignment: bytes that it is aligned to, 1 when it is packed, 0 when nothing tells.
        leading_hole: unused bytes before the first member.
        leading_bit_hole: unused bits there, within the unit of a bit field.
        packed: whether C can have a member where one is, or the size as it is, only with
            ``__attribute__((packed))``, here or on a struct inside.
        aligned: the alignment that it must have been given, in bytes, if its padding is to come of
            one; 0 when its members' alignments explain its size, or none does.
        excess: bytes by which members reach past its end, which no C struct's do.
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
    packed: bool = False
    aligned: int = 0
    excess: int = 0
    cachelines: int = field(
        init=False, default=Factory(lambda self: -(-self.size // CACHE_LINE), takes_self=True)
    )

    @property
    def by_offset(self) -> tuple[MemberPlace, ...]:
        """The members in the order of their offsets; of a union as they are."""
        if self.in_order:
            return self.members
        return tuple(sorted(self.members, key=lambda member: member.bit_offset))

    @property
    def in_order(self) -> bool:
        """Whether members follow each other by offset, as those of a C struct do."""
        offsets = [member.bit_offset for member in self.members]
        return self.kind == Kind.UNION or all(a <= b for a, b in pairwise(offsets))

    @property
    def overlapping(self) -> int:
        """How many members of a struct share bits with those before them, by offset."""
        return sum(member.overlap > 0 for member in self.members)

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
        """The bytes of all members that are not bit fields."""
        return sum(member.size for member in self.members if not member.bitfield_size)

    @property
    def sum_bitfields(self) -> int:
        """The bits of all bit fields."""
        return sum(member.bitfield_size for member in self.members)

    @property
    def last_cacheline(self) -> int:
        """The bytes that are used of the last cache line; 0 when it is full."""
        return self.size % CACHE_LINE


def struct_layout(btf: Btf, type_id: TypeView | int | str) -> StructLayout:
    """Where the members of a struct or union are.

    Args:
        btf: the container.
        type_id: a struct or union, or what names one: a view, an id or a name.

    Raises:
        LookupError: there is no such type.
        UnresolvedError: it is neither.
    """
    return layout_of(TypeColumns.of(btf), id_of(btf, type_id))


def layout_of(types: TypeColumns, type_id: int) -> StructLayout:
    """What :func:`struct_layout` says, of types that are columns already."""
    struct = types.end_ids[types.require(type_id)]
    if types.kinds[struct] not in COMPOSITE:
        raise UnresolvedError(
            f"{types.describe(type_id)} is not a struct or union, so it has no members",
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
    known = _alignments(types)
    packed, aligned = known.packed(struct), known.aligned(struct)
    if kind == Kind.UNION:
        gaps = Gaps(excess=max([0, *(place.bytes_end - size for place in places)]))
    else:
        order = sorted(range(len(places)), key=lambda at: places[at].bit_offset)
        gaps = gaps_between([places[at] for at in order], size)
        for at, (hole, bits, overlap) in zip(order, gaps.after, strict=True):
            if hole or bits or overlap:
                places[at] = evolve(places[at], hole=hole, bit_hole=bits, overlap=overlap)
    for at, given in known.forced(struct).items():
        places[at] = evolve(places[at], aligned=given)
    return StructLayout(
        struct,
        kind,
        name,
        size,
        tuple(places),
        gaps.padding,
        gaps.bit_padding,
        known.alignment(struct),
        *gaps.leading,
        packed,
        aligned,
        gaps.excess,
    )


def struct_layouts(btf: Btf) -> Iterator[StructLayout]:
    """The layouts of all structs and unions of a container, without its bases', in id order.

    What one layout needs to know of the whole container is worked out once.
    """
    types = TypeColumns.of(btf).listed()
    for type_id in range(btf.first_id, btf.end_id):
        if types.kinds[type_id] in COMPOSITE:
            yield layout_of(types, type_id)


def _alignments(types: TypeColumns) -> Forced:
    return remembered(types, Forced, Forced)


@define
class Gaps:
    """What lies between the members of a struct.

    Attributes:
        leading: the hole before the first member, in bytes and in bits.
        after: of each member the hole after it in bytes and in bits, and how many of its bits
            lie in members before it.
        padding: unused bytes at the end.
        bit_padding: unused bits before them.
        excess: bytes by which members reach past the end.
    """

    leading: tuple[int, int] = (0, 0)
    after: list[tuple[int, int, int]] = field(factory=list)
    padding: int = 0
    bit_padding: int = 0
    excess: int = 0

    @property
    def holes(self) -> int:
        """The number of holes before and between members."""
        return sum(hole > 0 for hole, *_ in (self.leading, *self.after))

    @property
    def bit_holes(self) -> int:
        """The number of holes before and between bit fields, in bits."""
        return sum(bits > 0 for _, bits, *_ in (self.leading, *self.after))


def gaps_between(places: Sequence[MemberPlace], size: int) -> Gaps:
    """What lies between members, which are in order of offset, in a struct of so many bytes."""
    gaps: list[tuple[int, int]] = []
    overlaps: list[int] = []
    seen = unit_end = unit_size = reach = 0
    in_bitfield = False
    for place in places:
        start, hole, bit_hole = place.bit_offset, 0, 0
        if in_bitfield:
            # What is left of the unit that the last bit field is part of.
            left = max(seen, min(start, unit_end))
            bit_hole, seen = left - seen, left
        if place.bitfield_size:
            unit = 8 * place.offset
            if seen < unit <= start:
                hole, seen = place.offset - seen // 8, unit
            bit_hole += max(start - seen, 0)
            if start >= unit_end or 8 * place.size > unit_size:
                unit_size = 8 * place.size
                unit_end = unit + unit_size
            # A packed one may reach past its unit, into one of the same size.
            unit_end = max(unit_end, round_up(place.bits_end, max(8 * place.size, 8)))
        else:
            hole = max(start // 8 - seen // 8, 0)
            unit_size = unit_end = 0
        overlaps.append(max(min(reach, place.bits_end) - start, 0))
        reach = seen = max(reach, place.bits_end)
        in_bitfield = place.bitfield_size > 0
        gaps.append((hole, bit_hole))
    bit_padding = 0
    if in_bitfield:
        end = max(seen, min(8 * size, unit_end))
        bit_padding, seen = end - seen, end
    padding = max(size - seen // 8, 0)
    excess = max(-(-reach // 8) - size, 0)
    after = zip([*gaps[1:], (0, 0)], overlaps, strict=True) if places else ()
    leading = gaps[0] if places else (0, 0)
    return Gaps(leading, [(*gap, bits) for gap, bits in after], padding, bit_padding, excess)
