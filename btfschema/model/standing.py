"""What a container stands on."""

from __future__ import annotations

from typing import Literal

from btfschema.model.container import Btf
from btfschema.model.memo import per_container
from btfschema.schema.parts import kind_mask, parts_of_plan

__all__ = ["BaseState", "base_state", "brings_base"]

BaseState = Literal["none", "full", "distilled"]
"""What a container stands on: nothing, any BTF, or the few names that ``distill`` leaves."""


def base_state(btf: Btf) -> BaseState:
    """Whether ``btf`` has a base, and whether that can be a distilled one."""
    if btf.base is None:
        return "none"
    # Kept with the base, which many splits share.
    return "distilled" if _is_distilled(btf.base) else "full"


def brings_base(btf: Btf, *given: Btf) -> bool:
    """Whether the base must be written with ``btf``, which nobody could read without it.

    Args:
        btf: what is to be written.
        given: what its reader has, with all that it stands on.
    """
    if base_state(btf) == "full":
        return not any(btf.base is known for one in given for known in one.chain)
    return btf.base is not None


@per_container
def _is_distilled(base: Btf) -> bool:
    """Whether libbpf takes it as one: named types of a few kinds, over no other base."""
    types = base.types
    kinds = kind_mask(parts_of_plan(types.plan).distilled)
    distilled = base.base is None and bool(kinds.take(types.kinds).all())
    return distilled and not base.strings.empty(types.name_offs).any()
