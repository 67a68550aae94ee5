"""Finding the BTF sections of a file, layer by layer, without decoding them."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal

from attrs import Factory, define, field, frozen

from btfschema.codec.header import ByteOrder
from btfschema.errors import SourceError
from btfschema.escapes import printable
from btfschema.sources import compression, elf, identity, images
from btfschema.sources.compression import Codec, Unpacking, Window, codec_of
from btfschema.sources.images import Payload
from btfschema.sources.parts import part_of

if TYPE_CHECKING:
    from btfschema.model.objectfile import ObjectFile
    from btfschema.sources import archives

__all__ = [
    "ARCHIVES",
    "STDIN",
    "Source",
    "SourceFormat",
    "StrPath",
    "name_of",
    "open_archive",
    "read_source",
]

StrPath = str | os.PathLike[str]
SourceFormat = Literal["raw", "elf", "image", "scan"]

STDIN = "-"
# What open_archive expects.
ARCHIVES = "a .deb, .rpm, tar or cpio file"
# A boot image with a compressed payload, in a package, has five.
MOST_LAYERS = 8
STEP = 1 << 20
# What lzop writes, which U-Boot takes.
LZO_MAGIC = b"\x89LZO"


@frozen
class Source:
    """A file's BTF sections, not decoded, and how they were found.

    Attributes:
        path: as given, ``"-"`` for standard input.
        format: what holds the BTF: ``"raw"`` (the data is BTF), ``"elf"``, or ``"image"`` (an
            uncompressed arm64 or RISC-V kernel), or ``"scan"`` (anything, searched).
        btf: ``.BTF``.
        base: ``.BTF.base``, the distilled base that ``.BTF`` is split over, or None.
        ext: ``.BTF.ext``, or None.
        inline: ``.BTF.inline``, which is split over ``.BTF``, or None.
        layers: what is around that, the outermost first: ``("xz",)`` for a ``.ko.xz``,
            ``("bzImage", "xz")`` for a ``vmlinuz``.
        elf_class: 32 or 64 for ELF, else None.
        elf_byteorder: the ELF file's, else None. BTF says its own.
        object_file: of a BPF object, its sections and symbols.
        release: of the kernel that the file is, or is a module of, as ``uname -r`` gives it, where
            the file says so; else None.
        build_id: of an ELF file, in hexadecimal; None when it has none.
    """

    path: str
    format: SourceFormat
    btf: bytes = field(repr=False)
    base: bytes | None = field(default=None, repr=False)
    ext: bytes | None = field(default=None, repr=False)
    layers: tuple[str, ...] = ()
    elf_class: elf.ElfClass | None = None
    elf_byteorder: ByteOrder | None = None
    inline: bytes | None = field(default=None, repr=False)
    object_file: ObjectFile | None = field(default=None, repr=False)
    release: str | None = None
    build_id: str | None = None

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return name_of(self.path)

    @property
    def blobs(self) -> tuple[bytes, ...]:
        """``btf``, cut where another BTF begins: a linker joins those of all objects."""
        from btfschema.sources.linked import cut

        return cut(self.btf)


def read_source(path: StrPath, *, scan: bool = False) -> Source:
    """Find the BTF sections of a file, whatever it is, without decoding them.

    Of an ELF file only the headers and these sections are read. What is compressed or comes from a
    pipe is held in memory, up to a limit.

    Args:
        path: the file; ``"-"`` for standard input.
        scan: take the largest BTF that lies anywhere in the file, whatever format it has: see
            :mod:`btfschema.sources.scan`.

    Raises:
        OSError: the file can't be read.
        SourceError: it is not a known format, damaged, truncated, or more than the limit.
        NoBtfError: it holds no BTF.
    """
    path = os.fsdecode(path)
    if scan:
        from btfschema.sources.scan import largest_blob

        return Source(path, "scan", largest_blob(path)[1])
    with _opened(path) as (stream, size):
        return _Layers(path, stream, size, size).source()


@contextmanager
def open_archive(path: StrPath) -> Iterator[Iterator[archives.Entry]]:
    """The files of a package or an archive, one after another; each is read before the next.

    Args:
        path: a Debian or RPM package, or a tar or cpio archive, compressed or not.

    Raises:
        OSError: it can't be read.
        SourceError: it is none of these, or damaged.
    """
    path = os.fsdecode(path)
    with _opened(path) as (stream, size):
        yield _Layers(path, stream, size, size).entries()


@define
class _Layers:
    """A file whose layers are taken off, from the outermost, until something holds BTF.

    Attributes:
        path: the file, as given.
        stream: what the layers so far held.
        size: its length in bytes.
        total: the file's length in bytes, to which what it may unpack to is in proportion.
        titles: the layers so far.
        boxed: whether this came out of a boot image: then it is a kernel, also when it has no
            header that says so.
        release: what one of them said about the kernel's release.
    """

    path: str
    stream: BinaryIO
    size: int
    total: int
    titles: list[str] = Factory(list)
    boxed: bool = False
    release: str | None = None

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return name_of(self.path)

    @property
    def limit(self) -> int:
        """The most bytes that any layer may unpack to."""
        return compression.proportionate(self.total)

    def source(self) -> Source:
        """What the innermost layer holds."""
        while len(self.titles) <= MOST_LAYERS:
            self.stream.seek(0)
            head = self.stream.read(images.HEAD_SIZE)
            found = self._found(head)
            if found is not None:
                return found
            if not self._open(head):
                if not self.boxed or head.startswith(LZO_MAGIC):
                    raise _unknown(head, self.name, self.titles)
                return self._bare()
        raise SourceError(
            f"{self.name}: {len(self.titles)} layers ({', '.join(self.titles)}), expected at most "
            f"{MOST_LAYERS}",
            got=len(self.titles),
            expected=f"at most {MOST_LAYERS}",
        )

    def entries(self) -> Iterator[archives.Entry]:
        """The files of the outermost archive."""
        from btfschema.sources import archives

        most = compression.passable(self.total)
        for _ in range(MOST_LAYERS):
            self.stream.seek(0)
            head = self.stream.read(images.HEAD_SIZE)
            kind, inside = images.archive_of(head), self._boxed(head)
            if kind is not None:
                self.stream.seek(0)
                return archives.entries(kind, self.stream, self.name, most)
            if inside is not None and head.startswith(images.PACKAGES):
                self.stream = part_of(self.stream, inside.offset, inside.length)
                self.size = inside.length
                continue
            codec = codec_of(head)
            if codec is None:
                break
            unpacking = self._unpacking(codec, 0, self.size, one=False)
            kind = images.archive_of(unpacking.peek(images.HEAD_SIZE))
            if kind is not None:
                return archives.entries(kind, unpacking, self.name, most)
            self.stream, self.size = _rewound(unpacking.rest(self.limit))
        raise SourceError(f"{self.name}: not a package or archive", expected=ARCHIVES)

    def _unpacking(self, codec: Codec, offset: int, length: int, *, one: bool) -> Unpacking:
        window = Window(self.stream, offset, length)
        most = compression.passable(self.total)
        return Unpacking(codec, window, self.name, one=one, most=most)

    def _found(self, head: bytes) -> Source | None:
        """The BTF, when it lies here."""
        if head[:2] in images.RAW_MAGICS:
            data = _whole(self.stream, self.size, self.name)
            titles = tuple(self.titles)
            return Source(self.path, "raw", data, layers=titles, release=self.release)
        if head.startswith(elf.ELF_MAGIC):
            found = elf.read_elf(self.stream, self.size, self.name, self.limit)
            btf, base, ext, inline = map(found.contents.get, elf.SECTIONS)
            from btfschema.sources.elfobjects import read_object

            return Source(
                self.path,
                "elf",
                btf or b"",
                base,
                ext,
                tuple(self.titles),
                found.elf_class,
                found.byteorder,
                inline,
                read_object(self.stream, self.size, self.name),
                found.release or self.release,
                found.build_id,
            )
        return self._bare() if images.is_bare_kernel(head) else None

    def _bare(self) -> Source:
        """The BTF of a kernel that has no table of sections."""
        data = _whole(self.stream, self.size, self.name)
        btf = images.find_btf(memoryview(data), self.name)
        release = identity.banner_release(data) or self.release
        return Source(self.path, "image", btf, layers=tuple(self.titles), release=release)

    def _open(self, head: bytes) -> bool:
        """Take one layer off; False when there is none."""
        archive = images.archive_of(head)
        if archive is not None:
            self.stream.seek(0)
            self._pick(archive, self.stream)
            return True
        payload = images.payload_of(head, self.size, self.name) or self._boxed(head)
        if payload is not None and not payload.packed:
            self.stream = part_of(self.stream, payload.offset, payload.length)
            self.size, self.boxed = payload.length, not head.startswith(images.PACKAGES)
            self.titles.append(payload.image)
            return True
        if payload is None and self._open_zimage(head):
            return True
        offset, length = 0, self.size
        if payload is not None:
            offset, length = payload.offset, payload.length
            self.titles.append(payload.image)
            if payload.image == images.BZIMAGE:
                self.release = identity.bzimage_release(head, self.stream) or self.release
            self.stream.seek(offset)
            head = self.stream.read(min(length, images.HEAD_SIZE))
        codec = codec_of(head)
        if codec is None:
            if payload is not None:
                raise _unknown(head, self.name, self.titles)
            return False
        one = payload is not None or self.boxed
        unpacking = self._unpacking(codec, offset, length, one=one)
        self.titles.append(codec.name)
        archive = images.archive_of(unpacking.peek(images.HEAD_SIZE))
        if archive is not None:
            self._pick(archive, unpacking)
        else:
            self.stream, self.size = _rewound(unpacking.rest(self.limit))
        return True

    def _pick(self, archive: str, stream: archives.Reader) -> None:
        """Go on with the kernel in an archive, or the only file with BTF."""
        # tarfile takes time to import, and most files are no archives.
        from btfschema.sources import archives

        title, content = archives.pick(archive, stream, self.name, self.limit)
        self.titles.append(archive)
        self.release = identity.named_release(title) or self.release
        self.stream, self.size = _rewound(content)

    def _boxed(self, head: bytes) -> Payload | None:
        """The kernel of an image of Android or U-Boot, or the files of a package."""
        if head.startswith(images.PACKAGES):
            from btfschema.sources.packages import package_payload

            return package_payload(head, self.stream, self.size, self.name)
        if not head.startswith(images.BOXES):
            return None
        # Its headers are declared with Construct, which most files do without.
        from btfschema.sources.bootimages import boxed_kernel

        return boxed_kernel(head, self.stream, self.size, self.name)

    def _open_zimage(self, head: bytes) -> bool:
        if not images.is_zimage(head):
            return False
        data = _whole(self.stream, self.size, self.name)
        codec, unpacked = images.unpacked_zimage(data, self.name, self.limit)
        self.titles += ["zImage", codec.name]
        self.boxed = True
        self.stream, self.size = _rewound(unpacked)
        return True


def _unknown(head: bytes, name: str, layers: list[str]) -> SourceError:
    known = "raw BTF, ELF, a kernel boot image, a package, or one of these compressed"
    codecs = ", ".join(codec.name for codec in compression.CODECS)
    if layers and layers[-1] in images.IMAGES:
        what, known = f"the {layers[-1]}'s payload", codecs
    else:
        what = f"the {layers[-1]} data" if layers else "the file"
    begins = f"begins with {head[:4].hex(' ')}" if head else "is empty"
    return SourceError(f"{name}: {what} {begins}, expected {known}", got=head[:4], expected=known)


def _whole(stream: BinaryIO, size: int, name: str) -> bytes:
    """All of a stream."""
    if size > compression.LIMIT:
        raise _too_large(name, size)
    stream.seek(0)
    return stream.read()


def _too_large(name: str, size: int) -> SourceError:
    limit = compression.LIMIT
    return SourceError(
        f"{name}: {size} bytes or more, the limit is {limit}",
        got=size,
        expected=f"at most {limit} bytes",
    )


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable stream and its length; pipes and standard input are read into memory."""
    if path == STDIN:
        if sys.stdin is None:
            raise SourceError("standard input is closed", expected="a file or a pipe")
        yield _slurped(sys.stdin.buffer, name_of(path))
        return
    # pathlib takes longer than the system does, which shows with thousands of modules.
    with open(path, "rb") as file:  # noqa: PTH123
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            yield file, status.st_size
        elif stat.S_ISFIFO(status.st_mode):
            yield _slurped(file, name_of(path))
        else:
            raise SourceError(
                f"{name_of(path)}: a device, expected a file or a pipe", expected="a file"
            )


def _slurped(pipe: BinaryIO, name: str) -> tuple[BinaryIO, int]:
    data = io.BytesIO()
    while chunk := pipe.read(STEP):
        data.write(chunk)
        if data.tell() > compression.LIMIT:
            raise _too_large(name, data.tell())
    return _rewound(data)


def _rewound(data: io.BytesIO) -> tuple[BinaryIO, int]:
    """What was written to memory, from its start, and how much it is."""
    size = data.tell()
    data.seek(0)
    return data, size


def name_of(path: str) -> str:
    """What a file is called in messages."""
    return "standard input" if path == STDIN else printable(path)
