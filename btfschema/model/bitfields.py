"""Where the members of structs are, the bit fields of Linux 4.18 to 5.0 included.

Before kind_flag (Linux 5.0) a bit field had an INT of its own: ``int b:4`` was a member whose type
was an INT of 4 bits, perhaps behind a typedef or a qualifier. libbpf and bpftool take such a member
for a whole integer; these functions take it for the bit field that it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from btfschema.arrays import Index
from btfschema.model.following import through_modifiers
from btfschema.schema.kinds import INT_DATA
from btfschema.schema.parts import parts_of_plan
from btfschema.tables.types import Elements, TypeTable

__all__ = ["member_places", "narrow_integers", "own_narrow_integers"]


def narrow_integers(types: TypeTable) -> tuple[Index, Index]:
    """The integers that don't fill their bytes, and what names or qualifies them.

    Args:
        types: a table of all types, in which the type with id i is row i - 1.

    Returns:
        For each type id, the bit at which such an integer starts within its member, and its bits;
        0 bits for any other type.
    """
    skipped, bits = (np.append(0, column) for column in own_narrow_integers(types))
    if not bits.any():
        return skipped, bits
    ends = through_modifiers(types)
    return skipped[ends], bits[ends]


def own_narrow_integers(types: TypeTable) -> tuple[Index, Index]:
    """The same of each row, and of integers only: not of what names or qualifies them."""
    skipped, bits = np.zeros(len(types), np.int64), np.zeros(len(types), np.int64)
    for rows, starts, widths in _narrow(types):
        skipped[rows], bits[rows] = starts, widths
    return skipped, bits


def _narrow(types: TypeTable) -> Iterator[tuple[Index, Index, Index]]:
    """Rows of integers that don't fill their bytes, where in these they start, and their bits."""
    for kind in parts_of_plan(types.plan).integers:
        (word,) = types.plan.kinds[kind].fixed
        rows = types.rows_of(kind)
        data = types.words[types.starts[rows] + word.word]
        starts, widths = INT_DATA.part(data, "bit_offset"), INT_DATA.part(data, "bits")
        narrow = (widths > 0) & ((starts > 0) | (widths < 8 * types.thirds[rows].astype(np.int64)))
        if narrow.any():
            yield rows[narrow], starts[narrow], widths[narrow]


def member_places(types: TypeTable, members: Elements) -> tuple[Index, Index]:
    """The bit offset of each member, and its bits as a bit field, 0 for any other member.

    Args:
        types: a table of all types, in which the type with id i is row i - 1: ``btf.all_types``.
        members: structs' members in it.
    """
    offsets, widths = types.member_offsets(members)
    if not any(True for _ in _narrow(types)):
        return offsets, widths
    skipped, bits = narrow_integers(types)
    ids = members.column("type_id").astype(np.int64)
    old = (ids < len(bits)) & ~types.kind_flags[members.owners]
    old[old] = bits[ids[old]] > 0
    offsets, widths = offsets.copy(), widths.copy()
    offsets[old] += skipped[ids[old]]
    widths[old] = bits[ids[old]]
    return offsets, widths
