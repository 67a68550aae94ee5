"""Strategies for containers."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import strategies as st

from btfschema.codec.header import ByteOrder
from btfschema.model.builder import Builder, Profile
from btfschema.model.container import Btf
from btfschema.schema.kinds import KINDS, Kinds
from btfschema.schema.plan import plan_of
from btfschema.testing.valid import KERNEL_KINDS, draw_valid
from btfschema.testing.values import free_views

__all__ = ["btfs", "split_btfs"]

BYTE_ORDERS: tuple[ByteOrder, ...] = ("little", "big")


@st.composite
def btfs(
    draw: st.DrawFn,
    base: Btf | None = None,
    *,
    byteorder: ByteOrder | None = None,
    kinds: Collection[int] | Kinds | None = None,
    min_types: int = 0,
    max_types: int = 12,
    layout: bool | None = None,
    valid: bool = False,
) -> Btf:
    """Containers: references forwards and backwards, cycles, shared strings, every kind.

    Args:
        draw: given by hypothesis.
        base: make split BTF over this.
        byteorder: of the result; the base's, or without a base either.
        kinds: which kinds to use, by number; all declared ones by default, or with ``valid`` those
            that Linux 6.x loads (1 to 19). A schema (:class:`btfschema.schema.Kinds`) with kinds
            from outside makes containers of that schema.
        min_types: how many types at least.
        max_types: how many types at most.
        layout: whether there is a layout section; None for either. Off by default with ``valid``.
        valid: make BTF that a kernel loads: every reference leads to a kind that makes sense there,
            members lie inside their structs, circles go through pointers. Without, ids merely
            exist, and every other field holds anything that fits.
    """
    if base is None and byteorder is None:
        byteorder = draw(st.sampled_from(BYTE_ORDERS))
    if layout is None:
        layout = not valid and draw(st.booleans())
    schema = kinds if isinstance(kinds, Kinds) else base.kinds if base is not None else KINDS
    # Kinds from 32 on take the wide info word.
    profile: Profile = "wide" if max(schema) > max(KINDS) else "classic"
    builder = Builder(base, byteorder=byteorder, layout=layout, profile=profile, kinds=schema)
    count = draw(st.integers(min_types, max_types))
    if valid:
        loaded = None if isinstance(kinds, Kinds) else kinds
        for view in draw_valid(draw, base, loaded or KERNEL_KINDS, count):
            builder.add(view)
        return builder.build()
    ids = st.integers(0, builder.next_id + count - 1)
    numbers = st.sampled_from(sorted(kinds or schema))
    plans = plan_of(schema).kinds
    for number in draw(st.lists(numbers, min_size=count, max_size=count)):
        builder.add(draw(free_views(plans[number], ids)))
    return builder.build()


@st.composite
def split_btfs(
    draw: st.DrawFn,
    *,
    min_bases: int = 1,
    max_bases: int = 2,
    byteorder: ByteOrder | None = None,
    kinds: Collection[int] | Kinds | None = None,
    min_types: int = 0,
    max_types: int = 8,
    valid: bool = False,
) -> Btf:
    """Split containers; ``.base`` is what one is built over, ``.chain`` all of them in order.

    Args:
        draw: given by hypothesis.
        min_bases: how many bases at least.
        max_bases: how many bases at most; more than 1 gives split BTF over split BTF.
        byteorder: as for :func:`btfs`.
        kinds: as for :func:`btfs`.
        min_types: how many types each container has at least.
        max_types: how many types each container has at most.
        valid: as for :func:`btfs`.
    """
    btf: Btf | None = None
    for _ in range(draw(st.integers(min_bases, max_bases))):
        btf = draw(
            btfs(
                btf,
                byteorder=byteorder,
                kinds=kinds,
                min_types=min_types,
                max_types=max_types,
                valid=valid,
            )
        )
    return draw(btfs(btf, kinds=kinds, min_types=min_types, max_types=max_types, valid=valid))
