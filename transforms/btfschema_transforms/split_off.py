"""``split-off``: some types of a container as a split over the others."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema import Btf
from btfschema.arguments import texts
from btfschema.arrays import Index, bounds_of, ranges
from btfschema.errors import PassError
from btfschema.framework import BaseState, Context, Pass, PassResult
from btfschema.model import carry_inline
from btfschema.tables import IdMap
from btfschema_transforms.choosing import rows_of_kinds, some_named
from btfschema_transforms.references import refuse_opaque
from btfschema_transforms.sameness.rebuilding import rebuilt

__all__ = ["SplitOff", "split_off"]


def split_off(
    btf: Btf, chosen: Collection[int] | Index | int | str, *, users: bool = False
) -> tuple[Btf, IdMap]:
    """Take some types out of a container, into a split over what stays.

    Types that stay keep their order, and so do those that leave. Each of the two has just the
    strings that it uses; those that both use stay. ``.BTF.ext`` goes with the split.

    Args:
        btf: the container; its bases stay as they are.
        chosen: the container's own ids that leave, or the id or the name of one type.
        users: whether what refers to them leaves too.

    Returns:
        The split, whose ``base`` is what stays, and where each id went.

    Raises:
        PassError: one of them is not the container's own, a type that stays refers to one that
            leaves, or the container holds a kind that the schema does not declare.
    """
    refuse_opaque(btf)
    if isinstance(chosen, int | str):
        chosen = [btf[chosen].id]
    ids = np.asarray(sorted(chosen), np.int64)
    outside = ids[(ids < btf.first_id) | (ids >= btf.end_id)]
    if len(outside):
        raise PassError(
            f"type {outside[0]} is not one of the container's own",
            type_id=int(outside[0]),
            got=int(outside[0]),
            expected=f"{btf.first_id}..{btf.end_id - 1}",
        )
    leaves = np.zeros(len(btf), np.bool_)
    leaves[ids - btf.first_id] = True
    referring, referred = _own_references(btf)
    if users:
        _add_users(leaves, referring, referred)
    wrong = (leaves.take(referred) & ~leaves.take(referring)).nonzero()[0]
    if len(wrong):
        user, target = (btf.first_id + int(one[wrong[0]]) for one in (referring, referred))
        raise PassError(
            f"{btf.describe(user)} stays and refers to {btf.describe(target)}, which leaves"
            + (f" ({len(wrong)} such references in all)" if len(wrong) > 1 else ""),
            type_id=user,
            got=target,
            expected="a type that stays",
        )
    parts = (~leaves).nonzero()[0], leaves.nonzero()[0]
    news = np.arange(btf.end_id)
    news[btf.first_id + np.concatenate(parts)] = np.arange(btf.first_id, btf.end_id)
    to = IdMap.from_array(news)
    return carry_inline(btf, rebuilt(btf, parts, to), to), to


def _own_references(btf: Btf) -> tuple[Index, Index]:
    """The rows that refer to rows of the same container, and those that they refer to."""
    types = btf.types
    at = types.type_id_positions
    targets = types.words.take(at).astype(np.int64) - btf.first_id
    own = (targets >= 0).nonzero()[0]
    rows = types.starts.searchsorted(at.take(own), side="right") - 1
    return rows, targets.take(own)


def _add_users(leaves: npt.NDArray[np.bool_], referring: Index, referred: Index) -> None:
    """Let all that refers to what leaves leave too, and so on."""
    order = np.argsort(referred, kind="stable")
    users = referring.take(order)
    bounds = bounds_of(np.bincount(referred, minlength=len(leaves)))
    new = leaves.nonzero()[0]
    while len(new):
        firsts = bounds.take(new)
        found = np.unique(users.take(ranges(firsts, bounds.take(new + 1) - firsts)))
        new = found[~leaves.take(found)]
        leaves[new] = True


@frozen
class SplitOff(Pass):
    """Take the types of some names, or all functions say, into a split over what stays.

    Attributes:
        types: names.
        kinds: such as ``func``, in any case.
        users: whether what refers to them goes too.
    """

    name: ClassVar[str] = "split-off"
    provides: ClassVar[BaseState | None] = "full"
    types: tuple[str, ...] = field(default=(), converter=texts)
    kinds: tuple[str, ...] = field(default=(), converter=texts)
    users: bool = False

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Take out the types of these names, and those of these kinds.

        Raises:
            UnknownNameError: names are given, and nothing is to be taken out.
        """
        chosen = btf.types.named(self.types) | rows_of_kinds(btf, self.kinds)
        said = some_named(btf, self.types, chosen, patterns=False)
        rows = chosen.nonzero()[0]
        split, ids = split_off(btf, btf.first_id + rows, users=self.users)
        return PassResult(split, ids, diagnostics=said)
