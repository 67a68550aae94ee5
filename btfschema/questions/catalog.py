"""All types of a container as arrays by row: what lists, differences and tables are made of.

A :class:`Catalog` describes a container's own types; what they refer to in a base is looked up in
the base's catalog, which is worked out once however many modules are split over it.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from btfschema.arrays import Index, Mask
from btfschema.model.bitfields import own_narrow_integers
from btfschema.model.container import Btf, require_btf
from btfschema.model.memo import remembered
from btfschema.questions.spelling import Declarator, Speller, joined
from btfschema.schema.kinds import MEMBER_BITFIELD
from btfschema.schema.parts import Parts, parts_of_plan
from btfschema.schema.plan import U32_MAX, KindPlan, Plan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements

__all__ = ["NO_SIZE", "Catalog", "Members", "catalog_of"]

Array = npt.NDArray[Any]

# The size of what has none.
NO_SIZE = -1


@frozen(eq=False)
class Members:
    """All members of a container's own structs and unions, in file order.

    Attributes:
        owners: the row of the type that each belongs to.
        firsts: by row, where the type's members start; shape (types + 1,).
        name_offs: names, as offsets into the strings.
        types: type ids.
        offsets: in bits.
        widths: bits of a bit field; 0 for any other member.
    """

    owners: Index
    firsts: Index
    name_offs: Index
    types: Index
    offsets: Index
    widths: Index


class Catalog:
    """A container's own types, by row.

    Args:
        btf: the container.
        base: the catalog of its base, or None.

    Attributes:
        btf: the container.
        base: the catalog of its base, or None.
        first_id: the id of row 0.
        parts: what each kind is.
        kept: what others worked out about it.
    """

    def __init__(self, btf: Btf, base: Catalog | None) -> None:
        self.btf, self.base = btf, base
        self.kept: dict[Any, Any] = {}
        self.table = btf.types
        self.first_id = btf.first_id
        self.parts: Parts = parts_of_plan(self.table.plan)

    def __repr__(self) -> str:
        return f"<Catalog of {self.btf!r}>"

    def __len__(self) -> int:
        return len(self.table)

    def are(self, kinds: frozenset[int]) -> Mask:
        """Whether each type is of one of these kinds."""
        by_kind = np.zeros(256, np.bool_)
        by_kind[list(kinds)] = True
        return by_kind[self.table.kinds]

    def rows(self, kinds: frozenset[int]) -> Index:
        """The rows of these kinds."""
        return np.flatnonzero(self.are(kinds))

    def gather(self, name: str, ids: Array, void: Any = 0) -> Array:
        """An attribute of types anywhere in the chain.

        Args:
            name: an attribute that is an array by row.
            ids: type ids.
            void: the value of ``void``.
        """
        ids = np.asarray(ids, np.int64)
        column: Array = getattr(self, name)
        if self.base is None:
            found = np.full(len(ids), void, column.dtype)
            own = ids > 0
        else:
            own = ids >= self.first_id
            found = np.empty(len(ids), column.dtype)
            found[~own] = self.base.gather(name, ids[~own], void)
        found[own] = column[ids[own] - self.first_id]
        return found

    @property
    def kinds(self) -> Array:
        """Each type's kind."""
        return self.table.kinds

    def fixed(self, rows: Index, name: str) -> Array:
        """A declared word after the common ones, of rows of kinds that have it in one place."""
        found = np.zeros(len(rows), np.int64)
        for plan in self.table.present:
            if any(field.name == name for field in plan.fixed):
                here = self.table.kinds[rows] == plan.number
                words = self.table.fixed(plan.number, rows[here], name)
                found[here] = words.view(plan.fixed_field(name).dtype)
        return found

    @cached_property
    def targets(self) -> Index:
        """The id that each type's record refers to once: a pointer's, an element's; else 0."""
        refers = _with_third(self.table.plan, "type_id")[self.table.kinds]
        targets = np.where(refers, self.table.thirds, 0).astype(np.int64)
        arrays = self.rows(self.parts.arrays)
        targets[arrays] = self.fixed(arrays, "type_id")
        return targets

    @cached_property
    def counts(self) -> Index:
        """Elements of an array; 1 for all else."""
        counts = np.ones(len(self), np.int64)
        arrays = self.rows(self.parts.arrays)
        counts[arrays] = self.fixed(arrays, "nelems")
        return counts

    def _followed(self, mask: Mask) -> Index:
        """Where each own type leads by the masked ones, as far as the container's own types go."""
        own = np.arange(len(self)) + self.first_id
        ends: Index = np.where(mask, self.targets, own)
        # Each round doubles the length of the references that are followed.
        for _ in range(len(self).bit_length()):
            inside = ends >= self.first_id
            further = ends.copy()
            further[inside] = ends[ends[inside] - self.first_id]
            if np.array_equal(further, ends):
                break
            ends = further
        return ends

    @cached_property
    def ends(self) -> Index:
        """The type that each is through names, qualifiers and arrays; itself for what is none."""
        return self._resolved("ends", self.are(self.parts.chained))

    @cached_property
    def plain(self) -> Index:
        """Like :attr:`ends`, but arrays stay."""
        return self._resolved("plain", self.are(self.parts.modifiers))

    def _resolved(self, name: str, mask: Mask) -> Index:
        ends = self._followed(mask)
        if self.base is not None:
            outside = ends < self.first_id
            ends[outside] = self.base.gather(name, ends[outside])
        return ends

    @cached_property
    def sizes(self) -> Index:
        """Bytes of each type through names, qualifiers and arrays; ``NO_SIZE`` where it has none.

        As with ``btf__resolve_size``, what needs more than 32 bits has none, and a variable is as
        large as its type.
        """
        return self._sizes("sizes", self.parts.chained | self.parts.variables)

    @cached_property
    def part_sizes(self) -> Index:
        """Bytes of each type as a part of others, such as a member: no variable is one."""
        return self._sizes("part_sizes", self.parts.chained)

    def _sizes(self, name: str, passed: frozenset[int]) -> Index:
        own_sizes = np.where(
            _with_third(self.table.plan, "size")[self.table.kinds],
            self.table.thirds.astype(np.float64),
            NO_SIZE,
        )
        own_sizes[self.rows(self.parts.pointers)] = self.btf.pointer_size
        chained = self.are(passed)
        own = np.arange(len(self)) + self.first_id
        steps: Index = np.where(chained, self.targets, own)
        # Doubles hold what fits 32 bits exactly, and what does not without overflow.
        totals = self.counts.astype(np.float64)
        for _ in range(len(self).bit_length()):
            inside = (steps >= self.first_id) & (steps != own)
            at = steps[inside] - self.first_id
            following = steps[at]
            if np.array_equal(following, steps[inside]):
                break
            totals[inside] = np.minimum(totals[inside] * totals[at], U32_MAX + 1)
            steps[inside] = following
        inside = steps >= self.first_id
        sizes = np.full(len(self), NO_SIZE, np.float64)
        at = steps[inside] - self.first_id
        # What ends on a chained type runs in a circle.
        sizes[inside] = np.where(chained[at], NO_SIZE, own_sizes[at])
        if self.base is not None:
            sizes[~inside] = self.base.gather(name, steps[~inside], NO_SIZE)
        whole = np.where(sizes >= 0, sizes * totals, NO_SIZE)
        return np.where(whole <= U32_MAX, whole, NO_SIZE).astype(np.int64)

    def elements_of(self, kinds: frozenset[int]) -> list[Elements]:
        """The repeated structs of these kinds, those of kinds that declare the same together."""
        groups: dict[int, list[KindPlan]] = {}
        for plan in self.table.present:
            if plan.number in kinds and plan.spec is not None and plan.stride:
                groups.setdefault(id(plan.spec.element), []).append(plan)
        found = []
        for plans in groups.values():
            for firsts in {plan.first_element for plan in plans}:
                same = [plan for plan in plans if plan.first_element == firsts]
                rows = self.table.rows_of(*[plan.number for plan in same])
                found.append(self.table.elements(same[0].number, rows))
        return found

    @cached_property
    def members(self) -> Members:
        """The members of all structs and unions."""
        groups = self.elements_of(self.parts.composites)
        owners = _joined([one.owners for one in groups])
        order = np.argsort(owners, kind="stable")
        owners = owners[order]

        def column(name: str) -> Index:
            return _joined([one.column(name) for one in groups])[order]

        words, flags = column("offset"), self.table.kind_flags[owners]
        firsts = owners.searchsorted(np.arange(len(self) + 1))
        return Members(
            owners,
            firsts,
            column("name_off"),
            column("type_id"),
            np.where(flags, MEMBER_BITFIELD.part(words, "bit_offset"), words),
            np.where(flags, MEMBER_BITFIELD.part(words, "bitfield_size"), 0),
        )

    @cached_property
    def exact_members(self) -> Members:
        """The members, with the bit fields of Linux 4.18 to 5.0 as what they are."""
        members = self.members
        ends = self.gather("plain", members.types)
        bits = self.gather("narrow_bits", ends)
        old = (bits > 0) & ~self.table.kind_flags[members.owners]
        if not old.any():
            return members
        skipped = self.gather("narrow_starts", ends)
        offsets = members.offsets + np.where(old, skipped, 0)
        return evolve(members, offsets=offsets, widths=np.where(old, bits, members.widths))

    @cached_property
    def _narrow(self) -> tuple[Index, Index]:
        return own_narrow_integers(self.table)

    @property
    def narrow_starts(self) -> Index:
        """The bit at which an integer that doesn't fill its bytes starts; of others 0."""
        return self._narrow[0]

    @property
    def narrow_bits(self) -> Index:
        """The bits of an integer that doesn't fill its bytes; 0 for all else."""
        return self._narrow[1]

    @cached_property
    def names(self) -> list[str]:
        """Each type's name, or ""."""
        return self.btf.strings.names(self.table.name_offs)

    @cached_property
    def named(self) -> Mask:
        """Whether each type has a name."""
        return ~self.btf.strings.empty(self.table.name_offs)

    @cached_property
    def texts(self) -> list[str]:
        """Each type in C's words, such as ``struct file *``."""
        return [joined(one) for one in self.declarators]

    @cached_property
    def speller(self) -> Speller:
        """What spells the types, each when it is asked for."""
        return Speller(self)

    @cached_property
    def declarators(self) -> list[Declarator]:
        """Each type as what stands before and after the name that is declared with it."""
        return [self.speller.of(self.first_id + row) for row in range(len(self))]

    def owner(self, type_id: int) -> Catalog | None:
        """The catalog of the chain that holds a type; None for ``void``."""
        catalog: Catalog | None = self if type_id else None
        while catalog is not None and type_id < catalog.first_id:
            catalog = catalog.base
        return catalog

    def text(self, type_id: int) -> str:
        """A type of the chain in C's words."""
        owner = self.owner(type_id)
        return joined(owner.speller.of(type_id)) if owner is not None else "void"


@lru_cache(maxsize=32)
def _with_third(plan: Plan, what: str) -> Mask:
    """By kind, whether its third word is a type id, or is called ``"size"``."""
    by_kind = np.zeros(256, np.bool_)
    for number, kind in plan.kinds.items():
        third = kind.third
        has = third.role is Role.TYPE_ID if what == "type_id" else third.name == what
        by_kind[number] = kind.spec is not None and has
    return by_kind


def _joined(arrays: list[Array]) -> Index:
    return np.concatenate(arrays).astype(np.int64) if arrays else np.zeros(0, np.int64)


def catalog_of(btf: Btf) -> Catalog:
    """The catalog of a container, worked out once for each."""
    require_btf("what is asked", btf)
    catalog: Catalog | None = None
    for part in btf.chain:
        catalog = remembered(part, Catalog, partial(Catalog, base=catalog))
    return catalog or Catalog(btf, None)
