"""The values that fields hold, and a view of each kind with any of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from btfschema.model.views import TypeView, view_class
from btfschema.model.views.making import Records
from btfschema.schema.plan import Field, KindPlan
from btfschema.schema.roles import Role

__all__ = ["free_views", "identifiers", "names", "u32s"]

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


@st.composite
def free_views(draw: st.DrawFn, plan: KindPlan, ids: Ids) -> TypeView:
    """A view of a kind whose fields hold anything that fits and whose ids are drawn from ``ids``.

    What a reader must take, and a kernel mostly refuses. It is drawn as the words of a record, of
    which the plan says what they mean; what the kind's view does not show is dropped.
    """
    vlen = draw(st.integers(0, 4) if plan.stride else u16s)
    records = Records(
        plan,
        ids=[0],
        names=[draw(names)],
        vlens=[vlen],
        flags=[draw(st.booleans())],
        thirds=[draw(_words(plan.third, ids))],
        fixed=tuple([draw(_words(field, ids))] for field in plan.fixed),
        columns=tuple(
            draw(st.lists(_words(field, ids), min_size=vlen, max_size=vlen))
            for field in plan.element
        ),
    )
    (view,) = view_class(plan).of_records(records)
    return view


def _words(field: Field, ids: Ids) -> st.SearchStrategy[Any]:
    """What one word of a record may hold."""
    if field.role is Role.STRING_OFFSET:
        return names
    if field.role is Role.TYPE_ID:
        return ids
    if field.bits is not None:
        return u32s.map(field.bits.split)
    return s32s if field.signed else u32s
