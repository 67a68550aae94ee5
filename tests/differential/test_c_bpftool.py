"""Our C and that of three bpftools, byte for byte: Debian's 7.1 by id, newer ones sorted."""

from __future__ import annotations

import subprocess
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from c_cases import CASES, build
from every_kind import every_kind
from newer_bpftool import newer_bpftool, newest_bpftool

from btfschema import Btf, dumps, load, loads
from btfschema.codec.header import ByteOrder
from btfschema.render.c import Like, format_c

pytestmark = pytest.mark.debian

VERSIONS: tuple[Like, ...] = ("7.1", "7.5", "7.8")
RUNNING_KERNEL = Path("/sys/kernel/btf/vmlinux")


def bpftool(like: Like, file: Path, base: Path | None = None, *, sort: bool) -> str:
    if like == "7.1":
        program = Path("/usr/sbin/bpftool")
    else:
        program = newer_bpftool() if like == "7.5" else newest_bpftool()
    over = ["-B", str(base)] if base is not None else []
    command = [str(program), *over, "btf", "dump", "file", str(file), "format", "c"]
    if like != "7.1" and not sort:
        command.append("unsorted")
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode("utf-8", "surrogateescape")


def difference(
    like: Like, btf: Btf, file: Path, base: Path | None = None, sort: bool = True
) -> str:
    """The first line in which bpftool's text and ours differ, or ""."""
    sort = sort and like != "7.1"
    theirs, ours = bpftool(like, file, base, sort=sort), format_c(btf, sort=sort, like=like)
    if ours == theirs:
        return ""
    # Equality alone would make pytest compare megabytes.
    pairs = zip(theirs.splitlines(), ours.splitlines(), strict=False)
    first = next(((a, b) for a, b in pairs if a != b), (len(theirs), len(ours)))
    return f"{file.name} like {like}: bpftool {first[0]!r}, ours {first[1]!r}"


@pytest.mark.parametrize("like", VERSIONS)
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_vmlinux(name: str, like: Like, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / name
    file.write_bytes(request.getfixturevalue(f"{name}_bytes"))
    assert difference(like, request.getfixturevalue(name), file) == ""


@pytest.mark.kernel
@pytest.mark.parametrize("like", VERSIONS)
def test_running_kernel(like: Like) -> None:
    """Of another year than the corpus: it has tags, kernel functions and more."""
    assert difference(like, load(RUNNING_KERNEL), RUNNING_KERNEL) == ""


@pytest.mark.parametrize("like", ["7.5", "7.8"])
def test_the_newer_ones_unsorted(
    like: Like, cloud: Btf, cloud_bytes: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "cloud"
    file.write_bytes(cloud_bytes)
    assert difference(like, cloud, file, sort=False) == ""


@pytest.fixture(scope="module")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Path:
    """The corpus as files: ``vmlinux`` and a file a module."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "vmlinux").write_bytes(cloud_bytes)
    for name, data in modules.items():
        (folder / f"{name}.btf").write_bytes(data)
    return folder


BASES: dict[Path, Btf] = {}


def difference_of_module(like: Like, file: Path) -> str:
    """In a process of its own, which reads the base once."""
    base = file.with_name("vmlinux")
    if base not in BASES:
        BASES[base] = load(base)
    return difference(like, loads(file.read_bytes(), BASES[base]), file, base)


@pytest.mark.slow
@pytest.mark.parametrize("like", VERSIONS)
def test_modules(like: Like, corpus: Path, modules: dict[str, bytes]) -> None:
    """Every fifth of them: each is dumped with all of vmlinux, so this takes a minute or two."""
    names = sorted(modules)[:: len(modules) // 200][:200]
    newer_bpftool()
    newest_bpftool()
    with ProcessPoolExecutor() as pool:
        files = [corpus / f"{name}.btf" for name in names]
        found = list(pool.map(partial(difference_of_module, like), files))
    assert len(found) == 200
    assert [line for line in found if line] == []


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("like", VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_tricky_types(name: str, like: Like, byteorder: ByteOrder, tmp_path: Path) -> None:
    btf, file = build(CASES[name], byteorder), tmp_path / "case.btf"
    file.write_bytes(dumps(btf))
    assert difference(like, btf, file) == ""


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("like", VERSIONS)
def test_every_kind(like: Like, byteorder: ByteOrder, tmp_path: Path) -> None:
    btf, file = every_kind(byteorder), tmp_path / "every.btf"
    file.write_bytes(dumps(btf))
    assert difference(like, btf, file) == ""
