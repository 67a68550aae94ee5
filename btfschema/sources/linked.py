"""Several BTFs in one section, as a linker leaves them that knows nothing of BTF.

``gcc -gbtf a.c b.c`` gives each object a ``.BTF``, and ``ld`` puts one behind the other. libbpf and
others read the first alone.
"""

from __future__ import annotations

from btfschema.codec.header import LAYOUT_HEADER_SIZE, Header, read_header
from btfschema.errors import DecodeError

__all__ = ["cut", "end_of"]

# A linker aligns sections, at most to so many bytes here.
ALIGNMENT = 16


def cut(data: bytes) -> tuple[bytes, ...]:
    """Cut a section where another BTF begins.

    Args:
        data: the section. Each blob's header says where it ends; up to 15 zeros may follow, and
            belong to none when they stand before another blob.

    Returns:
        The blobs, in order; just ``data`` when it is one, or damaged. What follows the last stays
        part of it.
    """
    starts, ends = [0], list[int]()
    end = _end(data, 0)
    while end is not None:
        at = _next(data, end)
        following = _end(data, at)
        if following is not None:
            starts.append(at)
            ends.append(end)
        end = following
    return tuple(data[start:end] for start, end in zip(starts, [*ends, len(data)], strict=True))


def _end(data: bytes, at: int) -> int | None:
    """Where the blob at a place ends, or None when there is none with a header that fits."""
    try:
        header = read_header(data[at : at + LAYOUT_HEADER_SIZE], len(data) - at)
    except DecodeError:
        return None
    return at + end_of(header)


def end_of(header: Header) -> int:
    """The bytes of a blob by its header; empty sections may claim any place."""
    return max([header.hdr_len, *(at + length for _, at, length in header.sections if length)])


def _next(data: bytes, end: int) -> int:
    """Where the next blob starts when there is one: behind the padding."""
    at = end
    while at < min(end + ALIGNMENT, len(data)) and not data[at]:
        at += 1
    return at
