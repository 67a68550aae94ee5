"""Debian's bpftool reads what merge, dedup, flatten, sort and split-off write."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_bpftool import bpftool, ours

from btfschema import Btf, dump, loads
from btfschema_transforms.dedup import dedup
from btfschema_transforms.flatten import flatten
from btfschema_transforms.merge import merge
from btfschema_transforms.sort import sort
from btfschema_transforms.split_off import split_off

pytestmark = pytest.mark.debian


def test_results_read_the_same(cloud: Btf, modules: dict[str, bytes], tmp_path: Path) -> None:
    base = tmp_path / "vmlinux"
    dump(cloud, base)
    merged = dedup(merge([loads(modules[name], cloud) for name in ("nfs", "nfsd", "kvm")]).btf).btf
    flat = dedup(flatten(merged)).btf
    ordered, _ = sort(flat)
    split, _ = split_off(flat, range(flat.end_id - 100, flat.end_id), users=True)
    assert split.base is not None

    for number, (btf, below) in enumerate(
        [(merged, base), (flat, None), (ordered, None), (split.base, None), (split, tmp_path / "3")]
    ):
        file = tmp_path / str(number)
        dump(btf, file)
        assert bpftool("text", file, below) == ours("text", btf)
