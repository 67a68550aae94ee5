"""Laws of id maps, against plain lists as the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfschema.arrays import bounds_of
from btfschema.tables.ids import DROPPED, IdMap

Model = list[int | None]


@st.composite
def models(draw: st.DrawFn, count: int | None = None, ends: Any = None) -> tuple[Model, int]:
    """Targets with 0 -> 0, made of runs and of single ids, and the ids of the output."""
    count = draw(st.integers(1, 40)) if count is None else count
    end = draw(st.integers(1, 40)) if ends is None else draw(ends)
    model: Model = [0]
    while len(model) < count:
        target = draw(st.none() | st.integers(0, end - 1))
        length = draw(st.integers(1, 5))
        if target is None:
            model += [None] * length
        else:
            model += [t for t in range(target, target + length) if t < end]
    return model[:count], end


@given(models())
def test_a_map_says_what_its_list_says(drawn: tuple[Model, int]) -> None:
    model, end = drawn
    ids = IdMap.from_array(model)
    assert list(ids) == model
    assert [ids[i] for i in range(len(ids))] == model
    assert ids.to_array().tolist() == [DROPPED if t is None else t for t in model]
    assert ids.apply(np.arange(len(ids))).tolist() == ids.to_array().tolist()
    assert ids.dropped.tolist() == [i for i, t in enumerate(model) if t is None]
    assert list(ids.moved()) == [(i, t) for i, t in enumerate(model) if t != i]
    assert ids.is_identity == (model == list(range(len(model))))
    ids.check(len(model), end)


@given(models(), st.randoms())
def test_equal_maps_are_equal_however_they_were_made(drawn: tuple[Model, int], random: Any) -> None:
    model, _ = drawn
    pairs = [(i, t) for i, t in enumerate(model) if t is not None]
    random.shuffle(pairs)
    sources, targets = zip(*pairs, strict=True)
    ids = IdMap.from_runs(len(model), sources, targets)
    assert ids == IdMap.from_array(model)
    assert hash(ids) == hash(IdMap.from_array(model))


@given(st.data())
def test_composition_is_associative_and_follows_the_lists(data: st.DataObject) -> None:
    first, end = data.draw(models())
    second, second_end = data.draw(models(end))
    third, _ = data.draw(models(second_end))
    a, b, c = (IdMap.from_array(model) for model in (first, second, third))
    assert list(a.then(b)) == [None if t is None else second[t] for t in first]
    assert a.then(b).then(c) == a.then(b.then(c))


@given(models())
def test_identity_is_neutral(drawn: tuple[Model, int]) -> None:
    model, end = drawn
    ids = IdMap.from_array(model)
    assert IdMap.identity(len(ids)).then(ids) == ids
    assert ids.then(IdMap.identity(end)) == ids


@given(models())
def test_there_and_back_again(drawn: tuple[Model, int]) -> None:
    model, end = drawn
    ids = IdMap.from_array(model)
    back = ids.invert(end)
    assert len(back) == end
    assert ids.then(back).then(ids) == ids
    for new, old in enumerate(back):
        expected = [i for i, t in enumerate(model) if t == new]
        assert old == (min(expected) if expected else None)


@given(st.lists(models(), max_size=6))
def test_maps_that_were_joined_are_cut_apart_again(drawn: list[tuple[Model, int]]) -> None:
    """As the maps of many containers that were made as one."""
    found = [model for model, _ in drawn]
    joined = IdMap.from_array([target for model in found for target in model])
    parts = joined.cut(bounds_of(list(map(len, found))))
    assert parts == [IdMap.from_array(model) for model in found]
    for part, model in zip(parts, found, strict=True):
        assert list(part) == model
        assert part.apply(range(len(model))).tolist() == part.to_array().tolist()
        with pytest.raises(ValueError, match="read-only"):
            part.starts[0] = 1


@given(models(), st.data())
def test_a_run_is_never_cut_in_two(drawn: tuple[Model, int], data: st.DataObject) -> None:
    model, _ = drawn
    ids = IdMap.from_array(model)
    bound = data.draw(st.integers(0, len(model)))
    if bound in (0, len(model)) or bound in ids.starts:
        first, second = ids.cut([0, bound, len(model)])
        assert list(first) + list(second) == model
    else:
        with pytest.raises(ValueError, match="a run goes on over one of the bounds"):
            ids.cut([0, bound, len(model)])


@given(models(), st.lists(st.integers(-2, 45), max_size=4))
def test_bounds_that_are_not_those_of_all_ids_are_refused(
    drawn: tuple[Model, int], bounds: list[int]
) -> None:
    ids = IdMap.from_array(drawn[0])
    if bounds == sorted(bounds) and bounds[:1] == [0] and bounds[-1:] == [len(ids)]:
        return
    with pytest.raises(ValueError, match=r"bounds|run"):
        ids.cut(bounds)
