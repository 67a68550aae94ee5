"""Static assertions on sizes and offsets: what BTF says, for a compiler to check."""

from __future__ import annotations

from btfschema.render.c.columns import COMPOSITE, QUALIFIERS, TypeColumns
from btfschema.render.c.words import plain_name
from btfschema.schema.kinds import Kind

__all__ = ["assertions"]


def assertions(types: TypeColumns, type_id: int, name: str) -> list[str]:
    """The assertions on a struct or union, and on those that are defined inside of it.

    Bit fields have no offset that C could tell.

    Args:
        types: the types.
        type_id: a struct or union.
        name: how C calls it.
    """
    lines = [_assert(f"sizeof({name})", types.sizes[type_id], name)]
    members = types.exact_members
    # A struct, how C calls the one that holds it, the way to it from there, and its bit offset.
    todo = [(type_id, name, "", 0)]
    while todo:
        struct, outer, way, start = todo.pop()
        first = types.firsts[struct]
        inner = []
        for at in range(first, first + types.vlens[struct]):
            member, offset = plain_name(members.names[at]), start + members.offsets[at]
            path = way + member
            if member and not members.widths[at] and not offset % 8:
                expression = f"__builtin_offsetof({outer}, {path})"
                lines.append(_assert(expression, offset // 8, f"{outer}.{path}"))
            held = members.types[at]
            while types.kinds[held] in QUALIFIERS or types.kinds[held] == Kind.ARRAY:
                path += "[0]" * (types.kinds[held] == Kind.ARRAY)
                held = types.targets[held]
            if types.kinds[held] in COMPOSITE and not types.names[held]:
                inner.append((held, outer, path + "." if member else way, offset))
        todo += reversed(inner)
    return lines


def _assert(expression: str, value: int, what: str) -> str:
    return f'_Static_assert({expression} == {value}, "{what}");\n'
