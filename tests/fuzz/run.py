"""Fuzz from a seed and count: ``python tests/fuzz/run.py --seed 1 --count 1000000``.

An execution is one target on one input. Inputs are blobs at the edges of rules, and mutations of
those and of other blobs; inputs that crash a target go to ``tests/data/crashes``. The exit code is
1 when there were any.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "transforms")]

from fuzz_targets import TARGETS, Fuzzer, inputs  # noqa: E402


def main() -> int:
    """Run, and say how many executions there were, how fast, and how much memory they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000, help="executions")
    parser.add_argument("--target", action="append", choices=TARGETS, help="all by default")
    arguments = parser.parse_args()
    targets = {name: TARGETS[name] for name in arguments.target or TARGETS}
    fuzzer, started, taken = Fuzzer(targets), time.perf_counter(), 0
    for blob in inputs(arguments.seed):
        if fuzzer.executions.total() >= arguments.count:
            break
        fuzzer.run(blob)
        taken += 1
        if taken % 10_000 == 0:
            print(f"{fuzzer.executions.total()} executions", flush=True)
    seconds = time.perf_counter() - started
    total = fuzzer.executions.total()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"seed {arguments.seed}: {total} executions on {taken} inputs in {seconds:.0f} s")
    print(f"{total / seconds:.0f} a second, {peak} MiB at most, {len(fuzzer.found)} crashes")
    for name, count in fuzzer.executions.items():
        print(f"  {name}: {count}, {fuzzer.refused[name]} ended in a BtfError")
    return bool(fuzzer.found)


if __name__ == "__main__":
    sys.exit(main())
