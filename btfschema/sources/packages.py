"""Debian and RPM packages: where the archive with the files is in one."""

from __future__ import annotations

from typing import BinaryIO

from btfschema.errors import SourceError
from btfschema.sources.images import DEB_MAGIC, RPM_MAGIC, Payload
from btfschema.sources.packageheaders import AR_HEADER, RPM_HEADER, RPM_LEAD

__all__ = ["package_payload"]

# A Debian package has three or four members, and data.tar is the last.
MOST_MEMBERS = 32
AR_MAGIC, DATA, AR_END = b"!<arch>\n", b"data.tar", b"`\n"
RPM_HEADER_MAGIC, RPM_INDEX_SIZE, RPM_ALIGNMENT = b"\x8e\xad\xe8", 16, 8


def package_payload(head: bytes, stream: BinaryIO, size: int, name: str) -> Payload | None:
    """The archive of files in a package, compressed or not; None for anything else.

    Args:
        head: the file's start.
        stream: the file, seekable.
        size: its length in bytes.
        name: what it is called, for messages.

    Raises:
        SourceError: the package is damaged or truncated.
    """
    if head.startswith(DEB_MAGIC):
        return _deb(stream, size, name)
    return _rpm(stream, size, name) if head.startswith(RPM_MAGIC) else None


def _read(stream: BinaryIO, at: int, length: int, size: int, where: str) -> bytes:
    if at + length > size:
        raise SourceError(
            f"{where}: truncated: a header is bytes {at}..{at + length}, the file has {size} bytes",
            offset=at,
            got=size,
            expected=f"at least {at + length}",
        )
    stream.seek(at)
    return stream.read(length)


def _deb(stream: BinaryIO, size: int, name: str) -> Payload:
    """The member ``data.tar``, whatever suffix of a compression it has."""
    where, at = f"{name}: Debian package", len(AR_MAGIC)
    for _ in range(MOST_MEMBERS):
        data = _read(stream, at, AR_HEADER.sizeof(), size, where)
        header = AR_HEADER.parse(data, byteorder="big")
        digits = header.ar_size.strip()
        if header.ar_fmag != AR_END or not digits.isdigit():
            raise SourceError(
                f"{where}: damaged: no header of a member at byte {at}",
                offset=at,
                got=data[-12:],
                expected="a size, then ` and a newline",
            )
        at, length = at + len(data), int(digits)
        if header.ar_name.startswith(DATA):
            if at + length > size:
                raise SourceError(
                    f"{where}: truncated: {DATA.decode()} is bytes {at}..{at + length}, the file "
                    f"has {size} bytes",
                    offset=at,
                    got=size,
                    expected=f"at least {at + length}",
                )
            return Payload("deb", at, length, packed=False)
        at += length + length % 2
    raise SourceError(
        f"{where}: no {DATA.decode()} among its first {MOST_MEMBERS} members",
        expected=DATA.decode(),
    )


def _rpm(stream: BinaryIO, size: int, name: str) -> Payload:
    """What follows the lead, the signature, padded to eight bytes, and the header."""
    where, at = f"{name}: RPM package", RPM_LEAD.sizeof()
    for _ in ("signature", "header"):
        at += -at % RPM_ALIGNMENT
        data = _read(stream, at, RPM_HEADER.sizeof(), size, where)
        header = RPM_HEADER.parse(data, byteorder="big")
        if header.magic != RPM_HEADER_MAGIC:
            raise SourceError(
                f"{where}: damaged: no header at byte {at}",
                offset=at,
                got=header.magic,
                expected=RPM_HEADER_MAGIC.hex(" "),
            )
        at += len(data) + RPM_INDEX_SIZE * header.nindex + header.hsize
    if at > size:
        raise SourceError(
            f"{where}: truncated: its files start at byte {at}, the file has {size} bytes",
            offset=at,
            got=size,
            expected=f"at least {at}",
        )
    return Payload("rpm", at, size - at, packed=False)
