"""Writes BTF blobs word by word, so that they can say what the library would not."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from btfschema.schema import Kind

__all__ = ["Draft", "header"]


class Draft:
    """A blob in the making; words are little-endian."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.strings = bytearray(b"\0")
        self.types = 0

    def name(self, name: bytes) -> int:
        """The offset of a name."""
        if not name:
            return 0
        self.strings += name + b"\0"
        return len(self.strings) - len(name) - 1

    def add(
        self,
        kind: int,
        name: bytes = b"",
        third: int = 0,
        payload: Sequence[int] = (),
        *,
        vlen: int = 0,
        flag: int = 0,
    ) -> int:
        """Add a record and return its id."""
        self.words += (self.name(name), flag << 31 | kind << 24 | vlen, third, *payload)
        self.types += 1
        return self.types

    def integer(
        self, bits: int = 32, offset: int = 0, encoding: int = 0, size: int | None = None
    ) -> int:
        """Add an INT."""
        size = -(-(bits + offset) // 8) if size is None else size
        return self.add(Kind.INT, b"i", size, [bits | offset << 16 | encoding << 24])

    def struct(
        self, size: int, members: Sequence[tuple[int, int]], kind: int = Kind.STRUCT, flag: int = 0
    ) -> int:
        """Add a struct or union of (type id, offset word)."""
        words = [word for type_id, offset in members for word in (0, type_id, offset)]
        return self.add(kind, b"s", size, words, vlen=len(members), flag=flag)

    def blob(self) -> bytes:
        """Header, types, strings."""
        types = struct.pack(f"<{len(self.words)}I", *(word & 0xFFFFFFFF for word in self.words))
        return header(len(types), len(self.strings)) + types + bytes(self.strings)


def header(
    type_len: int,
    str_len: int,
    type_off: int = 0,
    str_off: int | None = None,
    hdr_len: int = 24,
    version: int = 1,
    flags: int = 0,
    magic: int = 0xEB9F,
) -> bytes:
    """``struct btf_header``."""
    at = type_len if str_off is None else str_off
    fields = (magic, version, flags, hdr_len, type_off, type_len, at, str_len)
    return struct.pack("<HBBIIIII", *fields)
