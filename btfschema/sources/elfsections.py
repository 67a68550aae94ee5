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

import numpy as np
from attrs import asdict, astuple, evolve

from btfschema.codec.engines import run_construct
from btfschema.errors import EncodeError, SourceError
from btfschema.sources.elf import places_of
from btfschema.sources.elfheaders import (
    EHDR,
    MODULE_SIGNATURE,
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

# What a signed module ends in, after the struct.
SIGNATURE_MAGIC = b"~Module signature appended~\n"

MAX_PLACE = (1 << 64) - 1
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
        SourceError: the file is not an ELF file, damaged, truncated, or has no section table.
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
        # All headers as columns, and those that were changed.
        self.rows = elf.rows.copy()
        self.changed: dict[int, Section] = {}
        self.names = elf.content(elf.names)
        self.in_place: dict[int, bytes] = {}
        self.appended: dict[int, bytes] = {}
        # Sections whose bytes in the old file are given up.
        self.freed: set[int] = set()

    def _header(self, index: int) -> Section:
        """A section header as it is by now."""
        return Section(*self.rows[index].tolist())

    def _change(self, index: int, header: Section) -> None:
        if index == len(self.rows):
            self.rows = np.append(self.rows, np.zeros(1, self.rows.dtype))
        self.rows[index] = astuple(header)
        self.changed[index] = header

    def put(self, title: str, content: bytes | None) -> None:
        """Give a section new content, or remove it with None."""
        index = self._find(title)
        if index is None:
            if content is not None:
                self._add(title, content)
            return
        old = self._header(index)
        plain = old.in_file and not old.sh_flags & SHF_COMPRESSED
        if plain and self.elf.content(old) == content:
            return
        if old.sh_flags & SHF_ALLOC:
            if content is None or not plain or len(content) != old.sh_size:
                raise self._loaded_error(title, old, content)
            self.in_place[old.sh_offset] = content
        elif content is None:
            self.freed.add(index)
            self._change(index, UNUSED)
        else:
            self.freed.add(index)
            self.appended[index] = content
            kind = SHT_PROGBITS if old.sh_type == SHT_NOBITS else old.sh_type
            flags = old.sh_flags & ~SHF_COMPRESSED
            self._change(index, evolve(old, sh_type=kind, sh_flags=flags))
        self._empty_relocations(title, index)

    def _find(self, title: str) -> int | None:
        """The index of the section of this name."""
        key = f"{title}\0".encode()
        having = np.isin(self.rows["sh_name"], places_of(self.names, key))
        having[0] = False
        found = np.flatnonzero(having & (self.rows["sh_type"] != SHT_NULL)).tolist()
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
        used = np.any([self.rows[name] != 0 for name in self.rows.dtype.names or ()], axis=0)
        used[0] = True
        index = int(next(iter(np.flatnonzero(~used)), len(used)))
        key = f"{title}\0".encode()
        at = self.names.find(key)
        if at < 0:
            self._refuse_names_past_the_end()
            # The first name is the empty one, and a damaged table may lack the last NUL.
            self.names += b"" if self.names.endswith(b"\0") else b"\0"
            at = len(self.names)
            self.names += key
        header = Section(sh_name=at, sh_type=SHT_PROGBITS, sh_addralign=BTF_ALIGNMENT)
        self._change(index, header)
        self.appended[index] = content

    def _refuse_names_past_the_end(self) -> None:
        """A name that is added must not become that of a section which points past all names."""
        at = self.rows["sh_name"]
        past = (self.rows["sh_type"] != SHT_NULL) & (at >= len(self.names))
        for index in np.flatnonzero(past):
            raise SourceError(
                f"{self.elf.name}: the name of section {index} is at byte {at[index]} of "
                f"the sections' names, which have {len(self.names)} bytes",
                got=int(at[index]),
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
        rows = self.rows
        of_target = np.isin(rows["sh_type"], list(RELOCATIONS)) & (rows["sh_info"] == target)
        for index in np.flatnonzero(of_target & (rows["sh_size"] != 0)).tolist():
            header = self._header(index)
            if header.sh_type != SHT_REL:
                kind = RELOCATIONS[header.sh_type]
                raise EncodeError(
                    f"{self.elf.name}: section {title} has {kind} relocations (section {index}), "
                    "so its values are not final; link the object first",
                    got=kind,
                    expected="no relocations with addends",
                )
            self.freed.add(index)
            self._change(index, evolve(header, sh_size=0))

    def build(self) -> bytes:
        """The new file."""
        elf = self.elf
        if not (self.in_place or self.appended or self.freed):
            return elf.data
        kept, holes = self._kept(), self._holes()
        end = self._end(kept, holes)
        if end <= elf.names.sh_offset or len(self.names) > elf.names.sh_size:
            self.appended[elf.names_index] = self.names
            holes.append(elf.names.place)
        else:
            kept = np.append(kept, [elf.names.place], axis=0)
        out = bytearray(elf.data[:end])
        for at, content in self.in_place.items():
            out[at : at + len(content)] = content
        for start, stop in holes:
            hole = start, min(stop, end)
            if start < end and not _overlaps(hole, kept):
                out[slice(*hole)] = bytes(hole[1] - start)
        for index, content in self.appended.items():
            out += bytes(-len(out) % ALIGNMENT)
            place = {"sh_offset": len(out), "sh_size": len(content)}
            self._change(index, evolve(self._header(index), **place))
            out += content
        out += bytes(-len(out) % ALIGNMENT)
        return self._with_headers(out, end)

    def _kept(self) -> Any:
        """The extents in the old file that are kept but for the names, as rows of two."""
        elf = self.elf
        kept = elf.in_file
        kept[[*self.freed, elf.names_index]] = False
        starts, sizes = elf.rows["sh_offset"][kept], elf.rows["sh_size"][kept]
        header = (0, EHDR[elf.elf_class].sizeof())
        # Nobody has checked where segments lie.
        first = np.array([header, *elf.segments], object).clip(0, MAX_PLACE).astype(np.uint64)
        return np.concatenate([first, np.column_stack([starts, starts + sizes])])

    def _holes(self) -> list[Extent]:
        """The extents in the old file that are given up but for the names."""
        freed = [self.elf.section(index) for index in sorted(self.freed)]
        return [self.elf.section_table, *(one.place for one in freed if one.in_file)]

    def _end(self, kept: Any, holes: list[Extent]) -> int:
        """Where the old file is cut: what follows is given up, written anew, or padding."""
        data, floor = self.elf.data, int(kept[:, 1].max())
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
        elf, count = self.elf, len(self.rows)
        header = {**elf.header, "e_shoff": len(out), "e_shnum": count}
        if count >= SHN_LORESERVE or not elf.header.e_shnum:
            header["e_shnum"] = 0
            self._change(0, evolve(self._header(0), sh_size=count))
        for index in self.freed - self.appended.keys():
            # Emptied relocations may have been at the end.
            old = self._header(index)
            self._change(index, evolve(old, sh_offset=min(old.sh_offset, end)))
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
        for index, section in sorted(self.changed.items()):
            where = f"{elf.name}: section header {index}"
            row = run_construct(struct.build, asdict(section), where, elf.byteorder)
            table[index * size : index * size + size] = row
        return table


def _overlaps(one: Extent, others: Any) -> bool:
    """Whether an extent has bytes in common with any of some, given as rows of two."""
    starts, stops = np.maximum(others[:, 0], one[0]), np.minimum(others[:, 1], one[1])
    return bool(np.any(starts < stops))
