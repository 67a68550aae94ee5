"""Whether C can declare types as they are: a quick look at all of them at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from btfschema.arrays import distinct
from btfschema.model.memo import remembered
from btfschema.render.c.column import Values
from btfschema.render.c.columns import COMPOSITE, ENUMS, KNOWN, Array, TypeColumns
from btfschema.render.c.numbers import is_spelled, used_numbers
from btfschema.render.c.repair import IN_SCOPE, is_forward, tag_word
from btfschema.render.c.words import BUILT_IN, are_identifiers
from btfschema.schema.kinds import Kind
from btfschema.schema.parts import kind_mask

__all__ = ["has_faults"]

TYPES = KNOWN.chained | KNOWN.pointers | KNOWN.prototypes
# Longer chains are left to a repair.
MOST_STEPS = 100
# What a member, an element or a variable can't be of.
SIZELESS = KNOWN.unrepeatable | KNOWN.prototypes | KNOWN.declarations | {int(Kind.VOID)}


def has_faults(types: TypeColumns, chosen: Iterable[int] = ()) -> bool:
    """Whether C can't declare some type as it is.

    What only a walk over the types finds, such as structs that hold themselves, is not looked for.

    Args:
        types: the types.
        chosen: functions and variables to be declared.
    """
    return remembered(types, has_faults, _have_faults) or not are_identifiers(
        types.names[type_id] for type_id in chosen if types.kinds[type_id] in KNOWN.unrepeatable
    )


def _have_faults(types: TypeColumns) -> bool:
    look = _Look(types)
    return look.names() or look.references() or look.members() or look.enums() or look.tags()


def _among(kinds: Array, wanted: frozenset[int]) -> Array:
    return kind_mask(wanted).take(kinds)


class _Look:
    def __init__(self, types: TypeColumns) -> None:
        self._types = types
        self._kinds = types.arrays["kinds"]
        self._sizes = types.arrays["sizes"]
        self._vlens = types.arrays["vlens"]
        self._targets = types.arrays["targets"]
        self._full_sizes = np.array(types.full_sizes)
        self._firsts = types.arrays["firsts"]
        self._named = np.array(list(map(bool, types.names)))

    def _of(self, kinds: frozenset[int]) -> Array:
        return _among(self._kinds, kinds)

    def _holders(self, kinds: frozenset[int]) -> Array:
        """The types of these kinds that hold something, in the order of what they hold."""
        found = np.flatnonzero(self._of(kinds) & (self._vlens > 0))
        ordered: Array = found[np.argsort(self._firsts[found], kind="stable")]
        return ordered

    def names(self) -> bool:
        """Names that C doesn't take, or that are missing."""
        types = self._types
        needed = self._of(KNOWN.declarations | KNOWN.typedefs)
        if (needed & ~self._named).any() or "" in types.values[0] or "" in types.values64[0]:
            return True
        tags = np.flatnonzero(needed | (self._of(COMPOSITE | ENUMS) & self._named))
        kfuncs = [types.names[types.targets[tag]] for tag in types.whole_tags("bpf_kfunc")]
        names = {types.names[type_id] for type_id in tags.tolist()}
        names.update(
            types.members.names, types.params[0], types.values[0], types.values64[0], kfuncs
        )
        names.discard("")
        if not are_identifiers(names, {BUILT_IN}):
            return True
        return not all(is_spelled(types, type_id) for type_id in used_numbers(types))

    def references(self) -> bool:
        """References to what nothing can be of."""
        types = self._types
        kinds, targets = self._kinds, self._targets
        ends = kinds[types.ends]
        if _among(kinds[targets[self._of(TYPES)]], KNOWN.unrepeatable).any():
            return True
        arrays = self._of(KNOWN.arrays)
        elements = targets[arrays]
        large = (types.arrays["counts"][arrays] > 0) & (self._full_sizes[elements] > 0)
        if (large & (self._full_sizes[arrays] == 0)).any():
            return True
        if _among(ends[elements], SIZELESS).any():
            return True
        results = targets[self._of(KNOWN.prototypes)]
        return bool(_among(ends[results], KNOWN.prototypes).any()) or self._params()

    def _params(self) -> bool:
        types = self._types
        ids = np.array(types.params[1], np.int64)
        ends = self._kinds[types.ends[ids]] if len(ids) else ids
        if _among(ends, KNOWN.unrepeatable).any():
            return True
        protos = self._holders(KNOWN.prototypes)
        if _are_repeated(np.repeat(protos, self._vlens[protos]), types.params[0]):
            return True
        lasts = np.zeros(len(ids), np.bool_)
        lasts[self._firsts[protos] + self._vlens[protos] - 1] = True
        if ((ends == Kind.VOID) & ~(lasts & (ids == 0))).any():
            return True
        return self._defines_among(distinct(ids))

    def _defines_among(self, params: Array) -> bool:
        """Whether types of parameters define something in place, which may take their names."""
        targets, passed = self._targets, self._of(IN_SCOPE)
        defined = self._of(COMPOSITE | ENUMS) & ~self._named
        for _ in range(MOST_STEPS):
            if defined[params].any():
                return True
            params = distinct(targets[params[passed[params]]])
            if not len(params):
                return False
        return True

    def members(self) -> bool:
        """Members that are not one after the other, have no size or no name, or one name."""
        types, members = self._types, self._types.exact_members
        structs = self._holders(COMPOSITE)
        if not len(structs):
            return False
        owners = np.repeat(structs, self._vlens[structs])
        ids, offsets = np.array(members.types), np.array(members.offsets)
        widths, sizes = np.array(members.widths), self._full_sizes[ids]
        ends = types.ends[ids]
        end_kinds = self._kinds[ends]
        declared = self._of(ENUMS)[ends] & (self._vlens[ends] == 0)
        if _among(end_kinds, SIZELESS).any() or declared.any():
            return True
        after = offsets + np.where(widths > 0, widths, 8 * sizes)
        if (after > 8 * self._sizes[owners]).any() or ((widths == 0) & (offsets % 8 > 0)).any():
            return True
        unions = _among(self._kinds[owners], KNOWN.unions)
        same = (owners[1:] == owners[:-1]) & ~unions[1:]
        if (offsets[unions] > 0).any() or (same & (offsets[1:] < after[:-1])).any():
            return True
        narrow = widths > 0
        numbers = _among(end_kinds, KNOWN.integers | ENUMS) & (sizes == self._sizes[ends])
        integers = np.flatnonzero(self._of(KNOWN.integers)).tolist()
        booleans = np.isin(ends, [at for at in integers if types.names[at] == "_Bool"])
        if (narrow & (~numbers | (widths > np.where(booleans, 1, 8 * sizes)))).any():
            return True
        return self._member_names(owners, ids, end_kinds, narrow)

    def _member_names(self, owners: Array, ids: Array, end_kinds: Array, narrow: Array) -> bool:
        types = self._types
        unnamed = ~np.array(list(map(bool, types.members.names)))
        in_place = _among(self._kinds[ids], COMPOSITE | KNOWN.qualifiers)
        in_place &= _among(end_kinds, COMPOSITE) & ~self._named[types.ends[ids]]
        if (unnamed & (narrow | ~in_place)).any():
            return True
        return self._repeats(owners, distinct(owners[unnamed]))

    def _repeats(self, owners: Array, outer: Array) -> bool:
        """Whether a struct has two members of one name, those of members without a name included.

        Args:
            owners: the struct of each member.
            outer: the structs that have members without a name.
        """
        types, members = self._types, self._types.members
        if _are_repeated(owners, members.names):
            return True
        # What real types need is far less; a repair finds out about the others.
        steps, most = 0, 1000 + 20 * len(owners)
        for owner in outer.tolist():
            found: list[str] = []
            todo = [owner]
            while todo:
                struct = int(types.ends[todo.pop()])
                first = types.firsts[struct]
                last = first + types.vlens[struct]
                own = members.names[first:last]
                steps += 1 + len(own)
                if steps > most:
                    return True
                found += filter(None, own)
                if "" in own:
                    inner = zip(own, members.types[first:last], strict=True)
                    todo += [type_id for name, type_id in inner if not name]
            if len({*found}) < len(found):
                return True
        return False

    def enums(self) -> bool:
        """Enums of odd sizes, or with values that their sizes do not hold."""
        types = self._types
        small = self._of(ENUMS) & (self._vlens > 0) & ~np.isin(self._sizes, [4, 8])
        short = self._of(KNOWN.wide_enums) & (self._vlens > 0) & (self._sizes != 8)
        if (small & ~np.isin(self._sizes, [1, 2])).any() or short.any():
            return True
        for type_id in np.flatnonzero(small).tolist():
            bits, first = 8 * types.sizes[type_id], types.firsts[type_id]
            values = types.values[1][first : first + types.vlens[type_id]]
            signed = bool(types.flags[type_id])
            low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
            if not all(low <= value < high for value in values):
                return True
        empty = self._of(ENUMS) & (self._vlens == 0) & ~self._named
        return bool(empty.any())

    def tags(self) -> bool:
        """Forward declarations of one thing where the name is another's."""
        types = self._types
        forwards = [i for i in self._forwards() if is_forward(types, i)]
        wanted = {types.names[type_id]: tag_word(types, type_id) for type_id in forwards}
        if any(wanted[types.names[i]] != tag_word(types, i) for i in forwards):
            return True
        tags = np.flatnonzero(self._of(COMPOSITE | ENUMS) & self._named).tolist()
        return any(wanted.get(types.names[i]) not in (None, tag_word(types, i)) for i in tags)

    def _forwards(self) -> list[int]:
        found: list[int] = np.flatnonzero(
            self._of(ENUMS | KNOWN.declarations) & self._named
        ).tolist()
        return found


def _are_repeated(owners: Array, names: Values[str]) -> bool:
    """Whether one of the owners of these names has one of them twice; all may have none twice."""
    places = dict(zip(names, range(len(names)), strict=True))
    texts = np.array(list(map(places.__getitem__, names)), np.int64)
    keys = (owners * len(names) + texts)[texts != places.get("", -1)]
    keys.sort()
    return bool((keys[1:] == keys[:-1]).any())
