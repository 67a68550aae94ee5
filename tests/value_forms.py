"""What the tests of values share: a reader by definition, and each form's view of a value."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from btfschema import Btf, views
from btfschema.values import column, construct_of, ctypes_of, dtype_of
from btfschema.values.ctype import attribute_of

__all__ = ["by_construct", "by_ctypes", "by_definition", "by_numpy", "leaves", "plain"]

MODIFIERS = (views.Typedef, views.Const, views.Volatile, views.Restrict, views.TypeTag, views.Var)


def by_definition(btf: Btf, type_id: int, data: bytes, at: int = 0, width: int = 0) -> Any:
    """A value as the format defines it, bit by bit; slow and plain.

    Args:
        btf: the container.
        type_id: the type.
        data: the bytes.
        at: the first bit, counted as member offsets are.
        width: of a bit field.
    """
    view = btf[type_id]
    while isinstance(view, MODIFIERS):
        view = view.type
    if isinstance(view, views.Array):
        if is_char(btf, view.type_id):
            return data[at // 8 : at // 8 + view.nelems]
        size = 8 * btf.sizeof(view.type_id)
        return [by_definition(btf, view.type_id, data, at + i * size) for i in range(view.nelems)]
    if isinstance(view, views.Struct | views.Union):
        found: dict[str, Any] = {}
        for member in view.members:
            one = by_definition(
                btf, member.type_id, data, at + member.bit_offset, member.bitfield_size
            )
            inner = {member.name: one} if member.name else one if isinstance(one, dict) else {}
            found |= {name: value for name, value in inner.items() if name not in found}
        return found
    size = width or 8 * (btf.pointer_size if isinstance(view, views.Ptr) else view.size)  # type: ignore[union-attr]  # pyright: ignore
    bits = _bits(data, btf.byteorder)[at : at + size]
    if btf.byteorder == "little":
        bits = bits[::-1]
    number = int(bits, 2) if bits else 0
    if isinstance(view, views.Float):
        code = {2: "e", 4: "f", 8: "d"}[view.size]
        return struct.unpack(f">{code}", number.to_bytes(view.size, "big"))[0]
    if getattr(view, "signed", False):
        number -= number >> (size - 1) << size
    if isinstance(view, views.Int) and view.encoding & views.IntEncoding.BOOL and number in (0, 1):
        return bool(number)
    return number


def is_char(btf: Btf, type_id: int) -> bool:
    """Whether a type is C's char."""
    view = btf[type_id]
    while isinstance(view, MODIFIERS):
        view = view.type
    if not isinstance(view, views.Int) or view.size != 1:
        return False
    is_encoded = bool(view.encoding & views.IntEncoding.CHAR)
    return view.name == "char" or (is_encoded and "signed" not in view.name)


def _bits(data: bytes, order: str) -> str:
    """All bits, in the order in which bit offsets count them."""
    texts = [f"{byte:08b}" for byte in data]
    return "".join(text[::-1] for text in texts) if order == "little" else "".join(texts)


def plain(value: Any) -> Any:
    """Construct's containers as dicts and lists."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path and value of each number in what ``to_python`` gives."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, f"{path}[{number}]")
    else:
        yield path, value


def by_numpy(btf: Btf, type_id: int, data: bytes, path: str) -> Any:
    """A number by the numpy form."""
    array = np.frombuffer(data, dtype_of(btf, type_id), 1)
    (found,) = column(btf, type_id, array, path).tolist()
    return found


def by_ctypes(btf: Btf, type_id: int, data: bytes, path: str) -> Any:
    """A number by the ctypes form; one that ctypes does not know comes as its bytes."""
    value: Any = ctypes_of(btf, type_id).from_buffer_copy(data)
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            value = value[int(step[1:-1])]
        elif step:
            value = getattr(value, attribute_of(step))
    return bytes(value) if isinstance(value, ctypes.Array) else getattr(value, "value", value)


def by_construct(btf: Btf, type_id: int, data: bytes) -> Any:
    """The whole value by the Construct form."""
    return plain(construct_of(btf, type_id).parse(data))
