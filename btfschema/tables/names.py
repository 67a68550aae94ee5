"""The order of names: that of their bytes, as C's ``strcmp`` has it.

Kernels from 7.0 on sort their types so and search names by halving. Eight bytes of many names are
looked at together, and the next eight only of those that are equal so far. Names that overlap, as
the tails of one long string do, have more bytes than the strings that they are part of; where to
look at all of them would take too long, their tails are ordered instead.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index, heads, ranges
from btfschema.tables.strings import EIGHTS_MASKS, Eights, StringTable

__all__ = ["are_sorted", "lengths_of", "name_ranks", "rows_between"]

# Names whose order is looked at before that of all.
FIRST = 64
# Rounds of eight bytes for each pair of names, and times that the strings are read through: the
# least that all pairs need, and more than names need that don't overlap.
ROUNDS, READINGS = 4, 16


def name_ranks(strings: StringTable, offsets: npt.NDArray[np.integer]) -> Index:
    """A number for each name; numbers are ordered as the names are, equal names have equal ones.

    Args:
        strings: where the names are.
        offsets: of the names, in any order.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    distinct, inverse = np.unique(offsets.astype(np.int64), return_inverse=True)
    at, ends = _placed(strings, distinct)
    ranks = np.zeros(len(distinct), np.int64)
    left = np.arange(len(distinct))
    step, budget = 0, 8 * ROUNDS * len(distinct) + READINGS * strings.end
    while len(left):
        budget -= 8 * len(left)
        if budget < 0:
            left.sort()
        here = distinct.take(left)
        if budget < 0:
            keys = _tail_ranks(strings, here, here + (ends - at).take(left))
        else:
            keys = _eight_bytes(strings, here, at.take(left) + step, ends.take(left))
        groups = ranks.take(left)
        order = np.lexsort((keys, groups))
        left, keys, groups = left.take(order), keys.take(order), groups.take(order)
        starts = heads(groups)
        firsts = (starts | heads(keys)).nonzero()[0]
        sizes = np.diff(np.append(firsts, len(left)))
        # A rank is the number of names that are less: of its group, and of those before it there.
        before = np.maximum.accumulate(np.where(starts, np.arange(len(left)), 0))
        ranks[left] = groups + (firsts - before.take(firsts)).repeat(sizes)
        if budget < 0:
            break
        # A last byte of 0 means that the names ended: they are equal.
        going_on = (sizes > 1) & ((keys.take(firsts) & np.uint64(0xFF)) > 0)
        left = left[going_on.repeat(sizes)]
        step += 8
    found: Index = ranks.take(inverse)
    return found


def _tail_ranks(strings: StringTable, offsets: Index, stops: Index) -> Eights:
    """A number for each name, ordered as the names are, however much these overlap.

    The tails of the strings that they are part of are ordered by their first 8 bytes, then 16, 32
    and so on: what follows the first 8 is another tail, whose place is known by then.

    Args:
        strings: where the names are.
        offsets: of the names, ascending.
        stops: the offsets of their NULs.
    """
    is_head = heads(stops)
    starts, counts = offsets[is_head], (stops - offsets + 1)[is_head]
    places = ranges(starts, counts)
    ranks = _dense(_eight_bytes(strings, places, *_placed(strings, places)))
    numbers, lasts = np.arange(len(places)), (counts.cumsum() - 1).repeat(counts)
    step = 8
    while step < int(counts.max()):
        # Behind its end, a name is as its end.
        following = ranks.take(np.minimum(numbers + step, lasts))
        ranks = _dense(ranks << np.uint64(32) | following)
        step *= 2
    return ranks.take(places.searchsorted(offsets))


def _dense(keys: Eights) -> Eights:
    """Keys in the same order, but 0, 1, 2, ..."""
    order = keys.argsort()
    ordered = keys.take(order)
    ranks = np.zeros(len(keys), np.uint64)
    ranks[order[1:]] = (ordered[1:] != ordered[:-1]).cumsum()
    return ranks


def are_sorted(strings: StringTable, offsets: npt.NDArray[np.integer]) -> bool:
    """Whether these names stand in order; each may be there several times.

    Offsets past the end of the strings are in no order. Nor are names that overlap so much that to
    compare them would take time by the square of their length.
    """
    wide: Index = offsets.astype(np.int64)
    if len(wide) and int(wide.max()) >= max(strings.end, 1):
        return False
    # Most that is not sorted shows it at once.
    first = list(map(strings.bytes_at, wide[:FIRST].tolist()))
    if any(one > other for one, other in pairwise(first)):
        return False
    at, ends = _placed(strings, wide)
    left = (wide[1:] != wide[:-1]).nonzero()[0]
    step, budget = 0, 8 * ROUNDS * len(wide) + READINGS * strings.end
    while len(left):
        budget -= 8 * len(left)
        if budget < 0:
            return False
        ones, others = left, left + 1
        keys = [
            _eight_bytes(strings, wide.take(here), at.take(here) + step, ends.take(here))
            for here in (ones, others)
        ]
        if bool((keys[0] > keys[1]).any()):
            return False
        left = left[(keys[0] == keys[1]) & ((keys[0] & np.uint64(0xFF)) > 0)]
        step += 8
    return True


def rows_between(strings: StringTable, offsets: npt.NDArray[np.integer], name: str) -> Index:
    """The places of a name among names that stand in order, found by halving."""
    try:
        wanted = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return np.zeros(0, np.int64)

    def at(row: int) -> bytes:
        return strings.bytes_at(int(offsets[row]))

    rows = range(len(offsets))
    first = bisect_left(rows, wanted, key=at)
    return np.arange(first, bisect_right(rows, wanted, first, key=at))


def lengths_of(strings: StringTable, offsets: npt.NDArray[np.integer]) -> Index:
    """How many bytes each name has, told without reading the names.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    at, ends = _placed(strings, offsets.astype(np.int64))
    return ends - at


def _placed(strings: StringTable, offsets: Index) -> tuple[Index, Index]:
    """Where each string starts and ends in the data of its table, without the NUL.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    if len(offsets) and int(offsets.max()) >= max(strings.end, 1):
        strings.bytes_at(int(offsets.max()))
    at, ends = offsets.copy(), offsets.copy()
    for table in strings.chain:
        here = ((offsets >= table.start) & (offsets < table.end)).nonzero()[0]
        at[here] -= table.start
        ends[here] = table.ends.take(table.ends.searchsorted(at[here], side="right")) - 1
    return at, ends


def _eight_bytes(
    strings: StringTable, offsets: npt.NDArray[np.integer], at: Index, ends: Index
) -> Eights:
    """Eight bytes of each string as a number that is ordered as they are; zeros follow the end."""
    keys = np.zeros(len(at), np.uint64)
    lengths = np.clip(ends - at, 0, 8)
    for table in strings.chain:
        here = ((offsets >= table.start) & (offsets < table.end) & (lengths > 0)).nonzero()[0]
        # Not take, which would copy all eights first.
        keys[here] = table.eights[at.take(here)]
    keys &= EIGHTS_MASKS.take(lengths)
    return keys.byteswap()
