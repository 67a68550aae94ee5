"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

__all__ = ["atomic_write"]


def atomic_write(path: str | os.PathLike[str], data: bytes | bytearray | memoryview) -> None:
    """Write ``data`` to a file, so that a reader sees the old content or the new, never a part.

    The bytes go to a temporary file in the target's directory, which is then renamed over the
    target. An existing target keeps its mode, and a symbolic link goes on pointing to it. What is
    no regular file (a terminal, a pipe, ``/dev/null``) is written to directly. Nothing is synced to
    the disk: this guards against failures of the program, not of the machine.

    Raises:
        OSError: the file can't be written. The old one is whole, and no temporary file is left.
    """
    # The rename would otherwise replace the link.
    target = Path(os.path.realpath(path))
    mode = target.stat().st_mode if target.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        with target.open("wb") as file:
            file.write(data)
        return
    temporary = target.with_name(f".btfschema-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
        temporary.replace(target)
    finally:
        # After the rename there is none under this name.
        temporary.unlink(missing_ok=True)
