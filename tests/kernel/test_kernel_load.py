"""What the running kernel says of BTF that we wrote, and that we read what it shows.

Needs root (CAP_BPF) and a kernel with ``CONFIG_DEBUG_INFO_BTF``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bpf_load import load_btf
from hypothesis import given
from samples import KERNEL_VIEWS

from btfschema import Btf, Builder, Kind, dumps, loads, views
from btfschema.codec.engines import reference_records
from btfschema.testing import btfs

pytestmark = pytest.mark.kernel

VMLINUX = Path("/sys/kernel/btf/vmlinux")


def every_kernel_kind() -> Btf:
    builder = Builder()
    for view in KERNEL_VIEWS:
        builder.add(view)
    return builder.build()


def test_every_kind_loads() -> None:
    btf = every_kernel_kind()
    assert {view.kind for view in btf} == set(range(Kind.INT, Kind.ENUM64 + 1))
    assert btf.image.header.hdr_len == 24
    assert load_btf(dumps(btf)) is None


@pytest.mark.parametrize(
    ("view", "complaint"),
    [
        (views.Ptr(14), "Invalid type"),
        (views.Func("extern", 13, views.Linkage.EXTERN), "Invalid func linkage"),
        (views.Struct("small", 3, [views.Member("too_long", 1)]), "exceeds struct_size"),
        (views.Typedef("itself", 21), "File exists"),
        (views.Enum("fwd", 0), "Unexpected size"),
    ],
)
def test_what_it_refuses_it_refuses_for_its_reason(view: views.TypeView, complaint: str) -> None:
    """Else "loads" would mean little: the kernel looks at every type."""
    builder = Builder()
    for known in (*KERNEL_VIEWS, view):
        builder.add(known)
    refusal = load_btf(dumps(builder.build()))
    assert refusal is not None
    assert complaint in refusal


@given(btfs(valid=True, byteorder="little", min_types=1, max_types=20))
def test_what_the_strategy_calls_valid_loads(btf: Btf) -> None:
    assert load_btf(dumps(btf)) is None


def test_its_own_btf_comes_back() -> None:
    data = VMLINUX.read_bytes()
    assert dumps(loads(data)) == data


@pytest.mark.slow
def test_engines_agree_on_its_own_btf() -> None:
    data = VMLINUX.read_bytes()
    bulk, reference = loads(data), loads(data, decoder="reference")
    assert bulk.equivalent(reference)
    assert dumps(reference) == data
    table = bulk.types
    assert [table.record(row) for row in range(len(table))] == reference_records(table)
