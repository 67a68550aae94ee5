"""CO-RE relocations and minimal BTF against what libbpf and bpftool made of the same programs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from co_re_goldens import GOLDENS, golden_object, kernel
from debian_packages import package_tree

from btfschema.co_re import Kernel, Marks, Resolution, Resolver, mark_resolution, minimal

# What the goldens call Debian's kernels. The third, of 6.1, is not to be had any more.
CORPUS, DEBIAN = "k612b", {"k612a": "linux-image-6.12.107+deb12-amd64"}


def told(resolution: Resolution) -> dict[str, Any]:
    """A resolution in the words of the goldens."""
    patch, candidate, target = resolution.patch, resolution.candidate, resolution.target
    return {
        "rc": 0 if resolution.error is None else -22,
        "cands": len(resolution.candidates),
        "orig": patch.original if patch else 0,
        "new": patch.value if patch else 0,
        "poison": int(resolution.poison),
        "validate": int(patch.validate) if patch else 0,
        "memsz_fail": int(patch.bad_size) if patch else 0,
        "orig_sz": patch.original_size if patch else 0,
        "new_sz": patch.size if patch else 0,
        "targ_root": candidate.type_id if candidate else 0,
        "targ_raw": list(target.raw) if target else [],
        "targ_bit_offset": target.bit_offset if target else 0,
    }


def check(golden: dict[str, Any], target: Kernel) -> None:
    program = golden_object(golden["program"])
    resolver, marks = Resolver.of(program.btf, target), Marks()
    assert len(program.relocations) == len(golden["relos"])
    for relocation, expected in zip(program.relocations, golden["relos"], strict=True):
        resolution = resolver.resolve(relocation.relo)
        assert told(resolution) == {key: expected[key] for key in told(resolution)}
        assert (relocation.section, relocation.index) == (expected["sec"], expected["idx"])
        mark_resolution(marks, resolution)
    made = minimal(target.vmlinux, marks).btf
    sections = (made.types.words.astype("<u4").tobytes(), made.strings.data)
    assert [hashlib.sha256(one).hexdigest() for one in sections] == [
        golden["types_sha256"],
        golden["strs_sha256"],
    ]


@pytest.mark.parametrize(
    "golden", [g for g in GOLDENS if g["kernel"] == CORPUS], ids=lambda g: g["program"]
)
def test_the_corpus_kernel(golden: dict[str, Any]) -> None:
    check(golden, kernel("generic"))


@pytest.mark.debian
@pytest.mark.parametrize(
    "golden", [g for g in GOLDENS if g["kernel"] in DEBIAN], ids=lambda g: g["program"]
)
def test_a_kernel_of_debian(golden: dict[str, Any]) -> None:
    (image,) = (package_tree(DEBIAN[golden["kernel"]]) / "boot").glob("vmlinuz-*")
    check(golden, kernel(str(image)))


def test_the_goldens_are_of_these_kernels() -> None:
    assert {golden["kernel"] for golden in GOLDENS} == {CORPUS, *DEBIAN, "k61"}
