"""What each type says, as one number: equal numbers for types that say the same.

A named type that is referred to counts by its kind and name, an unnamed one by what it says
itself. So two structs of different containers have one number just when their members have the
same names, places and types; what changed inside of another named struct does not count.

Numbers are 64-bit sums of mixed words. They hold for one process: strings are told by Python's
keyed hash, so that no file can be made whose types collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index
from btfschema.questions.catalog import Catalog
from btfschema.schema.parts import Parts

__all__ = ["Signatures", "families", "signatures_of"]

Numbers = npt.NDArray[np.uint64]

SEED = np.uint64(hash("btfschema") & 0xFFFFFFFFFFFFFFFF)
# Constants of the finaliser of SplitMix64.
STEP, FIRST, SECOND = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)
# Stands for an unnamed type that is part of a circle of unnamed types.
CIRCLE = np.uint64(1)


def mixed(values: Numbers) -> Numbers:
    """Numbers whose every bit depends on every bit of ``values``."""
    found = values ^ SEED
    found ^= found >> np.uint64(30)
    found *= FIRST
    found ^= found >> np.uint64(27)
    found *= SECOND
    found ^= found >> np.uint64(31)
    return found


def families(parts: Parts) -> npt.NDArray[np.int64]:
    """What kinds are matched with each other: one number for all that may replace one another.

    A forward declaration is told apart by its kind_flag; see :func:`signatures_of`.
    """
    numbers = np.arange(256)
    numbers[list(parts.enums)] = min(parts.enums, default=0)
    return numbers


@frozen(eq=False)
class Signatures:
    """Of a container's own types, by row.

    Attributes:
        content: of what each type says.
        reference: of what it is to those that refer to it.
        keys: of its kind's family and its name.
    """

    content: Numbers
    reference: Numbers
    keys: Numbers


def signatures_of(catalog: Catalog) -> Signatures:
    """The signatures of a catalog, worked out once."""
    found: Signatures | None = catalog.kept.get(Signatures)
    if found is None:
        found = catalog.kept[Signatures] = _Work(catalog).done()
    return found


class _Work:
    """Works signatures out.

    Args:
        catalog: the types.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.table = catalog, catalog.table
        parts = catalog.parts
        words = self.table.words.astype(np.uint64)
        at = self.table.string_positions
        offsets, inverse = np.unique(self.table.words[at], return_inverse=True)
        names = catalog.btf.strings.names(offsets)
        hashes = np.array([hash(name) & 0xFFFFFFFFFFFFFFFF for name in names], np.uint64)
        words[at] = hashes[inverse]
        self.values = words
        name_at = offsets.searchsorted(self.table.name_offs)
        self.keys = self._keys(parts, hashes[name_at] if len(hashes) else hashes[:0])
        structural = parts.type_tags | parts.tags
        self.by_name = catalog.named & ~catalog.are(structural)

    def _keys(self, parts: Parts, names: Numbers) -> Numbers:
        family = families(parts)[self.table.kinds]
        declared = self.catalog.are(parts.declarations)
        unions = min(parts.unions, default=0)
        structs = min(parts.composites - parts.unions, default=0)
        family[declared] = np.where(self.table.kind_flags[declared], unions, structs)
        return mixed(names + mixed(family.astype(np.uint64) * STEP))

    def done(self) -> Signatures:
        """All of them."""
        table = self.table
        count = len(table)
        content = np.zeros(count, np.uint64)
        reference = np.where(self.by_name, self.keys, np.uint64(0))
        known = self.by_name.copy()
        positions = table.type_id_positions
        rows = table.starts.searchsorted(positions, side="right") - 1
        targets = table.words[positions].astype(np.int64)
        own = targets >= max(self.catalog.first_id, 1)
        self._outside(positions[~own], targets[~own])
        positions, rows, targets = positions[own], rows[own], targets[own] - self.catalog.first_id
        pending = np.arange(count)
        while len(pending):
            ready = known[targets]
            self.values[positions[ready]] = reference[targets[ready]]
            positions, rows, targets = positions[~ready], rows[~ready], targets[~ready]
            waits = np.zeros(count, np.bool_)
            waits[rows] = True
            now = pending[~waits[pending]]
            if not len(now):
                # What is left runs in a circle of unnamed types, or leads to one.
                self.values[positions] = CIRCLE
                now = pending
                positions = positions[:0]
            content[now] = self._sums(now)
            unnamed = now[~self.by_name[now]]
            reference[unnamed] = content[unnamed]
            known[unnamed] = True
            pending = pending[waits[pending]] if len(positions) else pending[:0]
        return Signatures(content, reference, self.keys)

    def _outside(self, positions: Index, targets: Index) -> None:
        """What the types refer to in bases."""
        base = self.catalog.base
        found = np.zeros(len(targets), np.uint64)
        while base is not None:
            here = (targets >= base.first_id) & (targets < base.btf.end_id)
            found[here] = signatures_of(base).reference[targets[here] - base.first_id]
            base = base.base
        self.values[positions] = found

    def _sums(self, rows: Index) -> Numbers:
        """The contents of some rows: all their words with their places."""
        from btfschema.arrays import ranges

        table = self.table
        counts = table.ends[rows] - table.starts[rows]
        at = ranges(table.starts[rows], counts)
        firsts = counts.cumsum() - counts
        places = (np.arange(len(at)) - firsts.repeat(counts)).astype(np.uint64)
        terms: Any = mixed(self.values[at] + mixed(places * STEP))
        return np.add.reduceat(terms, firsts) if len(rows) else terms
