"""A kind from outside, twice: as a modifier and as a composite; everything works on it."""

from __future__ import annotations

import copy
import inspect
import io
import json
import pickle
from collections.abc import Callable
from typing import ClassVar

import pytest
from attrs import frozen
from construct import Struct
from hypothesis import given
from hypothesis import strategies as st

from btfschema import KINDS, Btf, Builder, Kind, KindSpec, dumps, loads, verify, views
from btfschema.codec.engines import Engine
from btfschema.errors import MatchError
from btfschema.render import format_type, write_json
from btfschema.render.c import format_c
from btfschema.render.graph import neighbourhood
from btfschema.render.show import Viewer
from btfschema.schema import U32, Distilled, Graph, Kinds, StringOffset, TypeId
from btfschema.schema.plan import plan_of
from btfschema.testing import assert_pass_contract, btfs
from btfschema_transforms.dedup import Dedup
from btfschema_transforms.distill import distill
from btfschema_transforms.references import references
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


def test_kinds_have_names_whoever_declared_them(kinds: Kinds) -> None:
    btf = base_of(kinds)
    assert [view.kind.name for view in btf] == ["INT", "STRUCT", "STRUCT", "GUARD"]
    guard = btf[4]
    for kind in (guard.kind, copy.deepcopy(guard.kind), pickle.loads(pickle.dumps(guard.kind))):
        assert (kind, kind.name, json.dumps(kind), f"{kind}") == (40, "GUARD", "40", "40")
    # Read by the file's layout section alone, the number is all that is known.
    opaque = loads(dumps(btf))[4]
    assert isinstance(opaque, views.Opaque)
    assert (opaque.kind, opaque.kind.name) == (40, "KIND_40")
    assert Guard("g", 1, 2).kind.name == "KIND_40"


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


class TestEverythingElse:
    @staticmethod
    def users(kinds: Kinds) -> Btf:
        builder = Builder(kinds=kinds, profile="wide", layout=True)
        for view in base_of(kinds):
            builder.add(view)
        builder.add(views.Ptr(4))
        builder.add(views.Struct("user", 8, [views.Member("m", 5)]))
        return builder.build()

    def test_is_read_and_written_by_both_engines(self, kinds: Kinds, engine: Engine) -> None:
        btf = self.users(kinds)
        data = dumps(btf, encoder=engine)
        read = loads(data, decoder=engine, kinds=kinds)
        assert dumps(read) == data
        view: views.TypeView = read[4]
        assert view == Guard("in_base", 2, 3, (Lock("l", 3),))
        assert view.references == [2, 3]
        assert read.find("in_base", Guard).locks[0].type == read[3]

    def test_is_dumped(self, kinds: Kinds) -> None:
        btf, out = self.users(kinds), io.BytesIO()
        assert format_type(btf, 4) == (
            "[4] GUARD 'in_base' type_id=2 level=3 vlen=1\n\t'l' type_id=3"
        )
        write_json(btf, out)
        assert json.loads(out.getvalue())["types"][3]["locks"] == [{"name": "l", "type_id": 3}]

    def test_c_says_that_it_is_left_out(self, kinds: Kinds) -> None:
        text = format_c(base_of(kinds))
        assert '/* GUARD "in_base" [4] is left out: its kind has no form in C */' in text
        assert "struct locked {" in text

    def test_c_looks_through_a_modifier(self) -> None:
        assert "struct held *m;" in format_c(self.users(kinds_with(Graph.MODIFIER)))

    def test_is_shown_as_a_record(self, kinds: Kinds) -> None:
        text = Viewer(self.users(kinds)).text(4)
        assert text.splitlines()[0].startswith('/* GUARD "in_base" [4]: its kind has no form in C')
        assert "level=3" in text

    def test_is_a_node_of_a_graph(self, kinds: Kinds) -> None:
        edges = neighbourhood(self.users(kinds), 6, depth=2).edges
        assert [(edge.source, edge.target) for edge in edges] == [(6, 4), (4, 2), (4, 3)]

    def test_has_users_and_a_closure(self, kinds: Kinds) -> None:
        btf = self.users(kinds)
        assert btf.closure([4]) == [1, 2, 3, 4]
        assert references(btf).in_degree[2] == 1
        held_by = btf.users("struct locked").contains.ids.tolist()
        assert held_by == ([4] if kinds[40].graph is Graph.COMPOSITE else [])

    def test_is_one_where_it_is_there_twice(self, kinds: Kinds) -> None:
        builder = Builder(kinds=kinds, profile="wide", layout=True)
        for view in [*base_of(kinds), Guard("in_base", 2, 3, (Lock("l", 3),))]:
            builder.add(view)
        result = assert_pass_contract(Dedup(), builder.build())
        assert result.ids[5] == result.ids[4] == 4

    def test_is_verified(self, kinds: Kinds) -> None:
        found = verify(dumps(self.users(kinds)), kinds=kinds)
        assert "record.kernel_kind" in {violation.rule.id for violation in found}

    def test_a_modifier_has_the_size_of_what_it_modifies(self) -> None:
        assert self.users(kinds_with(Graph.MODIFIER)).sizeof(4) == 8

    @pytest.mark.parametrize("graph", GRAPHS)
    @given(data=st.data())
    def test_is_generated(self, graph: Graph, data: st.DataObject) -> None:
        kinds = kinds_with(graph)
        btf = data.draw(btfs(kinds=kinds, min_types=1))
        assert loads(dumps(btf), kinds=kinds).equivalent(btf)
        assert all(kind in kinds for kind in btf.types.kinds.tolist())

    def test_takes_three_places_and_at_most_forty_lines(self) -> None:
        places: list[Callable[..., object]] = [Lock, Guard, kinds_with]
        lines = [len(inspect.getsource(one).splitlines()) for one in places]
        assert sum(lines) + len((BTF_GUARD, BTF_LOCK)) <= 40


class TestRowsThatAreRefused:
    def test_elements_without_a_class(self) -> None:
        @frozen
        class Bare(views.TypeView):
            KIND: ClassVar[int] = 40

        with pytest.raises(ValueError, match="has locks, but its view Bare names no class"):
            KindSpec(40, "BARE", "unused" / U32, None, BTF_LOCK, "locks", view=Bare)

    def test_a_modifier_of_nothing(self) -> None:
        with pytest.raises(ValueError, match="its third word, 'unused', is not a type id"):
            KindSpec(40, "NONE", "unused" / U32, graph=Graph.MODIFIER)

    def test_a_distilled_kind_that_leads_on(self) -> None:
        row = KindSpec(40, "LEADS", "type_id" / TypeId(), distilled=Distilled.WHOLE)
        with pytest.raises(TypeError, match="can't stand in a distilled base"):
            plan_of(KINDS.extended(row))

    def test_no_kind_of_the_schema_lacks_its_place(self) -> None:
        assert {spec.name for spec in KINDS.values() if spec.graph is None} == set()
        assert KINDS[Kind.ENUM64].stands_as == Kind.ENUM
