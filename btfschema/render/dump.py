"""The raw dump: every record as text or JSON, byte for byte what bpftool writes.

Nothing here goes through views: a run of records is formatted kind by kind, with one ``%`` template
a kind and one pass over each column, and put back into file order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice, pairwise
from typing import Any, BinaryIO, Literal

import numpy as np
from attrs import Factory, field, frozen

from btfschema.arrays import Index
from btfschema.model.container import Btf
from btfschema.render.notation import (
    ANONYMOUS,
    ID,
    KIND,
    NAME,
    VOID,
    Cells,
    Column,
    Escape,
    Shape,
    shape_of,
)

__all__ = ["Dump", "Fields", "Items", "Style"]

# Types that are formatted at a time: enough to make numpy's cost per call vanish, few enough to
# keep the memory small.
RUN = 8192

COMMON = (ID, KIND, NAME)


@frozen
class Items:
    """How a list is written: the types of a dump, or the elements of a record."""

    begin: str
    separator: str
    end: str
    none: str

    def join(self, items: list[str]) -> str:
        """The whole list."""
        return self.begin + self.separator.join(items) + self.end if items else self.none


@frozen
class Fields:
    """How a record or an element is written: ``label`` comes before each value.

    The first character of the first label is what separates it from a value before, and left out.
    """

    begin: str
    label: str
    end: str


@frozen
class Style:
    """A notation.

    Attributes:
        name: whose columns it has, of those that only one notation has.
        string: the template of a text.
        types: the list of all records.
        record: a record.
        elements: the list of a record's elements.
        element: an element.
        escape: gives what has to be done to the strings of a container, or None.
    """

    name: Literal["text", "json"]
    string: str
    types: Items
    record: Fields
    elements: Items
    element: Fields
    escape: Callable[[Btf], Escape | None]

    def label(self, fields: Fields, label: str) -> str:
        """A label, as a template has it."""
        return fields.label % label.replace("%", "%%")

    def value(self, fields: Fields, column: Column) -> str:
        """The template of a labelled value."""
        if self.name == "text" and column.text:
            return column.text
        return self.label(fields, column.label) + (self.string if column.is_text else "%d")

    def template(self, fields: Fields, values: str) -> str:
        """The template of a record or an element with these values."""
        return fields.begin + values[1:] + fields.end


@frozen(eq=False)
class Dump:
    """A container in a style.

    Attributes:
        btf: the container; its own types and those of its bases can be written.
        style: the notation.
    """

    btf: Btf
    style: Style
    _escape: Escape | None = field(
        init=False, default=Factory(lambda self: self.style.escape(self.btf), takes_self=True)
    )

    def write(self, out: BinaryIO, ids: Iterable[int] | None = None) -> None:
        """Write the container's own types, or those with the given ids.

        Raises:
            TypeIdError: an id does not exist.
        """
        items = self.style.types
        count = 0
        for records in self._runs(ids):
            text = (items.separator if count else items.begin) + items.separator.join(records)
            out.write(text.encode("utf-8", "surrogateescape"))
            count += len(records)
        out.write((items.end if count else items.none).encode())

    def records(self, ids: list[int]) -> list[str]:
        """Records by id, from wherever in the chain they are.

        Raises:
            TypeIdError: an id does not exist.
        """
        for type_id in ids:
            if not 0 <= type_id < self.btf.end_id:
                self.btf.owner(type_id)
        wanted = np.array(ids, np.int64)
        found = np.empty(len(ids), object)
        found[wanted == 0] = self._template(Shape()) % (0, VOID, ANONYMOUS)
        for owner in self.btf.chain:
            at = np.flatnonzero((wanted >= owner.first_id) & (wanted < owner.end_id))
            found[at] = self._rows(owner, wanted[at] - owner.first_id)
        return list(found)

    def _runs(self, ids: Iterable[int] | None) -> Iterator[list[str]]:
        """The records, some thousand at a time."""
        if ids is not None:
            rest = iter(ids)
            while run := list(islice(rest, RUN)):
                yield self.records(run)
            return
        count = len(self.btf)
        for first in range(0, count, RUN):
            yield self._rows(self.btf, np.arange(first, min(first + RUN, count)))

    def _rows(self, owner: Btf, rows: Index) -> list[str]:
        """The records of some rows of a container of the chain."""
        found = np.empty(len(rows), object)
        kinds = owner.types.kinds[rows]
        for kind in np.flatnonzero(np.bincount(kinds)).tolist():
            at = np.flatnonzero(kinds == kind)
            found[at] = self._of_kind(Cells.records(self.btf, owner, kind, rows[at], self._escape))
        return list(found)

    def _of_kind(self, cells: Cells) -> list[str]:
        """Records of one kind."""
        shape = shape_of(cells.plan)
        template = self._template(shape)
        values = self._values(self.style.record, (*COMMON, *shape.columns), cells)
        if shape.elements:
            items = self._elements(cells.elements, shape)
            join = self.style.elements.join
            ends = accumulate(cells.vlens.tolist(), initial=0)
            values.append([join(items[first:end]) for first, end in pairwise(ends)])
        return list(map(template.__mod__, zip(*values, strict=True)))

    def _elements(self, cells: Cells, shape: Shape) -> list[str]:
        """All elements, one after another."""
        fields = self.style.element
        template = self.style.template(fields, self._values_template(fields, shape.elements))
        values = self._values(fields, shape.elements, cells)
        return list(map(template.__mod__, zip(*values, strict=True)))

    def _template(self, shape: Shape) -> str:
        """The template of a record."""
        style, fields = self.style, self.style.record
        template = self._values_template(fields, (*COMMON, *shape.columns))
        if shape.elements:
            template += style.label(fields, shape.label) if style.name == "json" else ""
            template += "%s"
        return style.template(fields, template)

    def _values_template(self, fields: Fields, columns: tuple[Column, ...]) -> str:
        """What takes the values of some columns; an optional one brings its own label."""
        return "".join(
            "%s" if column.is_optional else self.style.value(fields, column)
            for column in self._shown(columns)
        )

    def _values(self, fields: Fields, columns: tuple[Column, ...], cells: Cells) -> list[list[Any]]:
        """The values of some columns."""
        found = []
        for column in self._shown(columns):
            values = cells.values(column)
            if column.is_optional:
                template = self.style.value(fields, column)
                values = [template % value if value else "" for value in values]
            found.append(values)
        return found

    def _shown(self, columns: tuple[Column, ...]) -> list[Column]:
        return [column for column in columns if column.only in ("", self.style.name)]
