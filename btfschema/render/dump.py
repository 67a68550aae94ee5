"""The raw dump: every record as text or JSON, byte for byte what bpftool writes.

Nothing here goes through views: a run of records is written kind by kind. What a column brings is
gathered from texts that exist already, names and numbers, set between the labels of all records,
and joined at once; then the records are cut apart, and put back into file order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
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

# Ends a record in a text of many. No name holds it, since names end with it.
CUT = "\0"
THOUSAND = 1000
# How many thousands a number has, and what is over: alone, after thousands, and nothing. Texts of
# all ids would be more, and farther apart in memory.
THOUSANDS = np.array(["", *map(str, range(1, THOUSAND))], object)
OVER = np.array([*map(str, range(THOUSAND)), *map("{:03}".format, range(THOUSAND)), ""], object)
NOTHING = 2 * THOUSAND

Parts = list[str | list[str]]
"""What records consist of: texts that all have, and a text for each of them."""

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

    def value(self, fields: Fields, column: Column) -> list[str]:
        """What comes before and after a value."""
        if self.name == "text" and column.text:
            return column.text.split("%s")
        before, after = (self.string if column.is_text else "%s").split("%s")
        return [fields.label % column.label + before, after]


def numerals(values: npt.NDArray[Any] | list[int]) -> list[list[str]]:
    """The texts of numbers: of their thousands and of what is over, which exist already."""
    if isinstance(values, list):
        return [list(map(str, values))]
    high = values // THOUSAND
    if not high.any():
        return [OVER.take(values).tolist()]
    over = values - high * THOUSAND
    over[high != 0] += THOUSAND
    other = ((high < 0) | (high >= THOUSAND)).nonzero()[0]
    high[other], over[other] = 0, NOTHING
    thousands: list[str] = THOUSANDS.take(high).tolist()
    for at, value in zip(other.tolist(), values.take(other).tolist(), strict=True):
        thousands[at] = str(value)
    return [thousands, OVER.take(over).tolist()]


def assembled(begin: str, parts: Parts, end: str, count: int) -> str:
    """So many records, one after another: of each the beginning, its parts, and the end."""
    if not count:
        return ""
    # Of two texts that all records have beside each other, the end of one and the beginning of the
    # next too, one is made.
    cycle: Parts = []
    for part in (*parts, end + begin):
        last = cycle[-1] if cycle else None
        if isinstance(part, str) and isinstance(last, str):
            cycle[-1] = last + part
        else:
            cycle.append(part)
    pieces = [part if isinstance(part, str) else "" for part in cycle] * count
    for at, part in enumerate(cycle):
        if not isinstance(part, str):
            pieces[at :: len(cycle)] = part
    pieces[-1] = pieces[-1].removesuffix(begin)
    return begin + "".join(pieces)


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
        found[wanted == 0] = self._void()
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

    def _void(self) -> str:
        """The record of the type that no file has."""
        style = self.style
        values: tuple[tuple[Column, str], ...] = ((ID, "0"), (KIND, VOID), (NAME, ANONYMOUS))
        texts = (value.join(style.value(style.record, column)) for column, value in values)
        return style.record.begin + "".join(texts)[1:] + style.record.end

    def _of_kind(self, cells: Cells) -> list[str]:
        """Records of one kind."""
        style, shape = self.style, shape_of(cells.plan)
        fields = style.record
        parts = self._parts(fields, (*COMMON, *shape.columns), cells)
        if shape.elements:
            if style.name == "json":
                parts.append(fields.label % shape.label)
            parts.append(self._elements(cells, shape))
        return assembled(fields.begin, parts, fields.end + CUT, len(cells.rows)).split(CUT)[:-1]

    def _elements(self, cells: Cells, shape: Shape) -> list[str]:
        """All elements of each record."""
        fields, items = self.style.element, self.style.elements
        counts = cells.vlens.astype(np.int64)
        some = counts.nonzero()[0]
        found = [items.none] * len(counts)
        if not len(some):
            return found
        elements = cells.elements
        begins = [items.separator + fields.begin] * len(elements.rows)
        for first in (counts.cumsum() - counts)[some].tolist():
            begins[first] = CUT + items.begin + fields.begin
        parts = [begins, *self._parts(fields, shape.elements, elements)]
        text = assembled("", parts, fields.end, len(begins))
        lists = (text.replace(CUT, items.end + CUT) + items.end).split(CUT)[1:]
        for at, one in zip(some.tolist(), lists, strict=True):
            found[at] = one
        return found

    def _parts(self, fields: Fields, columns: tuple[Column, ...], cells: Cells) -> Parts:
        """The values of some columns, and what is between them."""
        parts: Parts = []
        for column in columns:
            if column.only not in ("", self.style.name):
                continue
            before, after = self.style.value(fields, column)
            # What separates it from a value before.
            before = before if parts else before[1:]
            values: Any = cells.values(column)
            if column.is_text:
                parts += [before, values, after]
            elif not column.is_optional:
                parts += [before, *numerals(values), after]
            elif values.any():
                shown = [f"{before}{value}{after}" if value else "" for value in values.tolist()]
                parts.append(shown)
        return parts
