"""Repairs that give something up: a member, a struct's members, an array's elements."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from btfschema.errors import BtfError
from btfschema.model import views
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import U32_MAX
from btfschema.verification.repairs.changes import Repairs
from btfschema.verification.violations import Violation

__all__ = [
    "array_of_bytes",
    "moved_tags",
    "some_type",
    "to_typedef",
    "without_members",
    "without_parts",
]


def without_parts(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """Drop the members that a kernel refuses; sizes and offsets of the others stay."""
    gone = {one.member for one in repairs.group}
    if not isinstance(view, views.Struct | views.Union) or None in gone:
        return False
    kept = [number for number in range(len(view.members)) if number not in gone]
    lost = (view.members[one.member or 0].name or "(anonymous)" for one in repairs.group)
    names = dict.fromkeys(lost)
    members = [view.members[number] for number in kept]
    flag = any(member.bitfield_size for member in members)
    less = evolve(view, members=members, kind_flag=flag)
    repairs.put(violation, less, f"has no member {', '.join(names)} now", "what they say")
    moved_tags(repairs, violation, {old: new for new, old in enumerate(kept)})
    return True


def moved_tags(repairs: Repairs, violation: Violation, places: dict[int, int]) -> None:
    """Tags of members follow them to their new places; those of members that went go too."""
    draft = repairs.draft
    types = draft.btf.types
    rows = types.rows_of(Kind.DECL_TAG)
    rows = rows[types.thirds[rows] == (violation.type_id or 0)]
    for tag_id in (rows + types.first_id).tolist():
        tag: Any = draft[tag_id]
        if draft.is_dropped(tag_id) or tag.component_idx < 0:
            continue
        if tag.component_idx in places:
            draft[tag_id] = evolve(tag, component_idx=places[tag.component_idx])
        else:
            draft.drop(tag_id)


def without_members(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A struct of the same name and size in which a kernel finds nothing to manage."""
    if not isinstance(view, views.Struct) or not view.members:
        return False
    bare = evolve(view, members=(), kind_flag=False)
    repairs.put(violation, bare, f"has {view.size} bytes and no members now", "its members")
    moved_tags(repairs, violation, {})
    return True


def array_of_bytes(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A struct of an array's size, when its elements are integers that no array may have."""
    try:
        size = repairs.draft.btf.sizeof(violation.type_id or 0)
    except BtfError:
        return False
    if size > U32_MAX:
        return False
    what = f"is an anonymous STRUCT of {size} bytes now"
    repairs.put(violation, views.Struct("", size), what, "that it is an array, and of what")
    return True


def to_typedef(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A FUNC that refers to something else than a prototype: a name for that."""
    typedef = views.Typedef(view.name, view.type_id)
    repairs.put(violation, typedef, "is a TYPEDEF now", "that it is a function")
    return True


def some_type(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A variable of a type without a size: as libbpf has it, of an integer."""
    whole = evolve(view, type_id=repairs.byte())
    repairs.put(violation, whole, "is a variable of one byte now", "its type")
    return True
