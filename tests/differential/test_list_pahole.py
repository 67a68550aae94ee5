"""What ``list`` finds on two Debian kernels is what pahole and pfunct find."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from btfschema import Btf, loads
from btfschema.questions import Conditions, list_types

pytestmark = pytest.mark.debian


@pytest.fixture(scope="module", params=["cloud", "generic"])
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Btf, Path]:
    data: bytes = request.getfixturevalue(f"{request.param}_bytes")
    file = tmp_path_factory.mktemp(request.param) / "vmlinux.btf"
    file.write_bytes(data)
    return loads(data), file


def ask(*command: str | Path) -> list[str]:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_sizes_and_holes_of_all_structs_and_unions(kernel: tuple[Btf, Path]) -> None:
    btf, file = kernel
    ours = {
        (row.name, row.size, row.holes or 0)
        for row in list_types(btf, Conditions(kinds=("struct", "union")))
        if row.name
    }
    theirs = {
        (name, int(size), int(holes))
        for name, size, holes in (line.split("\t") for line in ask("pahole", "--sizes", file))
    }
    assert len(theirs) > 8000
    # Of several structs of one name pahole may show fewer than there are.
    several = Counter(name for name, _, _ in ours)
    # Sorted lists, as differences of large sets are slow to show.
    assert sorted(theirs - ours) == []
    assert sorted(one for one in ours - theirs if several[one[0]] == 1) == []


@pytest.mark.parametrize("name", ["list_head", "hrtimer", "mutex", "device"])
def test_contains(kernel: tuple[Btf, Path], name: str) -> None:
    btf, file = kernel
    theirs = set(ask("pahole", "-i", name, file))
    ours = {row.name for row in list_types(btf, Conditions(contains=(f"struct {name}",)))}
    assert sorted(theirs - ours) == []
    # pahole does not look into anonymous members.
    assert len(ours - theirs) < 60
    assert len(theirs) > 20


@pytest.mark.parametrize("name", ["mm_struct", "file", "task_struct"])
def test_points_to(kernel: tuple[Btf, Path], name: str) -> None:
    btf, file = kernel
    theirs = {line.partition(":")[0] for line in ask("pahole", "-f", name, file)}
    ours = {row.name for row in list_types(btf, Conditions(points_to=(f"struct {name}",)))}
    assert sorted(theirs - ours) == []
    assert len(theirs) > 30


@pytest.mark.parametrize("name", ["mm_struct", "sk_buff"])
def test_takes(kernel: tuple[Btf, Path], name: str) -> None:
    btf, file = kernel
    theirs = set(ask("pfunct", "-c", name, file))
    ours = {row.name for row in list_types(btf, Conditions(takes=(f"struct {name}",)))}
    # pfunct passes over pointers to const.
    assert sorted(theirs - ours) == []
    assert len(theirs) > 200


def test_packable(kernel: tuple[Btf, Path]) -> None:
    btf, file = kernel
    ours = {row.name: row for row in list_types(btf, Conditions(packable=True))}
    lines = [line.split("\t") for line in ask("pahole", "-P", file)]
    theirs = {name: int(packed) for name, _, packed, _ in lines}
    # pahole also proposes sizes that are not multiples of the struct's alignment.
    missing = {name for name in theirs if name not in ours}
    assert all(theirs[name] % 8 for name in missing)
    assert len(missing) < 10
    assert all((ours[name].packed or 0) <= theirs[name] for name in theirs.keys() & ours.keys())


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("-H", "1"), Conditions(holes=1)),
        (("-H", "3"), Conditions(holes=3)),
        (("-y", "tcp_"), Conditions(kinds=("struct", "union"), names=("tcp_*",))),
        (("-y", "sk_buff"), Conditions(kinds=("struct", "union"), names=("sk_buff*",))),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_holes_and_prefixes(
    kernel: tuple[Btf, Path], flags: tuple[str, str], wanted: Conditions
) -> None:
    btf, file = kernel
    theirs = {line.partition("\t")[0] for line in ask("pahole", *flags, "--sizes", file)}
    assert theirs
    assert sorted({row.name for row in list_types(btf, wanted) if row.name}) == sorted(theirs)
