"""What libbpf looks for in a kernel's BTF by name when it loads an object.

Programs attach to functions, tracepoints and hooks, call kernel functions, use kernel variables,
and implement kernel structs. libbpf refuses the whole object when one of them is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from attrs import field, frozen

from btfschema.co_re.compat import types_compatible
from btfschema.co_re.insns import INSN_SIZE
from btfschema.co_re.kernel import VMLINUX, Candidate, Kernel
from btfschema.co_re.names import essential_name
from btfschema.co_re.paths import type_text
from btfschema.co_re.program import OPTIONAL, BpfObject, Place, line_as_dict, line_text
from btfschema.co_re.reasons import MOST_NAMES, Reason, reason_as_dict
from btfschema.co_re.types import Types
from btfschema.errors import CoreError
from btfschema.model.objectfile import Symbol
from btfschema.model.views import Datasec, Func, TypeView, Var, Void
from btfschema.schema.kinds import Kind

__all__ = ["Lookup", "look_up"]

What = Literal["attach", "kfunc", "ksym", "struct_ops"]
KSYMS = ".ksyms"
STRUCT_OPS = (".struct_ops", ".struct_ops.link")
MOST_ALIKE = 64
STRUCT_OPS_PREFIX = "bpf_struct_ops_"


class _Hook(NamedTuple):
    """What a program of some kind attaches to (``btf_get_kernel_prefix_kind``)."""

    prefix: str
    kind: int
    word: str


_FUNCTION = _Hook("", Kind.FUNC, "function")
_LSM = _Hook("bpf_lsm_", Kind.FUNC, "LSM hook")
_ITER = _Hook("bpf_iter_", Kind.FUNC, "iterator")
# By what stands before the slash of a section's name (SEC_ATTACH_BTF in libbpf's section_defs);
# freplace attaches to another program.
HOOKS = {
    "tp_btf": _Hook("btf_trace_", Kind.TYPEDEF, "tracepoint"),
    **dict.fromkeys(
        ("fentry", "fentry.s", "fexit", "fexit.s", "fmod_ret", "fmod_ret.s"), _FUNCTION
    ),
    **dict.fromkeys(("lsm", "lsm.s", "lsm_cgroup"), _LSM),
    **dict.fromkeys(("iter", "iter.s"), _ITER),
}


@frozen(eq=False)
class Lookup:
    """A name that an object needs of a kernel.

    Attributes:
        what: ``"attach"``, ``"kfunc"``, ``"ksym"`` or ``"struct_ops"``.
        name: as the program says it: ``fentry/vfs_read``, ``bpf_task_acquire``.
        section: the program section in which it is used, or the section that declares it.
        place: the function and the line where it is used first.
        insn: the instruction there, from the start of the section; None where that is not known.
        candidate: what the kernel has.
        reason: why that does not do, or None where it does.
        spared: why the object loads all the same: ``"weak"``, ``"not loaded"``, or None.
    """

    what: What
    name: str
    section: str
    place: Place
    insn: int | None = None
    candidate: Candidate | None = field(default=None, repr=False)
    reason: Reason | None = None
    spared: Literal["weak", "not loaded"] | None = None

    @property
    def fails(self) -> bool:
        """Whether the object does not load because of this."""
        return self.reason is not None and self.spared is None

    @property
    def path(self) -> str:
        """The name, where a relocation has the access."""
        return self.name

    def as_dict(self) -> dict[str, Any]:
        """The lookup as JSON has it: a relocation's keys."""
        found = self.candidate
        return {
            "program": self.place.program,
            "section": self.section,
            "index": None,
            "insn": self.insn - self.place.first_insn if self.insn is not None else None,
            "kind": self.what,
            "path": self.name,
            "candidate": found.type_id if found is not None else None,
            "module": found.module if found is not None else None,
            "value": None,
            "poison": False,
            **reason_as_dict(self.reason),
            "guarded": None,
            "spared": self.spared if self.reason is not None else None,
            "fails": self.fails,
            **line_as_dict(self.place.line),
        }

    def __str__(self) -> str:
        """Two lines: what is looked for and where; what becomes of it."""
        where = line_text(self.place.line, self.section)
        said = self.reason.text if self.reason is not None else "found"
        spared = f" ({self.spared})" if self.reason is not None and self.spared else ""
        return f"{self.place.program} {self.what} {self.name}: {said}{spared}\n    {where}"


def look_up(program: BpfObject, kernel: Kernel) -> tuple[Lookup, ...]:
    """Look for all names that an object needs of a kernel.

    Every kernel has functions. BTF without them was cut down to what relocations need, and says
    nothing about names, for which libbpf takes the running kernel's own.
    """
    if not len(kernel.vmlinux.types.rows_of(Kind.FUNC)):
        return ()
    return (*_symbols(program, kernel), *_struct_ops(program, kernel), *_targets(program, kernel))


def _targets(program: BpfObject, kernel: Kernel) -> Iterator[Lookup]:
    """What programs attach to (``find_kernel_btf_id``)."""
    for symbol in program.symbols:
        if symbol.type != "function" or not symbol.is_global or not symbol.section:
            continue
        title = symbol.section.removeprefix(OPTIONAL)
        before, slash, target = title.partition("/")
        hook = HOOKS.get(before)
        # Without a target, the loader says it when the program runs.
        if hook is None or not slash:
            continue
        module, colon, name = target.partition(":") if ":" in target else ("", "", target)
        found = kernel.named(f"{hook.prefix}{name}", hook.kind, module if colon else None)
        insn = symbol.value // INSN_SIZE
        yield Lookup(
            "attach",
            title,
            symbol.section,
            program.place(symbol.section, insn)._replace(program=symbol.name),
            insn,
            found,
            None if found is not None else _no_target(hook, name, module, kernel),
            "not loaded" if symbol.section.startswith(OPTIONAL) else None,
        )


def _no_target(hook: _Hook, name: str, module: str, kernel: Kernel) -> Reason:
    called = f"{hook.word} {name}" + (f" ({hook.prefix}{name})" if hook.prefix else "")
    if module and not any(one.startswith(module) for one in (VMLINUX, *kernel.modules)):
        given = "not among the modules given" if kernel.modules else "and no modules were given"
        text = f"{called} is to be in module {module}, {given}"
        return Reason("no target", text)
    owner = f"{module}'s BTF" if module else "this kernel's BTF"
    like = () if module else _alike(kernel, f"{hook.prefix}{name}", hook)
    text = f"{owner} has no {called} to attach to{_modules(kernel, module)}{_instead(like)}"
    return Reason("no target", text, like)


def _alike(kernel: Kernel, name: str, hook: _Hook) -> tuple[str, ...]:
    """Names that contain this one between underscores, as those of renamed functions do."""
    data, text = kernel.vmlinux.strings.data, name.encode("utf-8", "surrogateescape")
    found: set[str] = set()
    # An empty name is at every place, and the search would never end.
    at = data.find(text) if text else -1
    while at >= 0:
        start, end = data.rfind(b"\0", 0, at) + 1, data.find(b"\0", at)
        whole = data[start:end].decode("utf-8", "surrogateescape")
        if re.search(rf"(?:\b|_){re.escape(name)}(?:\b|_)", whole):
            found.add(whole)
        at = data.find(text, end) if end >= 0 else -1
    # If there are this many, all that they share is a common word.
    if len(found) > MOST_ALIKE:
        found = {one for one in found if one.strip("_") == name}
    there = (one for one in found if kernel.named(one, hook.kind, VMLINUX) is not None)
    nearest = sorted(there, key=lambda one: (len(one), one))[:MOST_NAMES]
    return tuple(one.removeprefix(hook.prefix) for one in nearest)


def _instead(names: Sequence[str]) -> str:
    return f"; it has {', '.join(names)}" if names else ""


def _modules(kernel: Kernel, module: str = "") -> str:
    """Whether modules were searched too."""
    if module:
        return ""
    if kernel.modules:
        return f", nor has that of its {len(kernel.modules)} modules"
    return "; a module may have it, and no modules were given"


def _symbols(program: BpfObject, kernel: Kernel) -> Iterator[Lookup]:
    """Kernel functions and typed variables (``bpf_object__resolve_ksyms_btf_id``)."""
    views = {
        view.name: view for view in _of_section(program, KSYMS) if isinstance(view, Func | Var)
    }
    for symbol in program.symbols:
        view = views.get(symbol.name)
        if not symbol.is_extern or view is None:
            continue
        if isinstance(view, Var) and isinstance(_behind(program, view), Void):
            # Its address is looked up in /proc/kallsyms, where no BTF helps.
            continue
        found = _symbol(view, kernel)
        # The object does not load if a variable has another type, even if it is weak.
        spared = symbol.is_weak and (found is None or isinstance(view, Func))
        section, insn = _first_use(program, symbol)
        yield Lookup(
            "kfunc" if isinstance(view, Func) else "ksym",
            view.name,
            section,
            program.place(section, insn) if insn is not None else Place(view.name, 0, None),
            insn,
            found,
            _unlike(program, view, found) if found is not None else _no_symbol(view, kernel),
            "weak" if spared else None,
        )


def _symbol(view: Func | Var, kernel: Kernel) -> Candidate | None:
    if isinstance(view, Func):
        return kernel.named(essential_name(view.name), Kind.FUNC)
    return kernel.named(view.name, Kind.VAR)


def _no_symbol(view: Func | Var, kernel: Kernel) -> Reason:
    if isinstance(view, Func):
        name = essential_name(view.name)
        like = _alike(kernel, name, _FUNCTION)
        text = f"this kernel's BTF has no function {name}{_modules(kernel)}{_instead(like)}"
        return Reason("no symbol", text, like)
    text = f"this kernel's BTF has no variable {view.name} (most has per-CPU variables only)"
    return Reason("no symbol", f"{text}{_modules(kernel)}")


def _unlike(program: BpfObject, view: Func | Var, found: Candidate) -> Reason | None:
    """Why what the kernel has is not what the program declares; None where it is."""
    local, target = Types.of(program.btf), found.view
    if not isinstance(target, Func | Var):
        return None
    try:
        if types_compatible(local, local.skip(view.type_id), found.types, target.type_id):
            return None
    except CoreError as error:
        return Reason("refused", str(error))
    if isinstance(view, Func):
        return Reason("other type", f"{view.name} has other parameters or another result here")
    now, was = type_text(found.types, target.type_id), type_text(local, view.type_id)
    return Reason("other type", f"{view.name} is {now} here, and {was} in the program", (now,))


def _first_use(program: BpfObject, symbol: Symbol) -> tuple[str, int | None]:
    """The section and the instruction that refer to a symbol first."""
    for section, links in program.links.items():
        used = [insn for insn, one in links.items() if one is symbol]
        if used and section in program.code:
            return section, min(used)
    return KSYMS, None


def _struct_ops(program: BpfObject, kernel: Kernel) -> Iterator[Lookup]:
    """Structs of the kernel that programs implement (``find_struct_ops_kern_types``)."""
    for section in (*STRUCT_OPS, *(f"{OPTIONAL}{one}" for one in STRUCT_OPS)):
        for view in _of_section(program, section):
            name = getattr(_behind(program, view), "name", "") if isinstance(view, Var) else ""
            if not isinstance(view, Var) or not name:
                continue
            wanted = f"{STRUCT_OPS_PREFIX}{essential_name(name)}"
            found, reason = kernel.named(wanted, Kind.STRUCT), None
            if found is None:
                text = f"this kernel's BTF has no struct {wanted}{_modules(kernel)}"
                reason = Reason("no type", text)
            yield Lookup(
                "struct_ops",
                name,
                section,
                Place(view.name, 0, None),
                None,
                found,
                reason,
                "not loaded" if section.startswith(OPTIONAL) else None,
            )


def _behind(program: BpfObject, view: Var) -> TypeView | None:
    """A variable's type behind typedefs and qualifiers; None where they run in a circle."""
    try:
        return Types.of(program.btf).behind(view.type_id)
    except CoreError:
        return None


def _of_section(program: BpfObject, name: str) -> Iterator[TypeView]:
    """What a section of data declares."""
    for type_id in program.btf.find_ids(name, Kind.DATASEC):
        section = program.btf[type_id]
        if isinstance(section, Datasec):
            yield from (program.btf[one.type_id] for one in section.variables)
