"""The headers of an ELF file and of a module's signature, declared and read, for writing them.

Sources: ``<elf.h>`` and the System V ABI; ``include/linux/module_signature.h``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import field, fields, frozen
from construct import Bytes, Construct, Struct

from btfschema.codec.header import ByteOrder
from btfschema.errors import SourceError
from btfschema.schema.roles import U8, U16, U32, UInt
from btfschema.sources.elf import (
    ELF_MAGIC,
    SHN_UNDEF,
    SHN_XINDEX,
    ElfClass,
    class_and_order,
)
from btfschema.sources.parts import check_inside

__all__ = [
    "EHDR",
    "MODULE_SIGNATURE",
    "SHDR",
    "SHF_EXECINSTR",
    "SHT_REL",
    "UNUSED",
    "ElfHeaders",
    "Extent",
    "Section",
    "links_of",
    "read_headers",
    "rows_of",
]

U64 = UInt(8)


def _header(address: UInt) -> Any:
    """``Elf32_Ehdr`` and ``Elf64_Ehdr``, which differ in the length of addresses only."""
    return Struct(
        "e_ident" / Bytes(16),
        "e_type" / U16,
        "e_machine" / U16,
        "e_version" / U32,
        "e_entry" / address,
        "e_phoff" / address,
        "e_shoff" / address,
        "e_flags" / U32,
        "e_ehsize" / U16,
        "e_phentsize" / U16,
        "e_phnum" / U16,
        "e_shentsize" / U16,
        "e_shnum" / U16,
        "e_shstrndx" / U16,
    )


def _section_header(address: UInt) -> Any:
    """``Elf32_Shdr`` and ``Elf64_Shdr``."""
    return Struct(
        "sh_name" / U32,
        "sh_type" / U32,
        "sh_flags" / address,
        "sh_addr" / address,
        "sh_offset" / address,
        "sh_size" / address,
        "sh_link" / U32,
        "sh_info" / U32,
        "sh_addralign" / address,
        "sh_entsize" / address,
    )


# Elf64_Rel, the one form of relocations that libbpf takes: the symbol's number is above the type.
REL: Any = Struct("r_offset" / U64, "r_info" / U64)
SYMBOL_SHIFT = 32
EHDR: dict[ElfClass, Any] = {32: _header(U32), 64: _header(U64)}
SHDR: dict[ElfClass, Any] = {32: _section_header(U32), 64: _section_header(U64)}
# Of Elf32_Phdr and Elf64_Phdr just what says which bytes of the file a segment maps.
PHDR: dict[ElfClass, Any] = {
    32: Struct(
        "p_type" / U32,
        "p_offset" / U32,
        "p_vaddr" / U32,
        "p_paddr" / U32,
        "p_filesz" / U32,
        "p_memsz" / U32,
        "p_flags" / U32,
        "p_align" / U32,
    ),
    64: Struct(
        "p_type" / U32,
        "p_flags" / U32,
        "p_offset" / U64,
        "p_vaddr" / U64,
        "p_paddr" / U64,
        "p_filesz" / U64,
        "p_memsz" / U64,
        "p_align" / U64,
    ),
}
# struct module_signature, behind a signed module and its signature: big-endian everywhere.
MODULE_SIGNATURE: Any = Struct(
    "algo" / U8,
    "hash" / U8,
    "id_type" / U8,
    "signer_len" / U8,
    "key_id_len" / U8,
    "pad" / Bytes(3),
    "sig_len" / U32,
)
SHT_NULL, SHT_PROGBITS, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 0, 1, 3, 4, 8, 9
SHT_CREL = 0x40000014
SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 0x2, 0x4, 0x800
# From this count of sections on, the first section header says how many there are.
SHN_LORESERVE = 0xFF00
PN_XNUM = 0xFFFF

# First byte and end.
Extent = tuple[int, int]


@frozen
class Section:
    """A section header's fields; those of an unused one by default."""

    sh_name: int = 0
    sh_type: int = SHT_NULL
    sh_flags: int = 0
    sh_addr: int = 0
    sh_offset: int = 0
    sh_size: int = 0
    sh_link: int = 0
    sh_info: int = 0
    sh_addralign: int = 0
    sh_entsize: int = 0

    @property
    def in_file(self) -> bool:
        """Whether it has a place in the file."""
        return self.sh_type not in (SHT_NULL, SHT_NOBITS)

    @property
    def place(self) -> Extent:
        """Its bytes in the file."""
        return self.sh_offset, self.sh_offset + self.sh_size


UNUSED = Section()
FIELDS = tuple(one.name for one in fields(Section))


def rows_of(
    data: bytes, at: int, count: int, entry: int, elf_class: ElfClass, byteorder: ByteOrder
) -> Any:
    """Section headers as a numpy array of records, whose fields are those of the declared struct.

    An object has 66,000 of them when each function has a section of its own.

    Args:
        data: the file, or its table of section headers.
        at: where the first one is.
        count: how many there are.
        entry: from the start of one to that of the next, in bytes.
        elf_class: 32 or 64.
        byteorder: of all words.
    """
    found = np.ndarray((count,), _dtype(SHDR[elf_class], byteorder), data, at, (entry,))
    return found.astype(np.dtype([(name, np.uint64) for name in FIELDS]))


def links_of(content: bytes, byteorder: ByteOrder) -> dict[int, int]:
    """Which symbols a BPF object's section of relocations refers to: their numbers, by offset."""
    dtype = _dtype(REL, byteorder)
    rows = np.frombuffer(content, dtype, len(content) // dtype.itemsize)
    symbols = rows["r_info"] >> np.uint64(SYMBOL_SHIFT)
    return dict(zip(rows["r_offset"].tolist(), symbols.tolist(), strict=True))


def _dtype(struct: Any, byteorder: ByteOrder) -> np.dtype[Any]:
    """A declared struct of numbers as numpy has it."""
    order = "<" if byteorder == "little" else ">"
    return np.dtype([(one.name, f"{order}u{one.sizeof()}") for one in struct.subcons])


@frozen
class ElfHeaders:
    """An ELF file and its headers; every section that is in the file lies inside it.

    Attributes:
        name: what the file is called, for messages.
        data: the whole file.
        elf_class: 32 or 64.
        byteorder: of all its words.
        header: the file header's fields.
        rows: all section headers, the first one, which is none, included, as records of numbers.
        segments: the program header table's place, and those that its segments map.
        names_index: which section holds the sections' names.
    """

    name: str
    data: bytes = field(repr=False)
    elf_class: ElfClass
    byteorder: ByteOrder
    header: Any
    rows: Any
    segments: tuple[Extent, ...]
    names_index: int

    @property
    def names(self) -> Section:
        """The section that holds the sections' names."""
        return self.section(self.names_index)

    @property
    def sections(self) -> Iterator[Section]:
        """All section headers."""
        return (Section(*row) for row in self.rows.tolist())

    def section(self, index: int) -> Section:
        """A section header."""
        return Section(*self.rows[index].tolist())

    @property
    def in_file(self) -> Any:
        """Of each section whether it has a place in the file."""
        return ~np.isin(self.rows["sh_type"], (SHT_NULL, SHT_NOBITS))

    @property
    def section_table(self) -> Extent:
        """The section header table's place."""
        at: int = self.header.e_shoff
        return at, at + len(self.rows) * SHDR[self.elf_class].sizeof()

    def content(self, section: Section) -> bytes:
        """A section's bytes as they are in the file; none for one that is not in it."""
        return self.data[slice(*section.place)] if section.in_file else b""


def read_headers(data: bytes, name: str) -> ElfHeaders:
    """Read all headers of an ELF file that has sections.

    Raises:
        SourceError: the file is not an ELF file, damaged, truncated, or has no section table.
    """
    if not data.startswith(ELF_MAGIC) or len(data) < len(ELF_MAGIC) + 2:
        found = data[: len(ELF_MAGIC)]
        raise SourceError(
            f"{name}: begins with {found.hex(' ') or 'nothing'}, expected an ELF file",
            offset=0,
            got=found,
            expected=ELF_MAGIC.hex(" "),
        )
    elf_class, byteorder = class_and_order(data, name)
    reader = _Reader(name, data, byteorder)
    header = reader.parse(EHDR[elf_class], 0, "header")
    rows = reader.sections(header, elf_class)
    first = Section(*rows[0].tolist())
    segments = reader.segments(header, PHDR[elf_class], first)
    index = header.e_shstrndx
    index = first.sh_link if index == SHN_XINDEX else index
    if not SHN_UNDEF < index < len(rows):
        raise SourceError(
            f"{name}: its section name table is section {index}, it has {len(rows)} sections",
            got=index,
            expected=f"1..{len(rows) - 1}",
        )
    names = Section(*rows[index].tolist())
    if names.sh_type != SHT_STRTAB or names.sh_flags & (SHF_ALLOC | SHF_COMPRESSED):
        raise SourceError(
            f"{name}: section {index}, the section name table, has type {names.sh_type} and flags "
            f"{names.sh_flags:#x}, expected strings (3), neither loaded nor compressed",
            got=(names.sh_type, names.sh_flags),
            expected="type 3, without SHF_ALLOC and SHF_COMPRESSED",
        )
    return ElfHeaders(name, data, elf_class, byteorder, header, rows, segments, index)


@frozen
class _Reader:
    """Parses structs, each checked to lie inside the file."""

    name: str
    data: bytes
    byteorder: ByteOrder

    def check_inside(self, what: str, at: int, length: int) -> None:
        check_inside(self.name, "ELF", f"the {what}", at, length, len(self.data))

    def parse(self, struct: Construct[Any, Any], at: int, what: str) -> Any:
        size = struct.sizeof()
        self.check_inside(what, at, size)
        return struct.parse(self.data[at : at + size], byteorder=self.byteorder)

    def check_table(self, struct: Any, at: int, count: int, entry: int, what: str) -> None:
        """Check that ``count`` structs lie one after the other inside the file."""
        size = struct.sizeof()
        if entry != size:
            raise SourceError(
                f"{self.name}: ELF {what}s of {entry} bytes, expected {size}",
                got=entry,
                expected=f"{size}",
            )
        self.check_inside(f"{what} table", at, count * size)

    def sections(self, header: Any, elf_class: ElfClass) -> Any:
        struct = SHDR[elf_class]
        at, entry, what = header.e_shoff, header.e_shentsize, "section header"
        if not at:
            raise SourceError(f"{self.name}: the ELF file has no section table", expected="one")
        self.check_table(struct, at, 1, entry, what)
        first = self.parse(struct, at, what)
        count = header.e_shnum or first.sh_size
        if not count:
            raise SourceError(f"{self.name}: the ELF file has 0 sections", expected="1 or more")
        self.check_table(struct, at, count, entry, what)
        rows = rows_of(self.data, at, count, entry, elf_class, self.byteorder)
        starts, sizes, total = rows["sh_offset"], rows["sh_size"], np.uint64(len(self.data))
        # Not by their sum, which may be too large for a word.
        outside = (starts > total) | (sizes > total - np.minimum(starts, total))
        for index in np.flatnonzero(outside & ~np.isin(rows["sh_type"], (SHT_NULL, SHT_NOBITS))):
            self.check_inside(f"section {index}", int(starts[index]), int(sizes[index]))
        return rows

    def segments(self, header: Any, struct: Any, first: Section) -> tuple[Extent, ...]:
        count = first.sh_info if header.e_phnum == PN_XNUM else header.e_phnum
        if not count:
            return ()
        at, entry = header.e_phoff, header.e_phentsize
        self.check_table(struct, at, count, entry, "program header")
        rows = [self.parse(struct, at + i * entry, "program header") for i in range(count)]
        mapped = tuple((row.p_offset, row.p_offset + row.p_filesz) for row in rows)
        return ((at, at + count * entry), *mapped)
