"""The header of BTF: where the sections are, and in which byte order."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise
from operator import attrgetter
from typing import Any, Literal

from attrs import evolve, frozen

from btfschema.errors import DecodeError, EncodeError
from btfschema.schema.kinds import BTF_HEADER, BTF_LAYOUT, BTF_LAYOUT_FIELDS, BTF_MAGIC, BTF_VERSION

__all__ = [
    "CLASSIC_HEADER_SIZE",
    "LAYOUT_ENTRY_SIZE",
    "LAYOUT_HEADER_SIZE",
    "MAGICS",
    "ORDERS",
    "ByteOrder",
    "Header",
    "byteorder_of",
    "canonical_header",
    "check_bounds",
    "read_header",
    "word_dtype",
]

ByteOrder = Literal["little", "big"]

CLASSIC_HEADER_SIZE: int = BTF_HEADER.sizeof()
LAYOUT_HEADER_SIZE: int = CLASSIC_HEADER_SIZE + BTF_LAYOUT_FIELDS.sizeof()
LAYOUT_ENTRY_SIZE: int = BTF_LAYOUT.sizeof()
HEADER_FIELDS = tuple(str(s.name) for s in (*BTF_HEADER.subcons, *BTF_LAYOUT_FIELDS.subcons))
HEADER_VALUES = attrgetter(*HEADER_FIELDS)


def _struct_of(byteorder: ByteOrder, *declared: Any) -> struct.Struct:
    """Unsigned words as declared, for headers: every module of a kernel has two or three."""
    sizes = [subcon.sizeof() for one in declared for subcon in one.subcons]
    letters = {1: "B", 2: "H", 4: "I"}
    return struct.Struct(
        ("<" if byteorder == "little" else ">") + "".join(letters[size] for size in sizes)
    )


ORDERS: tuple[ByteOrder, ...] = ("little", "big")
CLASSIC_HEADER = {order: _struct_of(order, BTF_HEADER) for order in ORDERS}
LAYOUT_HEADER = {order: _struct_of(order, BTF_HEADER, BTF_LAYOUT_FIELDS) for order in ORDERS}
MAGICS: dict[bytes, ByteOrder] = {BTF_MAGIC.to_bytes(2, order): order for order in ORDERS}


@frozen
class Header:
    """``struct btf_header``; offsets and lengths in bytes, counted from the end of the header."""

    byteorder: ByteOrder
    type_len: int = 0
    str_off: int = 0
    str_len: int = 0
    layout_off: int = 0
    layout_len: int = 0
    type_off: int = 0
    hdr_len: int = CLASSIC_HEADER_SIZE
    magic: int = BTF_MAGIC
    version: int = BTF_VERSION
    flags: int = 0

    @property
    def sections(self) -> tuple[tuple[str, int, int], ...]:
        """Name, first byte and length of each section, counted from the start of the blob."""
        return (
            ("types", self.hdr_len + self.type_off, self.type_len),
            ("strings", self.hdr_len + self.str_off, self.str_len),
            ("layout", self.hdr_len + self.layout_off, self.layout_len),
        )

    def build(self) -> bytes:
        """The header's declared bytes: 24, or 32 when ``hdr_len`` has room for the layout."""
        long = self.hdr_len >= LAYOUT_HEADER_SIZE
        form = (LAYOUT_HEADER if long else CLASSIC_HEADER)[self.byteorder]
        values = HEADER_VALUES(self)
        return form.pack(*(values if long else values[: len(BTF_HEADER.subcons)]))


def byteorder_of(data: bytes, what: str) -> ByteOrder:
    """The byte order that the magic tells.

    Raises:
        DecodeError: the data does not start with the magic; ``what`` names the format.
    """
    if data[:2] in MAGICS:
        return MAGICS[data[:2]]
    expected = " or ".join(magic.hex(" ") for magic in MAGICS)
    found = f"found {data[:2].hex(' ')}" if data else "the input is empty"
    raise DecodeError(
        f"not {what}: {found}, expected {expected}", offset=0, got=data[:2], expected=expected
    )


def word_dtype(byteorder: ByteOrder) -> str:
    """The numpy type of a u32 word in a file of this byte order."""
    return "<u4" if byteorder == "little" else ">u4"


def read_header(data: bytes, size: int | None = None) -> Header:
    """Read and check the header.

    Args:
        data: the blob; with ``size``, its first 32 bytes are enough.
        size: the blob's length, when that is not the data's.

    Raises:
        DecodeError: the magic is wrong, or a section does not lie inside the data.
    """
    size = len(data) if size is None else size
    byteorder = byteorder_of(data, "BTF")
    if size < CLASSIC_HEADER_SIZE:
        raise DecodeError(
            f"truncated BTF header: {size} bytes, expected at least {CLASSIC_HEADER_SIZE}",
            offset=size,
            got=size,
            expected=f"at least {CLASSIC_HEADER_SIZE}",
        )
    form = CLASSIC_HEADER[byteorder]
    values = dict(zip(HEADER_FIELDS, form.unpack_from(data), strict=False))
    hdr_len = values["hdr_len"]
    if not CLASSIC_HEADER_SIZE <= hdr_len <= size:
        raise DecodeError(
            f"header length {hdr_len} at byte 4: expected {CLASSIC_HEADER_SIZE} "
            f"to the input's {size} bytes",
            offset=4,
            got=hdr_len,
            expected=f"{CLASSIC_HEADER_SIZE}..{size}",
        )
    if hdr_len >= LAYOUT_HEADER_SIZE:
        form = LAYOUT_HEADER[byteorder]
        values = dict(zip(HEADER_FIELDS, form.unpack_from(data), strict=True))
    header = Header(byteorder, **values)
    _check_sections(header, size)
    return header


def _check_sections(header: Header, size: int) -> None:
    """Every section inside the input, none over another, the types on a multiple of 4."""
    if header.type_off % 4:
        raise DecodeError(
            f"type section offset {header.type_off} is not a multiple of 4",
            offset=8,
            got=header.type_off,
            expected="a multiple of 4",
        )
    sections = [(f"the {name} section", at, length) for name, at, length in header.sections]
    check_bounds(sections, size, "BTF")


def check_bounds(
    sections: Iterable[tuple[str, int, int]], size: int, what: str, prefix: str = ""
) -> None:
    """Every section inside the input, none over another; empty ones may be anywhere.

    Args:
        sections: what each is called, its first byte, and its length in bytes.
        size: of the input in bytes.
        what: is truncated when a section ends behind the input.
        prefix: of the message when a section runs into another.

    Raises:
        DecodeError: a section does not fit.
    """
    used = sorted((at, length, name) for name, at, length in sections if length)
    for at, length, name in used:
        if at + length > size:
            raise DecodeError(
                f"truncated {what}: {name} is bytes {at}..{at + length}, "
                f"the input has {size} bytes",
                offset=at,
                got=size,
                expected=f"at least {at + length}",
            )
    for (at, length, name), (following, _, other) in pairwise(used):
        if at + length > following:
            raise DecodeError(
                f"{prefix}{name} (bytes {at}..{at + length}) runs into {other} "
                f"(from byte {following})",
                offset=following,
                got=at + length,
                expected=f"at most {following}",
            )


def canonical_header(
    byteorder: ByteOrder, type_len: int, str_len: int, layout_entries: int = 0
) -> Header:
    """The header of a blob whose sections follow one another: types, layout, strings.

    Args:
        byteorder: of the blob.
        type_len: bytes of the types.
        str_len: bytes of the strings.
        layout_entries: kinds in the layout section; 0 for none, and a header of 24 bytes.

    Raises:
        EncodeError: a section is too long for the header.
    """
    layout_len = layout_entries * LAYOUT_ENTRY_SIZE
    for name, length in (("type", type_len), ("string", str_len)):
        if length > 0xFFFFFFFF:
            raise EncodeError(f"the {name} section has {length} bytes, a header holds 32 bits")
    header = Header(byteorder, type_len=type_len, str_off=type_len + layout_len, str_len=str_len)
    if not layout_len:
        return header
    return evolve(header, hdr_len=LAYOUT_HEADER_SIZE, layout_off=type_len, layout_len=layout_len)
