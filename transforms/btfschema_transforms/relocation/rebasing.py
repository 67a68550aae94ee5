"""The primitive under ``distill``, ``rebase`` and ``relocate``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema import Btf
from btfschema.arrays import Index
from btfschema.errors import RequirementError
from btfschema.model import require_btf
from btfschema.tables import IdMap

__all__ = [
    "Offsets",
    "offsets_within",
    "placed",
    "rebase_onto",
    "require_base",
    "require_same_byteorder",
]

Offsets = Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.int64]]


def require_base(btf: Btf, work: str) -> Btf:
    """The base of split BTF.

    Raises:
        TypeError: it is not a container.
        RequirementError: the BTF stands alone.
    """
    require_btf("the input", btf)
    if btf.base is None:
        raise RequirementError(
            f"{work} needs split BTF, and this BTF has no base",
            got="stand-alone BTF",
            expected="BTF read over its base",
        )
    return btf.base


def require_same_byteorder(split: Btf, new_base: Btf) -> None:
    """Split BTF and its base are written in one byte order.

    Raises:
        TypeError: the new base is not a container.
        RequirementError: they are not.
    """
    require_btf("the target", new_base)
    if split.byteorder != new_base.byteorder:
        raise RequirementError(
            f"the BTF is {split.byteorder}-endian and its new base {new_base.byteorder}-endian",
            got=new_base.byteorder,
            expected=split.byteorder,
        )


def id_map(split: Btf, base_ids: IdMap, new_base: Btf) -> IdMap:
    """Base types as that map says, own types after the new base's."""
    starts = np.append(base_ids.starts, split.first_id)
    targets = np.append(base_ids.targets, new_base.end_id)
    kept = starts < split.end_id
    return IdMap(split.end_id, starts[kept], targets[kept])


def placed(text: str, target: Btf, data: bytearray) -> int:
    """The offset of a text in the target's strings, or else in ``data``, which follow them."""
    known = target.strings.index.get(text)
    if known is None:
        known = target.strings.end + len(data)
        data += text.encode("utf-8", "surrogateescape") + b"\0"
    return known


def offsets_within(olds: Index, news: Index, end: int, new_end: int) -> Offsets:
    """The map of string offsets for a split whose own strings move with the end of its base's.

    Args:
        olds: offsets into the old base's strings, ascending.
        news: what they become.
        end: where the old base's strings end.
        new_end: where the new base's strings end.
    """

    def offsets(values: npt.NDArray[np.uint32]) -> Index:
        moved = values.astype(np.int64)
        inside = moved < end
        moved[~inside & (moved > 0)] += new_end - end
        moved[inside] = news[np.searchsorted(olds, moved[inside])]
        return moved

    return offsets


def rebase_onto(
    split: Btf, new_base: Btf, ids: IdMap, strings: Offsets, data: bytes | None = None
) -> Btf:
    """Move a split BTF onto another base: the same records, their references rewritten.

    Args:
        split: the split BTF; none of its kinds may be opaque.
        new_base: what the result is split over.
        ids: where each id of ``split`` goes; own types keep their order after the new base's.
        strings: takes an array of string offsets to the new ones.
        data: the result's own string section; by default that of ``split``.

    Raises:
        RequirementError: the two have different byte orders.
    """
    require_same_byteorder(split, new_base)
    types = split.types
    id_at, string_at = types.type_id_positions, types.string_positions
    changes = [(id_at, ids.apply(types.words[id_at])), (string_at, strings(types.words[string_at]))]
    rewritten = types.rewritten(changes, new_base.end_id)
    own = split.strings.data if data is None else data
    moved = Btf.assemble(rewritten, own, like=split, base=new_base)
    if split.ext is None:
        return moved
    return evolve(moved, ext=split.ext.map(moved, type_ids=ids.apply, strings=strings))
