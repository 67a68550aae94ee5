"""Texts of many records at once, in words of eight bytes.

Each text starts at a word, and NULs, which no text holds, fill up its last one. So numpy can put
the texts of all records into their places word by word, and the NULs are then deleted from all of
them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index, Mask, bounds_of, sizes_of
from btfschema.tables.strings import LONGEST_NAME, Eights, StringTable, eights_of

__all__ = [
    "EIGHT",
    "NUL",
    "WORD",
    "Choice",
    "Lists",
    "Part",
    "Texts",
    "Wide",
    "beside",
    "constant",
    "numbers",
    "strings",
    "texts",
    "total",
]

EIGHT = np.dtype("<u8")
WORD = EIGHT.itemsize
NUL = b"\0"

# Of a word, the lowest and the highest bit of each byte.
LOWEST, HIGHEST = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
ONE = np.uint64(1)
# How many words of each string are read together with those of all others: enough for the longest
# name that a kernel takes. What follows them is read string by string.
TOGETHER = LONGEST_NAME // WORD

TEN_THOUSAND = 10_000
# Numbers from here on have more digits than a word has bytes; they take three words at most.
LARGE = TEN_THOUSAND**2
LARGE_WORDS = 3
NONE = np.zeros(0, np.int64)


def _fours() -> tuple[Eights, Eights]:
    """The digits of the numbers below 10,000, without and with leading zeros."""
    left = np.arange(TEN_THOUSAND, dtype=EIGHT)
    padded, blank = np.zeros_like(left), np.zeros_like(left)
    for place in (3, 2, 1, 0):
        shift = np.uint64(WORD * place)
        padded |= left % np.uint64(10) + np.uint64(ord("0")) << shift
        # Before the first digit; a zero has one.
        blank |= ((left == 0) & (place < 3)) * np.uint64(0xFF) << shift
        left //= np.uint64(10)
    return padded & ~blank, padded


_ALONE, _PADDED = _fours()
# The digits before a number's last four, and these four: alone, or after others.
BEFORE = _ALONE.copy()
BEFORE[0] = 0
LAST = np.concatenate([_ALONE, _PADDED << np.uint64(32)])


class Texts(NamedTuple):
    """A text for each of many records.

    Attributes:
        words: the first word of each text, then the second of those that have one, and so on, each
            with the records that have it; None stands for all. A number is the word of all of them.
        sizes: how many words each text has.
        rests: the remaining words of very long texts, by record.
    """

    words: Sequence[tuple[Index | None, Eights | int]]
    sizes: Index | int
    rests: Mapping[int, Eights] = MappingProxyType({})

    def of(self, records: Index, count: int) -> Texts:
        """The same texts for these of ``count`` records; the others have none."""
        words = [
            (records if rows is None else records.take(rows), values) for rows, values in self.words
        ]
        sizes = np.zeros(count, np.int64)
        sizes[records] = self.sizes
        return Texts(words, sizes, {int(records[row]): rest for row, rest in self.rests.items()})

    def write(self, out: Eights, places: Index) -> None:
        """Write each text at its place, and move the places past the texts."""
        for number, (rows, values) in enumerate(self.words):
            here = places if rows is None else places.take(rows)
            out[here + number if number else here] = values
        for row, rest in self.rests.items():
            first = int(places[row]) + len(self.words)
            out[first : first + len(rest)] = rest
        places += self.sizes


class Lists:
    """For each of many records the texts of its elements, one after another.

    Args:
        texts: those of all elements.
        bounds: where the elements of each record start.

    Attributes:
        sizes: how many words each record's have.
    """

    def __init__(self, texts: Sequence[Texts | Lists], bounds: Index) -> None:
        self._texts = texts
        self._bounds = bounds
        # Where the words of each element start, among those of all.
        self._starts = bounds_of(total(texts, int(bounds[-1])))
        self.sizes: Index = sizes_of(self._starts[bounds])

    def write(self, out: Eights, places: Index) -> None:
        """Write each record's elements at its place, and move the places past them."""
        starts = places - self._starts[self._bounds[:-1]]
        inner = starts.repeat(sizes_of(self._bounds)) + self._starts[:-1]
        for text in self._texts:
            text.write(out, inner)
        places += self.sizes


def total(texts: Iterable[Texts | Lists], count: int) -> Index:
    """How many words these texts take together in each of ``count`` records."""
    sizes = np.zeros(count, np.int64)
    same = 0
    for text in texts:
        if isinstance(text.sizes, int):
            same += text.sizes
        else:
            sizes += text.sizes
    sizes += same
    return sizes


class Wide(NamedTuple):
    """64-bit numbers, some of them unsigned."""

    values: Index
    unsigned: Mask

    def whole(self, rows: Index) -> list[int]:
        """Those in some rows, as Python's numbers."""
        pairs = zip(self.values.take(rows).tolist(), self.unsigned.take(rows).tolist(), strict=True)
        return [value + (1 << 64) if value < 0 and unsigned else value for value, unsigned in pairs]


class Choice(NamedTuple):
    """For each of many records one of a few texts.

    Attributes:
        texts: the few.
        which: the number of each record's.
    """

    texts: Sequence[str]
    which: npt.NDArray[Any]

    @classmethod
    def of(cls, values: npt.NDArray[Any], labels: Mapping[int, str], other: str) -> Choice:
        """The label of each value, or ``other``."""
        which = np.full(len(values), len(labels))
        for number, value in enumerate(labels):
            which[values == value] = number
        return cls((*labels.values(), other), which)

    def within(self, before: str, after: str) -> Choice:
        """The same with something before and after it."""
        return Choice([f"{before}{text}{after}" for text in self.texts], self.which)

    def laid(self) -> Texts:
        """The texts of all records."""
        words, counts = _words_of(tuple(self.texts))
        least, most = min(counts), len(words)
        if least == most:
            return Texts([(None, column.take(self.which)) for column in words], most)
        sizes = np.array(counts).take(self.which)
        parts: list[tuple[Index | None, Eights | int]] = []
        for number, column in enumerate(words):
            rows = None if number < least else (sizes > number).nonzero()[0]
            which = self.which if rows is None else self.which.take(rows)
            parts.append((rows, column.take(which)))
        return Texts(parts, sizes)


Part = str | Choice | Texts | Lists
"""A text that all records have, or one of each."""


@lru_cache(maxsize=256)
def _words_of(texts: tuple[str, ...]) -> tuple[Eights, tuple[int, ...]]:
    """The first words of some texts, then the second and so on, and how many each has."""
    encoded = [text.encode() for text in texts]
    counts = tuple(-(-len(text) // WORD) for text in encoded)
    data = b"".join(padded(text, max(counts)) for text in encoded)
    return np.frombuffer(data, EIGHT).reshape(len(texts), -1).T.copy(), counts


def padded(text: bytes, size: int = 0) -> bytes:
    """The text filled up with NULs to whole words, to ``size`` of them at least."""
    return text.ljust(max(size, -(-len(text) // WORD)) * WORD, NUL)


def beside(parts: Iterable[Part]) -> list[Texts | Lists]:
    """Lay out parts that follow one another in each record, joining what all records have."""
    found: list[Part] = [""]
    for part in parts:
        last = found[-1]
        if isinstance(part, str) and isinstance(last, str):
            found[-1] = last + part
        elif isinstance(part, str) and isinstance(last, Choice):
            found[-1] = last.within("", part)
        elif isinstance(part, Choice) and isinstance(last, str):
            found[-1] = part.within(last, "")
        else:
            found.append(part)
    return [
        constant(one) if isinstance(one, str) else one.laid() if isinstance(one, Choice) else one
        for one in found
        if one != ""
    ]


@lru_cache(maxsize=256)
def constant(text: str) -> Texts:
    """The same text for all records."""
    words, _ = _words_of((text,))
    return Texts([(None, int(word)) for (word,) in words], len(words))


def numbers(values: npt.NDArray[Any] | Wide) -> Texts:
    """Numbers in decimal digits."""
    array = values.values if isinstance(values, Wide) else values
    # Numbers below zero count as large.
    plain = array.view(f"u{array.itemsize}")
    most = int(plain.max(initial=0))
    if most < TEN_THOUSAND:
        return Texts([(None, LAST.take(_places(plain)))], 1)
    large = (plain >= LARGE).nonzero()[0] if most >= LARGE else NONE
    if len(large):
        plain = plain.copy()
        plain[large] = 0
    before = plain // TEN_THOUSAND
    # The last four digits, or 10,000 more where others are before them.
    first = LAST.take(_places(plain - TEN_THOUSAND * (before - np.minimum(before, 1))))
    first |= BEFORE.take(_places(before))
    if not len(large):
        return Texts([(None, first)], 1)
    whole = values.whole(large) if isinstance(values, Wide) else values.take(large).tolist()
    data = b"".join([padded(str(number).encode(), LARGE_WORDS) for number in whole])
    words = np.frombuffer(data, EIGHT).reshape(-1, LARGE_WORDS)
    first[large] = words[:, 0]
    sizes = np.ones(len(array), np.int64)
    sizes[large] = LARGE_WORDS
    return Texts([(None, first), *((large, words[:, at]) for at in (1, 2))], sizes)


def _places(small: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Small numbers as places: numpy 1 refuses unsigned numbers of 64 bits there."""
    return small.view(np.int64) if small.itemsize == np.int64().itemsize else small


def strings(data: bytes, starts: Index) -> Texts:
    """The strings that start at these bytes, each up to its NUL.

    Args:
        data: the bytes; seven more than a NUL follow the last string.
        starts: where each string starts.
    """
    eights = eights_of(data)
    words: list[tuple[Index | None, Eights | int]] = []
    sizes = np.ones(len(starts), np.int64)
    rows = np.arange(len(starts))
    while len(rows) and len(words) < TOGETHER:
        found = eights[starts]
        # The lowest bit that is set here is in the first NUL.
        ends = (found - LOWEST) & ~found & HIGHEST
        found &= ends ^ (ends - ONE)
        words.append((rows if words else None, found))
        more = (ends == 0).nonzero()[0]
        rows, starts = rows.take(more), starts.take(more) + WORD
        sizes[rows] = len(words) + 1
    rests = {}
    for row, start in zip(rows.tolist(), starts.tolist(), strict=True):
        rests[row] = np.frombuffer(padded(data[start : data.find(NUL, start)]), EIGHT)
        sizes[row] = TOGETHER + len(rests[row])
    return Texts(words, sizes, rests)


def texts(values: Iterable[str]) -> Texts:
    """Any texts."""
    data = "".join(f"{value}\0" for value in values).encode("utf-8", "surrogateescape")
    table = StringTable(data)
    return strings(table.data + bytes(WORD - 1), table.starts)
