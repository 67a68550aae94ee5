"""The same BTF with its ids in another order, and what a type is apart from its id."""

from __future__ import annotations

from typing import Any

import numpy as np

from btfschema import Btf, Kind, views
from btfschema.tables.ids import IdMap
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
