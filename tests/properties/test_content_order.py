"""Laws of the order by content: it is the same for builds whose ids differ only in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shuffling import shuffled_chain

from btfschema import Btf, Builder, views
from btfschema.render.c import c_header
from btfschema.tables import IdMap
from btfschema.testing import assert_pass_contract, btfs, split_btfs
from btfschema_transforms.flatten import flatten
from btfschema_transforms.sort import Sort, sort

SEEDS = st.integers(0, 1 << 32)


def ordered(btf: Btf) -> tuple[Btf, IdMap]:
    return sort(flatten(btf), "content")


def text_of(btf: Btf, *, sort: bool) -> str:
    found, ids = ordered(btf)
    return c_header(found, sort=sort, told=ids.invert().to_array().tolist()).text


@given(btfs() | split_btfs(), SEEDS, st.booleans())
def test_c_is_the_same_text_whatever_the_order_of_ids(btf: Btf, seed: int, sort: bool) -> None:
    assert text_of(shuffled_chain(btf, seed), sort=sort) == text_of(btf, sort=sort)


@given(split_btfs(), SEEDS)
def test_split_types_are_in_the_same_order_over_any_order_of_the_base(btf: Btf, seed: int) -> None:
    one, other = sort(btf, "content")[0], sort(shuffled_chain(btf, seed), "content")[0]
    assert [(view.kind, view.name) for view in one] == [(view.kind, view.name) for view in other]


@given(btfs() | split_btfs())
def test_the_pass_keeps_its_contract(btf: Btf) -> None:
    assert_pass_contract(Sort(ties="content"), btf)
    names = [view.name.encode("utf-8", "surrogateescape") for view in sort(btf, "content")[0]]
    assert names == sorted(names)


def rings(*sizes: int) -> Btf:
    """Structs of one name in rings: each points to the next one of its ring."""
    b = Builder()
    at = 1
    for size in sizes:
        for place in range(size):
            pointer = at + size + place
            b.add(views.Struct("ring", 8, [views.Member("next", pointer)]))
        for place in range(size):
            b.add(views.Ptr(at + (place + 1) % size))
        at += 2 * size
    return b.build()


@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (3, 6), (2, 4, 2, 8), (12,), (7, 5, 7)])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_alike_everywhere_is_told_apart_by_choice(
    sizes: tuple[int, ...], seed: int
) -> None:
    btf = rings(*sizes)
    assert text_of(shuffled_chain(btf, seed), sort=False) == text_of(btf, sort=False)
