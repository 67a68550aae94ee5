"""Many files through one pipeline: every executor gives the same, and failures stop nothing."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from file_makers import make_elf
from samples import tiny
from slow import and_slow

from btfschema import Btf, BtfError, Builder, Pipeline, dumps, load, views
from btfschema.errors import VerifyError
from btfschema.framework.files import AHEAD, CHUNK, Done, Each, Failed, Outcome, map_ordered

COUNT = 60
OBJECT = Path(__file__).parents[1] / "data" / "bpf" / "externs.bpf.o"
TEXT = "distill,relocate{policy=kernel}"


@pytest.fixture(scope="module")
def folder(kernel_folder: Callable[..., Path], modules: dict[str, bytes]) -> Path:
    """Modules, a damaged one among them, and two kernels."""
    folder = kernel_folder(sorted(modules)[:COUNT])
    (folder / "modules" / "broken.btf").write_bytes(b"\x9f\xeb\x01\x00" + bytes(7))
    return folder


def row(outcome: Outcome[Any, Any]) -> tuple[Any, ...]:
    """Everything that an outcome says."""
    result, error = outcome.result, outcome.error
    assert isinstance(outcome, Done if error is None else Failed)
    if result is None:
        said = [mismatch.as_dict() for mismatch in getattr(error, "mismatches", ())]
        return outcome.source, type(error), str(error), said
    base = dumps(result.btf.base)
    facts = {name: dict(value) for name, value in result.facts.items()}
    return outcome.source, dumps(result.btf), base, result.ids, facts, result.diagnostics


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Executor | None]]] = {
    "here": nullcontext,
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2),
}


@pytest.fixture(scope="module")
def rows_here(folder: Path) -> list[Any]:
    """What the pipeline makes of each file, here, with bases given as files."""
    bases: Any = {"base": folder / "cloud", "inputs": {"target": folder / "generic"}}
    return [row(one) for one in Pipeline.parse(TEXT).map(files(folder), None, **bases)]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "modules").iterdir())


def test_results_and_failures_come_in_order(folder: Path, rows_here: list[Any]) -> None:
    assert [one[0] for one in rows_here] == files(folder)
    failed = [one for one in rows_here if isinstance(one[1], type)]
    assert 1 < len(failed) < COUNT / 2
    (broken,) = (one for one in failed if Path(one[0]).stem == "broken")
    assert broken[2].startswith(f"{broken[0]}: truncated BTF header")


@pytest.mark.parametrize(
    ("executor", "loaded"),
    and_slow(
        ("processes", False),
        ("threads", True),
        slow=[("here", True), ("threads", False), ("processes", True)],
    ),
)
def test_all_executors_give_the_same(
    folder: Path, cloud: Btf, generic: Btf, rows_here: list[Any], executor: str, loaded: bool
) -> None:
    """With bases given as files or as containers."""
    base, target = (cloud, generic) if loaded else (folder / "cloud", folder / "generic")
    bases: Any = {"base": base, "inputs": {"target": target}}
    with EXECUTORS[executor]() as opened:
        found = Pipeline.parse(TEXT).map(files(folder), opened, **bases)
        assert [row(one) for one in found] == rows_here


def test_results_of_other_processes_are_over_the_callers_bases(folder: Path, cloud: Btf) -> None:
    paths = sorted((folder / "modules").glob("8*.btf"))
    told: list[object] = []
    with ProcessPoolExecutor(1) as executor:
        done = list(Pipeline.parse("").map(paths, executor, told.append, base=cloud))
    assert told == done
    for path, one in zip(paths, done, strict=True):
        assert one.result is not None
        assert one.result.btf.base is cloud
        assert one.result.btf.equivalent(load(path, cloud))


def test_what_is_inlined_comes_back_from_other_processes(tmp_path: Path) -> None:
    btf, over = tiny(), Builder(tiny())
    over.add(views.Ptr(3))
    path = tmp_path / "object.o"
    path.write_bytes(make_elf({".BTF": dumps(btf), ".BTF.inline": dumps(over.build())}))
    with ProcessPoolExecutor(1) as executor:
        (one,) = Pipeline.parse("").map([path], executor)
    assert one.result is not None
    assert one.result.btf == load(path)
    assert one.result.btf.inline is not None


def test_objects_and_chains_of_bases_come_back_from_other_processes(tmp_path: Path) -> None:
    base = tiny()
    middle = tiny(base)
    chain = {"far.btf": tiny(middle), "far.btf.base": middle, "far.btf.base.base": base}
    for name, btf in chain.items():
        (tmp_path / name).write_bytes(dumps(btf))
    with ProcessPoolExecutor(1) as executor:
        program, far = Pipeline.parse("").map([OBJECT, tmp_path / "far.btf"], executor)
    assert program.result is not None
    assert program.result.btf.object_file is not None
    assert program.result.btf.object_file == load(OBJECT).object_file
    assert far.result is not None
    assert far.result.btf == load(tmp_path / "far.btf")
    assert len(far.result.btf.chain) == 3


def test_a_level_verifies_in_other_processes(tmp_path: Path) -> None:
    bad = tmp_path / "bad.btf"
    bad.write_bytes(dumps(tiny().replaced({3: views.Struct("a b", 16)})))
    with ProcessPoolExecutor(1) as executor:
        (one,) = Pipeline(verify="kernel").map([bad], executor)
    assert isinstance(one.error, VerifyError)


def test_a_bounded_number_waits() -> None:
    """However many sources there are, and however slow the reader is."""

    taken: list[int] = []
    count = 3 * CHUNK * AHEAD

    def sources() -> Iterator[int]:
        for number in range(count):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as executor:
        work = Each[int, int](operator.abs)
        for read, outcome in enumerate(map_ordered(work, sources(), executor)):
            assert outcome.result == outcome.source == read
            assert len(taken) - read <= CHUNK * AHEAD
    assert len(taken) == count


def test_a_worker_that_dies_is_a_worded_error() -> None:
    with ProcessPoolExecutor(1) as executor, pytest.raises(BtfError, match="worker process ended"):
        list(map_ordered(Each(os._exit), [3], executor))


@pytest.mark.parametrize("together", [1, 3, 100])
def test_sources_are_taken_as_they_are_needed(together: int) -> None:
    """No more are taken, or worked on, than are done together."""
    taken: list[int] = []
    chunks: list[list[int]] = []

    def sources() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    def work(chunk: Sequence[int]) -> list[int | BtfError]:
        chunks.append(list(chunk))
        return [BtfError("odd") if number % 2 else -number for number in chunk]

    outcomes = map_ordered(work, sources(), together=together)
    assert taken == []
    for read, one in enumerate(outcomes):
        assert (one.source, one.result) == (read, None if read % 2 else -read)
        assert str(one.error) == ("odd" if read % 2 else "None")
        assert len(taken) == min(10, read - read % together + together)
    assert chunks == [list(range(at, min(at + together, 10))) for at in range(0, 10, together)]


def test_whoever_stops_asking_stops_the_work() -> None:
    done: list[int] = []

    def work(chunk: Sequence[int]) -> list[None]:
        done.extend(chunk)
        return [None] * len(chunk)

    outcomes = map_ordered(work, range(10), together=2)
    next(outcomes)
    outcomes.close()
    assert done == [0, 1]


def test_a_failure_of_each_stays_with_it() -> None:
    def work(number: int) -> float:
        if number == 0:
            raise BtfError("nothing")
        if number < 0:
            raise FileNotFoundError(number)
        return 1 / number

    found = Each(work)([1, 0, -1, 2])
    assert [type(one) for one in found] == [float, BtfError, FileNotFoundError, float]
    with pytest.raises(ZeroDivisionError):
        Each[int, float](lambda number: 1 / number)([0])


def inverse(number: int) -> float:
    """For other processes too."""
    return 1 / number


def inverses(numbers: Sequence[int]) -> list[float]:
    return [inverse(number) for number in numbers]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("work", [Each(inverse), inverses])
def test_what_is_no_failure_is_raised_where_it_happens(work: Any, executor: str) -> None:
    """What came before it is told first, and the file is named, whoever does the work."""
    numbers = [*range(1, 2 * CHUNK), 0, 1]
    with EXECUTORS[executor]() as opened:
        outcomes = map_ordered(work, numbers, opened)
        for number in numbers[:-2]:
            assert next(outcomes).source == number
        with pytest.raises(ZeroDivisionError) as raised:
            next(outcomes)
        assert raised.value.__notes__ == ["(while working on 0)"]


def test_each_is_not_done_twice_here() -> None:
    """Not even when one raises: work on one after another may print."""
    done: list[int] = []

    def work(number: int) -> float:
        done.append(number)
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        list(map_ordered(Each(work), [2, 1, 0]))
    assert done == [2, 1, 0]


def test_no_more_chunks_are_sent_ahead_than_asked_for() -> None:
    taken: list[int] = []

    def sources() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(3) as executor:
        work = Each[int, int](operator.neg)
        outcomes = map_ordered(work, sources(), executor, together=2, ahead=3)
        for read, outcome in enumerate(outcomes):
            assert outcome.result == -read
            assert len(taken) <= min(20, read - read % 2 + 6)


STOPPED = """
import os, signal, time
from concurrent.futures import ProcessPoolExecutor
from btfschema.framework.files import Each, map_ordered

with ProcessPoolExecutor(2) as pool:
    outcomes = map_ordered(Each(time.sleep), [0.01] * 400, pool)
    next(outcomes)
    outcomes.close()
    os.kill(next(iter(pool._processes)), signal.SIGKILL)
"""


def test_a_worker_may_die_when_nobody_asks_any_more() -> None:
    """A pool that loses a worker fails each future that waits: none may be cancelled already."""
    done = subprocess.run([sys.executable, "-c", STOPPED], timeout=30, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
