"""Parts of arrays: the few idioms by which many containers are worked on at once.

*Bounds* say where each of n parts starts, and where the last one ends: n + 1 ascending numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema._doors import shown

__all__ = [
    "Index",
    "Mask",
    "Words",
    "bounds_of",
    "distinct",
    "heads",
    "joined_arrays",
    "parts_of",
    "ranges",
    "read_only",
    "sizes_of",
    "spread",
    "woven",
]

__dir__ = shown(__all__)

Index = npt.NDArray[np.int64]
"""An array of rows, ids or places."""
Mask = npt.NDArray[np.bool_]
"""An array that says of each row whether it is meant."""
Words = npt.NDArray[np.uint32]
"""An array of the words of records."""


def bounds_of(counts: Sequence[int] | npt.NDArray[Any]) -> Index:
    """The bounds of parts of these sizes."""
    if len(counts) == 1:
        return np.array((0, counts[0]), np.int64)
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.asarray(counts).cumsum(out=bounds[1:])
    return bounds


def sizes_of(bounds: Index) -> Index:
    """How large each part is."""
    return bounds[1:] - bounds[:-1]


def spread(bounds: Index) -> Index:
    """For each element, the number of the part that it belongs to."""
    if len(bounds) == 2:
        return np.zeros(int(bounds[1] - bounds[0]), np.int64)
    return np.arange(len(bounds) - 1).repeat(sizes_of(bounds))


def ranges(firsts: Index, counts: Index) -> Index:
    """``counts[i]`` numbers from ``firsts[i]`` on, for each i."""
    ends = counts.cumsum()
    found: Index = (firsts - ends + counts).repeat(counts)
    found += np.arange(len(found))
    return found


def distinct(values: Index) -> Index:
    """Each value once, ascending, as from ``np.unique``, which would import numpy.ma for it."""
    ordered = np.sort(values)
    found: Index = ordered[heads(ordered)]
    return found


def heads(ordered: npt.NDArray[Any]) -> Mask:
    """Whether each value differs from the one before it; the first does."""
    found = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``array``, which can't be written to from now on: what is shared stays as it is."""
    array.setflags(write=False)
    return array


def parts_of(bounds: Index) -> list[slice]:
    """A slice for each part."""
    return [slice(first, end) for first, end in pairwise(bounds.tolist())]


def joined_arrays(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The parts as one array; of one part that part itself."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def woven(*arrays: tuple[npt.NDArray[Any], Index]) -> npt.NDArray[Any]:
    """The first part of each array, then the second of each, and so on.

    Args:
        arrays: each with its bounds; all have as many parts.
    """
    if len(arrays[0][1]) == 2:
        return np.concatenate([array for array, _ in arrays])
    pieces = [[array[part] for part in parts_of(bounds)] for array, bounds in arrays]
    return np.concatenate([piece for group in zip(*pieces, strict=True) for piece in group])
