"""The words in which the schema says what kernels want of a kind.

Linux' verifier (``kernel/bpf/btf.c``) asks the same few questions of nearly every kind: may there
be a vlen, a kind_flag, a name; which sizes are there; what may a reference lead to. The answers
stand beside the kinds, in :data:`btfschema.schema.KINDS`, and :mod:`btfschema.verification` checks
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import field, frozen

from btfschema.mappings import ReadOnly

__all__ = ["Constraints", "Distilled", "FlagRule", "Graph", "NameRule", "Target"]


class FlagRule(Enum):
    """What kind_flag may be; the value says it in words."""

    FREE = "0 or 1"
    UNSET = "0"
    ATTRIBUTE = "0, or 1 in kernels that know attributes"


class NameRule(Enum):
    """What a name may be; the value says it in words."""

    FREE = "any name or none"
    NONE = "no name"
    OPTIONAL = "an identifier or no name"
    IDENTIFIER = "an identifier"
    SECTION = "printable characters"
    TEXT = "any text, but not none"


class Target(Enum):
    """What a type id may lead to; the value says it in words."""

    ANY = "void or any type but a variable, a section or a tag on a declaration"
    SIZED = "a type that has a size"
    RETURN = "void or a type that has a size"
    INDEX = "an integer of 8 to 128 bits without an offset"
    PROTOTYPE = "a FUNC_PROTO"
    VARIABLE = "a VAR"
    TAGGED = "a STRUCT, UNION, TYPEDEF, VAR or FUNC"


class Graph(Enum):
    """What a kind is to whoever follows references through it; the value says it in words."""

    DATA = "ends a chain and has a size"
    OPAQUE = "ends a chain and has no size"
    MODIFIER = "is what its target is"
    POINTER = "has a size whatever it points to"
    COMPOSITE = "is made of what it refers to"
    ROOT = "nothing that has a size may be made of it"


class Distilled(Enum):
    """What becomes of a kind in a distilled base; the value says it in words."""

    WHOLE = "stands in the base as it is"
    NAME_AND_SIZE = "stands in the base without elements, if it has a name"
    REPEATED = "is repeated in the split"
    REFUSED = "defines code or data, which can't be repeated"


def _read_only(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    return ReadOnly(mapping)


@frozen
class Constraints:
    """What a kernel wants of a kind.

    Attributes:
        max_vlen: the highest vlen, or None when vlen counts the repeated structs.
        kind_flag: what kind_flag may be.
        name: what the name may be.
        element_name: what the name of a repeated struct may be.
        sizes: the sizes in bytes that there are, or None for any.
        min_size: the least size in bytes.
        target: what the third word may lead to, when it is a type id.
        fixed_targets: what words of the fixed struct may lead to, by the words' names.
        element_target: what the repeated struct's type id may lead to.
        values: the values that words of the fixed struct may have, by the words' names.
    """

    max_vlen: int | None = 0
    kind_flag: FlagRule = FlagRule.UNSET
    name: NameRule = NameRule.FREE
    element_name: NameRule = NameRule.FREE
    sizes: tuple[int, ...] | None = None
    min_size: int = 0
    target: Target | None = None
    fixed_targets: Mapping[str, Target] = field(factory=dict, converter=_read_only)
    element_target: Target | None = None
    values: Mapping[str, tuple[int, ...]] = field(factory=dict, converter=_read_only)
