"""Kernel functions that BPF programs may call."""

from __future__ import annotations

from btfschema.render.c.columns import TypeColumns
from btfschema.render.c.declare import Declarations
from btfschema.render.c.trampoline import Step
from btfschema.schema.kinds import Kind

__all__ = ["declare_kfuncs", "tagged"]

KFUNC = "bpf_kfunc"
FASTCALL = "bpf_fastcall"


def tagged(types: TypeColumns, tag: str) -> set[int]:
    """The ids of the types that carry a declaration tag as a whole."""
    return {types.targets[found] for found in types.whole_tags(tag)}


def declare_kfuncs(
    types: TypeColumns, declarations: Declarations, out: list[str], *, fastcall: bool
) -> Step:
    """Declare every function that carries the tag ``bpf_kfunc``.

    Args:
        types: the types.
        declarations: what writes them.
        out: the text, as pieces.
        fastcall: mark those that carry the tag ``bpf_fastcall`` too.
    """
    out.append("\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n")
    fast = tagged(types, FASTCALL) if fastcall else set()
    for tag in types.whole_tags(KFUNC):
        function = types.targets[tag]
        if types.kinds[function] == Kind.FUNC:
            out.append("extern __bpf_fastcall " if function in fast else "extern ")
            yield declarations.declare(types.targets[function], types.names[function])
            out.append(" __weak __ksym;\n")
    out.append("#endif\n\n")
