"""A real kernel loads modules that we wrote, and shows the BTF that we predict.

The base that each module's BTF is distilled from is the kernel's own with its ids shuffled, so that
every reference must be found again by name: what works here works on a kernel whose ids moved.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
from attrs import field, frozen
from guest import Result, debian_guest
from shuffling import shuffled

from btfschema import Btf, dumps, load, loads
from btfschema.errors import MatchError
from btfschema.schema import Kind
from btfschema.schema.plan import THIRD
from btfschema.sources.elfwrite import write_btf_file
from btfschema.tables.ids import IdMap
from btfschema_transforms.distill import distill
from btfschema_transforms.relocate import relocate

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

# Modules that need no other and no hardware, from few types to many.
MODULES = ("dummy", "brd", "ifb", "loop", "veth", "nbd", "tun", "bfq", "overlay", "sunrpc")
# All variants load: Debian's kernels have CONFIG_MODULE_ALLOW_BTF_MISMATCH, so that a module whose
# BTF is refused runs without, and a warning says so once.
SCRIPT = """
for file in *.ko; do
    module=${file%%.*}
    dmesg -c >/dev/null
    insmod $file
    cat /sys/kernel/btf/$module >/out/$file.btf 2>/dev/null || rm /out/$file.btf
    dmesg >/out/$file.dmesg
    rmmod $module
done
sha256sum /sys/kernel/btf/vmlinux >/out/vmlinux.sha256
"""
MISMATCH = "Kernel module BTF mismatch detected"
NOT_MAPPED = re.compile(r"distilled base BTF type '(.*)' \[(\d+)\] is not mapped")


def over_shuffled(split: Btf, mixed: Btf, ids: IdMap) -> Btf:
    """The same types over the shuffled base."""
    own = np.arange(split.first_id, split.end_id)
    targets = np.append(ids.apply(np.arange(split.first_id)), own)
    at = split.types.type_id_positions
    types = split.types.rewritten([(at, targets[split.types.words[at]])])
    return Btf.assemble(types, split.strings.data, like=split, base=mixed)


def with_larger_structs(split: Btf) -> Btf:
    """The same over a distilled base whose structs and unions all have eight bytes more."""
    base = split.base
    assert base is not None
    types = base.types
    thirds = types.starts[types.rows_of(Kind.STRUCT, Kind.UNION)] + THIRD.word
    larger = types.rewritten([(thirds, types.words[thirds] + 8)])
    other = Btf.assemble(larger, base.strings.data, like=base, base=None)
    return Btf.assemble(split.types, split.strings.data, like=split, base=other)


@frozen
class Loaded:
    """What was handed to a kernel, and what it made of it."""

    vmlinux: Btf = field(repr=False)
    given: dict[str, Btf] = field(repr=False)
    result: Result = field(repr=False)

    def shown(self, file: str) -> bytes | None:
        """``/sys/kernel/btf/MODULE``, or None when there is none."""
        return self.result.files.get(f"{file}.btf")

    def said(self, file: str) -> str:
        """The kernel's messages."""
        return self.result.files[f"{file}.dmesg"].decode(errors="replace")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """All variants of all modules, loaded in one boot.

    ``NAME.ko`` has its BTF distilled from a shuffled base, ``NAME.larger.ko`` the same with larger
    structs in the distilled base, ``NAME.plain.ko`` no distilled base, its ids the shuffled ones.
    """
    guest = debian_guest("6.12")
    folder = tmp_path_factory.mktemp("modules")
    vmlinux = load(guest.vmlinuz)
    mixed, ids = shuffled(vmlinux, seed=612)
    given: dict[str, Btf] = {}
    for name in MODULES:
        source = guest.module(name)
        plain = over_shuffled(load(source, vmlinux), mixed, ids)
        split, _ = distill(plain)
        variants = {"": split, ".larger": with_larger_structs(split), ".plain": plain}
        for variant, btf in variants.items():
            file = f"{name}{variant}.ko"
            write_btf_file(source, folder / file, btf, with_base=btf is not plain)
            given[file] = btf
    files = {file: (folder / file).read_bytes() for file in given}
    return Loaded(vmlinux, given, guest.run(files, SCRIPT))


def test_the_base_is_the_one_of_the_running_kernel(loaded: Loaded) -> None:
    digest = loaded.result.files["vmlinux.sha256"].split()[0].decode()
    assert hashlib.sha256(dumps(loaded.vmlinux)).hexdigest() == digest


@pytest.mark.parametrize("name", MODULES)
def test_the_kernel_shows_what_relocate_predicts(loaded: Loaded, name: str) -> None:
    file = f"{name}.ko"
    predicted, _ = relocate(loaded.given[file], loaded.vmlinux, "kernel")
    assert dumps(predicted) == loaded.shown(file)
    assert dumps(predicted) != dumps(loaded.given[file])


@pytest.mark.parametrize("name", MODULES)
def test_without_a_distilled_base_the_kernel_believes_the_wrong_ids(
    loaded: Loaded, name: str
) -> None:
    given, shown = loaded.given[f"{name}.plain.ko"], loaded.shown(f"{name}.plain.ko")
    assert dumps(given) == shown
    believed = loads(dumps(given), loaded.vmlinux)
    ids = given.types.words[given.types.type_id_positions]
    base_ids = set(ids[ids < given.first_id].tolist()) - {0}
    wrong = [i for i in base_ids if given.describe(i) != believed.describe(i)]
    assert len(wrong) > len(base_ids) / 2


@pytest.mark.parametrize("name", MODULES)
def test_the_kernel_refuses_what_relocate_refuses(loaded: Loaded, name: str) -> None:
    file = f"{name}.larger.ko"
    try:
        predicted = dumps(relocate(loaded.given[file], loaded.vmlinux, "kernel")[0])
    except MatchError as error:
        assert loaded.shown(file) is None
        first = error.mismatches[0]
        assert NOT_MAPPED.findall(loaded.said(file)) == [(first.name, str(first.id))]
    else:
        assert predicted == loaded.shown(file)


def test_some_are_refused_and_one_warning_says_so(loaded: Loaded) -> None:
    """The test above sees both outcomes."""
    files = [f"{name}.larger.ko" for name in MODULES]
    assert {loaded.shown(file) is None for file in files} == {True, False}
    assert sum(loaded.said(file).count(MISMATCH) for file in loaded.given) == 1
