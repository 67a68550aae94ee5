"""Long output goes through the user's pager, as git's does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from types import TracebackType

import click

from btfschema.cli.terminal import is_dumb

__all__ = ["Pager", "pager_command"]

# What git gives less: end where all fits, pass colours on, leave the text there. LV is for lv.
DEFAULTS = {"LESS": "FRX", "LV": "-c"}
# A shell's exit code of what ended since nobody read it.
UNREAD = 128 + getattr(signal, "SIGPIPE", 13)


def pager_command() -> str | None:
    """BTFSCHEMA_PAGER, or PAGER, or less; None for an empty one, for cat, and without less."""
    for name in ("BTFSCHEMA_PAGER", "PAGER"):
        if (told := os.environ.get(name)) is not None:
            return None if told.strip() in ("", "cat") else told
    return "less" if not is_dumb() and shutil.which("less") else None


class Pager:
    """Starts with the first line that a command prints to a terminal.

    Standard output, and standard error where it is a terminal too, are the pager's from then on;
    leaving the context waits until the user closes it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, int] = {}
        self._settled = False

    @property
    def is_running(self) -> bool:
        """Whether what is printed goes to a pager."""
        return self._process is not None

    def refuse(self) -> None:
        """Start none any more."""
        self._settled = True

    def start(self) -> None:
        """Start it, unless it was decided already whether there is one."""
        if self._settled:
            return
        self._settled = True
        command = pager_command()
        if command is None or sys.stdout is None or not sys.stdout.isatty():
            return
        env = {**DEFAULTS, **os.environ}
        sys.stdout.flush()
        self._process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=env)
        if self._process.stdin is None:
            return
        with self._process.stdin as pipe:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and stream.isatty():
                    number = stream.fileno()
                    self._before[number] = os.dup(number)
                    os.dup2(pipe.fileno(), number)
        if hasattr(signal, "SIGPIPE"):
            # That the user closes it is noticed when writing, so that it can be waited for.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def __enter__(self) -> Pager:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for it; a command whose output is not read to its end ends like any other then."""
        if self._process is None:
            return
        unread = isinstance(error, BrokenPipeError) or not _flushed()
        if unread and sys.stdout is not None:
            # What could not be written is not tried again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            os.close(self._before.pop(sys.stdout.fileno()))
        for number, saved in self._before.items():
            os.dup2(saved, number)
            os.close(saved)
        from btfschema.cli.stops import Stopped

        if isinstance(error, Stopped):
            self._process.terminate()
        _wait(self._process)
        self._process = None
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if unread and (error is None or isinstance(error, BrokenPipeError)):
            raise click.exceptions.Exit(UNREAD)


def _flushed() -> bool:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        return False
    return True


def _wait(process: subprocess.Popen[bytes]) -> None:
    """^C is the pager's while it runs."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
