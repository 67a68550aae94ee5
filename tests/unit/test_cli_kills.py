"""Commands that are terminated or killed: they say how far they came, and leave no process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing, sys
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv.pop(1))
    from btfschema.cli import main
    main()
"""
# Seconds in which workers whose parent was killed must be gone.
GONE = 2.0


@pytest.fixture(scope="module")
def kernel(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Path:
    """A directory with a vmlinux, its modules, and a program that chooses how workers start."""
    root = tmp_path_factory.mktemp("kills")
    (root / "vmlinux").write_bytes(cloud_bytes)
    (root / "modules").mkdir()
    for name, data in list(modules.items())[:400]:
        (root / "modules" / f"{name}.btf").write_bytes(data)
    (root / "program.py").write_text(PROGRAM)
    return root


def started(kernel: Path, out: Path, method: str) -> subprocess.Popen[str]:
    """``distill`` with two workers, in a process group of its own."""
    args = ["--all", "modules", "-B", "vmlinux", "--out-dir", str(out), "--jobs", "2"]
    return subprocess.Popen(
        [sys.executable, "program.py", method, "distill", *args],
        cwd=kernel,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_default_signals,
    )


def _default_signals() -> None:
    """Whoever runs the tests may ignore signals, which children inherit."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for_files(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 60
    while len(list(out.glob("*.btf"))) < count and process.poll() is None:
        assert time.monotonic() < ends
        time.sleep(0.005)


def members(group: int) -> Iterator[int]:
    """The processes of a group that are alive."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                yield int(entry.name)


def all_gone(group: int) -> bool:
    ends = time.monotonic() + GONE
    while list(members(group)):
        if time.monotonic() > ends:
            os.killpg(group, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_terminated_run_says_how_far_it_came(
    kernel: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = started(kernel, tmp_path, "fork")
    wait_for_files(tmp_path, 20, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("btfschema: terminated after "), said
    assert last.endswith(" of 400 files; the same command goes on")
    assert all_gone(process.pid)


@pytest.mark.parametrize(
    "method",
    [
        "fork",
        pytest.param("spawn", marks=pytest.mark.slow),
        pytest.param("forkserver", marks=pytest.mark.slow),
    ],
)
def test_workers_do_not_outlive_a_killed_parent(kernel: Path, tmp_path: Path, method: str) -> None:
    process = started(kernel, tmp_path, method)
    wait_for_files(tmp_path, 20, process)
    process.kill()
    process.communicate(timeout=60)
    assert all_gone(process.pid)


@pytest.mark.slow
def test_after_forty_kills_no_process_is_left_and_the_run_goes_on(
    kernel: Path, tmp_path: Path
) -> None:
    """At random moments, by SIGTERM and SIGKILL in turn; then the output is that of one run."""
    moments = random.Random(1)
    out = tmp_path / "out"
    for number in range(40):
        process = started(kernel, out, "fork")
        time.sleep(moments.random() * 1.2)
        process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        process.communicate(timeout=60)
        assert all_gone(process.pid), number
    for folder in (out, tmp_path / "once"):
        process = started(kernel, folder, "fork")
        process.communicate(timeout=120)
        assert process.returncode == 0
    found, wanted = (
        {path.name: path.read_bytes() for path in folder.glob("[!.]*")}
        for folder in (out, tmp_path / "once")
    )
    assert found == wanted
