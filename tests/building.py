"""Containers from views in one call."""

from __future__ import annotations

from btfschema import Btf, Builder, views
from btfschema.codec.header import ByteOrder
from btfschema.views import TypeView


def built(*types: TypeView, base: Btf | None = None, byteorder: ByteOrder | None = None) -> Btf:
    """A container of these types, in order."""
    builder = Builder(base, byteorder=byteorder)
    for view in types:
        builder.add(view)
    return builder.build()


def refused_base() -> Btf:
    """A base that kernels refuse: its per-CPU section has two variables in one place."""
    variables = [views.VarSecinfo(3, 1280, 64), views.VarSecinfo(4, 1288, 64)]
    return built(
        views.Int("int", 4),
        views.Struct("pcpu", 64, [views.Member("x", 1)]),
        views.Var("first", 2, views.Linkage.GLOBAL),
        views.Var("second", 2, views.Linkage.GLOBAL),
        views.Datasec(".data..percpu", 2048, variables),
    )
