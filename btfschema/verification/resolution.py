"""What each type is behind its modifiers, and how large: the kernel's ``btf_type_id_size``.

Worked out for all types at once. A split's columns cover its own types alone, and its base's
are asked for what the split refers to, so that a module costs nothing of its base's size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from btfschema.arrays import Mask
from btfschema.errors import DecodeError
from btfschema.model.container import Btf
from btfschema.model.memo import per_container
from btfschema.model.sizes import DEFAULT_POINTER_SIZE, libbpf_pointer_size_of
from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import INT_DATA, Kind, Kinds
from btfschema.schema.plan import THIRD, U32_MAX
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.verification.findings import Ints

__all__ = [
    "BROKEN",
    "MISSING",
    "UNKNOWN_SIZE",
    "Resolution",
    "among",
    "graph_of",
    "is_regular",
    "kinds_with",
    "pointer_size",
    "resolution",
    "resolution_as_built",
]

# Instead of a kind: no type has the id. Instead of an id: the modifiers lead nowhere.
MISSING = 255
BROKEN = -1
UNKNOWN_SIZE = -1

REGULAR_BITS = (8, 16, 32, 64, 128)


def pointer_size(btf: Btf) -> int:
    """Bytes of a pointer as a kernel has them, also where names lie outside of the strings.

    What members' offsets suggest does not count: a 64-bit kernel refuses structs that are too small
    for its pointers, whatever their compiler meant.
    """
    try:
        return libbpf_pointer_size_of(btf)
    except DecodeError:
        return DEFAULT_POINTER_SIZE


def is_regular(words: Ints) -> Mask:
    """Which INT data words say 8, 16, 32, 64 or 128 bits from bit 0 on."""
    return np.asarray(
        among(INT_DATA.part(words, "bits"), REGULAR_BITS)
        & (INT_DATA.part(words, "bit_offset") == 0)
    )


def graph_of(kinds: Kinds, number: int) -> Graph | None:
    """What a kind is in the graph of references; None for one that no kernel knows."""
    spec = kinds.get(number)
    return spec.graph if spec is not None and spec.constraints is not None else None


@lru_cache(maxsize=64)
def kinds_with(kinds: Kinds, *graphs: Graph) -> tuple[int, ...]:
    """The numbers of the kinds that are one of these in the graph."""
    return tuple(int(number) for number in kinds if graph_of(kinds, number) in graphs)


@lru_cache(maxsize=64)
def _mask_of(numbers: tuple[int, ...]) -> Mask:
    mask = np.zeros(MISSING + 1, np.bool_)
    mask[list(numbers)] = True
    mask.setflags(write=False)
    return mask


def among(kinds: Ints, numbers: Collection[int]) -> Mask:
    """Which of many kinds are one of these; ``MISSING`` may be one.

    As ``numpy.isin``, which takes thirty times as long for the few kinds of a module.
    """
    return _mask_of(tuple(numbers)).take(kinds)


@frozen(eq=False, slots=False)
class Resolution:
    """Columns over the ids ``start`` to ``end - 1``; void has a row where there is no base.

    Attributes:
        start: the first id.
        end: one past the last id.
        kinds: each type's kind.
        thirds: each type's third word.
        finals: the id of the type behind the modifiers, or ``BROKEN``.
        sizes: the bytes of that type, or ``UNKNOWN_SIZE``.
        base: the same for the base.
    """

    start: int
    end: int
    kinds: Ints
    thirds: Ints
    finals: Ints
    sizes: Ints
    base: Resolution | None
    _types: TypeTable

    @cached_property
    def vlens(self) -> Ints:
        """Each type's vlen."""
        return self._column(self._types.vlens)

    @cached_property
    def extra(self) -> Ints:
        """The first word after the common ones: an INT's data."""
        types = self._types
        # Records without a word behind the common ones may end the section.
        after = np.minimum(types.starts + THIRD.word + 1, max(len(types.words) - 1, 0))
        return self._column(types.words[after])

    @cached_property
    def unnamed(self) -> Ints:
        """Of a FUNC_PROTO the first parameter without a name, or -1."""
        return self._column(_unnamed(self._types))

    def _column(self, values: Ints) -> Ints:
        return _with_void(values, self.base is None)

    def take(self, column: str, ids: Ints) -> Ints:
        """A column's values for many ids of the chain."""
        own: Ints = getattr(self, column)
        if self.base is None:
            return own.take(ids)
        # All from the base, then the own ones again: fewer calls than to part them first.
        found = self.base.take(column, np.minimum(ids, self.start - 1))
        mine = (ids >= self.start).nonzero()[0]
        found[mine] = own.take(ids.take(mine) - self.start)
        return found

    def kinds_of(self, ids: Ints) -> Ints:
        """The kinds of many ids, ``MISSING`` for those that no type has."""
        return self._known("kinds", ids, MISSING)

    def finals_of(self, ids: Ints) -> Ints:
        """What many ids are behind their modifiers, ``BROKEN`` for those that no type has."""
        return self._known("finals", ids, BROKEN)

    def sizes_of(self, ids: Ints) -> Ints:
        """The sizes of many ids, ``UNKNOWN_SIZE`` for those that no type has."""
        return self._known("sizes", ids, UNKNOWN_SIZE)

    def _known(self, column: str, ids: Ints, unknown: int) -> Ints:
        there = ids < self.end
        return np.where(there, self.take(column, np.where(there, ids, 0)), unknown)

    def of_finals(self, column: str, finals: Ints, broken: int) -> Ints:
        """A column's values for ids from :meth:`finals_of`."""
        there = finals >= 0
        return np.where(there, self.take(column, np.where(there, finals, 0)), broken)


@per_container
def resolution(btf: Btf) -> Resolution:
    """The resolution of a container as a kernel makes it, worked out once."""
    return _resolved(btf, resolution, pointer_size(btf))


@per_container
def resolution_as_built(btf: Btf) -> Resolution:
    """As :func:`resolution`, with the pointers that the container's compiler had."""
    if btf.pointer_size == pointer_size(btf):
        return resolution(btf)
    return _resolved(btf, resolution_as_built, btf.pointer_size)


def _resolved(btf: Btf, resolve: Callable[[Btf], Resolution], pointer: int) -> Resolution:
    types = btf.types
    base = resolve(btf.base) if btf.base is not None else None
    start = types.first_id - (base is None)

    kinds = _with_void(types.kinds, base is None)
    thirds = _with_void(types.thirds, base is None).astype(np.int64)
    finals = _finals(kinds, thirds, start, base, btf.kinds)
    sizes = np.full(len(kinds), UNKNOWN_SIZE, np.int64)
    partial = Resolution(start, types.end_id, kinds, thirds, finals, sizes, base, types)
    _fill_sizes(partial, btf, pointer)
    return partial


def _with_void(values: Ints, is_first: bool) -> Ints:
    """A column of a container's types; that of the first in a chain begins with a 0 for void."""
    return np.concatenate([np.zeros(1, values.dtype), values]) if is_first else values


def _finals(kinds: Ints, thirds: Ints, start: int, base: Resolution | None, schema: Kinds) -> Ints:
    """Follow all modifiers at once, each round twice as far."""
    finals = np.arange(start, start + len(kinds))
    pending = np.flatnonzero(among(kinds, kinds_with(schema, Graph.MODIFIER)))
    targets = thirds[pending]
    targets[targets >= start + len(kinds)] = BROKEN
    inherited = (targets >= 0) & (targets < start)
    if base is not None and inherited.any():
        targets[inherited] = base.take("finals", targets[inherited])
    finals[pending] = targets
    modifier = np.zeros(len(kinds), np.bool_)
    modifier[pending] = True
    for _ in range(len(pending).bit_length() + 1):
        at = finals[pending]
        own = at >= start
        own[own] = modifier[at[own] - start]
        pending = pending[own]
        if not len(pending):
            return finals
        finals[pending] = finals[finals[pending] - start]
    finals[pending] = BROKEN
    return finals


def _fill_sizes(columns: Resolution, btf: Btf, pointer: int) -> None:
    """The sizes of all types: those that say it, pointers, arrays, then modifiers."""
    schema, kinds, sizes = btf.kinds, columns.kinds, columns.sizes
    sized = [
        number
        for number in kinds_with(schema, Graph.DATA, Graph.COMPOSITE)
        if btf.types.plan.kinds[number].third.name == "size"
    ]
    stated = among(kinds, sized)
    sizes[stated] = columns.thirds[stated]
    sizes[among(kinds, kinds_with(schema, Graph.POINTER))] = pointer
    _fill_arrays(columns, btf)
    behind = np.flatnonzero(columns.finals != np.arange(columns.start, columns.end))
    sizes[behind] = columns.of_finals("sizes", columns.finals[behind], UNKNOWN_SIZE)


def _fill_arrays(columns: Resolution, btf: Btf) -> None:
    """Sizes of arrays: those of plain elements at once, those of arrays one by one."""
    types, start = btf.types, columns.start
    rows = types.rows_of(Kind.ARRAY)
    if not len(rows):
        return
    elements = columns.finals_of(types.fixed(Kind.ARRAY, rows, "type_id").astype(np.int64))
    counts = types.fixed(Kind.ARRAY, rows, "nelems").astype(np.int64)
    local = rows + types.first_id - start
    element_kinds = columns.of_finals("kinds", elements, MISSING)
    nested = (element_kinds == Kind.ARRAY) & (elements >= start)
    known = columns.of_finals("sizes", elements, UNKNOWN_SIZE)
    columns.sizes[local] = np.where(nested, UNKNOWN_SIZE, _product(known, counts))
    _fill_nested(columns.sizes, local[nested], elements[nested] - start, counts[nested])


def _product(sizes: Ints, counts: Ints) -> Ints:
    """Bytes of arrays; unknown when the element's are, or when they don't fit 32 bits."""
    product = np.maximum(sizes, 0).astype(np.uint64) * counts.astype(np.uint64)
    fits = (sizes >= 0) & (product <= U32_MAX)
    return np.where(fits, product.astype(np.int64), UNKNOWN_SIZE)


def _fill_nested(sizes: Ints, arrays: Ints, elements: Ints, counts: Ints) -> None:
    """Arrays of arrays, each after its element; those in a circle stay unknown."""
    inner = dict(zip(arrays.tolist(), elements.tolist(), strict=True))
    count = dict(zip(arrays.tolist(), counts.tolist(), strict=True))
    done: set[int] = set()
    for array in inner:
        chain = []
        at = array
        while at in inner and at not in done:
            done.add(at)
            chain.append(at)
            at = inner[at]
        for outer in reversed(chain):
            size = int(sizes[inner[outer]])
            total = size * count[outer]
            sizes[outer] = total if size >= 0 and total <= U32_MAX else UNKNOWN_SIZE


def _unnamed(types: TypeTable) -> Ints:
    """Of each FUNC_PROTO the first parameter that has a type and no name, or -1."""
    found = np.full(len(types), -1, np.int64)
    params = types.elements(Kind.FUNC_PROTO)
    which = np.flatnonzero((params.column("name_off") == 0) & (params.column("type_id") != 0))
    ends = np.cumsum(params.counts)
    owners = np.searchsorted(ends, which, side="right")
    # The first of each owner is written last.
    found[params.rows[owners[::-1]]] = (which - (ends - params.counts)[owners])[::-1]
    return found
