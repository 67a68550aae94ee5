"""Laws of values: all forms say the same of the same bytes, and writing is reading's inverse."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np
import pytest
from edge_blobs import edge_blobs
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from value_forms import by_construct, by_ctypes, by_definition, by_numpy, leaves

from btfschema import Btf, BtfError, Kind, loads, views
from btfschema.testing import blobs, btfs, mutations, split_btfs
from btfschema.values import (
    Value,
    construct_of,
    ctypes_of,
    dtype_of,
    read,
    read_array,
    write,
)

# What makes values; tags on declarations, functions and the like make none.
KINDS = (
    *[Kind.STRUCT, Kind.UNION, Kind.INT] * 3,
    Kind.ARRAY,
    Kind.PTR,
    Kind.ENUM,
    Kind.ENUM64,
    Kind.FLOAT,
    Kind.TYPEDEF,
    Kind.CONST,
    Kind.VOLATILE,
    Kind.VAR,
)
LARGEST = 600
MOST_LEAVES = 40


def has_long_double(btf: Btf) -> bool:
    return any(isinstance(view, views.Float) and view.size > 8 for one in btf.chain for view in one)


def check_forms(btf: Btf, type_id: int, data: bytes) -> None:
    """All forms of one type on the same bytes."""
    value = read(btf, type_id, data)
    python = value.to_python(text=False, names=False)
    # Python's repr tells what == does not: NaN, True and 1, bytes and numbers.
    if not has_long_double(btf):
        assert repr(python) == repr(by_definition(btf, type_id, data))
    assert repr(by_construct(btf, type_id, data)) == repr(value.to_python())
    assert dtype_of(btf, type_id).itemsize == len(data) == value.size_
    check_copy(value)
    # A NaN's bits and a long double's last ones do not survive Python.
    if not any(isinstance(number, float) for _, number in leaves(python)):
        written = write(btf, type_id, python)
        assert read(btf, type_id, written).to_python(text=False, names=False) == python
        assert construct_of(btf, type_id).build(python) == written
        assert write(btf, type_id, python, onto=data) == data
        assert value == value.to_python() == read(btf, type_id, b"\0" + data, 1)
    if isinstance(python, dict):
        for path, number in list(leaves(python))[:MOST_LEAVES]:
            check_leaf(btf, type_id, data, path, number)


def check_leaf(btf: Btf, type_id: int, data: bytes, path: str, number: Any) -> None:
    in_numpy, found = by_numpy(btf, type_id, data, path), by_ctypes(btf, type_id, data, path)
    part = read(btf, type_id, data).at_(path)
    check_copy(part)
    assert repr(np.asarray(part).tolist()) == repr(in_numpy)
    if isinstance(number, bytes):
        # Both know text, and where it ends.
        assert in_numpy == number.rstrip(b"\0")
        assert found == number.partition(b"\0")[0]
        return
    assert repr(in_numpy) == repr(as_number(number))
    if isinstance(found, bytes):
        assert found == bytes(part)
    else:
        assert repr(found) == repr(as_number(number))


def check_copy(value: Value) -> None:
    """A copy has the value's own bytes, and says the same of them."""
    copy = deepcopy(value)
    assert (copy.offset_, copy.size_, copy.path_) == (0, value.size_, value.path_)
    assert bytes(copy) == bytes(value)
    assert copy.text_() == value.text_()
    assert repr(copy.to_python()) == repr(value.to_python())


def as_number(value: Any) -> Any:
    """numpy and ctypes give ``_Bool`` as a number."""
    return int(value) if isinstance(value, bool) else value


def check_container(btf: Btf, draw: st.DataObject) -> None:
    ids = [
        view.id
        for view in btf
        if isinstance(view, views.Struct | views.Union | views.Array | views.Int | views.Var)
        and 0 < btf.sizeof(view.id) <= LARGEST
    ]
    if not ids:
        return
    type_id = draw.draw(st.sampled_from(ids))
    event(btf.byteorder)
    size = btf.sizeof(type_id)
    data = draw.draw(st.binary(min_size=size, max_size=size))
    check_forms(btf, type_id, data)


containers = st.one_of(
    btfs(valid=True, kinds=KINDS, min_types=4, max_types=16),
    split_btfs(valid=True, kinds=KINDS, max_bases=1, min_types=3, max_types=8),
)


@given(containers, st.data())
@settings(max_examples=80)
def test_the_forms_agree(btf: Btf, data: st.DataObject) -> None:
    check_container(btf, data)


@pytest.mark.slow
@given(containers, st.data())
@settings(
    max_examples=10_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_the_forms_agree_ten_thousand_times(btf: Btf, data: st.DataObject) -> None:
    check_container(btf, data)


def ask_everything(btf: Btf, data: bytes) -> None:
    """Whatever a container says of its types, there is an answer or a worded error."""
    for type_id in range(min(btf.end_id, 30)):
        with suppress(BtfError):
            value = read(btf, type_id, data, 3)
            repr(value)
            value.to_python()
            value.text_()
        with suppress(BtfError):
            np.asarray(read(btf, type_id, data, 3))
        with suppress(BtfError):
            deepcopy(read(btf, type_id, data[:9], 3)).to_python()
        with suppress(BtfError):
            read_array(btf, type_id, data)
        for form in (dtype_of, construct_of, ctypes_of):
            with suppress(BtfError):
                form(btf, type_id)
        with suppress(BtfError):
            write(btf, type_id, {})


@given(st.one_of(btfs(), blobs().flatmap(mutations)), st.binary(max_size=300))
@settings(max_examples=60)
def test_any_types_give_values_or_a_worded_error(source: Btf | bytes, data: bytes) -> None:
    with suppress(BtfError):
        btf = loads(source) if isinstance(source, bytes) else source
        ask_everything(btf, data)


def test_edge_cases_give_values_or_a_worded_error() -> None:
    for _, blob in islice(edge_blobs(7), 120):
        with suppress(BtfError):
            ask_everything(loads(blob), bytes(range(256)))
