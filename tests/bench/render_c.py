"""C dumps of a vmlinux, whole processes: ours beside bpftool's.

python tests/bench/render_c.py [VMLINUX] [--runs N]
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

CORPUS = ROOT / "tests" / "data" / "vmlinux-cloud.btf.xz"


def seconds(command: list[str], output: Path) -> float:
    """The wall time of a process that writes to a file."""
    with output.open("wb") as stream:
        start = time.perf_counter()
        subprocess.run(command, stdout=stream, check=True)
        return time.perf_counter() - start


def commands(file: Path) -> dict[str, list[str]]:
    """What is compared: each of ours follows the bpftool that prints the same."""
    ours = [sys.executable, "-m", "btfschema", "dump", str(file), "--format", "c"]
    found = {}
    debian = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if debian is not None:
        found["bpftool 7.1"] = [debian, "btf", "dump", "file", str(file), "format", "c"]
    found["btfschema --like 7.1"] = [*ours, "--like", "7.1"]
    newer = Path("/usr/src/linux-source-6.12.tar.xz")
    if newer.exists():
        from newer_bpftool import newer_bpftool

        found["bpftool 7.5"] = [
            str(newer_bpftool()), "btf", "dump", "file", str(file), "format", "c",
        ]  # fmt: skip
    found["btfschema --like 7.5"] = [*ours, "--like", "7.5"]
    found["btfschema"] = ours
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vmlinux", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = arguments.vmlinux
        if file is None:
            file = folder / "vmlinux.btf"
            file.write_bytes(lzma.decompress(CORPUS.read_bytes()))
        todo = commands(file)
        times: dict[str, list[float]] = {label: [] for label in todo}
        # Interleaved, so that whatever else the machine does is shared alike.
        for _ in range(arguments.runs):
            for label, command in todo.items():
                times[label].append(seconds(command, folder / "out.h"))
    print(f"{'':24}{'median':>10}{'best':>10}{'of bpftool':>12}")
    reference = None
    for label, measured in times.items():
        median, best = statistics.median(measured), min(measured)
        ratio = f"{median / reference:.1f}x" if reference and "btfschema" in label else ""
        print(f"{label:24}{median:9.3f}s{best:9.3f}s{ratio:>12}")
        if "bpftool" in label:
            reference = median


if __name__ == "__main__":
    main()
