"""``distill``: give a split BTF a small base of its own, which a later kernel can be searched for.

What goes where is libbpf's rule (``btf__distill_base``, Linux 6.11): the new base holds names and
sizes, and whatever has no name of its own becomes part of the split.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from btfschema import Btf, Kind
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.ids import IdMap
from btfschema.picking import pick
from btfschema.plan import INFO_WORD, KIND_MASK, KIND_SHIFT, NAME_OFF
from btfschema.types import TypeTable
from btfschema_transforms.graph import COMPOSITES, graph_of, kind_mask
from btfschema_transforms.rebasing import Offsets, require_base
from btfschema_transforms.references import needed, refuse_opaque

__all__ = ["Distill", "distill"]

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Sharing = Literal["whole", "suffix"]

# By kind: what stands for it in a distilled base, and whether that loses its elements.
STANDS_AS = np.arange(KIND_MASK + 1, dtype=np.uint32)
STANDS_AS[Kind.ENUM64] = Kind.ENUM
CLEARED = kind_mask((*COMPOSITES, Kind.ENUM, Kind.ENUM64))


def distill(btf: Btf, strings: Sharing = "whole") -> tuple[Btf, IdMap]:
    """Split BTF over a chain of bases -> split BTF over one distilled base.

    The distilled base holds, in ascending original id, each INT, FLOAT and FWD that the split needs
    as it is, named structs and unions without members, and named enums (ENUM64 too) as ENUM without
    values. The new split holds its own types in their order, then the other base types that it
    needs: pointers, arrays, typedefs, prototypes and everything anonymous, in full. Both hold just
    the strings that they use, in order of first use.

    Args:
        btf: split BTF; its ``.BTF.ext``, if any, is rewritten with it.
        strings: ``"whole"``, as libbpf does, or ``"suffix"``: a string that another one ends in
            gets no bytes of its own. The format allows that, but not every reader: cilium/ebpf
            refuses offsets into the middle of an entry.

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
    in_base = graph_of(base).distilled.take(ids)
    cut = _cut(base.all_types, ids[in_base] - 1)
    # What moves is copied behind the split's own types; from then on the copy is the one meant.
    types = btf.types.then(base.all_types.take(ids[~in_base] - 1))
    new_ids = _id_map(btf, ids, in_base)
    name_at = cut.starts + NAME_OFF.word
    uses = [cut.words.take(name_at), types.words.take(types.string_positions)]
    if btf.ext is not None:
        uses[1] = np.concatenate([uses[1], btf.ext.string_offsets])
    picked = pick(btf.strings, uses, share_suffixes=strings == "suffix")
    names, moved = picked.offsets
    cut = cut.rewritten([(name_at, names)])
    new_base = Btf.assemble(cut, picked.sections[0], like=base, base=None)
    id_at, string_at = types.type_id_positions, types.string_positions
    changes = [
        (id_at, new_ids.apply(types.words.take(id_at))),
        (string_at, moved[: len(string_at)]),
    ]
    split = Btf.assemble(
        types.rewritten(changes, new_base.end_id), picked.sections[1], like=btf, base=new_base
    )
    if btf.ext is not None:
        strings_of = _lookup(uses[1], moved)
        ext = btf.ext.map(split, type_ids=new_ids.apply, strings=strings_of)
        split = evolve(split, ext=ext)
    return split, new_ids


def _id_map(btf: Btf, ids: Index, in_base: Mask) -> IdMap:
    """The base types ``ids`` go to the new base or behind the own types."""
    kept = in_base.cumsum()
    end = 1 + int(kept[-1] if len(kept) else 0)
    first_moved = np.arange(end + len(btf), end + len(btf) + len(ids))
    return IdMap.from_runs(
        btf.end_id,
        np.concatenate([ids, [btf.first_id]]),
        np.concatenate([np.where(in_base, kept, first_moved - kept), [end]]),
        np.concatenate([np.ones(len(ids), np.int64), [len(btf)]]),
    )


def _lookup(olds: npt.NDArray[np.uint32], news: Index) -> Offsets:
    """The map of offsets that these pairs give."""
    values, at = np.unique(olds, return_index=True)
    known = news.take(at)
    return lambda wanted: known.take(np.searchsorted(values, wanted))


def _cut(types: TypeTable, rows: Index) -> TypeTable:
    """The records cut before their elements, with what describes the elements cleared."""
    kinds = types.kinds.take(rows)
    sizes = types.plan.fixed_words.take(kinds).astype(np.int64)
    starts = sizes.cumsum() - sizes
    at = (types.starts.take(rows) - starts).repeat(sizes)
    at += np.arange(len(at))
    words = types.words.take(at)
    bare = STANDS_AS.take(kinds) << KIND_SHIFT
    words[starts + INFO_WORD.word] = np.where(CLEARED.take(kinds), bare, types.infos.take(rows))
    return TypeTable(words, starts, types.plan)


@frozen
class Distill(Pass):
    """Put split BTF over a small base of its own, which later kernels can be searched for.

    Attributes:
        strings: ``"suffix"`` lets a string start inside another, which saves space but which
            cilium/ebpf does not read; ``"whole"`` does what libbpf does.
    """

    name: ClassVar[str] = "distill"
    needs: ClassVar[Needs] = Needs(base="any")
    provides: ClassVar[BaseState | None] = "distilled"

    strings: Sharing = "whole"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Distill; the facts count what went where."""
        split, ids = distill(btf, self.strings)
        base = require_base(split, self.name)
        facts: dict[str, Any] = {"base_types": len(base), "moved_types": len(split) - len(btf)}
        return PassResult(split, ids, facts)
