"""The BTF sections of an ELF file, of either class and byte order.

Headers are read with pyelftools' declared structs alone: its section objects read related sections
along, and what is wrong with those is no concern of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Literal, NamedTuple

from btfschema.codec.header import ByteOrder, word_dtype
from btfschema.errors import NoBtfError, SourceError
from btfschema.sources import compression
from btfschema.sources.compression import ZLIB, ZSTD, Window, decompress
from btfschema.sources.identity import banner_release, build_id, module_release
from btfschema.sources.parts import check_inside

__all__ = [
    "BASE_SUFFIX",
    "BTF",
    "BTF_BASE",
    "BTF_EXT",
    "BTF_INLINE",
    "ELF_MAGIC",
    "ElfClass",
    "ElfSections",
    "class_and_order",
    "places_of",
    "read_elf",
    "read_identity",
]

ElfClass = Literal[32, 64]

ELF_MAGIC = b"\x7fELF"
BTF, BTF_BASE, BTF_EXT, BTF_INLINE = ".BTF", ".BTF.base", ".BTF.ext", ".BTF.inline"
# What a base is called that lies beside raw BTF: ``FILE.base``.
BASE_SUFFIX = BTF_BASE.removeprefix(BTF)
SECTIONS = (BTF, BTF_BASE, BTF_EXT, BTF_INLINE)
# Where a file says which kernel it is from, and no more of it is read.
NOTES, MODINFO, RODATA = (".note.gnu.build-id", ".notes"), ".modinfo", ".rodata"
MOST_NOTES, MOST_RODATA = 1 << 20, 64 << 20
CLASSES: dict[int, ElfClass] = {1: 32, 2: 64}
BYTE_ORDERS: dict[int, ByteOrder] = {1: "little", 2: "big"}
SECTION_CODECS = {"ELFCOMPRESS_ZLIB": ZLIB, "ELFCOMPRESS_ZSTD": ZSTD, 2: ZSTD}
# e_shstrndx when the index does not fit and stands in the first section header.
SHN_XINDEX = 0xFFFF
SHN_UNDEF = 0


class ElfSections(NamedTuple):
    """What an ELF file holds for us.

    Attributes:
        elf_class: 32 or 64.
        byteorder: of the ELF file.
        contents: bytes by section name, decompressed.
        release: of the kernel that it is, or is a module of, when it says so.
        build_id: in hexadecimal, when it has one.
    """

    elf_class: ElfClass
    byteorder: ByteOrder
    contents: dict[str, bytes]
    release: str | None = None
    build_id: str | None = None


def class_and_order(ident: bytes, name: str) -> tuple[ElfClass, ByteOrder]:
    """The class and the byte order of an ELF file, by ``e_ident``.

    Raises:
        SourceError: they are none that ELF knows.
    """
    elf_class, byteorder = CLASSES.get(ident[4]), BYTE_ORDERS.get(ident[5])
    if elf_class is None or byteorder is None:
        raise SourceError(
            f"{name}: ELF class {ident[4]} and byte order {ident[5]}, expected 1 or 2 each",
            offset=4,
            got=(ident[4], ident[5]),
            expected="1 or 2 each",
        )
    return elf_class, byteorder


@lru_cache
def _structs(elf_class: ElfClass, byteorder: ByteOrder) -> Any:
    """The structs of pyelftools, which take longer to make than to use."""
    from elftools.elf.structs import ELFStructs

    structs: Any = ELFStructs(byteorder == "little", elf_class)
    structs.create_basic_structs()
    structs.create_advanced_structs()
    return structs


class ElfReader:
    """One ELF file's headers, every place checked against the file's size before it is read."""

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        self.stream, self.size, self.name = stream, size, name
        stream.seek(0)
        ident = stream.read(16)
        if len(ident) < 16:
            raise self.error(f"truncated ELF: {size} bytes end inside the header", got=size)
        self.elf_class: ElfClass
        self.byteorder: ByteOrder
        self.elf_class, self.byteorder = class_and_order(ident, name)
        self.structs: Any = _structs(self.elf_class, self.byteorder)
        self.header = self.parse(self.structs.Elf_Ehdr, 0, "header")

    def error(self, message: str, **parts: Any) -> SourceError:
        return SourceError(f"{self.name}: {message}", **parts)

    def parse(self, struct: Any, at: int, what: str) -> Any:
        """One struct.

        Raises:
            SourceError: it does not lie inside the file, or its values are none that ELF knows.
        """
        from elftools.common.exceptions import ELFParseError
        from elftools.common.utils import struct_parse

        self.check_inside(what, at, struct.sizeof())
        try:
            return struct_parse(struct, self.stream, at)
        except ELFParseError as reason:
            raise self.error(f"damaged ELF {what} at byte {at}: {reason}", offset=at) from None

    def check_inside(self, what: str, at: int, length: int) -> None:
        check_inside(self.name, "ELF", f"the {what}", at, length, self.size)

    def section(self, index: int) -> Any:
        struct = self.structs.Elf_Shdr
        at = self.header.e_shoff + index * self.header.e_shentsize
        return self.parse(struct, at, f"section header {index}")

    def count(self) -> int:
        """The number of section headers, all of them inside the file."""
        if not self.header.e_shoff:
            return 0
        least, entry = self.structs.Elf_Shdr.sizeof(), self.header.e_shentsize
        if entry < least:
            raise self.error(
                f"ELF section headers of {entry} bytes, expected at least {least}",
                got=entry,
                expected=f"at least {least}",
            )
        count: int = self.header.e_shnum or self.section(0).sh_size
        self.check_inside("section header table", self.header.e_shoff, count * entry)
        return count

    def names(self) -> bytes:
        """The section that holds the sections' names."""
        index = self.header.e_shstrndx
        if index == SHN_XINDEX:
            index = self.section(0).sh_link
        return self.data(self.section(index), "section name table") if index != SHN_UNDEF else b""

    def table(self) -> bytes:
        """All section headers, which :meth:`count` has found inside the file."""
        length = self.count() * self.header.e_shentsize
        self.stream.seek(self.header.e_shoff)
        return self.stream.read(length)

    def last(self, titles: Sequence[str]) -> dict[str, Any]:
        """Of each of these names the last section that has it; those that none has are left out.

        Thousands may have the name. The headers are searched as columns: a name's place is the
        first word of a header in files of both classes.
        """
        import numpy as np

        count, names, entry = self.count(), self.names(), self.header.e_shentsize
        word = word_dtype(self.byteorder)
        column = np.ndarray((count,), word, self.table(), strides=(entry,))
        found = {}
        for title in titles:
            having = np.flatnonzero(np.isin(column, places_of(names, f"{title}\0".encode())))
            if len(having):
                found[title] = self.section(int(having[-1]))
        return found

    def data(self, section: Any, what: str, limit: int | None = None) -> bytes:
        """A section's bytes, decompressed; none for one that occupies no space in the file."""
        from elftools.elf.constants import SH_FLAGS

        if section.sh_type == "SHT_NOBITS":
            return b""
        at, length = section.sh_offset, section.sh_size
        self.check_inside(what, at, length)
        if length > compression.LIMIT:
            raise self.error(
                f"the {what} has {length} bytes, the limit is {compression.LIMIT}",
                offset=at,
                got=length,
                expected=f"at most {compression.LIMIT} bytes",
            )
        if not section.sh_flags & SH_FLAGS.SHF_COMPRESSED:
            self.stream.seek(at)
            return self.stream.read(length)
        head = self.parse(self.structs.Elf_Chdr, at, f"compression header of {what}")
        skip = self.structs.Elf_Chdr.sizeof()
        codec = SECTION_CODECS.get(head.ch_type)
        if codec is None:
            raise self.error(
                f"{what}: compression type {head.ch_type}, expected zlib (1) or zstd (2)",
                offset=at,
                got=head.ch_type,
                expected="1 or 2",
            )
        window = Window(self.stream, at + skip, max(length - skip, 0))
        most = compression.proportionate(self.size) if limit is None else limit
        most = min(head.ch_size, most)
        data = decompress(codec, window, f"{self.name}: {what}", one=True, limit=most)
        if data.tell() != head.ch_size:
            raise self.error(
                f"{what}: decompresses to {data.tell()} bytes, its header says {head.ch_size}",
                offset=at,
                got=data.tell(),
                expected=f"{head.ch_size}",
            )
        return data.getvalue()


def _places(names: bytes, key: bytes) -> Iterator[int]:
    """All places of a name among the sections' names, where it may be the end of others."""
    at = names.find(key)
    while at >= 0:
        yield at
        at = names.find(key, at + 1)


def places_of(names: bytes, key: bytes) -> Any:
    """What :func:`_places` gives, as an array."""
    import numpy as np

    return np.fromiter(_places(names, key), np.int64)


def read_elf(stream: BinaryIO, size: int, name: str, limit: int | None = None) -> ElfSections:
    """Read the BTF sections of an ELF file, and nothing else of it but the headers.

    Relocations against ``.BTF`` are not applied: clang leaves some in BPF objects, with the values
    in place already, and libbpf's readers ignore them too. Of several sections with one name the
    last counts, as in libbpf.

    Args:
        stream: the file, seekable.
        size: its length in bytes.
        name: what it is called, for messages.
        limit: the most bytes that a compressed section may unpack to; what the file's size allows
            by default.

    Raises:
        SourceError: the file is damaged or truncated, or unpacks to more.
        NoBtfError: it has no ``.BTF`` section, or an empty one.
    """
    elf = ElfReader(stream, size, name)
    count = elf.count()
    last = elf.last((*SECTIONS, *NOTES, MODINFO, RODATA)) if count else {}
    contents = {
        title: elf.data(section, f"section {title}", limit)
        for title, section in last.items()
        if title in SECTIONS
    }
    if not contents.get(BTF):
        raise NoBtfError(
            f"{name}: the ELF file's {BTF} section is empty; was it made with "
            "objcopy --only-keep-debug? The section is in the other file"
            if BTF in contents
            else f"{name}: the ELF file has {count} sections and none is {BTF}; was it built with "
            "CONFIG_DEBUG_INFO_BTF, pahole -J, gcc -gbtf or clang -target bpf -g?",
            expected=f"a {BTF} section",
        )
    return ElfSections(elf.elf_class, elf.byteorder, contents, *_identity(elf, last))


def read_identity(stream: BinaryIO, size: int, name: str) -> tuple[str | None, str | None]:
    """The release and the build id of an ELF file, which need not have BTF.

    Raises:
        SourceError: its headers are damaged.
    """
    elf = ElfReader(stream, size, name)
    return _identity(elf, elf.last((*NOTES, MODINFO, RODATA)) if elf.count() else {})


def _identity(elf: ElfReader, last: dict[str, Any]) -> tuple[str | None, str | None]:
    """The release and the build id that a file says; None for what is damaged."""

    def small(title: str, most: int) -> bytes:
        section = last.get(title)
        if section is None or section.sh_size > most:
            return b""
        try:
            return elf.data(section, f"section {title}", most)
        except SourceError:
            return b""

    found = (build_id(small(title, MOST_NOTES), elf.byteorder) for title in NOTES)
    release = module_release(small(MODINFO, MOST_NOTES)) if MODINFO in last else None
    # The linker script of the kernel gathers notes in a section of this name.
    if release is None and NOTES[1] in last:
        release = banner_release(small(RODATA, MOST_RODATA))
    return release, next((one for one in found if one), None)
