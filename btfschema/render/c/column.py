"""Columns that give a few values without making all of them.

Whoever walks over all types reads lists, which answer fastest; but to cut 100,000 types into lists
takes longer than to show one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Values", "numbers"]

Value = TypeVar("Value")


class Values(Protocol[Value]):
    """What a column of types is, whether a list or made as it is read."""

    def __len__(self) -> int:
        """How many values there are."""
        ...

    def __iter__(self) -> Iterator[Value]:
        """All of them."""
        ...

    @overload
    def __getitem__(self, at: int, /) -> Value: ...
    @overload
    def __getitem__(self, at: slice, /) -> list[Value]: ...

    def __setitem__(self, at: int, value: Value, /) -> None:
        """Change one."""


class Column(Generic[Value]):
    """Values that are made when somebody reads them.

    Args:
        source: what they are made of, one by one.
        one: gives the value at a place.
        many: gives those of a part of ``source``.
    """

    def __init__(
        self,
        source: npt.NDArray[Any],
        one: Callable[[int], Value],
        many: Callable[[npt.NDArray[Any]], list[Value]],
    ) -> None:
        self._source = source
        self._one = one
        self._many = many
        self._known: dict[int, Value] = {}

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Value]:
        return iter(self[:])

    @overload
    def __getitem__(self, at: int, /) -> Value: ...
    @overload
    def __getitem__(self, at: slice, /) -> list[Value]: ...
    def __getitem__(self, at: int | slice, /) -> Value | list[Value]:
        known = self._known
        if isinstance(at, slice):
            made = self._many(self._source[at])
            places = range(len(self))[at] if known else ()
            return list(map(known.get, places, made)) if known else made
        value = known.get(at)
        if value is None:
            value = known[at] = self._one(at)
        return value

    def __setitem__(self, at: int, value: Value, /) -> None:
        self._known[at] = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The values, of numbers."""
        found = np.array(self._source, dtype)
        if self._known:
            found[list(self._known)] = list(self._known.values())
        return found


def numbers(values: npt.NDArray[Any]) -> Column[int]:
    """A column of the numbers of an array."""
    return Column(values, values.item, np.ndarray.tolist)
