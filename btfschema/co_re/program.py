"""BPF objects: their relocations with the programs, instructions and source lines they stand in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from attrs import evolve, field, frozen

from btfschema.co_re.insns import INSN_SIZE, Insn, decode
from btfschema.errors import SourceError
from btfschema.mappings import read_only
from btfschema.model.container import Btf
from btfschema.model.objectfile import Symbol
from btfschema.model.views import Func
from btfschema.model.views.ext import CoreRelo, ExtSection, FuncInfo, LineInfo
from btfschema.sources import STDIN, Source, StrPath, load_source, read_source

__all__ = [
    "OPTIONAL",
    "BpfObject",
    "Place",
    "Relocation",
    "line_as_dict",
    "line_text",
    "read_object",
]

# How the names of sections begin whose programs or maps libbpf does not load.
OPTIONAL = "?"
# The section of read-only data, which no longer changes once a program is loaded.
CONSTANTS = ".rodata"


@frozen(eq=False)
class Relocation:
    """A CO-RE relocation and where it stands.

    Attributes:
        relo: what it asks.
        section: the program section.
        program: the function; the section where no ``func_info`` names one.
        index: its number among the relocations of the section, by which libbpf's log calls it.
        insn: the instruction's number in the section.
        first_insn: the function's first instruction, from which libbpf's log counts.
        line: the source line, or None.
    """

    relo: CoreRelo
    section: str
    program: str
    index: int
    insn: int
    first_insn: int = 0
    line: LineInfo | None = None

    @property
    def autoload(self) -> bool:
        """Whether libbpf loads its program without being told to: not ``SEC("?kprobe/...")``."""
        return not self.section.startswith(OPTIONAL)


@frozen(eq=False, slots=False)
class BpfObject:
    """A compiled BPF program, or several in one file.

    Attributes:
        path: the file.
        btf: its types, with its ``.BTF.ext``.
        code: the instructions of each program section; none where the object is in a compressed
            file.
        links: the symbols that ELF's relocations put into these instructions.
        constants: the sections of read-only data.
    """

    path: str
    btf: Btf
    code: Mapping[str, tuple[Insn, ...]] = field(factory=dict, converter=read_only, repr=False)
    links: Mapping[str, Mapping[int, Symbol]] = field(factory=dict, converter=read_only, repr=False)
    constants: Mapping[str, bytes] = field(factory=dict, converter=read_only, repr=False)
    _known: dict[str, tuple[_Places, _Places]] = field(factory=dict, init=False, repr=False)

    @cached_property
    def relocations(self) -> tuple[Relocation, ...]:
        """All CO-RE relocations, in the order in which libbpf takes them."""
        return tuple(self._relocations())

    def functions(self, section: str) -> list[int]:
        """The first instructions of a section's functions, ascending."""
        starts = [one.insn_off // INSN_SIZE for one in _records(self.btf, "func_info", section)]
        return sorted(starts) or [0]

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols, in the file's order."""
        return self.btf.object_file.symbols if self.btf.object_file is not None else ()

    def place(self, section: str, insn: int) -> Place:
        """The function and the source line that an instruction belongs to."""
        functions, lines = self._places(section)
        function, line = functions.at(insn * INSN_SIZE), lines.at(insn * INSN_SIZE)
        name, first = section, 0
        if isinstance(function, FuncInfo):
            view = self.btf[function.type_id]
            name = view.name if isinstance(view, Func) else section
            first = function.insn_off // INSN_SIZE
        return Place(name, first, line if isinstance(line, LineInfo) else None)

    def _places(self, section: str) -> tuple[_Places, _Places]:
        if section not in self._known:
            parts = ("func_info", "line_info")
            functions, lines = (_Places(_records(self.btf, part, section)) for part in parts)
            self._known[section] = functions, lines
        return self._known[section]

    def _relocations(self) -> Iterator[Relocation]:
        if self.btf.ext is None:
            return
        for section in self.btf.ext.core_relo:
            for index, relo in enumerate(section.records):
                insn = relo.insn_off // INSN_SIZE
                place = self.place(section.name, insn)
                yield Relocation(
                    relo, section.name, place.program, index, insn, place.first_insn, place.line
                )


class Place(NamedTuple):
    """What an instruction belongs to.

    Attributes:
        program: the function; the section where no ``func_info`` names one.
        first_insn: its first instruction.
        line: the source line, or None.
    """

    program: str
    first_insn: int
    line: LineInfo | None


def line_as_dict(line: LineInfo | None) -> dict[str, Any]:
    """A source line as JSON has it in reports."""
    return {
        "file": line.file_name if line is not None else None,
        "line": line.line_num if line is not None else None,
        "source": line.line.strip() if line is not None else None,
    }


def line_text(line: LineInfo | None, section: str) -> str:
    """A source line in reports; the section where no line is known."""
    return f"{line.file_name}:{line.line_num}: {line.line.strip()}" if line else section


Record = FuncInfo | LineInfo


class _Places:
    """Records of ``.BTF.ext`` that count from an instruction to the next one's."""

    def __init__(self, records: list[Record]) -> None:
        self.records = sorted(records, key=lambda record: record.insn_off)
        self.starts = [record.insn_off for record in self.records]

    def at(self, insn_off: int) -> Record | None:
        """The record that an instruction belongs to."""
        number = bisect_right(self.starts, insn_off)
        return self.records[number - 1] if number else None


def _records(btf: Btf, part: str, name: str) -> list[Record]:
    if btf.ext is None:
        return []
    sections: Iterator[ExtSection] = iter(getattr(btf.ext, part))
    return [record for section in sections if section.name == name for record in section.records]


def read_object(path: StrPath) -> BpfObject:
    """Read a BPF object file.

    Args:
        path: an ELF file, as clang or ``bpftool gen object`` writes it.

    Raises:
        OSError: it can't be read.
        BtfError: it is no BPF object, has no BTF, or is damaged.
    """
    source = read_source(path)
    # Symbols that are damaged hide what an ELF file is; only programs have a .BTF.ext.
    if source.object_file is None and source.ext is None:
        raise _no_object(source)
    btf = load_source(source)
    if btf.base is not None:
        raise SourceError(
            f"{source.name}: split BTF, expected a BPF object, whose BTF stands alone",
            got="split BTF",
            expected="stand-alone BTF",
        )
    if source.format != "elf" or source.layers or source.path == STDIN or btf.ext is None:
        return BpfObject(source.path, btf)
    return _with_code(BpfObject(source.path, btf), Path(source.path).read_bytes())


def _no_object(source: Source) -> SourceError:
    """A file that is no BPF object: most likely a kernel in an object's place."""
    what = {"raw": "raw BTF", "elf": "another ELF file"}.get(source.format, "a kernel image")
    return SourceError(
        f"{source.name}: {what}, expected a BPF object", got=what, expected="a BPF object"
    )


def _with_code(program: BpfObject, data: bytes) -> BpfObject:
    """The object with its sections; of several with one name the first counts."""
    from btfschema.sources.elfheaders import SHF_EXECINSTR, SHT_REL, links_of, read_headers
    from btfschema.sources.elfobjects import name_at

    elf, order, symbols = read_headers(data, program.path), program.btf.byteorder, program.symbols
    names, sections = elf.content(elf.names), list(elf.sections)
    titles = [name_at(names, section.sh_name) for section in sections]
    code: dict[str, tuple[Insn, ...]] = {}
    links: dict[str, dict[int, Symbol]] = {}
    constants: dict[str, bytes] = {}
    for title, section in zip(titles, sections, strict=True):
        content = elf.content(section)
        if section.sh_flags & SHF_EXECINSTR and content and title not in code:
            code[title] = tuple(decode(content, order))
        elif title == CONSTANTS or title.startswith(f"{CONSTANTS}."):
            constants.setdefault(title, content)
        elif section.sh_type == SHT_REL and section.sh_info < len(titles):
            links[titles[section.sh_info]] = {
                at // INSN_SIZE: symbols[number]
                for at, number in links_of(content, order).items()
                if number < len(symbols)
            }
    return evolve(program, code=code, links=links, constants=constants)
