"""The command line as a shell sees it: bytes in, bytes and an exit code out.

A process takes a third of a second before it does anything, so commands run in this one. Tests of
what only a process has (signals, workers, closed pipes, terminals, imports) start one themselves,
or ask for it with ``apart``.
"""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from unittest import mock

from btfschema.cli import main

__all__ = ["as_text", "btfschema"]


def btfschema(
    *args: str | Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    apart: bool = False,
    encoding: str | None = None,
    stdout: str | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command.

    Args:
        args: as on the command line.
        stdin: standard input.
        env: more of the environment.
        apart: in a process of its own; always so with ``--jobs``.
        encoding: that of a locale whose output takes nothing else; UTF-8 and any bytes by default.
        stdout: a file that standard output goes to instead.
    """
    words = [os.fspath(arg) for arg in args]
    if apart or "--jobs" in words:
        command = [sys.executable, "-m", "btfschema", *words]
        whole = {**os.environ, **(env or {})}
        return subprocess.run(command, input=stdin, capture_output=True, check=False, env=whole)
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(stdin)
        files[0].seek(0)
        stack.enter_context(mock.patch.dict(os.environ, env or {}))
        out: BinaryIO = files[1]
        if stdout is not None:
            out = stack.enter_context(Path(stdout).open("wb"))
        with _streams(files[0], out, files[2], encoding):
            code = _exit_code(words)
        for file in files[1:]:
            file.seek(0)
        return subprocess.CompletedProcess(words, code, files[1].read(), files[2].read())


def as_text(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[str]:
    """The same, with what was printed as text."""
    out, err = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def _exit_code(words: list[str]) -> int:
    try:
        main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextmanager
def _streams(
    stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO, encoding: str | None
) -> Iterator[None]:
    """Standard streams that have files behind them, and a process that is afterwards as it was."""
    before = sys.stdin, sys.stdout, sys.stderr
    path, collecting = list(sys.path), gc.isenabled()
    opened = [
        io.TextIOWrapper(
            os.fdopen(os.dup(file.fileno()), mode), encoding=encoding or "utf-8", errors=errors
        )
        for file, mode, errors in (
            (stdin, "rb", "surrogateescape"),
            (stdout, "wb", "strict" if encoding else "surrogateescape"),
            (stderr, "wb", "backslashreplace"),
        )
    ]
    sys.stdin, sys.stdout, sys.stderr = opened
    try:
        yield
    finally:
        for stream in opened:
            stream.close()
        sys.stdin, sys.stdout, sys.stderr = before
        sys.path[:] = path
        if collecting:
            gc.enable()
