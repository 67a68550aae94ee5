"""A value in memory: read when it is asked for, and only what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from operator import index
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema.errors import DecodeError, UnresolvedError, WrongKeyError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.paths import steps_of
from btfschema.model.views import TypeView
from btfschema.values.layout import Bits, Layout, Record, Scalar, Series
from btfschema.values.layouts import AnyType, Layouts, layouts_of
from btfschema.values.memory import Data, require, view_of
from btfschema.values.paths import Step, element_place, field_of
from btfschema.values.plain import Reading, reader_of
from btfschema.values.structured import array_of
from btfschema.values.text import TextOptions, ValueWriter

__all__ = ["Value", "read"]


class Value:
    """Some bytes and their type.

    ``value.pid``, ``value["pid"]``, ``value["se.avg.load_sum"]`` and ``value["numbers"][0]`` give a
    member or an element: a plain Python value when it is a number, an enum or text, a
    :class:`Value` when it is a struct, a union or an array. A slice of an array gives a list of
    its elements. Members of anonymous members are found as in C. Names that end in an underscore,
    and :meth:`to_python`, are the class's own; a member of such a name is reached with brackets.

    A value holds on to the data, and shows what is there when it is asked. It equals what
    :meth:`to_python` gives of it, and another value that gives the same, of whatever type and
    container; padding does not count, nor does what follows the NUL of a text. Numbers, enums and
    text hash as in Python, structs and arrays do not, as dicts and lists do not. In numpy it is an
    array of its type's dtype, over the data.

    ``copy.copy`` gives the value itself. A deep copy, and what comes out of a pickle, have the
    value's own bytes and no others, from offset 0 on.
    """

    __slots__ = ("_at", "_bits", "_layout", "_layouts", "_path", "_type_id", "_view")

    def __init__(
        self,
        layouts: Layouts,
        type_id: int,
        layout: Layout,
        view: memoryview,
        at: int,
        path: str,
        bits: Bits | None = None,
    ) -> None:
        self._layouts = layouts
        self._type_id = type_id
        self._layout = layout
        self._view = view
        self._at = at
        self._path = path
        self._bits = bits

    @property
    def type_(self) -> TypeView:
        """The type, as declared."""
        return self._layouts.btf[self._type_id]

    @property
    def path_(self) -> str:
        """What the value is called in messages, such as ``task_struct.se.avg``."""
        return self._path

    @property
    def offset_(self) -> int:
        """Where it starts in the data, in bytes; of a bit field the first byte that it covers."""
        return self._at + (self._bits.at if self._bits is not None else 0)

    @property
    def size_(self) -> int:
        """Its size in bytes; of a bit field, how many it covers."""
        return self._bits.size if self._bits is not None else self._layout.size

    def __repr__(self) -> str:
        what = self._layouts.btf.describe(self._type_id)
        return f"<Value {self._path}: {what} at {self.offset_}, {self.size_} bytes>"

    def __bytes__(self) -> bytes:
        require(self._view, self.offset_, self.size_, self._path)
        return bytes(self._view[self.offset_ : self.offset_ + self.size_])

    def __str__(self) -> str:
        return self.text_()

    def __len__(self) -> int:
        if isinstance(self._layout, Series):
            return self._layout.count
        if isinstance(self._layout, Record):
            return len(self._layout.fields)
        raise self._refusal("has no length")

    def __bool__(self) -> bool:
        """As in C: a number is true unless it is zero, anything else is true."""
        return not isinstance(self._layout, Scalar) or bool(self.to_python(names=False))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, np.ndarray):
            # numpy compares elements, and asks for the value as an array.
            return NotImplemented
        same: bool = self.to_python() == (other.to_python() if isinstance(other, Value) else other)
        return same

    def __hash__(self) -> int:
        if not self._is_plain:
            message = f"unhashable: {self._path} is not a number, an enum or text"
            raise TypeError(message)
        return hash(self.to_python())

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """The value in numpy, over the data where numpy knows its numbers; enums as numbers."""
        require(self._view, self.offset_, self.size_, self._path, self._layout)
        scalar = self._layout
        if self._bits is not None and isinstance(scalar, Scalar):
            number_type = np.int64 if scalar.signed else np.uint64
            wide = self._bits.width > 64
            found = np.array(self.to_python(names=False), object if wide else number_type)
        else:
            found = array_of(self._layouts, self._layout, self._view, self._at)
        if dtype is not None and found.dtype != np.dtype(dtype):
            if copy is False:
                message = f"{self._path} is of {found.dtype} in numpy, another dtype needs a copy"
                raise ValueError(message)
            return found.astype(dtype)
        return found.copy() if copy else found

    def __copy__(self) -> Value:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its own bytes, its type, and the container, which goes into a pickle once."""
        layout, bits = self._layout, self._bits
        data = bytes(self._view[self.offset_ : self.offset_ + self.size_])
        count = layout.count if isinstance(layout, Series) else None
        run = isinstance(layout, Series) and layout.element_id == self._type_id
        moved = evolve(bits, at=0) if bits is not None else None
        return _revived, (self._layouts.btf, self._type_id, data, self._path, count, run, moved)

    @property
    def _is_plain(self) -> bool:
        """Whether Python has a plain value for it, which cannot change."""
        layout = self._layout
        return isinstance(layout, Scalar) or (isinstance(layout, Series) and layout.text)

    def __iter__(self) -> Iterator[Any]:
        """The elements of an array; the names of a struct's members."""
        if isinstance(self._layout, Record):
            yield from self._layout.fields
            return
        for number in range(len(self)):
            yield self._shown(self._step(number))

    def __contains__(self, name: object) -> bool:
        if isinstance(self._layout, Record):
            return name in self._layout.fields
        return any(name == one for one in self)

    def __int__(self) -> int:
        number = self.to_python(names=False) if isinstance(self._layout, Scalar) else None
        if not isinstance(number, int | float):
            raise self._refusal("is not a number")
        return int(number)

    __index__ = __int__

    def __float__(self) -> float:
        number = self.to_python(names=False) if isinstance(self._layout, Scalar) else None
        if not isinstance(number, int | float):
            raise self._refusal("is not a number")
        return float(number)

    def _refusal(self, why: str) -> UnresolvedError:
        what = self._layouts.btf.describe(self._type_id)
        return UnresolvedError(f"{self._path}: {what} {why}", type_id=self._type_id)

    def __dir__(self) -> list[str]:
        names = self._layout.fields if isinstance(self._layout, Record) else ()
        return sorted({*object.__dir__(self), *names})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            # What Python itself asks for: copying, pickling, and so on.
            raise AttributeError(name)
        return self._shown(self._step(name))

    def __getitem__(self, key: str | SupportsIndex | slice) -> Any:
        if not isinstance(key, slice):
            return self._shown(self.at_(key))
        if not isinstance(self._layout, Series):
            raise self._refusal("is not an array")
        return [self._shown(self._step(one)) for one in range(*key.indices(self._layout.count))]

    def at_(self, path: str | SupportsIndex, *, count: int | None = None) -> Value:
        """The part that a path leads to, as a :class:`Value` whatever it is.

        Args:
            path: ``"se.avg"``, ``"numbers[0].nr"``, or the number of an element.
            count: how many elements a flexible array has; those of any other array may be counted
                anew, too.

        Raises:
            NoMemberError: a member on the path does not exist, or it is not a path.
            UnresolvedError: an element does not, or ``count`` is given for what is not an array.
            WrongKeyError: ``path`` is neither text nor a whole number.
        """
        value = self
        for step in steps_of(path) if isinstance(path, str) else [self._number(path)]:
            value = value._step(step)
        return value if count is None else value._resized(count)

    def _number(self, key: Any) -> int:
        """A key as the number of an element."""
        try:
            return index(key)
        except TypeError:
            raise WrongKeyError(
                f"{self._path}: {key!r} is not a member's name, a path, or an element's number",
                got=key,
                expected='value["pid"], value["se.avg"], value[0] or value[0:2]',
            ) from None

    def _resized(self, count: int) -> Value:
        if not isinstance(self._layout, Series):
            raise self._refusal("is not an array, so it has no count")
        if count < 0:
            raise self._refusal(f"can't have {count} elements")
        layout = self._layout.resized(count)
        return Value(
            self._layouts, self._type_id, layout, self._view, self._at, self._path, self._bits
        )

    def _step(self, step: Step) -> Value:
        layouts, layout = self._layouts, self._layout
        if isinstance(step, int):
            what = "" if isinstance(layout, Series) else layouts.btf.describe(self._type_id)
            series, number = element_place(layout, step, self._path, what)
            at = self._at + number * series.element.size
            path = f"{self._path}[{number}]"
            return Value(layouts, series.element_id, series.element, self._view, at, path)
        field = layout.fields.get(step) if isinstance(layout, Record) else None
        if field is None:
            what = layouts.btf.describe(self._type_id)
            field = field_of(layout, step, self._path, what)
        path = f"{self._path}.{printable(str(step))}"
        at = self._at if field.bits is not None else self._at + field.offset
        return Value(layouts, field.type_id, field.layout, self._view, at, path, field.bits)

    def _shown(self, value: Value) -> Any:
        """What the caller gets of a part."""
        return value.to_python() if value._is_plain else value

    def to_python(self, *, text: bool = True, names: bool = True) -> Any:
        """The value as Python has it, wholly.

        Structs and unions become dicts, arrays lists, pointers integers, ``_Bool`` True or False
        unless memory has another number there.

        Memory holds any bytes. Those of a text that are not UTF-8 become lone surrogates
        (``surrogateescape``), as in names of BTF, so that nothing is lost and ``write`` takes them
        back; ``print`` refuses such text, and :func:`btfschema.escapes.printable` makes it safe.

        Args:
            text: give ``char`` arrays as text up to the NUL; else as all their bytes.
            names: give an enum's values by name, where it has one; else as numbers.

        Raises:
            DecodeError: the data ends before the value does; the message has the path.
        """
        layout, at = self._layout, self._at
        require(self._view, self.offset_, self.size_, self._path, layout)
        reading = Reading(self._layouts.order, text, names)
        if self._bits is not None and isinstance(layout, Scalar):
            return reading.bits(layout, self._bits)(self._view, at)
        if isinstance(layout, Series):
            # Its count may be the caller's, so that no other one needs its reader.
            element = reader_of(self._layouts, layout.element, reading)
            return reading.series(layout, element)(self._view, at)
        return reader_of(self._layouts, layout, reading)(self._view, at)

    def text_(self, options: TextOptions | None = None) -> str:
        """The value as C text, as libbpf's ``btf_dump__dump_type_data`` writes it.

        Args:
            options: compact, with zeroes, without names; none of these by default.

        Raises:
            DecodeError: the data ends before the value does.
        """
        require(self._view, self.offset_, self.size_, self._path, self._layout)
        writer = ValueWriter(self._layouts, self._view, options or TextOptions())
        return writer.written(self._type_id, self._layout, self._at, self._bits)


def read(
    btf: Btf, type_: AnyType, data: Data, offset: int = 0, *, count: int | None = None
) -> Value:
    """Read a value of a type from memory, lazily.

    Args:
        btf: the container that has the type.
        type_: its id, its view, or its name: ``"task_struct"``, ``"struct pid"``, ``"u32"``; a
            variable stands for its type, a section for all its variables.
        data: the bytes, in the container's byte order; they are not copied.
        offset: where the value starts in them.
        count: read an array of so many, instead of one.

    Raises:
        UnresolvedError: the type has no values: void, a function, a forward declaration, or a
            struct with one of these in it; the message says where.
        DecodeError: the data ends before the offset, or the type's description is damaged.
        TypeIdError, UnknownNameError, AmbiguousNameError: no type is meant, or several are.
    """
    layouts = layouts_of(btf)
    type_id = layouts.id_of(type_)
    layout = layouts.of(type_id)
    view = view_of(data)
    path = layouts.title_of(type_)
    if not 0 <= offset <= len(view):
        raise DecodeError(
            f"{path}: offset {offset} lies outside the data, which has {len(view)} bytes",
            offset=offset,
            got=offset,
            expected=f"0..{len(view)}",
        )
    if count is None:
        return Value(layouts, type_id, layout, view, offset, path)
    return Value(layouts, type_id, _run(layout, type_id), view, offset, path)._resized(count)


def _run(layout: Layout, type_id: int) -> Series:
    """An array of a type, of no elements yet, that the file need not have."""
    text = isinstance(layout, Scalar) and layout.char
    return Series(layout.id, 0, layout, type_id, 0, text)


def _revived(
    btf: Btf, type_id: int, data: bytes, path: str, count: int | None, run: bool, bits: Bits | None
) -> Value:
    """What was pickled."""
    layouts = layouts_of(btf)
    layout = layouts.of(type_id)
    if run:
        layout = _run(layout, type_id)
    if isinstance(layout, Series) and count not in (None, layout.count):
        layout = layout.resized(count)
    return Value(layouts, type_id, layout, memoryview(data), 0, path, bits)
