"""Which types only declare a name, and which define it; which are never the same as another.

The one place in which ``dedup`` asks what a kind is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.schema import KIND_MASK, Graph, Kinds, NameRule, Target, kind_mask, parts_of_plan
from btfschema.tables import TypeTable

__all__ = ["ENUM_SPACE", "SPACES", "Declared", "is_data", "of_its_own", "says_itself"]

# The spaces of names: one for each kind that a forward declaration may stand for, by its kind_flag,
# and one for enums, which need no kind to be declared: an enum without values is a declaration.
ENUM_SPACE = 2
SPACES = ENUM_SPACE + 1


def _mask(numbers: list[int]) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(KIND_MASK + 1), numbers)


def of_its_own(types: TypeTable) -> npt.NDArray[np.bool_]:
    """Whether each type is a thing and not a kind of thing: a variable, a section of variables.

    Two variables of one name and type are two variables all the same.
    """
    return _own_kinds(types.plan.schema).take(types.kinds)


def _own_kinds(kinds: Kinds) -> npt.NDArray[np.bool_]:
    found = []
    for number, spec in kinds.items():
        tagging = spec.constraints is not None and spec.constraints.target is Target.TAGGED
        if spec.constraints is not None and spec.graph is Graph.ROOT and not tagging:
            found.append(number)
    return _mask(found)


def says_itself(types: TypeTable) -> npt.NDArray[np.bool_]:
    """Whether each type says more than what it refers to: it has a name, or a size of its own."""
    found = []
    for number, spec in types.plan.schema.items():
        if spec.constraints is None or spec.graph in (Graph.DATA, Graph.COMPOSITE):
            found.append(number)
    named = types.name_offs > 0
    return named | _mask(found).take(types.kinds)


def is_data(types: TypeTable) -> npt.NDArray[np.bool_]:
    """Whether each type is a kind of data: no function, no variable, no section, no tag on one."""
    found = []
    for number, spec in types.plan.schema.items():
        wants = spec.constraints
        if wants is None:
            continue
        named = spec.graph is Graph.MODIFIER and wants.name is NameRule.IDENTIFIER
        if named or spec.graph in (Graph.DATA, Graph.COMPOSITE):
            found.append(number)
    return _mask(found).take(types.kinds)


@frozen(eq=False)
class Declared:
    """For each type of a table, the name that it declares or defines.

    Attributes:
        spaces: 0 for a struct's name, 1 for a union's, 2 for an enum's; -1 for all other types.
        forward: whether the type only declares it.
    """

    spaces: npt.NDArray[np.int64]
    forward: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, types: TypeTable) -> Declared:
        """Look at all types of a table."""
        kinds, vlens = types.kinds, types.vlens
        spaces = np.full(len(types), -1)
        parts = parts_of_plan(types.plan)
        forward = kind_mask(parts.declarations).take(kinds)
        for declaring in parts.declarations:
            for space in range(ENUM_SPACE):
                flagged = (kinds == declaring) & (types.kind_flags == bool(space))
                spaces[flagged | (kinds == parts.declared_by(declaring, bool(space)))] = space
        enums = kind_mask(parts.enums).take(kinds)
        spaces[enums] = ENUM_SPACE
        return cls(spaces, forward | (enums & (vlens == 0)))
