"""A container from its tables: the way back from :mod:`btfschema.questions.tables`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema.arguments import require_choice
from btfschema.arrays import bounds_of
from btfschema.codec.engines import Image
from btfschema.codec.header import ByteOrder, canonical_header
from btfschema.errors import EncodeError
from btfschema.model.container import Btf
from btfschema.questions.tables import element_tables, fixed_columns
from btfschema.schema.kinds import KINDS, MEMBER_BITFIELD, Kinds
from btfschema.schema.plan import (
    INFO_WORD,
    KIND_FLAG_SHIFT,
    KIND_SHIFT,
    NAME_OFF,
    Field,
    KindPlan,
    plan_of,
)
from btfschema.schema.roles import Role
from btfschema.tables.strings import StringTableBuilder
from btfschema.tables.types import TypeTable

__all__ = ["from_tables"]

Array = npt.NDArray[Any]


def from_tables(
    tables: Mapping[str, Any],
    base: Btf | None = None,
    byteorder: ByteOrder = "little",
    kinds: Kinds = KINDS,
) -> Btf:
    """Build a container from the tables of its types.

    Args:
        tables: what :func:`~btfschema.questions.tables_of` or ``arrow_tables`` returned, perhaps
            changed; of one container.
        base: the base that a split's ids and names refer to.
        byteorder: of the container.
        kinds: the schema.

    Returns:
        The container. Its strings are those in use, each once.

    Raises:
        ValueError: the byte order is not known.
        EncodeError: a table lacks a column, or a kind is unknown.
    """
    require_choice("byteorder", byteorder, ByteOrder)
    return _Builder(tables, kinds, base).build(byteorder)


class _Builder:
    """Fills the words of a type section.

    Args:
        tables: the tables.
        kinds: the schema.
        base: the base, or None.
    """

    def __init__(self, tables: Mapping[str, Any], kinds: Kinds, base: Btf | None) -> None:
        self._tables, self._base = tables, base
        self.plan = plan_of(kinds)
        self.strings = StringTableBuilder(base.strings if base is not None else None)
        numbers = {plan.name: number for number, plan in self.plan.kinds.items()}
        labels = self._column("types", "kind")
        unknown = sorted(set(labels) - set(numbers))
        if unknown:
            raise EncodeError(f"table types: no kind is called {unknown[0]!r}", got=unknown[0])
        self.kinds = np.array([numbers[label] for label in labels], np.int64)
        self.vlens = self._numbers("types", "vlen")
        fixed, strides = self.plan.fixed_words[self.kinds], self.plan.strides[self.kinds]
        bounds = bounds_of(fixed + np.where(strides > 0, self.vlens * strides, 0))
        self.starts = bounds[:-1]
        self.words = np.zeros(int(bounds[-1]), np.uint32)
        self.flags = self._numbers("types", "kind_flag")

    def build(self, byteorder: ByteOrder) -> Btf:
        """The container."""
        info = self.vlens | self.kinds << KIND_SHIFT | self.flags << KIND_FLAG_SHIFT
        self.words[self.starts + NAME_OFF.word] = self.strings.add_many(
            self._column("types", "name")
        )
        self.words[self.starts + INFO_WORD.word] = info
        for name, places in fixed_columns(self.plan).items():
            values = self._numbers("types", name)
            for number, field in places:
                rows = np.flatnonzero(self.kinds == number)
                self._put(self.starts[rows] + field.word, values[rows])
        for name, plans in element_tables(self.plan).items():
            present = [plan for plan in plans if (self.kinds == plan.number).any()]
            if present:
                self._elements(name, plans)
        base = self._base
        table = self.strings.build()
        header = canonical_header(byteorder, 4 * len(self.words), len(table.data))
        first_id = base.end_id if base is not None else 1
        types = TypeTable(self.words, self.starts, self.plan, first_id)
        return Btf(Image(header, types.with_strings(table), table, None), base)

    def _put(self, positions: Array, values: Array) -> None:
        self.words[positions] = values.astype(np.int64) & 0xFFFFFFFF

    def _elements(self, table: str, plans: list[KindPlan]) -> None:
        first_id = self._base.end_id if self._base is not None else 1
        rows = self._numbers(table, "id") - first_id
        numbers = self._numbers(table, "number")
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self.kinds):
            raise EncodeError(f"table {table}: an id is not in the table types", got=table)
        for plan in plans:
            here = np.flatnonzero(self.kinds[rows] == plan.number)
            if (numbers[here] >= self.vlens[rows[here]]).any():
                raise EncodeError(f"table {table}: more rows than the type's vlen", got=table)
            at = self.starts[rows[here]] + plan.first_element + numbers[here] * plan.stride
            for field in plan.element:
                values = self._word(table, field, rows)
                self._put(at + field.word, values[here])

    def _word(self, table: str, field: Field, rows: Array) -> Array:
        """The values of one word of a table's elements."""
        if table == "members" and field.name == "offset":
            offsets, widths = (self._numbers(table, c) for c in ("bit_offset", "bitfield_size"))
            shift = MEMBER_BITFIELD.fields["bitfield_size"][0]
            return offsets | np.where(self.flags[rows] > 0, widths << shift, 0)
        if table == "enumerators" and field.role is Role.NUMBER:
            values = self._numbers(table, "value")
            return values >> 32 if field.name == "value_hi32" else values
        if field.role is Role.STRING_OFFSET:
            return self.strings.add_many(self._column(table, field.attribute))
        return self._numbers(table, field.name)

    def _column(self, table: str, name: str) -> list[Any]:
        try:
            found = self._tables[table]
            column = found[name]
        except KeyError:
            raise EncodeError(f"table {table}: no column {name!r}", got=name) from None
        # pyarrow's or one of ours.
        values: list[Any] = column.to_pylist() if hasattr(column, "to_pylist") else column.values()
        return values

    def _numbers(self, table: str, name: str) -> Array:
        """A column of numbers; 0 where there is none."""
        return np.array([value or 0 for value in self._column(table, name)], np.int64)
