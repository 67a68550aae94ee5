"""Python values as bytes: the inverse of reading."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from btfschema.codec.header import ByteOrder
from btfschema.errors import EncodeError, NoMemberError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.values.floats import encode_float
from btfschema.values.layout import Bits, Form, Layout, Record, Scalar, Series
from btfschema.values.layouts import AnyType, layouts_of
from btfschema.values.memory import Data, view_of
from btfschema.values.paths import field_of
from btfschema.values.value import Value

__all__ = ["encode_scalar", "encode_value", "number_of", "write"]

MOST_BYTES = 1 << 28
"""What is written at once: a type of a few bytes of BTF may say that it has gigabytes."""


class Task(NamedTuple):
    """A value that is to be written."""

    layout: Layout
    value: Any
    at: int
    path: str
    bits: Bits | None = None


def write(btf: Btf, type_: AnyType, value: Any, *, onto: Data | None = None) -> bytes:
    """The bytes of a value of a type, in the container's byte order.

    Args:
        btf: the container that has the type.
        type_: its id, its view or its name, as for :func:`~btfschema.values.read`.
        value: what :meth:`Value.to_python` gives: a mapping for a struct or a union, in which
            members may be missing; a sequence for an array, which may be short; text or bytes for
            an array of bytes; a name or a number for an enum. Of a union's members the last one
            given counts. A :class:`Value` of the same size is copied. A flexible array at the end
            of the type makes the result longer.
        onto: bytes to start from; zeroes by default. What ``value`` does not mention stays.

    Raises:
        EncodeError: something does not fit; the message has its path.
        UnresolvedError, DecodeError, TypeIdError, UnknownNameError: as for reading.
    """
    layouts = layouts_of(btf)
    type_id = layouts.id_of(type_)
    layout = layouts.of(type_id)
    path = layouts.title_of(type_)
    if layout.size > MOST_BYTES:
        raise _too_large(path, layout.size)
    data = bytearray(layout.size if onto is None else view_of(onto))
    if len(data) < layout.size:
        raise EncodeError(
            f"{path}: {len(data)} bytes to write onto, the type has {layout.size}",
            got=len(data),
            expected=f"at least {layout.size}",
        )
    encode_value(layout, value, data, layouts.order, path)
    return bytes(data)


def encode_value(layout: Layout, value: Any, data: bytearray, order: ByteOrder, path: str) -> None:
    """Write a value to the start of a buffer that has room for it.

    Raises:
        EncodeError: something does not fit; the message has its path.
    """
    writer = _Writer(data, order, layout.extent)
    stack: list[Iterator[Task]] = [iter([Task(layout, value, 0, path)])]
    while stack:
        task = next(stack[-1], None)
        if task is None:
            stack.pop()
        else:
            stack.append(writer.write(task))


class _Writer:
    """Writes values into a buffer.

    Args:
        data: the buffer.
        order: the byte order.
        extent: where the last scalar of the outermost type ends; flexible arrays start there.
    """

    def __init__(self, data: bytearray, order: ByteOrder, extent: int) -> None:
        self._data = data
        self._order: ByteOrder = order
        self._extent = extent

    def write(self, task: Task) -> Iterator[Task]:
        """Write a value, or say what it is made of.

        Raises:
            EncodeError: it does not fit.
        """
        layout, value, at, path, bits = task
        if isinstance(layout, Scalar):
            self._scalar(layout, value, at, path, bits)
        elif isinstance(value, Value):
            copied = bytes(value)
            if len(copied) != layout.size:
                raise _misfit(path, value, f"a value of {layout.size} bytes")
            self._data[at : at + layout.size] = copied
        elif isinstance(layout, Record):
            return self._record(layout, value, at, path)
        elif isinstance(layout, Series):
            return self._series(layout, value, at, path)
        return iter(())

    def _record(self, record: Record, value: Any, at: int, path: str) -> Iterator[Task]:
        if not isinstance(value, Mapping):
            raise _misfit(path, value, "a mapping from members' names to values")
        for name, one in value.items():
            try:
                field = field_of(record, str(name), path, "the type")
            except NoMemberError as error:
                raise EncodeError(str(error), got=name, expected=error.expected) from None
            where = at if field.bits is not None else at + field.offset
            yield Task(field.layout, one, where, f"{path}.{printable(str(name))}", field.bits)

    def _series(self, series: Series, value: Any, at: int, path: str) -> Iterator[Task]:
        element = series.element
        in_bytes = isinstance(element, Scalar) and element.size == 1
        if in_bytes and isinstance(value, str | bytes | bytearray | memoryview):
            data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            self._room(series, len(data), at, path)
            self._data[at : at + max(series.size, len(data))] = bytes(data).ljust(
                series.size, b"\0"
            )
            return
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            what = "text, bytes or a sequence of numbers" if in_bytes else "a sequence"
            raise _misfit(path, value, what)
        self._room(series, len(value), at, path)
        for number, one in enumerate(value):
            yield Task(element, one, at + number * element.size, f"{path}[{number}]")

    def _room(self, series: Series, count: int, at: int, path: str) -> None:
        """See to it that so many elements have room.

        Raises:
            EncodeError: they have not.
        """
        if count <= series.count:
            return
        if series.count or at < self._extent:
            raise EncodeError(
                f"{path}: {count} elements in an array of {series.count}",
                got=count,
                expected=f"at most {series.count}",
            )
        end = at + count * series.element.size
        if end > MOST_BYTES:
            raise _too_large(path, end)
        self._data.extend(bytes(max(0, end - len(self._data))))

    def _scalar(self, scalar: Scalar, value: Any, at: int, path: str, bits: Bits | None) -> None:
        if isinstance(value, Value):
            value = value.to_python(names=False)
        if bits is None:
            self._data[at : at + scalar.size] = encode_scalar(scalar, value, self._order, path)
            return
        number = number_of(scalar, value, path, bits.width)
        start, end = at + bits.at, at + bits.at + bits.size
        mask = (1 << bits.width) - 1
        word = int.from_bytes(self._data[start:end], self._order) & ~(mask << bits.shift)
        word |= (number & mask) << bits.shift
        self._data[start:end] = word.to_bytes(bits.size, self._order)


def _too_large(path: str, size: int) -> EncodeError:
    return EncodeError(
        f"{path}: {size} bytes, at most {MOST_BYTES} are written at once",
        got=size,
        expected=f"at most {MOST_BYTES}",
    )


def _misfit(path: str, value: Any, expected: str) -> EncodeError:
    shown = repr(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return EncodeError(f"{path}: {shown} is not {expected}", got=value, expected=expected)


def encode_scalar(scalar: Scalar, value: Any, order: ByteOrder, path: str) -> bytes:
    """The bytes of a number.

    Raises:
        EncodeError: it does not fit, or is none.
    """
    if scalar.form is Form.RAW:
        if not isinstance(value, bytes | bytearray | memoryview) or len(value) != scalar.size:
            raise _misfit(path, value, f"{scalar.size} bytes")
        return bytes(value)
    if scalar.form is Form.FLOAT:
        try:
            return encode_float(float(value), scalar.size, order)
        except (TypeError, ValueError):
            raise _misfit(path, value, "a number") from None
        except OverflowError:
            raise _misfit(path, value, f"a number of {scalar.size} bytes") from None
    number = number_of(scalar, value, path, 8 * scalar.size)
    return (number & (1 << 8 * scalar.size) - 1).to_bytes(scalar.size, order)


def number_of(scalar: Scalar, value: Any, path: str, width: int) -> int:
    """The number that a value stands for, which fits ``width`` bits.

    Raises:
        EncodeError: there is none, or it does not fit.
    """
    if isinstance(value, str):
        named = scalar.numbers.get(value)
        if named is None:
            raise _misfit(path, value, "a name of the enum" if scalar.names else "a number")
        value = named
    try:
        number = operator.index(value)
    except TypeError:
        raise _misfit(path, value, "a whole number") from None
    low = -(1 << width - 1) if scalar.signed else 0
    high = low + (1 << width) - 1
    if not low <= number <= high:
        sign = "signed" if scalar.signed else "unsigned"
        raise EncodeError(
            f"{path}: {number} does not fit {width} {sign} bits",
            got=number,
            expected=f"{low}..{high}",
        )
    return number
