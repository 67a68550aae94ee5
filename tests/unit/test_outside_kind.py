"""A kind from outside, twice: as a modifier and as a composite; everything works on it."""

from __future__ import annotations

from typing import ClassVar

import pytest
from attrs import frozen
from construct import Struct

from btfschema import KINDS, Btf, Builder, KindSpec, views
from btfschema.errors import MatchError
from btfschema.schema import U32, Graph, Kinds, StringOffset, TypeId
from btfschema_transforms.distill import distill
from btfschema_transforms.relocate import relocate
from btfschema_transforms.sameness.matching import Policy

# The kind: its structs, its views, its row.
BTF_GUARD = Struct("level" / U32)
BTF_LOCK = Struct("name_off" / StringOffset(), "type_id" / TypeId())


@frozen
class Lock(views.Refers):
    name: str
    type_id: int


@frozen
class Guard(views.TypeView, views.Refers):
    KIND: ClassVar[int] = 40
    ELEMENT = Lock
    name: str
    type_id: int
    level: int
    locks: tuple[Lock, ...] = ()


def kinds_with(graph: Graph) -> Kinds:
    row = KindSpec(
        40, "GUARD", "type_id" / TypeId(), BTF_GUARD, BTF_LOCK, "locks", graph=graph, view=Guard
    )
    return KINDS.extended(row)


GRAPHS = [Graph.MODIFIER, Graph.COMPOSITE]
POLICIES: list[Policy] = ["strict", "kernel"]


def base_of(kinds: Kinds, *, size: int = 8) -> Btf:
    builder = Builder(kinds=kinds, profile="wide", layout=True)
    number = builder.add(views.Int("int", 4))
    members = [views.Member("a", number), views.Member("b", number, 8 * (size - 4))]
    builder.add(views.Struct("held", size, members))
    builder.add(views.Struct("locked", 4, [views.Member("a", number)]))
    builder.add(Guard("in_base", 2, 3, (Lock("l", 3),)))
    return builder.build()


def split_of(base: Btf, *uses: views.TypeView) -> Btf:
    builder = Builder(base, profile="wide", layout=True)
    for view in uses:
        builder.add(view)
    return builder.build()


@pytest.fixture(params=GRAPHS, ids=lambda graph: graph.name.lower())
def kinds(request: pytest.FixtureRequest) -> Kinds:
    return kinds_with(request.param)


class TestRelocation:
    """A guard around a struct holds it by value, whichever of the two it is declared to be."""

    @staticmethod
    def moved(kinds: Kinds, policy: Policy, *, size: int) -> tuple[Btf, int]:
        base = base_of(kinds)
        first = base.end_id
        user = views.Struct("user", 8, [views.Member("m", first)])
        split, _ = distill(split_of(base, Guard("g", 2, 7, (Lock("l", 3),)), user))
        found, _ = relocate(split, base_of(kinds, size=size), policy)
        return found, first

    @pytest.mark.parametrize("policy", POLICIES)
    def test_what_stayed_as_it_was_is_found(self, kinds: Kinds, policy: Policy) -> None:
        found, first = self.moved(kinds, policy, size=8)
        guard: views.TypeView = found[first]
        assert guard == Guard("g", 2, 7, (Lock("l", 3),))

    def test_a_struct_that_grew_is_refused(self, kinds: Kinds) -> None:
        with pytest.raises(MatchError, match="held"):
            self.moved(kinds, "strict", size=16)

    def test_the_kernel_sees_it_through_a_modifier(self) -> None:
        with pytest.raises(MatchError, match="held"):
            self.moved(kinds_with(Graph.MODIFIER), "kernel", size=16)

    def test_what_the_split_needs_of_the_base_is_repeated(self, kinds: Kinds) -> None:
        split, ids = distill(split_of(base_of(kinds), views.Ptr(4)))
        copy = split[ids[4] or 0]
        assert isinstance(copy, Guard)
        assert copy.locks[0].name == "l"
        assert split.base is not None
        assert split.base.types.name_offs.all()
