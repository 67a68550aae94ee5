"""Which types of a base a split holds by value, so that their sizes are part of its own layout."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import starmap
from typing import Any

import numpy as np
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index, Mask, bounds_of, read_only, spread
from btfschema.escapes import printable
from btfschema.schema import (
    INFO_WORD,
    KIND_MASK,
    KIND_SHIFT,
    NAME_OFF,
    KindMask,
    Plan,
    Role,
    kind_mask,
    parts_of_plan,
)
from btfschema.tables import Joined
from btfschema_transforms.sameness.matching import Policy

__all__ = ["Embedding", "Embeddings", "User", "embedding"]


def holders(plan: Plan, policy: Policy) -> KindMask:
    """Whose references are by value. libbpf and the kernel look at members only."""
    parts = parts_of_plan(plan)
    return kind_mask(parts.holders if policy == "kernel" else parts.by_value)


@frozen
class User:
    """A type of the split that holds a base type by value.

    Attributes:
        id: its id in the split.
        kind: its kind's name.
        name: its name, or an empty string.
        members: the members in question, for a struct, a union and the like.
    """

    id: int
    kind: str
    name: str
    members: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "members": list(self.members),
        }

    def __str__(self) -> str:
        if self.members:
            name = printable(self.name) or f"[{self.id}]"
            members = f" ({', '.join(map(printable, self.members))})" if any(self.members) else ""
            return f"{self.kind.lower()} {name}{members}"
        what = {"VAR": "variable", "ARRAY": "array type", "FUNC_PROTO": "function prototype"}
        return f"{what.get(self.kind, self.kind)} {printable(self.name) or f'[{self.id}]'}"


@frozen(eq=False, slots=False)
class Embedding:
    """The uses by value in a split over a distilled base.

    Attributes:
        split: the split BTF.
        rows: the split's row that each use stands in.
        positions: the word that each use stands in.
        held: the type that each use leads to, through modifiers, typedefs and arrays.
    """

    split: Btf
    rows: Index
    positions: Index
    held: Index

    def users(self, type_id: int) -> tuple[User, ...]:
        """Who holds a type of the base by value, in id order."""
        order, held = self._by_held
        first = bisect_left(held, type_id)
        end = bisect_right(held, type_id, first)
        if first == end:
            return ()
        at = order[first:end]
        uses: dict[int, list[int]] = {}
        for row, position in zip(self.rows[at].tolist(), self.positions[at].tolist(), strict=True):
            uses.setdefault(row, []).append(position)
        return tuple(starmap(self._user, uses.items()))

    def _user(self, row: int, positions: list[int]) -> User:
        """One type of the split, with the members whose types stand at these words.

        Its words are read without a view, which would decode all members of a large struct.
        """
        types, name_at = self.split.types, self.split.strings.lookup
        word, start, type_id = types.words.item, types.starts.item(row), types.first_id + row
        kind = word(start + INFO_WORD.word) >> KIND_SHIFT & KIND_MASK
        plan = types.plan.kinds[kind]
        spec = plan.spec
        name = "" if spec is None or not spec.named else name_at(word(start + NAME_OFF.word))
        if kind not in parts_of_plan(types.plan).holders:
            return User(type_id, plan.name, name)
        name_words = plan.element_words_with(Role.STRING_OFFSET)
        first = start + plan.first_element
        members = [
            name_at(word(at - (at - first) % plan.stride + name_words[0]))
            for at in positions
            if name_words and at >= first
        ]
        return User(type_id, plan.name, name, tuple(members))

    @cached_property
    def _by_held(self) -> tuple[Index, list[int]]:
        """The uses of types of the base, by the type, and these types."""
        uses = (self.held < self.split.first_id).nonzero()[0]
        order = uses[self.held[uses].argsort(kind="stable")]
        return order, self.held[order].tolist()


@frozen(eq=False)
class Embeddings:
    """The uses by value in many splits.

    Attributes:
        splits: the splits, as many as there are parts.
        own: their own types.
        ids: where the ids of each split start, void first, when all are counted through.
        positions: the word that each use stands in.
        held: the type that each use leads to, counted through.
    """

    splits: Sequence[Btf]
    own: Joined
    ids: Index
    positions: Index
    held: Index

    @classmethod
    def of(cls, splits: Sequence[Btf], policy: Policy) -> Embeddings:
        """Find what splits over (small) distilled bases hold by value, as the policy sees it."""
        own = Joined.of([split.types for split in splits])
        ids = bounds_of([split.end_id for split in splits])
        types = own.types
        by_value = holders(types.plan, policy).take(types.kinds).repeat(types.reference_counts)
        positions = types.type_id_positions[by_value]
        owners = own.owners(positions)
        held = types.words.take(positions) + ids.take(owners)
        return cls(splits, own, ids, positions, _value_types(splits, own, ids).take(held))

    @property
    def mask(self) -> Mask:
        """By id, counted through all splits, whether the split holds that type by value."""
        found = np.zeros(int(self.ids[-1]), np.bool_)
        found[self.held] = True
        return found

    def __getitem__(self, number: int) -> Embedding:
        """The uses in one split."""
        word, end = self.own.words[number : number + 2].tolist()
        part = slice(*self.positions.searchsorted([word, end]).tolist())
        split, positions = self.splits[number], self.positions[part] - word
        rows = split.types.starts.searchsorted(positions, side="right") - 1
        return Embedding(split, rows, positions, self.held[part] - self.ids[number])


def embedding(split: Btf, policy: Policy) -> Embedding:
    """Find what one split over a (small) distilled base holds by value."""
    return Embeddings.of([split], policy)[0]


@lru_cache(maxsize=16)
def _value_words(plan: Plan) -> Index:
    """By kind, the word that says whose value a type holds, or 0 when it is its own."""
    parts, words = parts_of_plan(plan), np.zeros(KIND_MASK + 1, np.int64)
    for kind in parts.modifiers:
        words[kind] = plan.kinds[kind].third.word
    for kind in parts.arrays:
        element = plan.kinds[kind].first_type_id
        if element is not None:
            words[kind] = element.word
    return read_only(words)


def _value_types(splits: Sequence[Btf], own: Joined, ids: Index) -> Index:
    """For each id, the type whose value it holds: itself, or what modifiers and arrays lead to."""
    types = own.types
    words = _value_words(types.plan).take(types.kinds)
    rows = words.nonzero()[0]
    leads_to = types.words.take(types.starts.take(rows) + words.take(rows))
    # Where the ids of each split's own types start, less where its rows do.
    firsts = ids[:-1] + [split.first_id for split in splits] - own.rows[:-1]
    owners = spread(own.rows).take(rows)
    value = np.arange(int(ids[-1]))
    value[rows + firsts.take(owners)] = leads_to + ids.take(owners)
    # Each round doubles the steps taken; a circle of typedefs ends with the rounds.
    for _ in range(len(value).bit_length()):
        further = value.take(value)
        if not np.count_nonzero(further != value):
            break
        value = further
    return value
