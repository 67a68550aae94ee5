"""How cost grows with the number of types: ``python tests/bench/growth.py [COUNT ...]``.

For each shape and count: the microseconds of processor time that each step takes for a type, and
in the row below the most bytes for a type that it held beside the loaded file. By default 100,000
and a million types; 10,000,000 are 120 to 230 MB of BTF, and take a quarter of an hour.
Three hostile shapes follow the ordinary one: one name on all types, one struct that has all
members, and names that start at each character of one string.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "transforms")]

from whole_kernel import peak_kib  # noqa: E402

from btfschema import Btf, Builder, Kind, dumps, loads, verify, views  # noqa: E402
from btfschema.errors import EncodeError  # noqa: E402
from btfschema.render import write_json, write_raw  # noqa: E402
from btfschema_transforms.distill import distill_many  # noqa: E402

Words = npt.NDArray[np.uint32]
HEADER = "=HBBIIIII"
INFO_STRUCT, INFO_PTR = int(Kind.STRUCT) << 24 | 1, int(Kind.PTR) << 24
DIGITS = 8
# The largest id that a kernel takes, so that verify finds nothing wrong with the number of types.
VERIFIED = 1 << 20


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


def iterate(btf: Btf) -> None:
    for _ in btf:
        pass


def dumped(write: Callable[..., None], btf: Btf) -> None:
    write(btf, io.BufferedWriter(Nowhere()))


def distilled(btf: Btf) -> None:
    distill_many([split_over(btf)])


# What is done with a loaded container.
STEPS: dict[str, Callable[[Btf], Any]] = {
    "`loads`": lambda btf: loads(btf.image.source or b""),
    "find": lambda btf: btf.find_ids("s00000001"),
    "views": iterate,
    "`dumps`": dumps,
    "`verify`": verify,
    "distill": distilled,
    "dump as text": partial(dumped, write_raw),
    "dump as JSON": partial(dumped, write_json),
}


def measured(work: Callable[[], Any]) -> tuple[float, int] | None:
    """Seconds, and KiB beside what is there already, of work that a child does; None if refused."""
    gc.collect()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before, begin = peak_kib(), time.process_time()
        try:
            work()
        except EncodeError:
            os._exit(1)
        spent = time.process_time() - begin
        os.write(write, f"{spent} {peak_kib() - before}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        words = pipe.read().split()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise subprocess.CalledProcessError(status, "a step")
    return (float(words[0]), int(words[1])) if words else None


def skipped(shape: str, step: str, count: int) -> bool:
    """Names that overlap n deep have n^2 / 2 characters; bpftool prints as many."""
    long = shape == "overlapping" and step in ("views", "dump as text", "dump as JSON")
    return long or (step == "`verify`" and count > VERIFIED)


def one(shape: str, count: int) -> None:
    """The two rows of the table for a shape."""
    btf = loads(SHAPES[shape](count), check=False)
    size = len(btf.image.source or b"")
    times, memories = [], []
    for name, work in STEPS.items():
        leave_out = skipped(shape, name, count)
        found = None if leave_out else measured(partial(work, btf))
        times.append(f"{found[0] * 1e6 / count:.2f}" if found else "" if leave_out else "refused")
        memories.append(f"{found[1] * 1024 / count:.0f} B" if found else "")
    name = shape.replace("_", " ")
    print(f"| {name} | {count:,} | {size / 1e6:.0f} | {' | '.join(times)} |")
    print(f"| | | | {' | '.join(memories)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("counts", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.counts[0])
        return
    columns = ["shape", "types", "MB", *STEPS]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for shape in SHAPES:
        for count in args.counts:
            command = [sys.executable, __file__, str(count), "--one", shape]
            if subprocess.run(command, check=False).returncode:
                print(f"| {shape} | {count:,} | failed |", flush=True)


if __name__ == "__main__":
    main()
