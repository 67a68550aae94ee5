"""How libbpf spells a type in the cast before a value (``btf_dump_emit_type_cast``).

No qualifiers and no tags; of what has no name, just the word. An array is ``int[3]``, a pointer to
a function ``void (*)(int)``.
"""

from __future__ import annotations

from typing import Any

from btfschema.errors import UnresolvedError
from btfschema.escapes import printable
from btfschema.model.views import TypeView
from btfschema.schema.constraints import Graph, NameRule
from btfschema.schema.parts import parts_of_plan
from btfschema.values.layouts import Layouts

__all__ = ["cast_of"]

MOST_PROTOTYPES = 16
"""How deep prototypes may stand in the parameters of prototypes."""

MOST_CHARACTERS = 1 << 14


def cast_of(layouts: Layouts, type_id: int, count: int | None = None) -> str:
    """The spelling of a type, without parentheses around it.

    Args:
        layouts: the container's layouts.
        type_id: the type.
        count: spell an array of so many of it.

    Raises:
        UnresolvedError: it has no spelling, as its references run in a circle or too far.
    """
    known = layouts.forms(cast_of)
    found: str | None = known.get((type_id, count))
    if found is None:
        of = "" if count is None else f"[{count}]"
        found = known[type_id, count] = _spelled(layouts, type_id, of, 0)
    return found


def _spelled(layouts: Layouts, type_id: int, text: str, depth: int) -> str:
    """The declaration of a name, or of nothing: built from the name outwards."""
    btf, start, seen = layouts.btf, type_id, set[int]()
    parts = parts_of_plan(btf.types.plan)
    named = bool(text) and not text.startswith("[")
    while True:
        if type_id in seen or depth > MOST_PROTOTYPES or len(text) > MOST_CHARACTERS:
            raise UnresolvedError(f"{btf.describe(start)} has no end in C", type_id=start)
        seen.add(type_id)
        view: Any = btf[type_id]
        graph, name_rule = _wants(layouts, view)
        if graph is Graph.POINTER:
            text = f"*{text}"
        elif view.kind in parts.arrays:
            text = f"{_inner(text, '(')}[{view.nelems}]"
        elif view.kind in parts.prototypes:
            text = f"{_inner(text, ' (')}({_params(layouts, view, depth)})"
        elif graph is not Graph.MODIFIER or name_rule is NameRule.IDENTIFIER:
            return _joined(_word(layouts, view), text, named=named)
        type_id = view.type_id


def _wants(layouts: Layouts, view: TypeView) -> tuple[Graph | None, NameRule | None]:
    spec = layouts.btf.kinds.get(view.kind)
    if spec is None:
        return None, None
    return spec.graph, spec.constraints.name if spec.constraints is not None else None


def _inner(text: str, opening: str) -> str:
    """What an array or a function is declared around, in parentheses when it is a pointer."""
    return f"{opening}{text})" if text.startswith("*") else text


def _joined(word: str, text: str, *, named: bool) -> str:
    space = " " if text[:1] == "*" or (named and text[:1] != " ") else ""
    return f"{word}{space}{text}"


def _params(layouts: Layouts, view: Any, depth: int) -> str:
    params = list(view.params)
    if not params or (len(params) == 1 and not params[0].type_id):
        return "void"
    variadic = not params[-1].type_id
    if variadic:
        params.pop()
    texts = [_spelled(layouts, one.type_id, printable(one.name), depth + 1) for one in params]
    return ", ".join([*texts, "..."] if variadic else texts)


def _word(layouts: Layouts, view: Any) -> str:
    """The type that a declaration ends in."""
    parts = parts_of_plan(layouts.btf.types.plan)
    word = layouts.btf.kinds.name(getattr(view, "fwd_kind", view.kind)).lower()
    if view.kind in parts.enums:
        word = "enum"
    elif view.kind not in parts.composites | parts.declarations:
        return printable(view.name)
    return f"{word} {printable(view.name)}" if view.name else word
