"""Work on many files that ends before its time: interrupted, or at a failure."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from screen import interrupted_in_terminal
from shell import btfschema
from slow import and_slow

from btfschema import load
from btfschema.cli import main
from btfschema.cli.batch import Reports, run_batch
from btfschema.cli.stops import GRACE, Interrupted, Stopped, stops_held, stops_once
from btfschema.cli.workers import Workers

Kernel = tuple[Path, Path]


@pytest.fixture(scope="module")
def kernel(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Kernel:
    """A vmlinux and the directory of its modules."""
    root = tmp_path_factory.mktemp("kernel")
    (root / "vmlinux").write_bytes(cloud_bytes)
    (root / "modules").mkdir()
    for name, data in modules.items():
        (root / "modules" / f"{name}.btf").write_bytes(data)
    return root / "vmlinux", root / "modules"


@pytest.mark.parametrize(
    ("enough", "jobs"),
    and_slow((1, "1"), (200, "2"), slow=[(1, "2"), (40, "1"), (40, "2"), (200, "1")]),
)
def test_an_interrupted_run_says_how_far_it_came(
    kernel: Kernel, tmp_path: Path, jobs: str, enough: int
) -> None:
    """It ends at once, without a traceback of anybody, and what it wrote is whole."""
    base, modules = kernel
    args: list[str | Path] = ["--all", modules, "-B", base, "--out-dir", tmp_path, "--jobs", jobs]

    def ready(text: str) -> bool:
        return len(list(tmp_path.glob("*.btf"))) >= enough

    text, code = interrupted_in_terminal(ready, "distill", *args)
    assert code == 130
    assert "Traceback" not in text
    assert "Aborted" not in text
    *_, last = text.splitlines()
    found = re.fullmatch(
        r"btfschema: interrupted after ([\d,]+) of 1,138 files; the same command goes on", last
    )
    assert found is not None, text
    count = int(found[1].replace(",", ""))
    written = list(tmp_path.glob("*.btf"))
    assert enough <= len(written) < 1138
    assert count <= len(written)
    for path in written:
        assert load(path).base is not None
    assert f"files      {count:>14,}" in text
    noted = len((tmp_path / ".btfschema-run.jsonl").read_text().splitlines()) - 1
    assert count == noted


class _StoppedWhileCounting:
    """Counts rows, and is interrupted by the second before it is counted."""

    def __init__(self) -> None:
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        if self.rows == 1:
            signal.raise_signal(signal.SIGINT)
        self.rows += 1


@pytest.fixture
def as_command() -> Iterator[None]:
    """Signals as a command takes them, also where whoever runs the tests ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stops_once(restore=True):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("as_command")
def test_all_counts_of_an_interrupted_run_are_of_the_same_files() -> None:
    summary = _StoppedWhileCounting()

    def work(files: Sequence[str]) -> list[dict[str, Any]]:
        return [{} for _ in files]

    with pytest.raises(Interrupted, match="interrupted after 2 of 3 files"):
        run_batch(
            ["a", "b", "c"], work, keep_going=True, report=None, reports=Reports(summary=summary)
        )
    assert summary.rows == 2


class _Interrupting(ThreadPoolExecutor):
    """A pool that is interrupted where it takes work and where it is waited for, and notes which of
    that it could finish.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.finished: list[str] = []

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        wait = future.result

        def result(timeout: float | None = None) -> Any:
            self._interrupted("result")
            return wait(timeout)

        future.result = result  # type: ignore[method-assign]
        self._interrupted("submit")
        return future

    def _interrupted(self, where: str) -> None:
        signal.raise_signal(signal.SIGINT)
        self.finished.append(where)


@pytest.mark.usefixtures("as_command")
def test_no_interrupt_comes_while_a_pool_of_processes_holds_its_locks() -> None:
    """Python's own are not safe from it: a lock that stays locked hangs the pool for ever."""
    pool = _Interrupting()
    workers = Workers(pool, 1, fork=lambda: None)
    with pool, pytest.raises(Interrupted, match="interrupted after 0 of 2 files"):
        run_batch(
            ["a", "b"],
            lambda files: [{} for _ in files],
            keep_going=True,
            report=None,
            workers=workers,
        )
    assert pool.finished == ["submit", "submit", "result"]


@pytest.mark.parametrize(("count", "jobs"), and_slow((4, "2"), slow=[(40, "2"), (20, "1")]))
def test_further_interrupts_do_not_disturb_the_end(
    kernel: Kernel, tmp_path: Path, count: int, jobs: str
) -> None:
    base, modules = kernel
    delays = random.Random(2)
    args: list[str | Path] = ["--all", modules, "-B", base, "--jobs", jobs, "--out-dir"]
    for number in range(count):
        moment = _Moment(delays.random() * 0.5)
        pauses = [delays.random() * 0.02 for _ in range(4)]
        out = tmp_path / str(number)
        text, code = interrupted_in_terminal(moment.has_come, "distill", *args, out, pauses=pauses)
        assert code == 130, text
        assert "Traceback" not in text
        last = text.replace("^C", "").splitlines()[-1]
        assert last.startswith("btfschema: interrupted"), text


def test_it_promises_nothing_where_nothing_is_kept(kernel: Kernel) -> None:
    base, modules = kernel
    text, code = interrupted_in_terminal(
        lambda text: "left" in text, "verify", "--all", modules, "-B", base, "--jobs", "2"
    )
    assert code == 130
    last = text.splitlines()[-1]
    assert re.fullmatch(r"btfschema: interrupted after [\d,]+ of 1,138 files", last), text


def test_what_is_interrupted_before_its_work_says_so(kernel: Kernel) -> None:
    """Waiting for somebody else's output, say."""
    start = time.monotonic()
    text, code = interrupted_in_terminal(lambda text: time.monotonic() > start + 1, "dump", "-")
    assert (text.splitlines()[-1], code) == ("btfschema: interrupted", 130)


@pytest.mark.slow
def test_no_moment_to_interrupt_makes_workers_hang(kernel: Kernel, tmp_path: Path) -> None:
    base, modules = kernel
    delays = random.Random(1)
    stopped = 0
    for number in range(60):
        out = tmp_path / str(number)
        args: list[str | Path] = ["--all", modules, "-B", base, "--out-dir", out, "--jobs", "2"]
        moment = _Moment(delays.random() * 0.7)
        text, code = interrupted_in_terminal(moment.has_come, "distill", *args)
        if "1,138 of 1,138" in text:
            continue  # It was ending by itself.
        stopped += 1
        assert code == 130, text
        assert "Traceback" not in text
    assert stopped > 20


class _Moment:
    """So many seconds after a command wrote something."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.first: float | None = None

    def has_come(self, text: str) -> bool:
        if text and self.first is None:
            self.first = time.monotonic()
        return self.first is not None and time.monotonic() >= self.first + self.delay


@pytest.mark.parametrize("jobs", and_slow("1", "3", slow=["2"]))
def test_after_a_failure_nothing_new_is_started(kernel: Kernel, tmp_path: Path, jobs: str) -> None:
    """What is under way is finished and reported; what is said not to be tried is not there."""
    base, modules = kernel
    files = sorted(modules.iterdir())[:30]
    damaged, report = tmp_path / "damaged.btf", tmp_path / "report.jsonl"
    damaged.write_bytes(b"\x9f\xeb\x01\x00")
    files.insert(9, damaged)
    args: list[str | Path] = [
        "-B",
        base,
        "--out-dir",
        tmp_path / "out",
        "--jobs",
        jobs,
        "--report",
        report,
    ]
    done = btfschema("distill", *files, *args)
    assert done.returncode == 1
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [row["file"] for row in rows] == list(map(str, files[: len(rows)]))
    assert 10 <= len(rows) <= 10 + int(jobs) - 1
    written = {path.name for path in (tmp_path / "out").glob("*.btf")}
    assert written == {Path(row["file"]).name for row in rows if row["outcome"] == "ok"}
    left = f"{31 - len(rows)} of 31 files were not tried; --keep-going goes on"
    assert done.stderr.decode().splitlines()[-1] == f"btfschema: {left}"


def test_a_failure_of_the_last_leaves_nothing(kernel: Kernel, tmp_path: Path) -> None:
    base, modules = kernel
    damaged = tmp_path / "damaged.btf"
    damaged.write_bytes(b"\x9f\xeb\x01\x00")
    args: list[str | Path] = ["-B", base, "--out-dir", tmp_path / "out", "--jobs", "2"]
    done = btfschema("distill", min(modules.iterdir()), damaged, *args)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"btfschema: {damaged}: truncated BTF")


def test_what_does_not_end_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a command whose output nobody reads: only the first signals after one are ignored."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    caller = list[int]()
    try:
        signal.signal(signal.SIGTERM, lambda number, frame: caller.append(number))
        with stops_once(restore=True):
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert not caller
            monkeypatch.setattr("btfschema.cli.stops.GRACE", -1.0)
            with stops_held():
                signal.raise_signal(signal.SIGTERM)
            assert caller == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("where", ["LazyGroup.parse_args", "LazyGroup.invoke", "LazyGroup.main"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_may_be_stopped_before_it_runs(
    number: signal.Signals,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        signal.raise_signal(number)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(f"btfschema.cli.{where}", stopped)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["info"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.code == 128 + number
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert capsys.readouterr().err.strip() == f"btfschema: {word}"


@pytest.mark.slow
def test_a_command_whose_output_nobody_reads_ends(kernel: Kernel) -> None:
    base, modules = kernel
    command: list[str | Path] = [sys.executable, "-m", "btfschema", "verify", "--json"]
    command += ["-B", base, "--all", modules]
    reader, writer = os.pipe()
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.DEVNULL) as process:
        try:
            full = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF
            while int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), "little") < full:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(0.5)
            process.terminate()
            time.sleep(GRACE + 0.1)
            process.terminate()
            assert process.wait(10) == -signal.SIGTERM
        finally:
            process.kill()
            os.close(reader)
            os.close(writer)


def test_a_command_may_be_stopped_while_it_says_why_it_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*args: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("btfschema.cli.answers.say_why", stopped)
    with pytest.raises(SystemExit, match="143"):
        main(["no-such-command"])


def test_main_leaves_the_signals_of_its_caller_alone(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    pipes = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    before = [signal.getsignal(number) for number in numbers]
    try:
        with pytest.raises(SystemExit, match="0"):
            main(["list", "--limit", "1"])
        assert [signal.getsignal(number) for number in numbers] == before
    finally:
        signal.signal(signal.SIGPIPE, pipes)


def test_main_runs_in_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(SystemExit, match="0"):
        pool.submit(main, ["list", "--limit", "1"]).result()
    assert capsys.readouterr().out
