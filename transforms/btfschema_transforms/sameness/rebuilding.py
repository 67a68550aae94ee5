"""Some of a container's types as containers of their own, with just the strings that they use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema import Btf
from btfschema.tables.ids import IdMap
from btfschema.tables.interning import pick, same_texts
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable
from btfschema_transforms.sameness.hashing import Index

__all__ = ["first_places", "rebuilt"]


def rebuilt(btf: Btf, parts: Sequence[Index], ids: IdMap) -> Btf:
    """Some of a container's own types, over the same base, and over those the next ones, and so on.

    Args:
        btf: the container.
        parts: for each container of the result, the rows of the types that it is to hold, in order.
        ids: what references to each id become.

    Returns:
        The last of them. ``.BTF.ext`` is about it.
    """
    tables, first_id, to = [], btf.first_id, ids.to_array()
    for rows in parts:
        tables.append(btf.types.take(rows, first_id))
        first_id += len(rows)
    uses = [_uses(table) for table in tables]
    if btf.ext is not None:
        uses[-1] = np.append(uses[-1], btf.ext.string_offsets).astype(np.uint32)
    firsts = first_places(btf.strings, np.concatenate(uses))
    sections, news = _sections(btf.strings, [firsts.take(used) for used in uses])

    def places(offsets: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        return news.take(firsts.take(offsets))

    result = btf.base
    for table, data in zip(tables, sections, strict=True):
        id_at, string_at = table.type_id_positions, table.string_positions
        targets = to.take(table.words.take(id_at))
        strings = places(table.words.take(string_at))
        changed = table.rewritten([(id_at, targets), (string_at, strings)], table.first_id)
        result = Btf.assemble(changed, data, like=btf, base=result)
    if result is None or btf.ext is None:
        return result or btf
    return evolve(result, ext=btf.ext.map(result, type_ids=ids.apply, strings=places))


def _uses(table: TypeTable) -> npt.NDArray[np.uint32]:
    return table.words.take(table.string_positions)


def first_places(table: StringTable, uses: npt.NDArray[np.integer]) -> npt.NDArray[np.uint32]:
    """By offset that is used: where the text stands first, in a base if it is there.

    Of a base whole strings count, and what is used.

    Raises:
        DecodeError: an offset is past the end of the strings.
    """
    if len(uses) and int(uses.max()) >= max(table.end, 1):
        table.bytes_at(int(uses.max()))
    used = np.zeros(table.end + 1, np.bool_)
    used[uses] = True
    for below in table.chain[:-1]:
        used[below.start + below.ends[:-1]] = True
        used[below.start] |= bool(below.data)
    used[0] = True
    offsets = used.nonzero()[0]
    # Half as wide: most of what this costs is to get the memory.
    found = np.zeros(table.end + 1, np.uint32)
    found[offsets] = same_texts(table, offsets)
    return found


def _sections(
    table: StringTable, groups: Sequence[npt.NDArray[np.uint32]]
) -> tuple[list[bytes], npt.NDArray[np.uint32]]:
    """A section for each group of offsets, each over those before, and what each offset becomes.

    What is in the table's base stays there.
    """
    own = [group[group >= table.start] for group in groups]
    base_end = table.start
    picked = pick(table, [np.zeros(0, np.int64), *own])
    # The first section is the empty text, which a base has already.
    shift = base_end - 1 if table.base is not None else 0
    news = np.zeros(table.end + 1, np.uint32)
    for group in groups:
        below = group[group < base_end]
        news[below] = below
    for group, offsets in zip(own, picked.offsets[1:], strict=True):
        news[group] = np.where(offsets > 0, offsets + shift, 0)
    sections = list(picked.sections[1:])
    if table.base is None:
        sections[0] = picked.sections[0] + sections[0]
    return sections, news
