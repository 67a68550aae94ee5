"""Which types a pass is about: by kind, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

import numpy as np

from btfschema import Btf
from btfschema.arrays import Mask
from btfschema.errors import SpecError

__all__ = ["rows_named", "rows_of_kinds"]


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
