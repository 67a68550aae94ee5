"""How a container is asked: ``btf[...]``, ``find``, ``in``, with the types that come back.

The overloads name every kind, for type checkers and editors; a test compares them with the schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal, SupportsIndex, TypeVar, cast, overload

from btfschema.model import finding
from btfschema.model.finding import KindLike
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import KindPlan

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.relations import Relations, Users
    from btfschema.model.views import (
        AnyView,
        Array,
        Const,
        Datasec,
        DeclTag,
        Enum,
        Enum64,
        Float,
        Func,
        FuncProto,
        Fwd,
        Int,
        LocParam,
        LocProto,
        LocSec,
        Ptr,
        Restrict,
        Struct,
        Typedef,
        TypeTag,
        TypeView,
        Union,
        Var,
        Volatile,
    )
    from btfschema.model.views.data import EnumConstant

__all__ = ["Lookups"]

View = TypeVar("View", bound="TypeView")


class Lookups:
    """What a container is asked for, by id and by name."""

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> AnyView: ...
    @overload
    def __getitem__(self, key: slice) -> list[AnyView]: ...
    def __getitem__(self, key: SupportsIndex | str | slice) -> AnyView | list[AnyView]:
        """The type with this id or name, here or in a base; a slice of ids gives a list.

        A name may be spelled as in C: ``"struct task_struct"``, ``"enum pid_type"``; an integer's,
        which no type has, with C's words in any order: ``"unsigned long"`` is GCC's
        ``"long unsigned int"``.

        Raises:
            TypeIdError: there is no such id.
            UnknownNameError: there is no such name.
            AmbiguousNameError: there are several.
            WrongKeyError: it is none of these; a view has its id as ``view.id``.
        """
        btf = cast("Btf", self)
        if isinstance(key, str):
            return finding.one_named(btf, key)
        if isinstance(key, slice):
            return btf.views(range(*key.indices(btf.end_id)))
        return btf.view(finding.type_id_of(key))

    def __contains__(self, key: object) -> bool:
        """Whether there is such a type: an id, a name as ``btf[name]`` takes it, or a view.

        Ids and names of the bases count. Of views those are in it that iteration gives, and
        what equals one of them.

        Raises:
            WrongKeyError: the key is none of these.
        """
        return finding.contains(cast("Btf", self), key)

    def find_ids(self, name: str, kind: KindLike = None) -> list[int]:
        """The ids of all types with this name, the bases' included, in order.

        The name is as ``btf[name]`` takes it.
        """
        return finding.ids_named(cast("Btf", self), name, kind)

    @overload
    def find_all(self, name: str, kind: None = None) -> list[AnyView]: ...
    @overload
    def find_all(self, name: str, kind: type[View]) -> list[View]: ...
    # Lists are invariant, so that one of Ints is none of any views; pyright says so once, here.
    @overload
    def find_all(  # pyright: ignore[reportOverlappingOverload]
        self, name: str, kind: Literal[Kind.INT]
    ) -> list[Int]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.PTR]) -> list[Ptr]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.ARRAY]) -> list[Array]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.STRUCT]) -> list[Struct]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.UNION]) -> list[Union]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.ENUM]) -> list[Enum]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.FWD]) -> list[Fwd]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.TYPEDEF]) -> list[Typedef]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.VOLATILE]) -> list[Volatile]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.CONST]) -> list[Const]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.RESTRICT]) -> list[Restrict]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.FUNC]) -> list[Func]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.FUNC_PROTO]) -> list[FuncProto]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.VAR]) -> list[Var]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.DATASEC]) -> list[Datasec]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.FLOAT]) -> list[Float]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.DECL_TAG]) -> list[DeclTag]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.TYPE_TAG]) -> list[TypeTag]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.ENUM64]) -> list[Enum64]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.LOC_PARAM]) -> list[LocParam]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.LOC_PROTO]) -> list[LocProto]: ...
    @overload
    def find_all(self, name: str, kind: Literal[Kind.LOCSEC]) -> list[LocSec]: ...
    @overload
    def find_all(self, name: str, kind: int | None) -> list[AnyView]: ...
    def find_all(self, name: str, kind: KindLike = None) -> list[AnyView] | list[View]:
        """All types with this name (and kind), the bases' included, in id order."""
        btf = cast("Btf", self)
        return btf.views(finding.ids_named(btf, name, kind))

    @overload
    def find(self, name: str, kind: None = None) -> AnyView: ...
    @overload
    def find(self, name: str, kind: type[View]) -> View: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.INT]) -> Int: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.PTR]) -> Ptr: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.ARRAY]) -> Array: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.STRUCT]) -> Struct: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.UNION]) -> Union: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.ENUM]) -> Enum: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.FWD]) -> Fwd: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.TYPEDEF]) -> Typedef: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.VOLATILE]) -> Volatile: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.CONST]) -> Const: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.RESTRICT]) -> Restrict: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.FUNC]) -> Func: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.FUNC_PROTO]) -> FuncProto: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.VAR]) -> Var: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.DATASEC]) -> Datasec: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.FLOAT]) -> Float: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.DECL_TAG]) -> DeclTag: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.TYPE_TAG]) -> TypeTag: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.ENUM64]) -> Enum64: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.LOC_PARAM]) -> LocParam: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.LOC_PROTO]) -> LocProto: ...
    @overload
    def find(self, name: str, kind: Literal[Kind.LOCSEC]) -> LocSec: ...
    @overload
    def find(self, name: str, kind: int | None) -> AnyView: ...
    def find(self, name: str, kind: KindLike = None) -> AnyView | View:
        """The one type with this name, here or in a base.

        Args:
            name: as in BTF, or as C spells it: ``"struct task_struct"``, ``"unsigned long"``.
            kind: the kind, or the class of its views: ``Kind.STRUCT`` or ``Struct``, with which
                type checkers know what comes back. ``Composite`` is a struct or union.

        Raises:
            UnknownNameError: there is none.
            AmbiguousNameError: there are several; ``got`` holds their ids.
            WrongKeyError: ``kind`` is not a kind.
        """
        return finding.one_named(cast("Btf", self), name, kind)

    def enumerator(self, name: str) -> EnumConstant:
        """The enumerator of this name, whichever enum has it, with its ``value`` and ``enum``.

        Raises:
            UnknownNameError: there is none.
            AmbiguousNameError: there are several, with different values.
        """
        return finding.enumerator(cast("Btf", self), name)

    def offsetof(self, where: TypeView | int | str, path: str) -> int:
        """Bytes from the start of a struct or union to what a path leads to.

        Args:
            where: the type, as a view, an id or a name.
            path: as :meth:`Composite.member` takes it: ``"pid_links[2].next"``.

        Raises:
            UnresolvedError: the path leads to a bit field, for which :meth:`offsetof_bits` is; or
                the type is not a struct or union.
            NoMemberError: there is no such member, or the path is malformed.
            LookupError: there is no such type.
        """
        from btfschema.model.paths import byte_offset

        return byte_offset(cast("Btf", self), where, path)

    def offsetof_bits(self, where: TypeView | int | str, path: str) -> int:
        """As :meth:`offsetof`, in bits, for bit fields too."""
        from btfschema.model.paths import place_of

        return place_of(cast("Btf", self), where, path).bit_offset

    def users(self, where: TypeView | int | str) -> Users:
        """Who refers to a type, by relation: who contains it, points to it, takes it, returns it.

        Typedefs, qualifiers and arrays are looked through. The first call works the references of
        the whole chain out; those after it cost next to nothing.

        Args:
            where: the type, as a view, an id or a name.

        Raises:
            LookupError: there is no such type.
        """
        return self.relations.users(cast("Btf", self), self._id_of(where))

    def closure(self, types: Iterable[TypeView | int | str] | TypeView | int | str) -> list[int]:
        """The ids of some types and of all that they need, in order; those of bases too.

        Args:
            types: views, ids or names; or one of these.

        Raises:
            LookupError: there is no such type.
        """
        from btfschema.model.views import TypeView

        if isinstance(types, TypeView | str) or not isinstance(types, Iterable):
            types = [types]
        found: list[int] = self.relations.closure(map(self._id_of, types)).tolist()
        return found

    @cached_property
    def relations(self) -> Relations:
        """The references of the whole chain by what they mean, as arrays of ids."""
        from btfschema.model.relations import Relations

        return Relations(cast("Btf", self).all_types)

    def _id_of(self, where: TypeView | int | str) -> int:
        """The id of a type that is given in some way; there is such a type."""
        btf = cast("Btf", self)
        type_id = finding.id_of(btf, where)
        return btf.view(type_id).id

    @cached_property
    def all_kinds(self) -> dict[int, KindPlan]:
        """The kinds that the chain was read with, by number."""
        chain = cast("Btf", self).chain
        return {n: plan for each in chain for n, plan in each.types.plan.kinds.items()}

    @cached_property
    def names(self) -> finding.Names:
        """The names of all types, for suggestions."""
        return finding.Names.of_types(cast("Btf", self))
