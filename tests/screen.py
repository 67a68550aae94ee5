"""What a person sees: commands run in a pseudo-terminal, and the screen that their output makes."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path


def in_terminal(columns: int, *args: str | Path) -> tuple[str, int]:
    """All that a command writes to a terminal of this width, and its exit code."""
    command = [sys.executable, "-m", "btfschema", *map(str, args)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    data = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            data += chunk
    except OSError:
        pass  # As Linux says that the other side is closed.
    finally:
        os.close(ours)
    return data.decode(), process.wait()


def screen(text: str, columns: int) -> list[str]:
    """The lines that text leaves on a terminal: long lines are wrapped, a return writes over."""
    lines, column = [""], 0
    for character in text:
        if character == "\r":
            column = 0
        elif character == "\n":
            lines.append("")
        else:
            if column == columns:
                lines.append("")
                column = 0
            lines[-1] = lines[-1][:column].ljust(column) + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]
