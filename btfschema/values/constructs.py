"""Types as Construct constructs: what this package declares BTF with, for what BTF declares."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from construct import (
    Adapter,
    Array,
    Bytes,
    BytesInteger,
    Construct,
    Container,
    FormatField,
    MappingError,
    StringError,
    stream_read,
    stream_write,
)

from btfschema.codec.header import ByteOrder
from btfschema.errors import EncodeError
from btfschema.model.container import Btf
from btfschema.values.floats import FLOAT_CODES, decode_float
from btfschema.values.layout import Form, Layout, Record, Scalar, Series, fold
from btfschema.values.layouts import AnyType, layouts_of
from btfschema.values.plain import INT_CODES, Reading, bits_value, text_of
from btfschema.values.writing import encode_scalar, encode_value, number_of

__all__ = ["Members", "Named", "Shown", "construct_of"]

# The stubs know these classes as generic; the classes themselves are not.
if TYPE_CHECKING:
    _Construct = Construct[Any, Any]
    _Adapter = Adapter[Any, Any, Any, Any]
else:
    _Construct, _Adapter = Construct, Adapter


def construct_of(btf: Btf, type_: AnyType) -> Any:
    """A Construct that parses and builds values of a type, in the container's byte order.

    Parsed values equal those of :meth:`Value.to_python`; missing members are built as zeroes.
    It raises Construct's own errors.

    Raises:
        UnresolvedError, DecodeError, TypeIdError, UnknownNameError: as for
            :func:`~btfschema.values.read`.
    """
    layouts = layouts_of(btf)
    layout = layouts.of(layouts.id_of(type_))
    return fold(layout, _Maker(layouts.order), layouts.forms(construct_of))


class Members(_Construct):
    """Members at their offsets, which may overlap: a struct, a union or a section.

    Args:
        record: where the members are.
        parts: the construct of each, by name; bit fields have none.
        order: the byte order.
    """

    def __init__(self, record: Record, parts: dict[str, Any], order: ByteOrder) -> None:
        super().__init__()
        self.record = record
        self.parts = parts
        self.order: ByteOrder = order

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        data = stream_read(stream, self.record.size, path)
        found: Any = Container()
        for name, field in self.record.fields.items():
            if field.bits is not None and isinstance(field.layout, Scalar):
                bits = field.bits
                part = data[bits.at : bits.at + bits.size]
                number = bits_value(bits, part, self.order, signed=field.layout.signed)
                shown = Reading(self.order).shown(field.layout)
                found[name] = shown(number) if shown is not None else number
            else:
                inner = io.BytesIO(data[field.offset : field.offset + field.layout.size])
                found[name] = self.parts[name]._parsereport(inner, context, f"{path} -> {name}")
        return found

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        data = bytearray(self.record.size)
        try:
            encode_value(self.record, obj, data, self.order, path)
        except EncodeError as error:
            raise MappingError(str(error)) from None
        stream_write(stream, bytes(data), len(data), path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return self.record.size


def _number(scalar: Scalar, value: Any, path: str, width: int) -> int:
    try:
        return number_of(scalar, value, path, width)
    except EncodeError as error:
        raise MappingError(str(error), path=path) from None


class Named(_Adapter):
    """An enum's number as its name; ``_Bool`` as True or False.

    Args:
        subcon: the number.
        scalar: what its values mean.
        order: the byte order.
    """

    def __init__(self, subcon: Any, scalar: Scalar, order: ByteOrder) -> None:
        super().__init__(subcon)
        self.scalar = scalar
        self.shown = Reading(order).shown(scalar)

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return self.shown(obj) if self.shown is not None else obj

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return _number(self.scalar, obj, path, 8 * self.scalar.size)


class Shown(_Adapter):
    """Bytes as a ``long double``, or as the text of a ``char`` array.

    Args:
        subcon: the bytes.
        scalar: the floating-point number that they are; None for text.
        order: the byte order.
    """

    def __init__(self, subcon: Any, scalar: Scalar | None, order: ByteOrder) -> None:
        super().__init__(subcon)
        self.scalar = scalar
        self.order: ByteOrder = order

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return text_of(obj) if self.scalar is None else decode_float(obj, self.order)

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        if self.scalar is not None:
            return encode_scalar(self.scalar, obj, self.order, path)
        size = self.subcon.sizeof()
        data = obj.encode("utf-8", "surrogateescape") if isinstance(obj, str) else bytes(obj)
        if len(data) > size:
            raise StringError(f"{len(data)} bytes in an array of {size}", path=path)
        return data.ljust(size, b"\0")


class _Maker:
    """Makes the construct of a layout from those of its parts."""

    def __init__(self, order: ByteOrder) -> None:
        self._order: ByteOrder = order

    def __call__(self, layout: Layout, done: dict[Layout, Any]) -> Any:
        if isinstance(layout, Record):
            parts = {
                name: done[field.layout]
                for name, field in layout.fields.items()
                if field.bits is None
            }
            return Members(layout, parts, self._order)
        if isinstance(layout, Series):
            if layout.text:
                return Shown(Bytes(layout.count), None, self._order)
            return Array(layout.count, done[layout.element])
        if isinstance(layout, Scalar):
            return self._scalar(layout)
        message = f"no construct for {type(layout).__name__}"
        raise TypeError(message)

    def _scalar(self, scalar: Scalar) -> Any:
        mark, size = "<" if self._order == "little" else ">", scalar.size
        if scalar.form is Form.RAW:
            return Bytes(size)
        if scalar.form is Form.FLOAT:
            if size in FLOAT_CODES:
                return FormatField(mark, FLOAT_CODES[size])
            return Shown(Bytes(size), scalar, self._order)
        number: Any
        if size in INT_CODES:
            code = {8: "q", 4: "l", 2: "h", 1: "b"}[size]
            number = FormatField(mark, code if scalar.signed else code.upper())
        else:
            number = BytesInteger(size, scalar.signed, swapped=self._order == "little")
        named = scalar.form in (Form.ENUM, Form.BOOLEAN)
        return Named(number, scalar, self._order) if named else number
