"""The raw dump: every record as text or JSON, byte for byte what bpftool writes.

Nothing here goes through views: of a run of records, each column becomes the texts of all records
that have it, and these are put into their places together (:mod:`btfschema.render.texts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from btfschema.arrays import Index, bounds_of
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
    Strings,
    alike,
    shape_of,
    shows_elements,
)
from btfschema.render.texts import (
    EIGHT,
    NUL,
    WORD,
    Choice,
    Lists,
    Part,
    Texts,
    Wide,
    beside,
    constant,
    numbers,
    total,
)

__all__ = ["Dump", "Fields", "Items", "Style"]

# How many types and elements are written at a time: enough to make numpy's cost per call
# negligible, few enough to need little memory.
RUN = 1 << 14
# How many types are cut into such runs at a time.
PORTION = 4 * RUN


class Items(NamedTuple):
    """How a list is written: the types of a dump, or the elements of a record."""

    begin: str
    separator: str
    end: str
    none: str


class Fields(NamedTuple):
    """How a record or an element is written: ``label`` comes before each value.

    The first character of the first label is what separates it from a value before, and left out.
    """

    begin: str
    label: str
    end: str


class Style(NamedTuple):
    """A notation.

    Attributes:
        name: whose columns it has, of those that only one notation has.
        string: the template of a text.
        types: the list of all records.
        record: a record.
        elements: the list of a record's elements.
        element: an element.
        plain: the bytes of strings that are shown as they are, and NUL.
        escape: what is done to strings if one of the container holds any other byte.
    """

    name: Literal["text", "json"]
    string: str
    types: Items
    record: Fields
    elements: Items
    element: Fields
    plain: bytes
    escape: Escape

    def escape_of(self, btf: Btf) -> Escape | None:
        """What has to be done to the strings of a container: nothing, for nearly all."""
        special = any(each.strings.data.translate(None, self.plain) for each in btf.chain)
        return self.escape if special else None

    def value(self, fields: Fields, column: Column) -> list[str]:
        """What comes before and after a value."""
        if self.name == "text" and column.text:
            return column.text.split("%s")
        before, after = (self.string if column.is_text else "%s").split("%s")
        return [fields.label % column.label + before, after]


Run = tuple[Index, slice]
"""The ids of types that are written together, and which elements of each."""
ALL = slice(0, 1 << 32)
Block = tuple[Index, list[Texts | Lists]]
"""The places of some records among those of a run, and texts that each of them has."""


class Dump:
    """A container in a style.

    Args:
        btf: the container; its own types and those of its bases can be written.
        style: the notation.
    """

    def __init__(self, btf: Btf, style: Style) -> None:
        self.btf = btf
        self.style = style
        self._strings = Strings(btf, style.escape_of(btf))

    def write(self, out: BinaryIO, ids: Iterable[int] | None = None) -> None:
        """Write the container's own types, or those with the given ids.

        Raises:
            TypeIdError: an id does not exist.
        """
        items = self.style.types
        count = 0
        for run, part in self._runs(ids):
            # The first record has nothing before it.
            out.write(b"" if count else items.begin.encode())
            left_out = 0 if count else len(items.separator)
            # Nothing of a run is kept while the next one is made.
            out.write(memoryview(self._text(run, part))[left_out:])
            count += 1
        out.write((items.end if count else items.none).encode())

    def _text(self, ids: Index, part: slice) -> bytearray:
        """The types with these ids, each with a separator before it."""
        words, _ = self._words(ids, part)
        return words.translate(None, NUL)

    def records(self, ids: list[int]) -> list[str]:
        """Records by id, from wherever in the chain they are.

        Raises:
            TypeIdError: an id does not exist.
        """
        words, bounds = self._words(self._existing(ids), ALL)
        left_out = len(self.style.types.separator)
        return [
            words[first:end].translate(None, NUL)[left_out:].decode("utf-8", "surrogateescape")
            for first, end in pairwise((WORD * bounds).tolist())
        ]

    def _existing(self, ids: list[int]) -> Index:
        for type_id in ids:
            if not 0 <= type_id < self.btf.end_id:
                self.btf.owner(type_id)
        return np.array(ids, np.int64)

    def _runs(self, ids: Iterable[int] | None) -> Iterator[Run]:
        """What to write, some thousand types and elements at a time."""
        if ids is None:
            end = self.btf.end_id
            for first in range(self.btf.first_id, end, PORTION):
                yield from self._cut(np.arange(first, min(first + PORTION, end)))
            return
        rest = iter(ids)
        while some := list(islice(rest, PORTION)):
            yield from self._cut(self._existing(some))

    def _cut(self, ids: Index) -> Iterator[Run]:
        """These types in several runs; one that has too many elements is itself cut into pieces."""
        if not len(ids):
            return
        counts = np.zeros(len(ids), np.int64)
        for owner, at, rows in self._owners(ids):
            types = owner.types
            kinds, vlens = types.kinds.take(rows), types.vlens.take(rows)
            counts[at] = vlens * shows_elements(types.plan).take(kinds)
        large = counts > RUN
        number = (counts + 1).cumsum() // RUN
        cuts = ((number[1:] != number[:-1]) | large[1:] | large[:-1]).nonzero()[0] + 1
        for first, end in pairwise([0, *cuts.tolist(), len(ids)]):
            count = int(counts[first]) if large[first] else 1
            for start in range(0, count, RUN):
                yield ids[first:end], slice(start, start + RUN)

    def _owners(self, ids: Index) -> Iterator[tuple[Btf, Index, Index]]:
        """The containers that have these types; where in ``ids`` and in their rows these are."""
        for owner in self.btf.chain:
            at = ((ids >= owner.first_id) & (ids < owner.end_id)).nonzero()[0]
            if len(at):
                yield owner, at, ids.take(at) - owner.first_id

    def _words(self, ids: Index, part: slice) -> tuple[bytearray, Index]:
        """The words of the types with these ids, and where those of each type start."""
        blocks = list(self._blocks(ids, part))
        sizes = np.zeros(len(ids), np.int64)
        for at, texts in blocks:
            sizes[at] += total(texts, len(at))
        bounds = bounds_of(sizes)
        data = bytearray(WORD * int(bounds[-1]))
        out, places = np.frombuffer(data, EIGHT), bounds[:-1].copy()
        for at, texts in blocks:
            mine = places.take(at)
            for text in texts:
                text.write(out, mine)
            places[at] = mine
        return data, bounds

    def _blocks(self, ids: Index, part: slice) -> Iterator[Block]:
        """The parts of the types with these ids: what all have, then the rest by kinds."""
        for owner, at, rows in self._owners(ids):
            yield from self._blocks_of(owner, at, rows, part)
        void = (ids == 0).nonzero()[0]
        if len(void):
            yield void, beside([self._void()])

    def _void(self) -> str:
        """The record of the type that no file has."""
        style = self.style
        values: tuple[tuple[Column, str], ...] = ((ID, "0"), (KIND, VOID), (NAME, ANONYMOUS))
        texts = (value.join(style.value(style.record, column)) for column, value in values)
        return style.types.separator + style.record.begin + "".join(texts)[1:] + style.record.end

    def _blocks_of(self, owner: Btf, at: Index, rows: Index, part: slice) -> Iterator[Block]:
        """The same for types of one container of the chain."""
        types, fields = owner.types, self.style.record
        kinds = alike(types.plan).take(types.kinds.take(rows))
        present = np.bincount(kinds).nonzero()[0].tolist()
        cells = Cells.records(owner, types.plan.kinds[present[0]], rows, self._strings)
        begin = self.style.types.separator + fields.begin
        *common, after = self._parts(fields, (ID, KIND, NAME), cells, begin)
        if not part.start:
            yield at, beside(common)
        for number in present:
            some = (kinds == number).nonzero()[0]
            plan = types.plan.kinds[number]
            cells = Cells.records(owner, plan, rows.take(some), self._strings)
            yield at.take(some), beside(self._rest(cells, after, part))

    def _rest(self, cells: Cells, before: Part, part: slice) -> list[Part]:
        """What records of some kinds have after their names."""
        style, shape = self.style, shape_of(cells.plan)
        fields, items, element = style.record, style.elements, style.element
        head = [before, *self._parts(fields, shape.columns, cells)]
        if not shape.elements:
            return [*head, fields.end]
        if style.name == "json":
            head.append(fields.label % shape.label)
        elements, counts = cells.elements(part)
        bounds = bounds_of(counts)
        is_first = np.zeros(len(elements.rows), np.int64)
        is_first[bounds[:-1][counts > 0]] = not part.start
        begin = Choice((items.separator, items.begin), is_first)
        values = self._parts(element, shape.elements, elements, element.begin)
        inner = Lists(beside([begin, *values, element.end]), bounds)
        end = Choice((items.none, items.end), (cells.vlens > 0).astype(np.int64))
        parts: list[Part] = [inner] if part.start else [*head, inner]
        return [*parts, end, fields.end] if part.stop >= cells.vlens.max() else parts

    def _parts(
        self, fields: Fields, columns: tuple[Column, ...], cells: Cells, begin: str | None = None
    ) -> list[Part]:
        """The values of some columns, and what is around them; ``begin`` for the first of all."""
        parts: list[Part] = []
        for column in columns:
            if column.only not in ("", self.style.name):
                continue
            before, after = self.style.value(fields, column)
            if begin is not None:
                before, begin = begin + before[1:], None
            values = cells.values(column)
            if not isinstance(values, np.ndarray | Wide):
                parts += [before, values, after]
            elif isinstance(values, Wide) or not column.is_optional:
                parts += [before, numbers(values), after]
            elif len(some := values.nonzero()[0]):
                shown = (constant(before), numbers(values[some]), constant(after))
                parts += [text.of(some, len(values)) for text in shown]
        return parts
