"""Which kernel a file is from: its release and its build id, where the file says them.

Sources: ``kernel_version`` in ``struct setup_header`` (``Documentation/arch/x86/boot.rst``),
``vermagic`` in ``.modinfo`` (``include/linux/vermagic.h``), ``linux_banner`` (``init/version.c``)
and the note ``NT_GNU_BUILD_ID``, which vmlinux keeps in ``.notes``.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from btfschema.codec.header import ByteOrder

__all__ = [
    "BOOT_NAMES",
    "banner_release",
    "build_id",
    "bzimage_release",
    "module_release",
    "named_release",
    "path_release",
    "starts_like_kernel",
]

# Patterns are compiled when they are needed: raw BTF needs none.
# As uname -r gives it: UTS_RELEASE has at most 64 characters.
RELEASE = rb"[0-9]+\.[0-9]+[0-9A-Za-z._+~-]{0,58}"
BANNER = rb"Linux version (" + RELEASE + rb") \("
# How the names of kernels' files begin, and of boot images of all sorts.
KERNEL_NAMES = r"vmlinu[xz]|(?:bz|[uz])?Image"
BOOT_NAMES = KERNEL_NAMES + r"|fitImage|boot(?=\.img)"
KERNEL = rf"^(?:{KERNEL_NAMES})-"
ARCHIVE = r"\.(?:btf|debug)(?:\.tar)?(?:\.(?:gz|xz|zst))?$"
# Kernels and their modules. Debian puts what a package is behind the release, Ubuntu before it.
PACKAGE = (
    r"linux-(?:image|modules(?:-extra)?)(?:-unsigned)?-([^_]+?)(?:-unsigned)?(?:-dbg(?:sym)?)?_.*\.d?deb"
    r"|kernel(?:-core|-default|-modules(?:-core|-extra)?)?-([^/]+)\.rpm"
)
VERMAGIC = b"vermagic="
LONGEST = 64
NT_GNU_BUILD_ID, GNU, NOTE_HEADER = 3, b"GNU\0", 12
# SHA-1 has 20 bytes; linkers take any number that --build-id=0x... gives.
LONGEST_ID = 64


def _release(data: bytes) -> str | None:
    """The release that some bytes begin with."""
    match = re.match(RELEASE, data)
    return match[0].decode("ascii") if match else None


def bzimage_release(head: bytes, stream: BinaryIO) -> str | None:
    """The release of an x86 boot image.

    Args:
        head: the image's first bytes, with all of the setup header.
        stream: the image, seekable.
    """
    from btfschema.sources.bootheaders import SECTOR, setup_header

    # Counted from the end of the first sector.
    at = setup_header(head).kernel_version
    if not at:
        return None
    stream.seek(at + SECTOR)
    return _release(stream.read(LONGEST))


def module_release(modinfo: bytes) -> str | None:
    """The release that a module was built for, from its ``.modinfo``."""
    for line in modinfo.split(b"\0"):
        if line.startswith(VERMAGIC):
            return _release(line[len(VERMAGIC) :])
    return None


def banner_release(data: bytes | memoryview) -> str | None:
    """The release of a kernel, from ``linux_banner`` anywhere in these bytes."""
    match = re.search(BANNER, data)
    return match[1].decode("ascii") if match else None


def starts_like_kernel(name: str) -> bool:
    """Whether a file's name begins as those of kernels and of boot images do."""
    return re.match(BOOT_NAMES, name) is not None


def named_release(name: str) -> str | None:
    """The release that a file is called by, as ``6.12.0.btf`` in BTFHub's archive, or a package."""
    title = name.rpartition("/")[2]
    package = re.fullmatch(PACKAGE, title)
    title = package[1] or package[2] if package else re.sub(KERNEL, "", title)
    title = re.sub(ARCHIVE, "", title)
    match = re.fullmatch(RELEASE, title.encode("utf-8", "replace"))
    return match[0].decode("ascii") if match else None


def path_release(path: str) -> str | None:
    """The release in a path: of the file's name, or else of the nearest directory that has one."""
    return next(filter(None, map(named_release, reversed(path.split("/")))), None)


def build_id(notes: bytes, byteorder: ByteOrder) -> str | None:
    """The build id among an ELF file's notes, in hexadecimal."""
    at, form = 0, "<III" if byteorder == "little" else ">III"
    while at + NOTE_HEADER <= len(notes):
        name_size, size, kind = struct.unpack_from(form, notes, at)
        start = at + NOTE_HEADER + (name_size + 3 & ~3)
        name = notes[at + NOTE_HEADER : at + NOTE_HEADER + min(name_size, len(GNU))]
        if kind == NT_GNU_BUILD_ID and name == GNU and 0 < size <= LONGEST_ID:
            found = notes[start : start + size]
            return found.hex() if len(found) == size else None
        at = start + (size + 3 & ~3)
    return None
