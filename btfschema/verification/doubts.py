"""What is wrong, and what a kernel may not see: the order of its visits decides."""

from __future__ import annotations

import numpy as np
from attrs import field, frozen

from btfschema.arrays import Mask
from btfschema.tables.types import Elements
from btfschema.verification.findings import Ints, Place

__all__ = ["Doubts"]


@frozen
class Doubts:
    """Places that are wrong, and that a kernel may not see.

    Attributes:
        sizes: for an owner's id and the number of an element: what it must not be larger than, the
            rule and the place.
        overflows: whether an array's size does not fit 32 bits.
    """

    sizes: dict[tuple[int, int], tuple[int, str, Place]] = field(factory=dict)
    overflows: list[int] = field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.sizes or self.overflows)

    def add(
        self, rule: str, elements: Elements, which: Mask, room: Ints, word: int, first_id: int
    ) -> None:
        """Note elements whose types are larger than the room that they have."""
        numbers = np.flatnonzero(which)
        ends = np.cumsum(elements.counts)
        owners = np.searchsorted(ends, numbers, side="right")
        rows, places = elements.rows[owners], numbers - (ends - elements.counts)[owners]
        for number, row, place in zip(
            numbers.tolist(), rows.tolist(), places.tolist(), strict=True
        ):
            self.sizes[row + first_id, place] = (int(room[number]), rule, (row, place, word))
