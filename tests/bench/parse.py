"""One file against libbpf's ``btf__parse``: ``python tests/bench/parse.py``.

Processor time, both in turn in one run; libbpf is built from Debian's ``linux-source-6.12``.
"""

from __future__ import annotations

import argparse
import lzma
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

VMLINUX = TESTS / "data" / "vmlinux-cloud.btf.xz"

from libbpf_oracle import libbpf, run  # noqa: E402

from btfschema import load  # noqa: E402

SOURCE = Path(__file__).parent / "libbpf_parse.c"
TIMES = 3


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    """Print a row for each way to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    built = libbpf()
    with tempfile.TemporaryDirectory() as folder:
        file, program = Path(folder) / "vmlinux.btf", Path(folder) / "parse"
        file.write_bytes(lzma.decompress(VMLINUX.read_bytes()))
        libraries = (built / "libbpf.a", "-lelf", "-lz")
        run("gcc", "-O2", f"-I{built}", SOURCE, *libraries, "-o", program)
        for check in (True, False):
            load(file, check=check)
            pairs = []
            for _ in range(runs):
                read = partial(load, file, check=check)
                ours = statistics.median(seconds(read) for _ in range(TIMES))
                printed = subprocess.run(
                    [program, file, str(TIMES)], check=True, capture_output=True, text=True
                ).stdout
                pairs.append((ours, statistics.median(map(float, printed.split()))))
            ratio = statistics.median(ours / theirs for ours, theirs in pairs)
            ours, theirs = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"load, check={check}: {ours:.1f} ms, btf__parse {theirs:.1f} ms, {ratio:.2f} x")


if __name__ == "__main__":
    main()
