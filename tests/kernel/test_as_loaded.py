"""What the running kernel says to the BTF that libbpf hands it, against ``as_loaded``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from bpf_load import load_btf
from bpf_objects import SOURCES, compiled
from libbpf_oracle import libbpf, run

from btfschema import dumps, load
from btfschema.verification import LATEST, as_loaded, sanitise

pytestmark = [pytest.mark.kernel, pytest.mark.debian, pytest.mark.network]

COMPILERS = ("clang-13", "clang-14", "clang-15", "clang-16", "clang-19", "bpf-gcc")
DRIVER = Path(__file__).parent / "open_object.c"


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("objects")
    there = [compiler for compiler in COMPILERS if shutil.which(compiler)]
    return [compiled(name, compiler, folder) for compiler in there for name in SOURCES]


@pytest.fixture(scope="module")
def verdicts(objects: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What libbpf and the running kernel make of each object."""
    built, program = libbpf(), tmp_path_factory.mktemp("driver") / "open_object"
    include = tmp_path_factory.mktemp("include")
    (include / "bpf").symlink_to(built)
    run("gcc", "-O2", f"-I{include}", DRIVER, built / "libbpf.a", "-lelf", "-lz", "-o", program)
    done = subprocess.run([program, *objects], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_verdicts_agree_on_objects_of_all_compilers(
    objects: list[Path], verdicts: list[str]
) -> None:
    assert len(objects) >= 2 * len(SOURCES) >= 46
    ours = []
    for path in objects:
        found = as_loaded(load(path), LATEST)
        opened = not any(one.rule.id.startswith("object.") for one in found.left)
        ours.append("not opened" if not opened else "refused" if found.left else "loaded")
    wrong = [
        (path.name, kernels, mine)
        for path, kernels, mine in zip(objects, verdicts, ours, strict=True)
        if kernels != mine
    ]
    assert wrong == []
    assert ours.count("loaded") > len(objects) // 2


def test_what_is_refused_loads_once_it_is_sanitised(objects: list[Path]) -> None:
    for path in objects:
        found = sanitise(load(path), LATEST)
        # gcc writes no BTF for some externs, so that libbpf does not open the object at all.
        unopened = [one for one in found.left if one.rule.id.startswith("object.")]
        assert unopened or found.left == (), path.name
        assert not unopened or path.stem.endswith("bpf-gcc")
        if not unopened:
            assert load_btf(dumps(found.btf)) is None, path.name
