"""Containers over one base as one container, for questions about each type.

A rule about a record looks at the record and at what it refers to, and no module refers to another.
So many modules can be asked as if they were one: their types behind each other over the base that
they share, with ids and string offsets moved accordingly. What holds of a type in the whole holds
in its own module too. As in :mod:`btfschema.tables.joined`, this saves calls, which cost more than
the work in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from btfschema.arrays import Index, bounds_of
from btfschema.errors import BtfError
from btfschema.model.integrity import check_references
from btfschema.model.memo import remembered
from btfschema.model.sizes import told_pointer_size_of
from btfschema.schema.roles import Role
from btfschema.tables.joined import Joined, portions
from btfschema.tables.strings import StringTable

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["Siblings", "siblings"]


@frozen(eq=False)
class Siblings:
    """Containers that are split over one base, and all of them as one.

    Attributes:
        numbers: their places among those that were given.
        whole: the container of all their types; where there is one, that container itself.
        rows: where the rows of each start in it, and where the last one's end; shape
            (containers + 1,).
    """

    numbers: Sequence[int]
    whole: Btf
    rows: Index

    def owners(self, rows: Index) -> set[int]:
        """The places of those that these rows of the whole came from."""
        found = self.rows.searchsorted(rows, side="right") - 1
        return {self.numbers[at] for at in set(found.tolist())}


def siblings(btfs: Sequence[Btf]) -> Iterator[Siblings]:
    """Put together what can be asked together; whatever can't be is alone.

    Together are at most 64 containers over the same base whose references are sound and whose
    pointers are as large as the base says. Stand-alone BTF is alone: its first string and its ids
    mean something else in each.
    """
    groups: dict[object, list[int]] = {}
    for number, btf in enumerate(btfs):
        groups.setdefault(_family(btf, number), []).append(number)
    for members in groups.values():
        sizes = [len(btfs[n].types.words) + len(btfs[n].strings.data) // 4 for n in members]
        for numbers in portions(members, sizes):
            some = [btfs[n] for n in numbers]
            if len(some) > 1 and _are_sound(some):
                yield _together(numbers, some)
            else:
                for n in numbers:
                    yield Siblings([n], btfs[n], bounds_of([len(btfs[n])]))


def _family(btf: Btf, number: int) -> object:
    """Equal for containers that may be put together."""
    base = btf.base
    if base is None or not remembered(base, told_pointer_size_of, told_pointer_size_of):
        return number
    return id(base), id(btf.types.plan), btf.byteorder, btf.address_size


def _are_sound(btfs: Sequence[Btf]) -> bool:
    try:
        check_references(*btfs)
    except BtfError:
        return False
    return True


def _together(numbers: Sequence[int], btfs: Sequence[Btf]) -> Siblings:
    """One container of all."""
    first = btfs[0]
    joined = Joined.of([btf.types for btf in btfs])
    types, chunks = joined.types, [btf.strings.data for btf in btfs]
    moved = []
    for role, start, bounds in (
        (Role.TYPE_ID, first.types.first_id, joined.rows),
        (Role.STRING_OFFSET, first.strings.start, bounds_of(list(map(len, chunks)))),
    ):
        positions = types.positions(role)
        values = types.words.take(positions).astype(np.int64)
        values += np.where(values >= start, bounds[:-1].repeat(joined.counts(positions)), 0)
        moved.append((positions, values))
    table = types.rewritten(moved, first.types.first_id)
    strings = StringTable(b"".join(chunks), first.strings.base)
    whole = type(first).assemble(table, strings, like=first, base=first.base)
    return Siblings(numbers, whole, joined.rows)
