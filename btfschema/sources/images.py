"""Kernel boot images: where the kernel is inside one, and the BTF inside a bare kernel.

Sources: ``Documentation/arch/x86/boot.rst``, ``Documentation/arch/arm64/booting.rst`` and
``Documentation/arch/riscv/boot-image-header.rst``, ``drivers/firmware/efi/libstub/zboot-header.S``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from heapq import nlargest
from itertools import islice

from attrs import frozen

from btfschema.codec.header import ByteOrder
from btfschema.errors import BtfError, NoBtfError, SourceError
from btfschema.model.loading import loads
from btfschema.schema.kinds import BTF_HEADER, BTF_LAYOUT_FIELDS, BTF_MAGIC, BTF_VERSION

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

# A kernel holds a few things that look like a BTF header, besides its BTF that of BPF programs
# that it brings along. More are no kernel but an attempt to keep us busy.
MOST_CANDIDATES = 4096
MOST_DECODED = 16


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
    found = nlargest(MOST_DECODED, _candidates(data))
    for size, at in found:
        blob = bytes(data[at : at + size])
        try:
            loads(blob)
        except BtfError:
            continue
        return blob
    raise NoBtfError(
        f"{name}: the kernel image holds no BTF; was it built with CONFIG_DEBUG_INFO_BTF?",
        expected="a BTF header and sections that decode",
    )


def _candidates(data: memoryview) -> Iterator[tuple[int, int]]:
    """Size and place of what has a header as kernels write it, with its sections inside."""
    starts = (re.escape(magic + bytes([BTF_VERSION, 0])) for magic in RAW_MAGICS)
    classic = BTF_HEADER.sizeof()
    for match in islice(re.finditer(b"|".join(starts), data), MOST_CANDIDATES):
        at = match.start()
        order = RAW_MAGICS[bytes(data[at : at + 2])]
        head = bytes(data[at : at + classic + BTF_LAYOUT_FIELDS.sizeof()])
        if len(head) < classic:
            continue
        header = BTF_HEADER.parse(head, byteorder=order)
        ends = [header.type_off + header.type_len, header.str_off + header.str_len]
        if header.hdr_len == classic + BTF_LAYOUT_FIELDS.sizeof() == len(head):
            layout = BTF_LAYOUT_FIELDS.parse(head[classic:], byteorder=order)
            ends.append(layout.layout_off + layout.layout_len)
        size = header.hdr_len + max(ends)
        if header.type_len and header.hdr_len >= classic and at + size <= len(data):
            yield size, at
