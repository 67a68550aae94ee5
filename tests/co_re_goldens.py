"""What libbpf and bpftool make of the golden programs' CO-RE relocations."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from btfschema import load, loads
from btfschema.co_re import BpfObject, Kernel, read_object

__all__ = ["DATA", "GOLDENS", "golden_object", "kernel"]

DATA = Path(__file__).parent / "data"
GOLDENS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (DATA / "core" / "goldens" / "expected.jsonl").read_text().splitlines()
]


def golden_object(name: str) -> BpfObject:
    return read_object(DATA / "core" / "goldens" / f"{name}.bpf.o")


@cache
def kernel(name: str) -> Kernel:
    """The kernel ``generic`` or ``cloud`` of the corpus, or one by the path of its file."""
    if name.startswith("/"):
        return Kernel(load(name))
    return Kernel(loads(lzma.decompress((DATA / f"vmlinux-{name}.btf.xz").read_bytes())))
