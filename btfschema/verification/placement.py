"""Whether members fit their structs: the kernel's ``check_member`` functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from btfschema.arrays import Mask
from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import INT_DATA, Kind
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.plan import U32_MAX
from btfschema.verification.doubts import Doubts
from btfschema.verification.findings import Findings, Ints
from btfschema.verification.resolution import (
    MISSING,
    UNKNOWN_SIZE,
    Resolution,
    among,
    is_regular,
    kinds_with,
    pointer_size,
)
from btfschema.verification.rules import MAX_INT_BITS

__all__ = ["check_members"]

ENUM_BITS = 32


def _bytes(bits: Ints) -> Ints:
    """Bytes that hold so many bits."""
    return -(-bits // 8)


def check_members(findings: Findings, resolved: Resolution, kind: int, doubts: Doubts) -> None:
    """All members of the structs, or of the unions, of a container."""
    if findings.btf is None:
        return
    types = findings.btf.types
    members = types.elements(kind)
    ids = members.column("type_id").astype(np.int64)
    roots = kinds_with(findings.btf.kinds, Graph.ROOT)
    finals = np.where(among(resolved.kinds_of(ids), roots), -1, resolved.finals_of(ids))
    kinds = resolved.of_finals("kinds", finals, MISSING)
    sizes = resolved.of_finals("sizes", finals, UNKNOWN_SIZE)
    data = resolved.of_finals("extra", finals, 0).astype(np.int64)
    flags = np.repeat(types.kind_flags[members.rows], members.counts)
    room = np.repeat(types.thirds[members.rows].astype(np.int64), members.counts)
    offsets, bits = types.member_offsets(members)
    # What starts behind the struct is said already.
    fine = (sizes != UNKNOWN_SIZE) & (_bytes(offsets) <= room)
    integer = fine & (kinds == Kind.INT)
    number = fine & among(kinds, parts_of_plan(types.plan).enums)
    other = fine & ~integer & ~number
    words = {field.name: field.word for field in members.plan.element}

    def say(rule: str, which: Mask, got: Ints, expected: str | Callable[[int], str]) -> None:
        findings.elements(rule, members, which, got, expected, words["offset"])

    say(
        "member.integer",
        integer & flags & ~is_regular(data),
        INT_DATA.part(data, "bits"),
        "8, 16, 32, 64 or 128 bits without an offset",
    )
    widest = np.where(integer, INT_DATA.part(data, "bits"), np.where(number, ENUM_BITS, 0))
    say("member.bitfield", fine & (bits > widest), bits, lambda n: f"0 to {widest[n]}")
    float_unit = 8 * np.clip(sizes, 1, pointer_size(findings.btf))
    unit = np.where(kinds == Kind.FLOAT, float_unit, 8)
    aligned = number & (bits == 0) | other | integer & flags & (bits == 0)
    say(
        "member.alignment",
        aligned & (offsets % unit != 0),
        offsets,
        lambda n: f"a multiple of {unit[n]}",
    )
    starts = offsets + np.where(integer & ~flags, INT_DATA.part(data, "bit_offset"), 0)
    taken = _taken_bits(integer, number & flags, flags, bits, data, sizes)
    copied = taken + starts % 8
    say("member.bits", integer & (copied > MAX_INT_BITS), copied, f"at most {MAX_INT_BITS}")
    beyond = fine & ((starts // 8 + _bytes(copied) > room) | (starts > U32_MAX))
    array = beyond & (kinds == Kind.ARRAY)
    findings.elements(
        "member.end",
        members,
        beyond & ~array,
        starts // 8 + _bytes(copied),
        lambda n: f"at most {room[n]} bytes",
        words["offset"],
    )
    left = room - starts // 8
    doubts.add("member.end", members, array, left, words["offset"], types.first_id)


def _taken_bits(
    integer: Mask, enum_with_flag: Mask, flags: Mask, bits: Ints, data: Ints, sizes: Ints
) -> Ints:
    """Bits of a member: of an integer its own, of a bit field that of the field, else its type's.

    With kind_flag the kernel takes an enum that is not a bit field for 32 bits, whatever its size.
    """
    whole = np.where(
        integer, INT_DATA.part(data, "bits"), np.where(enum_with_flag, ENUM_BITS, 8 * sizes)
    )
    return np.where(flags & (bits > 0) & (integer | enum_with_flag), bits, whole)
