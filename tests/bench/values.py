"""How long values take: ``python tests/bench/values.py``.

Processor time, medians. The peers: ``numpy.frombuffer`` with the same dtype for arrays, and for one
``task_struct`` nothing but the clock.
"""

from __future__ import annotations

import argparse
import lzma
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

VMLINUX = TESTS / "data" / "vmlinux-cloud.btf.xz"

import numpy as np  # noqa: E402

from btfschema import Kind, loads  # noqa: E402
from btfschema.values import dtype_of, read, read_array  # noqa: E402

ARRAYS = ("list_head", "pid")
COUNT = 100_000


def timed(work: Callable[[], Any], runs: int, inner: int) -> float:
    """Seconds of the processor for one call."""
    taken = []
    for _ in range(runs):
        begin = time.process_time()
        for _ in range(inner):
            work()
        taken.append((time.process_time() - begin) / inner)
    return statistics.median(taken)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    btf = loads(lzma.decompress(VMLINUX.read_bytes()))
    noise = random.Random(1)
    task = btf.find("task_struct", Kind.STRUCT)
    data = noise.randbytes(btf.sizeof(task))
    begin = time.process_time()
    value = read(btf, task, data)
    value.to_python()
    first = time.process_time() - begin
    print(f"task_struct, {len(data)} bytes, the first time   {1e3 * first:8.2f} ms")
    ways: dict[str, Callable[[], Any]] = {"to Python": value.to_python, "as text": value.text_}
    for name, work in ways.items():
        print(f"task_struct, {name:<28} {1e3 * timed(work, runs, 20):8.2f} ms")
    for name in ARRAYS:
        view = btf.find(name, Kind.STRUCT)
        dtype = dtype_of(btf, view)
        memory = noise.randbytes(dtype.itemsize * COUNT)
        ours = timed(partial(read_array, btf, view, memory, count=COUNT), runs, 5000)
        peer: Callable[[], Any] = partial(np.frombuffer, memory, dtype, COUNT)
        theirs = timed(peer, runs, 5000)
        print(
            f"{COUNT:,} {name:<10} read_array {1e6 * ours:6.2f} us, numpy.frombuffer "
            f"{1e6 * theirs:6.2f} us: {ours / theirs:.1f} x"
        )


if __name__ == "__main__":
    main()
