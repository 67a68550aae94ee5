"""Which of a table's strings are used, as new sections: a base's text keeps its place there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema.tables.interning import pick, same_texts
from btfschema.tables.strings import StringTable, StringTableBuilder

__all__ = ["first_places", "kept_strings", "sections_of"]

Offsets = npt.NDArray[np.uint32]


def first_places(table: StringTable, uses: npt.NDArray[np.integer]) -> Offsets:
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


def sections_of(
    table: StringTable, groups: Sequence[npt.NDArray[np.integer]]
) -> tuple[list[bytes], list[Offsets]]:
    """A section for each group of offsets, each over those before, and the offsets there.

    What is in the table's base stays there, and what a base has as a whole string is taken from it;
    of the rest each text is there once, in order of first use.

    Raises:
        DecodeError: an offset is past the end of the strings.
        EncodeError: so many strings overlap that one by one they take many times the space.
    """
    entries = [
        below.start + np.append(0, below.ends[:-1]) for below in table.chain[:-1] if below.data
    ]
    known = np.concatenate([np.zeros(0, np.int64), *entries])
    picked = pick(table, [known, *(group[group >= table.start] for group in groups)])
    # The base's texts, each where it stands first: what this section is picked for.
    places, firsts = np.unique(picked.offsets[0], return_index=True)
    cut, start = len(picked.sections[0]), max(table.start, 1)
    found = []
    for group, offsets in zip(groups, picked.offsets[1:], strict=True):
        moved = offsets + (start - cut)
        inside = ((offsets < cut) & (offsets > 0)).nonzero()[0]
        moved[inside] = known.take(firsts.take(places.searchsorted(offsets.take(inside))))
        moved[offsets == 0] = 0
        news = group.astype(np.uint32)
        news[group >= table.start] = moved
        found.append(news)
    sections = list(picked.sections[1:])
    if table.base is None:
        sections[0] = b"\0" + sections[0]
    return sections, found


def kept_strings(
    table: StringTable, uses: npt.NDArray[Any]
) -> tuple[bytes, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]]:
    """A section of the strings that are used, and the map of old offsets to new.

    Each text is there once, in order of first use; offsets into a base's strings stay the same.

    Args:
        table: where the strings are.
        uses: offsets, as they are used.

    Raises:
        DecodeError: an offset is past the end of the strings.
        EncodeError: so many strings overlap that one by one they take many times the space.
    """
    own, first_uses = np.unique(uses[uses >= table.start], return_index=True)
    order = np.argsort(first_uses)
    new = np.zeros(len(own), np.int64)
    if table.base is None:
        (data,), (offsets,) = sections_of(table, [own[order]])
        new[order] = offsets
    else:
        # A split uses few strings and its base has many, so that look-ups take less than a sort.
        builder = StringTableBuilder(table.base)
        for at in order.tolist():
            new[at] = builder.add(table[int(own[at])])
        data = builder.build().data

    def offsets_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        changed = values.astype(np.int64)
        mine = values >= table.start
        changed[mine] = new[np.searchsorted(own, values[mine])]
        return changed

    return data, offsets_of
