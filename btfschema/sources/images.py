"""Kernel boot images: where the kernel is inside one, and the BTF inside a bare kernel.

Sources: ``Documentation/arch/x86/boot.rst``, ``Documentation/arch/arm64/booting.rst`` and
``Documentation/arch/riscv/boot-image-header.rst``, ``drivers/firmware/efi/libstub/zboot-header.S``.
"""

from __future__ import annotations

import struct

from attrs import frozen

from btfschema.codec.header import ByteOrder
from btfschema.errors import NoBtfError, SourceError
from btfschema.schema.kinds import BTF_MAGIC
from btfschema.sources.scan import scan

__all__ = ["HEAD_SIZE", "RAW_MAGICS", "Payload", "find_btf", "is_bare_kernel", "payload_of"]

# How much of a file's start is needed to tell what it is: an x86 setup header's end.
HEAD_SIZE = 0x268

BYTE_ORDERS: tuple[ByteOrder, ByteOrder] = ("little", "big")
RAW_MAGICS = {BTF_MAGIC.to_bytes(2, order): order for order in BYTE_ORDERS}

# struct setup_header, offsets in the file. The payload's place is known since protocol 2.08.
X86_MAGIC_AT, X86_MAGIC = 0x202, b"HdrS"
X86_VERSION_AT, X86_LEAST_VERSION = 0x206, 0x208
X86_SETUP_SECTS_AT, X86_SECTOR, X86_DEFAULT_SECTS = 0x1F1, 512, 4
X86_PAYLOAD_AT = 0x248
# An EFI zboot image: "MZ", zero, "zimg", then the payload's offset and size.
ZBOOT_MAGIC_AT, ZBOOT_MAGIC = 4, b"zimg"
ZBOOT_PAYLOAD_AT = 8
# arm64's and RISC-V's Image, uncompressed.
IMAGE_MAGIC_AT, IMAGE_MAGICS = 56, (b"ARM\x64", b"RSC\x05")


@frozen
class Payload:
    """A compressed kernel inside a boot image: the image's name, and the payload's bytes."""

    image: str
    offset: int
    length: int


def payload_of(head: bytes, size: int, name: str) -> Payload | None:
    """The compressed kernel of a boot image; None for anything else.

    Args:
        head: the file's first :data:`HEAD_SIZE` bytes.
        size: the file's length in bytes.
        name: what it is called, for messages.

    Raises:
        SourceError: the image is truncated, or too old to say where its payload is.
    """
    if head[ZBOOT_MAGIC_AT:].startswith(ZBOOT_MAGIC) and len(head) >= ZBOOT_PAYLOAD_AT + 8:
        payload = Payload("zboot", *struct.unpack_from("<II", head, ZBOOT_PAYLOAD_AT))
    elif head[X86_MAGIC_AT:].startswith(X86_MAGIC):
        payload = _x86_payload(head, name)
    else:
        return None
    if payload.offset + payload.length > size:
        raise SourceError(
            f"{name}: truncated {payload.image}: its payload is bytes {payload.offset}.."
            f"{payload.offset + payload.length}, the file has {size} bytes",
            offset=payload.offset,
            got=size,
            expected=f"at least {payload.offset + payload.length}",
        )
    return payload


def _x86_payload(head: bytes, name: str) -> Payload:
    if len(head) < X86_PAYLOAD_AT + 8:
        raise SourceError(
            f"{name}: truncated bzImage: {len(head)} bytes end inside the setup header",
            got=len(head),
            expected=f"at least {X86_PAYLOAD_AT + 8}",
        )
    (version,) = struct.unpack_from("<H", head, X86_VERSION_AT)
    if version < X86_LEAST_VERSION:
        raise SourceError(
            f"{name}: a bzImage of boot protocol {version >> 8}.{version & 0xFF:02}, "
            "expected 2.08 or later",
            offset=X86_VERSION_AT,
            got=version,
            expected="2.08 or later",
        )
    offset, length = struct.unpack_from("<II", head, X86_PAYLOAD_AT)
    sectors = (head[X86_SETUP_SECTS_AT] or X86_DEFAULT_SECTS) + 1
    return Payload("bzImage", sectors * X86_SECTOR + offset, length)


def is_bare_kernel(head: bytes) -> bool:
    """Whether this is an uncompressed arm64 or RISC-V image."""
    return head[IMAGE_MAGIC_AT:].startswith(IMAGE_MAGICS)


def find_btf(data: memoryview, name: str) -> bytes:
    """The BTF in a bare kernel, which has no table that says where it is.

    It is the largest blob that starts like BTF and decodes as a whole: the BPF programs that a
    kernel brings along have BTF too, far less of it.

    Raises:
        NoBtfError: there is none.
    """
    blobs = [blob for blob in scan(data).blobs if not blob.split]
    if blobs:
        found = max(blobs, key=lambda blob: blob.size)
        return bytes(data[found.offset : found.offset + found.size])
    raise NoBtfError(
        f"{name}: the kernel image holds no BTF; was it built with CONFIG_DEBUG_INFO_BTF?",
        expected="a BTF header and sections that decode",
    )
