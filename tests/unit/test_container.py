"""Containers: looking up, chains of bases, sizes, and that nothing can be changed."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from attrs.exceptions import FrozenInstanceError
from samples import KERNEL_VIEWS, LOC_VIEWS, every_kind, tiny

from btfschema import Btf, Builder, Kind, dumps, loads, views
from btfschema.errors import (
    AmbiguousNameError,
    BtfError,
    DecodeError,
    TypeIdError,
    UnknownNameError,
    UnresolvedError,
)


def chain_of_three() -> Btf:
    """tiny() over tiny() over tiny(): ids 1..3, 4..6, 7..9."""
    return tiny(tiny(tiny()))


def built(*added: views.TypeView, base: Btf | None = None) -> Btf:
    builder = Builder(base)
    for view in added:
        builder.add(view)
    return builder.build()


class TestLookUp:
    def test_by_id(self) -> None:
        btf = every_kind()
        for type_id, view in enumerate((*KERNEL_VIEWS, *LOC_VIEWS), 1):
            assert btf[type_id] == view
            assert btf[type_id].id == type_id
            assert btf[type_id].btf is btf

    def test_void_is_id_0(self) -> None:
        assert tiny()[0].kind == Kind.VOID
        assert tiny()[0].references == []

    @pytest.mark.parametrize(
        ("type_id", "message"),
        [(4, "type id 4 is past the last id 3"), (-1, "type id -1 is negative")],
    )
    def test_no_such_id(self, type_id: int, message: str) -> None:
        with pytest.raises(TypeIdError) as caught:
            tiny()[type_id]
        assert str(caught.value) == message
        assert isinstance(caught.value, IndexError)

    def test_len_and_iteration_are_the_own_types(self) -> None:
        btf = chain_of_three()
        assert len(btf) == 3
        assert [view.id for view in btf] == [7, 8, 9]
        assert bool(built())
        assert len(built()) == 0

    def test_iteration_equals_indexing_on_a_kernel(self, cloud: Btf) -> None:
        """Iteration makes views in runs; every seam between two runs is in here."""
        sample = list(cloud)[::97]
        assert sample == [cloud[view.id] for view in sample]
        assert sum(1 for _ in cloud) == len(cloud)

    def test_find(self, cloud: Btf) -> None:
        task = cloud.find("task_struct", Kind.STRUCT)
        assert isinstance(task, views.Struct)
        assert task.member("pid").type == cloud.find("pid_t", Kind.TYPEDEF)
        with pytest.raises(LookupError, match="STRUCT 'task_struct' has no member 'nope'"):
            task.member("nope")

    def test_find_nothing(self) -> None:
        with pytest.raises(UnknownNameError, match="no type 'nothing'"):
            tiny().find("nothing")
        with pytest.raises(UnknownNameError, match="no UNION 's'"):
            tiny().find("s", Kind.UNION)
        assert tiny().find_all("nothing") == []

    def test_several_are_never_silently_the_first(self) -> None:
        btf = built(views.Int("twin", 4), views.Fwd("twin"), views.Fwd("twin"))
        with pytest.raises(AmbiguousNameError) as caught:
            btf.find("twin")
        assert str(caught.value) == (
            "3 matches for type 'twin': [1] INT, [2] FWD, [3] FWD; give a kind or use find_all"
        )
        assert caught.value.got == [1, 2, 3]
        assert btf.find("twin", Kind.INT).id == 1
        assert [view.id for view in btf.find_all("twin", Kind.FWD)] == [2, 3]

    def test_find_through_the_chain(self) -> None:
        assert [view.id for view in chain_of_three().find_all("s")] == [3, 6, 9]

    def test_find_by_a_name_inside_another_string(self) -> None:
        btf = tiny()
        table = btf.types.rewritten([(np.array([0]), np.array([2]))])
        moved = Btf.assemble(table, btf.strings.data, like=btf, base=None)
        assert moved.find("nt").id == 1
        assert moved.find_all("int") == []

    def test_find_anonymous(self) -> None:
        assert [view.id for view in tiny().find_all("")] == [2]

    @pytest.mark.parametrize("name", ["int\0s", "\ud800"])
    def test_no_type_has_a_name_that_cant_be(self, name: str) -> None:
        assert tiny().find_all(name) == []
        assert name not in tiny().strings


class TestViews:
    def test_references_resolve(self) -> None:
        struct = tiny().find("s")
        assert isinstance(struct, views.Struct)
        pointer = struct.members[1].type
        assert isinstance(pointer, views.Ptr)
        assert pointer.type == struct.members[0].type == views.Int("int", 4, 1)
        assert struct.references == [1, 2]

    def test_references_resolve_into_bases(self) -> None:
        last = built(views.Ptr(3), views.Typedef("t", 6), base=tiny(tiny()))
        assert last.find_all("", views.Ptr)[-1].type.id == 3
        assert last.find("t", views.Typedef).type.name == "s"
        assert last[5].btf is last.base

    def test_of_nothing_resolves_nothing(self) -> None:
        with pytest.raises(UnresolvedError, match="type id 3 can't be resolved: this Ptr"):
            views.Ptr(3).type  # noqa: B018
        with pytest.raises(UnresolvedError, match="this Ptr was not read from a container"):
            views.Ptr(3).references  # noqa: B018

    def test_of_every_kind_know_their_targets(self) -> None:
        btf = every_kind()
        array, proto, locsec = btf[3], btf[13], btf[23]
        assert isinstance(array, views.Array)
        assert isinstance(proto, views.FuncProto)
        assert isinstance(locsec, views.LocSec)
        assert array.index_type == btf[1]
        assert proto.return_type == btf[1]
        assert proto.variadic
        assert locsec.entries[0].func == btf[12]
        assert locsec.entries[0].loc_proto == btf[22]
        assert btf.references(23) == [12, 22]
        assert btf.references(21) == []

    def test_signs(self) -> None:
        btf = every_kind()
        state, wide = btf[6], btf[19]
        assert isinstance(state, views.Enum)
        assert isinstance(wide, views.Enum64)
        assert (state.signed, state.values[1].value) == (True, -1)
        assert (wide.signed, wide.values[0].value) == (False, (1 << 64) - 1)
        assert btf.find("int", views.Int).signed

    def test_bitfields(self) -> None:
        flags = every_kind()[20]
        assert isinstance(flags, views.Struct)
        assert flags.kind_flag
        assert [(m.bit_offset, m.bitfield_size) for m in flags.members] == [(0, 3), (3, 29)]

    def test_equality_is_about_content(self) -> None:
        assert tiny()[3] == tiny(byteorder="big")[3] == tiny(tiny(byteorder="big")).base[3]  # type: ignore[index]  # pyright: ignore
        assert tiny()[1] != views.Int("int", 4)
        assert len({tiny()[1], views.Int("int", 4, 1)}) == 1


class TestSizes:
    def test_every_kind(self) -> None:
        btf = every_kind()
        sizes = {1: 4, 2: 8, 3: 12, 4: 24, 5: 8, 6: 4, 8: 24, 9: 4, 10: 4, 11: 8, 14: 4, 15: 8}
        sizes |= {16: 8, 17: 24, 18: 4, 19: 8, 20: 4}
        assert {i: btf.sizeof(i) for i in sizes} == sizes
        assert btf.sizeof(btf[4]) == 24
        assert btf.sizeof(str(btf[4].name)) == 24
        with pytest.raises(UnknownNameError):
            btf.sizeof("no_such_type")

    @pytest.mark.parametrize(
        ("type_id", "message"),
        [
            (0, "void has no size"),
            (7, 'FWD "elsewhere" [7] has no size'),
            (12, 'FUNC "main" [12] has no size'),
            (13, "FUNC_PROTO [13] has no size"),
        ],
    )
    def test_no_size(self, type_id: int, message: str) -> None:
        with pytest.raises(UnresolvedError) as caught:
            every_kind().sizeof(type_id)
        assert str(caught.value) == message

    def test_no_size_in_the_end(self) -> None:
        btf = built(views.Const(2), views.FuncProto(0), views.Typedef("nothing", 0))
        with pytest.raises(UnresolvedError, match=r"CONST \[1\] has no size: it leads to FUNC_P"):
            btf.sizeof(1)
        with pytest.raises(UnresolvedError, match=r'"nothing" \[3\] has no size: it leads to void'):
            btf.sizeof(3)

    def test_circles_end(self) -> None:
        btf = built(views.Typedef("t", 1), views.Const(3), views.Array(2, 1, 9), views.Const(3))
        circle = "its references run in a circle through"
        for type_id, message in {
            1: f'TYPEDEF "t" [1] has no size: {circle} TYPEDEF "t" [1]',
            2: f"CONST [2] has no size: {circle} CONST [2]",
            4: f"CONST [4] has no size: {circle} ARRAY [3]",
        }.items():
            with pytest.raises(UnresolvedError) as caught:
                btf.sizeof(type_id)
            assert str(caught.value) == message

    def test_arrays_of_arrays(self) -> None:
        btf = built(
            views.Int("short", 2),
            views.Array(1, 1, 3),
            views.Typedef("row", 2),
            views.Array(3, 1, 5),
            views.Const(4),
            views.Array(5, 1, 7),
        )
        assert btf.sizeof(6) == 2 * 3 * 5 * 7

    @pytest.mark.parametrize(
        ("long", "size", "pointer"),
        [("long", 4, 4), ("unsigned long", 8, 8), ("long unsigned int", 4, 4), ("int", 4, 8)],
    )
    def test_pointers_are_as_long_as_long(self, long: str, size: int, pointer: int) -> None:
        base = built(views.Int(long, size))
        assert base.pointer_size == pointer
        assert built(views.Array(3, 1, 2), views.Ptr(0), base=base).sizeof(2) == 2 * pointer

    def test_through_the_chain(self) -> None:
        assert built(views.Typedef("alias", 3), base=tiny(tiny())).sizeof(7) == 16

    def test_no_such_type(self) -> None:
        with pytest.raises(TypeIdError, match=r"type id 9 is not in 1\.\.3"):
            tiny().sizeof(9)


class TestChains:
    def test_ids_and_strings_continue(self) -> None:
        last = chain_of_three()
        assert [btf.first_id for btf in last.chain] == [1, 4, 7]
        assert last.end_id == 10
        assert [btf.strings.start for btf in last.chain] == [0, 11, 11]
        assert last.owner(5) is last.base
        assert 9 in last
        assert 10 not in last

    def test_come_back_from_bytes(self) -> None:
        last = chain_of_three()
        base: Btf | None = None
        for btf in last.chain:
            base = loads(dumps(btf), base)
        assert base is not None
        assert base.equivalent(last)
        assert not base.equivalent(tiny(tiny()))
        assert not base.equivalent(tiny())

    def test_describe(self) -> None:
        assert chain_of_three().describe(6) == 'STRUCT "s" [6]'
        assert chain_of_three().describe(5) == "PTR [5]"
        assert chain_of_three().describe(0) == "void"

    def test_messages_about_overlapping_names_do_not_grow_with_their_square(self) -> None:
        # One string, and names that start at each of its characters.
        builder = Builder()
        builder.add(views.Int("x" * 5000, 4))
        btf = builder.build()
        assert len(btf.describe(1)) < 600
        assert btf.describe(1).endswith('x..." [1]')

    @pytest.mark.parametrize(
        "text", ["", "x", "\u20ac" * 7, "\u20ac" * 8, "\U0001f600" * 9, "a\udcff"]
    )
    def test_the_beginning_of_a_string(self, text: str) -> None:
        builder = Builder()
        builder.add(views.Int(text, 4))
        btf = builder.build()
        offset = int(btf.types.name_offs[0])
        shown = text if len(text) <= 7 else text[:7] + "..."
        assert btf.strings.beginning(offset, 7) == shown
        with pytest.raises(DecodeError):
            btf.strings.beginning(btf.strings.end, 7)

    def test_repr_says_what_it_is(self) -> None:
        assert repr(tiny(tiny())) == "<Btf 3 types (ids 4..6) over 3, little-endian>"


class TestNothingCanBeChanged:
    def test_containers(self) -> None:
        with pytest.raises(FrozenInstanceError):
            tiny().base = None  # type: ignore[misc]  # pyright: ignore

    def test_views(self) -> None:
        with pytest.raises(FrozenInstanceError):
            tiny().find("s", views.Struct).size = 3  # type: ignore[misc]  # pyright: ignore

    @pytest.mark.parametrize("data", [b"", dumps(tiny())])
    def test_words(self, data: bytes) -> None:
        btf = loads(data) if data else tiny()
        with pytest.raises(ValueError, match="read-only"):
            btf.types.words[0] = 7

    def test_input_may_be_reused(self) -> None:
        data = bytearray(dumps(tiny()))
        btf = loads(data)  # type: ignore[arg-type]  # pyright: ignore
        data[:] = bytes(len(data))
        assert dumps(btf) == dumps(tiny())


def test_what_nobody_uses_any_more_is_gone_at_once() -> None:
    """Nothing in a container refers back to it: thousands would wait for the garbage collector."""
    gc.disable()
    try:
        btf = loads(dumps(tiny()), tiny())
        btf.strings.names(btf.types.name_offs)
        btf.find_ids("s")
        seen = [weakref.ref(one) for one in (btf, btf.image.types, btf.strings)]
        del btf
        assert [one() for one in seen] == [None] * len(seen)
    finally:
        gc.enable()


def test_every_error_is_a_btf_error() -> None:
    for error in (AmbiguousNameError, TypeIdError, UnknownNameError, UnresolvedError):
        assert issubclass(error, BtfError)
        assert issubclass(error, LookupError)
