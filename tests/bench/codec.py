"""The codec against plain interpreted Construct, and ``dump`` against bpftool, in one run.

    python tests/bench/codec.py [--runs N]

Prints a Markdown table. Both sides of a row are measured in turn, A B A B, so that a machine whose
speed drifts slows both; a ratio is the median of the ratios of such pairs. Rows that need bpftool
are left out, with a word, where it is not installed.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from btfschema import loads
from btfschema.schema import record

DATA = Path(__file__).parents[1] / "data"
Work = Callable[[], Any]


def seconds(work: Work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def paired(ours: Work, peer: Work, runs: int) -> tuple[list[float], list[float]]:
    """Seconds of both, measured in turn after one warm-up of ours."""
    ours()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def row(name: str, ours: list[float], peer: list[float], bar: str) -> str:
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    ratio = statistics.median(ratios)
    text = f"{ratio:.2f} x" if ratio > 0.5 else f"1 / {1 / ratio:.1f}"
    spread = f"{1000 * min(ours):.0f}..{1000 * max(ours):.0f}"
    return (
        f"| {name} | {1000 * statistics.median(ours):.0f} ({spread}) "
        f"| {1000 * statistics.median(peer):.0f} | {text} | {bar} |"
    )


def codec_rows(data: bytes, runs: int) -> list[str]:
    btf = loads(data)
    structs = {number: record(spec) for number, spec in btf.kinds.items()}
    blob = btf.types.words.tobytes()
    bounds = [4 * int(at) for at in btf.types.starts] + [len(blob)]
    kinds = btf.types.kinds.tolist()

    def construct() -> None:
        for i, kind in enumerate(kinds):
            structs[kind].parse(blob[bounds[i] : bounds[i + 1]], byteorder=sys.byteorder)

    def views() -> None:
        for _ in loads(data):
            pass

    slow_runs = min(runs, 3)
    rows = [
        row("`loads`", *paired(lambda: loads(data), construct, slow_runs), "1 / 80"),
        row(
            "every type to a view",
            *paired(views, construct, slow_runs),
            "1 / 5",
        ),
    ]
    unchecked = paired(lambda: loads(data, check=False), lambda: loads(data), runs)
    rows.append(row("`loads`, index and header only (peer: `loads`)", *unchecked, "20 ms"))
    return rows


def run_to_file(command: list[str]) -> None:
    with tempfile.TemporaryFile() as out:
        subprocess.run(command, stdout=out, check=True)


def peak_megabytes(command: list[str]) -> float:
    """Peak resident memory of a command, by the operating system's account.

    A process inherits the peak of the one which starts it, so this comes first, while the benchmark
    itself is small.
    """
    pid = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, command)
    return usage.ru_maxrss / 1024


def dump_rows(path: Path, runs: int) -> list[str]:
    if shutil.which("bpftool") is None:
        return ["| `dump` against bpftool: bpftool is not installed | | | | |"]
    base = [sys.executable, "-m", "btfschema", "dump", str(path)]
    peer = ["bpftool", "btf", "dump", "file", str(path)]
    rows = []
    for name, ours, theirs, bar in (
        ("`dump`, whole process", base, peer, "4.5 x"),
        (
            "`dump --format json`, whole process",
            [*base, "--format", "json"],
            [peer[0], "-j", *peer[1:]],
            "7 x",
        ),
    ):
        times = paired(partial(run_to_file, ours), partial(run_to_file, theirs), runs)
        rows.append(row(name, *times, bar))
        rows.append(f"| peak memory of it | {peak_megabytes(ours):.0f} MB | | | 150 MB |")
    return rows


def startup_rows(runs: int) -> list[str]:
    nothing = [sys.executable, "-c", "pass"]
    commands = {
        "`python -m btfschema --help` (peer: `python -c pass`)": ["-m", "btfschema", "--help"],
        "`import btfschema`": ["-c", "import btfschema"],
        "`from btfschema import loads` (construct, attrs, numpy)": [
            "-c",
            "from btfschema import loads",
        ],
    }
    return [
        row(
            name,
            *paired(
                partial(run_to_file, [sys.executable, *args]),
                partial(run_to_file, nothing),
                runs,
            ),
            "-",
        )
        for name, args in commands.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    data = lzma.decompress((DATA / "vmlinux-cloud.btf.xz").read_bytes())
    print("| what | ms, median (min..max) | peer, ms | ratio | bar |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vmlinux.btf"
        path.write_bytes(data)
        for line in (*startup_rows(runs), *dump_rows(path, runs), *codec_rows(data, runs)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
