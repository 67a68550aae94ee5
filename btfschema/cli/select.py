"""Which types ``--id``, ``--name`` and ``--kind`` mean."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import click
import numpy as np

from btfschema.model.container import Btf
from btfschema.schema.kinds import Kind, Kinds
from btfschema.schema.plan import KIND_MASK

__all__ = ["kind_number", "kinds_meant", "select_ids"]

# Of the number of a kind, leading zeros included; int() takes no more than some thousands.
DIGITS = 9


def select_ids(
    btf: Btf, ids: Sequence[int], names: Sequence[str], kinds: Sequence[str]
) -> list[int]:
    """The ids that pass every filter that is given, in the order given or in id order.

    Raises:
        click.UsageError: a kind is unknown.
        TypeIdError: an id does not exist.
    """
    numbers = [kind_number(btf.kinds, kind) for kind in kinds]
    if ids:
        views = [(type_id, btf[type_id]) for type_id in ids]
        return [
            type_id
            for type_id, view in views
            if (not numbers or view.kind in numbers)
            and (not names or _matches(getattr(view, "name", ""), names))
        ]
    keep = np.ones(len(btf), np.bool_)
    if numbers:
        keep &= np.isin(btf.types.kinds, numbers)
    if names:
        keep &= _named(btf, names)
    return (np.flatnonzero(keep) + btf.first_id).tolist()


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _named(btf: Btf, globs: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """A mask of the types whose name matches; each distinct name is looked at once."""
    offsets, inverse = np.unique(btf.types.name_offs, return_inverse=True)
    matching = [_matches(name, globs) for name in btf.strings.names(offsets)]
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.array(matching, np.bool_)[inverse]
    return mask


def kinds_meant(number: int) -> frozenset[int]:
    """The kinds of what C calls as it calls a kind: ``enum`` is both kinds of enums."""
    return frozenset({number, Kind.ENUM64} if number == Kind.ENUM else {number})


def kind_number(kinds: Kinds, text: str) -> int:
    """The kind of this name or number; ``KIND_40`` is 40, as lists call what has no other name.

    Raises:
        click.UsageError: there is none.
    """
    known = {spec.name: number for number, spec in kinds.items()}
    number = known.get(text.upper())
    digits = text.upper().removeprefix("KIND_")
    if number is None and digits.isdecimal() and len(digits) <= DIGITS:
        number = int(digits)
    if number is None or number > KIND_MASK:
        close = get_close_matches(text.upper(), known, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        if "," in text:
            hint = " Give --kind several times for several kinds."
        raise click.UsageError(f"unknown kind {text!r}.{hint} Kinds: {', '.join(known)}.")
    return number
