"""Small files of the formats that BTF comes in, for tests of readers and writers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Literal

import zstandard

SHT_PROGBITS, SHT_STRTAB, SHT_NOBITS = 1, 3, 8
SHF_COMPRESSED = 0x800


def make_elf(
    sections: dict[str, bytes],
    *,
    bits: int = 64,
    byteorder: str = "little",
    compress: Literal["zlib", "zstd"] | None = None,
    nobits: bool = False,
    extended: bool = False,
) -> bytes:
    """An ELF file of the given sections and a table of their names.

    ``extended`` writes section counts and indexes the way that files with 65,280 sections and more
    do. ``nobits`` leaves the sections without content, as ``objcopy --only-keep-debug`` does.
    """
    order = "<" if byteorder == "little" else ">"
    word = "I" if bits == 32 else "Q"
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    blob = bytearray(52 if bits == 32 else 64)
    headers = []
    flags = SHF_COMPRESSED if compress else 0
    rows = [(name, SHT_NOBITS if nobits else SHT_PROGBITS, flags) for name in sections]
    for name, kind, flag in (*rows, (".shstrtab", SHT_STRTAB, 0)):
        content = sections.get(name, names)
        if flag:
            content = _chdr(order, bits, compress, len(content)) + (
                zlib.compress(content)
                if compress == "zlib"
                else zstandard.ZstdCompressor().compress(content)
            )
        name_at = names.index(b"\0" + name.encode() + b"\0") + 1
        headers.append((name_at, kind, flag, 0, len(blob), len(content), 0, 0, 1, 0))
        blob += b"" if kind == SHT_NOBITS else content
    count, last = len(headers) + 1, len(headers)
    first = (0, 0, 0, 0, 0, count if extended else 0, last if extended else 0, 0, 0, 0)
    table_at = len(blob)
    layout = f"{order}II{word * 4}II{word * 2}"
    for header in (first, *headers):
        blob += struct.pack(layout, *header)
    ident = b"\x7fELF" + bytes([bits // 32, 1 if byteorder == "little" else 2, 1]) + bytes(9)
    blob[: len(ident)] = ident
    relocatable, bpf, version, header_size = 1, 247, 1, 52 if bits == 32 else 64
    struct.pack_into(
        f"{order}HHI{word * 3}I6H",
        blob,
        len(ident),
        *(relocatable, bpf, version, 0, 0, table_at, 0, header_size, 0, 0),
        *(struct.calcsize(layout), 0 if extended else count, 0xFFFF if extended else last),
    )
    return bytes(blob)


def _chdr(order: str, bits: int, compress: str | None, size: int) -> bytes:
    kind = 1 if compress == "zlib" else 2
    if bits == 32:
        return struct.pack(f"{order}III", kind, size, 1)
    return struct.pack(f"{order}IIQQ", kind, 0, size, 1)


def make_bzimage(payload: bytes, *, version: int = 0x20F) -> bytes:
    """An x86 boot image: one sector, two of setup, some code, the payload, some more."""
    blob = bytearray(3 * 512)
    blob[0x1F1] = 2
    blob[0x202:0x206] = b"HdrS"
    code = b"\x90" * 100
    struct.pack_into("<H", blob, 0x206, version)
    struct.pack_into("<II", blob, 0x248, len(code), len(payload))
    return bytes(blob) + code + payload + bytes(64)


def make_zboot(payload: bytes) -> bytes:
    """An EFI boot image that decompresses itself."""
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(payload)) + bytes(48) + payload + bytes(64)


def make_bare_kernel(*contents: bytes, magic: bytes = b"ARM\x64") -> bytes:
    """An arm64 Image: a header and, somewhere in it, the contents."""
    return bytes(56) + magic + bytes(4) + b"".join(b"\xcc" * 333 + part for part in contents)


def kernel_lz4(data: bytes) -> bytes:
    """What ``lz4 -l`` writes, and the size that the kernel's build appends."""
    lz4 = import_module("lz4.block")
    blocks = b"\x02\x21\x4c\x18"
    for at in range(0, len(data), 8 << 20):
        block = lz4.compress(data[at : at + (8 << 20)], store_size=False)
        blocks += struct.pack("<I", len(block)) + block
    return blocks + struct.pack("<I", len(data))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "xz": lzma.compress,
    "lz4": kernel_lz4,
    "zstd": zstandard.ZstdCompressor().compress,
}


def make_tar(files: dict[str, bytes]) -> bytes:
    """A tar archive of directories' files, as ``dpkg-deb`` has them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def make_cpio(files: dict[str, bytes]) -> bytes:
    """A cpio archive in the new ASCII format, with a directory at the start."""
    out = b""
    regular, directory = 0o100644, 0o40755
    rows = [("./boot", b"", directory), *((f"./{n}", d, regular) for n, d in files.items())]
    for name, data, mode in (*rows, ("TRAILER!!!", b"", 0)):
        title = name.encode() + b"\0"
        words = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(title), 0)
        head = b"070701" + b"".join(b"%08X" % word for word in words) + title
        out += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return out


def make_deb(data: bytes, suffix: str) -> bytes:
    """A Debian package around its files."""
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", f"data.tar{suffix}": data}
    out = b"!<arch>\n"
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        out += head.encode() + content + b"\n" * (len(content) % 2)
    return out


def make_rpm(data: bytes) -> bytes:
    """An RPM package around its files: the lead, a signature of odd length, a header."""

    def header(entries: int, store: bytes) -> bytes:
        head = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", entries, len(store))
        return head + bytes(16 * entries) + store

    signature = header(2, b"store")
    start = b"\xed\xab\xee\xdb" + bytes(92) + signature
    return start + bytes(-len(start) % 8) + header(3, b"more of it") + data
