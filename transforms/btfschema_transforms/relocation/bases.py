"""What is worked out once for a container that many splits share.

Each function takes a container that serves as a base, and keeps its answer for as long as the
container lives, so that the cost for one split is that of the split alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index, Mask, bounds_of, distinct, ranges
from btfschema.model import per_container
from btfschema.schema import kind_mask, parts_of_plan

__all__ = ["Closures", "Graph", "graph_of", "led_to", "named"]


# From so many types on, numpy finds what they refer to in less time than a loop.
FEW = 32


def named(btf: Btf, rows: Index | slice = slice(None)) -> Mask:
    """Whether types of the chain, by row of ``all_types``, have a name that is not empty."""
    return ~btf.strings.empty(btf.all_types.name_offs[rows])


@frozen(eq=False)
class Graph:
    """What the types of a base refer to, as far as a distilled base has to follow it.

    Attributes:
        starts: by id, where what the type refers to starts in ``targets``; one more at the end.
        targets: the references, in the schema's order. A named type that a base keeps by name, as
            a STRUCT, refers to nothing here: its name stands for it.
        refused: by id, whether the type can be neither distilled nor repeated.
        distilled: by id, whether the type belongs in a distilled base.
    """

    starts: Index
    targets: Index
    refused: Mask
    distilled: Mask

    def references(self, type_id: int) -> list[int]:
        """The ids that a type refers to."""
        first, end = self.starts[type_id : type_id + 2].tolist()
        found: list[int] = self.targets[first:end].tolist()
        return found

    def closure(self, ids: Index) -> Index:
        """``ids`` and all that they lead to, ascending, without void."""
        return _without_void(self.reached(ids))

    def reached(self, ids: Index) -> Index:
        """``ids`` and all that they lead to, ascending."""
        return _reached(self.starts, self.targets, len(self.refused), ids)

    def closures(self, ids: Index, owners: Index, count: int, used: Index) -> Closures:
        """What each of several splits over the base needs.

        Args:
            ids: of types that they refer to, void perhaps among them.
            owners: by id, the number of the split that refers to it.
            count: of the splits; memory grows with that times ``used``.
            used: what the ids lead to, whatever split they are of: see :meth:`reached`.
        """
        if count == 1:
            alone = _without_void(used)
            return Closures(alone, bounds_of([len(alone)]))
        # What any of them needs is numbered anew, so that what is said of each fits the cache.
        # Of the others nothing is asked, and a base has so many that to clear them takes time.
        places = np.empty(len(self.refused), np.int64)
        places[used] = np.arange(len(used))
        sizes = self.starts.take(used + 1) - self.starts.take(used)
        targets = places.take(self.targets.take(ranges(self.starts.take(used), sizes)))
        keys = owners * len(used) + places.take(ids)
        keys = _reached(bounds_of(sizes), targets, len(used) * count, keys)
        found = used.take(keys % max(len(used), 1))
        keys, found = keys[found > 0], found[found > 0]
        rows = np.zeros(len(used) * count, np.int64)
        rows[keys] = np.arange(1, len(keys) + 1)
        bounds = keys.searchsorted(np.arange(count + 1) * len(used))
        return Closures(found, bounds, len(used), places, rows)


@frozen(eq=False)
class Closures:
    """The ids that each of several splits needs, void aside.

    Attributes:
        ids: ascending for each split, split after split.
        bounds: where those of each split start, and those of the last one end.
    """

    ids: Index
    bounds: Index
    # Of several splits: where each id stands among what any of them needs, and by split and that
    # place what is asked for. One alone needs few enough to be searched.
    _width: int = 0
    _places: Index | None = None
    _rows: Index | None = None

    def rows(self, ids: npt.NDArray[Any], owners: Index) -> Index:
        """Where an id that a split needs stands in ``ids``, counted from 1; 0 for void."""
        if self._places is None or self._rows is None:
            return self.ids.searchsorted(ids, side="right")
        return self._rows.take(owners * self._width + self._places.take(ids))


def _without_void(ids: Index) -> Index:
    """These ids, which ascend, but for 0."""
    return ids[int(ids.searchsorted(1)) :]


def _reached(starts: Index, targets: Index, size: int, keys: Index) -> Index:
    """``keys`` and what they lead to, ascending.

    Args:
        starts: where what each node refers to starts in ``targets``; one more at the end.
        targets: nodes.
        size: nodes, or several times as many: of several graphs that are alike.
        keys: nodes, counted through all the graphs.
    """
    nodes = max(len(starts) - 1, 1)
    marks = np.zeros(size, np.bool_)
    marks[keys] = True
    # A few are sorted in less time than it takes to look at all marks.
    fresh = distinct(keys) if len(keys) < size >> 6 else marks.nonzero()[0]
    found = [fresh]
    while len(fresh) > FEW:
        node = fresh % nodes
        firsts = starts.take(node)
        counts = starts.take(node + 1) - firsts
        nexts = targets.take(ranges(firsts, counts))
        nexts += (fresh - node).repeat(counts)
        fresh = distinct(nexts[~marks.take(nexts)])
        marks[fresh] = True
        found.append(fresh)
    # A few are followed faster one by one: a long chain has one at each step.
    waiting, first_of, target, seen = fresh.tolist(), starts.data, targets.data, marks.data
    last: list[int] = []
    while waiting:
        key = waiting.pop()
        at = key % nodes
        for place in range(first_of[at], first_of[at + 1]):
            other = target[place] + key - at
            if not seen[other]:
                seen[other] = True
                waiting.append(other)
                last.append(other)
    return np.sort(np.concatenate([*found, np.array(last, np.int64)]))


def led_to(base: Btf, ids: Index) -> Index:
    """``ids`` and all that they lead to, into named types too; ascending, without void."""
    types = base.all_types
    # Void, which refers to nothing, comes first.
    bounds = np.concatenate([[0], types.reference_bounds])
    targets = types.words.take(types.type_id_positions).astype(np.int64)
    return _without_void(_reached(bounds, targets, base.end_id, ids))


@per_container
def graph_of(base: Btf) -> Graph:
    """The reference graph of a base and its own bases."""
    types = base.all_types
    has_name = named(base)
    parts = parts_of_plan(types.plan)
    refused = kind_mask(parts.unrepeatable)[types.kinds]
    ends = (kind_mask(parts.kept_by_name)[types.kinds] & has_name) | refused
    positions = types.type_id_positions
    counts = types.reference_counts
    followed = ~np.repeat(ends, counts)
    counts[ends] = 0
    starts = np.zeros(len(types) + 2, np.int64)
    np.cumsum(counts, out=starts[2:])
    targets = types.words[positions[followed]].astype(np.int64)
    return Graph(
        starts,
        targets,
        np.append(False, refused),
        np.append(False, kind_mask(parts.named_in_base)[types.kinds] & has_name),
    )
