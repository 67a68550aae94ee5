"""Views of a container's records: one, some, or all in runs.

Apart from the container, which imports it when the first view is asked for: the classes of the
views take as long to make as a vmlinux takes to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index
from btfschema.errors import TypeIdError, WrongKeyError
from btfschema.model.views import Void, view_class
from btfschema.model.views.base import attached
from btfschema.model.views.making import Records, many_new_objects
from btfschema.schema.plan import (
    HEADER_WORDS,
    INFO_WORD,
    KIND_FLAG_SHIFT,
    KIND_MASK,
    KIND_SHIFT,
    NAME_OFF,
    THIRD,
    VLEN_MASK,
    Field,
    KindPlan,
)
from btfschema.schema.roles import Role

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView

__all__ = ["every_view", "view_of", "views_of"]

# Views are made in runs when all are asked for: short ones first, for those who want a few, then
# of so many types that numpy's cost per call vanishes.
FIRST_RUN = 64
RUN = 16384
# Up to so many are made one by one.
FEW = 16


def every_view(btf: Btf) -> Iterator[AnyView]:
    """What iterating over a container gives: its own types, in id order."""
    run = FIRST_RUN
    first, end = btf.first_id, btf.end_id
    while first < end:
        yield from _own_views(btf, np.arange(first, min(first + run, end)) - btf.first_id)
        first += run
        run = min(4 * run, RUN)


def views_of(btf: Btf, ids: Iterable[int]) -> list[AnyView]:
    """What :meth:`btfschema.Btf.views` says."""
    if isinstance(ids, str):
        raise WrongKeyError(
            f"{ids!r} is one name, views() takes ids", got=ids, expected="btf.find_all(name)"
        )
    wanted = np.fromiter(ids, np.int64)
    if len(wanted) < FEW:
        return [view_of(btf, type_id) for type_id in wanted.tolist()]
    found: list[Any] = [None] * len(wanted)
    left = np.ones(len(wanted), np.bool_)
    for owner in btf.chain:
        at = np.flatnonzero((wanted >= owner.first_id) & (wanted < owner.end_id))
        views = _own_views(owner, wanted[at] - owner.first_id)
        for place, view in zip(at.tolist(), views, strict=True):
            found[place] = view
        left[at] = False
    for other in np.flatnonzero(left).tolist():
        found[other] = view_of(btf, int(wanted[other]))
    return found


def view_of(btf: Btf, type_id: int) -> AnyView:
    """What :meth:`btfschema.Btf.view` says."""
    types = btf.types
    if not types.first_id <= type_id < types.end_id:
        return _from_base(btf, type_id)
    row = type_id - types.first_id
    end = types.starts[row + 1] if row + 1 < len(types) else len(types.words)
    words = types.words[types.starts[row] : end].tolist()
    info = words[INFO_WORD.word]
    plan = types.plan.kinds[info >> KIND_SHIFT & KIND_MASK]
    first, stride = plan.first_element, plan.stride
    known = plan.spec is not None
    records = Records(
        plan,
        [type_id],
        [btf.strings.lookup(words[NAME_OFF.word])],
        [info & VLEN_MASK],
        [bool(info >> KIND_FLAG_SHIFT)],
        [words[THIRD.word]],
        tuple([_decoded(btf, f, [words[f.word]]) for f in plan.fixed]),
        tuple([_decoded(btf, f, words[first + f.word :: stride]) for f in plan.element]),
        () if known else (tuple(words[HEADER_WORDS:]),),
    )
    # Views of kinds from outside are none of AnyView's.
    return view_class(plan)._many(records, btf)[0]  # type: ignore[return-value]


def _from_base(btf: Btf, type_id: int) -> AnyView:
    if type_id == 0:
        return cast(Void, attached(Void(), btf))
    if 0 < type_id < btf.first_id:
        return view_of(btf.owner(type_id), type_id)
    raise TypeIdError(
        f"type id {type_id} is past the last id {btf.end_id - 1}"
        if type_id > 0
        else f"type id {type_id} is negative",
        type_id=type_id,
        got=type_id,
        expected=f"0..{btf.end_id - 1}",
    )


def _own_views(btf: Btf, rows: Index) -> list[AnyView]:
    """The views of some of the container's own records, kind by kind."""
    types = btf.types
    # No array: numpy would take a view that has a length for a row of its elements.
    found: list[Any] = [None] * len(rows)
    kinds = types.kinds[rows]
    for kind in np.flatnonzero(np.bincount(kinds, minlength=1)).tolist():
        at = np.flatnonzero(kinds == kind)
        plan = types.plan.kinds[kind]
        records = _records(btf, plan, rows[at])
        with many_new_objects():
            views = view_class(plan)._many(records, btf)
        for place, view in zip(at.tolist(), views, strict=True):
            found[place] = view
    return found


def _records(btf: Btf, plan: KindPlan, rows: Index) -> Records:
    """Some records of one kind by column."""
    types = btf.types
    starts, words = types.starts[rows], types.words
    elements = types.elements(plan.number, rows).starts if plan.spec and plan.stride else rows
    payloads: tuple[tuple[int, ...], ...] = ()
    if plan.spec is None:
        ends = types.ends[rows].tolist()
        firsts = (starts + HEADER_WORDS).tolist()
        spans = zip(firsts, ends, strict=True)
        payloads = tuple(tuple(words[begin:end].tolist()) for begin, end in spans)
    return Records(
        plan,
        (rows + types.first_id).tolist(),
        btf.strings.names(types.name_offs[rows]),
        types.vlens[rows].tolist(),
        types.kind_flags[rows].tolist(),
        types.thirds[rows].tolist(),
        tuple([_column(btf, f, words[starts + f.word]) for f in plan.fixed]),
        tuple([_column(btf, f, words[elements + f.word]) for f in plan.element]),
        payloads,
    )


def _column(btf: Btf, word: Field, values: npt.NDArray[np.uint32]) -> list[Any]:
    """One word of many records: strings resolved, bits split, signs applied."""
    if word.role is Role.STRING_OFFSET:
        return btf.strings.names(values)
    found: list[Any] = (values.view(np.int32) if word.signed else values).tolist()
    return found if word.bits is None else [word.bits.split(value) for value in found]


def _decoded(btf: Btf, word: Field, values: list[int]) -> list[Any]:
    """The same for one record, where numpy's cost per call counts."""
    if word.role is Role.STRING_OFFSET:
        return list(map(btf.strings.lookup, values))
    if word.bits is not None:
        return [word.bits.split(value) for value in values]
    if word.signed:
        return [value - (value >> 31 << 32) for value in values]
    return values
