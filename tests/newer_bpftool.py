"""Newer bpftools than Debian 12 has: 7.5, built from its sources, and 7.8 of Debian 13's backports.

Both are made once and kept in the cache. Nothing of the system changes.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path

from debian_packages import CACHE
from libbpf_oracle import PARTS, SOURCE, archive, run

__all__ = ["newer_bpftool", "newest_bpftool"]

NEEDED = (*PARTS, "tools/bpf/bpftool", "kernel/bpf")
SUITES = ("trixie", "trixie-backports")
PACKAGES = (
    "bpftool/trixie-backports", "libc6/trixie", "libcap2/trixie", "libelf1t64/trixie",
    "libssl3t64/trixie", "libzstd1/trixie", "zlib1g/trixie",
)  # fmt: skip
# It runs with the C library that it was built for.
START = """\
#!/bin/sh
libraries={libraries}
exec "$libraries/{loader}" --library-path "$libraries" {program} "$@"
"""


def newer_bpftool() -> Path:
    """bpftool 7.5: the part that dumps files."""
    program = CACHE / "bpftool-7.5"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            run(
                "tar", "-xf", archive(), *(f"{SOURCE}/{part}" for part in NEEDED), cwd=Path(scratch)
            )
            sources = Path(scratch) / SOURCE / "tools" / "bpf" / "bpftool"
            run("make", "--silent", "-C", sources, "bootstrap")
            (sources / "bootstrap" / "bpftool").rename(program)
    return program


def mirror() -> str:
    """Where this machine gets Debian from."""
    wanted = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Identifier: Packages"]
    found = subprocess.run(wanted, check=True, capture_output=True, text=True).stdout
    labels = (line.partition(" ") for line in found.splitlines())
    return next(uri for label, _, uri in labels if label == "Debian")


def newest_bpftool() -> Path:
    """bpftool 7.8: a script that starts it.

    Raises:
        RuntimeError: Debian 13's backports moved on to another version.
    """
    tree = CACHE / "bpftool-7.8"
    if not tree.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as name:
            scratch = Path(name)
            unpacked = unpack(scratch)
            said = subprocess.run(
                [start_script(unpacked), "version"], check=True, capture_output=True, text=True
            )
            if "v7.8" not in said.stdout:
                raise RuntimeError(f"not bpftool 7.8 but {said.stdout.splitlines()[0]}")
            if not tree.is_dir():
                unpacked.rename(tree)
    return start_script(tree)


def unpack(scratch: Path) -> Path:
    """The files of bpftool and of the libraries that it needs."""
    for directory in ("lists/partial", "archives/partial"):
        (scratch / directory).mkdir(parents=True)
    sources = scratch / "sources.list"
    sources.write_text("".join(f"deb {mirror()} {suite} main\n" for suite in SUITES))
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": os.devnull,
        "Dir::State::lists": scratch / "lists",
        "Dir::State::status": os.devnull,
        "Dir::Cache": scratch,
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    run("apt-get", *options, "--quiet", "update", cwd=scratch)
    run("apt-get", *options, "--quiet", "download", *PACKAGES, cwd=scratch)
    for package in sorted(scratch.glob("*.deb")):
        run("dpkg-deb", "--extract", package, scratch / "tree")
    return scratch / "tree"


def start_script(tree: Path) -> Path:
    """The script, which names the tree where it is now."""
    (loader,) = tree.glob("usr/lib/*/ld-linux-*.so.*")
    script = tree / f"start-{platform.machine()}"
    text = START.format(
        libraries=loader.parent, loader=loader.name, program=tree / "usr/sbin/bpftool"
    )
    if not script.exists() or script.read_text() != text:
        script.write_text(text)
        script.chmod(0o755)
    return script
