"""Which kernel a file is from: release and build id, where the file says them."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest
from file_makers import COMPRESS, make_bare_kernel, make_bzimage, make_elf
from hypothesis import given
from hypothesis import strategies as st
from shell import btfschema

from btfschema import Builder, dumps
from btfschema.codec.header import ByteOrder
from btfschema.sources import identity, read_source
from btfschema.sources.kernels import release_of
from btfschema.views import Int

RELEASE, ID = "6.12.117+deb12-amd64", "764949bbe8b7a9241512fbf3b0d66d0ba34686a8"


def build() -> bytes:
    builder = Builder()
    builder.add(Int("int", 4))
    return dumps(builder.build())


def note(name: bytes, kind: int, content: bytes, order: str = "<") -> bytes:
    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    return (
        struct.pack(f"{order}III", len(name), len(content), kind) + padded(name) + padded(content)
    )


BTF = build()
NOTES = note(b"Linux\0", 0x101, b"salt") + note(b"GNU\0", 3, bytes.fromhex(ID))
BANNER = f"\0Linux version {RELEASE} (debian-kernel@lists.debian.org) (gcc-12) #1 SMP".encode()
MODULE = make_elf(
    {
        ".modinfo": f"license=GPL\0vermagic={RELEASE} SMP mod_unload \0".encode(),
        ".note.gnu.build-id": note(b"GNU\0", 3, bytes.fromhex(ID)),
        ".BTF": BTF,
    }
)
VMLINUX = make_elf({".rodata": b"%s" + BANNER, ".notes": NOTES, ".BTF": BTF})


def bzimage(payload: bytes) -> bytes:
    image = bytearray(make_bzimage(payload))
    text = f"{RELEASE} (debian-kernel@lists.debian.org) #1 SMP\0".encode()
    struct.pack_into("<H", image, 0x20E, 0x300)
    image[0x500 : 0x500 + len(text)] = text
    return bytes(image)


FILES: dict[str, tuple[bytes, str | None, str | None]] = {
    "module": (MODULE, RELEASE, ID),
    "compressed module": (COMPRESS["xz"](MODULE), RELEASE, ID),
    "vmlinux": (VMLINUX, RELEASE, ID),
    "bzImage": (bzimage(COMPRESS["zstd"](make_elf({".BTF": BTF}))), RELEASE, None),
    "bzImage of a vmlinux": (bzimage(gzip.compress(VMLINUX)), RELEASE, ID),
    "Image.gz": (gzip.compress(make_bare_kernel(BANNER, BTF)), RELEASE, None),
    "raw": (BTF, None, None),
    "object": (make_elf({".BTF": BTF}), None, None),
    "big-endian": (
        make_elf(
            {".note.gnu.build-id": note(b"GNU\0", 3, bytes.fromhex(ID), ">"), ".BTF": BTF},
            byteorder="big",
        ),
        None,
        ID,
    ),
    "no release": (make_elf({".modinfo": b"vermagic=\xff\0", ".BTF": BTF}), None, None),
    "format of a banner": (
        make_elf({".rodata": b"Linux version %s (%s)", ".notes": b"", ".BTF": BTF}),
        None,
        None,
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_what_files_say(tmp_path: Path, case: str) -> None:
    data, release, build_id = FILES[case]
    path = tmp_path / "file"
    path.write_bytes(data)
    source = read_source(path)
    assert (source.btf, source.release, source.build_id) == (BTF, release, build_id)


@pytest.mark.parametrize("case", ["module", "vmlinux", "bzImage"])
def test_release_without_unpacking(tmp_path: Path, case: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(FILES[case][0])
    assert release_of(path) == RELEASE


def test_files_that_say_nothing_are_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"", b"\x7fELF", b"text", BTF, VMLINUX[:500]):
        path.write_bytes(data)
        assert release_of(path) is None
    assert release_of(tmp_path) is release_of(tmp_path / "missing") is release_of("-") is None


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("linux-image-6.12.117+deb12-amd64_6.12.117-1_amd64.deb", RELEASE),
        ("linux-image-6.12.117+deb12-amd64-unsigned_6.12.117-1_amd64.deb", RELEASE),
        ("linux-image-6.12.117+deb12-amd64-dbg_6.12.117-1_amd64.deb", RELEASE),
        ("linux-image-unsigned-6.8.0-31-generic_6.8.0-31.31_amd64.deb", "6.8.0-31-generic"),
        ("linux-modules-extra-6.8.0-31-generic_6.8.0-31.31_amd64.deb", "6.8.0-31-generic"),
        ("kernel-core-6.11.4-301.fc41.x86_64.rpm", "6.11.4-301.fc41.x86_64"),
        ("kernel-modules-core-6.11.4-301.fc41.x86_64.rpm", "6.11.4-301.fc41.x86_64"),
        ("linux-headers-6.12_amd64.deb", None),
        ("5.4.0-1-amd64.btf.tar.xz", "5.4.0-1-amd64"),
        ("vmlinux.btf.tar.xz", None),
    ],
)
def test_packages_and_archives_are_called_by_their_names(
    tmp_path: Path, name: str, release: str | None
) -> None:
    path = tmp_path / name
    starts = {".deb": b"!<arch>\ndebian-binary", ".rpm": b"\xed\xab\xee\xdb"}
    path.write_bytes(starts.get(path.suffix, COMPRESS["xz"](b"")))
    assert release_of(path) == release


def test_info_says_both(tmp_path: Path) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(MODULE)
    text = btfschema("info", path).stdout.decode()
    assert f"kernel release   {RELEASE}\nbuild id         {ID}\n" in text
    facts = json.loads(btfschema("info", path, "--json").stdout)
    assert (facts["release"], facts["build_id"]) == (RELEASE, ID)


def test_targets_are_called_by_their_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless another name is given, or two say the same."""
    (tmp_path / "vmlinuz").write_bytes(bzimage(gzip.compress(VMLINUX)))
    (tmp_path / "again").write_bytes(bzimage(gzip.compress(VMLINUX)))
    (tmp_path / "raw.btf").write_bytes(BTF)
    (tmp_path / "paths").write_text("sizeof(int)\n")

    def names(*kernels: str) -> list[str]:
        monkeypatch.chdir(tmp_path)
        done = btfschema("offsets", "paths", *kernels)
        assert done.returncode == 0, done.stderr
        return [line.split(",")[0] for line in done.stdout.decode().splitlines()[1:]]

    assert names("vmlinuz", "raw.btf") == [RELEASE, "raw.btf"]
    assert names("mine=vmlinuz", "raw.btf") == ["mine", "raw.btf"]
    assert names("vmlinuz", "again") == ["vmlinuz", "again"]
    assert names(f"{RELEASE}=raw.btf", "vmlinuz") == [RELEASE, "vmlinuz"]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "6.1.0.btf").write_bytes(BTF)
    assert names("a/6.1.0.btf", "raw.btf") == ["6.1.0", "raw.btf"]
    # In directories too; kernels of one release by their paths below these, if those differ.
    (tmp_path / "a" / "vmlinuz").write_bytes(bzimage(gzip.compress(VMLINUX)))
    assert names("--all", "a") == ["6.1.0", RELEASE]
    below = ["a/6.1.0.btf", "a/vmlinuz", "b/6.1.0.btf"]
    assert names("--all", ".") == ["raw.btf", "vmlinuz", *below]
    assert names("--all", "a", "--all", "b") == ["a/6.1.0.btf", RELEASE, "b/6.1.0.btf"]


@given(st.binary(), st.sampled_from(["little", "big"]))
def test_any_bytes_are_read(data: bytes, order: ByteOrder) -> None:
    found = identity.build_id(NOTES[:8] + data, order), identity.build_id(data, order)
    assert all(one is None or bytes.fromhex(one) in data for one in found)
    release = identity.module_release(b"vermagic=" + data)
    assert release is None or data.startswith(release.encode())


@pytest.mark.parametrize(
    ("path", "release"),
    [
        ("/lib/modules/6.12.1-amd64/kernel/fs/xfs.ko.xz", "6.12.1-amd64"),
        ("boot/vmlinuz-6.1.0-13-amd64", "6.1.0-13-amd64"),
        ("5.15.0-1019.btf", "5.15.0-1019"),
        ("usr/lib/debug/boot/vmlinux-6.1.0-13-amd64.debug", "6.1.0-13-amd64"),
        ("linux-image-6.12.41-amd64_6.12.41-1_amd64.deb", "6.12.41-amd64"),
        ("bzImage-6.9", "6.9"),
        ("8021q.btf", None),
        ("vmlinux", None),
    ],
)
def test_kernel_releases_in_paths(path: str, release: str | None) -> None:
    assert identity.path_release(path) == release
