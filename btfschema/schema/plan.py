"""What the schema implies, worked out once: sizes, positions, roles, numpy dtypes.

The bulk engine (:mod:`btfschema.codec.indexing`, :mod:`btfschema.tables.types`) treats the type
section as an array of u32 words. A :class:`KindPlan` says which words of a record mean what; it is
derived from the Construct declarations in :mod:`btfschema.schema`, and derivation fails loudly for
a declaration that is not made of 4-byte words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from construct import Renamed, Struct

from btfschema.arrays import read_only
from btfschema.schema.constraints import Distilled
from btfschema.schema.kinds import BTF_TYPE, KINDS, Kinds, KindSpec
from btfschema.schema.roles import Bits, Role, UInt

__all__ = [
    "HEADER_WORDS",
    "INFO_BITS",
    "INFO_WORD",
    "KIND_FLAG_SHIFT",
    "KIND_MASK",
    "KIND_SHIFT",
    "NAME_OFF",
    "ROLES_WIDTH",
    "ROLE_CODES",
    "THIRD",
    "U32_MAX",
    "VLEN_MASK",
    "Field",
    "KindPlan",
    "Plan",
    "RawRecord",
    "fields_of",
    "layout_of",
    "plan_of",
]

# The largest number that a word holds.
U32_MAX = 0xFFFFFFFF
# How an array of words says what each stands for; 0 is a plain number.
ROLE_CODES = {Role.NUMBER: 0, Role.TYPE_ID: 1, Role.STRING_OFFSET: 2}

# So many words of a record of each kind have their roles in a table.
ROLES_WIDTH = 1024

# Longer than any section: what a record of an unknown kind is taken to span, so that the walk over
# the records ends there.
ENDLESS = np.uint32(0x7FFFFFFF)


class Field(NamedTuple):
    """One word of a record.

    Attributes:
        name: as declared.
        word: its index, counted from the start of the struct that it stands in.
        role: what it stands for.
        signed: whether it is read as two's complement.
        bits: the declared bit fields, or None for a plain word.
    """

    name: str
    word: int
    role: Role
    signed: bool
    bits: Bits | None

    @property
    def attribute(self) -> str:
        """What a view calls it: a string offset is presented as its string."""
        if self.role is Role.STRING_OFFSET:
            return self.name.removesuffix("_off")
        return self.name

    @property
    def dtype(self) -> str:
        """The word's numpy type, without a byte order."""
        return "i4" if self.signed else "u4"


def fields_of(struct: Any, first: int = 0) -> tuple[Field, ...]:
    """The words of a Construct struct, numbered from ``first``.

    Raises:
        TypeError: the struct holds something that is not one 4-byte word.
    """
    if struct is None:
        return ()
    subcons = struct.subcons if isinstance(struct, Struct) else [struct]
    fields = []
    for word, named in enumerate(subcons, first):
        subcon = named.subcon if isinstance(named, Renamed) else named
        if not isinstance(subcon, UInt) or subcon.length != 4:
            message = (
                f"field {named.name!r} is not a declared 4-byte word but {type(subcon).__name__}"
            )
            raise TypeError(message)
        bits = subcon if isinstance(subcon, Bits) else None
        fields.append(Field(named.name or "", word, subcon.role, subcon.signed, bits))
    return tuple(fields)


NAME_OFF, INFO_WORD, THIRD = fields_of(BTF_TYPE)
HEADER_WORDS = len(BTF_TYPE.subcons)
if INFO_WORD.bits is None:
    raise TypeError("the info word of BTF_TYPE is not declared as bit fields")
INFO_BITS = INFO_WORD.bits
VLEN_MASK = (1 << INFO_BITS.fields["vlen"][1]) - 1
KIND_SHIFT, KIND_WIDTH = INFO_BITS.fields["kind"]
KIND_MASK = (1 << KIND_WIDTH) - 1
KIND_FLAG_SHIFT = INFO_BITS.fields["kind_flag"][0]


class RawRecord(NamedTuple):
    """One record's values, between words and a view: strings resolved, words signed as declared.

    ``fixed`` holds the fixed struct's words in declared order, ``columns`` one list for each word
    of the repeated struct. ``vlen_name`` is what the view calls ``vlen``, for errors.
    """

    name: str
    vlen: int
    kind_flag: bool
    third: int
    fixed: tuple[Any, ...] = ()
    columns: tuple[list[Any], ...] = ()
    vlen_name: str = "vlen"


class KindPlan(NamedTuple):
    """Where everything is in a record of one kind. Sizes and indexes count 4-byte words.

    Attributes:
        spec: the schema's row, or None for a kind that only a layout section describes.
        number: the kind's number.
        name: the kind's name.
        third: the third word.
        fixed: the words that follow the three common ones.
        element: the words of the repeated struct, counted from its own start.
        fixed_words: words between the common ones and the first element.
        stride: words of one element; 0 for none.
    """

    spec: KindSpec | None
    number: int
    name: str
    third: Field
    fixed: tuple[Field, ...]
    element: tuple[Field, ...]
    fixed_words: int
    stride: int

    @property
    def first_element(self) -> int:
        """The word at which the elements start."""
        return HEADER_WORDS + self.fixed_words

    @property
    def is_opaque(self) -> bool:
        """Whether the layout section alone describes the kind: its references are unknown."""
        return self.spec is None

    @property
    def info_sz(self) -> int:
        """Bytes after the common ones, as the layout section says it."""
        return 4 * self.fixed_words

    @property
    def elem_sz(self) -> int:
        """Bytes of one element, as the layout section says it."""
        return 4 * self.stride

    def words_with(self, role: Role) -> tuple[int, ...]:
        """Words before the elements that have this role, by index in the record."""
        return tuple(f.word for f in (NAME_OFF, self.third, *self.fixed) if f.role is role)

    def element_words_with(self, role: Role) -> tuple[int, ...]:
        """Words of an element that have this role, by index in the element."""
        return tuple(f.word for f in self.element if f.role is role)

    def mark_roles(self, record: npt.NDArray[np.uint8]) -> None:
        """Say of each word of a record what it stands for, as ``ROLE_CODES`` has it.

        Args:
            record: one number for each word, to be written to.
        """
        record[:] = 0
        for role in (Role.TYPE_ID, Role.STRING_OFFSET):
            for word in self.words_with(role):
                record[word] = ROLE_CODES[role]
            for word in self.element_words_with(role):
                record[self.first_element + word :: self.stride] = ROLE_CODES[role]

    def fixed_field(self, name: str) -> Field:
        """The word of this name that follows the common ones.

        Raises:
            KeyError: there is none.
        """
        for one in self.fixed:
            if one.name == name:
                return one
        raise KeyError(name)

    @property
    def first_type_id(self) -> Field | None:
        """The first fixed word that is a type id: for an array that of its elements."""
        return next((f for f in self.fixed if f.role is Role.TYPE_ID), None)

    @property
    def element_dtype(self) -> np.dtype[Any]:
        """A structured numpy dtype of one element in the machine's byte order."""
        return np.dtype([(f.name, f.dtype) for f in self.element])

    def size(self, vlen: int) -> int:
        """Words of a record with this vlen."""
        return self.first_element + vlen * self.stride

    @classmethod
    def of_spec(cls, spec: KindSpec) -> KindPlan:
        """Derive the plan of a declared kind."""
        (third,) = fields_of(spec.third, THIRD.word)
        fixed = fields_of(spec.fixed, HEADER_WORDS)
        element = fields_of(spec.element)
        _require_distillable(spec, third, fixed)
        return cls(spec, spec.number, spec.name, third, fixed, element, len(fixed), len(element))

    @classmethod
    def of_layout(cls, number: int, info_sz: int, elem_sz: int) -> KindPlan:
        """The plan of a kind that only a layout entry (sizes in bytes) describes."""
        name = f"KIND_{number}"
        return cls(None, number, name, THIRD, (), (), info_sz // 4, elem_sz // 4)


def _require_distillable(spec: KindSpec, third: Field, fixed: tuple[Field, ...]) -> None:
    """What stands in a distilled base leads nowhere, and is found again by its third word.

    Raises:
        TypeError: the kind is declared to stand there, and can't.
    """
    if spec.distilled not in (Distilled.WHOLE, Distilled.NAME_AND_SIZE):
        return
    leads = any(one.role is not Role.NUMBER for one in (third, *fixed))
    whole = spec.distilled is Distilled.WHOLE
    if leads or len(fixed) > whole or (whole and spec.element is not None):
        message = (
            f"kind {spec.number} ({spec.name}) can't stand in a distilled base: there the third "
            "word is a number, and one more may follow in a kind that stays whole"
        )
        raise TypeError(message)


class Plan:
    """The plans of all kinds, and the tables that the record walk needs.

    Attributes:
        schema: where the kinds are declared.
        kinds: by kind number.
        fixed_words: words before the elements, by the top byte of ``info`` (kind and kind_flag);
            ``ENDLESS`` for a kind that is not known. These numbers have so many bits that the
            length of any record can be computed with them.
        strides: words of one element, likewise.
        has_elements: whether there are any, by kind.
        opaque: the numbers of the kinds that only a layout section describes.
        roles: what the first ``ROLES_WIDTH`` words of a long record stand for (``ROLE_CODES``):
            those of kind 0, then those of kind 1, and so on.
        references: how many type ids stand before the elements, by kind.
        element_references: and how many in each element.
    """

    def __init__(self, schema: Kinds, kinds: Mapping[int, KindPlan]) -> None:
        self.schema = schema
        self.kinds = kinds
        count = 1 << KIND_WIDTH
        # Quicker with 32 bits, which a layout section's sizes may be too large for.
        longest = max((plan.size(VLEN_MASK) for plan in kinds.values()), default=0)
        dtype: Any = np.uint32 if longest < 1 << 32 else np.int64
        fixed = np.full(count, ENDLESS, dtype)
        strides = np.zeros(count, dtype)
        roles = np.zeros((count, ROLES_WIDTH), np.uint8)
        for number, plan in kinds.items():
            fixed[number] = plan.first_element
            strides[number] = plan.stride
            plan.mark_roles(roles[number])
        # Twice, since the top byte of ``info`` is the kind with kind_flag above it.
        self.fixed_words = read_only(np.tile(fixed, 2))
        self.strides = read_only(np.tile(strides, 2))
        self.has_elements = read_only(strides > 0)
        self.opaque = tuple(number for number, plan in kinds.items() if plan.is_opaque)
        self.roles = read_only(roles.ravel())
        self.references = self._references(KindPlan.words_with)
        self.element_references = self._references(KindPlan.element_words_with)

    def _references(
        self, words_of: Callable[[KindPlan, Role], tuple[int, ...]]
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        counts = np.zeros(1 << KIND_WIDTH, np.int64)
        for number, plan in self.kinds.items():
            counts[number] = len(words_of(plan, Role.TYPE_ID))
        return read_only(counts)

    def name(self, number: int) -> str:
        """The kind's name, for messages."""
        plan = self.kinds.get(number)
        return plan.name if plan is not None else self.schema.name(number)

    def with_layout(self, entries: tuple[tuple[int, int], ...]) -> Plan:
        """Return this plan with the kinds that only a layout section describes.

        Args:
            entries: (info_sz, elem_sz) in bytes, by kind number.
        """
        return _described(self, entries[: KIND_MASK + 1])

    def merged(self, other: Plan) -> Plan:
        """The plan with the kinds added that only ``other`` knows."""
        if other.kinds.keys() <= self.kinds.keys():
            return self
        return Plan(self.schema, {**other.kinds, **self.kinds})


@lru_cache(maxsize=16)
def _described(plan: Plan, entries: tuple[tuple[int, int], ...]) -> Plan:
    """What :meth:`Plan.with_layout` returns: one plan for all modules of a kernel."""
    extra = {
        number: KindPlan.of_layout(number, info_sz, elem_sz)
        for number, (info_sz, elem_sz) in enumerate(entries)
        if number and number not in plan.kinds and not (info_sz % 4 or elem_sz % 4)
    }
    return Plan(plan.schema, {**plan.kinds, **extra}) if extra else plan


def plan_of(kinds: Kinds = KINDS) -> Plan:
    """The plan of a schema; derived once for each."""
    return _derived(kinds)


@lru_cache(maxsize=16)
def _derived(kinds: Kinds) -> Plan:
    return Plan(kinds, {number: KindPlan.of_spec(spec) for number, spec in kinds.items()})


def layout_of(kinds: Kinds = KINDS, last: int | None = None) -> tuple[tuple[int, int], ...]:
    """The layout section's table: (info_sz, elem_sz) in bytes for kinds 0 to ``last``.

    Kernel 7.1's vmlinux carries the table of kinds 0 to 19.
    """
    plans = plan_of(kinds).kinds
    last = max(plans) if last is None else last
    return tuple(
        (plans[n].info_sz, plans[n].elem_sz) if n in plans else (0, 0) for n in range(last + 1)
    )
