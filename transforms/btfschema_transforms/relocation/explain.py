"""Why a distilled type has no match: as data, and in words that let a packager act."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

from attrs import frozen

from btfschema import Btf, Kind
from btfschema.errors import counted
from btfschema.escapes import printable
from btfschema.model import notes, remembered
from btfschema.render import SharedList, listed
from btfschema.schema import parts_of_plan
from btfschema.views import IntEncoding
from btfschema_transforms.relocation.memberdiff import MemberDiff, member_diff
from btfschema_transforms.sameness.embedding import Embedding, User
from btfschema_transforms.sameness.matching import (
    Matches,
    Namesakes,
    Policy,
    Wanted,
    memo,
    target_of,
)

__all__ = ["Mismatch", "Other", "Others", "Reason", "explain", "report"]

Reason = Literal["missing", "kind", "size", "encoding", "ambiguous", "shared"]

# How many users of a type a text names; the data has them all.
SHOWN_USERS = 3
SHOWN_CANDIDATES = 8
# How many types of one name in a split are told how the members changed. It is the same
# or much the same for all, and a struct of a hostile target may have as many members as there are
# such types.
TOLD = 8

UNCHANGED = MemberDiff()
SIGNS = {"signed", "unsigned"}
# What CHARs of other signs in two kernels come of.
CHAR_SIGN = "kernels from 6.2 on are compiled with -funsigned-char"
SPOKEN = {"FWD": "forward declaration", "ENUM64": "enum"}


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


class Others(tuple[Other, ...]):
    """The target's types of one name, in id order: one object for all who ask."""

    @cached_property
    def data(self) -> dict[str, Any]:
        """The part of a report that lists the first."""
        found = listed("candidates", self, len(self))
        rows = ({"id": c.id, "kind": c.kind, "size": c.size} for c in found["candidates"])
        return {**found, "candidates": SharedList(rows)}


NOBODY = Others()


@frozen
class Mismatch:
    """A distilled type without exactly one match.

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
        encoding: of an INT, in words, when the target has it in other encodings.
        encodings: those of the first, each once.
        matches: ids of those that would do, the first
            :data:`~btfschema.render.jsonlines.LISTED` of them: several when ambiguous,
            one when shared.
        matches_total: how many would do.
        embedded_by: the split's types that hold this one by value.
        changes: what became of its members; empty without the original base, and for all but the
            first :data:`TOLD` of many types of one name.
    """

    id: int
    kind: str
    name: str
    reason: Reason
    size: int | None
    candidates: Others = NOBODY
    sizes: tuple[int, ...] = ()
    encoding: str = ""
    encodings: tuple[str, ...] = ()
    matches: tuple[int, ...] = ()
    matches_total: int = 0
    embedded_by: tuple[User, ...] = ()
    changes: MemberDiff = UNCHANGED

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able data.

        Of ``candidates`` and ``matches`` it lists the first
        :data:`~btfschema.render.jsonlines.LISTED`,
        so that what many types of one name are told does not grow with their square; where that
        leaves some out, ``candidates_total`` or ``matches_total`` says how many there are.
        """
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "reason": self.reason,
            "size": self.size,
            **(
                {"encoding": self.encoding, "encodings": list(self.encodings)}
                if self.encoding
                else {}
            ),
            **self.candidates.data,
            **listed("matches", self.matches, self.matches_total),
            "embedded_by": [user.as_dict() for user in self.embedded_by],
            "changes": self.changes.as_dict(),
        }

    def __str__(self) -> str:
        """The type and the reason in a line, then who embeds it, then what changed."""
        lines = [f"{_spoken(self.kind)} {printable(self.name)} [{self.id}]: {self._because()}"]
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
                there = " or ".join(self.encodings)
                signs = self.name == "char" and {self.encoding, *self.encodings} == SIGNS
                why = f": {CHAR_SIGN}" if signs else ""
                return f"encoding {self.encoding}, in the target {there}{why}"
            case "ambiguous":
                places = [self._place(one) for one in self.matches[:SHOWN_CANDIDATES]]
                found = [self.candidates[place] for place in places]
                return f"ambiguous among {_listed(found, self.matches_total)}"
            case "shared":
                return f"the target has one, [{self.matches[0]}], for several distilled types"
        more = len(self.sizes) - SHOWN_CANDIDATES
        there = " or ".join(f"{size:,}" for size in self.sizes[:SHOWN_CANDIDATES])
        there += f" and {more:,} more" if more > 0 else ""
        listed = there or _listed(self.candidates, len(self.candidates))
        return f"size {self.size or 0:,}, in the target {listed}"

    def _place(self, type_id: int) -> int:
        return bisect_left(self.candidates, type_id, key=lambda one: one.id)


def _listed(candidates: Sequence[Other], count: int) -> str:
    """The first of so many candidates."""
    shown = [
        f"{_spoken(one.kind)} [{one.id}]"
        + (f" of {counted(one.size, 'byte')}" if one.size is not None else "")
        for one in candidates[:SHOWN_CANDIDATES]
    ]
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _spoken(kind: str) -> str:
    return SPOKEN.get(kind) or kind.lower()


def _reason(wanted: Wanted, there: Namesakes, matches: Matches) -> Reason:
    if matches.total:
        return "ambiguous" if matches.total > 1 else "shared"
    if not there.has_related(wanted):
        return "kind"
    if wanted.kind in there.parts.integers and (wanted.kind, wanted.size) in there.sizes:
        return "encoding"
    return "size" if wanted.kind not in there.parts.declarations else "kind"


def explain(
    failed: Iterable[tuple[int, Wanted]],
    policy: Policy,
    held: Embedding,
    target: Btf,
    original: Btf | None = None,
) -> tuple[Mismatch, ...]:
    """Say why these types of a distilled base have no match of their own.

    Args:
        failed: their ids, and what is known of them.
        policy: what counts as a match.
        held: what the split holds by value.
        target: where they were searched for.
        original: the base that was distilled, for the members.
    """
    known, told = target_of(target), Counter[str]()
    findings: dict[Wanted, dict[str, Any]] = memo(known.memos, (_finding, policy))
    mismatches = []
    for type_id, wanted in failed:
        changes, there = UNCHANGED, wanted.name in known.ids
        # What is missing is not remembered: others seldom look for it, and it is said as quickly.
        finding = findings.get(wanted) if there else _asked(wanted, target, "missing")
        if finding is None:
            finding = findings[wanted] = _finding(wanted, policy, target)
        if there and original is not None and wanted.kind in known.parts.composites:
            told[wanted.name] += 1
            if told[wanted.name] <= TOLD:
                changes = _known_diff(original, wanted, target)
        users = held.users(type_id)
        mismatches.append(Mismatch(type_id, **finding, embedded_by=users, changes=changes))
    return tuple(mismatches)


def _asked(wanted: Wanted, target: Btf, reason: Reason) -> dict[str, Any]:
    """What was looked for, and why it was not found."""
    parts = parts_of_plan(target.types.plan)
    return {
        "kind": target.kinds.name(wanted.kind),
        "name": wanted.name,
        "reason": reason,
        "size": None if wanted.kind in parts.declarations else wanted.size,
    }


def _encoded(wanted: Wanted, target: Btf) -> tuple[str, tuple[str, ...]]:
    """An INT's encoding in words, and those of the target's first INTs of its name and size."""
    bits: Any = target.types.plan.kinds[Kind.INT].fixed[0].bits
    same = target_of(target).namesakes(wanted.name).sizes[wanted.kind, wanted.size]
    words = [wanted.encoding, *(one.encoding for one in same[:SHOWN_CANDIDATES])]
    said = [_encoding_words(bits.split(word), wanted.size) for word in words]
    if said[0] in said[1:]:
        # They differ in bits that mean nothing.
        said = [f"{text} ({word:#x})" for text, word in zip(said, words, strict=True)]
    return said[0], tuple(dict.fromkeys(said[1:]))


def _encoding_words(parts: Mapping[str, int], size: int) -> str:
    """Such as "unsigned", or "signed, 3 bits at bit 2"."""
    value = parts["encoding"]
    names = [name.lower() for name, flag in IntEncoding.__members__.items() if flag & value]
    text = " ".join(names) or ("unsigned" if not value else f"encoding {value}")
    if (parts["bits"], parts["bit_offset"]) == (size * 8, 0):
        return text
    return f"{text}, {counted(parts['bits'], 'bit')} at bit {parts['bit_offset']}"


def _finding(wanted: Wanted, policy: Policy, target: Btf) -> dict[str, Any]:
    """What is the same for all splits that want a type whose name the target has."""
    known = target_of(target)
    matches = known.matches(wanted, policy)
    reason = _reason(wanted, known.namesakes(wanted.name), matches)
    encoding, encodings = _encoded(wanted, target) if reason == "encoding" else ("", ())
    return {
        **_asked(wanted, target, reason),
        "encoding": encoding,
        "encodings": encodings,
        "candidates": _others(target, wanted.name),
        "sizes": _sizes(target, wanted.name, wanted.kind),
        "matches": matches.ids,
        "matches_total": matches.total,
    }


def _others(target: Btf, name: str) -> Others:
    """The target's types of a name, the same for all distilled types of that name."""
    known: dict[str, Others] = notes(target, _others)
    if name not in known:
        there = target_of(target).namesakes(name)
        unsized = there.parts.declarations
        known[name] = Others(
            Other(one.id, target.kinds.name(one.kind), None if one.kind in unsized else one.size)
            for one in there.all
        )
    return known[name]


def _sizes(target: Btf, name: str, kind: int) -> tuple[int, ...]:
    """The sizes of the target's types of a name and kind, the same for all that want these."""
    known: dict[tuple[str, int], tuple[int, ...]] = notes(target, _sizes)
    if (name, kind) not in known:
        kinds = parts_of_plan(target.types.plan).standing_for(kind)
        sizes = target_of(target).namesakes(name).sizes
        known[name, kind] = tuple(sorted({size for of, size in sizes if of in kinds}))
    return known[name, kind]


def _known_diff(original: Btf, wanted: Wanted, target: Btf) -> MemberDiff:
    """The members' changes, worked out once for a pair of bases: many modules ask for the same.

    Empty where it is not certain which types to compare.
    """
    known: WeakKeyDictionary[Btf, dict[Any, dict[Wanted, MemberDiff]]]
    known = remembered(target, member_diff, lambda _: WeakKeyDictionary())
    diffs: dict[Wanted, MemberDiff] = memo(known.setdefault(original, {}), member_diff)
    if wanted not in diffs:
        after = target_of(target).namesakes(wanted.name).kinds.get(wanted.kind, [])
        before = 0
        if len(after) == 1:
            before = target_of(original).matches(wanted._replace(sized=True), "strict").only
        changes = member_diff(original, before, target, after[0].id) if before else UNCHANGED
        diffs[wanted] = changes
    return diffs[wanted]


def report(mismatches: tuple[Mismatch, ...], count: int) -> str:
    """All reasons as text; ``count`` is the number of distilled types."""
    verb = "has" if len(mismatches) == 1 else "have"
    lines = [f"{len(mismatches):,} of {count:,} distilled types {verb} no match"]
    for one in mismatches:
        lines += [f"  {line}" for line in str(one).split("\n")]
    return "\n".join(lines)
