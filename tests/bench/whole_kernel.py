"""A whole kernel: distill and relocate all its modules, against libbpf, in one run.

    python tests/bench/whole_kernel.py [--runs N] [--kernel PACKAGE] [--growth]

Fetches the kernel and libbpf's sources with apt (into ``BTFSCHEMA_CACHE``), builds libbpf, and
prints Markdown tables. Each side runs in a process of its own, one thread, in turn, A B A B; times
are processor time, so that other programs disturb little; a ratio is the median of the ratios of
such pairs. What both wrote is compared, byte by byte. ``--growth`` shows how cost grows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "transforms")]

from debian_packages import CACHE, package_tree  # noqa: E402
from libbpf_oracle import libbpf  # noqa: E402

from btfschema import Btf, BtfError, dumps, loads  # noqa: E402
from btfschema.framework.files import TOGETHER  # noqa: E402
from btfschema.model.builder import Builder  # noqa: E402
from btfschema.model.loading import loads_many  # noqa: E402
from btfschema.sources import read_source  # noqa: E402
from btfschema.views import Int, IntEncoding, Member, Ptr, Struct  # noqa: E402
from btfschema_transforms.distill import distill_many  # noqa: E402
from btfschema_transforms.relocate import relocate_many  # noqa: E402

KERNEL = "linux-image-6.12.117+deb12-amd64"
# The same kernel, configured for virtual machines.
OTHER = "linux-image-6.12.117+deb12-cloud-amd64"
# Without it Python keeps what it compiled, as it does for everybody.
UNSET = ("PYTHONDONTWRITEBYTECODE",)
LOOP = Path(__file__).with_name("libbpf_loop.c")
clock = time.process_time


def pack(blobs: list[bytes]) -> bytes:
    """Blobs one after another, each after its length, as libbpf_loop.c reads them."""
    return b"".join(struct.pack("=I", len(blob)) + blob for blob in blobs)


def unpacked(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("=I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def kernel_files(package: str) -> tuple[Path, Path]:
    """The raw BTF of a kernel, and that of all its modules as a pack; kept in the cache."""
    folder = CACHE / "btf" / package
    vmlinux, modules = folder / "vmlinux.btf", folder / "modules.pack"
    if not modules.exists():
        tree = package_tree(package)
        folder.mkdir(parents=True, exist_ok=True)
        vmlinux.write_bytes(read_source(next(tree.glob("boot/vmlinuz-*"))).btf)
        paths = sorted(tree.glob("**/*.ko*"))
        part = modules.with_suffix(".part")
        part.write_bytes(pack([read_source(path).btf for path in paths]))
        part.rename(modules)
    return vmlinux, modules


def compiled() -> Path:
    built = libbpf()
    program = CACHE / "libbpf-loop"
    libraries = (built / "libbpf.a", "-lelf", "-lz")
    subprocess.run(["gcc", "-O2", f"-I{built}", LOOP, *libraries, "-o", program], check=True)
    return program


def together(items: list[Any]) -> Iterator[list[Any]]:
    """Some at a time, as the command line works: memory holds these and the results."""
    return (items[at : at + TOGETHER] for at in range(0, len(items), TOGETHER))


def peak_kib(process: int | str = "self") -> int:
    """The most memory that a process held so far, in KiB; 0 when it has ended.

    Not getrusage's ru_maxrss: a process inherits that from the one that started it.
    """
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def ours(vmlinux: Path, modules: Path, distilled: Path, relocated: Path) -> dict[str, Any]:
    """What libbpf_loop.c does, by this package."""
    blob, blobs = vmlinux.read_bytes(), list(unpacked(modules.read_bytes()))
    begin = clock()
    base = loads(blob)
    opened = clock()
    for some in together(blobs):
        loads_many(some, base)
    read = clock()
    pairs: list[bytes] = []
    for some in together(blobs):
        for split, _ in distill_many(loads_many(some, base)):
            pairs += [dumps(split.base or split), dumps(split)]
    done = clock()
    moved = []
    for some in together(list(zip(pairs[::2], pairs[1::2], strict=True))):
        bases = loads_many([one for one, _ in some])
        for one in relocate_many(loads_many([one for _, one in some], bases), base):
            if isinstance(one, BtfError):
                raise one
            moved.append(dumps(one[0]))
    end = clock()
    peak = peak_kib()
    distilled.write_bytes(pack(pairs))
    relocated.write_bytes(pack(moved))
    return {
        "open": opened - begin,
        "read": read - opened,
        "distill": done - read,
        "relocate": end - done,
        "refused": 0,
        "peak_kib": peak,
    }


def once(command: list[str | Path]) -> dict[str, float]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(package: str, runs: int) -> None:
    vmlinux, modules = kernel_files(package)
    loop = compiled()
    with tempfile.TemporaryDirectory() as name:
        outputs = {side: [Path(name) / f"{side}{n}" for n in (1, 2)] for side in ("our", "their")}
        command: list[str | Path] = [sys.executable, __file__, "--loop", vmlinux, modules]
        pairs = [
            (
                once([*command, *outputs["our"]]),
                once([loop, vmlinux, modules, *outputs["their"]]),
            )
            for _ in range(runs)
        ]
        same = [a.read_bytes() == b.read_bytes() for a, b in zip(*outputs.values(), strict=True)]
        grown = outputs["our"][0].stat().st_size - modules.stat().st_size
    count = sum(1 for _ in unpacked(modules.read_bytes()))
    print(f"{package}: {count:,} modules, {runs} pairs of runs.\n")
    print("| work | btfschema, s (min..max) | libbpf, s | ratio | bar | aim |")
    print("|---|---|---|---|---|---|")
    parts: list[tuple[str, tuple[str, ...], str, str]] = [
        ("read vmlinux", ("open",), "", ""),
        ("read all modules", ("read",), "", ""),
        ("read, distill, serialise", ("distill",), "1.5", "1.0"),
        ("read distilled, relocate, serialise", ("relocate",), "0.3", "0.2"),
        ("both", ("open", "distill", "relocate"), "0.5", "0.4"),
    ]
    for what, keys, bar, aim in parts:
        our, their = ([sum(pair[n][key] for key in keys) for pair in pairs] for n in (0, 1))
        ratio = statistics.median(a / b for a, b in zip(our, their, strict=True))
        mine = f"{statistics.median(our):.2f} ({min(our):.2f}..{max(our):.2f})"
        theirs = f"{statistics.median(their):.2f}"
        print(f"| {what} | {mine} | {theirs} | {ratio:.2f} | {bar} | {aim} |")
    peaks = [max(pair[n]["peak_kib"] for pair in pairs) / 1024 for n in (0, 1)]
    print(f"| peak memory, MB, results held | {peaks[0]:.0f} | {peaks[1]:.0f} | | 400 | 250 |")
    same_bytes = "the same as" if all(same) else "NOT the same as"
    print(f"\nResults are {same_bytes} libbpf's; bytes added a module: {grown / count:,.0f}.")


def suffixes(package: str) -> None:
    """Growth with and without shared suffixes."""
    vmlinux, modules = kernel_files(package)
    base, blobs = loads(vmlinux.read_bytes()), list(unpacked(modules.read_bytes()))
    before, grown = sum(map(len, blobs)), {}
    for sharing in ("whole", "suffix"):
        after = 0
        for some in together(blobs):
            for split, _ in distill_many(loads_many(some, base), sharing):
                after += len(dumps(split)) + len(dumps(split.base or split))
        grown[sharing] = after - before
    less = 1 - grown["suffix"] / grown["whole"]
    print(f"With distill{{strings=suffix}}: {grown['suffix'] / len(blobs):,.0f}, {less:.0%} less.")


def commands(package: str, other: str, runs: int) -> None:
    """Whole runs of the command line over a tree of the modules' BTF, as files."""
    vmlinux, modules = kernel_files(package)
    another, _ = kernel_files(other)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tree, thin = root / "tree", root / "thin"
        tree.mkdir()
        for number, blob in enumerate(unpacked(modules.read_bytes())):
            (tree / f"{number:04}.btf").write_bytes(blob)
        check: list[str | Path] = [
            "check",
            "--all",
            tree,
            "-B",
            vmlinux,
            "-T",
            another,
        ]
        check += ["--report", root / "report", "--html", root / "page.html"]
        rows: list[tuple[str, list[str | Path], str, str]] = [
            ("`distill --all`", ["distill", "--all", tree, "-B", vmlinux], "", ""),
            ("`relocate --all`", ["relocate", "--all", thin, "-T", vmlinux], "", ""),
            ("`check --all`, report and page", check, "4", "2.5"),
        ]
        outputs = [thin, root / "full", None]
        print("\n| command | processor time, s (min..max) | memory, MB | bar | aim |")
        print("|---|---|---|---|---|")
        for (what, arguments, bar, aim), made in zip(rows, outputs, strict=True):
            took = []
            for _ in range(runs):
                if made is not None:
                    shutil.rmtree(made, ignore_errors=True)
                took.append(whole(arguments + (["--out-dir", made] if made is not None else [])))
            times = [one for one, _ in took]
            shown = f"{statistics.median(times):.2f} ({min(times):.2f}..{max(times):.2f})"
            print(f"| {what} | {shown} | {max(peak for _, peak in took):.0f} | {bar} | {aim} |")


def whole(arguments: list[str | Path]) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MB of a run of the command line."""
    command = [sys.executable, "-m", "btfschema", *map(str, arguments), "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env=environment, cwd=TESTS.parent, stdout=quiet, stderr=quiet
    )
    peak = 0
    while True:
        peak = max(peak, peak_kib(process.pid))
        time.sleep(0.02)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
    process.returncode = os.waitstatus_to_exitcode(status)
    # 1: some modules do not relocate onto the other kernel.
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, peak / 1024


def seconds(work: Callable[[], Any]) -> float:
    begin = clock()
    work()
    return clock() - begin


def chain(count: int) -> Btf:
    """Structs that point to one another."""
    builder = Builder()
    builder.add(Int("int", 4, IntEncoding.SIGNED))
    while len(builder) < count:
        number = len(builder)
        builder.add(Ptr(number))
        builder.add(Struct(f"s{number}", 16, [Member("p", number + 1), Member("i", 1, 64)]))
    return builder.build()


def all_distilled(blobs: list[bytes], base: Btf) -> None:
    for some in together(blobs):
        distill_many(loads_many(some, base))


def growth(package: str) -> None:
    """How cost grows with modules and with types."""
    vmlinux, modules = kernel_files(package)
    base, blobs = loads(vmlinux.read_bytes()), list(unpacked(modules.read_bytes()))
    # In an order that mixes large and small.
    blobs = [blobs[n * 1009 % len(blobs)] for n in range(len(blobs))]
    distill_many(loads_many(blobs[:1], base))
    print("\n| modules | distill, s | us a KiB |\n|---|---|---|")
    for count in (100, 400, 1600, 4000):
        took = seconds(lambda: all_distilled(blobs[:count], base))  # noqa: B023
        size = sum(map(len, blobs[:count]))
        print(f"| {count:,} | {took:.2f} | {took * 1e6 / (size / 1024):.1f} |", flush=True)
    print("\n| types | read and write, s | us a type |\n|---|---|---|")
    for count in (10_000, 100_000, 1_000_000):
        data = dumps(chain(count))
        took = seconds(lambda: dumps(loads(data)))  # noqa: B023
        print(f"| {count:,} | {took:.3f} | {took * 1e6 / count:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--kernel", default=KERNEL)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--loop", nargs=4, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.loop:
        print(json.dumps(ours(*args.loop)))
        return
    compare(args.kernel, args.runs)
    suffixes(args.kernel)
    commands(args.kernel, OTHER, args.runs)
    if args.growth:
        growth(args.kernel)


if __name__ == "__main__":
    main()
