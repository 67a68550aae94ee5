"""Which types of two containers are the same, through everything that they refer to.

Two types are the same when their records are equal (names as texts) and the types that they refer
to are the same, in order: the coarsest such relation, so that circles of references are the same
unless something tells them apart. It is found by refining classes of types: all types start in the
class of their own record, and a class is split as long as its members refer to different classes.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema import Btf
from btfschema.tables.ids import DROPPED, IdMap
from btfschema_transforms.sameness.refinement import refined

__all__ = ["Identity", "identity"]

Index = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

# Rounds over all types at once, before classes are split one by one. Kernels settle in thirty; a
# chain of references would take as many as it is long.
ROUNDS = 64


@frozen(eq=False, slots=False)
class Identity:
    """Classes of equal types over two containers.

    Attributes:
        old: by id, the class of each type of the first container; void is class 0 in both.
        new: the same for the second.
        partners: for each class, the first id of the second container that is in it, or 0.
        counts: for each class, how many ids of the second container are in it.
        old_records: by id, the class of each type's own record, whatever it refers to, of the
            first container; void is class 0 in both.
        new_records: the same for the second.
        analyses: what was found out about the two on top of this.
    """

    old: Index
    new: Index
    partners: Index
    counts: Index
    old_records: Index
    new_records: Index
    analyses: dict[Any, Any] = field(factory=dict)

    @cached_property
    def ids(self) -> IdMap:
        """Where each type of the first container is in the second, if it is there just once."""
        only = self.counts[self.old] == 1
        return IdMap.from_array(np.where(only, self.partners[self.old], DROPPED))

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
    known = old.analyses.setdefault(identity, WeakKeyDictionary())
    found = known.get(new)
    if found is None:
        found = known[new] = _compare(old, new)
    return found


def _compare(old: Btf, new: Btf) -> Identity:
    both = _Both.of(old, new)
    records, classes = both.classes()
    count = len(old.all_types) + 1
    news = np.append(0, classes[count:])
    partners = np.zeros(int(classes.max()) + 1, np.int64)
    partners[news[::-1]] = np.arange(len(news))[::-1]
    return Identity(
        classes[:count],
        news,
        partners,
        np.bincount(news, minlength=len(partners)),
        records[:count],
        np.append(0, records[count:]),
    )


@frozen(eq=False)
class _Both:
    """The records of two containers one after the other, in comparable words.

    Attributes:
        words: 64-bit words: numbers as they are, texts by number, type ids 0.
        starts: the word at which each record starts.
        places: each word's index in its record.
        refs: the words that hold type ids.
        targets: the type that each refers to: 0 for void, else row plus 1.
    """

    words: Hashes
    starts: Index
    places: Hashes
    refs: Index
    targets: Index

    @classmethod
    def of(cls, old: Btf, new: Btf) -> _Both:
        texts: dict[str, int] = {}
        words, starts, refs, targets = [], [], [], []
        at = first = 0
        for btf in (old, new):
            types = btf.all_types
            values = types.words.astype(np.uint64)
            values[types.string_positions] = _text_numbers(btf, texts)
            positions = types.type_id_positions
            ids = types.words[positions].astype(np.int64)
            values[positions] = 0
            # What an unknown kind refers to is unknown: nothing is equal to it.
            opaque = types.starts[np.isin(types.kinds, _opaque_kinds(types))]
            values[opaque] = (1 << 40) + first + np.arange(len(opaque), dtype=np.uint64)
            words.append(values)
            starts.append(types.starts + at)
            refs.append(positions + at)
            targets.append(np.where(ids, ids + first, 0))
            at, first = at + len(values), first + len(types)
        all_starts = np.concatenate(starts)
        sizes = np.diff(np.append(all_starts, at))
        places = np.arange(at) - np.repeat(all_starts, sizes)
        return cls(
            np.concatenate(words),
            all_starts,
            places.astype(np.uint64),
            np.concatenate(refs),
            np.concatenate(targets),
        )

    def classes(self) -> tuple[Index, Index]:
        """The class of void, which is 0, and of each record: by itself, and by all it leads to."""
        seeds = np.random.default_rng()
        while True:
            records, classes = self._classes(int(seeds.integers(1, 1 << 63)))
            # A class is a set of equal hashes. That its records really are equal is checked, so
            # that the seed decides how long this takes and never what comes out.
            words = self.words.copy()
            words[self.refs] = classes[self.targets].astype(np.uint64)
            if self._holds(records, self.words) and self._holds(classes, words):
                return records, classes

    def _classes(self, seed: int) -> tuple[Index, Index]:
        own = _sums(_mixed(self.words ^ _mixed(self.places + np.uint64(seed))), self.starts)
        rows = np.searchsorted(self.starts, self.refs, side="right") - 1
        with_refs, firsts = np.unique(rows, return_index=True)
        places = _mixed(self.places[self.refs] + np.uint64(seed ^ 1))
        hashes = np.append(np.uint64(seed), own)
        records = classes = _numbered(hashes)
        for _ in range(ROUNDS):
            referred = _sums(_mixed(hashes[self.targets] ^ places), firsts)
            following = own.copy()
            following[with_refs] = _mixed(following[with_refs] + referred)
            hashes = np.append(np.uint64(seed), following)
            before, classes = classes, _numbered(hashes)
            if classes.max() == before.max():
                return records, classes
        return records, refined(classes, rows + 1, self.places[self.refs], self.targets)

    def _holds(self, classes: Index, words: Hashes) -> bool:
        """Whether all records of each class are equal in these words."""
        sizes = np.diff(np.append(self.starts, len(words)))
        of_row = classes[1:]
        chosen = np.zeros(int(classes.max()) + 1, np.int64)
        chosen[of_row] = np.arange(len(of_row))
        like = chosen[of_row]
        if not np.array_equal(sizes, sizes[like]) or bool(np.any(of_row == 0)):
            return False
        other = np.repeat(self.starts[like], sizes) + self.places.astype(np.int64)
        return np.array_equal(words, words[other])


def _numbered(hashes: Hashes) -> Index:
    """Number the hashes, equal ones alike; that of void, which is the first, is 0."""
    _, classes = np.unique(hashes, return_inverse=True)
    void = int(classes[0])
    classes[classes == void], classes[classes == 0] = -1, void
    classes[classes == -1] = 0
    return classes.astype(np.int64)


def _opaque_kinds(types: Any) -> list[int]:
    return [plan.number for plan in types.present if plan.is_opaque]


def _text_numbers(btf: Btf, texts: dict[str, int]) -> Index:
    """A number for each string that the chain's records use; equal texts have equal numbers."""
    types = btf.all_types
    offsets, inverse = np.unique(types.words[types.string_positions], return_inverse=True)
    names = btf.strings.names(offsets)
    numbers = [texts.setdefault(name, len(texts)) for name in names]
    return np.array(numbers, np.int64)[inverse] if numbers else np.zeros(0, np.int64)


def _mixed(values: Hashes) -> Hashes:
    """Spread 64-bit words over all bits (the finaliser of splitmix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _sums(values: Hashes, firsts: Index) -> Hashes:
    """Sum each stretch of ``values`` that starts at one of ``firsts``."""
    if not len(firsts):
        return np.zeros(0, np.uint64)
    sums: Hashes = np.add.reduceat(values, firsts)
    return sums
