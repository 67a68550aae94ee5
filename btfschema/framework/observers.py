"""Who watches a pipeline run: the protocol, a stop-watch and a dump after each pass."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol

from attrs import field, frozen

from btfschema.errors import RequirementError
from btfschema.framework.passes import Pass, PassResult
from btfschema.model.container import Btf
from btfschema.model.loading import dumps
from btfschema.model.standing import base_state
from btfschema.sources.elf import BASE_SUFFIX
from btfschema.sources.files import atomic_write_all

__all__ = ["DumpAfter", "Observer", "Stage", "Timing"]


@frozen
class Stage:
    """One step of a running pipeline.

    Attributes:
        number: its place, from 1.
        pass_: the pass.
        pipeline: the text of the whole pipeline.
    """

    number: int
    pass_: Pass
    pipeline: str

    @property
    def name(self) -> str:
        """The pass's name."""
        return self.pass_.name

    def __str__(self) -> str:
        return f"stage {self.number} ({self.name})"


class Observer(Protocol):
    """Told before and after each pass of a pipeline; a pass that fails has no after.

    In one thread, the passes of one container follow each other, from stage 1. Several threads may
    call an observer at once. Other processes have copies of it.
    """

    def before(self, stage: Stage, btf: Btf) -> None:
        """``stage`` is about to run on ``btf``."""

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """``stage`` turned ``btf`` into ``result``, which has been checked."""


class _OfThisProcess:
    """An observer whose copies in other processes could not do its work."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent.

        Raises:
            RequirementError: always.
        """
        name = type(self).__name__
        raise RequirementError(
            f"{name} can't be sent to other processes, as its copies there would know nothing of "
            "each other: run the pipeline without it, without an executor, or with one of threads",
            got=name,
            expected="observers that can be pickled",
        )


@frozen(eq=False)
class Timing(_OfThisProcess):
    """Measures each pass, in any number of threads; it can't be sent to other processes.

    Attributes:
        seconds: what each stage took, its checks included, in the order in which they ended.
    """

    seconds: list[tuple[Stage, float]] = field(factory=list, init=False)
    # By the identity of the stage: each run has its own stages. What a failed run leaves is
    # replaced by the next stage that has this identity.
    _started: dict[int, float] = field(factory=dict, init=False, repr=False)

    def before(self, stage: Stage, btf: Btf) -> None:
        """Start the watch."""
        self._started[id(stage)] = time.perf_counter()

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """Note what it shows."""
        self.seconds.append((stage, time.perf_counter() - self._started.pop(id(stage))))

    def __str__(self) -> str:
        """One line a stage, in milliseconds."""
        return "\n".join(
            f"{seconds * 1e3:10.3f} ms  {stage.number} {stage.name}"
            for stage, seconds in self.seconds
        )


class _Run(threading.local):
    """What a thread works on: the number of the container, and the bases that it came with."""

    number = 1
    bases: tuple[Btf, ...] = ()


@frozen(eq=False)
class DumpAfter(_OfThisProcess):
    """Writes what each pass gives back, as raw BTF that :func:`btfschema.load` reads.

    The files of the first container are called ``NUMBER-PASS.btf``, those of the second
    ``NUMBER-PASS.2.btf`` and so on, counted as the pipeline begins with them. A base goes beside
    them (``NUMBER-PASS.btf.base``) when it is distilled, or not the one that the container came
    with. Files of earlier runs are replaced. It can't be sent to other processes.

    Attributes:
        directory: where to; made when missing.
        names: the passes to write after; all when empty.
    """

    directory: Path = field(converter=Path)
    names: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(factory=partial(itertools.count, 1), init=False, repr=False)
    _run: _Run = field(factory=_Run, init=False, repr=False)

    def paths(self, passes: Sequence[Pass]) -> list[str]:
        """Where the results of a pipeline of these passes go, for the first container.

        Bases go beside them.
        """
        return [self._path(number, pass_.name) for number, pass_ in enumerate(passes, 1)]

    def _path(self, number: int, name: str, run: int = 1) -> str:
        whose = f".{run}" if run > 1 else ""
        return str(self.directory / f"{number:02}-{name}{whose}.btf")

    def before(self, stage: Stage, btf: Btf) -> None:
        """Count the container, when its first pass is about to run."""
        if stage.number == 1:
            self._run.number = next(self._numbers)
            self._run.bases = btf.chain[:-1]

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """Write the result."""
        if self.names and stage.name not in self.names:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        path = Path(self._path(stage.number, stage.name, self._run.number))
        contents = self._contents(path, result.btf)
        atomic_write_all(contents)
        # What an earlier run left would be taken for the base of the last one.
        _base_of(next(iter(contents))).unlink(missing_ok=True)

    def _contents(self, path: Path, btf: Btf) -> dict[Path, bytes]:
        """What to write, the lowest base first."""
        contents = {path: dumps(btf)}
        while btf.base is not None and (
            base_state(btf) == "distilled" or not any(btf.base is one for one in self._run.bases)
        ):
            path, btf = _base_of(path), btf.base
            contents = {path: dumps(btf), **contents}
        return contents


def _base_of(path: Path) -> Path:
    """The file in which :func:`btfschema.load` looks for the base of raw BTF."""
    return path.with_name(f"{path.name}{BASE_SUFFIX}")
