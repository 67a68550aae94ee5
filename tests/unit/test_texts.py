"""Texts of many records, laid out in words of eight bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np
import pytest
from attrs import evolve

from btfschema import Btf, Builder, views
from btfschema.render import write_json, write_raw
from btfschema.render.dump import RUN
from btfschema.render.texts import (
    EIGHT,
    NUL,
    TOGETHER,
    WORD,
    Choice,
    Lists,
    Part,
    Wide,
    beside,
    numbers,
    strings,
    texts,
    total,
)


def written(parts: Sequence[Part], count: int) -> list[str]:
    """The text of each record."""
    laid = beside(parts)
    ends = total(laid, count).cumsum()
    places = np.append(0, ends[:-1]) if count else np.zeros(0, np.int64)
    data = bytearray(WORD * int(ends[-1]) if count else 0)
    out = np.frombuffer(data, EIGHT)
    first = places.tolist()
    for one in laid:
        one.write(out, places)
    assert places.tolist() == ends.tolist()
    return [
        data[WORD * begin : WORD * end].translate(None, NUL).decode("utf-8", "surrogateescape")
        for begin, end in zip(first, ends.tolist(), strict=True)
    ]


EDGES = [0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 10_001, 100_000, 12_345_678, 99_999_999]
LARGE = [100_000_000, 999_999_999, 2**31 - 1, 2**32 - 1]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (EDGES, np.uint32),
        ([*EDGES, *LARGE], np.uint32),
        ([0, 255], np.uint8),
        ([*EDGES, -1, -(2**31), 2**31 - 1], np.int32),
        ([*EDGES, *LARGE, -1, -10, 10**16 - 1, 10**16, 2**63 - 1, -(2**63)], np.int64),
        ([], np.int64),
    ],
)
def test_numbers(values: list[int], dtype: type) -> None:
    found = written([numbers(np.array(values, dtype))], len(values))
    assert found == [str(value) for value in values]


def test_numbers_without_a_sign() -> None:
    values = np.array([5, -5, -5, 2**40, -(2**63)])
    unsigned = np.array([True, True, False, False, True])
    found = written([numbers(Wide(values, unsigned))], 5)
    assert found == ["5", str(2**64 - 5), "-5", str(2**40), str(2**63)]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 63, 64, 8 * TOGETHER - 1, 8 * TOGETHER, 10_000])
def test_strings_of_any_length(length: int) -> None:
    names = ["a", "n" * length, "", "\x7f\x80é\udcff", "z" * length]
    assert written(["<", texts(names), ">"], 5) == [f"<{name}>" for name in names]


def test_strings_that_overlap() -> None:
    data = b"\0" + b"x" * 600 + b"end\0" + bytes(7)
    starts = np.array([1, 590, 601, 603, 0])
    found = written([strings(data, starts)], 5)
    assert found == ["x" * 600 + "end", "x" * 11 + "end", "end", "d", ""]


def test_one_of_a_few_texts_takes_what_is_beside_it() -> None:
    which = Choice.of(np.array([3, 0, 7]), {0: "", 3: "three and more"}, "?")
    (only,) = beside(["[", "<", which, ">"])
    assert written([only], 3) == ["[<three and more>", "[<>", "[<?>"]


def test_texts_of_some_records_only() -> None:
    rows = np.array([1, 3])
    some = texts(["one", "n" * 1000]).of(rows, 4)
    assert written(["(", some, ")"], 4) == ["()", "(one)", "()", f"({'n' * 1000})"]


def test_lists() -> None:
    inner = beside([numbers(np.array([1, 22, 123_456_789])), ";"])
    lists = Lists(inner, np.array([0, 2, 2, 3]))
    assert written(["[", lists, "]"], 3) == ["[1;22;]", "[]", "[123456789;]"]


def dumped(btf: Btf) -> tuple[str, list[dict[str, object]]]:
    text, data = io.BytesIO(), io.BytesIO()
    write_raw(btf, text)
    write_json(btf, data)
    return text.getvalue().decode(), json.loads(data.getvalue())["types"]


@pytest.mark.parametrize("count", [RUN - 1, RUN, RUN + 1, 2 * RUN, 2 * RUN + 1])
def test_a_struct_of_many_members_is_written_piece_by_piece(count: int) -> None:
    builder = Builder(profile="wide")
    number = builder.add(views.Int("int", 4, 0, 32, 0))
    members = [views.Member(f"m{at}", number, 32 * at) for at in range(count)]
    struct = views.Struct("s", 4 * count, members)
    for view in (struct, views.Ptr(2), evolve(struct, name="t"), struct):
        builder.add(view)
    text, types = dumped(builder.build())
    lines = [f"\t'm{at}' type_id=1 bits_offset={32 * at}" for at in range(count)]
    assert text.splitlines() == [
        "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=(none)",
        *(f"[2] STRUCT 's' size={4 * count} vlen={count}", *lines),
        "[3] PTR '(anon)' type_id=2",
        *(f"[4] STRUCT 't' size={4 * count} vlen={count}", *lines),
        *(f"[5] STRUCT 's' size={4 * count} vlen={count}", *lines),
    ]
    assert [one["id"] for one in types] == [1, 2, 3, 4, 5]
    names = [member.name for member in members]
    for at in (1, 3, 4):
        found = types[at]["members"]
        assert isinstance(found, list)
        assert [member["name"] for member in found] == names
