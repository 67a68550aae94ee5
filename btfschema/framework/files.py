"""The same work on many files: in order, going on after failures, by any executor.

An executor is anything that is a ``concurrent.futures.Executor``: threads, processes, or the one
of ``dask.distributed``, which brings its own machines. Work goes out in small chunks, a bounded
number at a time, and comes back in the order of the files, so that neither the number of workers
nor that of the files tells how much memory it takes.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import field, frozen

from btfschema.arguments import require_type
from btfschema.errors import BtfError, Failure, RequirementError, attempt
from btfschema.framework.facts import plain
from btfschema.framework.noting import Noting
from btfschema.framework.passes import Context, Diagnostic, PassResult
from btfschema.model.container import Btf
from btfschema.model.loading import dumps, pickled, unpickled
from btfschema.sources import StrPath, load, load_many
from btfschema.tables.ids import IdMap

if TYPE_CHECKING:
    from btfschema.framework.pipeline import Pipeline

__all__ = [
    "Done",
    "Each",
    "Failed",
    "Outcome",
    "Shared",
    "Work",
    "map_ordered",
    "map_pipeline",
    "run_loaded",
]

R = TypeVar("R")
S = TypeVar("S")

# Many at once cost less each; but whoever waits for the first does not want to wait for thousands.
TOGETHER = 32
# What is sent to another process: enough to be worth it, few enough to keep all of them at work.
CHUNK = 8
# Chunks that are sent out and not given back yet.
AHEAD = 32


@frozen(eq=False)
class Outcome(Generic[S, R]):
    """What became of one source: a result, or the error that it failed with.

    Each is a :class:`Done` or a :class:`Failed`, so that type checkers know that there is a result
    where ``error`` is None.
    """

    source: S
    result: R | None
    error: Failure | None


@frozen(eq=False)
class Done(Outcome[S, R]):
    """What became of a source that the work was done on."""

    result: R
    error: None = None


@frozen(eq=False)
class Failed(Outcome[S, Any]):
    """The error that the work on a source failed with."""

    result: None = field(default=None, init=False)
    error: Failure


@frozen
class Shared:
    """A file whose BTF many pieces of work use: read once in each process.

    Processes that are forked find it read already. The file is told by its path, size and time of
    change, so that an executor may outlive a change.
    """

    path: str
    size: int
    mtime_ns: int
    # As it was given, for messages.
    name: str = field(default="", eq=False, repr=False)

    @classmethod
    def of(cls, path: StrPath) -> Shared:
        """The file as it is now.

        Raises:
            OSError: there is none.
        """
        status = Path(path).stat()
        return cls(str(Path(path).absolute()), status.st_size, status.st_mtime_ns, os.fspath(path))

    def open(self) -> Btf:
        """The container, read when it is first asked for."""
        with _OPENING:
            return _OPENED[self] if self in _OPENED else self._keep(load(self._readable))

    def keep(self, btf: Btf) -> None:
        """Say what the file holds, which whoever wrote it knows."""
        with _OPENING:
            self._keep(btf)

    @property
    def _readable(self) -> str:
        """The name as given, which errors repeat, where it leads to the file; else the path."""
        return self.name if str(Path(self.name).absolute()) == self.path else self.path

    def _keep(self, btf: Btf) -> Btf:
        if len(_OPENED) >= MOST_OPENED:
            del _OPENED[next(iter(_OPENED))]
        _OPENED[self] = btf
        return btf


MOST_OPENED = 8
_OPENED: dict[Shared, Btf] = {}
_OPENING = threading.Lock()


Work = Callable[[Sequence[S]], Sequence[R | Failure]]
"""Does some sources together; gives a result or an error for each."""


@frozen
class Each(Generic[S, R]):
    """Work that is done on one source at a time.

    Attributes:
        work: raises BtfError or OSError for a source that it can't do.
    """

    work: Callable[[S], R]

    def __call__(self, sources: Sequence[S]) -> list[R | Failure]:
        """Do them one after another."""
        return [attempt(self.work, source) for source in sources]


def map_ordered(
    work: Work[S, R],
    sources: Iterable[S],
    executor: Executor | None = None,
    together: int | None = None,
    ahead: int = AHEAD,
) -> Generator[Done[S, R] | Failed[S], None, None]:
    """Do ``work`` on the sources; outcomes come in the order of the sources.

    Whoever stops asking before the end stops the work. What an executor has by then is cancelled;
    but not what a ``ProcessPoolExecutor`` has, which its ``shutdown(cancel_futures=True)`` cancels.

    Args:
        work: takes some sources and gives a result or an error for each. For another process, both
            it and the results must be picklable.
        sources: taken as they are needed.
        executor: who does it; None does one after another here.
        together: how many sources are done together at most; None is ``CHUNK`` with an executor,
            one for :class:`Each` here, and ``TOGETHER`` for other work here.
        ahead: how many times as many an executor is given before the first must be done.

    Raises:
        BtfError: a worker process ended, so that what it worked on is lost.
        Exception: what ``work`` raised instead of giving an error. The outcomes of the sources
            before come first, and a note of it names the source.
    """
    waiting = iter(sources)
    if executor is not None:
        require_type("executor", executor, Executor, "an executor: ProcessPoolExecutor(4), say")
    if executor is None:
        size = together or (1 if isinstance(work, Each) else TOGETHER)
        while chunk := list(islice(waiting, size)):
            yield from _outcomes(chunk, partial(work, chunk), work)
        return

    def again(chunk: Sequence[S]) -> Sequence[R | Failure]:
        return executor.submit(work, chunk).result()

    from concurrent.futures.process import ProcessPoolExecutor

    pending: deque[tuple[list[S], Future[Sequence[R | Failure]]]] = deque()
    try:
        while chunk := list(islice(waiting, together or CHUNK)):
            pending.append((chunk, executor.submit(work, chunk)))
            if len(pending) >= ahead:
                sent, future = pending.popleft()
                yield from _outcomes(sent, future.result, again)
        while pending:
            sent, future = pending.popleft()
            yield from _outcomes(sent, future.result, again)
    except BrokenExecutor as error:
        message = f"a worker process ended before its work was done ({error})"
        raise BtfError(message, expected="workers that live on") from error
    finally:
        # When a pool of processes loses one, it fails all futures that wait; in Python 3.11 it
        # hangs for ever when one of them was cancelled by anybody else.
        if not isinstance(executor, ProcessPoolExecutor):
            for _, future in pending:
                future.cancel()


def _outcomes(
    sources: Sequence[S],
    done: Callable[[], Sequence[R | Failure]],
    again: Work[S, R],
) -> Iterator[Done[S, R] | Failed[S]]:
    """What became of some sources that were done together.

    Args:
        sources: they.
        done: gives a result or an error for each.
        again: does some anew, when that raises something else.
    """
    results: Sequence[R | Failure] | None = None
    if len(sources) == 1:
        with Noting(lambda: [f"(while working on {sources[0]})"]):
            results = done()
    else:
        # This hides nothing: what raised for many raises again for the one that is at fault.
        with suppress(Exception):
            results = done()
    if results is None:
        for source in sources:
            yield from _outcomes([source], partial(again, [source]), again)
        return
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, BtfError | OSError):
            yield Failed(source, result)
        else:
            yield Done(source, result)


@frozen(eq=False)
class _Here:
    """A pipeline on some files, in this process."""

    pipeline: Pipeline
    base: Btf | None
    inputs: Mapping[str, Btf]

    def __call__(self, sources: Sequence[StrPath]) -> list[PassResult | Failure]:
        return run_loaded(self.pipeline, load_many(sources, self.base), Context(self.inputs))


def run_loaded(
    pipeline: Pipeline, btfs: Sequence[Btf | Failure], ctx: Context
) -> list[PassResult | Failure]:
    """Run a pipeline on the files that could be read; the errors of the others stay."""
    sound = [one for one in btfs if isinstance(one, Btf)]
    try:
        results: Iterator[PassResult | Failure] = iter(pipeline.run_many(sound, ctx))
    except (BtfError, OSError):
        # A pass or an observer raised: each file by itself says whether it was at fault.
        results = iter([attempt(pipeline.run, btf, ctx) for btf in sound])
    return [next(results) if isinstance(one, Btf) else one for one in btfs]


@frozen(eq=False)
class _Sent:
    """A pass's result without the containers that whoever asked has himself.

    Attributes:
        content: what :func:`btfschema.model.loading.unpickled` takes, without the base.
        base: the name of the input that the result is split over, ``""`` for the base that was
            given; or another base, or None.
    """

    content: tuple[Any, ...]
    base: str | Btf | None
    ids: IdMap
    facts: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, result: PassResult, known: Mapping[str, Btf]) -> _Sent:
        data, base, *more = pickled(result.btf)
        names = [name for name, one in known.items() if one is base]
        facts = {name: plain(value) for name, value in result.facts.items()}
        sent = names[0] if names else base
        return cls((data, *more), sent, result.ids, facts, result.diagnostics)

    def received(self, known: Mapping[str, Btf]) -> PassResult:
        base = known[self.base] if isinstance(self.base, str) else self.base
        data, *more = self.content
        return PassResult(unpickled(data, base, *more), self.ids, self.facts, self.diagnostics)


@frozen(eq=False)
class _There:
    """A pipeline on some files, wherever an executor wants it."""

    pipeline: Pipeline
    files: Mapping[str, Shared]

    def __call__(self, sources: Sequence[StrPath]) -> list[_Sent | Failure]:
        known = {name: file.open() for name, file in self.files.items()}
        inputs = {name: btf for name, btf in known.items() if name}
        results = _Here(self.pipeline, known.get(""), inputs)(sources)
        return [_Sent.of(one, known) if isinstance(one, PassResult) else one for one in results]


def map_pipeline(
    pipeline: Pipeline,
    sources: StrPath | Iterable[StrPath],
    executor: Executor | None,
    progress: Callable[[Outcome[StrPath, PassResult]], object] | None,
    base: Btf | StrPath | None,
    inputs: Mapping[str, Btf | StrPath],
) -> Iterator[Done[StrPath, PassResult] | Failed[StrPath]]:
    """What :meth:`btfschema.Pipeline.map` does."""
    # Any iterable is taken as it is: it may be endless.
    if isinstance(sources, str | os.PathLike):
        sources = [sources]
    given = {**({"": base} if base is not None else {}), **inputs}
    with ExitStack() as stack:
        files: dict[str, Shared] = {}
        if executor is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="btfschema-")))
            files = {
                name: _filed(one, folder / f"{n}.btf")
                for n, (name, one) in enumerate(given.items())
            }
        known = {
            name: one if isinstance(one, Btf) else (files.get(name) or Shared.of(one)).open()
            for name, one in given.items()
        }
        outcomes: Iterable[Done[StrPath, PassResult] | Failed[StrPath]]
        if executor is None:
            named = {name: btf for name, btf in known.items() if name}
            outcomes = map_ordered(_Here(pipeline, known.get(""), named), sources)
        else:
            sent = map_ordered(_There(pipeline, files), sources, executor)
            outcomes = (
                Done(one.source, one.result.received(known)) if one.error is None else one
                for one in sent
            )
        for outcome in outcomes:
            if progress is not None:
                progress(outcome)
            yield outcome


def _filed(btf: Btf | StrPath, path: Path) -> Shared:
    """What workers read: the file that was named, or one that is written for them."""
    if not isinstance(btf, Btf):
        return Shared.of(btf)
    if btf.base is not None:
        raise RequirementError(
            "a base that is split itself can't be handed to an executor's workers",
            got="split BTF",
            expected="stand-alone BTF",
        )
    path.write_bytes(dumps(btf))
    found = Shared.of(path)
    found.keep(btf)
    return found
