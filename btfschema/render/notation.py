"""What a dump shows of each kind: the one table behind the text and both JSON notations.

Labels and their order are those of bpftool's ``btf dump`` (``tools/bpf/bpftool/btf.c``), the values
come from the words that :mod:`btfschema.schema` declares. A kind without a row here, added from
outside or described by a layout section alone, gets its columns from its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import repeat
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index
from btfschema.errors import DecodeError
from btfschema.model.container import Btf
from btfschema.schema.kinds import KINDS, MEMBER_BITFIELD, Kind
from btfschema.schema.plan import HEADER_WORDS, NAME_OFF, Field, KindPlan
from btfschema.schema.roles import Bits, Role
from btfschema.tables.strings import StringTable

__all__ = ["COLUMNS", "CONTROLS", "Cells", "Column", "Escape", "Shape", "shape_of"]

ANONYMOUS = "(anon)"
INVALID = "(invalid)"
VOID = "UNKNOWN"

# Bytes that a terminal acts on: C0 and DEL, without the NUL that ends a name.
CONTROLS = bytes([*range(1, 0x20), 0x7F])
Escape = Callable[[str], str]
Values = npt.NDArray[Any] | list[Any] | str


@frozen(eq=False, slots=False)
class Cells:
    """Some records of one kind, or all elements of these records.

    Attributes:
        btf: the container that is dumped.
        owner: the container of its chain that holds the records.
        plan: the kind's plan.
        fields: the words that a column can name.
        rows: the row of the type that each record is, or each element belongs to.
        starts: the word at which each of them starts.
        escape: what is done to every string of the file, or None.
    """

    btf: Btf
    owner: Btf
    plan: KindPlan
    fields: tuple[Field, ...]
    rows: Index
    starts: Index
    escape: Escape | None = None

    @classmethod
    def records(cls, btf: Btf, owner: Btf, kind: int, rows: Index, escape: Escape | None) -> Cells:
        """The records themselves."""
        plan = owner.types.plan.kinds[kind]
        fields = (NAME_OFF, plan.third, *plan.fixed)
        return cls(btf, owner, plan, fields, rows, owner.types.starts[rows], escape)

    @property
    def elements(self) -> Cells:
        """The elements of these records, in the records' order."""
        found = self.owner.types.elements(self.plan.number, self.rows)
        return Cells(
            self.btf,
            self.owner,
            self.plan,
            self.plan.element,
            found.owners,
            found.starts,
            self.escape,
        )

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @property
    def ids(self) -> Index:
        """The id of each record's type."""
        return self.rows + self.owner.first_id

    @property
    def kind_name(self) -> str:
        """The kind of all records."""
        return self.plan.name

    @property
    def vlens(self) -> npt.NDArray[Any]:
        """The vlen of each record."""
        return self.owner.types.vlens[self.rows]

    @property
    def kind_flags(self) -> npt.NDArray[Any]:
        """The kind_flag of each record, as 0 or 1."""
        return self.owner.types.kind_flags[self.rows].astype(np.int64)

    def word(self, name: str) -> npt.NDArray[Any]:
        """A declared word of each, signed as declared, or a bit field of one: ``word.bits``."""
        name, _, bit = name.partition(".")
        field = self._by_name[name]
        words = self.owner.types.words[self.starts + field.word]
        if field.bits is not None and bit:
            return _part(words, field.bits, bit)
        return words.view(field.dtype)

    def values(self, column: Column) -> Values:
        """The column's values: numbers, or ``str`` for a text; a single one that all have."""
        if not isinstance(column.source, str):
            values = column.source(self)
        else:
            values = self.word(column.source)
            if self._by_name[column.source.partition(".")[0]].role is Role.STRING_OFFSET:
                if not values.any():
                    return ANONYMOUS
                return strings_at(self.owner.strings, values, self.escape)
        if column.labels and isinstance(values, np.ndarray):
            return list(map(column.labels.get, values.tolist(), repeat(column.other)))
        return values


def _part(words: npt.NDArray[Any], bits: Bits, name: str) -> npt.NDArray[Any]:
    shift, width = bits.fields[name]
    return words >> shift & (1 << width) - 1


def strings_at(
    table: StringTable, offsets: npt.NDArray[Any], escape: Escape | None = None
) -> list[str]:
    """The strings at these offsets; like bpftool it has words for none and for a bad offset."""
    try:
        found = table.names(offsets)
    except DecodeError:
        found = [
            table[offset] if offset < max(table.end, 1) else INVALID for offset in offsets.tolist()
        ]
    if escape is not None:
        found = list(map(escape, found))
    for i in np.flatnonzero(offsets == 0).tolist():
        found[i] = ANONYMOUS
    return found


Source = Callable[[Cells], Values]


@frozen
class Column:
    """One labelled value of a record or an element.

    Attributes:
        label: its name.
        source: the declared word (``"size"``) or bit field (``"int_data.bits"``) that holds it, or
            a function of the cells.
        labels: names of the values, for a value that is shown by name.
        other: the name of all other values.
        is_text: whether values are ``str``.
        is_optional: whether it, a number, is left out where it is 0; never the first of an element.
        text: how the text dump writes it when that is not `` label=value``.
        only: ``"text"`` or ``"json"`` for a value that the other has not, or has differently.
    """

    label: str
    source: str | Source
    labels: Mapping[int, str] | None = None
    other: str = ""
    is_text: bool = False
    is_optional: bool = False
    text: str = ""
    only: Literal["", "text", "json"] = ""


@frozen
class Shape:
    """What is shown of one kind after the id, the kind and the name.

    Attributes:
        columns: of the record.
        elements: of each element.
        label: what JSON calls the elements.
    """

    columns: tuple[Column, ...] = ()
    elements: tuple[Column, ...] = ()
    label: str = ""


def _named(label: str, source: str | Source, *names: str, other: str = "", **more: Any) -> Column:
    """A value shown by name: ``names`` are those of 0, 1 and so on."""
    return Column(label, source, dict(enumerate(names)), other, is_text=True, **more)


def _bits_offset(cells: Cells) -> npt.NDArray[Any]:
    """The member's offset word, or with kind_flag a part of it."""
    words = cells.word("offset")
    return np.where(cells.kind_flags, _part(words, MEMBER_BITFIELD, "bit_offset"), words)


def _bitfield_size(cells: Cells) -> npt.NDArray[Any]:
    sizes = _part(cells.word("offset"), MEMBER_BITFIELD, "bitfield_size")
    return np.where(cells.kind_flags, sizes, 0)


def _enum_value(cells: Cells) -> npt.NDArray[Any]:
    values = cells.word("value").astype(np.int64)
    return np.where(cells.kind_flags, values, values & 0xFFFFFFFF)


def _enum_json_value(cells: Cells) -> list[int]:
    """Bpftool's JSON has an unsigned value from 2**31 on with 64 bits, the upper 32 set."""
    return [
        value if signed or value >= 0 else value + (1 << 64)
        for value, signed in zip(
            cells.word("value").tolist(), cells.kind_flags.tolist(), strict=True
        )
    ]


def _enum64_value(cells: Cells) -> list[int]:
    words = (cells.word("value_lo32").tolist(), cells.word("value_hi32").tolist())
    return [
        (high << 32 | low) - (high >> 31 << 64 if signed else 0)
        for low, high, signed in zip(*words, cells.kind_flags.tolist(), strict=True)
    ]


def _section_variable(cells: Cells) -> list[str]:
    """Kind and name of what a DATASEC entry refers to; nothing for an id that does not exist."""
    btf = cells.btf
    found = []
    for type_id in cells.word("type_id").tolist():
        kind, name = VOID, ANONYMOUS
        if type_id >= btf.end_id:
            found.append("")
            continue
        if type_id:
            owner = btf.owner(type_id)
            row = type_id - owner.first_id
            kind = owner.types.plan.name(int(owner.types.kinds[row]))
            offsets = owner.types.name_offs[row : row + 1]
            (name,) = strings_at(owner.strings, offsets, cells.escape)
        found.append(f" ({kind} '{name}')")
    return found


def _payload(cells: Cells) -> list[str]:
    """The words after the common ones, each as eight hexadecimal digits."""
    types = cells.owner.types
    return [
        " ".join(f"{word:08x}" for word in types.words[start:end].tolist())
        for start, end in zip(cells.starts + HEADER_WORDS, types.ends[cells.rows], strict=True)
    ]


ID = Column("id", lambda cells: cells.ids, text=" [%s]")
KIND = Column("kind", lambda cells: cells.kind_name, is_text=True, text=" %s")
NAME = Column("name", NAME_OFF.name, is_text=True, text=" '%s'")
SIZE = Column("size", "size")
TYPE_ID = Column("type_id", "type_id")
VLEN = Column("vlen", lambda cells: cells.vlens)
KIND_FLAG = Column("kind_flag", lambda cells: cells.kind_flags, is_optional=True)

_REFERENCE = Shape((TYPE_ID,))
_COMPOSITE = Shape(
    (SIZE, VLEN),
    (
        NAME,
        TYPE_ID,
        Column("bits_offset", _bits_offset),
        Column("bitfield_size", _bitfield_size, is_optional=True),
    ),
    "members",
)
_ENUM_COLUMNS = (
    _named("encoding", lambda cells: cells.kind_flags, "UNSIGNED", "SIGNED"),
    SIZE,
    VLEN,
)
_LINKAGES = ("static", "global", "extern")

COLUMNS: Mapping[int, Shape] = {
    Kind.INT: Shape(
        (
            SIZE,
            Column("bits_offset", "int_data.bit_offset"),
            Column("nr_bits", "int_data.bits"),
            Column(
                "encoding",
                "int_data.encoding",
                {0: "(none)", 1: "SIGNED", 2: "CHAR", 4: "BOOL"},
                "UNKN",
                is_text=True,
            ),
        )
    ),
    Kind.PTR: _REFERENCE,
    Kind.ARRAY: Shape(
        (TYPE_ID, Column("index_type_id", "index_type_id"), Column("nr_elems", "nelems"))
    ),
    Kind.STRUCT: _COMPOSITE,
    Kind.UNION: _COMPOSITE,
    Kind.ENUM: Shape(
        _ENUM_COLUMNS,
        (
            NAME,
            Column("val", _enum_value, only="text"),
            Column("val", _enum_json_value, only="json"),
        ),
        "values",
    ),
    Kind.FWD: Shape((_named("fwd_kind", lambda cells: cells.kind_flags, "struct", "union"),)),
    Kind.TYPEDEF: _REFERENCE,
    Kind.VOLATILE: _REFERENCE,
    Kind.CONST: _REFERENCE,
    Kind.RESTRICT: _REFERENCE,
    Kind.FUNC: Shape(
        (TYPE_ID, _named("linkage", lambda cells: cells.vlens, *_LINKAGES, other="(unknown)"))
    ),
    Kind.FUNC_PROTO: Shape((Column("ret_type_id", "type_id"), VLEN), (NAME, TYPE_ID), "params"),
    Kind.VAR: Shape(
        (
            TYPE_ID,
            _named("linkage", "linkage", *_LINKAGES, other="(unknown)", text=", linkage=%s"),
        )
    ),
    Kind.DATASEC: Shape(
        (SIZE, VLEN),
        (
            TYPE_ID,
            Column("offset", "offset"),
            SIZE,
            Column("variable", _section_variable, is_text=True, text="%s", only="text"),
        ),
        "vars",
    ),
    Kind.FLOAT: Shape((SIZE,)),
    Kind.DECL_TAG: Shape((TYPE_ID, Column("component_idx", "component_idx"))),
    Kind.TYPE_TAG: _REFERENCE,
    Kind.ENUM64: Shape(
        _ENUM_COLUMNS,
        (
            NAME,
            Column("val", _enum64_value),
            _named("suffix", lambda cells: cells.kind_flags, "ULL", "LL", text="%s", only="text"),
        ),
        "values",
    ),
}


def shape_of(plan: KindPlan) -> Shape:
    """The row of a kind, or what its plan tells."""
    declared = plan.spec is not None and plan.spec is KINDS.get(plan.number)
    known = COLUMNS.get(plan.number) if declared else None
    return known or _derived(plan)


def _derived(plan: KindPlan) -> Shape:
    third = () if plan.third.name == "unused" else _word_columns(plan.third)
    if plan.spec is None:
        payload = Column("payload", _payload, is_text=True, text=" payload='%s'")
        return Shape((*third, VLEN, KIND_FLAG, payload))
    fixed = tuple(column for field in plan.fixed for column in _word_columns(field))
    if not plan.stride:
        vlen = Column(VLEN.label, VLEN.source, is_optional=True)
        return Shape((*third, *fixed, vlen, KIND_FLAG))
    elements = tuple(column for field in plan.element for column in _word_columns(field))
    return Shape((*third, *fixed, VLEN, KIND_FLAG), elements, plan.spec.elements or "elements")


def _word_columns(field: Field) -> tuple[Column, ...]:
    """A declared word by its own name: bit fields apart, a string offset as the string."""
    if field.bits is not None:
        names = (f"{field.name}.{bit}" for bit in field.bits.fields)
        return tuple(Column(name, name) for name in names)
    if field.name == NAME.source:
        return (NAME,)
    if field.role is Role.STRING_OFFSET:
        label = field.name.removesuffix("_off")
        return (Column(label, field.name, is_text=True, text=f" {label}='%s'"),)
    return (Column(field.name, field.name),)
