"""The root of a difference: the nearest types, on the same way from two, whose records differ."""

from __future__ import annotations

from collections import deque
from typing import Any

from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index
from btfschema.escapes import printable
from btfschema.schema import parts_of_plan
from btfschema.views import TypeView
from btfschema_transforms.relocation.cnames import c_name
from btfschema_transforms.relocation.memberdiff import UNNAMED, member_diff
from btfschema_transforms.sameness.declared import Declared
from btfschema_transforms.sameness.hashing import Hashes

__all__ = ["Root", "Roots"]

Pair = tuple[int, int]

# So many steps for each type may be taken in all, and at least so many.
STEPS_A_TYPE = 16
LEAST_STEPS = 1 << 16
SHOWN = 4


@frozen
class Root:
    """Where two types differ.

    Attributes:
        ids: the types whose own records differ: one that the first leads to, and its counterpart.
        name: the first of them in C's words.
        what: how they differ.
        path: the types on the way there in C's words, from the first of the two; empty if they
            differ themselves.
    """

    ids: Pair
    name: str
    what: str
    path: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "ids": list(self.ids),
            "name": self.name,
            "what": self.what,
            "path": list(self.path),
        }

    def __str__(self) -> str:
        if not self.path:
            return self.what
        way = " -> ".join([*self.path, self.name])
        return (
            f"differs in {self.name} [{self.ids[0]}] and [{self.ids[1]}]: {self.what}\n    by {way}"
        )


class Roots:
    """Looks for the roots of differences in one container.

    Args:
        btf: the container.
        equal: by id, a number that equal types share.
        labels: by id, a hash of the type's own record.
        declared: which types only declare a name.
    """

    def __init__(self, btf: Btf, equal: Index, labels: Hashes, declared: Declared) -> None:
        self.btf, self.declared = btf, declared
        self._equal, self._labels = equal.data, labels.data
        self._parts = parts_of_plan(btf.types.plan)
        self._left = STEPS_A_TYPE * btf.end_id + LEAST_STEPS

    def find(self, one: int, other: int) -> Root | None:
        """The nearest root of these two, which are not equal; None if there is none at hand."""
        start = one, other
        came_from: dict[Pair, tuple[Pair, int] | None] = {start: None}
        queue = deque([start])
        while queue and self._left > 0:
            pair = queue.popleft()
            self._left -= 1
            if self._labels[pair[0]] != self._labels[pair[1]]:
                return self._root(pair, came_from)
            steps = zip(self.btf.references(pair[0]), self.btf.references(pair[1]), strict=True)
            for number, step in enumerate(steps):
                if self._equal[step[0]] != self._equal[step[1]] and step not in came_from:
                    came_from[step] = pair, number
                    queue.append(step)
        return None

    def _root(self, pair: Pair, came_from: dict[Pair, tuple[Pair, int] | None]) -> Root:
        number = -1
        # What has no name and no insides is told as its user's: int * for a member that was int.
        while not self._tells(pair):
            step = came_from[pair]
            if step is None:
                break
            pair, number = step
        what = self._insides(pair) if number < 0 else self._part(pair, number)
        path = []
        step = came_from[pair]
        while step is not None:
            above, _ = step
            if self._named(above[0]):
                path.append(c_name(self.btf, above[0]))
            step = came_from[above]
        return Root(pair, c_name(self.btf, pair[0]), what, tuple(reversed(path)))

    def _named(self, type_id: int) -> bool:
        return bool(type_id) and bool(getattr(self.btf[type_id], "name", ""))

    def _tells(self, pair: Pair) -> bool:
        """Whether two types are of one kind and name, and hold something that can differ."""
        if not all(pair):
            return False
        one, other = (self.btf[type_id] for type_id in pair)
        named = getattr(one, "name", ""), getattr(other, "name", "")
        same = one.kind == other.kind and named[0] == named[1]
        return same and (bool(named[0]) or one.kind in self._parts.composites | self._parts.enums)

    def _part(self, pair: Pair, number: int) -> str:
        """How the types differ that the two refer to at one place."""
        first, second = (self.btf.references(type_id)[number] for type_id in pair)
        one: Any = self.btf[pair[0]]
        names = c_name(self.btf, first), c_name(self.btf, second)
        if names[0] == names[1]:
            names = self._signature(first), self._signature(second)
        if names[0] == names[1]:
            names = self._described(first), self._described(second)
        members = getattr(one, "members", None)
        what = f"member {printable(members[number].name) or UNNAMED}" if members else "it"
        return f"{what} is {names[0]} in [{pair[0]}], {names[1]} in [{pair[1]}]"

    def _signature(self, type_id: int) -> str:
        """A type in C's words, with the parameters when it leads to a function."""
        current, seen = type_id, set[int]()
        while current and current not in seen:
            seen.add(current)
            view: Any = self.btf[current]
            if view.kind in self._parts.prototypes:
                params = ", ".join(c_name(self.btf, one.type_id) for one in view.params)
                return f"{c_name(self.btf, view.type_id)} (*)({params or 'void'})"
            current = getattr(view, "type_id", 0)
        return c_name(self.btf, type_id)

    def _described(self, type_id: int) -> str:
        if type_id and self.declared.forward[type_id - 1]:
            return f"{c_name(self.btf, type_id)}, which is only declared,"
        return self.btf.describe(type_id)

    def _insides(self, pair: Pair) -> str:
        """How two records of one kind and name differ."""
        one, other = (self.btf[type_id] for type_id in pair)
        parts = []
        sizes = getattr(one, "size", None), getattr(other, "size", None)
        if sizes[0] != sizes[1]:
            parts.append(f"size {sizes[0]} in [{pair[0]}], {sizes[1]} in [{pair[1]}]")
        if one.kind in self._parts.composites:
            parts += self._members(pair)
        elif one.kind in self._parts.enums:
            parts += _values(one, other, pair)
        return "; ".join(parts) or f"{self._described(pair[0])} is not {self._described(pair[1])}"

    def _members(self, pair: Pair) -> list[str]:
        changes = member_diff(self.btf, pair[0], self.btf, pair[1]).changes
        found = []
        for one in changes:
            name = printable(one.name) or UNNAMED
            if one.change == "added":
                found.append(f"only [{pair[1]}] has {name} ({one.after})")
            elif one.change == "removed":
                found.append(f"only [{pair[0]}] has {name} ({one.before})")
            elif one.change == "changed":
                found.append(f"{name} is {one.before} in [{pair[0]}], {one.after} in [{pair[1]}]")
        moved = [one for one in changes if one.change == "moved"]
        if moved and not found:
            name = printable(moved[0].name) or UNNAMED
            found.append(
                f"{name} is {moved[0].before} in [{pair[0]}], {moved[0].after} in [{pair[1]}]"
            )
        more = len(found) - SHOWN
        return found[:SHOWN] + ([f"{more} more differences"] if more > 0 else [])


def _values(one: TypeView, other: TypeView, pair: Pair) -> list[str]:
    """The enumerators that differ."""
    # Only enums come here.
    olds, news = ({printable(v.name): v.value for v in view.values} for view in (one, other))  # type: ignore[attr-defined]
    found = []
    for name in [*olds, *(name for name in news if name not in olds)]:
        if name not in news:
            found.append(f"only [{pair[0]}] has {name} = {olds[name]}")
        elif name not in olds:
            found.append(f"only [{pair[1]}] has {name} = {news[name]}")
        elif olds[name] != news[name]:
            found.append(f"{name} is {olds[name]} in [{pair[0]}], {news[name]} in [{pair[1]}]")
    more = len(found) - SHOWN
    return found[:SHOWN] + ([f"{more} more differences"] if more > 0 else [])
