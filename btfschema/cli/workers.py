"""Who does the work on many files: this process, several, or a cluster."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from btfschema.cli.stops import STOPPING, stops_kept_from_children

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Workers", "workers_of"]

DASK = "dask://"


@frozen
class Workers:
    """Who does the work.

    Attributes:
        executor: None does it here.
        count: how many pieces of work are done at once.
        fork: makes processes of this one, which know from then on what this one knows; None where
            they are none, or none of its own.
    """

    executor: Executor | None = None
    count: int = 1
    fork: Callable[[], None] | None = None


@contextmanager
def workers_of(url: str | None, jobs: int) -> Iterator[Workers]:
    """Workers as the command line asks for them; they end when they are no longer needed.

    Raises:
        click.UsageError: the URL is of no known kind, or what it needs is not installed.
    """
    if url is None:
        if jobs == 1:
            yield Workers()
        else:
            with _processes(jobs) as workers:
                yield workers
        return
    if not url.startswith(DASK):
        raise click.UsageError(f"--executor {url!r}: expected {DASK}HOST:PORT")
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        message = '--executor dask://... needs dask: pip install "btfschema[dask]"'
        raise click.UsageError(message) from None
    with distributed.Client(f"tcp://{url.removeprefix(DASK)}") as client:
        yield Workers(client.get_executor(), max(1, sum(client.ncores().values())))


@contextmanager
def _processes(count: int) -> Iterator[Workers]:
    """Processes that finish what they are at when this one is stopped, and do nothing more.

    A terminal interrupts all processes of a command, and a service manager terminates them; this
    one alone is to act on it. A worker that died of it would take the pool along, and show its
    traceback. When this process is killed without a warning, the workers end by themselves.
    """
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(count, initializer=_follow_parent)

    def fork() -> None:
        with stops_kept_from_children():
            # Where processes are forked, the first piece of work forks all workers, before any can
            # ignore interrupts; elsewhere each piece that finds none free starts another.
            for _ in range(count):
                pool.submit(int)

    try:
        yield Workers(pool, count, fork)
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave signals to the parent process, and end when it ends."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_outlive_not, daemon=True).start()


def _outlive_not() -> None:
    """Wait for the parent's end, however the worker was started, and end at once.

    Forked workers hold the pipes of those forked before them, so that the last one ends first, and
    then the one before it.
    """
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
