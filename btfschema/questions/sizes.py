"""What takes a container's bytes: by kind, and by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import asdict, frozen

from btfschema.model.container import Btf
from btfschema.tables.types import Index

__all__ = ["KindBytes", "NameBytes", "Sizes", "sizes_of"]


@frozen
class KindBytes:
    """What the types of a kind take.

    Attributes:
        kind: the kind's name.
        types: how many there are.
        records: bytes of their records.
        strings: bytes of the strings that they are the first to use.
    """

    kind: str
    types: int
    records: int
    strings: int

    @property
    def total(self) -> int:
        """Bytes of both."""
        return self.records + self.strings


@frozen
class NameBytes:
    """What the types of one kind and name take.

    Attributes:
        kind: the kind's name.
        name: the types' name.
        types: how many there are.
        records: bytes of their records.
        strings: bytes of the strings that they are the first to use.
    """

    kind: str
    name: str
    types: int
    records: int
    strings: int


@frozen
class Sizes:
    """What takes a container's bytes; a base's are not counted.

    Attributes:
        kinds: by kind, most bytes first.
        names: by kind and name, most bytes first.
        unused: bytes of strings that no type uses.
        rest: bytes of the header, of a layout section, and between sections.
        total: all bytes.
    """

    kinds: tuple[KindBytes, ...]
    names: tuple[NameBytes, ...]
    unused: int
    rest: int
    total: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def sizes_of(btf: Btf, limit: int = 20) -> Sizes:
    """What takes the bytes of a container.

    Args:
        btf: the container, as it was read or built.
        limit: how many names to give.
    """
    table = btf.types
    records = (table.ends - table.starts).astype(np.int64) * table.words.itemsize
    strings, unused = _strings(btf)
    kinds = table.kinds.astype(np.int64)

    def by_kind(weights: Index) -> Index:
        return np.bincount(kinds, weights, minlength=256).astype(np.int64)

    counts = np.bincount(kinds, minlength=256)
    of_records, of_strings = by_kind(records), by_kind(strings)
    found = [
        KindBytes(
            btf.kinds.name(kind), int(counts[kind]), int(of_records[kind]), int(of_strings[kind])
        )
        for kind in np.flatnonzero(counts).tolist()
    ]
    total = _length(btf)
    return Sizes(
        tuple(sorted(found, key=lambda one: -one.total)),
        tuple(_names(btf, records, strings, limit)),
        unused,
        total - int(records.sum()) - len(btf.strings.data),
        total,
    )


def _length(btf: Btf) -> int:
    """Bytes of the whole blob."""
    header = btf.image.header
    return max([header.hdr_len, *(at + length for _, at, length in header.sections)])


def _strings(btf: Btf) -> tuple[Index, int]:
    """Bytes of the own strings that each type is the first to use, and of those that none uses."""
    table, strings = btf.types, btf.strings
    positions = table.string_positions
    local = table.words[positions].astype(np.int64) - strings.start
    inside = (local >= 0) & (local < len(strings.data))
    positions, local = positions[inside], local[inside]
    # The entry that an offset lies in; a name may be the tail of a longer string.
    entries, firsts = np.unique(strings.ends.searchsorted(local, "right"), return_index=True)
    lengths = np.diff(strings.ends, prepend=0)
    rows = table.starts.searchsorted(positions[firsts], "right") - 1
    known = entries < len(lengths)
    used = lengths[entries[known]]
    found = np.bincount(rows[known], used, minlength=len(table)).astype(np.int64)
    return found, len(strings.data) - int(used.sum())


def _names(btf: Btf, records: Index, strings: Index, limit: int) -> list[NameBytes]:
    """The names whose types take most."""
    table = btf.types
    keys = table.name_offs.astype(np.int64) << 8 | table.kinds
    named = np.flatnonzero(~btf.strings.empty(table.name_offs))
    unique, inverse, counts = np.unique(keys[named], return_inverse=True, return_counts=True)
    of_records = np.bincount(inverse, records[named], minlength=len(unique)).astype(np.int64)
    of_strings = np.bincount(inverse, strings[named], minlength=len(unique)).astype(np.int64)
    order = np.argsort(-(of_records + of_strings), kind="stable")[:limit]
    names = btf.strings.names(unique[order] >> 8)
    return [
        NameBytes(
            btf.kinds.name(int(unique[at]) & 0xFF),
            name,
            int(counts[at]),
            int(of_records[at]),
            int(of_strings[at]),
        )
        for at, name in zip(order.tolist(), names, strict=True)
    ]
