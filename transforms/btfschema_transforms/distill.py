"""``distill``: give a split BTF a small base of its own, which a later kernel can be searched for.

What goes where is libbpf's rule (``btf__distill_base``, Linux 6.11): the new base holds names and
sizes, and whatever has no name of its own becomes part of the split.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from btfschema import Btf, Kind
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.ids import IdMap
from btfschema.plan import INFO_WORD, KIND_SHIFT, NAME_OFF
from btfschema.strings import StringTable, StringTableBuilder
from btfschema.types import TypeTable
from btfschema_transforms.graph import COMPOSITES, graph_of
from btfschema_transforms.rebasing import Offsets, rebase_onto, require_base
from btfschema_transforms.references import needed, refuse_opaque

__all__ = ["Distill", "distill"]

Index = npt.NDArray[np.int64]


def distill(btf: Btf) -> tuple[Btf, IdMap]:
    """Split BTF over a chain of bases -> split BTF over one distilled base.

    The distilled base holds, in ascending original id, each INT, FLOAT and FWD that the split needs
    as it is, named structs and unions without members, and named enums (ENUM64 too) as ENUM without
    values. The new split holds its own types in their order, then the other base types that it
    needs: pointers, arrays, typedefs, prototypes and everything anonymous, in full. Both hold just
    the strings that they use, in order of first use.

    Args:
        btf: split BTF; its ``.BTF.ext``, if any, is rewritten with it.

    Returns:
        The new split, whose ``base`` is the distilled one, and the map of every id of the input.

    Raises:
        RequirementError: the BTF has no base.
        PassError: it refers to a base type that can't be distilled, or holds a kind that the
            schema does not declare.
    """
    base = require_base(btf, "distill")
    refuse_opaque(btf)
    ids = needed(btf, base)
    types = base.all_types.take(ids - 1)
    in_base = graph_of(base).distilled[ids]
    kept, moved = np.flatnonzero(in_base), np.flatnonzero(~in_base)
    new_base = _distilled_base(types.take(kept), base)
    # What moves is copied behind the split's own types; from then on the copy is the one meant.
    widened = Btf.assemble(btf.types.then(types.take(moved)), btf.strings.data, like=btf, base=base)
    first, end = new_base.end_id, new_base.end_id + len(btf)
    new_ids = IdMap.from_runs(
        btf.end_id,
        np.concatenate([ids[kept], ids[moved], [btf.first_id]]),
        np.concatenate([np.arange(1, first), np.arange(end, end + len(moved)), [first]]),
        np.append(np.ones(len(ids), np.int64), len(btf)),
    )
    if btf.ext is not None:
        widened = evolve(widened, ext=btf.ext)
    strings, data = _used_strings(widened, new_base.strings)
    return rebase_onto(widened, new_base, new_ids, strings, data), new_ids


def _distilled_base(types: TypeTable, base: Btf) -> Btf:
    """The records cut before their elements, with what describes the elements cleared."""
    sizes = types.plan.fixed_words[types.kinds].astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    at = np.repeat(types.starts - starts, sizes)
    at += np.arange(len(at))
    words = types.words[at]
    kinds = np.where(types.kinds == Kind.ENUM64, Kind.ENUM, types.kinds).astype(np.uint32)
    cleared = np.isin(kinds, (*COMPOSITES, Kind.ENUM))
    words[starts + INFO_WORD.word] = np.where(cleared, kinds << KIND_SHIFT, types.infos)
    strings = StringTableBuilder()
    names = base.strings.names(types.name_offs)
    words[starts + NAME_OFF.word] = strings.add_many(names)
    table = TypeTable(words, starts, types.plan)
    return Btf.assemble(table, strings.build().data, like=base, base=None)


def _used_strings(split: Btf, base: StringTable) -> tuple[Offsets, bytes]:
    """The strings that ``split`` uses, in order of first use, as a section over ``base``.

    Returns:
        The map of old offsets to new ones, and the section.
    """
    used = split.types.words[split.types.string_positions]
    if split.ext is not None:
        used = np.append(used, split.ext.string_offsets)
    old, first_uses = np.unique(used, return_index=True)
    order = np.argsort(first_uses)
    builder = StringTableBuilder(base)
    new = np.empty(len(old), np.int64)
    new[order] = builder.add_many(split.strings.names(old[order]))

    def offsets(values: npt.NDArray[np.uint32]) -> Index:
        return new[np.searchsorted(old, values)]

    return offsets, builder.build().data


@frozen
class Distill(Pass):
    """Put split BTF over a small base of its own, which later kernels can be searched for."""

    name: ClassVar[str] = "distill"
    needs: ClassVar[Needs] = Needs(base="any")
    provides: ClassVar[BaseState | None] = "distilled"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Distill; the facts count what went where."""
        split, ids = distill(btf)
        base = require_base(split, self.name)
        facts: dict[str, Any] = {"base_types": len(base), "moved_types": len(split) - len(btf)}
        return PassResult(split, ids, facts)
