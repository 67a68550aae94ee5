"""Whether two containers say the same about their structs, unions and enums.

What C can't tell apart, or its compilers write in other ways, is made alike: names of integers
(``long`` and ``long int``), qualifiers of arrays and functions, the sign of enumerators, and the
numbers that colliding names get.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from btfschema import Btf, Kind, views

__all__ = ["definitions", "plain_name"]

QUALIFIERS = (Kind.CONST, Kind.VOLATILE, Kind.RESTRICT)
TAGGED = (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64)


def plain_name(name: str) -> str:
    """The name without the number that a C dump gives to the second holder of one."""
    return re.sub(r"___\d+$", "", name)


def definitions(btf: Btf, types: Iterable[views.TypeView] | None = None) -> Counter[Any]:
    """All structs, unions and enums that have a name, each by name and structure."""
    found: Counter[Any] = Counter()
    for view in btf if types is None else types:
        is_definition = view.kind in TAGGED and (view.kind == Kind.STRUCT or not is_forward(view))
        name = getattr(view, "name", "")
        if is_definition and name:
            found[word_of(view), plain_name(name), structure(btf, view)] += 1
    return found


def is_forward(view: views.TypeView) -> bool:
    return isinstance(view, views.Enum) and not view.values


def word_of(view: views.TypeView) -> str:
    if isinstance(view, (views.Enum, views.Enum64)):
        return "enum"
    is_union = isinstance(view, views.Union) or (isinstance(view, views.Fwd) and view.is_union)
    return "union" if is_union else "struct"


def structure(btf: Btf, view: Any) -> Any:
    """What a definition says."""
    if isinstance(view, (views.Struct, views.Union)):
        members = [
            (m.name, m.bit_offset, m.bitfield_size, reference(btf, m.type_id)) for m in view.members
        ]
        return view.size, tuple(members)
    bits = 64 if isinstance(view, views.Enum64) else 32
    values = [(plain_name(v.name), v.value & (1 << bits) - 1) for v in view.values]
    return view.size, tuple(values)


def reference(btf: Btf, type_id: int) -> Any:
    """What a declaration says about the type that it names."""
    view: Any = btf[type_id]
    if view.kind == Kind.VOID:
        return "void"
    if view.kind in QUALIFIERS:
        qualifiers = set()
        while view.kind in QUALIFIERS:
            qualifiers.add(Kind(view.kind).name)
            view = btf[view.type_id]
        target = reference(btf, view.id)
        if view.kind in (Kind.ARRAY, Kind.FUNC_PROTO):
            return target
        return (*sorted(qualifiers), target)
    if isinstance(view, views.Int):
        # Compilers differ in what sign a char has, and whether they call it a character.
        return ("int", view.size, view.encoding & ~views.IntEncoding.CHAR if view.size > 1 else 0)
    if isinstance(view, views.Float):
        return ("float", view.size)
    if view.kind == Kind.TYPEDEF:
        return ("typedef", plain_name(view.name))
    if view.kind == Kind.ARRAY:
        return ("array", view.nelems, reference(btf, view.type_id))
    if view.kind == Kind.FUNC_PROTO:
        params = tuple(reference(btf, param.type_id) for param in view.params)
        # No parameters at all may also be written as one of type void.
        return ("function", reference(btf, view.type_id), () if params == ("void",) else params)
    if view.kind in (Kind.PTR, Kind.TYPE_TAG):
        return (Kind(view.kind).name, view.name, reference(btf, view.type_id))
    if view.name:
        return (word_of(view), plain_name(view.name))
    return (word_of(view), structure(btf, view))
