"""Some of a container's types as containers of their own, with just the strings that they use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema import Btf
from btfschema.arrays import Index
from btfschema.tables import IdMap, sections_of

__all__ = ["rebuilt"]


def rebuilt(btf: Btf, parts: Sequence[Index], ids: IdMap) -> Btf:
    """Some of a container's own types, over the same base, and over those the next ones, and so on.

    Args:
        btf: the container.
        parts: for each container of the result, the rows of the types that it is to hold, in order.
        ids: what references to each id become.

    Returns:
        The last of them. ``.BTF.ext`` is about it.
    """
    tables, first_id, to = [], btf.first_id, ids.to_array()
    for rows in parts:
        tables.append(btf.types.take(rows, first_id))
        first_id += len(rows)
    uses = [table.words.take(table.string_positions) for table in tables]
    if btf.ext is not None:
        uses[-1] = np.append(uses[-1], btf.ext.string_offsets.astype(np.uint32))
    sections, news = sections_of(btf.strings, uses)
    result = btf.base
    for table, data, offsets in zip(tables, sections, news, strict=True):
        id_at, string_at = table.type_id_positions, table.string_positions
        targets = to.take(table.words.take(id_at))
        strings = offsets[: len(string_at)]
        changed = table.rewritten([(id_at, targets), (string_at, strings)], table.first_id)
        result = Btf.assemble(changed, data, like=btf, base=result)
    if result is None or btf.ext is None:
        return result or btf
    known, firsts = np.unique(uses[-1], return_index=True)

    def places(offsets: npt.NDArray[np.uint32]) -> Index:
        return news[-1].take(firsts.take(known.searchsorted(offsets))).astype(np.int64)

    return evolve(result, ext=btf.ext.map(result, type_ids=ids.apply, strings=places))
