"""Debian and RPM packages: where the archive with the files is in one."""

from __future__ import annotations

from typing import Any, BinaryIO

from attrs import frozen

from btfschema.errors import SourceError
from btfschema.sources.images import DEB_MAGIC, RPM_MAGIC, Payload
from btfschema.sources.packageheaders import AR_HEADER, RPM_HEADER, RPM_LEAD
from btfschema.sources.parts import check_inside

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
        return _deb(_Reader(stream, size, name, "Debian package"))
    if head.startswith(RPM_MAGIC):
        return _rpm(_Reader(stream, size, name, "RPM package"))
    return None


@frozen
class _Reader:
    """A package, of which every place is checked before it is read."""

    stream: BinaryIO
    size: int
    name: str
    form: str

    def check_inside(self, what: str, at: int, length: int) -> None:
        check_inside(self.name, self.form, what, at, length, self.size)

    def parse(self, struct: Any, what: str, at: int) -> Any:
        """One declared header."""
        length = struct.sizeof()
        self.check_inside(what, at, length)
        self.stream.seek(at)
        return struct.parse(self.stream.read(length), byteorder="big")

    def damaged(self, what: str, at: int, got: bytes, expected: str) -> SourceError:
        message = f"{self.name}: damaged {self.form}: no {what} at byte {at}"
        return SourceError(message, offset=at, got=got, expected=expected)


def _deb(reader: _Reader) -> Payload:
    """The member ``data.tar``, whatever suffix of a compression it has."""
    at = len(AR_MAGIC)
    for _ in range(MOST_MEMBERS):
        header = reader.parse(AR_HEADER, "the header of a member", at)
        digits = header.ar_size.strip()
        if header.ar_fmag != AR_END or not digits.isdigit():
            found, expected = header.ar_size + header.ar_fmag, "a size, then ` and a newline"
            raise reader.damaged("header of a member", at, found, expected)
        at, length = at + AR_HEADER.sizeof(), int(digits)
        if header.ar_name.startswith(DATA):
            reader.check_inside(DATA.decode(), at, length)
            return Payload("deb", at, length, packed=False)
        at += length + length % 2
    raise SourceError(
        f"{reader.name}: no {DATA.decode()} among the first {MOST_MEMBERS} members of the "
        f"{reader.form}",
        expected=DATA.decode(),
    )


def _rpm(reader: _Reader) -> Payload:
    """What follows the lead, the signature, padded to eight bytes, and the header."""
    at = RPM_LEAD.sizeof()
    for what in ("signature", "header"):
        at += -at % RPM_ALIGNMENT
        header = reader.parse(RPM_HEADER, f"the {what}", at)
        if header.magic != RPM_HEADER_MAGIC:
            raise reader.damaged("header", at, header.magic, RPM_HEADER_MAGIC.hex(" "))
        at += RPM_HEADER.sizeof() + RPM_INDEX_SIZE * header.nindex + header.hsize
    reader.check_inside("the archive of its files", at, 0)
    return Payload("rpm", at, reader.size - at, packed=False)
