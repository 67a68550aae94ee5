"""Why a base type is not the same in another base: what ``rebase`` says when it fails."""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

from attrs import field, frozen

from btfschema import Btf
from btfschema_transforms.cnames import c_name
from btfschema_transforms.graph import COMPOSITES
from btfschema_transforms.identity import Identity
from btfschema_transforms.members import MemberDiff, member_diff

__all__ = ["Difference", "difference"]

# Types that a search for the cause looks at; a cause that is farther away helps nobody.
SEARCHED = 1000


@frozen
class Difference:
    """A base type that is not in the other base exactly once.

    Attributes:
        id: its id in the first base.
        kind: its kind's name.
        name: the type in C's words.
        reason: ``"missing"``: the other base has no type like it; ``"different"``: it has one of
            the same name, which differs, or refers to something that differs; ``"ambiguous"``: it
            has several that are the same.
        matches: the ids of those that are the same.
        cause: the type whose own record differs, in C's words, or None if it was not found.
        cause_ids: its ids in the two bases, or None.
        changes: how its members differ, if it is a struct or union.
    """

    id: int
    kind: str
    name: str
    reason: Literal["missing", "different", "ambiguous"]
    matches: tuple[int, ...] = ()
    cause: str | None = None
    cause_ids: tuple[int, int] | None = None
    changes: MemberDiff = field(factory=MemberDiff)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            "matches": list(self.matches),
            "cause": self.cause,
            "cause_ids": list(self.cause_ids) if self.cause_ids else None,
            "changes": self.changes.as_dict(),
        }

    def __str__(self) -> str:
        where = f"{self.name} [{self.id}]: "
        if self.reason == "ambiguous":
            return f"{where}the same as each of {list(self.matches)} in the target"
        if self.cause is None or self.cause_ids is None:
            return where + ("not in the target" if self.reason == "missing" else "differs")
        old, new = self.cause_ids
        what = "" if old == self.id else f" in {self.cause} [{old}]"
        changes = f": {self.changes}" if str(self.changes) else ""
        return f"{where}differs{what} from the target's [{new}]{changes}"


def difference(base: Btf, type_id: int, target: Btf, same: Identity) -> Difference:
    """Say why ``type_id`` of ``base`` has no partner in ``target``; worked out once for a pair."""
    known: Difference | None = same.explained.get(type_id)
    if known is None:
        known = same.explained[type_id] = _difference(base, type_id, target, same)
    return known


def _difference(base: Btf, type_id: int, target: Btf, same: Identity) -> Difference:
    kind = base.kinds.name(base[type_id].kind)
    name = c_name(base, type_id)
    matches = same.same(type_id)
    if matches:
        return Difference(type_id, kind, name, "ambiguous", tuple(matches))
    pair = _cause(base, type_id, target, same)
    if pair is None:
        return Difference(type_id, kind, name, "missing")
    old, new = pair
    changes = MemberDiff()
    if base[old].kind in COMPOSITES:
        changes = member_diff(base, old, target, new)
    cause = c_name(base, old)
    return Difference(type_id, kind, name, "different", (), cause, pair, changes)


def _namesakes(base: Btf, type_id: int, target: Btf) -> list[int]:
    """The target's types of the same name and kind; none for an unnamed type."""
    view: Any = base[type_id]
    name = getattr(view, "name", "")
    return target.find_ids(name, view.kind) if name else []


def _cause(base: Btf, type_id: int, target: Btf, same: Identity) -> tuple[int, int] | None:
    """The nearest pair of types whose own records differ, going down from ``type_id``.

    While only the old side is known (unnamed types), the walk goes on until a name with just one
    namesake in the target pairs the two.
    """
    queue: deque[tuple[int, int | None]] = deque([(type_id, None)])
    seen = set(queue)
    while queue and len(seen) < SEARCHED:
        old, new = queue.popleft()
        if new is None:
            namesakes = _namesakes(base, old, target)
            if namesakes:
                if len(namesakes) > 1:
                    continue
                new = namesakes[0]
        olds = base.references(old)
        if new is not None:
            if not _alike(base, old, target, new):
                return old, new
            news: list[int | None] = list(target.references(new))
        else:
            news = [None] * len(olds)
        for step in zip(olds, news, strict=True):
            old_ref, new_ref = step
            if new_ref is None:
                settled = old_ref == 0 or bool(same.counts[same.old[old_ref]])
            else:
                settled = same.old[old_ref] == same.new[new_ref]
            if not settled and step not in seen:
                seen.add(step)
                queue.append(step)
    return None


def _alike(base: Btf, old: int, target: Btf, new: int) -> bool:
    """Whether two records are equal but for the types that they refer to."""
    if not old or not new:
        return old == new
    records = []
    for btf, type_id in ((base, old), (target, new)):
        owner = btf.owner(type_id)
        raw = owner.types.record(type_id - owner.first_id)
        plan = owner.types.plan.kinds[int(owner.types.kinds[type_id - owner.first_id])]
        records.append(_plain(btf, plan, raw))
    return records[0] == records[1]


def _plain(btf: Btf, plan: Any, raw: dict[str, Any]) -> list[Any]:
    """A record's words in order: strings as texts, type ids left out."""
    values = [btf.strings[raw["name_off"]], raw["info"]]
    fields = [(one, raw[one.name]) for one in (plan.third, *plan.fixed)]
    for element in raw.get("elements", ()):
        fields += [(one, element[one.name]) for one in plan.element]
    for one, value in fields:
        if one.role.value == "string offset":
            values.append(btf.strings[value])
        elif one.role.value != "type id":
            values.append(value)
    return [*values, raw.get("payload")]
