"""Kernel functions that BPF programs may call."""

from __future__ import annotations

from btfschema.render.c.columns import KNOWN, TypeColumns

__all__ = ["FASTCALL", "KFUNC", "kfuncs", "tagged"]

KFUNC = "bpf_kfunc"
# Calls that leave most registers alone.
FASTCALL = "bpf_fastcall"


def tagged(types: TypeColumns, tag: str) -> set[int]:
    """The ids of the types that carry a declaration tag as a whole."""
    return {types.targets[found] for found in types.whole_tags(tag)}


def kfuncs(types: TypeColumns) -> list[int]:
    """The functions that carry the tag ``bpf_kfunc``, in the order of their tags."""
    found = [types.targets[tag] for tag in types.whole_tags(KFUNC)]
    return [function for function in found if types.kinds[function] in KNOWN.functions]
