"""A mapping that can't be changed, and that can be copied and pickled as values can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["ReadOnly", "read_only"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class ReadOnly(Mapping[Key, Value]):
    """A copy of a mapping, read-only.

    ``types.MappingProxyType`` can't be pickled.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[Key, Value]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: Key) -> Value:
        return self._items[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"ReadOnly({self._items!r})"


def read_only(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """A read-only copy: the converter for fields of attrs classes, as type checkers take it."""
    return ReadOnly(mapping)
