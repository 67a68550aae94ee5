"""What all views share: belonging to a container, and the way from a record and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from attrs import field, fields_dict, frozen

from btfschema.errors import UnresolvedError
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import KindPlan, RawRecord

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["Attached", "Modifier", "Opaque", "Refers", "TypeView", "Void"]


@frozen
class Attached:
    """Something that may belong to a container."""

    _btf: Btf | None = field(default=None, kw_only=True, eq=False, repr=False, alias="btf")

    def _resolve(self, type_id: int) -> TypeView:
        if self._btf is None:
            message = (
                f"type id {type_id} can't be resolved: this {type(self).__name__} was not read "
                "from a container"
            )
            raise UnresolvedError(message, got=type_id, expected="a view from btf[id]")
        return self._btf[type_id]


@frozen
class Refers(Attached):
    """Something with one type id."""

    # Every subclass declares the field ``type_id``.
    @property
    def type(self) -> TypeView:
        """The type that ``type_id`` refers to."""
        return self._resolve(self.type_id)  # type: ignore[attr-defined]  # pyright: ignore


@frozen
class TypeView(Attached):
    """Base of all views.

    Attributes:
        id: the type's id in its container; 0 for a view that belongs to none.
    """

    KIND: ClassVar[int]
    # The class of the repeated structs, and the field that holds them.
    ELEMENT: ClassVar[Any] = None

    id: int = field(kw_only=True, eq=False, default=0)

    @property
    def kind(self) -> int:
        """The kind, a :class:`~btfschema.Kind` for those that this package declares."""
        return self.KIND

    @property
    def btf(self) -> Btf | None:
        """The container that the view was read from."""
        return self._btf

    @property
    def references(self) -> list[int]:
        """The ids that this type refers to, in the schema's order.

        Raises:
            UnresolvedError: the view was not read from a container.
        """
        if self._btf is None:
            raise UnresolvedError(f"this {type(self).__name__} was not read from a container")
        return self._btf.references(self.id)

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        """Make a view of a record; kinds whose view has other names than the schema override it."""
        known = fields_dict(cls)
        values: dict[str, Any] = {"name": raw.name, "kind_flag": raw.kind_flag, "vlen": raw.vlen}
        values[plan.third.name] = raw.third
        values.update(zip((f.attribute for f in plan.fixed), raw.fixed, strict=True))
        if plan.spec is not None and plan.stride:
            element = cls.ELEMENT
            values[plan.spec.elements] = tuple(
                element(*words, btf=btf) for words in zip(*raw.columns, strict=True)
            )
        return cls(**{k: v for k, v in values.items() if k in known}, id=type_id, btf=btf)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        """The record of this view; the inverse of ``_from_raw``."""
        elements: Iterable[Any] = ()
        if plan.spec is not None and plan.stride:
            elements = getattr(self, plan.spec.elements)
        return RawRecord(
            getattr(self, "name", ""),
            getattr(self, "vlen", 0),
            bool(getattr(self, "kind_flag", False)),
            getattr(self, plan.third.name, 0),
            tuple(getattr(self, f.attribute) for f in plan.fixed),
            tuple([getattr(e, f.attribute) for e in elements] for f in plan.element),
        )


@frozen
class Void(TypeView):
    """``void``, the type with id 0; it has no record."""

    KIND = Kind.VOID
    name: ClassVar[str] = "void"


@frozen
class Opaque(TypeView):
    """A type of a kind that only the file's layout section describes.

    Its payload is kept, and its references are unknown.
    """

    number: int
    name: str
    vlen: int
    kind_flag: bool
    size_or_type: int
    payload: tuple[int, ...]

    @property
    def kind(self) -> int:
        """The kind's number."""
        return self.number


@frozen
class Modifier(TypeView, Refers):
    """A pointer or a qualifier: nothing but the type that it stands before."""

    type_id: int
    name: str = field(default="", kw_only=True)

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        return cls(raw.third, name=raw.name, id=type_id, btf=btf)
