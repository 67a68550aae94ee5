"""What kinds are to the questions: derived from the schema's rows, so that others' kinds count too.

This is the one place here that says which kinds are pointers, structs, enums and so on.
"""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import (
    BTF_ARRAY,
    BTF_DECL_TAG,
    BTF_ENUM,
    BTF_ENUM64,
    BTF_MEMBER,
    BTF_PARAM,
    BTF_VAR_SECINFO,
    Kind,
    KindSpec,
)
from btfschema.schema.plan import KindPlan, Plan
from btfschema.schema.roles import Role

__all__ = ["Parts", "parts_of_plan"]


@frozen
class Parts:
    """The kinds of a schema by the part they play.

    Attributes:
        modifiers: what is what its target is (``const``, typedefs, type tags).
        pointers: what has a size whatever it points to.
        arrays: what repeats its element.
        composites: structs and unions: what has members.
        unions: those of them whose members share their bytes.
        enums: what has named values.
        wide_enums: those of them whose values have 64 bits.
        prototypes: what has parameters.
        functions: what a prototype is the type of, by name.
        variables: named data.
        sections: what lists variables.
        declarations: forward declarations.
        tags: tags on declarations.
        typedefs: modifiers that are names in C.
        type_tags: modifiers whose name is a tag's text.
    """

    modifiers: frozenset[int]
    pointers: frozenset[int]
    arrays: frozenset[int]
    composites: frozenset[int]
    unions: frozenset[int]
    enums: frozenset[int]
    wide_enums: frozenset[int]
    prototypes: frozenset[int]
    functions: frozenset[int]
    variables: frozenset[int]
    sections: frozenset[int]
    declarations: frozenset[int]
    tags: frozenset[int]
    typedefs: frozenset[int]
    type_tags: frozenset[int]

    @property
    def chained(self) -> frozenset[int]:
        """What has the size of something else, or a multiple of it."""
        return self.modifiers | self.arrays


@lru_cache(maxsize=16)
def parts_of_plan(plan: Plan) -> Parts:
    """The parts of all kinds that a plan declares; kinds of a layout section alone play none."""
    plans = [one for one in plan.kinds.values() if one.spec is not None]
    specs = [one.spec for one in plans if one.spec is not None]

    def graph(spec: KindSpec) -> Graph | None:
        return spec.constraints.graph if spec.constraints is not None else None

    def refers(plan: KindPlan) -> bool:
        return plan.third.role is Role.TYPE_ID

    def of(*numbers: int) -> frozenset[int]:
        return frozenset(int(spec.number) for spec in specs if spec.number in numbers)

    def having(*elements: object) -> frozenset[int]:
        return frozenset(int(s.number) for s in specs if any(s.element is one for one in elements))

    modifiers = frozenset(
        p.number for p in plans if p.spec and graph(p.spec) is Graph.MODIFIER and refers(p)
    )
    return Parts(
        modifiers=modifiers,
        pointers=frozenset(int(s.number) for s in specs if graph(s) is Graph.POINTER),
        arrays=frozenset(int(s.number) for s in specs if s.fixed is BTF_ARRAY),
        composites=having(BTF_MEMBER),
        unions=of(Kind.UNION),
        enums=having(BTF_ENUM, BTF_ENUM64),
        wide_enums=having(BTF_ENUM64),
        prototypes=having(BTF_PARAM),
        functions=of(Kind.FUNC),
        variables=of(Kind.VAR),
        sections=having(BTF_VAR_SECINFO),
        declarations=of(Kind.FWD),
        tags=frozenset(int(s.number) for s in specs if s.fixed is BTF_DECL_TAG),
        typedefs=of(Kind.TYPEDEF),
        type_tags=of(Kind.TYPE_TAG),
    )
