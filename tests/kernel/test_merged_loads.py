"""The kernel is the judge: it takes what dedup, merge, flatten, sort and split-off write."""

from __future__ import annotations

from pathlib import Path

import pytest
from bpf_load import load_btf
from building import built
from hypothesis import given
from hypothesis import strategies as st
from samples import KERNEL_VIEWS

from btfschema import Btf, dumps, loads
from btfschema.testing import btfs
from btfschema_transforms.dedup import dedup
from btfschema_transforms.flatten import flatten
from btfschema_transforms.merge import merge
from btfschema_transforms.sort import sort

pytestmark = pytest.mark.kernel

VALID = btfs(valid=True, byteorder="little", min_types=1, max_types=12)


@given(st.lists(VALID, min_size=1, max_size=3))
def test_valid_parts_merged_deduplicated_and_sorted(parts: list[Btf]) -> None:
    merged = merge([*parts, *parts]).btf

    for result in (merged, dedup(merged).btf, sort(dedup(merged).btf)[0]):
        assert load_btf(dumps(result)) is None


def test_every_kind_twice() -> None:
    merged = merge([built(*KERNEL_VIEWS), built(*KERNEL_VIEWS)]).btf

    assert load_btf(dumps(sort(dedup(merged).btf)[0])) is None


def test_a_kernel_with_some_modules(cloud: Btf, modules: dict[str, bytes]) -> None:
    """Six megabytes, as one stand-alone BTF; the kernel's own alone is taken, too."""
    chosen = [loads(modules[name], cloud) for name in ("nfs", "nfsd", "btrfs", "kvm", "xfs")]
    flat = dedup(flatten(dedup(merge(chosen).btf).btf)).btf
    assert load_btf(dumps(cloud)) is None

    for result in (flat, sort(flat)[0], sort(cloud)[0]):
        assert load_btf(dumps(result)) is None


def test_the_running_kernels_own() -> None:
    own = loads(Path("/sys/kernel/btf/vmlinux").read_bytes())

    assert load_btf(dumps(sort(dedup(own).btf)[0])) is None
