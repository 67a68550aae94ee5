"""Every module of another Debian kernel, distilled and relocated as libbpf 1.5 does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_packages import package_tree
from guest import kernel_package
from libbpf_oracle import LibbpfError, Oracle

from btfschema import Btf, dumps, load, loads
from btfschema.errors import MatchError
from btfschema.sources import read_source
from btfschema_transforms.distill import distill
from btfschema_transforms.relocate import relocate

pytestmark = [pytest.mark.debian, pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def libbpf() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


@pytest.fixture(scope="module")
def tree() -> Path:
    """A 6.1 kernel, older and built by another pahole than the corpus' 6.12."""
    return package_tree(kernel_package("6.1"))


@pytest.fixture(scope="module")
def vmlinux(tree: Path) -> Btf:
    (image,) = (tree / "boot").glob("vmlinuz-*")
    return load(image)


def test_modules_of_6_1_become_what_libbpf_makes_of_them(
    libbpf: Oracle, tree: Path, vmlinux: Btf, generic: Btf
) -> None:
    """Onto a kernel of another series most fail: the verdict and the type to blame agree too."""
    modules = sorted((tree / "lib" / "modules").rglob("*.ko*"))
    assert len(modules) > 500
    outcomes: Counter[str] = Counter()
    target = dumps(generic)
    for path in modules:
        module = loads(read_source(path).btf, vmlinux)
        split, _ = distill(module)
        assert split.base is not None
        base, data = libbpf.distill(dumps(vmlinux), dumps(module))
        assert (dumps(split.base), dumps(split)) == (base, data), path.name
        try:
            theirs: bytes | LibbpfError = libbpf.relocate(base, data, target)
        except LibbpfError as error:
            theirs = error
        try:
            ours: bytes | MatchError = dumps(relocate(split, generic, "kernel")[0])
        except MatchError as error:
            ours = error
        if isinstance(theirs, LibbpfError):
            assert isinstance(ours, MatchError), (path.name, theirs)
            assert theirs.args[0].split("'")[1] in {one.name for one in ours.mismatches}, path.name
            outcomes["refused"] += 1
        else:
            assert ours == theirs, path.name
            outcomes["relocated"] += 1
    assert outcomes["refused"] > 10
    assert outcomes["relocated"] > 10
