"""Views of the kinds that describe data: numbers, pointers, structs, enums, modifiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntFlag
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from attrs import Factory, field, frozen

from btfschema.errors import EncodeError, UnknownNameError, UnresolvedError
from btfschema.model.views.base import DeclaredView, Modifier, Refers, numbered
from btfschema.model.views.making import FLAG, Elements, Records
from btfschema.schema.kinds import MEMBER_BITFIELD, Kind
from btfschema.schema.plan import U32_MAX, KindPlan, RawRecord

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView

BIT_OFFSET_MASK = (1 << MEMBER_BITFIELD.fields["bit_offset"][1]) - 1
BITFIELD_SHIFT = MEMBER_BITFIELD.fields["bitfield_size"][0]


class IntEncoding(IntFlag):
    """Encoding of an INT (``BTF_INT_*``)."""

    NONE = 0
    SIGNED = 1
    CHAR = 2
    BOOL = 4


@frozen
class Int(DeclaredView):
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
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        (data,) = records.fixed
        return {
            "name": records.names,
            "size": records.thirds,
            "encoding": [word["encoding"] for word in data],
            "bits": [word["bits"] for word in data],
            "bit_offset": [word["bit_offset"] for word in data],
        }

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
class Array(DeclaredView, Refers):
    """An array of ``nelems`` elements (``struct btf_array``)."""

    KIND = Kind.ARRAY
    type_id: int
    index_type_id: int
    nelems: int
    name: str = field(default="", kw_only=True)

    @property
    def index_type(self) -> AnyView:
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

    @property
    def byte_offset(self) -> int:
        """Bytes from the start of the struct.

        Raises:
            UnresolvedError: it is a bit field, which has a ``bit_offset`` only.
        """
        if self.bitfield_size or self.bit_offset % 8:
            raise UnresolvedError(
                f"member {self.name!r} is a bit field at bit {self.bit_offset}: it has a "
                "bit_offset, and no offset in bytes",
                got=self.bit_offset,
            )
        return self.bit_offset // 8


def _members(items: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(items)


def _has_bit_fields(view: Composite) -> bool:
    try:
        return any(member.bitfield_size for member in view.members)
    except AttributeError:
        # Some is no member, which the validator says.
        return False


@frozen
class Composite(DeclaredView):
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
    members: tuple[Member, ...] = field(
        default=(), converter=_members, validator=Elements(Member), repr=numbered
    )
    kind_flag: bool = field(
        default=Factory(_has_bit_fields, takes_self=True),
        validator=FLAG,
        kw_only=True,
    )

    def member(self, path: str) -> Member:
        """The member at a path: ``"pid"``, ``"se.avg.load_avg"``, ``"pid_links[2].next"``.

        Members of anonymous members are members too, and typedefs and qualifiers on the way are
        looked through. The offset of what is found counts from the start of *this* type.

        Raises:
            NoMemberError: there is none, the way would lead through a pointer, or the path is
                malformed.
            UnresolvedError: the path leads into another type, and the view was not read from a
                container.
        """
        from btfschema.model.paths import member_at

        return member_at(self, path)

    def walk(self, *, nested: bool = False) -> Iterator[tuple[str, Member]]:
        """All members with the paths to them, in order; offsets count from the start of this type.

        Those of anonymous members stand in their place.

        Args:
            nested: after a member that is a struct or union, its members too. Those of structs in
                arrays and behind pointers are left out.

        Raises:
            UnresolvedError: a struct holds itself.
        """
        from btfschema.model.paths import walk

        return walk(self, nested)

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        names, ids, offsets = records.columns
        widths = [0] * len(names)
        if any(records.flags):
            ends = accumulate(records.vlens)
            for flag, vlen, end in zip(records.flags, records.vlens, ends, strict=True):
                if flag:
                    part = slice(end - vlen, end)
                    widths[part] = [word >> BITFIELD_SHIFT for word in offsets[part]]
                    offsets[part] = [word & BIT_OFFSET_MASK for word in offsets[part]]
        columns = {"name": names, "type_id": ids, "bit_offset": offsets, "bitfield_size": widths}
        return {
            "name": records.names,
            "size": records.thirds,
            "members": cls._elements(columns, records, btf),
            "kind_flag": records.flags,
        }

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
    KEYWORD = "struct"


@frozen
class Union(Composite):
    """A union (``BTF_KIND_UNION``)."""

    KIND = Kind.UNION
    KEYWORD = "union"


@frozen
class Enumerator:
    """A named value of an enum (``struct btf_enum``, ``struct btf_enum64``)."""

    name: str
    value: int


def _enumerators(items: Iterable[Enumerator]) -> tuple[Enumerator, ...]:
    return tuple(items)


def _has_negatives(view: EnumBase) -> bool:
    try:
        return any(enumerator.value < 0 for enumerator in view.values)
    except (AttributeError, TypeError):
        # Some is no enumerator, which the validator says; or its value no number: the encoder does.
        return False


@frozen
class EnumBase(DeclaredView):
    """An enum.

    Attributes:
        name: empty for an anonymous one.
        size: bytes of storage.
        values: in file order; none means a forward declaration.
        signed: whether values have a sign; by default just when one is negative.
    """

    ELEMENT = Enumerator
    KEYWORD = "enum"
    name: str
    size: int
    values: tuple[Enumerator, ...] = field(
        default=(), converter=_enumerators, validator=Elements(Enumerator), repr=numbered
    )
    signed: bool = field(
        default=Factory(_has_negatives, takes_self=True),
        validator=FLAG,
        kw_only=True,
    )

    def __getitem__(self, name: str) -> int:
        """The value of an enumerator.

        Raises:
            UnknownNameError: there is none of this name.
        """
        for enumerator in self.values:
            if enumerator.name == name:
                return enumerator.value
        from difflib import get_close_matches

        close = get_close_matches(name, [one.name for one in self.values], 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownNameError(
            f"{self.kind.name} {self.name!r} has no value {name!r}{hint}",
            got=name,
            type_id=self.id or None,
        )

    def __contains__(self, name: object) -> bool:
        """Whether there is an enumerator of this name."""
        return any(enumerator.name == name for enumerator in self.values)

    def __iter__(self) -> Iterator[Enumerator]:
        """The enumerators in file order."""
        return iter(self.values)

    def name_of(self, value: int) -> str:
        """The name of the first enumerator with this value.

        Raises:
            UnknownNameError: there is none.
        """
        for enumerator in self.values:
            if enumerator.value == value:
                return enumerator.name
        raise UnknownNameError(
            f"{self.kind.name} {self.name!r} has no name for {value}",
            got=value,
            type_id=self.id or None,
        )

    @classmethod
    def _enums(
        cls, records: Records, btf: Btf | None, names: list[str], words: list[int], sign: int
    ) -> Mapping[str, Iterable[Any]]:
        """The values of each field; ``sign`` is the bit that holds the sign in ``words``."""
        if any(records.flags):
            ends = accumulate(records.vlens)
            for flag, vlen, end in zip(records.flags, records.vlens, ends, strict=True):
                if flag:
                    part = slice(end - vlen, end)
                    words[part] = [word - (word >> sign << sign + 1) for word in words[part]]
        return {
            "name": records.names,
            "size": records.thirds,
            "values": cls._elements({"name": names, "value": words}, records, btf),
            "signed": records.flags,
        }

    def _checked(self, bits: int) -> list[int]:
        """All values as unsigned words of ``bits`` bits."""
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)
        for enumerator in self.values:
            try:
                fits = low <= enumerator.value <= high
            except TypeError:
                fits = False
            if not fits:
                number = isinstance(enumerator.value, int)
                sign = "signed" if self.signed else "unsigned"
                wrong = f"does not fit {bits} {sign} bits" if number else "is not a whole number"
                raise EncodeError(
                    f"{Kind(self.KIND).name} {self.name!r} value {enumerator.name!r}: "
                    f"{enumerator.value!r} {wrong}",
                    got=enumerator.value,
                    expected=f"{low}..{high}",
                )
        return [enumerator.value & (1 << bits) - 1 for enumerator in self.values]


@frozen
class Enum(EnumBase):
    """An enum of at most 32 bits (``BTF_KIND_ENUM``)."""

    KIND = Kind.ENUM

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        names, words = records.columns
        return cls._enums(records, btf, names, [word & U32_MAX for word in words], 31)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        values = [value - (value >> 31 << 32) for value in self._checked(32)]
        columns = ([e.name for e in self.values], values)
        return RawRecord(self.name, 0, self.signed, self.size, (), columns)


@frozen
class Enum64(EnumBase):
    """An enum with 64-bit values (``BTF_KIND_ENUM64``)."""

    KIND = Kind.ENUM64

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        names, lows, highs = records.columns
        words = [high << 32 | low for low, high in zip(lows, highs, strict=True)]
        return cls._enums(records, btf, names, words, 63)

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        values = self._checked(64)
        columns = (
            [e.name for e in self.values],
            [value & 0xFFFFFFFF for value in values],
            [value >> 32 for value in values],
        )
        return RawRecord(self.name, 0, self.signed, self.size, (), columns)


@frozen
class EnumConstant(Enumerator):
    """An enumerator, and the enum that it was found in."""

    enum: Enum | Enum64 = field(repr=lambda enum: f"[{enum.id}]")


@frozen
class Fwd(DeclaredView):
    """A forward declaration of a struct, or of a union (``BTF_KIND_FWD``)."""

    KIND = Kind.FWD
    name: str
    is_union: bool = field(default=False, validator=FLAG)

    @property
    def keyword(self) -> str:
        """The word that C writes before the name: ``"struct"`` or ``"union"``."""
        return "union" if self.is_union else "struct"

    @property
    def fwd_kind(self) -> Kind:
        """The kind that is declared: ``Kind.STRUCT`` or ``Kind.UNION``."""
        return Kind.UNION if self.is_union else Kind.STRUCT

    @classmethod
    def _columns(cls, records: Records, btf: Btf | None) -> Mapping[str, Iterable[Any]]:
        return {"name": records.names, "is_union": records.flags}

    def _to_raw(self, plan: KindPlan) -> RawRecord:
        return RawRecord(self.name, 0, self.is_union, 0)


@frozen
class Typedef(DeclaredView, Refers):
    """A typedef (``BTF_KIND_TYPEDEF``)."""

    KIND = Kind.TYPEDEF
    name: str
    type_id: int


@frozen
class Float(DeclaredView):
    """A floating-point number (``BTF_KIND_FLOAT``); size in bytes."""

    KIND = Kind.FLOAT
    name: str
    size: int
