"""The executor of dask: a real scheduler, two worker processes, one of them killed in mid-run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from btfschema.cli.resume import NAME
from btfschema.sources.files import TEMPORARY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def wait(ready: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < until, what
        time.sleep(0.01)


@pytest.fixture
def environment() -> dict[str, str]:
    """Workers find the package where this test does."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "transforms")])
    return {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def cluster(
    tmp_path: Path, environment: dict[str, str]
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The scheduler's address and two workers."""
    file = tmp_path / "scheduler.json"
    log = (tmp_path / "log").open("wb")
    processes = []

    def start(name: str, *args: str) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", f"distributed.cli.dask_{name}"]
        command = [*module, "--scheduler-file", str(file), "--no-dashboard", *args]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=tmp_path)
        processes.append(process)
        return process

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait(file.exists, "the scheduler does not start")
        workers = [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
        started = b"Registered to"
        wait(lambda: (tmp_path / "log").read_bytes().count(started) >= 2, "workers do not start")
        yield json.loads(file.read_text())["address"].removeprefix("tcp://"), workers
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()


def test_every_module_comes_out_once_though_a_worker_is_killed(
    tmp_path: Path,
    environment: dict[str, str],
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    cloud_bytes: bytes,
    modules: dict[str, bytes],
) -> None:
    address, (_, doomed) = cluster
    tree, out, alone = tmp_path / "tree", tmp_path / "out", tmp_path / "alone"
    tree.mkdir()
    (tmp_path / "vmlinux").write_bytes(cloud_bytes)
    for name, data in modules.items():
        (tree / f"{name}.btf").write_bytes(data)
    command = [sys.executable, "-m", "btfschema", "distill", "--all", str(tree)]
    command += ["-B", str(tmp_path / "vmlinux")]
    distributed = [*command, "--out-dir", str(out), "--executor", f"dask://{address}"]
    report = tmp_path / "report.jsonl"
    run = subprocess.Popen([*distributed, "--report", str(report)], env=environment)
    journal = out / NAME
    wait(
        lambda: journal.exists() and len(journal.read_text().splitlines()) > len(modules) / 10,
        "the run does not get under way",
    )
    doomed.send_signal(signal.SIGKILL)
    assert doomed.wait() == -signal.SIGKILL
    assert len(journal.read_text().splitlines()) <= len(modules), "killed too late to prove much"
    assert run.wait(timeout=PATIENCE) == 0
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(Path(row["file"]).stem for row in rows) == sorted(modules)
    assert {row["outcome"] for row in rows} == {"ok"}
    subprocess.run([*command, "--out-dir", str(alone)], env=environment, check=True)
    names = {path.name for path in alone.iterdir()} - {NAME}
    # The one that was killed may have left what it was writing.
    left = {path.name for path in out.glob("*".join(TEMPORARY))}
    assert names == {path.name for path in out.iterdir()} - {NAME} - left
    assert len(names) == 2 * len(modules)
    assert all((alone / name).read_bytes() == (out / name).read_bytes() for name in names)
