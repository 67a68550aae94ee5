"""How the schema states what kernels require of each kind.

The kernel's BTF verifier (``kernel/bpf/btf.c``) checks the same few things for nearly every kind:
whether it may have a vlen, a kind_flag and a name, which sizes it may have, and what its references
may refer to. :data:`btfschema.schema.KINDS` declares the answers for each kind, and
:mod:`btfschema.verification` checks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from btfschema.mappings import read_only

__all__ = ["C_KEYWORDS", "Constraints", "Distilled", "FlagRule", "Graph", "NameRule", "Target"]

# What C has for itself, so that nothing of a program can be called so. Kernels don't ask.
KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while _Alignas _Alignof _Atomic _Bool _Complex _Generic _Imaginary _Noreturn
_Static_assert _Thread_local asm typeof
"""
C_KEYWORDS = frozenset(KEYWORDS.split())


class FlagRule(Enum):
    """What kind_flag may be, in words."""

    FREE = "0 or 1"
    UNSET = "0"
    ATTRIBUTE = "0, or 1 in kernels that know attributes"


class NameRule(Enum):
    """What a name may be, in words."""

    FREE = "any name or none"
    NONE = "no name"
    OPTIONAL = "an identifier or no name"
    IDENTIFIER = "an identifier"
    SECTION = "printable characters"
    TEXT = "any text that is not empty"


class Target(Enum):
    """What a type id may refer to, in words."""

    ANY = "void or any type except a VAR, DATASEC or DECL_TAG"
    SIZED = "a type that has a size"
    RETURN = "void or a type that has a size"
    INDEX = "an integer of 8 to 128 bits without an offset"
    PROTOTYPE = "a FUNC_PROTO"
    VARIABLE = "a VAR"
    TAGGED = "a STRUCT, UNION, TYPEDEF, VAR or FUNC"


class Graph(Enum):
    """What a kind means when references are followed through it, in words."""

    DATA = "ends a chain and has a size"
    OPAQUE = "ends a chain and has no size"
    MODIFIER = "takes its size and meaning from its target"
    POINTER = "has a size whatever it points to"
    COMPOSITE = "contains the types that it refers to"
    ROOT = "can't be part of a type that has a size"


class Distilled(Enum):
    """What ``distill`` does with a kind, in words."""

    WHOLE = "is copied into the base unchanged"
    NAME_AND_SIZE = "is copied into the base without its elements, if it has a name"
    REPEATED = "is copied into the split BTF"
    REFUSED = "defines code or data, which can't be copied"


@frozen
class Constraints:
    """What a kernel requires of a kind.

    Attributes:
        max_vlen: the highest vlen, or None if vlen counts the repeated structs.
        kind_flag: what kind_flag may be.
        name: what the name may be.
        element_name: what the name of a repeated struct may be.
        sizes: the allowed sizes in bytes, or None for any.
        min_size: the least size in bytes.
        target: what the third word may refer to, if it is a type id.
        fixed_targets: what words of the fixed struct may refer to, by the words' names.
        element_target: what the repeated struct's type id may refer to.
        values: the values that words of the fixed struct may have, by the words' names.
    """

    max_vlen: int | None = 0
    kind_flag: FlagRule = FlagRule.UNSET
    name: NameRule = NameRule.FREE
    element_name: NameRule = NameRule.FREE
    sizes: tuple[int, ...] | None = None
    min_size: int = 0
    target: Target | None = None
    fixed_targets: Mapping[str, Target] = field(factory=dict, converter=read_only)
    element_target: Target | None = None
    values: Mapping[str, tuple[int, ...]] = field(factory=dict, converter=read_only)
