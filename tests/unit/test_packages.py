"""Kernels and modules in packages: one is taken, or all of them as a tree."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from file_makers import (
    COMPRESS,
    make_bare_kernel,
    make_bzimage,
    make_cpio,
    make_deb,
    make_elf,
    make_rpm,
    make_tar,
)
from hypothesis import given
from mutating import mutated
from shell import btfschema

from btfschema import Builder, dumps, load, loads
from btfschema.cli.below import write_unpacked
from btfschema.errors import BtfError, NoBtfError, SourceError
from btfschema.escapes import plain, printable
from btfschema.sources import compression, read_source
from btfschema.views import Int, Ptr

RELEASE = "6.12.117+deb12-amd64"
MODULES = f"lib/modules/{RELEASE}/kernel"


def build(name: str) -> bytes:
    builder = Builder()
    builder.add(Int(name, 4))
    return dumps(builder.build())


KERNEL, OTHER = build("kernel"), build("other")
VMLINUZ = make_bzimage(COMPRESS["zstd"](make_elf({".BTF": KERNEL})))
MODULE = COMPRESS["xz"](make_elf({".BTF": OTHER}))
FILES = {
    f"{MODULES}/net/a.ko.xz": MODULE,
    f"{MODULES}/net/b.ko.xz": MODULE,
    "boot/System.map": b"ffffffff81000000 T _text\n",
    "boot/board.dtb": b"\xd0\x0d\xfe\xed" + bytes(60),
    f"boot/vmlinuz-{RELEASE}": VMLINUZ,
    "usr/share/doc/changelog.gz": COMPRESS["gzip"](b"text"),
}
PACKAGES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "deb": lambda files: make_deb(COMPRESS["xz"](make_tar(files)), ".xz"),
    "deb with zstd": lambda files: make_deb(COMPRESS["zstd"](make_tar(files)), ".zst"),
    "deb as it is": lambda files: make_deb(make_tar(files), ""),
    "rpm": lambda files: make_rpm(COMPRESS["zstd"](make_cpio(files))),
    "old rpm": lambda files: make_rpm(COMPRESS["gzip"](make_cpio(files))),
    "rpm as it is": lambda files: make_rpm(make_cpio(files)),
    "tar": make_tar,
    "tar.xz": lambda files: COMPRESS["xz"](make_tar(files)),
}


def put(directory: Path, data: bytes, name: str = "file") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("package", PACKAGES)
def test_the_kernel_is_taken(tmp_path: Path, package: str) -> None:
    source = read_source(put(tmp_path, PACKAGES[package](FILES)))
    assert (source.btf, source.release) == (KERNEL, RELEASE)
    assert source.layers[-2:] == ("bzImage", "zstd")


@pytest.mark.parametrize("package", ["deb", "rpm"])
def test_vmlinux_goes_before_what_boots_it(tmp_path: Path, package: str) -> None:
    vmlinux = {f"boot/vmlinux-{RELEASE}.gz": COMPRESS["gzip"](make_elf({".BTF": OTHER}))}
    for files in (FILES | vmlinux, vmlinux | FILES):
        assert read_source(put(tmp_path, PACKAGES[package](files))).btf == OTHER


def test_arm64_kernels(tmp_path: Path) -> None:
    for kernel in (make_bare_kernel(KERNEL), COMPRESS["gzip"](make_bare_kernel(KERNEL))):
        files = {f"boot/vmlinuz-{RELEASE}": kernel, f"{MODULES}/a.ko.xz": MODULE}
        source = read_source(put(tmp_path, PACKAGES["deb"](files)))
        assert (source.btf, source.release) == (KERNEL, RELEASE)


@pytest.mark.parametrize("package", PACKAGES)
def test_of_several_modules_it_asks_which(tmp_path: Path, package: str) -> None:
    files = {name: data for name, data in FILES.items() if "vmlinuz" not in name}
    path = put(tmp_path, PACKAGES[package](files))
    with pytest.raises(SourceError, match=r"holds 2 files that may have BTF \(lib/.*a\.ko\.xz"):
        load(path)
    one = put(tmp_path, PACKAGES[package]({f"{MODULES}/a.ko.xz": MODULE, "x": b"text"}))
    assert read_source(one).btf == OTHER
    with pytest.raises(NoBtfError, match="holds no kernel"):
        load(put(tmp_path, PACKAGES[package]({"x": b"text"})))


@pytest.mark.parametrize("package", ["deb with zstd", "rpm"])
def test_a_package_is_a_tree(tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel is the base, and nothing is left behind."""
    # A directory of its own: other runs unpack into the system's.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    builder = Builder(loads(KERNEL))
    builder.add(Ptr(1))
    module = make_elf({".BTF": dumps(builder.build())})
    files = {f"{MODULES}/{name}.ko": module for name in ("libiscsi", "nf_nat")}
    files |= {"../../escaped.ko": b"x", "boot/vmlinuz-6.12": VMLINUZ}
    path = put(tmp_path, PACKAGES[package](files), f"kernel.{package}")
    report = tmp_path / "report.jsonl"
    done = btfschema("verify", "--all", path, "--quiet", "--report", report)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(Path(row["file"]).name for row in rows) == ["libiscsi.ko", "nf_nat.ko"]
    assert btfschema("diff", "--all", path, path).stdout == b""
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "escaped.ko").exists()


@pytest.fixture(params=["x.tar", "\x1b[1m\n.tar"])
def mixed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A package with a kernel, its module, a module of another kernel and a damaged file."""
    builder = Builder(loads(KERNEL))
    builder.add(Ptr(1))
    files = {"boot/vmlinuz-6.12": VMLINUZ, f"{MODULES}/good.btf": dumps(builder.build())}
    files |= {f"{MODULES}/{name}.ko": b"text" for name in ("bad", "worse")}
    return put(tmp_path, make_tar(files), request.param)


COMMANDS = [
    "verify --all {package} --report {made}",
    "verify --all {package} -j",
    "check --all {package} -T {kernel} --report {made}",
    "check --all {package} -T {kernel} --html {made}",
    "distill --all {package} --out-dir {made}",
    "distill --all {package} --out-dir {made} -j",
    "list --all {package} --columns file,name",
    "list --all {package} -j",
    "tables --all {package} --table types -o {made}.csv",
    "merge --all {package} -o {made}",
    "merge --all {package} -o {made} -j",
    "diff --all {package} {package}",
    "diff --all {package} {package} -j",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_files_of_a_package_are_called_by_it(mixed: Path, tmp_path: Path, command: str) -> None:
    """Where they lie for the moment is of no use to anybody."""
    made, kernel = tmp_path / "made", put(tmp_path, KERNEL, "kernel")
    words = [word.format(package=mixed, made=made, kernel=kernel) for word in command.split(" ")]
    done = btfschema(*words)
    said = (done.stdout + done.stderr).decode()
    assert "\x1b" not in said
    files = [tmp_path / "made.csv", made / ".btfschema-run.jsonl", made]
    said += "".join(path.read_text() for path in files if path.is_file())
    assert "/btfschema-" not in said
    member = f"{mixed}!{MODULES}/bad.ko"
    # In the text of an error in JSON, a name's escapes are escaped.
    ways = [member, printable(member), plain(printable(member))]
    assert any(way in said for way in [ways[1], *(json.dumps(way)[1:-1] for way in ways)])


def test_a_run_on_a_package_goes_on_where_it_stopped(mixed: Path, tmp_path: Path) -> None:
    words: list[str | Path] = ["distill", "--all", mixed, "--out-dir", tmp_path / "out"]
    said = [btfschema(*words).stderr.decode() for _ in range(2)]
    assert ["1 of 3 files were done already" in text for text in said] == [False, True]
    mixed.touch()
    assert "were done already" not in btfschema(*words).stderr.decode()


def test_files_of_a_package_are_not_replaced(mixed: Path) -> None:
    """The result would go to a temporary file."""
    done = btfschema("distill", "--all", mixed, "--in-place")
    words = f"--in-place can't replace files in {printable(str(mixed))}: give --out-dir DIR"
    assert (done.returncode, words in done.stderr.decode()) == (2, True), done.stderr


def test_entries_that_lead_out_of_a_package_are_named(tmp_path: Path) -> None:
    files = {"a.btf": KERNEL, "../b.btf": KERNEL, "x/../../c\x1b.ko": MODULE, "../notes": b"text"}
    path = put(tmp_path, make_tar(files), "x.tar")
    done = btfschema("verify", "--all", path)
    for name in ("../b.btf", r"x/../../c\x1b.ko"):
        words = f"btfschema: {path}: {name} leads out of the package; it is left out\n"
        assert words in done.stderr.decode()
    assert (done.returncode, b"notes" in done.stderr) == (0, False)
    done = btfschema("verify", "--all", path, "-j")
    said = json.loads(done.stderr.splitlines()[0])
    assert said["file"] == str(path)


def test_a_file_that_is_no_package_is_no_tree(tmp_path: Path) -> None:
    done = btfschema("verify", "--all", put(tmp_path, KERNEL))
    assert (done.returncode, b"not a directory, package or archive" in done.stderr) == (1, True)
    assert b": not a directory, package or archive; give files with BTF as FILE\n" in done.stderr


@pytest.mark.parametrize("package", ["cpio", "tar"])
def test_a_name_with_a_nul_is_refused(tmp_path: Path, package: str) -> None:
    """No file can have that name; Python's ValueError for it is not a message for a user."""
    name = "lib/a\0b.btf"
    data = make_cpio({name: KERNEL}) if package == "cpio" else tar_with({"path": name})
    path = put(tmp_path, data, f"x.{package}")
    done = btfschema("verify", "--all", path)
    words = f"{path}: damaged {package} archive: the name lib/a\\x00b.btf holds a NUL byte"
    assert (done.returncode, words in done.stderr.decode()) == (1, True), done.stderr


def test_sparse_files_of_a_tar_archive_fill_no_disk(tmp_path: Path) -> None:
    """They say that they are of any size, and hold nothing: the limit is that of what unpacks."""
    size = 1 << 26
    sparse = {"GNU.sparse.map": f"0,{len(KERNEL)}", "GNU.sparse.size": str(size)}
    path = put(tmp_path, tar_with(sparse | {"GNU.sparse.numblocks": "1"}), "x.tar")
    done = btfschema("verify", "--all", path)
    words = f"{path}: damaged tar archive: its files hold more than the limit of 33554432 bytes"
    assert (done.returncode, words in done.stderr.decode()) == (1, True), done.stderr


def test_of_files_with_one_name_the_last_counts(tmp_path: Path) -> None:
    """As for tar, whose archives grow at their end."""
    broken = KERNEL[:12] + bytes(12)
    first, last = (make_tar({"a.btf": data}) for data in (broken, KERNEL))
    path = put(tmp_path, first[: 512 + -(-len(broken) // 512) * 512] + last, "x.tar")
    done = btfschema("verify", "--all", path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", [("a.btf", "a.btf/b.btf"), ("a.btf/b.btf", "a.btf")])
def test_a_file_and_a_directory_of_one_name(tmp_path: Path, names: tuple[str, str]) -> None:
    path = put(tmp_path, make_tar(dict.fromkeys(names, KERNEL)), "x.tar")
    done = btfschema("verify", "--all", path)
    words = f"{path}: {names[1]} and another entry can't both be unpacked"
    assert (done.returncode, words in done.stderr.decode()) == (1, True), done.stderr


def test_a_full_disk_is_said_of_the_file_that_is_unpacked() -> None:
    """And not of standard output, which is what an OSError without a name is taken for."""
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_unpacked("/dev/full", io.BytesIO(KERNEL))
    assert caught.value.filename == "/dev/full"


def tar_with(attributes: dict[str, str]) -> bytes:
    """A tar archive of one file with extended attributes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("lib/a.btf")
        member.size, member.pax_headers = len(KERNEL), attributes
        archive.addfile(member, io.BytesIO(KERNEL))
    return out.getvalue()


def test_archives_are_not_held(tmp_path: Path) -> None:
    """Of 40 MB of files just the kernel is kept."""
    large = {f"usr/lib/debug/{n}": bytes(10 << 20) for n in range(4)}
    path = put(tmp_path, PACKAGES["old rpm"](large | FILES) + bytes(1 << 20))
    del large
    tracemalloc.start()
    assert read_source(path).btf == KERNEL
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20


def test_kernels_in_packages_below_a_directory_are_asked(tmp_path: Path) -> None:
    folder = tmp_path / "pool" / "l"
    folder.mkdir(parents=True)
    put(folder, PACKAGES["deb"](FILES), "image.deb")
    put(folder, PACKAGES["rpm"](FILES), "core.rpm")
    put(folder, PACKAGES["deb"]({"etc/motd": b"hello"}), "headers.deb")
    paths = put(tmp_path, b"sizeof(kernel)", "paths")
    done = btfschema("offsets", paths, "--all", tmp_path / "pool", "--json")
    rows = json.loads(done.stdout)
    assert [(row["kernel"], row["value"]) for row in rows] == [
        ("l/core.rpm", 4),
        ("l/image.deb", 4),
    ]
    assert b"headers.deb" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["verify", "list", "tables", "diff", "merge"])
def test_packages_beside_modules_are_said_to_be_left_closed(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    put(folder, KERNEL, "a.btf")
    put(folder, PACKAGES["deb"](FILES), "image.deb")
    words: dict[str, list[str | Path]] = {
        "tables": ["-o", tmp_path / "out.csv"],
        "merge": ["-o", tmp_path / "out.btf"],
        "diff": [folder],
    }
    done = btfschema(command, "--all", folder, *words.get(command, []))
    assert done.returncode == 0, done.stderr
    assert b"modules: a package not opened (image.deb): --all PACKAGE opens one" in done.stderr


@pytest.mark.parametrize("package", ["deb with zstd", "rpm", "tar"])
def test_bombs_in_packages(tmp_path: Path, package: str) -> None:
    """Twice what the file's size allows, as a buffer doubles, and a part of the unpacked data."""
    bomb = PACKAGES[package]({"boot/vmlinux": COMPRESS["zstd"](bytes(160 << 20))})
    path = put(tmp_path, COMPRESS["gzip"](bomb))
    allowed = compression.proportionate(path.stat().st_size)
    tracemalloc.start()
    with pytest.raises(SourceError, match=f"more than the limit of {allowed} bytes"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * allowed + (36 << 20)


@pytest.mark.parametrize("kind", ["pax", "name"])
def test_headers_of_a_tar_archive_without_end(tmp_path: Path, kind: str) -> None:
    """tarfile would hold them, whatever they claim."""
    member = tarfile.TarInfo("x")
    member.type = tarfile.XHDTYPE if kind == "pax" else tarfile.GNUTYPE_LONGNAME
    member.size = 28 << 20
    bomb = member.tobuf() + bytes(28 << 20) + make_tar({"a.btf": KERNEL})
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"headers of more than 1048576 bytes"):
        load(put(tmp_path, COMPRESS["gzip"](bomb)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20


REFUSED: dict[str, tuple[bytes, str]] = {
    "deb without files": (make_deb(b"", "")[:140], "truncated"),
    "no size": (make_deb(b"", "").replace(b"100644  4 ", b"100644  x "), "no header of a member"),
    "short deb": (PACKAGES["deb"](FILES)[:-40], r"truncated Debian package: data\.tar is bytes"),
    "rpm without a header": (make_rpm(b"")[:96] + bytes(40), "no header at byte 96"),
    "short rpm": (make_rpm(b"")[:-20], "truncated"),
    "rpm without files": (make_rpm(b""), "is empty"),
    "short cpio": (make_cpio(FILES)[:300], "damaged cpio archive"),
    "odd cpio": (b"070701" + b"x" * 200, "damaged cpio archive"),
    "short tar": (make_tar(FILES)[:700], "damaged tar archive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_file_and_the_reason(tmp_path: Path, case: str) -> None:
    data, words = REFUSED[case]
    path = put(tmp_path, data)
    with pytest.raises(SourceError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


FUZZED = [make(FILES) for make in PACKAGES.values()]
FUZZED += [make_cpio(FILES), make_deb(make_cpio(FILES), "")]


@given(mutated(FUZZED, within=2048))
def test_any_bytes_give_btf_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = put(tmp_path_factory.getbasetemp(), data, "fuzzed")
    try:
        load(path)
    except BtfError as error:
        named = str(error).startswith(f"{path}: ")
        if not named:
            raise
