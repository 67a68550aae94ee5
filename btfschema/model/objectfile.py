"""What an object file says beside its BTF: its sections' sizes, and where symbols lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from btfschema.mappings import read_only

__all__ = ["ObjectFile", "Symbol"]

SymbolType = Literal["none", "object", "function", "other"]


@frozen
class Symbol:
    """One symbol (``Elf64_Sym``).

    Attributes:
        name: its name.
        type: what it stands for.
        section: the section's name, or None when the symbol is defined elsewhere.
        value: where it starts in the section, in bytes.
        is_global: whether other files see it, weak ones included.
        is_hidden: whether it is visible in no other component (``STV_HIDDEN``, ``STV_INTERNAL``).
        is_weak: whether a program can do without it (``STB_WEAK``).
    """

    name: str
    type: SymbolType
    section: str | None
    value: int
    is_global: bool
    is_hidden: bool = False
    is_weak: bool = False

    @property
    def is_extern(self) -> bool:
        """Whether libbpf takes it for an extern (``sym_is_extern``)."""
        return self.section is None and self.is_global and self.type == "none"


@frozen
class ObjectFile:
    """A BPF object's sections and symbols.

    Attributes:
        sections: bytes of each section in memory, by name; of several with one name the last.
        symbols: in the file's order.
    """

    sections: Mapping[str, int] = field(factory=dict, converter=read_only)
    symbols: tuple[Symbol, ...] = ()
