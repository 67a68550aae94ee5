"""Sections and symbols of a BPF object, which say what compilers leave out of its BTF."""

from __future__ import annotations

from typing import Any, BinaryIO

from btfschema.errors import SourceError
from btfschema.model.objectfile import ObjectFile, Symbol, SymbolType
from btfschema.sources.elf import ElfReader
from btfschema.tables.strings import LONGEST_NAME

__all__ = ["name_at", "read_object"]

# Older pyelftools give the number.
BPF = ("EM_BPF", 247)
RELOCATABLE, SHT_SYMTAB = "ET_REL", 2
TYPES: dict[str, SymbolType] = {
    "STT_NOTYPE": "none",
    "STT_OBJECT": "object",
    "STT_FUNC": "function",
}
HIDDEN = ("STV_HIDDEN", "STV_INTERNAL")
# BPF objects have thousands of symbols and sections at most; a file that says more is not one.
MOST_SYMBOLS = MOST_SECTIONS = 1 << 16


def read_object(stream: BinaryIO, size: int, name: str) -> ObjectFile | None:
    """What a BPF object says beside its BTF.

    Args:
        stream: the file, seekable.
        size: its length in bytes.
        name: what it is called, for messages.

    Returns:
        None for any other ELF file, and for one whose symbols are damaged: its BTF can be read all
        the same.
    """
    try:
        elf = ElfReader(stream, size, name)
        if elf.header.e_machine not in BPF or elf.header.e_type != RELOCATABLE:
            return None
        # Construct's declarations take time to import, which modules need not.
        from btfschema.sources.elfheaders import rows_of

        count, entry = elf.count(), elf.header.e_shentsize
        if count > MOST_SECTIONS:
            return None
        names = elf.names() if count else b""
        rows = rows_of(elf.table(), 0, count, entry, elf.elf_class, elf.byteorder)
        titles = [name_at(names, at) for at in rows["sh_name"].tolist()]
        sizes = dict(zip(titles, rows["sh_size"].tolist(), strict=True))
        symbols: list[Symbol] = []
        for index in (rows["sh_type"] == SHT_SYMTAB).nonzero()[0].tolist()[-1:]:
            symbols = _symbols(elf, elf.section(index), titles)
    except SourceError:
        return None
    return ObjectFile(sizes, tuple(symbols))


def _symbols(elf: ElfReader, table: Any, titles: list[str]) -> list[Symbol]:
    struct = elf.structs.Elf_Sym
    entry = struct.sizeof()
    elf.check_inside("symbol table", table.sh_offset, table.sh_size)
    count = table.sh_size // entry
    if count > MOST_SYMBOLS or table.sh_link >= len(titles):
        raise elf.error(
            f"symbol table of {count} symbols with names in section {table.sh_link}",
            got=count,
            expected=f"at most {MOST_SYMBOLS}, names in a section before {len(titles)}",
        )
    names = elf.data(elf.section(table.sh_link), "symbol name table")
    found = []
    for number in range(count):
        at = table.sh_offset + number * entry
        symbol = elf.parse(struct, at, f"symbol {number}")
        defined = symbol.st_shndx
        is_there = isinstance(defined, int) and defined < len(titles)
        found.append(
            Symbol(
                name_at(names, symbol.st_name),
                TYPES.get(symbol.st_info.type, "other"),
                None if defined == "SHN_UNDEF" else titles[defined] if is_there else "",
                symbol.st_value,
                symbol.st_info.bind in ("STB_GLOBAL", "STB_WEAK"),
                symbol.st_other.visibility in HIDDEN,
                symbol.st_info.bind == "STB_WEAK",
            )
        )
    return found


def name_at(names: bytes, at: int) -> str:
    """The name that starts at a byte of a section of names; empty when it is not there.

    Names share their bytes, so that a small file could have any number of long ones: they are cut.
    """
    most = min(at + LONGEST_NAME, len(names))
    end = names.find(b"\0", at, most)
    return names[at : end if end >= 0 else most].decode("utf-8", "surrogateescape")
