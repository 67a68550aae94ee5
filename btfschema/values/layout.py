"""Where the values of a type lie in memory: worked out once for each type of a container.

A :class:`Layout` is the one declaration that everything in this package is derived from: Python
values, text, Construct, numpy and ctypes. :func:`fold` makes a form of a layout from the forms of
its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from btfschema.codec.header import ByteOrder
from btfschema.errors import DecodeError

__all__ = [
    "MOST_LEVELS",
    "Bits",
    "Field",
    "Form",
    "Layout",
    "Member",
    "Record",
    "Scalar",
    "Series",
    "counted",
    "fold",
    "too_deep",
]

MOST_LEVELS = 32
"""How deep records and arrays may be nested: Linux' verifier follows no more references."""

# A type may have this many values, and this many for each of its bytes. Types of no size can
# multiply without end in a small file.
FREE_LEAVES = 1 << 16
LEAVES_PER_BYTE = 8

# Containers of bit fields that machines and numpy know, in bytes.
WORD_SIZES = (1, 2, 4, 8)

Made = TypeVar("Made")
AnyLayout = TypeVar("AnyLayout", bound="Layout")


class Form(Enum):
    """What a scalar's bytes mean."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    POINTER = "address"
    ENUM = "enum"
    FLOAT = "floating-point number"
    RAW = "bytes"


@frozen(eq=False, slots=False)
class Layout:
    """A type as bytes.

    Attributes:
        id: the type, behind its typedefs and qualifiers.
        size: bytes.
        levels: how deep arrays and records are nested.
        leaves: how many scalars there are, those of arrays counted.
    """

    id: int
    size: int
    levels: int = field(default=0, kw_only=True)
    leaves: int = field(default=1, kw_only=True)

    @cached_property
    def parts(self) -> Iterable[Layout]:
        """The layouts that this one is made of, each once."""
        return ()

    @cached_property
    def extent(self) -> int:
        """Bytes up to the end of the last scalar."""
        return self.size


@frozen(eq=False, slots=False)
class Scalar(Layout):
    """One number, or bytes without a meaning.

    Attributes:
        form: what it is.
        signed: whether it has a sign.
        names: the names of an enum's values; of several for one value the first.
        narrow: of an INT that does not fill its bytes, its first bit and its bits.
        char: whether it is C's ``char``.
        wide: whether it is an enum of the kind that has 64-bit values.
    """

    form: Form = Form.INTEGER
    signed: bool = False
    names: dict[int, str] = field(factory=dict, repr=False)
    narrow: tuple[int, int] | None = None
    char: bool = False
    wide: bool = False

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The values of an enum's names."""
        return {name: value for value, name in self.names.items()}


@frozen(eq=False, slots=False)
class Series(Layout):
    """An array.

    Attributes:
        element: the layout of an element.
        element_id: its type, as declared.
        count: how many there are.
        text: whether it holds C's ``char``.
    """

    element: Layout
    element_id: int
    count: int
    text: bool = False

    @cached_property
    def parts(self) -> Iterable[Layout]:
        """The element."""
        return (self.element,)

    def resized(self, count: int) -> Series:
        """The same array with another number of elements.

        Raises:
            DecodeError: they are out of proportion to their bytes.
        """
        return counted(evolve(self, size=count * self.element.size, count=count))


@frozen
class Bits:
    """A bit field: the bytes that it covers, and where it lies in the number that they make.

    Attributes:
        at: the first byte that it covers, from the start of the record.
        size: how many bytes it covers.
        shift: the bits below it when the bytes are read as one number in the file's byte order.
        width: how many bits it has.
    """

    at: int
    size: int
    shift: int
    width: int

    @classmethod
    def of(cls, bit_offset: int, width: int, order: ByteOrder) -> Bits:
        """The bits that start at a BTF bit offset.

        Offsets count as addresses grow: from the lowest bit of each byte in a little-endian file,
        from the highest one in a big-endian file.
        """
        first, skipped = divmod(bit_offset, 8)
        size = (skipped + width + 7) // 8
        return cls(first, size, skipped if order == "little" else 8 * size - skipped - width, width)

    def moved(self, offset: int) -> Bits:
        """The same bits, ``offset`` bytes further on."""
        return evolve(self, at=self.at + offset)

    def within(self, limit: int, order: ByteOrder) -> Bits:
        """The same bits in a word of 1, 2, 4 or 8 bytes, if the record's ``limit`` has room."""
        for size in WORD_SIZES:
            if self.size <= size <= limit:
                at = min(self.at // size * size, limit - size)
                if at + size < self.at + self.size:
                    at = min(self.at, limit - size)
                before, after = self.at - at, at + size - self.at - self.size
                shift = self.shift + 8 * (before if order == "little" else after)
                return Bits(at, size, shift, self.width)
        return self


@frozen(eq=False)
class Member:
    """A member as declared.

    Attributes:
        name: empty for an anonymous one.
        type_id: its type, as declared.
        layout: its layout.
        offset: bytes from the start of the record; of a bit field those of the first byte.
        bits: where a bit field is, or None.
    """

    name: str
    type_id: int
    layout: Layout
    offset: int
    bits: Bits | None = None

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.bits.at + self.bits.size if self.bits else self.offset + self.layout.size


@frozen(eq=False)
class Field(Member):
    """A member that a name leads to, also out of anonymous members; the offset is the record's."""


@frozen(eq=False, slots=False)
class Record(Layout):
    """A struct, a union or a section.

    Attributes:
        members: as declared.
        section: whether the members are a section's variables.
        overlapping: whether it is a union.
    """

    members: tuple[Member, ...] = field(repr=False)
    section: bool = False
    overlapping: bool = False

    @cached_property
    def parts(self) -> Iterable[Layout]:
        """The members' layouts."""
        return tuple(dict.fromkeys(member.layout for member in self.members))

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The members by name, those of anonymous members among them, as in C.

        A file may use a name twice, which C does not; the first counts.
        """
        found: dict[str, Field] = {}
        for member in self.members:
            for name, one in _named(member):
                found.setdefault(name, one)
        return found

    @cached_property
    def reach(self) -> int:
        """Bytes up to the end of the last member, with its padding."""
        return max((member.end for member in self.members), default=0)

    @cached_property
    def extent(self) -> int:
        """Bytes up to the end of the last scalar."""
        return max(
            (
                member.offset + (member.bits.size if member.bits else member.layout.extent)
                for member in self.members
            ),
            default=0,
        )


def _named(member: Member) -> Iterator[tuple[str, Field]]:
    """What names of a record a member brings."""
    if member.name:
        yield (
            member.name,
            Field(member.name, member.type_id, member.layout, member.offset, member.bits),
        )
    elif isinstance(member.layout, Record):
        for name, inner in member.layout.fields.items():
            bits = inner.bits.moved(member.offset) if inner.bits else None
            yield (
                name,
                Field(name, inner.type_id, inner.layout, member.offset + inner.offset, bits),
            )


def fold(
    layout: Layout, make: Callable[[Layout, dict[Layout, Made]], Made], done: dict[Layout, Made]
) -> Made:
    """Make a form of a layout, its parts' forms first.

    Args:
        layout: what to make it of.
        make: makes the form of one layout; its second argument holds those of its parts.
        done: what is made already; kept from call to call.
    """
    stack = [layout]
    while stack:
        current = stack[-1]
        missing = [part for part in current.parts if part not in done]
        if missing:
            stack += missing
        else:
            stack.pop()
            if current not in done:
                done[current] = make(current, done)
    return done[layout]


def too_deep(type_id: int, levels: int) -> DecodeError:
    """The error for types that are nested too deep."""
    return DecodeError(
        f"structs and arrays nested {levels} deep; the limit is {MOST_LEVELS}",
        type_id=type_id,
        got=levels,
        expected=f"at most {MOST_LEVELS}",
    )


def counted(layout: AnyLayout) -> AnyLayout:
    """The layout, its levels and leaves counted; those of its parts are.

    Raises:
        DecodeError: there are too many.
    """
    levels = 1 + max((part.levels for part in layout.parts), default=-1)
    if levels > MOST_LEVELS:
        raise too_deep(layout.id, levels)
    leaves = 1
    if isinstance(layout, Series):
        leaves = max(1, layout.count * layout.element.leaves)
    elif isinstance(layout, Record):
        leaves = max(1, sum(member.layout.leaves for member in layout.members))
    limit = FREE_LEAVES + LEAVES_PER_BYTE * layout.size
    if leaves > limit:
        raise DecodeError(
            f"{leaves} values in {layout.size} bytes, the limit is {limit}",
            type_id=layout.id,
            got=leaves,
            expected=f"at most {limit}",
        )
    counts: dict[str, Any] = {"levels": levels, "leaves": leaves}
    return evolve(layout, **counts)
