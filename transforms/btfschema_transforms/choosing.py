"""Which types a pass is about: by kind, by name, with all that they need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

import numpy as np
import numpy.typing as npt

from btfschema import Btf, Kind
from btfschema.errors import SpecError

__all__ = ["closure", "rows_named", "rows_of_kinds"]

Mask = npt.NDArray[np.bool_]


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
            raise SpecError(f'"{kind}" is no kind; expected one of {known}', got=kind)
        wanted.append(numbers[kind.lower()])
    return np.isin(btf.types.kinds, wanted)


def rows_named(btf: Btf, patterns: Iterable[str]) -> Mask:
    """Which of the container's own types have a name that one of the patterns matches."""
    match = re.compile("|".join(translate(pattern) for pattern in patterns)).match
    offsets, places = np.unique(btf.types.name_offs, return_inverse=True)
    names = btf.strings.names(offsets)
    return np.array([bool(name and match(name)) for name in names], np.bool_)[places]


def closure(btf: Btf, roots: Mask, *, tags: bool = True) -> Mask:
    """The roots with everything of the container's own that they refer to.

    Args:
        btf: the container.
        roots: one entry for each of its own types.
        tags: whether the declaration tags of what is kept are kept too.
    """
    types = btf.types
    positions = types.type_id_positions
    users = np.searchsorted(types.starts, positions, side="right") - 1
    targets = types.words[positions].astype(np.int64) - btf.first_id
    own = targets >= 0
    users, targets = users[own], targets[own]
    if tags:
        on_tags = types.kinds[users] == Kind.DECL_TAG
        users, targets = (
            np.append(users, targets[on_tags]),
            np.append(targets, users[on_tags]),
        )
    order = np.argsort(users, kind="stable")
    bounds = np.searchsorted(users[order], np.arange(len(types) + 1)).tolist()
    leads_to = targets[order].tolist()
    live = roots.tolist()
    waiting = np.flatnonzero(roots).tolist()
    while waiting:
        row = waiting.pop()
        for target in leads_to[bounds[row] : bounds[row + 1]]:
            if not live[target]:
                live[target] = True
                waiting.append(target)
    return np.array(live, np.bool_)
