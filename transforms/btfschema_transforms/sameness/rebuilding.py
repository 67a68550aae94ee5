"""Some of a container's types as a container of their own, with just the strings that they use."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema import Btf
from btfschema.tables.ids import IdMap
from btfschema.tables.interning import pick, same_texts
from btfschema.tables.strings import StringTable
from btfschema_transforms.sameness.hashing import Index

__all__ = ["first_places", "rebuilt"]


def rebuilt(btf: Btf, rows: Index, ids: IdMap) -> Btf:
    """A container over the same base that holds some of the types, in the order given.

    Args:
        btf: the container.
        rows: those of its own types that it is to hold.
        ids: what references to each id become.
    """
    types = btf.types.take(rows, btf.first_id)
    id_at, string_at = types.type_id_positions, types.string_positions
    uses = types.words.take(string_at).astype(np.int64)
    if btf.ext is not None:
        uses = np.append(uses, btf.ext.string_offsets)
    firsts = first_places(btf.strings, uses)
    inside = firsts.take(uses)
    data, places = _own_strings(btf, inside[inside >= btf.strings.start])

    def offsets(values: npt.NDArray[np.uint32]) -> Index:
        found = firsts.take(values)
        own = found >= btf.strings.start
        found[own] = places.take(found[own] - btf.strings.start)
        return found

    changed = types.rewritten(
        [
            (id_at, ids.apply(types.words.take(id_at))),
            (string_at, offsets(types.words.take(string_at))),
        ]
    )
    result = Btf.assemble(changed, data, like=btf, base=btf.base)
    if btf.ext is None:
        return result
    return evolve(result, ext=btf.ext.map(result, type_ids=ids.apply, strings=offsets))


def first_places(table: StringTable, uses: Index) -> Index:
    """By offset that is used: where the text stands first, in a base if it is there.

    Of a base whole strings count, and what is used.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    if len(uses) and int(uses.max()) >= table.end:
        table.bytes_at(int(uses.max()))
    used = np.zeros(table.end + 1, np.bool_)
    used[uses] = True
    for below in table.chain[:-1]:
        used[below.start + below.ends[:-1]] = True
        used[below.start] |= bool(below.data)
    used[0] = True
    offsets = used.nonzero()[0]
    found = np.zeros(table.end + 1, np.int64)
    found[offsets] = same_texts(table, offsets)
    return found


def _own_strings(btf: Btf, uses: Index) -> tuple[bytes, Index]:
    """A section of these of the container's own strings, and by their place the offset there."""
    base, table = btf.strings.base, btf.strings
    picked = pick(table, [np.zeros(1, np.int64), uses])
    start = base.end if base is not None else 1
    places = np.zeros(len(table.data) + 1, np.int64)
    places[uses - table.start] = picked.offsets[1] + (start - 1)
    if base is None:
        places[0] = 0
        return b"".join(picked.sections), places
    return picked.sections[1], places
