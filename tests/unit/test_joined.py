"""Many type sections and tables as one, and apart again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from building import built
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import every_kind, tiny
from telling import outcome, said_by

from btfschema import Kind, views
from btfschema.arrays import bounds_of, distinct, ranges, spread, woven
from btfschema.codec.indexing import Section, index_sections
from btfschema.codec.walking import index_records
from btfschema.errors import DecodeError
from btfschema.schema.plan import INFO_BITS, plan_of
from btfschema.tables.joined import TOGETHER, WORDS_TOGETHER, Joined, portions
from btfschema.tables.types import TypeTable
from btfschema.testing import btfs

PLAN = plan_of()
HALF = settings(max_examples=settings().max_examples // 2)


def info(kind: int, vlen: int = 0) -> int:
    return INFO_BITS.join({"vlen": vlen, "kind": kind, "kind_flag": 0})


def section(*words: int, **parts: Any) -> Section:
    return Section(np.array(words, np.uint32), **parts)


# Mostly words that are something as an info word, so that walks get far before they fail.
KNOWN = [info(kind, vlen) for kind in Kind for vlen in (0, 1, 2)]
WORDS = st.sampled_from([0, 1, *KNOWN]) | st.integers(0, 0xFFFFFFFF)
SECTIONS = st.lists(st.lists(WORDS, max_size=14), max_size=8)


@given(SECTIONS)
def test_records_start_where_they_do_in_each_section_alone(found: list[list[int]]) -> None:
    """Whatever the words are: no record is completed by the words of the next section."""
    parts = [np.array(words, np.uint32) for words in found]
    bounds = bounds_of(list(map(len, parts)))
    alone = [
        start + first
        for part, first in zip(parts, bounds.tolist(), strict=False)
        for start in index_records(part, PLAN, [0, len(part)])[0].tolist()
    ]
    words = np.concatenate([np.zeros(0, np.uint32), *parts])
    assert index_records(words, PLAN, bounds.tolist())[0].tolist() == alone


@given(st.lists(st.tuples(st.lists(WORDS, max_size=14), st.integers(0, 3)), min_size=1, max_size=8))
def test_the_first_section_that_is_damaged_gives_its_own_error(
    found: list[tuple[list[int], int]],
) -> None:
    sections = [
        section(*words, first_id=10 * number + 1, offset=100 * number + 24, trailing=trailing)
        for number, (words, trailing) in enumerate(found)
    ]
    alone = [outcome(index_sections, [one], PLAN) for one in sections]
    errors = [one for one in alone if isinstance(one, DecodeError)]
    together = outcome(index_sections, sections, PLAN)
    if errors:
        assert said_by(together) == said_by(errors[0])
        return
    tables = together.cut([one.first_id for one in sections])
    for table, one, by_itself in zip(tables, sections, alone, strict=True):
        assert table.words.tolist() == one.words.tolist()
        assert table.starts.tolist() == by_itself.types.starts.tolist()
        assert table.roles.tolist() == by_itself.types.roles.tolist()
        assert table.first_id == one.first_id


POINTER = (0, info(Kind.PTR), 0)
STRUCT = (0, info(Kind.STRUCT, 1), 4, 0, 0, 0)
CUT = {
    "one word of a record, the next section has the rest": ([0], [info(Kind.PTR), 0, *POINTER]),
    "two words of a record": ([0, info(Kind.PTR)], [0, *POINTER]),
    "a struct without its member": (STRUCT[:3], STRUCT[3:]),
    "a struct without a part of its member": ([*POINTER, *STRUCT[:5]], [0, *POINTER]),
}


@pytest.mark.parametrize("case", CUT)
def test_what_is_cut_off_is_not_taken_from_the_next_section(case: str) -> None:
    first, second = CUT[case]
    # Read as one section both are sound, so that the bound alone makes the difference.
    assert len(index_sections([section(*first, *second)], PLAN).types)
    alone = outcome(index_sections, [section(*first)], PLAN)
    assert isinstance(alone, DecodeError)
    together = outcome(index_sections, [section(*first), section(*second)], PLAN)
    assert said_by(together) == said_by(alone)


@HALF
@given(st.lists(btfs(max_types=4), min_size=1, max_size=4))
def test_joined_tables_can_be_cut_apart_again(found: list[Any]) -> None:
    tables = [btf.types for btf in found]
    joined = Joined.of(tables)
    assert len(joined) == len(tables)
    for own in (None, [table.words for table in tables]):
        for table, again in zip(tables, joined.cut([7] * len(tables), own), strict=True):
            assert again.first_id == 7
            assert_same_records(again, table)
    at = joined.types.type_id_positions
    counts = [len(table.type_id_positions) for table in tables]
    assert joined.counts(at).tolist() == counts
    changed = joined.rewritten([(at, np.arange(len(at)))]).cut([1] * len(tables))
    news = np.concatenate([table.words[table.type_id_positions] for table in changed])
    assert news.tolist() == list(range(len(at)))


def assert_same_records(one: TypeTable, other: TypeTable) -> None:
    for column in ("words", "starts", "ends", "kinds", "roles", "name_offs", "string_positions"):
        assert getattr(one, column).tolist() == getattr(other, column).tolist(), column


@HALF
@given(st.lists(st.tuples(btfs(max_types=3), btfs(max_types=3)), min_size=1, max_size=3))
def test_each_table_is_followed_by_its_counterpart(pairs: list[tuple[Any, Any]]) -> None:
    mine = Joined.of([one.types for one, _ in pairs])
    theirs = Joined.of([other.types for _, other in pairs])
    both = mine.then(theirs).cut([1] * len(pairs))
    for (one, other), table in zip(pairs, both, strict=True):
        assert_same_records(table, Joined.of([one.types, other.types]).types)


def test_bounds_of_rows_give_the_bounds_of_words() -> None:
    tables = [every_kind().types, built().types, tiny().types, built().types]
    joined = Joined.of(tables)
    again = Joined.by_rows(joined.types, joined.rows)
    assert again.words.tolist() == joined.words.tolist()
    assert joined.words.tolist() == bounds_of([len(table.words) for table in tables]).tolist()


@given(st.lists(st.sampled_from([0, 1, WORDS_TOGETHER // 3, WORDS_TOGETHER, WORDS_TOGETHER + 1])))
def test_portions_are_all_in_order_and_none_is_too_much(sizes: list[int]) -> None:
    found = list(portions(range(len(sizes)), sizes))
    assert [one for run in found for one in run] == list(range(len(sizes)))
    assert all(found)
    for run in found:
        assert len(run) == 1 or sum(sizes[one] for one in run) <= WORDS_TOGETHER
    for run, following in pairwise(found):
        assert sum(sizes[one] for one in [*run, following[0]]) > WORDS_TOGETHER


def test_a_portion_is_no_longer_than_it_may_be() -> None:
    runs = list(portions(range(2 * TOGETHER + 1), [1] * (2 * TOGETHER + 1)))
    assert list(map(len, runs)) == [TOGETHER, TOGETHER, 1]


COUNTS = st.lists(st.integers(0, 4), max_size=8)


@given(COUNTS)
def test_parts_of_arrays(counts: list[int]) -> None:
    bounds = bounds_of(counts)
    assert spread(bounds).tolist() == [n for n, count in enumerate(counts) for _ in range(count)]
    assert distinct(np.array(counts, np.int64)).tolist() == sorted(set(counts))
    firsts = np.arange(len(counts)) * 100
    assert ranges(firsts, np.array(counts, np.int64)).tolist() == [
        100 * n + step for n, count in enumerate(counts) for step in range(count)
    ]
    if counts:
        total = int(bounds[-1])
        twice = woven((np.arange(total), bounds), (-np.arange(total), bounds))
        assert twice.tolist() == [
            sign * at
            for n in range(len(counts))
            for sign in (1, -1)
            for at in range(int(bounds[n]), int(bounds[n + 1]))
        ]


def test_a_kind_that_another_table_knows_is_no_harm() -> None:
    """Only one of the two has a layout section that describes more kinds."""
    known = built(views.Int("int", 4)).types
    wider = TypeTable(known.words, known.starts, PLAN.with_layout(((0, 0),) * 50 + ((4, 8),)))
    for tables in ([known, wider], [wider, known]):
        for again, table in zip(Joined.of(tables).cut([1, 1]), tables, strict=True):
            assert_same_records(again, table)


@pytest.mark.parametrize(
    ("info_sz", "elem_sz", "vlen"), [(0, 1 << 30, 16), (4 * ((1 << 28) - 3) + 12, 1 << 30, 15)]
)
def test_a_length_that_does_not_fit_32_bits_does_not_fit_the_section(
    info_sz: int, elem_sz: int, vlen: int
) -> None:
    """A layout section may describe elements of a gigabyte; modulo 2**32 these lengths are 3."""
    plan = PLAN.with_layout(((0, 0),) * 50 + ((info_sz, elem_sz),))
    with pytest.raises(DecodeError, match=rf"KIND_50.* makes a record of {(1 << 34) + 12} bytes"):
        index_sections([section(0, info(50, vlen), 0, *POINTER)], plan)
