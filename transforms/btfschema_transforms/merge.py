"""``merge``: many containers as one, those over other bases moved there first."""

from __future__ import annotations

from collections.abc import Iterable

from btfschema import Btf
from btfschema.arguments import several
from btfschema.framework import base_state
from btfschema.model import MergeResult
from btfschema.model import merge as joined
from btfschema.tables import IdMap
from btfschema_transforms.rebase import rebase as moved_to
from btfschema_transforms.relocate import relocate

__all__ = ["MergeResult", "merge"]


def merge(
    btfs: Btf | Iterable[Btf], base: Btf | None = None, *, rebase: bool = False
) -> MergeResult:
    """Put the types of many containers into one; see :func:`btfschema.model.merging.merge`.

    Args:
        btfs: the containers, or one: stand-alone ones, and splits over equal bases.
        base: what the result is split over; by default what the inputs are split over.
        rebase: whether splits over other bases than ``base`` are moved onto it first: those over
            a distilled base are relocated, the others rebased.

    Raises:
        RequirementError: there are no inputs, they are split over different bases, or their byte
            orders differ.
        MatchError: with ``rebase``: types that an input refers to are not in ``base``.
        PassError: one holds a kind that the schema does not declare.
        EncodeError: the result is too large for the format.
    """
    if not rebase or base is None:
        return joined(btfs, base)
    moves = [_moved(btf, base) for btf in several(btfs, Btf)]
    result = joined([btf for btf, _ in moves], base)
    maps = zip((ids for _, ids in moves), result.ids, strict=True)
    return MergeResult(result.btf, tuple(first.then(second) for first, second in maps))


def _moved(btf: Btf, base: Btf) -> tuple[Btf, IdMap]:
    """A split over ``base``, and where each id went."""
    if btf.base is None or btf.base is base or base.equivalent(btf.base):
        return btf, IdMap.identity(btf.end_id)
    if base_state(btf) == "distilled":
        return relocate(btf, base)
    return moved_to(btf, base)
