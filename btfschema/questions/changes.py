"""How one type differs between two containers: members, values, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import asdict, frozen

from btfschema.errors import counted
from btfschema.questions.catalog import NO_SIZE, Catalog
from btfschema.questions.leaves import Leaf, leaves_of, part_by_value
from btfschema.questions.signatures import signatures_of

__all__ = [
    "Aligned",
    "Difference",
    "Pair",
    "Part",
    "aligned_members",
    "compare_members",
    "compare_texts",
    "compare_values",
    "grown_parts",
]

What = Literal["added", "removed", "renamed", "changed", "moved", "grown"]

Pair = tuple[Catalog, int]


@frozen
class Part:
    """A member, value or parameter of one of the two.

    Attributes:
        name: its name.
        type: its type in C's words; "" for a value.
        bit_offset: of a member, else None.
        width: bits of a bit field, or 0.
        size: bytes of a member's type, or None.
        value: of an enum's value, or None.
    """

    name: str
    type: str = ""
    bit_offset: int | None = None
    width: int = 0
    size: int | None = None
    value: int | None = None

    def __str__(self) -> str:
        if self.value is not None:
            return f"= {self.value}"
        if self.bit_offset is None:
            return self.type
        if self.width:
            return f"{self.type}, {counted(self.width, 'bit')} at bit {self.bit_offset:,}"
        size = f"{counted(self.size, 'byte')} " if self.size is not None else ""
        return f"{self.type}, {size}at {self.bit_offset // 8:,}"


@frozen
class Difference:
    """What became of one member, value or parameter.

    Attributes:
        what: ``"added"``, ``"removed"``, ``"renamed"`` (another name at the same place, with the
            same type), ``"changed"`` (another type, width or value), ``"moved"`` (nothing but
            another offset), or ``"grown"`` (another size, since the type itself changed).
        name: in the newer one, or in the older when it was removed.
        before: in the older one, or None.
        after: in the newer one, or None.
    """

    what: What
    name: str
    before: Part | None
    after: Part | None

    @property
    def is_own(self) -> bool:
        """Whether the type itself was changed, and not one that it is made of."""
        return self.what not in ("moved", "grown")

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


@frozen
class Aligned:
    """A member as both have it, or the one that has it.

    Attributes:
        old: in the older one, or None.
        new: in the newer one, or None.
        what: what became of it; None when it is the same.
    """

    old: Leaf | None
    new: Leaf | None
    what: What | None

    @property
    def path(self) -> str:
        """The member's name in the newer one, or in the older one that alone has it."""
        return "".join([leaf.path for leaf in (self.new, self.old) if leaf is not None][:1])


def aligned_members(old: Pair, new: Pair) -> Iterator[Aligned]:
    """The members of two structs beside each other.

    They come in the newer one's order, each removed member where it was.
    """
    olds, news = leaves_of(*old), leaves_of(*new)
    matches = _matches(olds, news)
    taken = {one for one in matches if one is not None}
    left = iter([number for number in range(len(olds)) if number not in taken])
    waiting = next(left, None)
    for number, leaf in enumerate(news):
        match = matches[number]
        if match is None:
            yield Aligned(None, leaf, "added")
            continue
        # What was removed before this member comes before it.
        while waiting is not None and waiting < match:
            yield Aligned(olds[waiting], None, "removed")
            waiting = next(left, None)
        before = olds[match]
        yield Aligned(before, leaf, _compared(old[0], before, new[0], leaf))
    while waiting is not None:
        yield Aligned(olds[waiting], None, "removed")
        waiting = next(left, None)


def compare_members(old: Pair, new: Pair) -> tuple[list[Difference], list[tuple[int, int]]]:
    """How a struct or union changed.

    Args:
        old: a catalog and the type's id.
        new: likewise.

    Returns:
        The differences, in the order of :func:`aligned_members`; and pairs of types that members
        are made of whose sizes differ.
    """
    found: list[Difference] = []
    grown: dict[tuple[int, int], None] = {}
    for one in aligned_members(old, new):
        if one.what is None:
            continue
        found.append(Difference(one.what, one.path, _part(one.old), _part(one.new)))
        if one.old is None or one.new is None or one.old.size == one.new.size:
            continue
        if one.what in ("grown", "moved"):
            grown |= dict.fromkeys(grown_parts(old[0], one.old.type_id, new[0], one.new.type_id))
    return found, list(grown)


def _part(leaf: Leaf | None) -> Part | None:
    if leaf is None:
        return None
    return Part(leaf.path, leaf.type, leaf.bit_offset, leaf.width, leaf.size)


def _matches(olds: Sequence[Leaf], news: Sequence[Leaf]) -> list[int | None]:
    """For each new member, the number of the old one that it was."""
    by_name: dict[tuple[str, int], int] = {}
    counts: dict[str, int] = {}
    for number, leaf in enumerate(olds):
        count = counts[leaf.path] = counts.get(leaf.path, 0) + 1
        by_name[leaf.path, count] = number
    counts.clear()
    matches: list[int | None] = []
    for leaf in news:
        count = counts[leaf.path] = counts.get(leaf.path, 0) + 1
        matches.append(by_name.pop((leaf.path, count), None))
    removed = set(by_name.values())
    # Another name with the same type at the same place, or after the same member.
    places: dict[tuple[str, int, int], int] = {}
    followers: dict[tuple[str, int, int], int] = {}
    for number in sorted(removed, reverse=True):
        leaf = olds[number]
        places[leaf.type, leaf.width, leaf.bit_offset] = number
        followers[leaf.type, leaf.width, number - 1] = number
    for number, leaf in enumerate(news):
        if matches[number] is not None:
            continue
        before = matches[number - 1] if number else -1
        found = places.get((leaf.type, leaf.width, leaf.bit_offset))
        if found not in removed and before is not None:
            found = followers.get((leaf.type, leaf.width, before))
        if found in removed and found is not None:
            removed.discard(found)
            matches[number] = found
    return matches


def _compared(old: Catalog, before: Leaf, new: Catalog, after: Leaf) -> What | None:
    """What became of a member that both have."""
    if before.path != after.path:
        return "renamed"
    if (before.type, before.width) != (after.type, after.width):
        return "changed"
    if _reference(old, before.type_id) != _reference(new, after.type_id):
        # An anonymous type behind a pointer or in an array.
        return "changed"
    if before.size != after.size:
        return "grown"
    return "moved" if before.bit_offset != after.bit_offset else None


def _reference(catalog: Catalog, type_id: int) -> int:
    owner = catalog.owner(type_id)
    if owner is None:
        return 0
    return int(signatures_of(owner).reference[type_id - owner.first_id])


def grown_parts(old: Catalog, before: int, new: Catalog, after: int) -> Iterator[tuple[int, int]]:
    """The types that a member is made of in both, as far as they have different sizes."""
    for pair in zip(part_by_value(old, before), part_by_value(new, after), strict=False):
        sizes = [_size(catalog, one) for catalog, one in zip((old, new), pair, strict=True)]
        if sizes[0] != sizes[1]:
            yield pair


def _size(catalog: Catalog, type_id: int) -> int:
    owner = catalog.owner(type_id)
    return int(owner.sizes[type_id - owner.first_id]) if owner is not None else NO_SIZE


def compare_values(
    olds: Sequence[tuple[str, int]], news: Sequence[tuple[str, int]]
) -> list[Difference]:
    """How an enum's values changed; of several with one name the first counts."""
    before: dict[str, int] = {}
    for name, value in olds:
        before.setdefault(name, value)
    after: dict[str, int] = {}
    for name, value in news:
        after.setdefault(name, value)
    removed: dict[int, str] = {}
    for name, value in before.items():
        if name not in after:
            removed.setdefault(value, name)
    found = []
    renamed = set()
    for name, value in after.items():
        one = Part(name, value=value)
        if name in before:
            if before[name] != value:
                found.append(Difference("changed", name, Part(name, value=before[name]), one))
        elif value in removed and removed[value] not in renamed:
            renamed.add(removed[value])
            was = Part(removed[value], value=value)
            found.append(Difference("renamed", name, was, one))
        else:
            found.append(Difference("added", name, None, one))
    found += [
        Difference("removed", name, Part(name, value=value), None)
        for name, value in before.items()
        if name not in after and name not in renamed
    ]
    return found


def compare_texts(
    olds: Sequence[tuple[str, str]], news: Sequence[tuple[str, str]]
) -> list[Difference]:
    """How named, typed things in an order changed: parameters; ``return`` is what comes back."""
    names_old, names_new = [name for name, _ in olds], [name for name, _ in news]
    by_place = len(set(names_old)) < len(names_old) or len(set(names_new)) < len(names_new)
    if by_place or (len(olds) == len(news) and set(names_old) != set(names_new)):
        pairs: list[tuple[int | None, int | None]] = [
            (i if i < len(olds) else None, i if i < len(news) else None)
            for i in range(max(len(olds), len(news)))
        ]
    else:
        at = {name: number for number, name in enumerate(names_old)}
        pairs = [(at.get(name), number) for number, name in enumerate(names_new)]
        pairs += [(number, None) for name, number in at.items() if name not in set(names_new)]
    found = []
    for old, new in pairs:
        before = Part(*olds[old]) if old is not None else None
        after = Part(*news[new]) if new is not None else None
        if after is None:
            if before is not None:
                found.append(Difference("removed", before.name, before, None))
        elif before is None:
            found.append(Difference("added", after.name, None, after))
        elif before.type != after.type:
            found.append(Difference("changed", after.name, before, after))
        elif before.name != after.name:
            found.append(Difference("renamed", after.name, before, after))
        elif old != new and len(olds) == len(news):
            found.append(Difference("moved", after.name, before, after))
    return found
