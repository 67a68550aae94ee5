"""Containers from containers: some types replaced, or the other byte order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from btfschema.arguments import require_choice
from btfschema.codec.engines import Image
from btfschema.codec.header import ByteOrder
from btfschema.model.draft import Draft
from btfschema.model.ext import swapped_ext
from btfschema.model.views import TypeView
from btfschema.tables.ids import IdMap
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["replaced", "with_byteorder"]


def replaced(btf: Btf, views: Mapping[int, TypeView]) -> tuple[Btf, IdMap]:
    """What :meth:`btfschema.Btf.replaced` says, and the map of ids, which all stay."""
    draft = Draft(btf)
    for type_id, view in views.items():
        draft[type_id] = view
    return draft.build()


def with_byteorder(btf: Btf, byteorder: ByteOrder) -> Btf:
    """What :meth:`btfschema.Btf.with_byteorder` says."""
    require_choice("byteorder", byteorder, ByteOrder)
    if btf.byteorder == byteorder:
        return btf
    changed: Btf | None = None
    for part in btf.chain:
        one = _swapped(part, changed, byteorder)
        if part.ext is not None:
            one = evolve(one, ext=swapped_ext(part.ext, one))
        if part.inline is not None:
            one = evolve(one, inline=_swapped(part.inline, one, byteorder))
        changed = one
    return btf if changed is None else changed


def _swapped(part: Btf, base: Btf | None, byteorder: ByteOrder) -> Btf:
    """One container over a base that has changed, with the same strings and words."""
    image = part.image
    strings = StringTable(image.strings.data, base.strings if base is not None else None)
    old = image.types
    types = TypeTable(old.words, old.starts, old.plan, old.first_id, old.known_roles)
    header = evolve(image.header, byteorder=byteorder)
    fresh = Image(header, types, strings, image.layout, image.source)
    return evolve(part, image=fresh, base=base, ext=None, inline=None)
