"""ELF files with all that a section writer must leave alone: symbols, relocations, segments."""

from __future__ import annotations

import io
import struct
from typing import Any

from attrs import evolve, frozen
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

ALIGN = 16
NULL, PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL = 0, 1, 2, 3, 4, 8, 9
ALLOC, COMPRESSED = 0x2, 0x800


@frozen
class Row:
    """A section to be; ``size`` counts when there is no content. Links are names of sections."""

    name: str
    content: bytes = b""
    kind: int = PROGBITS
    flags: int = 0
    align: int = 1
    link: str = ""
    info: str | int = 0
    entry: int = 0
    size: int | None = None


@frozen
class Form:
    """One of the four kinds of ELF file."""

    bits: int = 64
    byteorder: str = "little"

    @property
    def prefix(self) -> str:
        return "<" if self.byteorder == "little" else ">"

    def pack(self, fields: str, *values: int) -> bytes:
        """``A`` stands for an address."""
        return struct.pack(self.prefix + fields.replace("A", "IQ"[self.bits == 64]), *values)

    def symbol(self, name: int, value: int, section: int) -> bytes:
        if self.bits == 64:
            return self.pack("IBBHQQ", name, 0x11, 0, section, value, 4)
        return self.pack("IIIBBH", name, value, 4, 0x11, 0, section)

    def relocation(self, offset: int, symbol: int, addend: int | None = None) -> bytes:
        info = symbol << (32 if self.bits == 64 else 8) | 1
        word = "q" if self.bits == 64 else "i"
        return self.pack("AA", offset, info) + (b"" if addend is None else self.pack(word, addend))


FORMS = [Form(bits, order) for bits in (32, 64) for order in ("little", "big")]


def make_object(
    form: Form,
    rows: list[Row],
    *,
    segments: tuple[str, ...] = (),
    names: str = ".shstrtab",
    extended: bool = False,
) -> bytes:
    """A file of these sections, and of those names, in this order.

    Args:
        form: class and byte order.
        rows: what it is made of. The names are appended to the content of section ``names``, which
            is added when there is none.
        segments: names of sections that a program header maps.
        names: the section that holds the names.
        extended: whether counts and indexes are written as files of 65,280 sections do.
    """
    if names not in [row.name for row in rows]:
        rows = [*rows, Row(names, b"\0", STRTAB)]
    table = {row.name: row for row in rows}[names].content
    starts = {}
    for row in rows:
        starts[row.name] = len(table)
        table += row.name.encode() + b"\0"
    rows = [evolve(row, content=table) if row.name == names else row for row in rows]
    indexes = {row.name: index for index, row in enumerate(rows, 1)} | {"": 0}
    ehdr, phdr, shdr = (64, 56, 64) if form.bits == 64 else (52, 32, 40)
    out = bytearray(ehdr + phdr * len(segments))
    headers, places = [], {}
    for row in rows:
        out += bytes(-len(out) % row.align)
        places[row.name] = len(out), len(row.content)
        info = indexes[row.info] if isinstance(row.info, str) else row.info
        size = len(row.content) if row.size is None else row.size
        fields = (starts[row.name], row.kind, row.flags, 0, len(out), size)
        headers.append((*fields, indexes[row.link], info, row.align, row.entry))
        out += row.content
    count, last = len(rows) + 1, indexes[names]
    first = (0, 0, 0, 0, 0, count if extended else 0, last if extended else 0, 0, 0, 0)
    out += bytes(-len(out) % 8)
    shoff = len(out)
    for header in (first, *headers):
        out += form.pack("IIAAAAIIAA", *header)
    ident = b"\x7fELF" + bytes([form.bits // 32, 1 + (form.byteorder == "big"), 1]) + bytes(9)
    start = ident + form.pack("HHIAAAI", 1, 62, 1, 0, ehdr if segments else 0, shoff, 0)
    numbers = (0, 0xFFFF) if extended else (count, last)
    start += form.pack("HHHHHH", ehdr, phdr, len(segments), shdr, *numbers)
    for name in segments:
        at, size = places[name]
        if form.bits == 64:
            start += form.pack("IIQQQQQQ", 1, 4, at, at, at, size, size, 0)
        else:
            start += form.pack("IIIIIIII", 1, at, at, at, size, size, 4, 0)
    out[: len(start)] = start
    return bytes(out)


def typical(form: Form, *, btf: bytes = b"old BTF " * 25, **options: Any) -> bytes:
    """What a kernel module has, in the order that objcopy leaves: ``.BTF`` before the symbols."""
    symbols = b"".join(form.symbol(*row) for row in ((0, 0, 0), (1, 8, 1), (6, 0, 3)))
    rela = form.relocation(4, 1, -4) + form.relocation(12, 2, 8)
    rows = [
        Row(".text", bytes(range(200)), flags=6, align=16),
        Row(".rela.text", rela, RELA, align=8, link=".symtab", info=".text", entry=len(rela) // 2),
        Row(".data", b"data" * 9, flags=3, align=4),
        Row(".bss", kind=NOBITS, flags=3, align=4, size=4096),
        Row(".BTF", btf),
        Row(".note.empty"),
        Row(".symtab", symbols, SYMTAB, align=8, link=".strtab", info=1, entry=len(symbols) // 3),
        Row(".strtab", b"\0main\0counter\0", STRTAB),
    ]
    return make_object(form, rows, **options)


def described(data: bytes) -> dict[str, Any]:
    """A file as pyelftools reads it: every section's header and bytes, symbols and relocations."""
    elf = ELFFile(io.BytesIO(data))
    found: dict[str, Any] = {"header": dict(elf.header)}
    found["segments"] = [(dict(s.header), s.data()) for s in elf.iter_segments()]
    for section in elf.iter_sections():
        at, size = section["sh_offset"], section["sh_size"]
        content = b"" if section["sh_type"] == "SHT_NOBITS" else data[at : at + size]
        found[section.name] = {"header": dict(section.header), "content": content}
        if isinstance(section, SymbolTableSection):
            found["symbols"] = [(s.name, dict(s.entry)) for s in section.iter_symbols()]
        if isinstance(section, RelocationSection):
            found[section.name]["entries"] = [dict(r.entry) for r in section.iter_relocations()]
    return found
