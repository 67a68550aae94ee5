"""Laws of distill, relocate and rebase on generated BTF."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from building import built
from hypothesis import assume, event, given
from hypothesis import strategies as st
from shuffling import kind_name_size, shuffled, stands_for

from btfschema import Btf, Kind, dumps, loads, views
from btfschema.errors import MatchError, PassError
from btfschema.tables.ids import IdMap
from btfschema.testing import btfs, split_btfs
from btfschema.views import TypeView
from btfschema_transforms.distill import distill
from btfschema_transforms.rebase import rebase
from btfschema_transforms.references import references
from btfschema_transforms.relocate import relocate
from btfschema_transforms.relocation.bases import led_to
from btfschema_transforms.sameness import identity as identity_module
from btfschema_transforms.sameness import partition
from btfschema_transforms.sameness.identity import found_again, identity
from btfschema_transforms.sameness.matching import Policy

NO_CODE = tuple(
    kind
    for kind in Kind
    if kind not in (Kind.VOID, Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG, Kind.LOCSEC)
)
SEEDS = st.integers(0, 1 << 32)


def shuffled_base(split: Btf, seed: int) -> Btf:
    """The container that ``split`` stands on, in another order."""
    assert split.base is not None
    return shuffled(split.base, seed)[0]


def relocation(
    split: Btf, target: Btf, policy: Policy = "strict"
) -> tuple[Btf, IdMap] | MatchError:
    """What comes out, an error of matching included."""
    try:
        return relocate(split, target, policy)
    except MatchError as error:
        return error


@given(split_btfs(max_bases=1, kinds=NO_CODE, max_types=10), SEEDS)
def test_distill_shuffle_relocate_finds_every_type_again(split: Btf, seed: int) -> None:
    small, first = distill(split)
    result = relocation(small, shuffled_base(split, seed))
    if isinstance(result, MatchError):
        # Names that several types share can't be told apart by name and size alone.
        assert {one.reason for one in result.mismatches} <= {"ambiguous", "shared"}
        event("refused")
        return
    event("relocated")
    moved, second = result
    ids = first.then(second)
    for type_id in (*references(split).closure.tolist(), *range(split.first_id, split.end_id)):
        end = ids[type_id]
        assert end is not None
        before, after = split[type_id], moved[end]
        assert stands_for(before, after)
        if before.kind != Kind.FWD:
            assert kind_name_size(before) == kind_name_size(after)
        if before.kind not in (Kind.STRUCT, Kind.UNION) or type_id >= split.first_id:
            follow = [ids[target] for target in split.references(type_id)]
            assert end < moved.first_id or moved.references(end) == follow


@given(split_btfs(max_bases=1, kinds=NO_CODE, max_types=10))
def test_distilled_btf_reads_back_and_leaves_its_source(split: Btf) -> None:
    before = [dumps(part) for part in split.chain]

    small, ids = distill(split)

    assert [dumps(part) for part in split.chain] == before
    assert small.base is not None
    assert loads(dumps(small), loads(dumps(small.base))).equivalent(small)
    ids.check(split.end_id, small.end_id)


@given(split_btfs(max_types=8), SEEDS)
def test_rebase_undoes_a_shuffle(split: Btf, seed: int) -> None:
    assert split.base is not None
    other = shuffled_base(split, seed)
    direct = references(split).direct
    same = identity(split.base, split.base)
    assume(bool(np.all(same.counts[same.old[direct]] == 1)))

    moved, _ = rebase(split, other)
    back, _ = rebase(moved, split.base)

    assert dumps(back) == dumps(split)


@given(btfs(max_types=10), btfs(max_types=10), st.sampled_from([2, 3, partition.ROUNDS]))
def test_types_are_the_same_just_when_nothing_tells_them_apart(
    old: Btf, new: Btf, rounds: int
) -> None:
    """Against the definition: pairs are struck out as long as one of them differs.

    After these rounds over all types, classes are split one by one.
    """
    with patch.object(partition, "ROUNDS", rounds):
        same = identity(old, new)

    pairs = {(a, b) for a in range(1, old.end_id) for b in range(1, new.end_id)}
    pairs = {(a, b) for a, b in pairs if own_content(old, a) == own_content(new, b)} | {(0, 0)}
    while True:
        kept = {
            (a, b)
            for a, b in pairs
            if all(step in pairs for step in zip(old.references(a), new.references(b), strict=True))
        }
        if kept == pairs:
            break
        pairs = kept

    found = {
        (a, b) for a in range(old.end_id) for b in range(new.end_id) if same.old[a] == same.new[b]
    }
    assert found == pairs


@given(split_btfs(max_types=8), split_btfs(max_types=8), SEEDS, st.booleans(), st.data())
def test_some_types_are_found_again_as_all_are(
    old: Btf, new: Btf, seed: int, alike: bool, data: st.DataObject
) -> None:
    """What rebase needs of two bases agrees with the comparison of all their types."""
    if alike:
        old = old.base or old
        new = shuffled(old, seed)[0]
    ids = data.draw(st.lists(st.integers(0, old.end_id - 1), max_size=3))
    closed = {one for one in ids if one}
    while not closed.issuperset(more := {to for one in closed for to in old.references(one) if to}):
        closed |= more
    looks = data.draw(st.sampled_from([0, identity_module.LOOKS]))
    with patch.object(identity_module, "LOOKS", looks):
        known = led_to(old, np.array(ids, np.int64))
        found = found_again(old, new, known)

    assert known.tolist() == sorted(closed)
    all_ids = identity(old, new).ids
    event(f"{sum(found[one] is not None for one in closed)} found")
    assert list(found) == [
        all_ids[one] if one in closed or not one else None for one in range(old.end_id)
    ]


def own_content(btf: Btf, type_id: int) -> object:
    """A record without the ids that it holds, its strings as texts."""
    types, row = btf.types, type_id - 1
    words = types.words.astype(object)
    words[types.type_id_positions] = "id"
    words[types.string_positions] = btf.strings.names(types.words[types.string_positions])
    return list(words[types.starts[row] : types.ends[row]])


NAMES = st.sampled_from(["a", "b"])
SIZES = st.sampled_from([4, 8])
DISTILLED: st.SearchStrategy[TypeView] = st.one_of(
    st.builds(views.Struct, NAMES, SIZES),
    st.builds(views.Union, NAMES, SIZES),
    st.builds(views.Enum, NAMES, SIZES),
    st.builds(views.Fwd, NAMES, st.booleans()),
    st.builds(views.Int, NAMES, SIZES, st.sampled_from([0, 1])),
    st.builds(views.Float, NAMES, SIZES),
)
TARGETS: st.SearchStrategy[TypeView] = st.one_of(
    DISTILLED,
    st.builds(views.Enum64, NAMES, SIZES),
    st.builds(views.Struct, NAMES, SIZES, kind_flag=st.booleans()),
    st.builds(views.Union, NAMES, SIZES, kind_flag=st.booleans()),
)


@given(
    st.lists(DISTILLED, min_size=1, max_size=4),
    st.lists(TARGETS, max_size=6),
    st.data(),
    st.sampled_from(["strict", "kernel"]),
)
def test_strict_never_lands_on_another_kind(
    distilled: list[TypeView], target: list[TypeView], data: st.DataObject, policy: Policy
) -> None:
    base = built(*distilled)
    uses = st.sampled_from([views.Ptr, views.Typedef, holder])
    ids = range(1, base.end_id)
    split = built(*(used(data.draw(uses), type_id) for type_id in ids), base=base)
    onto = built(*target)
    result = relocation(split, onto, policy)
    if isinstance(result, MatchError):
        assert all(one.id in ids for one in result.mismatches)
        return
    moved, where = result
    for type_id in ids:
        found = where[type_id] or 0
        assert 0 < found < onto.end_id
        assert moved[where[split.first_id + type_id - 1] or 0].references == [found]
        if policy == "strict":
            assert stands_for(base[type_id], onto[found])
        assert getattr(base[type_id], "name", "") == getattr(onto[found], "name", "")


def holder(type_id: int) -> TypeView:
    return views.Struct("holder", 8, [views.Member("it", type_id)])


def used(make: object, type_id: int) -> TypeView:
    """A split's type that uses a base type."""
    if make is views.Typedef:
        return views.Typedef("t", type_id)
    return views.Ptr(type_id) if make is views.Ptr else holder(type_id)


@given(split_btfs(max_types=8))
def test_any_split_is_distilled_or_refused_in_words(split: Btf) -> None:
    refused = references(split).refused
    if not len(refused):
        assert distill(split)[0].base is not None
        return
    with pytest.raises(PassError) as caught:
        distill(split)
    assert caught.value.got in refused
    assert split.describe(int(refused[0])) in str(caught.value)
