"""Repairs of single records, each named after the rule that it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from btfschema.errors import BtfError, counted
from btfschema.model import views
from btfschema.schema.constraints import NameRule
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import U32_MAX
from btfschema.verification.repairs.changes import Repairs
from btfschema.verification.repairs.lowering import (
    drop_tag,
    lower,
    to_enum_or_union,
    without_flag,
)
from btfschema.verification.repairs.standins import (
    array_of_bytes,
    moved_tags,
    some_type,
    to_typedef,
    without_members,
    without_parts,
)
from btfschema.verification.rules import RULES
from btfschema.verification.violations import Violation

__all__ = ["REPAIRS", "Repair"]

Repair = Callable[[Repairs, Violation, Any], bool]
"""Repairs a type, given the violation and the type's view as it stands; False when it can't."""

LARGEST_INT = 16


def _rewritten(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """The record without the bits that mean nothing: a view does not hold them."""
    repairs.put(violation, view, "its reserved bits are 0 now")
    return True


def _info(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A kernel before kind_flag: bit fields become integers of their width."""
    limit = 1 << repairs.kernel.info.fields["vlen"][1]
    if isinstance(view, views.Struct | views.Union) and len(view.members) < limit:
        members = [_old_bit_field(repairs, member) for member in view.members]
        flat = evolve(view, members=members, kind_flag=False)
        repairs.put(violation, flat, "its bit fields are integers of their width now")
        return True
    if isinstance(view, views.Fwd):
        forward = views.Fwd(view.name)
        repairs.put(violation, forward, "is a forward declaration of a struct now", "the union")
        return True
    if isinstance(view, views.Enum) and view.signed:
        without_flag(repairs, violation, view)
        return True
    return violation.kind not in ("STRUCT", "UNION", "ENUM") and lower(repairs, violation, view)


def _old_bit_field(repairs: Repairs, member: views.Member) -> views.Member:
    if not member.bitfield_size:
        return member
    draft, type_id = repairs.draft, member.type_id
    view: Any = draft[type_id]
    while isinstance(view, views.Typedef | views.Const | views.Volatile):
        view = draft[view.type_id]
    signed = bool(getattr(view, "signed", False))
    encoding = views.IntEncoding.SIGNED if signed else views.IntEncoding.NONE
    size = getattr(view, "size", 4)
    integer = views.Int(getattr(view, "name", ""), size, encoding, member.bitfield_size)
    return views.Member(member.name, draft.add(integer), member.bit_offset)


def _vlen(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if not isinstance(view, views.Func):
        return _rewritten(repairs, violation, view)
    knows = repairs.kernel.narrower.get(Kind.FUNC, {}).get("max_vlen", 1)
    linkage = views.Linkage.GLOBAL if knows else views.Linkage.STATIC
    lost = f"that its linkage is {int(view.linkage)}" if not knows else ""
    what = f"is a {linkage.name.lower()} function now"
    repairs.put(violation, evolve(view, linkage=linkage), what, lost)
    return True


def _kind_flag(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if isinstance(view, views.DeclTag | views.TypeTag):
        drop_tag(repairs, violation, view)
    elif isinstance(view, views.Enum | views.Enum64):
        without_flag(repairs, violation, view)
    else:
        return _rewritten(repairs, violation, view)
    return True


def _name(repairs: Repairs, violation: Violation, view: Any) -> bool:
    plan = repairs.draft.btf.types.plan.kinds[view.kind]
    wants = plan.spec.constraints if plan.spec is not None else None
    if wants is None:
        return False
    if wants.name is NameRule.NONE:
        repairs.put(violation, evolve(view, name=""), "has no name now", "the name")
    elif wants.name is NameRule.TEXT:
        drop_tag(repairs, violation, view)
    else:
        name = repairs.identifier(view.name) if view.name else f"unnamed_{violation.type_id}"
        repairs.put(violation, evolve(view, name=name), f'is called "{name}" now')
    return True


def _element_names(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """The names of members, enumerators or parameters."""
    plan = repairs.draft.btf.types.plan.kinds[view.kind]
    if plan.spec is None:
        return False
    parts = list(getattr(view, plan.spec.elements))
    for one in repairs.group:
        number = one.member or 0
        old = parts[number].name
        new = repairs.identifier(old) if old else f"{plan.spec.element_name}{number}"
        parts[number] = evolve(parts[number], name=new)
        repairs.say(one, f'{plan.spec.element_name} {number}, "{old}", is called "{new}" now')
    repairs.replace(violation, evolve(view, **{plan.spec.elements: parts}))
    return True


def _size_word(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if isinstance(view, views.Enum | views.Enum64):
        if not view.size:
            whole = evolve(view, size=4 if isinstance(view, views.Enum) else 8)
            repairs.put(violation, whole, f"has {whole.size} bytes now, as enums have in C")
        elif view.size in (1, 2, 4, 8):
            to_enum_or_union(repairs, violation, view)
        else:
            return False
        return True
    if isinstance(view, views.Datasec):
        return _section(repairs, violation, view)
    return lower(repairs, violation, view)


def _value(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if not isinstance(view, views.Var):
        return False
    whole = evolve(view, linkage=views.Linkage.GLOBAL)
    repairs.put(violation, whole, "is a global variable now", "that it is defined elsewhere")
    return True


def _int(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if view.size > LARGEST_INT:
        struct = views.Struct("", view.size)
        what = f"is an anonymous STRUCT of {view.size} bytes now"
        repairs.put(violation, struct, what, f"that it is an integer, {view.name}")
        return True
    if not view.size:
        return False
    bits = min(view.bits, 8 * view.size)
    whole = evolve(view, bits=bits, bit_offset=min(view.bit_offset, 8 * view.size - bits))
    lost = f"{view.bits - bits} of {view.bits} bits" if bits < view.bits else ""
    repairs.put(violation, whole, f"has {counted(bits, 'bit')} at bit {whole.bit_offset} now", lost)
    return True


def _encoding(repairs: Repairs, violation: Violation, view: Any) -> bool:
    encoding = view.encoding & views.IntEncoding.SIGNED
    what = "is a plain signed integer now" if encoding else "is an unsigned integer now"
    repairs.put(violation, evolve(view, encoding=encoding), what, f"{view.encoding!r}")
    return True


def _in_order(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """Members by offset, in a struct; what tags say of members follows."""
    order = sorted(range(len(view.members)), key=lambda number: view.members[number].bit_offset)
    members = [view.members[number] for number in order]
    what, lost = "its members are sorted by offset now", ""
    if isinstance(view, views.Union):
        what, lost = "is a STRUCT now, since its members start at different places", "the union"
    repairs.put(violation, views.Struct(view.name, view.size, members), what, lost)
    moved_tags(repairs, violation, {old: new for new, old in enumerate(order)})
    return True


def _section(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """A section from its object's symbols, or from what its variables say."""
    if not view.variables:
        repairs.draft.drop(violation.type_id or 0)
        repairs.say(violation, "is gone, as it is empty", "the section")
        return True
    found: list[views.VarSecinfo] = []
    variables = [_at_symbol(repairs, view.name, one) for one in view.variables]
    for one in sorted(variables, key=lambda one: one.offset):
        size = one.size or _size_of(repairs, repairs.target_of(one.type_id))
        if not size or (found and one.offset < found[-1].offset + found[-1].size):
            return False
        found.append(evolve(one, size=size))
    size = max(view.size, found[-1].offset + found[-1].size)
    if size > U32_MAX or (size, tuple(found)) == (view.size, view.variables):
        return False
    whole = evolve(view, size=size, variables=found)
    repairs.put(violation, whole, f"has {size} bytes and its variables sorted now")
    return True


def _at_symbol(repairs: Repairs, section: str, entry: Any) -> Any:
    """A variable where its symbol is, if the object has one of its name in the section."""
    file = repairs.draft.btf.object_file
    name = getattr(repairs.draft[entry.type_id], "name", "")
    for symbol in file.symbols if file is not None else ():
        if (symbol.name, symbol.section) == (name, section) and symbol.type == "object":
            return evolve(entry, offset=symbol.value)
    return entry


def _size_of(repairs: Repairs, type_id: int) -> int:
    try:
        return repairs.draft.btf.sizeof(type_id)
    except BtfError:
        return 0


def _variables(repairs: Repairs, violation: Violation, view: Any) -> bool:
    """Variables' places of their types' sizes, where the next ones leave room for that."""
    parts, done = list(view.variables), False
    for one in repairs.group:
        number = one.member or 0
        size = _size_of(repairs, repairs.target_of(parts[number].type_id))
        end = parts[number + 1].offset if number + 1 < len(parts) else view.size
        if size and parts[number].offset + size <= end:
            parts[number] = evolve(parts[number], size=size)
            repairs.say(one, f"variable {number} has the {size} bytes of its type now")
            done = True
    repairs.replace(violation, evolve(view, variables=parts))
    return done


def _drop(repairs: Repairs, violation: Violation, view: Any) -> bool:
    drop_tag(repairs, violation, view)
    return True


def _target(repairs: Repairs, violation: Violation, view: Any) -> bool:
    if isinstance(view, views.DeclTag):
        return _drop(repairs, violation, view)
    if isinstance(view, views.Var):
        return some_type(repairs, violation, view)
    return without_parts(repairs, violation, view)


def _to_prototype(repairs: Repairs, violation: Violation, view: Any) -> bool:
    function: Any = repairs.draft[view.type_id]
    whole = evolve(view, type_id=function.type_id)
    repairs.put(violation, whole, f"refers to the prototype of {function.name} now")
    return True


def _parameters(repairs: Repairs, violation: Violation, view: Any) -> bool:
    prototype: Any = repairs.draft[view.type_id]
    params = [
        evolve(one, name=f"arg{number}") if one.type_id and not one.name else one
        for number, one in enumerate(prototype.params)
    ]
    if view.type_id < repairs.draft.btf.first_id:
        return False
    repairs.draft[view.type_id] = evolve(prototype, params=params)
    repairs.say(violation, "its unnamed parameters are arg0, arg1, ... now")
    return True


def _varargs(repairs: Repairs, violation: Violation, view: Any) -> bool:
    params = list(view.params)
    params[-1] = evolve(params[-1], name="")
    repairs.put(violation, evolve(view, params=params), "its last parameter has no name now")
    return True


def _tag_order(repairs: Repairs, violation: Violation, view: Any) -> bool:
    target: Any = repairs.draft[view.type_id]
    tags = []
    target_id, seen = view.type_id, {violation.type_id}
    while isinstance(target, views.TypeTag) and target_id not in seen:
        seen.add(target_id)
        tags.append(target.name)
        target_id = target.type_id
        target = repairs.draft[target_id]
    if target_id in seen:
        return False
    whole = evolve(view, type_id=target_id)
    repairs.put(violation, whole, "skips the type tags that follow it now", ", ".join(tags))
    return True


REPAIRS: dict[str, Repair] = {
    "record.kernel_kind": lower,
    "record.kind": lower,
    "record.info": _info,
    "record.vlen": _vlen,
    "record.kind_flag": _kind_flag,
    "record.name": _name,
    "record.size_word": _size_word,
    "record.unused": _rewritten,
    "record.value": _value,
    "element.name": _element_names,
    "int.reserved": _rewritten,
    "int.bits": _int,
    "int.size": _int,
    "int.encoding": _encoding,
    "union.offset": _in_order,
    "member.order": _in_order,
    "datasec.offset": _section,
    "datasec.size": _section,
    "datasec.end": _section,
    "datasec.sum": _section,
    "datasec.variable": _variables,
    "tag.component": _drop,
    "tag.target": _drop,
    "tag.order": _tag_order,
    "func.prototype": to_typedef,
    "reference.target": _target,
    "reference.function": _to_prototype,
    "func.parameters": _parameters,
    "param.varargs": _varargs,
    "array.element": array_of_bytes,
    **dict.fromkeys(
        (
            "member.start",
            "member.end",
            "member.alignment",
            "member.integer",
            "member.bitfield",
            "member.bits",
            "graph.loop",
        ),
        without_parts,
    ),
    **dict.fromkeys(
        (rule for rule in RULES if rule.startswith("field.")),
        without_members,
    ),
}
