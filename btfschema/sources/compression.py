"""Telling compressed data by its first bytes, and decompressing it within a limit."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import BinaryIO, NamedTuple, Protocol

from btfschema.errors import SourceError

__all__ = [
    "CODECS",
    "LIMIT",
    "ZLIB",
    "ZSTD",
    "Codec",
    "Unpacking",
    "Window",
    "codec_of",
    "decompress",
    "passable",
    "proportionate",
]

# The most bytes that are taken into memory, whether decompressed or from a pipe. The largest
# kernel images with debug information have about half of it.
LIMIT = 1 << 30
# A file may unpack to this many times its size, or to the floor where that is more, in each of its
# layers: modules and kernels with debug information unpack to ten times at most.
FACTOR, FLOOR = 100, 32 << 20
STEP = 1 << 20
# The kernel compresses with a dictionary of up to 128 MiB.
XZ_MEMORY = 256 << 20
# The zstd decoder has no limit on its output. A block of 128 KiB may come from 4 bytes, so this
# many bytes give 32 MiB at most.
ZSTD_STEP = 1 << 10
# A block of lz4's legacy format, which is the one that the kernel uses.
LZ4_BLOCK = 8 << 20
LZ4_SIZE = 4


class Window:
    """A part of a stream, read from its start to its end."""

    def __init__(self, stream: BinaryIO, start: int, length: int) -> None:
        stream.seek(start)
        self._stream = stream
        self.left = length

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end."""
        data = self._stream.read(min(size, self.left))
        self.left = self.left - len(data) if data else 0
        return data


class Codec(NamedTuple):
    """A compression format.

    Attributes:
        name: as people call it.
        magic: its first bytes; empty for a format that only a section header tells.
        chunks: the decompressed data in parts of bounded size.
    """

    name: str
    magic: bytes
    chunks: Callable[[Window, bool], Iterator[bytes]]


class DamagedError(Exception):
    """Why data can't be decompressed, mostly in a library's words."""


class Decoder(Protocol):
    """The interface of ``lzma.LZMADecompressor``, to which the other libraries are brought.

    ``needs_input`` says that there is no more output without more input, ``unused_data`` is what
    followed the end of the compressed data.
    """

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class ZlibDecoder:
    """``zlib.decompressobj``, which hands back the input that it did not get to."""

    def __init__(self, wbits: int) -> None:
        import zlib

        self._stream = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        chunk = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(chunk) < max_length
        return chunk


class ZstdDecoder:
    """A zstd frame, its output bounded by how little input it gets at once."""

    needs_input = True

    def __init__(self) -> None:
        import zstandard

        self._frame = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._frame.decompress(data)


def _stream_chunks(
    window: Window,
    new: Callable[[], Decoder],
    error: type[Exception],
    following: bytes,
    step: int = STEP,
) -> Iterator[bytes]:
    """One compressed stream, and the next ones as long as ``following`` introduces them."""
    decoder, data = new(), window.read(step)
    while True:
        if not data and decoder.needs_input:
            raise DamagedError("the data ends before its end mark: truncated")
        try:
            chunk = decoder.decompress(data, STEP)
        except error as reason:
            raise DamagedError(str(reason)) from None
        yield chunk
        if decoder.eof:
            data = decoder.unused_data
            data += window.read(step) if len(data) < len(following) else b""
            if not following or not data.startswith(following):
                return
            decoder = new()
        else:
            data = window.read(step) if decoder.needs_input else b""


def _gzip(window: Window, one: bool) -> Iterator[bytes]:
    import zlib

    return _stream_chunks(
        window, lambda: ZlibDecoder(zlib.MAX_WBITS | 16), zlib.error, b"" if one else GZIP.magic
    )


def _zlib(window: Window, one: bool) -> Iterator[bytes]:
    import zlib

    return _stream_chunks(window, lambda: ZlibDecoder(zlib.MAX_WBITS), zlib.error, b"")


def _bzip2(window: Window, one: bool) -> Iterator[bytes]:
    import bz2

    return _stream_chunks(window, bz2.BZ2Decompressor, OSError, b"" if one else BZIP2.magic)


def _xz(window: Window, one: bool) -> Iterator[bytes]:
    import lzma

    return _stream_chunks(
        window,
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
        lzma.LZMAError,
        b"" if one else XZ.magic,
    )


def _lzma(window: Window, one: bool) -> Iterator[bytes]:
    import lzma

    return _stream_chunks(
        window,
        lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_MEMORY),
        lzma.LZMAError,
        b"",
    )


def _zstd(window: Window, one: bool) -> Iterator[bytes]:
    import zstandard

    return _stream_chunks(
        window, ZstdDecoder, zstandard.ZstdError, b"" if one else ZSTD.magic, ZSTD_STEP
    )


def _lz4(window: Window, one: bool) -> Iterator[bytes]:
    """lz4's legacy format: the magic, then blocks after their sizes, without a mark at the end.

    The kernel's build appends four bytes with the size of the decompressed data (``size_append``
    in ``scripts/Makefile.lib``), which an image's payload ends in, and ``lz4`` itself does not.
    """
    try:
        lz4 = import_module("lz4.block")
    except ImportError:
        raise DamagedError("this needs the lz4 library: pip install btfschema[lz4]") from None
    window.read(len(LZ4.magic))
    given = 0
    while window.left > LZ4_SIZE:
        (size,) = struct.unpack("<I", window.read(LZ4_SIZE))
        if size > window.left:
            raise DamagedError(f"a block of {size} bytes, {window.left} are left: truncated")
        try:
            chunk = lz4.decompress(window.read(size), uncompressed_size=LZ4_BLOCK)
        except lz4.LZ4BlockError as reason:
            raise DamagedError(str(reason)) from None
        given += len(chunk)
        yield chunk
    # Of a size that does not fit four bytes, the kernel's build writes the lower ones.
    if window.left and window.read(LZ4_SIZE) != struct.pack("<I", given % (1 << 8 * LZ4_SIZE)):
        raise DamagedError(f"what follows the last block is not the size of the data, {given}")


GZIP = Codec("gzip", b"\x1f\x8b\x08", _gzip)
BZIP2 = Codec("bzip2", b"BZh", _bzip2)
LZMA = Codec("lzma", b"\x5d\0\0", _lzma)
XZ = Codec("xz", b"\xfd7zXZ\0", _xz)
LZ4 = Codec("lz4", b"\x02\x21\x4c\x18", _lz4)
ZSTD = Codec("zstd", b"\x28\xb5\x2f\xfd", _zstd)
ZLIB = Codec("zlib", b"", _zlib)
CODECS = (GZIP, BZIP2, LZMA, XZ, LZ4, ZSTD)


def codec_of(head: bytes) -> Codec | None:
    """The codec whose magic this data begins with."""
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def proportionate(size: int) -> int:
    """The most bytes that a file of this size may unpack to, and that are held in memory."""
    return min(LIMIT, passable(size))


def passable(size: int) -> int:
    """The most bytes that may be unpacked of a file of this size when they are not held."""
    return max(FLOOR, FACTOR * size)


class Unpacking:
    """Compressed data, decompressed as it is read.

    Args:
        codec: how it is compressed.
        window: the compressed bytes. What follows their end mark is ignored.
        where: what is decompressed, for messages.
        one: whether there is one compressed stream, followed by something else; otherwise all
            that follow one another are read.
        most: the most bytes that it may give, over which reading it is an error.
    """

    def __init__(self, codec: Codec, window: Window, where: str, *, one: bool, most: int) -> None:
        self.codec, self._where, self._most = codec, where, most
        self._chunks = codec.chunks(window, one)
        # A view, so that reading a large part in small pieces copies no more than these.
        self._left = memoryview(b"")
        self._given = 0

    def _next(self) -> bytes:
        """The next part; empty at the end."""
        try:
            chunk = next((one for one in self._chunks if one), b"")
        except DamagedError as error:
            raise SourceError(
                f"{self._where}: can't decompress the {self.codec.name} data: {error}",
                got=str(error),
            ) from None
        self._given += len(chunk)
        self._check()
        return chunk

    def _check(self) -> None:
        if self._given > self._most:
            raise SourceError(
                f"{self._where}: the {self.codec.name} data decompresses to more than the limit of "
                f"{self._most} bytes",
                got=self._given,
                expected=f"at most {self._most} bytes",
            )

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes; none only at the end."""
        self._left = self._left or memoryview(self._next())
        data, self._left = bytes(self._left[:size]), self._left[size:]
        return data

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end, which are read again later."""
        while len(self._left) < size and (chunk := self._next()):
            self._left = memoryview(bytes(self._left) + chunk)
        return bytes(self._left[:size])

    def rest(self, limit: int) -> io.BytesIO:
        """All that is left, at most ``limit`` bytes in all.

        Raises:
            SourceError: there is more.
        """
        self._most = min(self._most, limit)
        self._check()
        out = io.BytesIO()
        out.write(self._left)
        self._left = memoryview(b"")
        while chunk := self._next():
            out.write(chunk)
        return out


def decompress(
    codec: Codec, window: Window, where: str, *, one: bool = False, limit: int | None = None
) -> io.BytesIO:
    """Decompress all of a window.

    Args:
        codec: how it is compressed.
        window: the compressed bytes. What follows their end mark is ignored.
        where: what is decompressed, for messages.
        one: see :class:`Unpacking`.
        limit: the most bytes to give, :data:`LIMIT` unless said. Up to 32 MiB more may exist for a
            moment.

    Raises:
        SourceError: the data is damaged or truncated, or there is more of it than the limit.
    """
    most = LIMIT if limit is None else limit
    return Unpacking(codec, window, where, one=one, most=most).rest(most)
