"""Why a distilled type has no partner: as data, and in words that let a packager act."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal
from weakref import WeakKeyDictionary

from attrs import frozen

from btfschema import Btf, Kind
from btfschema_transforms.embedding import Embedding, User
from btfschema_transforms.graph import COMPOSITES
from btfschema_transforms.matching import ENUMS, Namesakes, Wanted, target_of
from btfschema_transforms.members import MemberDiff, member_diff

__all__ = ["Mismatch", "Reason", "explain", "report"]

Reason = Literal["missing", "kind", "size", "encoding", "ambiguous", "shared"]

# How many users of a type a text names; the data has them all.
SHOWN_USERS = 3
SHOWN_CANDIDATES = 8

UNCHANGED = MemberDiff()


@frozen
class Other:
    """A type of the target that has the name.

    Attributes:
        id: its id in the target.
        kind: its kind's name.
        size: bytes, or None for a FWD.
    """

    id: int
    kind: str
    size: int | None


@frozen
class Mismatch:
    """A distilled type without exactly one partner.

    Attributes:
        id: its id in the distilled base.
        kind: its kind's name.
        name: its name.
        reason: ``"missing"``: no type of the target has the name; ``"kind"``: only types of other
            kinds have it; ``"size"``: none has the size; ``"encoding"``: an INT of that size has
            another encoding; ``"ambiguous"``: several would do; ``"shared"``: the only one is also
            the only one for another distilled type.
        size: bytes that are wanted, None for a FWD.
        candidates: the target's types of that name, in id order.
        sizes: of those of the wanted kind, ascending, each once.
        matches: ids of those that would do: several when ambiguous, one when shared.
        embedded_by: the split's types that hold this one by value.
        changes: what became of its members; empty without the original base.
    """

    id: int
    kind: str
    name: str
    reason: Reason
    size: int | None
    candidates: tuple[Other, ...] = ()
    sizes: tuple[int, ...] = ()
    matches: tuple[int, ...] = ()
    embedded_by: tuple[User, ...] = ()
    changes: MemberDiff = UNCHANGED

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            "size": self.size,
            "candidates": [{"id": c.id, "kind": c.kind, "size": c.size} for c in self.candidates],
            "matches": list(self.matches),
            "embedded_by": [user.as_dict() for user in self.embedded_by],
            "changes": self.changes.as_dict(),
        }

    def __str__(self) -> str:
        """The type and the reason in a line, then who embeds it, then what changed."""
        lines = [f"{_spoken(self.kind)} {self.name} [{self.id}]: {self._because()}"]
        if self.embedded_by:
            users = [str(user) for user in self.embedded_by[:SHOWN_USERS]]
            users += ["..."] if len(self.embedded_by) > SHOWN_USERS else []
            lines.append(f"  embedded by {', '.join(users)}")
        if changes := str(self.changes):
            lines.append(f"  {changes}")
        return "\n".join(lines)

    def _because(self) -> str:
        match self.reason:
            case "missing":
                return "no type of this name in the target"
            case "kind":
                return f"the target has only {_listed(self.candidates, len(self.candidates))}"
            case "encoding":
                return "another encoding in the target"
            case "ambiguous":
                places = [self._place(one) for one in self.matches[:SHOWN_CANDIDATES]]
                found = [self.candidates[place] for place in places]
                return f"ambiguous among {_listed(found, len(self.matches))}"
            case "shared":
                return f"the target has one, [{self.matches[0]}], for several distilled types"
        more = len(self.sizes) - SHOWN_CANDIDATES
        there = " or ".join(map(str, self.sizes[:SHOWN_CANDIDATES]))
        there += f" and {more} more" if more > 0 else ""
        listed = there or _listed(self.candidates, len(self.candidates))
        return f"size {self.size}, in the target {listed}"

    def _place(self, type_id: int) -> int:
        return bisect_left(self.candidates, type_id, key=lambda one: one.id)


def _listed(candidates: Sequence[Other], count: int) -> str:
    """The first of so many candidates."""
    shown = [
        f"{_spoken(one.kind)} [{one.id}]"
        + (f" of {one.size} bytes" if one.size is not None else "")
        for one in candidates[:SHOWN_CANDIDATES]
    ]
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _spoken(kind: str) -> str:
    return {"FWD": "forward declaration", "ENUM64": "enum"}.get(kind, kind.lower())


def _reason(wanted: Wanted, there: Namesakes, matches: tuple[int, ...]) -> Reason:
    if matches:
        return "ambiguous" if len(matches) > 1 else "shared"
    if not there.all:
        return "missing"
    if not there.has_related(wanted):
        return "kind"
    if wanted.kind == Kind.INT and (Kind.INT, wanted.size) in there.sizes:
        return "encoding"
    return "size" if wanted.kind != Kind.FWD else "kind"


def explain(
    type_id: int,
    wanted: Wanted,
    matches: tuple[int, ...],
    held: Embedding,
    target: Btf,
    original: Btf | None = None,
) -> Mismatch:
    """Say why a distilled type has no partner.

    Args:
        type_id: its id.
        wanted: what is known of it.
        matches: the ids that would do: none, several, or one that another type claims too.
        held: what the split holds by value.
        target: where it was searched for.
        original: the base that was distilled, for the members.
    """
    changes = UNCHANGED
    if original is not None and wanted.kind in COMPOSITES:
        changes = _known_diff(original, wanted, target)
    findings: dict[tuple[Wanted, tuple[int, ...]], dict[str, Any]]
    findings = target.analyses.setdefault(_finding, {})
    key = (wanted, matches)
    if key not in findings:
        findings[key] = _finding(wanted, matches, target)
    users = held.users(type_id)
    return Mismatch(id=type_id, **findings[key], embedded_by=users, changes=changes)


def _finding(wanted: Wanted, matches: tuple[int, ...], target: Btf) -> dict[str, Any]:
    """What is the same for all splits that want a type."""
    return {
        "kind": target.kinds.name(wanted.kind),
        "name": wanted.name,
        "reason": _reason(wanted, target_of(target).namesakes(wanted.name), matches),
        "size": None if wanted.kind == Kind.FWD else wanted.size,
        "candidates": _others(target, wanted.name),
        "sizes": _sizes(target, wanted.name, wanted.kind),
        "matches": matches,
    }


def _others(target: Btf, name: str) -> tuple[Other, ...]:
    """The target's types of a name, the same for all distilled types of that name."""
    known: dict[str, tuple[Other, ...]] = target.analyses.setdefault(_others, {})
    if name not in known:
        known[name] = tuple(
            Other(one.id, target.kinds.name(one.kind), None if one.kind == Kind.FWD else one.size)
            for one in target_of(target).namesakes(name).all
        )
    return known[name]


def _sizes(target: Btf, name: str, kind: int) -> tuple[int, ...]:
    """The sizes of the target's types of a name and kind, the same for all that want these."""
    known: dict[tuple[str, int], tuple[int, ...]] = target.analyses.setdefault(_sizes, {})
    if (name, kind) not in known:
        kinds = ENUMS if kind == Kind.ENUM else (kind,)
        sizes = target_of(target).namesakes(name).sizes
        known[name, kind] = tuple(sorted({size for of, size in sizes if of in kinds}))
    return known[name, kind]


def _known_diff(original: Btf, wanted: Wanted, target: Btf) -> MemberDiff:
    """The members' changes, worked out once for a pair of bases: many modules ask for the same.

    Empty where it is not certain which types to compare.
    """
    known: WeakKeyDictionary[Btf, dict[Wanted, MemberDiff]] | None
    if (known := target.analyses.get(member_diff)) is None:
        known = target.analyses[member_diff] = WeakKeyDictionary()
    diffs = known.setdefault(original, {})
    if wanted not in diffs:
        after = target_of(target).namesakes(wanted.name).kinds.get(wanted.kind, [])
        before: tuple[int, ...] = ()
        if len(after) == 1:
            before = target_of(original).partners(wanted._replace(sized=True), "strict")
        certain = len(before) == 1
        diffs[wanted] = (
            member_diff(original, before[0], target, after[0].id) if certain else UNCHANGED
        )
    return diffs[wanted]


def report(mismatches: tuple[Mismatch, ...], count: int) -> str:
    """All reasons as text; ``count`` is the number of distilled types."""
    verb = "has" if len(mismatches) == 1 else "have"
    lines = [f"{len(mismatches)} of {count} distilled types {verb} no partner"]
    for one in mismatches:
        lines += [f"  {line}" for line in str(one).split("\n")]
    return "\n".join(lines)
