"""JSON lines whose rows hold large parts in common: each part is turned into text once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from json import dumps, loads
from json.encoder import encode_basestring_ascii
from typing import Any

from btfschema.escapes import plain

__all__ = ["LISTED", "SharedList", "line", "listed"]

# How many of the things that many rows may all list a row does list. Each of n types of a hostile
# file can have n candidates; in kernels it is a handful.
LISTED = 100


class SharedList(list[Any]):
    """JSON-able data that many reports hold, so that nobody may change it.

    A list like any other but that its text is kept; it is sent to other processes as that text.
    """

    @cached_property
    def text(self) -> str:
        """The list as JSON."""
        return dumps(plain(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.text,)


def _received(text: str) -> SharedList:
    shared = SharedList(loads(text))
    shared.text = text
    return shared


def listed(name: str, values: Sequence[Any], total: int) -> dict[str, Any]:
    """The part of a row that lists the first :data:`LISTED` of so many values.

    Where that leaves some out, NAME_total says how many there are.
    """
    shown = list(values[:LISTED])
    return {name: shown} if total <= LISTED else {name: shown, f"{name}_total": total}


def line(value: Any) -> str:
    """``json.dumps(plain(value))``, sooner when there are shared parts."""
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(plain(value))
    if kind is int:
        return repr(value)
    if kind is SharedList:
        return str(value.text)
    if kind is list:
        return f"[{', '.join(map(line, value))}]"
    if kind is dict and set(map(type, value)) == {str}:
        parts = [f"{line(key)}: {line(one)}" for key, one in value.items()]
        return f"{{{', '.join(parts)}}}"
    return dumps(plain(value))
