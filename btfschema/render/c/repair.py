"""C for any types: what C can't say is changed until it can, as little as possible.

Sound types stay as they are. Of the others names become names, members come in order, members that
overlap become a union's, and what can't be said at all is left out and named.
"""

from __future__ import annotations

from btfschema.render.c.columns import COMPOSITE, ENUMS, KNOWN, TypeColumns
from btfschema.render.c.draft import Draft
from btfschema.render.c.judge import Judge
from btfschema.render.c.numbers import spell_numbers
from btfschema.render.c.reshape import Reshaper
from btfschema.render.c.words import BUILT_IN, plain_name

__all__ = ["IN_SCOPE", "repaired", "tag_word"]

# What a type in a declaration leads to in the same scope; a prototype's parameters have their own.
IN_SCOPE = (KNOWN.chained | KNOWN.pointers | KNOWN.prototypes) - KNOWN.typedefs
DECLARED = KNOWN.declarations | KNOWN.typedefs | KNOWN.functions | KNOWN.variables


def repaired(source: TypeColumns) -> TypeColumns:
    """Types that C can declare, with notes on what became of those that it can't.

    Args:
        source: any types; they stay as they are.
    """
    draft = Draft(source)
    spell_numbers(draft)
    _fit_enumerators(draft)
    _name_types(draft)
    _name_params(draft)
    judge = Judge(draft)
    judge.judge_all()
    Reshaper(draft, judge).reshape()
    return draft.finish()


def tag_word(types: TypeColumns, type_id: int) -> str:
    """``struct``, ``union`` or ``enum``; "" for what is none of them."""
    kind = types.kinds[type_id]
    if kind in ENUMS:
        return "enum"
    if kind in KNOWN.declarations:
        return "union" if types.flags[type_id] else "struct"
    if kind in COMPOSITE:
        return "union" if kind in KNOWN.unions else "struct"
    return ""


def is_forward(types: TypeColumns, type_id: int) -> bool:
    """Whether a type only says that there is one of its name."""
    kind = types.kinds[type_id]
    return kind in KNOWN.declarations or (kind in ENUMS and not types.vlens[type_id])


def _name_types(draft: Draft) -> None:
    """Give names that C takes to all that is declared by name."""
    types = draft.types
    words: dict[str, set[str]] = {}
    for type_id in range(1, draft.source.count):
        word, name = tag_word(types, type_id), types.names[type_id]
        if word and name:
            words.setdefault(name, set()).add(word)
    forwards: dict[tuple[str, str], str] = {}
    for type_id in range(1, draft.source.count):
        kind, name = types.kinds[type_id], types.names[type_id]
        if kind in DECLARED or (name and (kind in COMPOSITE or kind in ENUMS)):
            if kind in KNOWN.typedefs and name == BUILT_IN:
                continue
            given = draft.named(name)
            if name and len(words.get(name, ())) > 1 and is_forward(types, type_id):
                # C has one name space for structs, unions and enums.
                key = tag_word(types, type_id), name
                given = forwards.setdefault(key, "") or draft.fresh(f"{given}___fwd")
                forwards[key] = given
            if given != name:
                types.names[type_id] = given
                described = draft.source.describe(type_id)
                types.real_names[type_id] = described if name else f"{described}, without a name"


def _fit_enumerators(draft: Draft) -> None:
    """Name the values of enums, and leave out those that the enum's size doesn't hold."""
    source, types = draft.source, draft.types
    for wide in (False, True):
        all_names, all_values = source.values64 if wide else source.values
        names: list[str] = []
        values: list[int] = []
        for type_id in range(1, source.count):
            kind = source.kinds[type_id]
            if kind not in ENUMS or (kind in KNOWN.wide_enums) != wide:
                continue
            bits, signed = min(8 * source.sizes[type_id], 64), bool(source.flags[type_id])
            first = source.firsts[type_id]
            types.firsts[type_id] = len(names)
            for at in range(first, first + source.vlens[type_id]):
                value = all_values[at]
                if _fits(value, bits, signed, wide):
                    names.append(draft.commented(all_names[at], "unnamed_value"))
                    values.append(value)
                else:
                    name = all_names[at] or "a value without a name"
                    draft.remark(type_id, f"{name} = {value}, which it has no room for")
            types.vlens[type_id] = len(names) - types.firsts[type_id]
        if wide:
            types.values64 = names, values
        else:
            types.values = names, values


def _fits(value: int, bits: int, signed: bool, wide: bool) -> bool:
    """Whether an enum of so many bits holds a value, as the columns have it."""
    if wide and signed:
        value -= value >> 63 << 64
    elif not wide and not signed:
        value &= 0xFFFFFFFF
    if not bits:
        return True
    return -(1 << bits - 1) <= value < 1 << bits - 1 if signed else value < 1 << bits


def _name_params(draft: Draft) -> None:
    """Name parameters, which hide typedefs of their names from those that follow.

    They share a scope with the values of enums that are defined among them.
    """
    types = draft.types
    names, ids = types.params
    names = list(names)
    for type_id in range(1, draft.source.count):
        if types.kinds[type_id] not in KNOWN.prototypes:
            continue
        first = types.firsts[type_id]
        used = _values_among(draft, ids[first : first + types.vlens[type_id]])
        for at in reversed(range(first, first + types.vlens[type_id])):
            if names[at]:
                name = draft.commented(names[at])
                names[at] = "" if plain_name(name) in used else name
                used.add(plain_name(name))
            end = ids[at]
            for _ in range(types.count):
                if types.kinds[end] not in KNOWN.chained | KNOWN.pointers:
                    break
                if types.kinds[end] in KNOWN.typedefs:
                    used.add(types.names[end])
                    break
                end = types.targets[end]
    types.params = names, ids


def _values_among(draft: Draft, params: list[int]) -> set[str]:
    """The values of the enums without a name that the types of parameters define in place."""
    types, found, seen, todo = draft.types, set[str](), set[int](), list(params)
    while todo:
        type_id = todo.pop()
        kind = types.kinds[type_id]
        if type_id in seen or kind in KNOWN.typedefs:
            continue
        seen.add(type_id)
        draft.spend(1)
        if kind in IN_SCOPE:
            todo.append(types.targets[type_id])
        elif types.names[type_id]:
            continue
        elif kind in COMPOSITE:
            todo += [part.type_id for part in draft.parts[type_id]]
        elif kind in ENUMS:
            names, _ = types.values64 if kind in KNOWN.wide_enums else types.values
            first = types.firsts[type_id]
            found.update(map(plain_name, names[first : first + types.vlens[type_id]]))
    return found
