"""The string table and its builder, chained over bases.

Strings are NUL-terminated bytes, nearly always ASCII. They are presented as ``str``, decoded as
UTF-8 with ``surrogateescape``, so that any bytes survive a round trip.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from btfschema.errors import DecodeError, EncodeError

__all__ = ["StringTable", "StringTableBuilder"]

# libbpf's BTF_MAX_STR_OFFSET
MAX_STRING_OFFSET = 0x7FFFFFFF

# From one look-up in so many bytes on, decoding the whole table at once is cheaper than one by one.
BYTES_A_LOOKUP = 256


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    """The bytes of a string, with its NUL.

    Raises:
        EncodeError: the text holds a NUL, or a surrogate that stands for no byte.
    """
    if "\0" in text:
        raise EncodeError(f"string {text!r} holds a NUL", got=text, expected="no NUL")
    try:
        return text.encode("utf-8", "surrogateescape") + b"\0"
    except UnicodeEncodeError as error:
        raise EncodeError(
            f"string {text!r} can't be encoded: {error.reason} at {error.start}",
            got=text,
            expected="text that UTF-8 can hold",
        ) from None


class _Names(dict[int, str]):
    """Decoded strings by offset, filled when asked."""

    def __init__(self, table: StringTable) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, offset: int) -> str:
        table = self._table
        if offset < table.start and table.base is not None:
            text = table.base[offset]
        else:
            text = _decode(table.bytes_at(offset))
        self[offset] = text
        return text


class StringTable:
    """The strings of one BTF blob; offsets below ``start`` belong to the base.

    Args:
        data: the string section, NUL-terminated; may be empty.
        base: the table of the base BTF, for split BTF.
    """

    def __init__(self, data: bytes, base: StringTable | None = None) -> None:
        self.data = data
        self.base = base
        self.start: int = base.end if base is not None else 0
        self.end: int = self.start + len(data)
        self._names = _Names(self)
        # Indexing without a Python call of its own: views ask hundreds of thousands of times.
        self.lookup: Callable[[int], str] = self._names.__getitem__
        self._filled = False

    def __repr__(self) -> str:
        return f"StringTable({len(self.data)} bytes from offset {self.start})"

    def __getitem__(self, offset: int) -> str:
        """The string that starts at ``offset``, which may lie inside another.

        Raises:
            DecodeError: the offset is past the end of the strings.
        """
        return self._names[offset]

    def bytes_at(self, offset: int) -> bytes:
        """Like indexing, undecoded and without the NUL."""
        if offset < self.start and self.base is not None:
            return self.base.bytes_at(offset)
        if offset == 0 and not self.data:
            return b""
        local = offset - self.start
        if not 0 <= local < len(self.data):
            raise DecodeError(
                f"string offset {offset} is past the end of the strings ({self.end} bytes)",
                got=offset,
                expected=f"less than {self.end}",
            )
        end = self.data.find(b"\0", local)
        return self.data[local : end if end >= 0 else len(self.data)]

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and bool(self.find(text))

    def __iter__(self) -> Any:
        """The strings of this table in order, without the bases'."""
        return iter(self._entries)

    def find(self, text: str) -> list[int]:
        """All offsets, the bases' included, at which exactly ``text`` stands, in order.

        That includes the tails of longer strings, since a name may point there.
        """
        try:
            needle = _encode(text)
        except EncodeError:
            return []
        found = self.base.find(text) if self.base is not None else []
        at = self.data.find(needle)
        while at >= 0:
            found.append(self.start + at)
            at = self.data.find(needle, at + 1)
        if not text and not self.end:
            return [0]
        return found

    @cached_property
    def _entries(self) -> list[str]:
        return _decode(self.data).split("\0")[:-1]

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        ends = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 0)
        starts = np.zeros(len(ends), np.int64)
        starts[1:] = ends[:-1] + 1
        return starts

    @cached_property
    def index(self) -> dict[str, int]:
        """Offset of the first entry of each text in this table and its bases."""
        own = dict(
            zip(
                reversed(self._entries),
                reversed((self._starts + self.start).tolist()),
                strict=True,
            )
        )
        return {**own, **self.base.index} if self.base is not None else own

    def names(self, offsets: npt.NDArray[Any] | list[int]) -> list[str]:
        """The strings at many offsets at once.

        Raises:
            DecodeError: as for one.
        """
        if not isinstance(offsets, list):
            offsets = offsets.tolist()
        if not self._filled and len(offsets) * BYTES_A_LOOKUP > len(self.data):
            starts = (self._starts + self.start).tolist()
            self._names.update(zip(starts, self._entries, strict=True))
            self._filled = True
        return list(map(self.lookup, offsets))


class StringTableBuilder:
    """Collects strings, each once, in order of first use; a split reuses its base's.

    The empty string is offset 0 and, for a base, comes first.
    """

    def __init__(self, base: StringTable | None = None) -> None:
        self._base_index = base.index if base is not None else {}
        self._start = base.end if base is not None else 0
        self._base = base
        self._own: dict[str, int] = {}
        self._data = bytearray()
        if base is None:
            self._data += b"\0"

    def __len__(self) -> int:
        """Bytes of the strings so far, without the base's."""
        return len(self._data)

    def truncate(self, size: int) -> None:
        """Forget the strings that were added since ``len`` was ``size``."""
        del self._data[size:]
        while self._own and next(reversed(self._own.values())) >= self._start + size:
            self._own.popitem()

    def add(self, text: str) -> int:
        """The offset of ``text``, added if it is new.

        Raises:
            EncodeError: the text holds a NUL, or the table would grow past libbpf's limit.
        """
        if not text:
            return 0
        offset = self._base_index.get(text)
        if offset is None:
            offset = self._own.get(text)
        if offset is not None:
            return offset
        data = _encode(text)
        offset = self._start + len(self._data)
        if offset + len(data) > MAX_STRING_OFFSET:
            raise EncodeError(f"strings would grow past {MAX_STRING_OFFSET} bytes", got=offset)
        self._own[text] = offset
        self._data += data
        return offset

    def add_many(self, texts: list[str]) -> list[int]:
        """The offsets of many strings, in the order given; as :meth:`add`, at less cost for each.

        Raises:
            EncodeError: as for one; nothing is added then.
        """
        base, own = self._base_index, self._own
        fresh = [text for text in dict.fromkeys(texts) if text not in base and text not in own]
        if "" in fresh:
            fresh.remove("")
        try:
            data = "".join([text + "\0" for text in fresh]).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return self._refuse(fresh)
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0) + 1
        first = self._start + len(self._data)
        if len(ends) != len(fresh) or first + len(data) > MAX_STRING_OFFSET:
            return self._refuse(fresh)
        starts = np.append(first, first + ends[:-1]) if len(ends) else ends
        own.update(zip(fresh, starts.tolist(), strict=True))
        self._data += data
        return [base.get(text) or own.get(text, 0) for text in texts]

    def _refuse(self, texts: list[str]) -> NoReturn:
        """Raise the error of the first of these that can't be added."""
        mark = len(self)
        try:
            for text in texts:
                self.add(text)
        finally:
            self.truncate(mark)
        raise EncodeError(f"strings would grow past {MAX_STRING_OFFSET} bytes")

    def build(self) -> StringTable:
        """The table of all strings so far."""
        return StringTable(bytes(self._data), self._base)
