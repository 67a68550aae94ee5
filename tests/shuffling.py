"""The same BTF with its ids in another order, and what a type is apart from its id."""

from __future__ import annotations

import numpy as np

from btfschema import Btf
from btfschema.ids import IdMap


def shuffled(btf: Btf, seed: int) -> tuple[Btf, IdMap]:
    """A container whose own types stand in another order, and where each id went."""
    order = np.random.default_rng(seed).permutation(len(btf))
    news = np.empty(len(btf), np.int64)
    news[order] = btf.first_id + np.arange(len(btf))
    ids = IdMap.from_array(np.append(np.arange(btf.first_id), news))
    table = btf.types.take(order, btf.first_id)
    at = table.type_id_positions
    table = table.rewritten([(at, ids.apply(table.words[at]))])
    return Btf.assemble(table, btf.strings.data, like=btf, base=btf.base), ids
