"""Commands on whole directories: every way of running gives the same files."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import btfschema

from btfschema import dumps, load, loads
from btfschema.cli.resume import NAME, Journal
from btfschema_transforms.distill import distill

COUNT = 40
DAMAGED = "kernel/net/broken.btf"


@pytest.fixture(scope="module")
def kernel(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Path:
    """A tree as /lib/modules/VERSION is: folders, a damaged module, other files, a link out."""
    root = tmp_path_factory.mktemp("lib")
    (root / "vmlinux").write_bytes(cloud_bytes)
    tree = root / "modules"
    for number, name in enumerate(sorted(modules)[:COUNT]):
        folder = tree / "kernel" / ("drivers", "net", "fs/xfs")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.btf").write_bytes(modules[name])
    (tree / DAMAGED).write_bytes(b"\x9f\xeb\x01\x00")
    (tree / "modules.dep").write_text("not BTF")
    (tree / "build").symlink_to(root)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the journal, whose lines come with times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != NAME
    }


def run(kernel: Path, out: Path, *more: str | Path) -> subprocess.CompletedProcess[bytes]:
    options: list[str | Path] = ["-B", kernel / "vmlinux", "--out-dir", out]
    return btfschema("distill", "--all", kernel / "modules", *options, *more)


@pytest.fixture(scope="module")
def wanted(kernel: Path) -> dict[str, bytes]:
    """What the library makes of each module."""
    base = load(kernel / "vmlinux")
    found: dict[str, bytes] = {}
    for path in (kernel / "modules" / "kernel").rglob("*.btf"):
        name = str(path.relative_to(kernel / "modules"))
        if name != DAMAGED:
            split, _ = distill(load(path, base))
            assert split.base is not None
            found |= {name: dumps(split), f"{name}.base": dumps(split.base)}
    return found


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_tree_is_mirrored(
    kernel: Path, wanted: dict[str, bytes], tmp_path: Path, jobs: str
) -> None:
    done = run(kernel, tmp_path, "--jobs", jobs)
    assert contents(tmp_path) == wanted
    assert (done.returncode, done.stdout) == (1, b"")
    lines = done.stderr.decode().splitlines()
    (said,) = (line for line in lines if line.startswith("btfschema: "))
    assert said.startswith(f"btfschema: {kernel / 'modules' / DAMAGED}: truncated BTF header")
    assert f"{COUNT + 1} of {COUNT + 1}" in lines
    assert f"{'files':<10} {COUNT + 1:>14,}" in lines
    assert f"{'failed':<10} {1:>14,}" in lines
    before = sum(len(data) - 24 for data in map(Path.read_bytes, modules_of(kernel)))
    after = sum(len(data) - 24 for data in wanted.values())
    assert f"{'bytes':<10} {before:>14,} -> {after:,} ({after - before:+,})" in lines
    base = load(kernel / "vmlinux")
    types = sum(len(load(path, base)) for path in modules_of(kernel))
    bases = {name: loads(data) for name, data in wanted.items() if name.endswith(".base")}
    splits = [loads(wanted[name.removesuffix(".base")], base) for name, base in bases.items()]
    more = sum(map(len, [*splits, *bases.values()])) - types
    assert f"{'types':<10} {types:>14,} -> {types + more:,} ({more:+,})" in lines


def modules_of(kernel: Path) -> list[Path]:
    paths = (kernel / "modules" / "kernel").rglob("*.btf")
    return [path for path in paths if path != kernel / "modules" / DAMAGED]


def test_quiet_says_failures_only(kernel: Path, tmp_path: Path) -> None:
    (line,) = run(kernel, tmp_path, "--quiet").stderr.splitlines()
    assert b"broken.btf: truncated" in line


def test_a_second_run_keeps_what_stands(kernel: Path, tmp_path: Path) -> None:
    """Reports are whole again; changed inputs, changed outputs and other options are done anew."""
    reports = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    out = tmp_path / "out"
    run(kernel, out, "--report", reports[0])
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.btf")}
    changed, *others = sorted(times)
    changed.write_bytes(b"")
    os.utime(modules_of(kernel)[0])
    touched = out / modules_of(kernel)[0].relative_to(kernel / "modules")
    run(kernel, out, "--report", reports[1])
    assert reports[0].read_text() == reports[1].read_text()
    again = {path for path in times if path.stat().st_mtime_ns != times[path]}
    assert again == {changed, touched}
    copy = tmp_path / "vmlinux"
    copy.write_bytes((kernel / "vmlinux").read_bytes())
    run(kernel, out, "-B", copy)
    assert all(path.stat().st_mtime_ns != times[path] for path in others)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_run_goes_on(
    kernel: Path, wanted: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    """Killed without a warning when some files are there, and then run again."""
    options = ["-B", kernel / "vmlinux", "--out-dir", tmp_path, "--all", kernel / "modules"]
    command = [sys.executable, "-m", "btfschema", "distill", *map(str, options)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    enough = random.Random(seed).randrange(1, COUNT)
    # Only named: what is written at that moment has another name when it is read.
    while len(list(tmp_path.rglob("*.btf"))) < enough and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # As though the kill had come between writing and renaming.
    (tmp_path / "kernel" / ".btfschema-0123456789abcdef.tmp").write_bytes(b"part")
    lines = (tmp_path / NAME).read_text().splitlines()
    assert run(kernel, tmp_path).returncode == 1
    assert contents(tmp_path) == wanted
    rows = [json.loads(line) for line in (tmp_path / NAME).read_text().splitlines()]
    assert len(rows) == COUNT + 1 >= len(lines)


def test_a_run_that_can_not_begin_its_journal_anew_keeps_the_old_one(tmp_path: Path) -> None:
    """On a full disk, say: else all that was finished would be done again."""
    journal = Journal(str(tmp_path), {"pipeline": "distill"})
    journal.finished({"file": str(tmp_path), "outcome": "ok"}, [])
    journal.close()
    before = (tmp_path / NAME).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Journal(str(tmp_path), {"pipeline": "distill"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--all", "{empty}"], "no modules and no .btf files below"),
        ([], "give FILEs, or --all DIR"),
        (["--all", "{kernel}", "--executor", "local"], "expected dask://HOST:PORT"),
        (["--all", "{kernel}", "--jobs", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage(kernel: Path, tmp_path: Path, args: list[str], words: str) -> None:
    filled = [arg.format(empty=tmp_path, kernel=kernel / "modules") for arg in args]
    done = btfschema("distill", *filled, "-B", kernel / "vmlinux", "--out-dir", tmp_path / "out")
    assert done.returncode == 2
    assert words in done.stderr.decode()
