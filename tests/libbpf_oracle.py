"""libbpf 1.5 of Debian's ``linux-source-6.12``, built once and asked over a pipe."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from debian_packages import CACHE, package_tree

__all__ = ["LibbpfError", "Oracle"]

SOURCE = "linux-source-6.12"
DRIVER = Path(__file__).parent / "differential" / "oracle.c"
# What building libbpf takes of the kernel's sources.
PARTS = ("tools/lib", "tools/build", "tools/scripts", "tools/include", "tools/arch", "scripts")


class LibbpfError(Exception):
    """libbpf refused; the message is what it said."""


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a program; what it said goes into the error when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        words = " ".join(map(str, command))
        raise RuntimeError(f"{words} failed: {done.stderr.strip()[-2000:]}")


def archive() -> Path:
    """The package's tar file: of the machine if it is installed, else downloaded."""
    name = Path("usr/src") / f"{SOURCE}.tar.xz"
    installed = Path("/") / name
    return installed if installed.exists() else package_tree(SOURCE) / name


def libbpf() -> Path:
    """The directory with ``libbpf.a`` and its headers, built unless it is in the cache."""
    tree = CACHE / "libbpf-1.5"
    if not tree.is_dir():
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
            inside = [f"{SOURCE}/{part}" for part in PARTS]
            run("tar", "-xf", archive(), *inside, cwd=Path(scratch))
            sources = Path(scratch) / SOURCE / "tools" / "lib" / "bpf"
            run("make", "--silent", "-C", sources)
            # Another test run may have been faster.
            if not tree.is_dir():
                sources.rename(tree)
    return tree


def driver() -> Path:
    """The program that answers, compiled again when its source changed."""
    digest = hashlib.sha256(DRIVER.read_bytes()).hexdigest()[:16]
    program = CACHE / f"oracle-{digest}"
    if not program.exists():
        built = libbpf()
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            output = Path(scratch) / "oracle"
            flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
            libraries = (built / "libbpf.a", "-lelf", "-lz")
            run("gcc", *flags, f"-I{built}", DRIVER, *libraries, "-o", output)
            output.rename(program)
    return program


class Oracle:
    """A running driver."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([driver()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.communicate()

    def distill(self, *chain: bytes) -> tuple[bytes, bytes]:
        """The distilled base and the split over it.

        Args:
            chain: the bases from the first to the last, then the split.
        """
        base, split = self._ask("D", *chain)
        return base, split

    def relocate(self, base: bytes, split: bytes, target: bytes) -> bytes:
        """The split over the target."""
        (moved,) = self._ask("R", base, split, target)
        return moved

    def value(
        self, btf: bytes, type_id: int, data: bytes, *, compact: bool, names: bool, zeroes: bool
    ) -> str:
        """A value as text (``btf_dump__dump_type_data``)."""
        flags = compact | (not names) << 1 | zeroes << 2
        (text,) = self._ask("V", btf, data, struct.pack("=2I", type_id, flags))
        return text.decode()

    def _ask(self, request: str, *blobs: bytes) -> list[bytes]:
        pipe: Any = self.process.stdin
        pipe.write(struct.pack("=2I", ord(request), len(blobs)))
        for blob in blobs:
            pipe.write(struct.pack("=I", len(blob)) + blob)
        pipe.flush()
        if self._number():
            raise LibbpfError(self._blob().decode())
        return [self._blob() for _ in range(self._number())]

    def _number(self) -> int:
        (number,) = struct.unpack("=I", self._read(4))
        return int(number)

    def _blob(self) -> bytes:
        return self._read(self._number())

    def _read(self, size: int) -> bytes:
        pipe: Any = self.process.stdout
        data: bytes = pipe.read(size)
        if len(data) < size:
            raise RuntimeError(f"the oracle ended early, with code {self.process.wait()}")
        return data
