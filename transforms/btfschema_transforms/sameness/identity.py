"""Which types of two containers are the same, through everything that they refer to.

Two types are the same when their records are equal (names as texts) and the types that they refer
to are the same, in order: the coarsest such relation, so that circles of references are the same
unless something tells them apart.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from attrs import field, frozen

from btfschema import Btf
from btfschema.arrays import Index, distinct
from btfschema.model import remembered
from btfschema.tables import DROPPED, IdMap
from btfschema_transforms.sameness.records import Records

__all__ = ["Identity", "found_again", "identity"]

# So often types are left out that refer to what is left out. Each look costs a part of what it
# spares; what would be left out later is told apart by the comparison itself.
LOOKS = 4


@frozen(eq=False, slots=False)
class Identity:
    """Classes of equal types over two containers.

    Attributes:
        old: by id, the class of each type of the first container; void is class 0 in both.
        new: the same for the second.
        matches: for each class, the first id of the second container that is in it, or 0.
        counts: for each class, how many ids of the second container are in it.
        old_records: by id, the class of each type's own record, whatever it refers to, of the
            first container; void is class 0 in both.
        new_records: the same for the second.
        analyses: what was found out about the two on top of this.
    """

    old: Index
    new: Index
    matches: Index
    counts: Index
    old_records: Index
    new_records: Index
    analyses: dict[Any, Any] = field(factory=dict)

    @cached_property
    def ids(self) -> IdMap:
        """Where each type of the first container is in the second, if it is there just once."""
        only = self.counts[self.old] == 1
        return IdMap.from_array(np.where(only, self.matches[self.old], DROPPED))

    def same(self, old_id: int) -> list[int]:
        """The ids of the second container that are the same as this one of the first."""
        order, classes = self._by_class
        first, end = np.searchsorted(classes, self.old[old_id] + np.arange(2)).tolist()
        found: list[int] = order[first:end].tolist()
        return found

    @cached_property
    def _by_class(self) -> tuple[Index, Index]:
        """The ids of the second container by class, and their classes."""
        order = np.argsort(self.new, kind="stable")
        return order, self.new[order]


def identity(old: Btf, new: Btf) -> Identity:
    """Compare the types of two containers and of their bases; worked out once for each pair.

    A type of a kind that the schema does not declare is the same as no other.
    """
    known: WeakKeyDictionary[Btf, Identity]
    known = remembered(old, identity, lambda _: WeakKeyDictionary())
    found = known.get(new)
    if found is None:
        found = known[new] = _compare(old, new)
    return found


def found_again(old: Btf, new: Btf, ids: Index) -> IdMap:
    """Where the second container has some types of the first: :attr:`Identity.ids`, but for these.

    Takes a fraction of the time of :func:`identity` when they are few.

    Args:
        old: the first container.
        new: the second.
        ids: the types and all that they lead to, ascending, without void.

    Returns:
        A map in which all other types are dropped.
    """
    if not len(ids):
        return IdMap.from_runs(old.end_id, ids, ids)
    likely = _likely(old, new, ids)
    _, classes = Records.of([old, new], rows=[ids - 1, likely - 1]).classes()
    olds, news = classes[1 : len(ids) + 1], classes[len(ids) + 1 :]
    matches = np.zeros(int(classes.max()) + 1, np.int64)
    matches[news] = likely
    only = np.bincount(news, minlength=len(matches)).take(olds) == 1
    return IdMap.from_runs(old.end_id, ids[only], matches.take(olds[only]))


def _likely(old: Btf, new: Btf, ids: Index) -> Index:
    """Types of ``new`` among which are all that are the same as one of these types of ``old``.

    They have the name, info word and size of one, and refer to such types only.

    Args:
        old: the first container.
        new: the second.
        ids: the types and all that they lead to.
    """
    types = new.all_types
    mine = old.all_types.take(ids - 1)
    known = distinct(mine.heads)
    places = known.searchsorted(types.heads)
    rows = (known.take(places, mode="clip") == types.heads).nonzero()[0]
    names = set(old.strings.names(mine.name_offs))
    texts = new.strings.names(types.name_offs.take(rows))
    rows = rows[np.fromiter(map(names.__contains__, texts), np.bool_, len(rows))]
    for _ in range(LOOKS):
        inside = np.zeros(new.end_id, np.bool_)
        inside[0] = inside[rows + 1] = True
        part = types.take(rows)
        at = part.type_id_positions
        lost = at[~inside.take(part.words.take(at))]
        if not len(lost):
            break
        kept = np.ones(len(rows), np.bool_)
        kept[part.starts.searchsorted(lost, side="right") - 1] = False
        rows = rows[kept]
    found: Index = rows + 1
    return found


def _compare(old: Btf, new: Btf) -> Identity:
    records, classes = Records.of([old, new]).classes()
    count = len(old.all_types) + 1
    news = np.append(0, classes[count:])
    matches = np.zeros(int(classes.max()) + 1, np.int64)
    matches[news[::-1]] = np.arange(len(news))[::-1]
    return Identity(
        classes[:count],
        news,
        matches,
        np.bincount(news, minlength=len(matches)),
        records[:count],
        np.append(0, records[count:]),
    )
