"""64-bit hashes of many things at once.

Whoever uses them checks afterwards that what has one hash really is equal, so that a seed decides
how long something takes and never what comes out.
"""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index

__all__ = [
    "Hashes",
    "classed",
    "grouped",
    "mix",
    "mixed",
    "new_seed",
    "order_of",
    "salted",
    "sums",
]

Hashes = npt.NDArray[np.uint64]

# A large odd number: no two words of 41 bits differ by a small multiple of it.
STEP = np.uint64(0x9E3779B97F4A7C15)

BLOCK = 1 << 14
STEPS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
LAST = np.uint64(31)


def new_seed() -> int:
    """A seed that nobody who makes a file can know. numpy.random takes 20 ms to import."""
    return int.from_bytes(os.urandom(8), "little")


def mixed(values: Hashes) -> Hashes:
    """Spread 64-bit words over all bits (the finaliser of splitmix64)."""
    return mix(values.copy())


def mix(values: Hashes) -> Hashes:
    """What :func:`mixed` does, in place: new memory takes longer to get than to fill."""
    # In blocks that stay in the processor's cache, this takes a third of the time.
    scratch = np.empty(min(BLOCK, len(values)), np.uint64)
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        spare = scratch[: len(block)]
        for shift, factor in STEPS:
            np.right_shift(block, shift, out=spare)
            np.bitwise_xor(block, spare, out=block)
            np.multiply(block, factor, out=block)
        np.right_shift(block, LAST, out=spare)
        np.bitwise_xor(block, spare, out=block)
    return values


def salted(places: Hashes, seed: int) -> Hashes:
    """What to add to words, by their places, before they are mixed and summed up."""
    salts = places * STEP
    salts += np.uint64(seed)
    return salts


def sums(values: Hashes, firsts: Index) -> Hashes:
    """Sum each stretch of ``values`` that starts at one of ``firsts``."""
    if not len(firsts):
        return np.zeros(0, np.uint64)
    found: Hashes = np.add.reduceat(values, firsts)
    return found


def order_of(numbers: Index) -> Index:
    """The order of small numbers (below 2 ** 31), equal ones as they stand.

    Sorting pairs of number and place takes a fraction of what ``argsort`` does.
    """
    pairs = numbers.astype(np.uint64)
    pairs <<= np.uint64(32)
    pairs |= np.arange(len(numbers), dtype=np.uint64)
    pairs.sort()
    pairs &= np.uint64(0xFFFFFFFF)
    return pairs.view(np.int64)


def grouped(hashes: Hashes) -> Index:
    """An order in which equal hashes are neighbours."""
    mask = np.uint64((1 << len(hashes).bit_length()) - 1)
    pairs = hashes & ~mask
    pairs |= np.arange(len(hashes), dtype=np.uint64)
    pairs.sort()
    order = (pairs & mask).view(np.int64)
    pairs &= ~mask
    ordered = hashes.take(order)
    # Different ones that begin alike are rare; equal ones need not be neighbours then.
    if ((pairs[1:] == pairs[:-1]) & (ordered[1:] != ordered[:-1])).any():
        return np.argsort(hashes)
    return order


def classed(hashes: Hashes) -> Index:
    """A number for each hash, equal for equal ones: 0, 1, ... in no order."""
    order = grouped(hashes)
    ordered = hashes.take(order)
    heads = np.zeros(len(hashes), np.int64)
    np.not_equal(ordered[1:], ordered[:-1], out=heads[1:], casting="unsafe")
    found = np.empty(len(hashes), np.int64)
    found[order] = heads.cumsum()
    return found
