"""New BTF: ids, strings, byte orders, and values that don't fit."""

from __future__ import annotations

import pytest
from samples import KERNEL_VIEWS, LOC_VIEWS, every_kind, tiny

from btfschema import Btf, Builder, dumps, loads, views
from btfschema.codec.header import ByteOrder
from btfschema.errors import EncodeError
from btfschema.views import TypeView

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


class TestIds:
    def test_are_given_in_order(self) -> None:
        builder = Builder()
        assert builder.next_id == 1
        assert [builder.add(INT), builder.add(views.Ptr(1))] == [1, 2]
        assert builder.next_id == 3
        assert len(builder) == 2

    def test_continue_the_bases(self) -> None:
        builder = Builder(tiny(tiny()))
        assert builder.add(views.Ptr(6)) == 7
        assert builder.build().types.first_id == 7

    def test_may_be_used_before_they_are_added(self) -> None:
        builder = Builder()
        builder.add(views.Ptr(2))
        builder.add(views.Struct("node", 8, [views.Member("next", 1)]))
        node = builder.build()[2]
        assert isinstance(node, views.Struct)
        assert node.members[0].type.references == [2]

    def test_that_nobody_added_are_named(self) -> None:
        builder = Builder()
        builder.add(INT)
        builder.add(views.Array(1, 9, 3))
        with pytest.raises(EncodeError) as caught:
            builder.build()
        assert str(caught.value) == ("type 2 (ARRAY) refers to type id 9, the last id is 2")
        assert (caught.value.type_id, caught.value.got) == (2, 9)

    def test_building_may_go_on(self) -> None:
        """What was built before stays as it was."""
        builder = Builder()
        builder.add(INT)
        first = builder.build()
        builder.add(views.Ptr(1))
        assert len(first) == 1
        assert len(builder.build()) == 2


class TestStrings:
    def test_each_once_in_order_of_use(self) -> None:
        builder = Builder()
        builder.add(INT)
        members = [views.Member("int", 1), views.Member("", 1), views.Member("s", 1)]
        builder.add(views.Struct("s", 12, members))
        builder.add(views.Typedef("t", 2))
        assert builder.build().strings.data == b"\0int\0s\0t\0"

    def test_split_reuses_its_bases(self) -> None:
        split = tiny(tiny())
        assert split.strings.data == b""
        assert [view.name for view in split] == ["int", "", "s"]

    def test_split_reuses_all_its_bases(self) -> None:
        middle = Builder(tiny())
        middle.add(views.Fwd("middle"))
        last = Builder(middle.build())
        for name in ("int", "middle", "last"):
            last.add(views.Fwd(name))
        assert last.build().strings.data == b"last\0"
        assert [view.name for view in last.build()] == ["int", "middle", "last"]

    def test_any_bytes_survive(self) -> None:
        text = b"caf\xc3\xa9\xff".decode("utf-8", "surrogateescape")
        builder = Builder()
        builder.add(views.Fwd(text))
        assert builder.build().strings.data == b"\0caf\xc3\xa9\xff\0"
        assert loads(dumps(builder.build()))[1] == views.Fwd(text)


class TestFrame:
    @pytest.mark.parametrize("byteorder", ["little", "big"])
    def test_byte_order(self, byteorder: ByteOrder) -> None:
        data = dumps(tiny(byteorder=byteorder))
        assert data[:2] == (b"\x9f\xeb" if byteorder == "little" else b"\xeb\x9f")
        assert int.from_bytes(data[4:8], byteorder) == 24
        assert list(loads(data)) == list(tiny())

    def test_split_takes_its_bases_byte_order(self) -> None:
        base = tiny(byteorder="big")
        assert tiny(base).byteorder == "big"
        with pytest.raises(EncodeError, match="split BTF has its base's byte order, big-endian"):
            Builder(base, byteorder="little")

    def test_layout_makes_32_header_bytes(self) -> None:
        plain, described = every_kind(), every_kind(layout=True)
        assert plain.image.header.hdr_len == 24
        assert described.image.header.hdr_len == 32
        header = loads(dumps(described)).image.header
        assert header.layout_off == header.type_len
        assert header.layout_len == 4 * 23
        assert list(described) == list(plain)

    def test_empty(self) -> None:
        assert dumps(Builder().build()) == bytes.fromhex("9feb0100 18000000" + "00" * 12 + "01") + (
            b"\0\0\0\0"
        )


class TestProfiles:
    def long_proto(self, count: int) -> TypeView:
        return views.FuncProto(0, [views.Param("", 0)] * count)

    def test_classic_has_16_bits_of_vlen(self) -> None:
        assert Builder().add(self.long_proto(0xFFFF)) == 1
        with pytest.raises(EncodeError) as caught:
            Builder().add(self.long_proto(0x10000))
        assert str(caught.value) == (
            "type 1 (FUNC_PROTO ''): vlen 65536 does not fit 16 bits in the profile \"classic\"; "
            'kernels from 2026 on read profile "wide"'
        )

    def test_wide_has_24(self) -> None:
        builder = Builder(profile="wide")
        builder.add(self.long_proto(0x10000))
        read = loads(dumps(builder.build()))[1]
        assert isinstance(read, views.FuncProto)
        assert len(read.params) == 0x10000

    def test_both_write_the_same_where_both_can(self) -> None:
        results = set()
        for profile in ("classic", "wide"):
            builder = Builder(profile=profile)
            for view in (*KERNEL_VIEWS, *LOC_VIEWS):
                builder.add(view)
            results.add(dumps(builder.build()))
        assert len(results) == 1


def member(offset: int, size: int, *, kind_flag: bool) -> TypeView:
    return views.Struct("s", 8, [views.Member("m", 1, offset, size)], kind_flag=kind_flag)


def enum(value: int, *, signed: bool = False) -> TypeView:
    return views.Enum("e", 4, [views.Enumerator("v", value)], signed=signed)


def enum64(value: int, *, signed: bool = False) -> TypeView:
    return views.Enum64("e", 8, [views.Enumerator("v", value)], signed=signed)


class TestValues:
    @pytest.mark.parametrize(
        "view",
        [
            member((1 << 24) - 1, 255, kind_flag=True),
            member((1 << 32) - 1, 0, kind_flag=False),
            member(1 << 20, 0, kind_flag=True),
            enum((1 << 32) - 1),
            enum(-(1 << 31), signed=True),
            enum64((1 << 64) - 1),
            enum64(-(1 << 63), signed=True),
            views.DeclTag("t", 1, -1, kind_flag=True),
            views.TypeTag("t", 1, kind_flag=True),
            views.Int("i", (1 << 32) - 1, 15, 255, 255),
            views.Func("f", 1, 0xFFFF),
            views.Enum("fwd", 0),
            views.LocParam(8, 0x3F, [(1 << 32) - 1]),
        ],
    )
    def test_at_the_edge_come_back(self, view: TypeView) -> None:
        builder = Builder()
        builder.add(INT)
        builder.add(view)
        assert loads(dumps(builder.build()))[2] == view

    @pytest.mark.parametrize(
        ("view", "problem"),
        [
            (
                member(1 << 24, 0, kind_flag=True),
                "bit_offset 16777216 does not fit 24 bits (kind_flag is set)",
            ),
            (
                member(0, 256, kind_flag=True),
                "bitfield_size 256 does not fit 8 bits (kind_flag is set)",
            ),
            (member(0, 3, kind_flag=False), "bitfield_size 3 needs kind_flag"),
            (member(1 << 32, 0, kind_flag=False), "member 0: offset 4294967296 does not fit 32"),
            (member(-8, 0, kind_flag=False), "member 0: offset -8 does not fit 32 bits"),
            (enum(1 << 32), "value 'v': 4294967296 does not fit 32 unsigned bits"),
            (enum(1 << 31, signed=True), "value 'v': 2147483648 does not fit 32 signed bits"),
            (enum64(1 << 64), "value 'v': 18446744073709551616 does not fit 64 unsigned"),
            (enum64(-1, signed=False), "value 'v': -1 does not fit 64 unsigned bits"),
            (views.Int("i", 4, 0, 256), "bits 256 does not fit 8 bits"),
            (views.Int("i", 4, 0, 32, 256), "bit_offset 256 does not fit 8 bits"),
            (views.Int("i", 4, 16), "encoding 16 does not fit 4 bits"),
            (views.Int("i", 1 << 32, bits=8), "size 4294967296 does not fit 32 bits"),
            (views.Array(1, 1, -1), "nelems -1 does not fit 32 bits"),
            (views.Ptr(-1), "type_id -1 does not fit 32 bits"),
            (views.DeclTag("t", 1, 1 << 31), "component_idx 2147483648 does not fit 32 bits"),
            (views.Func("f", 1, 1 << 16), "vlen 65536 does not fit 16 bits"),
            (views.Datasec("d", 8, [views.VarSecinfo(1, -1, 4)]), "variable 0: offset -1 does not"),
            (views.Fwd("a\0b"), "name_off: string 'a\\x00b' holds a NUL"),
            (
                views.Struct("s", 4, [views.Member("fine", 1), views.Member("a\0b", 1)]),
                "member 1: name_off: string 'a\\x00b' holds a NUL",
            ),
            (views.Fwd("\ud800"), "name_off: string '\\ud800' can't be encoded"),
            (views.Opaque(99, "x", 0, False, 0, ()), "kind 99 is not in the schema"),
            (views.Void(), "kind 0 is not in the schema"),
        ],
    )
    def test_that_dont_fit_name_the_field_and_change_nothing(
        self, view: TypeView, problem: str
    ) -> None:
        builder = Builder()
        builder.add(INT)
        before = dumps(builder.build())
        with pytest.raises(EncodeError) as caught:
            builder.add(view)
        assert problem in str(caught.value)
        assert builder.next_id == 2
        assert dumps(builder.build()) == before

    def test_a_failed_add_forgets_just_its_own_strings(self) -> None:
        builder = Builder(tiny())
        builder.add(views.Fwd("kept"))
        for _ in range(2):
            with pytest.raises(EncodeError):
                builder.add(
                    views.Struct("int", 4, [views.Member("kept", 1), views.Member("gone", -1)])
                )
        builder.add(views.Fwd("after"))
        assert builder.build().strings.data == b"kept\0after\0"


class TestDefaults:
    """What a view's author may leave out."""

    def test_of_ints(self) -> None:
        assert views.Int("u16", 2).bits == 16
        assert not views.Int("u16", 2).signed

    def test_kind_flag_where_a_member_is_a_bitfield(self) -> None:
        plain = views.Struct("s", 8, [views.Member("a", 1)])
        packed = views.Struct("s", 8, [views.Member("a", 1), views.Member("b", 1, 32, 3)])
        assert (plain.kind_flag, packed.kind_flag) == (False, True)

    def test_sign_where_a_value_is_negative(self) -> None:
        assert views.Enum("e", 4, [views.Enumerator("a", -1)]).signed
        assert not views.Enum("e", 4, [views.Enumerator("a", 1)]).signed

    def test_forward_declarations_name_their_kind(self) -> None:
        assert views.Fwd("s").fwd_kind == 4
        assert views.Fwd("u", is_union=True).fwd_kind == 5

    def test_views_of_one_container_build_another(self, cloud: Btf) -> None:
        """Views keep their ids' numbers, so the copy of a whole file is that file."""
        builder = Builder()
        for view in tiny(byteorder="big"):
            builder.add(view)
        assert dumps(builder.build()) == dumps(tiny())
        struct = cloud.find("list_head", 4)
        assert Builder(cloud).add(struct) == cloud.end_id


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (views.Ptr(1.5), "type 2 (PTR ''): type_id 1.5 is not a whole number"),  # type: ignore[arg-type]
        (views.Int("a", "4", bits=8), "size '4' is not a whole number"),  # type: ignore[arg-type]
        (views.Float(None, 4), "name None is not a string"),  # type: ignore[arg-type]
        (views.Typedef("t", views.Int("a", 4)), "give the id that add() returned for it"),  # type: ignore[arg-type]
        ("int", "'int' is not a view of a type"),
    ],
)
def test_values_of_other_types_are_refused_in_words(view: views.TypeView, words: str) -> None:
    b = Builder()
    b.add(views.Int("int", 4))
    with pytest.raises(EncodeError) as caught:
        b.add(view)
    assert words in str(caught.value)
    assert len(b) == 1
