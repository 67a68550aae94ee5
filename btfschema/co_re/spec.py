"""Access specs: from a type to the field that a relocation is about, in program and kernel.

``"0:1:2"`` in a program becomes a :class:`Spec`; :func:`match` looks for the same field, by name,
in a type of the kernel. Both follow ``bpf_core_parse_spec`` and ``bpf_core_spec_match`` of libbpf.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from attrs import define, field, frozen

from btfschema.co_re.compat import fields_alike
from btfschema.co_re.names import essential_name
from btfschema.co_re.types import Types
from btfschema.errors import CoreError
from btfschema.model.views import Array, Member
from btfschema.model.views.data import Composite, EnumBase
from btfschema.model.views.ext import CoreReloKind

__all__ = ["MAX_STEPS", "About", "Spec", "Step", "about", "find_member", "match", "parse"]

# BPF_CORE_SPEC_MAX_LEN: more members and elements than this in one access are an error.
MAX_STEPS = 64
ACCESS = re.compile(r"\d+(?::\d+)*\Z", re.ASCII)
MAX_INDEX = 0x7FFFFFFF


class About(Enum):
    """What a relocation is about."""

    FIELD = "field"
    TYPE = "type"
    VALUE = "enum value"


def about(kind: int) -> About:
    """What relocations of a kind are about.

    Raises:
        CoreError: the kind is unknown.
    """
    if kind not in CoreReloKind._value2member_map_:
        raise CoreError(f"unknown relocation kind {kind}", got=kind, expected="0..12")
    return About[CoreReloKind(kind).name.partition("_")[0].replace("ENUMVAL", "VALUE")]


@frozen
class Step:
    """A point of an access that has a meaning: a named member, or an element of an array.

    Attributes:
        type_id: the struct that has the member, or the type of the element.
        index: the member's or element's number.
        name: the member's name; None for an element.
    """

    type_id: int
    index: int
    name: str | None = None


@frozen(eq=False)
class Spec:
    """An access, worked out over one container.

    Attributes:
        types: the container's types.
        root_id: the type that it starts from.
        raw: every index on the way, those of anonymous structs included.
        steps: the points that have a meaning; the first is the element of the root that is meant.
            For an enum value, that value.
        bit_offset: where the field starts, in bits from the root's start.
    """

    types: Types = field(repr=False)
    root_id: int
    raw: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()
    bit_offset: int = 0

    @property
    def last(self) -> Step:
        """The last step."""
        return self.steps[-1]

    def member(self) -> Member | None:
        """The member that the access ends at, or None when it ends at an element."""
        step = self.last
        if step.name is None:
            return None
        owner = self.types[step.type_id]
        return owner.members[step.index] if isinstance(owner, Composite) else None


def parse(types: Types, kind: int, type_id: int, access: str) -> Spec:
    """Work out an access in the program's own types.

    Raises:
        CoreError: the access does not fit the types, or the kind is unknown.
    """
    if about(kind) is About.TYPE:
        if access != "0":
            raise CoreError(f"access {access!r} to a type, expected '0'", got=access)
        return Spec(types, type_id)
    if not ACCESS.match(access):
        raise CoreError(f"access {access!r}, expected indexes as in '0:1:2'", got=access)
    raw = [int(number) for number in access.split(":")]
    if len(raw) > MAX_STEPS or max(raw) > MAX_INDEX:
        raise CoreError(f"access of {len(raw)} indexes, expected at most {MAX_STEPS}", got=access)
    root = types.skip(type_id)
    if about(kind) is About.VALUE:
        enum = types[root]
        if not isinstance(enum, EnumBase) or len(raw) > 1 or raw[0] >= len(enum.values):
            raise CoreError(f"{types.btf.describe(type_id)} has no enum value {access}", got=access)
        return Spec(types, type_id, tuple(raw), (Step(root, raw[0], enum.values[raw[0]].name),))
    walk = _Walk(types, [raw[0]], [Step(root, raw[0])], raw[0] * types.size(root) * 8)
    at = root
    for index in raw[1:]:
        at = walk.into(types.skip(at), index)
    return walk.spec(type_id)


@define
class _Walk:
    """An access that is being worked out."""

    types: Types
    raw: list[int] = field(factory=list)
    steps: list[Step] = field(factory=list)
    bit_offset: int = 0

    def spec(self, root_id: int) -> Spec:
        return Spec(
            self.types, root_id, tuple(self.raw), tuple(self.steps), self.bit_offset & 0xFFFFFFFF
        )

    def into(self, type_id: int, index: int) -> int:
        """Go into a member or an element by number; returns its type."""
        view = self.types[type_id]
        self.raw.append(index)
        if isinstance(view, Composite):
            if index >= len(view.members):
                what = self.types.btf.describe(type_id)
                raise CoreError(f"{what} has {len(view.members)} members, no number {index}")
            member = view.members[index]
            self.bit_offset += member.bit_offset
            if member.name:
                self.steps.append(Step(type_id, index, member.name))
            return member.type_id
        if isinstance(view, Array):
            return self.element(view, index)
        raise CoreError(
            f"{self.types.btf.describe(type_id)} has neither members nor elements",
            type_id=type_id,
            expected="a struct, a union or an array",
        )

    def element(self, array: Array, index: int) -> int:
        """Go to an element of an array; returns its type.

        Raises:
            CoreError: the array is shorter.
        """
        element = self.types.skip(array.type_id)
        if index >= array.nelems and not self.flexible(array):
            what = self.types.btf.describe(array.id)
            raise CoreError(f"{what} has {array.nelems} elements, no number {index}", got=index)
        self.steps.append(Step(element, index))
        self.bit_offset += index * self.types.size(element) * 8
        return element

    def flexible(self, array: Array) -> bool:
        """Whether an array is the empty one at a struct's end (``is_flex_arr``)."""
        step = self.steps[-1]
        owner = self.types[step.type_id]
        last = isinstance(owner, Composite) and step.index == len(owner.members) - 1
        return step.name is not None and not array.nelems and last


def match(local: Spec, kind: int, types: Types, target_id: int) -> Spec | None:
    """The field or enum value of a target type that a program's access means, or None.

    Raises:
        CoreError: the types can't be compared.
    """
    if about(kind) is About.VALUE:
        return _match_value(local, types, target_id)
    walk, at = _Walk(types), target_id
    for number, step in enumerate(local.steps):
        at = types.skip(at)
        if step.name is not None:
            found = _match_member(local, step, walk, at)
            if found is None:
                return None
            at = found
        elif number:
            array = types[at]
            if not isinstance(array, Array):
                return None
            if step.index >= array.nelems and not walk.flexible(array):
                return None
            _check_depth(len(walk.raw))
            walk.raw.append(step.index)
            at = walk.element(array, step.index)
        else:
            walk.raw.append(step.index)
            walk.steps.append(Step(at, step.index))
            walk.bit_offset += step.index * types.size(at) * 8
    return walk.spec(target_id)


def _match_value(local: Spec, types: Types, target_id: int) -> Spec | None:
    enum_id = types.skip(target_id)
    enum = types[enum_id]
    if not isinstance(enum, EnumBase):
        return None
    wanted = essential_name(local.last.name or "")
    for index, value in enumerate(enum.values):
        if essential_name(value.name) == wanted:
            return Spec(types, target_id, (index,), (Step(enum_id, index, value.name),))
    return None


def _match_member(local: Spec, step: Step, walk: _Walk, target_id: int) -> int | None:
    """Go to the member of this name, through anonymous ones; returns its type."""
    way = find_member(walk.types, target_id, step.name or "", len(walk.raw))
    if way is None:
        return None
    owner = local.types[step.type_id]
    if not isinstance(owner, Composite):
        return None
    last_id, index, member = way[-1]
    if not fields_alike(local.types, owner.members[step.index].type_id, walk.types, member.type_id):
        return None
    walk.raw += [number for _, number, _ in way]
    walk.bit_offset += sum(one.bit_offset for _, _, one in way)
    walk.steps.append(Step(last_id, index, member.name))
    return member.type_id


Way = list[tuple[int, int, Member]]


def find_member(types: Types, type_id: int, name: str, depth: int = 0) -> Way | None:
    """The way to the member of this name, through anonymous structs and unions.

    Args:
        types: the container.
        type_id: a struct or union; anything else has no members.
        name: of the member.
        depth: how many indexes the access has already.

    Returns:
        For each member on the way its struct's id, its number and itself, or None.

    Raises:
        CoreError: the way is too long, or an anonymous struct holds itself.
    """
    root = types.composite(type_id)
    if root is None:
        return None
    way: Way = []
    stack: list[tuple[int, Iterator[tuple[int, Member]]]] = [
        (types.skip(type_id), iter(enumerate(root.members)))
    ]
    tried: set[int] = set()
    while stack:
        owner, rows = stack[-1]
        for index, member in rows:
            _check_depth(depth + len(way))
            if member.name == name:
                return [*way, (owner, index, member)]
            inner = None if member.name else types.composite(member.type_id)
            if inner is None or inner.id in tried:
                continue
            if any(inner.id == one for one, _ in stack):
                raise CoreError(f"{types.btf.describe(inner.id)} holds itself", type_id=inner.id)
            way.append((owner, index, member))
            stack.append((inner.id, iter(enumerate(inner.members))))
            break
        else:
            tried.add(owner)
            stack.pop()
            if way:
                way.pop()
    return None


def _check_depth(length: int) -> None:
    if length >= MAX_STEPS:
        raise CoreError(f"the access gets longer than {MAX_STEPS} indexes", expected="fewer")
