"""The same BTF with its ids in another order, and what a type is apart from its id."""

from __future__ import annotations

from typing import Any

import numpy as np

from btfschema import Btf, Kind, views
from btfschema.tables.ids import IdMap
from btfschema.tables.strings import StringTableBuilder
from btfschema.views import TypeView


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


def kind_name_size(view: TypeView) -> tuple[Any, ...]:
    """What a type is apart from its id; an ENUM64 counts as the ENUM that a distilled base has."""
    kind = Kind.ENUM if view.kind == Kind.ENUM64 else view.kind
    return (kind, getattr(view, "name", ""), getattr(view, "size", None))


def stands_for(distilled: TypeView, found: TypeView) -> bool:
    """Whether ``found`` is what a distilled type may stand for: its own kind and name.

    A declared struct is found in its definition, too.
    """
    if isinstance(distilled, views.Fwd) and found.kind == distilled.fwd_kind:
        return bool(kind_name_size(found)[1] == distilled.name)
    if isinstance(distilled, views.Fwd) and found != distilled:
        return False
    return kind_name_size(distilled)[:2] == kind_name_size(found)[:2]


def shuffled_chain(btf: Btf, seed: int) -> Btf:
    """A container and its bases, each with its own types, and its strings, in another order."""
    rng = np.random.default_rng(seed)
    news = np.zeros(btf.end_id, np.int64)
    result: Btf | None = None
    for part in btf.chain:
        rows = rng.permutation(len(part))
        news[part.first_id + rows] = part.first_id + np.arange(len(part))
        table = part.types.take(rows, part.first_id)
        ids, names = table.type_id_positions, table.string_positions
        offsets = np.unique(table.words[names])
        strings = StringTableBuilder(result.strings if result is not None else None)
        moved = {
            int(offset): strings.add(part.strings[int(offset)])
            for offset in rng.permutation(offsets)
        }
        texts = [moved[offset] for offset in table.words[names].tolist()]
        table = table.rewritten([(ids, news[table.words[ids]]), (names, texts)])
        result = Btf.assemble(table, strings.build().data, like=part, base=result)
    assert result is not None
    return result
