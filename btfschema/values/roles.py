"""What a kind means for the bytes of its types, told by its row in the schema.

A kind that is added from outside takes the place that its row describes: a modifier is looked
through, what has members is a record, and so on.
"""

from __future__ import annotations

from enum import Enum

from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import KindPlan
from btfschema.schema.roles import Role

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


def place_of(plan: KindPlan) -> Place:
    """What the bytes of a kind's types are."""
    graph = plan.spec.graph if plan.spec is not None else None
    fixed = {field.name for field in plan.fixed}
    element = {field.name for field in plan.element}
    refers = plan.third.role is Role.TYPE_ID
    if graph is Graph.MODIFIER and refers:
        return Place.THROUGH
    if graph is Graph.POINTER:
        return Place.POINTER
    if graph is Graph.COMPOSITE:
        return Place.ARRAY if "nelems" in fixed else Place.RECORD
    if graph is Graph.DATA:
        if "int_data" in fixed:
            return Place.INTEGER
        if element:
            return Place.ENUM
        return Place.FLOAT if plan.number == Kind.FLOAT else Place.RAW
    if graph is Graph.ROOT and {"type_id", "offset", "size"} <= element:
        return Place.SECTION
    # A variable is read as its type; a tag on a declaration also refers, and has no value.
    return Place.THROUGH if refers and "linkage" in fixed else Place.NONE
