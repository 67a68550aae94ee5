"""Views of the kinds that describe programs: functions, variables, sections, tags, locations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from btfschema.errors import UnresolvedError
from btfschema.model.views.base import Attached, DeclaredView, Refers, numbered
from btfschema.model.views.making import FLAG, Elements, Records, grouped
from btfschema.schema.drafts import BTF_LOC_PARAM_FBREG
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import KindPlan, RawRecord

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView


class Linkage(IntEnum):
    """Linkage of a FUNC (``enum btf_func_linkage``) or a VAR (``BTF_VAR_*``)."""

    STATIC = 0
    GLOBAL = 1
    EXTERN = 2


_LINKAGES: dict[int, int] = {int(linkage): linkage for linkage in Linkage}


def to_linkage(value: int) -> int:
    """The named linkage, or the plain number where a file holds an unknown one."""
    return _LINKAGES.get(value, value)


@frozen
class Func(DeclaredView, Refers):
    """A function (``BTF_KIND_FUNC``); its type is a :class:`FuncProto`."""

    KIND = Kind.FUNC
    name: str
    type_id: int
    linkage: int = field(default=Linkage.STATIC, converter=to_linkage)

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        return {"name": records.names, "type_id": records.thirds, "linkage": records.vlens}

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, self.linkage, False, self.type_id, vlen_name="linkage")

    @property
    def prototype(self) -> FuncProto:
        """What it takes and returns.

        Raises:
            UnresolvedError: the view was not read from a container, or its type is not a prototype.
        """
        found = self.type
        if not isinstance(found, FuncProto):
            raise UnresolvedError(
                f"the type of FUNC {self.name!r} is not a FUNC_PROTO but {found!r}",
                type_id=self.id or None,
                got=self.type_id,
            )
        return found


@frozen
class Param(Refers):
    """A parameter (``struct btf_param``); no name and type id 0 at the end mean varargs."""

    name: str
    type_id: int


def _params(items: Iterable[Param]) -> tuple[Param, ...]:
    return tuple(items)


@frozen
class FuncProto(DeclaredView, Refers):
    """A function's type (``BTF_KIND_FUNC_PROTO``); ``type`` is what it returns."""

    KIND = Kind.FUNC_PROTO
    ELEMENT = Param
    type_id: int
    params: tuple[Param, ...] = field(
        default=(), converter=_params, validator=Elements(Param), repr=numbered
    )
    name: str = field(default="", kw_only=True)

    @property
    def return_type(self) -> AnyView:
        """The type that the function returns."""
        return self.type

    @property
    def variadic(self) -> bool:
        """Whether the parameters end in ``...``."""
        return bool(self.params) and not self.params[-1].type_id


@frozen
class Var(DeclaredView, Refers):
    """A variable (``struct btf_var``)."""

    KIND = Kind.VAR
    name: str
    type_id: int
    linkage: int = field(default=Linkage.STATIC, converter=to_linkage)


@frozen
class VarSecinfo(Refers):
    """A variable's place in a section (``struct btf_var_secinfo``): offset and size in bytes."""

    type_id: int
    offset: int
    size: int


def _varsecinfos(items: Iterable[VarSecinfo]) -> tuple[VarSecinfo, ...]:
    return tuple(items)


@frozen
class Datasec(DeclaredView):
    """A section of variables (``BTF_KIND_DATASEC``); size in bytes."""

    KIND = Kind.DATASEC
    ELEMENT = VarSecinfo
    name: str
    size: int
    variables: tuple[VarSecinfo, ...] = field(
        default=(), converter=_varsecinfos, validator=Elements(VarSecinfo), repr=numbered
    )


@frozen
class DeclTag(DeclaredView, Refers):
    """``btf_decl_tag`` (``struct btf_decl_tag``).

    Attributes:
        name: the tag's text.
        type_id: what is tagged.
        component_idx: the tagged member or parameter, -1 for the whole.
        kind_flag: whether the text is an attribute of its own (Linux 6.15).
    """

    KIND = Kind.DECL_TAG
    name: str
    type_id: int
    component_idx: int = -1
    kind_flag: bool = field(default=False, kw_only=True, validator=FLAG)


@frozen
class TypeTag(DeclaredView, Refers):
    """``btf_type_tag`` (``BTF_KIND_TYPE_TAG``); ``kind_flag`` as for :class:`DeclTag`."""

    KIND = Kind.TYPE_TAG
    name: str
    type_id: int
    kind_flag: bool = field(default=False, kw_only=True, validator=FLAG)


class LocFlags(IntFlag):
    """Flags of a LOC_PARAM."""

    NONE = 0
    SIGNED = 1
    CONST = 2
    ADDR = 4
    REG = 8
    DEREF = 0x10
    OFFSET = 0x20


def _ints(items: Iterable[int]) -> tuple[int, ...]:
    return tuple(items)


@frozen
class LocParam(DeclaredView):
    """Where a parameter's value is at an inlined call (``BTF_KIND_LOC_PARAM``)."""

    KIND = Kind.LOC_PARAM
    size: int
    flags: int = field(default=LocFlags.NONE, converter=LocFlags)
    values: tuple[int, ...] = field(default=(), converter=_ints, repr=numbered)
    name: str = field(default="", kw_only=True)

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        (flags,), (values,) = records.fixed, records.columns
        return {
            "size": records.thirds,
            "flags": flags,
            "values": grouped(values, records.vlens),
            "name": records.names,
        }

    @property
    def is_frame_based(self) -> bool:
        """Whether the value is found from the frame base, which counts as a register."""
        return bool(self.flags & LocFlags.REG) and self.values[:1] == (BTF_LOC_PARAM_FBREG,)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, 0, False, self.size, (int(self.flags),), (list(self.values),))


@frozen
class LocProto(DeclaredView):
    """The parameters of an inlined call, as ids of LOC_PARAMs (``BTF_KIND_LOC_PROTO``)."""

    KIND = Kind.LOC_PROTO
    params: tuple[int, ...] = field(default=(), converter=_ints, repr=numbered)
    name: str = field(default="", kw_only=True)

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        (params,) = records.columns
        return {"params": grouped(params, records.vlens), "name": records.names}

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, 0, False, 0, (), (list(self.params),))


@frozen
class LocEntry(Attached):
    """An inlined call: the function, where its parameters are, and its offset in bytes."""

    func_type_id: int
    loc_proto_type_id: int
    offset: int

    @property
    def func(self) -> AnyView:
        """The function that was inlined."""
        return self._resolve(self.func_type_id)

    @property
    def loc_proto(self) -> AnyView:
        """Where its parameters are."""
        return self._resolve(self.loc_proto_type_id)


def _locentrys(items: Iterable[LocEntry]) -> tuple[LocEntry, ...]:
    return tuple(items)


@frozen
class LocSec(DeclaredView):
    """Inlined calls of a section (``BTF_KIND_LOCSEC``)."""

    KIND = Kind.LOCSEC
    ELEMENT = LocEntry
    name: str
    entries: tuple[LocEntry, ...] = field(
        default=(), converter=_locentrys, validator=Elements(LocEntry), repr=numbered
    )
