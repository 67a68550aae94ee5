"""References that lead nowhere are refused with the type, the element and the number."""

from __future__ import annotations

import numpy as np
import pytest
from blob_draft import Draft

from btfschema import Btf, Builder, Kind, dumps, loads, verify, views
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


class TestWhereLibbpfDiffers:
    """What docs/reference/bad-input.md says of ``loads`` and ``btf__new``."""

    def test_an_empty_string_section_is_read(self) -> None:
        draft = Draft()
        draft.add(Kind.PTR)
        draft.strings.clear()
        blob = draft.blob()
        assert loads(blob)[1] == views.Ptr(0)
        assert [one.rule.id for one in verify(blob, "read")] == ["strings.empty"]

    def test_a_func_that_refers_to_an_integer_is_read(self) -> None:
        b = Builder()
        b.add(views.Int("int", 4))
        b.add(views.Func("f", 1))
        blob = dumps(b.build())
        assert len(loads(blob)) == 2
        assert [one.rule.id for one in verify(blob, "read")] == ["func.prototype"]

    def test_a_return_type_that_is_not_there_is_refused(self) -> None:
        b = Builder()
        b.add(views.Int("int", 4))
        b.add(views.FuncProto(1, ()))
        btf = b.build()
        (position,) = btf.types.type_id_positions.tolist()
        words = btf.types.rewritten([(np.array([position]), np.array([99]))])
        blob = dumps(Btf.assemble(words, btf.strings, like=btf, base=None))
        with pytest.raises(DecodeError, match="type id 99 is past the last id 2"):
            loads(blob)
