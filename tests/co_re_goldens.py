"""What libbpf and bpftool make of the golden programs' CO-RE relocations."""

from __future__ import annotations

import json
import lzma
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from btfschema import load, loads
from btfschema.co_re import BpfObject, Kernel, read_object

__all__ = ["DATA", "GOLDENS", "MODULES", "expected", "golden_object", "kernel", "own_object"]

DATA = Path(__file__).parent / "data"
GOLDENS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (DATA / "core" / "goldens" / "expected.jsonl").read_text().splitlines()
]
# The modules that the cloud kernel of the tests has loaded.
MODULES = ("nf_tables", "xfs", "kvm", "kvm-intel")


def expected() -> list[dict[str, Any]]:
    """What libbpf makes of our programs on each kernel; ``data/core/make.py`` makes the file."""
    path = DATA / "core" / "expected.jsonl.xz"
    return [json.loads(line) for line in lzma.decompress(path.read_bytes()).splitlines()]


def own_object(name: str) -> BpfObject:
    return read_object(DATA / "core" / "objects" / f"{name}.bpf.o")


def golden_object(name: str) -> BpfObject:
    return read_object(DATA / "core" / "goldens" / f"{name}.bpf.o")


@cache
def kernel(name: str) -> Kernel:
    """The kernel ``generic`` of the corpus, ``cloud`` with modules, or one by its file's path."""
    if name.startswith("/"):
        return Kernel(load(name))
    packed = DATA / f"vmlinux-{name}.btf.xz"
    if not packed.exists():
        return Kernel(load(DATA / "core" / "objects" / f"{name}.bpf.o"))
    vmlinux = loads(lzma.decompress(packed.read_bytes()))
    modules = {}
    if name == "cloud":
        with tarfile.open(DATA / "modules-cloud.tar.xz") as archive:
            for module in MODULES:
                member = archive.extractfile(f"./{module}.btf")
                assert member is not None
                modules[module] = loads(member.read(), vmlinux)
    return Kernel(vmlinux, modules)
