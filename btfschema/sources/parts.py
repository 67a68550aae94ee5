"""Parts of a stream: whether they lie inside it, and as streams of their own."""

from __future__ import annotations

import io
from typing import BinaryIO

from btfschema.errors import SourceError

__all__ = ["check_inside", "part_of"]


def check_inside(name: str, form: str, what: str, at: int, length: int, size: int) -> None:
    """Check a place that a file says before anything is read there.

    Args:
        name: what the file is called, for the message.
        form: its format.
        what: what lies there, such as ``the header``.
        at: its first byte.
        length: its length in bytes.
        size: the file's length in bytes.

    Raises:
        SourceError: it goes past the end of the file.
    """
    if at + length > size:
        raise SourceError(
            f"{name}: truncated {form}: {what} is bytes {at}..{at + length}, the file has {size} "
            "bytes",
            offset=at,
            got=size,
            expected=f"at least {at + length}",
        )


class _Part(io.RawIOBase):
    """The bytes of a stream from one place to another; the stream's own position moves along."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._stream, self._start, self._length = stream, start, length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(origin + offset, 0)
        return self._at

    # RawIOBase says any buffer; BufferedReader gives these.
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(min(len(buffer), self._length - self._at), 0))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def part_of(stream: BinaryIO, start: int, length: int) -> BinaryIO:
    """A seekable stream of ``length`` bytes of another, from byte ``start`` on; nothing is copied.

    The other stream must not be read for itself meanwhile.
    """
    return io.BufferedReader(_Part(stream, start, length))
