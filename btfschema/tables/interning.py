"""Some of a table's strings as new sections: each text once, in order of first use.

A string is looked at as bytes in its table, never as a Python object: a kernel's modules use two
million. Whether two offsets hold the same text is told by a number that is computed from the bytes
of all of them at once; only where two numbers are equal are the texts compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index, bounds_of, parts_of, spread
from btfschema.errors import EncodeError
from btfschema.tables.strings import MAX_STRING_OFFSET, StringTable

__all__ = ["Picked", "pick", "pick_many", "same_texts"]

Numbers = npt.NDArray[np.uint64]

# By the length of a text, up to 8: the bits of a little-endian number that belong to it.
MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
# Large odd numbers, so that texts seldom share a number.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
# How many times the space strings may take one by one that they take now, when they overlap; a
# real file's take about as much. Small tables may grow so far anyway.
MOST_TIMES = 16
LEAST = 1 << 16
OWNER_FACTOR = np.uint64(0xD6E8FEB86659FD93)


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


def pick(
    table: StringTable, groups: Sequence[npt.NDArray[Any]], *, share_suffixes: bool = False
) -> Picked:
    """Copy the strings at these offsets: each text once, in order of first use.

    The empty one comes first. A text that a section before has is taken from there.

    Args:
        table: where the strings are; offsets may lie in its bases, and inside a longer string.
        groups: offsets, as they are used; each group gets a section.
        share_suffixes: whether a text may stand at the end of a longer one of its section. Not of
            one before: the kernel relocates a split's names in its base only where they are those
            of types there (``btf_relocate_rewrite_strs``).

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    bounds = bounds_of([len(group) for group in groups])
    uses = np.concatenate(groups)
    (sections,), offsets = pick_many([table], uses, bounds, share_suffixes=share_suffixes)
    return Picked(sections, tuple(offsets[part] for part in parts_of(bounds)))


def pick_many(
    tables: Sequence[StringTable],
    uses: npt.NDArray[Any],
    bounds: Index,
    *,
    share_suffixes: bool = False,
) -> tuple[list[tuple[bytes, ...]], Index]:
    """What :func:`pick` does, for many tables over one base at once.

    Args:
        tables: split over the same base, or all without one.
        uses: offsets: all groups of the first table, then those of the second, and so on.
        bounds: of the groups; each table has as many.
        share_suffixes: as for :func:`pick`.

    Returns:
        For each table its sections, and for each use the offset there.

    Raises:
        DecodeError: an offset is past the end of the strings.
        EncodeError: so many strings overlap that one by one they take many times the space.
    """
    a_table = (len(bounds) - 1) // len(tables)
    used = _used(tables, uses.astype(np.int64), spread(bounds[::a_table]))
    same = _same_texts(used)
    # The empty text is what every first section starts with.
    kept = ((used.lengths > 1) & (same == np.arange(len(same)))).nonzero()[0]
    groups = spread(bounds).take(used.first_uses.take(kept))
    counts = bounds_of(np.bincount(groups, minlength=len(bounds) - 1))
    sizes = used.lengths.take(kept)
    _check_sizes(tables, np.bincount(used.owners.take(kept), sizes, len(tables)))
    hosts, shifts = np.arange(len(kept)), np.zeros(len(kept), np.int64)
    if share_suffixes:
        for part in parts_of(counts):
            hosts[part], shifts[part] = _hosts(used.texts(kept[part]))
            hosts[part] += part.start
        sizes[hosts != np.arange(len(hosts))] = 0
    ends = bounds_of(sizes)
    cuts = ends.take(counts)
    # Each table's strings follow a NUL of its own.
    own = 1 + ends[:-1] - cuts[::a_table].take(used.owners.take(kept))
    places = np.zeros(len(same), np.int64)
    places[kept] = own.take(hosts) + shifts
    data = _joined(used, kept[sizes > 0])
    pieces = [data[begin:end] for begin, end in pairwise(cuts.tolist())]
    sections = [
        (b"\0" + pieces[first], *pieces[first + 1 : first + a_table])
        for first in range(0, len(pieces), a_table)
    ]
    return sections, places.take(same).take(used.inverse)


def same_texts(table: StringTable, offsets: Index) -> Index:
    """For each offset the first one at which the same text stands.

    Args:
        table: where the strings are; offsets may lie in its bases, and inside a longer string.
        offsets: each once, ascending.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    used = _used([table], offsets, np.zeros(len(offsets), np.int64))
    return offsets.take(_same_texts(used))


def _check_sizes(tables: Sequence[StringTable], sizes: npt.NDArray[Any]) -> None:
    """Names that are tails of one long string could make a few bytes to gigabytes.

    Args:
        tables: the strings are from these.
        sizes: bytes of the distinct strings of each.

    Raises:
        EncodeError: they are more than any real file's.
    """
    for table, size in zip(tables, sizes.tolist(), strict=True):
        most = min(MOST_TIMES * table.end + LEAST, MAX_STRING_OFFSET)
        if size > most:
            raise EncodeError(
                f"the distinct strings that are used take {int(size)} bytes, those that they "
                f"overlap in {table.end}: expected at most {most}",
                got=int(size),
                expected=f"at most {most} bytes",
            )


@frozen(eq=False)
class _Used:
    """The distinct strings that tables use, in order of first use; shared ones once a table.

    Attributes:
        chain: the bases' tables, and then one that holds the strings of all the tables.
        starts: where each string starts in that chain.
        lengths: with the NUL.
        numbers: equal for equal texts of one table, seldom for others.
        owners: by string, the number of the table.
        first_uses: by string, its first use.
        inverse: by use, the string.
    """

    chain: list[StringTable]
    starts: Index
    lengths: Index
    numbers: Numbers
    owners: Index
    first_uses: Index
    inverse: Index

    def texts(self, which: Index) -> list[bytes]:
        """Some of them, without the NUL."""
        part, at = self.places(which)
        ends = at + self.lengths.take(which) - 1
        data = [table.data for table in self.chain]
        pieces = zip(part.tolist(), at.tolist(), ends.tolist(), strict=True)
        return [data[number][begin:end] for number, begin, end in pieces]

    def places(self, which: Index) -> tuple[Index, Index]:
        """Which table of the chain each of them is in, and its first byte there."""
        starts = self.starts.take(which)
        begins = np.array([table.start for table in self.chain])
        part = begins[1:].searchsorted(starts, side="right")
        return part, starts - begins.take(part)


def _used(tables: Sequence[StringTable], uses: Index, owners: Index) -> _Used:
    """Find the distinct strings.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    ends = np.array([table.end for table in tables])
    wrong = (uses >= ends.take(owners)) & (uses > 0)
    if wrong.any():
        use = int(np.argmax(wrong))
        # Raises, since it is past the end.
        tables[int(owners[use])].bytes_at(int(uses[use]))
    first_uses, inverse = _distinct(owners * max(int(ends.max()), 1) + uses)
    offsets, owners = uses.take(first_uses), owners.take(first_uses)
    begin = tables[0].start
    # An empty section has the empty string too.
    data = [table.data or b"\0" for table in tables]
    moves = bounds_of(list(map(len, data)))
    starts = np.where(offsets < begin, offsets, offsets + moves.take(owners))
    chain = list(tables[0].chain)
    if len(tables) > 1:
        chain[-1] = StringTable(b"".join(data), tables[0].base)
    lengths, numbers = _measured(chain, starts)
    numbers += owners.astype(np.uint64) * OWNER_FACTOR
    return _Used(chain, starts, lengths, numbers, owners, first_uses, inverse)


def _distinct(values: Index) -> tuple[Index, Index]:
    """The place of each distinct value's first occurrence, ascending, and which one each is."""
    # One sort of (value, place) pairs; sorting the places by value takes five times as long.
    shift = np.uint64(len(values).bit_length())
    pairs = values.astype(np.uint64) << shift
    pairs |= np.arange(len(values), dtype=np.uint64)
    pairs.sort()
    places = (pairs & ((np.uint64(1) << shift) - np.uint64(1))).view(np.int64)
    ordered = pairs >> shift
    heads = np.ones(len(values), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=heads[1:])
    firsts = places[heads]
    is_first = np.zeros(len(values), np.bool_)
    is_first[firsts] = True
    rank = is_first.cumsum() - 1
    inverse = np.empty(len(values), np.int64)
    inverse[places] = rank.take(firsts).take(heads.cumsum() - 1)
    return is_first.nonzero()[0], inverse


def _measured(chain: list[StringTable], starts: Index) -> tuple[Index, Numbers]:
    """The length of each string, its NUL included, and a number that equal texts share."""
    lengths = np.ones(len(starts), np.int64)
    numbers = np.zeros(len(starts), np.uint64)
    for table in chain:
        here = ((starts >= table.start) & (starts < table.end)).nonzero()[0]
        if len(here):
            at = starts.take(here) - table.start
            ends = table.ends
            sizes = ends.take(ends.searchsorted(at, side="right")) - at
            numbers[here] = _numbers(table.eights, at, sizes)
            lengths[here] = sizes
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


def _same_texts(used: _Used) -> Index:
    """For each string, the one of its table with the same text that is used first."""
    # Numbers whose last bits are the place: sorting places by number takes five times as long.
    mask = np.uint64((1 << len(used.numbers).bit_length()) - 1)
    ordered = used.numbers * FACTORS[0]
    ordered &= ~mask
    ordered |= np.arange(len(ordered), dtype=np.uint64)
    ordered.sort()
    order = (ordered & mask).view(np.int64)
    ordered &= ~mask
    heads = np.ones(len(order), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=heads[1:])
    same = np.empty(len(order), np.int64)
    same[order] = order[heads].take(heads.cumsum() - 1)
    ones = (same != np.arange(len(same))).nonzero()[0]
    differ = ones[_differ(used, ones, same.take(ones))]
    if len(differ):
        # Texts that share a number by chance, or on purpose.
        several = np.zeros(len(same), np.bool_)
        several[same.take(differ)] = True
        alike = several.take(same).nonzero()[0]
        known: dict[tuple[int, bytes], int] = {}
        owners, texts = used.owners.take(alike).tolist(), used.texts(alike)
        for one, key in zip(alike.tolist(), zip(owners, texts, strict=True), strict=True):
            same[one] = known.setdefault(key, one)
    return same


def _differ(used: _Used, ones: Index, others: Index) -> npt.NDArray[np.bool_]:
    """Whether strings differ, pair by pair."""
    lengths = used.lengths.take(ones)
    differ: npt.NDArray[np.bool_] = lengths != used.lengths.take(others)
    differ |= used.owners.take(ones) != used.owners.take(others)
    starts = used.starts.take(ones), used.starts.take(others)
    left = (~differ).nonzero()[0]
    step = 0
    while len(left):
        rest = np.minimum(lengths.take(left) - step, 8)
        eights = [_eights(used.chain, part.take(left), step) & MASKS.take(rest) for part in starts]
        equal = eights[0] == eights[1]
        differ[left[~equal]] = True
        left = left[equal & (rest == 8)]
        step += 8
        left = left[lengths.take(left) > step]
    return differ


def _eights(chain: list[StringTable], starts: Index, step: int) -> Numbers:
    """The eight bytes from so many bytes after each string's start on."""
    found = np.zeros(len(starts), np.uint64)
    for table in chain:
        here = ((starts >= table.start) & (starts < table.end)).nonzero()[0]
        if len(here):
            found[here] = table.eights[starts.take(here) - table.start + step]
    return found


def _joined(used: _Used, which: Index) -> bytes:
    """The bytes of strings, one after another."""
    starts, sizes = used.starts.take(which), used.lengths.take(which)
    part, at = used.places(which)
    # Neighbours that were neighbours before are copied together.
    breaks = (starts[1:] != starts[:-1] + sizes[:-1]) | (part[1:] != part[:-1])
    first = np.concatenate([[True], breaks])[: len(starts)]
    last = np.concatenate([breaks, [True]])[: len(starts)]
    pieces = zip(part[first].tolist(), at[first].tolist(), (at + sizes)[last].tolist(), strict=True)
    data = [table.data for table in used.chain]
    return b"".join([data[number][begin:end] for number, begin, end in pieces])


def _hosts(texts: list[bytes]) -> tuple[Index, Index]:
    """For each text the one at whose end it stands (itself when there is none), and how far in.

    Args:
        texts: distinct.
    """
    hosts, shifts = np.arange(len(texts)), np.zeros(len(texts), np.int64)
    backwards = [text[::-1] for text in texts]
    longer: int | None = None
    # Read from behind, what starts with a text follows it directly in alphabetical order.
    for one in sorted(range(len(texts)), key=backwards.__getitem__, reverse=True):
        if longer is not None and backwards[longer].startswith(backwards[one]):
            hosts[one] = hosts[longer]
            shifts[one] = len(texts[hosts[longer]]) - len(texts[one])
        longer = one
    return hosts, shifts
