"""Strings as new sections: against the builder, which does it one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfschema.errors import DecodeError
from btfschema.picking import pick
from btfschema.strings import StringTable, StringTableBuilder

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
    """No text is an entry that another one of the same section, or of the base, ends in."""
    offsets = st.lists(st.integers(0, table.end - 1), max_size=20)
    groups = [np.array(data.draw(offsets), np.uint32) for _ in range(2)]
    picked = pick(table, groups, share_suffixes=True)
    base = StringTable(picked.sections[0])
    own = StringTable(picked.sections[1], base)
    for read, group, places in zip((base, own), groups, picked.offsets, strict=True):
        assert [read[int(at)] for at in places] == [table[int(at)] for at in group]
    entries = [text for text in own if text]
    hosts = [*entries, *base]
    assert not [
        (one, other)
        for one, other in itertools.product(entries, hosts)
        if one is not other and other.endswith(one)
    ]
    plain = pick(table, groups)
    for shared, whole in zip(picked.sections, plain.sections, strict=True):
        assert len(shared) <= len(whole)


def test_an_offset_past_the_end_is_refused() -> None:
    table = StringTable(section(["", "int"]))
    with pytest.raises(DecodeError, match="string offset 9 is past the end"):
        pick(table, [np.array([1, 9])])
