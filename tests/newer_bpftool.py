"""bpftool 7.5 of Debian's ``linux-source-6.12``, built once: the part that dumps files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from debian_packages import CACHE
from libbpf_oracle import PARTS, SOURCE, archive, run

__all__ = ["newer_bpftool"]

NEEDED = (*PARTS, "tools/bpf/bpftool", "kernel/bpf")


def newer_bpftool() -> Path:
    """The program, built unless it is in the cache."""
    program = CACHE / "bpftool-7.5"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            run(
                "tar", "-xf", archive(), *(f"{SOURCE}/{part}" for part in NEEDED), cwd=Path(scratch)
            )
            sources = Path(scratch) / SOURCE / "tools" / "bpf" / "bpftool"
            run("make", "--silent", "-C", sources, "bootstrap")
            (sources / "bootstrap" / "bpftool").rename(program)
    return program
