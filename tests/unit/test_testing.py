"""The strategies reach what they promise: hypothesis finds an example of each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from btfschema import KINDS, Btf, Kind, loads, views
from btfschema.codec.header import Header, read_header
from btfschema.errors import BtfError
from btfschema.testing import blobs, btfs, mutations, split_btfs
from btfschema.testing.valid import KERNEL_KINDS


class EnoughError(Exception):
    """Everything that was wanted was seen."""


def reached(
    strategy: st.SearchStrategy[Any],
    features: Callable[[Any], Collection[Any]],
    wanted: Collection[Any] = (),
) -> set[Any]:
    """All that two hundred examples have, the same ones in every run.

    Of fewer when they have all that is wanted; give that only where nothing else could occur.
    """
    found: set[Any] = set()

    @settings(
        max_examples=200,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.update(features(example))
        if wanted and found.issuperset(wanted):
            raise EnoughError

    with suppress(EnoughError):
        collect()
    return found


def those_of(*predicates: Callable[[Any], bool]) -> Callable[[Any], list[Callable[[Any], bool]]]:
    """The predicates that hold for an example."""
    return lambda example: [predicate for predicate in predicates if predicate(example)]


def cyclic(btf: Btf) -> bool:
    """Whether a type leads back to itself."""
    for start in range(btf.first_id, btf.end_id):
        seen: set[int] = set()
        ahead = btf.references(start)
        while ahead:
            current = ahead.pop()
            if current == start:
                return True
            if current not in seen:
                seen.add(current)
                ahead += btf.references(current)
    return False


def forward(btf: Btf) -> bool:
    return any(ref > view.id for view in btf for ref in view.references)


def shares_a_name(btf: Btf) -> bool:
    names = [name for name in btf.strings.names(btf.types.name_offs) if name]
    return len(set(names)) < len(names)


def kinds_of(btf: Btf) -> set[int]:
    return {view.kind for view in btf}


def test_every_kind_occurs() -> None:
    assert reached(btfs(), kinds_of, KINDS) == set(KINDS)


@pytest.mark.slow
def test_every_kind_of_kernels_occurs_in_valid_btf_and_no_other() -> None:
    assert reached(btfs(valid=True, min_types=10, max_types=20), kinds_of) == set(KERNEL_KINDS)


@pytest.mark.parametrize("valid", [False, True])
def test_shapes_occur(valid: bool) -> None:
    shapes = (cyclic, forward, shares_a_name)
    assert reached(btfs(valid=valid), those_of(*shapes), shapes) == set(shapes)


@pytest.mark.parametrize("valid", [False, True])
def test_chains_of_three_refer_to_all_their_bases(valid: bool) -> None:
    def reaches_down(btf: Btf) -> bool:
        owners = {btf.owner(ref) for view in btf for ref in view.references if ref}
        return len(btf.chain) == 3 and owners >= set(btf.chain[:2])

    assert reached(split_btfs(valid=valid), those_of(reaches_down), [reaches_down])


def test_both_byte_orders_occur() -> None:
    orders = {"little", "big"}
    assert reached(btfs(), lambda btf: {btf.byteorder}, orders) == orders


def section(header: Header, name: str) -> tuple[int, int]:
    """First byte and length of a section."""
    return next((at, length) for found, at, length in header.sections if found == name)


def strings_first(data: bytes) -> bool:
    header = read_header(data)
    (types, some), (strings, more) = section(header, "types"), section(header, "strings")
    return bool(some and more) and strings < types


def unused(data: bytes) -> bool:
    """Whether there are bytes between the sections."""
    header = read_header(data)
    used = [(at, at + length) for _, at, length in header.sections if length]
    return bool(used) and max(used)[1] - header.hdr_len > sum(e - s for s, e in used)


def nonzero_excess(data: bytes) -> bool:
    header = read_header(data)
    return any(data[32 : header.hdr_len])


def trailing(data: bytes) -> bool:
    return len(data) > max(at + length for _, at, length in read_header(data).sections)


def opaque(data: bytes) -> bool:
    return any(isinstance(view, views.Opaque) for view in loads(data))


def inside_another(data: bytes) -> bool:
    btf = loads(data)
    offsets = btf.types.words[btf.types.string_positions].tolist()
    return any(offset and btf.strings.data[offset - 1] for offset in offsets)


def test_oddities_occur() -> None:
    oddities = (strings_first, unused, nonzero_excess, trailing, opaque, inside_another)
    assert reached(blobs(), those_of(*oddities), oddities) == set(oddities)


def reads(data: bytes) -> bool:
    try:
        loads(data)
    except BtfError:
        return False
    return True


def test_some_damage_shows_and_some_does_not() -> None:
    pairs = blobs().flatmap(lambda blob: st.tuples(st.just(blob), mutations(blob)))
    both = {True, False}
    found = reached(pairs, lambda pair: {reads(pair[1])} if pair[0] != pair[1] else (), both)
    assert found == both


@pytest.mark.slow
def test_valid_adds_an_int_where_nothing_else_fits() -> None:
    """A VAR needs something to be a variable of."""
    strategy = btfs(valid=True, kinds=[Kind.VAR], min_types=2)
    assert reached(strategy, kinds_of) == {Kind.VAR, Kind.INT}
