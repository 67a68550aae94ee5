"""Tar archives that hold one kernel's BTF, as BTFHub's archive keeps them (``NAME.btf.tar.xz``)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from btfschema.errors import NoBtfError, SourceError
from btfschema.escapes import printable
from btfschema.sources import images
from btfschema.sources.elf import ELF_MAGIC

if TYPE_CHECKING:
    import tarfile

__all__ = ["btf_in_tar", "is_tar"]

MAGIC, MAGIC_AT = b"ustar", 257
# Files that an error names, and entries that are looked at.
LISTED, MOST_ENTRIES = 5, 10_000


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar archive."""
    return head[MAGIC_AT : MAGIC_AT + len(MAGIC)] == MAGIC


def btf_in_tar(stream: BinaryIO, name: str, limit: int) -> io.BytesIO:
    """The one file of an archive that is BTF or ELF.

    Args:
        stream: the archive, seekable.
        name: what it is called, for messages.
        limit: the most bytes that the file may have.

    Raises:
        NoBtfError: there is none.
        SourceError: there are several, it is too large, or the archive is damaged.
    """
    # Few files are archives, and the module takes longer to import than most files to read.
    import tarfile

    stream.seek(0)
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            found = list(_candidates(archive))
            if len(found) == 1:
                return _read(archive, found[0], name, limit)
    # What tarfile raises for archives that are damaged or made to be.
    except (tarfile.TarError, ValueError, IndexError, OverflowError, EOFError) as error:
        raise SourceError(f"{name}: damaged tar archive: {error}") from error
    if not found:
        raise NoBtfError(
            f"{name}: the tar archive holds no file that begins as BTF or ELF does",
            expected="one such file",
        )
    names = ", ".join(printable(member.name) for member in found[:LISTED])
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    raise SourceError(
        f"{name}: the tar archive holds {len(found)} files with BTF ({names}{more}): unpack it and "
        "give the one that is meant",
        got=len(found),
        expected="one file with BTF",
    )


def _candidates(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files that begin as BTF or ELF does."""
    from tarfile import ReadError

    for number, member in enumerate(archive):
        if number == MOST_ENTRIES:
            message = f"more than {MOST_ENTRIES} entries"
            raise ReadError(message)
        opened = archive.extractfile(member) if member.isreg() else None
        if opened is None:
            continue
        head = opened.read(len(ELF_MAGIC))
        if head[:2] in images.RAW_MAGICS or head == ELF_MAGIC:
            yield member


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, limit: int) -> io.BytesIO:
    if member.size > limit:
        raise SourceError(
            f"{name}: {printable(member.name)} has {member.size} bytes, the limit is {limit}",
            got=member.size,
            expected=f"at most {limit} bytes",
        )
    opened, out = archive.extractfile(member), io.BytesIO()
    out.write(opened.read(limit) if opened is not None else b"")
    return out
