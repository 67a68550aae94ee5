"""Values as plain Python: numbers, text, lists and dicts.

A :class:`Reading` makes a reader of each layout, once. Readers call those of their parts, at most
:data:`~btfschema.values.layout.MOST_LEVELS` deep, and expect that the bytes are there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from attrs import frozen

from btfschema.codec.header import ByteOrder
from btfschema.values.floats import FLOAT_CODES, decode_float
from btfschema.values.layout import Bits, Form, Layout, Record, Scalar, Series, fold
from btfschema.values.layouts import Layouts

__all__ = ["INT_CODES", "Reader", "Reading", "reader_of", "text_of"]

Reader = Callable[[memoryview, int], Any]
"""Reads what starts at a byte of the data."""

INT_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}
"""What :mod:`struct` calls signed integers; the unsigned ones are in capitals."""


def text_of(data: bytes) -> str:
    """The text of a ``char`` array, up to its NUL; bytes that are not UTF-8 become surrogates."""
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def number_code(scalar: Scalar) -> str | None:
    """What :mod:`struct` calls a scalar, or None when it does not know it."""
    if scalar.form is Form.FLOAT:
        return FLOAT_CODES.get(scalar.size)
    code = INT_CODES.get(scalar.size) if scalar.form is not Form.RAW else None
    return code if code is None or scalar.signed else code.upper()


def bits_value(bits: Bits, data: bytes | memoryview, order: ByteOrder, *, signed: bool) -> int:
    """The number in a bit field.

    Args:
        bits: where it is.
        data: the bytes that it covers.
        order: their byte order.
        signed: whether its highest bit is a sign.
    """
    number = int.from_bytes(data, order) >> bits.shift & (1 << bits.width) - 1
    return number - (number >> bits.width - 1 << bits.width) if signed else number


@frozen
class Reading:
    """How to read.

    Attributes:
        order: the data's byte order.
        text: give ``char`` arrays as text up to the NUL, or all their bytes.
        names: give enums' values by name, or as numbers.
    """

    order: ByteOrder
    text: bool = True
    names: bool = True

    def __call__(self, layout: Layout, done: dict[Layout, Reader]) -> Reader:
        """The reader of a layout, from those of its parts."""
        if isinstance(layout, Record):
            return self._record(layout, done)
        if isinstance(layout, Series):
            return self.series(layout, done[layout.element])
        if isinstance(layout, Scalar):
            return self._scalar(layout)
        message = f"no reader for {type(layout).__name__}"
        raise TypeError(message)

    def shown(self, scalar: Scalar) -> Callable[[int], Any] | None:
        """What becomes of a scalar's number, or None for nothing."""
        if scalar.form is Form.ENUM and self.names:
            names: dict[int, int | str] = {**scalar.names}
            return lambda number: names.get(number, number)
        if scalar.form is Form.BOOLEAN:
            # C has no other values of bool, memory does.
            return lambda number: bool(number) if number in (0, 1) else number
        return None

    def _scalar(self, scalar: Scalar) -> Reader:
        order, size, signed = self.order, scalar.size, scalar.signed
        if scalar.form is Form.RAW:
            return lambda view, at: bytes(view[at : at + size])
        code, shown = number_code(scalar), self.shown(scalar)
        if code is not None:
            unpack = struct.Struct(("<" if order == "little" else ">") + code).unpack_from
            if shown is None:
                return lambda view, at: unpack(view, at)[0]
            return lambda view, at: shown(unpack(view, at)[0])
        if scalar.form is Form.FLOAT:
            return lambda view, at: decode_float(bytes(view[at : at + size]), order)

        def wide(view: memoryview, at: int) -> Any:
            number = int.from_bytes(view[at : at + size], order, signed=signed)
            return shown(number) if shown is not None else number

        return wide

    def bits(self, scalar: Scalar, bits: Bits) -> Reader:
        """The reader of a bit field; it takes the start of the record."""
        order, shown = self.order, self.shown(scalar)
        first, end, signed = bits.at, bits.at + bits.size, scalar.signed

        def read(view: memoryview, at: int) -> Any:
            number = bits_value(bits, view[at + first : at + end], order, signed=signed)
            return shown(number) if shown is not None else number

        return read

    def series(self, series: Series, element: Reader) -> Reader:
        """The reader of an array, from that of its elements."""
        count, size, total = series.count, series.element.size, series.size
        if series.text:
            if self.text:
                return lambda view, at: text_of(bytes(view[at : at + total]))
            return lambda view, at: bytes(view[at : at + total])
        scalar = series.element
        if isinstance(scalar, Scalar) and self.shown(scalar) is None:
            code = number_code(scalar)
            if code is not None:
                marked = f"{'<' if self.order == 'little' else '>'}{count}{code}"
                unpack = struct.Struct(marked).unpack_from
                return lambda view, at: list(unpack(view, at))
        return lambda view, at: [element(view, at + i * size) for i in range(count)]

    def _record(self, record: Record, done: dict[Layout, Reader]) -> Reader:
        fields = []
        for name, field in record.fields.items():
            if field.bits is not None and isinstance(field.layout, Scalar):
                fields.append((name, self.bits(field.layout, field.bits), 0))
            else:
                fields.append((name, done[field.layout], field.offset))
        return lambda view, at: {name: read(view, at + offset) for name, read, offset in fields}


def reader_of(layouts: Layouts, layout: Layout, reading: Reading) -> Reader:
    """The reader of a layout, made once."""
    reader: Reader = fold(layout, reading, layouts.forms(reading))
    return reader
