"""A real kernel loads modules whose BTF was deduplicated, and shows it as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest import debian_guest

from btfschema import Btf, dumps, load
from btfschema.sources.elfwrite import write_btf_file
from btfschema_transforms.dedup import dedup
from btfschema_transforms.merge import merge
from btfschema_transforms.sort import sort

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

MODULES = ("dummy", "loop", "tun", "overlay")
SCRIPT = """
for file in *.ko; do
    module=${file%%.*}
    dmesg -c >/dev/null
    insmod $file
    cat /sys/kernel/btf/$module >/out/$file.btf 2>/dev/null
    dmesg >/out/$file.dmesg
    rmmod $module
done
"""


def test_modules_with_deduplicated_btf_load(tmp_path: Path) -> None:
    """Each module's types twice and deduplicated; and sorted, as kernels from 7.0 on want them."""
    guest = debian_guest("6.12")
    vmlinux = load(guest.vmlinuz)
    given: dict[str, Btf] = {}
    for name in MODULES:
        source = guest.module(name)
        split = load(source, vmlinux)
        once = dedup(merge([split, split]).btf).btf
        for variant, btf in (("", once), (".sorted", sort(once)[0])):
            file = f"{name}{variant}.ko"
            write_btf_file(source, tmp_path / file, btf, with_base=False)
            given[file] = btf

    result = guest.run({file: (tmp_path / file).read_bytes() for file in given}, SCRIPT)

    for file, btf in given.items():
        assert result.files[f"{file}.btf"] == dumps(btf), result.files[f"{file}.dmesg"].decode()
        assert b"BTF" not in result.files[f"{file}.dmesg"]
