"""Passes, analyses, contexts and results."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve, frozen
from attrs.exceptions import FrozenInstanceError
from example_passes import DropUnused, Everything, InDegree, Move, Shrink, small_base, small_split

from btfschema import KINDS, Btf, Builder, Kind, KindSpec, dumps, loads, views
from btfschema.errors import BrokenPassError, PassError, RequirementError
from btfschema.framework import Analysis, Context, Diagnostic, Needs, PassResult, base_state
from btfschema.model.ext import loads_ext
from btfschema.schema.plan import KindPlan, RawRecord
from btfschema.schema.roles import U32
from btfschema.testing.contract import assert_pass_contract
from btfschema.views import TypeView


@frozen
class Strange(TypeView):
    """A kind that the shipped schema does not declare."""

    KIND: ClassVar[int] = 40
    name: str

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, 0, False, 0)


def func_info(section: int, insn_off: int, type_id: int) -> bytes:
    """A ``.BTF.ext`` with one function in one section."""
    part = struct.pack("<6I", 8, section, 1, insn_off, type_id, 0)[:20]
    return struct.pack("<HBB5I", 0xEB9F, 1, 0, 24, 0, len(part), len(part), 0) + part


def mask(btf: Btf, *ids: int) -> Any:
    return np.isin(np.arange(btf.first_id, btf.end_id), ids)


class TestSelect:
    def test_keeps_what_is_asked_for_and_renumbers_it(self) -> None:
        split = small_split()
        result = PassResult.select(split, mask(split, 4, 5, 7))
        assert [result.btf.describe(view.id) for view in result.btf if view.id] == [
            'INT "u8" [4]',
            'STRUCT "driver" [5]',
            "CONST [6]",
        ]
        assert list(result.ids) == [0, 1, 2, 3, 4, 5, None, 6]
        assert result.btf.base is split.base
        const = result.btf[6]
        assert isinstance(const, views.Const)
        assert const.type_id == 4

    def test_drops_the_strings_that_nothing_uses_any_more(self) -> None:
        split = small_split()
        result = PassResult.select(split, mask(split, 4))
        assert list(result.btf.strings) == ["u8"]
        assert loads(dumps(result.btf), split.base).equivalent(result.btf)

    def test_strings_of_the_base_stay_where_they_are(self) -> None:
        base = small_base()
        b = Builder(base)
        b.add(views.Int("gone", 1))
        b.add(views.Struct("device", 8, [views.Member("id", 1), views.Member("new", 1, 32)]))
        result = PassResult.select(b.build(), np.array([False, True]))
        assert list(result.btf.strings) == ["new"]
        device = result.btf[4]
        assert isinstance(device, views.Struct)
        assert [member.name for member in device.members] == ["id", "new"]

    def test_names_the_type_that_would_dangle(self) -> None:
        split = small_split()
        with pytest.raises(PassError) as caught:
            PassResult.select(split, mask(split, 5, 6))
        assert str(caught.value) == ('STRUCT "driver" [5] refers to INT "u8" [4], which is dropped')
        assert (caught.value.type_id, caught.value.got) == (5, 4)

    def test_keeping_everything_gives_the_input_itself(self) -> None:
        split = small_split()
        result = PassResult.select(split, np.ones(4, np.bool_))
        assert result.btf is split
        assert result.ids.is_identity

    def test_dropping_everything_leaves_an_empty_split(self) -> None:
        split = small_split()
        result = PassResult.select(split, np.zeros(4, np.bool_))
        assert len(result.btf) == 0
        assert dumps(loads(dumps(result.btf), split.base)) == dumps(result.btf)
        assert result.ids.dropped.tolist() == [4, 5, 6, 7]

    @pytest.mark.parametrize("live", [np.ones(3, np.bool_), np.ones(4, np.int64)])
    def test_the_mask_must_fit(self, live: Any) -> None:
        with pytest.raises(BrokenPassError, match="4 types of its own"):
            PassResult.select(small_split(), live)

    def test_btf_ext_follows(self) -> None:
        b = Builder()
        number = b.add(views.Int("int", 4))
        proto = b.add(views.FuncProto(number, []))
        b.add(views.Typedef("unused", number))
        probe = b.add(views.Func("probe", proto))
        btf = b.build()
        ext = loads_ext(func_info(btf.strings.find("int")[0], 0, probe), btf)
        btf = Btf(btf.image, ext=ext)
        result = PassResult.select(btf, mask(btf, number, proto, probe))
        assert result.btf.ext is not None
        ((section,),) = [part.sections for part in result.btf.ext.parts if part]
        assert section.name == "int"
        assert [record.type_id for record in section.records] == [result.ids[probe]] == [3]
        with pytest.raises(PassError, match=r'.BTF.ext refers to FUNC "probe" \[4\], which is dr'):
            PassResult.select(btf, mask(btf, number, proto))

    def test_a_kind_that_only_the_layout_describes_can_not_stay(self) -> None:
        row = KindSpec(40, "STRANGE", "unused" / U32, view=Strange)
        b = Builder(layout=True, profile="wide", kinds=KINDS.extended(row))
        b.add(views.Int("int", 4))
        b.add(views.Int("long", 8))
        b.add(Strange("odd"))
        btf = loads(dumps(b.build()))
        assert btf.types.opaque_rows().tolist() == [2]
        with pytest.raises(PassError, match=r'KIND_40 "odd" \[3\] can.t stay while types'):
            PassResult.select(btf, mask(btf, 1, 3))
        assert len(PassResult.select(btf, mask(btf, 1)).btf) == 1

    def test_big_endian_stays_big_endian(self) -> None:
        b = Builder(byteorder="big")
        b.add(views.Int("a", 1))
        b.add(views.Int("b", 1))
        result = PassResult.select(b.build(), np.array([False, True]))
        assert result.btf.byteorder == "big"
        again = loads(dumps(result.btf))
        assert [view.name for view in again if isinstance(view, views.Int)] == ["b"]

    def test_a_vmlinux_loses_a_type_that_nothing_needs(self, cloud: Btf) -> None:
        live = np.ones(len(cloud), np.bool_)
        lonely = int(np.flatnonzero(cloud.types.kinds == Kind.FUNC)[0])
        live[lonely] = False
        # A declaration tag may refer to a function.
        if InDegree().of(cloud)[lonely]:
            pytest.fail("the corpus changed: pick another function")
        result = PassResult.select(cloud, live)
        assert len(result.btf) == len(cloud) - 1
        after = cloud.find("task_struct", Kind.STRUCT).id
        assert result.btf.find("task_struct", Kind.STRUCT).id == result.ids[after]


def test_types_know_names(cloud: Btf, modules: dict[str, bytes]) -> None:
    assert cloud.types.named(["task_struct", "no such name"]).sum() == 1
    assert cloud.types.named("task_struct").sum() == 1
    assert not cloud.types.named(()).any()
    anonymous = cloud.types.named("")
    assert 0 < anonymous.sum() < len(cloud)
    split = loads(modules["libiscsi"], cloud)
    assert split.types.named(["iscsi_conn"]).tolist().count(True) == len(
        [i for i in split.find_ids("iscsi_conn") if i >= split.first_id]
    )


def test_a_table_without_a_container_has_no_names() -> None:
    table = small_base().types.take(np.array([0]))
    with pytest.raises(ValueError, match="no strings"):
        table.named("int")


class TestColumns:
    @pytest.mark.parametrize(
        "column",
        ["words", "starts", "ends", "infos", "kinds", "vlens", "kind_flags", "name_offs", "thirds"],
    )
    def test_nobody_can_write_to_them(self, column: str) -> None:
        array = getattr(small_split().types, column)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


class TestAnalysis:
    def test_is_computed_once_for_each_container(self) -> None:
        calls = []

        @frozen
        class Counting(Analysis[int]):
            name: ClassVar[str] = "counting"
            step: int = 1

            def compute(self, btf: Btf) -> int:
                calls.append(btf)
                return self.step * len(btf)

        base, ctx = small_base(), Context()
        split = small_split(base)
        assert ctx.get(Counting, base) == ctx.get(Counting(), base) == 3
        assert Context().get(Counting, split) == 4
        assert ctx.get(Counting(step=2), base) == 6
        assert calls == [base, split, base]

    def test_runs_as_a_pass_that_changes_nothing(self) -> None:
        split = small_split()
        result = assert_pass_contract(InDegree(), split)
        assert result.btf is split
        assert result.facts["in-degree"] == {"in_degree": [2, 1, 0, 0]}


class TestContext:
    def test_hands_out_the_named_inputs(self) -> None:
        base = small_base()
        assert Context(inputs={"target": base}).input("target") is base

    def test_says_what_is_missing_and_how_to_give_it(self) -> None:
        with pytest.raises(RequirementError) as caught:
            Context(inputs={"original": small_base()}).input("target")
        assert str(caught.value) == (
            'no input "target" was given (given: "original"): in Python, pass '
            'Context(inputs={"target": btf}); on the command line, give --input target=FILE'
        )

    def test_can_not_be_changed_by_a_pass(self) -> None:
        ctx: Any = Context(inputs={"target": small_base()})
        with pytest.raises(TypeError):
            ctx.inputs["target"] = None
        with pytest.raises(FrozenInstanceError):
            ctx.inputs = {}


class TestBaseState:
    def test_tells_what_a_container_stands_on(self, cloud: Btf) -> None:
        assert base_state(cloud) == "none"
        assert base_state(small_split()) == "full"
        assert base_state(Builder(cloud).build()) == "full"

    def test_a_distilled_base_holds_names_only(self) -> None:
        b = Builder()
        b.add(views.Struct("device", 4, []))
        assert base_state(Builder(b.build()).build()) == "distilled"
        b.add(views.Struct("", 4, []))
        assert base_state(Builder(b.build()).build()) == "full"

    def test_a_split_is_no_distilled_base(self) -> None:
        b = Builder()
        b.add(views.Int("int", 4))
        middle = Builder(b.build())
        middle.add(views.Int("u8", 1))
        assert base_state(Builder(middle.build()).build()) == "full"


def test_needs_read_as_words() -> None:
    assert str(Move.needs) == 'a distilled base, the input "target"'
    assert str(Shrink.needs) == "a base"
    assert str(Needs()) == ""


def test_passes_are_values() -> None:
    assert DropUnused(keep=("a",)) == DropUnused(keep=("a",))
    assert evolve(DropUnused(), keep=("a",)) != DropUnused()
    options: Any = DropUnused()
    with pytest.raises(FrozenInstanceError):
        options.keep = ("b",)
    assert str(DropUnused(keep=("a", "b c"))) == 'drop-unused{keep=a,"b c"}'
    assert str(Everything()) == "everything"


def test_diagnostics_read_as_sentences() -> None:
    assert str(Diagnostic("odd")) == "warning: odd"
    assert str(Diagnostic("fyi", "note", pass_name="distill")) == "distill: note: fyi"
