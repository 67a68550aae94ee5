"""What is derived from the schema, and what it takes to add a kind to it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve, fields_dict, frozen
from construct import Array, Byte, Struct
from samples import KERNEL_VIEWS, LOC_VIEWS, every_kind

from btfschema import KINDS, Builder, Kind, KindSpec, dumps, loads, views
from btfschema.codec.engines import Engine
from btfschema.errors import UnresolvedError, WrongKeyError
from btfschema.model.views.base import Refers
from btfschema.schema import BTF_MEMBER, record
from btfschema.schema.plan import ROLES_WIDTH, fields_of, layout_of, plan_of
from btfschema.schema.roles import U16, U32, Bits, Role, StringOffset, TypeId
from btfschema.tables import types
from btfschema.views import VIEWS, TypeView

# (bytes after the common 12, bytes of an element), in a kernel 7.1 vmlinux's layout section.
KERNEL_LAYOUT = [
    (0, 0),
    (4, 0),  # INT
    (0, 0),  # PTR
    (12, 0),  # ARRAY
    (0, 12),  # STRUCT
    (0, 12),  # UNION
    (0, 8),  # ENUM
    (0, 0),  # FWD
    (0, 0),  # TYPEDEF
    (0, 0),  # VOLATILE
    (0, 0),  # CONST
    (0, 0),  # RESTRICT
    (0, 0),  # FUNC
    (0, 8),  # FUNC_PROTO
    (4, 0),  # VAR
    (0, 12),  # DATASEC
    (0, 0),  # FLOAT
    (4, 0),  # DECL_TAG
    (0, 0),  # TYPE_TAG
    (0, 12),  # ENUM64
]


class TestDerived:
    def test_layout_equals_the_kernels(self) -> None:
        assert list(layout_of(last=Kind.ENUM64)) == KERNEL_LAYOUT

    def test_layout_of_the_kinds_of_2026(self) -> None:
        assert layout_of()[20:] == ((4, 4), (0, 4), (0, 12))

    def test_layout_section_is_80_bytes_for_a_kernel(self) -> None:
        kinds = [spec for number, spec in KINDS.items() if number <= Kind.ENUM64]
        builder = Builder(layout=True, kinds=type(KINDS)(*kinds))
        assert builder.build().image.layout == tuple((*sizes, 0) for sizes in KERNEL_LAYOUT)
        assert loads(dumps(builder.build())).image.header.layout_len == 80

    def test_roles_give_the_references(self) -> None:
        plans = plan_of().kinds
        assert plans[Kind.ARRAY].words_with(Role.TYPE_ID) == (3, 4)
        assert plans[Kind.FUNC_PROTO].words_with(Role.TYPE_ID) == (2,)
        assert plans[Kind.FUNC_PROTO].element_words_with(Role.TYPE_ID) == (1,)
        assert plans[Kind.STRUCT].words_with(Role.TYPE_ID) == ()
        assert plans[Kind.LOC_PARAM].element_words_with(Role.TYPE_ID) == ()
        assert plans[Kind.LOCSEC].element_words_with(Role.TYPE_ID) == (0, 1)

    def test_positions_are_those_of_the_roles(self) -> None:
        """Two independent ways to all references: whole columns, and record by record."""
        table = every_kind().types
        one_by_one = [ref for row in range(len(table)) for ref in table.references(row)]
        assert table.words[table.type_id_positions].tolist() == one_by_one
        counts = [len(table.references(row)) for row in range(len(table))]
        assert np.diff(table.reference_bounds).tolist() == counts
        assert table.reference_bounds[0] == 0

    @pytest.mark.parametrize("block", [types.BLOCK, 1, 64, ROLES_WIDTH + 1])
    def test_roles_of_records_of_any_length(
        self, block: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(types, "BLOCK", block)
        builder = Builder()
        builder.add(views.Int("int", 4))
        for count in (0, 1, 340, 341, 342, 3000):
            members = tuple(views.Member(f"m{n}", 1, 32 * n) for n in range(count))
            builder.add(views.Struct(f"s{count}", 4 * count, members))
            builder.add(views.Ptr(1))
        table = builder.build().types
        one_by_one = [ref for row in range(len(table)) for ref in table.references(row)]
        assert len(one_by_one) == 4030
        assert table.words[table.type_id_positions].tolist() == one_by_one
        names = table.name_offs > 0
        assert len(table.string_positions) == len(table) + 4024
        assert (table.words[table.string_positions] > 0).sum() == names.sum() + 4024

    def test_element_dtype_is_that_of_the_struct(self) -> None:
        dtype = plan_of().kinds[Kind.STRUCT].element_dtype
        assert dtype.names == ("name_off", "type_id", "offset")
        assert dtype.itemsize == BTF_MEMBER.sizeof()

    def test_derivation_happens_once(self) -> None:
        assert plan_of(KINDS) is plan_of()


class TestDeclarationsThatWontDo:
    @pytest.mark.parametrize(
        ("struct", "problem"),
        [
            (Struct("half" / U16), "'half' is not a declared 4-byte word but UInt"),
            (Struct("fine" / U32, "byte" / Byte), "'byte' is not a declared 4-byte word but"),
            (Struct("many" / Array(2, U32)), "'many' is not a declared 4-byte word but Array"),
        ],
    )
    def test_not_words(self, struct: Struct, problem: str) -> None:
        with pytest.raises(TypeError, match=problem):
            fields_of(struct)
        kinds = KINDS.extended(KindSpec(40, "ODD", "unused" / U32, struct))
        with pytest.raises(TypeError, match=problem):
            plan_of(kinds)

    def test_bits_that_leave_a_gap(self) -> None:
        with pytest.raises(ValueError, match="bit fields low, high cover 31 bits, not 32"):
            Bits(low=16, high=15)

    def test_a_part_of_one_word_and_of_many(self) -> None:
        bits = Bits(low=16, high=16)
        assert bits.part(0x20001, "high") == 2
        assert bits.part(np.array([0x20001, 3], np.uint32), "low").tolist() == [1, 3]

    def test_a_kind_declared_twice(self) -> None:
        with pytest.raises(ValueError, match=r"kinds declared twice: \[4\]"):
            KINDS.extended(KindSpec(4, "AGAIN", "unused" / U32))


# A made-up kind, in at most 15 lines: its struct, its view, its row.
ALIAS = Struct("origin_off" / StringOffset(), "type_id" / TypeId(), "weight" / U32)


@frozen
class Alias(TypeView, Refers):
    """A name with an origin."""

    KIND: ClassVar[int] = 40
    name: str
    origin: str
    type_id: int
    weight: int


KINDS_40 = KINDS.extended(KindSpec(40, "ALIAS", "unused" / U32, ALIAS, view=Alias))


class TestAddedKind:
    """Struct, row and view are enough."""

    def build(self) -> bytes:
        builder = Builder(kinds=KINDS_40, profile="wide")
        builder.add(KERNEL_VIEWS[0])
        builder.add(Alias("alias", "origin", 1, 7))
        return dumps(builder.build())

    def test_reads_and_writes(self, engine: Engine) -> None:
        read = loads(self.build(), decoder=engine, kinds=KINDS_40)
        assert dumps(read, encoder=engine) == self.build()
        assert len(read) == 2

    def test_is_viewed(self, engine: Engine) -> None:
        read = loads(self.build(), decoder=engine, kinds=KINDS_40)
        assert read.find("alias", Alias) == Alias("alias", "origin", 1, 7)
        assert list(read) == [KERNEL_VIEWS[0], Alias("alias", "origin", 1, 7)]
        assert read.kinds.name(40) == "ALIAS"
        assert read.describe(2) == 'ALIAS "alias" [2]'

    def test_shows_its_references(self) -> None:
        read = loads(self.build(), kinds=KINDS_40)
        assert read[2].references == [1]
        assert read.find("alias", Alias).type == read[1]
        assert read.types.type_id_positions.tolist() == [4 + 4]
        assert len(read.types.string_positions) == 3

    def test_is_found_and_rewritten(self) -> None:
        read = loads(self.build(), kinds=KINDS_40)
        table = read.types.rewritten([(read.types.type_id_positions, np.array([2]))])
        assert table.references(1) == [2]

    def test_stands_in_the_layout(self) -> None:
        assert layout_of(KINDS_40)[40] == (12, 0)
        builder = Builder(kinds=KINDS_40, profile="wide", layout=True)
        builder.add(KERNEL_VIEWS[0])
        builder.add(Alias("alias", "origin", 1, 7))
        opaque = loads(dumps(builder.build()))[2]
        assert opaque.kind == 40
        assert opaque.name == "alias"

    def test_the_shipped_schema_stays_as_it_is(self) -> None:
        assert 40 not in KINDS
        assert 40 not in plan_of().kinds


class TestViewsCoverTheSchema:
    def test_each_kind_has_a_view(self) -> None:
        assert sorted(VIEWS) == sorted(KINDS)
        assert all(number == view.KIND for number, view in VIEWS.items())

    def test_a_row_without_a_view_is_said_to_have_none(self) -> None:
        @frozen
        class Odd(TypeView):
            KIND: ClassVar[int] = 40

        row = KindSpec(40, "ODD", "unused" / U32, view=Odd)
        builder = Builder(kinds=KINDS.extended(row), profile="wide")
        builder.add(Odd())
        # The names of views are for the package's own rows.
        for view in (None, "Odd", "Int"):
            btf = loads(dumps(builder.build()), kinds=KINDS.extended(evolve(row, view=view)))
            message = r"kind 40 \(ODD\) is declared without a view"
            with pytest.raises(UnresolvedError, match=message):
                btf[1]

    def test_samples_have_every_kind(self) -> None:
        assert {view.kind for view in (*KERNEL_VIEWS, *LOC_VIEWS)} == set(KINDS)

    @pytest.mark.parametrize("layout", [False, True])
    def test_view_to_bytes_to_view(self, layout: bool) -> None:
        built = every_kind(layout=layout)
        again = Builder(layout=layout)
        for view in built:
            again.add(view)
        assert list(built) == [*KERNEL_VIEWS, *LOC_VIEWS]
        assert dumps(again.build()) == dumps(built)

    @pytest.mark.parametrize("spec", KINDS.values(), ids=lambda spec: spec.name)
    def test_attributes_have_the_schemas_names(self, spec: KindSpec) -> None:
        """Words that a view presents under another name are listed here, with the name."""
        renamed = {
            (Kind.INT, "int_data"): "bits",
            (Kind.STRUCT, "offset"): "bit_offset",
            (Kind.UNION, "offset"): "bit_offset",
            (Kind.ENUM64, "value_lo32"): "value",
            (Kind.ENUM64, "value_hi32"): "value",
        }
        plain = {(Kind.LOC_PARAM, "value"), (Kind.LOC_PROTO, "type_id")}
        plan = plan_of().kinds[spec.number]
        view = next(v for v in (*KERNEL_VIEWS, *LOC_VIEWS) if v.kind == spec.number)
        number = Kind(spec.number)
        words = [plan.third] * (plan.third.name != "unused") + list(plan.fixed)
        for word in words:
            assert renamed.get((number, word.name), word.name) in fields_dict(type(view))
        elements: tuple[Any, ...] = getattr(view, spec.elements) if spec.elements else ()
        for word in plan.element:
            if (number, word.name) in plain:
                continue
            attribute = renamed.get((number, word.name), word.attribute)
            assert attribute in fields_dict(type(elements[0]))

    def test_the_reference_struct_of_each_kind_has_the_plans_size(self) -> None:
        for number, plan in plan_of().kinds.items():
            words = plan.first_element * [0]
            words[1] = number << 24
            data = np.array(words, np.uint32).tobytes()
            parsed = record(KINDS[number]).parse(data, byteorder="little")
            assert record(KINDS[number]).build(parsed, byteorder="little") == data


def test_words_behind_the_common_ones_are_read_by_name() -> None:
    types = loads(dumps(every_kind())).types
    rows = types.rows_of(Kind.ARRAY)
    counts = [types.record(int(row))["nelems"] for row in rows]
    assert types.fixed(Kind.ARRAY, rows, "nelems").tolist() == counts
    with pytest.raises(KeyError, match="size"):
        types.fixed(Kind.ARRAY, rows, "size")


@pytest.mark.parametrize("kinds", [("STRUCT",), (Kind.INT, "STRUCT"), (None,)])
def test_kinds_are_numbers(kinds: tuple[Any, ...]) -> None:
    with pytest.raises(WrongKeyError, match="is not the number of a kind"):
        loads(dumps(every_kind())).types.rows_of(*kinds)
