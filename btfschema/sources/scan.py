"""BTF wherever it lies: found by its magic in dumps of memory, firmware, images without a header.

What starts like BTF is a candidate; whether it is BTF is found out by decoding it. The largest come
first, and nothing is looked for inside what was found. The work is bounded by the size of the
data, however many things in it look like BTF.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from attrs import field, frozen

from btfschema.codec.header import LAYOUT_HEADER_SIZE, MAGICS, ByteOrder, read_header
from btfschema.errors import BtfError, DecodeError, MissingBaseError, NoBtfError
from btfschema.model.loading import loads
from btfschema.schema.kinds import BTF_VERSION
from btfschema.sources.linked import end_of
from btfschema.sources.reading import name_of

__all__ = ["Blob", "Scan", "largest_blob", "scan", "scan_file"]

MOST_CANDIDATES = 4096
# Bytes that are decoded for each byte of the data, and some more for small data.
DECODED_PER_BYTE = 4
DECODED_FREE = 1 << 20

# What a kernel writes: the magic, the version, no flags, and the length of the header, which no
# writer makes longer than a byte can say. The regular expression asks for it, as it is quicker.
HEADER_LENGTHS: dict[ByteOrder, bytes] = {
    "little": rb"[\x18-\xff]\x00\x00\x00",
    "big": rb"\x00\x00\x00[\x18-\xff]",
}
STARTS = re.compile(
    b"|".join(
        re.escape(magic + bytes([BTF_VERSION, 0])) + HEADER_LENGTHS[order]
        for magic, order in MAGICS.items()
    ),
    re.DOTALL,
)

Buffer = bytes | mmap.mmap | memoryview


@frozen
class Blob:
    """BTF in other data.

    Attributes:
        offset: its first byte.
        size: its bytes, headers and all sections.
        byteorder: ``"little"`` or ``"big"``.
        types: how many types of its own it has.
        split: whether it needs a base, which may be another blob.
    """

    offset: int
    size: int
    byteorder: ByteOrder
    types: int
    split: bool


@frozen
class Scan:
    """What a scan found.

    Attributes:
        blobs: in the order of their places.
        unchecked: how many candidates were left alone, since there were too many; more may lie
            behind :data:`MOST_CANDIDATES` of them.
    """

    blobs: tuple[Blob, ...] = field(repr=False)
    unchecked: int = 0

    @property
    def largest(self) -> Blob | None:
        """The largest blob; of equal ones the first."""
        return max(self.blobs, key=lambda blob: (blob.size, -blob.offset), default=None)


def scan(data: Buffer) -> Scan:
    """Find all BTF in some data.

    Args:
        data: any bytes, also a mapped file.
    """
    blobs: list[Blob] = []
    candidates = sorted(islice(_candidates(data), MOST_CANDIDATES), reverse=True)
    budget, unchecked = DECODED_FREE + DECODED_PER_BYTE * len(data), 0
    for size, negated in candidates:
        offset = -negated
        if any(one.offset <= offset < one.offset + one.size for one in blobs):
            continue
        if size > budget:
            unchecked += 1
            continue
        budget -= size
        blob = _checked(data, offset, size)
        if blob is not None:
            blobs.append(blob)
    return Scan(tuple(sorted(blobs, key=lambda blob: blob.offset)), unchecked)


def scan_file(path: str | os.PathLike[str]) -> tuple[Scan, Buffer]:
    """Find all BTF in a file, which is mapped into memory and not copied.

    Args:
        path: the file; ``"-"`` for standard input.

    Returns:
        What was found, and the file's bytes.

    Raises:
        OSError: the file can't be read.
    """
    if os.fspath(path) == "-":
        data: Buffer = sys.stdin.buffer.read()
        return scan(data), data
    with Path(path).open("rb") as file:
        # Neither an empty file nor a pipe can be mapped.
        if os.fstat(file.fileno()).st_size:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        else:
            data = file.read()
    return scan(data), data


def largest_blob(path: str | os.PathLike[str]) -> tuple[Blob, bytes]:
    """The largest BTF in a file.

    Raises:
        OSError: the file can't be read.
        NoBtfError: there is none.
    """
    found, data = scan_file(path)
    blob = found.largest
    if blob is None:
        raise NoBtfError(
            f"{name_of(os.fspath(path))}: nothing in these {len(data):,} bytes is BTF",
            got=len(data),
            expected="a BTF header and sections that decode",
        )
    return blob, bytes(data[blob.offset : blob.offset + blob.size])


def _candidates(data: Buffer) -> Iterator[tuple[int, int]]:
    """Size and negated offset of what has a header, and room for the sections behind it."""
    for match in STARTS.finditer(data):
        offset = match.start()
        try:
            header = read_header(
                bytes(data[offset : offset + LAYOUT_HEADER_SIZE]), len(data) - offset
            )
        except DecodeError:
            continue
        if header.type_len:
            yield end_of(header), -offset


def _checked(data: Buffer, offset: int, size: int) -> Blob | None:
    """The blob that a candidate is, or None."""
    content = bytes(data[offset : offset + size])
    try:
        btf, split = loads(content), False
    except MissingBaseError:
        try:
            btf, split = loads(content, check=False), True
        except BtfError:
            return None
    except BtfError:
        return None
    return Blob(offset, size, btf.byteorder, len(btf), split)
