"""Compilers take C of any types: 1,000 that no compiler wrote, and 1,000 that a kernel would load.

What is in the header has the size and the offsets that BTF says; the rest is named.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from c_hostile import hostile
from hypothesis import HealthCheck, Phase, given, settings

from btfschema import Btf
from btfschema.render.c import c_header
from btfschema.testing import btfs

pytestmark = pytest.mark.debian

COUNT = 2000
BATCH = 100
COMPILERS = (["gcc", "-fmax-errors=3"], ["clang", "-ferror-limit=3"])


def loadable() -> list[Btf]:
    """Containers that a kernel would load."""
    found: list[Btf] = []

    @settings(
        max_examples=COUNT,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
        ],
        deadline=None,
    )
    @given(btf=btfs(byteorder="little", valid=True))
    def collect(btf: Btf) -> None:
        if btf.pointer_size == 8:
            found.append(btf)

    collect()
    return found


def compile_all(containers: list[Btf], folder: Path) -> int:
    """Compile the header of each; returns how many leave something out."""
    files, incomplete = [], 0
    for number, btf in enumerate(containers):
        header = c_header(btf, asserts=True)
        incomplete += bool(header.left_out)
        file = folder / f"{number}.c"
        file.write_text(header.text, encoding="utf-8", errors="surrogateescape")
        files.append(file)
    for compiler in COMPILERS:
        for at in range(0, len(files), BATCH):
            command = [*compiler, "-w", "-fsyntax-only", *map(str, files[at : at + BATCH])]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode:
                pytest.fail(done.stderr.decode("utf-8", "replace")[:3000])
    return incomplete


def test_types_that_no_compiler_wrote(tmp_path: Path) -> None:
    incomplete = compile_all([hostile(seed) for seed in range(COUNT)], tmp_path)
    assert COUNT // 10 < incomplete < COUNT


def test_types_that_a_kernel_loads(tmp_path: Path) -> None:
    containers = loadable()
    assert len(containers) > COUNT * 9 // 10
    compile_all(containers, tmp_path)
