"""Bytes to sections and back: the header, the byte order, the layout section, two engines.

This is the one place that runs Construct over a type section and turns its errors into ours.

``bulk`` indexes the section with numpy (:mod:`btfschema.types`); ``reference`` parses and builds
every record with the declared Construct struct. Both give the same table and raise the same
errors; neither falls back on the other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from attrs import evolve, field, frozen
from construct import ConstructError

from btfschema.errors import DecodeError, EncodeError
from btfschema.plan import HEADER_WORDS, INFO_WORD, Plan, layout_of, plan_of
from btfschema.schema import (
    BTF_HEADER,
    BTF_LAYOUT,
    BTF_LAYOUT_FIELDS,
    BTF_MAGIC,
    BTF_TYPE,
    BTF_VERSION,
    KINDS,
    Kinds,
    opaque_record,
    record,
)
from btfschema.strings import StringTable
from btfschema.types import TypeTable, raise_record_error

__all__ = [
    "ByteOrder",
    "Engine",
    "Header",
    "Image",
    "byteorder_of",
    "check_bounds",
    "decode",
    "encode",
    "read_header",
    "run_construct",
    "word_dtype",
]

ByteOrder = Literal["little", "big"]
Engine = Literal["bulk", "reference"]

CLASSIC_HEADER_SIZE: int = BTF_HEADER.sizeof()
LAYOUT_HEADER_SIZE: int = CLASSIC_HEADER_SIZE + BTF_LAYOUT_FIELDS.sizeof()
LAYOUT_ENTRY_SIZE: int = BTF_LAYOUT.sizeof()
HEADER_FIELDS = tuple(str(s.name) for s in (*BTF_HEADER.subcons, *BTF_LAYOUT_FIELDS.subcons))
NATIVE: ByteOrder = "little" if np.little_endian else "big"


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
        values = [getattr(self, name) for name in HEADER_FIELDS]
        return form.pack(*(values if long else values[: len(BTF_HEADER.subcons)]))


@frozen(eq=False)
class Image:
    """One decoded blob.

    Attributes:
        header: as read; its lengths need not fit a changed image.
        types: the records.
        strings: chained to the base's.
        layout: (info_sz, elem_sz, flags) a kind, or None without a layout section.
        source: the whole input, when this image came from one and is unchanged: what lies between
            the sections is written back from here.
    """

    header: Header
    types: TypeTable
    strings: StringTable
    layout: tuple[tuple[int, int, int], ...] | None = None
    source: bytes | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        # Here types and strings meet; from now on the table can tell names.
        if self.types.strings is not self.strings:
            object.__setattr__(self, "types", self.types.with_strings(self.strings))


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


def read_header(data: bytes) -> Header:
    """Read and check the header.

    Raises:
        DecodeError: the magic is wrong, or a section does not lie inside the data.
    """
    size = len(data)
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


def decode(
    data: bytes,
    base: Image | None = None,
    *,
    engine: Engine = "bulk",
    kinds: Kinds = KINDS,
) -> Image:
    """Read a blob's sections over those of its base.

    Raises:
        DecodeError: the blob is damaged; what refers to what is not checked here.
    """
    header = read_header(data)
    (_, type_at, type_len), (_, str_at, str_len), (_, layout_at, layout_len) = header.sections
    strings = data[str_at : str_at + str_len]
    if strings and strings[-1]:
        raise DecodeError(
            f"the string section ends in byte 0x{strings[-1]:02x} at byte {str_at + str_len - 1}, "
            "expected NUL",
            offset=str_at + str_len - 1,
            got=strings[-1],
            expected="NUL",
        )
    layout = None
    plan = plan_of(kinds)
    if layout_len:
        layout = _read_layout(data[layout_at : layout_at + layout_len], header, layout_at)
        _check_layout(layout, plan, layout_at)
        plan = plan.with_layout(tuple(entry[:2] for entry in layout))
    order = word_dtype(header.byteorder)
    # An empty section may claim to start anywhere, also past the end.
    words = np.frombuffer(data, order, type_len // 4, type_at if type_len else 0)
    words = words.astype(np.uint32, copy=False)
    first_id = base.types.end_id if base is not None else 1
    table = _TABLE_READERS[engine](words, plan, first_id, type_at, type_len % 4)
    table_of_strings = StringTable(strings, base.strings if base is not None else None)
    return Image(header, table, table_of_strings, layout, data)


def _read_layout(data: bytes, header: Header, offset: int) -> tuple[tuple[int, int, int], ...]:
    if len(data) % LAYOUT_ENTRY_SIZE:
        raise DecodeError(
            f"layout section at byte {offset}: {len(data)} bytes, expected a multiple of "
            f"{LAYOUT_ENTRY_SIZE}",
            offset=offset,
            got=len(data),
            expected=f"a multiple of {LAYOUT_ENTRY_SIZE}",
        )
    entries = (
        BTF_LAYOUT.parse(data[at : at + LAYOUT_ENTRY_SIZE], byteorder=header.byteorder)
        for at in range(0, len(data), LAYOUT_ENTRY_SIZE)
    )
    return tuple((e.info_sz, e.elem_sz, e.flags) for e in entries)


def _check_layout(layout: tuple[tuple[int, int, int], ...], plan: Plan, offset: int) -> None:
    """Sizes are whole words, and those of a declared kind are the declared ones, or zero."""
    for number, (info_sz, elem_sz, _) in enumerate(layout):
        where = f"layout section, kind {number}"
        at = offset + number * LAYOUT_ENTRY_SIZE
        got = (info_sz, elem_sz)
        if info_sz % 4 or elem_sz % 4:
            raise DecodeError(
                f"{where}: info_sz {info_sz} and elem_sz {elem_sz}, expected multiples of 4",
                offset=at,
                got=got,
                expected="multiples of 4",
            )
        known = plan.kinds.get(number)
        if known is not None and got not in ((0, 0), (known.info_sz, known.elem_sz)):
            raise DecodeError(
                f"{where} ({known.name}): info_sz {info_sz} and elem_sz {elem_sz}, the schema "
                f"declares {known.info_sz} and {known.elem_sz}",
                offset=at,
                got=got,
                expected=f"{known.info_sz} and {known.elem_sz}",
            )


def _bulk_table(words: Any, plan: Plan, first_id: int, offset: int, trailing: int) -> TypeTable:
    return TypeTable.parse(words, plan, first_id, offset=offset, trailing=trailing)


def _reference_table(
    words: Any, plan: Plan, first_id: int, offset: int, trailing: int
) -> TypeTable:
    """Parse every record with Construct; the table is built from what Construct builds back."""
    data = words.tobytes()
    structs = _record_structs(plan)
    starts: list[int] = []
    built = bytearray()
    at, end = 0, len(data) + trailing
    while at < end:
        type_id = first_id + len(starts)
        kind = vlen = 0
        if end - at >= 4 * HEADER_WORDS:
            info = BTF_TYPE.parse(data[at : at + 4 * HEADER_WORDS], byteorder=NATIVE).info
            kind, vlen = info.kind, info.vlen
        raise_record_error(plan, type_id, kind, vlen, end - at, offset + at)
        size = 4 * plan.kinds[kind].size(vlen)
        values = run_construct(structs[kind].parse, data[at : at + size], f"type {type_id}")
        starts.append(at // 4)
        built += run_construct(structs[kind].build, values, f"type {type_id}")
        at += size
    table = np.frombuffer(bytes(built), np.uint32)
    return TypeTable(table, np.array(starts, np.int64), plan, first_id)


_TABLE_READERS: dict[Engine, Callable[..., TypeTable]] = {
    "bulk": _bulk_table,
    "reference": _reference_table,
}


def _record_structs(plan: Plan) -> dict[int, Any]:
    return {
        number: record(kind.spec)
        if kind.spec is not None
        else opaque_record(kind.info_sz, kind.elem_sz)
        for number, kind in plan.kinds.items()
    }


def run_construct(
    work: Callable[..., Any], value: Any, where: str, byteorder: ByteOrder = NATIVE
) -> Any:
    """Run Construct's parse or build; its errors become ours, and ``where`` says of what."""
    try:
        return work(value, byteorder=byteorder)
    except ConstructError as error:
        cause = DecodeError if isinstance(value, bytes) else EncodeError
        raise cause(f"{where}: {error}") from None


def reference_records(table: TypeTable) -> list[dict[str, Any]]:
    """Every record as Construct reads it, as plain dicts: what the bulk engine is tested by."""
    structs = _record_structs(table.plan)
    records = []
    for row in range(len(table)):
        data = table.words[table.starts[row] : table.ends[row]].tobytes()
        kind = BTF_TYPE.parse(data, byteorder=NATIVE)[INFO_WORD.name].kind
        records.append(_plain(structs[kind].parse(data, byteorder=NATIVE)))
    return records


def _plain(value: Any) -> Any:
    """Construct's containers as dicts and lists, without its bookkeeping."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not str(k).startswith("_")}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def encode(image: Image, *, engine: Engine = "bulk") -> bytes:
    """The blob of an image.

    An image that was read and not changed gives back its input: the sections are written from the
    tables, and what lies between them comes from the source. Any other is laid out as kernels
    expect it: header, types, layout, strings, with nothing between.

    Raises:
        EncodeError: a section is too long for the header.
    """
    order = word_dtype(image.header.byteorder)
    words = image.types.words if engine == "bulk" else _rebuilt(image.types)
    types = words.astype(order, copy=False).tobytes()
    strings = image.strings.data
    layout = b"".join(
        BTF_LAYOUT.build(
            dict(zip(("info_sz", "elem_sz", "flags"), entry, strict=True)),
            byteorder=image.header.byteorder,
        )
        for entry in image.layout or ()
    )
    contents = {"types": types, "strings": strings, "layout": layout}
    header, frame = image.header, image.source
    if frame is None or any(len(contents[name]) != size for name, _, size in header.sections):
        header = canonical_header(
            header.byteorder, len(types), len(strings), len(image.layout or ())
        )
        frame = bytes(header.hdr_len + header.type_len + header.layout_len + header.str_len)
    blob = bytearray(frame)
    start = header.build()
    blob[: len(start)] = start
    for name, at, size in header.sections:
        if size:
            blob[at : at + size] = contents[name]
    return bytes(blob)


def _rebuilt(table: TypeTable) -> Any:
    """The section's words, every record parsed and built by Construct."""
    return _reference_table(table.words, table.plan, table.first_id, 0, 0).words


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


def schema_layout(
    kinds: Kinds = KINDS, last: int | None = None
) -> tuple[tuple[int, int, int], ...]:
    """The layout section that describes ``kinds`` up to number ``last``."""
    return tuple((info_sz, elem_sz, 0) for info_sz, elem_sz in layout_of(kinds, last))
