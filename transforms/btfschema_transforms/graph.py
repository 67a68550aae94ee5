"""What is worked out once for a container that many splits share.

Each function takes a container that serves as a base, and keeps its answer for as long as the
container lives, so that the cost for one split is that of the split alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf, Kind
from btfschema.plan import KIND_MASK

__all__ = ["COMPOSITES", "NAMED_IN_BASE", "Graph", "graph_of", "named", "per_container"]

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

COMPOSITES = (Kind.STRUCT, Kind.UNION)

# What a distilled base may hold; ENUM64 stands there as a plain ENUM.
NAMED_IN_BASE = (*COMPOSITES, Kind.INT, Kind.FLOAT, Kind.FWD, Kind.ENUM, Kind.ENUM64)

# Definitions of code and data: they can't be repeated in a split that refers to them.
UNREPEATABLE = (Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG, Kind.LOCSEC)

Answer = TypeVar("Answer")


def kind_mask(kinds: Iterable[int]) -> Mask:
    """A mask over all kinds, to be indexed with a column of kinds."""
    mask = np.zeros(KIND_MASK + 1, np.bool_)
    mask[list(kinds)] = True
    mask.flags.writeable = False
    return mask


def per_container(work: Callable[[Btf], Answer]) -> Callable[[Btf], Answer]:
    """Keep ``work``'s answer for a container with it."""

    @wraps(work)
    def answer(btf: Btf) -> Answer:
        known = btf.analyses
        if work not in known:
            known[work] = work(btf)
        found: Answer = known[work]
        return found

    return answer


def named(btf: Btf, rows: Index | slice = slice(None)) -> Mask:
    """Whether types of the chain, by row of ``all_types``, have a name that is not empty."""
    offsets = btf.all_types.name_offs[rows]
    data = b"".join(part.strings.data for part in btf.chain) or b"\0"
    first = np.frombuffer(data, np.uint8)[offsets]
    mask: Mask = (offsets != 0) & (first != 0)
    return mask


@frozen(eq=False)
class Graph:
    """What the types of a base refer to, as far as a distilled base has to follow it.

    Attributes:
        starts: for the type with id i, its references are ``targets[starts[i] : starts[i + 1]]``.
            A named STRUCT or UNION has none here: its name stands for it.
        targets: type ids.
        refused: by id, whether the type can be neither distilled nor repeated.
        distilled: by id, whether the type belongs in a distilled base.
    """

    starts: Any
    targets: Any
    refused: Mask
    distilled: Mask

    def references(self, type_id: int) -> list[int]:
        """What a type refers to, in the schema's order."""
        found: list[int] = self.targets[self.starts[type_id] : self.starts[type_id + 1]].tolist()
        return found

    def closure(self, ids: Index) -> Index:
        """``ids`` and all that they lead to, ascending."""
        starts, targets = self.starts, self.targets
        stack: list[int] = ids.tolist()
        seen = {0, *stack}
        while stack:
            type_id = stack.pop()
            for target in targets[starts[type_id] : starts[type_id + 1]]:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
        seen.remove(0)
        found = np.fromiter(seen, np.int64, len(seen))
        found.sort()
        return found


@per_container
def graph_of(base: Btf) -> Graph:
    """The reference graph of a base and its own bases."""
    types = base.all_types
    has_name = named(base)
    opaque = np.isin(types.kinds, [plan.number for plan in types.present if plan.is_opaque])
    refused = np.isin(types.kinds, UNREPEATABLE) | opaque
    ends = (np.isin(types.kinds, COMPOSITES) & has_name) | refused
    positions = types.type_id_positions
    firsts = np.searchsorted(positions, np.append(types.starts, len(types.words)))
    counts = np.diff(firsts)
    followed = ~np.repeat(ends, counts)
    counts[ends] = 0
    starts = np.zeros(len(types) + 2, np.int64)
    np.cumsum(counts, out=starts[2:])
    # Memory views, since a walk reads single numbers: several times as fast as from numpy.
    return Graph(
        starts.data,
        types.words[positions[followed]].astype(np.int64).data,
        np.append(False, refused),
        np.append(False, np.isin(types.kinds, NAMED_IN_BASE) & has_name),
    )
