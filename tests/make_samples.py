"""Makes what ``btfschema samples`` unpacks, of tests/data: run ``python tests/make_samples.py``.

The first kernel is whole, since modules are split over it; of the second, functions are left out,
so that both fit into 1.5 MB: in one stream, what they have in common is there once.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import numpy as np

from btfschema import Btf, dumps, loads
from btfschema.cli.samples import ARCHIVE
from btfschema.framework import PassResult
from btfschema.schema.kinds import Kind

DATA = Path(__file__).parent / "data"
MODULES = ("8021q", "libiscsi", "nf_tables", "veth")
OBJECTS = ("fields", "inode_times")
LEFT_OUT = (Kind.FUNC, Kind.VAR, Kind.DATASEC)
# Both kernels lie within the dictionary.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 16 << 20}]


def without_functions(btf: Btf) -> Btf:
    """All named types but functions and variables, and what they need."""
    named = (btf.types.name_offs != 0) & ~np.isin(btf.types.kinds, LEFT_OUT)
    live = np.zeros(len(btf), np.bool_)
    live[np.array(btf.closure((np.flatnonzero(named) + 1).tolist())) - 1] = True
    return PassResult.select(btf, live).btf


def contents() -> dict[str, bytes]:
    """The files by name."""
    kernels = {
        name: lzma.decompress((DATA / f"vmlinux-{name}.btf.xz").read_bytes())
        for name in ("cloud", "generic")
    }
    files = {
        "vmlinux-cloud.btf": kernels["cloud"],
        "vmlinux-generic.btf": dumps(without_functions(loads(kernels["generic"]))),
    }
    with tarfile.open(DATA / "modules-cloud.tar.xz") as archive:
        for entry in archive.getmembers():
            file = archive.extractfile(entry) if Path(entry.name).stem in MODULES else None
            if file is not None:
                files[Path(entry.name).name] = file.read()
    for name in OBJECTS:
        files[f"{name}.bpf.o"] = (DATA / "core" / "objects" / f"{name}.bpf.o").read_bytes()
    return files


def main() -> None:
    """Write the archive."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in contents().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed = lzma.compress(whole.getvalue(), format=lzma.FORMAT_XZ, filters=FILTERS)
    ARCHIVE.write_bytes(packed)
    print(f"{ARCHIVE}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
