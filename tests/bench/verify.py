"""How long verifying takes, and how it grows: ``python tests/bench/verify.py [--runs N]``.

Prints a Markdown table: a vmlinux, its modules over it once it is loaded, and generated BTF
of 1,000 to 1,000,000 types, sound and not. Times are medians.
"""

from __future__ import annotations

import argparse
import io
import lzma
import statistics
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from btfschema import Btf, loads, verify

DATA = Path(__file__).parents[1] / "data"


def pointers(count: int, target: int) -> bytes:
    """Pointers to a type; of an id that is not there, every one of them breaks a rule."""
    types = struct.pack("<3I", 0, 2 << 24, target) * count
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), 1)
    return header + types + b"\0"


def median(work: Callable[[], object], runs: int) -> float:
    """Seconds of one run."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def modules(base: Btf) -> Iterator[Btf]:
    """All modules of the corpus over their base."""
    with tarfile.open(
        fileobj=io.BytesIO(lzma.decompress((DATA / "modules-cloud.tar.xz").read_bytes()))
    ) as archive:
        for entry in archive.getmembers():
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None:
                yield loads(file.read(), base)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print("| what | types | ms | ns a byte |\n|---|---|---|---|")
    data = lzma.decompress((DATA / "vmlinux-cloud.btf.xz").read_bytes())
    vmlinux = loads(data)
    rows = [("vmlinux, from bytes", len(vmlinux), len(data), median(lambda: verify(data), runs))]
    verify(vmlinux)
    found = list(modules(vmlinux))
    sizes = [btf.types.words.nbytes + len(btf.strings.data) for btf in found]
    times = [median(lambda btf=btf: verify(btf), 1) for btf in found]  # type: ignore[misc]
    largest = max(range(len(found)), key=lambda i: sizes[i])
    total = sum(map(len, found))
    rows.append((f"{len(found)} modules", total, sum(sizes), sum(times)))
    rows.append(("the largest module", len(found[largest]), sizes[largest], times[largest]))
    for count in (1_000, 10_000, 100_000, 1_000_000):
        for what, target in (("sound pointers", 0), ("pointers to nothing", count + 1)):
            blob = pointers(count, target)
            rows.append((what, count, len(blob), median(lambda b=blob: verify(b), 1)))  # type: ignore[misc]
    for what, types, size, seconds in rows:
        print(f"| {what} | {types:,} | {1e3 * seconds:.1f} | {1e9 * seconds / size:.0f} |")


if __name__ == "__main__":
    main()
