"""What libbpf makes of an object's BTF when it opens the object, before a kernel sees it.

Compilers leave out what only the ELF file says: how large sections are, where variables lie in
them. libbpf fills that in (``bpf_object_fixup_btf``), and makes variables of a size of what is
defined elsewhere (``bpf_object__collect_externs``).
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from btfschema.errors import BtfError
from btfschema.model import views
from btfschema.model.container import Btf
from btfschema.model.draft import Draft
from btfschema.model.objectfile import ObjectFile, Symbol
from btfschema.schema.kinds import Kind
from btfschema.verification.repairs.changes import Change
from btfschema.verification.violations import Rule, Violation

__all__ = ["OBJECT_RULES", "Opened", "opened"]

KSYMS, KCONFIG = ".ksyms", ".kconfig"
DUMMY = "dummy_ksym"
KSYM_SIZE = 4
_LIBBPF = "tools/lib/bpf/libbpf.c"

OBJECT_RULES = {
    rule.id: rule
    for rule in (
        Rule(
            "object.section",
            "the object has a section for each DATASEC, and it is not empty",
            f"{_LIBBPF}: btf_fixup_datasec",
            "read",
            error="ENOENT",
        ),
        Rule(
            "object.symbol",
            "the object has a symbol for each global variable",
            f"{_LIBBPF}: btf_fixup_datasec",
            "read",
            error="ENOENT",
        ),
        Rule(
            "object.extern",
            "an extern is in .ksyms or .kconfig",
            f"{_LIBBPF}: bpf_object__collect_externs",
            "read",
            error="ENOENT",
        ),
    )
}
"""What libbpf wants of an object itself; ``bpf_object__open`` fails otherwise."""


@frozen
class Opened:
    """What :func:`opened` gives: the BTF as libbpf has it, what it did, and why it would fail."""

    btf: Btf
    changes: tuple[Change, ...]
    failures: tuple[Violation, ...]


def opened(btf: Btf) -> Opened:
    """The BTF of an object as libbpf has it once it has opened the object.

    BTF that was not read from a BPF object comes back as it is.
    """
    if btf.object_file is None:
        return Opened(btf, (), ())
    opening = _Opening(btf, btf.object_file)
    opening.externs()
    if not opening.failures:
        opening.sections()
    result = btf
    if opening.draft and not opening.failures:
        result, _ = opening.draft.build()
    return Opened(result, tuple(opening.changes), tuple(opening.failures))


class _Opening:
    """One object while libbpf opens it."""

    def __init__(self, btf: Btf, file: ObjectFile) -> None:
        self.btf, self.file = btf, file
        self.draft = Draft(btf)
        self.changes: list[Change] = []
        self.failures: list[Violation] = []
        types = btf.types
        self.datasecs = (types.rows_of(Kind.DATASEC) + types.first_id).tolist()
        self.symbols: dict[str, Symbol] = {}
        for symbol in file.symbols:
            if symbol.type == "object" and symbol.is_global:
                self.symbols.setdefault(symbol.name, symbol)

    def _put(self, type_id: int, view: Any, what: str) -> None:
        old: Any = self.draft[type_id]
        if view == old:
            return
        self.draft[type_id] = view
        kind = self.btf.kinds.name(old.kind)
        self.changes.append(Change(type_id, kind, getattr(old, "name", ""), "libbpf", what))

    def _fail(self, rule: str, type_id: int | None, got: str, expected: str) -> None:
        kind = name = ""
        if type_id is not None:
            view: Any = self.draft[type_id]
            kind, name = self.btf.kinds.name(view.kind), getattr(view, "name", "")
        self.failures.append(Violation(OBJECT_RULES[rule], got, expected, type_id, kind, name))

    def externs(self) -> None:
        """Give what is defined elsewhere a type and a place: ``.ksyms`` and ``.kconfig``."""
        externs = [one.name for one in self.file.symbols if one.is_extern and one.name]
        in_section: dict[int, int] = {}
        for datasec in self.datasecs:
            for entry in self._view(datasec).variables:
                in_section.setdefault(entry.type_id, datasec)
        used: dict[int, dict[str, int]] = {}
        for name in externs:
            type_id = self._extern_id(name)
            if type_id is None:
                self._fail("object.extern", None, f'"{name}" without BTF', "a VAR or a FUNC of it")
                return
            datasec = in_section.get(type_id)
            where = self._view(datasec).name if datasec is not None else "no section"
            if datasec is None or where not in (KSYMS, KCONFIG):
                self._fail("object.extern", type_id, where, f"{KSYMS} or {KCONFIG}")
                return
            used.setdefault(datasec, {})[name] = type_id
        # libbpf takes the last section of each name, as there is one.
        for datasec, names in used.items():
            if self._view(datasec).name == KSYMS:
                self._ksyms(datasec, names)
            else:
                self._kconfig(datasec, names)

    def _extern_id(self, name: str) -> int | None:
        """The VAR or FUNC of an extern (``find_extern_btf_id``)."""
        for type_id in self.btf.find_ids(name):
            view = self._view(type_id)
            if (
                isinstance(view, views.Var | views.Func)
                and int(view.linkage) == views.Linkage.EXTERN
            ):
                return type_id
        return None

    def _view(self, type_id: int) -> Any:
        return self.draft[type_id]

    def _ksyms(self, datasec: int, names: dict[str, int]) -> None:
        integer = self._int_of_32_bits()
        view = self._view(datasec)
        functions = any(isinstance(self._view(one.type_id), views.Func) for one in view.variables)
        dummy = 0
        if functions:
            dummy = self.draft.add(views.Var(DUMMY, integer, views.Linkage.GLOBAL))
        entries = []
        for number, entry in enumerate(view.variables):
            one = self._view(entry.type_id)
            if one.name not in names:
                self._fail("object.extern", entry.type_id, "no symbol", "an undefined symbol")
                return
            type_id = entry.type_id
            if isinstance(one, views.Func):
                self._named_parameters(one.type_id)
                self._put(type_id, evolve(one, linkage=views.Linkage.GLOBAL), "is global now")
                type_id = dummy
            else:
                whole = evolve(one, type_id=integer, linkage=views.Linkage.GLOBAL)
                self._put(type_id, whole, "is a global int now")
            entries.append(views.VarSecinfo(type_id, KSYM_SIZE * number, KSYM_SIZE))
        whole = evolve(view, size=KSYM_SIZE * len(entries), variables=entries)
        self._put(datasec, whole, f"has {KSYM_SIZE} bytes for each symbol now")

    def _int_of_32_bits(self) -> int:
        """The first INT of 32 bits (``find_int_btf_id``); void when there is none."""
        types = self.btf.types
        for row in types.rows_of(Kind.INT).tolist():
            if self._view(types.first_id + row).bits == 32:
                return types.first_id + int(row)
        return 0

    def _named_parameters(self, prototype_id: int) -> None:
        prototype = self._view(prototype_id)
        params = [
            evolve(one, name=DUMMY) if one.type_id and not one.name else one
            for one in prototype.params
        ]
        self._put(prototype_id, evolve(prototype, params=params), "its parameters have names now")

    def _kconfig(self, datasec: int, names: dict[str, int]) -> None:
        """Lay the options out by alignment, the largest first, then by size and name."""
        places: list[tuple[int, int, str]] = []
        for name, type_id in names.items():
            size, alignment = self._extent(self._view(type_id).type_id)
            if not size:
                self._fail("object.extern", type_id, "a type without a size", "one with a size")
                return
            places.append((-alignment, size, name))
        offsets, end = {}, 0
        for negative, size, name in sorted(places):
            offsets[name] = -(-end // -negative) * -negative
            end = offsets[name] + size
        view = self._view(datasec)
        entries = []
        for entry in view.variables:
            one = self._view(entry.type_id)
            if one.name not in offsets:
                self._fail("object.extern", entry.type_id, "no symbol", "an undefined symbol")
                return
            self._put(
                entry.type_id, evolve(one, linkage=views.Linkage.GLOBAL), "is a global variable now"
            )
            entries.append(evolve(entry, offset=offsets[one.name]))
        whole = evolve(view, size=end, variables=entries)
        self._put(datasec, whole, f"has {end} bytes and its options in place now")

    def _extent(self, type_id: int) -> tuple[int, int]:
        """Size and alignment of an option: an integer, an enum, or an array of characters."""
        try:
            size = self.btf.sizeof(type_id)
        except BtfError:
            return 0, 1
        view = self._view(type_id)
        while isinstance(view, views.Typedef | views.Const | views.Volatile | views.Array):
            view = self._view(view.type_id)
        return size, min(getattr(view, "size", 1) or 1, self.btf.pointer_size)

    def sections(self) -> None:
        """Give each DATASEC its section's size, and each variable its symbol's place."""
        for datasec in self.datasecs:
            view = self._view(datasec)
            if view.name in (KSYMS, KCONFIG):
                entries = view.variables
            else:
                size = view.size or self.file.sections.get(view.name, 0)
                if not size:
                    self._fail("object.section", datasec, "no such section", "one that has bytes")
                    return
                found = [self._placed(one, fill=not view.size) for one in view.variables]
                entries = [one for one in found if one is not None]
                if len(entries) < len(found):
                    return
                view = evolve(view, size=size)
            entries = sorted(entries, key=lambda one: one.offset)
            whole = evolve(view, variables=entries)
            self._put(datasec, whole, f"has {view.size} bytes and its variables in place now")

    def _placed(self, entry: Any, *, fill: bool) -> Any:
        """A variable where its symbol is; None when it has none."""
        variable = self._view(entry.type_id)
        if not isinstance(variable, views.Var):
            self._fail("object.symbol", entry.type_id, "no VAR", "a VAR")
            return None
        if int(variable.linkage) != views.Linkage.GLOBAL:
            return entry
        symbol = self.symbols.get(variable.name)
        if symbol is None:
            self._fail("object.symbol", entry.type_id, "no symbol", "a global symbol of it")
            return None
        if symbol.is_hidden:
            static = evolve(variable, linkage=views.Linkage.STATIC)
            self._put(entry.type_id, static, "is static now, as its symbol is hidden")
        return evolve(entry, offset=symbol.value) if fill else entry
