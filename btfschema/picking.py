"""Some of a table's strings as new sections: each text once, in order of first use.

A string is looked at as bytes in its table, never as a Python object: a kernel's modules use two
million. Whether two offsets hold the same text is told by a number that is computed from the bytes
of all of them at once; only where two numbers are equal are the texts compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.strings import StringTable

__all__ = ["Picked", "pick"]

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]

# By the length of a text, up to 8: the bits of a little-endian number that belong to it.
MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
# Large odd numbers, so that texts seldom share a number.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
HALF = np.uint64(32)
LOW_HALF = np.uint64(0xFFFFFFFF)


@frozen
class Picked:
    """Strings in sections of their own.

    Attributes:
        sections: one for each group of uses; the first is a base's, each other one is split over
            those before it.
        offsets: for each group, where the strings stand that it asked for.
    """

    sections: tuple[bytes, ...]
    offsets: tuple[Index, ...]


class _Distinct(NamedTuple):
    """Distinct values, ascending; the place of each one's first use; the number of each value."""

    values: Index
    first_uses: Index
    inverse: Index


def pick(
    table: StringTable, groups: Sequence[npt.NDArray[Any]], *, share_suffixes: bool = False
) -> Picked:
    """Copy the strings at these offsets: each text once, in order of first use.

    The empty one comes first. A text that a section before has is taken from there.

    Args:
        table: where the strings are; offsets may lie in its bases, and inside a longer string.
        groups: offsets, as they are used; each group gets a section.
        share_suffixes: whether a text may stand at the end of a longer one.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    found = _distinct(np.concatenate(groups))
    chain = _chain(table)
    lengths, numbers = _measured(chain, found.values)
    same = _same_texts(table, found, numbers)
    # The empty text is what every first section starts with.
    kept = ((lengths > 1) & (same == np.arange(len(same)))).nonzero()[0]
    kept = kept.take(found.first_uses.take(kept).argsort())
    borders = np.cumsum([len(group) for group in groups])
    starts, sizes = found.values.take(kept), lengths.take(kept)
    places = np.zeros(len(same), np.int64)
    if share_suffixes:
        members = borders.searchsorted(found.first_uses.take(kept), side="right")
        texts = [table.bytes_at(start) for start in starts.tolist()]
        hosts, shifts = _hosts(texts, members.tolist())
        alone = hosts == np.arange(len(hosts))
        ends = 1 + np.where(alone, sizes, 0).cumsum()
        own = ends - sizes
        places[kept] = own.take(hosts) + shifts
        starts, sizes = starts[alone], sizes[alone]
    else:
        ends = 1 + sizes.cumsum()
        places[kept] = ends - sizes
    data = b"\0" + _joined(chain, starts, sizes)
    counts = found.first_uses.take(kept).searchsorted(borders)
    cuts = [0, *np.concatenate([[1], ends]).take(counts).tolist()]
    offsets = places.take(same).take(found.inverse)
    return Picked(
        tuple(data[low:high] for low, high in pairwise(cuts)),
        tuple(np.split(offsets, borders[:-1])),
    )


def _chain(table: StringTable) -> list[StringTable]:
    chain = [table]
    while (base := chain[0].base) is not None:
        chain.insert(0, base)
    return chain


def _distinct(values: npt.NDArray[Any]) -> _Distinct:
    # One sort of (value, place) pairs; sorting the places by value takes five times as long.
    pairs = values.astype(np.uint64) << HALF
    pairs |= np.arange(len(values), dtype=np.uint64)
    pairs.sort()
    places = (pairs & LOW_HALF).view(np.int64)
    ordered = (pairs >> HALF).view(np.int64)
    heads = np.ones(len(values), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=heads[1:])
    inverse = np.empty(len(values), np.int64)
    inverse[places] = heads.cumsum() - 1
    return _Distinct(ordered[heads], places[heads], inverse)


def _measured(chain: list[StringTable], offsets: Index) -> tuple[Index, Numbers]:
    """The length of each string, its NUL included, and a number that equal texts share.

    Args:
        chain: the tables.
        offsets: ascending.
    """
    lengths = np.ones(len(offsets), np.int64)
    numbers = np.zeros(len(offsets), np.uint64)
    low = 0
    for table in chain:
        high = int(offsets.searchsorted(table.end))
        if low < high and table.data:
            at = offsets[low:high] - table.start
            ends = table.ends
            sizes = ends.take(ends.searchsorted(at, side="right")) - at
            numbers[low:high] = _numbers(table.eights, at, sizes)
            lengths[low:high] = sizes
        low = high
    if low < len(offsets) and int(offsets[-1]):
        # Raises, since it is past the end.
        chain[-1].bytes_at(int(offsets[-1]))
    return lengths, numbers


def _numbers(eights: Numbers, at: Index, sizes: Index) -> Numbers:
    """Of the first, the middle and the last eight bytes, and the length."""
    rest = np.maximum(sizes - 9, 0)
    mask = MASKS.take(np.minimum(sizes - 1, 8))
    numbers: Numbers = (eights[at] & mask) * FACTORS[0]
    numbers += (eights[at + rest] & mask) * FACTORS[1]
    numbers += (eights[at + (rest >> 1)] & mask) * FACTORS[2]
    numbers ^= sizes.view(np.uint64)
    return numbers


def _same_texts(table: StringTable, found: _Distinct, numbers: Numbers) -> Index:
    """For each string, the one with the same text that is used first."""
    same = np.arange(len(numbers))
    order = numbers.argsort()
    ordered = numbers.take(order)
    equal = (ordered[1:] == ordered[:-1]).nonzero()[0]
    if len(equal):
        alike = np.concatenate([order.take(equal), order.take(equal + 1)])
        alike = alike.take(found.first_uses.take(alike).argsort())
        firsts: dict[bytes, int] = {}
        for one, offset in zip(alike.tolist(), found.values.take(alike).tolist(), strict=True):
            same[one] = firsts.setdefault(table.bytes_at(offset), one)
    return same


def _joined(chain: list[StringTable], starts: Index, sizes: Index) -> bytes:
    """The bytes of strings, one after another."""
    begins = np.array([part.start for part in chain])
    part = begins[1:].searchsorted(starts, side="right")
    # Neighbours that were neighbours before are copied together.
    breaks = (starts[1:] != starts[:-1] + sizes[:-1]) | (part[1:] != part[:-1])
    first = np.concatenate([[True], breaks])[: len(starts)]
    last = np.concatenate([breaks, [True]])[: len(starts)]
    at = starts - begins.take(part)
    pieces = zip(part[first].tolist(), at[first].tolist(), (at + sizes)[last].tolist(), strict=True)
    data = [table.data for table in chain]
    return b"".join([data[number][begin:end] for number, begin, end in pieces])


def _hosts(texts: list[bytes], members: list[int]) -> tuple[Index, Index]:
    """For each text the one at whose end it stands (itself when there is none), and how far in.

    Args:
        texts: distinct.
        members: the group of each: a text may stand in one of its own group or of one before.
    """
    hosts, shifts = np.arange(len(texts)), np.zeros(len(texts), np.int64)
    backwards = [text[::-1] for text in texts]
    nearest: dict[int, int] = {}
    last = max(members, default=0)
    # Read from behind, what starts with a text follows it directly in alphabetical order.
    for one in sorted(range(len(texts)), key=backwards.__getitem__, reverse=True):
        longer = nearest.get(members[one])
        if longer is not None and backwards[longer].startswith(backwards[one]):
            hosts[one] = hosts[longer]
            shifts[one] = len(texts[hosts[longer]]) - len(texts[one])
        for group in range(members[one], last + 1):
            nearest[group] = one
    return hosts, shifts
