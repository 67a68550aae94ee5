"""Types as :mod:`ctypes` classes, in the container's byte order.

ctypes places members and bit fields by its own rules, which are not those of every file. So the
classes are packed, with padding where the file has it, and what ctypes can't place is a property
over the bytes: bit fields, 128-bit integers, ``long double``, members that overlap in a struct.
"""

from __future__ import annotations

import ctypes
from typing import Any

from btfschema.codec.header import ByteOrder
from btfschema.errors import EncodeError
from btfschema.model.container import Btf
from btfschema.values.floats import decode_float
from btfschema.values.layout import Bits, Field, Form, Layout, Record, Scalar, Series, fold
from btfschema.values.layouts import AnyType, Layouts, layouts_of
from btfschema.values.plain import bits_value
from btfschema.values.writing import encode_scalar, number_of

__all__ = ["attribute_of", "ctypes_of"]

INTEGERS: dict[tuple[int, bool], Any] = {
    (1, False): ctypes.c_uint8,
    (1, True): ctypes.c_int8,
    (2, False): ctypes.c_uint16,
    (2, True): ctypes.c_int16,
    (4, False): ctypes.c_uint32,
    (4, True): ctypes.c_int32,
    (8, False): ctypes.c_uint64,
    (8, True): ctypes.c_int64,
}
FLOATS: dict[int, Any] = {4: ctypes.c_float, 8: ctypes.c_double}

# What ctypes itself looks for in a class.
TAKEN = {"_fields_", "_anonymous_", "_pack_", "_layout_", "_align_", "_swappedbytes_", "_objects"}
TAKEN |= {"_b_base_", "_b_needsfree_"}

MOST_BYTES = (1 << 31) - 1


def ctypes_of(btf: Btf, type_: AnyType) -> Any:
    """The ctypes class of a type: a structure, a union, an array or a simple type.

    Enums and pointers are integers. What ctypes has no type for is an array of bytes when it stands
    alone or in an array. A member whose name ctypes or Python uses, such as ``_fields_`` or
    ``__class__``, gets a 0 behind it.

    Raises:
        EncodeError: the type has 2 GiB or more.
        UnresolvedError, DecodeError, TypeIdError, UnknownNameError: as for
            :func:`~btfschema.values.read`.
    """
    layouts = layouts_of(btf)
    layout = layouts.of(layouts.id_of(type_))
    if layout.size > MOST_BYTES:
        raise EncodeError(
            f"{btf.describe(layout.id)} has {layout.size} bytes, ctypes takes at most {MOST_BYTES}",
            type_id=layout.id,
            got=layout.size,
            expected=f"at most {MOST_BYTES}",
        )
    return fold(layout, _Classes(layouts), layouts.forms(ctypes_of))


class _Classes:
    """Makes the class of a layout from those of its parts."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._order: ByteOrder = layouts.order

    def __call__(self, layout: Layout, done: dict[Layout, Any]) -> Any:
        if isinstance(layout, Record):
            return self._record(layout, done)
        if isinstance(layout, Series):
            element = ctypes.c_char if layout.text else done[layout.element]
            return element * layout.count
        if isinstance(layout, Scalar):
            return self._scalar(layout)
        message = f"no ctypes class for {type(layout).__name__}"
        raise TypeError(message)

    def _scalar(self, scalar: Scalar) -> Any:
        simple = FLOATS.get(scalar.size) if scalar.form is Form.FLOAT else None
        if scalar.form not in (Form.FLOAT, Form.RAW):
            simple = INTEGERS.get((scalar.size, scalar.signed))
        if simple is None:
            return ctypes.c_ubyte * scalar.size
        return simple.__ctype_le__ if self._order == "little" else simple.__ctype_be__

    def _record(self, record: Record, done: dict[Layout, Any]) -> Any:
        fields: list[tuple[str, Any]] = []
        body: dict[str, Any] = {"_pack_": 1, "_layout_": "ms"}
        at, pads = 0, 0
        ordered = sorted(record.fields.values(), key=lambda field: field.offset)
        for field in ordered:
            name = attribute_of(field.name)
            cls = None if field.bits is not None else done[field.layout]
            if cls is None or not _is_placeable(field.layout):
                body[name] = _property(field, self._order)
            elif record.overlapping and not field.offset:
                fields.append((name, cls))
            elif record.overlapping or field.offset < at:
                body[name] = _overlay(cls, field.offset)
            else:
                if field.offset > at:
                    fields.append((_pad(record, pads), ctypes.c_ubyte * (field.offset - at)))
                    pads += 1
                fields.append((name, cls))
                at = field.offset + field.layout.size
        if record.overlapping:
            fields.append((_pad(record, pads), ctypes.c_ubyte * record.size))
        elif at < record.size:
            fields.append((_pad(record, pads), ctypes.c_ubyte * (record.size - at)))
        # The simple types say their byte order; ctypes' own big-endian classes take no unions.
        base: Any = ctypes.Union if record.overlapping else ctypes.Structure
        title = self._layouts.name_of(record.id) or f"anonymous_{record.id}"
        return type(base)(attribute_of(title), (base,), {**body, "_fields_": fields})


def attribute_of(name: str) -> str:
    """What a member is called in a class: the names that ctypes and Python use are taken."""
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    is_taken = name in TAKEN or (name.startswith("__") and name.endswith("__"))
    return f"{name}0" if is_taken else name


def _pad(record: Record, number: int) -> str:
    """A name for padding that no member has."""
    name = f"_pad{number}"
    while name in record.fields:
        name = f"_{name}"
    return name


def _is_placeable(layout: Layout) -> bool:
    """Whether ctypes has a type for this; else a property gives its value."""
    if not isinstance(layout, Scalar):
        return True
    if layout.form is Form.FLOAT:
        return layout.size in FLOATS
    return layout.form is Form.RAW or (layout.size, layout.signed) in INTEGERS


def _bytes_of(instance: Any, at: int, size: int) -> Any:
    return (ctypes.c_ubyte * size).from_buffer(instance, at)


def _property(field: Field, order: ByteOrder) -> property:
    """A number that ctypes can't place."""
    scalar, bits = field.layout, field.bits
    if not isinstance(scalar, Scalar):
        message = f"{field.name} is not a number"
        raise TypeError(message)
    if bits is not None:
        return _bits_property(scalar, bits, order, field.name)

    def get(self: Any) -> Any:
        data = bytes(_bytes_of(self, field.offset, scalar.size))
        if scalar.form is Form.FLOAT:
            return decode_float(data, order)
        return int.from_bytes(data, order, signed=scalar.signed)

    def put(self: Any, value: Any) -> None:
        data = encode_scalar(scalar, value, order, field.name)
        _bytes_of(self, field.offset, scalar.size)[:] = data

    return property(get, put)


def _bits_property(scalar: Scalar, bits: Bits, order: ByteOrder, name: str) -> property:
    def get(self: Any) -> int:
        data = bytes(_bytes_of(self, bits.at, bits.size))
        return bits_value(bits, data, order, signed=scalar.signed)

    def put(self: Any, value: Any) -> None:
        mask = (1 << bits.width) - 1
        number = number_of(scalar, value, name, bits.width) & mask
        part = _bytes_of(self, bits.at, bits.size)
        word = int.from_bytes(bytes(part), order) & ~(mask << bits.shift) | number << bits.shift
        part[:] = word.to_bytes(bits.size, order)

    return property(get, put)


def _overlay(cls: Any, offset: int) -> property:
    """A member that lies where another one does."""

    def get(self: Any) -> Any:
        value = cls.from_buffer(self, offset)
        return value.value if issubclass(cls, ctypes._SimpleCData) else value

    def put(self: Any, value: Any) -> None:
        if issubclass(cls, ctypes._SimpleCData):
            cls.from_buffer(self, offset).value = value
        else:
            ctypes.memmove(
                ctypes.addressof(self) + offset, ctypes.addressof(value), ctypes.sizeof(cls)
            )

    return property(get, put)
