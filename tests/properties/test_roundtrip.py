"""Laws of the codec, on generated BTF, on odd blobs and on damage."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from samples import every_kind, tiny

from btfschema import Btf, Builder, dumps, loads, views
from btfschema.codec.engines import Engine, reference_records
from btfschema.errors import BtfError
from btfschema.schema import Kind
from btfschema.testing import blobs, btfs, mutations, split_btfs

ENGINES: tuple[Engine, ...] = ("bulk", "reference")

# Generated and damaged splits may well look as if they had another base.
pytestmark = pytest.mark.filterwarnings("ignore::btfschema.errors.WrongBaseWarning")


def rebuilt(btf: Btf) -> Btf:
    """The same types through their views."""
    builder = Builder(btf.base, byteorder=btf.byteorder, layout=btf.image.layout is not None)
    for view in btf:
        builder.add(view)
    return builder.build()


def outcome(data: bytes, base: Btf | None, engine: Engine) -> Any:
    """All that can be asked of some bytes: the same whatever the engine, or a BtfError."""
    try:
        btf = loads(data, base, decoder=engine)
        assert dumps(btf, encoder=engine) == data
        return btf.types.words.tobytes(), btf.types.starts.tolist(), btf.strings.data, list(btf)
    except BtfError as error:
        return type(error), str(error), error.type_id, error.offset, error.got, error.expected


def same_outcome(data: bytes, base: Btf | None = None) -> Any:
    bulk, reference = (outcome(data, base, engine) for engine in ENGINES)
    assert bulk == reference
    return bulk


class TestGenerated:
    @given(st.one_of(btfs(), btfs(valid=True), split_btfs()))
    def test_bytes_and_back(self, btf: Btf) -> None:
        for engine in ENGINES:
            data = dumps(btf, encoder=engine)
            read = loads(data, btf.base, decoder=engine)
            assert read.equivalent(btf)
            assert read.image.layout == btf.image.layout
            assert dumps(read, encoder=engine) == data == dumps(btf)

    @given(st.one_of(btfs(), split_btfs()))
    def test_views_and_back(self, btf: Btf) -> None:
        assert dumps(rebuilt(btf)) == dumps(btf)

    @given(st.one_of(btfs(), split_btfs()))
    def test_records_are_what_construct_reads(self, btf: Btf) -> None:
        table = btf.types
        assert [table.record(row) for row in range(len(table))] == reference_records(table)

    @given(st.one_of(btfs(), split_btfs()))
    def test_columns_are_the_records(self, btf: Btf) -> None:
        """What numpy says of all types at once is what the views say one by one."""
        table = btf.types
        assert [view.kind for view in btf] == table.kinds.tolist()
        assert [getattr(view, "name", "") for view in btf if view.kind != Kind.VOID] == (
            btf.strings.names(table.name_offs)
        )
        by_record = [ref for view in btf for ref in view.references]
        assert table.words[table.type_id_positions].tolist() == by_record

    @given(st.one_of(btfs(), split_btfs()))
    def test_look_up_finds_just_what_iteration_finds(self, btf: Btf) -> None:
        everything = [view for part in btf.chain for view in part]
        for name in {getattr(view, "name", "") for view in everything}:
            found = [view.id for view in btf.find_all(name)]
            assert found == [v.id for v in everything if getattr(v, "name", "") == name]

    @given(st.one_of(btfs(), split_btfs()))
    def test_sizes_are_found_or_refused(self, btf: Btf) -> None:
        for type_id in range(btf.end_id):
            try:
                assert btf.sizeof(type_id) >= 0
            except BtfError as error:
                event(type(error).__name__)

    @given(btfs(min_types=1))
    def test_rewriting_ids_with_themselves_changes_nothing(self, btf: Btf) -> None:
        table = btf.types
        positions = table.type_id_positions
        assert np.array_equal(
            table.rewritten([(positions, table.words[positions])]).words, table.words
        )


class TestValid:
    """The strategy's promise; that a kernel loads it is in tests/kernel."""

    @given(st.one_of(btfs(valid=True), split_btfs(valid=True)))
    def test_references_make_sense(self, btf: Btf) -> None:
        for view in btf:
            if isinstance(view, views.Func):
                assert view.type.kind == Kind.FUNC_PROTO
            elif isinstance(view, views.Datasec):
                assert {entry.type.kind for entry in view.variables} == {Kind.VAR}
            elif isinstance(view, views.Struct | views.Union):
                for member in view.members:
                    bits = member.bitfield_size or 8 * btf.sizeof(member.type_id)
                    assert member.bit_offset + bits <= 8 * view.size

    @given(btfs(valid=True, kinds=[Kind.STRUCT, Kind.PTR], min_types=3))
    def test_kinds_are_those_asked_for(self, btf: Btf) -> None:
        assert {view.kind for view in btf} <= {Kind.STRUCT, Kind.PTR}


class TestOddBlobs:
    @given(blobs())
    def test_come_back(self, data: bytes) -> None:
        words, *_ = same_outcome(data)
        assert isinstance(words, bytes), "a legal blob was refused"

    @given(st.data())
    def test_come_back_over_a_base(self, data: st.DataObject) -> None:
        base = data.draw(btfs())
        words, *_ = same_outcome(data.draw(blobs(base)), base)
        assert isinstance(words, bytes), "a legal blob was refused"


class TestDamage:
    @given(blobs().flatmap(mutations))
    def test_gives_a_container_or_an_error(self, data: bytes) -> None:
        same_outcome(data)

    @given(
        st.one_of(st.binary(max_size=200), st.binary(max_size=99).map(b"\x9f\xeb\x01\0".__add__))
    )
    def test_noise_gives_a_container_or_an_error(self, data: bytes) -> None:
        same_outcome(data)

    @given(st.data())
    def test_in_a_split_too(self, data: st.DataObject) -> None:
        split = data.draw(split_btfs())
        same_outcome(data.draw(mutations(dumps(split))), split.base)


def damaged(rng: random.Random, blob: bytes) -> bytes:
    """A copy with one to four bytes or words overwritten, or a piece cut out or repeated."""
    data = bytearray(blob)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) or 1)
        how = rng.randrange(6)
        if how == 0:
            del data[at : at + rng.randint(1, 16)]
        elif how == 1:
            data[at:at] = data[at : at + rng.randint(1, 16)]
        elif how == 2 and len(data) >= 4:
            word = rng.choice((0, 1, 2, 0x7F, 0xFFFF, 0x10000, 0xFFFFFFFF, rng.getrandbits(32)))
            at = min(at & ~3, len(data) - 4)
            data[at : at + 4] = word.to_bytes(4, rng.choice(("little", "big")))
        elif data:
            data[min(at, len(data) - 1)] = rng.getrandbits(8)
    return bytes(data)


SEEDS: dict[str, tuple[bytes, Btf | None]] = {
    "tiny": (dumps(tiny()), None),
    "split": (dumps(tiny(tiny())), tiny()),
    "every kind": (dumps(every_kind()), None),
    "every kind, big-endian, with layout": (
        dumps(every_kind(byteorder="big", layout=True)),
        None,
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_inputs(name: str) -> None:
    """A cheap loop for volume; the slow run does 100,000."""
    many_damaged_inputs(name, 250)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_100000_damaged_inputs(name: str) -> None:
    many_damaged_inputs(name, 25_000)


def many_damaged_inputs(name: str, count: int) -> None:
    blob, base = SEEDS[name]
    rng = random.Random(f"{name} {count}")
    refused = sum(isinstance(same_outcome(damaged(rng, blob), base)[0], type) for _ in range(count))
    # Both must occur, else the loop tests nothing: most damage shows, some does not.
    assert 0 < refused < count


def test_damage_to_a_module(modules: dict[str, bytes], cloud: Btf) -> None:
    """Over a real base, where most ids and offsets exist."""
    blob = min((data for data in modules.values() if len(data) > 4000), key=len)
    rng = random.Random(len(blob))
    for _ in range(40):
        same_outcome(damaged(rng, blob), cloud)
