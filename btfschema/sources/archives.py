"""Tar and cpio archives, read from their start to their end and never held as a whole.

BTFHub's archive keeps each kernel's BTF as ``NAME.btf.tar.xz``; packages have a tar (Debian) or
cpio archive (RPM) in them. Of an archive one file is taken: the kernel, or the only one with BTF.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from typing import Protocol

from attrs import define, evolve, field, frozen

from btfschema.errors import NoBtfError, SourceError
from btfschema.escapes import printable
from btfschema.sources import images
from btfschema.sources.compression import codec_of
from btfschema.sources.elf import ELF_MAGIC
from btfschema.sources.identity import BOOT_NAMES

__all__ = ["Entry", "entries", "is_kernel_name", "pick"]

# Files that an error names, and entries that are looked at: a kernel's package has 5,000.
LISTED, MOST_ENTRIES = 5, 200_000
# What tarfile raises for archives that are damaged or made to be.
DAMAGE = (tarfile.TarError, ValueError, IndexError, OverflowError, EOFError)
CPIO_END, LONGEST_NAME, CPIO_ALIGNMENT = b"TRAILER!!!", 4096, 4
STEP = 1 << 20
# Of one entry in a tar archive.
HEADERS = 1 << 20

# What a kernel's file is called.
KERNEL_NAME = re.compile(rf"(?:{BOOT_NAMES})(?:-[^/]*)?(?:\.(?:btf|debug|img|gz|xz|zst))*")
VMLINUX_NAME = re.compile(r"vmlinux(?:-[^/]*)?(?:\.(?:btf|debug|gz|xz|zst))*")
MODULE_NAME = re.compile(r".*\.(?:ko|btf)(?:\.(?:gz|xz|zst))?")
# The kernel itself comes first, then what boots it, then all else that may have BTF.
VMLINUX, IMAGE, OTHER = range(3)


class Reader(Protocol):
    """What gives bytes in order."""

    def read(self, size: int, /) -> bytes: ...


@frozen
class Entry:
    """A regular file in an archive, to be read before the next one.

    Attributes:
        name: its path.
        size: its length in bytes.
        stream: its content.
    """

    name: str
    size: int
    stream: Reader = field(repr=False)


def is_kernel_name(name: str) -> bool:
    """Whether the last part of a path is what kernels are called."""
    return KERNEL_NAME.fullmatch(name.rpartition("/")[2]) is not None


def entries(kind: str, stream: Reader, name: str, most: int | None = None) -> Iterator[Entry]:
    """The regular files of an archive, in order.

    Args:
        kind: ``"tar"`` or ``"cpio"``.
        stream: the archive.
        name: what it is called, for messages.
        most: the most bytes that may be read of all files together; tar's sparse files say that
            they are of any size.

    Raises:
        SourceError: the archive is damaged, or has too many entries.
    """
    total = _Total(most)
    found = _tar(stream) if kind == "tar" else _cpio(stream)
    try:
        for number, entry in enumerate(found):
            if number == MOST_ENTRIES:
                message = f"more than {MOST_ENTRIES} entries"
                raise tarfile.ReadError(message)
            if entry is not None:
                if "\0" in entry.name:
                    message = f"the name {printable(entry.name)} holds a NUL byte"
                    raise tarfile.ReadError(message)
                where = f"{name}: damaged {kind} archive"
                yield evolve(entry, stream=_Whole(entry.stream, where, total))
    except DAMAGE as error:
        raise SourceError(f"{name}: damaged {kind} archive: {error}") from error


@define
class _Total:
    """How many bytes were read of all files, and may be."""

    most: int | None
    given: int = 0

    def add(self, size: int) -> None:
        """Count bytes.

        Raises:
            tarfile.ReadError: there are more than there may be.
        """
        self.given += size
        if self.most is not None and self.given > self.most:
            message = f"its files hold more than the limit of {self.most} bytes"
            raise tarfile.ReadError(message)


@frozen
class _Whole:
    """A file that gives all the bytes that are asked for, fewer only at its end."""

    stream: Reader
    where: str
    total: _Total

    def read(self, size: int, /) -> bytes:
        parts, left = list[bytes](), size
        try:
            while left and (data := self.stream.read(left)):
                self.total.add(len(data))
                parts.append(data)
                left -= len(data)
        except DAMAGE as error:
            raise SourceError(f"{self.where}: {error}") from error
        return b"".join(parts)


def _tar(stream: Reader) -> Iterator[Entry | None]:
    fed = _Fed(stream)
    with tarfile.open(fileobj=fed, mode="r|") as archive:
        while (member := archive.next()) is not None:
            fed.most = archive.offset + HEADERS
            opened = archive.extractfile(member) if member.isreg() else None
            yield None if opened is None else Entry(member.name, member.size, opened)
            # tarfile keeps all that it has seen, for a second look that is never taken.
            archive.members = []  # type: ignore[attr-defined]


class _Fed(io.RawIOBase):
    """A reader as the file that tarfile wants.

    tarfile holds the headers of long names and attributes as a whole, however long they say they
    are. So it is not fed further than so many bytes behind the last entry.
    """

    def __init__(self, stream: Reader) -> None:
        super().__init__()
        self._stream, self._given, self.most = stream, 0, HEADERS

    def read(self, size: int = -1) -> bytes:
        if self._given > self.most:
            message = f"headers of more than {HEADERS} bytes"
            raise tarfile.ReadError(message)
        data = self._stream.read(size)
        self._given += len(data)
        return data


def _cpio(stream: Reader) -> Iterator[Entry | None]:
    from btfschema.sources.packageheaders import CPIO_HEADER

    while True:
        data = _exactly(stream, CPIO_HEADER.sizeof())
        header = CPIO_HEADER.parse(data, byteorder="big")
        if header.c_magic not in images.CPIO_MAGICS:
            message = f"a header begins with {header.c_magic.hex(' ')}, expected 070701 or 070702"
            raise ValueError(message)
        numbers = (header.c_mode, header.c_filesize, header.c_namesize)
        mode, size, name_size = (
            int.from_bytes(bytes.fromhex(one.decode("ascii"))) for one in numbers
        )
        if not 0 < name_size <= LONGEST_NAME:
            message = f"a name of {name_size} bytes, expected 1 to {LONGEST_NAME}"
            raise ValueError(message)
        name = _exactly(stream, name_size).rstrip(b"\0")
        _exactly(stream, -(len(data) + name_size) % CPIO_ALIGNMENT)
        if name == CPIO_END:
            return
        content = _Content(stream, size)
        regular = mode & 0o170000 == 0o100000
        text = name.decode("utf-8", "surrogateescape").removeprefix("./")
        yield Entry(text, size, content) if regular else None
        content.finish()
        _exactly(stream, -size % CPIO_ALIGNMENT)


@define
class _Content:
    """A file in a cpio archive."""

    stream: Reader
    left: int

    def read(self, size: int, /) -> bytes:
        data = self.stream.read(min(size, self.left))
        if not data and size and self.left:
            message = f"it ends {self.left} bytes before a file does"
            raise EOFError(message)
        self.left -= len(data)
        return data

    def finish(self) -> None:
        """Skip what was not read."""
        while self.left:
            self.read(STEP)


def _exactly(stream: Reader, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            message = f"it ends {size - len(data)} bytes before a header or padding does"
            raise EOFError(message)
        data += more
    return data


def pick(kind: str, stream: Reader, name: str, limit: int) -> tuple[str, io.BytesIO]:
    """The one file of an archive that is a kernel, or else the one that may have BTF.

    Args:
        kind: ``"tar"`` or ``"cpio"``.
        stream: the archive, at its start.
        name: what it is called, for messages.
        limit: the most bytes that the file may have.

    Returns:
        The file's name and its content.

    Raises:
        NoBtfError: there is none.
        SourceError: there are several, it is too large, or the archive is damaged.
    """
    found: list[list[str]] = [[], [], []]
    best: tuple[str, io.BytesIO] | None = None
    for entry in entries(kind, stream, name):
        head = entry.stream.read(images.HEAD_SIZE)
        rank = _rank(entry.name, head)
        if rank is None:
            continue
        # Nothing better came before, and it is the first of its kind.
        if not any(found[: rank + 1]):
            best = entry.name, _content(entry, head, name, limit)
        found[rank].append(entry.name)
    names = next(filter(None, found), [])
    if best is not None and len(names) == 1:
        return best
    if not names:
        raise NoBtfError(
            f"{name}: the {kind} archive holds no kernel, and no file that begins as BTF or ELF "
            "does",
            expected="one such file",
        )
    shown = ", ".join(map(printable, names[:LISTED]))
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    raise SourceError(
        f"{name}: the {kind} archive holds {len(names)} files that may have BTF ({shown}{more}): "
        "unpack it and pass the file you want, or use --all for all of them",
        got=len(names),
        expected="one file with BTF",
    )


def _rank(name: str, head: bytes) -> int | None:
    """How likely an entry is the one that is meant; None when it is not."""
    title = name.rpartition("/")[2]
    plain = head[:2] in images.RAW_MAGICS or head.startswith(ELF_MAGIC)
    packed = codec_of(head) is not None
    if (plain or packed) and VMLINUX_NAME.fullmatch(title):
        return VMLINUX
    if images.is_boot_image(head) or (packed and is_kernel_name(name)):
        return IMAGE
    return OTHER if plain or (packed and MODULE_NAME.fullmatch(title)) else None


def _content(entry: Entry, head: bytes, name: str, limit: int) -> io.BytesIO:
    if entry.size > limit:
        raise SourceError(
            f"{name}: {printable(entry.name)} has {entry.size} bytes, the limit is {limit}",
            got=entry.size,
            expected=f"at most {limit} bytes",
        )
    out = io.BytesIO()
    out.write(head)
    while more := entry.stream.read(STEP):
        out.write(more)
    return out
