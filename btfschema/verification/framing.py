"""The blob around the types: header, sections, strings; and how far its records go."""

from __future__ import annotations

import numpy as np

from btfschema.codec.engines import Image
from btfschema.codec.header import (
    CLASSIC_HEADER_SIZE,
    LAYOUT_ENTRY_SIZE,
    LAYOUT_HEADER_SIZE,
    Header,
    byteorder_of,
    canonical_header,
    word_dtype,
)
from btfschema.codec.indexing import raise_record_error
from btfschema.codec.walking import index_records
from btfschema.errors import DecodeError
from btfschema.model.container import Btf
from btfschema.schema.kinds import BTF_HEADER, BTF_LAYOUT, BTF_LAYOUT_FIELDS, BTF_VERSION, Kinds
from btfschema.schema.plan import INFO_WORD, THIRD, Plan, plan_of
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable, split_info
from btfschema.verification.findings import Findings
from btfschema.verification.kernels import Kernel
from btfschema.verification.rules import MAX_BLOB_SIZE

__all__ = ["check_frame", "open_blob"]

# Where struct btf_header has these, in bytes.
VERSION_AT, FLAGS_AT, HDR_LEN_AT = 2, 3, 4


def open_blob(
    findings: Findings, data: bytes, base: Btf | None, kinds: Kinds, kernel: Kernel | None
) -> bool:
    """Decode a blob as far as it goes, and check what is around its types.

    ``findings.btf`` is the container then, with the records before the first that does not fit; it
    stays None when no type section can be found.

    Returns:
        Whether all records were read.
    """
    header = _read_header(findings, data)
    if header is None:
        return False
    head = data[: header.hdr_len]
    before = len(findings.violations)
    _check_sections(findings, header, len(data))
    placed = len(findings.violations) == before
    (_, types_at, types_len), (_, strings_at, strings_len), _ = header.sections
    strings = data[strings_at : strings_at + strings_len] if placed else b""
    if kernel is not None:
        _check_for_kernel(findings, header, head, len(data), kernel)
    if not placed:
        return False
    check_strings(findings, header, strings, base, kernel)
    if strings and strings[-1]:
        strings += b"\0"
    plan = _plan(findings, data, header, kinds)
    if plan is None:
        return False
    order = word_dtype(header.byteorder)
    words = np.frombuffer(data, order, types_len // 4, types_at if types_len else 0)
    words = words.astype(np.uint32)
    first_id = base.end_id if base is not None else 1
    table = TypeTable(words, index_records(words, plan, [0, len(words)])[0], plan, first_id)
    table, error = _whole_records(table, types_at, types_len % 4)
    table_of_strings = StringTable(strings, base.strings if base is not None else None)
    findings.btf = Btf(Image(header, table, table_of_strings, None, data), base)
    if base is not None and base.byteorder != header.byteorder:
        findings.blob("base.order", header.byteorder, base.byteorder, 0)
    if error is None:
        return True
    rule = "record.size" if str(error.expected).startswith("at least") else "record.kind"
    findings.blob(rule, error.got, error.expected or "", error.offset)
    return False


def check_frame(findings: Findings, btf: Btf, kernel: Kernel | None) -> None:
    """The frame of a container: as it was read, or as it will be written."""
    image = btf.image
    header, size = image.header, 0
    if image.source is None:
        sizes = (image.types.words.nbytes, len(btf.strings.data), len(image.layout or ()))
        header = canonical_header(btf.byteorder, *sizes)
        head = header.build()
        size = max(at + length for _, at, length in header.sections)
    else:
        head, size = image.source[: header.hdr_len], len(image.source)
    if kernel is not None:
        _check_for_kernel(findings, header, head, size, kernel)
    check_strings(findings, header, btf.strings.data, btf.base, kernel)


def _read_header(findings: Findings, data: bytes) -> Header | None:
    """The header's fields, when there is a whole header."""
    try:
        byteorder = byteorder_of(data, "BTF")
    except DecodeError as error:
        findings.blob("header.magic", data[:2].hex(" "), error.expected or "", 0)
        return None
    if len(data) < CLASSIC_HEADER_SIZE:
        expected = f"at least {CLASSIC_HEADER_SIZE} bytes"
        findings.blob("header.truncated", len(data), expected, len(data))
        return None
    values = dict(BTF_HEADER.parse(data, byteorder=byteorder))
    hdr_len = values["hdr_len"]
    if not CLASSIC_HEADER_SIZE <= hdr_len <= len(data):
        expected = f"{CLASSIC_HEADER_SIZE} to {len(data)}"
        findings.blob("header.length", hdr_len, expected, HDR_LEN_AT)
        return None
    if hdr_len >= LAYOUT_HEADER_SIZE:
        rest = data[CLASSIC_HEADER_SIZE:LAYOUT_HEADER_SIZE]
        values.update(BTF_LAYOUT_FIELDS.parse(rest, byteorder=byteorder))
    return Header(byteorder, **{k: v for k, v in values.items() if not k.startswith("_")})


def _check_sections(findings: Findings, header: Header, size: int) -> None:
    """What every reader wants: types aligned, sections inside the blob and apart."""
    if header.type_off % 4:
        findings.blob("section.alignment", header.type_off, "a multiple of 4", 8)
    end, last = 0, ""
    for at, length, name in sorted((at, length, name) for name, at, length in header.sections):
        if not length:
            continue
        if at + length > size:
            findings.blob("section.bounds", f"{name} to byte {at + length}", f"at most {size}", at)
        if at < end:
            findings.blob(
                "section.overlap",
                f"{name} from byte {at}",
                f"from byte {end} on, behind {last}",
                at,
            )
        end, last = max(end, at + length), name


def _check_for_kernel(
    findings: Findings, header: Header, head: bytes, size: int, kernel: Kernel
) -> None:
    """What a kernel wants besides: nothing unknown, no gap, the strings last."""
    if size > MAX_BLOB_SIZE:
        findings.blob("blob.size", size, f"at most {MAX_BLOB_SIZE} bytes")
    known = LAYOUT_HEADER_SIZE if kernel.layout else CLASSIC_HEADER_SIZE
    excess = head[known:]
    if any(excess):
        at = known + len(excess) - len(excess.lstrip(b"\0"))
        findings.blob("header.excess", head[at], f"0 from byte {known} on", at)
    if header.version != BTF_VERSION:
        findings.blob("header.version", header.version, str(BTF_VERSION), VERSION_AT)
    if header.flags:
        findings.blob("header.flags", header.flags, "0", FLAGS_AT)
    _check_tiling(findings, header, size)
    sections = {name: (at, length) for name, at, length in header.sections}
    strings_at, strings_len = sections["strings"]
    types_at, types_len = sections["types"]
    if types_len and types_at >= strings_at + strings_len and header.hdr_len < LAYOUT_HEADER_SIZE:
        findings.blob("section.order", f"types from byte {types_at}", "the types first", types_at)


def _check_tiling(findings: Findings, header: Header, size: int) -> None:
    """Each section begins where the one before it ends, also an empty one."""
    sections = [part for part in header.sections if part[0] != "layout" or any(part[2:])]
    end = header.hdr_len
    for at, length, name in sorted((at, length, name) for name, at, length in sections):
        if at > end or (at < end and not length):
            findings.blob("section.gap", f"{name} from byte {at}", f"from byte {end}", at)
        end = max(end, at + length)
    if end < size:
        findings.blob("section.gap", f"{size - end} bytes behind the sections", "none", end)


def check_strings(
    findings: Findings, header: Header, strings: bytes, base: Btf | None, kernel: Kernel | None
) -> None:
    """The strings' first and last byte, and how many they are; that there are types."""
    at = header.sections[1][1]
    if not strings:
        if base is None:
            findings.blob("strings.empty", 0, "at least 1 byte", at)
    else:
        last = at + len(strings) - 1
        if strings[-1]:
            findings.blob("strings.end", strings[-1], "0", last)
        if base is None and strings[0]:
            findings.blob("strings.start", strings[0], "0; if it is split BTF, pass its base", at)
    if kernel is not None and base is None and not header.type_len:
        findings.blob("types.empty", 0, "at least 1 type", header.sections[0][1])


def _plan(findings: Findings, data: bytes, header: Header, kinds: Kinds) -> Plan | None:
    """How to read the records, with the kinds that only a layout section describes."""
    plan = plan_of(kinds)
    _, at, length = header.sections[2]
    if not length:
        return plan
    if length % LAYOUT_ENTRY_SIZE:
        findings.blob("layout.size", length, f"a multiple of {LAYOUT_ENTRY_SIZE}", at)
        return None
    entries = [
        BTF_LAYOUT.parse(data[i : i + LAYOUT_ENTRY_SIZE], byteorder=header.byteorder)
        for i in range(at, at + length, LAYOUT_ENTRY_SIZE)
    ]
    sizes = tuple((entry.info_sz, entry.elem_sz) for entry in entries)
    for number, got in enumerate(sizes):
        known, entry_at = plan.kinds.get(number), at + number * LAYOUT_ENTRY_SIZE
        if any(size % 4 for size in got):
            findings.blob("layout.entry", str(got), "multiples of 4", entry_at)
        elif known is not None and got not in ((0, 0), (known.info_sz, known.elem_sz)):
            expected = f"({known.info_sz}, {known.elem_sz}) of {known.name}"
            findings.blob("layout.entry", str(got), expected, entry_at)
    return plan.with_layout(sizes)


def _whole_records(
    table: TypeTable, offset: int, trailing: int
) -> tuple[TypeTable, DecodeError | None]:
    """The table without a last record that is cut off or unknown, and what is wrong with it."""
    start, words = 4 * len(table.words), table.words
    checks = [(len(table.starts), 0, 0, trailing, start)] if trailing else []
    if len(table.starts):
        start = int(table.starts[-1])
        kind = vlen = 0
        if len(words) - start > THIRD.word:
            info = split_info(int(words[start + INFO_WORD.word]))
            kind, vlen = info["kind"], info["vlen"]
        left = 4 * (len(words) - start) + trailing
        checks.insert(0, (len(table.starts) - 1, kind, vlen, left, 4 * start))
    for row, kind, vlen, left, at in checks:
        try:
            raise_record_error(table.plan, table.first_id + row, kind, vlen, left, offset + at)
        except DecodeError as error:
            kept = words[: at // 4]
            return TypeTable(kept, table.starts[:row], table.plan, table.first_id), error
    return table, None
