"""All modules of a Debian kernel: what libbpf writes, in how much memory, and by how many jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from whole_kernel import KERNEL, compiled, kernel_files, once, unpacked

from btfschema import dumps, load
from btfschema.cli.resume import NAME

pytestmark = [pytest.mark.debian, pytest.mark.slow]

BENCH = Path(__file__).parents[1] / "bench" / "whole_kernel.py"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """What both sides wrote, and what ours took."""
    folder = tmp_path_factory.mktemp("outputs")
    files = kernel_files(KERNEL)
    names = {side: [folder / f"{side}-{what}" for what in "dr"] for side in ("our", "their")}
    once([compiled(), *files, *names["their"]])
    return folder, once([sys.executable, BENCH, "--loop", *files, *names["our"]])


def test_all_bytes_are_libbpfs(outputs: tuple[Path, dict[str, float]]) -> None:
    """Distilled and relocated; and all results together fit the memory that is allowed."""
    folder, measured = outputs
    for what in "dr":
        assert (folder / f"our-{what}").read_bytes() == (folder / f"their-{what}").read_bytes()
    assert measured["peak_kib"] <= 400 * 1024


def test_commands_write_the_same_whatever_the_jobs(
    outputs: tuple[Path, dict[str, float]], tmp_path: Path
) -> None:
    """Over a tree of the kernel's BTF in which one module of 4,230 is damaged."""
    folder, _ = outputs
    vmlinux, modules = kernel_files(KERNEL)
    tree, out = tmp_path / "tree", tmp_path / "out"
    tree.mkdir()
    blobs = list(unpacked(modules.read_bytes()))
    for number, blob in enumerate(blobs):
        (tree / f"{number:04}.btf").write_bytes(blob)
    (tree / "0042.btf").write_bytes(blobs[42][:30])
    command = [sys.executable, "-m", "btfschema", "distill", "--all", str(tree), "--jobs", "2"]
    command += ["-B", str(vmlinux), "--out-dir", str(out), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"btfschema: {tree / '0042.btf'}: truncated BTF")
    wanted = list(unpacked((folder / "their-d").read_bytes()))
    assert len(list(out.iterdir())) == 2 * (len(blobs) - 1) + len([NAME])
    for number in range(len(blobs)):
        if number != 42:
            path = out / f"{number:04}.btf"
            assert path.read_bytes() == wanted[2 * number + 1]
            assert Path(f"{path}.base").read_bytes() == wanted[2 * number]
    assert dumps(load(out / "0000.btf")) == wanted[1]
