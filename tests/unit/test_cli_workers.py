"""How commands share work on many files among processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from btfschema.cli.batch import FIRST, SHARES, run_batch
from btfschema.cli.workers import Workers
from btfschema.framework.files import TOGETHER


def parts(count: int, jobs: int, *, keep_going: bool = True) -> list[Any]:
    """What is done together, in order, and where processes are forked in between."""
    done: list[Any] = []

    def work(files: Sequence[str]) -> list[dict[str, Any]]:
        done.append(len(files))
        return [{} for _ in files]

    # One thread, so that it works on the parts in their order.
    with ThreadPoolExecutor(1) as executor:
        workers = Workers(executor, jobs, lambda: done.append("fork"))
        files = [f"{number}" for number in range(count)]
        run_batch(files, work, keep_going=keep_going, report=None, workers=workers)
    assert sum(one for one in done if one != "fork") == count
    return done


def test_what_all_files_need_is_worked_out_before_processes_are_forked() -> None:
    done = parts(100, 2)
    assert done[:2] == [FIRST, "fork"]
    assert "fork" not in done[2:]


@pytest.mark.parametrize("count", [1, 7, 2 * SHARES])
def test_of_few_files_each_is_a_part_of_its_own(count: int) -> None:
    """Ten kernels for eight workers: two parts would leave six of them idle."""
    assert parts(count, 2) == ["fork", *[1] * count]


@pytest.mark.parametrize(("count", "size"), [(100, 6), (400, 25), (5000, TOGETHER)])
def test_each_worker_gets_its_files_in_several_parts(count: int, size: int) -> None:
    _, _, *sizes = parts(count, 2)
    assert set(sizes[:-1]) == {size}
    assert 0 < sizes[-1] <= size


def test_where_a_failure_stops_the_rest_files_go_one_by_one() -> None:
    assert parts(40, 2, keep_going=False) == [1, "fork", *[1] * 39]
