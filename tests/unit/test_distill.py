"""Distilling: what stands in the new base, what moves into the split, where every id went."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest
from attrs import frozen
from building import built
from construct import Struct as Record
from ext_sections import with_ext

from btfschema import KINDS, Btf, Builder, KindSpec, Pipeline, dumps, loads, views
from btfschema.errors import PassError, RequirementError
from btfschema.model.views.base import Refers
from btfschema.schema import UNUSED
from btfschema.schema.roles import StringOffset, TypeId
from btfschema.testing.contract import assert_pass_contract
from btfschema.views import TypeView
from btfschema_transforms.distill import Distill, distill
from btfschema_transforms.relocate import relocate


def kernel(byteorder: Literal["little", "big"] = "little") -> Btf:
    """A small vmlinux: what a driver needs and what it does not."""
    return built(
        views.Int("int", 4, views.IntEncoding.SIGNED),
        views.Struct("unused", 4, [views.Member("a", 1)]),
        views.Struct("device", 16, [views.Member("parent", 4), views.Member("id", 1, 64)]),
        views.Ptr(3),
        views.Enum("state", 4, [views.Enumerator("ON", 1), views.Enumerator("OFF", -1)]),
        views.Enum64("flags", 8, [views.Enumerator("HUGE", 1 << 40)]),
        views.Fwd("hidden", is_union=True),
        views.Ptr(7),
        views.Typedef("state_t", 5),
        views.Array(9, 1, 4),
        views.Union("", 8, [views.Member("dev", 4), views.Member("hid", 8)]),
        views.Float("double", 8),
        byteorder=byteorder,
    )


def driver(base: Btf) -> Btf:
    """Types 13..15: a struct that uses most of the kernel's types, a pointer and a typedef."""
    return built(
        views.Struct(
            "driver",
            48,
            [
                views.Member("states", 10),
                views.Member("flags", 6, 128),
                views.Member("", 11, 192),
                views.Member("ratio", 12, 256),
                views.Member("next", 14, 320),
            ],
        ),
        views.Ptr(13),
        views.Typedef("driver_t", 13),
        base=base,
    )


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_names_and_sizes_make_the_base_and_the_rest_follows_the_split(
    byteorder: Literal["little", "big"],
) -> None:
    split, ids = distill(driver(kernel(byteorder)))

    assert split.base is not None
    assert split.byteorder == split.base.byteorder == byteorder
    assert list(split.base) == [
        views.Int("int", 4, views.IntEncoding.SIGNED),
        views.Struct("device", 16),
        views.Enum("state", 4),
        views.Enum("flags", 8),
        views.Fwd("hidden", is_union=True),
        views.Float("double", 8),
    ]
    assert list(split) == [
        views.Struct(
            "driver",
            48,
            [
                views.Member("states", 13),
                views.Member("flags", 4, 128),
                views.Member("", 14, 192),
                views.Member("ratio", 6, 256),
                views.Member("next", 8, 320),
            ],
        ),
        views.Ptr(7),
        views.Typedef("driver_t", 7),
        views.Ptr(2),
        views.Ptr(5),
        views.Typedef("state_t", 3),
        views.Array(12, 1, 4),
        views.Union("", 8, [views.Member("dev", 10), views.Member("hid", 11)]),
    ]
    dropped = None
    assert list(ids) == [0, 1, dropped, 2, 10, 3, 4, 5, 11, 12, 13, 14, 6, 7, 8, 9]


def test_each_output_holds_the_strings_that_it_uses_in_order_of_first_use() -> None:
    split, _ = distill(driver(kernel()))

    assert split.base is not None
    assert split.base.strings.data == b"\0int\0device\0state\0flags\0hidden\0double\0"
    # "flags" is a member's name too: the base's is taken for it.
    assert split.strings.data == b"driver\0states\0ratio\0next\0driver_t\0state_t\0dev\0hid\0"


def test_what_was_written_reads_back_over_the_distilled_base() -> None:
    split, _ = distill(driver(kernel()))

    assert split.base is not None
    again = loads(dumps(split), loads(dumps(split.base)))

    assert again.equivalent(split)


def test_the_input_stays_as_it_is() -> None:
    base = kernel()
    module = driver(base)
    before = dumps(module), dumps(base)

    distill(module)

    assert (dumps(module), dumps(base)) == before


def test_a_named_struct_stands_for_its_members_and_an_unnamed_one_does_not() -> None:
    inner = [views.Int("int", 4), views.Int("char", 1)]
    named = built(*inner, views.Struct("s", 4, [views.Member("i", 1)]))
    unnamed = built(*inner, views.Struct("", 4, [views.Member("i", 1)]))

    assert distill(built(views.Const(3), base=named))[0].base == Names("s")
    assert distill(built(views.Const(3), base=unnamed))[0].base == Names("int")


class Names:
    """Equal to a container whose types have these names."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Btf) and [getattr(v, "name", "") for v in other] == self.names

    def __repr__(self) -> str:
        return f"Names{tuple(self.names)}"


def test_nothing_anonymous_stands_in_the_base() -> None:
    base = built(
        views.Int("", 4),
        views.Float("", 8),
        views.Enum("", 4, [views.Enumerator("A", 0)]),
        views.Enum64("", 8, [views.Enumerator("B", 0)]),
    )
    split, ids = distill(built(*map(views.Const, range(1, 5)), base=base))

    assert split.base == Names()
    assert list(split)[4:] == list(base)
    assert list(ids) == [0, 5, 6, 7, 8, 1, 2, 3, 4]


def test_circles_through_unnamed_types_end() -> None:
    base = built(
        views.Ptr(2),
        views.Struct("", 8, [views.Member("next", 1)]),
    )
    split, _ = distill(built(views.Typedef("list_t", 2), base=base))

    assert list(split) == [
        views.Typedef("list_t", 3),
        views.Ptr(3),
        views.Struct("", 8, [views.Member("next", 2)]),
    ]


def test_chains_may_be_as_long_as_the_file() -> None:
    length = 50_000
    base = built(views.Int("int", 4), *(views.Ptr(n) for n in range(1, length)))

    split, ids = distill(built(views.Const(length), base=base))

    assert len(split) == length
    assert ids[length] == split.end_id - 1


def test_numpy_imports_no_more_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``np.unique`` imports numpy.ma, which takes as long as distilling a dozen modules."""
    monkeypatch.delattr(np, "unique")
    base = built(views.Int("int", 4, 1, 32), *(views.Ptr(1) for _ in range(100)))
    split = built(*(views.Typedef(f"t{number}", 2 + number) for number in range(100)), base=base)
    distilled, _ = distill(split)
    moved, _ = relocate(distilled, base)
    assert len(distilled) == 200
    assert len(moved) == 200


def test_a_chain_of_bases_becomes_one() -> None:
    vmlinux = built(views.Int("int", 4), views.Struct("device", 4, [views.Member("id", 1)]))
    bus = built(
        views.Struct("bus", 8, [views.Member("dev", 2)]), views.Typedef("bus_t", 3), base=vmlinux
    )
    module = built(
        views.Struct("card", 16, [views.Member("bus", 4), views.Member("dev", 2, 64)]), base=bus
    )
    split, ids = distill(module)

    assert split.base is not None
    assert split.base.base is None
    assert list(split.base) == [views.Struct("device", 4), views.Struct("bus", 8)]
    assert list(split) == [
        views.Struct("card", 16, [views.Member("bus", 4), views.Member("dev", 1, 64)]),
        views.Typedef("bus_t", 2),
    ]
    assert list(ids) == [0, None, 1, 2, 4, 3]


@pytest.mark.parametrize(
    "undistillable",
    [
        views.Func("probe", 2),
        views.Var("jiffies", 1),
        views.Datasec(".data", 4),
        views.DeclTag("tag", 3),
        views.LocSec(".text"),
    ],
    ids=lambda view: KINDS.name(view.kind),
)
def test_code_and_data_of_the_base_are_refused_by_name(undistillable: TypeView) -> None:
    base = built(views.Int("int", 4), views.FuncProto(0), views.Struct("s", 0), undistillable)
    module = built(views.Int("own", 4), views.Typedef("wrong", 4), base=base)

    with pytest.raises(PassError) as caught:
        distill(module)

    kind = KINDS.name(undistillable.kind)
    name = getattr(undistillable, "name", "")
    assert 'type TYPEDEF "wrong" [6] refers to the base\'s' in str(caught.value)
    assert f'{kind} "{name}" [4]' in str(caught.value)
    assert (caught.value.type_id, caught.value.got) == (6, 4)


def test_the_referrer_may_be_a_type_of_the_base() -> None:
    base = built(views.FuncProto(0), views.Func("f", 1), views.Ptr(2))
    module = built(views.Const(3), base=base)

    with pytest.raises(PassError, match=r'type PTR \[3\] refers to the base\'s FUNC "f" \[2\]'):
        distill(module)


def test_stand_alone_btf_has_nothing_to_distill() -> None:
    with pytest.raises(RequirementError, match="distill needs split BTF"):
        distill(kernel())


def test_locations_of_the_base_move_into_the_split() -> None:
    base = built(views.LocParam(8, views.LocFlags.CONST, [7]), views.LocProto([1]))
    module = built(
        views.FuncProto(0),
        views.Func("f", 3),
        views.LocSec(".text", [views.LocEntry(4, 2, 16)]),
        base=base,
    )
    split, _ = distill(module)

    assert list(split) == [
        views.FuncProto(0),
        views.Func("f", 1),
        views.LocSec(".text", [views.LocEntry(2, 5, 16)]),
        views.LocParam(8, views.LocFlags.CONST, [7]),
        views.LocProto([4]),
    ]


@frozen
class Nickname(TypeView, Refers):
    """A kind from outside, with a reference and a string of its own."""

    KIND: ClassVar[int] = 40
    name: str
    nick: str
    type_id: int


NICKNAMES = KINDS.extended(
    KindSpec(
        40,
        "NICKNAME",
        UNUSED,
        Record("nick_off" / StringOffset(), "type_id" / TypeId()),
        view=Nickname,
    )
)


def nicknamed() -> tuple[Btf, Btf]:
    """A base and a split with a NICKNAME each, written with a layout section."""
    base = Builder(kinds=NICKNAMES, profile="wide", layout=True)
    base.add(views.Int("int", 4))
    base.add(Nickname("number", "no", 1))
    below = base.build()
    split = Builder(below, kinds=NICKNAMES, profile="wide", layout=True)
    split.add(Nickname("module's", "mod", 2))
    return below, split.build()


def test_a_declared_kind_from_outside_moves_like_a_typedef() -> None:
    _, module = nicknamed()

    split, ids = distill(module)

    assert split.find_all("module's", Nickname) == [Nickname("module's", "mod", 3)]
    assert split.find_all("number", Nickname) == [Nickname("number", "no", 1)]
    assert list(ids) == [0, 1, 3, 2]


def test_a_kind_that_only_a_layout_describes_is_refused_by_name() -> None:
    base, module = nicknamed()
    below = loads(dumps(base))

    with pytest.raises(PassError, match=r'KIND_40 "module\'s" \[3\] can.t be rewritten'):
        distill(loads(dumps(module), below))
    with pytest.raises(PassError, match=r'CONST \[3\] refers to the base\'s KIND_40 "number"'):
        distill(built(views.Const(2), base=below))


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_ext_follows(byteorder: Literal["little", "big"]) -> None:
    base = kernel(byteorder)
    module = driver(base)
    int_name = base.strings.index["int"]
    module = with_ext(module, types=[13, 4], names=[int_name, module.strings.index["driver"]])

    split, ids = distill(module)

    assert split.ext is not None
    assert split.ext.type_ids.tolist() == [ids[13], ids[4]] * 2
    assert split.strings.names(split.ext.string_offsets) == ["int", "driver"]


def test_what_only_ext_uses_is_kept() -> None:
    base = built(views.Int("int", 4), views.Ptr(1), views.Struct("section", 0))
    module = built(views.Typedef("own", 0), base=base)
    module = with_ext(module, types=[2], names=[base.strings.index["section"]])

    split, ids = distill(module)

    assert split.ext is not None
    assert (ids[1], ids[2], ids[3]) == (1, 3, None)
    assert split.ext.type_ids.tolist() == [3]
    assert split.strings.names(split.ext.string_offsets) == ["section"]


def test_runs_in_a_pipeline() -> None:
    result = Pipeline.parse("distill").run(driver(kernel()))

    assert result.btf.base is not None
    assert (len(result.btf.base), len(result.btf)) == (6, 8)
    assert_pass_contract(Distill(), driver(kernel()))


def test_two_passes_in_a_row_trace_every_id() -> None:
    """A distilled module can be distilled again; the maps compose by content."""
    module = driver(kernel())
    once, first = distill(module)
    twice, second = distill(once)

    both = first.then(second)

    for type_id in range(1, module.end_id):
        end = both[type_id]
        if end is not None:
            assert getattr(twice[end], "name", "") == getattr(module[type_id], "name", "")
    assert [both[i] for i in (2, 13)] == [None, first[13]]


def test_strings_may_share_suffixes(cloud: Btf, modules: dict[str, bytes]) -> None:
    """Less growth over a sample, the same types, names and ids, and kernels can relocate it."""
    whole = shared = 0
    for name in sorted(modules)[::40]:
        split = loads(modules[name], cloud)
        plain, ids = distill(split)
        result = Pipeline.parse("distill{strings=suffix}").run(split)
        small = result.btf
        assert result.ids == ids
        moved = [relocate(one, cloud, "kernel")[0] for one in (plain, small)]
        texts = [one.strings.names(one.types.words[one.types.string_positions]) for one in moved]
        assert texts[0] == texts[1]
        assert np.array_equal(small.types.kinds, plain.types.kinds)
        for one, other in ((small, plain), (small.base, plain.base)):
            assert one is not None
            assert other is not None
            names, others = (
                btf.strings.names(btf.types.words[btf.types.string_positions])
                for btf in (one, other)
            )
            assert names == others
        sizes = [len(dumps(btf)) + len(dumps(btf.base)) for btf in (plain, small) if btf.base]
        whole += sizes[0] - len(modules[name])
        shared += sizes[1] - len(modules[name])
    assert shared < 0.9 * whole
