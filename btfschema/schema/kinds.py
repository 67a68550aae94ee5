"""What BTF looks like: the only file that says so.

Each struct is a Construct declaration and cites its name in the kernel's UAPI header
(``include/uapi/linux/btf.h``). Everything else is derived from here: record sizes, numpy dtypes,
the places of type ids and string offsets, the layout section, and the tables in the docs.

To add a kind: declare its struct, add its row to :data:`KINDS` and write its view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen
from construct import Array, Bytes, Construct, Struct, this

from btfschema.schema.constraints import Constraints, Distilled, FlagRule, Graph, NameRule, Target
from btfschema.schema.roles import S32, U8, U16, U32, Bits, StringOffset, TypeId

__all__ = [
    "BTF_ARRAY",
    "BTF_DECL_TAG",
    "BTF_ENUM",
    "BTF_ENUM64",
    "BTF_EXT_CORE_FIELDS",
    "BTF_EXT_HEADER",
    "BTF_EXT_INFO_SEC",
    "BTF_EXT_PARTS",
    "BTF_HEADER",
    "BTF_INT",
    "BTF_LAYOUT",
    "BTF_LAYOUT_FIELDS",
    "BTF_LOCSEC_ENTRY",
    "BTF_LOC_PARAM",
    "BTF_LOC_PARAM_VALUE",
    "BTF_LOC_PROTO_PARAM",
    "BTF_MAGIC",
    "BTF_MEMBER",
    "BTF_PARAM",
    "BTF_TYPE",
    "BTF_VAR",
    "BTF_VAR_SECINFO",
    "BTF_VERSION",
    "CLASSIC_INFO",
    "INFO",
    "INT_DATA",
    "KINDS",
    "MEMBER_BITFIELD",
    "ExtPart",
    "Kind",
    "KindSpec",
    "Kinds",
    "opaque_record",
    "record",
]

BTF_MAGIC = 0xEB9F
BTF_VERSION = 1

# struct btf_header: 24 bytes since Linux 4.18.
BTF_HEADER = Struct(
    "magic" / U16,
    "version" / U8,
    "flags" / U8,
    "hdr_len" / U32,
    "type_off" / U32,
    "type_len" / U32,
    "str_off" / U32,
    "str_len" / U32,
)

# What a header of 32 bytes or more adds (2026).
BTF_LAYOUT_FIELDS = Struct("layout_off" / U32, "layout_len" / U32)

# struct btf_layout: one entry a kind, in the order of the kinds' numbers.
BTF_LAYOUT = Struct("info_sz" / U8, "elem_sz" / U8, "flags" / U16)

# struct btf_type, its word ``info``: today's reading, and the narrower fields that kernels before
# 2026 accept. The bits between are zero in every file from before, so reading wide reads both.
INFO = Bits(vlen=24, kind=7, kind_flag=1)
CLASSIC_INFO = Bits(vlen=16, reserved=8, kind=5, reserved1=2, kind_flag=1)

# struct btf_type. The meaning of the third word depends on the kind: see ``KindSpec.third``.
BTF_TYPE = Struct("name_off" / StringOffset(), "info" / INFO, "size_or_type" / U32)

# The word after a BTF_KIND_INT.
INT_DATA = Bits(bits=8, reserved=8, bit_offset=8, encoding=4, reserved1=4)
BTF_INT = Struct("int_data" / INT_DATA)
# struct btf_array
BTF_ARRAY = Struct("type_id" / TypeId(), "index_type_id" / TypeId(), "nelems" / U32)
# struct btf_member
BTF_MEMBER = Struct("name_off" / StringOffset(), "type_id" / TypeId(), "offset" / U32)
# struct btf_member, its ``offset`` when the struct's kind_flag is set.
MEMBER_BITFIELD = Bits(bit_offset=24, bitfield_size=8)
# struct btf_enum
BTF_ENUM = Struct("name_off" / StringOffset(), "value" / S32)
# struct btf_enum64
BTF_ENUM64 = Struct("name_off" / StringOffset(), "value_lo32" / U32, "value_hi32" / U32)
# struct btf_param
BTF_PARAM = Struct("name_off" / StringOffset(), "type_id" / TypeId())
# struct btf_var
BTF_VAR = Struct("linkage" / U32)
# struct btf_var_secinfo
BTF_VAR_SECINFO = Struct("type_id" / TypeId(), "offset" / U32, "size" / U32)
# struct btf_decl_tag
BTF_DECL_TAG = Struct("component_idx" / S32)
# bpf-next 2026: inline location parameters, prototypes and sections.
BTF_LOC_PARAM = Struct("flags" / U32)
BTF_LOC_PARAM_VALUE = Struct("value" / U32)
BTF_LOC_PROTO_PARAM = Struct("type_id" / TypeId())
BTF_LOCSEC_ENTRY = Struct("func_type_id" / TypeId(), "loc_proto_type_id" / TypeId(), "offset" / U32)


class Kind(IntEnum):
    """The kinds that this package declares (``BTF_KIND_*``); 0 is void."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19
    LOC_PARAM = 20
    LOC_PROTO = 21
    LOCSEC = 22


SIZE = "size" / U32
TYPE_ID = "type_id" / TypeId()
UNUSED = "unused" / U32

# The stubs know Construct as generic; the class itself is not.
if TYPE_CHECKING:
    AnyConstruct: TypeAlias = Construct[Any, Any]


@frozen
class KindSpec:
    """One row of the schema: a kind's number and what follows the common 12 bytes.

    A record is the three words of ``BTF_TYPE``, then ``fixed`` once, then ``element`` vlen times.

    Attributes:
        number: the kind's number, 1 to 127.
        name: its name in bpftool's spelling, such as ``"STRUCT"``.
        third: the third word, a named construct: a size in bytes, a type id, or unused.
        fixed: the struct after the common words, or None.
        element: the struct that repeats ``vlen`` times, or None.
        elements: what the repeated structs are called, such as ``"members"``.
        named: whether the kind's name field means something.
        graph: the kind's place in the graph of types, or None if nothing is known of it.
        distilled: what becomes of its types in a distilled base.
        stands_as: the number of the kind that stands for it there, if that is another.
        declares: for a forward declaration, the kinds that it may stand for, by kind_flag.
        constraints: what kernels want of the kind, or None for a kind that none knows.
        view: the class of its views. The package's own rows say its name in ``btfschema.views``,
            which builds on this module.

    Raises:
        ValueError: a modifier has no type id to look through to.
    """

    number: int
    name: str
    third: AnyConstruct
    fixed: Struct | None = None
    element: Struct | None = None
    elements: str = ""
    named: bool = True
    graph: Graph | None = field(default=None, kw_only=True)
    distilled: Distilled = field(default=Distilled.REPEATED, kw_only=True)
    stands_as: int | None = field(default=None, kw_only=True)
    declares: tuple[int, ...] = field(default=(), kw_only=True)
    constraints: Constraints | None = field(default=None, kw_only=True)
    view: type | str | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        third = getattr(self.third, "subcon", self.third)
        if self.graph in (Graph.MODIFIER, Graph.POINTER) and not isinstance(third, TypeId):
            message = (
                f"kind {self.number} ({self.name}) is a {self.graph.name.lower()}, but its third "
                f"word, {self.third.name!r}, is not a type id that leads on"
            )
            raise ValueError(message)
        view, has_elements = self.view, self.element is not None
        if isinstance(view, type) and has_elements and getattr(view, "ELEMENT", None) is None:
            message = (
                f"kind {self.number} ({self.name}) has {self.elements or 'elements'}, but its view "
                f"{view.__name__} names no class for one of them: set ELEMENT"
            )
            raise ValueError(message)

    @property
    def element_name(self) -> str:
        """What one of the repeated structs is called, such as ``"member"``."""
        if self.elements.endswith("ies"):
            return f"{self.elements[:-3]}y"
        return self.elements.removesuffix("s")


class Kinds(Mapping[int, KindSpec]):
    """An immutable table of kinds, by number."""

    def __init__(self, *specs: KindSpec) -> None:
        self._specs = {int(spec.number): spec for spec in specs}
        if len(self._specs) != len(specs):
            numbers = [int(spec.number) for spec in specs]
            twice = sorted({n for n in numbers if numbers.count(n) > 1})
            message = f"kinds declared twice: {twice}"
            raise ValueError(message)

    def __getitem__(self, number: int) -> KindSpec:
        return self._specs[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        names = [spec.name for spec in self._specs.values()]
        listed = names if len(names) < 5 else [*names[:3], "...", names[-1]]
        return f"<Kinds {', '.join(listed)}>"

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def extended(self, *specs: KindSpec) -> Kinds:
        """A new table with ``specs`` added; this one stays as it is."""
        return Kinds(*self._specs.values(), *specs)

    def name(self, number: int) -> str:
        """The kind's name, or ``KIND_40`` for a number that this table does not declare."""
        spec = self._specs.get(number)
        if spec is not None:
            return spec.name
        return Kind(number).name if number == Kind.VOID else f"KIND_{number}"


def _row(
    kind: Kind,
    view: str,
    third: Any,
    *parts: Any,
    wants: Constraints | None = None,
    named: bool = True,
    elements: str = "",
    **roles: Any,
) -> KindSpec:
    fixed, element = (*parts, None, None)[:2]
    roles |= {"constraints": wants, "view": view}
    return KindSpec(kind, kind.name, third, fixed, element, elements, named, **roles)


# What kernels want of the kinds, from the check_meta and resolve functions of each in
# kernel/bpf/btf.c; what only one kind is asked is in btfschema.verification.
_POINTER = Constraints(name=NameRule.NONE, target=Target.ANY)
_QUALIFIER = Constraints(name=NameRule.NONE, target=Target.ANY)
_ARRAY = Constraints(
    name=NameRule.NONE,
    fixed_targets={"type_id": Target.SIZED, "index_type_id": Target.INDEX},
)
_COMPOSITE = Constraints(
    max_vlen=None,
    kind_flag=FlagRule.FREE,
    name=NameRule.OPTIONAL,
    element_name=NameRule.OPTIONAL,
    element_target=Target.SIZED,
)
_ENUM = Constraints(
    max_vlen=None,
    kind_flag=FlagRule.FREE,
    name=NameRule.OPTIONAL,
    element_name=NameRule.IDENTIFIER,
    sizes=(1, 2, 4, 8),
)
_FWD = Constraints(kind_flag=FlagRule.FREE, name=NameRule.IDENTIFIER)
_TYPEDEF = Constraints(name=NameRule.IDENTIFIER, target=Target.ANY)
# A FUNC's vlen is its linkage; extern is refused.
_FUNC = Constraints(max_vlen=1, name=NameRule.IDENTIFIER, target=Target.PROTOTYPE)
_FUNC_PROTO = Constraints(
    max_vlen=None,
    name=NameRule.NONE,
    element_name=NameRule.OPTIONAL,
    target=Target.RETURN,
    element_target=Target.SIZED,
)
_VAR = Constraints(name=NameRule.IDENTIFIER, target=Target.SIZED, values={"linkage": (0, 1)})
_DATASEC = Constraints(
    max_vlen=None, name=NameRule.SECTION, min_size=1, element_target=Target.VARIABLE
)
_DECL_TAG = Constraints(kind_flag=FlagRule.ATTRIBUTE, name=NameRule.TEXT, target=Target.TAGGED)
_TYPE_TAG = Constraints(kind_flag=FlagRule.ATTRIBUTE, name=NameRule.TEXT, target=Target.ANY)
_FLOAT = Constraints(sizes=(2, 4, 8, 12, 16))

# What each kind is in the graph of types, and what distill and relocate do with it, which is
# libbpf's rule (btf__distill_base).
_DATA: dict[str, Any] = {"graph": Graph.DATA, "distilled": Distilled.WHOLE}
_ENUMERATION: dict[str, Any] = {"graph": Graph.DATA, "distilled": Distilled.NAME_AND_SIZE}
_MODIFIES: dict[str, Any] = {"graph": Graph.MODIFIER}
_MEMBERS: dict[str, Any] = {"graph": Graph.COMPOSITE, "distilled": Distilled.NAME_AND_SIZE}
_CODE: dict[str, Any] = {"graph": Graph.OPAQUE, "distilled": Distilled.REFUSED}
_DEFINES: dict[str, Any] = {"graph": Graph.ROOT, "distilled": Distilled.REFUSED}

KINDS = Kinds(
    _row(Kind.INT, "Int", SIZE, BTF_INT, wants=Constraints(), **_DATA),
    _row(Kind.PTR, "Ptr", TYPE_ID, named=False, wants=_POINTER, graph=Graph.POINTER),
    _row(Kind.ARRAY, "Array", UNUSED, BTF_ARRAY, named=False, wants=_ARRAY, graph=Graph.COMPOSITE),
    _row(
        Kind.STRUCT,
        "Struct",
        SIZE,
        None,
        BTF_MEMBER,
        elements="members",
        wants=_COMPOSITE,
        **_MEMBERS,
    ),
    _row(
        Kind.UNION,
        "Union",
        SIZE,
        None,
        BTF_MEMBER,
        elements="members",
        wants=_COMPOSITE,
        **_MEMBERS,
    ),
    _row(Kind.ENUM, "Enum", SIZE, None, BTF_ENUM, elements="values", wants=_ENUM, **_ENUMERATION),
    _row(
        Kind.FWD,
        "Fwd",
        UNUSED,
        wants=_FWD,
        graph=Graph.OPAQUE,
        distilled=Distilled.WHOLE,
        declares=(Kind.STRUCT, Kind.UNION),
    ),
    _row(Kind.TYPEDEF, "Typedef", TYPE_ID, wants=_TYPEDEF, **_MODIFIES),
    _row(Kind.VOLATILE, "Volatile", TYPE_ID, named=False, wants=_QUALIFIER, **_MODIFIES),
    _row(Kind.CONST, "Const", TYPE_ID, named=False, wants=_QUALIFIER, **_MODIFIES),
    _row(Kind.RESTRICT, "Restrict", TYPE_ID, named=False, wants=_QUALIFIER, **_MODIFIES),
    _row(Kind.FUNC, "Func", TYPE_ID, wants=_FUNC, **_CODE),
    _row(
        Kind.FUNC_PROTO,
        "FuncProto",
        TYPE_ID,
        None,
        BTF_PARAM,
        elements="params",
        named=False,
        wants=_FUNC_PROTO,
        graph=Graph.OPAQUE,
    ),
    _row(Kind.VAR, "Var", TYPE_ID, BTF_VAR, wants=_VAR, **_DEFINES),
    _row(
        Kind.DATASEC,
        "Datasec",
        SIZE,
        None,
        BTF_VAR_SECINFO,
        elements="variables",
        wants=_DATASEC,
        **_DEFINES,
    ),
    _row(Kind.FLOAT, "Float", SIZE, wants=_FLOAT, **_DATA),
    _row(Kind.DECL_TAG, "DeclTag", TYPE_ID, BTF_DECL_TAG, wants=_DECL_TAG, **_DEFINES),
    _row(Kind.TYPE_TAG, "TypeTag", TYPE_ID, wants=_TYPE_TAG, **_MODIFIES),
    _row(
        Kind.ENUM64,
        "Enum64",
        SIZE,
        None,
        BTF_ENUM64,
        elements="values",
        wants=_ENUM,
        stands_as=Kind.ENUM,
        **_ENUMERATION,
    ),
    # No kernel loads these; in the graph they are what their namesakes among the functions are.
    _row(
        Kind.LOC_PARAM,
        "LocParam",
        SIZE,
        BTF_LOC_PARAM,
        BTF_LOC_PARAM_VALUE,
        elements="values",
        named=False,
        graph=Graph.OPAQUE,
    ),
    _row(
        Kind.LOC_PROTO,
        "LocProto",
        UNUSED,
        None,
        BTF_LOC_PROTO_PARAM,
        elements="params",
        named=False,
        graph=Graph.OPAQUE,
    ),
    _row(Kind.LOCSEC, "LocSec", UNUSED, None, BTF_LOCSEC_ENTRY, elements="entries", **_DEFINES),
)


def record(spec: KindSpec) -> Struct:
    """The Construct struct of a whole record of this kind, common words included."""
    name_off, info, _third = BTF_TYPE.subcons
    parts = [name_off, info, spec.third]
    if spec.fixed is not None:
        parts += spec.fixed.subcons
    if spec.element is not None:
        parts.append("elements" / Array(this.info.vlen, spec.element))
    return Struct(*parts)


def opaque_record(info_sz: int, elem_sz: int) -> Struct:
    """The record of a kind that only a layout section describes: sizes in bytes, no meaning."""
    name_off, info, third = BTF_TYPE.subcons
    return Struct(
        name_off, info, third, "payload" / Bytes(lambda ctx: info_sz + ctx.info.vlen * elem_sz)
    )


# struct btf_ext_header: offsets count from the end of the header, core_relo only in 32 bytes.
BTF_EXT_HEADER = Struct(
    "magic" / U16,
    "version" / U8,
    "flags" / U8,
    "hdr_len" / U32,
    "func_info_off" / U32,
    "func_info_len" / U32,
    "line_info_off" / U32,
    "line_info_len" / U32,
)
BTF_EXT_CORE_FIELDS = Struct("core_relo_off" / U32, "core_relo_len" / U32)
# struct btf_ext_info_sec: a group of records for one program section.
BTF_EXT_INFO_SEC = Struct("sec_name_off" / StringOffset(), "num_info" / U32)


@frozen
class ExtPart:
    """One part of ``.BTF.ext``: its name in the header and its smallest record."""

    name: str
    record: Struct


BTF_EXT_PARTS = (
    # struct bpf_func_info
    ExtPart("func_info", Struct("insn_off" / U32, "type_id" / TypeId())),
    # struct bpf_line_info
    ExtPart(
        "line_info",
        Struct(
            "insn_off" / U32,
            "file_name_off" / StringOffset(),
            "line_off" / StringOffset(),
            "line_col" / Bits(column=10, line=22),
        ),
    ),
    # struct bpf_core_relo
    ExtPart(
        "core_relo",
        Struct(
            "insn_off" / U32, "type_id" / TypeId(), "access_str_off" / StringOffset(), "kind" / U32
        ),
    ),
)
