"""Finding the types of a distilled base in a target: the two policies of ``relocate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema import Btf, Kind
from btfschema.arrays import spread
from btfschema.joined import Joined
from btfschema.types import TypeTable
from btfschema_transforms.graph import COMPOSITES, NAMED_IN_BASE, kind_mask, named, per_container

__all__ = ["Candidate", "Namesakes", "Policy", "Target", "Wanted", "WantedTypes", "target_of"]

Policy = Literal["strict", "kernel"]
Mask = npt.NDArray[np.bool_]

Index = npt.NDArray[np.int64]

# A large odd number, so that different things seldom share a hash.
FACTOR = np.uint64(0x9E3779B97F4A7C15)

ENUMS = (Kind.ENUM, Kind.ENUM64)


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

    @property
    def defined_by(self) -> int:
        """The kind that defines what a FWD declares."""
        return Kind.UNION if self.kind_flag else Kind.STRUCT


class Candidate(NamedTuple):
    """A named type of a target; the fields are those of :class:`Wanted`."""

    id: int
    kind: int
    kind_flag: bool
    size: int
    encoding: int
    vlen: int
    name_off: int


def _encodings(types: TypeTable) -> npt.NDArray[np.uint32]:
    """The word that follows each INT, 0 for other kinds."""
    words = np.zeros(len(types), np.uint32)
    rows = types.rows_of(Kind.INT)
    words[rows] = types.words[types.starts[rows] + types.plan.kinds[Kind.INT].fixed[0].word]
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
            int(self.kinds[row]),
            bool(self.flags[row]),
            int(self.sizes[row]),
            int(self.encodings[row]),
            bool(self.sized[row]),
        )

    def partners(self, target: Target, policy: Policy) -> Index:
        """For each the only partner that the policy accepts, or 0 for none or several."""
        # Everything but the name in two numbers, by which a partner that was found is found again.
        looks = self.kinds.astype(np.int64) << 2 | self.flags.astype(np.int64) << 1 | self.sized
        words = self.sizes.astype(np.int64) << 32 | self.encodings
        keys = list(zip(self.names, looks.tolist(), words.tolist(), strict=True))
        known = target.only.setdefault(policy, {})
        for key, row in {key: row for row, key in enumerate(keys) if key not in known}.items():
            ids = target.partners(self[row], policy)
            known[key] = ids[0] if len(ids) == 1 else 0
        return np.fromiter(map(known.__getitem__, keys), np.int64, len(keys))


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
    """

    all: tuple[Candidate, ...]

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
    def flags(self) -> set[tuple[int, bool]]:
        """Which kinds there are, with which kind_flag."""
        return {(one.kind, one.kind_flag) for one in self.all}

    @cached_property
    def unsized(self) -> list[Candidate]:
        """Those whose size the kernel compares only if the wanted type is embedded.

        Composites are counted by name offset there, not by name.
        """
        composites = [one for kind in COMPOSITES for one in self.kinds.get(kind, ())]
        counts = Counter(one.name_off for one in composites)
        free = [one for one in composites if counts[one.name_off] == 1]
        return sorted([*free, *self.kinds.get(Kind.FWD, ())])

    def of_size(self, kinds: Iterable[int], size: int) -> list[Candidate]:
        """Those of these kinds and this size, in id order."""
        return sorted(one for kind in kinds for one in self.sizes.get((kind, size), ()))

    def has_related(self, wanted: Wanted) -> bool:
        """Whether one is of the kind that the distilled type stands for."""
        if wanted.kind == Kind.FWD:
            declared = (Kind.FWD, wanted.kind_flag) in self.flags
            return declared or wanted.defined_by in self.kinds
        kinds = ENUMS if wanted.kind == Kind.ENUM else (wanted.kind,)
        return any(kind in self.kinds for kind in kinds)


@frozen(eq=False)
class Target:
    """The named types of a base, and which of them were found for which distilled type so far.

    Attributes:
        ids: of the types that a distilled base may name, by name.
        only: of what was looked for by :meth:`WantedTypes.partners`.
    """

    ids: dict[str, list[int]]
    columns: tuple[Any, ...]
    encoding_of: Callable[[int], int]
    found: dict[tuple[Policy, Wanted], tuple[int, ...]] = field(factory=dict)
    only: dict[Policy, dict[tuple[str, int, int], int]] = field(factory=dict)
    known: dict[str, Namesakes] = field(factory=dict)
    integers: dict[tuple[str, int, int], tuple[int, ...]] = field(factory=dict)

    def namesakes(self, name: str) -> Namesakes:
        """All named types of that name which a distilled base could mean."""
        known = self.known.get(name)
        if known is None:
            ids = self.ids.get(name, ())
            known = Namesakes(
                tuple(
                    Candidate(type_id, *[column.item(type_id - 1) for column in self.columns])
                    for type_id in ids
                )
            )
            # One alone is found as quickly as it is remembered.
            if len(ids) > 1:
                self.known[name] = known
        return known

    def partners(self, wanted: Wanted, policy: Policy) -> tuple[int, ...]:
        """The ids that the policy accepts; a match is one that finds exactly one."""
        key = (policy, wanted)
        found = self.found.get(key)
        if found is None:
            there = self.namesakes(wanted.name)
            if policy == "strict":
                found = tuple(one.id for one in _strict(wanted, there))
            elif wanted.kind == Kind.INT:
                found = self._integers(wanted, there)
            else:
                found = tuple(one.id for one in _kernel(wanted, there))
            self.found[key] = found
        return found

    def _integers(self, wanted: Wanted, there: Namesakes) -> tuple[int, ...]:
        """For the kernel, those of the size and encoding, whatever the rest of the word says."""
        key = (wanted.name, wanted.size, self.encoding_of(wanted.encoding))
        if key not in self.integers:
            self.integers[key] = tuple(
                one.id
                for one in there.sizes.get((Kind.INT, wanted.size), ())
                if self.encoding_of(one.encoding) == key[2]
            )
        return self.integers[key]


def _kernel(wanted: Wanted, there: Namesakes) -> list[Candidate]:
    """As ``btf_relocate_map_distilled_base`` does, of libbpf and the kernel."""
    accepted: list[Candidate] = []
    for one in _kernel_kinds(wanted, there):
        # That a type is embedded is forgotten there once it has a partner.
        embedded = wanted.sized and not accepted and wanted.kind in COMPOSITES
        if one.size == wanted.size or not embedded:
            accepted.append(one)
    return accepted


def _kernel_kinds(wanted: Wanted, there: Namesakes) -> list[Candidate]:
    """Those of a kind that the kernel accepts, but for those whose size is always compared."""
    match wanted.kind:
        case Kind.ENUM:
            return there.of_size(ENUMS, wanted.size)
        case Kind.STRUCT | Kind.UNION:
            sized = there.of_size(there.kinds, wanted.size)
            if wanted.sized and not sized:
                return []
        case Kind.FWD:
            sized = there.of_size([Kind.FWD, *COMPOSITES], wanted.size)
        case _:
            return there.of_size([wanted.kind], wanted.size)
    found = sorted([*sized, *(one for one in there.unsized if one.size != wanted.size)])
    if wanted.kind != Kind.FWD:
        return found
    # A struct's kind_flag means bit fields; it is compared with a FWD's all the same.
    taken = {(Kind.FWD, wanted.kind_flag), (Kind.STRUCT, False), (Kind.UNION, True)}
    return [one for one in found if (one.kind, one.kind_flag) in taken]


def _strict(wanted: Wanted, there: Namesakes) -> list[Candidate]:
    """Never another kind, and no guess among different types."""
    match wanted.kind:
        case Kind.INT | Kind.FLOAT:
            # The record is there in full, so that equal ones are interchangeable: the first.
            equal = there.records.get((wanted.kind, wanted.size, wanted.encoding))
            return [equal] if equal else []
        case Kind.ENUM:
            sized = there.of_size(ENUMS, wanted.size)
            return [one for one in sized if one.vlen] or sized
        case Kind.FWD:
            definitions = there.kinds.get(wanted.defined_by, [])
            forwards = there.kinds.get(Kind.FWD, [])
            declarations = [one for one in forwards if one.kind_flag == wanted.kind_flag]
            return definitions if len(definitions) == 1 else declarations[:1] or definitions
    same = there.kinds.get(wanted.kind, [])
    if wanted.sized or len(same) > 1:
        return there.sizes.get((wanted.kind, wanted.size), [])
    return same


@per_container
def target_of(btf: Btf) -> Target:
    """The name index of a base and its own bases."""
    types = btf.all_types
    rows = np.flatnonzero(kind_mask(NAMED_IN_BASE)[types.kinds])
    rows = rows[named(btf, rows)]
    ids: dict[str, list[int]] = {}
    names = btf.strings.names(types.name_offs[rows])
    for name, type_id in zip(names, (rows + 1).tolist(), strict=True):
        ids.setdefault(name, []).append(type_id)
    columns = (
        types.kinds,
        types.kind_flags,
        types.thirds,
        _encodings(types),
        types.vlens,
        types.name_offs,
    )
    bits: Any = types.plan.kinds[Kind.INT].fixed[0].bits
    return Target(ids, columns, lambda word: int(bits.split(word)["encoding"]))
