"""How large types are, as libbpf tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btfschema.errors import UnresolvedError
from btfschema.schema.parts import parts_of_plan

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import TypeView

__all__ = ["DEFAULT_POINTER_SIZE", "pointer_size_of", "size_of"]

# libbpf's names for C's long, by which it tells the size of a pointer (determine_ptr_size).
LONG_NAMES = frozenset(
    [
        "long",
        "long int",
        "int long",
        "unsigned long",
        "long unsigned",
        "unsigned long int",
        "unsigned int long",
        "long unsigned int",
        "long int unsigned",
        "int unsigned long",
        "int long unsigned",
    ]
)
DEFAULT_POINTER_SIZE = 8


def pointer_size_of(btf: Btf) -> int:
    """What :attr:`btfschema.Btf.pointer_size` says."""
    if btf.address_size is not None:
        return btf.address_size
    for part in btf.chain:
        types = part.types
        for row in types.rows_of(*parts_of_plan(types.plan).integers).tolist():
            size = int(types.thirds[row])
            if size in (4, 8) and part.strings[int(types.name_offs[row])] in LONG_NAMES:
                return size
    return DEFAULT_POINTER_SIZE


def size_of(btf: Btf, type_id: int | TypeView) -> int:
    """What :meth:`btfschema.Btf.sizeof` says."""
    from btfschema.model.views import TypeView

    if isinstance(type_id, TypeView):
        return type_id.btf.sizeof(type_id.id) if type_id.btf is not None else _own_size(type_id)
    start = current = type_id
    count, seen, reason = 1, set(), ""
    while current:
        if current in seen:
            reason = ": its references run in a circle through "
            break
        seen.add(current)
        owner = btf.owner(current)
        types, row = owner.types, current - owner.first_id
        kind, third = int(types.kinds[row]), int(types.thirds[row])
        plan = types.plan.kinds[kind]
        parts = parts_of_plan(types.plan)
        if kind in parts.pointers:
            return count * btf.pointer_size
        if kind in parts.arrays and plan.first_type_id is not None:
            values = types.record(row)
            count *= values["nelems"]
            current = values[plan.first_type_id.name]
        elif kind in parts.sized_by_target:
            current = third
        elif plan.third.name == "size":
            return count * third
        else:
            break
    if not reason and current != start:
        reason = ": it leads to "
    raise UnresolvedError(
        f"{btf.describe(start)} has no size" + (reason and reason + btf.describe(current)),
        type_id=start,
        got=current,
    )


def _own_size(view: TypeView) -> int:
    """The size that a view says itself, for one that was read from no container."""
    size = getattr(view, "size", None)
    if size is None:
        message = (
            f"this {type(view).__name__} was not read from a container, and has no size of its own"
        )
        raise UnresolvedError(message, got=view)
    return int(size)
