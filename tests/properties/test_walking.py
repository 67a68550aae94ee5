"""Where records start: walkers find what a step at a time finds, whatever the words are."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfschema import Btf, Kind
from btfschema.codec import walking
from btfschema.codec.walking import index_records
from btfschema.schema.plan import HEADER_WORDS, KIND_SHIFT, VLEN_MASK, plan_of

PLAN = plan_of()
Words = npt.NDArray[np.uint32]


def size_at(words: list[int], at: int, end: int) -> int:
    """The words of a record, 0 for what is none."""
    info = words[at + 1] if at + HEADER_WORDS <= end else 0
    kind = PLAN.kinds.get(info >> KIND_SHIFT & 0x7F)
    return kind.size(info & VLEN_MASK) if kind is not None else 0


def by_steps(words: list[int], bounds: list[int]) -> list[int]:
    """Record by record, from each section's start."""
    starts = []
    for at, end in pairwise(bounds):
        while at < end:
            starts.append(at)
            if at > end - HEADER_WORDS:
                break
            info = words[at + 1]
            kind = PLAN.kinds.get(info >> KIND_SHIFT & 0x7F)
            if kind is None:
                break
            at += kind.size(info & VLEN_MASK)
    return starts


@pytest.fixture(autouse=True)
def _small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Walkers also where there are few words."""
    if "cloud" not in request.fixturenames:
        monkeypatch.setattr(walking, "FEWEST", 0)


# What looks like a record's info word more often than chance has it, short ones above all.
INFOS = st.builds(
    lambda kind, vlen, flag: flag << 31 | kind << KIND_SHIFT | vlen,
    st.integers(0, 23),
    st.one_of(st.integers(0, 3), st.integers(0, 60)),
    st.integers(0, 1),
)
WORDS = st.lists(st.one_of(INFOS, INFOS, st.integers(0, 40)), max_size=300)


@given(
    WORDS,
    st.lists(st.integers(0, 300), max_size=5),
    st.sampled_from([1, 2, 3, 7, 20, 64]),
    st.data(),
)
@settings(max_examples=150)
def test_any_words(words: list[int], cuts: list[int], distance: int, data: st.DataObject) -> None:
    bounds = sorted({0, len(words), *(cut for cut in cuts if cut < len(words))})
    # Sections may be empty.
    bounds = sorted([*bounds, *cuts[:1]]) if cuts and cuts[0] <= len(words) else bounds
    array = np.array(words, np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walking, "DISTANCE", distance)
        patch.setattr(walking, "STEPS", data.draw(st.sampled_from([1, 2, 16])))
        found, reached = index_records(array, PLAN, bounds)
    starts = by_steps(words, bounds)
    assert found.tolist() == starts
    # A section is left at its end exactly when its last record, if it has one, ends there.
    for (begin, end), came in zip(pairwise(bounds), reached, strict=True):
        last = max((start for start in starts if begin <= start < end), default=None)
        assert (came == end) == (last is None or last + size_at(words, last, end) == end)


@pytest.mark.parametrize("distance", [50, 333, 2048, 100_000])
def test_a_kernel(cloud: Btf, distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "DISTANCE", distance)
    found = index_records(cloud.types.words, PLAN, [0, len(cloud.types.words)])[0]
    assert np.array_equal(found, cloud.types.starts)


def test_a_kernel_cut_off_anywhere(cloud: Btf) -> None:
    words, starts = cloud.types.words, cloud.types.starts
    for cut in random.Random(3).sample(range(len(words) // 2, len(words)), 5):
        found = index_records(words[:cut], PLAN, [0, cut])[0]
        assert np.array_equal(found, starts[: np.searchsorted(starts, cut)])


@pytest.mark.parametrize(
    "pattern",
    {
        "walkers that never meet the path": [1, Kind.INT << KIND_SHIFT, Kind.INT << KIND_SHIFT, 4],
        "nothing but records": [Kind.PTR << KIND_SHIFT] * 3,
        "no record at all": [0, 0, 0],
        "records of the greatest length": [0, Kind.STRUCT << KIND_SHIFT | VLEN_MASK, 0],
        "every word a long record": [Kind.STRUCT << KIND_SHIFT | 50] * 3,
    }.items(),
    ids=lambda item: item[0],
)
def test_hostile_words_cost_no_more_than_a_step_each(pattern: tuple[str, list[int]]) -> None:
    words: Any = np.tile(np.array(pattern[1], np.uint32), 100_000)
    begin = time.process_time()
    found = index_records(words, PLAN, [0, len(words)])[0]
    assert time.process_time() - begin < 1
    assert found.tolist() == by_steps(words.tolist(), [0, len(words)])
