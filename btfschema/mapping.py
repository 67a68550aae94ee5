"""The same work on many files: in order, going on after failures, by any executor.

An executor is anything that is a ``concurrent.futures.Executor``: threads, processes, or the one
of ``dask.distributed``, which brings its own machines. Work goes out in small chunks, a bounded
number at a time, and comes back in the order of the files, so that neither the number of workers
nor that of the files tells how much memory it takes.
"""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import evolve, frozen

from btfschema.container import Btf, dumps, loads
from btfschema.errors import BtfError, RequirementError
from btfschema.framework import Context, Diagnostic, PassResult
from btfschema.ids import IdMap
from btfschema.sources import StrPath, load

if TYPE_CHECKING:
    from btfschema.pipeline import Pipeline

__all__ = ["Outcome", "Shared", "map_ordered", "map_pipeline"]

R = TypeVar("R")
S = TypeVar("S")

# A module takes a millisecond, sending a chunk to another process about as long.
CHUNK = 8
# Chunks that are sent out and not given back yet.
AHEAD = 32


@frozen(eq=False)
class Outcome(Generic[S, R]):
    """What became of one source: a result, or the error that it failed with."""

    source: S
    result: R | None = None
    error: BtfError | OSError | None = None


@frozen
class Shared:
    """A file whose BTF many pieces of work use: read once in each process.

    Processes that are forked find it read already. The file is told by its path, size and time of
    change, so that an executor may outlive a change.
    """

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: StrPath) -> Shared:
        """The file as it is now.

        Raises:
            OSError: there is none.
        """
        status = Path(path).stat()
        return cls(str(Path(path).absolute()), status.st_size, status.st_mtime_ns)

    def open(self) -> Btf:
        """The container, read when it is first asked for."""
        with _OPENING:
            return _OPENED[self] if self in _OPENED else self._keep(load(self.path))

    def keep(self, btf: Btf) -> None:
        """Say what the file holds, which whoever wrote it knows."""
        with _OPENING:
            self._keep(btf)

    def _keep(self, btf: Btf) -> Btf:
        if len(_OPENED) >= MOST_OPENED:
            del _OPENED[next(iter(_OPENED))]
        _OPENED[self] = btf
        return btf


MOST_OPENED = 8
_OPENED: dict[Shared, Btf] = {}
_OPENING = threading.Lock()


def map_ordered(
    work: Callable[[S], R], sources: Iterable[S], executor: Executor | None = None
) -> Generator[Outcome[S, R], None, None]:
    """Do ``work`` on each source; outcomes come in the order of the sources.

    Args:
        work: raises BtfError or OSError for a source that it can't do. For another process, both
            it and what it returns must be picklable.
        sources: taken as they are needed.
        executor: who does it; None does one after another here.

    Raises:
        BtfError: a worker process ended, so that what it worked on is lost.
    """
    if executor is None:
        for source in sources:
            yield _attempt(work, source)
        return
    waiting = iter(sources)
    pending: deque[Future[list[Outcome[S, R]]]] = deque()
    try:
        while chunk := list(islice(waiting, CHUNK)):
            pending.append(executor.submit(_attempt_all, work, chunk))
            if len(pending) >= AHEAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenExecutor as error:
        message = f"a worker process ended before its work was done ({error})"
        raise BtfError(message, expected="workers that live on") from error
    finally:
        for future in pending:
            future.cancel()


def _attempt(work: Callable[[S], R], source: S) -> Outcome[S, R]:
    try:
        return Outcome(source, work(source))
    except (BtfError, OSError) as error:
        return Outcome(source, error=error)


def _attempt_all(work: Callable[[S], R], sources: list[S]) -> list[Outcome[S, R]]:
    return [_attempt(work, source) for source in sources]


@frozen(eq=False)
class _Here:
    """A pipeline on one file, in this process."""

    pipeline: Pipeline
    base: Btf | None
    inputs: Mapping[str, Btf]

    def __call__(self, source: StrPath) -> PassResult:
        return self.pipeline.run(load(source, self.base), Context(self.inputs))


@frozen(eq=False)
class _Sent:
    """A pass's result without the containers that whoever asked has himself.

    Attributes:
        base: the name of the input that the result is split over, ``""`` for the base that was
            given, None for no base; or the bytes of another base.
    """

    btf: bytes
    base: str | bytes | None
    ext: bytes | None
    address_size: int | None
    ids: IdMap
    facts: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...]

    @classmethod
    def of(cls, result: PassResult, known: Mapping[str, Btf]) -> _Sent:
        btf, base, ext = result.btf, None, None
        if btf.base is not None:
            names = [name for name, one in known.items() if one is btf.base]
            base = names[0] if names else dumps(btf.base)
        if btf.ext is not None:
            from btfschema.ext import dumps_ext

            ext = dumps_ext(btf.ext)
        facts = {name: _plain(value) for name, value in result.facts.items()}
        return cls(dumps(btf), base, ext, btf.address_size, result.ids, facts, result.diagnostics)

    def received(self, known: Mapping[str, Btf]) -> PassResult:
        base = known[self.base] if isinstance(self.base, str) else None
        if isinstance(self.base, bytes):
            base = loads(self.base, check=False)
        btf = evolve(loads(self.btf, base, check=False), address_size=self.address_size)
        if self.ext is not None:
            from btfschema.ext import loads_ext

            btf = evolve(btf, ext=loads_ext(self.ext, btf, check=False))
        return PassResult(btf, self.ids, self.facts, self.diagnostics)


def _plain(value: Any) -> Any:
    """Read-only mappings as dicts, which can be pickled."""
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


@frozen(eq=False)
class _There:
    """A pipeline on one file, wherever an executor wants it."""

    pipeline: Pipeline
    files: Mapping[str, Shared]

    def __call__(self, source: StrPath) -> _Sent:
        known = {name: file.open() for name, file in self.files.items()}
        inputs = {name: btf for name, btf in known.items() if name}
        result = _Here(self.pipeline, known.get(""), inputs)(source)
        return _Sent.of(result, known)


def map_pipeline(
    pipeline: Pipeline,
    sources: Iterable[StrPath],
    executor: Executor | None,
    progress: Callable[[Outcome[StrPath, PassResult]], object] | None,
    base: Btf | StrPath | None,
    inputs: Mapping[str, Btf | StrPath],
) -> Iterator[Outcome[StrPath, PassResult]]:
    """What :meth:`btfschema.Pipeline.map` does."""
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
        if executor is None:
            named = {name: btf for name, btf in known.items() if name}
            outcomes = map_ordered(_Here(pipeline, known.get(""), named), sources)
        else:
            sent = map_ordered(_There(pipeline, files), sources, executor)
            outcomes = (
                Outcome(
                    one.source,
                    one.result.received(known) if one.result is not None else None,
                    one.error,
                )
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
