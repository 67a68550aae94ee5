"""What pahole says of the structs of a file."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

__all__ = ["choose", "structs_of_pahole"]

# pahole sums up an anonymous struct that has a qualifier as though it were the whole.
SUMMED_TWICE = {"vm_fault"}


def structs_of_pahole(btf: bytes, folder: Path) -> dict[str, list[str]]:
    """The text of each struct, by name; of some names there are several.

    Args:
        btf: raw BTF.
        folder: where a file may be left.
    """
    file = folder / "vmlinux"
    file.write_bytes(btf)
    done = subprocess.run(["pahole", "-F", "btf", file], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"^struct (\w+) {\n.*?^}", done.stdout, re.MULTILINE | re.DOTALL):
        found.setdefault(match[1], []).append(match[0])
    return found


def choose(shown: dict[str, list[str]]) -> list[str]:
    """505 names of structs that each stand for one."""
    names = sorted(name for name, texts in shown.items() if len(texts) == 1)
    assert len(names) > 8000
    chosen = random.Random(500).sample(sorted(set(names) - SUMMED_TWICE), 500)
    return [*chosen, "task_struct", "sk_buff", "page", "mm_struct", "desc_struct"]
