"""What part each kind plays in the graph of types, as sets of kinds that the rows are asked for.

The only place that says which kinds are modifiers, pointers, structs, enums and so on. The sets
follow from the plan of the container at hand, so that kinds from outside belong to them too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from btfschema.arrays import read_only
from btfschema.schema.constraints import Distilled, Graph, Target
from btfschema.schema.kinds import (
    BTF_DECL_TAG,
    BTF_ENUM,
    BTF_ENUM64,
    BTF_INT,
    BTF_MEMBER,
    BTF_PARAM,
    BTF_VAR_SECINFO,
    Kind,
    KindSpec,
)
from btfschema.schema.plan import KIND_MASK, KindPlan, Plan
from btfschema.schema.roles import Role

__all__ = ["KindMask", "Parts", "kind_mask", "parts_of_plan"]

Kindset = frozenset[int]
KindMask = np.ndarray[Any, np.dtype[np.bool_]]
"""Whether each kind belongs to a set; to be indexed with a column of kinds."""


@lru_cache(maxsize=256)
def kind_mask(kinds: Kindset | tuple[int, ...]) -> KindMask:
    """A mask over all kinds."""
    return read_only(np.isin(np.arange(KIND_MASK + 1), list(kinds)))


class Parts:
    """The kinds of a plan by the part they play; kinds of a layout section alone play none."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def _kinds(self, has: Callable[[KindSpec], object]) -> Kindset:
        plans = self.plan.kinds.items()
        return frozenset(int(n) for n, plan in plans if plan.spec is not None and has(plan.spec))

    def _graph(self, *graphs: Graph) -> Kindset:
        return self._kinds(lambda spec: spec.graph in graphs)

    def _made_of(self, *structs: object) -> Kindset:
        def has(spec: KindSpec) -> bool:
            return any(part is one for part in (spec.fixed, spec.element) for one in structs)

        return self._kinds(has)

    def _leading(self, *targets: Target) -> Kindset:
        return self._kinds(lambda spec: spec.constraints and spec.constraints.target in targets)

    @cached_property
    def modifiers(self) -> Kindset:
        """What is what its target is: typedefs, qualifiers, type tags."""
        return self._graph(Graph.MODIFIER)

    @cached_property
    def qualifiers(self) -> Kindset:
        """Modifiers without a name: ``const`` and the like."""
        return self.modifiers & self._kinds(lambda spec: not spec.named)

    @cached_property
    def typedefs(self) -> Kindset:
        """Modifiers that are names in C."""
        return frozenset({int(Kind.TYPEDEF)}) & self.modifiers

    @cached_property
    def type_tags(self) -> Kindset:
        """Modifiers whose name is a tag's text."""
        return frozenset({int(Kind.TYPE_TAG)}) & self.modifiers

    @cached_property
    def pointers(self) -> Kindset:
        """What has a size whatever it points to."""
        return self._graph(Graph.POINTER)

    @cached_property
    def arrays(self) -> Kindset:
        """What repeats its element: a fixed type id and a count."""

        def repeats(plan: KindPlan) -> bool:
            return plan.first_type_id is not None and any(f.name == "nelems" for f in plan.fixed)

        made = self._graph(Graph.COMPOSITE)
        return frozenset(number for number in made if repeats(self.plan.kinds[number]))

    @cached_property
    def composites(self) -> Kindset:
        """Structs and unions: what has members."""
        return self._made_of(BTF_MEMBER)

    @cached_property
    def holders(self) -> Kindset:
        """What is made of the types that its elements refer to: structs, unions and the like."""
        return self._graph(Graph.COMPOSITE) & self._kinds(lambda spec: spec.element is not None)

    @cached_property
    def records(self) -> Kindset:
        """What is made of other types, and no array."""
        return self._graph(Graph.COMPOSITE) - self.arrays

    @cached_property
    def unions(self) -> Kindset:
        """Composites whose members share their bytes."""
        return frozenset({int(Kind.UNION)}) & self.composites

    @cached_property
    def integers(self) -> Kindset:
        """Numbers with an encoding."""
        return self._made_of(BTF_INT)

    @cached_property
    def enums(self) -> Kindset:
        """What has named values."""
        return self._made_of(BTF_ENUM, BTF_ENUM64)

    @cached_property
    def wide_enums(self) -> Kindset:
        """Enums whose values have 64 bits."""
        return self._made_of(BTF_ENUM64)

    @cached_property
    def data(self) -> Kindset:
        """What ends a chain and has a size: numbers, with or without names for their values."""
        return self._graph(Graph.DATA)

    @cached_property
    def floats(self) -> Kindset:
        """Floating-point numbers."""
        return frozenset({int(Kind.FLOAT)}) & self.scalars

    @cached_property
    def scalars(self) -> Kindset:
        """What ends a chain, has a size and no named values: integers and floats."""
        return self.data - self._kinds(lambda spec: spec.element is not None)

    @cached_property
    def prototypes(self) -> Kindset:
        """What has parameters."""
        return self._made_of(BTF_PARAM)

    @cached_property
    def functions(self) -> Kindset:
        """What a prototype is the type of, by name."""
        return self._leading(Target.PROTOTYPE)

    @cached_property
    def variables(self) -> Kindset:
        """Named data."""
        return self._graph(Graph.ROOT) & self._leading(Target.SIZED)

    @cached_property
    def sections(self) -> Kindset:
        """What lists variables."""
        return self._made_of(BTF_VAR_SECINFO)

    @cached_property
    def declarations(self) -> Kindset:
        """Forward declarations."""
        return self._kinds(lambda spec: spec.declares)

    @cached_property
    def tags(self) -> Kindset:
        """Tags on declarations."""
        return self._made_of(BTF_DECL_TAG)

    @cached_property
    def called(self) -> Kindset:
        """What may be looked up by its name: all but tags, whose name is a text."""
        return frozenset(self.plan.kinds) - self.tags - self.type_tags

    @cached_property
    def chained(self) -> Kindset:
        """What has the size of something else, or a multiple of it."""
        return self.modifiers | self.arrays

    @cached_property
    def sized_by_target(self) -> Kindset:
        """What is as large as the type in its third word: modifiers, variables, tags on them."""
        refers = self._kinds(lambda spec: self.plan.kinds[spec.number].third.role is Role.TYPE_ID)
        return refers & self._graph(Graph.MODIFIER, Graph.ROOT)

    @cached_property
    def by_value(self) -> Kindset:
        """What uses the types that it refers to by value, wherever it refers to them.

        Modifiers pass on what they are; one that also has elements is made of these. What nothing
        is known of is taken to be so.
        """
        known = self._graph(Graph.COMPOSITE) | self._leading(Target.SIZED, Target.RETURN)
        listing = self._kinds(lambda spec: spec.element is not None)
        return (
            known
            | (self._graph(Graph.MODIFIER) & listing)
            | self._kinds(lambda spec: spec.graph is None)
        )

    @cached_property
    def kept_whole(self) -> Kindset:
        """What stands in a distilled base as it is."""
        return self._kinds(lambda spec: spec.distilled is Distilled.WHOLE)

    @cached_property
    def kept_by_name(self) -> Kindset:
        """What stands in a distilled base without elements."""
        return self._kinds(lambda spec: spec.distilled is Distilled.NAME_AND_SIZE)

    @cached_property
    def named_in_base(self) -> Kindset:
        """What a distilled base names, be it as another kind."""
        return self.kept_whole | self.kept_by_name

    @cached_property
    def distilled(self) -> Kindset:
        """What a distilled base may hold (libbpf: ``btf_relocate_validate_distilled_base``)."""
        return frozenset(self.stands_as(number) for number in self.named_in_base)

    @cached_property
    def unrepeatable(self) -> Kindset:
        """What can be neither distilled nor repeated: definitions, and what nothing declares."""
        return self._kinds(lambda spec: spec.distilled is Distilled.REFUSED) | frozenset(
            self.plan.opaque
        )

    @cached_property
    def stand_ins(self) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """By kind, the one that stands for it in a distilled base."""
        every = range(KIND_MASK + 1)
        return read_only(np.array([self.stands_as(number) for number in every], np.uint32))

    @cached_property
    def _meant(self) -> dict[int, tuple[int, ...]]:
        """By kind of a distilled base, those that it may stand for."""
        found: dict[int, tuple[int, ...]] = {}
        for one in sorted(self.named_in_base):
            stand_in = self.stands_as(one)
            found[stand_in] = (*found.get(stand_in, ()), one)
        return found

    def stands_as(self, number: int) -> int:
        """The kind that stands for a kind in a distilled base."""
        spec = self.plan.schema.get(number)
        return int(number if spec is None or spec.stands_as is None else spec.stands_as)

    def standing_for(self, number: int) -> tuple[int, ...]:
        """The kinds that a kind of a distilled base may stand for, ascending."""
        return self._meant.get(int(number), (number,))

    def declared_by(self, number: int, kind_flag: bool) -> int | None:
        """The kind that a forward declaration with this kind_flag stands for."""
        spec = self.plan.schema.get(number)
        return int(spec.declares[kind_flag]) if spec is not None and spec.declares else None


@lru_cache(maxsize=16)
def parts_of_plan(plan: Plan) -> Parts:
    """The parts of all kinds that a plan declares; worked out once for each plan."""
    return Parts(plan)
