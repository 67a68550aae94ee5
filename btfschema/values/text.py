"""Values as C text, as libbpf's ``btf_dump__dump_type_data`` writes them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from btfschema.escapes import printable
from btfschema.model.views import Linkage
from btfschema.values.layout import Bits, Form, Layout, Member, Record, Scalar, Series, fold
from btfschema.values.layouts import Layouts
from btfschema.values.plain import Reader, Reading, reader_of
from btfschema.values.spelling import cast_of

__all__ = ["TextOptions", "ValueWriter"]

# Integers of more bytes are written in hexadecimal.
WIDEST_DECIMAL = 8

Test = Callable[[memoryview, int], bool]

WORDS = {Linkage.STATIC: "static ", Linkage.EXTERN: "extern "}


@frozen
class TextOptions:
    """How values are written.

    Attributes:
        compact: on one line.
        zeroes: with the members that are zero, which are left out otherwise.
        names: with the names and types of members.
        indent: what a level is indented by.
    """

    compact: bool = False
    zeroes: bool = False
    names: bool = True
    indent: str = "\t"


class ValueWriter:
    """Writes values that are wholly there.

    The methods call each other once for each struct or array around a value, at most
    :data:`~btfschema.values.layout.MOST_LEVELS` times.

    Args:
        layouts: the container's layouts.
        view: the data.
        options: how to write.
    """

    def __init__(self, layouts: Layouts, view: memoryview, options: TextOptions) -> None:
        self._layouts = layouts
        self._view = view
        self._options = options
        self._reading = Reading(layouts.order)
        self._number = Reading(layouts.order, names=False)
        self._zero = _Zero(self._number)
        self._out: list[str] = []
        self._newline = "" if options.compact else "\n"

    def written(self, type_id: int, layout: Layout, at: int, bits: Bits | None = None) -> str:
        """The text of a value."""
        self._value(type_id, layout, at, bits, 0, False)
        return "".join(self._out)

    def _value(
        self, type_id: int, layout: Layout, at: int, bits: Bits | None, depth: int, in_array: bool
    ) -> None:
        """Write a value after what names it.

        Args:
            type_id: its type as declared.
            layout: its layout.
            at: where it starts; of a bit field where its record does.
            bits: where a bit field is.
            depth: how many structs and arrays it lies in.
            in_array: whether one of these is an array, which says the types of its elements.
        """
        if isinstance(layout, Record) and layout.section:
            self._section(layout, at)
            return
        if not depth:
            type_id = self._declared(type_id)
        if self._options.names and not in_array:
            # What was read by a count has the type of an element.
            run = isinstance(layout, Series) and layout.element_id == type_id
            count = layout.count if isinstance(layout, Series) and run else None
            self._out.append(f"({cast_of(self._layouts, type_id, count)})")
        if isinstance(layout, Record):
            self._record(layout, at, depth, in_array)
        elif isinstance(layout, Series):
            self._series(layout, at, depth)
        elif isinstance(layout, Scalar):
            self._out.append(self._scalar(layout, at, bits))
            self._end(depth)

    def _end(self, depth: int) -> None:
        if depth:
            self._out.append(f",{self._newline}")

    def _indent(self, depth: int) -> None:
        if not self._options.compact:
            self._out.append(self._options.indent * depth)

    def _declared(self, type_id: int) -> int:
        """Write the declaration of a variable; returns its type, or that of anything else."""
        btf = self._layouts.btf
        view = btf[type_id]
        linkage = getattr(view, "linkage", None)
        if linkage is None:
            return type_id
        self._out.append(WORDS.get(linkage, ""))
        (target,) = view.references
        name = self._layouts.name_of(type_id)
        self._out.append(f"{cast_of(self._layouts, target)} {printable(name)} = ")
        return target

    def _section(self, section: Record, at: int) -> None:
        self._out.append(f'SEC("{printable(self._layouts.name_of(section.id))}") ')
        for member in section.members:
            self._value(member.type_id, member.layout, at + member.offset, None, 0, False)
            self._out.append(";")

    def _record(self, record: Record, at: int, depth: int, in_array: bool) -> None:
        self._out.append(f"{{{self._newline}")
        for member in record.members:
            where = at if member.bits is not None else at + member.offset
            # Elements of an array are all written, so that their places can be counted.
            if not (self._options.zeroes or in_array) and self._is_zero(member, where):
                continue
            self._indent(depth + 1)
            if self._options.names and member.name:
                self._out.append(f".{printable(member.name)} = ")
            self._value(member.type_id, member.layout, where, member.bits, depth + 1, in_array)
        self._indent(depth)
        self._out.append("}")
        self._end(depth)

    def _series(self, series: Series, at: int, depth: int) -> None:
        self._out.append(f"[{self._newline}")
        element = series.element
        if isinstance(element, Scalar) and is_bytes(series):
            data = bytes(self._view[at : at + series.count])
            end = data.find(0)
            shown = data if end < 0 else data[:end]
            for byte in shown:
                self._indent(depth + 1)
                number = byte - (byte >> 7 << 8) if element.signed else byte
                self._out.append(f"'{chr(byte)}'" if 32 <= byte < 127 else str(number))
                self._end(depth + 1)
            if end >= 0 and self._options.zeroes:
                self._indent(depth + 1)
                self._out.append("'\\0'")
                self._end(depth + 1)
        else:
            for i in range(series.count):
                self._indent(depth + 1)
                start = at + i * element.size
                self._value(series.element_id, element, start, None, depth + 1, True)
        self._indent(depth)
        self._out.append("]")
        self._end(depth)

    def _scalar(self, scalar: Scalar, at: int, bits: Bits | None) -> str:
        if bits is not None:
            value = self._reading.bits(scalar, bits)(self._view, at)
            if isinstance(value, str):
                return printable(value)
            if scalar.form is Form.ENUM:
                return str(value)
            return f"{int(value) & (1 << bits.width) - 1:#x}"
        value = reader_of(self._layouts, scalar, self._reading)(self._view, at)
        if isinstance(value, str):
            return printable(value)
        if scalar.form is Form.FLOAT:
            return f"{value:f}"
        if isinstance(value, bytes):
            return f"0x{value.hex()}"
        if scalar.form is Form.POINTER:
            return f"{value:#x}"
        if scalar.wide:
            return f"{value}LL" if scalar.signed else f"{value}ULL"
        if scalar.size > WIDEST_DECIMAL:
            return f"{value & (1 << 8 * scalar.size) - 1:#x}"
        return str(int(value))

    def _is_zero(self, member: Member, at: int) -> bool:
        layout, bits = member.layout, member.bits
        if bits is not None and isinstance(layout, Scalar):
            return not self._number.bits(layout, bits)(self._view, at)
        zero: Test = fold(layout, self._zero, self._layouts.forms(_Zero))
        return zero(self._view, at)


class _Zero:
    """Makes the test whether a value is left out: all zero, or text that begins with NUL.

    Bytes that no member has do not count.
    """

    def __init__(self, number: Reading) -> None:
        self._number = number

    def __call__(self, layout: Layout, done: dict[Layout, Test]) -> Test:
        size = layout.size
        if isinstance(layout, Series):
            return self._series(layout, done[layout.element])
        if isinstance(layout, Record):
            return self._record(layout, done)
        return lambda view, at: not any(view[at : at + size])

    def _series(self, series: Series, element: Test) -> Test:
        count, size = series.count, series.element.size
        if is_bytes(series):
            return lambda view, at: not (count and view[at])
        return lambda view, at: all(element(view, at + i * size) for i in range(count))

    def _record(self, record: Record, done: dict[Layout, Test]) -> Test:
        tests: list[tuple[Test, int]] = []
        for member in record.members:
            if member.bits is not None and isinstance(member.layout, Scalar):
                tests.append((_none(self._number.bits(member.layout, member.bits)), 0))
            else:
                tests.append((done[member.layout], member.offset))
        return lambda view, at: all(test(view, at + offset) for test, offset in tests)


def _none(reader: Reader) -> Test:
    return lambda view, at: not reader(view, at)


def is_bytes(series: Series) -> bool:
    """Whether an array is written as characters.

    Compilers seldom say which bytes are characters, so all integers of a byte are taken for these.
    """
    element = series.element
    return isinstance(element, Scalar) and element.size == 1 and element.form is not Form.ENUM
