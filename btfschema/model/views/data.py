"""Views of the kinds that describe data: numbers, pointers, structs, enums, modifiers."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import TYPE_CHECKING, Self

from attrs import Factory, field, frozen

from btfschema.errors import EncodeError, UnknownNameError
from btfschema.model.views.base import Modifier, Refers, TypeView
from btfschema.schema.kinds import MEMBER_BITFIELD, Kind
from btfschema.schema.plan import KindPlan, RawRecord

if TYPE_CHECKING:
    from btfschema.model.container import Btf

BIT_OFFSET_MASK = (1 << MEMBER_BITFIELD.fields["bit_offset"][1]) - 1
BITFIELD_SHIFT = MEMBER_BITFIELD.fields["bitfield_size"][0]


class IntEncoding(IntFlag):
    """Encoding of an INT (``BTF_INT_*``)."""

    NONE = 0
    SIGNED = 1
    CHAR = 2
    BOOL = 4


@frozen
class Int(TypeView):
    """An integer (``BTF_KIND_INT``).

    Attributes:
        name: the C name.
        size: bytes of storage.
        bits: bits that hold the value; all of the storage by default.
        encoding: signed, char, bool or none of them.
        bit_offset: the value's first bit in the storage.
    """

    KIND = Kind.INT
    name: str
    size: int
    encoding: int = field(default=IntEncoding.NONE, converter=IntEncoding)
    bits: int = field(default=Factory(lambda self: 8 * self.size, takes_self=True))
    bit_offset: int = 0

    @property
    def signed(self) -> bool:
        """Whether values have a sign."""
        return bool(self.encoding & IntEncoding.SIGNED)

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        (data,) = raw.fixed
        return cls(
            raw.name,
            raw.third,
            data["encoding"],
            data["bits"],
            data["bit_offset"],
            id=type_id,
            btf=btf,
        )

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        data = {
            "bits": self.bits,
            "bit_offset": self.bit_offset,
            "encoding": int(self.encoding),
        }
        return RawRecord(self.name, 0, False, self.size, (data,))


@frozen
class Ptr(Modifier):
    """A pointer (``BTF_KIND_PTR``)."""

    KIND = Kind.PTR


@frozen
class Volatile(Modifier):
    """``volatile`` (``BTF_KIND_VOLATILE``)."""

    KIND = Kind.VOLATILE


@frozen
class Const(Modifier):
    """``const`` (``BTF_KIND_CONST``)."""

    KIND = Kind.CONST


@frozen
class Restrict(Modifier):
    """``restrict`` (``BTF_KIND_RESTRICT``)."""

    KIND = Kind.RESTRICT


@frozen
class Array(TypeView, Refers):
    """An array of ``nelems`` elements (``struct btf_array``)."""

    KIND = Kind.ARRAY
    type_id: int
    index_type_id: int
    nelems: int
    name: str = field(default="", kw_only=True)

    @property
    def index_type(self) -> TypeView:
        """The type of the index."""
        return self._resolve(self.index_type_id)


@frozen
class Member(Refers):
    """A member of a struct or union (``struct btf_member``).

    Attributes:
        name: empty for an anonymous member.
        type_id: the member's type.
        bit_offset: bits from the start of the struct.
        bitfield_size: bits of a bit field, 0 for an ordinary member.
    """

    name: str
    type_id: int
    bit_offset: int = 0
    bitfield_size: int = 0


def _members(items: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(items)


@frozen
class Composite(TypeView):
    """A struct or union.

    Attributes:
        name: empty for an anonymous one.
        size: bytes.
        members: in file order.
        kind_flag: whether member offsets are written in the form that can hold a bit field's
            size; by default just when a member is a bit field.
    """

    ELEMENT = Member
    name: str
    size: int
    members: tuple[Member, ...] = field(default=(), converter=_members)
    kind_flag: bool = field(
        default=Factory(lambda self: any(m.bitfield_size for m in self.members), takes_self=True),
        kw_only=True,
    )

    def member(self, name: str) -> Member:
        """The member with this name.

        Raises:
            UnknownNameError: there is none.
        """
        for member in self.members:
            if member.name == name:
                return member
        raise UnknownNameError(f"{Kind(self.KIND).name} {self.name!r} has no member {name!r}")

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        if raw.kind_flag:
            members = tuple(
                Member(name, ref, at & BIT_OFFSET_MASK, at >> BITFIELD_SHIFT, btf=btf)
                for name, ref, at in zip(*raw.columns, strict=True)
            )
        else:
            members = tuple(
                Member(name, ref, at, btf=btf) for name, ref, at in zip(*raw.columns, strict=True)
            )
        return cls(raw.name, raw.third, members, kind_flag=raw.kind_flag, id=type_id, btf=btf)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        offsets = [self._offset(i, member) for i, member in enumerate(self.members)]
        columns = ([m.name for m in self.members], [m.type_id for m in self.members], offsets)
        return RawRecord(self.name, 0, self.kind_flag, self.size, (), columns)

    def _offset(self, number: int, member: Member) -> int:
        """The member's offset word, whose form kind_flag decides."""
        where = f"{Kind(self.KIND).name} {self.name!r} member {number} {member.name!r}"
        if not self.kind_flag:
            if member.bitfield_size:
                raise EncodeError(
                    f"{where}: bitfield_size {member.bitfield_size} needs kind_flag",
                    got=member.bitfield_size,
                    expected="0 without kind_flag",
                )
            return member.bit_offset
        fields = {"bit_offset": member.bit_offset, "bitfield_size": member.bitfield_size}
        try:
            return MEMBER_BITFIELD.join(fields)
        except OverflowError as error:
            raise EncodeError(f"{where}: {error} (kind_flag is set)", got=fields) from None


@frozen
class Struct(Composite):
    """A struct (``BTF_KIND_STRUCT``)."""

    KIND = Kind.STRUCT


@frozen
class Union(Composite):
    """A union (``BTF_KIND_UNION``)."""

    KIND = Kind.UNION


@frozen
class Enumerator:
    """A named value of an enum (``struct btf_enum``, ``struct btf_enum64``)."""

    name: str
    value: int


def _enumerators(items: Iterable[Enumerator]) -> tuple[Enumerator, ...]:
    return tuple(items)


@frozen
class EnumBase(TypeView):
    """An enum.

    Attributes:
        name: empty for an anonymous one.
        size: bytes of storage.
        values: in file order; none means a forward declaration.
        signed: whether values have a sign; by default just when one is negative.
    """

    name: str
    size: int
    values: tuple[Enumerator, ...] = field(default=(), converter=_enumerators)
    signed: bool = field(
        default=Factory(lambda self: any(v.value < 0 for v in self.values), takes_self=True),
        kw_only=True,
    )

    def _checked(self, bits: int) -> list[int]:
        """All values as unsigned words of ``bits`` bits."""
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        for enumerator in self.values:
            if not low <= enumerator.value <= high:
                kind, sign = Kind(self.KIND).name, "signed" if self.signed else "unsigned"
                raise EncodeError(
                    f"{kind} {self.name!r} value {enumerator.name!r}: "
                    f"{enumerator.value} does not fit {bits} {sign} bits",
                    got=enumerator.value,
                    expected=f"{low}..{high}",
                )
        return [enumerator.value & (1 << bits) - 1 for enumerator in self.values]


@frozen
class Enum(EnumBase):
    """An enum of at most 32 bits (``BTF_KIND_ENUM``)."""

    KIND = Kind.ENUM

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        names, values = raw.columns
        if not raw.kind_flag:
            values = [value & 0xFFFFFFFF for value in values]
        enumerators = map(Enumerator, names, values)
        return cls(raw.name, raw.third, enumerators, signed=raw.kind_flag, id=type_id, btf=btf)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        values = [value - (value >> 31 << 32) for value in self._checked(32)]
        columns = ([e.name for e in self.values], values)
        return RawRecord(self.name, 0, self.signed, self.size, (), columns)


@frozen
class Enum64(EnumBase):
    """An enum with 64-bit values (``BTF_KIND_ENUM64``)."""

    KIND = Kind.ENUM64

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        names, lows, highs = raw.columns
        values = [high << 32 | low for low, high in zip(lows, highs, strict=True)]
        if raw.kind_flag:
            values = [value - (value >> 63 << 64) for value in values]
        enumerators = map(Enumerator, names, values)
        return cls(raw.name, raw.third, enumerators, signed=raw.kind_flag, id=type_id, btf=btf)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        values = self._checked(64)
        columns = (
            [e.name for e in self.values],
            [value & 0xFFFFFFFF for value in values],
            [value >> 32 for value in values],
        )
        return RawRecord(self.name, 0, self.signed, self.size, (), columns)


@frozen
class Fwd(TypeView):
    """A forward declaration of a struct, or of a union (``BTF_KIND_FWD``)."""

    KIND = Kind.FWD
    name: str
    is_union: bool = False

    @property
    def fwd_kind(self) -> Kind:
        """The kind that is declared: ``Kind.STRUCT`` or ``Kind.UNION``."""
        return Kind.UNION if self.is_union else Kind.STRUCT

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        return cls(raw.name, raw.kind_flag, id=type_id, btf=btf)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, 0, self.is_union, 0)


@frozen
class Typedef(TypeView, Refers):
    """A typedef (``BTF_KIND_TYPEDEF``)."""

    KIND = Kind.TYPEDEF
    name: str
    type_id: int

    @classmethod
    def _from_raw(cls, raw: RawRecord, plan: KindPlan, btf: Btf | None, type_id: int) -> Self:
        return cls(raw.name, raw.third, id=type_id, btf=btf)


@frozen
class Float(TypeView):
    """A floating-point number (``BTF_KIND_FLOAT``); size in bytes."""

    KIND = Kind.FLOAT
    name: str
    size: int
