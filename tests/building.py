"""Containers from views in one call."""

from __future__ import annotations

from btfschema import Btf, Builder
from btfschema.codec.header import ByteOrder
from btfschema.views import TypeView


def built(*types: TypeView, base: Btf | None = None, byteorder: ByteOrder | None = None) -> Btf:
    """A container of these types, in order."""
    builder = Builder(base, byteorder=byteorder)
    for view in types:
        builder.add(view)
    return builder.build()
