"""Many tables as one: the types of a whole kernel's modules in a few numpy calls.

A module of median size has a hundred types. What numpy takes for them is little beside what it
costs to call it, so what is done to many containers is done to their records at once, and the
results are cut apart again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index, bounds_of, parts_of, sizes_of, spread, woven
from btfschema.tables.types import TypeTable

__all__ = ["WORDS_TOGETHER", "Joined", "portions"]

One = TypeVar("One")

# Enough containers for the calls to cost little, few enough for the words to stay in the cache.
TOGETHER = 64
WORDS_TOGETHER = 1 << 20


def portions(items: Sequence[One], sizes: Sequence[int]) -> Iterator[Sequence[One]]:
    """Runs of items to be done together; ``sizes`` counts their words.

    What is huge itself gets a run of its own, so that memory grows with the largest, not the sum.
    """
    first = total = 0
    for number, size in enumerate(sizes):
        total += size
        if number > first and (number - first == TOGETHER or total > WORDS_TOGETHER):
            yield items[first:number]
            first, total = number, size
    if first < len(items):
        yield items[first:]


class Joined(NamedTuple):
    """The records of several tables, table after table.

    Attributes:
        types: all of them. Its rows are places here, not ids: several tables use the same ids, so
            that what is asked by id, or answered in ids, makes no sense here.
        rows: where each table's rows start, and where the last one's end; shape (tables + 1,).
        words: the same for the words.
    """

    types: TypeTable
    rows: Index
    words: Index

    @classmethod
    def of(cls, tables: Sequence[TypeTable]) -> Joined:
        """Join some tables, at least one."""
        first = tables[0]
        words = bounds_of([len(table.words) for table in tables])
        rows = bounds_of([len(table) for table in tables])
        if len(tables) == 1:
            return cls(first, rows, words)
        plan = first.plan
        for table in tables:
            plan = plan.merged(table.plan)
        starts = np.concatenate([table.starts for table in tables])
        starts += words[:-1].repeat(sizes_of(rows))
        joined = TypeTable(
            np.concatenate([table.words for table in tables]),
            starts,
            plan,
            roles=np.concatenate([table.roles for table in tables]),
        )
        return cls(joined, rows, words)

    @classmethod
    def by_rows(cls, types: TypeTable, rows: Index) -> Joined:
        """From a table that holds the records of several, and the bounds of these."""
        if len(rows) == 2:
            return cls(types, rows, bounds_of([len(types.words)]))
        return cls(types, rows, types.bounds.take(rows))

    def rewritten(self, replacements: Iterable[tuple[Index, npt.ArrayLike]]) -> Joined:
        """The tables with new values for the words at each array of positions."""
        return Joined(self.types.rewritten(replacements), self.rows, self.words)

    def __len__(self) -> int:
        """How many tables there are."""
        return len(self.rows) - 1

    def counts(self, positions: Index) -> Index:
        """How many of these words, which ascend, belong to each table."""
        return sizes_of(positions.searchsorted(self.words))

    def owners(self, positions: Index) -> Index:
        """For each of these words, which ascend, the number of its table."""
        return spread(positions.searchsorted(self.words))

    def then(self, other: Joined) -> Joined:
        """Each table followed by its counterpart in ``other``; references stay as they are."""
        words, rows = self.words + other.words, self.rows + other.rows
        mine, theirs = self.types, other.types
        # One table stays where it is, and its counterpart starts where it ends.
        moved, others = mine.starts, theirs.starts + len(mine.words)
        if len(self) > 1:
            shifts = words[:-1] - self.words[:-1]
            moved = mine.starts + shifts.repeat(sizes_of(self.rows))
            shifts = words[:-1] + sizes_of(self.words) - other.words[:-1]
            others = theirs.starts + shifts.repeat(sizes_of(other.rows))
        joined = TypeTable(
            woven((mine.words, self.words), (theirs.words, other.words)),
            woven((moved, self.rows), (others, other.rows)),
            mine.plan.merged(theirs.plan),
            roles=woven((mine.roles, self.words), (theirs.roles, other.words)),
        )
        return Joined(joined, rows, words)

    def cut(
        self, first_ids: Sequence[int], words: Sequence[npt.NDArray[np.uint32]] | None = None
    ) -> list[TypeTable]:
        """The tables again.

        Args:
            first_ids: the id of each one's first record.
            words: the words of each, for tables that are to keep what they were joined from.
        """
        types, roles = self.types, self.types.known_roles
        if len(self) == 1:
            own = types.words if words is None else words[0]
            return [TypeTable(own, types.starts, types.plan, first_ids[0], roles)]
        # Copies: who keeps one table is not to keep all of its neighbours' words with it.
        tables = []
        for number, (row, word) in enumerate(
            zip(parts_of(self.rows), parts_of(self.words), strict=True)
        ):
            tables.append(
                TypeTable(
                    types.words[word].copy() if words is None else words[number],
                    types.starts[row] - word.start,
                    types.plan,
                    first_ids[number],
                    roles if roles is None else roles[word].copy(),
                )
            )
        return tables
