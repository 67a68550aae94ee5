"""The records of containers in words that can be compared, and the classes of equal ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index, Words, joined_arrays, ranges
from btfschema.tables import TypeTable, first_places
from btfschema_transforms.sameness.hashing import classed, mix, mixed, new_seed, salted, sums
from btfschema_transforms.sameness.partition import Graph, Partition

__all__ = ["Records"]

# So many records are hashed together: few enough for their words to stay in the cache.
ROWS = 1 << 13

OUTSIDE = -1


@frozen(eq=False)
class Records:
    """The records of some containers, one after the other. Node 0 is void, record r is node r + 1.

    Attributes:
        words: numbers as they are, texts by number, type ids 0.
        starts: the word at which each record starts, and where the last one ends.
        alone: by node, a number of its own if the record is the same as no other, else 0.
        refs: the words that hold type ids.
        users: the node that each of them belongs to.
        targets: the node that it refers to.
    """

    words: Words
    starts: Index
    alone: Index
    refs: Index
    users: Index
    targets: Index

    @classmethod
    def of(
        cls,
        btfs: Sequence[Btf],
        alone: Callable[[TypeTable], npt.NDArray[np.bool_]] | None = None,
        rows: Sequence[Index] | None = None,
    ) -> Records:
        """The records of containers, those of their bases included.

        Args:
            btfs: the containers.
            alone: tells for each record of a table whether it is the same as no other. Records of
                kinds that the schema does not declare always are: what they refer to is unknown.
            rows: which records of each container, ascending; all by default. One that refers to
                others is the same as no other, since it is unknown what those are.
        """
        texts: dict[str, int] | None = {} if len(btfs) > 1 else None
        words, starts, singles, refs, targets = [], [], [np.zeros(1, np.bool_)], [], []
        at = first = 0
        for number, btf in enumerate(btfs):
            types = btf.all_types if rows is None else btf.all_types.take(rows[number])
            values = types.words.copy()
            values[types.string_positions] = _text_numbers(btf, types, texts)
            positions = types.type_id_positions
            ids = types.words.take(positions).astype(np.int64)
            values[positions] = 0
            single = np.zeros(len(types), np.bool_) if alone is None else alone(types)
            single[types.opaque_rows()] = True
            if rows is not None:
                nodes = np.full(btf.end_id, OUTSIDE)
                nodes[0] = 0
                nodes[rows[number] + 1] = np.arange(len(types)) + 1
                ids = nodes.take(ids)
                outside = (ids == OUTSIDE).nonzero()[0]
                users = types.starts.searchsorted(positions.take(outside), side="right") - 1
                single[users] = True
                ids[outside] = 0
            words.append(values)
            starts.append(types.starts + at)
            singles.append(single)
            refs.append(positions + at)
            ids[ids > 0] += first
            targets.append(ids)
            at, first = at + len(values), first + len(types)
        all_starts = np.concatenate([*starts, np.array([at])])
        all_refs = joined_arrays(refs)
        counts = np.diff(all_refs.searchsorted(all_starts))
        users = (np.arange(len(counts)) + 1).repeat(counts)
        lone = np.concatenate(singles)
        numbers = np.where(lone, lone.cumsum(), 0)
        return cls(
            joined_arrays(words), all_starts, numbers, all_refs, users, joined_arrays(targets)
        )

    def __len__(self) -> int:
        """How many nodes there are, void included."""
        return len(self.starts)

    def graph(self, seed: int) -> Graph:
        """The records as nodes, labelled by what they say themselves."""
        sizes = np.diff(self.starts)
        labels = np.empty(len(self), np.uint64)
        labels[0] = seed
        steps = salted(np.arange(int(sizes.max(initial=0)), dtype=np.uint64), seed)
        for first in range(0, len(sizes), ROWS):
            last = min(first + ROWS, len(sizes))
            begin, end = self.starts[[first, last]].tolist()
            starts = self.starts[first:last] - begin
            places = np.arange(end - begin)
            places -= starts.repeat(sizes[first:last])
            values = steps.take(places)
            values += self.words[begin:end]
            labels[first + 1 : last + 1] = sums(mix(values), starts)
        lone = self.alone.nonzero()[0]
        labels[lone] = mixed(labels[lone] + self.alone[lone].astype(np.uint64))
        of_refs = mix(steps.take(self.refs - self.starts.take(self.users - 1)))
        return Graph(labels, self.users, of_refs, self.targets)

    def classes(self) -> tuple[Index, Index]:
        """The class of each node: by itself, and by all that it leads to; that of void is 0."""
        while True:
            graph = self.graph(new_seed())
            records = classed(graph.labels)
            classes = Partition(graph).classes
            everything = np.arange(len(self))
            referred = classes.take(self.targets)
            if self.holds(records, everything) and self.holds(classes, everything, referred):
                return _from_void(records), _from_void(classes)

    def holds(self, classes: Index, nodes: Index, referred: Index | None = None) -> bool:
        """Whether those of the nodes that are of one class really are equal.

        Args:
            classes: by node; void must be alone in its own.
            nodes: those that are compared.
            referred: by reference, a number that references at the same place must share; None
                when it does not matter what is referred to.
        """
        nodes = nodes[nodes > 0]
        chosen = np.zeros(int(classes.max(initial=0)) + 1, np.int64)
        of_node = classes.take(nodes)
        chosen[of_node] = nodes
        like = chosen.take(of_node)
        if bool((of_node == classes[0]).any()):
            return False
        differs = (like != nodes).nonzero()[0]
        ones, others = nodes.take(differs) - 1, like.take(differs) - 1
        sizes = np.diff(self.starts)
        lengths = sizes.take(ones)
        if not np.array_equal(lengths, sizes.take(others)):
            return False
        if not np.array_equal(self.alone.take(ones + 1), self.alone.take(others + 1)):
            return False
        at = ranges(self.starts.take(ones), lengths)
        words = self.words
        if referred is not None:
            words = words.copy()
            words[self.refs] = referred
        mine = words.take(at)
        at += (self.starts.take(others) - self.starts.take(ones)).repeat(lengths)
        return np.array_equal(mine, words.take(at))


def _from_void(classes: Index) -> Index:
    """The classes numbered so that void's is 0."""
    void = int(classes[0])
    if not void:
        return classes
    numbers = np.arange(int(classes.max()) + 1)
    numbers[[0, void]] = void, 0
    return numbers.take(classes)


def _text_numbers(btf: Btf, types: TypeTable, texts: dict[str, int] | None) -> Words:
    """A number for each string that the chain's records use; equal texts have equal numbers.

    Args:
        btf: the container.
        types: the records.
        texts: the numbers so far, which are added to; None when there is no other container.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    uses = types.words.take(types.string_positions)
    numbers = first_places(btf.strings, uses)
    if texts is not None:
        firsts = numbers.take(uses)
        used = np.zeros(len(numbers), np.bool_)
        used[firsts] = True
        offsets = used.nonzero()[0]
        names = btf.strings.names(offsets)
        new = [name for name in names if name not in texts]
        texts.update(zip(new, count(len(texts)), strict=False))
        numbers[offsets] = list(map(texts.__getitem__, names))
        return numbers.take(firsts)
    return numbers.take(uses)
