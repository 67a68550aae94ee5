"""Strings as new sections: against the builder, which does it one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfschema.arrays import bounds_of
from btfschema.errors import DecodeError
from btfschema.tables.interning import pick, pick_many
from btfschema.tables.strings import StringTable, StringTableBuilder

# Few letters and lengths around 8 and 16, so that texts are equal, or differ in the middle alone.
TEXTS = st.text("ab", max_size=20) | st.sampled_from(["a" * 24, "a" * 11 + "b" + "a" * 12])


def section(texts: list[str]) -> bytes:
    return b"".join(text.encode() + b"\0" for text in texts)


@st.composite
def tables(draw: st.DrawFn) -> StringTable:
    """A chain of two tables that repeat strings, which no kernel's do."""
    base = StringTable(section(["", *draw(st.lists(TEXTS, max_size=12))]))
    return StringTable(section(draw(st.lists(TEXTS, max_size=12))), base)


@given(tables(), st.data())
def test_picks_what_the_builder_builds(table: StringTable, data: st.DataObject) -> None:
    """Any offsets, also into the middle of entries."""
    offsets = st.lists(st.integers(0, table.end - 1), max_size=20)
    groups = [np.array(data.draw(offsets), np.uint32) for _ in range(2)]
    picked = pick(table, groups)
    base = StringTableBuilder()
    assert picked.offsets[0].tolist() == [base.add(table[int(at)]) for at in groups[0]]
    own = StringTableBuilder(base.build())
    assert picked.offsets[1].tolist() == [own.add(table[int(at)]) for at in groups[1]]
    assert picked.sections == (base.build().data, own.build().data)


@given(tables(), st.data())
def test_shared_suffixes_read_the_same(table: StringTable, data: st.DataObject) -> None:
    """No text is an entry that another one of the same section ends in."""
    offsets = st.lists(st.integers(0, table.end - 1), max_size=20)
    groups = [np.array(data.draw(offsets), np.uint32) for _ in range(2)]
    picked = pick(table, groups, share_suffixes=True)
    base = StringTable(picked.sections[0])
    own = StringTable(picked.sections[1], base)
    for read, group, places in zip((base, own), groups, picked.offsets, strict=True):
        assert [read[int(at)] for at in places] == [table[int(at)] for at in group]
    for section in (base, own):
        entries = [text for text in section if text]
        assert not [
            (one, other)
            for one, other in itertools.product(entries, entries)
            if one is not other and other.endswith(one)
        ]
    plain = pick(table, groups)
    for shared, whole in zip(picked.sections, plain.sections, strict=True):
        assert len(shared) <= len(whole)


def test_an_offset_past_the_end_is_refused() -> None:
    table = StringTable(section(["", "int"]))
    with pytest.raises(DecodeError, match="string offset 9 is past the end"):
        pick(table, [np.array([1, 9])])


@st.composite
def siblings(draw: st.DrawFn) -> list[StringTable]:
    """Tables over one base, or without one; equal texts in several, some of them empty."""
    base = draw(st.none() | tables() | st.just(StringTable(b"")))
    texts = st.lists(st.lists(TEXTS, max_size=8), min_size=1, max_size=5)
    return [StringTable(section(own), base) for own in draw(texts)]


@given(siblings(), st.integers(1, 3), st.booleans(), st.data())
def test_many_tables_are_picked_from_as_each_alone(
    found: list[StringTable], a_table: int, share: bool, data: st.DataObject
) -> None:
    groups = [
        [
            np.array(data.draw(st.lists(st.integers(0, max(table.end - 1, 0)), max_size=8)), int)
            for _ in range(a_table)
        ]
        for table in found
    ]
    flat = [group for of_table in groups for group in of_table]
    bounds = bounds_of(list(map(len, flat)))
    sections, offsets = pick_many(found, np.concatenate(flat), bounds, share_suffixes=share)
    alone = [
        pick(table, of_table, share_suffixes=share)
        for table, of_table in zip(found, groups, strict=True)
    ]
    assert sections == [picked.sections for picked in alone]
    assert offsets.tolist() == [at for one in alone for part in one.offsets for at in part.tolist()]


def test_an_empty_table_has_the_empty_string_and_not_its_neighbours() -> None:
    found = [StringTable(b""), StringTable(b"int\0")]
    sections, offsets = pick_many(found, np.array([0, 0]), np.array([0, 1, 2]))
    assert (sections, offsets.tolist()) == ([(b"\0",), (b"\0int\0",)], [0, 1])


@pytest.mark.parametrize("number", [0, 1])
def test_of_many_too_the_one_with_an_offset_past_its_end_is_refused(number: int) -> None:
    """Also when another table is long enough."""
    base = StringTable(section(["", "int"]))
    found = [StringTable(section(["long", "longer"]), base), StringTable(section(["a"]), base)]
    uses = np.array([5, 5])
    uses[number] = found[number].end
    with pytest.raises(DecodeError) as caught:
        pick_many(found, uses, np.array([0, 1, 2]))
    assert str(caught.value) == (
        f"string offset {uses[number]} is past the end of the strings ({uses[number]} bytes)"
    )
