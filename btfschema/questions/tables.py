"""The types of a container as tables: ``types``, ``members``, ``params`` and so on, a row each.

Columns come from the schema's words, so that a kind from outside has its own too; what people ask
for (names, C spelling, sizes through typedefs) is added. The words are all there, so that
:func:`from_tables` builds the container again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from attrs import frozen

from btfschema.arrays import Index
from btfschema.model.container import Btf
from btfschema.model.views.making import many_new_objects
from btfschema.questions.catalog import NO_SIZE, Catalog, catalog_of
from btfschema.questions.columns import Column, Constant, Labels, Names, Numbers, Spelled, Table
from btfschema.schema.kinds import BTF_ENUM, BTF_ENUM64
from btfschema.schema.plan import HEADER_WORDS, Field, KindPlan, Plan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements

__all__ = ["TABLES", "arrow_tables", "element_tables", "fixed_columns", "tables_of"]

# The tables that every container has, empty or not; there are others for kinds that are rare.
TABLES = ("types", "members", "enumerators", "params", "variables", "references", "tags")

# Words that members and enumerators say in other columns.
REPLACED = {"members": ("offset",), "enumerators": ("value", "value_lo32", "value_hi32")}


@lru_cache(maxsize=16)
def element_tables(plan: Plan) -> dict[str, list[KindPlan]]:
    """The tables of repeated structs, and the kinds whose elements each holds.

    A table is called what the schema calls the elements; the kind's name stands before it where
    another struct has the name already.
    """
    found: dict[str, list[KindPlan]] = {}
    for kind in plan.kinds.values():
        if kind.spec is None or not kind.stride:
            continue
        element, name = kind.spec.element, kind.spec.elements
        if element is BTF_ENUM or element is BTF_ENUM64:
            name = "enumerators"
        shared = found.get(name)
        same = {field.name for field in kind.element}
        if shared is not None and name != "enumerators":
            others = {field.name for field in shared[0].element}
            if others != same:
                name = f"{kind.name.lower()}_{name}"
        found.setdefault(name, []).append(kind)
    return found


@lru_cache(maxsize=16)
def fixed_columns(plan: Plan) -> dict[str, list[tuple[int, Field]]]:
    """The words of records by column: for each, the kinds that have it and where it is."""
    found: dict[str, list[tuple[int, Field]]] = {}
    for kind in plan.kinds.values():
        if kind.spec is None:
            continue
        used: set[str] = set()
        for field in (kind.third, *kind.fixed):
            name = field.attribute if field.name else "third"
            while name in used:
                name += "_2"
            used.add(name)
            found.setdefault(name, []).append((kind.number, field))
    return found


def tables_of(btf: Btf, file: str = "", kernel: str = "") -> dict[str, Table]:
    """The container's own types as tables, by name.

    Args:
        btf: the container; of a split, the base's types are in the base's tables.
        file: what the column ``file`` says.
        kernel: what the column ``kernel`` says.
    """
    maker = _Maker(catalog_of(btf), file, kernel)
    with many_new_objects():
        return {table.name: table for table in maker.tables()}


def arrow_tables(btf: Btf, file: str = "", kernel: str = "") -> dict[str, Any]:
    """What :func:`tables_of` says, as ``pyarrow.Table`` objects, without a Python object a row.

    Raises:
        BtfError: pyarrow is not installed.
    """
    with many_new_objects():
        return {name: table.arrow() for name, table in tables_of(btf, file, kernel).items()}


@frozen
class _Maker:
    catalog: Catalog
    file: str
    kernel: str

    def tables(self) -> Iterator[Table]:
        """All tables."""
        yield self._types()
        plan = self.catalog.table.plan
        present = {one.number for one in self.catalog.table.present}
        for name, kinds in element_tables(plan).items():
            here = [kind for kind in kinds if kind.number in present]
            if here or name in TABLES:
                yield self._elements(name, kinds, here)
        yield self._references()
        yield self._tags()
        opaque = self._opaque()
        if len(opaque):
            yield opaque

    def _table(self, name: str, count: int, *columns: Column) -> Table:
        ends = (Constant("file", self.file, count), Constant("kernel", self.kernel, count))
        return Table(name, (*columns, *ends), count)

    def _types(self) -> Table:
        catalog, table = self.catalog, self.catalog.table
        count = len(table)
        ids = np.arange(count) + catalog.first_id
        rows = {plan.number: table.rows_of(plan.number) for plan in table.present}
        columns: list[Column] = [
            Numbers("id", ids.astype(np.uint32)),
            Labels("kind", _kind_names(table.plan), table.kinds),
            Names("name", catalog, table.name_offs),
            Spelled("c", catalog, ids),
            _sized("bytes", catalog.sizes),
            Numbers("vlen", table.vlens),
            Numbers("kind_flag", table.kind_flags),
        ]
        for name, places in fixed_columns(table.plan).items():
            columns.append(self._word(name, places, rows))
        return self._table("types", count, *columns)

    def _word(
        self, name: str, places: list[tuple[int, Field]], by_kind: Mapping[int, Index]
    ) -> Column:
        """A word that records of some kinds have."""
        table = self.catalog.table
        signed = any(field.signed for _, field in places)
        values = np.zeros(len(table), np.int64 if signed else np.uint32)
        nulls = np.ones(len(table), np.bool_)
        for number, field in places:
            rows = by_kind.get(number)
            if rows is not None:
                values[rows] = table.words[table.starts[rows] + field.word].view(field.dtype)
                nulls[rows] = False
        return Numbers(name, values, nulls)

    def _elements(self, name: str, kinds: list[KindPlan], here: list[KindPlan]) -> Table:
        """The repeated structs of some kinds."""
        catalog, table = self.catalog, self.catalog.table
        groups = [table.elements(kind.number) for kind in here]
        owners = _joined([group.owners for group in groups])
        order = owners.argsort(kind="stable")
        owners = owners[order]
        bounds = owners.searchsorted(owners)
        columns: list[Column] = [
            Numbers("id", (owners + catalog.first_id).astype(np.uint32)),
            Numbers("number", (np.arange(len(owners)) - bounds).astype(np.uint32)),
        ]
        for field in {field.name: field for kind in kinds for field in kind.element}.values():
            # What the columns that are added say better.
            if field.name not in REPLACED.get(name, ()):
                columns += self._element_word(field, groups, order)
        if name == "members":
            columns += self._placed()
        elif name == "enumerators":
            columns.append(Numbers("value", self._values(groups, order)))
        return self._table(name, len(owners), *columns)

    def _element_word(self, field: Field, groups: list[Elements], order: Any) -> Iterator[Column]:
        """A word of elements, and what it means."""
        parts, nulls = [], []
        for group in groups:
            has = any(field.name == one.name for one in group.plan.element)
            count = len(group.starts)
            parts.append(group.column(field.name) if has else np.zeros(count, np.uint32))
            nulls.append(np.full(count, not has))
        values = _joined(parts)[order]
        missing = np.concatenate(nulls)[order] if nulls else np.zeros(0, np.bool_)
        if field.role is Role.STRING_OFFSET:
            yield Names(field.attribute, self.catalog, values)
            return
        name = field.name
        narrow = values if field.signed else values.astype(np.uint32)
        yield Numbers(name, narrow, missing if missing.any() else None)
        if field.role is Role.TYPE_ID:
            yield Spelled(name.removesuffix("_id"), self.catalog, values)

    def _placed(self) -> Iterator[Column]:
        """Where members are, and how large."""
        members = self.catalog.members
        yield Numbers("bit_offset", members.offsets.astype(np.uint32))
        yield Numbers("bitfield_size", members.widths.astype(np.uint8))
        yield Numbers("byte_offset", (members.offsets // 8).astype(np.uint32))
        yield _sized("bytes", self.catalog.gather("sizes", members.types, NO_SIZE))

    def _values(self, groups: list[Elements], order: Any) -> Any:
        """The values of enumerators as signed 64-bit numbers."""
        found = [np.zeros(0, np.int64)]
        for group in groups:
            signed = self.catalog.table.kind_flags[group.owners]
            if any(field.name == "value" for field in group.plan.element):
                values = group.column("value").astype(np.int64)
                found.append(np.where(signed, values, values & 0xFFFFFFFF))
            else:
                low = group.column("value_lo32").astype(np.uint64)
                high = group.column("value_hi32").astype(np.uint64)
                found.append((low | high << np.uint64(32)).view(np.int64))
        return np.concatenate(found)[order]

    def _references(self) -> Table:
        """Every type id in every record."""
        catalog, table = self.catalog, self.catalog.table
        positions = table.type_id_positions
        rows = table.starts.searchsorted(positions, side="right") - 1
        targets = table.words[positions].astype(np.int64)
        return self._table(
            "references",
            len(positions),
            Numbers("id", (rows + catalog.first_id).astype(np.uint32)),
            Numbers("number", (np.arange(len(rows)) - rows.searchsorted(rows)).astype(np.uint32)),
            Numbers("target_id", targets.astype(np.uint32)),
            Spelled("target", catalog, targets),
        )

    def _tags(self) -> Table:
        """Tags on declarations and on types."""
        catalog, table, parts = self.catalog, self.catalog.table, self.catalog.parts
        rows = catalog.rows(parts.tags | parts.type_tags)
        on_types = catalog.are(parts.type_tags)[rows]
        targets = catalog.targets[rows]
        component = catalog.fixed(rows, "component_idx").astype(np.int32)
        return self._table(
            "tags",
            len(rows),
            Numbers("id", (rows + catalog.first_id).astype(np.uint32)),
            Names("name", catalog, table.name_offs[rows]),
            Labels("on", ("declaration", "type"), on_types.astype(np.int32)),
            Numbers("target_id", targets.astype(np.uint32)),
            Spelled("target", catalog, targets),
            Numbers("component_idx", component, on_types | (component < 0)),
        )

    def _opaque(self) -> Table:
        """The words of the kinds that a layout section alone describes."""
        catalog, table = self.catalog, self.catalog.table
        rows = table.opaque_rows()
        firsts = table.starts[rows] + HEADER_WORDS - 1
        counts = table.ends[rows] - firsts
        owners = np.repeat(rows, counts)
        numbers = np.arange(len(owners)) - owners.searchsorted(owners)
        words = table.words[np.repeat(firsts, counts) + numbers]
        return self._table(
            "opaque",
            len(owners),
            Numbers("id", (owners + catalog.first_id).astype(np.uint32)),
            Numbers("number", numbers.astype(np.uint32)),
            Numbers("word", words),
        )


@lru_cache(maxsize=16)
def _kind_names(plan: Plan) -> tuple[str, ...]:
    return tuple(plan.name(number) for number in range(256))


def _joined(arrays: list[Any]) -> Any:
    return np.concatenate(arrays).astype(np.int64) if arrays else np.zeros(0, np.int64)


def _sized(name: str, sizes: Any) -> Column:
    nulls = sizes == NO_SIZE
    return Numbers(name, np.where(nulls, 0, sizes).astype(np.uint32), nulls)
