"""Who refers to a type, and what it needs: against the definition, followed type by type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from samples import tiny

from btfschema import Btf, Builder, Kind, views
from btfschema.errors import UnknownNameError, WrongKeyError
from btfschema.model.relations import TypeList
from btfschema.testing import btfs, split_btfs

NAMES = {Kind.TYPEDEF, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG}


def on_the_way(
    btf: Btf, type_id: int, arrays: bool, seen: frozenset[int] = frozenset()
) -> set[int]:
    """A type and what it stands for, step by step."""
    view = btf[type_id]
    through = view.kind in NAMES or (arrays and isinstance(view, views.Array))
    if type_id in seen or not through:
        return {type_id}
    target = btf.references(type_id)[0]
    return {type_id} | on_the_way(btf, target, arrays, seen | {type_id})


def pointed_at(btf: Btf, ids: set[int]) -> set[int]:
    """What the pointers among these point to."""
    found: set[int] = set()
    for type_id in ids:
        view = btf[type_id]
        if isinstance(view, views.Ptr):
            found |= on_the_way(btf, view.type_id, arrays=False)
    return found


def held_by(btf: Btf, struct_id: int, seen: frozenset[int] = frozenset()) -> list[int]:
    """The types of the members of a struct, those of anonymous members included."""
    found = []
    for member in getattr(btf[struct_id], "members", ()):
        found.append(member.type_id)
        for inner in on_the_way(btf, member.type_id, arrays=True):
            view = btf[inner]
            if isinstance(view, views.Composite) and not view.name and inner not in seen:
                found += held_by(btf, inner, seen | {inner})
    return found


def by_definition(btf: Btf, wanted: int) -> dict[str, list[int]]:
    """The users of a type, by the words of the documentation."""
    found: dict[str, list[int]] = {"contains": [], "points_to": [], "takes": [], "returns": []}
    for type_id in range(1, btf.end_id):
        view = btf[type_id]
        held = [on_the_way(btf, one, arrays=True) for one in held_by(btf, type_id)]
        found["contains"] += [type_id] * any(wanted in one for one in held)
        found["points_to"] += [type_id] * any(wanted in pointed_at(btf, one) for one in held)
        proto = btf[view.type_id] if isinstance(view, views.Func) else None
        if isinstance(proto, views.FuncProto):
            ways = [on_the_way(btf, i, False) for i in (*(p.type_id for p in proto.params),)]
            back = on_the_way(btf, proto.type_id, False)
            takes = any(wanted in way | pointed_at(btf, way) for way in ways)
            found["takes"] += [type_id] * takes
            found["returns"] += [type_id] * (wanted in back | pointed_at(btf, back))
    return found


@given(btf=btfs(valid=True, min_types=1) | split_btfs(valid=True, min_types=1))
def test_users_are_those_of_the_definition(btf: Btf) -> None:
    for type_id in range(1, btf.end_id):
        users = btf.users(type_id)
        told = {name: getattr(users, name).ids.tolist() for name in by_definition(btf, type_id)}
        assert told == by_definition(btf, type_id)


@given(btf=btfs(min_types=1))
def test_the_closure_is_what_references_lead_to(btf: Btf) -> None:
    for type_id in range(1, btf.end_id):
        seen, pending = set[int](), [type_id]
        while pending:
            one = pending.pop()
            if one and one not in seen:
                seen.add(one)
                pending += btf.references(one)
        assert btf.closure(type_id) == sorted(seen)


class TestAKernel:
    def test_who_contains_points_to_takes_and_returns(self, cloud: Btf) -> None:
        users = cloud.users("struct list_head")
        assert cloud["struct page"] in users.contains
        assert all(pointer.stripped.kind == Kind.PTR for pointer in users.pointers)
        # One of them is a pointer to const.
        assert {p.type.kind for p in users.pointers if isinstance(p, views.Ptr)} == {
            Kind.STRUCT,
            Kind.CONST,
        }
        taking = {view.name for view in cloud.users("sk_buff").takes}
        assert {"kfree_skb_list_reason", "skb_clone"} & taking
        assert cloud["skb_clone"] in cloud.users("sk_buff").returns

    def test_a_types_typedefs_are_its_names(self, cloud: Btf) -> None:
        assert cloud["pid_t"] in cloud.users("int").names
        assert cloud["struct task_struct"] in cloud.users("pid_t").contains

    def test_through_anonymous_members_and_deep(self, cloud: Btf) -> None:
        page, folio = cloud["struct page"].id, cloud["struct folio"].id
        assert folio in cloud.relations.holding(page)
        deep = cloud.relations.holding(cloud["struct list_head"].id, deep=True)
        assert len(deep) > len(cloud.users("list_head").contains)

    def test_closure_takes_names_views_and_ids(self, cloud: Btf) -> None:
        task = cloud["struct task_struct"]
        assert (
            cloud.closure("struct task_struct") == cloud.closure([task]) == cloud.closure(task.id)
        )
        assert set(cloud.closure(["list_head", "hlist_head"])) >= set(cloud.closure("list_head"))

    def test_what_cant_be_asked(self, cloud: Btf) -> None:
        with pytest.raises(UnknownNameError):
            cloud.users("no_such_type")
        with pytest.raises(WrongKeyError, match="is a type of another container, or of none"):
            cloud.users(tiny()[1])


def test_lists_of_types_are_sequences() -> None:
    btf = tiny()
    some = btf.users("int").contains
    assert (len(some), some[0], list(some), some[0] in some) == (1, btf[3], [btf[3]], True)
    assert some[0:0] == btf.users(3).tags
    assert repr(some) == '<1 types: STRUCT "s" [3]>'
    assert repr(some[:0]) == "<no types>"
    assert isinstance(some[:1], TypeList)
    assert btf.users("int")
    assert not Builder().build().relations.closure([]).size


def test_lists_of_types_hold_names_views_and_ids() -> None:
    btf, other = tiny(), tiny()
    some = btf.users("int").contains
    for key in ("s", "struct s", 3, btf[3], other[3]):
        assert key in some
    builder = Builder()
    for name in ("a", "b", "c"):
        builder.add(views.Int(name, 4))
    for key in ("int", "union s", "no such name", 2, btf[1], builder.build()[3]):
        assert key not in some
    wrongs: list[Any] = [None, 3.0, b"s"]
    for wrong in wrongs:
        with pytest.raises(WrongKeyError, match="is not a type id, name or view"):
            _ = wrong in some


def test_tags_and_variables() -> None:
    builder = Builder()
    u32 = builder.add(views.Int("u32", 4))
    row = builder.add(views.Array(u32, u32, 4))
    variables = [builder.add(views.Var("v", u32)), builder.add(views.Var("w", row))]
    tag = builder.add(views.DeclTag("user", u32))
    users = builder.build().users("u32")
    assert users.variables.ids.tolist() == variables
    assert users.tags.ids.tolist() == [tag]
