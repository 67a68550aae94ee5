"""From record to record, many at a time.

A record's length is in its own info word, so where a record starts is known when the one before it
is. To go from one to the next takes Python a tenth of a microsecond, and numpy not much longer for
hundreds. So *walkers* set out from even distances at once. Where one sets out no record need start;
it tries word after word until something looks like a record, and after a few records nearly every
walker is on the path that leads from the first record. Then the path is followed from its
beginning: where it meets a walker's, the rest of that walker's way is taken over, and until then it
is walked record by record. So the result is exact whatever the walkers met, and what misleads them
costs a step for each record.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from btfschema.arrays import Index, Words
from btfschema.schema.plan import ENDLESS, HEADER_WORDS, INFO_WORD, KIND_SHIFT, VLEN_MASK, Plan

__all__ = ["index_records"]

LENGTH = np.uint32(VLEN_MASK)

# Words between walkers, and steps that all take before those that arrived are told apart.
DISTANCE = 2048
STEPS = 16
# Fewer walkers than this cost more than they save: those of a megabyte of types.
FEWEST = 128


def index_records(words: Words, plan: Plan, bounds: list[int]) -> tuple[Index, list[int]]:
    """The word at which each record starts, and where the path through each section comes to.

    That is the section's end exactly when its last record ends there. When a record does not fit
    its section, that section's last start is the offending record's.

    Args:
        words: one section, or many, one after another.
        plan: how long the records are.
        bounds: where each section starts, and where the last one ends.
    """
    # One more, for walkers to mark that have nothing to mark.
    marks = bytearray(len(words) + 1)
    if len(words) <= max(FEWEST * DISTANCE, HEADER_WORDS):
        # Of a small file all lengths are worked out, of a large one those that are asked for.
        sizes = _sizes_of(words[INFO_WORD.word :], plan).data
        ends = [_step(start, end, sizes, marks) for start, end in pairwise(bounds)]
        return np.frombuffer(marks, np.bool_, len(words)).nonzero()[0], ends
    walks = _walks(words, plan, marks, bounds)
    lengths = _Lengths(words, plan)
    part, ends = 0, []
    for start, end in pairwise(bounds):
        at = start
        while part < len(walks.firsts) - 1 and walks.firsts[part] < end:
            at = _follow(at, end, part, walks, lengths, marks)
            part += 1
        ends.append(at)
    return np.frombuffer(marks, np.bool_, len(words)).nonzero()[0], ends


def _step(at: int, end: int, lengths: memoryview, marks: bytearray) -> int:
    """Go through a section without walkers, and mark where its records start.

    Args:
        at: where the section starts.
        end: where it ends.
        lengths: of the records, by place.
        marks: by place.

    Returns:
        Where the last record ends; where it starts, if too little is left for any.
    """
    last = end - HEADER_WORDS
    while at <= last:
        marks[at] = 1
        at += lengths[at]
    # Where less is left than any record has, the last one starts, and does not fit.
    if at < end:
        marks[at] = 1
    return at


def _sizes_of(infos: Words, plan: Plan) -> Words:
    """The words of a record, by its info word; for an unknown kind, more than there are."""
    top = (infos >> KIND_SHIFT).astype(np.uint8)
    sizes = plan.strides.take(top)
    sizes *= infos & LENGTH
    sizes += plan.fixed_words.take(top)
    return sizes


class _Lengths:
    """The words of the record at a place."""

    def __init__(self, words: Words, plan: Plan) -> None:
        self._infos = words[INFO_WORD.word :].data
        self._fixed: list[int] = plan.fixed_words.tolist()
        self._strides: list[int] = plan.strides.tolist()

    def __getitem__(self, at: int) -> int:
        info = self._infos[at]
        top = info >> KIND_SHIFT
        return self._fixed[top] + self._strides[top] * (info & VLEN_MASK)


class _Walks(NamedTuple):
    """Where walkers went; each has a part of the words to itself, and no part is in two sections.

    Attributes:
        firsts: where each part starts, ascending; then the end of the words.
        exits: of each, the first place behind its part that it came to.
        guesses: of each, the last place that was not a record, where it tried the next word; or -1.
    """

    firsts: list[int]
    exits: list[int]
    guesses: list[int]


def _follow(
    at: int, end: int, part: int, walks: _Walks, lengths: _Lengths, marks: bytearray
) -> int:
    """Follow the path through one part, and leave marks where its records start, and no others.

    Args:
        at: where the path enters the part, or goes over it.
        end: of the section.
        part: its number.
        walks: where the walkers went.
        lengths: of the records.
        marks: where walkers saw records.

    Returns:
        Where the path leaves the part.
    """
    first, border = walks.firsts[part], walks.firsts[part + 1]
    guess = walks.guesses[part]
    last = end - HEADER_WORDS
    own: list[int] = []
    while at < border and not (marks[at] and at > guess):
        own.append(at)
        # Where less is left than any record has, the last one starts, and does not fit.
        at += lengths[at] if at <= last else HEADER_WORDS
    if at > first:
        behind = min(at, border)
        marks[first:behind] = bytes(behind - first)
        for place in own:
            marks[place] = 1
    return walks.exits[part] if at < border else at


def _walks(words: Words, plan: Plan, marks: bytearray, bounds: list[int]) -> _Walks:
    """Let a walker go through each part, and mark where it saw records."""
    size = len(words)
    begins = {at for at in bounds[:-1] if at < size}
    firsts = np.array(sorted(begins.union(range(0, size, DISTANCE))), np.int64)
    exits, guesses = np.empty_like(firsts), np.full_like(firsts, -1)
    seen = np.frombuffer(marks, np.bool_)
    # What is not a record is one word long.
    known = plan.fixed_words < ENDLESS
    fixed = np.where(known, plan.fixed_words, 1).astype(np.int64)
    strides = np.where(known, plan.strides, 0).astype(np.int64)
    infos = words[INFO_WORD.word :]
    who, at, ends = np.arange(len(firsts)), firsts, np.append(firsts[1:], size)
    while len(who):
        steps = np.empty((STEPS + 1, len(who)), np.int64)
        steps[0] = at
        for step in range(STEPS):
            # Behind the end there is nothing; who arrived there goes on all the same.
            info = infos.take(steps[step], mode="clip").astype(np.int64)
            top = info >> KIND_SHIFT
            length = strides.take(top)
            info &= VLEN_MASK
            length *= info
            length += fixed.take(top)
            np.add(steps[step], length, out=steps[step + 1])
        places, inside = steps[:-1], steps[:-1] < ends
        guessed = steps[1:] - places == 1
        if guessed.any():
            last = np.where(guessed & inside, places, -1).max(axis=0)
            guesses[who] = np.maximum(guesses[who], last)
            seen[np.where(inside & ~guessed, places, size)] = True
        else:
            seen[np.where(inside, places, size)] = True
        arrived = steps[-1] >= ends
        rows = inside.sum(axis=0)[arrived]
        exits[who[arrived]] = steps[rows, arrived.nonzero()[0]]
        going = ~arrived
        who, ends, at = who[going], ends[going], steps[-1][going]
    return _Walks([*firsts.tolist(), size], exits.tolist(), guesses.tolist())
