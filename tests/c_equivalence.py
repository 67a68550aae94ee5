"""Whether two containers say the same about the types that C text declares.

Both containers become one graph, whose nodes are types as C tells them apart. Nodes that say the
same are split by what they refer to until equal ones refer to equal ones; then each definition of
the one container must have its equal in the other. Nothing is matched by name alone, and nothing
recurses.

What C can't tell apart, or compilers write in other ways, is made alike:

- the words of a number's name (``long int``, ``long``), and whether a plain ``char`` has a sign,
  which is up to the target;
- the order of qualifiers, and whether an array or its elements have them;
- the type that indexes arrays, and the names of parameters, which compilers leave out;
- no parameters at all, and one of type ``void``; one that is an array, and a pointer;
- the numbers that a dump gives to the second holder of a name: what a type says tells it apart;
- a forward declaration, and the struct that the same text defines;
- enumerators beyond their lower 32 bits, and their sign: clang 14 keeps no more. The text of
  :func:`enumerator_assertions` has them compared whole.

What else gets lost on the way is listed by name: see :attr:`Declared.lost`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from refinement import refined

from btfschema import Btf, Kind, views

__all__ = ["Declared", "differences", "enumerator_assertions"]

QUALIFIERS = (Kind.CONST, Kind.VOLATILE, Kind.RESTRICT)
COMPOSITE = (Kind.STRUCT, Kind.UNION)
ENUMS = (Kind.ENUM, Kind.ENUM64)
# Kinds of which C declares nothing.
SILENT = (Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG)
BUILT_IN = "__builtin_va_list"
# A type as C sees it: its qualifiers, and the id of what has them.
Node = tuple[frozenset[str], int]
# In place of an array's qualifiers: it stands for a pointer to its elements.
DECAYED = frozenset({"DECAYED"})


def plain_name(name: str) -> str:
    """The name without the number that a C dump gives to the second holder of one."""
    return re.sub(r"___\d+$", "", name)


def word_of(view: Any) -> str:
    """What C calls a struct, union, enum, or one that is only declared."""
    if view.kind in ENUMS:
        return "enum"
    is_union = view.is_union if view.kind == Kind.FWD else view.kind == Kind.UNION
    return "union" if is_union else "struct"


def references(view: Any) -> Iterator[int]:
    """The ids that a type refers to in C, in order."""
    if view.kind in COMPOSITE:
        yield from (member.type_id for member in view.members)
    elif view.kind == Kind.FUNC_PROTO:
        yield view.type_id
        yield from (param.type_id for param in view.params)
    elif hasattr(view, "type_id"):
        yield view.type_id


class Declared:
    """The types that C text declares, and what each of them says.

    Args:
        btf: the container.
        roots: the ids that the text was asked for; None for all.

    Attributes:
        needed: the ids of all types that the text says more of than that they exist.
        lost: what C can't say or clang 14 doesn't keep: a reason, and what it is about.
    """

    def __init__(self, btf: Btf, roots: Iterable[int] | None = None) -> None:
        self.btf = btf
        self._views: dict[int, Any] = {}
        self.needed = self._reach(range(1, btf.end_id) if roots is None else roots)
        self._held: set[int] = set()
        self._tags: dict[tuple[str, str], list[int]] = {}
        for type_id in sorted(self.needed):
            view = self.view(type_id)
            self._held.update(references(view))
            if view.kind in COMPOSITE and view.name:
                self._tags.setdefault((word_of(view), view.name), []).append(type_id)
        # Which struct a forward declaration stands for, where the text defines several.
        self._meant: dict[tuple[str, str], int] = {}
        self.lost: set[tuple[str, str]] = set()

    def view(self, type_id: int) -> Any:
        """A type."""
        view = self._views.get(type_id)
        if view is None:
            view = self._views[type_id] = self.btf[type_id]
        return view

    def _reach(self, roots: Iterable[int]) -> set[int]:
        """What C needs; behind a pointer it only needs to know that a struct of a name exists."""
        todo = [(type_id, False) for type_id in roots if self.view(type_id).kind not in SILENT]
        seen = set(todo)
        defined = set()
        while todo:
            type_id, behind_ptr = todo.pop()
            view = self.view(type_id)
            if view.kind in COMPOSITE:
                if behind_ptr and view.name:
                    continue
                behind_ptr = False
            elif view.kind in (Kind.PTR, Kind.ARRAY):
                behind_ptr = view.kind == Kind.PTR
            defined.add(type_id)
            new = {(part, behind_ptr) for part in references(view)} - seen
            seen |= new
            todo += new
        return defined

    def definitions(self) -> list[int]:
        """Ids of all types that the text defines outside of others."""
        return [type_id for type_id in sorted(self.needed) if self._is_definition(type_id)]

    def _is_definition(self, type_id: int) -> bool:
        view = self.view(type_id)
        if view.kind == Kind.TYPEDEF:
            return bool(view.name != BUILT_IN)
        if view.kind in ENUMS and not view.name:
            return bool(view.values) and type_id not in self._held
        return view.kind in COMPOSITE + ENUMS and bool(view.name)

    def node(self, type_id: int, qualifiers: frozenset[str] = frozenset()) -> Node:
        """A type without what C doesn't tell apart."""
        view = self.view(type_id)
        while view.kind in QUALIFIERS or (view.kind == Kind.TYPEDEF and view.name == BUILT_IN):
            if view.kind in QUALIFIERS:
                qualifiers |= {Kind(view.kind).name}
            view = self.view(view.type_id)
        if view.kind == Kind.FUNC_PROTO and qualifiers:
            self.lost.add(("qualified function", self.btf.describe(view.id)))
            qualifiers = frozenset()
        type_id = view.id
        if view.kind == Kind.FWD:
            key = word_of(view), view.name
            if key in self._meant:
                self.lost.add(("which one is declared", view.name))
            type_id = self._meant.get(key, self._tags.get(key, [type_id])[0])
        return qualifiers, type_id

    def says(self, node: Node) -> tuple[Any, list[Node]]:
        """What a node says itself, and the nodes that it refers to, in order."""
        qualifiers, type_id = node
        view = self.view(type_id)
        if qualifiers == DECAYED:
            return ("PTR", ""), [self.node(view.type_id)]
        if view.kind == Kind.ARRAY:
            return ("ARRAY", view.nelems), [self.node(view.type_id, qualifiers)]
        if qualifiers:
            return qualifiers, [(frozenset(), type_id)]
        name = plain_name(getattr(view, "name", ""))
        if view.kind == Kind.FWD or (view.kind in COMPOSITE and type_id not in self.needed):
            return ("declared", word_of(view), name), []
        if view.kind in COMPOSITE:
            members = tuple((m.name, m.bit_offset, m.bitfield_size) for m in view.members)
            says = (word_of(view), name, view.size, members)
            return says, [self._member_node(name, member) for member in view.members]
        if view.kind in ENUMS:
            if not view.values:
                return ("declared", "enum", name), []
            values = tuple((plain_name(v.name), v.value & 0xFFFFFFFF) for v in view.values)
            if view.signed and all(v.value >= 0 for v in view.values):
                self.lost.add(("signed enum without negative values", name))
            return ("enum", name, view.size, values), []
        parts = [self.node(part) for part in references(view)]
        if view.kind == Kind.FUNC_PROTO:
            if [param.type_id for param in view.params] == [0]:
                parts.pop()
            arrays = {part for part in parts if self.view(part[1]).kind == Kind.ARRAY}
            parts = [(DECAYED, part[1]) if part in arrays else part for part in parts]
        return self._says_plain(view, name), parts

    def _member_node(self, holder: str, member: views.Member) -> Node:
        """A member's type; clang doesn't keep what a struct without a name is qualified with."""
        qualifiers, type_id = self.node(member.type_id)
        if qualifiers and not member.name and self.view(type_id).kind in COMPOSITE:
            self.lost.add(("qualified member without a name", holder))
            qualifiers = frozenset()
        return qualifiers, type_id

    def _says_plain(self, view: Any, name: str) -> tuple[Any, ...]:
        if view.kind == Kind.INT:
            words = name.split()
            short = " ".join(sorted(word for word in words if word != "int" or len(words) == 1))
            encoding = view.encoding & ~views.IntEncoding.CHAR if short != "char" else 0
            return "INT", short, view.size, view.bits, int(encoding)
        if view.kind == Kind.FLOAT:
            return "FLOAT", name, view.size
        return Kind(view.kind).name, name

    def resolve_like(self, back: Declared) -> None:
        """Let forward declarations stand for the struct that they stand for in compiled C.

        Where several structs have the name, it is the one that kept it without a number.
        """
        for (word, name), ids in self._tags.items():
            kept = back._tags.get((word, name))
            if len(ids) > 1 and kept:
                wanted = back.says((frozenset(), kept[0]))[0]
                like = [i for i in ids if self.says((frozenset(), i))[0] == wanted]
                self._meant[word, name] = (like or ids)[0]


class Comparison:
    """Two declared sets of types as one graph.

    Args:
        sides: the original, and what became of it.
    """

    def __init__(self, *sides: Declared) -> None:
        self._sides = sides
        self._definitions = [side.definitions() for side in sides]
        self._numbers: dict[tuple[int, Node], int] = {}
        todo = [
            (at, (frozenset[str](), type_id))
            for at, ids in enumerate(self._definitions)
            for type_id in ids
        ]
        self._numbers.update(zip(todo, range(len(todo)), strict=True))
        said: dict[Any, int] = {}
        classes: list[int] = []
        links: list[tuple[int, int, int]] = []
        for number, (at, node) in enumerate(todo):
            says, parts = sides[at].says(node)
            classes.append(said.setdefault((says, len(parts)), len(said)))
            for place, part in enumerate(parts):
                key = at, part
                if key not in self._numbers:
                    self._numbers[key] = len(todo)
                    todo.append(key)
                links.append((number, place, self._numbers[key]))
        columns = np.array(links, np.int64).reshape(-1, 3).T
        self.said = np.array(classes, np.int64)
        self.refined = refined(self.said, *columns)

    def unmatched(self, classes: Any) -> Iterator[str]:
        """The definitions of one side that are in a class in which the other has fewer."""
        by_side = [
            [classes[self._numbers[at, (frozenset(), type_id)]] for type_id in ids]
            for at, ids in enumerate(self._definitions)
        ]
        counts = [Counter(found) for found in by_side]
        for at, what in ((0, "lost"), (1, "new")):
            surplus = counts[at] - counts[1 - at]
            for type_id, number in zip(self._definitions[at], by_side[at], strict=True):
                if surplus[number]:
                    yield f"{what}: {self._sides[at].btf.describe(type_id)}"


def differences(ours: Declared, back: Declared) -> list[str]:
    """The definitions that only one side has; first those that differ themselves.

    Args:
        ours: what the C text was made of.
        back: what a compiler made of the text.
    """
    ours.resolve_like(back)
    compared = Comparison(ours, back)
    lines = [*compared.unmatched(compared.said), *compared.unmatched(compared.refined)]
    return list(dict.fromkeys(lines))


def enumerator_assertions(declared: Declared) -> str:
    """C that asserts the whole values of enumerators.

    Those that share a name can't be told apart. If their values differ and need more than the
    lower 31 bits, they are lost.
    """
    types = [declared.view(type_id) for type_id in declared.needed]
    typedefs = {view.name for view in types if view.kind == Kind.TYPEDEF}
    values: dict[str, list[int]] = {}
    for value in (value for view in types if view.kind in ENUMS for value in view.values):
        values.setdefault(value.name, []).append(value.value)
    lines = []
    for name, held in values.items():
        value = held[0]
        if name not in typedefs and held.count(value) == len(held):
            suffix = "ULL" if value >> 63 == 1 else "LL"
            names = [name, *(f"{name}___{number}" for number in range(2, len(held) + 1))]
            lines += [f'_Static_assert({each} == {value}{suffix}, "{each}");\n' for each in names]
        elif any(value >> 31 for value in held):
            declared.lost.add(("enumerator that shares a name", name))
    return "".join(lines)
