"""Types in C's words, for many at once: ``const struct file *``, ``int (*)(struct sk_buff *)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btfschema.schema.kinds import Kind

if TYPE_CHECKING:
    from btfschema.questions.catalog import Catalog

__all__ = ["Declarator", "Speller", "joined"]

# What stands before the name that would be declared, what stands after it, and what it is.
Declarator = tuple[str, str, str]

# A type that takes more characters is told by its id.
LONGEST = 400

VOID: Declarator = ("void", "", "")
QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}


def joined(declarator: Declarator, name: str = "") -> str:
    """A declaration of ``name``, or the type alone."""
    left, right, _ = declarator
    if name:
        return f"{left}{'' if left.endswith('*') else ' '}{name}{right}"
    return f"{left} {right}" if right.startswith("(") else left + right


class Speller:
    """Spells the types of a catalog, each once.

    Args:
        catalog: the types.
    """

    # Of each prototype's row, names and types of the parameters.
    params: dict[int, list[tuple[str, int]]]

    def __init__(self, catalog: Catalog) -> None:
        self.first = catalog.first_id
        self._catalog = catalog
        self._parts = catalog.parts
        self._kinds = catalog.kinds.tolist()
        self._targets = catalog.targets.tolist()
        self._counts = catalog.counts.tolist()
        self._names = catalog.names
        self._flags = catalog.table.kind_flags.tolist()
        self._known: list[Declarator | None] = [None] * len(catalog)
        self.params = _params(catalog)
        parts = self._parts
        wrapping = parts.modifiers - parts.typedefs | parts.pointers | parts.arrays
        self._wrapping = wrapping | parts.functions | parts.variables

    def of(self, type_id: int) -> Declarator:
        """A type of the chain."""
        if type_id < self.first:
            return self._from_base(type_id)
        known = self._known[type_id - self.first]
        return known if known is not None else self._spell(type_id)

    def _from_base(self, type_id: int) -> Declarator:
        base = self._catalog.base
        while base is not None and type_id < base.first_id:
            base = base.base
        if type_id == 0 or base is None:
            return VOID
        return base.speller.of(type_id)

    def _needs(self, row: int) -> list[int]:
        """The types that one is spelled with."""
        kind = self._kinds[row]
        if kind in self._wrapping:
            return [self._targets[row]]
        if kind in self._parts.prototypes:
            return [self._targets[row], *[type_id for _, type_id in self.params[row]]]
        return []

    def _spell(self, type_id: int) -> Declarator:
        first, known = self.first, self._known
        needs = self._needs(type_id - first)
        if all(one < first or known[one - first] is not None for one in needs):
            # As most are, in the order of their ids.
            made = known[type_id - first] = self._made(type_id - first)
            return made
        stack, entered = [type_id], set[int]()
        while stack:
            row = stack[-1] - first
            if known[row] is not None:
                stack.pop()
                continue
            missing = []
            if row not in entered:
                entered.add(row)
                missing = [
                    one
                    for one in self._needs(row)
                    if one >= first and known[one - first] is None and one - first not in entered
                ]
            if missing:
                stack += missing
                continue
            stack.pop()
            known[row] = self._made(row)
        return known[type_id - first] or VOID

    def _part(self, type_id: int) -> Declarator:
        """A type that another is spelled with; one that is being spelled itself is its id."""
        if type_id < self.first:
            return self._from_base(type_id)
        return self._known[type_id - self.first] or (f"[{type_id}]", "", "")

    def _made(self, row: int) -> Declarator:
        parts, kind = self._parts, self._kinds[row]
        name = self._names[row]
        if kind in self._wrapping:
            made = self._wrapped(kind, name, self._part(self._targets[row]), self._counts[row])
        elif kind in parts.prototypes:
            left, right, _ = self._part(self._targets[row])
            made = (left, f"({self._listed(row)}){right}", "proto")
        else:
            made = (self._base(row, kind, name), "", "")
        if len(made[0]) + len(made[1]) > LONGEST:
            return (f"[{row + self.first}]", "", "")
        return made

    def _wrapped(self, kind: int, name: str, part: Declarator, count: int) -> Declarator:
        parts = self._parts
        left, right, what = part
        if kind in parts.pointers:
            if what in ("array", "proto"):
                return f"{left} (*", f"){right}", "pointer"
            return left + ("*" if left.endswith("*") else " *"), right, "pointer"
        if kind in parts.arrays:
            return left, f"[{count}]{right}", "array"
        if kind in parts.functions or kind in parts.variables:
            return part
        if kind in parts.type_tags:
            return f'{left} __attribute__((btf_type_tag("{name}")))', right, what
        word = QUALIFIERS.get(Kind(kind), name) if kind in QUALIFIERS else name
        if what == "pointer":
            return f"{left} {word}", right, what
        repeated = left.startswith(f"{word} ") and kind not in parts.typedefs
        return (left if repeated else f"{word} {left}"), right, what

    def _listed(self, row: int) -> str:
        """The parameters of a prototype."""
        params = self.params[row]
        if not params:
            return "void"
        texts = []
        for number, (_, type_id) in enumerate(params):
            if not type_id and number == len(params) - 1:
                texts.append("...")
                continue
            texts.append(joined(self._part(type_id)))
        text = ", ".join(texts)
        return text if len(text) <= LONGEST else "..."

    def _base(self, row: int, kind: int, name: str) -> str:
        parts = self._parts
        if kind in parts.composites:
            return f"{'union' if kind in parts.unions else 'struct'} {name or '{...}'}"
        if kind in parts.enums:
            return f"enum {name or '{...}'}"
        if kind in parts.declarations:
            return f"{'union' if self._flags[row] else 'struct'} {name}"
        return name or f"[{row + self.first}]"


def _params(catalog: Catalog) -> dict[int, list[tuple[str, int]]]:
    """Names and types of the parameters of each prototype's row."""
    found: dict[int, list[tuple[str, int]]] = {}
    for group in catalog.elements_of(catalog.parts.prototypes):
        names = catalog.btf.strings.names(group.column("name_off"))
        types = group.column("type_id").tolist()
        at = 0
        for row, count in zip(group.rows.tolist(), group.counts.tolist(), strict=True):
            found[row] = list(zip(names[at : at + count], types[at : at + count], strict=True))
            at += count
    return found
