"""Accesses and types as C would write them, for people."""

from __future__ import annotations

import re

from btfschema.co_re.names import essential_name
from btfschema.co_re.spec import About, Spec, about
from btfschema.co_re.types import Types
from btfschema.model.views import Array, Func, FuncProto, Int, Ptr, Void
from btfschema.model.views.data import EnumBase

__all__ = ["access_path", "kernel_text", "type_text"]

MOST_PARTS = 16


def access_path(spec: Spec, kind: int) -> str:
    """A relocation's access: ``task_struct.thread.fpu[2]``, ``struct sock``, ``enum e::VALUE``."""
    types, root = spec.types, spec.root_id
    what = about(kind)
    if what is About.TYPE:
        return type_text(types, root)
    if what is About.VALUE:
        return f"{type_text(types, root)}::{spec.last.name}"
    first, *rest = spec.steps
    name = getattr(types[root], "name", "") or getattr(types.behind(root), "name", "")
    parts = [name or "(anonymous)", f"[{first.index}]" if first.index else ""]
    parts += [f".{step.name}" if step.name is not None else f"[{step.index}]" for step in rest]
    return "".join(parts)


def type_text(types: Types, type_id: int) -> str:
    """A type in a few words of C: ``struct pid *``, ``char[16]``, ``unsigned int``."""
    stars, at = "", type_id
    for _ in range(MOST_PARTS):
        view = types[at]
        if isinstance(view, Void):
            return f"void {stars}".strip()
        if isinstance(view, Ptr):
            stars, at = f"*{stars}", view.type_id
        elif isinstance(view, Array):
            stars, at = f"{stars}[{view.nelems}]", view.type_id
        elif isinstance(view, FuncProto | Func):
            return f"function {stars}".strip()
        else:
            name = getattr(view, "name", "")
            if not name and view.kind in types.modifiers:
                (at,) = view.references
                continue
            word = "" if view.kind in types.modifiers or isinstance(view, Int) else _word(types, at)
            text = f"{word} {name or '(anonymous)'}".strip()
            return f"{text}{stars}" if stars.startswith("[") else f"{text} {stars}".strip()
    return types.btf.describe(type_id)


def kernel_text(types: Types, type_id: int) -> str:
    """A type of the program as a kernel may have it: no kernel has flavours."""
    return re.sub(r"\w+", lambda word: essential_name(word[0]), type_text(types, type_id))


def _word(types: Types, type_id: int) -> str:
    """The keyword before a type's name."""
    view = types[type_id]
    if isinstance(view, EnumBase):
        return "enum"
    return types.btf.kinds.name(view.kind).lower()
