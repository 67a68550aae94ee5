"""Replacing sections of an ELF file and leaving the rest of it where it is.

New contents, the table of section names when it gets a new name, and a new table of section headers
go to the file's end; everything else keeps its bytes, its place and its index, so that symbols,
relocations and segments stay valid. What is replaced leaves a hole of zeros behind, or nothing if
it was at the end, as after an earlier replacement: a file does not grow by being written again and
again. ``objcopy OLD NEW`` closes the holes, should they matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, evolve
from construct import Bytes, Struct

from btfschema.codec.engines import run_construct
from btfschema.errors import EncodeError, SourceError
from btfschema.schema.roles import U8, U32
from btfschema.sources.elfheaders import (
    EHDR,
    SHDR,
    SHF_ALLOC,
    SHF_COMPRESSED,
    SHN_LORESERVE,
    SHT_CREL,
    SHT_NOBITS,
    SHT_NULL,
    SHT_PROGBITS,
    SHT_REL,
    SHT_RELA,
    UNUSED,
    ElfHeaders,
    Extent,
    Section,
    read_headers,
)

__all__ = ["replace_sections", "strip_signature"]

# struct module_signature (include/linux/module_signature.h); its word is big-endian everywhere.
MODULE_SIGNATURE: Any = Struct(
    "algo" / U8,
    "hash" / U8,
    "id_type" / U8,
    "signer_len" / U8,
    "key_id_len" / U8,
    "pad" / Bytes(3),
    "sig_len" / U32,
)
SIGNATURE_MAGIC = b"~Module signature appended~\n"

RELOCATIONS = {SHT_REL: "REL", SHT_RELA: "RELA", SHT_CREL: "CREL"}

# Where contents begin: enough for every word of BTF, of which the kernel reads .BTF.base in place.
ALIGNMENT = 8
BTF_ALIGNMENT = 4


def replace_sections(
    data: bytes, sections: Mapping[str, bytes | None], *, name: str = "ELF file"
) -> bytes:
    """Replace, add and remove sections of an ELF file, of either class and byte order.

    An existing section keeps its index, type, flags and alignment; a new one is added after all
    others, as plain data (``SHT_PROGBITS``) that is not loaded. A removed one leaves an unused
    section header. Relocations without addends (``SHT_REL``, which clang writes for ``.BTF`` and
    ``.BTF.ext`` of BPF objects) refer to places in the old content and hold nothing that libbpf
    reads: those of a replaced section are emptied.

    Args:
        data: the file.
        sections: new contents by section name; None removes a section.
        name: what the file is called, for messages.

    Returns:
        The new file; ``data`` itself when it has these contents already.

    Raises:
        SourceError: the file is no ELF file, damaged, truncated, or has no section table.
        EncodeError: a section is loaded into memory (``SHF_ALLOC``) and its size would change; it
            has relocations with addends; there are two of that name, or it is the table of names;
            or the file gets too long for its class.
    """
    elf = read_headers(data, name)
    rewrite = _Rewrite(elf)
    for title, content in sections.items():
        rewrite.put(title, content)
    return rewrite.build()


def strip_signature(data: bytes, *, name: str = "ELF file") -> tuple[bytes, bool]:
    """Take a kernel module's signature off the file's end (``scripts/sign-file.c``).

    Args:
        data: the file.
        name: what it is called, for messages.

    Returns:
        The file without its signatures, and whether there were any.

    Raises:
        SourceError: there is the mark of a signature, and no signature that fits the file.
    """
    rest = data
    while rest.endswith(SIGNATURE_MAGIC):
        end = len(rest) - len(SIGNATURE_MAGIC) - MODULE_SIGNATURE.sizeof()
        if end < 0:
            raise SourceError(
                f"{name}: truncated module signature: {len(rest)} bytes end inside it",
                got=len(rest),
                expected=f"at least {len(rest) - end}",
            )
        info = MODULE_SIGNATURE.parse(rest[end:], byteorder="big")
        length = info.signer_len + info.key_id_len + info.sig_len
        if length > end:
            raise SourceError(
                f"{name}: damaged module signature: it says that it has {length} bytes, "
                f"{end} come before",
                offset=end,
                got=length,
                expected=f"at most {end}",
            )
        rest = rest[: end - length]
    return rest, rest is not data


class _Rewrite:
    """The changes to one file, collected by :meth:`put` and written by :meth:`build`."""

    def __init__(self, elf: ElfHeaders) -> None:
        self.elf = elf
        self.headers = list(elf.sections)
        self.names = elf.content(elf.names)
        self.in_place: dict[int, bytes] = {}
        self.appended: dict[int, bytes] = {}
        # Sections whose bytes in the old file are given up.
        self.freed: set[int] = set()

    def put(self, title: str, content: bytes | None) -> None:
        """Give a section new content, or remove it with None."""
        index = self._find(title)
        if index is None:
            if content is not None:
                self._add(title, content)
            return
        old = self.headers[index]
        plain = old.in_file and not old.sh_flags & SHF_COMPRESSED
        if plain and self.elf.content(old) == content:
            return
        if old.sh_flags & SHF_ALLOC:
            if content is None or not plain or len(content) != old.sh_size:
                raise self._loaded_error(title, old, content)
            self.in_place[old.sh_offset] = content
        elif content is None:
            self.freed.add(index)
            self.headers[index] = UNUSED
        else:
            self.freed.add(index)
            self.appended[index] = content
            self.headers[index] = evolve(
                old,
                sh_type=SHT_PROGBITS if old.sh_type == SHT_NOBITS else old.sh_type,
                sh_flags=old.sh_flags & ~SHF_COMPRESSED,
            )
        self._empty_relocations(title, index)

    def _find(self, title: str) -> int | None:
        """The index of the section of this name."""
        key = f"{title}\0".encode()
        found = [
            index
            for index, header in enumerate(self.headers)
            if index and header.sh_type != SHT_NULL and self.names.startswith(key, header.sh_name)
        ]
        if len(found) > 1:
            listed = ", ".join(map(str, found))
            raise EncodeError(
                f"{self.elf.name}: {len(found)} sections are called {title} ({listed}), and "
                "readers disagree on which one counts",
                got=found,
                expected="one",
            )
        if self.elf.names_index in found:
            raise EncodeError(
                f"{self.elf.name}: section {title} holds the sections' names and can't be replaced",
                got=title,
                expected="another section",
            )
        return found[0] if found else None

    def _add(self, title: str, content: bytes) -> None:
        """A new section, in a section header that is unused or behind all others."""
        unused = (i for i, header in enumerate(self.headers) if i and header == UNUSED)
        index = next(unused, len(self.headers))
        key = f"{title}\0".encode()
        at = self.names.find(key)
        if at < 0:
            self._refuse_names_past_the_end()
            # The first name is the empty one, and a damaged table may lack the last NUL.
            self.names += b"" if self.names.endswith(b"\0") else b"\0"
            at = len(self.names)
            self.names += key
        header = Section(sh_name=at, sh_type=SHT_PROGBITS, sh_addralign=BTF_ALIGNMENT)
        self.headers[index : index + 1] = [header]
        self.appended[index] = content

    def _refuse_names_past_the_end(self) -> None:
        """A name that is added must not become that of a section which points past all names."""
        for index, header in enumerate(self.headers):
            if header.sh_type != SHT_NULL and header.sh_name >= len(self.names):
                raise SourceError(
                    f"{self.elf.name}: the name of section {index} is at byte {header.sh_name} of "
                    f"the sections' names, which have {len(self.names)} bytes",
                    got=header.sh_name,
                    expected=f"less than {len(self.names)}",
                )

    def _loaded_error(self, title: str, old: Section, content: bytes | None) -> EncodeError:
        change = "be removed" if content is None else f"become {len(content)}"
        return EncodeError(
            f"{self.elf.name}: section {title} is loaded into memory (SHF_ALLOC), where other "
            f"things follow it: its {old.sh_size} bytes can't {change}; write the BTF to a file of "
            "its own",
            got=None if content is None else len(content),
            expected=f"{old.sh_size} bytes",
        )

    def _empty_relocations(self, title: str, target: int) -> None:
        """Drop relocations that count from the start of a section that is no more."""
        for index, header in enumerate(self.headers):
            if header.sh_type not in RELOCATIONS or header.sh_info != target or not header.sh_size:
                continue
            if header.sh_type != SHT_REL:
                kind = RELOCATIONS[header.sh_type]
                raise EncodeError(
                    f"{self.elf.name}: section {title} has {kind} relocations (section {index}), "
                    "so its values are not final; link the object first",
                    got=kind,
                    expected="no relocations with addends",
                )
            self.freed.add(index)
            self.headers[index] = evolve(header, sh_size=0)

    def build(self) -> bytes:
        """The new file."""
        elf = self.elf
        if not (self.in_place or self.appended or self.freed):
            return elf.data
        kept, holes = self._places()
        end = self._end(kept, holes)
        if end <= elf.names.sh_offset or len(self.names) > elf.names.sh_size:
            self.appended[elf.names_index] = self.names
            holes.append(elf.names.place)
        else:
            kept.append(elf.names.place)
        out = bytearray(elf.data[:end])
        for at, content in self.in_place.items():
            out[at : at + len(content)] = content
        for start, stop in holes:
            hole = start, min(stop, end)
            if start < end and not any(_overlap(hole, other) for other in kept):
                out[slice(*hole)] = bytes(hole[1] - start)
        for index, content in self.appended.items():
            out += bytes(-len(out) % ALIGNMENT)
            self.headers[index] = evolve(
                self.headers[index], sh_offset=len(out), sh_size=len(content)
            )
            out += content
        out += bytes(-len(out) % ALIGNMENT)
        return self._with_headers(out, end)

    def _places(self) -> tuple[list[Extent], list[Extent]]:
        """The extents in the old file that are kept, and those given up; the names in neither."""
        elf = self.elf
        kept, holes = [(0, EHDR[elf.elf_class].sizeof()), *elf.segments], [elf.section_table]
        for index, section in enumerate(elf.sections):
            if section.in_file and index != elf.names_index:
                (holes if index in self.freed else kept).append(section.place)
        return kept, holes

    def _end(self, kept: list[Extent], holes: list[Extent]) -> int:
        """Where the old file is cut: what follows is given up, written anew, or padding."""
        data, floor = self.elf.data, max(stop for _, stop in kept)
        end = len(data)
        places = sorted((*holes, self.elf.names.place), key=lambda place: place[::-1])
        for start, stop in reversed(places):
            near = floor <= start and end - ALIGNMENT < stop <= end
            if near and not any(data[stop:end]):
                end = start
        return end

    def _with_headers(self, out: bytearray, end: int) -> bytes:
        """Append the section header table and make the file header point to it.

        Args:
            out: the file up to there.
            end: where the old file was cut.
        """
        elf, count, headers = self.elf, len(self.headers), self.headers
        header = {**elf.header, "e_shoff": len(out), "e_shnum": count}
        if count >= SHN_LORESERVE or not elf.header.e_shnum:
            header["e_shnum"] = 0
            headers[0] = evolve(headers[0], sh_size=count)
        for index in self.freed - self.appended.keys():
            # Emptied relocations may have been at the end.
            headers[index] = evolve(headers[index], sh_offset=min(headers[index].sh_offset, end))
        out += self._section_table()
        build, where = EHDR[elf.elf_class].build, f"{elf.name}: header"
        start = run_construct(build, header, where, elf.byteorder)
        out[: len(start)] = start
        return bytes(out)

    def _section_table(self) -> bytearray:
        """The section headers, of which just the changed ones are built."""
        elf, struct = self.elf, SHDR[self.elf.elf_class]
        size = struct.sizeof()
        table = bytearray(elf.data[slice(*elf.section_table)])
        for index, section in enumerate(self.headers):
            if index >= len(elf.sections) or section is not elf.sections[index]:
                where = f"{elf.name}: section header {index}"
                row = run_construct(struct.build, asdict(section), where, elf.byteorder)
                table[index * size : index * size + size] = row
        return table


def _overlap(one: Extent, other: Extent) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])
