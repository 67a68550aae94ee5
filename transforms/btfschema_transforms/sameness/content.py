"""An order of types that follows from what they hold, and not from their ids.

Types are told apart as in colour refinement: at first by name, kind and their own words, then, in
rounds, by the types that they refer to and by those that refer to them. What is then still alike is
alike in the whole graph, but for a few shapes that compilers don't make.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btfschema import Btf
from btfschema.arrays import Index
from btfschema.tables import StringTable, TypeTable, name_ranks
from btfschema_transforms.sameness.hashing import Hashes, mix, mixed, salted, sums
from btfschema_transforms.sameness.partition import Graph

__all__ = ["content_order"]

# What words, names, references and referrers are salted with, so that none stands for another.
WORDS, OUT, IN, FIRST = 0x51, 0x52, 0x53, 0x54
VOID = np.uint64(0x9C)
# The base in which names are numbers, by which one can divide: it is odd.
BASE = 0x5851F42D4C957F2D
INVERSE = pow(BASE, -1, 1 << 64)
# How often what is alike is told apart by choice. Real kernels need a few; the bound keeps the work
# in proportion for types that are alike in large numbers and hold each other.
CHOICES = 200


def content_order(btf: Btf) -> Index:
    """The order of a container's own types by what they hold.

    By name as its bytes are, those without one first, then by kind and content. Two containers that
    differ only in the order of types (their bases' too) and strings get the same types in each
    place.

    Returns:
        The container's own ids, in order.
    """
    classes = _Classes(btf.all_types, btf.strings)
    classes.refine()
    for _ in range(CHOICES):
        if not classes.choose():
            break
    order = np.argsort(classes.ranks, kind="stable") + 1
    found: Index = order[order >= btf.first_id]
    return found


class _Classes:
    """Types in ordered classes; each is split until nothing more tells its types apart.

    Attributes:
        ranks: by row, the number of rows that come before its class.
        colours: by id, a hash of what is known of the type; void's is the first.
    """

    def __init__(self, types: TypeTable, strings: StringTable) -> None:
        names = name_ranks(strings, types.name_offs)
        own = _own_hashes(types, strings)
        self.colours = np.append(VOID, own)
        self.ranks: Index = np.zeros(len(types), np.int64)
        at = types.type_id_positions
        users = types.starts.searchsorted(at, side="right")
        targets = types.words.take(at).astype(np.int64)
        places = (at - types.starts.take(users - 1)).astype(np.uint64)
        by_target = np.argsort(targets, kind="stable")
        self._out = Graph(self.colours, users, mix(salted(places, OUT)), targets)
        self._in = Graph(
            self.colours,
            targets.take(by_target),
            mix(salted(places, IN)).take(by_target),
            users.take(by_target),
        )
        self._split(np.arange(len(types)), (own, types.kinds, names))

    def _split(self, rows: Index, keys: tuple[npt.NDArray[np.generic], ...]) -> bool:
        """Split the classes of some rows, all rows of each, by keys, the last one first."""
        if not len(rows):
            return False
        before = self.ranks.take(rows)
        order = np.lexsort((*keys, before))
        rows, before = rows.take(order), before.take(order)
        ordered = [key.take(order) for key in keys]
        heads, starts = np.ones((2, len(rows)), np.bool_)
        starts[1:] = before[1:] != before[:-1]
        heads[1:] = starts[1:]
        for key in ordered:
            heads[1:] |= key[1:] != key[:-1]
        place = np.arange(len(rows))
        first_of_old = np.maximum.accumulate(np.where(starts, place, 0))
        first_of_new = np.maximum.accumulate(np.where(heads, place, 0))
        self.ranks[rows] = before + first_of_new - first_of_old
        return int(heads.sum()) > int(starts.sum())

    def tied(self) -> Index:
        """The rows that share a class with others."""
        sizes = np.bincount(self.ranks, minlength=len(self.ranks) or 1)
        found: Index = (sizes.take(self.ranks) > 1).nonzero()[0]
        return found

    def refine(self) -> None:
        """Tell rows apart by what they refer to and what refers to them, as far as it goes."""
        rows = self.tied()
        while len(rows):
            self._recolour(rows)
            if not self._split(rows, (self.colours.take(rows + 1),)):
                break
            rows = self.tied()

    def _recolour(self, rows: Index) -> None:
        """A round: the colours of these rows take in those of their neighbours."""
        inside = np.zeros(len(self.colours), np.bool_)
        inside[rows + 1] = True
        fresh = self.colours.copy()
        for graph in (self._out, self._in):
            here = inside[graph.users]
            near = Graph(graph.labels, graph.users[here], graph.salts[here], graph.targets[here])
            nodes, seen = near.sums(self.colours)
            fresh[nodes] += seen
        self.colours[rows + 1] = mixed(fresh.take(rows + 1))

    def choose(self) -> bool:
        """Put in some order what nothing tells apart; returns whether something was left for it.

        Rows that are alike hang together in components. Where each row of the components is one of
        a kind, they are alike as wholes, and any order of the wholes is as good as another. Where
        not, a row goes first, and that tells apart more.
        """
        rows = self.tied()
        if not len(rows):
            return False
        whole = _components(rows, self._out)
        _, kinds = np.unique(self.ranks.take(rows), return_inverse=True)
        pairs = np.stack((whole, kinds))
        _, place, count = np.unique(pairs, axis=1, return_index=True, return_counts=True)
        repeated = np.zeros(len(rows), np.bool_)
        repeated[place] = count > 1
        # All of a component that repeats a class, then all of the classes that meet one.
        bad_wholes = np.zeros(int(whole.max()) + 1, np.bool_)
        bad_wholes[whole[repeated]] = True
        bad_kinds = np.zeros(int(kinds.max()) + 1, np.bool_)
        bad_kinds[kinds[bad_wholes[whole]]] = True
        good = ~bad_kinds[kinds]
        self._split(rows[good], (whole[good],))
        if good.all():
            return False
        # The first class that each of the others repeats: one row of it comes before the rest.
        rest = repeated.nonzero()[0]
        rest = rest[np.lexsort((rest, kinds[rest], whole[rest]))]
        ahead = rest[np.append(True, whole[rest][1:] != whole[rest][:-1])]
        late = np.ones(len(self.ranks), np.bool_)
        late[rows[ahead]] = False
        first = rows[ahead] + 1
        self.colours[first] = mix(self.colours[first] + np.uint64(FIRST))
        left = rows[~good]
        self._split(left, (late[left],))
        self.refine()
        return True


def _components(rows: Index, graph: Graph) -> Index:
    """A number for each of the rows: equal where references among them join two."""
    number = np.full(len(graph.labels), -1, np.int64)
    number[rows + 1] = np.arange(len(rows))
    one, two = number[graph.users], number[graph.targets]
    both = (one >= 0) & (two >= 0)
    one, two = one[both], two[both]
    least = np.arange(len(rows))
    while True:
        before = least.copy()
        first, second = least[one], least[two]
        low = np.minimum(first, second)
        np.minimum.at(least, first, low)
        np.minimum.at(least, second, low)
        least = least[least]
        if np.array_equal(least, before):
            return least


def _own_hashes(types: TypeTable, strings: StringTable) -> Hashes:
    """A hash of each record's words, with texts for names and without the ids."""
    values = types.words.astype(np.uint64)
    values[types.type_id_positions] = 0
    at = types.string_positions
    values[at] = _name_hashes(strings, types.words.take(at))
    lengths = np.diff(np.append(types.starts, len(values)))
    places = np.arange(len(values)) - types.starts.repeat(lengths)
    return mix(sums(mix(values + salted(places.astype(np.uint64), WORDS)), types.starts))


def _name_hashes(strings: StringTable, offsets: npt.NDArray[np.integer]) -> Hashes:
    """A hash of each name's bytes; takes time by the size of the strings, however they overlap."""
    found = np.zeros(len(offsets), np.uint64)
    for table in strings.chain:
        here = ((offsets >= table.start) & (offsets < table.end)).nonzero()[0]
        data = np.frombuffer(table.data, np.uint8)
        sums_to = np.zeros(len(data) + 1, np.uint64)
        np.cumsum(_powers(BASE, len(data)) * data, out=sums_to[1:])
        first = offsets.take(here).astype(np.int64) - table.start
        end = table.ends.take(table.ends.searchsorted(first, side="right")) - 1
        stretches = sums_to.take(end) - sums_to.take(first)
        # A stretch holds a power more for each byte before it, which is divided out.
        found[here] = stretches * _powers(INVERSE, len(data) + 1).take(first)
    return mix(found)


def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)
