"""Merge, dedup and sort against libbpf's: ``python tests/bench/dedup.py [--debian PACKAGE]``.

Both work on the same modules one after the other, in processor time (a thread each): the corpus'
1,138, or those of a Debian kernel package such as ``linux-image-6.12.107+deb12-amd64``. libbpf is
that of ``linux-source-6.12``. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import os
import resource
import struct
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from debian_packages import package_tree
from libbpf_oracle import libbpf, run

from btfschema import Btf, dumps, load, loads, loads_many
from btfschema.sources import load_many
from btfschema_transforms.dedup import dedup
from btfschema_transforms.duplicates import duplicates
from btfschema_transforms.merge import merge
from btfschema_transforms.sort import sort

BENCH = Path(__file__).parent
DATA = BENCH.parent / "data"
Done = TypeVar("Done")


def timed(work: Callable[[], Done]) -> tuple[Done, float]:
    """What some work gives, and its seconds of processor time."""
    started = time.process_time()
    done = work()
    return done, time.process_time() - started


def corpus() -> tuple[bytes, list[bytes]]:
    """The cloud kernel and its modules, in the order of their names."""
    packed = lzma.decompress((DATA / "modules-cloud.tar.xz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [(one.name, archive.extractfile(one)) for one in archive.getmembers()]
        blobs = {name: file.read() for name, file in files if file is not None}
    vmlinux = lzma.decompress((DATA / "vmlinux-cloud.btf.xz").read_bytes())
    return vmlinux, [blobs[name] for name in sorted(blobs, key=os.fsencode)]


def debian(package: str) -> tuple[bytes, list[bytes]]:
    """A Debian kernel and its modules."""
    tree = package_tree(package)
    vmlinux = load(next(tree.glob("boot/vmlinuz-*")))
    modules = sorted(tree.rglob("*.ko*"), key=lambda path: os.fsencode(path.name))
    found = [one for one in load_many(modules, vmlinux) if isinstance(one, Btf)]
    return dumps(vmlinux), [dumps(one) for one in found]


def of_libbpf(vmlinux: bytes, modules: list[bytes]) -> dict[str, float]:
    """What the C loop prints."""
    built = libbpf()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "loop"
        libraries = (built / "libbpf.a", "-lelf", "-lz")
        run("gcc", "-O2", f"-I{built}", BENCH / "libbpf_dedup.c", *libraries, "-o", program)
        (folder / "vmlinux").write_bytes(vmlinux)
        pack = b"".join(struct.pack("=I", len(one)) + one for one in modules)
        (folder / "pack").write_bytes(pack)
        files = [folder / part for part in ("vmlinux", "pack", "merged", "deduped")]
        done = subprocess.run([program, *files], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debian", metavar="PACKAGE", help="a kernel package; else the corpus")
    package = parser.parse_args().debian
    vmlinux, modules = debian(package) if package else corpus()
    theirs = of_libbpf(vmlinux, modules)
    base = loads(vmlinux)
    merged, merging = timed(lambda: merge(loads_many(modules, base)).btf)
    result, deduping = timed(lambda: dedup(merged).btf)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _, sorting = timed(lambda: sort(base))
    _, telling = timed(lambda: duplicates(base))
    left = int(theirs["left"]) - base.end_id
    print(f"{len(modules)} modules, {len(merged)} types; left: {len(result)}, libbpf {left}")
    print("\n| work | seconds | libbpf | ratio |\n|---|---|---|---|")
    for what, ours, other in (
        ("read and merge", merging, theirs["merge"]),
        ("dedup", deduping, theirs["dedup"]),
    ):
        print(f"| {what} | {ours:.2f} | {other:.2f} | {ours / other:.1f} |")
    print(f"| sort a vmlinux | {sorting:.3f} | | |\n| duplicates of it | {telling:.2f} | | |")
    print(f"\npeak memory {memory} MiB, libbpf {theirs['kib'] // 1024} MiB")


if __name__ == "__main__":
    main()
