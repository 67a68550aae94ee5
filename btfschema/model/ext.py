"""``.BTF.ext``: what a BPF program says about its instructions, in terms of its BTF.

The section has three parts: which function an instruction belongs to (``func_info``), which source
line (``line_info``), and which accesses a loader adjusts to the running kernel (``core_relo``).
Each part holds records grouped by program section. Records may be longer than this package knows;
what it does not know is kept.

Like the type table, a part is an array of u32 words and the places of its records, so that a pass
which renumbers types or strings rewrites it in one numpy expression (:meth:`BtfExt.map`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen
from construct import Bytes, Struct

from btfschema.arguments import require_choice
from btfschema.arrays import Index, Words, read_only
from btfschema.codec.engines import Engine, run_construct
from btfschema.codec.header import ByteOrder, byteorder_of, check_bounds, word_dtype
from btfschema.errors import BtfError, DecodeError, EncodeError
from btfschema.model.views.base import attached
from btfschema.model.views.ext import CoreRelo, CoreReloKind, ExtSection, FuncInfo, LineInfo
from btfschema.schema.kinds import (
    BTF_EXT_CORE_FIELDS,
    BTF_EXT_HEADER,
    BTF_EXT_INFO_SEC,
    BTF_EXT_PARTS,
    BTF_VERSION,
    ExtPart,
)
from btfschema.schema.plan import Field, fields_of
from btfschema.schema.roles import U32, Role

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = [
    "BtfExt",
    "CoreRelo",
    "CoreReloKind",
    "ExtInfo",
    "ExtSection",
    "FuncInfo",
    "LineInfo",
    "dumps_ext",
    "loads_ext",
    "swapped_ext",
]

HEADER_SIZE: int = BTF_EXT_HEADER.sizeof()
CORE_HEADER_SIZE: int = HEADER_SIZE + BTF_EXT_CORE_FIELDS.sizeof()
SECTION_NAME, SECTION_COUNT = fields_of(BTF_EXT_INFO_SEC)
SECTION_WORDS = len(BTF_EXT_INFO_SEC.subcons)

Values = npt.NDArray[Any]


def _line_info(insn_off: int, file_name: str, line: str, place: Any) -> LineInfo:
    return LineInfo(insn_off, file_name, line, place["line"], place["column"])


_RECORDS: dict[str, Callable[..., Any]] = {
    "func_info": FuncInfo,
    "line_info": _line_info,
    "core_relo": CoreRelo,
}


@frozen(eq=False, slots=False)
class ExtInfo:
    """One part of ``.BTF.ext``; an absent part has no words.

    Attributes:
        name: ``"func_info"``, ``"line_info"`` or ``"core_relo"``.
        words: the part as u32 words in the machine's byte order; the first is the record size.
        section_starts: the word at which each section's header starts.
        counts: records of each section.
        offset: where the part starts, in bytes from the start of ``.BTF.ext``.
    """

    name: str
    words: Words = field(repr=False)
    section_starts: Index = field(repr=False)
    counts: Index
    offset: int
    _btf: Btf = field(repr=False, alias="btf")

    def __attrs_post_init__(self) -> None:
        for array in (self.words, self.section_starts, self.counts):
            read_only(array)

    def __len__(self) -> int:
        """The number of records."""
        return int(self.counts.sum())

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[ExtSection]:
        """The program sections in file order."""
        return iter(self.sections)

    @property
    def rec_size(self) -> int:
        """Bytes of a record as the file has it, which may be more than is declared; 0 if absent."""
        return int(self.words[0]) if len(self.words) else 0

    @cached_property
    def record_starts(self) -> Index:
        """The word at which each record starts."""
        firsts = self.section_starts + SECTION_WORDS
        before = np.cumsum(self.counts) - self.counts
        number = np.arange(len(self)) - np.repeat(before, self.counts)
        return read_only(np.repeat(firsts, self.counts) + number * (self.rec_size // 4))

    @property
    def type_id_positions(self) -> Index:
        """Every word that holds a type id, in file order."""
        return self._positions(Role.TYPE_ID)

    @property
    def string_positions(self) -> Index:
        """Every word that holds a string offset, in file order."""
        return self._positions(Role.STRING_OFFSET)

    def _positions(self, role: Role) -> Index:
        found = [self.section_starts + f.word for f in (SECTION_NAME,) if f.role is role]
        found += [self.record_starts + f.word for f in _FIELDS[self.name] if f.role is role]
        return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    @cached_property
    def sections(self) -> tuple[ExtSection, ...]:
        """The records of each program section."""
        strings = self._btf.strings
        columns = [self._column(f) for f in _FIELDS[self.name]]
        make = _RECORDS[self.name]
        records = [attached(make(*values), self._btf) for values in zip(*columns, strict=True)]
        ends = np.cumsum(self.counts).tolist()
        names = self.words[self.section_starts + SECTION_NAME.word].tolist()
        return tuple(
            ExtSection(strings[name], tuple(records[begin:end]))
            for name, (begin, end) in zip(names, pairwise([0, *ends]), strict=True)
        )

    def _column(self, declared: Field) -> list[Any]:
        """One declared word of all records: strings resolved, bits split."""
        values = self.words[self.record_starts + declared.word]
        if declared.role is Role.STRING_OFFSET:
            return self._btf.strings.names(values)
        numbers: list[int] = values.tolist()
        bits = declared.bits
        return numbers if bits is None else [bits.split(number) for number in numbers]

    def describe(self, position: int) -> str:
        """Where a word stands, for messages: ``line_info section 0 record 3``."""
        section = int(np.searchsorted(self.section_starts, position, side="right")) - 1
        inside = position - int(self.section_starts[section]) - SECTION_WORDS
        where = f"{self.name} section {section}"
        return f"{where} record {inside // (self.rec_size // 4)}" if inside >= 0 else where


_FIELDS: dict[str, tuple[Field, ...]] = {
    part.name: fields_of(part.record) for part in BTF_EXT_PARTS
}


@frozen(eq=False, slots=False)
class BtfExt:
    """A ``.BTF.ext`` section, frozen, read against the BTF of the same program.

    Attributes:
        byteorder: ``"little"`` or ``"big"``.
        func_info: which functions the instructions belong to.
        line_info: which source lines they come from.
        core_relo: which accesses a loader adjusts.
        source: the section as read; what lies between the parts is written back from here.
    """

    byteorder: ByteOrder
    func_info: ExtInfo
    line_info: ExtInfo
    core_relo: ExtInfo
    source: bytes = field(repr=False)

    @property
    def parts(self) -> tuple[ExtInfo, ...]:
        """The three parts, absent ones included."""
        return (self.func_info, self.line_info, self.core_relo)

    @property
    def type_ids(self) -> Words:
        """Every type id, in order of the parts."""
        return np.concatenate([part.words[part.type_id_positions] for part in self.parts])

    @property
    def string_offsets(self) -> Words:
        """Every string offset, in order of the parts."""
        return np.concatenate([part.words[part.string_positions] for part in self.parts])

    def map(
        self,
        btf: Btf,
        *,
        type_ids: Callable[[Words], Values] | None = None,
        strings: Callable[[Words], Values] | None = None,
    ) -> BtfExt:
        """The same section for a BTF whose types or strings have other numbers.

        Args:
            btf: the new BTF, which the result's references resolve in.
            type_ids: takes an array of old type ids and returns the new ones; None keeps them.
            strings: the same for string offsets.

        Raises:
            EncodeError: a new id or offset does not exist in ``btf``.
        """
        func_info, line_info, core_relo = (
            _mapped(part, btf, type_ids, strings) for part in self.parts
        )
        return evolve(self, func_info=func_info, line_info=line_info, core_relo=core_relo)


def _mapped(
    part: ExtInfo,
    btf: Btf,
    type_ids: Callable[[Words], Values] | None,
    strings: Callable[[Words], Values] | None,
) -> ExtInfo:
    words = part.words.copy()
    for role, change in ((Role.TYPE_ID, type_ids), (Role.STRING_OFFSET, strings)):
        positions = part._positions(role)
        values = words[positions] if change is None else np.asarray(change(words[positions]))
        _check_range(part, positions, values, role, btf, EncodeError)
        words[positions] = values
    words.flags.writeable = False
    return evolve(part, words=words, btf=btf)


def loads_ext(data: bytes, btf: Btf, *, decoder: Engine = "bulk", check: bool = True) -> BtfExt:
    """Read a ``.BTF.ext`` section.

    Args:
        data: the section's bytes.
        btf: the program's BTF, in the same byte order.
        decoder: ``"bulk"`` (numpy) or ``"reference"`` (Construct, record by record).
        check: whether every type id and string offset must exist in ``btf``.

    Raises:
        DecodeError: the data is not a ``.BTF.ext`` section, is damaged, or does not belong to
            ``btf``.
    """
    require_choice("decoder", decoder, Engine)
    data = bytes(data)
    header = _read_header(data, btf.byteorder)
    places = []
    for declared in BTF_EXT_PARTS:
        offset, length = header[f"{declared.name}_off"], header[f"{declared.name}_len"]
        places.append((declared, header["hdr_len"] + offset, length))
    _check_places(places, len(data), header["hdr_len"])
    parts = {}
    for declared, at, length in places:
        part = _read_part(declared, data[at : at + length] if length else b"", at, btf, decoder)
        parts[declared.name] = part
        for role in (Role.TYPE_ID, Role.STRING_OFFSET) if check else ():
            positions = part._positions(role)
            _check_range(part, positions, part.words[positions], role, btf, DecodeError)
    return BtfExt(btf.byteorder, source=data, **parts)


def dumps_ext(ext: BtfExt) -> bytes:
    """The section's bytes: what was read, with the references that :meth:`BtfExt.map` changed."""
    blob = bytearray(ext.source)
    for part in ext.parts:
        data = part.words.astype(word_dtype(ext.byteorder)).tobytes()
        if data:
            blob[part.offset : part.offset + len(data)] = data
    return bytes(blob)


def swapped_ext(ext: BtfExt, btf: Btf) -> BtfExt:
    """The same section in the byte order of ``btf``, which holds the same types and strings."""
    blob = bytearray(dumps_ext(ext))
    header_size = int.from_bytes(blob[4:8], ext.byteorder)
    blob[:2] = blob[1::-1]
    # After magic, version and flags the header is words; what is not declared stays.
    for at in range(4, min(header_size, CORE_HEADER_SIZE) - 3, 4):
        blob[at : at + 4] = blob[at : at + 4][::-1]
    for part in ext.parts:
        data = part.words.astype(word_dtype(btf.byteorder)).tobytes()
        if data:
            blob[part.offset : part.offset + len(data)] = data
    return loads_ext(bytes(blob), btf, check=False)


def _read_header(data: bytes, expected: ByteOrder) -> dict[str, int]:
    """The header's fields; those of ``core_relo`` are 0 when the header ends before them.

    Raises:
        DecodeError: the header is not one, or is for the other byte order.
    """
    byteorder = byteorder_of(data, ".BTF.ext")
    if byteorder != expected:
        raise DecodeError(
            f".BTF.ext is {byteorder}-endian and its BTF {expected}-endian",
            offset=0,
            got=byteorder,
            expected=expected,
        )
    if len(data) < HEADER_SIZE:
        raise DecodeError(
            f"truncated .BTF.ext header: {len(data)} bytes, expected at least {HEADER_SIZE}",
            offset=len(data),
            got=len(data),
            expected=f"at least {HEADER_SIZE}",
        )
    header = run_construct(BTF_EXT_HEADER.parse, data, ".BTF.ext header", byteorder)
    for name, right in (("version", BTF_VERSION), ("flags", 0)):
        if header[name] != right:
            raise DecodeError(
                f".BTF.ext {name} {header[name]}, expected {right}",
                got=header[name],
                expected=str(right),
            )
    if not HEADER_SIZE <= header.hdr_len <= len(data):
        raise DecodeError(
            f".BTF.ext header length {header.hdr_len} at byte 4: expected {HEADER_SIZE} to the "
            f"input's {len(data)} bytes",
            offset=4,
            got=header.hdr_len,
            expected=f"{HEADER_SIZE}..{len(data)}",
        )
    core = dict.fromkeys((str(s.name) for s in BTF_EXT_CORE_FIELDS.subcons), 0)
    if header.hdr_len >= CORE_HEADER_SIZE:
        rest = data[HEADER_SIZE:CORE_HEADER_SIZE]
        core = run_construct(BTF_EXT_CORE_FIELDS.parse, rest, ".BTF.ext header", byteorder)
    return {**header, **core}


def _check_places(places: list[tuple[ExtPart, int, int]], size: int, hdr_len: int) -> None:
    """Every part inside the data, on a multiple of 4 after the header, and none over another.

    Raises:
        DecodeError: one is not.
    """
    for part, at, length in places:
        if length and (at - hdr_len) % 4:
            raise DecodeError(
                f".BTF.ext {part.name} offset {at - hdr_len} is not a multiple of 4",
                got=at - hdr_len,
                expected="a multiple of 4",
            )
    sections = [(part.name, at, length) for part, at, length in places]
    check_bounds(sections, size, ".BTF.ext", ".BTF.ext ")


def _read_part(part: ExtPart, data: bytes, at: int, btf: Btf, engine: Engine) -> ExtInfo:
    """Index one part: its sections, and by them its records.

    Raises:
        DecodeError: the record size is impossible, or a section does not fit the part.
    """
    order = word_dtype(btf.byteorder)
    words = np.frombuffer(data, order, len(data) // 4).astype(np.uint32)
    starts: list[int] = []
    counts: list[int] = []
    if data:
        _check_rec_size(part, words, at)
        rec_words = int(words[0]) // 4
        left = len(data) - 4
        while left:
            start = (len(data) - left) // 4
            count = _COUNT_READERS[engine](words, start) if left >= 4 * SECTION_WORDS else 0
            need = 4 * (SECTION_WORDS + count * rec_words)
            _check_section(part, len(starts), count, need, left, at + 4 * start)
            starts.append(start)
            counts.append(count)
            left -= need
    if engine == "reference":
        words = _rebuilt(part, words, starts, counts)
    words.flags.writeable = False
    return ExtInfo(
        part.name, words, np.array(starts, np.int64), np.array(counts, np.int64), at, btf
    )


def _check_rec_size(part: ExtPart, words: Words, at: int) -> None:
    least = part.record.sizeof()
    size = int(words[0]) if len(words) else None
    if size is None or size < least or size % 4:
        raise DecodeError(
            f".BTF.ext {part.name} at byte {at}: "
            + ("no room for the record size" if size is None else f"record size {size}")
            + f", expected a multiple of 4 from {least} on",
            offset=at,
            got=size,
            expected=f"a multiple of 4 from {least} on",
        )


def _check_section(part: ExtPart, number: int, count: int, need: int, left: int, at: int) -> None:
    """Raise the error of a section of which ``left`` bytes remain in the part, if any."""
    where = f".BTF.ext {part.name} section {number} at byte {at}"
    if left < 4 * SECTION_WORDS:
        raise DecodeError(
            f"{where}: {left} bytes are left of the part, a section has at least "
            f"{4 * SECTION_WORDS}",
            offset=at,
            got=left,
            expected=f"at least {4 * SECTION_WORDS}",
        )
    if not count:
        raise DecodeError(f"{where}: it has no records", offset=at, got=0, expected="at least 1")
    if left < need:
        raise DecodeError(
            f"{where}: {count} records make it {need} bytes, {left} are left of the part",
            offset=at,
            got=left,
            expected=f"at least {need}",
        )


def _bulk_count(words: Words, start: int) -> int:
    return int(words[start + SECTION_COUNT.word])


def _reference_count(words: Words, start: int) -> int:
    data = words[start : start + SECTION_WORDS].tobytes()
    return int(run_construct(BTF_EXT_INFO_SEC.parse, data, "section header").num_info)


_COUNT_READERS: dict[Engine, Callable[[Words, int], int]] = {
    "bulk": _bulk_count,
    "reference": _reference_count,
}


def _rebuilt(part: ExtPart, words: Words, starts: list[int], counts: list[int]) -> Words:
    """The part's words, every section header and record parsed and built by Construct."""
    pieces: list[tuple[Any, int, int]] = [(U32, 0, 1)] if len(words) else []
    rec_size = int(words[0]) if len(words) else 0
    record = Struct(*part.record.subcons, "tail" / Bytes(rec_size - part.record.sizeof()))
    for start, count in zip(starts, counts, strict=True):
        pieces.append((BTF_EXT_INFO_SEC, start, SECTION_WORDS))
        first, size = start + SECTION_WORDS, rec_size // 4
        pieces += [(record, first + i * size, size) for i in range(count)]
    built = bytearray()
    for struct, start, size in pieces:
        data = words[start : start + size].tobytes()
        values = run_construct(struct.parse, data, part.name)
        built += run_construct(struct.build, values, part.name)
    return np.frombuffer(bytes(built), np.uint32)


def _check_range(
    part: ExtInfo,
    positions: Index,
    values: Values,
    role: Role,
    btf: Btf,
    error: type[BtfError],
) -> None:
    """Raise ``error`` for the first reference that leads nowhere, if any."""
    is_id = role is Role.TYPE_ID
    limit = btf.end_id if is_id else max(btf.strings.end, 1)
    bad = np.flatnonzero((values < 0) | (values >= limit))
    if len(bad):
        position, value = int(positions[bad[0]]), int(values[bad[0]])
        past = f"the last id {limit - 1}" if is_id else f"the end of the strings ({limit} bytes)"
        raise error(
            f".BTF.ext {part.describe(position)}: {role.value} {value} is "
            + (f"past {past}" if value >= 0 else "negative"),
            offset=part.offset + 4 * position,
            got=value,
            expected=f"within {past}",
        )
