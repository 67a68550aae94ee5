"""Who watches a pipeline run: the protocol, a stop-watch and a dump after each pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from btfschema.framework.passes import Pass, PassResult
from btfschema.model.container import Btf
from btfschema.model.loading import dumps
from btfschema.sources.files import atomic_write

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
    """Told before and after each pass of a pipeline; a pass that fails has no after."""

    def before(self, stage: Stage, btf: Btf) -> None:
        """``stage`` is about to run on ``btf``."""

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """``stage`` turned ``btf`` into ``result``, which has been checked."""


@frozen(eq=False)
class Timing:
    """Measures each pass.

    Attributes:
        seconds: what each stage took, its checks included, in order of running.
    """

    seconds: list[tuple[Stage, float]] = field(factory=list, init=False)
    _started: list[float] = field(factory=list, init=False, repr=False)

    def before(self, stage: Stage, btf: Btf) -> None:
        """Start the watch."""
        self._started.append(time.perf_counter())

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """Note what it shows."""
        self.seconds.append((stage, time.perf_counter() - self._started.pop()))

    def __str__(self) -> str:
        """One line a stage, in milliseconds."""
        return "\n".join(
            f"{seconds * 1e3:10.3f} ms  {stage.number} {stage.name}"
            for stage, seconds in self.seconds
        )


@frozen(eq=False)
class DumpAfter:
    """Writes what each pass gives back, as raw BTF.

    The files are called ``NUMBER-PASS.btf``; beside it, ``NUMBER-PASS.base.btf`` when the pass
    put another base under it.

    Attributes:
        directory: where to; made when missing.
        names: the passes to write after; all when empty.
    """

    directory: Path = field(converter=Path)
    names: tuple[str, ...] = ()

    def paths(self, passes: Sequence[Pass]) -> list[str]:
        """Where the results of a pipeline of these passes go."""
        return [self._path(number, pass_.name) for number, pass_ in enumerate(passes, 1)]

    def _path(self, number: int, name: str) -> str:
        return str(self.directory / f"{number:02}-{name}.btf")

    def before(self, stage: Stage, btf: Btf) -> None:
        """Nothing to write yet."""

    def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
        """Write the result."""
        if self.names and stage.name not in self.names:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self._path(stage.number, stage.name)
        atomic_write(path, dumps(result.btf))
        base = result.btf.base
        if base is not None and base is not btf.base:
            atomic_write(path.removesuffix(".btf") + ".base.btf", dumps(base))
