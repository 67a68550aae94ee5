"""Dropping types: what ``PassResult.select`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema.errors import BrokenPassError, PassError
from btfschema.model.container import Btf
from btfschema.model.inline import carry_inline
from btfschema.tables.compaction import kept_strings
from btfschema.tables.ids import DROPPED, IdMap
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.ext import BtfExt

__all__ = ["select"]

Values = npt.NDArray[Any]


def select(btf: Btf, live: npt.NDArray[np.bool_]) -> tuple[Btf, IdMap]:
    """Keep some of a container's own types, in their order, and what refers to them.

    Strings that nothing uses any more go too. ``.BTF.ext`` follows.

    Args:
        btf: the input, which stays as it is.
        live: one entry for each of the container's own types: whether it stays.

    Returns:
        The new container over the same base, and where each id went.

    Raises:
        BrokenPassError: ``live`` has another shape.
        PassError: a type or a ``.BTF.ext`` record that stays refers to a type that does not, or a
            type stays whose references are unknown.
    """
    types = btf.types
    live = np.asarray(live)
    if live.shape != (len(types),) or live.dtype != np.bool_:
        raise BrokenPassError(
            f"the mask of types to keep is {live.dtype} of shape {live.shape}, "
            f"the container has {len(types)} types of its own",
            got=live.shape,
            expected=f"bool of shape ({len(types)},)",
        )
    if live.all():
        return btf, IdMap.identity(btf.end_id)
    rows = np.flatnonzero(live)
    _refuse_opaque(btf, rows)
    table = types.take(rows, types.first_id)
    ids = _renumbered(btf, rows)
    used = table.words[table.string_positions]
    if btf.ext is not None:
        used = np.append(used, btf.ext.string_offsets)
    strings, offsets = kept_strings(btf.strings, used)
    table = table.rewritten(
        [
            (table.type_id_positions, _new_ids(btf, table, rows, ids)),
            (table.string_positions, offsets(table.words[table.string_positions])),
        ]
    )
    result = carry_inline(btf, Btf.assemble(table, strings, like=btf, base=btf.base), ids)
    if btf.ext is None:
        return result, ids
    _refuse_dangling_ext(btf.ext, btf, ids)
    ext = btf.ext.map(result, type_ids=ids.apply, strings=offsets)
    return evolve(result, ext=ext), ids


def _renumbered(btf: Btf, rows: Values) -> IdMap:
    """Bases' ids stay, the rows that are kept follow one another."""
    news = btf.first_id + np.arange(len(rows))
    return IdMap.from_runs(
        btf.end_id,
        np.append(0, btf.first_id + rows),
        np.append(0, news),
        np.append(btf.first_id, np.ones_like(rows)),
    )


def _refuse_opaque(btf: Btf, rows: Values) -> None:
    opaque = np.intersect1d(btf.types.opaque_rows(), rows)
    if len(opaque):
        type_id = btf.first_id + int(opaque[0])
        raise PassError(
            f"{btf.describe(type_id)} can't stay while types are dropped: only the layout section "
            "describes its kind, so what it refers to is unknown",
            type_id=type_id,
        )


def _new_ids(btf: Btf, table: TypeTable, rows: Values, ids: IdMap) -> Values:
    """The new values of the kept records' type ids."""
    positions = table.type_id_positions
    olds = table.words[positions]
    news = ids.apply(olds)
    lost = np.flatnonzero(news == DROPPED)
    if len(lost):
        type_id = btf.first_id + int(rows[table.row_at(int(positions[lost[0]]))])
        target = int(olds[lost[0]])
        raise PassError(
            f"{btf.describe(type_id)} refers to {btf.describe(target)}, which is dropped"
            + (f" ({len(lost)} such references in all)" if len(lost) > 1 else ""),
            type_id=type_id,
            got=target,
            expected="a type that stays",
        )
    return news


def _refuse_dangling_ext(ext: BtfExt, btf: Btf, ids: IdMap) -> None:
    olds = ext.type_ids
    lost = olds[ids.apply(olds) == DROPPED]
    if len(lost):
        type_id = int(lost[0])
        raise PassError(
            f".BTF.ext refers to {btf.describe(type_id)}, which is dropped",
            type_id=type_id,
            expected="a type that stays",
        )
