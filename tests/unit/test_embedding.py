"""Who holds a type by value: what the views say, found without building them."""

from __future__ import annotations

from typing import Any

import pytest
from building import built
from samples import tiny
from slow import and_slow

from btfschema import Btf, Kind, loads, views
from btfschema_transforms.distill import distill
from btfschema_transforms.sameness.embedding import User, embedding
from btfschema_transforms.sameness.matching import Policy

MODIFIERS = (Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)

HOLDERS: dict[Policy, tuple[Kind, ...]] = {
    "kernel": (Kind.STRUCT, Kind.UNION),
    "strict": (Kind.STRUCT, Kind.UNION, Kind.ARRAY, Kind.VAR, Kind.FUNC_PROTO),
}


def value_type(split: Btf, type_id: int) -> int:
    """What stands where a type is used by value, through modifiers and arrays."""
    view: Any = split[type_id]
    while view.id and (view.kind in MODIFIERS or view.kind == Kind.ARRAY):
        view = split[view.type_id]
    return int(view.id)


def users_by_views(split: Btf, held: int, policy: Policy) -> tuple[User, ...]:
    found = []
    for view in split:
        if view.kind not in HOLDERS[policy] or held not in (
            value_type(split, one) for one in split.references(view.id)
        ):
            continue
        members = getattr(view, "members", ())
        names = [one.name for one in members if value_type(split, one.type_id) == held]
        kind = Kind(view.kind).name
        found.append(User(view.id, kind, getattr(view, "name", ""), tuple(names)))
    return tuple(found)


@pytest.mark.parametrize("policy", ["kernel", "strict"])
@pytest.mark.parametrize("name", and_slow("8021q", slow=["ahci", "nvme-fabrics"]))
def test_users_are_those_that_the_views_show(
    cloud: Btf, modules: dict[str, bytes], name: str, policy: Policy
) -> None:
    split, _ = distill(loads(modules[name], cloud))
    held = embedding(split, policy)
    used = 0
    for type_id in range(1, split.first_id):
        users = held.users(type_id)
        assert users == users_by_views(split, type_id, policy)
        used += len(users)
    assert used


@pytest.mark.parametrize("policy", ["kernel", "strict"])
def test_no_view_is_built_for_what_holds_a_type(
    cloud: Btf, modules: dict[str, bytes], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view decodes all members or parameters, of which there may be thousands."""
    split, _ = distill(loads(modules["ahci"], cloud))
    held = embedding(split, policy)
    prototypes = built(views.FuncProto(1, [views.Param("p", 1)] * 3), base=tiny())
    more = embedding(prototypes, policy)

    def refuse(self: Btf, type_id: int) -> None:
        raise AssertionError(type_id)

    monkeypatch.setattr(Btf, "__getitem__", refuse)
    assert any(held.users(type_id) for type_id in range(1, split.first_id))
    assert [one.kind for one in more.users(1)] == ["FUNC_PROTO"] * (policy == "strict")
