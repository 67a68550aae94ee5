"""Why a base type is not the same in another base: what ``rebase`` says when it fails."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

from btfschema import Btf
from btfschema.escapes import printable
from btfschema.model import notes
from btfschema.render import listed
from btfschema.schema import parts_of_plan
from btfschema_transforms.relocation.causes import Causes, Pair
from btfschema_transforms.relocation.cnames import c_name
from btfschema_transforms.relocation.memberdiff import MemberDiff, member_diff
from btfschema_transforms.sameness.identity import Identity

__all__ = ["Difference", "differences", "report"]

# How many of the types with one cause a text names; the data has them all.
SHOWN_TYPES = 8

Compared = tuple[str, tuple[int, int] | None, str, MemberDiff]


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
        cause_sizes: its sizes in the two bases in bytes, or None if it has no size of its own.
        cause_in_target: what it is compared with, in C's words, or None.
        changes: how its members differ, if it is a struct or union.
    """

    id: int
    kind: str
    name: str
    reason: Literal["missing", "different", "ambiguous"]
    matches: tuple[int, ...] = ()
    cause: str | None = None
    cause_ids: tuple[int, int] | None = None
    cause_sizes: tuple[int, int] | None = None
    cause_in_target: str | None = None
    changes: MemberDiff = field(factory=MemberDiff)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data; ``matches`` as :func:`btfschema.render.jsonlines.listed` has it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            **listed("matches", self.matches, len(self.matches)),
            "cause": self.cause,
            "cause_ids": list(self.cause_ids) if self.cause_ids else None,
            "cause_sizes": list(self.cause_sizes) if self.cause_sizes else None,
            "cause_in_target": self.cause_in_target,
            "changes": self.changes.as_dict(),
        }

    def __str__(self) -> str:
        where = f"{printable(self.name)} [{self.id}]: "
        if self.reason == "ambiguous":
            more = len(self.matches) - SHOWN_TYPES
            shown = f"{list(self.matches[:SHOWN_TYPES])}" + (
                f" and {more} more" if more > 0 else ""
            )
            return f"{where}the same as each of {shown} in the target"
        if self.cause_ids is None:
            return where + "not in the target"
        old, _ = self.cause_ids
        what = "" if old == self.id else f" in {self.cause} [{old}]"
        return f"{where}differs{what} {self._how(self.cause_ids)}"

    def because(self, ids: tuple[int, int]) -> str:
        """The cause, which is the same for all types that it is the cause of."""
        return f"{self.cause} [{ids[0]}] differs {self._how(ids)}"

    def _how(self, ids: tuple[int, int]) -> str:
        other = "" if self.cause_in_target == self.cause else f"{self.cause_in_target} "
        parts = []
        if self.cause_sizes and self.cause_sizes[0] != self.cause_sizes[1]:
            parts.append("size {}, in the target {}".format(*self.cause_sizes))
        parts += filter(None, [str(self.changes)])
        return f"from the target's {other}[{ids[1]}]" + (f": {'; '.join(parts)}" if parts else "")


def differences(base: Btf, ids: list[int], target: Btf, same: Identity) -> tuple[Difference, ...]:
    """Say why these types of ``base`` are not in ``target`` once; worked out once for a pair."""
    known: dict[int, Difference] = notes(same, differences)
    fresh = [one for one in ids if one not in known]
    different = [one for one in fresh if not same.counts[same.old[one]]]
    pairs = Causes.of(same, base, target).find(different, base, target)
    causes = dict(zip(different, pairs, strict=True))
    kinds = base.all_types.kinds
    for one in fresh:
        kind, name = base.kinds.name(int(kinds[one - 1])), c_name(base, one)
        pair = causes.get(one)
        if one not in causes:
            known[one] = Difference(one, kind, name, "ambiguous", _matches(same, one))
        elif pair is None:
            known[one] = Difference(one, kind, name, "missing")
        else:
            found = _compared(base, target, same, pair)
            known[one] = Difference(one, kind, name, "different", (), found[0], pair, *found[1:])
    return tuple(known[one] for one in ids)


def _matches(same: Identity, type_id: int) -> tuple[int, ...]:
    """The ids of the types that are the same, one tuple for all of a class."""
    known: dict[int, tuple[int, ...]] = notes(same, _matches)
    number = int(same.old[type_id])
    if number not in known:
        known[number] = tuple(same.same(type_id))
    return known[number]


def _compared(base: Btf, target: Btf, same: Identity, pair: Pair) -> Compared:
    """A cause and how it differs; worked out once for a pair of types."""
    known: dict[Pair, Compared] = notes(same, _compared)
    if pair not in known:
        old, new = pair
        before, after = base[old], target[new]
        sizes = getattr(before, "size", None), getattr(after, "size", None)
        changes = MemberDiff()
        olds, news = (parts_of_plan(btf.types.plan).composites for btf in (base, target))
        if before.kind in olds and after.kind in news:
            changes = member_diff(base, old, target, new)
        known[pair] = (
            c_name(base, old),
            None if None in sizes else (int(sizes[0] or 0), int(sizes[1] or 0)),
            c_name(target, new),
            changes,
        )
    return known[pair]


def report(mismatches: tuple[Difference, ...], count: int) -> str:
    """All differences as text, those with one cause together, the most frequent cause first.

    Args:
        mismatches: the differences.
        count: how many base types the split refers to.
    """
    verb = "has" if len(mismatches) == 1 else "have"
    lines = [f"{len(mismatches):,} of {count:,} base types {verb} no match"]
    groups: dict[Pair, list[Difference]] = {}
    for one in mismatches:
        if one.cause_ids is not None:
            groups.setdefault(one.cause_ids, []).append(one)
    for ids, group in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {group[0].because(ids)}")
        leading = [one for one in group if one.id != ids[0]]
        if leading:
            lines.append(f"    {_led(leading)}")
    lines += [f"  {one}" for one in mismatches if one.cause_ids is None]
    return "\n".join(lines)


def _led(leading: list[Difference]) -> str:
    """The types that lead to a cause: how many, and some of them."""
    shown = ", ".join(f"{printable(one.name)} [{one.id}]" for one in leading[:SHOWN_TYPES])
    more = len(leading) - SHOWN_TYPES
    number = "1 type leads" if len(leading) == 1 else f"{len(leading):,} types lead"
    return f"{number} to it: {shown}" + (f" and {more} more" if more > 0 else "")
