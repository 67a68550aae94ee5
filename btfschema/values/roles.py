"""What a kind means for the bytes of its types, told by its row in the schema.

A kind that is added from outside takes the place that its row describes: a modifier is looked
through, what has members is a record, and so on.
"""

from __future__ import annotations

from enum import Enum

from btfschema.schema.parts import Parts

__all__ = ["Place", "place_of"]


class Place(Enum):
    """How bytes are read through a kind."""

    NONE = "has no value"
    THROUGH = "is what its target is"
    POINTER = "an address"
    INTEGER = "an integer"
    ENUM = "a number with names"
    FLOAT = "a floating-point number"
    RAW = "bytes of a known number"
    ARRAY = "values of one type in a row"
    RECORD = "members at their offsets"
    SECTION = "variables at their offsets"


def place_of(parts: Parts, number: int) -> Place:
    """What the bytes of a kind's types are."""
    by_place = (
        (Place.THROUGH, parts.modifiers | parts.variables),
        (Place.POINTER, parts.pointers),
        (Place.ARRAY, parts.arrays),
        (Place.RECORD, parts.records),
        (Place.INTEGER, parts.integers & parts.data),
        (Place.FLOAT, parts.floats),
        (Place.RAW, parts.scalars),
        (Place.ENUM, parts.data),
        (Place.SECTION, parts.sections),
    )
    return next((place for place, kinds in by_place if number in kinds), Place.NONE)
