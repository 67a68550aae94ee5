"""The passes on all 1,138 modules of a Debian kernel, against what libbpf makes of them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from shuffling import kind_name_size, shuffled, stands_for
from slow import and_slow

from btfschema import Btf, dumps, loads
from btfschema.errors import MatchError
from btfschema.tables.ids import IdMap
from btfschema_transforms.distill import distill
from btfschema_transforms.rebase import rebase
from btfschema_transforms.references import references
from btfschema_transforms.relocate import relocate

Distilled = dict[str, tuple[Btf, Btf, IdMap]]


@pytest.fixture(scope="module")
def distilled(cloud: Btf, modules: dict[str, bytes]) -> Distilled:
    """Each module, its distilled form, and where its ids went."""
    read = {name: loads(data, cloud) for name, data in modules.items()}
    return {name: (btf, *distill(btf)) for name, btf in read.items()}


def as_in_libbpf(btf: Btf, expected: dict[str, Any]) -> bool:
    """Whether type section and string section are libbpf's, byte for byte."""
    types, strings = btf.types.words.astype("<u4").tobytes(), btf.strings.data
    return (sha256(types + strings).hexdigest(), len(types), len(strings)) == (
        expected["sha256"],
        expected["type_len"],
        expected["str_len"],
    )


def test_distilled_modules_are_libbpfs_byte_for_byte(
    distilled: Distilled, expected: dict[str, dict[str, Any]]
) -> None:
    assert distilled.keys() == expected.keys()
    assert len(distilled) == 1138
    wrong = [
        name
        for name, (_, split, _) in distilled.items()
        if split.base is None
        or not as_in_libbpf(split, expected[name]["split"])
        or not as_in_libbpf(split.base, expected[name]["base"])
    ]
    assert not wrong


def test_under_kernel_relocation_is_libbpfs_verdict_and_bytes(
    distilled: Distilled, generic: Btf, expected: dict[str, dict[str, Any]]
) -> None:
    relocated = 0
    for name, (_, split, _) in distilled.items():
        row = expected[name]
        if row["relocated"] is None:
            with pytest.raises(MatchError) as caught:
                relocate(split, generic, "kernel")
            named_by_libbpf = row["libbpf_error"].split("'")[1]
            assert named_by_libbpf in {one.name for one in caught.value.mismatches}
        else:
            moved, _ = relocate(split, generic, "kernel")
            assert as_in_libbpf(moved, row["relocated"]), name
            relocated += 1
    assert relocated == 940


@pytest.mark.parametrize("every", and_slow(10, slow=[1]))
def test_under_strict_every_type_lands_on_its_own_kind(
    distilled: Distilled, generic: Btf, every: int
) -> None:
    for _, split, _ in list(distilled.values())[::every]:
        try:
            moved, ids = relocate(split, generic)
        except MatchError:
            continue
        for type_id in range(1, split.first_id):
            assert stands_for(split[type_id], moved[ids[type_id] or 0])


@pytest.mark.parametrize("every", and_slow(30, slow=[5]))
def test_back_on_its_own_base_every_id_is_traced_to_the_same_type(
    distilled: Distilled, cloud: Btf, every: int
) -> None:
    """distill,relocate onto the very same base: by content, all ids of some modules."""
    for original, split, first in list(distilled.values())[::every]:
        moved, second = relocate(split, cloud)
        ids = first.then(second)
        report = references(original)
        for type_id in (*report.closure.tolist(), *range(original.first_id, original.end_id)):
            end = ids[type_id]
            assert end is not None
            assert kind_name_size(moved[end]) == kind_name_size(original[type_id])
        # Nothing else of the base is known to the distilled form.
        kept = set(report.closure.tolist()) | {0}
        targets = ids.to_array()[: cloud.end_id]
        assert {int(i) for i in (targets >= 0).nonzero()[0]} == kept


def test_a_shuffled_kernel_is_found_again(
    distilled: Distilled, cloud: Btf, modules: dict[str, bytes]
) -> None:
    other, where = shuffled(cloud, 1)
    for name, (original, split, first) in list(distilled.items())[::20]:
        moved, second = relocate(split, other)
        ids = first.then(second)
        for type_id in references(original).direct.tolist():
            end = ids[type_id] or 0
            assert kind_name_size(moved[end]) == kind_name_size(original[type_id])
            if end < other.end_id:
                assert end == where[type_id]
        there, _ = rebase(original, other)
        back, _ = rebase(there, cloud)
        assert dumps(back) == modules[name]


def test_the_explanation_that_a_packager_reads(
    distilled: Distilled, cloud: Btf, generic: Btf
) -> None:
    with pytest.raises(MatchError) as caught:
        relocate(distilled["libiscsi"][1], generic, "kernel", original=cloud)
    assert str(caught.value).split("\n") == [
        "1 of 44 distilled types has no match",
        "  struct device [27]: size 760, in the target 768",
        "    embedded by struct scsi_device (sdev_gendev, sdev_dev), "
        "struct Scsi_Host (shost_gendev, shost_dev), struct scsi_target (dev), ...",
        "    target adds pins (struct dev_pin_info *, 8 bytes at 560); "
        "msi and what follows move by 8",
    ]
