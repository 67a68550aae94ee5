"""Kernel boot images: where the kernel is inside one, and the BTF inside a bare kernel.

Sources: ``Documentation/arch/x86/boot.rst``, ``Documentation/arch/arm64/booting.rst`` and
``Documentation/arch/riscv/boot-image-header.rst``, ``drivers/firmware/efi/libstub/zboot-header.S``,
``arch/arm/boot/compressed/head.S``.
"""

from __future__ import annotations

import io
import re
from typing import NamedTuple

from btfschema.codec.header import MAGICS as RAW_MAGICS
from btfschema.codec.header import ORDERS
from btfschema.errors import NoBtfError, SourceError
from btfschema.sources.compression import CODECS, Codec, Window, codec_of, decompress
from btfschema.sources.parts import check_inside

__all__ = [
    "ANDROID_MAGIC",
    "BOXES",
    "BZIMAGE",
    "CPIO_MAGICS",
    "DEB_MAGIC",
    "FDT_MAGIC",
    "HEAD_SIZE",
    "IMAGES",
    "PACKAGES",
    "RAW_MAGICS",
    "RPM_MAGIC",
    "UIMAGE_MAGIC",
    "VENDOR_MAGIC",
    "Payload",
    "archive_of",
    "find_btf",
    "is_bare_kernel",
    "is_boot_image",
    "is_bzimage",
    "is_zimage",
    "payload_of",
    "unpacked_zimage",
]

# How much of a file's start is needed to tell what it is: an x86 setup header's end.
HEAD_SIZE = 0x268

# An x86 boot image. The payload's place is known since protocol 2.08.
X86_MAGIC_AT, X86_MAGIC = 0x202, b"HdrS"
X86_VERSION_AT, X86_LEAST_VERSION, X86_DEFAULT_SECTS = 0x206, 0x208, 4
# An EFI zboot image.
ZBOOT_MAGIC_AT, ZBOOT_MAGIC = 4, b"zimg"
# arm64's and RISC-V's Image, uncompressed.
IMAGE_MAGIC_AT, IMAGE_MAGICS = 56, (b"ARM\x64", b"RSC\x05")
# A 32-bit arm zImage, in the byte order of the processor.
ZIMAGE_MAGIC_AT = 36
ZIMAGE_MAGICS = tuple(0x016F2818.to_bytes(4, order) for order in ORDERS)
# Starts of compressed data in it. So many are tried, and what is smaller is not a kernel.
STARTS = b"|".join(re.escape(codec.magic) for codec in CODECS)
ZIMAGE_TRIES, LEAST_KERNEL = 16, 64
# What boot images of Android and U-Boot begin with: see btfschema.sources.bootimages.
ANDROID_MAGIC, VENDOR_MAGIC = b"ANDROID!", b"VNDRBOOT"
UIMAGE_MAGIC = 0x27051956.to_bytes(4, "big")
FDT_MAGIC = 0xD00DFEED.to_bytes(4, "big")
# Packages: see btfschema.sources.packages.
DEB_MAGIC, RPM_MAGIC = b"!<arch>\ndebian-binary", b"\xed\xab\xee\xdb"
PACKAGES = (DEB_MAGIC, RPM_MAGIC)
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
CPIO_MAGICS = (b"070701", b"070702")
BOXES = (ANDROID_MAGIC, VENDOR_MAGIC, UIMAGE_MAGIC, FDT_MAGIC)
BZIMAGE, ZBOOT = "bzImage", "zboot"
IMAGES = (BZIMAGE, ZBOOT)


class Payload(NamedTuple):
    """A kernel inside a boot image.

    Attributes:
        image: what holds it.
        offset: its first byte.
        length: its bytes.
        packed: whether it is compressed data; otherwise it is a file of any kind.
    """

    image: str
    offset: int
    length: int
    packed: bool = True


def payload_of(head: bytes, size: int, name: str) -> Payload | None:
    """The compressed kernel of a boot image; None for anything else.

    Args:
        head: the file's first :data:`HEAD_SIZE` bytes.
        size: the file's length in bytes.
        name: what it is called, for messages.

    Raises:
        SourceError: the image is truncated, or too old to say where its payload is.
    """
    payload = _zboot_payload(head)
    if payload is None and head[X86_MAGIC_AT:].startswith(X86_MAGIC):
        payload = _x86_payload(head, name)
    if payload is None:
        return None
    check_inside(name, payload.image, "its payload", payload.offset, payload.length, size)
    return payload


def is_boot_image(head: bytes) -> bool:
    """Whether this is a kernel in one of the forms that boot loaders take, but no FIT.

    Device trees of boards begin as those do.
    """
    boxes = (ANDROID_MAGIC, UIMAGE_MAGIC)
    known = is_bare_kernel(head) or is_zimage(head) or head.startswith(boxes)
    return known or is_bzimage(head) or head[ZBOOT_MAGIC_AT:].startswith(ZBOOT_MAGIC)


def archive_of(head: bytes) -> str | None:
    """``"tar"`` or ``"cpio"`` for what begins so, None for anything else."""
    if head[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] == TAR_MAGIC:
        return "tar"
    return "cpio" if head.startswith(CPIO_MAGICS) else None


def is_bzimage(head: bytes) -> bool:
    """Whether this is an x86 boot image with all of its setup header."""
    if not head[X86_MAGIC_AT:].startswith(X86_MAGIC):
        return False
    from btfschema.sources.bootheaders import setup_header

    return setup_header(head) is not None


def _zboot_payload(head: bytes) -> Payload | None:
    if not head[ZBOOT_MAGIC_AT:].startswith(ZBOOT_MAGIC):
        return None
    from btfschema.sources.bootheaders import ZBOOT_HEADER

    if len(head) < ZBOOT_HEADER.sizeof():
        return None
    header = ZBOOT_HEADER.parse(head, byteorder="little")
    return Payload(ZBOOT, header.payload_offset, header.payload_size)


def _x86_payload(head: bytes, name: str) -> Payload:
    from btfschema.sources.bootheaders import SECTOR, SETUP_HEADER, SETUP_HEADER_AT, setup_header

    header = setup_header(head)
    if header is None:
        raise SourceError(
            f"{name}: truncated bzImage: {len(head)} bytes end inside the setup header",
            got=len(head),
            expected=f"at least {SETUP_HEADER_AT + SETUP_HEADER.sizeof()}",
        )
    version = header.version
    if version < X86_LEAST_VERSION:
        raise SourceError(
            f"{name}: a bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, "
            "expected 2.08 or later",
            offset=X86_VERSION_AT,
            got=version,
            expected="2.08 or later",
        )
    sectors = (header.setup_sects or X86_DEFAULT_SECTS) + 1
    return Payload(BZIMAGE, sectors * SECTOR + header.payload_offset, header.payload_length)


def is_bare_kernel(head: bytes) -> bool:
    """Whether this is an uncompressed arm64 or RISC-V image."""
    return head[IMAGE_MAGIC_AT:].startswith(IMAGE_MAGICS)


def is_zimage(head: bytes) -> bool:
    """Whether this is a 32-bit arm kernel that unpacks itself."""
    return head[ZIMAGE_MAGIC_AT:].startswith(ZIMAGE_MAGICS)


def unpacked_zimage(data: bytes, name: str, limit: int) -> tuple[Codec, io.BytesIO]:
    """The kernel in a zImage, unpacked, and how it was packed.

    The header does not say where the payload is, so what starts as compressed data does is tried
    until something unpacks.

    Args:
        data: the zImage.
        name: what it is called, for messages.
        limit: the most bytes that it may unpack to.

    Raises:
        SourceError: nothing does; or the first that does is more than the limit.
    """
    tried = 0
    for match in re.finditer(STARTS, data):
        codec = codec_of(match[0])
        tried += 1
        if codec is None or tried > ZIMAGE_TRIES:
            break
        window = Window(io.BytesIO(data), match.start(), len(data) - match.start())
        try:
            unpacked = decompress(codec, window, name, one=True, limit=limit)
        except SourceError as error:
            # Of damaged data it is a library's words.
            if isinstance(error.got, int):
                raise
            continue
        if unpacked.tell() >= LEAST_KERNEL:
            return codec, unpacked
    raise SourceError(
        f"{name}: nothing in this zImage unpacks, expected a kernel compressed with "
        f"{', '.join(codec.name for codec in CODECS)}",
        got=f"{tried} places that start as compressed data does",
        expected="a compressed kernel",
    )


def find_btf(data: memoryview, name: str) -> bytes:
    """The BTF in a bare kernel, which has no table that says where it is.

    It is the largest blob that starts like BTF and decodes as a whole: the BPF programs that a
    kernel brings along have BTF too, far less of it.

    Raises:
        NoBtfError: there is none.
    """
    from btfschema.sources.scan import scan

    blobs = [blob for blob in scan(data).blobs if not blob.split]
    if blobs:
        found = max(blobs, key=lambda blob: blob.size)
        return bytes(data[found.offset : found.offset + found.size])
    raise NoBtfError(
        f"{name}: the kernel image holds no BTF; was it built with CONFIG_DEBUG_INFO_BTF?",
        expected="a BTF header and sections that decode",
    )
