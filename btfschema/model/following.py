"""Where references lead, of all types at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Index
from btfschema.schema.parts import parts_of_plan
from btfschema.tables.types import TypeTable

__all__ = ["follow", "through_modifiers"]


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


def through_modifiers(types: TypeTable) -> Index:
    """The type that each one is, typedefs and qualifiers apart: an id for each id, void's included.

    References to ids that aren't there lead to void.

    Args:
        types: a table of all types, in which the type with id i is row i - 1.
    """
    modifiers = list(parts_of_plan(types.plan).modifiers)
    targets = np.append(0, types.thirds.astype(np.int64))
    return follow(
        np.where(targets < len(targets), targets, 0),
        np.append(False, np.isin(types.kinds, modifiers)),
    )
