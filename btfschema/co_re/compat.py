"""When two types are alike: the three questions that CO-RE asks, each with its own rule.

- :func:`fields_alike`: may a field of this type be read where the program has that type?
- :func:`types_compatible`: is this the type that the program means (``bpf_core_type_exists``)?
- :func:`types_match`: has it all that the program knows of it (``bpf_core_type_matches``)?
"""

from __future__ import annotations

from collections.abc import Generator

from attrs import field, frozen

from btfschema.co_re.names import essential_name, same_essence
from btfschema.co_re.types import Types
from btfschema.errors import CoreError
from btfschema.model.views import Array, Float, FuncProto, Fwd, Int, Ptr, TypeView, Void
from btfschema.model.views.data import Composite, EnumBase

__all__ = ["fields_alike", "types_compatible", "types_match"]

# How deep libbpf follows pointers and arrays, and how deep prototypes and structs.
MAX_DEPTH = 32
MAX_LEVEL = 32


def fields_alike(local: Types, local_id: int, target: Types, target_id: int) -> bool:
    """Whether a field of the target can stand for the program's (``bpf_core_fields_are_compat``).

    Structs and unions are alike whatever they are called, pointers whatever they point to, and
    integers whatever their size and sign; enums need the same name or none; arrays are told by
    their elements.

    Raises:
        CoreError: arrays are nested too deep.
    """
    for _ in range(MAX_DEPTH):
        one, other = local.behind(local_id), target.behind(target_id)
        if isinstance(one, Composite) and isinstance(other, Composite):
            return True
        if not local.alike(one.kind, other.kind):
            return False
        if isinstance(one, Array) and isinstance(other, Array):
            local_id, target_id = one.type_id, other.type_id
            continue
        if isinstance(one, EnumBase | Fwd) and isinstance(other, EnumBase | Fwd):
            names = essential_name(one.name), essential_name(other.name)
            return "" in names or names[0] == names[1]
        if isinstance(one, Int) and isinstance(other, Int):
            return not one.bit_offset and not other.bit_offset
        return isinstance(one, Ptr | Float)
    raise _too_deep(local, local_id)


def _too_deep(types: Types, type_id: int) -> CoreError:
    what = types.btf.describe(type_id)
    message = f"types are nested deeper than {MAX_DEPTH} levels, at {what}"
    return CoreError(message, type_id=type_id, expected=f"at most {MAX_DEPTH} levels")


def types_compatible(local: Types, local_id: int, target: Types, target_id: int) -> bool:
    """Whether a target type is the one that the program means (``bpf_core_types_are_compat``).

    The caller has seen to the names. Kinds are compared through pointers, arrays and prototypes;
    structs, unions and enums are not looked into.

    Raises:
        CoreError: the types are nested too deep.
    """
    # All pairs must be alike; the first of them is looked at first, as far as it goes.
    waiting = [(local_id, target_id, MAX_DEPTH, MAX_LEVEL)]
    done: set[tuple[int, int]] = set()
    while waiting:
        local_id, target_id, depth, level = waiting.pop()
        if (local_id, target_id) in done:
            continue
        if not depth:
            raise _too_deep(local, local_id)
        done.add((local_id, target_id))
        one, other = local.behind(local_id), target.behind(target_id)
        if not local.alike(one.kind, other.kind):
            return False
        if isinstance(one, Int) and isinstance(other, Int):
            if one.bit_offset or other.bit_offset:
                return False
        elif isinstance(one, Ptr | Array) and isinstance(other, Ptr | Array):
            waiting.append((one.type_id, other.type_id, depth - 1, level))
        elif isinstance(one, FuncProto) and isinstance(other, FuncProto):
            if len(one.params) != len(other.params):
                return False
            if one.params and not level:
                raise _too_deep(local, local_id)
            waiting.append((one.type_id, other.type_id, depth - 1, level))
            waiting += [
                (param.type_id, its.type_id, MAX_DEPTH, level - 1)
                for param, its in zip(reversed(one.params), reversed(other.params), strict=True)
            ]
        elif not isinstance(one, Void | Composite | EnumBase | Fwd):
            return False
    return True


@frozen
class _Pair:
    """Two types to be compared."""

    local_id: int
    target_id: int
    behind_pointer: bool
    level: int = field(eq=False)


_Question = Generator[_Pair, bool, bool]


def types_match(local: Types, local_id: int, target: Types, target_id: int) -> bool:
    """Whether a target type has all that the program's has (``bpf_core_types_match``).

    The caller has seen to the names of typedefs at the root.

    Raises:
        CoreError: the types are nested too deep.
    """
    matcher = _Matcher(local, target)
    first = _Pair(local_id, target_id, False, MAX_LEVEL)
    # Questions that wait for the answers to others, instead of functions that call themselves.
    stack = [(first, matcher.ask(first))]
    known: dict[_Pair, bool] = {}
    answer: bool | None = None
    while stack:
        pair, question = stack[-1]
        try:
            wanted = next(question) if answer is None else question.send(answer)
        except StopIteration as stop:
            answer = known[pair] = bool(stop.value)
            stack.pop()
            continue
        answer = known.get(wanted)
        if answer is None:
            if wanted.level <= 0:
                raise _too_deep(local, wanted.local_id)
            stack.append((wanted, matcher.ask(wanted)))
    return bool(answer)


@frozen
class _Matcher:
    """Compares types of two containers."""

    local: Types
    target: Types

    def ask(self, pair: _Pair) -> _Question:
        """Whether two types match; yields the pairs that this depends on."""
        local_id, target_id, behind = pair.local_id, pair.target_id, pair.behind_pointer
        for _ in range(MAX_DEPTH):
            one, other = self.local.behind(local_id), self.target.behind(target_id)
            if not same_essence(_name(one), _name(other)):
                return False
            if isinstance(one, EnumBase):
                return isinstance(other, EnumBase) and _enums_match(one, other)
            if isinstance(one, Fwd):
                return _forward_matches(one, other, behind)
            if isinstance(one, Composite):
                if behind:
                    return one.kind == other.kind or (
                        isinstance(other, Fwd) and other.fwd_kind == one.kind
                    )
                if not isinstance(other, Composite) or one.kind != other.kind:
                    return False
                return (yield from self.members(one, other, pair))
            if one.kind != other.kind:
                return False
            if isinstance(one, FuncProto) and isinstance(other, FuncProto):
                if not (yield from self.params(one, other, behind, pair.level)):
                    return False
            elif isinstance(one, Array) and isinstance(other, Array):
                if one.nelems != other.nelems:
                    return False
            elif isinstance(one, Int) and isinstance(other, Int):
                return one.size == other.size and one.signed == other.signed
            elif isinstance(one, Ptr):
                behind = True
            else:
                return isinstance(one, Void)
            if not isinstance(other, Ptr | Array | FuncProto):
                return False
            local_id, target_id = one.type_id, other.type_id
        raise _too_deep(self.local, local_id)

    def members(self, one: Composite, other: Composite, pair: _Pair) -> _Question:
        """Whether each member has one of its name that matches."""
        if len(one.members) > len(other.members):
            return False
        for member in one.members:
            for its in other.members:
                if not same_essence(member.name, its.name):
                    continue
                inner = _Pair(member.type_id, its.type_id, pair.behind_pointer, pair.level - 1)
                if (yield inner):
                    break
            else:
                return False
        return True

    def params(self, one: FuncProto, other: FuncProto, behind: bool, level: int) -> _Question:
        """Whether there are as many parameters and each matches."""
        if len(one.params) != len(other.params):
            return False
        for param, its in zip(one.params, other.params, strict=True):
            if not (yield _Pair(param.type_id, its.type_id, behind, level - 1)):
                return False
        return True


def _name(view: TypeView) -> str:
    return "" if isinstance(view, Void) else str(getattr(view, "name", ""))


def _enums_match(one: EnumBase, other: EnumBase) -> bool:
    if one.size != other.size or len(one.values) > len(other.values):
        return False
    names = {essential_name(value.name) for value in other.values}
    return all(essential_name(value.name) in names for value in one.values)


def _forward_matches(one: Fwd, other: TypeView, behind: bool) -> bool:
    if isinstance(other, Fwd):
        return one.is_union == other.is_union
    return behind and other.kind == one.fwd_kind
