"""Bytes to sections and back: the header, the byte order, the layout section, two engines.

This is the one place that runs Construct over a type section and turns its errors into ours.

``bulk`` indexes sections with numpy (:mod:`btfschema.codec.indexing`); ``reference`` parses and
builds every record with the declared Construct struct. Both give the same table and raise the same
errors; neither falls back on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, repeat
from typing import Any, Literal, NamedTuple

import numpy as np
from attrs import field, frozen
from construct import ConstructError

from btfschema.codec.header import (
    LAYOUT_ENTRY_SIZE,
    ByteOrder,
    Header,
    canonical_header,
    read_header,
    word_dtype,
)
from btfschema.codec.indexing import Section, index_sections, raise_record_error
from btfschema.errors import DecodeError, EncodeError
from btfschema.schema.drafts import DRAFTS
from btfschema.schema.kinds import (
    BTF_LAYOUT,
    BTF_TYPE,
    KINDS,
    Kinds,
    opaque_record,
    record,
)
from btfschema.schema.plan import HEADER_WORDS, INFO_WORD, Plan, layout_of, plan_of
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable

__all__ = [
    "Engine",
    "Image",
    "decode_many",
    "encode",
    "run_construct",
]

Engine = Literal["bulk", "reference"]

NATIVE: ByteOrder = "little" if np.little_endian else "big"


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
        if self.types.strings is None:
            self.types.strings = self.strings
        elif self.types.strings is not self.strings:
            object.__setattr__(self, "types", self.types.with_strings(self.strings))


def decode_many(
    blobs: Sequence[bytes],
    bases: Sequence[Image | None],
    *,
    engine: Engine = "bulk",
    kinds: Kinds = KINDS,
) -> list[Image]:
    """Read blobs, each over its base: many at less cost for each.

    Raises:
        DecodeError: one of them is damaged.
    """
    frames = list(map(_read_frame, blobs, bases, repeat(kinds)))
    images = []
    # One plan but for layout sections that describe kinds which the schema does not know.
    for _, group in groupby(frames, lambda frame: id(frame.plan)):
        alike = list(group)
        tables = _TABLE_READERS[engine]([frame.section for frame in alike], alike[0].plan)
        for frame, table in zip(alike, tables, strict=True):
            images.append(Image(frame.header, table, frame.strings, frame.layout, frame.data))
    return images


class _Frame(NamedTuple):
    """A blob whose types are not cut into records yet."""

    data: bytes
    header: Header
    section: Section
    strings: StringTable
    layout: tuple[tuple[int, int, int], ...] | None
    plan: Plan


def _read_frame(data: bytes, base: Image | None, kinds: Kinds) -> _Frame:
    if kinds is KINDS and base is not None:
        kinds = base.types.plan.schema
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
    table_of_strings = StringTable(strings, base.strings if base is not None else None)
    section = Section(words, first_id, type_at, type_len % 4)
    return _Frame(data, header, section, table_of_strings, layout, plan)


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
            draft = DRAFTS.get((number, *got), "")
            draft = f": this is {draft}" if draft else ""
            raise DecodeError(
                f"{where} ({known.name}): info_sz {info_sz} and elem_sz {elem_sz}, the schema "
                f"declares {known.info_sz} and {known.elem_sz}{draft}",
                offset=at,
                got=got,
                expected=f"{known.info_sz} and {known.elem_sz}",
            )


def _bulk_tables(sections: Sequence[Section], plan: Plan) -> list[TypeTable]:
    joined = index_sections(sections, plan)
    if len(sections) > 1:
        # One table alone finds its roles out when it is asked for them.
        joined.types.roles  # noqa: B018
    words = [section.words for section in sections]
    return joined.cut([section.first_id for section in sections], words)


def _reference_tables(sections: Sequence[Section], plan: Plan) -> list[TypeTable]:
    structs = _record_structs(plan)
    return [_reference_table(section, plan, structs) for section in sections]


def _reference_table(section: Section, plan: Plan, structs: dict[int, Any]) -> TypeTable:
    """Parse every record with Construct; the table is built from what Construct builds back."""
    data = section.words.tobytes()
    starts: list[int] = []
    built = bytearray()
    at, end = 0, len(data) + section.trailing
    while at < end:
        type_id = section.first_id + len(starts)
        kind = vlen = 0
        if end - at >= 4 * HEADER_WORDS:
            info = BTF_TYPE.parse(data[at : at + 4 * HEADER_WORDS], byteorder=NATIVE).info
            kind, vlen = info.kind, info.vlen
        raise_record_error(plan, type_id, kind, vlen, end - at, section.offset + at)
        size = 4 * plan.kinds[kind].size(vlen)
        values = run_construct(structs[kind].parse, data[at : at + size], f"type {type_id}")
        starts.append(at // 4)
        built += run_construct(structs[kind].build, values, f"type {type_id}")
        at += size
    table = np.frombuffer(bytes(built), np.uint32)
    return TypeTable(table, np.array(starts, np.int64), plan, section.first_id)


_TABLE_READERS: dict[Engine, Callable[[Sequence[Section], Plan], list[TypeTable]]] = {
    "bulk": _bulk_tables,
    "reference": _reference_tables,
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
        return b"".join((header.build(), types, layout, strings))
    blob = bytearray(frame)
    start = header.build()
    blob[: len(start)] = start
    for name, at, size in header.sections:
        if size:
            blob[at : at + size] = contents[name]
    return bytes(blob)


def _rebuilt(table: TypeTable) -> Any:
    """The section's words, every record parsed and built by Construct."""
    (rebuilt,) = _reference_tables([Section(table.words, table.first_id)], table.plan)
    return rebuilt.words


def schema_layout(
    kinds: Kinds = KINDS, last: int | None = None
) -> tuple[tuple[int, int, int], ...]:
    """The layout section that describes ``kinds`` up to number ``last``."""
    return tuple((info_sz, elem_sz, 0) for info_sz, elem_sz in layout_of(kinds, last))
