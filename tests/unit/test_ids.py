"""Id maps: what they say, and what they refuse."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from btfschema.errors import BrokenPassError, TypeIdError
from btfschema.tables.ids import DROPPED, FEW_RUNS, IdMap

# What distill does to a split of three types over a base of five: base types 2 and 4 become 1 and
# 2, base type 5 moves behind the split's own, which follow the new base.
DISTILLED = IdMap.from_array([0, None, 1, None, 2, 6, 3, 4, 5])


def test_a_map_answers_for_each_id() -> None:
    assert DISTILLED[2] == 1
    assert DISTILLED[3] is None
    assert DISTILLED[5] == 6
    assert list(DISTILLED) == [0, None, 1, None, 2, 6, 3, 4, 5]
    assert len(DISTILLED) == 9
    assert DISTILLED.dropped.tolist() == [1, 3]
    assert list(DISTILLED.moved())[:3] == [(1, None), (2, 1), (3, None)]
    assert repr(DISTILLED) == "<IdMap of 9 ids: 1 kept, 6 moved, 2 dropped>"


@pytest.mark.parametrize("type_id", [-1, 9])
def test_an_id_that_the_input_has_not_is_an_error(type_id: int) -> None:
    with pytest.raises(TypeIdError, match=rf"type id {type_id} is not in 0..8") as caught:
        DISTILLED[type_id]
    assert caught.value.type_id == type_id
    with pytest.raises(TypeIdError, match=rf"type id {type_id} "):
        DISTILLED.apply([0, type_id])


def test_many_ids_at_once_keep_their_shape() -> None:
    ids = np.array([[2, 3], [5, 0]], np.uint32)
    assert DISTILLED.apply(ids).tolist() == [[1, DROPPED], [6, 0]]
    assert DISTILLED.apply([]).tolist() == []


def test_runs_may_come_in_any_order_and_leave_gaps() -> None:
    # The split's own types as one run, the base's one by one; void need not be listed.
    ids = IdMap.from_runs(9, [6, 5, 2, 4], [3, 6, 1, 2], [3, 1, 1, 1])
    assert ids == DISTILLED
    assert hash(ids) == hash(DISTILLED)
    assert IdMap.from_runs(9, [0, 1], [0, 4], [1, 0]) == IdMap.from_array([0] + 8 * [None])


def test_a_map_that_moves_a_whole_kernel_is_small() -> None:
    ids = IdMap.from_runs(110_000, [1, 60_000], [1, 60_007], [59_999, 50_000])
    assert len(ids.starts) == 2
    assert ids[59_999] == 59_999
    assert ids[109_999] == 110_006


@pytest.mark.parametrize("count", [FEW_RUNS // 2, 4 * FEW_RUNS])
def test_maps_of_many_short_runs_say_the_same_as_arrays(count: int) -> None:
    random = np.random.default_rng(count)
    one, other = (np.append(0, 1 + random.permutation(count - 1)) for _ in range(2))
    one[random.integers(1, count, count // 50)] = DROPPED
    first, then = IdMap.from_array(one), IdMap.from_array(other)
    expected = np.where(one == DROPPED, DROPPED, other.take(one, mode="clip"))
    assert first.then(then).to_array().tolist() == expected.tolist()
    asked = random.integers(0, count, (2, count // 2))
    assert first.apply(asked).tolist() == one[asked].tolist()


@pytest.mark.parametrize(
    ("count", "starts", "targets"),
    [(3, [1], [1]), (3, [0, 0], [0, 1]), (3, [0, 3], [0, 9]), (3, [0], [-2]), (3, [0], [0, 1])],
    ids=["no void", "not ascending", "past the end", "negative", "lengths"],
)
def test_malformed_runs_are_refused(count: int, starts: list[int], targets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"runs|target"):
        IdMap(count, starts, targets)


def test_overlapping_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        IdMap.from_runs(9, [1, 2], [1, 5], [2, 2])
    with pytest.raises(ValueError, match="overlap"):
        IdMap.from_runs(3, [2], [2], [2])


def test_fractions_are_no_ids() -> None:
    with pytest.raises(TypeError, match="integers"):
        IdMap.from_array([0.0, 1.5])


def test_maps_compose_and_dropped_stays_dropped() -> None:
    relocated = IdMap.from_array([0, 40, 7, 100, 101, 102, 103])
    through = DISTILLED.then(relocated)
    assert list(through) == [0, None, 40, None, 7, 103, 100, 101, 102]


def test_only_maps_that_fit_compose() -> None:
    with pytest.raises(ValueError, match="highest target is 6"):
        DISTILLED.then(IdMap.identity(6))


def test_the_inverse_tells_where_an_id_came_from() -> None:
    back = DISTILLED.invert(8)
    assert list(back) == [0, 2, 4, 6, 7, 8, 5, None]
    both_to_one = IdMap.from_array([0, 1, 1])
    assert list(both_to_one.invert()) == [0, 1]
    with pytest.raises(ValueError, match="highest target is 6"):
        DISTILLED.invert(3)


def test_a_map_is_checked_against_its_containers() -> None:
    DISTILLED.check(9, 7)
    with pytest.raises(BrokenPassError, match=r"has 9 entries, the input has ids 0\.\.9"):
        DISTILLED.check(10, 7)
    with pytest.raises(
        BrokenPassError, match="takes type 5 to 6, past the output's last id 5"
    ) as e:
        DISTILLED.check(9, 6)
    assert (e.value.type_id, e.value.got) == (5, 6)
    with pytest.raises(BrokenPassError, match=r"void \(id 0\) to 1"):
        IdMap.from_array([1, 0]).check(2, 2)
    with pytest.raises(BrokenPassError, match=r"takes type 3 to 3, past .* 2"):
        IdMap.identity(5).check(5, 3)


def test_identity() -> None:
    ids = IdMap.identity(4)
    assert ids.is_identity
    assert not DISTILLED.is_identity
    assert list(ids.moved()) == []
    assert repr(ids) == "<IdMap of 4 ids: all kept>"
    assert ids != IdMap.identity(5)
    assert ids != "a map"


def test_a_map_never_changes() -> None:
    array = np.array([0, 2, 1])
    ids = IdMap.from_array(array)
    array[1] = 99
    assert ids[1] == 2
    with pytest.raises(ValueError, match="read-only"):
        ids.targets[0] = 5


class TestDeferred:
    """Runs that are worked out when somebody looks at them."""

    def deferred(self, target_end: int = 7) -> tuple[IdMap, list[str]]:
        calls: list[str] = []

        def work() -> IdMap:
            calls.append("work")
            return DISTILLED

        return IdMap.deferred(9, target_end, work), calls

    def test_it_is_the_map_that_the_work_makes_and_works_once(self) -> None:
        ids, calls = self.deferred()
        assert (ids[2], list(ids), ids.target_end) == (1, list(DISTILLED), 7)
        assert ids == DISTILLED
        assert hash(ids) == hash(DISTILLED)
        assert calls == ["work"]

    def test_a_pipeline_asks_for_no_runs(self) -> None:
        ids, calls = self.deferred()
        ids.check(9, 7)
        assert IdMap.identity(9).then(ids) is ids
        assert len(ids) == 9
        assert not calls

    @pytest.mark.parametrize("ends", [(8, 7), (9, 6)])
    def test_the_check_refuses_what_any_map_is_refused_for(self, ends: tuple[int, int]) -> None:
        with pytest.raises(BrokenPassError):
            self.deferred()[0].check(*ends)

    def test_the_work_is_held_to_what_was_said(self) -> None:
        with pytest.raises(ValueError, match=r"9 ids to below 6 turned out to be .* below 7"):
            len(self.deferred(6)[0].starts)

    def test_it_is_sent_as_what_it_is(self) -> None:
        assert pickle.loads(pickle.dumps(self.deferred()[0])) == DISTILLED

    def test_it_has_no_more_than_other_maps(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'runs'"):
            self.deferred()[0].runs  # type: ignore[attr-defined]  # noqa: B018
