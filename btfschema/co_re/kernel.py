"""The kernel that a program is to run on: its BTF, that of its modules, and the search by name."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema.arguments import require_type
from btfschema.co_re.names import essential_name
from btfschema.co_re.types import Types
from btfschema.errors import RequirementError
from btfschema.mappings import ReadOnly
from btfschema.model.container import Btf, require_btf
from btfschema.model.memo import remembered
from btfschema.model.views import TypeView
from btfschema.tables.strings import StringTable

__all__ = ["Candidate", "Kernel"]

VMLINUX = "vmlinux"


def _read_only(modules: Mapping[str, Btf]) -> Mapping[str, Btf]:
    require_type("modules", modules, Mapping, "a mapping: {name: btf}")
    return ReadOnly(modules)


@frozen
class Candidate:
    """A type of a kernel that a program's type may mean.

    Attributes:
        type_id: its id, which is a module's own where a module has it.
        module: that module; ``"vmlinux"`` for the kernel itself.
        types: where it is.
    """

    type_id: int
    module: str
    types: Types = field(repr=False)

    @property
    def view(self) -> TypeView:
        """The type."""
        return self.types[self.type_id]


@frozen(eq=False, slots=False)
class Kernel:
    """A kernel's BTF, and the BTF of the modules that are loaded.

    Attributes:
        vmlinux: the kernel's own.
        modules: split BTF over it, by the modules' names; searched in this order.
    """

    vmlinux: Btf
    modules: Mapping[str, Btf] = field(factory=dict, converter=_read_only)

    def __attrs_post_init__(self) -> None:
        require_btf("vmlinux", self.vmlinux)
        for name, btf in self.modules.items():
            require_btf(f"module {name!r}", btf)
            if btf.base is None or btf.base.end_id != self.vmlinux.end_id:
                raise RequirementError(
                    f"module {name} is not split over this kernel's BTF",
                    got="another base" if btf.base is not None else "no base",
                    expected="split BTF over vmlinux",
                )

    def candidates(self, local: TypeView, name: str) -> list[Candidate]:
        """The types that a program's type may mean: of its name, whatever flavour, and its kind.

        As libbpf does, modules are searched only when the kernel itself has none.

        Args:
            local: the program's type.
            name: its name.
        """
        wanted = essential_name(name)
        found = list(self._of(VMLINUX, self.vmlinux, local, wanted))
        if not found:
            for module, btf in self.modules.items():
                found += self._of(module, btf, local, wanted)
        return found

    def named(self, name: str, kind: int, module: str | None = None) -> Candidate | None:
        """The type of exactly this name and this kind: flavours are other names here.

        As libbpf does, takes the kernel's own if there is one, else that of the first module.

        Args:
            name: the name.
            kind: the kind's number.
            module: how the name of its module begins, or ``"vmlinux"``; any unless given.
        """
        if not name:
            return None
        for title, btf in ((VMLINUX, self.vmlinux), *self.modules.items()):
            if module is not None and not title.startswith(module):
                continue
            types = Types.of(btf)
            # Unlike a look-up in each module, this searches the kernel's strings once.
            for type_id in _Names.of(btf).ids(name):
                view: Any = types[type_id]
                if view.kind == kind and view.name == name:
                    return Candidate(type_id, title, types)
        return None

    def _of(self, module: str, btf: Btf, local: TypeView, name: str) -> Iterator[Candidate]:
        types = Types.of(btf)
        for type_id in _Names.of(btf).ids(name):
            if types.alike(int(btf.types.kinds[type_id - btf.first_id]), local.kind):
                yield Candidate(type_id, module, types)


@frozen(eq=False, slots=False)
class _Names:
    """Finds a container's own types by name, whatever their flavour."""

    btf: Btf
    _ids: dict[str, list[int]] = field(factory=dict)
    _offsets: dict[str, list[int]] = field(factory=dict)

    @classmethod
    def of(cls, btf: Btf) -> _Names:
        """The finder of a container, which stays with it."""
        return remembered(btf, cls, cls)

    @cached_property
    def used(self) -> Container[int]:
        """The offsets at which the types' names start."""
        names = self.btf.types.name_offs
        if self.btf.base is not None:
            return frozenset(names.tolist())
        used = bytearray(self.btf.strings.end + 1)
        np.frombuffer(used, np.uint8)[names] = 1
        return _Marked(used)

    def offsets(self, name: str) -> list[int]:
        """Where strings start that mean ``name``, here and in the bases."""
        if name not in self._offsets:
            base = self.btf.base
            before = _Names.of(base).offsets(name) if base is not None else []
            self._offsets[name] = [*before, *_meaning(self.btf.strings, name)]
        return self._offsets[name]

    def ids(self, name: str) -> list[int]:
        """The ids of the types whose names mean ``name``, ascending."""
        if name not in self._ids:
            used, names = self.used, self.btf.types.name_offs
            rows: npt.NDArray[Any] = np.zeros(len(names), np.bool_)
            for offset in self.offsets(name):
                if offset in used:
                    rows |= names == offset
            self._ids[name] = (np.flatnonzero(rows) + self.btf.first_id).tolist()
        return self._ids[name]


@frozen(eq=False)
class _Marked:
    """The numbers that are marked, a byte each; for a kernel's names less work than a set."""

    marks: bytearray

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and bool(self.marks[number])


def _meaning(table: StringTable, name: str) -> Iterable[int]:
    """The offsets of a table at which strings start that mean ``name``."""
    data, text = table.data, name.encode("utf-8", "surrogateescape")
    plain = text + b"\0"
    at = data.find(plain)
    while at >= 0:
        yield table.start + at
        at = data.find(plain, at + 1)
    flavoured = text + b"___"
    at = data.find(flavoured)
    while at >= 0:
        whole = data[at : data.find(b"\0", at)].decode("utf-8", "surrogateescape")
        if essential_name(whole) == name:
            yield table.start + at
        at = data.find(flavoured, at + 1)
