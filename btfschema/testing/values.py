"""The values that fields hold, and a view of each kind with any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import fields_dict
from hypothesis import strategies as st

from btfschema.model import views
from btfschema.model.views import TypeView, view_class
from btfschema.schema.kinds import KINDS, Kind
from btfschema.schema.plan import NAME_OFF, Field, KindPlan
from btfschema.schema.roles import Role

__all__ = ["FREE", "free_views", "identifiers", "names", "u32s"]

# Few, so that equal names meet: types share strings, and look-ups find several.
COMMON_NAMES = ("int", "a", "next", "list_head", "x1", "long")

u32s = st.one_of(st.integers(0, 64), st.integers(0, 0xFFFFFFFF))
s32s = st.one_of(st.integers(-8, 64), st.integers(-(1 << 31), (1 << 31) - 1))
u16s = st.one_of(st.integers(0, 2), st.integers(0, 0xFFFF))

identifiers = st.one_of(
    st.sampled_from(COMMON_NAMES), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True)
)
# Any bytes but NUL; those that are not UTF-8 are presented as lone surrogates.
names = st.one_of(
    st.just(""),
    st.sampled_from(COMMON_NAMES),
    st.binary(max_size=6).map(lambda b: b.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
)

Ids = st.SearchStrategy[int]
Views = st.SearchStrategy[TypeView]


def _some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=4)


@st.composite
def _composites(draw: st.DrawFn, view: type[views.Struct | views.Union], ids: Ids) -> TypeView:
    flag = draw(st.booleans())
    place = (st.integers(0, (1 << 24) - 1), st.integers(0, 255)) if flag else (u32s, st.just(0))
    members = draw(_some(st.builds(views.Member, names, ids, *place)))
    return view(draw(names), draw(u32s), members, kind_flag=flag)


@st.composite
def _enums(draw: st.DrawFn, view: type[views.Enum | views.Enum64], bits: int) -> TypeView:
    signed = draw(st.booleans())
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = draw(_some(st.builds(views.Enumerator, names, st.integers(low, high))))
    return view(draw(names), draw(u32s), values, signed=signed)


def _modifiers(view: Callable[..., TypeView]) -> Callable[[Ids], Views]:
    return lambda ids: st.builds(view, ids, name=st.just("") | names)


def free_views(plan: KindPlan, ids: Ids) -> Views:
    """Views of a kind whose fields hold anything that fits and whose ids are drawn from ``ids``.

    A kind from outside is told by its plan and its view class, whose fields have the names that the
    schema gives them.
    """
    made = FREE.get(plan.number)
    if made is not None and plan.number in KINDS and plan.spec is KINDS[plan.number]:
        return made(ids)
    view = view_class(plan)
    values = {f.attribute: _words(f, ids) for f in (NAME_OFF, plan.third, *plan.fixed)}
    if plan.spec is not None and plan.stride:
        element = {f.attribute: _words(f, ids) for f in plan.element}
        values[plan.spec.elements] = _some(st.builds(view.ELEMENT, **element)).map(tuple)
    known = fields_dict(view)
    return st.builds(view, **{name: one for name, one in values.items() if name in known})


def _words(field: Field, ids: Ids) -> st.SearchStrategy[Any]:
    """What one word of a record may hold."""
    if field.role is Role.STRING_OFFSET:
        return names
    if field.role is Role.TYPE_ID:
        return ids
    if field.bits is not None:
        return u32s.map(field.bits.split)
    return s32s if field.signed else u32s


FREE: dict[int, Callable[[Ids], Views]] = {
    Kind.INT: lambda ids: st.builds(
        views.Int, names, u32s, st.integers(0, 15), st.integers(0, 255), st.integers(0, 255)
    ),
    Kind.PTR: _modifiers(views.Ptr),
    Kind.ARRAY: lambda ids: st.builds(views.Array, ids, ids, u32s),
    Kind.STRUCT: lambda ids: _composites(views.Struct, ids),
    Kind.UNION: lambda ids: _composites(views.Union, ids),
    Kind.ENUM: lambda ids: _enums(views.Enum, 32),
    Kind.FWD: lambda ids: st.builds(views.Fwd, names, st.booleans()),
    Kind.TYPEDEF: lambda ids: st.builds(views.Typedef, names, ids),
    Kind.VOLATILE: _modifiers(views.Volatile),
    Kind.CONST: _modifiers(views.Const),
    Kind.RESTRICT: _modifiers(views.Restrict),
    Kind.FUNC: lambda ids: st.builds(views.Func, names, ids, u16s),
    Kind.FUNC_PROTO: lambda ids: st.builds(
        views.FuncProto, ids, _some(st.builds(views.Param, names, ids))
    ),
    Kind.VAR: lambda ids: st.builds(views.Var, names, ids, u32s),
    Kind.DATASEC: lambda ids: st.builds(
        views.Datasec, names, u32s, _some(st.builds(views.VarSecinfo, ids, u32s, u32s))
    ),
    Kind.FLOAT: lambda ids: st.builds(views.Float, names, u32s),
    Kind.DECL_TAG: lambda ids: st.builds(views.DeclTag, names, ids, s32s, kind_flag=st.booleans()),
    Kind.TYPE_TAG: lambda ids: st.builds(views.TypeTag, names, ids, kind_flag=st.booleans()),
    Kind.ENUM64: lambda ids: _enums(views.Enum64, 64),
    Kind.LOC_PARAM: lambda ids: st.builds(views.LocParam, u32s, u32s, _some(u32s)),
    Kind.LOC_PROTO: lambda ids: st.builds(views.LocProto, _some(ids)),
    Kind.LOCSEC: lambda ids: st.builds(
        views.LocSec, names, _some(st.builds(views.LocEntry, ids, ids, u32s))
    ),
}
"""For each kind, views whose fields hold anything that fits and whose ids are drawn from ``ids``:
what a reader must take, and a kernel mostly refuses."""
