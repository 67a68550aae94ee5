"""Minimal BTF: the types that are marked, structs cut down to the members that are marked.

What goes where is the rule of bpftool's ``gen min_core_btf``: ids and members keep their order,
sizes and offsets stay, and what leads to a type that is not there becomes ``void``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrs import frozen

from btfschema.arrays import Index
from btfschema.co_re.needs import Marks
from btfschema.errors import PassError
from btfschema.model.container import Btf
from btfschema.model.views import class_of
from btfschema.model.views.data import Composite
from btfschema.schema.kinds import MEMBER_BITFIELD
from btfschema.schema.plan import INFO_WORD, KIND_FLAG_SHIFT, VLEN_MASK, KindPlan
from btfschema.tables.ids import DROPPED, IdMap
from btfschema.tables.strings import StringTableBuilder
from btfschema.tables.types import TypeTable

__all__ = ["Minimal", "minimal"]


@frozen
class Minimal:
    """A container cut down.

    Attributes:
        btf: what is left, over what is left of the base.
        ids: where each id of the input went, those of its base included.
    """

    btf: Btf
    ids: IdMap


def minimal(btf: Btf, marks: Marks, bases: Mapping[Btf, Minimal] | None = None) -> Minimal:
    """Cut a container down to what is marked.

    Args:
        btf: the input, which stays as it is.
        marks: what stays, of it and of its bases.
        bases: what became of each base already, so that several splits share one; those that are
            missing are cut down here.

    Raises:
        PassError: a type is needed whose references are unknown, since the schema does not declare
            its kind.
    """
    made = dict(bases or {})
    for part in btf.chain:
        if part not in made:
            made[part] = _cut_down(part, marks, made)
    return made[btf]


def _cut_down(btf: Btf, marks: Marks, made: Mapping[Btf, Minimal]) -> Minimal:
    base = made[btf.base] if btf.base is not None else None
    first_id = base.btf.end_id if base is not None else 1
    kept = np.array(sorted(marks.types.get(btf, ())), np.int64)
    rows = kept - btf.first_id
    _refuse_opaque(btf, rows)
    table = _without_members(btf, btf.types.take(rows, first_id), kept, marks)
    ids = _ids(btf, kept, base, first_id)
    at, names_at = table.type_id_positions, table.string_positions
    targets = ids.apply(table.words[at])
    targets[targets == DROPPED] = 0
    builder = StringTableBuilder(base.btf.strings if base is not None else None)
    names = builder.add_many(btf.strings.names(table.words[names_at]))
    table = table.rewritten([(at, targets), (names_at, names)])
    strings = builder.build()
    new_base = base.btf if base is not None else None
    return Minimal(Btf.assemble(table, strings.data, like=btf, base=new_base), ids)


def _refuse_opaque(btf: Btf, rows: Index) -> None:
    opaque = np.intersect1d(btf.types.opaque_rows(), rows)
    if len(opaque):
        type_id = btf.first_id + int(opaque[0])
        raise PassError(
            f"{btf.describe(type_id)} can't be kept: the schema does not declare its kind, so what "
            "it refers to is unknown",
            type_id=type_id,
        )


def _ids(btf: Btf, kept: Index, base: Minimal | None, first_id: int) -> IdMap:
    """Where each id went: the base's as they did there, the kept ones after one another."""
    targets = np.full(btf.end_id, DROPPED, np.int64)
    targets[0] = 0
    if base is not None:
        targets[: btf.first_id] = base.ids.apply(np.arange(btf.first_id))
    targets[kept] = first_id + np.arange(len(kept))
    return IdMap.from_array(targets)


def _composites(btf: Btf) -> Iterable[KindPlan]:
    """The plans of the kinds that have members, of those that occur."""
    for plan in btf.types.present:
        spec = plan.spec
        if spec is not None and issubclass(class_of(spec), Composite):
            yield plan


def _without_members(btf: Btf, table: TypeTable, kept: Index, marks: Marks) -> TypeTable:
    """The records of some types, without the members that are not marked.

    Args:
        btf: where the types come from.
        table: their records.
        kept: their ids there.
        marks: what stays of them.
    """
    live = np.ones(len(table.words), np.bool_)
    words = table.words.copy()
    for plan in _composites(btf):
        (offset,) = (f.word for f in plan.element if f.name == "offset")
        for row in table.rows_of(plan.number).tolist():
            chosen = sorted(marks.members.get((btf, int(kept[row])), ()))
            first = int(table.starts[row]) + plan.first_element
            live[first : int(table.ends[row])] = False
            for index in chosen:
                live[first + index * plan.stride : first + (index + 1) * plan.stride] = True
            offsets = [int(words[first + index * plan.stride + offset]) for index in chosen]
            at = int(table.starts[row]) + INFO_WORD.word
            words[at] = _info(int(words[at]), offsets)
    sizes: Any = np.add.reduceat(live, table.starts) if len(table) else np.zeros(0, np.int64)
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    return TypeTable(words[live], starts, table.plan, table.first_id)


def _info(info: int, offsets: list[int]) -> int:
    """An info word for these members alone: kind_flag only where one is a bit field."""
    flag = info >> KIND_FLAG_SHIFT
    if flag:
        flag = int(any(_is_bit_field(offset) for offset in offsets))
    return (info & ~(VLEN_MASK | 1 << KIND_FLAG_SHIFT)) | len(offsets) | flag << KIND_FLAG_SHIFT


def _is_bit_field(offset: int) -> bool:
    """Whether a member's offset word needs kind_flag (``btf__add_field``)."""
    parts = MEMBER_BITFIELD.split(offset)
    return bool(parts["bitfield_size"] or parts["bit_offset"] % 8)
