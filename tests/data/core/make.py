"""Make the objects and ``expected.jsonl.xz`` of this directory anew: needs clang 15 or later and
libbpf's sources. Run with ``PYTHONPATH=tests`` from the repository's root.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import tarfile
import tempfile
from pathlib import Path

from co_re_goldens import DATA, MODULES
from core_oracle import PROGRAMS, ask, compiled, theirs

OBJECTS = DATA / "core" / "objects"
# Programs about what core tells; what libbpf makes of their relocations is not recorded.
LOADING = DATA / "core" / "loading"


def main() -> None:
    OBJECTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("generic", "cloud"):
            packed = DATA / f"vmlinux-{name}.btf.xz"
            (folder / f"{name}.btf").write_bytes(lzma.decompress(packed.read_bytes()))
        with tarfile.open(DATA / "modules-cloud.tar.xz") as modules:
            for name in MODULES:
                modules.extract(f"./{name}.btf", folder, filter="data")
        modules_of = {"generic": [], "cloud": [folder / f"{name}.btf" for name in MODULES]}
        rows = []
        for source in sorted(PROGRAMS.glob("*.c")):
            made = compiled(source, OBJECTS)
            subprocess.run(["llvm-strip", "-g", made], check=True)
        for source in sorted(LOADING.glob("*.c")):
            subprocess.run(["llvm-strip", "-g", compiled(source, OBJECTS)], check=True)
        for source in sorted(PROGRAMS.glob("*.c")):
            if source.stem.endswith("_kernel"):
                continue
            own = source.with_name(f"{source.stem}_kernel.c")
            targets = {name: folder / f"{name}.btf" for name in modules_of}
            if own.exists():
                targets = {own.stem: OBJECTS / f"{own.stem}.bpf.o"}
            for name, vmlinux in targets.items():
                answer = ask(OBJECTS / f"{source.stem}.bpf.o", vmlinux, modules_of.get(name, []))
                rows.append({"program": source.stem, "kernel": name, "relos": theirs(answer)})
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (DATA / "core" / "expected.jsonl.xz").write_bytes(lzma.compress(text.encode()))


if __name__ == "__main__":
    main()
