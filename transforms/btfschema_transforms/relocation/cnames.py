"""A type in C's words, such as ``struct dev_pin_info *``, for messages."""

from __future__ import annotations

from typing import Any

from btfschema import Btf, Kind
from btfschema.escapes import printable

__all__ = ["c_name"]

QUALIFIERS = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}
TAGS = {
    Kind.STRUCT: "struct",
    Kind.UNION: "union",
    Kind.ENUM: "enum",
    Kind.ENUM64: "enum",
}

# Layers of pointers, arrays and the like that a name shows; the rest stands there as an id.
LAYERS = 16


def c_name(btf: Btf, type_id: int) -> str:
    """Name a type as C would, without its members or parameters.

    Unnamed structs show as ``struct {...}``, functions as ``int (*)(...)``.
    """
    declarator, qualifiers = "", ""
    seen: set[int] = set()
    view: Any = btf[type_id]
    while view.id not in seen and len(seen) < LAYERS:
        seen.add(view.id)
        kind = view.kind
        if kind in QUALIFIERS:
            qualifiers = f"{QUALIFIERS[kind]} {qualifiers}"
        elif kind == Kind.PTR:
            declarator = f"*{qualifiers}{declarator}"
            qualifiers = ""
        elif kind == Kind.ARRAY:
            declarator = f"{_grouped(declarator)}[{view.nelems}]"
        elif kind == Kind.FUNC_PROTO:
            declarator = f"{_grouped(declarator)}(...)"
        elif kind != Kind.TYPE_TAG:
            break
        view = view.type
    base = f"{qualifiers}{_base_name(view)}"
    if not declarator:
        return base
    return f"{base}{declarator}" if declarator.startswith("[") else f"{base} {declarator.strip()}"


def _grouped(declarator: str) -> str:
    return f"({declarator.strip()})" if declarator.startswith("*") else declarator


def _base_name(view: Any) -> str:
    tag = TAGS.get(view.kind, "")
    if view.kind == Kind.FWD:
        tag = TAGS[view.fwd_kind]
    if tag:
        return f"{tag} {printable(view.name) or '{...}'}"
    return printable(getattr(view, "name", "")) or f"[{view.id}]"
