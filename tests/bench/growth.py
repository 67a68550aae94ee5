"""How cost grows with the number of types: ``python tests/bench/growth.py [COUNT ...]``.

Each count is done in a process of its own; times are processor time in microseconds a type. By
default 100,000 and a million types; 10,000,000 of them are 300 MB of BTF, and take some 4 GB. Three
hostile shapes follow: one name on all types, one struct that has all members, and names that start
at each character of one string.
"""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "transforms")]

from whole_kernel import peak_kib  # noqa: E402

from btfschema import Btf, Builder, Kind, dumps, loads, verify, views  # noqa: E402
from btfschema.errors import EncodeError  # noqa: E402
from btfschema.render import write_raw  # noqa: E402
from btfschema_transforms.distill import distill_many  # noqa: E402

Words = npt.NDArray[np.uint32]
HEADER = "=HBBIIIII"
INFO_STRUCT, INFO_PTR = int(Kind.STRUCT) << 24 | 1, int(Kind.PTR) << 24
DIGITS = 8


def blob(words: Words, strings: bytes) -> bytes:
    """Raw BTF of these records."""
    size = words.nbytes
    return struct.pack(HEADER, 0xEB9F, 1, 0, 24, 0, size, size, len(strings)) + (
        words.tobytes() + strings
    )


def pairs(count: int, names: npt.NDArray[Any]) -> Words:
    """A struct with a member that is a pointer, and that pointer, which points back; many times."""
    some = count // 2
    ids = np.arange(some, dtype=np.uint32) * 2 + 1
    columns: tuple[Any, ...] = (
        *(names, INFO_STRUCT, 8, names, ids + 1, 0),
        *(0, INFO_PTR, ids),
    )
    words = np.zeros((some, len(columns)), np.uint32)
    for at, column in enumerate(columns):
        words[:, at] = column
    return words.reshape(-1)


def ordinary(count: int) -> bytes:
    """Each struct has a name of its own."""
    some = count // 2
    numbers = np.arange(some)
    text = np.zeros((some, DIGITS + 2), np.uint8)
    text[:, 0] = ord("s")
    for digit in range(DIGITS):
        text[:, DIGITS - digit] = ord("0") + numbers // 10**digit % 10
    return blob(pairs(count, 1 + numbers * (DIGITS + 2)), b"\0" + text.tobytes())


def one_name(count: int) -> bytes:
    """All structs are called the same."""
    return blob(pairs(count, np.ones(count // 2, np.uint32)), b"\0same\0")


def overlapping(count: int) -> bytes:
    """The name of each struct is that of the one before without its first character."""
    some = count // 2
    return blob(pairs(count, np.arange(1, some + 1)), b"\0" + b"x" * some + b"\0")


def one_struct(count: int) -> bytes:
    """One struct, in the wide form, with a member for each type that there would be."""
    members = np.zeros((count, 3), np.uint32)
    members[:, 0], members[:, 1] = 1, 2
    head = np.array([1, int(Kind.STRUCT) << 24 | count, 0], np.uint32)
    void_pointer = np.array([0, INFO_PTR, 0], np.uint32)
    return blob(np.concatenate([head, members.reshape(-1), void_pointer]), b"\0m\0")


def split_over(base: Btf) -> Btf:
    builder = Builder(base=base)
    for type_id in range(1, min(len(base), 2000), 2):
        builder.add(views.Ptr(type_id))
    return builder.build()


SHAPES = {
    "ordinary": ordinary,
    "one_name": one_name,
    "one_struct": one_struct,
    "overlapping": overlapping,
}


class Nowhere(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Count it."""
        return len(data)


def seconds(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def iterate(btf: Btf) -> None:
    for _ in btf:
        pass


def steps(data: bytes) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is done with a container, and what it is called."""
    btf = loads(data, check=False)
    yield "loads", lambda: loads(data)
    yield "find", lambda: btf.find_ids("s00000001")
    yield "views", lambda: iterate(btf)
    yield "dumps", lambda: dumps(btf)
    yield "verify", lambda: verify(btf)
    split = split_over(btf)
    yield "distill of 1,000 over it", lambda: distill_many([split])
    yield "dump as text", lambda: write_raw(btf, io.BufferedWriter(Nowhere()))


def one(shape: str, count: int) -> None:
    """A row of the table for a shape."""
    data = SHAPES[shape](count)
    cells = []
    for name, work in steps(data):
        # Names that overlap n deep are n^2 / 2 characters, by themselves; bpftool prints as many.
        if shape == "overlapping" and name in ("views", "dump as text"):
            cells.append("")
            continue
        try:
            cells.append(f"{seconds(work) * 1e6 / count:.3f}")
        except EncodeError:
            cells.append("refused")
    sizes = f"{len(data) / 1e6:.0f} | {peak_kib() / 1024:.0f}"
    print(f"| {shape} | {count:,} | {' | '.join(cells)} | {sizes} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("counts", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.counts[0])
        return
    titles = [name for name, _ in steps(ordinary(100))]
    columns = ["shape", "types", *titles, "MB", "peak, MB"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for shape in SHAPES:
        for count in args.counts:
            command = [sys.executable, __file__, str(count), "--one", shape]
            if subprocess.run(command, check=False).returncode:
                print(f"| {shape} | {count:,} | failed |", flush=True)


if __name__ == "__main__":
    main()
