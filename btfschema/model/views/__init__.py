"""What a type looks like to a person: frozen attrs values, one class a kind.

A view read from a container (``btf[4711]``) also knows its container and its id, so that
references resolve: ``member.type_id`` is the number and ``member.type`` the view. The same classes
describe new types for :class:`btfschema.Builder`; there they belong to no container. Two views are
equal when their contents are, wherever they come from.

Everything here is written by hand, for readable names; that it covers the schema is tested.
"""

from typing import TypeAlias, cast, get_args

from btfschema.errors import UnresolvedError
from btfschema.model.views.base import DeclaredView, Modifier, Opaque, TypeView, Void
from btfschema.model.views.code import (
    Datasec,
    DeclTag,
    Func,
    FuncProto,
    Linkage,
    LocEntry,
    LocFlags,
    LocParam,
    LocProto,
    LocSec,
    Param,
    TypeTag,
    Var,
    VarSecinfo,
)
from btfschema.model.views.data import (
    Array,
    Composite,
    Const,
    Enum,
    Enum64,
    EnumBase,
    Enumerator,
    Float,
    Fwd,
    Int,
    IntEncoding,
    Member,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    Union,
    Volatile,
)
from btfschema.schema.kinds import KINDS, KindSpec
from btfschema.schema.plan import KindPlan

__all__ = [
    "VIEWS",
    "AnyView",
    "Array",
    "Composite",
    "Const",
    "Datasec",
    "DeclTag",
    "DeclaredView",
    "Enum",
    "Enum64",
    "EnumBase",
    "Enumerator",
    "Float",
    "Func",
    "FuncProto",
    "Fwd",
    "Int",
    "IntEncoding",
    "Linkage",
    "LocEntry",
    "LocFlags",
    "LocParam",
    "LocProto",
    "LocSec",
    "Member",
    "Modifier",
    "Opaque",
    "Param",
    "Ptr",
    "Restrict",
    "Struct",
    "TypeTag",
    "TypeView",
    "Typedef",
    "Union",
    "Var",
    "VarSecinfo",
    "Void",
    "Volatile",
    "class_of",
    "view_class",
]

AnyView: TypeAlias = (
    Void
    | Int
    | Ptr
    | Array
    | Struct
    | Union
    | Enum
    | Fwd
    | Typedef
    | Volatile
    | Const
    | Restrict
    | Func
    | FuncProto
    | Var
    | Datasec
    | Float
    | DeclTag
    | TypeTag
    | Enum64
    | LocParam
    | LocProto
    | LocSec
    | Opaque
)
"""Any type of a container, for ``isinstance`` and ``match`` to tell which.

Types of kinds that were added from outside are instances of their own classes.
"""

# Those that the rows of the schema name.
VIEWS: dict[int, type[TypeView]] = {
    number: next(view for view in get_args(AnyView) if view.__name__ == spec.view)
    for number, spec in KINDS.items()
}


def view_class(plan: KindPlan) -> type[TypeView]:
    """The class of the views of a kind."""
    return Opaque if plan.spec is None else class_of(plan.spec)


def class_of(spec: KindSpec) -> type[TypeView]:
    """The class of the views of a declared kind.

    Raises:
        UnresolvedError: its row names none.
    """
    view = VIEWS.get(spec.number) if isinstance(spec.view, str) else spec.view
    if view is None:
        raise UnresolvedError(
            f"kind {spec.number} ({spec.name}) is declared without a view: give its row view=",
            got=spec.view,
            expected="a view class",
        )
    return cast(type[TypeView], view)
