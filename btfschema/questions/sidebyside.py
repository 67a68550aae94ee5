"""A type before and after, as C beside C, with offsets in the margin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from typing import Any

from attrs import frozen

from btfschema.questions.catalog import Catalog, catalog_of
from btfschema.questions.changes import Aligned, Difference, Pair, aligned_members, grown_parts
from btfschema.questions.comparison import Change, Diff, Entry, body_of
from btfschema.questions.leaves import Holder, Leaf
from btfschema.questions.listing import prototype
from btfschema.questions.spelling import joined

__all__ = ["Line", "side_by_side"]

# Lines that are the same, or only moved, around one that is not.
CONTEXT = 3
INDENT = "    "


@frozen
class Line:
    """A line of both.

    Attributes:
        what: what became of it, as of a :class:`~btfschema.questions.changes.Difference`; ``""``
            when it is the same, ``"folded"`` for lines that are left out, which the texts count.
        old: C in the older one, or "".
        new: C in the newer one, or "".
        old_at: where it is there: bytes, for a bit field bytes and bits; "" for what has no place.
        new_at: likewise.
        shift: by how many bits it moved.
        because: types that a member is made of which have another size, such as ``struct device``.
    """

    what: str
    old: str
    new: str
    old_at: str = ""
    new_at: str = ""
    shift: int = 0
    because: tuple[str, ...] = ()


def side_by_side(found: Diff, change: Change) -> list[Line]:
    """The lines of a type that differs; long runs that say the same are folded.

    Args:
        found: what the change is part of.
        change: the type.
    """
    old, new = catalog_of(found.old), catalog_of(found.new)
    bodies = body_of(old, change.old.id), body_of(new, change.new.id)
    if bodies[0] and bodies[1]:
        lines = list(_struct((old, bodies[0]), (new, bodies[1])))
    elif any(one.value is not None for each in change.differences for one in _sides(each)):
        lines = list(_enum(old, new, change))
    elif int(new.btf[change.new.id].kind) in new.parts.functions:
        before, after = prototype(old, change.old.id), prototype(new, change.new.id)
        return [Line("changed", f"{before};", f"{after};")]
    else:
        return [_told(one) for one in change.differences]
    sides = (old, change.old), (new, change.new)
    frames = [_frame(catalog, entry) for catalog, entry in sides]
    (before, end), (after, new_end) = frames
    return [Line("", before, after), *_folded(lines), Line("", end, new_end)]


def _frame(catalog: Catalog, entry: Entry) -> tuple[str, str]:
    """The first line of a type and its last."""
    owner = catalog.owner(entry.id)
    if owner is None or int(owner.kinds[entry.id - owner.first_id]) not in owner.parts.typedefs:
        return f"{catalog.text(entry.id)} {{", "};"
    # A typedef of an anonymous type, which is compared by its members.
    target = int(owner.targets[entry.id - owner.first_id])
    return f"typedef {catalog.text(target).split()[0]} {{", f"}} {entry.name};"


def _sides(one: Difference) -> list[Any]:
    return [part for part in (one.before, one.after) if part is not None]


def _told(one: Difference) -> Line:
    """A difference of what has no members."""
    before, after = (
        "" if part is None else f"{part.name} {part}".strip() for part in (one.before, one.after)
    )
    return Line(one.what, before, after)


def _struct(old: Pair, new: Pair) -> Iterator[Line]:
    """Members, and the anonymous structs and unions that they lie in."""
    insides: list[tuple[Holder, ...]] = [(), ()]
    for one in aligned_members(old, new):
        yield from _braces(insides, (one.old, one.new))
        before, after = _declared(old[0], one.old), _declared(new[0], one.new)
        shift = one.new.bit_offset - one.old.bit_offset if one.new and one.old else 0
        because = tuple(_because(old[0], one, new[0]))
        yield Line(one.what or "", before, after, _place(one.old), _place(one.new), shift, because)
    ends = [list(_closed(inside, 0)) for inside in insides]
    for before, after in zip_longest(*ends, fillvalue=""):
        yield Line("", before, after)


def _because(old: Catalog, one: Aligned, new: Catalog) -> Iterator[str]:
    """The types inside of a member that have another size."""
    if one.old is None or one.new is None or one.old.size == one.new.size:
        return
    for _, type_id in grown_parts(old, one.old.type_id, new, one.new.type_id):
        owner = new.owner(type_id)
        if owner is not None and owner.names[type_id - owner.first_id]:
            row = type_id - owner.first_id
            kind = owner.table.plan.name(int(owner.kinds[row])).lower()
            yield f"{kind} {owner.names[row]}"


def _braces(
    insides: list[tuple[Holder, ...]], leaves: tuple[Leaf | None, Leaf | None]
) -> Iterator[Line]:
    """What ends and begins before a member, on each side; ``insides`` is kept up to date."""
    sides: list[list[str]] = [[], []]
    for number, leaf in enumerate(leaves):
        if leaf is None:
            continue
        before, after = insides[number], leaf.inside
        common = 0
        while common < min(len(before), len(after)) and before[common] == after[common]:
            common += 1
        sides[number] += _closed(before, common)
        sides[number] += [
            f"{INDENT * (depth + 1)}{holder.keyword} {{"
            for depth, holder in enumerate(after)
            if depth >= common
        ]
        insides[number] = after
    for old, new in zip_longest(*sides, fillvalue=""):
        yield Line("", old, new)


def _closed(inside: Sequence[Holder], common: int) -> Iterator[str]:
    for depth in range(len(inside), common, -1):
        name = inside[depth - 1].name
        yield f"{INDENT * depth}}}{' ' if name else ''}{name};"


def _declared(catalog: Catalog, leaf: Leaf | None) -> str:
    """A member as C declares it."""
    if leaf is None:
        return ""
    owner = catalog.owner(leaf.type_id)
    declarator = owner.speller.of(leaf.type_id) if owner is not None else ("void", "", "")
    width = f":{leaf.width}" if leaf.width else ""
    name = leaf.path.rpartition(".")[2]
    return f"{INDENT * (len(leaf.inside) + 1)}{joined(declarator, name)}{width};"


def _place(leaf: Leaf | None) -> str:
    if leaf is None:
        return ""
    bit = f":{leaf.bit_offset % 8}" if leaf.width else ""
    return f"{leaf.bit_offset // 8}{bit}"


def _enum(old: Catalog, new: Catalog, change: Change) -> Iterator[Line]:
    """Values; those that were removed come last."""
    told = {one.name: one for one in change.differences if one.what != "removed"}
    names: set[str] = set()
    view: Any = new.btf[change.new.id]
    for one in view.values:
        if one.name in names:
            continue
        names.add(one.name)
        text = _value(one.name, one.value)
        difference = told.get(one.name)
        if difference is None:
            yield Line("", text, text)
        else:
            part = difference.before
            yield Line(difference.what, _value(part.name, part.value) if part else "", text)
    for difference in change.differences:
        if difference.what == "removed" and difference.before is not None:
            part = difference.before
            yield Line("removed", _value(part.name, part.value), "")


def _value(name: str, value: int | None) -> str:
    return f"{INDENT}{name} = {value},"


def _folded(lines: Sequence[Line]) -> Iterator[Line]:
    """Without the middle of long runs of lines that are the same, or moved as far."""
    for (what, shift), run in groupby(lines, _sort):
        same = list(run)
        if what is None or len(same) <= 2 * CONTEXT + 1:
            yield from same
            continue
        yield from same[:CONTEXT]
        count = len(same) - 2 * CONTEXT
        moved = f", {_far(shift)}" if shift else ""
        text = f"{count:,} more lines{moved}"
        yield Line("folded", text, text)
        yield from same[-CONTEXT:]


def _sort(line: Line) -> tuple[str | None, int]:
    """By what lines are folded together; None for those that never are."""
    if line.what == "moved":
        return "moved", line.shift
    # Braces go with what is around them.
    return ("", 0) if not line.what else (None, 0)


def _far(bits: int) -> str:
    if bits % 8:
        return f"{bits:+,} bits"
    return f"{bits // 8:+,} byte{'' if abs(bits) == 8 else 's'}"
