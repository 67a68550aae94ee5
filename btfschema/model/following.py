"""Where references lead, of all types at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index

__all__ = ["follow"]


def follow(targets: Index, mask: npt.NDArray[np.bool_]) -> Index:
    """Where each type leads by the references of the masked ones.

    The ends of references that run in a circle are on the circle, and so masked themselves.
    """
    ends: Index = np.where(mask, targets, np.arange(len(targets)))
    # Each round doubles the length of the references that are followed.
    for _ in range(len(targets).bit_length()):
        further: Index = ends[ends]
        if np.array_equal(further, ends):
            break
        ends = further
    return ends
