"""CO-RE against libbpf 1.5 and bpftool, on programs that clang has just compiled."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from co_re_goldens import DATA, kernel, own_object
from core_oracle import PROGRAMS, ask, compiled, theirs, told

from btfschema import dumps, load
from btfschema.co_re import Kernel, Marks, mark_object, minimal, read_object
from btfschema.model.views.ext import CoreReloKind

pytestmark = pytest.mark.debian

SOURCES = [path for path in sorted(PROGRAMS.glob("*.c")) if "ambiguous" not in path.stem]
RUNNING = Path("/sys/kernel/btf/vmlinux")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Kernel, Path, list[Path]]]:
    """Kernels with their files and those of their modules."""
    folder = tmp_path_factory.mktemp("kernels")
    found = {}
    for name in ("generic", "cloud"):
        target = kernel(name)
        vmlinux = folder / f"{name}.btf"
        vmlinux.write_bytes(dumps(target.vmlinux))
        modules = []
        for module, btf in target.modules.items():
            modules.append(folder / f"{module}.btf")
            modules[-1].write_bytes(dumps(btf))
        found[name] = (target, vmlinux, modules)
    if RUNNING.exists():
        found["running"] = (Kernel(load(RUNNING)), RUNNING, [])
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_relocation_is_what_libbpf_makes_of_it(
    source: Path, kernels: dict[str, tuple[Kernel, Path, list[Path]]], tmp_path: Path
) -> None:
    path = compiled(source, tmp_path)
    program = read_object(path)
    for target, vmlinux, modules in kernels.values():
        assert told(program, target) == theirs(ask(path, vmlinux, modules))


@pytest.mark.parametrize("together", [False, True])
def test_minimal_btf_is_what_bpftool_makes(
    together: bool, kernels: dict[str, tuple[Kernel, Path, list[Path]]], tmp_path: Path
) -> None:
    names = [path.stem for path in SOURCES]
    for group in [names] if together else [[name] for name in names]:
        objects = [DATA / "core" / "objects" / f"{name}.bpf.o" for name in group]
        for target, vmlinux, _ in kernels.values():
            out = tmp_path / "min.btf"
            command = ["bpftool", "gen", "min_core_btf", str(vmlinux), str(out), *map(str, objects)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert not done.returncode, done.stderr
            marks = Marks()
            for name in group:
                # bpftool knows of no modules.
                mark_object(marks, own_object(name), Kernel(target.vmlinux))
            assert dumps(minimal(target.vmlinux, marks).btf) == out.read_bytes(), group


def test_libbpf_gives_the_same_answers_on_minimal_btf(
    kernels: dict[str, tuple[Kernel, Path, list[Path]]], tmp_path: Path
) -> None:
    """Also with minimal modules over a minimal kernel; but for the ids of the kernel's types."""
    for source in SOURCES:
        path = DATA / "core" / "objects" / f"{source.stem}.bpf.o"
        for target, vmlinux, modules in kernels.values():
            marks = Marks()
            mark_object(marks, own_object(source.stem), target)
            base = minimal(target.vmlinux, marks)
            small = tmp_path / "vmlinux.btf"
            small.write_bytes(dumps(base.btf))
            small_modules = []
            for name, btf in target.modules.items():
                small_modules.append(tmp_path / f"{name}.btf")
                cut = minimal(btf, marks, {target.vmlinux: base})
                small_modules[-1].write_bytes(dumps(cut.btf))
            before = ask(path, vmlinux, modules)
            after = ask(path, small, small_modules)
            assert list(map(without_ids, after)) == list(map(without_ids, before)), source.stem


def without_ids(row: dict[str, Any]) -> dict[str, Any]:
    """An answer without what depends on which types there are, and how they are numbered."""
    kept = {key: row[key] for key in ("rc", "poison", "memsz_fail", "bit_offset", "patch_rc")}
    asks_id = row["kind"] == CoreReloKind.TYPE_ID_TARGET
    return {**kept, "new": row["new"] > 0 if asks_id else row["new"]}
