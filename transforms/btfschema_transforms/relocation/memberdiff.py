"""What became of a struct's members between two bases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from attrs import asdict, frozen

from btfschema import Btf
from btfschema.errors import UnresolvedError, counted
from btfschema.escapes import printable
from btfschema.model import notes
from btfschema.render import SharedList
from btfschema.schema import parts_of_plan
from btfschema_transforms.relocation.cnames import c_name

__all__ = ["MemberChange", "MemberDiff", "member_diff"]

UNNAMED = "an unnamed member"


@frozen
class Place:
    """A member in one of the two.

    Attributes:
        type: its type in C's words.
        size: bytes, or bits for a bit field; None where the type has none.
        offset: bytes from the start, or bits for a bit field.
        bitfield: whether sizes and offsets count bits.
    """

    type: str
    size: int | None
    offset: int
    bitfield: bool = False

    def __str__(self) -> str:
        if self.bitfield:
            return f"{self.type}, {counted(self.size or 0, 'bit')} at bit {self.offset:,}"
        size = f"{counted(self.size, 'byte')} " if self.size is not None else ""
        return f"{self.type}, {size}at {self.offset:,}"


@frozen
class MemberChange:
    """One difference.

    Attributes:
        change: what happened from the original to the target; ``"changed"`` is another type or
            size, ``"moved"`` nothing but another offset.
        name: the member's, empty for an anonymous one.
        number: its place among the target's members, or the original's when it was removed.
        before: in the original, or None.
        after: in the target, or None.
    """

    change: Literal["added", "removed", "changed", "moved"]
    name: str
    number: int
    before: Place | None
    after: Place | None

    @property
    def distance(self) -> int:
        """By how many bytes the member moved, 0 when it is in one of the two only.

        A bit field that moved by a part of a byte counts in bits.
        """
        if self.before is None or self.after is None:
            return 0
        distance = self.after.offset - self.before.offset
        return distance // 8 if self.before.bitfield and distance % 8 == 0 else distance

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def _places(btf: Btf, type_id: int) -> dict[tuple[str, int], Place]:
    """The members by name, and by number among those of one name."""
    view: Any = btf[type_id]
    counts: dict[str, int] = {}
    places = {}
    for member in view.members:
        number = counts[member.name] = counts.get(member.name, 0) + 1
        bits = member.bitfield_size
        size = bits or _size(btf, member.type_id)
        offset = member.bit_offset if bits else member.bit_offset // 8
        name = c_name(btf, member.type_id)
        places[member.name, number] = Place(name, size, offset, bool(bits))
    return places


def _size(btf: Btf, type_id: int) -> int | None:
    """Bytes of a type, None where it has none; kept, since many members share long chains."""
    known: dict[int, int | None] = notes(btf, _size)
    types = btf.all_types
    parts = parts_of_plan(types.plan)
    known.setdefault(0, None)
    chain: list[tuple[int, int]] = []
    current = type_id
    while current not in known:
        kind = int(types.kinds[current - 1])
        if kind in parts.arrays:
            view: Any = btf[current]
            count, following = view.nelems, view.type_id
        elif kind in parts.sized_by_target:
            count, following = 1, int(types.thirds[current - 1])
        else:
            known[current] = _own_size(btf, current)
            break
        # What comes back to itself has no size.
        known[current] = None
        chain.append((current, count))
        current = following
    size = known[current]
    for link, count in reversed(chain):
        size = known[link] = None if size is None else size * count
    return size


def _own_size(btf: Btf, type_id: int) -> int | None:
    try:
        return btf.sizeof(type_id)
    except UnresolvedError:
        return None


@frozen(slots=False)
class MemberDiff:
    """How a struct or union differs between two bases.

    Many modules fail for the same one, so what it says is put together once.

    Attributes:
        changes: in the target's order; members that were removed come last.
        count: members in the target.
    """

    changes: tuple[MemberChange, ...] = ()
    count: int = 0

    def as_dict(self) -> list[dict[str, Any]]:
        """The changes as JSON-able data, one list for all who ask."""
        return self._data

    def __str__(self) -> str:
        """The differences in one line: ``target adds pins (...); msi and what follows move by 8``.

        Empty when there are none.
        """
        return self._text

    @cached_property
    def _data(self) -> SharedList:
        return SharedList(change.as_dict() for change in self.changes)

    @cached_property
    def _text(self) -> str:
        parts = []
        for change, verb in (("added", "adds"), ("removed", "lacks")):
            listed = [
                f"{printable(one.name) or UNNAMED} ({one.after or one.before})"
                for one in self.changes
                if one.change == change
            ]
            if listed:
                parts.append(f"{verb} {', '.join(listed)}")
        parts += [
            f"has {printable(one.name) or UNNAMED} as ({one.after}) for ({one.before})"
            for one in self.changes
            if one.change == "changed"
        ]
        text = ["target " + ", ".join(parts)] if parts else []
        return "; ".join([*text, *self._moves()])

    def _moves(self) -> Iterator[str]:
        """Members that only moved, in runs of the same distance."""
        runs: list[list[MemberChange]] = []
        for one in self.changes:
            if one.change != "moved":
                continue
            previous = runs[-1][-1] if runs else None
            if previous and (previous.number + 1, previous.distance) == (one.number, one.distance):
                runs[-1].append(one)
            else:
                runs.append([one])
        starts = {run[0].number for run in runs} | {self.count}
        for run in runs:
            first, last = run[0].name or UNNAMED, run[-1].name or UNNAMED
            by = f"by {run[0].distance:,}"
            if len(run) == 1:
                yield f"{first} moves {by}"
            elif run[-1].number + 1 in starts:
                yield f"{first} and what follows move {by}"
            else:
                yield f"{first} to {last} move {by}"


def member_diff(original: Btf, before: int, target: Btf, after: int) -> MemberDiff:
    """How struct or union ``after`` of ``target`` differs from ``before`` of ``original``.

    Members are paired by name, unnamed ones by their order.
    """
    olds, news = _places(original, before), _places(target, after)
    changes = []
    for number, (key, new) in enumerate(news.items()):
        old = olds.get(key)
        if old is None:
            changes.append(MemberChange("added", key[0], number, None, new))
        elif (old.type, old.size, old.bitfield) != (new.type, new.size, new.bitfield):
            changes.append(MemberChange("changed", key[0], number, old, new))
        elif old.offset != new.offset:
            changes.append(MemberChange("moved", key[0], number, old, new))
    changes += [
        MemberChange("removed", key[0], number, old, None)
        for number, (key, old) in enumerate(olds.items())
        if key not in news
    ]
    return MemberDiff(tuple(changes), len(news))
