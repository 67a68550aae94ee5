"""Passes that change records: as short as those that drop some, and nothing else is lost."""

from __future__ import annotations

import inspect
import time
from typing import ClassVar

import pytest
from attrs import evolve, frozen
from building import built
from ext_sections import with_ext
from hypothesis import given, settings
from samples import tiny

from btfschema import (
    KINDS,
    Btf,
    Builder,
    Context,
    Kind,
    KindSpec,
    Pass,
    PassResult,
    dumps,
    loads,
    views,
)
from btfschema.codec.header import ByteOrder
from btfschema.errors import BrokenPassError, EncodeError, TypeIdError
from btfschema.schema import SIZE
from btfschema.testing import assert_pass_contract, btfs, split_btfs


@frozen
class DropTags(Pass):
    """Drop all declaration tags."""

    name: ClassVar[str] = "drop-tags"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.select(btf, btf.types.kinds != Kind.DECL_TAG)


@frozen
class Prefix(Pass):
    """Put a word before the names of structs."""

    name: ClassVar[str] = "prefix"
    word: str = "my_"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        own = (view for view in btf if isinstance(view, views.Struct) and view.name)
        return PassResult.rewritten(btf, names={one.id: self.word + one.name for one in own})


@frozen
class StripParameters(Pass):
    """Take the parameters of all functions away."""

    name: ClassVar[str] = "strip-parameters"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        records = btf.types.without_elements(Kind.FUNC_PROTO)
        return PassResult.rewritten(btf, records=records)


@frozen
class Lossy(Pass):
    """Build everything anew, and lose what the builder is not told."""

    name: ClassVar[str] = "lossy"
    byteorder: ByteOrder | None = None

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        order = self.byteorder or btf.byteorder
        builder = Builder(btf.base, byteorder=order, profile="wide")
        for view in btf:
            builder.add(view)
        return PassResult(builder.build(), PassResult.unchanged(btf).ids)


PASSES = [DropTags(), Prefix(), StripParameters()]


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
def test_none_takes_more_than_15_lines(one: Pass) -> None:
    lines = inspect.getsource(type(one)).splitlines()
    assert len([line for line in lines if line.strip()]) <= 15


def functions(*, layout: bool = False) -> Btf:
    builder = Builder(layout=layout)
    number = builder.add(views.Int("int", 4))
    proto = builder.add(views.FuncProto(number, [views.Param("left", number)]))
    function = builder.add(views.Func("f", proto))
    builder.add(views.Struct("s", 4, [views.Member("left", number)]))
    builder.add(views.DeclTag("tagged", function, 0))
    return builder.build()


@pytest.mark.parametrize("one", PASSES, ids=lambda one: one.name)
class TestAllThree:
    @pytest.mark.parametrize("layout", [False, True])
    def test_keep_to_the_contract(self, one: Pass, layout: bool) -> None:
        result = assert_pass_contract(one, functions(layout=layout))
        assert not result.btf.equivalent(functions(layout=layout))

    @settings(max_examples=20)
    @given(btf=btfs() | split_btfs())
    def test_read_again_as_they_were_written(self, one: Pass, btf: Btf) -> None:
        if one == DropTags() and (btf.types.kinds == Kind.DECL_TAG).any():
            return
        result = one.run(btf, Context()).btf
        assert result.byteorder == btf.byteorder
        assert result.image.layout == btf.image.layout
        assert loads(dumps(result), result.base).equivalent(result)


def test_names() -> None:
    result = Prefix("old_").run(functions(), Context())
    assert [getattr(view, "name", "") for view in result.btf] == ["int", "", "f", "old_s", "tagged"]
    assert result.ids[4] == 4
    assert b"\0s\0" not in result.btf.strings.data


def test_records_of_other_lengths() -> None:
    result = StripParameters().run(functions(), Context()).btf
    assert result[2] == views.FuncProto(1)
    assert result[3] == views.Func("f", 2)
    # The member still uses it.
    assert b"\0left\0" in result.strings.data


def test_a_name_of_a_base_is_shared_and_no_name_is_void() -> None:
    split = built(views.Struct("mine", 1), base=tiny())
    own = split.first_id
    taken = PassResult.rewritten(split, names={own: tiny()[1].name}).btf
    assert taken[own].name == tiny()[1].name
    assert not taken.strings.data
    assert PassResult.rewritten(split, names={own: ""}).btf[own].name == ""


def test_what_is_refused() -> None:
    btf = functions()
    with pytest.raises(EncodeError, match="NUL"):
        PassResult.rewritten(btf, names={1: "a\0b"})
    with pytest.raises(TypeIdError, match="type id 99"):
        PassResult.rewritten(btf, names={99: "a"})
    with pytest.raises(BrokenPassError, match="1 new records for the container's 5 types"):
        PassResult.rewritten(btf, records=btf.types.take(btf.types.rows_of(Kind.INT)))
    ids = btf.types.type_id_positions
    with pytest.raises(TypeIdError, match="type 2 refers to type id 77, the last id is 5"):
        PassResult.rewritten(btf, records=btf.types.rewritten([(ids, 77)]))


class TestTheLossyPass:
    @pytest.mark.parametrize(
        ("btf", "what"),
        [
            (functions(layout=True), "layout"),
            (evolve(functions(), address_size=8), "address_size"),
        ],
    )
    def test_fails_the_contract(self, btf: Btf, what: str) -> None:
        with pytest.raises(AssertionError, match=f'pass "lossy" changed {what} from'):
            assert_pass_contract(Lossy(), btf)
        assert_pass_contract(Lossy(), btf, changes=[what])

    def test_fails_where_the_byte_order_is_another(self) -> None:
        swapped = Lossy(byteorder="big")
        with pytest.raises(AssertionError, match="changed byteorder from 'little' to 'big'"):
            assert_pass_contract(swapped, functions())
        assert_pass_contract(swapped, functions(), changes=["byteorder"])

    def test_fails_where_a_schema_is_lost(self) -> None:
        btf = loads(dumps(functions()), kinds=KINDS.extended(KindSpec(40, "FROB", SIZE)))
        with pytest.raises(AssertionError, match='pass "lossy" changed kinds from'):
            assert_pass_contract(Lossy(), btf)
        assert_pass_contract(Lossy(), btf, changes=["kinds"])

    def test_fails_where_ext_is_lost(self) -> None:
        btf = with_ext(functions(), types=[3], names=[1])
        with pytest.raises(AssertionError, match="changed ext from 'there' to 'none'"):
            assert_pass_contract(Lossy(), btf)
        assert_pass_contract(Lossy(), btf, changes=["ext"])

    def test_fails_where_inline_is_lost(self) -> None:
        over = Builder(functions())
        over.add(views.Ptr(1))
        btf = evolve(functions(), inline=over.build())
        with pytest.raises(AssertionError, match="changed inline from 'there' to 'none'"):
            assert_pass_contract(Lossy(), btf)
        assert_pass_contract(Lossy(), btf, changes=["inline"])

    def test_a_builder_that_is_told_loses_nothing(self) -> None:
        btf = evolve(functions(layout=True), address_size=4)
        builder = Builder(like=btf)
        for view in btf:
            builder.add(view)
        made = builder.build()
        assert dumps(made) == dumps(btf)
        assert made.address_size == 4

    def test_what_may_change_is_spelled_right(self) -> None:
        with pytest.raises(ValueError, match="expected 'byteorder', 'layout', 'ext'"):
            assert_pass_contract(DropTags(), functions(), changes=["layouts"])


def test_a_whole_kernel_takes_half_a_second(cloud: Btf) -> None:
    StripParameters().run(functions(), Context())
    start = time.process_time()
    result = StripParameters().run(cloud, Context()).btf
    taken = time.process_time() - start
    assert len(result.types.words) < len(cloud.types.words)
    assert taken < 0.5, f"{taken:.2f} s of processor time"
