"""BPF objects: their relocations with the programs, instructions and source lines they stand in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from attrs import field, frozen

from btfschema.co_re.insns import INSN_SIZE, Insn, decode
from btfschema.errors import SourceError
from btfschema.model.container import Btf
from btfschema.model.views import Func
from btfschema.model.views.ext import CoreRelo, ExtSection, FuncInfo, LineInfo
from btfschema.sources import STDIN, Source, StrPath, load_source, read_source

__all__ = ["BpfObject", "Relocation", "read_object"]


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


def _read_only(code: Mapping[str, tuple[Insn, ...]]) -> Mapping[str, tuple[Insn, ...]]:
    return MappingProxyType(dict(code))


@frozen(eq=False, slots=False)
class BpfObject:
    """A compiled BPF program, or several in one file.

    Attributes:
        path: the file.
        btf: its types, with its ``.BTF.ext``.
        code: the instructions of each section that has relocations; none for BTF alone.
    """

    path: str
    btf: Btf
    code: Mapping[str, tuple[Insn, ...]] = field(factory=dict, converter=_read_only, repr=False)

    @cached_property
    def relocations(self) -> tuple[Relocation, ...]:
        """All CO-RE relocations, in the order in which libbpf takes them."""
        return tuple(self._relocations())

    def functions(self, section: str) -> list[int]:
        """The first instructions of a section's functions, ascending."""
        starts = [one.insn_off // INSN_SIZE for one in _records(self.btf, "func_info", section)]
        return sorted(starts) or [0]

    def _relocations(self) -> Iterator[Relocation]:
        if self.btf.ext is None:
            return
        for section in self.btf.ext.core_relo:
            functions = _Places(_records(self.btf, "func_info", section.name))
            lines = _Places(_records(self.btf, "line_info", section.name))
            for index, relo in enumerate(section.records):
                function, line = functions.at(relo.insn_off), lines.at(relo.insn_off)
                name, first = section.name, 0
                if isinstance(function, FuncInfo):
                    view = self.btf[function.type_id]
                    name = view.name if isinstance(view, Func) else section.name
                    first = function.insn_off // INSN_SIZE
                yield Relocation(
                    relo,
                    section.name,
                    name,
                    index,
                    relo.insn_off // INSN_SIZE,
                    first,
                    line if isinstance(line, LineInfo) else None,
                )


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
    code: dict[str, tuple[Insn, ...]] = {}
    if source.format == "elf" and not source.layers and source.path != STDIN and btf.ext:
        wanted = {section.name for section in btf.ext.core_relo}
        code = dict(_code(Path(source.path).read_bytes(), source.path, wanted, btf))
    return BpfObject(source.path, btf, code)


def _no_object(source: Source) -> SourceError:
    """A file that is no BPF object: most likely a kernel in an object's place."""
    what = {"raw": "raw BTF", "elf": "another ELF file"}.get(source.format, "a kernel image")
    return SourceError(
        f"{source.name}: {what}, expected a BPF object", got=what, expected="a BPF object"
    )


def _code(
    data: bytes, name: str, wanted: set[str], btf: Btf
) -> Iterator[tuple[str, tuple[Insn, ...]]]:
    """The instructions of some sections; of several with one name those of the first."""
    from btfschema.sources.elfheaders import read_headers

    elf = read_headers(data, name)
    names = elf.content(elf.names)
    left = set(wanted)
    for section in elf.sections:
        title = names[section.sh_name :].partition(b"\0")[0]
        text = title.decode("utf-8", "surrogateescape")
        if text in left and section.in_file:
            left.discard(text)
            yield text, tuple(decode(elf.content(section), btf.byteorder))
