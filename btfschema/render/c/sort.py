"""The order in which bpftool 7.5 and later write types: by what they are, then by name.

It keeps two kernels' headers alike where the kernels are (``sort_btf_c`` in
``tools/bpf/bpftool/btf.c``). Enums come first, then numbers, structs, functions, the rest; each by
the name of the type that it leads to, then by its own; equal ones by a hash of what they hold.
"""

from __future__ import annotations

import numpy as np

from btfschema.model.following import follow
from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, KNOWN, Array, TypeColumns
from btfschema.render.c.trampoline import Step, run
from btfschema.schema.kinds import Kind

__all__ = ["sorted_ids"]

# Kinds that are sorted by what they refer to.
REFERRING = CHAINED | KNOWN.tags
ANONYMOUS_ENUM, NAMED_ENUM, NUMBER, STRUCT, FUNCTION, REST = 0, 1, 2, 3, 4, 10
RANKS = {
    **dict.fromkeys(ENUMS, NAMED_ENUM),
    **dict.fromkeys(KNOWN.scalars, NUMBER),
    **dict.fromkeys(COMPOSITE, STRUCT),
    **dict.fromkeys(KNOWN.prototypes, FUNCTION),
}

MASK = (1 << 64) - 1
FACTOR = 31


def sorted_ids(types: TypeColumns, *, every: bool = True) -> list[int]:
    """All ids, void's included, sorted.

    Args:
        types: the types.
        every: False leaves out whichever comes first, as bpftool does: it sorts void along with
            the types and skips the first place for it.

    Raises:
        UnresolvedError: the references of a type run in a circle.
    """
    keys = _Keys(types)
    order = keys.order()
    found: list[int] = order[0 if every else 1 :].tolist()
    return found


class _Keys:
    """What the types, void included, are sorted by."""

    def __init__(self, types: TypeColumns) -> None:
        self._types = types
        self.kinds = types.arrays["kinds"]
        self._referring = np.isin(self.kinds, list(REFERRING))
        self._targets = types.arrays["targets"]
        self._ends = follow(self._targets, self._referring)
        circles = np.flatnonzero(self._referring[self._ends])
        if len(circles):
            raise types.circle(int(circles[0]))
        self._named = np.array(list(map(bool, types.names)))
        # The type down the chain of each one that has the same hash for certain.
        adds_nothing = self._referring & ~self._named & (self.kinds != Kind.ARRAY)
        self._like = follow(self._targets, adds_nothing)
        self._name_hashes: dict[str, int] = {"": 0}
        self._hashes: tuple[dict[int, int], ...] = ({}, {})

    def order(self) -> Array:
        """All ids, sorted."""
        named = self._named
        ranks = np.full(max(int(self.kinds.max()), *RANKS) + 1, REST)
        ranks[list(RANKS)] = list(RANKS.values())
        rank = ranks[self.kinds[self._ends]]
        enums = np.isin(self.kinds, list(ENUMS))
        rank[enums & ~named] = ANONYMOUS_ENUM
        numbers = rank == NUMBER
        rank[~named & ~enums & ~(numbers & ~self._referring)] = REST
        own, leading = self._name_places(np.flatnonzero(enums & ~named).tolist())
        ids = np.arange(self._types.count)
        hashes = self._tie_hashes(rank, leading, own)
        return np.lexsort((ids, hashes, own, leading, rank))

    def _name_places(self, anonymous_enums: list[int]) -> tuple[Array, Array]:
        """Each type's own name and the one that it is sorted by, as places in the alphabet.

        An anonymous enum is sorted by its first value, unless it is referred to.
        """
        types = self._types
        firsts = {}
        for enum in anonymous_enums:
            if types.vlens[enum]:
                names, _ = types.values64 if types.kinds[enum] == Kind.ENUM64 else types.values
                firsts[enum] = names[types.firsts[enum]]
        alphabet = sorted({*types.names, *firsts.values()})
        places = dict(zip(alphabet, range(len(alphabet)), strict=True))
        own = np.array([places[name] for name in types.names])
        leading = own[self._ends]
        if firsts:
            leading[list(firsts)] = [places[name] for name in firsts.values()]
        return own, leading

    def _tie_hashes(self, rank: Array, leading: Array, own: Array) -> Array:
        """The hashes of the types that the names alone leave in no order; 0 for the others."""
        order = np.lexsort((own, leading, rank))
        keys = np.stack((rank, leading, own))[:, order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        group = np.cumsum(new) - 1
        # Pointers and qualifiers, which add nothing to what they lead to, have its hash.
        alike = self._like[order]
        starts = np.flatnonzero(new)
        lowest = np.minimum.reduceat(alike, starts)
        highest = np.maximum.reduceat(alike, starts)
        hashes = np.zeros(len(order), np.uint64)
        tied = order[(lowest != highest)[group]]
        hashes[tied] = [self._hash(type_id) for type_id in self._like[tied].tolist()]
        return hashes

    def _hash(self, type_id: int) -> int:
        known = self._hashes[True].get(type_id)
        found: int = run(self._hash_step(type_id, True)) if known is None else known
        return found

    def _hash_step(self, type_id: int, deep: bool) -> Step:
        """What bpftool tells types of one name apart by; of structs with their members if deep."""
        types, hashes = self._types, self._hashes[deep]
        found = hashes.get(type_id)
        if found is not None:
            return found
        kind = types.kinds[type_id]
        found = self._name_hash(types.names[type_id])
        first = types.firsts[type_id]
        last = first + types.vlens[type_id]
        if kind in REFERRING:
            if kind == Kind.ARRAY:
                found = found * FACTOR + types.counts[type_id]
            found = found * FACTOR + (yield self._hash_step(types.targets[type_id], deep))
        elif kind in ENUMS:
            names, _ = types.values64 if kind == Kind.ENUM64 else types.values
            for name in filter(None, names[first:last]):
                found = (found * FACTOR + self._name_hash(name)) & MASK
        elif kind in COMPOSITE and deep:
            shallow = self._hashes[False]
            for at in range(first, last):
                name, member = types.members.names[at], types.members.types[at]
                if name:
                    found = found * FACTOR + self._name_hash(name)
                part = shallow.get(member)
                if part is None:
                    part = yield self._hash_step(member, False)
                found = (found * FACTOR + part) & MASK
        hashes[type_id] = found = found & MASK
        return found

    def _name_hash(self, name: str) -> int:
        found = self._name_hashes.get(name)
        if found is None:
            found = 0
            for byte in name.encode("utf-8", "surrogateescape"):
                # Its bytes are those of a signed char.
                found = (found * FACTOR + byte - (byte >> 7 << 8)) & MASK
            self._name_hashes[name] = found
        return found
