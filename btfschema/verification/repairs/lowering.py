"""Kinds that a kernel or a reader does not know, as kinds that it knows.

What stands for what is libbpf's choice (``bpf_object__sanitize_btf``), but for tags, which go, and
for an ENUM64 whose values fit an ENUM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from btfschema.model import views
from btfschema.schema.constraints import FlagRule
from btfschema.schema.kinds import Kind
from btfschema.verification.kernels import Kernel
from btfschema.verification.repairs.changes import Repairs
from btfschema.verification.violations import Violation

__all__ = ["LOWERED", "drop_tag", "lower", "to_enum_or_union", "without_flag"]

U32 = 0xFFFFFFFF
S32_MIN, S32_MAX = -(1 << 31), (1 << 31) - 1
WORD = 4


def lower(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """Put a kind that is known in place of one that is not; False when there is none."""
    lowering = LOWERED.get(view.kind)
    if lowering is None:
        return False
    lowering(repairs, violation, view)
    return True


def to_enum_or_union(repairs: Repairs, violation: Violation, view: Any) -> None:
    """An ENUM where size and values fit one, else a union of the size with enumerators' names."""
    kernel = repairs.kernel
    signed_flag, sizes = _enums(kernel)
    low, high = (S32_MIN, S32_MAX) if view.signed else (0, U32)
    fits = all(low <= one.value <= high for one in view.values)
    if fits and (sizes is None or view.size in sizes):
        signed = view.signed and signed_flag
        values = view.values if signed else _unsigned(view.values)
        enum = views.Enum(view.name, view.size, values, signed=signed)
        lost = "that the values are signed" if view.signed and not signed else ""
        repairs.put(violation, enum, "is an ENUM now: its values fit in 32 bits", lost)
        return
    members = [views.Member(one.name, repairs.byte()) for one in view.values]
    repairs.put(
        violation,
        views.Union(view.name, view.size, members),
        f"is a UNION of {view.size} bytes now, with a member for each enumerator",
        "the values",
    )


def _enums(kernel: Kernel) -> tuple[bool, tuple[int, ...] | None]:
    """Whether an ENUM may be signed for this kernel, and its sizes."""
    less = kernel.narrower.get(Kind.ENUM, {})
    return less.get("kind_flag") is not FlagRule.UNSET, less.get("sizes")


def _unsigned(values: tuple[views.Enumerator, ...]) -> list[views.Enumerator]:
    """The same words without a sign: what kernels before 6.0 read as signed all the same."""
    return [views.Enumerator(one.name, one.value & U32) for one in values]


def without_flag(repairs: Repairs, violation: Violation, view: Any) -> None:
    """A signed enum for a kernel that takes no kind_flag; its values' words stay."""
    repairs.put(
        violation,
        evolve(view, values=_unsigned(view.values), signed=False),
        "has no kind_flag now",
        "that the values are signed",
    )


def _to_struct(repairs: Repairs, violation: Violation, view: Any) -> None:
    struct = views.Struct("", view.size)
    what = f"is an anonymous STRUCT of {view.size} bytes now"
    repairs.put(violation, struct, what, "that it is a floating-point number")


def drop_tag(repairs: Repairs, violation: Violation, view: Any) -> None:
    """A tag goes; what a type tag stood before takes its place."""
    if isinstance(view, views.TypeTag):
        repairs.draft.redirect(violation.type_id or 0, view.type_id)
        repairs.say(violation, "is dropped; references to it now go to its target", "the tag")
    else:
        repairs.draft.drop(violation.type_id or 0)
        repairs.say(violation, "is gone", "the tag")


def _drop(repairs: Repairs, violation: Violation, view: Any) -> None:
    repairs.draft.drop(violation.type_id or 0)
    repairs.say(violation, "is dropped", "where inlined functions find their parameters")


def _to_int(repairs: Repairs, violation: Violation, view: Any) -> None:
    # libbpf takes one byte, which fits wherever the variable's type did.
    what = "is an INT of 1 byte now"
    repairs.put(violation, views.Int(view.name, 1), what, "the variable's type and linkage")


def _section_to_struct(repairs: Repairs, violation: Violation, view: Any) -> None:
    draft = repairs.draft
    members = [
        views.Member(getattr(draft[one.type_id], "name", ""), one.type_id, 8 * one.offset)
        for one in view.variables
    ]
    name = view.name.replace(".", "_").replace("?", "_")
    what = "is a STRUCT now, with a member for each variable"
    repairs.put(violation, views.Struct(name, view.size, members), what, "that it is a section")


def _to_typedef(repairs: Repairs, violation: Violation, view: Any) -> None:
    typedef = views.Typedef(view.name, view.type_id)
    repairs.put(violation, typedef, "is a TYPEDEF now", "that it is a function")


def _proto_to_enum(repairs: Repairs, violation: Violation, view: Any) -> None:
    values = [
        views.Enumerator(one.name or f"arg{number}", number)
        for number, one in enumerate(view.params)
    ]
    enum = views.Enum("", WORD, values, signed=False)
    repairs.put(violation, enum, "is an ENUM of its parameters' names now", "what they are")


Lowering = Callable[[Repairs, Violation, Any], None]
LOWERED: dict[int, Lowering] = {
    Kind.ENUM64: to_enum_or_union,
    Kind.FLOAT: _to_struct,
    Kind.DECL_TAG: drop_tag,
    Kind.TYPE_TAG: drop_tag,
    Kind.VAR: _to_int,
    Kind.DATASEC: _section_to_struct,
    Kind.FUNC: _to_typedef,
    Kind.FUNC_PROTO: _proto_to_enum,
    Kind.LOC_PARAM: _drop,
    Kind.LOC_PROTO: _drop,
    Kind.LOCSEC: _drop,
}
