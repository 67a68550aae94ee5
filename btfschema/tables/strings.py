"""The string table and its builder, chained over bases.

Strings are NUL-terminated bytes, nearly always ASCII. They are presented as ``str``, decoded as
UTF-8 with ``surrogateescape``, so that any bytes survive a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import compress, repeat
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from btfschema.errors import DecodeError, EncodeError

__all__ = [
    "EIGHTS_MASKS",
    "LONGEST_NAME",
    "MAX_STRING_OFFSET",
    "Eights",
    "StringTable",
    "StringTableBuilder",
    "eights_of",
]

# libbpf's BTF_MAX_STR_OFFSET
MAX_STRING_OFFSET = 0x7FFFFFFF

# The kernel's KSYM_NAME_LEN, which counts the NUL: it takes no longer name of anything.
LONGEST_NAME = 512

# From one look-up in so many bytes on, decoding the whole table at once is cheaper than one by one.
# Look-ups of all calls count: who asks for some names after others asks for nearly all in the end.
BYTES_A_LOOKUP = 256
# The same for names whose ends are looked up at once, while the table is not decoded yet.
BYTES_A_NAME = 64

# Stands for the entry that starts at a byte where none does.
NO_ENTRY = -1

# Stands for an offset of a text that is not there yet.
NEW = -1
# No offset is lower: what no table has is looked up in the last base, which says so.
BEFORE_ALL = np.iinfo(np.int64).min


Eights = npt.NDArray[np.uint64]
"""Numbers of eight bytes each, of which the first is the lowest."""
# Of such a number, the bits of its first bytes, by how many of these are meant.
EIGHTS_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


def eights_of(data: bytes) -> Eights:
    """The eight bytes from each byte on, but for the last seven bytes; nothing is copied."""
    return np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))


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
    """Decoded strings by offset, filled when asked.

    Knows the bytes and not the table, which knows it: in a circle, thousands of tables that nobody
    uses any more would wait for the garbage collector.
    """

    def __init__(self, data: bytes, start: int, base: _Names | None) -> None:
        super().__init__()
        self.data, self.start, self.base = data, start, base

    def __missing__(self, offset: int) -> str:
        holder = self
        while offset < holder.start and holder.base is not None:
            holder = holder.base
        text = holder.get(offset)
        if text is None:
            text = _decode(_bytes_at(holder.data, holder.start, offset))
            # Strings may overlap: were their tails kept, a long one would be kept once a byte.
            if offset > holder.start and holder.data[offset - holder.start - 1]:
                return text
            holder[offset] = text
        self[offset] = text
        return text


def _bytes_at(data: bytes, start: int, offset: int) -> bytes:
    """The string at an offset of a section whose first byte is at ``start``, without its NUL."""
    if offset == 0 and not data:
        return b""
    local = offset - start
    if not 0 <= local < len(data):
        raise DecodeError(
            f"string offset {offset} is past the end of the strings ({start + len(data)} bytes)",
            got=offset,
            expected=f"less than {start + len(data)}",
        )
    end = data.find(b"\0", local)
    return data[local : end if end >= 0 else len(data)]


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
        self._names: _Names = _Names(data, self.start, base._names if base is not None else None)
        self._asked = 0
        # Indexing without a Python call of its own: views ask hundreds of thousands of times.
        self.lookup: Callable[[int], str] = self._names.__getitem__

    def __repr__(self) -> str:
        return f"StringTable({len(self.data)} bytes from offset {self.start})"

    def __getitem__(self, offset: int) -> str:
        """The string that starts at ``offset``, which may lie inside another.

        Raises:
            DecodeError: the offset is past the end of the strings.
        """
        return self._names[offset]

    @property
    def chain(self) -> tuple[StringTable, ...]:
        """The bases' tables from the first to the last, then this one."""
        tables: list[StringTable] = [self]
        table = self.base
        while table is not None:
            tables.append(table)
            table = table.base
        return tuple(reversed(tables))

    def holder(self, offset: int) -> StringTable:
        """The table of the chain that an offset lies in, this one if it lies in none."""
        table = self
        while offset < table.start and table.base is not None:
            table = table.base
        return table

    def bytes_at(self, offset: int) -> bytes:
        """Like indexing, undecoded and without the NUL."""
        table = self.holder(offset)
        return _bytes_at(table.data, table.start, offset)

    def beginning(self, offset: int, length: int = LONGEST_NAME) -> str:
        """A string for a message: up to so many characters, and ``...`` where there are more.

        Strings may overlap. The tails of one long string in full would be more than any memory, and
        even to look for the end of each would take time by its square.

        Raises:
            DecodeError: as for one.
        """
        table = self.holder(offset)
        at = offset - table.start
        if not 0 <= at < len(table.data):
            return _decode(_bytes_at(table.data, table.start, offset))
        # UTF-8 takes four bytes for a character at most.
        text = _decode(table.data[at : at + 4 * length + 1].partition(b"\0")[0])
        return text if len(text) <= length else f"{text[:length]}..."

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and bool(self.find(text))

    def __iter__(self) -> Any:
        """The strings of this table in order, without the bases'."""
        return iter(self._entries)

    def find(self, text: str) -> list[int]:
        """All offsets, the bases' included, at which exactly ``text`` stands, in order.

        That includes the tails of longer strings, since a name may point there.
        """
        found = [offset for table in self.chain for offset in table.find_own(text)]
        if not text and not self.end:
            return [0]
        return found

    def find_own(self, text: str) -> list[int]:
        """Those of :meth:`find` that are in this table, and not in its bases."""
        try:
            needle = _encode(text)
        except EncodeError:
            return []
        found = []
        at = self.data.find(needle)
        while at >= 0:
            found.append(self.start + at)
            at = self.data.find(needle, at + 1)
        return found

    @cached_property
    def _entries(self) -> list[str]:
        return _decode(self.data).split("\0")[:-1]

    @cached_property
    def _texts(self) -> npt.NDArray[np.object_]:
        """The same, for many to be taken at once."""
        texts = np.empty(len(self._entries), object)
        texts[:] = self._entries
        return texts

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each entry starts, in bytes of ``data``."""
        starts = np.zeros(len(self.ends), np.int64)
        starts[1:] = self.ends[:-1]
        return starts

    @cached_property
    def _places(self) -> npt.NDArray[np.int32]:
        """Which entry starts at each byte, if any does, the bytes before and after all included."""
        places = np.full(len(self.data) + 2, NO_ENTRY, np.int32)
        places[self.starts + 1] = np.arange(len(self.starts))
        return places

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Offset of the first entry of each text in this table and its bases."""
        first: dict[str, int] = {}
        # The last to be written is the first in the chain.
        table: StringTable | None = self
        while table is not None:
            known = table.__dict__.get("index")
            if known is not None:
                first.update(known.copy())
                break
            starts = reversed((table.starts + table.start).tolist())
            first.update(zip(reversed(table._entries), starts, strict=True))
            table = table.base
        return MappingProxyType(first)

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """Where each entry ends, one past its NUL, in bytes of ``data``."""
        ends: npt.NDArray[np.int64] = (np.frombuffer(self.data, np.uint8) == 0).nonzero()[0] + 1
        return ends

    @cached_property
    def eights(self) -> Eights:
        """The eight bytes from each byte of ``data`` on, as a number; zeros follow the last."""
        return eights_of(self.data + bytes(7))

    def empty(self, offsets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether the string at each of these offsets is the empty one.

        Raises:
            IndexError: an offset is past the end of the strings.
        """
        if self.base is None:
            alone: npt.NDArray[np.bool_] = (
                np.frombuffer(self.data or b"\0", np.uint8).take(offsets) == 0
            )
            return alone
        found = np.zeros(len(offsets), np.bool_)
        for table in self.chain:
            here = offsets >= table.start
            data = np.frombuffer(table.data or b"\0", np.uint8)
            if table is not self:
                here &= offsets < table.end
            found[here] = data.take(offsets[here] - table.start) == 0
        return found

    def names(self, offsets: npt.NDArray[Any] | list[int]) -> list[str]:
        """The strings at many offsets at once.

        Raises:
            DecodeError: as for one.
        """
        array = np.asarray(offsets, np.int64)
        if self.base is None or not (array < self.start).any():
            return self._own_names(array)
        names = [""] * len(array)
        left = np.arange(len(array))
        table = self
        while len(left):
            # Tables of which nothing is asked are passed over.
            table = table.holder(int(array[left].max()))
            own = array[left] >= (table.start if table.base is not None else BEFORE_ALL)
            here = left[own]
            for at, text in zip(here.tolist(), table._own_names(array[here]), strict=True):
                names[at] = text
            left = left[~own]
        return names

    def _own_names(self, offsets: npt.NDArray[np.int64]) -> list[str]:
        """The strings at offsets from ``start`` on; when they are many, from the section cut up."""
        self._asked += len(offsets)
        if self._asked * BYTES_A_LOOKUP <= len(self.data) or not len(self.starts):
            return list(map(self.lookup, offsets.tolist()))
        local = offsets - self.start
        if self._asked * BYTES_A_NAME <= len(self.data) and "_entries" not in vars(self):
            ends = self.ends.take(self.ends.searchsorted(local, side="right"), mode="clip")
            # What is past the end, or before the start, is an error below.
            if ((local >= 0) & (local < ends)).all():
                pairs = zip(local.tolist(), (ends - 1).tolist(), strict=True)
                return [_decode(self.data[begin:end]) for begin, end in pairs]
        entries = self._places.take(local + 1, mode="clip")
        names: list[str] = self._texts.take(entries, mode="clip").tolist()
        # Some offsets may lie inside of strings, or past the end.
        inside = (entries == NO_ENTRY).nonzero()[0]
        for at, offset in zip(inside.tolist(), offsets.take(inside).tolist(), strict=True):
            names[at] = self.lookup(offset)
        return names


class StringTableBuilder:
    """Collects strings, each once, in order of first use; a split reuses its base's.

    The empty string is offset 0 and, for a base, comes first.
    """

    def __init__(self, base: StringTable | None = None) -> None:
        self._base_index = base.index if base is not None else {}
        self._start = base.end if base is not None else 0
        self._base = base
        self._own: dict[str, int] = {"": 0}
        self._data = bytearray()
        if base is None:
            self._data += b"\0"

    def __len__(self) -> int:
        """Bytes of the strings so far, without the base's."""
        return len(self._data)

    def truncate(self, size: int) -> None:
        """Forget the strings that were added since ``len`` was ``size``."""
        del self._data[size:]
        while len(self._own) > 1 and next(reversed(self._own.values())) >= self._start + size:
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

    def add_many(self, texts: list[str]) -> npt.NDArray[np.int64]:
        """The offsets of many strings, in the order given; as :meth:`add`, at less cost for each.

        Raises:
            EncodeError: as for one; nothing is added then.
        """
        own = self._own
        found = np.array(list(map(self._base_index.get, texts, repeat(NEW))), np.int64)
        if own:
            known = np.array(list(map(own.get, texts, repeat(NEW))), np.int64)
            np.copyto(found, known, where=found == NEW)
        new = found == NEW
        fresh = list(compress(texts, new.tolist()))
        distinct = dict.fromkeys(fresh)
        try:
            data = ("\0".join(distinct) + "\0").encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return self._refuse(fresh)
        ends = (np.frombuffer(data, np.uint8) == 0).nonzero()[0] + 1
        first = self._start + len(self._data)
        if not distinct:
            return found
        if len(ends) != len(distinct) or first + len(data) > MAX_STRING_OFFSET:
            return self._refuse(fresh)
        starts = np.concatenate([[first], first + ends[:-1]])
        own.update(zip(distinct, starts.tolist(), strict=True))
        self._data += data
        found[new] = starts if len(distinct) == len(fresh) else [own[text] for text in fresh]
        return found

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
        table = StringTable(bytes(self._data), self._base)
        if self._base is None:
            table.index = MappingProxyType(self._own.copy())
        return table
