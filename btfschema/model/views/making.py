"""Views out of columns: how many records at once become attrs values.

An attrs class's own ``__init__`` costs a Python call for each value; a kernel has 700,000. Slots
filled column by column by C loops (``map``) cost a quarter of that.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice, repeat
from types import MemberDescriptorType
from typing import Any, NamedTuple, TypeVar, cast

from attrs import fields

from btfschema.arguments import require_type
from btfschema.schema.plan import KindPlan

__all__ = [
    "FLAG",
    "Elements",
    "Records",
    "container_setter",
    "grouped",
    "made",
    "many_new_objects",
]

One = TypeVar("One")
Setter = Callable[[Any, Any], None]


class Records(NamedTuple):
    """Some records of one kind by column: strings resolved, words signed as declared.

    Attributes:
        plan: the kind's plan.
        ids: the types' ids.
        names: their names.
        vlens: their vlens.
        flags: their kind_flags.
        thirds: their third words.
        fixed: for each word of the fixed struct, its values.
        columns: for each word of the repeated struct, the values of all records' elements.
        payloads: of a kind that only a layout section describes, the words after the common ones.
    """

    plan: KindPlan
    ids: list[int]
    names: list[str]
    vlens: list[int]
    flags: list[bool]
    thirds: list[int]
    fixed: tuple[list[Any], ...] = ()
    columns: tuple[list[Any], ...] = ()
    payloads: tuple[tuple[int, ...], ...] = ()


class Given(ABC):
    """A validator of what is given to a class: what a container holds needs none."""

    @abstractmethod
    def __call__(self, view: Any, attribute: Any, value: Any) -> None:
        """Check a value."""


class _Flag(Given):
    def __call__(self, view: Any, attribute: Any, value: Any) -> None:
        if value not in (0, 1):
            message = f"{attribute.name} is {value!r}, expected True or False"
            raise TypeError(message)


FLAG = _Flag()
"""For fields that are true or false."""


class Elements(Given):
    """For fields that hold the repeated structs of a type.

    Args:
        cls: their class.
    """

    def __init__(self, cls: type) -> None:
        self._cls, self._usual = cls, frozenset({cls})

    def __call__(self, view: Any, attribute: Any, value: Any) -> None:
        """Refuse others by their number."""
        if self._usual.issuperset(map(type, value)):
            return
        name = self._cls.__name__
        for number, one in enumerate(value):
            article = "an" if name[0] in "AEIOU" else "a"
            require_type(f"{attribute.name}[{number}]", one, self._cls, f"{article} {name}")


def _discard(iterator: Iterable[None]) -> None:
    """Run an iterator to its end."""
    deque(iterator, maxlen=0)


@contextmanager
def many_new_objects() -> Iterator[None]:
    """Keep the garbage collector from looking for circles among thousands of new objects.

    Views hold no circles of their own, and looking took as long as making them. It is switched on
    again at once, and stays off for those who keep it off.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def grouped(items: list[One], counts: list[int]) -> list[tuple[One, ...]]:
    """The elements of all records as a tuple for each record."""
    if len(counts) == 1:
        return [tuple(items)]
    rest = iter(items)
    return [tuple(islice(rest, count)) for count in counts]


def container_setter(cls: type) -> Setter:
    """What puts an instance into a container."""
    descriptor: Any = cls.__dict__["_btf"]
    setter: Setter = descriptor.__set__
    return setter


def made(
    cls: type[One],
    columns: Mapping[str, Iterable[Any]],
    count: int,
    owner: tuple[Setter, Any] | None = None,
) -> list[One]:
    """Instances of an attrs class.

    Args:
        cls: a frozen attrs class.
        columns: the values of its fields, by name; what is missing has its default.
        count: how many there are.
        owner: what puts an instance into a container, and the container.
    """
    setters = _setters(cast(Any, cls), tuple(columns))
    if setters is None:
        rows = zip(*columns.values(), strict=True) if columns else repeat((), count)
        items = [cls(**dict(zip(columns, row, strict=True))) for row in rows]
    else:
        items = list(map(cls.__new__, repeat(cls, count)))
        for (setter, converter), values in zip(setters, columns.values(), strict=True):
            _discard(map(setter, items, values if converter is None else map(converter, values)))
    if owner is not None:
        setter, container = owner
        _discard(map(setter, items, repeat(container)))
    return items


@lru_cache(maxsize=256)
def _setters(cls: Hashable, names: tuple[str, ...]) -> list[tuple[Setter, Any]] | None:
    """How to fill each of these fields, or None for a class that wants its ``__init__`` called."""
    declared = {one.name: one for one in fields(cast(Any, cls))}
    if set(declared) != set(names) or hasattr(cls, "__attrs_post_init__"):
        return None
    found: list[tuple[Setter, Any]] = []
    for name in names:
        slot, one = getattr(cls, name, None), declared[name]
        takes_more = hasattr(one.converter, "takes_self")
        checked = one.validator is not None and not isinstance(one.validator, Given)
        if not isinstance(slot, MemberDescriptorType) or checked or takes_more:
            return None
        found.append((slot.__set__, one.converter))
    return found
