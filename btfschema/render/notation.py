"""What a dump shows of each kind: the one table behind the text and both JSON notations.

Labels and their order are those of bpftool's ``btf dump`` (``tools/bpf/bpftool/btf.c``), the values
come from the words that :mod:`btfschema.schema` declares. A kind without a row here, added from
outside or described by a layout section alone, gets its columns from its plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index, Mask, read_only
from btfschema.errors import DecodeError
from btfschema.model.container import Btf
from btfschema.render.texts import WORD, Choice, Texts, Wide, strings, texts
from btfschema.schema.kinds import KINDS, MEMBER_BITFIELD, Kind
from btfschema.schema.plan import HEADER_WORDS, KIND_MASK, NAME_OFF, Field, KindPlan, Plan
from btfschema.schema.roles import Role
from btfschema.tables.strings import StringTable

__all__ = [
    "COLUMNS",
    "CONTROLS",
    "Cells",
    "Column",
    "Escape",
    "Shape",
    "Strings",
    "alike",
    "shape_of",
    "shows_elements",
]

ANONYMOUS = "(anon)"
INVALID = "(invalid)"
VOID = "UNKNOWN"

# Bytes that a terminal acts on: C0 and DEL, without the NUL that ends a name.
CONTROLS = bytes([*range(1, 0x20), 0x7F])
Escape = Callable[[str], str]
Numbers = npt.NDArray[Any] | Wide
Values = Numbers | Choice | Texts | str


class Strings:
    """The strings of a container and of its bases, as a dump shows them.

    Args:
        btf: the container.
        escape: what is done to each of them, or None.
    """

    def __init__(self, btf: Btf, escape: Escape | None) -> None:
        self.btf = btf
        self.escape = escape

    def texts(self, table: StringTable, offsets: npt.NDArray[Any]) -> list[str]:
        """The strings at these offsets of a table of the chain.

        Like bpftool it has words for none and for a bad offset.
        """
        try:
            found = table.names(offsets)
        except DecodeError:
            found = [
                table[offset] if offset < max(table.end, 1) else INVALID
                for offset in offsets.tolist()
            ]
        if self.escape is not None:
            found = list(map(self.escape, found))
        for i in np.flatnonzero(offsets == 0).tolist():
            found[i] = ANONYMOUS
        return found

    def at(self, table: StringTable, offsets: npt.NDArray[Any]) -> Texts | str:
        """The same, for many to be written; one text if it is that of all."""
        if not offsets.any():
            return ANONYMOUS
        if self.escape is not None:
            return texts(self.texts(table, offsets))
        data, anonymous, invalid = self._data
        starts = offsets.astype(np.int64)
        starts[offsets >= table.end] = invalid
        starts[offsets == 0] = anonymous
        return strings(data, starts)

    @cached_property
    def _data(self) -> tuple[bytes, int, int]:
        """All strings of the chain, each at its offset, and where the words of ours stand."""
        ours = f"{ANONYMOUS}\0{INVALID}\0".encode()
        data = [*(each.strings.data for each in self.btf.chain), ours, bytes(WORD - 1)]
        first = self.btf.strings.end
        return b"".join(data), first, first + len(ANONYMOUS) + 1


@frozen(eq=False, slots=False)
class Cells:
    """Some records whose kinds have the same words, or all elements of these records.

    Attributes:
        owner: the container of its chain that holds the records.
        plan: the plan of one of the kinds.
        fields: the words that a column can name.
        rows: the row of the type that each record is, or each element belongs to.
        starts: the word at which each of them starts.
        strings: those of the container that is dumped, as they are shown.
    """

    owner: Btf
    plan: KindPlan
    fields: tuple[Field, ...]
    rows: Index
    starts: Index
    strings: Strings

    @classmethod
    def records(cls, owner: Btf, plan: KindPlan, rows: Index, strings: Strings) -> Cells:
        """The records themselves."""
        fields = (NAME_OFF, plan.third, *plan.fixed)
        starts = owner.types.starts[rows]
        return cls(owner, plan, fields, rows, starts, strings)

    def elements(self, part: slice) -> tuple[Cells, Index]:
        """Some elements of each of these records, in their order, and how many of each."""
        found = self.owner.types.elements(self.plan.number, self.rows, part)
        fields, rows, starts = self.plan.element, found.owners, found.starts
        cells = Cells(self.owner, self.plan, fields, rows, starts, self.strings)
        return cells, found.counts

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @property
    def ids(self) -> Index:
        """The id of each record's type."""
        return self.rows + self.owner.first_id

    @property
    def kind_names(self) -> Choice:
        """The kind of each record."""
        present = self.owner.types.present
        which = np.zeros(KIND_MASK + 1, np.int64)
        which[[plan.number for plan in present]] = np.arange(len(present))
        kinds = self.owner.types.kinds[self.rows]
        return Choice([plan.name for plan in present], which.take(kinds))

    @cached_property
    def vlens(self) -> npt.NDArray[Any]:
        """The vlen of each record."""
        return self.owner.types.vlens.take(self.rows)

    @cached_property
    def kind_flags(self) -> npt.NDArray[Any]:
        """The kind_flag of each record, as 0 or 1."""
        return self.owner.types.kind_flags.take(self.rows).astype(np.int64)

    def word(self, name: str) -> npt.NDArray[Any]:
        """A declared word of each, signed as declared, or a bit field of one: ``word.bits``."""
        name, _, bit = name.partition(".")
        field = self._by_name[name]
        words = self.owner.types.words.take(self.starts + field.word)
        if field.bits is not None and bit:
            part: npt.NDArray[Any] = field.bits.part(words, bit)
            return part
        return words.view(field.dtype)

    def values(self, column: Column) -> Values:
        """The column's values: numbers, or texts; a single text if it is that of all."""
        if not isinstance(column.source, str):
            values = column.source(self)
        else:
            values = self.word(column.source)
            if self._by_name[column.source.partition(".")[0]].role is Role.STRING_OFFSET:
                return self.strings.at(self.owner.strings, values)
        if column.labels and isinstance(values, np.ndarray):
            return Choice.of(values, column.labels, column.other)
        return values


Source = Callable[[Cells], Values]


class Column(NamedTuple):
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


class Shape(NamedTuple):
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
    return np.where(cells.kind_flags, MEMBER_BITFIELD.part(words, "bit_offset"), words)


def _bitfield_size(cells: Cells) -> npt.NDArray[Any]:
    sizes = MEMBER_BITFIELD.part(cells.word("offset"), "bitfield_size")
    return np.where(cells.kind_flags, sizes, 0)


def _enum_value(cells: Cells) -> npt.NDArray[Any]:
    values = cells.word("value").astype(np.int64)
    return np.where(cells.kind_flags, values, values & 0xFFFFFFFF)


def _enum_json_value(cells: Cells) -> Wide:
    """Bpftool's JSON has an unsigned value from 2**31 on with 64 bits, the upper 32 set."""
    return Wide(cells.word("value").astype(np.int64), cells.kind_flags == 0)


def _enum64_value(cells: Cells) -> Wide:
    values = cells.word("value_hi32").astype(np.int64) << 32
    return Wide(values | cells.word("value_lo32"), cells.kind_flags == 0)


def _section_variable(cells: Cells) -> Texts:
    """Kind and name of what a DATASEC entry refers to; nothing for an id that does not exist."""
    btf = cells.strings.btf
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
            (name,) = cells.strings.texts(owner.strings, offsets)
        found.append(f" ({kind} '{name}')")
    return texts(found)


def _payload(cells: Cells) -> Texts:
    """The words after the common ones, each as eight hexadecimal digits."""
    types = cells.owner.types
    return texts(
        " ".join(f"{word:08x}" for word in types.words[start:end].tolist())
        for start, end in zip(cells.starts + HEADER_WORDS, types.ends[cells.rows], strict=True)
    )


ID = Column("id", lambda cells: cells.ids, text=" [%s]")
KIND = Column("kind", lambda cells: cells.kind_names, is_text=True, text=" %s")
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


@lru_cache(maxsize=16)
def alike(plan: Plan) -> Index:
    """By kind, one that stands for all that are shown in the same way and have the same words."""
    found = np.arange(KIND_MASK + 1)
    shapes = {number: shape_of(one) for number, one in plan.kinds.items()}
    first: dict[Any, int] = {}
    for number, one in plan.kinds.items():
        words = (one.third, one.fixed, one.element, one.first_element)
        found[number] = first.setdefault((id(shapes[number]), words), number)
    return read_only(found)


@lru_cache(maxsize=16)
def shows_elements(plan: Plan) -> Mask:
    """By kind, whether elements are shown."""
    found = np.zeros(KIND_MASK + 1, np.bool_)
    for number, one in plan.kinds.items():
        found[number] = bool(shape_of(one).elements)
    return read_only(found)


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
