"""The examples in README and docs are tests: Python blocks, and console blocks with output."""

from __future__ import annotations

import doctest
import lzma
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent
DATA = ROOT / "tests" / "data"
MODULES = ("nf_tables", "libiscsi", "xfs", "8021q")


# What only a shell can do with a line, outside of single quotes.
SHELL = re.compile(r"""[|<>&;$`*?~"\\]""")


def _printed(command: str) -> str:
    """What a line prints. A single command of ours runs here, which saves a process."""
    from shell import btfschema

    plain = re.sub("'[^']*'", "", command)
    if command.startswith("btfschema ") and not SHELL.search(plain):
        here = btfschema(*shlex.split(command)[1:])
        return (here.stdout + here.stderr).decode()
    python = f"{shlex.quote(sys.executable)} -m btfschema "
    shell = command.replace("btfschema ", python, 1)
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


def _run_console(example: Example) -> str | None:
    """Run each ``$`` line of a block and compare what it prints, ``...`` standing for anything."""
    checker = doctest.OutputChecker()
    for block in ("\n" + str(example.parsed)).split("\n$ ")[1:]:
        command, _, wanted = block.partition("\n")
        wanted, got = wanted.rstrip() + "\n", _printed(command).rstrip() + "\n"
        if not checker.check_output(wanted, got, doctest.ELLIPSIS):
            return f"$ {command}\nexpected:\n{wanted}\ngot:\n{got}"
    return None


def _parsers() -> list[Any]:
    return [PythonCodeBlockParser(), CodeBlockParser(language="console", evaluator=_run_console)]


@pytest.fixture(scope="session")
def example_files() -> Iterator[Path]:
    """A directory with the files that the examples name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("cloud", "generic"):
            data = lzma.decompress((DATA / f"vmlinux-{kind}.btf.xz").read_bytes())
            (folder / f"vmlinux-{kind}.btf").write_bytes(data)
        (folder / "vmlinux.btf").symlink_to("vmlinux-cloud.btf")
        with tarfile.open(DATA / "modules-cloud.tar.xz") as archive:
            for entry in archive.getmembers():
                file = archive.extractfile(entry) if Path(entry.name).stem in MODULES else None
                if file is not None:
                    (folder / Path(entry.name).name).write_bytes(file.read())
        for path in (DATA / "core" / "objects").glob("*.bpf.o"):
            (folder / path.name).write_bytes(path.read_bytes())
        yield folder


@pytest.fixture
def in_example_files(example_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example where its files are."""
    monkeypatch.chdir(example_files)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "transforms")]))


@pytest.fixture(scope="session")
def sample_files() -> Iterator[Path]:
    """What ``btfschema samples`` unpacks, in which a reader of README is."""
    from shell import btfschema

    with tempfile.TemporaryDirectory() as name:
        assert btfschema("samples", name).returncode == 0
        yield Path(name)


@pytest.fixture
def in_sample_files(sample_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run an example of README where its reader is."""
    monkeypatch.chdir(sample_files)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "transforms")]))


_readme = Sybil(
    parsers=_parsers(), patterns=["README.md"], excludes=["tests/**"], fixtures=["in_sample_files"]
)
_pages = Sybil(
    parsers=_parsers(),
    patterns=["*.md"],
    excludes=["README.md", "tests/**", "docs/_build/**", "docs/reference/api/**"],
    fixtures=["in_example_files"],
)
pytest_collect_file = (_readme + _pages).pytest()
