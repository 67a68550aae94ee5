"""What C says of an enum: its values, and its size where these alone would not tell it."""

from __future__ import annotations

from btfschema.render.c.columns import KNOWN, TypeColumns
from btfschema.render.c.dialect import Dialect
from btfschema.schema.kinds import Kind

__all__ = ["machine_mode", "value_texts"]


def value_texts(types: TypeColumns, type_id: int, *, exact: bool) -> list[str]:
    """The values of an enum as C has them."""
    wide, signed = types.kinds[type_id] == Kind.ENUM64, types.flags[type_id]
    first = types.firsts[type_id]
    values = (types.values64 if wide else types.values)[1][first : first + types.vlens[type_id]]
    if wide:
        return [_signed(value, exact) if signed else f"{value}ULL" for value in values]
    return [str(value if signed else value & 0xFFFFFFFF) for value in values]


def _signed(value: int, exact: bool) -> str:
    """A 64-bit value; C has no word for the smallest one."""
    value -= value >> 63 << 64
    return f"({value + 1}LL - 1)" if exact and value == -1 << 63 else f"{value}LL"


def machine_mode(types: TypeColumns, type_id: int, dialect: Dialect) -> str:
    """The machine mode that gives an enum its size, when its values alone would not."""
    size = types.sizes[type_id]
    if not dialect.enum_modes:
        return ""
    if size == 1:
        return "byte"
    if size == 2 and dialect.exact:
        return "HI"
    if dialect.exact:
        return ("word" if types.pointer_size == 8 else "DI") * _is_short(types, type_id)
    if size == 8 and types.pointer_size == 8:
        first = types.firsts[type_id]
        last = first + types.vlens[type_id]
        wide = types.kinds[type_id] == Kind.ENUM64
        if not wide or not any(value >> 32 for value in types.values64[1][first:last]):
            return "word"
    return ""


def _is_short(types: TypeColumns, type_id: int) -> bool:
    """Whether an enum of 8 bytes has values for which C takes 4."""
    if types.sizes[type_id] != 8:
        return False
    if types.kinds[type_id] not in KNOWN.wide_enums:
        return True
    first = types.firsts[type_id]
    values = types.values64[1][first : first + types.vlens[type_id]]
    if types.flags[type_id]:
        values = [value - (value >> 63 << 64) for value in values]
    low, high = min(values), max(values)
    return low >= -(1 << 31) and high < (1 << 31 if low < 0 else 1 << 32)
