"""What a person chose and a header has not, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Set

from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, KNOWN, TypeColumns
from btfschema.schema.kinds import Kind

__all__ = ["OBJECTS", "left_out", "objects_of"]

# What C declares by ``extern``: functions and variables.
OBJECTS = KNOWN.functions | KNOWN.variables


def objects_of(types: TypeColumns, ids: Iterable[int]) -> list[int]:
    """The functions and variables among some types."""
    return [type_id for type_id in ids if types.kinds[type_id] in OBJECTS]


def left_out(
    types: TypeColumns, ids: Iterable[int], in_place: Set[int], *, objects: bool
) -> list[str]:
    """The chosen types that a header does not declare: each in words, with why not.

    Args:
        types: the types.
        ids: the ones that were chosen.
        in_place: those without a name that the header defines inside of others.
        objects: whether the header declares functions and variables.
    """
    found = []
    for type_id in dict.fromkeys(ids):
        why = _why_not(types, type_id, in_place, objects)
        if type_id in types.lost:
            found.append(types.message(type_id, types.lost[type_id]))
        elif why:
            found.append(types.message(type_id, f"{types.describe(type_id)}: {why}"))
    return found


def _why_not(types: TypeColumns, type_id: int, in_place: Set[int], objects: bool) -> str:
    kind, named = types.kinds[type_id], bool(types.names[type_id])
    if kind in OBJECTS:
        return "" if objects else "bpftool declares no functions and variables on request"
    if kind in COMPOSITE or (kind in ENUMS and not objects and types.referenced[type_id]):
        held = named or type_id in in_place
        return "" if held else "it has no name, and nothing in the header is made of it"
    if kind in ENUMS or kind == Kind.FWD or (kind == Kind.TYPEDEF and named):
        return ""
    if not type_id or kind in KNOWN.scalars:
        return "C has it of itself"
    if kind in CHAINED or kind in KNOWN.prototypes:
        return "it has no name, so only what it refers to is declared"
    return "C has no form for it"
