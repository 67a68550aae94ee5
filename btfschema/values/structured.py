"""Types as numpy dtypes: arrays of structs of a memory image in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema.codec.header import ByteOrder
from btfschema.errors import DecodeError, EncodeError, NoMemberError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.memo import notes
from btfschema.model.paths import steps_of
from btfschema.model.views import TypeView
from btfschema.values.floats import FLOAT_CODES, decode_float
from btfschema.values.layout import Bits, Form, Layout, Record, Scalar, Series, fold
from btfschema.values.layouts import AnyType, Layouts, layouts_of
from btfschema.values.memory import Data, view_of
from btfschema.values.paths import element_place, field_of
from btfschema.values.plain import INT_CODES

__all__ = ["array_of", "column", "dtype_of", "read_array"]

Array = npt.NDArray[Any]
DType = np.dtype[Any]

MOST_DIMENSIONS = 24
"""Arrays in arrays; numpy has at most 32 dimensions, some of which its caller's arrays use."""

MOST_BYTES = (1 << 31) - 1


def dtype_of(btf: Btf, type_: AnyType) -> DType:
    """The numpy dtype of a type, with the file's byte order.

    Structs and unions become structured dtypes with the members of anonymous members among their
    own; ``char`` arrays become ``S``, and what numpy does not know (128-bit integers, ``long
    double``) ``V``. A bit field becomes the word that holds it: :func:`column` gives its values.

    Raises:
        EncodeError: numpy has no such dtype: too many dimensions, 2 GiB or more.
        UnresolvedError, DecodeError, TypeIdError, UnknownNameError: as for
            :func:`~btfschema.values.read`.
    """
    known: dict[int | str, DType] = notes(btf, dtype_of)
    # Asked for again and again, and a view of a large struct takes long to hash.
    key = type_.id if isinstance(type_, TypeView) and type_.btf is btf else type_
    found = known.get(key) if not isinstance(key, TypeView) else None
    if found is None:
        layouts = layouts_of(btf)
        type_id = layouts.id_of(type_)
        layout = layouts.of(type_id)
        _refuse_large(layout, layouts)
        found = fold(layout, _Types(layouts), layouts.forms(_Types))
        known[type_id if isinstance(key, TypeView) else key] = found
    return found


def _refuse_large(layout: Layout, layouts: Layouts) -> None:
    what = layouts.btf.describe(layout.id)
    if layout.size > MOST_BYTES:
        raise EncodeError(
            f"{what} has {layout.size} bytes, numpy's dtypes have at most {MOST_BYTES}",
            type_id=layout.id,
            got=layout.size,
            expected=f"at most {MOST_BYTES}",
        )


class _Types:
    """Makes the dtype of a layout from those of its parts."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts
        self._order: ByteOrder = layouts.order

    def __call__(self, layout: Layout, done: dict[Layout, DType]) -> DType:
        if isinstance(layout, Record):
            return self._record(layout, done)
        if isinstance(layout, Series):
            return self._series(layout, done[layout.element])
        if isinstance(layout, Scalar):
            return scalar_dtype(layout, self._order)
        message = f"no dtype for {type(layout).__name__}"
        raise TypeError(message)

    def _series(self, series: Series, element: DType) -> DType:
        if series.text and series.count:
            return np.dtype(f"S{series.count}")
        dimensions = 1 + _dimensions(element)
        if dimensions > MOST_DIMENSIONS:
            raise EncodeError(
                f"{self._layouts.btf.describe(series.id)} has more than {MOST_DIMENSIONS} "
                "dimensions",
                type_id=series.id,
                got=dimensions,
                expected=f"at most {MOST_DIMENSIONS}",
            )
        if not element.itemsize:
            # numpy takes a type of no size for one whose size is still to come.
            return np.dtype(("u1", (series.count, 0)))
        return np.dtype((element, (series.count,)))

    def _record(self, record: Record, done: dict[Layout, DType]) -> DType:
        names, formats, offsets = [], [], []
        for name, field in record.fields.items():
            names.append(name)
            if field.bits is None:
                formats.append(done[field.layout])
                offsets.append(field.offset)
            else:
                bits = field.bits.within(record.size, self._order)
                formats.append(_container(bits, self._order))
                offsets.append(bits.at)
        parts: Any = {
            "names": names,
            "formats": formats,
            "offsets": offsets,
            "itemsize": record.size,
        }
        made: DType = np.dtype(parts)
        return made


def _mark(order: ByteOrder) -> str:
    return "<" if order == "little" else ">"


def _container(bits: Bits, order: ByteOrder) -> DType:
    """The word around a bit field; bytes where none is so small."""
    if bits.size in INT_CODES:
        return np.dtype(f"{_mark(order)}u{bits.size}")
    return np.dtype(f"V{bits.size}")


def _dimensions(dtype: DType) -> int:
    """How many dimensions a dtype adds to the array that it is used in.

    ``shape`` has those of the outermost array alone when each array is a dtype of its own.
    """
    dimensions, inner = 0, dtype
    while inner.subdtype is not None:
        inner, shape = inner.subdtype
        dimensions += len(shape)
    return dimensions


def scalar_dtype(scalar: Scalar, order: ByteOrder) -> DType:
    """The dtype of a number; bytes for what numpy does not know."""
    if scalar.form is Form.FLOAT and scalar.size in FLOAT_CODES:
        return np.dtype(f"{_mark(order)}f{scalar.size}")
    if scalar.form not in (Form.FLOAT, Form.RAW) and scalar.size in INT_CODES:
        return np.dtype(f"{_mark(order)}{'i' if scalar.signed else 'u'}{scalar.size}")
    return np.dtype(f"V{scalar.size}") if scalar.size else np.dtype(("u1", (0,)))


def read_array(
    btf: Btf, type_: AnyType, data: Data, offset: int = 0, *, count: int | None = None
) -> Array:
    """Read many values of a type at once, as a numpy array over the data, which is not copied.

    Args:
        btf: the container that has the type.
        type_: its id, its view or its name.
        data: the bytes.
        offset: where the first value starts.
        count: how many there are; by default as many as the data holds.

    Raises:
        DecodeError: the data is too short.
        EncodeError, UnresolvedError, TypeIdError, UnknownNameError: as for :func:`dtype_of`.
    """
    dtype = dtype_of(btf, type_)
    if count is not None and count > 0:
        try:
            return np.frombuffer(data, dtype, count, offset)
        except ValueError:
            # A type of no size, or too little data, which is told in our words.
            pass
    size, have = dtype.itemsize, len(view_of(data))
    if count is None and size and 0 <= offset <= have - size:
        return np.frombuffer(data, dtype, (have - offset) // size, offset)
    wanted = count or 0
    if not 0 <= offset <= have or wanted < 0 or wanted * size > have - offset:
        raise DecodeError(
            f"{wanted} values of {size} bytes at offset {offset} need more than the data's {have} "
            "bytes",
            offset=offset,
            got=have,
            expected=f"{offset + wanted * size} bytes",
        )
    return np.zeros(wanted, dtype)


def column(btf: Btf, type_: AnyType, array: Array, path: str) -> Array:
    """One member of all values in an array that has the dtype of a type.

    Bit fields come out of their words, 128-bit integers and ``long double`` as Python objects.

    Args:
        btf: the container that has the type.
        type_: the type that the array is of.
        array: of :func:`dtype_of`'s dtype.
        path: ``"se.avg.load_sum"``, ``"numbers[0].nr"``, ``"flags"``.

    Raises:
        NoMemberError: there is no such member, or ``path`` is none.
        UnresolvedError: there is no such element.
    """
    layouts = layouts_of(btf)
    layout: Layout = layouts.of(layouts.id_of(type_))
    bits: Bits | None = None
    dimensions, way = array.ndim, layouts.title_of(type_)
    for step in steps_of(path):
        what = layouts.btf.describe(layout.id)
        if isinstance(step, int):
            series, number = element_place(layout, step, way, what)
            way = f"{way}[{step}]"
            if series.text and isinstance(series.element, Scalar):
                array = _characters(array, scalar_dtype(series.element, layouts.order))
            array = np.moveaxis(array, dimensions, 0)[number]
            layout = series.element
            continue
        if array.ndim > dimensions:
            raise NoMemberError(
                f"{path}: say which element before .{step}", got=path, expected="[number]"
            )
        field = field_of(layout, step, way, what)
        way = f"{way}.{printable(step)}"
        record_size, layout, bits = layout.size, field.layout, field.bits
        if array.dtype.names is None:
            raise NoMemberError(f"{path}: {what} has no bytes", got=path, expected="a size")
        array = array[step]
        if bits is not None:
            bits = bits.within(record_size, layouts.order)
    if bits is not None and isinstance(layout, Scalar):
        return _bit_values(array, bits, layout, layouts.order)
    if isinstance(layout, Series) and layout.text and not layout.count:
        # numpy has no text of no bytes; the shortest is empty as well.
        return np.zeros(array.shape[:-1], "S1")
    return _numbers(array, layout, layouts.order)


def array_of(layouts: Layouts, layout: Layout, view: memoryview, at: int) -> Array:
    """One value as a numpy array over the data: of an array its elements, else of no dimensions.

    128-bit integers and ``long double`` are Python objects.

    Args:
        layouts: the container's layouts.
        layout: that of the value, which is wholly there and not a bit field.
        view: the data.
        at: where the value starts.

    Raises:
        EncodeError: numpy has no such dtype.
    """
    types, known = _Types(layouts), layouts.forms(_Types)
    if isinstance(layout, Series):
        # Its count may be the caller's, so that only the dtype of its elements is kept.
        element = fold(layout.element, types, known)
        if not (layout.text and layout.count):
            return _numbers(_over(view, at, element, layout.count), layout, layouts.order)
        dtype = types(layout, known)
    else:
        _refuse_large(layout, layouts)
        dtype = fold(layout, types, known)
    found = _over(view, at, dtype, 1)
    return _numbers(found.reshape(found.shape[1:]), layout, layouts.order)


def _over(view: memoryview, at: int, dtype: DType, count: int) -> Array:
    """An array over the data; numpy refuses that for values without bytes, which get a new one."""
    if count and dtype.itemsize:
        return np.frombuffer(view, dtype, count, at)
    return np.zeros(count, dtype)


def _numbers(array: Array, layout: Layout, order: ByteOrder) -> Array:
    """The array, or its numbers as Python objects where numpy does not know them."""
    scalar = layout
    while isinstance(scalar, Series):
        scalar = scalar.element
    if isinstance(scalar, Scalar) and array.dtype.kind == "V" and array.dtype.names is None:
        return _wide_values(array, scalar, order)
    return array


def _characters(array: Array, character: DType) -> Array:
    """The characters of each text, in a dimension of their own."""
    found: Array = array[..., np.newaxis].view(character)
    return found


def _bit_values(array: Array, bits: Bits, scalar: Scalar, order: ByteOrder) -> Array:
    """The values of a bit field, from the words around it."""
    mask, sign = (1 << bits.width) - 1, 1 << bits.width - 1
    if array.dtype.kind == "V":
        words = [int.from_bytes(bytes(one), order) >> bits.shift & mask for one in array.ravel()]
        if scalar.signed:
            words = [(word ^ sign) - sign for word in words]
        found = np.empty(array.shape, object)
        found.ravel()[:] = words
        return found
    values = array.astype(np.uint64) >> np.uint64(bits.shift) & np.uint64(mask)
    if not scalar.signed:
        return values
    # Two's complement of 64 bits: the subtraction may wrap, as it should.
    return (values ^ np.uint64(sign)).view(np.int64) - np.uint64(sign).astype(np.int64)


def _wide_values(array: Array, scalar: Scalar, order: ByteOrder) -> Array:
    """Numbers that numpy does not know, as Python objects."""
    parts = [bytes(one) for one in array.ravel()]
    found = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        if scalar.form is Form.RAW:
            found[i] = part
        elif scalar.form is Form.FLOAT:
            found[i] = decode_float(part, order)
        else:
            found[i] = int.from_bytes(part, order, signed=scalar.signed)
    return found.reshape(array.shape)
