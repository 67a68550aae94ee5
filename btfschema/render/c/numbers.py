"""Integers and floats whose names are not what C calls a number of that size."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from btfschema.render.c.columns import KNOWN, TypeColumns
from btfschema.render.c.draft import Draft
from btfschema.render.c.words import KEYWORDS
from btfschema.schema.kinds import Kind

__all__ = ["integer_of", "is_spelled", "spell_numbers", "used_numbers"]

SIGNED, BOOL = 1, 4
# Unsigned and signed integers by their bytes.
INTEGERS = {
    1: ("unsigned char", "signed char"),
    2: ("unsigned short", "short"),
    4: ("unsigned int", "int"),
    8: ("unsigned long long", "long long"),
    16: ("unsigned __int128", "__int128"),
}
FLOATS = {4: "float", 8: "double"}
FLOAT_SIZES = {"float": (4,), "double": (8,), "long double": (8, 12, 16)}
# Spellings without signs and without the ``int`` that may follow, and bytes; 0 for a pointer's.
PLAIN = {"": 4, "char": 1, "short": 2, "long": 0, "long long": 8, "__int128": 16, "_Bool": 1}
WITH_INT = ("", "short", "long", "long long")


def _size_of(name: str, pointer_size: int) -> int | None:
    """Bytes of the integer that C calls so; None when it calls none so."""
    words = name.split(" ")
    signs = [word for word in words if word in ("signed", "unsigned")]
    ints = words.count("int")
    plain = " ".join(word for word in words if word not in ("signed", "unsigned", "int"))
    if len(signs) > 1 or ints > 1 or plain not in PLAIN or (ints and plain not in WITH_INT):
        return None
    if plain == "_Bool" and signs:
        return None
    return PLAIN[plain] or pointer_size


def is_spelled(types: TypeColumns, type_id: int) -> bool:
    """Whether C calls a number what its name is."""
    name, size = types.names[type_id], types.sizes[type_id]
    if types.kinds[type_id] in KNOWN.integers:
        return bool(name) and _size_of(name, types.pointer_size) == size
    return size in FLOAT_SIZES.get(name, ())


def used_numbers(types: TypeColumns) -> Iterator[int]:
    """The numbers that declarations are made of; not those that only index arrays."""
    numbers = {type_id for type_id, kind in enumerate(types.kinds) if kind in KNOWN.scalars}
    used = (types.targets, types.members.types, types.params[1])
    return iter(sorted({*chain.from_iterable(map(numbers.intersection, used))}))


def integer_of(size: int, encoding: int = 0) -> str:
    """What C calls an integer of this size; "" when it has none."""
    if size == 1 and encoding & BOOL:
        return "_Bool"
    return INTEGERS[size][encoding & SIGNED] if size in INTEGERS else ""


def spell_numbers(draft: Draft) -> None:
    """Give C's names to numbers whose names are words of C, such as an ``int`` of one byte.

    Those with names of their own, such as Rust's ``u8``, become typedefs. A number of a size that
    C has no number of becomes a struct of that size.
    """
    types = draft.types
    for type_id in used_numbers(draft.source):
        size, kind, name = types.sizes[type_id], types.kinds[type_id], types.names[type_id]
        if is_spelled(types, type_id) or not size:
            continue
        is_integer = kind in KNOWN.integers
        spelling = (
            integer_of(size, draft.source.int_encoding(type_id))
            if is_integer
            else FLOATS.get(size, "")
        )
        if spelling and not KEYWORDS.isdisjoint(name.split(" ")):
            types.names[type_id] = spelling
            continue
        target = (
            draft.add(kind, spelling, size) if spelling else draft.add_struct(Kind.STRUCT, size, [])
        )
        types.kinds[type_id], types.targets[type_id] = Kind.TYPEDEF, target
