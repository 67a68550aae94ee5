"""The table of ratios: what a user waits for, beside what its peers take, and the last published.

    python tests/bench/table.py [--runs N] [--modules N] [ROW ...]

Processor time of whole processes, children included, or of the loops in them; ours and the peer's
in turn, A B A B, so that a machine whose speed drifts slows both. A ratio is the median of the
ratios of such pairs. ``ROW`` picks rows whose name holds it. The published ratios are those of
``docs/benchmarks.md``. It fails on no ratio: whoever changes one says so there.

Rows that need bpftool, or gcc and Debian's ``linux-source-6.12`` for libbpf, are left out, with a
word, where these are missing.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from attrs import frozen

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "transforms")]

from whole_kernel import clock, compiled, once, pack, unpacked  # noqa: E402

from btfschema import BtfError, dumps, loads  # noqa: E402
from btfschema_transforms.distill import distill_many  # noqa: E402
from btfschema_transforms.relocate import relocate_many  # noqa: E402

DOCS = TESTS.parent / "docs" / "benchmarks.md"
# Without it Python keeps what it compiled, as it does for everybody.
UNSET = ("PYTHONDONTWRITEBYTECODE",)
Clock = Callable[[], float]
"""Does the work, and says how many seconds of processor time it took."""


@frozen
class Row:
    """What is measured, against what, and the most that the ratio should be."""

    name: str
    ours: Clock
    peer: Clock
    bar: str


def process(*command: str | Path) -> float:
    """Seconds of a command and of its children; what it prints goes to a file."""
    arguments = list(map(str, command))
    environment = {name: value for name, value in os.environ.items() if name not in UNSET}
    with tempfile.TemporaryFile() as out:
        action = (os.POSIX_SPAWN_DUP2, out.fileno(), 1)
        pid = os.posix_spawnp(arguments[0], arguments, environment, file_actions=[action])
        _, status, usage = os.wait4(pid, 0)
    # 1: verify found something.
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise subprocess.CalledProcessError(status, arguments)
    return usage.ru_utime + usage.ru_stime


def python(code: str) -> Clock:
    return partial(process, sys.executable, "-c", code)


def command(*arguments: str | Path) -> Clock:
    """A command of ours, as it is installed."""
    script = Path(sys.executable).with_name("btfschema")
    if script.exists():
        return partial(process, script, *arguments)
    return partial(process, sys.executable, "-m", "btfschema", *arguments)


@frozen
class Files:
    """What the rows work on."""

    vmlinux: Path
    modules: Path
    module: Path
    pack: Path
    scratch: Path


def unpacked_files(folder: Path, count: int) -> Files:
    """The cloud kernel of the tests, and some of its modules: every so many, small and large."""
    vmlinux, modules = folder / "vmlinux.btf", folder / "modules"
    data = lzma.decompress((TESTS / "data" / "vmlinux-cloud.btf.xz").read_bytes())
    vmlinux.write_bytes(data)
    modules.mkdir()
    blobs = []
    with tarfile.open(TESTS / "data" / "modules-cloud.tar.xz") as archive:
        members = [one for one in archive if one.isfile()]
        for one in members[:: max(len(members) // count, 1)][:count]:
            opened = archive.extractfile(one)
            if opened is not None:
                blobs.append(opened.read())
                (modules / f"{len(blobs):04}.btf").write_bytes(blobs[-1])
    packed = folder / "modules.pack"
    packed.write_bytes(pack(blobs))
    by_size = sorted(modules.iterdir(), key=lambda path: path.stat().st_size)
    return Files(vmlinux, modules, by_size[len(by_size) // 2], packed, folder / "scratch")


def into_scratch(files: Files, *arguments: str | Path) -> float:
    """A command that writes many files, each time into a fresh directory."""
    shutil.rmtree(files.scratch, ignore_errors=True)
    return command(*arguments, "--out-dir", files.scratch, "--quiet")()


def start_rows(files: Files) -> Iterator[Row]:
    numpy, nothing = python("import numpy"), python("pass")
    vmlinux, module = files.vmlinux, files.module
    yield Row("`btfschema --help` : `python -c pass`", command("--help"), nothing, "3.5")
    yield Row("`import btfschema` : `python -c pass`", python("import btfschema"), nothing, "")
    loading = python("from btfschema import loads")
    yield Row("`from btfschema import loads` : `import numpy`", loading, numpy, "1.3")
    for name, arguments, bar in (
        ("info", ("info", vmlinux), "1.7"),
        ("graph list_head", ("graph", "list_head", vmlinux), "1.9"),
        ("show task_struct", ("show", "task_struct", vmlinux), "2.2"),
        ("dump -B` of a module", ("dump", "-B", vmlinux, module), "1.8"),
    ):
        label = (
            f"`{name} : `import numpy`" if name.startswith("dump") else f"`{name}` : `import numpy`"
        )
        yield Row(label, command(*arguments), numpy, bar)
    moved = ("rebase", "-B", vmlinux, "-T", vmlinux, module, "-o", files.scratch.with_suffix(".o"))
    yield Row("`rebase` of a module : `info`", command(*moved), command("info", vmlinux), "2")


def dump_rows(files: Files) -> Iterator[Row]:
    if shutil.which("bpftool") is None:
        print("no bpftool: the rows of dumps are left out", file=sys.stderr)
        return
    peer = ("btf", "dump", "file", files.vmlinux)
    for name, ours, theirs, bar in (
        ("dump", (), peer, "2.5"),
        ("dump --json", ("--json",), ("-j", *peer), "3"),
        (
            "dump --format c --unsorted",
            ("--format", "c", "--unsorted"),
            (*peer, "format", "c"),
            "5",
        ),
    ):
        clock = partial(process, "bpftool", *theirs)
        yield Row(f"`{name}` : bpftool", command("dump", files.vmlinux, *ours), clock, bar)


def many_rows(files: Files) -> Iterator[Row]:
    every = ("--all", files.modules, "-B", files.vmlinux)
    distill = partial(into_scratch, files, "distill", *every)
    verify = command("verify", *every, "--quiet")
    yield Row("`verify --all` : `distill --all`", verify, distill, "1.5")
    two = partial(into_scratch, files, "distill", *every, "--jobs", "2")
    yield Row("`distill --all --jobs 2` : one job", two, distill, "")


def alone(vmlinux: Path, modules: Path) -> dict[str, float]:
    """Modules one by one, as somebody does who has a loop of his own."""
    base, blobs = loads(vmlinux.read_bytes()), list(unpacked(modules.read_bytes()))
    distill_many([loads(blobs[0], base)])
    begin = clock()
    pairs = []
    for blob in blobs:
        ((split, _),) = distill_many([loads(blob, base)])
        pairs.append((dumps(split.base or split), dumps(split)))
    done = clock()
    for below, blob in pairs:
        (found,) = relocate_many([loads(blob, loads(below))], base)
        if isinstance(found, BtfError):
            raise found
        dumps(found[0])
    return {"distill": done - begin, "relocate": clock() - done}


def libbpf_rows(files: Files) -> Iterator[Row]:
    """Loops in one process each; each is run once for each of its rows."""
    try:
        loop = compiled()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no libbpf ({error}): its rows are left out", file=sys.stderr)
        return
    outputs = [files.scratch.with_suffix(f".{n}") for n in range(4)]
    inputs = [files.vmlinux, files.pack]
    together: list[str | Path] = [
        sys.executable,
        TESTS / "bench" / "whole_kernel.py",
        "--loop",
        *inputs,
    ]
    singly: list[str | Path] = [sys.executable, __file__, "--alone", *inputs]

    def part(arguments: list[str | Path], *keys: str) -> Clock:
        return lambda: sum(once(arguments)[key] for key in keys)

    theirs: list[str | Path] = [loop, *inputs, *outputs[2:]]
    ours: list[str | Path] = [*together, *outputs[:2]]
    for name, mine, key, bar in (
        ("`loads` of a vmlinux", ours, "open", "5"),
        ("read, distill, write; many at once", ours, "distill", "1.2"),
        ("read, relocate, write; many at once", ours, "relocate", "0.2"),
        ("read, distill, write; one by one", singly, "distill", "2.5"),
        ("read, relocate, write; one by one", singly, "relocate", "0.4"),
    ):
        yield Row(f"{name} : libbpf", part(mine, key), part(theirs, key), bar)


def measured(row: Row, runs: int) -> tuple[float, float, float]:
    """Medians of our seconds, of the peer's, and of the ratios, after a warm-up of ours."""
    row.ours()
    pairs = [(row.ours(), row.peer()) for _ in range(runs)]
    ratio = statistics.median(a / max(b, 1e-9) for a, b in pairs)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return mine, theirs, ratio


def published() -> dict[str, str]:
    """The ratios in the docs, by the names of their rows."""
    found = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6:
            found[cells[0]] = cells[3]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--modules", type=int, default=200)
    parser.add_argument("--alone", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    args = parser.parse_args()
    if args.alone:
        print(json.dumps(alone(*args.alone)))
        return
    last = published()
    begin = time.monotonic()
    print("| work : peer | ms | peer, ms | ratio | published | bar |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        files = unpacked_files(Path(folder), args.modules)
        for rows in (start_rows, dump_rows, many_rows, libbpf_rows):
            for row in rows(files):
                if args.rows and not any(wanted in row.name for wanted in args.rows):
                    continue
                mine, theirs, ratio = measured(row, args.runs)
                times = f"{1000 * mine:.0f} | {1000 * theirs:.0f} | {ratio:.2f}"
                print(
                    f"| {row.name} | {times} | {last.get(row.name, '')} | {row.bar} |", flush=True
                )
    print(f"\n{args.runs} pairs a row, {args.modules} modules, {time.monotonic() - begin:.0f} s.")


if __name__ == "__main__":
    main()
