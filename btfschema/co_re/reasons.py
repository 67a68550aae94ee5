"""Why a relocation fails on a kernel, and what the kernel has instead."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, Literal

import numpy as np
from attrs import frozen

from btfschema.co_re.compat import fields_alike
from btfschema.co_re.kernel import Candidate, Kernel
from btfschema.co_re.names import essential_name
from btfschema.co_re.paths import kernel_text, type_text
from btfschema.co_re.resolve import Resolution
from btfschema.co_re.spec import About, Spec, Step, about, find_member, match
from btfschema.co_re.types import Types
from btfschema.errors import CoreError
from btfschema.model.views import Array, Ptr, TypeView
from btfschema.model.views.data import Composite, EnumBase, Member

__all__ = ["MOST_NAMES", "Cause", "Reason", "explain", "reason_as_dict"]

Cause = Literal[
    "no type",
    "other kind",
    "gone",
    "renamed",
    "moved",
    "other type",
    "shorter array",
    "bit field now",
    "other size",
    "no value",
    "no target",
    "no symbol",
    "refused",
]

# How alike two names must be for one to be taken for the other's new name.
LIKENESS = 0.75
MOST_NAMES = 3
# How far a member is searched for in what a struct is made of, and in how many structs.
MOST_DEPTH, MOST_STRUCTS = 3, 400


@frozen
class Reason:
    """Why a relocation fails.

    Attributes:
        cause: in two words.
        text: in a sentence.
        instead: what the kernel has in its place, as C paths or names, the likeliest first.
    """

    cause: Cause
    text: str
    instead: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def reason_as_dict(reason: Reason | None) -> dict[str, Any]:
    """A reason, or that there is none, as JSON has it in reports."""
    return {
        "reason": reason.text if reason is not None else None,
        "cause": reason.cause if reason is not None else None,
        "instead": list(reason.instead) if reason is not None else [],
    }


def explain(resolution: Resolution, kernel: Kernel) -> Reason:
    """Say why a relocation is poison, or an error, on a kernel."""
    if resolution.error is not None:
        return Reason("refused", str(resolution.error))
    local, kind = resolution.local, resolution.relo.kind
    if local is None:
        return Reason("refused", "the relocation does not fit the program's own types")
    if resolution.target is not None:
        return _size_changed(local, resolution.target)
    if not resolution.candidates:
        return _no_type(local, kernel)
    if about(kind) is About.VALUE:
        return _no_value(local, resolution.candidates[0])
    found = [_failing(local, kind, candidate) for candidate in resolution.candidates]
    done = max(number for number, _ in found)
    candidate, spec = next(
        (one, spec)
        for one, (number, spec) in zip(resolution.candidates, found, strict=True)
        if number == done
    )
    return _Missing(local, local.steps[done], candidate, spec).reason()


def _failing(local: Spec, kind: int, candidate: Candidate) -> tuple[int, Spec]:
    """How many steps of an access a candidate has, and where they lead there."""
    found = Spec(candidate.types, candidate.type_id)
    for count in range(1, len(local.steps) + 1):
        part = Spec(local.types, local.root_id, steps=local.steps[:count])
        try:
            longer = match(part, kind, candidate.types, candidate.type_id)
        except CoreError:
            return count - 1, found
        if longer is None:
            return count - 1, found
        found = longer
    return len(local.steps) - 1, found


def _size_changed(local: Spec, target: Spec) -> Reason:
    """The field is there, and a load or store of the program's width would misread it."""
    before, after = local.member(), target.member()
    if after is not None and after.bitfield_size and not (before and before.bitfield_size):
        return Reason(
            "bit field now",
            f"{after.name} is a bit field of {after.bitfield_size} bits here, which a plain load "
            "can't read: use BPF_CORE_READ_BITFIELD",
        )
    sizes = []
    for spec, member in ((local, before), (target, after)):
        type_id = member.type_id if member is not None else spec.last.type_id
        sizes.append(f"{spec.types.size(type_id)} bytes ({type_text(spec.types, type_id)})")
    return Reason(
        "other size",
        f"the field has {sizes[1]} here and {sizes[0]} in the program, and a load of another "
        "width would read another value: use BPF_CORE_READ",
    )


def _no_type(local: Spec, kernel: Kernel) -> Reason:
    view = local.types[local.root_id]
    name = essential_name(str(getattr(view, "name", "")))
    what = kernel_text(local.types, local.root_id)
    others = [
        type_text(Types.of(kernel.vmlinux), type_id) for type_id in kernel.vmlinux.find_ids(name)
    ]
    if others:
        text = f"this kernel has {' and '.join(others[:MOST_NAMES])}, and no {what}"
        return Reason("other kind", text, tuple(others[:MOST_NAMES]))
    like = tuple(_structs_with(kernel, view)) if isinstance(view, Composite) else ()
    said = f"; {' or '.join(like)} has the members that the program knows" if like else ""
    modules = f" nor do its {len(kernel.modules)} modules" if kernel.modules else ""
    text = f"this kernel does not have {what}{modules and ','}{modules}{said}"
    return Reason("renamed" if like else "no type", text, like)


def _structs_with(kernel: Kernel, view: Composite) -> list[str]:
    """The structs of a kernel that have all members of one; none where that says little."""
    names = {member.name for member in view.members if member.name}
    if len(names) < 2:
        return []
    btf = kernel.vmlinux
    table, owners = btf.types.elements(view.kind), None
    columns, rows = table.column("name_off"), table.owners
    for name in names:
        having = np.unique(rows[np.isin(columns, btf.strings.find(name))])
        owners = having if owners is None else np.intersect1d(owners, having)
    found = owners if owners is not None else np.zeros(0, np.int64)
    types = Types.of(btf)
    texts = [type_text(types, int(row) + btf.first_id) for row in found[: MOST_NAMES + 1].tolist()]
    return texts if len(texts) <= MOST_NAMES else []


def _no_value(local: Spec, candidate: Candidate) -> Reason:
    name = essential_name(local.last.name or "")
    enum = candidate.types.behind(candidate.type_id)
    what = type_text(candidate.types, candidate.type_id)
    values = [value.name for value in enum.values] if isinstance(enum, EnumBase) else []
    like = tuple(_alike(name, values))
    said = f"; it has {', '.join(like)}" if like else ""
    return Reason("no value", f"{what} has no value {name} here{said}", like)


def _alike(name: str, names: list[str]) -> list[str]:
    """The names that may be another's new one, the likeliest first."""
    scored = []
    for other in dict.fromkeys(names):
        ratio = SequenceMatcher(None, name, other).ratio()
        # A name that was given a prefix or a suffix, as __state of state.
        if re.search(rf"(?:\b|_){re.escape(name)}(?:\b|_)", other):
            ratio = max(ratio, 1 - 1 / (1 + len(name)))
        if ratio >= LIKENESS and other:
            scored.append((-ratio, len(other), other))
    return [other for _, _, other in sorted(scored)[:MOST_NAMES]]


@frozen
class _Missing:
    """A step of an access that a candidate does not have.

    Attributes:
        local: the access in the program.
        step: the step.
        candidate: the type of the kernel.
        before: how far it went there.
    """

    local: Spec
    step: Step
    candidate: Candidate
    before: Spec

    def reason(self) -> Reason:
        types, at = self.candidate.types, self.reached()
        view = types.behind(at)
        if self.step.name is None:
            return self.no_element(view, at)
        if not isinstance(view, Composite):
            text = f"{self.said()} is {type_text(types, at)} here, which has no members"
            return Reason("other type", text, (type_text(types, at),))
        way = find_member(types, at, self.step.name)
        if way is not None:
            return self.other_type(way[-1][2])
        return self.no_member(view)

    def reached(self) -> int:
        """The type of the kernel in which the step fails."""
        if not self.before.steps:
            return self.candidate.type_id
        member = self.before.member()
        return member.type_id if member is not None else self.before.last.type_id

    def said(self) -> str:
        """What is in the way, as C."""
        name = str(getattr(self.candidate.view, "name", ""))
        parts = [
            f".{step.name}" if step.name is not None else f"[{step.index}]"
            for step in self.before.steps[1:]
        ]
        return "".join([name, *parts])

    def no_element(self, view: TypeView, at: int) -> Reason:
        types = self.candidate.types
        if isinstance(view, Array):
            text = f"{self.said()} has {view.nelems} elements here, the program asks for number "
            return Reason("shorter array", f"{text}{self.step.index}")
        text = f"{self.said()} is {type_text(types, at)} here, and no array"
        return Reason("other type", text, (type_text(types, at),))

    def member_type(self) -> int:
        """The type that the program's member has."""
        owner = self.local.types[self.step.type_id]
        return owner.members[self.step.index].type_id if isinstance(owner, Composite) else 0

    def other_type(self, member: Member) -> Reason:
        types = self.candidate.types
        now, was = (
            type_text(types, member.type_id),
            type_text(self.local.types, self.member_type()),
        )
        text = f"{self.said()}.{member.name} is {now} here, and {was} in the program"
        return Reason("other type", text, (now,))

    def no_member(self, view: Composite) -> Reason:
        name, types = self.step.name or "", self.candidate.types
        what = type_text(types, view.id) if view.name else self.said()
        gone = f"{what} has no member {name} here"
        members = list(_named_members(types, view))
        wanted = (self.member_type(), self.last_type())
        fitting = [
            member.name
            for member in members
            if any(
                fields_alike(self.local.types, one, types, member.type_id) for one in wanted if one
            )
        ]
        like = [one for one in fitting if one.strip("_") == name.strip("_")]
        if not like and (moved := self.elsewhere(view, pointers=False)):
            return Reason("moved", f"{gone}; it has {' and '.join(moved)}", moved)
        like = like or _alike(name, fitting)
        if like:
            paths = tuple(f"{self.said()}.{one}" for one in like)
            return Reason("renamed", f"{gone}; it has {', '.join(like)}", paths)
        if moved := self.elsewhere(view, pointers=True):
            return Reason("moved", f"{gone}; it has {' and '.join(moved)}", moved)
        if others := tuple(islice(self._of_its_type(view), MOST_NAMES)):
            what = kernel_text(self.local.types, self.member_type())
            return Reason("gone", f"{gone}; a {what} is at {', '.join(others)}", others)
        return Reason("gone", f"{gone}, nor one with a similar name")

    def _of_its_type(self, view: Composite) -> Iterator[str]:
        """Where pointers to the same named struct are: in the struct, and behind its pointers."""
        wanted = self.pointee(self.local.types, self.member_type())
        if not wanted:
            return
        types, name = self.candidate.types, self.said()
        behind = []
        for member in _named_members(types, view):
            if self.pointee(types, member.type_id) == wanted:
                yield f"{name}.{member.name}"
            pointer = types.behind(member.type_id)
            inner = types.composite(pointer.type_id) if isinstance(pointer, Ptr) else None
            if inner is not None and inner.id != view.id:
                behind.append((member, inner))
        for member, inner in behind:
            for its in _named_members(types, inner):
                if self.pointee(types, its.type_id) == wanted:
                    yield f"{name}.{member.name}->{its.name}"

    @staticmethod
    def pointee(types: Types, type_id: int) -> str:
        """The name of the struct that a pointer leads to, or nothing."""
        view = types.behind(type_id)
        inner = types.composite(view.type_id) if isinstance(view, Ptr) else None
        return essential_name(inner.name) if inner is not None else ""

    def last_type(self) -> int:
        """The type of the field that the whole access ends at."""
        member = self.local.member()
        return member.type_id if member is not None else self.local.last.type_id

    def elsewhere(self, view: Composite, *, pointers: bool) -> tuple[str, ...]:
        """Where a member of this name and a fitting type is: in what the struct is made of.

        Args:
            view: the struct.
            pointers: whether to look into what its own pointers lead to instead.
        """
        return tuple(islice(self._elsewhere(view, pointers), MOST_NAMES))

    def _elsewhere(self, view: Composite, pointers: bool) -> Iterator[str]:
        name, types = self.step.name or "", self.candidate.types
        wanted = self.member_type()
        waiting: deque[tuple[Composite, str, int]] = deque([(view, self.said(), 0)])
        seen = {view.id}
        while waiting and len(seen) < MOST_STRUCTS:
            struct, path, depth = waiting.popleft()
            for member in struct.members if depth < MOST_DEPTH else ():
                inner, sign = types.behind(member.type_id), "."
                if pointers and not depth:
                    if not isinstance(inner, Ptr):
                        continue
                    inner, sign = types.behind(inner.type_id), "->"
                if not isinstance(inner, Composite) or inner.id in seen:
                    continue
                seen.add(inner.id)
                here = f"{path}.{member.name}" if member.name else path
                found = find_member(types, inner.id, name) if member.name else None
                if found and fields_alike(self.local.types, wanted, types, found[-1][2].type_id):
                    yield f"{here}{sign}{name}"
                elif sign == ".":
                    waiting.append((inner, here, depth + 1))


def _named_members(types: Types, view: Composite) -> Iterator[Member]:
    """All members that can be named, those of anonymous structs among them."""
    waiting, seen = [view], {view.id}
    while waiting:
        for member in waiting.pop().members:
            inner = None if member.name else types.composite(member.type_id)
            if member.name:
                yield member
            elif inner is not None and inner.id not in seen:
                seen.add(inner.id)
                waiting.append(inner)
