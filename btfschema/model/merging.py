"""Many containers as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import frozen

from btfschema.arguments import several
from btfschema.arrays import Index, Words
from btfschema.errors import EncodeError, PassError, RequirementError
from btfschema.model.container import Btf, require_btf
from btfschema.tables.compaction import sections_of
from btfschema.tables.ids import IdMap
from btfschema.tables.joined import Joined
from btfschema.tables.strings import MAX_STRING_OFFSET, StringTable

__all__ = ["MergeResult", "merge", "merge_named"]


@frozen
class MergeResult:
    """Many containers as one.

    Attributes:
        btf: the one.
        ids: for each input, where its ids went, those of its bases included.
    """

    btf: Btf
    ids: tuple[IdMap, ...]


def merge(btfs: Btf | Iterable[Btf], base: Btf | None = None) -> MergeResult:
    """Put the types of many containers into one, one container after the other.

    No type is dropped: ``dedup`` does that. Each text is there once. ``.BTF.ext`` is about one
    program and is left out.

    Args:
        btfs: the containers, or one: stand-alone ones, and splits over equal bases.
        base: what the result is split over; by default what the inputs are split over.

    Raises:
        RequirementError: there are no inputs, they are split over different bases, or their byte
            orders differ.
        PassError: one holds a kind that the schema does not declare.
        EncodeError: the result is too large for the format.
    """
    inputs = several(btfs, Btf)
    for btf in inputs:
        require_btf("the input", btf)
    return merge_named(inputs, base, [f"input {number}" for number in range(len(inputs))])


def merge_named(btfs: Sequence[Btf], base: Btf | None, names: Sequence[str]) -> MergeResult:
    """What :func:`merge` does; ``names`` is what errors call the containers."""
    if not btfs:
        raise RequirementError("there is nothing to merge", got="no BTF", expected="at least one")
    if base is None:
        base = next((btf.base for btf in btfs if btf.base is not None), None)
    for name, btf in zip(names, btfs, strict=True):
        if btf.byteorder != btfs[0].byteorder:
            raise RequirementError(
                f"{name} is {btf.byteorder}-endian and {names[0]} {btfs[0].byteorder}-endian",
                got=btf.byteorder,
                expected=btfs[0].byteorder,
            )
        _refuse_misfit(name, btf, base)
    first_id = base.end_id if base is not None else 1
    joined = Joined.of([btf.types for btf in btfs])
    types = joined.types
    firsts = first_id + joined.rows[:-1]
    own_firsts = np.array([btf.first_id for btf in btfs])
    id_at, string_at = types.type_id_positions, types.string_positions
    id_counts = joined.counts(id_at)
    olds = types.words.take(id_at).astype(np.int64)
    shifts = (firsts - own_firsts).repeat(id_counts)
    olds += np.where(olds >= own_firsts.repeat(id_counts), shifts, 0)
    table, uses = _joined_strings(btfs, base, types.words.take(string_at), joined.counts(string_at))
    (data,), (offsets,) = sections_of(table, [uses])
    changed = types.rewritten([(id_at, olds), (string_at, offsets)], first_id)
    result = Btf.assemble(changed, data, like=btfs[0], base=base)
    maps = [
        IdMap(btf.end_id, [0, btf.first_id][: 1 + bool(len(btf))], [0, first][: 1 + bool(len(btf))])
        for btf, first in zip(btfs, firsts.tolist(), strict=True)
    ]
    return MergeResult(result, tuple(maps))


def _refuse_misfit(name: str, btf: Btf, base: Btf | None) -> None:
    rows = btf.types.opaque_rows()
    if len(rows):
        type_id = btf.first_id + int(rows[0])
        raise PassError(
            f"{name} holds {btf.describe(type_id)}, whose kind the schema does not "
            "declare: what it refers to is unknown",
            type_id=type_id,
            expected="declared kinds",
        )
    if base is not None and base.byteorder != btf.byteorder:
        raise RequirementError(
            f"the base is {base.byteorder}-endian and {name} {btf.byteorder}-endian",
            got=base.byteorder,
            expected=btf.byteorder,
        )
    if btf.base is None or btf.base is base or (base is not None and base.equivalent(btf.base)):
        return
    raise RequirementError(
        f"{name} is split over another base: {_difference(btf.base, base)}",
        got=repr(btf.base),
        expected=repr(base),
    )


def _difference(one: Btf, other: Btf | None) -> str:
    """How two bases differ, in a few words."""
    if other is None:
        return "the result has none"
    counts = one.end_id - 1, other.end_id - 1
    if counts[0] != counts[1]:
        return f"it has {counts[0]} types, the result's has {counts[1]}"
    if one.strings.end != other.strings.end:
        return f"it has {one.strings.end} bytes of strings, the result's has {other.strings.end}"
    return "it has as many types as the result's, but other ones"


def _joined_strings(
    btfs: Sequence[Btf], base: Btf | None, words: Words, counts: Index
) -> tuple[StringTable, Words]:
    """All containers' strings as one table over the base's, and the offsets there of all uses.

    Raises:
        EncodeError: they are too many for the format.
    """
    below = base.strings if base is not None else None
    # A base's section starts with the empty text.
    parts = [b"\0"] if below is None else []
    start = below.end if below is not None else 1
    firsts = []
    for btf in btfs:
        firsts.append(start)
        parts.append(btf.strings.data)
        start += len(btf.strings.data)
    if start > MAX_STRING_OFFSET:
        raise EncodeError(f"the merged strings would take {start} bytes", got=start)
    own = np.array([btf.strings.start for btf in btfs], np.uint32)
    shifts = (np.array(firsts, np.uint32) - own).repeat(counts)
    uses = np.where((words >= own.repeat(counts)) & (words > 0), words + shifts, words)
    return StringTable(b"".join(parts), below), uses
