"""``rebase``: move a split BTF between two full bases that hold the same types."""

from __future__ import annotations

from typing import ClassVar
from weakref import WeakSet

import numpy as np
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import distinct
from btfschema.errors import MatchError
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.model import carry_inline, remembered
from btfschema.tables import DROPPED, IdMap
from btfschema_transforms.references import direct_references, refuse_opaque
from btfschema_transforms.relocation.bases import led_to
from btfschema_transforms.relocation.differences import differences, report
from btfschema_transforms.relocation.rebasing import (
    Offsets,
    id_map,
    offsets_within,
    placed,
    rebase_onto,
    require_base,
    require_same_byteorder,
)
from btfschema_transforms.sameness.identity import found_again, identity

__all__ = ["Rebase", "rebase"]


def rebase(split: Btf, target: Btf) -> tuple[Btf, IdMap]:
    """Split BTF over one full base -> the same split over another.

    Every base type that the split refers to must be in the target exactly once, the same through
    everything that it refers to in turn. So this moves a split to a base whose ids were shuffled or
    which has grown, without a distilled base; for a base whose types changed there is
    ``relocate``.

    Args:
        split: the split BTF.
        target: the new base, which may itself be split.

    Returns:
        The new split, whose ``base`` is ``target``, and the map of every id of the input; base
        types that are not in the target exactly once are dropped there.

    Raises:
        RequirementError: the split has no base, or the byte orders differ.
        MatchError: types that it refers to are not in the target, or several times;
            ``mismatches`` says which and why.
        PassError: the split holds a kind that the schema does not declare.
    """
    base = require_base(split, "rebase")
    require_same_byteorder(split, target)
    refuse_opaque(split)
    direct = direct_references(split)
    first = _asks_first(base, target)
    known = found_again(base, target, led_to(base, direct)) if first else identity(base, target).ids
    failed = direct[known.apply(direct) == DROPPED]
    if len(failed):
        mismatches = differences(base, failed.tolist(), target, identity(base, target))
        raise MatchError(
            report(mismatches, len(direct)),
            type_id=int(failed[0]),
            expected="each base type that is referred to once in the target",
            mismatches=mismatches,
        )
    strings, data = _moved_strings(split, base, target)
    ids = id_map(split, known, target)
    moved = carry_inline(split, rebase_onto(split, target, ids, strings, data), ids)
    return moved, _of_all(split, base, target) if first else ids


def _asks_first(base: Btf, target: Btf) -> bool:
    """Whether nobody has asked yet where the target has the types of the base.

    Whoever does so first waits for the comparison of the types that the split leads to. Whoever
    asks again gets that of all types, which serves everybody from then on.
    """
    asked: WeakSet[Btf] = remembered(base, _asks_first, lambda _: WeakSet())
    first = target not in asked
    asked.add(target)
    return first


def _of_all(split: Btf, base: Btf, target: Btf) -> IdMap:
    """The map of all ids; other types of the base are compared when somebody looks into it."""

    def whole() -> IdMap:
        return id_map(split, identity(base, target).ids, target)

    # Own types come last. Without any, the highest target has to be looked for.
    return (
        IdMap.deferred(split.end_id, target.end_id + len(split), whole) if len(split) else whole()
    )


def _moved_strings(split: Btf, base: Btf, target: Btf) -> tuple[Offsets, bytes]:
    """The map of string offsets, and the result's own strings.

    A string of the base becomes the target's, at the same place if it stands there too, or else
    the split's own.
    """
    used = split.types.words[split.types.string_positions]
    if split.ext is not None:
        used = np.append(used, split.ext.string_offsets)
    end = base.strings.end
    olds = distinct(used[used < end].astype(np.int64))
    news = []
    data = bytearray(split.strings.data)
    for offset in olds.tolist():
        text = split.strings.bytes_at(offset)
        stays = offset < target.strings.end and target.strings.bytes_at(offset) == text
        news.append(offset if stays else placed(split.strings[offset], target, data))
    return offsets_within(olds, np.array(news, np.int64), end, target.strings.end), bytes(data)


@frozen
class Rebase(Pass):
    """Move split BTF to another full base which holds the types that it refers to."""

    name: ClassVar[str] = "rebase"
    needs: ClassVar[Needs] = Needs(base="any", inputs=("target",))
    provides: ClassVar[BaseState | None] = "full"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Rebase onto the input ``target``."""
        split, ids = rebase(btf, ctx.input("target"))
        return PassResult(split, ids, {"matched": len(direct_references(btf))})
