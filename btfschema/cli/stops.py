"""Signals that ask a command to stop: what they raise, and what they must not break."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import IO, Any, TypeVar

import click

__all__ = [
    "STOPPING",
    "Interrupted",
    "Stopped",
    "between_stops",
    "ended_unread",
    "in_main_thread",
    "stops_held",
    "stops_kept_from_children",
    "stops_once",
]

T = TypeVar("T")

# The signals that ask a command to stop.
STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
# How many seconds a stopped command has to end; a signal that comes later ends it at once.
GRACE = 3.0


class Stopped(KeyboardInterrupt):
    """SIGTERM or SIGHUP came, as from a service manager or a terminal that closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupted(click.ClickException):
    """A command was stopped; says how far it came. The exit code is a shell's.

    Args:
        cause: what stopped it.
        far: how far it came, to go after "interrupted" or "terminated".
    """

    def __init__(self, cause: KeyboardInterrupt, far: str = "") -> None:
        by_signal = isinstance(cause, Stopped)
        super().__init__(f"{'terminated' if by_signal else 'interrupted'}{far}")
        # click reads it of the instance, and declares it of the class.
        self.exit_code = 128 + (cause.number if isinstance(cause, Stopped) else signal.SIGINT)  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Say so as other errors are said, in a line of its own after a terminal's ^C."""
        from btfschema.cli.outputs import echo

        if sys.stderr.isatty():
            echo(err=True)
        echo(f"btfschema: {self.message}", err=True)


class _Stops:
    """What :func:`stops_once` and :func:`stops_held` know of each other.

    Attributes:
        held: how many blocks hold signals.
        first: the first signal that came, and when; None before.
        raised: whether it stopped the command.
    """

    held = 0
    first: tuple[int, float] | None = None
    raised = False


def in_main_thread() -> bool:
    """Whether signals can be handled here."""
    return threading.current_thread() is threading.main_thread()


def _stop() -> None:
    """Stop the command if a signal came, nothing holds it, and none has stopped it yet."""
    if _Stops.first is not None and not _Stops.held and not _Stops.raised:
        _Stops.raised = True
        number, _ = _Stops.first
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)


@contextmanager
def stops_once(*, restore: bool) -> Iterator[None]:
    """SIGTERM and SIGHUP stop a command as ^C does, unless whoever started it ignores them.

    Once is enough: nothing disturbs a command while it ends, such as a second ^C while workers
    finish what they are at. If it does not end, since nobody reads its output or a file system does
    not answer, a signal after :data:`GRACE` acts as if there were no handler.

    Args:
        restore: whether the block leaves the signals as it found them even if the command was
            stopped, and gives them to their handlers after :data:`GRACE`.
    """
    if not in_main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        if _Stops.first is None:
            _Stops.first = number, time.monotonic()
        elif time.monotonic() - _Stops.first[1] > GRACE:
            for each, old in before.items():
                signal.signal(each, old if restore else signal.SIG_DFL)
            signal.raise_signal(number)
        _stop()

    before = {number: signal.getsignal(number) for number in STOPPING}
    before = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        # Nor is the end of the interpreter disturbed, which would change the exit code.
        ignored = _Stops.raised and not restore
        for number, old in before.items():
            signal.signal(number, signal.SIG_IGN if ignored else old)
        _Stops.first, _Stops.raised = None, False


@contextmanager
def ended_unread(*, restore: bool) -> Iterator[None]:
    """A command ends without a word when nobody reads its output any more, as other filters do.

    Args:
        restore: whether the block leaves the signal as it found it.
    """
    if not hasattr(signal, "SIGPIPE") or not in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
    finally:
        if restore:
            signal.signal(signal.SIGPIPE, before)


@contextmanager
def stops_held() -> Iterator[None]:
    """Signals that stop a command wait until the block ends; the first of them stops it then.

    They are noted by the handler of :func:`stops_once`. To block them would cost system calls for
    each file, and would not be enough: another thread would receive them, and Python would still
    run the handler in this one.
    """
    if not in_main_thread():
        yield
        return
    _Stops.held += 1
    try:
        yield
    finally:
        _Stops.held -= 1
        _stop()


@contextmanager
def stops_kept_from_children() -> Iterator[None]:
    """Signals that stop a command wait until the block ends; processes it starts get none."""
    with stops_held():
        if not hasattr(signal, "pthread_sigmask"):
            yield
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def between_stops(items: Generator[T, None, None]) -> Iterator[T]:
    """The items, none of them None; signals that stop a command wait for the next item.

    For what comes from a pool of processes: when an interrupt meets the locks of
    ``concurrent.futures``, which are written in Python, one may stay locked, so that the pool never
    ends, or be unlocked twice.
    """
    with closing(items):
        while True:
            with stops_held():
                item = next(items, None)
            if item is None:
                return
            yield item
