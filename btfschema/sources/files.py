"""Writing files whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Content", "atomic_write", "atomic_write_all"]

Content = bytes | bytearray | memoryview

# How the names of temporary files begin and end; only a program that is killed leaves any.
TEMPORARY = (".btfschema-", ".tmp")


def atomic_write(path: str | os.PathLike[str], data: Content) -> None:
    """Write ``data`` to a file, so that a reader sees the old content or the new, never a part.

    The bytes go to a temporary file in the target's directory, which is then renamed over the
    target. An existing target keeps its mode, and a symbolic link goes on pointing to it. What is
    no regular file (a terminal, a pipe, ``/dev/null``) is written to directly. Nothing is synced to
    the disk: this guards against failures of the program, not of the machine.

    Raises:
        OSError: the file can't be written. The old one is whole, and no temporary file is left.
    """
    atomic_write_all({Path(path): data})


@contextmanager
def _blaming(target: str) -> Iterator[None]:
    """Let errors name the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        error.filename = target
        raise


def atomic_write_all(contents: Mapping[Path, Content]) -> None:
    """Write files that belong together: none is touched until all could be written.

    Each is written like :func:`atomic_write` does; they are renamed in the order given.

    Raises:
        OSError: one can't be written. All old ones are whole, and no temporary file is left.
    """
    # A kernel has thousands of files to write: as few system calls for each as there can be.
    renames: list[tuple[str, str]] = []
    try:
        for path, data in contents.items():
            target, mode = _target(os.fspath(path))
            if mode is not None and not stat.S_ISREG(mode):
                with open(target, "wb") as file:  # noqa: PTH123
                    file.write(data)
                continue
            folder, _ = os.path.split(target)
            temporary = os.path.join(folder, secrets.token_hex(8).join(TEMPORARY))  # noqa: PTH118
            renames.append((temporary, target))
            with _blaming(target), open(temporary, "xb") as file:  # noqa: PTH123
                if mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(mode))
                file.write(data)
        while renames:
            os.replace(*renames[0])  # noqa: PTH105
            del renames[0]
    finally:
        for temporary, _ in renames:
            Path(temporary).unlink(missing_ok=True)


def _target(path: str) -> tuple[str, int | None]:
    """The file that a path leads to, and its mode, or None where there is none."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path, None
    if not stat.S_ISLNK(mode):
        return path, mode
    # The rename would otherwise replace the link.
    return _target(os.path.realpath(path))
