"""What a person sees: commands run in a pseudo-terminal, and the screen that their output makes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Seconds that an interrupted command is waited for.
PATIENCE = 60.0


def in_terminal(
    columns: int,
    *args: str | Path,
    program: Sequence[str] = ("-m", "btfschema"),
    env: Mapping[str, str] | None = None,
) -> tuple[str, int]:
    """All that a command writes to a terminal of this width, and its exit code.

    It has no pager and no colour unless ``env`` says so.
    """
    command = [sys.executable, *program, *map(str, args)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=_environment(env)
    )
    os.close(theirs)
    data = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            data += chunk
    except OSError:
        pass  # As Linux says that the other side is closed.
    finally:
        os.close(ours)
    return data.decode("utf-8", "surrogateescape"), process.wait()


def interrupted_in_terminal(
    ready: Callable[[str], bool], *args: str | Path, pauses: Sequence[float] = ()
) -> tuple[str, int]:
    """The same for a command that gets ^C from its terminal, as soon as what it wrote is ready.

    Args:
        ready: whether it is.
        args: the command's.
        pauses: seconds after which each further ^C comes.

    Raises:
        TimeoutExpired: it does not end.
    """
    ours, theirs = pty.openpty()
    # The first terminal that the leader of a session opens interrupts all its processes.
    shell = ["sh", "-c", 'exec "$@" 0<>"$0" 1>&0 2>&0', os.ttyname(theirs)]
    command = [*shell, sys.executable, "-m", "btfschema", *map(str, args)]
    process = subprocess.Popen(
        command, start_new_session=True, preexec_fn=_heed_interrupts, env=_environment(None)
    )
    data, sent, ends = b"", False, time.monotonic() + PATIENCE
    try:
        while process.poll() is None:
            if time.monotonic() > ends:
                raise subprocess.TimeoutExpired(command, PATIENCE, data)
            if select.select([ours], [], [], 0.005)[0]:
                data += os.read(ours, 1 << 16)
            if not sent and ready(data.decode()):
                os.write(ours, b"\x03")
                for pause in pauses:
                    time.sleep(pause)
                    os.write(ours, b"\x03")
                sent = True
        while select.select([ours], [], [], 0)[0]:
            data += os.read(ours, 1 << 16)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        os.close(theirs)
        os.close(ours)
        code = process.wait()
    return data.decode(), code


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """The same on every machine: of the user's variables, none that changes what is shown."""
    told = ("COLUMNS", "COLORTERM", "FORCE_COLOR", "NO_COLOR", "PAGER", "BTFSCHEMA_PAGER", "LESS")
    kept = {name: value for name, value in os.environ.items() if name not in told}
    return {**kept, "TERM": "xterm", "NO_COLOR": "1", "PAGER": "cat", **(more or {})}


def _heed_interrupts() -> None:
    """As a shell's foreground job does, also where whoever runs the tests ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def screen(text: str, columns: int) -> list[str]:
    """The lines that text leaves on a terminal: long lines are wrapped, a return writes over.

    Of control sequences, those that erase a line and go lines up are followed, colour is not.
    """
    lines, row, column = [""], 0, 0
    for part in re.findall("\x1b\\[[?0-9;]*[A-Za-z]|.", text, re.DOTALL):
        if part == "\r":
            column = 0
        elif part == "\n" or (column == columns and len(part) == 1):
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif len(part) > 1:
            if part.endswith("A"):
                row = max(0, row - int(part[2:-1] or 1))
            elif part == "\x1b[2K":
                lines[row] = ""
            continue
        if part not in "\r\n":
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]
