"""How large types are, as libbpf tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from btfschema.errors import UnresolvedError
from btfschema.model.finding import id_of
from btfschema.model.following import through_modifiers
from btfschema.schema.parts import parts_of_plan
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import TypeView

__all__ = [
    "DEFAULT_POINTER_SIZE",
    "libbpf_pointer_size_of",
    "pointer_size_of",
    "size_of",
    "told_pointer_size_of",
]

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
LONGEST_LONG = max(map(len, LONG_NAMES))
DEFAULT_POINTER_SIZE = 8
# What pointers have on other machines, in bytes.
SMALL = 4


def pointer_size_of(btf: Btf) -> int:
    """What :attr:`btfschema.Btf.pointer_size` says."""
    told = told_pointer_size_of(btf)
    if told is not None:
        return told
    return SMALL if _must_be_small(btf) else DEFAULT_POINTER_SIZE


def libbpf_pointer_size_of(btf: Btf) -> int:
    """The size of a pointer as libbpf has it on a 64-bit machine (``btf__pointer_size``)."""
    return told_pointer_size_of(btf) or DEFAULT_POINTER_SIZE


def told_pointer_size_of(btf: Btf) -> int | None:
    """The size of a pointer as the file or C's ``long`` tells it, as libbpf knows it; or None."""
    if btf.address_size is not None:
        return btf.address_size
    for part in btf.chain:
        types = part.types
        for row in types.rows_of(*parts_of_plan(types.plan).integers).tolist():
            size = int(types.thirds[row])
            if size not in (SMALL, DEFAULT_POINTER_SIZE):
                continue
            # No further than that: strings may overlap, and all of each take time by its square.
            if part.strings.beginning(int(types.name_offs[row]), LONGEST_LONG) in LONG_NAMES:
                return size
    return None


def _must_be_small(btf: Btf) -> bool:
    """Whether pointers of 8 bytes have no room in a struct, and such of 4 bytes do in all."""
    types = btf.all_types
    parts = parts_of_plan(types.plan)
    counts = _pointer_counts(types)
    found = False
    for kind in parts.composites - parts.unions:
        members = types.elements(kind)
        offsets, _ = types.member_offsets(members)
        owners = members.owners.astype(np.int64)
        order = np.lexsort((offsets, owners))
        owners, offsets = owners[order], offsets[order]
        ids = members.column("type_id").astype(np.int64)[order]
        room = 8 * types.thirds[owners].astype(np.int64)
        inner = np.flatnonzero(owners[1:] == owners[:-1])
        room[inner] = offsets[inner + 1]
        room -= offsets
        needed = 8 * SMALL * counts[np.where(ids < len(counts), ids, 0)]
        if (room < needed).any():
            return False
        found |= bool((room < 2 * needed).any())
    return found


def _pointer_counts(types: TypeTable) -> npt.NDArray[np.int64]:
    """How many pointers a value of each type is: of a pointer 1, of an array of them its length."""
    parts = parts_of_plan(types.plan)
    ends = through_modifiers(types)
    is_pointer = np.append(False, np.isin(types.kinds, list(parts.pointers)))
    counts = is_pointer.astype(np.int64)
    for kind in parts.arrays:
        plan = types.plan.kinds[kind]
        if plan.first_type_id is None:
            continue
        rows = types.rows_of(kind)
        elements, lengths = (
            types.fixed(kind, rows, name).astype(np.int64)
            for name in (plan.first_type_id.name, "nelems")
        )
        elements[elements >= len(ends)] = 0
        counts[rows + 1] = np.where(is_pointer[ends[elements]], lengths, 0)
    found: npt.NDArray[np.int64] = counts[ends]
    return found


def size_of(btf: Btf, type_id: TypeView | int | str) -> int:
    """What :meth:`btfschema.Btf.sizeof` says."""
    from btfschema.model.views import TypeView

    if isinstance(type_id, TypeView):
        return type_id.btf.sizeof(type_id.id) if type_id.btf is not None else _own_size(type_id)
    start = current = id_of(btf, type_id)
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
