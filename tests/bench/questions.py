"""Questions about whole kernels: lists, differences and tables, in processor time.

    python tests/bench/questions.py [--runs N] [--modules N]

Prints a Markdown table. Bars are those of the issue that asked for them: a condition of ``list`` in
four times what ``info`` takes, ``diff`` in three times ``load`` of both and a second, tables of a
vmlinux in two seconds, and of a kernel's 4,230 modules in fifteen.
"""

from __future__ import annotations

import argparse
import io
import lzma
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from face import DATA, seconds

from btfschema import Btf, loads, loads_many
from btfschema.questions import arrow_tables, diff

MODULES = 4230
TOGETHER = 32
CONDITIONS = {
    "size": ("--kind", "struct", "--sort", "size", "--limit", "10"),
    "holes": ("--holes", "9"),
    "packable": ("--packable",),
    "contains, deep": ("--contains", "struct list_head", "--deep"),
    "points-to": ("--points-to", "struct file"),
    "takes": ("--takes", "struct sk_buff"),
    "member": ("--member", "*lock*"),
    "type-of-member": ("--type-of-member", "spinlock_t"),
    "unused": ("--unused",),
    "duplicated": ("--duplicated",),
    "users": ("--sort", "users", "--limit", "10"),
}


def unxz(name: str) -> bytes:
    return lzma.decompress((DATA / name).read_bytes())


def command(*arguments: str) -> Callable[[], Any]:
    whole = [sys.executable, "-m", "btfschema", *arguments]
    return lambda: subprocess.run(whole, stdout=subprocess.DEVNULL, check=True)


def row(name: str, ours: list[float], bar: float | None) -> None:
    least, middle = min(ours), statistics.median(ours)
    said = "" if bar is None else f"{bar:.2f}"
    print(f"| {name} | {least:.2f} | {middle:.2f} | {said} |", flush=True)


def lists(kernel: Path, runs: int) -> None:
    info = [seconds(command("info", str(kernel))) for _ in range(runs)]
    row("`info`, whole process", info, None)
    for name, arguments in CONDITIONS.items():
        ours = command("list", str(kernel), "--names", *arguments)
        row(
            f"`list`: {name}, whole process",
            [seconds(ours) for _ in range(runs)],
            4 * statistics.median(info),
        )


def differences(data: list[bytes], runs: int) -> None:
    loading = [seconds(lambda: [loads(one) for one in data]) for _ in range(runs)]

    def compared() -> Any:
        return diff(*map(loads, data)).causes

    row(
        "`diff` of two vmlinux files",
        [seconds(compared) for _ in range(runs)],
        3 * min(loading) + 1,
    )


def modules(count: int) -> list[bytes]:
    """The first of the corpus' modules."""
    with tarfile.open(fileobj=io.BytesIO(unxz("modules-cloud.tar.xz"))) as archive:
        files = [archive.extractfile(entry) for entry in archive if entry.isfile()]
        return [file.read() for file in files[:count] if file is not None]


def tables(kernel: bytes, count: int, runs: int) -> None:
    row(
        "Arrow tables of a vmlinux, `loads` included",
        [seconds(lambda: arrow_tables(loads(kernel))) for _ in range(runs)],
        2,
    )
    base, blobs = loads(kernel), modules(count)
    arrow_tables(base)

    def all_of_them() -> int:
        rows = 0
        for first in range(0, len(blobs), TOGETHER):
            for one in loads_many(blobs[first : first + TOGETHER], base):
                if isinstance(one, Btf):
                    rows += sum(map(len, arrow_tables(one).values()))
        return rows

    times = [seconds(all_of_them) * MODULES / len(blobs) for _ in range(runs)]
    row(f"Arrow tables of {MODULES:,} modules, from {len(blobs):,}", times, 15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--modules", type=int, default=MODULES)
    options = parser.parse_args()
    data = [unxz(f"vmlinux-{name}.btf.xz") for name in ("cloud", "generic")]
    print("| what | s, least | s, median | bar |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        kernel = Path(scratch) / "vmlinux.btf"
        kernel.write_bytes(data[0])
        lists(kernel, options.runs)
    differences(data, options.runs)
    tables(data[0], options.modules, options.runs)


if __name__ == "__main__":
    main()
