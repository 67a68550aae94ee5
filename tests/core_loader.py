"""A program that loads BPF objects with libbpf, on the running kernel."""

from __future__ import annotations

from pathlib import Path

from libbpf_oracle import libbpf, run

__all__ = ["built_loader"]

SOURCE = Path(__file__).with_name("kernel") / "core_load.c"


def built_loader(folder: Path) -> Path:
    """Compile it into a folder."""
    program = folder / "core_load"
    built = libbpf()
    run("gcc", f"-I{built}", SOURCE, built / "libbpf.a", "-lelf", "-lz", "-o", program)
    return program
