"""Checks and conversions of arguments: one value of a few; one or several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, get_args

from btfschema._doors import shown

if TYPE_CHECKING:
    from attrs import Attribute

__all__ = ["as_bytes", "is_pattern", "one_of", "require_choice", "require_type", "several", "texts"]

__dir__ = shown(__all__)


def require_choice(
    what: str, value: object, choices: Any, error: type[ValueError] = ValueError
) -> None:
    """Refuse a value that is none of a few.

    Args:
        what: what the message calls the argument.
        value: what was given.
        choices: the values that are known: a ``Literal`` type, or a collection.
        error: what is raised; an error of this package where the input decides what is known.

    Raises:
        ValueError: it is none of them.
    """
    known = get_args(choices) or tuple(choices)
    if value not in known:
        *others, last = map(repr, known)
        listed = f"{', '.join(others)} or {last}" if others else last
        message = f"{what} {value!r} is not known, expected {listed}"
        raise error(message)


def require_type(what: str, value: object, wanted: Any, expected: str) -> None:
    """Refuse a value of a wrong type, which would fail far from here, or pass for something else.

    Args:
        what: what the message calls the argument.
        value: what was given.
        wanted: the types that it may be of, as ``isinstance`` takes them.
        expected: what would have been right, in words.

    Raises:
        TypeError: it is of none of them.
    """
    if not isinstance(value, wanted):
        message = f"{what} is of type {type(value).__name__}, expected {expected}"
        raise TypeError(message)


def as_bytes(data: Any) -> bytes:
    """What holds bytes, as bytes.

    Raises:
        TypeError: it holds none, or is the path of a file.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, str | os.PathLike):
        message = f"{os.fspath(data)!r} is a path, expected the bytes of BTF: load() reads files"
        raise TypeError(message)
    return bytes(data)


def one_of(choices: Any) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator for a field of an attrs class that holds one value of a few.

    Args:
        choices: as for :func:`require_choice`.
    """

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        require_choice(attribute.name, value, choices)

    return check


def several(given: Any, *single: type) -> list[Any]:
    """What was given, as a list; one value counts as several of which there is one.

    To Python a string is several strings and a container is several views: that is hardly meant.

    Args:
        given: one or several.
        single: the types of one.
    """
    return [given] if isinstance(given, single) else list(given)


def texts(given: str | Iterable[str]) -> tuple[str, ...]:
    """One string or several as a tuple: the converter for fields of attrs classes."""
    return tuple(several(given, str))


def is_pattern(name: str) -> bool:
    """Whether ``*``, ``?`` or ``[`` makes a name a pattern, as :mod:`fnmatch` has it."""
    return not set("*?[").isdisjoint(name)
