"""The members of a struct as a person counts them: those of anonymous structs as its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from btfschema.questions.catalog import Catalog

__all__ = ["Holder", "Leaf", "leaves_of", "part_by_value"]

# More of a struct is not compared member by member; the kernel's largest has some hundreds.
MOST_LEAVES = 1 << 16
# What lies in more anonymous structs than that is not a leaf of its own: C promises 63.
MOST_INSIDE = 256


@frozen
class Holder:
    """A member of an anonymous struct or union type, which leaves lie in.

    Attributes:
        number: tells it from the struct's others.
        keyword: ``"struct"`` or ``"union"``.
        name: the member's, or "".
    """

    number: int
    keyword: str
    name: str


@frozen
class Leaf:
    """A member that is not made of an anonymous struct or union, unless that is empty.

    Attributes:
        path: its name; of what lies in a named member of an anonymous type, ``outer.inner``.
        type: its type in C's words.
        type_id: its type.
        bit_offset: from the start of the struct.
        width: bits of a bit field; 0 for any other member.
        size: bytes; None where the type has no size.
        inside: the members of anonymous types that it lies in, the outermost first.
    """

    path: str
    type: str
    type_id: int
    bit_offset: int
    width: int
    size: int | None
    inside: tuple[Holder, ...] = ()

    @property
    def offset(self) -> int:
        """Bytes from the start of the struct."""
        return self.bit_offset // 8


def leaves_of(catalog: Catalog, type_id: int) -> list[Leaf]:
    """The leaves of a struct or union, in file order.

    There are at most ``MOST_LEAVES``, with the anonymous structs and unions that they lie in.
    """
    found: list[Leaf] = []
    # Members still to be taken, the next one last: each with what its names begin with, where its
    # struct starts, and what it lies in.
    outermost: tuple[Holder, ...] = ()
    waiting = [(*one, "", 0, outermost, frozenset({type_id})) for one in _members(catalog, type_id)]
    waiting.reverse()
    holders = 0
    while waiting and len(found) + holders < MOST_LEAVES:
        name, member_type, at, width, prefix, base, inside, opened = waiting.pop()
        inner = _without_qualifiers(catalog, member_type)
        bit_offset, path = base + at, prefix + name
        is_open = inner in opened or len(inside) == MOST_INSIDE
        if _is_anonymous(catalog, inner) and not is_open:
            members = list(_members(catalog, inner))
            start = f"{path}." if name else prefix
            holders += 1
            within = (*inside, Holder(holders, _keyword(catalog, inner), name))
            waiting += [
                (*one, start, bit_offset, within, opened | {inner}) for one in reversed(members)
            ]
            if members or not name:
                continue
        found.append(_leaf(catalog, path, member_type, bit_offset, width, inside))
    return found


def _leaf(
    catalog: Catalog,
    path: str,
    type_id: int,
    bit_offset: int,
    width: int,
    inside: tuple[Holder, ...],
) -> Leaf:
    known: dict[int, tuple[str, int | None]] = catalog.kept.setdefault(_leaf, {})
    if type_id not in known:
        known[type_id] = catalog.text(type_id), _size(catalog, type_id)
    text, size = known[type_id]
    return Leaf(path, text, type_id, bit_offset, width, size, inside)


def _size(catalog: Catalog, type_id: int) -> int | None:
    owner = catalog.owner(type_id)
    size = int(owner.sizes[type_id - owner.first_id]) if owner is not None else -1
    return size if size >= 0 else None


def _keyword(catalog: Catalog, type_id: int) -> str:
    """What C calls a struct or union."""
    owner = catalog.owner(type_id)
    is_union = (
        owner is not None and int(owner.kinds[type_id - owner.first_id]) in owner.parts.unions
    )
    return "union" if is_union else "struct"


def _without_qualifiers(catalog: Catalog, type_id: int) -> int:
    """A type without ``const`` and the like; typedefs stay."""
    seen: set[int] = set()
    owner = catalog.owner(type_id)
    while owner is not None and type_id not in seen:
        row = type_id - owner.first_id
        if int(owner.kinds[row]) not in owner.parts.modifiers - owner.parts.typedefs:
            return type_id
        seen.add(type_id)
        type_id = int(owner.targets[row])
        owner = catalog.owner(type_id)
    return 0


def _is_anonymous(catalog: Catalog, type_id: int) -> bool:
    owner = catalog.owner(type_id)
    if owner is None:
        return False
    row = type_id - owner.first_id
    return int(owner.kinds[row]) in owner.parts.composites and not owner.named[row]


def _members(catalog: Catalog, type_id: int) -> Iterator[tuple[str, int, int, int]]:
    """Name, type, bit offset and width of each member."""
    owner = catalog.owner(type_id)
    if owner is None:
        return
    row, members = type_id - owner.first_id, owner.members
    here = slice(int(members.firsts[row]), int(members.firsts[row + 1]))
    yield from zip(
        owner.btf.strings.names(members.name_offs[here]),
        members.types[here].tolist(),
        members.offsets[here].tolist(),
        members.widths[here].tolist(),
        strict=True,
    )


def part_by_value(catalog: Catalog, type_id: int) -> Iterator[int]:
    """The named types that a member of this type is made of: typedefs, then what they name."""
    seen: set[int] = set()
    while type_id and type_id not in seen:
        seen.add(type_id)
        owner = catalog.owner(type_id)
        if owner is None:
            return
        row = type_id - owner.first_id
        kind = int(owner.kinds[row])
        if kind in owner.parts.typedefs or kind not in owner.parts.chained:
            yield type_id
        type_id = int(owner.targets[row]) if kind in owner.parts.chained else 0
