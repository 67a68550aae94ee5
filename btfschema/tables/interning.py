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

from btfschema.arrays import Index, bounds_of, heads, parts_of, spread
from btfschema.errors import EncodeError
from btfschema.tables.strings import EIGHTS_MASKS, MAX_STRING_OFFSET, Eights, StringTable

__all__ = ["Picked", "pick", "pick_many", "same_texts"]

# Large odd numbers, so that texts seldom share a number.
FACTORS = np.array([[0x9E3779B97F4A7C15], [0x165667B19E3779F9], [0xC2B2AE3D27D4EB4F]], np.uint64)
# By how many bits what follows the first eight bytes of a text is to be divided, for its first, its
# middle and its last eight.
SPOTS = np.array([[63], [1], [0]])
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
    same, others = _same_texts(used)
    # The empty text is what every first section starts with.
    distinct = used.lengths > 1
    distinct[others] = False
    kept = distinct.nonzero()[0]
    counts = used.first_uses.take(kept).searchsorted(bounds)
    sizes, owners = used.lengths.take(kept), used.owners.take(kept)
    ends = bounds_of(sizes)
    _check_sizes(tables, ends.take(counts[::a_table]))
    written = kept
    hosts: Index | slice = slice(None)
    # Each table's strings follow a NUL of its own.
    shifts: Index | int = 1
    if share_suffixes:
        hosts, shifts = np.arange(len(kept)), np.ones(len(kept), np.int64)
        for part in parts_of(counts):
            found, inside = _hosts(used.texts(kept[part]))
            hosts[part] = found + part.start
            shifts[part] += inside
        own = hosts == np.arange(len(hosts))
        written, ends = kept[own], bounds_of(np.where(own, sizes, 0))
    cuts = ends.take(counts)
    places = np.zeros(len(same), np.int64)
    places[kept] = (ends[:-1] - cuts[::a_table].take(owners))[hosts] + shifts
    data = _joined(used, written)
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
    return offsets.take(_same_texts(used)[0])


def _check_sizes(tables: Sequence[StringTable], ends: Index) -> None:
    """Names that are tails of one long string could make a few bytes to gigabytes.

    Args:
        tables: the strings are from these.
        ends: bounds of the distinct strings of each, in bytes.

    Raises:
        EncodeError: they are more than any real file's.
    """
    for table, (begin, end) in zip(tables, pairwise(ends.tolist()), strict=True):
        size = end - begin
        most = min(MOST_TIMES * table.end + LEAST, MAX_STRING_OFFSET)
        if size > most:
            raise EncodeError(
                f"the distinct strings that are used take {size} bytes, those that they "
                f"overlap in {table.end}: expected at most {most}",
                got=size,
                expected=f"at most {most} bytes",
            )


@frozen(eq=False)
class _Used:
    """The distinct strings that tables use, in order of first use; shared ones once a table.

    Attributes:
        chain: the bases' tables, and then one that holds the strings of all the tables.
        parts: by string, the number of the table in that chain that it is in.
        places: by string, where in that table's bytes it starts.
        lengths: with the NUL.
        numbers: equal for equal texts of one table, seldom for others.
        owners: by string, the number of the table.
        first_uses: by string, its first use.
        inverse: by use, the string.
    """

    chain: list[StringTable]
    parts: Index
    places: Index
    lengths: Index
    numbers: Eights
    owners: Index
    first_uses: Index
    inverse: Index

    def texts(self, which: Index) -> list[bytes]:
        """Some of them, without the NUL."""
        begins = self.places.take(which)
        ends = begins + self.lengths.take(which) - 1
        return self.pieces(self.parts.take(which), begins, ends)

    def pieces(self, parts: Index, begins: Index, ends: Index) -> list[bytes]:
        """Bytes of tables of the chain, from place to place."""
        data = [table.data for table in self.chain]
        cuts = zip(parts.tolist(), begins.tolist(), ends.tolist(), strict=True)
        return [data[number][begin:end] for number, begin, end in cuts]


def _used(tables: Sequence[StringTable], uses: Index, owners: Index) -> _Used:
    """Find the distinct strings.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    # An empty section has the empty string too.
    ends = [max(table.end, 1) for table in tables]
    wrong = uses >= np.array(ends).take(owners)
    if np.count_nonzero(wrong):
        use = int(np.argmax(wrong))
        # Raises, since it is past the end.
        tables[int(owners[use])].bytes_at(int(uses[use]))
    first_uses, inverse = _distinct(owners * max(ends) + uses)
    offsets, owners = uses.take(first_uses), owners.take(first_uses)
    chain, starts = list(tables[0].chain), offsets
    if len(tables) > 1:
        data = [table.data or b"\0" for table in tables]
        moves = bounds_of(list(map(len, data)))
        starts = np.where(offsets < chain[-1].start, offsets, offsets + moves.take(owners))
        chain[-1] = StringTable(b"".join(data), tables[0].base)
    begins = np.array([table.start for table in chain])
    parts = begins.searchsorted(starts, side="right") - 1
    places = starts - begins.take(parts)
    lengths, numbers = _measured(chain, parts, places)
    if len(tables) > 1:
        numbers += owners.astype(np.uint64) * OWNER_FACTOR
    return _Used(chain, parts, places, lengths, numbers, owners, first_uses, inverse)


def _distinct(values: Index) -> tuple[Index, Index]:
    """The place of each distinct value's first occurrence, ascending, and which one each is."""
    # One sort of (value, place) pairs; sorting the places by value takes five times as long.
    bits = len(values).bit_length()
    pairs = values << bits
    pairs |= np.arange(len(values))
    pairs.sort()
    places = pairs & ((1 << bits) - 1)
    is_head = heads(pairs >> bits)
    firsts = places[is_head]
    is_first = np.zeros(len(values), np.bool_)
    is_first[firsts] = True
    rank = is_first.cumsum() - 1
    inverse = np.empty(len(values), np.int64)
    inverse[places] = rank.take(firsts).take(is_head.cumsum() - 1)
    return is_first.nonzero()[0], inverse


def _measured(chain: list[StringTable], parts: Index, places: Index) -> tuple[Index, Eights]:
    """The length of each string, its NUL included, and a number that equal texts share.

    The number is made of the first, the middle and the last eight bytes, and the length.
    """
    lengths = np.ones(len(parts), np.int64)
    eights = np.zeros((len(SPOTS), len(parts)), np.uint64)
    for number, table in enumerate(chain):
        here = (parts == number).nonzero()[0]
        if len(here) and table.data:
            at, ends = places.take(here), table.ends
            sizes = ends.take(ends.searchsorted(at, side="right")) - at
            lengths[here] = sizes
            spots = np.maximum(sizes - 9, 0) >> SPOTS
            spots += at
            eights[:, here] = table.eights[spots]
    eights &= EIGHTS_MASKS.take(np.minimum(lengths - 1, 8))
    eights *= FACTORS
    numbers: Eights = np.add.reduce(eights)
    numbers ^= lengths.view(np.uint64)
    return lengths, numbers


def _same_texts(used: _Used) -> tuple[Index, Index]:
    """For each string, the one of its table with the same text that is used first.

    Returns:
        That, and for which strings it is another one.
    """
    # Numbers whose last bits are the place: sorting places by number takes five times as long.
    bits = len(used.numbers).bit_length()
    ordered = (used.numbers * FACTORS[0]).view(np.int64)
    ordered &= -1 << bits
    ordered |= np.arange(len(ordered))
    ordered.sort()
    order = ordered & ((1 << bits) - 1)
    is_head = heads(ordered >> bits)
    same, later = np.arange(len(order)), (~is_head).nonzero()[0]
    if not len(later):
        return same, later
    ones = order.take(later)
    same[ones] = order[is_head].take(is_head.cumsum().take(later) - 1)
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
        ones = (same != np.arange(len(same))).nonzero()[0]
    return same, ones


def _differ(used: _Used, ones: Index, others: Index) -> npt.NDArray[np.bool_]:
    """Whether strings differ, pair by pair."""
    lengths = used.lengths.take(ones)
    differ: npt.NDArray[np.bool_] = lengths != used.lengths.take(others)
    differ |= used.owners.take(ones) != used.owners.take(others)
    left = (~differ).nonzero()[0]
    step = 0
    while len(left):
        rest = np.minimum(lengths.take(left) - step, 8)
        mask = EIGHTS_MASKS.take(rest)
        eights = [_eights(used, part.take(left), step) & mask for part in (ones, others)]
        equal = eights[0] == eights[1]
        differ[left[~equal]] = True
        left = left[equal & (rest == 8)]
        step += 8
        left = left[lengths.take(left) > step]
    return differ


def _eights(used: _Used, which: Index, step: int) -> Eights:
    """The eight bytes from so many bytes after each string's start on."""
    found = np.zeros(len(which), np.uint64)
    parts, at = used.parts.take(which), used.places.take(which) + step
    for number, table in enumerate(used.chain):
        here = (parts == number).nonzero()[0]
        if len(here):
            found[here] = table.eights[at.take(here)]
    return found


def _joined(used: _Used, which: Index) -> bytes:
    """The bytes of strings, one after another."""
    parts, begins = used.parts.take(which), used.places.take(which)
    ends = begins + used.lengths.take(which)
    # Neighbours that were neighbours before are copied together.
    breaks = np.ones(len(which) + 1, np.bool_)
    breaks[1:-1] = (begins[1:] != ends[:-1]) | (parts[1:] != parts[:-1])
    edges = breaks.nonzero()[0]
    firsts, lasts = edges[:-1], edges[1:] - 1
    return b"".join(used.pieces(parts.take(firsts), begins.take(firsts), ends.take(lasts)))


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
