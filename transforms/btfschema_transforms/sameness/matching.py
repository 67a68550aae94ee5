"""Finding the types of a distilled base in a target: the two policies of ``relocate``."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema import Btf, Kind
from btfschema.arrays import Index, Mask, spread
from btfschema.model import per_container
from btfschema.render import LISTED
from btfschema.schema import Parts, kind_mask, parts_of_plan
from btfschema.tables import Joined, TypeTable
from btfschema_transforms.relocation.bases import named

__all__ = [
    "Candidate",
    "Matches",
    "Namesakes",
    "Policy",
    "Target",
    "Wanted",
    "WantedTypes",
    "memo",
    "target_of",
]

Policy = Literal["strict", "kernel"]


# A large odd number, so that different things seldom share a hash.
FACTOR = np.uint64(0x9E3779B97F4A7C15)

# How many answers to what other files ask a base keeps: several times what the modules of a whole
# kernel ask for, and some ten megabytes.
REMEMBERED = 100_000


def memo(memos: dict[Any, dict[Any, Any]], name: Hashable) -> dict[Any, Any]:
    """The answers that are kept under a name, begun anew when there are too many.

    Those that are in use stay as they are, so that nobody misses what was just put there.
    """
    known = memos.get(name)
    if known is None or len(known) > REMEMBERED:
        known = memos[name] = {}
    return known


class Wanted(NamedTuple):
    """What is known of a distilled type.

    ``size`` is the third word (0 for a FWD), ``encoding`` what follows an INT, and ``sized`` says
    whether a struct's or union's size must be found again.
    """

    name: str
    kind: int
    kind_flag: bool
    size: int
    encoding: int
    sized: bool


class Candidate(NamedTuple):
    """A named type of a target; the fields are those of :class:`Wanted`."""

    id: int
    kind: int
    kind_flag: bool
    size: int
    encoding: int
    vlen: int
    name_off: int


class Matches(NamedTuple):
    """The types of a target that would do for a distilled one; a match finds exactly one.

    Attributes:
        total: how many they are.
        ids: of the first of them, at most :data:`~btfschema.render.jsonlines.LISTED`, in id order.
    """

    total: int
    ids: tuple[int, ...]

    @property
    def only(self) -> int:
        """The only one, or 0 for none or several."""
        return self.ids[0] if self.total == 1 else 0

    @classmethod
    def of(cls, found: Sequence[Candidate]) -> Matches:
        """These."""
        return cls(len(found), tuple(one.id for one in found[:LISTED]))

    @classmethod
    def in_either(
        cls, some: Sequence[Candidate], others: Sequence[Candidate], start: int
    ) -> Matches:
        """Those in one of two lists in id order, of ``others`` from a place on.

        What is done grows with ``some`` only: each size of a name has its own, all have the others.
        """
        twice = sum(_holds(others, one, start) for one in some)
        first = {*some[:LISTED], *others[start : start + LISTED]}
        return cls(
            len(some) + len(others) - start - twice,
            tuple(one.id for one in sorted(first)[:LISTED]),
        )


def _holds(ordered: Sequence[Candidate], one: Candidate, start: int) -> bool:
    place = bisect_left(ordered, one, start)
    return place < len(ordered) and ordered[place] == one


def _encodings(types: TypeTable) -> npt.NDArray[np.uint32]:
    """The word that follows each INT, and others that a base keeps whole; 0 for all the rest."""
    words = np.zeros(len(types), np.uint32)
    for kind in parts_of_plan(types.plan).kept_whole:
        for one in types.plan.kinds[kind].fixed:
            rows = types.rows_of(kind)
            words[rows] = types.words[types.starts[rows] + one.word]
    return words


@frozen(eq=False)
class WantedTypes:
    """The types of many distilled bases, in id order, base after base.

    Attributes:
        names: their names.
        kinds: their kinds.
        flags: their kind_flags.
        sizes: their third words.
        encodings: what follows an INT.
        sized: whether a struct's or union's size must be found again.
    """

    names: list[str]
    kinds: npt.NDArray[np.uint8]
    flags: Mask
    sizes: npt.NDArray[np.uint32]
    encodings: npt.NDArray[np.uint32]
    sized: Mask

    @classmethod
    def of(cls, bases: Joined, names: list[str], embedded: Mask, policy: Policy) -> WantedTypes:
        """What is known of them.

        Args:
            bases: the types.
            names: of the types.
            embedded: whether the split holds each by value.
            policy: ``"strict"`` also goes by size where a base has two of one name and kind.
        """
        types = bases.types
        sized = embedded | _repeated(bases, names) if policy == "strict" else embedded
        encodings = _encodings(types)
        return cls(names, types.kinds, types.kind_flags, types.thirds, encodings, sized)

    def __getitem__(self, row: int) -> Wanted:
        return Wanted(
            self.names[row],
            self.kinds.item(row),
            self.flags.item(row),
            self.sizes.item(row),
            self.encodings.item(row),
            self.sized.item(row),
        )

    def matches(self, target: Target, policy: Policy) -> Index:
        """For each the only match that the policy accepts, or 0 for none or several."""
        # Everything but the name in two numbers, by which a match that was found is found again.
        looks = self.kinds.astype(np.int64) << 2 | self.flags.astype(np.int64) << 1 | self.sized
        words = self.sizes.astype(np.int64) << 32 | self.encodings
        keys = list(zip(self.names, looks.tolist(), words.tolist(), strict=True))
        known, there = memo(target.memos, policy), target.ids
        # That a target lacks a name is found as quickly as it is remembered.
        fresh = {k: row for row, k in enumerate(keys) if k not in known and k[0] in there}
        for key, row in fresh.items():
            known[key] = target.matches(self[row], policy).only
        return np.fromiter(map(known.get, keys, repeat(0)), np.int64, len(keys))


def _repeated(bases: Joined, names: list[str]) -> Mask:
    """Whether a base has another type of the name and kind."""
    found = np.zeros(len(names), np.bool_)
    # Texts keep their hashes, so that this takes little beside the look-ups that follow.
    hashes = np.fromiter(map(hash, names), np.int64, len(names)).view(np.uint64)
    mixed = spread(bases.rows) << 8 | bases.types.kinds
    hashes ^= mixed.view(np.uint64) * FACTOR
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return found
    keys = list(zip(names, mixed.tolist(), strict=True))
    counts = Counter(keys)
    found[[row for row, key in enumerate(keys) if counts[key] > 1]] = True
    return found


@frozen(eq=False, slots=False)
class Namesakes:
    """The types of a base that have one name, which may be many, by what a search goes by.

    Attributes:
        all: in id order.
        parts: what their kinds are.
        encoding_of: takes an INT's encoding from the word that follows it.
    """

    all: tuple[Candidate, ...]
    parts: Parts
    encoding_of: Callable[[int], int]

    @cached_property
    def kinds(self) -> dict[int, list[Candidate]]:
        """By kind, in id order."""
        found: dict[int, list[Candidate]] = {}
        for one in self.all:
            found.setdefault(one.kind, []).append(one)
        return found

    @cached_property
    def sizes(self) -> dict[tuple[int, int], list[Candidate]]:
        """By kind and size, in id order."""
        found: dict[tuple[int, int], list[Candidate]] = {}
        for one in self.all:
            found.setdefault((one.kind, one.size), []).append(one)
        return found

    @cached_property
    def records(self) -> dict[tuple[int, int, int], Candidate]:
        """The first of each kind, size and encoding."""
        return {(one.kind, one.size, one.encoding): one for one in reversed(self.all)}

    @cached_property
    def integers(self) -> dict[tuple[int, int], list[Candidate]]:
        """The INTs by size and encoding, whatever the rest of the word says, in id order."""
        found: dict[tuple[int, int], list[Candidate]] = {}
        for one in (one for one in self.all if one.kind in self.parts.integers):
            found.setdefault((one.size, self.encoding_of(one.encoding)), []).append(one)
        return found

    @cached_property
    def flags(self) -> set[tuple[int, bool]]:
        """Which kinds there are, with which kind_flag."""
        return {(one.kind, one.kind_flag) for one in self.all}

    @cached_property
    def unsized(self) -> list[Candidate]:
        """Those whose size the kernel compares only if the wanted type is embedded.

        Composites are counted by name offset there, not by name.
        """
        composites = [one for one in self.all if one.kind in self.parts.composites]
        counts = Counter(one.name_off for one in composites)
        free = [one for one in composites if counts[one.name_off] == 1]
        return sorted([*free, *(one for one in self.all if one.kind in self.parts.declarations)])

    @cached_property
    def declared(self) -> dict[bool, list[Candidate]]:
        """Those of :attr:`unsized` that the kernel takes for a FWD, by its kind_flag."""
        return {flag: self.taken_for(self.unsized, flag) for flag in (False, True)}

    def taken_for(self, candidates: Iterable[Candidate], kind_flag: bool) -> list[Candidate]:
        """Those that the kernel takes for a FWD with this kind_flag."""
        # A struct's kind_flag means bit fields; it is compared with a FWD's all the same.
        taken: set[tuple[int | None, bool]] = set()
        for kind in self.parts.declarations:
            taken.add((kind, kind_flag))
            taken |= {(self.parts.declared_by(kind, flag), flag) for flag in (False, True)}
        return [one for one in candidates if (one.kind, one.kind_flag) in taken]

    def of_size(self, kinds: Iterable[int], size: int) -> list[Candidate]:
        """Those of these kinds and this size, in id order."""
        return sorted(one for kind in kinds for one in self.sizes.get((kind, size), ()))

    def has_related(self, wanted: Wanted) -> bool:
        """Whether one is of the kind that the distilled type stands for."""
        defined_by = self.parts.declared_by(wanted.kind, wanted.kind_flag)
        if defined_by is not None:
            return (wanted.kind, wanted.kind_flag) in self.flags or defined_by in self.kinds
        return any(kind in self.kinds for kind in self.parts.standing_for(wanted.kind))


@frozen(eq=False)
class Target:
    """The named types of a base, and what was found out about them so far.

    What others look for is remembered only where a type has its name, and no more than
    :data:`REMEMBERED` of it: a base may serve other people's files for years.

    Attributes:
        ids: by name, of the first type that a distilled base may mean by it.
        several: the ids of all such types, for names that several have.
        known: the namesakes of these names.
        memos: answers about the base, in dicts that :func:`memo` gives.
    """

    ids: dict[str, int]
    several: dict[str, list[int]]
    columns: tuple[Any, ...]
    parts: Parts
    encoding_of: Callable[[int], int]
    known: dict[str, Namesakes] = field(factory=dict)
    memos: dict[Any, dict[Any, Any]] = field(factory=dict)

    def namesakes(self, name: str) -> Namesakes:
        """All named types of that name which a distilled base could mean."""
        known = self.known.get(name)
        if known is None:
            first = self.ids.get(name)
            ids = [] if first is None else self.several.get(name, [first])
            candidates = [
                Candidate(type_id, *[column.item(type_id - 1) for column in self.columns])
                for type_id in ids
            ]
            known = Namesakes(tuple(candidates), self.parts, self.encoding_of)
            # One alone is found as quickly as it is remembered.
            if len(ids) > 1:
                self.known[name] = known
        return known

    def matches(self, wanted: Wanted, policy: Policy) -> Matches:
        """Those that the policy accepts."""
        there = self.namesakes(wanted.name)
        return Matches.of(_strict(wanted, there)) if policy == "strict" else _kernel(wanted, there)


def _kernel(wanted: Wanted, there: Namesakes) -> Matches:
    """As ``btf_relocate_map_distilled_base`` does, of libbpf and the kernel."""
    start, parts = 0, there.parts
    if wanted.kind in parts.integers:
        encoding = there.encoding_of(wanted.encoding)
        return Matches.of(there.integers.get((wanted.size, encoding), []))
    if wanted.kind in parts.composites:
        sized, unsized = there.of_size(there.kinds, wanted.size), there.unsized
        # That a type is embedded is forgotten there once it has a match.
        if wanted.sized:
            start = bisect_left(unsized, sized[0]) if sized else len(unsized)
    elif wanted.kind in parts.declarations:
        sized = there.of_size([wanted.kind, *parts.composites], wanted.size)
        sized = there.taken_for(sized, wanted.kind_flag)
        unsized = there.declared[wanted.kind_flag]
    else:
        return Matches.of(there.of_size(parts.standing_for(wanted.kind), wanted.size))
    return Matches.in_either(sized, unsized, start)


def _strict(wanted: Wanted, there: Namesakes) -> list[Candidate]:
    """Never another kind, and no guess among different types."""
    parts = there.parts
    defined_by = parts.declared_by(wanted.kind, wanted.kind_flag)
    if defined_by is not None:
        definitions = there.kinds.get(defined_by, [])
        forwards = there.kinds.get(wanted.kind, [])
        declarations = [one for one in forwards if one.kind_flag == wanted.kind_flag]
        return definitions if len(definitions) == 1 else declarations[:1] or definitions
    if wanted.kind in parts.kept_whole:
        # The record is there in full, so that equal ones are interchangeable: the first.
        equal = there.records.get((wanted.kind, wanted.size, wanted.encoding))
        return [equal] if equal else []
    kinds = parts.standing_for(wanted.kind)
    if wanted.kind in parts.enums or len(kinds) > 1:
        sized = there.of_size(kinds, wanted.size)
        return [one for one in sized if one.vlen] or sized
    same = there.kinds.get(wanted.kind, [])
    if wanted.sized or len(same) > 1:
        return there.sizes.get((wanted.kind, wanted.size), [])
    return same


@per_container
def target_of(btf: Btf) -> Target:
    """The name index of a base and its own bases."""
    types = btf.all_types
    parts = parts_of_plan(types.plan)
    rows = np.flatnonzero(kind_mask(parts.named_in_base)[types.kinds])
    rows = rows[named(btf, rows)]
    names, found = btf.strings.names(types.name_offs[rows]), rows + 1
    # The first of a name is entered last. Few names have several types, and a list for each name
    # would take longer than all the rest.
    ids = dict(zip(reversed(names), reversed(found.tolist()), strict=True))
    several: dict[str, list[int]] = {}
    firsts = np.fromiter(map(ids.__getitem__, names), np.int64, len(names))
    for at in (firsts != found).nonzero()[0].tolist():
        several.setdefault(names[at], [ids[names[at]]]).append(int(found[at]))
    columns = (
        types.kinds,
        types.kind_flags,
        types.thirds,
        _encodings(types),
        types.vlens,
        types.name_offs,
    )
    bits: Any = types.plan.kinds[Kind.INT].fixed[0].bits
    return Target(ids, several, columns, parts, lambda word: int(bits.split(word)["encoding"]))
