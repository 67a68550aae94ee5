"""Construct words that know what they mean.

BTF is made of unsigned words in the file's own byte order. The classes here are Construct
constructs which read that order from the parameter ``byteorder`` (``"little"`` or ``"big"``) given
to ``parse`` and ``build``, so that one declaration serves both, and which carry a *role*:
:class:`TypeId` marks a word as a type id, :class:`StringOffset` as an offset into the strings. The
plan (:mod:`btfschema.schema.plan`) reads the roles; nothing else says where references are.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from construct import Construct, Container, FormatFieldError, stream_read, stream_write

__all__ = ["S32", "U8", "U16", "U32", "Bits", "Role", "StringOffset", "TypeId", "UInt"]

# The stubs know Construct as generic; the class itself is not.
if TYPE_CHECKING:
    _Construct = Construct[Any, Any]
else:
    _Construct = Construct


class Role(Enum):
    """What a word stands for."""

    NUMBER = "number"
    TYPE_ID = "type id"
    STRING_OFFSET = "string offset"


class UInt(_Construct):
    """An integer of ``length`` bytes in the file's byte order."""

    role = Role.NUMBER

    def __init__(self, length: int = 4, *, signed: bool = False) -> None:
        super().__init__()
        self.length = length
        self.signed = signed

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        data = stream_read(stream, self.length, path)
        return int.from_bytes(data, context._params.byteorder, signed=self.signed)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        try:
            data = obj.to_bytes(self.length, context._params.byteorder, signed=self.signed)
        except OverflowError:
            bits = 8 * self.length
            kind = "signed" if self.signed else "unsigned"
            message = f"{obj} does not fit {bits} {kind} bits"
            raise FormatFieldError(message, path=path) from None
        stream_write(stream, data, self.length, path)
        return obj

    def _sizeof(self, context: Any, path: str) -> int:
        return self.length


class TypeId(UInt):
    """A u32 that refers to a type; 0 is void."""

    role = Role.TYPE_ID


class StringOffset(UInt):
    """A u32 offset into the strings, those of all bases first; 0 is the empty string."""

    role = Role.STRING_OFFSET


class Bits(UInt):
    """A u32 divided into named bit fields, the least significant first.

    The widths must add up to 32, so that every bit is kept; names that start with ``reserved``
    are bits without a meaning.
    """

    def __init__(self, **widths: int) -> None:
        super().__init__(4)
        if sum(widths.values()) != 32:
            message = f"bit fields {', '.join(widths)} cover {sum(widths.values())} bits, not 32"
            raise ValueError(message)
        self.fields: dict[str, tuple[int, int]] = {}
        shift = 0
        for name, width in widths.items():
            self.fields[name] = (shift, width)
            shift += width

    def split(self, word: int) -> dict[str, int]:
        """The fields of ``word``, by name."""
        return {name: self.part(word, name) for name in self.fields}

    def part(self, words: Any, name: str) -> Any:
        """One field of a word, or of an array of words."""
        shift, width = self.fields[name]
        return words >> shift & (1 << width) - 1

    def join(self, values: dict[str, int]) -> int:
        """The word with these fields; raises ``OverflowError`` naming the one that does not fit."""
        word = 0
        for name, (shift, width) in self.fields.items():
            value = values.get(name, 0)
            if not 0 <= value < 1 << width:
                message = f"{name} {value} does not fit {width} bits"
                raise OverflowError(message)
            word |= value << shift
        return word

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        return Container(self.split(super()._parse(stream, context, path)))

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        try:
            word = self.join(obj)
        except OverflowError as error:
            raise FormatFieldError(str(error), path=path) from None
        super()._build(word, stream, context, path)
        return obj


U8 = UInt(1)
U16 = UInt(2)
U32 = UInt(4)
S32 = UInt(4, signed=True)
