"""Where a compiler would put members, and what it has to be told to put them where BTF says."""

from __future__ import annotations

import numpy as np

from btfschema.errors import EncodeError
from btfschema.model.memo import remembered
from btfschema.render.c.columns import COMPOSITE, ENUMS, KNOWN, Array, TypeColumns
from btfschema.render.c.trampoline import Step, run
from btfschema.schema.kinds import Kind

__all__ = ["Layout", "round_up"]

# Kinds that are aligned to their size.
MEASURED = ENUMS | KNOWN.scalars

# Bytes of an __int128.
WIDE = 16

UNKNOWN = -1

# More padding than any real type has. Every few bytes of it are a line, so that a struct of a few
# bytes in a damaged file would become gigabytes of text.
MAX_PADDING_BITS = 1 << 27
# Unnamed bit fields of a larger gap would be a thousand lines.
MOST_BIT_FIELDS = 1 << 16


def round_up(value: int, unit: int) -> int:
    """The first multiple of ``unit`` from ``value`` on."""
    return -(-value // unit) * unit


def _own_alignments(types: TypeColumns, exact: bool) -> Array:
    """The alignment of each type, ``UNKNOWN`` for structs and unions and what stands for them."""
    kinds, ends = types.arrays["kinds"], types.ends
    own = np.zeros(types.count, np.int64)
    measured = np.isin(kinds, list(MEASURED))
    sizes = types.arrays["sizes"]
    own[measured] = np.minimum(sizes[measured], types.pointer_size)
    if exact:
        own[measured & (sizes == WIDE)] = WIDE
    own[kinds == Kind.PTR] = types.pointer_size
    own[np.isin(kinds, list(COMPOSITE))] = UNKNOWN
    found: Array = own[ends]
    return found


class Layout:
    """Alignments of types, and padding between members.

    Args:
        types: the types.
        exact: also pack and pad unions, and align 128-bit integers to 16 bytes.
    """

    def __init__(self, types: TypeColumns, *, exact: bool = False) -> None:
        self._types = types
        self._exact = exact
        own = remembered(types, (Layout, exact), lambda types: _own_alignments(types, exact))
        # A column of its own: those of structs are filled in as they are asked for.
        self._alignments = types.column(own)
        self._ends = types.end_ids
        self._packed: set[int] = set()
        self._gaps = 0
        self._members = types.exact_members if exact else types.members
        self._open: set[int] = set()
        long = 8 * types.pointer_size
        self._pads = (("long", long), ("int", 32), ("short", 16), ("char", 8))

    def alignment(self, type_id: int) -> int:
        """Bytes that a type is aligned to, 0 when it has no size (``btf__align_of``).

        Raises:
            UnresolvedError: a struct holds itself.
        """
        known = self._alignments[type_id]
        return run(self._align(self._ends[type_id])) if known == UNKNOWN else known

    def is_packed(self, type_id: int) -> bool:
        """Whether a struct's members or size are off their natural places."""
        self.alignment(type_id)
        packable = self._exact or self._types.kinds[type_id] == Kind.STRUCT
        return packable and type_id in self._packed

    def _align(self, type_id: int) -> Step:
        """The alignment of a struct or union; notes whether it is packed."""
        types = self._types
        if type_id in self._open:
            raise types.circle(type_id)
        self._open.add(type_id)
        alignments = self._alignments
        members = self._members
        largest, unsized = 1, False
        first = types.firsts[type_id]
        for at in range(first, first + types.vlens[type_id]):
            member = members.types[at]
            alignment = alignments[member]
            if alignment == UNKNOWN:
                end = self._ends[member]
                alignment = alignments[end]
                if alignment == UNKNOWN:
                    alignment = yield self._align(end)
                alignments[member] = alignment
            if not alignment:
                unsized = True
            elif self._is_displaced(at, member, alignment):
                self._packed.add(type_id)
                break
            if alignment > largest:
                largest = alignment
        else:
            if types.sizes[type_id] % largest:
                self._packed.add(type_id)
        self._open.discard(type_id)
        alignments[type_id] = found = 1 if type_id in self._packed else largest
        if unsized:
            alignments[type_id] = found = 0
        return found

    def _is_displaced(self, at: int, member: int, alignment: int) -> bool:
        """Whether a member is where a compiler puts none of its type."""
        members = self._members
        offset, width = members.offsets[at], members.widths[at]
        if not width:
            return bool(offset % (8 * alignment))
        # A bit field does not cross the bounds of its type.
        unit = 8 * alignment
        return self._exact and offset // unit != (offset + width - 1) // unit

    def gap(
        self, at: int, to: int, next_alignment: int, in_bitfield: bool, *, packed: bool = False
    ) -> list[str]:
        """:meth:`padding`, but where bpftool need not be copied.

        There a large gap is an array, and a packed struct has just the bits of the gap: its
        unnamed bit fields begin anywhere.
        """
        first = round_up(at, 8)
        if self._exact and packed and 0 < to - at < MOST_BIT_FIELDS:
            name, unit = self._pads[0]
            whole, rest = divmod(to - at, unit)
            found = [f"{name}: {unit};"] * whole
            if rest:
                name = next(pad for pad, bits in reversed(self._pads) if bits >= rest)
                found.append(f"{name}: {rest};")
            return found
        if not self._exact or to - first < MOST_BIT_FIELDS:
            return self.padding(at, to, next_alignment, in_bitfield)
        self._gaps += 1
        count, rest = divmod(to - first, 8)
        found = self.gap(at, first, 1, in_bitfield, packed=packed)
        # A member that aligns must not be moved behind the array's end by the compiler.
        found.append(f"char __gap_{self._gaps}[{count}];")
        return [*found, *self.gap(to - rest, to, 1, False, packed=packed)]

    def padding(self, at: int, to: int, next_alignment: int, in_bitfield: bool) -> list[str]:
        """The unnamed bit fields that lead from one bit offset to another.

        They are as few as C's own alignment allows (``btf_dump_emit_bit_padding``): a compiler
        closes a gap itself when the next member's alignment does, and ``long: 0;`` makes it align
        where it would not.

        Args:
            at: the bit after the last member.
            to: the first bit of the next member, or of what follows the struct.
            next_alignment: of the next member, in bytes.
            in_bitfield: whether both neighbours are bit fields.

        Raises:
            EncodeError: the gap is so large that the text would have millions of lines.
        """
        if at >= to:
            return []
        if to - at > MAX_PADDING_BITS:
            raise EncodeError(
                f"a gap of {(to - at) // 8} bytes can't be written as padding",
                got=(to - at) // 8,
                expected=f"{MAX_PADDING_BITS // 8} bytes at most",
            )
        name, unit = next(pad for pad in self._pads if round_up(at, pad[1]) <= to or pad[1] == 8)
        found = []
        start = round_up(at, unit)
        if at < start <= to:
            natural = round_up(at, 8 * max(next_alignment, 1))
            if (
                in_bitfield
                or (start == to and natural != start)
                or (start != to and to - start <= start - at)
            ):
                found.append(f"{name}: {start - at if in_bitfield else 0};")
            at = start
        whole, rest = divmod(to - at, unit)
        found += [f"{name}: {unit};"] * whole
        if rest:
            name = next(pad for pad, bits in reversed(self._pads) if bits >= rest)
            found.append(f"{name}: {rest};")
        return found

    def union_padding(self, type_id: int) -> list[str]:
        """An unnamed member that makes a union as large as it is, when no other one does."""
        types, members = self._types, self._members
        size, first = types.sizes[type_id], types.firsts[type_id]
        span = range(first, first + types.vlens[type_id])
        sizes = [-(-members.widths[at] // 8) or types.full_sizes[members.types[at]] for at in span]
        largest = max(sizes, default=0)
        packed = self.is_packed(type_id)
        alignment = 1 if packed else max(self.alignment(type_id), 1)
        if not self._exact or round_up(largest, alignment) >= size:
            return []
        pads = self.gap(0, 8 * size, alignment, False, packed=packed)
        if len(pads) == 1:
            return pads
        if packed:
            return [f"struct {{ {' '.join(pads)} }} __attribute__((packed));"]
        if size <= WIDE:
            return [f"__int128: {8 * size};"]
        return [f"struct {{ {' '.join(pads)} }};"]
