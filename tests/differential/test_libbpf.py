"""Distill and relocate against libbpf 1.5, on generated BTF and on the modules of a kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from building import built
from hypothesis import assume, event, given
from hypothesis import strategies as st
from libbpf_oracle import LibbpfError, Oracle

from btfschema import Btf, Kind, dumps, loads, views
from btfschema.errors import MatchError, PassError
from btfschema.testing import btfs, split_btfs
from btfschema.views import TypeView
from btfschema_transforms.distill import distill
from btfschema_transforms.references import references
from btfschema_transforms.relocate import relocate

pytestmark = pytest.mark.debian

# What libbpf 1.5 knows.
KINDS = [kind for kind in Kind if Kind.VOID < kind <= Kind.ENUM64]
DATA_KINDS: list[Kind] = [
    kind for kind in KINDS if kind not in (Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG)
]
# A FUNC must refer to a prototype, which here would seldom happen.
UNDISTILLABLE: list[Kind] = [Kind.INT, Kind.PTR, Kind.STRUCT, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG]


@pytest.fixture(scope="module")
def libbpf() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


def libbpf_distills(libbpf: Oracle, split: Btf) -> Btf | LibbpfError:
    try:
        base, data = libbpf.distill(*map(dumps, split.chain))
    except LibbpfError as error:
        return error
    return loads(data, loads(base), check=False)


def distills(split: Btf) -> Btf | PassError:
    try:
        return distill(split)[0]
    except PassError as error:
        return error


def assert_equal(ours: Btf | PassError, theirs: Btf | LibbpfError) -> None:
    """Base and split are byte for byte the same."""
    assert isinstance(ours, Btf), ours
    assert isinstance(theirs, Btf), theirs
    for mine, other in zip(ours.chain, theirs.chain, strict=True):
        assert list(mine) == list(other)
        assert mine.strings.data == other.strings.data
        assert dumps(mine) == dumps(other)


def libbpf_relocates(libbpf: Oracle, split: Btf, target: Btf) -> bytes | LibbpfError:
    assert split.base is not None
    try:
        return libbpf.relocate(dumps(split.base), dumps(split), dumps(target))
    except LibbpfError as error:
        return error


def relocates(split: Btf, target: Btf) -> bytes | MatchError:
    try:
        return dumps(relocate(split, target, "kernel")[0])
    except MatchError as error:
        return error


def check_relocation(libbpf: Oracle, split: Btf, target: Btf) -> str:
    """The same bytes, or a refusal by both that is about the same type; which of the two."""
    theirs, ours = libbpf_relocates(libbpf, split, target), relocates(split, target)
    if isinstance(theirs, LibbpfError):
        assert isinstance(ours, MatchError), theirs
        assert theirs.args[0].split("'")[1] in {one.name for one in ours.mismatches}
        return "refused"
    assert ours == theirs
    return "relocated"


def needs_unnamed_numbers(split: Btf) -> bool:
    """Whether a split needs an unnamed INT, FLOAT or FWD.

    libbpf puts them into the distilled base, which it then refuses to relocate; here they move
    into the split.
    """
    return any(
        isinstance(view, views.Int | views.Float | views.Fwd) and not view.name
        for view in map(split.__getitem__, references(split).closure.tolist())
    )


def distilled_to_nothing(split: Btf) -> bool:
    """Whether nothing stands in the distilled base.

    libbpf tells by the first id which of the two it fills, base or split; when the base is empty,
    both start at 1, it leaves out of the split what belongs there, and its ids lead nowhere.
    """
    ours = distills(split)
    return isinstance(ours, Btf) and ours.first_id == 1


@st.composite
def senseless(draw: st.DrawFn, kinds: list[Kind]) -> Btf:
    """Splits in which references lead anywhere, without the layout section that 1.5 ignores."""
    base = draw(btfs(kinds=kinds, max_types=12, layout=False))
    return draw(btfs(base, kinds=kinds, max_types=12, layout=False))


@given(split=split_btfs(valid=True, kinds=DATA_KINDS, max_types=15))
def test_generated_splits_are_distilled_alike(libbpf: Oracle, split: Btf) -> None:
    assume(not needs_unnamed_numbers(split) and not distilled_to_nothing(split))
    assert_equal(distills(split), libbpf_distills(libbpf, split))


@given(split=senseless(DATA_KINDS))
def test_senseless_splits_are_distilled_alike(libbpf: Oracle, split: Btf) -> None:
    """So the order of strings and ids is put to the test."""
    assume(not needs_unnamed_numbers(split) and not distilled_to_nothing(split))
    theirs = libbpf_distills(libbpf, split)
    if isinstance(theirs, LibbpfError):
        # libbpf refuses to write an ENUM of an odd size.
        assert "Invalid argument" in theirs.args[0]
        event("refused")
        return
    assert_equal(distills(split), theirs)


@given(split=senseless(UNDISTILLABLE))
def test_what_can_not_be_distilled_is_refused_alike(libbpf: Oracle, split: Btf) -> None:
    assume(not needs_unnamed_numbers(split) and not distilled_to_nothing(split))
    theirs, ours = libbpf_distills(libbpf, split), distills(split)
    assert isinstance(ours, PassError) == isinstance(theirs, LibbpfError)
    event("refused" if isinstance(ours, PassError) else "distilled")
    if not isinstance(ours, PassError):
        assert_equal(ours, theirs)


@given(
    split=split_btfs(valid=True, kinds=DATA_KINDS, max_bases=1, max_types=10, byteorder="little"),
    other=btfs(valid=True, kinds=DATA_KINDS, max_types=10, byteorder="little"),
    same=st.booleans(),
)
def test_distilled_splits_are_relocated_alike(
    libbpf: Oracle, split: Btf, other: Btf, same: bool
) -> None:
    assume(not needs_unnamed_numbers(split))
    assert split.base is not None
    event(check_relocation(libbpf, distill(split)[0], split.base if same else other))


NAMES = st.sampled_from(["a", "b", "c"])
SIZES = st.sampled_from([0, 4, 8])
ENUM_SIZES = st.sampled_from([4, 8])
NAMED: list[st.SearchStrategy[TypeView]] = [
    st.builds(views.Struct, NAMES, SIZES),
    st.builds(views.Union, NAMES, SIZES),
    st.builds(views.Enum, NAMES, ENUM_SIZES),
    st.builds(views.Fwd, NAMES, st.booleans()),
    st.builds(views.Int, NAMES, ENUM_SIZES, st.sampled_from([0, 1, 4])),
    st.builds(views.Float, NAMES, ENUM_SIZES),
]
TARGETS = [
    *NAMED,
    st.builds(views.Enum64, NAMES, ENUM_SIZES),
    st.builds(views.Struct, NAMES, SIZES, kind_flag=st.booleans()),
    st.builds(views.Union, NAMES, SIZES, kind_flag=st.booleans()),
    st.builds(views.Typedef, NAMES, st.just(0)),
]


@st.composite
def users(draw: st.DrawFn, base: Btf) -> Btf:
    """A split over a distilled base that uses its types by value and by reference."""
    types: list[TypeView] = []
    for type_id in range(1, base.end_id):
        for layer in draw(
            st.lists(st.sampled_from(["ptr", "const", "typedef", "array", "tag"]), max_size=2)
        ):
            types.append(
                {
                    "ptr": views.Ptr(type_id),
                    "const": views.Const(type_id),
                    "typedef": views.Typedef("t", type_id),
                    "array": views.Array(type_id, 0, 2),
                    "tag": views.TypeTag("user", type_id),
                }[layer]
            )
            type_id = base.end_id + len(types) - 1
        holder: st.SearchStrategy[TypeView] = st.sampled_from(
            [
                views.Struct("holder", 8, [views.Member("a", type_id)]),
                views.Union("holder", 8, [views.Member("it", type_id)]),
                views.FuncProto(type_id, [views.Param("b", type_id)]),
                views.Var("c", type_id),
            ]
        )
        types.append(draw(holder))
    return built(*types, base=base)


@given(
    base=st.lists(st.one_of(*NAMED), min_size=1, max_size=4).map(lambda types: built(*types)),
    target=st.lists(st.one_of(*TARGETS), max_size=8).map(lambda types: built(*types)),
    data=st.data(),
)
def test_names_in_any_combination_are_matched_alike(
    libbpf: Oracle, base: Btf, target: Btf, data: st.DataObject
) -> None:
    event(check_relocation(libbpf, data.draw(users(base)), target))


def test_the_modules_of_a_kernel(
    libbpf: Oracle, cloud: Btf, generic: Btf, modules: dict[str, bytes]
) -> None:
    for data in list(modules.values())[::10]:
        split = loads(data, cloud)
        assert_equal(distills(split), libbpf_distills(libbpf, split))
        check_relocation(libbpf, distill(split)[0], generic)
