"""Containers from containers: types replaced, the other byte order, types copied."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from samples import every_kind, tiny

from btfschema import Btf, Builder, PassResult, dumps, loads, views
from btfschema.codec.header import ByteOrder
from btfschema.errors import EncodeError, TypeIdError
from btfschema.sources import load_source, read_source
from btfschema.testing import btfs, split_btfs

GOLDENS = Path(__file__).parents[1] / "data" / "core" / "goldens"


class TestReplaced:
    def test_one_type_of_a_kernel(self, cloud: Btf) -> None:
        old = cloud.find("list_head", views.Struct)
        longer = evolve(old, members=[*old.members, views.Member("more", 1, 128)], size=24)
        changed = cloud.replaced({old.id: longer})
        assert changed[old.id] == longer
        assert changed[old.id - 1] == cloud[old.id - 1]
        assert changed[old.id + 1 : old.id + 99] == cloud[old.id + 1 : old.id + 99]
        assert changed.strings.data.startswith(cloud.strings.data)
        assert cloud[old.id] == old

    @given(btf=btfs() | split_btfs())
    def test_by_what_was_there_changes_nothing(self, btf: Btf) -> None:
        assert btf.replaced({view.id: view for view in btf}) == btf
        assert btf.replaced({}) is btf

    def test_as_the_result_of_a_pass(self) -> None:
        btf = tiny()
        result = PassResult.replaced(btf, {1: views.Int("long", 8)}, facts={"n": 1})
        assert (result.btf[1], result.ids[3], result.facts) == (views.Int("long", 8), 3, {"n": 1})

    def test_what_cant_be(self) -> None:
        split = tiny(tiny())
        with pytest.raises(TypeIdError, match=r"none of the container's own, 4\.\.6"):
            split.replaced({1: views.Int("x", 4)})
        with pytest.raises(TypeIdError, match="refers to type id 99, the last id is 6"):
            split.replaced({5: views.Ptr(99)})
        with pytest.raises(EncodeError, match="does not fit"):
            split.replaced({5: views.Struct("s", 1 << 40)})


class TestByteOrder:
    @given(btf=btfs() | split_btfs())
    def test_there_and_back_is_the_same(self, btf: Btf) -> None:
        other: ByteOrder = "big" if btf.byteorder == "little" else "little"
        swapped = btf.with_byteorder(other)
        assert swapped.byteorder == other
        assert list(swapped) == list(btf)
        assert dumps(swapped.with_byteorder(btf.byteorder)) == dumps(btf)
        assert loads(dumps(swapped), swapped.base) == swapped
        assert btf.with_byteorder(btf.byteorder) is btf

    def test_is_what_a_builder_makes(self) -> None:
        assert dumps(tiny().with_byteorder("big")) == dumps(tiny(byteorder="big"))

    @pytest.mark.parametrize("name", ["direct.bpf.o", "bitfields.bpf.o"])
    def test_ext_follows(self, name: str) -> None:
        btf = load_source(read_source(str(GOLDENS / name)))
        swapped = btf.with_byteorder("big")
        assert btf.ext is not None
        assert swapped.ext is not None
        assert swapped.ext.byteorder == "big"
        assert list(swapped.ext.line_info) == list(btf.ext.line_info)
        assert swapped.with_byteorder("little") == btf


class TestCopy:
    def test_types_come_with_all_that_they_need_once(self, cloud: Btf) -> None:
        builder = Builder()
        ids = builder.copy(cloud["struct list_head"])
        assert builder.copy([cloud[95], cloud["struct list_head"]]) == ids
        assert builder.copy(cloud["struct hlist_head"]).keys().isdisjoint(ids)
        copied = builder.build()
        assert str(copied[ids[93]]) == str(cloud[93])
        assert len(copied) == len(cloud.closure(["list_head", "hlist_head"]))

    def test_ids_need_their_container(self, cloud: Btf) -> None:
        builder = Builder()
        assert builder.copy(93, cloud) == builder.copy(cloud[93])
        assert builder.copy([]) == {}
        with pytest.raises(EncodeError, match="the container of type 93 is unknown"):
            builder.copy(93)
        with pytest.raises(EncodeError, match="was not read from a container"):
            builder.copy(views.Int("int", 4))
        with pytest.raises(EncodeError, match="of another container than"):
            builder.copy([cloud[93], tiny()[1]])
        with pytest.raises(TypeIdError):
            builder.copy(1 << 20, cloud)

    def test_what_the_base_has_stays_there(self) -> None:
        base = tiny()
        split = tiny(base)
        builder = Builder(base)
        ids = builder.copy(split[6])
        assert ids == {4: 4, 5: 5, 6: 6}
        assert builder.copy(base[3]) == {1: 1, 2: 2, 3: 3}
        assert list(builder.build()) == list(split)

    def test_of_every_kind_and_other_byte_orders(self) -> None:
        source = every_kind()
        builder = Builder(byteorder="big", profile="wide")
        ids = builder.copy(list(source))
        assert ids == {view.id: view.id for view in source}
        assert list(builder.build()) == list(source)

    def test_a_refusal_adds_nothing(self) -> None:
        source = every_kind()
        builder = Builder(kinds=type(source.kinds)(*list(source.kinds.values())[:3]))
        with pytest.raises(EncodeError, match="its kind is not in the builder's schema"):
            builder.copy(source["struct flags"])
        assert len(builder.build()) == 0
        assert len(builder.build().strings.data) == 1


def test_inlined_calls_follow() -> None:
    """``.BTF.inline`` is split over the container, and goes where it goes."""
    over = Builder(tiny())
    over.add(views.Ptr(3))
    btf = evolve(tiny(), inline=over.build())
    assert btf != tiny()
    copied = pickle.loads(pickle.dumps(btf))
    assert copied == btf
    swapped = btf.with_byteorder("big")
    assert swapped.inline is not None
    assert swapped.inline.byteorder == "big"
    assert swapped.with_byteorder("little") == btf
    changed = btf.replaced({1: views.Int("renamed", 4)})
    assert changed.inline is not None
    assert list(changed.inline) == list(over.build())
