"""What a step of a path leads to in a layout."""

from __future__ import annotations

from difflib import get_close_matches

from btfschema.errors import NoMemberError, UnresolvedError
from btfschema.escapes import printable
from btfschema.values.layout import Field, Layout, Record, Series

__all__ = ["Step", "element_place", "field_of"]

Step = str | int
"""A member's name, or the number of an element."""


def field_of(layout: Layout, name: str, path: str, what: str) -> Field:
    """The member of a record that a name leads to.

    Args:
        layout: what should be a record.
        name: the member's.
        path: what the record is called.
        what: its type in words.

    Raises:
        NoMemberError: there is none.
    """
    if not isinstance(layout, Record):
        raise NoMemberError(
            f"{path}: {what} has no members, so none called {name!r}", got=name, expected="a record"
        )
    field = layout.fields.get(name)
    if field is None:
        close = get_close_matches(name, layout.fields, 3)
        hint = f"; did you mean {', '.join(map(printable, close))}?" if close else ""
        raise NoMemberError(
            f"{path}: {what} has no member {name!r}{hint}",
            got=name,
            expected=f"one of its {len(layout.fields)} members",
        )
    return field


def element_place(layout: Layout, number: int, path: str, what: str) -> tuple[Series, int]:
    """The array, and which of its elements a number means; negative ones count from the end.

    Raises:
        UnresolvedError: there is none.
    """
    if not isinstance(layout, Series):
        raise UnresolvedError(f"{path}: {what} is not an array", got=number, expected="an array")
    at = number + layout.count if number < 0 else number
    if not 0 <= at < layout.count:
        raise UnresolvedError(
            f"{path}[{number}]: the array has {layout.count} elements",
            got=number,
            expected=f"0..{layout.count - 1}" if layout.count else "a count for a flexible array",
        )
    return layout, at
