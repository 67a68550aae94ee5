"""The part of a difference that matters to a BPF program: what its CO-RE relocations use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve, field, frozen

from btfschema.co_re.kernel import Kernel
from btfschema.co_re.program import BpfObject
from btfschema.co_re.resolve import Resolver
from btfschema.co_re.spec import About, Spec, about
from btfschema.model.container import Btf
from btfschema.model.views import Array, Composite
from btfschema.model.views.ext import CoreReloKind
from btfschema.questions.changes import Difference
from btfschema.questions.comparison import Change, Diff, Entry, Key

__all__ = ["Used", "for_programs", "used_by"]


@frozen
class Used:
    """What programs use of a kernel.

    Attributes:
        whole: types of which all matters.
        parts: by type, the members or values that matter, as differences name them.
    """

    whole: set[int] = field(factory=set)
    parts: dict[int, set[str]] = field(factory=dict)

    def __contains__(self, type_id: object) -> bool:
        return type_id in self.whole or type_id in self.parts

    def has(self, type_id: int, name: str) -> bool:
        """Whether a member or value matters, or one that it lies in."""
        if type_id in self.whole:
            return True
        known = self.parts.get(type_id, ())
        return any(name == one or name.startswith(f"{one}.") for one in known)


def used_by(btf: Btf, programs: Iterable[BpfObject]) -> Used:
    """What the relocations of programs use of a kernel, or of a module and its kernel.

    What is not there is not used: the programs need not load.

    Raises:
        RequirementError: a program is for a machine of the other byte order.
    """
    used = Used()
    kernel = Kernel(btf) if btf.base is None else Kernel(btf.base, {"": btf})
    for program in programs:
        resolver = Resolver.of(program.btf, kernel)
        for one in program.relocations:
            found = resolver.resolve(one.relo)
            for candidate in found.candidates:
                if candidate.type_id not in used:
                    used.parts[candidate.type_id] = set()
            if found.target is not None:
                _mark(used, found.target, found.relo.kind)
    return used


def _mark(used: Used, target: Spec, kind: int) -> None:
    what = about(kind)
    if what is About.VALUE:
        used.parts.setdefault(target.last.type_id, set()).add(target.last.name or "")
    elif what is About.TYPE:
        root = target.types.skip(target.root_id)
        if kind in (CoreReloKind.TYPE_SIZE, CoreReloKind.TYPE_MATCHES):
            used.whole.add(root)
        used.parts.setdefault(root, set())
    else:
        for owner, path in _paths(target):
            used.parts.setdefault(owner, set()).add(path)


def _paths(target: Spec) -> Iterator[tuple[int, str]]:
    """Each member on the way, with the named struct that it counts as a member of."""
    types, at = target.types, target.root_id
    owner, path = 0, ""
    for index in target.raw[1:]:
        at = types.skip(at)
        view = types[at]
        if isinstance(view, Array):
            at = view.type_id
        if not isinstance(view, Composite):
            continue
        if view.name or not owner:
            owner, path = at, ""
        member = view.members[index]
        path = ".".join(filter(None, (path, member.name)))
        at = member.type_id
        inner = types.composite(at)
        # Of a member of an anonymous type, what lies in it is told.
        if member.name and (inner is None or inner.name):
            yield owner, path
    if path:
        yield owner, path


def for_programs(found: Diff, programs: Iterable[BpfObject]) -> Diff:
    """The part of a difference that is about what programs use.

    Of a struct or an enum, only members and values that relocations lead through count. A change
    of a whole type counts where its size or all of it is asked for.

    Raises:
        RequirementError: a program is for a machine of the other byte order.
    """
    programs = list(programs)
    old, new = used_by(found.old, programs), used_by(found.new, programs)
    changes: dict[Key, Change] = {}
    for key, change in found.changes.items():
        if change.old.id not in old and change.new.id not in new:
            continue
        kept = [one for one in change.differences if _counts(one, change, old, new)]
        resized = change.old.size != change.new.size
        whole = change.old.id in old.whole or change.new.id in new.whole
        if kept or (whole and resized):
            changes[key] = evolve(change, differences=kept)

    def some(entries: Iterable[Entry], used: Used) -> tuple[Entry, ...]:
        return tuple(entry for entry in entries if entry.id in used)

    return Diff(found.old, found.new, some(found.added, new), some(found.removed, old), changes)


def _counts(one: Difference, change: Change, old: Used, new: Used) -> bool:
    return (one.before is not None and old.has(change.old.id, one.before.name)) or (
        one.after is not None and new.has(change.new.id, one.after.name)
    )
