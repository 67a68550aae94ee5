"""What all views share: belonging to a container, and the way from a record and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from attrs import field, fields, fields_dict, frozen

from btfschema.errors import BtfError, UnresolvedError
from btfschema.model.views.making import Records, container_setter, grouped, made
from btfschema.schema.kinds import KINDS, Kind
from btfschema.schema.plan import KindPlan, RawRecord

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView

__all__ = [
    "Attached",
    "DeclaredView",
    "Modifier",
    "Opaque",
    "OtherKind",
    "Refers",
    "TypeView",
    "Void",
    "attached",
    "numbered",
]


class Attached:
    """Something that may belong to a container.

    The container is not an attrs field: ``attrs.fields``, ``attrs.asdict`` and equality cover what
    the file says and nothing else.
    """

    __slots__ = ("__weakref__", "_btf")

    if TYPE_CHECKING:
        _btf: Btf

    @property
    def btf(self) -> Btf | None:
        """The container that this was read from, or None."""
        return getattr(self, "_btf", None)

    def _resolve(self, type_id: int) -> AnyView:
        btf = self.btf
        if btf is None:
            message = (
                f"type id {type_id} can't be resolved: this {type(self).__name__} was not read "
                "from a container"
            )
            raise UnresolvedError(message, got=type_id, expected="a view from btf[id]")
        return btf[type_id]

    def __copy__(self) -> Self:
        """Itself: it can't change."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Itself: it can't change, and neither can its container."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its fields and its container, which goes into a pickle once."""
        values = {one.name: getattr(self, one.name) for one in fields(cast(Any, type(self)))}
        return _revived, (type(self), values, self.btf)


_OWN = container_setter(Attached)


def attached(one: Any, btf: Btf) -> Any:
    """``one``, a new instance, which belongs to this container from now on."""
    _OWN(one, btf)
    return one


def _revived(cls: type[Any], values: dict[str, Any], btf: Btf | None) -> Any:
    """What was pickled."""
    one = cls(**values)
    return one if btf is None else attached(one, btf)


def numbered(items: tuple[Any, ...]) -> str:
    """How a repr shows the elements of a type: how many there are, unless there are few."""
    return repr(items) if len(items) < 2 else f"<{len(items)} of {type(items[0]).__name__}>"


class Refers(Attached):
    """Something with one type id."""

    __slots__ = ()

    # Every subclass declares the field ``type_id``.
    @property
    def type(self) -> AnyView:
        """The type that ``type_id`` refers to."""
        # Each subclass declares it.
        return self._resolve(self.type_id)  # type: ignore[attr-defined]  # pyright: ignore


class OtherKind(int):
    """The number of a kind that this package does not declare; it has a name, as a Kind has."""

    name: str

    def __new__(cls, number: int, name: str) -> Self:
        """The number of a kind of this name."""
        one = super().__new__(cls, number)
        one.name = name
        return one

    def __reduce__(self) -> tuple[type[Self], tuple[int, str]]:
        """Copied and pickled as what makes another one."""
        return type(self), (int(self), self.name)


@frozen
class TypeView(Attached):
    """Base of all views.

    Attributes:
        id: the type's id in its container; 0 for a view that belongs to none.
    """

    KIND: ClassVar[int]
    # The class of the repeated structs, and the field that holds them.
    ELEMENT: ClassVar[Any] = None
    # The word that C writes before a name of this kind: "struct", "union", "enum".
    KEYWORD: ClassVar[str] = ""

    id: int = field(kw_only=True, eq=False, default=0)

    @property
    def kind(self) -> Kind | OtherKind:
        """The kind, a :class:`~btfschema.Kind` for those that this package declares.

        Others are numbers that have a name, too: that which the container was read with.
        """
        return self._other_kind(self.KIND)

    def _other_kind(self, number: int) -> OtherKind:
        btf = self.btf
        return OtherKind(number, (btf.kinds if btf is not None else KINDS).name(number))

    if TYPE_CHECKING:
        # attrs writes these. To type checkers views of any two classes may be equal: those of kinds
        # that were added from outside are not in AnyView.
        def __eq__(self, other: object) -> bool: ...
        def __hash__(self) -> int: ...

    def __str__(self) -> str:
        """Its C declaration; of what C can't say, and of a view of no container, the repr."""
        if self.btf is None:
            return repr(self)
        # What presents builds on this package, and is asked for when somebody looks.
        shown = import_module("btfschema.render.single").shown
        try:
            return str(shown(self))
        except BtfError:
            return repr(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How notebooks and IPython show it."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """How notebooks show it."""
        return f"<pre>{escape(str(self))}</pre>"

    @property
    def references(self) -> list[int]:
        """The ids that this type refers to, in the schema's order.

        Raises:
            UnresolvedError: the view was not read from a container.
        """
        btf = self.btf
        if btf is None:
            raise UnresolvedError(f"this {type(self).__name__} was not read from a container")
        return btf.references(self.id)

    @property
    def stripped(self) -> AnyView:
        """What is left without typedefs, qualifiers and type tags: itself for any other kind.

        Raises:
            UnresolvedError: the view was not read from a container, or it leads back to itself.
        """
        from btfschema.model.paths import stripped

        return stripped(self)

    @classmethod
    def _many(cls, records: Records, btf: Btf) -> list[Self]:
        """The views of some records, at little cost for each."""
        columns = {**cls._columns(records, btf), "id": records.ids}
        return made(cls, columns, len(records.ids), (_OWN, btf))

    @classmethod
    def of_records(cls, records: Records) -> list[Self]:
        """The views of some records, which belong to no container."""
        columns = {**cls._columns(records, None), "id": [0] * len(records.ids)}
        return made(cls, columns, len(records.ids))

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        """The values of each field; kinds whose view has other names than the schema override it.

        Fields that have a converter get what it takes.
        """
        plan = records.plan
        values: dict[str, Any] = {
            "name": records.names,
            "kind_flag": records.flags,
            "vlen": records.vlens,
            plan.third.name: records.thirds,
        }
        values.update(zip((f.attribute for f in plan.fixed), records.fixed, strict=True))
        if plan.spec is not None and plan.stride:
            names = (f.attribute for f in plan.element)
            elements = dict(zip(names, records.columns, strict=True))
            values[plan.spec.elements] = cls._elements(elements, records, btf)
        known = fields_dict(cls)
        return {name: column for name, column in values.items() if name in known}

    @classmethod
    def _elements(
        cls, columns: Mapping[str, list[Any]], records: Records, btf: Btf | None
    ) -> list[tuple[Any, ...]]:
        """The elements of each record."""
        owned = btf is not None and issubclass(cls.ELEMENT, Attached)
        owner = (_OWN, btf) if owned else None
        items = made(cls.ELEMENT, columns, sum(records.vlens), owner)
        return grouped(items, records.vlens)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        """The record of this view; the inverse of ``_columns``."""
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
class DeclaredView(TypeView):
    """Base of the views of the kinds that this package declares."""

    KIND: ClassVar[Kind]

    @property
    def kind(self) -> Kind:
        """The kind."""
        return self.KIND


@frozen
class Void(DeclaredView):
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
    payload: tuple[int, ...] = field(repr=numbered)

    @property
    def kind(self) -> OtherKind:
        """The kind's number, which has a name as a :class:`~btfschema.Kind` has: ``KIND_40``."""
        return self._other_kind(self.number)

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        return {
            "number": [records.plan.number] * len(records.ids),
            "name": records.names,
            "vlen": records.vlens,
            "kind_flag": records.flags,
            "size_or_type": records.thirds,
            "payload": records.payloads,
        }


@frozen
class Modifier(DeclaredView, Refers):
    """A pointer or a qualifier: nothing but the type that it stands before."""

    type_id: int
    name: str = field(default="", kw_only=True)
