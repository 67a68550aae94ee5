"""The types of a container as CO-RE's rules look at them: qualifiers skipped, each read once."""

from __future__ import annotations

from attrs import field, frozen

from btfschema.errors import CoreError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.memo import remembered
from btfschema.model.views import TypeView, class_of
from btfschema.model.views.data import Composite, EnumBase
from btfschema.schema.kinds import Kinds
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.plan import plan_of

__all__ = ["Types", "enum_kinds", "modifier_kinds"]


def modifier_kinds(kinds: Kinds) -> frozenset[int]:
    """The kinds that only qualify or rename their target: typedefs, qualifiers, type tags."""
    return parts_of_plan(plan_of(kinds)).modifiers


def enum_kinds(kinds: Kinds) -> frozenset[int]:
    """The kinds of enums, which are alike for CO-RE whatever the size of their values."""
    return frozenset(
        number for number, spec in kinds.items() if issubclass(class_of(spec), EnumBase)
    )


@frozen(eq=False)
class Types:
    """Reads types of one container, each once.

    Attributes:
        btf: the container, with its bases.
        modifiers: see :func:`modifier_kinds`.
        enums: see :func:`enum_kinds`.
    """

    btf: Btf
    modifiers: frozenset[int]
    enums: frozenset[int]
    _views: dict[int, TypeView] = field(factory=dict, repr=False)
    _skipped: dict[int, int] = field(factory=dict, repr=False)

    @classmethod
    def of(cls, btf: Btf) -> Types:
        """The reader of a container, which stays with it."""
        return remembered(
            btf, cls, lambda btf: cls(btf, modifier_kinds(btf.kinds), enum_kinds(btf.kinds))
        )

    def __getitem__(self, type_id: int) -> TypeView:
        """The type with this id, as it stands."""
        view = self._views.get(type_id)
        if view is None:
            view = self._views[type_id] = self.btf[type_id]
        return view

    def skip(self, type_id: int) -> int:
        """The id behind typedefs, qualifiers and type tags; 0 is void.

        Raises:
            CoreError: they run in a circle.
        """
        known = self._skipped.get(type_id)
        if known is not None:
            return known
        at, seen = type_id, {type_id}
        while (view := self[at]).kind in self.modifiers:
            (at,) = view.references
            if at in seen:
                raise CoreError(
                    f"typedefs and qualifiers run in a circle through {self.btf.describe(at)}",
                    type_id=type_id,
                )
            seen.add(at)
        self._skipped[type_id] = at
        return at

    def behind(self, type_id: int) -> TypeView:
        """The type behind typedefs, qualifiers and type tags."""
        return self[self.skip(type_id)]

    def size(self, type_id: int) -> int:
        """Bytes of a type.

        Raises:
            CoreError: it has no size, or one that libbpf can't hold.
        """
        try:
            size = self.btf.sizeof(type_id)
        except UnresolvedError as error:
            raise CoreError(str(error), type_id=type_id) from None
        if size > 0xFFFFFFFF:
            raise CoreError(
                f"{self.btf.describe(type_id)} has {size} bytes, more than 32 bits can say",
                type_id=type_id,
                got=size,
            )
        return size

    def composite(self, type_id: int) -> Composite | None:
        """The struct or union behind typedefs and qualifiers, or None for anything else."""
        view = self.behind(type_id)
        return view if isinstance(view, Composite) else None

    def alike(self, kind: int, other: int) -> bool:
        """Whether two kinds are the same for CO-RE (``btf_kind_core_compat``)."""
        return kind == other or (kind in self.enums and other in self.enums)
