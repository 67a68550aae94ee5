"""What is worked out once for a container that many splits share.

Each function takes a container that serves as a base, and keeps its answer for as long as the
container lives, so that the cost for one split is that of the split alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TypeVar

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


class _References(dict[int, tuple[int, ...]]):
    """What each type refers to, kept for the types that were asked for."""

    def __init__(self, starts: Index, targets: Index) -> None:
        super().__init__()
        self.starts, self.targets = starts, targets

    def __missing__(self, type_id: int) -> tuple[int, ...]:
        first, end = self.starts[type_id : type_id + 2].tolist()
        found = self[type_id] = tuple(self.targets[first:end].tolist())
        return found


@frozen(eq=False)
class Graph:
    """What the types of a base refer to, as far as a distilled base has to follow it.

    Attributes:
        references: by id, what the type refers to, in the schema's order. A named STRUCT or UNION
            refers to nothing here: its name stands for it.
        reached: by id, the ids that the type leads to, void and itself among them.
        refused: by id, whether the type can be neither distilled nor repeated.
        distilled: by id, whether the type belongs in a distilled base.
    """

    references: Mapping[int, tuple[int, ...]]
    reached: Mapping[int, Index]
    refused: Mask
    distilled: Mask

    def closure(self, ids: Index) -> Index:
        """``ids`` and all that they lead to, ascending."""
        marks = np.zeros(len(self.refused), np.bool_)
        marks[ids] = True
        reached = list(map(self.reached.__getitem__, ids.tolist()))
        if reached:
            marks[np.concatenate(reached)] = True
        marks[:1] = False
        return marks.nonzero()[0]


class _Reached(dict[int, Index]):
    """What each type leads to, itself included, kept for the types that were asked for."""

    def __init__(self, references: Mapping[int, tuple[int, ...]]) -> None:
        super().__init__()
        self.references = references

    def __missing__(self, type_id: int) -> Index:
        follow = self.references.__getitem__
        seen: set[int] = set()
        fresh = {type_id}
        while fresh:
            seen |= fresh
            fresh = set().union(*map(follow, fresh)) - seen
        found = self[type_id] = np.fromiter(seen, np.int64, len(seen))
        return found


@per_container
def graph_of(base: Btf) -> Graph:
    """The reference graph of a base and its own bases."""
    types = base.all_types
    has_name = named(base)
    opaque = [plan.number for plan in types.present if plan.is_opaque]
    refused = kind_mask([*UNREPEATABLE, *opaque])[types.kinds]
    ends = (kind_mask(COMPOSITES)[types.kinds] & has_name) | refused
    positions = types.type_id_positions
    firsts = np.searchsorted(positions, np.append(types.starts, len(types.words)))
    counts = np.diff(firsts)
    followed = ~np.repeat(ends, counts)
    counts[ends] = 0
    starts = np.zeros(len(types) + 2, np.int64)
    np.cumsum(counts, out=starts[2:])
    references = _References(starts, types.words[positions[followed]].astype(np.int64))
    return Graph(
        references,
        _Reached(references),
        np.append(False, refused),
        np.append(False, kind_mask(NAMED_IN_BASE)[types.kinds] & has_name),
    )
