"""References that lead nowhere are refused with the type, the element and the number."""

from __future__ import annotations

import pytest

from btfschema import Builder, dumps, loads, views
from btfschema.cli.sample import sample
from btfschema.errors import DecodeError, EncodeError


def test_the_error_names_the_element_in_the_singular() -> None:
    base = sample()
    b = Builder(base)
    b.add(views.LocSec("inline", [views.LocEntry(15, 0, 8), views.LocEntry(15, 0, 16)]))
    blob = dumps(b.build())
    damaged = blob.replace(
        (15).to_bytes(4, "little") + bytes(4) + (16).to_bytes(4, "little"),
        (99).to_bytes(4, "little") + bytes(4) + (16).to_bytes(4, "little"),
    )
    assert damaged != blob
    with pytest.raises(DecodeError) as caught:
        loads(damaged, base)
    assert str(caught.value) == (
        'type 16 (LOCSEC "inline") entry 1: type id 99 is past the last id 16'
    )
    assert (caught.value.type_id, caught.value.got) == (16, 99)
    assert len(loads(damaged, base, check=False)) == 1


def test_the_builder_names_it_alike() -> None:
    b = Builder()
    with pytest.raises(EncodeError, match=r"LOCSEC 'inline'\) entry 0: offset -1 does not fit"):
        b.add(views.LocSec("inline", [views.LocEntry(1, 0, -1)]))
