"""``dedup`` against libbpf's results and in the corners that libbpf gets wrong."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from building import built
from dedup_cases import Case, corners, has_forwards, randoms, unlike
from ext_sections import with_ext

from btfschema import Btf, Kind, dumps, loads, views
from btfschema.testing.contract import assert_pass_contract
from btfschema_transforms.dedup import Dedup, dedup
from btfschema_transforms.merge import merge
from btfschema_transforms.sameness.identity import identity

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def same_graph(one: Btf, other: Btf) -> bool:
    """Whether two containers hold the same types, in whatever order."""
    same = identity(one, other)
    return Counter(same.old.tolist()) == Counter(same.new.tolist())


@pytest.mark.parametrize("case", list(randoms()), ids=lambda case: case.name)
def test_random_units_end_as_libbpf_ends_them(case: Case) -> None:
    result = dedup(case.btf)

    assert case.libbpf is not None
    assert not unlike(case.btf, result.btf, result.ids)
    # With forwards, which of several definitions is meant may differ, the number of types does not.
    assert len(result.btf) == len(case.libbpf)
    if not has_forwards(case.btf):
        assert same_graph(result.btf, case.libbpf)
        assert dumps(dedup(case.btf, "keep").btf) == dumps(result.btf)


@pytest.mark.parametrize("case", list(corners()), ids=lambda case: case.name)
def test_corners(case: Case) -> None:
    result = dedup(case.btf)

    assert not unlike(case.btf, result.btf, result.ids)
    assert len(dedup(result.btf).btf) == len(result.btf)
    if case.libbpf is None:
        return
    assert len(result.btf) == len(case.libbpf)
    if not has_forwards(case.btf):
        assert same_graph(result.btf, case.libbpf)


def two_circles(first: int) -> list[views.TypeView]:
    """``struct s { T a; T b; }`` where T, twice there, is a pointer to itself."""
    return [
        views.Typedef("T", first + 1),
        views.Ptr(first),
        views.Typedef("T", first + 3),
        views.Ptr(first + 2),
        views.Struct("s", 16, [views.Member("a", first), views.Member("b", first + 2, 64)]),
    ]


def test_two_equal_circles_in_one_struct() -> None:
    """What hangs libbpf 1.8."""
    btf = built(*two_circles(1), *two_circles(6))

    result = dedup(btf)

    assert [view.kind for view in result.btf] == [Kind.TYPEDEF, Kind.PTR, Kind.STRUCT]
    assert not unlike(btf, result.btf, result.ids)


def test_elements_of_one_array_type_are_compared() -> None:
    """libbpf 1.8 compares the first struct's array with itself, and loses the second struct."""
    btf = built(
        INT,
        views.Int("unsigned int", 4),
        views.Array(1, 1, 2),
        views.Struct("s", 16, [views.Member("x", 3), views.Member("y", 3, 64)]),
        views.Array(2, 1, 2),
        views.Struct("s", 16, [views.Member("x", 3), views.Member("y", 5, 64)]),
    )

    result = dedup(btf)

    assert len(result.btf.find_all("s")) == 2
    assert len(result.btf) == 6


def node(pointer: int) -> views.TypeView:
    return views.Struct("node", 8, [views.Member("list", pointer)])


def test_what_is_declared_becomes_what_is_defined() -> None:
    btf = built(
        views.Fwd("list"),
        views.Ptr(1),
        node(2),
        views.Struct("list", 4, [views.Member("length", 5)]),
        INT,
        views.Ptr(4),
        node(6),
    )

    result = dedup(btf)

    assert result.ids[1] == result.ids[4]
    assert result.ids[2] == result.ids[6]
    assert [str(view) for view in result.btf.find_all("list")] == [str(result.btf.find("list"))]
    assert len(dedup(btf, "keep").btf) == 7


def two_lists() -> list[views.TypeView]:
    return [
        INT,
        views.Struct("list", 4, [views.Member("length", 1)]),
        views.Struct("list", 4, [views.Member("size", 1)]),
    ]


def test_a_name_with_two_definitions_stays_declared() -> None:
    btf = built(*two_lists(), views.Fwd("list"), views.Ptr(4))

    result = dedup(btf)

    assert len(result.btf) == 5
    assert result.ambiguous == (4,)
    (note,) = Dedup().run(btf, None).diagnostics  # type: ignore[arg-type]
    assert 'FWD "list" [4] stays' in note.message


def test_a_type_that_is_equal_otherwise_tells_which_definition_is_meant() -> None:
    btf = built(*two_lists(), views.Fwd("list"), views.Ptr(4), node(5), views.Ptr(3), node(7))

    result = dedup(btf)

    assert result.ids[4] == result.ids[3]
    assert result.ids[6] == result.ids[8]
    assert len(result.btf) == 5
    assert result.ambiguous == ()


def test_what_a_base_holds_is_not_repeated() -> None:
    base = built(INT, views.Ptr(1), views.Fwd("list"), views.Ptr(3), node(4))
    btf = built(INT, views.Ptr(6), views.Fwd("list"), views.Ptr(8), node(9), base=base)

    result = dedup(btf)

    assert len(result.btf) == 0
    assert [result.ids[one] for one in range(6, 11)] == [1, 2, 3, 4, 5]


def test_a_base_keeps_what_it_declares() -> None:
    """What the container defines is meant by its own types, and the base's stay as they are."""
    base = built(views.Fwd("list"), views.Ptr(1), node(2))
    btf = built(
        views.Struct("list", 4),
        views.Ptr(1),
        views.Typedef("pointer", 5),
        node(2),
        base=base,
    )

    result = dedup(btf)

    assert dumps(base) == dumps(result.btf.base or base)
    pointer = result.btf.find("pointer", views.Typedef).type
    assert isinstance(pointer, views.Ptr)
    assert pointer.type.kind == Kind.STRUCT
    assert result.ids[7] == 3


def test_variables_and_sections_stay() -> None:
    types = [INT, views.Var("v", 1), views.Datasec(".data", 4, [views.VarSecinfo(2, 0, 4)])]
    more = [INT, views.Var("v", 4), views.Datasec(".data", 4, [views.VarSecinfo(5, 0, 4)])]
    btf = built(*types, *more)

    result = dedup(btf)

    assert [view.kind for view in result.btf] == [
        Kind.INT,
        Kind.VAR,
        Kind.DATASEC,
        Kind.VAR,
        Kind.DATASEC,
    ]


def test_what_tells_about_code_follows() -> None:
    plain = built(INT, INT, views.FuncProto(2), views.Func("main", 3))
    btf = with_ext(plain, types=[4, 2], names=[plain.strings.index["main"]])

    result = dedup(btf)

    assert btf.ext is not None
    assert result.btf.ext is not None
    assert result.btf.ext.type_ids.tolist() == result.ids.apply(btf.ext.type_ids).tolist()


def test_the_contract_of_passes() -> None:
    assert_pass_contract(Dedup(), built(*two_lists(), views.Fwd("list"), INT, views.Ptr(5)))


def test_corpus(cloud: Btf, modules: dict[str, bytes]) -> None:
    """Some modules joined; libbpf leaves 5,632 of 9,436 types of other hundred."""
    chosen = [loads(modules[name], cloud) for name in sorted(modules)[:60]]
    joined = merge(chosen).btf

    result = dedup(joined)

    assert len(result.btf) < len(joined)
    assert not unlike_own(joined, result.btf, result.ids.to_array())


def unlike_own(old: Btf, new: Btf, ids: Any) -> list[int]:
    """Own types whose kind or name is not that of what they became."""
    olds = np.arange(old.first_id, old.end_id)
    news = ids[olds]
    old_kinds, new_kinds = old.all_types.kinds[olds - 1], new.all_types.kinds[news - 1]
    names = old.strings.names(old.all_types.name_offs[olds - 1])
    others = new.strings.names(new.all_types.name_offs[news - 1])
    differ = (old_kinds != new_kinds) & (old_kinds != Kind.FWD)
    differ |= np.array([a != b for a, b in zip(names, others, strict=True)])
    found: list[int] = olds[differ].tolist()
    return found


@pytest.mark.slow
def test_all_modules_of_a_kernel(cloud: Btf, modules: dict[str, bytes]) -> None:
    """libbpf 1.8 leaves 128,944 of 179,638 types."""
    names = sorted(modules, key=lambda name: f"{name}.btf".encode())
    joined = merge([loads(modules[name], cloud) for name in names]).btf
    assert len(joined) == 179_638

    result = dedup(joined)

    assert len(result.btf) <= 128_944
    assert not unlike(joined, result.btf, result.ids)
