"""Debian packages, fetched with apt and unpacked, for tests on what distributions ship.

Nothing of the system changes: packages are unpacked into a cache, and for an architecture that is
not the machine's apt keeps its lists there too.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

__all__ = ["CACHE", "package_tree"]

CACHE = Path(os.environ.get("BTFSCHEMA_CACHE") or Path.home() / ".cache" / "btfschema-tests")


def package_tree(name: str, architecture: str | None = None) -> Path:
    """The unpacked files of a package, from the cache or else from the machine's apt sources.

    Args:
        name: such as ``linux-image-6.12.117+deb12-cloud-amd64``.
        architecture: Debian's name of it; the machine's unless given.
    """
    tree = CACHE / "packages" / (f"{name}:{architecture}" if architecture else name)
    if tree.is_dir():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    options = foreign_apt(architecture) if architecture else []
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        run("apt-get", *options, "--quiet", "download", name, cwd=scratch)
        (package,) = Path(scratch).glob("*.deb")
        run("dpkg-deb", "--extract", str(package), "tree", cwd=scratch)
        unpacked = Path(scratch) / "tree"
        # Another test run may have been faster.
        if not tree.is_dir():
            unpacked.rename(tree)
    return tree


def foreign_apt(architecture: str) -> list[str]:
    """Options with which apt knows another architecture, its lists fetched into the cache."""
    state = CACHE / f"apt-{architecture}"
    for directory in ("lists/partial", "archives/partial"):
        (state / directory).mkdir(parents=True, exist_ok=True)
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": os.devnull,
        "Dir::Cache": state,
    }
    options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
    run("apt-get", *options, "--quiet", "update", cwd=state)
    return options


def run(*command: str, cwd: str | Path) -> None:
    """Run a program; what it said goes into the error when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}"
        raise RuntimeError(message)
