"""What a type looks like to a person: frozen attrs values, one class a kind.

A view read from a container (``btf[4711]``) also knows its container and its id, so that
references resolve: ``member.type_id`` is the number and ``member.type`` the view. The same classes
describe new types for :class:`btfschema.Builder`; there they belong to no container. Two views are
equal when their contents are, wherever they come from.

Everything here is written by hand, for readable names; that it covers the schema is tested.
"""

from btfschema.model.views.base import Opaque, TypeView, Void
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
    Const,
    Enum,
    Enum64,
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

__all__ = [
    "VIEWS",
    "Array",
    "Const",
    "Datasec",
    "DeclTag",
    "Enum",
    "Enum64",
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
]

VIEWS: dict[int, type[TypeView]] = {
    view.KIND: view
    for view in (
        Int,
        Ptr,
        Array,
        Struct,
        Union,
        Enum,
        Fwd,
        Typedef,
        Volatile,
        Const,
        Restrict,
        Func,
        FuncProto,
        Var,
        Datasec,
        Float,
        DeclTag,
        TypeTag,
        Enum64,
        LocParam,
        LocProto,
        LocSec,
    )
}
