"""The fuzzer itself, a short run of it, and everything that it ever found."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from fuzz_targets import CRASHES, TARGETS, Fuzzer, inputs
from slow import and_slow

from btfschema.errors import BtfError


@pytest.mark.parametrize("count", and_slow(75, slow=[150]))
def test_a_short_run_finds_nothing(tmp_path: Path, count: int) -> None:
    fuzzer = Fuzzer(crashes=tmp_path)
    for blob in itertools.islice(inputs(7), count):
        fuzzer.run(blob)
    assert fuzzer.found == []
    assert set(fuzzer.executions) == set(TARGETS)
    for name, count in fuzzer.executions.items():
        always = name.startswith("verify") and name != "verify-unchecked"
        assert fuzzer.refused[name] < count
        assert always or fuzzer.refused[name]


def test_a_crash_is_kept_once_and_fuzzing_goes_on(tmp_path: Path) -> None:
    def target(data: bytes) -> None:
        if data == b"boom":
            raise IndexError("found")
        raise BtfError("refused")

    fuzzer = Fuzzer({"loads": target}, crashes=tmp_path)
    for data in (b"boom", b"other", b"boom"):
        fuzzer.execute("loads", data)
    (path,) = fuzzer.found
    assert path.read_bytes() == b"boom"
    assert (fuzzer.executions["loads"], fuzzer.refused["loads"]) == (3, 1)


@pytest.mark.parametrize("path", sorted(CRASHES.glob("*.btf")), ids=lambda path: path.name)
def test_what_crashed_once_does_not_crash_again(path: Path, tmp_path: Path) -> None:
    fuzzer = Fuzzer(crashes=tmp_path)
    fuzzer.run(path.read_bytes())
    assert fuzzer.found == []
