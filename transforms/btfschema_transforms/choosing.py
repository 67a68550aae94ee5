"""Which types a pass is about: by kind, by name; what is said of names that nothing has.

Of many files some lack a name: a pass that takes such types out, or changes them, says so and goes
on. A pass whose result is what was named fails where that is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

import numpy as np

from btfschema import Btf
from btfschema.arguments import is_pattern
from btfschema.arrays import Mask
from btfschema.errors import SpecError, UnknownNameError
from btfschema.framework import Diagnostic

__all__ = ["names_lacking", "nothing_called", "rows_named", "rows_of_kinds", "some_named"]


def rows_of_kinds(btf: Btf, kinds: Iterable[str]) -> Mask:
    """Which of the container's own types have one of these kinds.

    Raises:
        SpecError: a name is none of a kind that the container knows.
    """
    numbers = {plan.name.lower(): number for number, plan in btf.types.plan.kinds.items()}
    wanted = []
    for kind in kinds:
        if kind.lower() not in numbers:
            known = ", ".join(sorted(numbers))
            raise SpecError(f'"{kind}" is not a kind; expected one of {known}', got=kind)
        wanted.append(numbers[kind.lower()])
    return np.isin(btf.types.kinds, wanted)


def rows_named(btf: Btf, patterns: Iterable[str]) -> Mask:
    """Which of the container's own types have a name that one of the patterns matches."""
    match = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    offsets, places = np.unique(btf.types.name_offs, return_inverse=True)
    names = btf.strings.names(offsets)
    return np.array([bool(name and match(name)) for name in names], np.bool_)[places]


def names_lacking(
    btf: Btf, names: Iterable[str], among: Mask | None = None, *, patterns: bool = True
) -> tuple[Diagnostic, ...]:
    """A warning for each name that none of the container's own types has.

    Args:
        btf: the container.
        names: names or patterns.
        among: which of the types count; all when None.
        patterns: whether ``*``, ``?`` and ``[...]`` mean something.
    """
    names = tuple(names)
    if not names:
        return ()
    offsets = btf.types.name_offs if among is None else btf.types.name_offs[among]
    there = set(btf.strings.names(np.unique(offsets))) - {""}

    def has(name: str) -> bool:
        if patterns and is_pattern(name):
            return any(map(re.compile(translate(name)).match, there))
        return name in there

    return tuple(nothing_called(btf, one, among) for one in names if not has(one))


def nothing_called(btf: Btf, name: str, among: Mask | None = None) -> Diagnostic:
    """The warning of one name."""
    kinds = " of these kinds" if among is not None else ""
    base = "; types of the base do not count" if btf.base is not None else ""
    return Diagnostic(f'no type{kinds} is called "{name}"{base}')


def some_named(
    btf: Btf, names: Iterable[str], chosen: Mask, *, patterns: bool = True
) -> tuple[Diagnostic, ...]:
    """The warnings of :func:`names_lacking`, if something is chosen nevertheless.

    Raises:
        UnknownNameError: names are given, and nothing is chosen.
    """
    lacking = names_lacking(btf, names, patterns=patterns)
    if lacking and not chosen.any():
        raise UnknownNameError(lacking[0].message, expected="names in this BTF")
    return lacking
