"""Directories as people have them: BTFHub's archive, and copies of /sys/kernel/btf."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tarfile
from pathlib import Path

import pytest
from shell import btfschema

from btfschema import Btf, Builder, dump, dumps, load, views
from btfschema.cli.sample import sample
from btfschema_transforms.distill import distill

MODULES = ("libiscsi", "nf_nat", "8021q")


@pytest.fixture(scope="module")
def copy(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Path:
    """What ``cp -r /sys/kernel/btf`` leaves, and files that have no business there."""
    folder = tmp_path_factory.mktemp("sys") / "btf"
    folder.mkdir()
    (folder / "vmlinux").write_bytes(cloud_bytes)
    for name in MODULES:
        (folder / name).write_bytes(modules[name])
    (folder / "README").write_text("copied on Tuesday")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, cloud: Btf) -> Path:
    """Kernels as BTFHub's archive keeps them, in folders by distribution."""
    from btfschema import Builder
    from btfschema.views import Int, Member, Struct

    root = tmp_path_factory.mktemp("hub")
    for number, release in enumerate(["5.4.0-1", "5.10.0-2"]):
        builder = Builder()
        word = builder.add(Int("int", 4))
        builder.add(Struct("s", 8, [Member("a", word, 0), Member("b", word, 32)][: 1 + number]))
        folder = root / "debian" / "10" / "x86_64"
        folder.mkdir(parents=True, exist_ok=True)
        raw = root / "raw"
        raw.write_bytes(dumps(builder.build()))
        with tarfile.open(folder / f"{release}.btf.tar.xz", "w:xz") as archive:
            archive.add(raw, f"{release}.btf")
        raw.unlink()
    return root


def out(*words: str | Path, code: int = 0) -> str:
    done = btfschema(*words)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def test_a_copy_of_sysfs_is_verified_over_its_vmlinux(copy: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    out("verify", "--all", copy, "--quiet", "--report", report)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(Path(row["file"]).name for row in rows) == sorted(MODULES)
    assert {row["outcome"] for row in rows} == {"ok"}


def test_a_copy_of_sysfs_is_listed_merged_and_compared(copy: Path, tmp_path: Path) -> None:
    listed = json.loads(
        out(
            "list", "--all", copy, "--quiet", "--kind", "struct", "--columns", "file,name", "--json"
        )
    )
    assert {Path(row["file"]).name for row in listed} == {"vmlinux", *MODULES}
    merged = tmp_path / "merged.btf"
    out("merge", "--all", copy, "-o", merged)
    types = json.loads(out("info", merged, "-B", copy / "vmlinux", "--json"))["types"]
    assert types > 3
    assert out("diff", "--all", copy, copy) == ""


def test_a_copy_of_sysfs_is_distilled(copy: Path, tmp_path: Path) -> None:
    out("distill", "--all", copy, "--out-dir", tmp_path / "out", "--quiet")
    made = {path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."}
    assert made == {name + end for name in MODULES for end in ("", ".base")}


def test_a_vmlinux_alone_is_a_file(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "vmlinux").symlink_to(copy / "vmlinux")
    names = out("list", "--all", tmp_path, "--quiet", "--name", "task_struct", "--names")
    assert names.split() == ["task_struct"]


def test_the_base_that_is_named_wins(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes((copy / "nf_nat").read_bytes())
    done = btfschema("verify", "--all", copy, "-B", tmp_path / "other", "--quiet")
    assert done.returncode == 1


def test_btfhub_is_a_tree_for_all_commands(hub: Path, tmp_path: Path) -> None:
    assert out("verify", "--all", hub, "--quiet") == ""
    names = out("list", "--all", hub, "--quiet", "--kind", "struct", "--names").split()
    assert names == ["s", "s"]
    paths = tmp_path / "paths.txt"
    paths.write_text("s.b\n")
    table = out("offsets", paths, "--all", hub, "--quiet", code=1)
    assert [line.split(",")[0] for line in table.splitlines()[1:]] == ["5.10.0-2", "5.4.0-1"]
    assert "5.4.0_1" not in out("diff", "--all", hub, hub)


def test_what_comes_of_an_archive_is_no_archive(hub: Path, tmp_path: Path) -> None:
    out("run", "dedup", hub, "--out-dir", tmp_path)
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.btf"))
    assert made == ["debian/10/x86_64/5.10.0-2.btf", "debian/10/x86_64/5.4.0-1.btf"]
    (archive,) = hub.rglob("5.4*")
    done = btfschema("run", "dedup", archive, "--in-place")
    assert (done.returncode, b"tar archives are read, not written" in done.stderr) == (1, True)


@pytest.fixture
def piped(tmp_path: Path) -> Path:
    """A directory with a kernel, and a pipe, a socket and a device that are called like one."""
    folder = tmp_path / "piped"
    folder.mkdir()
    (folder / "a.btf").write_bytes(dumps(sample()))
    os.mkfifo(folder / "pipe.btf")
    (folder / "device.btf").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(folder):
        listener.bind("socket.btf")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "list --all {} --names",
        "verify --all {}",
        "diff --all {0} {0}",
        "offsets {0}/paths --all {0}",
        "minimise --all {} --keep task --out-dir out",
        "run sort {} --out-dir out",
    ],
)
def test_what_is_no_file_is_left_out(
    piped: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (piped / "paths").write_text("sizeof(task)\n")
    monkeypatch.chdir(piped.parent)
    assert btfschema(*line.format(piped).split()).stderr.decode().count("btfschema: ") == 0


def test_a_link_that_leads_nowhere_is_reported(piped: Path) -> None:
    (piped / "gone.btf").symlink_to("nowhere")
    done = btfschema("verify", "--all", piped, "--quiet")
    assert b"gone.btf: No such file" in done.stderr
    assert done.returncode == 1


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Modules as /lib/modules has them: one over the kernel, and one with a distilled base."""
    base = sample()
    dump(base, tmp_path / "vmlinux")
    folder = tmp_path / "modules"
    folder.mkdir()
    for name in ("plain", "built"):
        builder = Builder(base)
        task = views.Member("task", base.find("task", views.Struct).id)
        builder.add(views.Struct(name, base.sizeof("task"), [task]))
        dump(builder.build(), folder / f"{name}.btf")
    built, _ = distill(load(folder / "built.btf", base))
    assert built.base is not None
    assert len(built.base) < len(base)
    dump(built, folder / "built.btf")
    dump(built.base, folder / "built.btf.base")
    return tmp_path


def test_a_distilled_module_among_others_counts_as_loaded(mixed: Path) -> None:
    paths = mixed / "paths"
    member = load(mixed / "vmlinux").find("task", views.Struct).members[-1].name
    paths.write_text(f"plain.task.{member}\nbuilt.task.{member}\n")
    table = out("offsets", paths, mixed / "vmlinux", "--modules", mixed / "modules")
    plain, built = (line.split(",")[3:] for line in table.splitlines()[1:])
    assert plain == built != []


def test_a_distilled_module_that_does_not_fit_the_kernel_is_named(mixed: Path) -> None:
    (mixed / "paths").write_text("built.task\n")
    dump(Builder().build(), mixed / "other")
    (mixed / "modules" / "plain.btf").unlink()
    done = btfschema("offsets", mixed / "paths", mixed / "other", "--modules", mixed / "modules")
    assert done.returncode == 1
    assert b"built.btf: 1 of 1 distilled types has no match" in done.stderr


@pytest.mark.parametrize("line", ["list --names --kind struct", "tables -o types.csv"])
def test_a_distilled_module_among_others_is_read_over_its_own_base(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(mixed)
    said = out(*line.split(), "--all", "modules", "-B", "vmlinux")
    table = said if "list" in line else Path("types.csv").read_text()
    assert all(name in table for name in ("plain", "built"))
