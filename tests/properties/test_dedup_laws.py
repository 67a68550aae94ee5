"""Laws of dedup and merge on generated BTF."""

from __future__ import annotations

from collections import Counter

import numpy as np
from dedup_cases import unlike
from hypothesis import given, settings
from hypothesis import strategies as st
from refinement import refined
from shuffling import shuffled

from btfschema import Btf, Kind, dumps, loads
from btfschema.tables.ids import IdMap
from btfschema.testing import btfs, split_btfs
from btfschema_transforms.dedup import dedup
from btfschema_transforms.flatten import flatten
from btfschema_transforms.merge import merge
from btfschema_transforms.sameness.hashing import mixed
from btfschema_transforms.sameness.identity import identity
from btfschema_transforms.sameness.partition import Graph, Partition
from btfschema_transforms.sort import sort
from btfschema_transforms.split_off import split_off

SEEDS = st.integers(0, 1 << 32)
# Few types of few names, several times: so that there is something to find.
REPEATED = st.lists(btfs(max_types=6), min_size=1, max_size=3).flatmap(
    lambda parts: st.permutations([*parts, *parts])
)


def joined(parts: list[Btf]) -> Btf:
    same = [part for part in parts if part.byteorder == parts[0].byteorder]
    return merge(same).btf


def same_graph(one: Btf, other: Btf) -> bool:
    same = identity(one, other)
    return Counter(same.old.tolist()) == Counter(same.new.tolist())


@given(REPEATED)
def test_dedup_maps_each_type_to_an_equal_one(parts: list[Btf]) -> None:
    btf = joined(parts)

    result = dedup(btf)

    assert not unlike(btf, result.btf, result.ids)


@given(REPEATED)
def test_dedup_twice_is_dedup_once(parts: list[Btf]) -> None:
    once = dedup(joined(parts)).btf

    twice = dedup(once)

    assert dumps(twice.btf) == dumps(once)
    assert twice.ids.is_identity


@given(REPEATED, SEEDS)
def test_the_order_of_types_does_not_matter(parts: list[Btf], seed: int) -> None:
    btf = joined(parts)

    ours = dedup(btf, "keep").btf
    theirs = dedup(shuffled(btf, seed)[0], "keep").btf

    assert same_graph(ours, theirs)


@given(split_btfs(max_types=8), SEEDS)
def test_a_split_merged_with_itself_is_what_it_was(split: Btf, seed: int) -> None:
    other = shuffled(split, seed)[0]

    alone = dedup(split).btf
    both = merge([split, other])

    assert not unlike(split, both.btf, both.ids[0])
    assert not unlike(other, both.btf, both.ids[1])
    things = [view for view in split if view.kind in (Kind.VAR, Kind.DATASEC)]
    if not things:
        assert len(dedup(both.btf).btf) == len(alone)


@given(REPEATED)
def test_all_that_is_written_can_be_read(parts: list[Btf]) -> None:
    btf = dedup(joined(parts)).btf

    assert loads(dumps(btf)).equivalent(btf)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Nodes of a few labels, which say how many references a node has."""
    degrees = draw(st.lists(st.integers(0, 3), min_size=1, max_size=30))
    users = np.repeat(np.arange(len(degrees)), degrees)
    places = np.concatenate([np.arange(degree) for degree in degrees])
    nodes = st.integers(0, len(degrees) - 1)
    targets = draw(st.lists(nodes, min_size=len(users), max_size=len(users)))
    labels = mixed(np.array(degrees, np.uint64) + np.uint64(1))
    salts = mixed(places.astype(np.uint64))
    return Graph(labels, users, salts, np.array(targets, np.int64).reshape(-1))


@settings(max_examples=200)
@given(graphs())
def test_classes_against_splitting_them_one_by_one(graph: Graph) -> None:
    _, labels = np.unique(graph.labels, return_inverse=True)
    _, places = np.unique(graph.salts, return_inverse=True)

    ours = Partition(graph).classes
    theirs = refined(labels.astype(np.int64), graph.users, places, graph.targets)

    assert len(set(zip(ours.tolist(), theirs.tolist(), strict=True))) == len(set(ours.tolist()))
    assert len(set(ours.tolist())) == len(set(theirs.tolist()))


@given(btfs(max_types=12))
def test_sorting_keeps_equality_and_is_done_once(btf: Btf) -> None:
    result, ids = sort(btf)

    names = [name.encode("utf-8", "surrogateescape") for name in texts(btf)]
    assert [name.encode("utf-8", "surrogateescape") for name in texts(result)] == sorted(names)
    assert not unlike(btf, result, ids)
    assert result.is_sorted == (len(btf) > 1)
    assert sort(result)[1].is_identity
    for name in set(texts(btf)):
        assert result.find_ids(name) == sorted(ids[one] or 0 for one in btf.find_ids(name))


def texts(btf: Btf) -> list[str]:
    return btf.strings.names(btf.types.name_offs)


@given(split_btfs(max_types=8))
def test_flatten_then_split_off_is_where_it_began(split: Btf) -> None:
    flat = flatten(split)

    again, ids = split_off(flat, range(split.first_id, split.end_id))

    assert not unlike(split, flat, IdMap.identity(split.end_id))
    assert ids.is_identity
    assert not unlike(split, again, ids)
    assert again.first_id == split.first_id
