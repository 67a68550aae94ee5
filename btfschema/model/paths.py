"""Ways into a type: ``se.avg.load_avg``, ``pid_links[2].next``, and all that lies by value in it.

A way leads through members, those of anonymous members included, and through elements of arrays;
typedefs and qualifiers are looked through. It never follows a pointer, behind which there is other
memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from btfschema.errors import NoMemberError, UnresolvedError
from btfschema.model.views.base import TypeView, attached
from btfschema.model.views.data import Array, Composite, Member
from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import KINDS, Kinds

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView

__all__ = ["byte_offset", "is_modifier", "member_at", "place_of", "steps_of", "stripped", "walk"]

STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]+)\]")


def is_modifier(kinds: Kinds, kind: int) -> bool:
    """Whether a kind only names or qualifies another type: typedefs, qualifiers, type tags."""
    spec = kinds.get(kind)
    return spec is not None and spec.graph is Graph.MODIFIER


def stripped(view: TypeView) -> AnyView:
    """What :attr:`TypeView.stripped` says."""
    return _end(view, {})


def _end(view: TypeView, known: dict[int, AnyView]) -> AnyView:
    """What is left of a type without its names; ``known`` keeps the ends of chains by id."""
    found: Any = view
    btf = view.btf
    trail: dict[int, None] = {}
    while is_modifier(btf.kinds if btf is not None else KINDS, found.kind):
        if btf is None:
            raise UnresolvedError(
                f"type id {found.type_id} can't be resolved: this {type(view).__name__} was not "
                "read from a container",
                got=found.type_id,
                expected="a view from btf[id]",
            )
        if found.id in trail:
            raise UnresolvedError(
                f"{btf.describe(view.id)} leads back to itself", type_id=view.id, got=found.id
            )
        if found.id in known:
            found = known[found.id]
            break
        trail[found.id] = None
        found = btf[found.type_id]
    for passed in trail:
        known[passed] = found
    result: AnyView = found
    return result


def _composite(view: TypeView, known: dict[int, AnyView]) -> Composite | None:
    found = _end(view, known)
    return found if isinstance(found, Composite) else None


def _said(view: Composite) -> str:
    return f"{view.kind.name} {view.name!r}"


def _find(struct: Composite, name: str) -> Member | None:
    """The member of this name, also of anonymous members; the offset counts from ``struct``.

    Each anonymous type is searched once, as C allows a name only once.
    """
    pending, seen = [(struct, 0)], {struct.id}
    known: dict[int, AnyView] = {}
    while pending:
        holder, base = pending.pop()
        inner = []
        for member in holder.members:
            if member.name == name:
                return member if not base else _moved(member, base, member.name)
            if not member.name and member.btf is not None:
                type_ = _composite(member.type, known)
                if type_ is not None and type_.id not in seen:
                    seen.add(type_.id)
                    inner.append((type_, base + member.bit_offset))
        pending += reversed(inner)
    return None


def _moved(member: Member, by: int, name: str) -> Member:
    """The member as seen from further outside."""
    made = type(member)(name, member.type_id, member.bit_offset + by, member.bitfield_size)
    btf = member.btf
    found: Member = made if btf is None else attached(made, btf)
    return found


def steps_of(path: str) -> list[str | int]:
    """The names and indexes of a path.

    Raises:
        NoMemberError: it is malformed.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = STEP.match(path, at)
        if found is None or (path[at] == "." and not steps):
            break
        steps.append(found[1] if found[1] is not None else int(found[2]))
        at = found.end()
    if at < len(path) or not steps:
        raise NoMemberError(
            f"the path {path!r} is malformed at {path[at:]!r}",
            got=path,
            expected='names and indexes, such as "pid_links[2].next"',
        )
    return steps


def member_at(struct: Composite, path: str) -> Member:
    """What :meth:`Composite.member` says."""
    plain = next((member for member in struct.members if member.name == path), None)
    if plain is not None and path:
        return plain
    found: Member | None = None
    holder: TypeView = struct
    for step in steps_of(path):
        base = found.bit_offset if found is not None else 0
        if isinstance(step, int):
            found = _element(found, holder, step, struct, path)
        else:
            inside = _composite(holder, {})
            if inside is None:
                raise NoMemberError(_no_way(struct, path, step, holder), got=path)
            member = _find(inside, step)
            if member is None:
                where = f" (on the way {path!r} in {_said(struct)})" * (step != path)
                raise NoMemberError(
                    f"{_said(inside)} has no member {step!r}{_similar(inside, step)}{where}",
                    got=path,
                    type_id=inside.id or None,
                )
            found = _moved(member, base, step) if base else member
        if found.btf is not None:
            holder = found.type
    if found is None:
        raise NoMemberError(f"the path {path!r} is empty", got=path)
    return found


def _similar(struct: Composite, name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [member.name for member in struct.members], 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _no_way(struct: Composite, path: str, step: str | int, holder: TypeView) -> str:
    end = stripped(holder)
    kind = getattr(end.kind, "name", end.kind)
    why = ": a path doesn't follow pointers" if kind == "PTR" else ""
    return f"the path {path!r} in {_said(struct)} can't go on with {step!r} in a {kind}{why}"


def _element(
    found: Member | None, holder: TypeView, index: int, struct: Composite, path: str
) -> Member:
    """The element of an array that the way has led to."""
    array = stripped(holder)
    if found is None or not isinstance(array, Array):
        raise NoMemberError(_no_way(struct, path, index, holder), got=path)
    # C's flexible arrays have no elements in BTF, and any index.
    if array.nelems and index >= array.nelems:
        raise NoMemberError(
            f"the path {path!r} in {_said(struct)}: index {index} is past the array's "
            f"{array.nelems} elements",
            got=index,
            expected=f"0..{array.nelems - 1}",
        )
    btf = found.btf
    size = btf.sizeof(array.type_id) if btf is not None else 0
    place = found.bit_offset + 8 * size * index
    made = Member(f"{found.name}[{index}]", array.type_id, place)
    element: Member = made if btf is None else attached(made, btf)
    return element


def place_of(btf: Btf, where: TypeView | int | str, path: str) -> Member:
    """The member at a path, of a type given as a view, an id or a name.

    Raises:
        UnresolvedError: the type is not a struct or union, or it can't be followed.
        NoMemberError: there is no such member, or the path is malformed.
        LookupError: there is no such type.
    """
    view = where if isinstance(where, TypeView) else btf[where]
    struct = _composite(view, {})
    if struct is None:
        what = btf.describe(view.id) if view.btf is not None else repr(view)
        raise UnresolvedError(f"{what} is not a struct or union, so it has no members", got=path)
    return member_at(struct, path)


def byte_offset(btf: Btf, where: TypeView | int | str, path: str) -> int:
    """What :meth:`btfschema.Btf.offsetof` says."""
    member = place_of(btf, where, path)
    if member.bitfield_size or member.bit_offset % 8:
        raise UnresolvedError(
            f"{path!r} is a bit field at bit {member.bit_offset}, which has no offset in bytes: "
            "use offsetof_bits",
            got=member.bit_offset,
        )
    return member.bit_offset // 8


def walk(struct: Composite, nested: bool) -> Iterator[tuple[str, Member]]:
    """What :meth:`Composite.walk` says."""
    # One frame a struct that is open: its members, the path to it, its offset, and its id.
    frames: list[tuple[Iterator[Member], str, int, int]] = [
        (iter(struct.members), "", 0, struct.id)
    ]
    opened, barren, shown = {struct.id}, set[int](), [0]
    known: dict[int, AnyView] = {}
    while frames:
        members, prefix, base, type_id = frames[-1]
        member = next(members, None)
        if member is None:
            frames.pop()
            opened.discard(type_id)
            if not shown.pop():
                barren.add(type_id)
            elif shown:
                shown[-1] += 1
            continue
        inner = _composite(member.type, known) if member.btf is not None else None
        path = prefix + member.name
        if member.name or inner is None:
            shown[-1] += 1
            yield path, _moved(member, base, member.name) if base else member
        if inner is None or (member.name and not nested) or inner.id in barren:
            continue
        if inner.id in opened:
            raise UnresolvedError(f"{_said(inner)} holds itself", type_id=inner.id)
        opened.add(inner.id)
        shown.append(0)
        deeper = f"{path}." if member.name else prefix
        frames.append((iter(inner.members), deeper, base + member.bit_offset, inner.id))
