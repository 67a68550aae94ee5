"""Finding the types of a distilled base in a target: the two policies of ``relocate``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema import Btf, Kind
from btfschema_transforms.graph import COMPOSITES, NAMED_IN_BASE, kind_mask, named, per_container

__all__ = ["Candidate", "Policy", "Target", "Wanted", "related", "target_of", "wanted_types"]

Policy = Literal["strict", "kernel"]
Mask = npt.NDArray[np.bool_]

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


class Candidate(NamedTuple):
    """A named type of a target; the fields are those of :class:`Wanted`."""

    id: int
    kind: int
    kind_flag: bool
    size: int
    encoding: int
    vlen: int
    name_off: int


def _encodings(btf: Btf) -> npt.NDArray[np.uint32]:
    """The word that follows each INT, 0 for other kinds."""
    types = btf.all_types
    words = np.zeros(len(types), np.uint32)
    rows = types.rows_of(Kind.INT)
    words[rows] = types.words[types.starts[rows] + types.plan.kinds[Kind.INT].fixed[0].word]
    return words


def wanted_types(base: Btf, embedded: Mask, policy: Policy) -> list[Wanted]:
    """The types of a distilled base, in id order.

    Args:
        base: the distilled base.
        embedded: by row, whether the split holds the type by value.
        policy: ``"strict"`` also goes by size where two distilled types share name and kind.
    """
    types = base.all_types
    names = base.strings.names(types.name_offs)
    kinds = types.kinds.tolist()
    sized = embedded.tolist()
    if policy == "strict":
        keys = list(zip(names, kinds, strict=True))
        if len(set(keys)) < len(keys):
            counts = Counter(keys)
            sized = [one or counts[key] > 1 for one, key in zip(sized, keys, strict=True)]
    columns = (names, kinds, types.kind_flags.tolist(), types.thirds.tolist())
    return list(map(Wanted._make, zip(*columns, _encodings(base).tolist(), sized, strict=True)))


@frozen(eq=False)
class Target:
    """The named types of a base, and which of them were found for which distilled type so far.

    Attributes:
        ids: of the types that a distilled base may name, by name.
    """

    ids: dict[str, list[int]]
    columns: tuple[Any, ...]
    encoding_of: Callable[[int], int]
    found: dict[tuple[Policy, Wanted], list[int]] = field(factory=dict)

    def candidates(self, name: str) -> list[Candidate]:
        """All named types of that name which a distilled base could mean, by id."""
        return [
            Candidate(type_id, *(column.item(type_id - 1) for column in self.columns))
            for type_id in self.ids.get(name, ())
        ]

    def partners(self, wanted: Wanted, policy: Policy) -> list[int]:
        """The ids that the policy accepts; a match is one that finds exactly one."""
        key = (policy, wanted)
        found = self.found.get(key)
        if found is None:
            candidates = self.candidates(wanted.name)
            accept = _strict if policy == "strict" else self._kernel
            found = self.found[key] = [one.id for one in accept(wanted, candidates)]
        return found

    def _kernel(self, wanted: Wanted, candidates: list[Candidate]) -> list[Candidate]:
        """As ``btf_relocate_map_distilled_base`` does, of libbpf and the kernel."""
        # Composites are counted by name offset there, not by name.
        names = [one.name_off for one in candidates if one.kind in COMPOSITES]
        accepted: list[Candidate] = []
        for one in candidates:
            # That a type is embedded is forgotten there once it has a partner.
            embedded = wanted.sized and not accepted
            sized = _needs_size(one, wanted, names, embedded)
            if (one.size == wanted.size or not sized) and self._kernel_kind(wanted, one):
                accepted.append(one)
        return accepted

    def _kernel_kind(self, wanted: Wanted, one: Candidate) -> bool:
        match wanted.kind:
            case Kind.FWD:
                # A struct's kind_flag means bit fields; it is compared with a FWD's all the same.
                return (
                    (one.kind == Kind.FWD and one.kind_flag == wanted.kind_flag)
                    or (one.kind == Kind.STRUCT and not one.kind_flag)
                    or (one.kind == Kind.UNION and one.kind_flag)
                )
            case Kind.INT:
                encodings = self.encoding_of(one.encoding), self.encoding_of(wanted.encoding)
                return one.kind == Kind.INT and encodings[0] == encodings[1]
            case Kind.ENUM:
                return one.kind in ENUMS
            case Kind.STRUCT | Kind.UNION:
                return True
        return one.kind == wanted.kind


def _needs_size(one: Candidate, wanted: Wanted, composite_names: list[int], embedded: bool) -> bool:
    """Whether the kernel compares sizes for this candidate."""
    if one.kind in COMPOSITES and composite_names.count(one.name_off) > 1:
        return True
    if one.kind in (Kind.INT, Kind.FLOAT, *ENUMS):
        return True
    return embedded and wanted.kind in COMPOSITES


def related(wanted: Wanted, one: Candidate) -> bool:
    """Whether a candidate is of the kind that the distilled type stands for."""
    if wanted.kind == Kind.FWD:
        declared = Kind.UNION if wanted.kind_flag else Kind.STRUCT
        return one.kind == declared or (one.kind == Kind.FWD and one.kind_flag == wanted.kind_flag)
    if wanted.kind == Kind.ENUM:
        return one.kind in ENUMS
    return one.kind == wanted.kind


def _strict(wanted: Wanted, candidates: list[Candidate]) -> list[Candidate]:
    """Never another kind, and no guess among different types."""
    same = [one for one in candidates if related(wanted, one)]
    match wanted.kind:
        case Kind.INT | Kind.FLOAT:
            # The record is there in full, so that equal ones are interchangeable: the first.
            full = (wanted.size, wanted.encoding)
            return [one for one in same if (one.size, one.encoding) == full][:1]
        case Kind.ENUM:
            sized = [one for one in same if one.size == wanted.size]
            return [one for one in sized if one.vlen] or sized
        case Kind.FWD:
            definitions = [one for one in same if one.kind != Kind.FWD]
            declarations = [one for one in same if one.kind == Kind.FWD]
            return definitions if len(definitions) == 1 else declarations[:1] or definitions
    if wanted.sized or len(same) > 1:
        return [one for one in same if one.size == wanted.size]
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
        _encodings(btf),
        types.vlens,
        types.name_offs,
    )
    bits: Any = types.plan.kinds[Kind.INT].fixed[0].bits
    return Target(ids, columns, lambda word: int(bits.split(word)["encoding"]))
