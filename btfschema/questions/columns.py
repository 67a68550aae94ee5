"""Columns of tables: numbers, names, types in C's words; as Arrow arrays or as Python values.

No column holds a Python object a row: names are offsets until somebody asks, types are ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import Factory, field, frozen

from btfschema.arrays import Index, Mask
from btfschema.errors import BtfError
from btfschema.questions.catalog import Catalog

__all__ = [
    "Column",
    "Constant",
    "Labels",
    "Names",
    "Numbers",
    "Spelled",
    "Table",
    "arrow",
]


def arrow() -> Any:
    """The module pyarrow.

    Raises:
        BtfError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise BtfError(
            "Arrow tables and Parquet files need pyarrow: pip install 'btfschema[tables]'",
            expected="the package pyarrow",
        ) from None
    return pyarrow


@frozen
class Column:
    """A column of a table.

    Attributes:
        name: what it is called.
    """

    name: str

    def arrow(self) -> Any:
        """The values as an Arrow array."""
        raise TypeError(f"{type(self).__name__} is not a column of its own")

    def values(self) -> list[Any]:
        """The values as Python objects."""
        raise TypeError(f"{type(self).__name__} is not a column of its own")


@frozen(eq=False)
class Numbers(Column):
    """Integers or booleans.

    Attributes:
        array: they.
        nulls: which rows have no value, or None when all have one.
    """

    array: npt.NDArray[Any]
    nulls: Mask | None = None

    def arrow(self) -> Any:
        """The values as an Arrow array."""
        return arrow().array(self.array, mask=self.nulls)

    def values(self) -> list[Any]:
        """The values as Python objects."""
        if self.nulls is None:
            return list(self.array.tolist())
        found = self.array.astype(object)
        found[self.nulls] = None
        return list(found.tolist())


@frozen(eq=False)
class Constant(Column):
    """The same text in each row.

    Attributes:
        text: it.
        count: rows.
    """

    text: str
    count: int

    def arrow(self) -> Any:
        """The values as an Arrow array with a dictionary of one text."""
        return arrow().DictionaryArray.from_arrays(
            _zeros(self.count), _labels((_clean(self.text),))
        )

    def values(self) -> list[Any]:
        """The values as Python objects."""
        return [self.text] * self.count


@frozen(eq=False)
class Labels(Column):
    """A few texts that many rows have.

    Attributes:
        labels: the texts.
        codes: of each row the text's number.
    """

    labels: Sequence[str]
    codes: npt.NDArray[Any]

    def arrow(self) -> Any:
        """The values as an Arrow array with a dictionary."""
        pa = arrow()
        codes = pa.array(self.codes.astype(np.int32))
        return pa.DictionaryArray.from_arrays(codes, _labels(tuple(self.labels)))

    def values(self) -> list[Any]:
        """The values as Python objects."""
        return [self.labels[code] for code in self.codes.tolist()]


def _zeros(count: int) -> Any:
    """As many codes of the first text; parts of one array that grows."""
    longest = 1 << max(16, count.bit_length())
    return _all_zeros(longest).slice(0, count)


@lru_cache(maxsize=2)
def _all_zeros(count: int) -> Any:
    return arrow().array(np.zeros(count, np.int32))


@lru_cache(maxsize=64)
def _labels(texts: tuple[str, ...]) -> Any:
    return arrow().array(list(texts), arrow().string())


@frozen(eq=False)
class Names(Column):
    """Strings of a container.

    Attributes:
        catalog: the container's.
        offsets: into its strings.
    """

    catalog: Catalog
    offsets: npt.NDArray[Any]

    def arrow(self) -> Any:
        """The values as an Arrow array, cut from the string section."""
        table = self.catalog.btf.strings
        base = self.catalog.base
        offsets = self.offsets.astype(np.int64)
        own = offsets >= table.start
        if base is None or own.all():
            return _entries(self.catalog).at(offsets - table.start)
        parts = [
            Names(self.name, base, offsets[~own]).arrow(),
            _entries(self.catalog).at(offsets[own] - table.start),
        ]
        return _interleaved(parts, own)

    def values(self) -> list[Any]:
        """The values as Python objects."""
        return self.catalog.btf.strings.names(self.offsets)


@frozen(eq=False)
class Spelled(Column):
    """Types in C's words.

    Attributes:
        catalog: the types.
        ids: type ids.
    """

    catalog: Catalog
    ids: Index

    def arrow(self) -> Any:
        """The values as an Arrow array."""
        catalog, ids = self.catalog, self.ids
        if catalog.base is None:
            return _spelled(catalog).take(arrow().array(ids))
        own = ids >= catalog.first_id
        if own.all():
            return _spelled(catalog).take(arrow().array(ids - catalog.first_id))
        parts = [
            Spelled(self.name, catalog.base, ids[~own]).arrow(),
            _spelled(catalog).take(arrow().array(ids[own] - catalog.first_id)),
        ]
        return _interleaved(parts, own)

    def values(self) -> list[Any]:
        """The values as Python objects."""
        text = self.catalog.text
        return [text(type_id) for type_id in self.ids.tolist()]


def _interleaved(parts: list[Any], second: Mask) -> Any:
    """The first part's values where the mask is false, the second's where it is true."""
    order = np.empty(len(second), np.int64)
    order[np.flatnonzero(~second)] = np.arange(len(parts[0]))
    order[np.flatnonzero(second)] = np.arange(len(parts[1])) + len(parts[0])
    pa = arrow()
    return pa.concat_arrays(parts).take(pa.array(order))


def _clean(text: str) -> str:
    r"""Text that UTF-8 can hold: a byte that is not UTF-8 as ``\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@frozen(eq=False, slots=False)
class _Entries:
    """The strings of one section as an Arrow array."""

    catalog: Catalog

    @cached_property
    def _starts(self) -> Index:
        ends = self.catalog.btf.strings.ends
        return np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]

    @cached_property
    def _array(self) -> Any:
        """All entries: the section without its NULs, and where each begins; None if no UTF-8."""
        data = self.catalog.btf.strings.data
        try:
            data.decode()
        except UnicodeDecodeError:
            return None
        pa = arrow()
        ends = self.catalog.btf.strings.ends
        count = len(ends)
        offsets = np.zeros(count + 1, np.int32)
        offsets[1:] = ends - np.arange(1, count + 1)
        text = np.frombuffer(data, np.uint8)
        text = text[: int(ends[-1]) if count else 0]
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text[text != 0].tobytes())]
        return pa.Array.from_buffers(pa.string(), count, buffers)

    def at(self, local: Index) -> Any:
        """The strings that start at these bytes of the section."""
        pa = arrow()
        starts = self._starts
        entries = starts.searchsorted(local)
        known = entries < len(starts)
        if self._array is not None and known.all() and (starts[entries] == local).all():
            return self._array.take(pa.array(entries))
        strings = self.catalog.btf.strings
        return pa.array([_clean(one) for one in strings.names(local + strings.start)], pa.string())


def _entries(catalog: Catalog) -> _Entries:
    found: _Entries = catalog.kept.setdefault(_Entries, _Entries(catalog))
    return found


def _spelled(catalog: Catalog) -> Any:
    """The types of a catalog in C's words; of one without a base, void before them."""
    found = catalog.kept.get(_spelled)
    if found is None:
        texts = catalog.texts if catalog.base is not None else ["void", *catalog.texts]
        try:
            found = arrow().array(texts, arrow().string())
        except UnicodeEncodeError:
            found = arrow().array([_clean(text) for text in texts], arrow().string())
        catalog.kept[_spelled] = found
    return found


@frozen(eq=False)
class Table:
    """One table.

    Attributes:
        name: what its rows are.
        columns: in order.
        count: rows.
    """

    name: str
    columns: tuple[Column, ...]
    count: int
    _by_name: dict[str, Column] = field(
        init=False,
        default=Factory(lambda self: {one.name: one for one in self.columns}, takes_self=True),
    )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    def arrow(self) -> Any:
        """The table as a ``pyarrow.Table``.

        Raises:
            BtfError: pyarrow is not installed.
        """
        arrays = [column.arrow() for column in self.columns]
        return arrow().table(arrays, names=self.names)

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows as Python tuples."""
        return list(zip(*[column.values() for column in self.columns], strict=True))
