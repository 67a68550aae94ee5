"""Passes and containers that the tests of the framework share."""

from __future__ import annotations

import enum
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf, Builder, views
from btfschema.framework import Analysis, BaseState, Context, Needs, Pass, PassResult


def small_base() -> Btf:
    """1 int, 2 struct device { int id; }, 3 struct device *."""
    b = Builder()
    number = b.add(views.Int("int", 4))
    device = b.add(views.Struct("device", 4, [views.Member("id", number)]))
    b.add(views.Ptr(device))
    return b.build()


def small_split(base: Btf | None = None) -> Btf:
    """4 u8, 5 struct driver { struct device *dev; u8 state; }, 6 typedef driver_t, 7 const u8."""
    b = Builder(small_base() if base is None else base)
    byte = b.add(views.Int("u8", 1))
    driver = b.add(
        views.Struct("driver", 16, [views.Member("dev", 3), views.Member("state", byte, 64)])
    )
    b.add(views.Typedef("driver_t", driver))
    b.add(views.Const(byte))
    return b.build()


@frozen
class InDegree(Analysis[npt.NDArray[np.int64]]):
    """How often each own type is referred to by own types."""

    name: ClassVar[str] = "in-degree"

    def compute(self, btf: Btf) -> npt.NDArray[np.int64]:
        used = btf.types.words[btf.types.type_id_positions].astype(np.int64)
        return np.bincount(used[used >= btf.first_id] - btf.first_id, minlength=len(btf))

    def facts(self, result: npt.NDArray[np.int64]) -> dict[str, object]:
        return {"in_degree": result.tolist()}


@frozen
class DropUnused(Pass):
    """Drop types that nothing refers to, except the named ones in ``keep``."""

    name: ClassVar[str] = "drop-unused"
    keep: tuple[str, ...] = ()

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        live = ctx.get(InDegree, btf) > 0
        live |= btf.types.named(self.keep)
        return PassResult.select(btf, live)


class Level(enum.Enum):
    READ = "read"
    LOAD = "load"


@frozen
class Everything(Pass):
    """Changes nothing; has an option of every type that text can hold."""

    name: ClassVar[str] = "everything"
    words: tuple[str, ...] = ("a",)
    numbers: tuple[int, ...] = ()
    text: str = ""
    number: int = 0
    flag: bool = False
    on: bool = True
    policy: Literal["strict", "kernel"] = "strict"
    level: Level = Level.READ
    maybe: str | None = None
    some: tuple[str, ...] | None = ("none",)

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.unchanged(btf)


@frozen
class Shrink(Pass):
    """Claims to put a distilled base under its input."""

    name: ClassVar[str] = "shrink"
    needs: ClassVar[Needs] = Needs(base="any")
    provides: ClassVar[BaseState | None] = "distilled"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.unchanged(btf)


@frozen
class Move(Pass):
    """Claims to need a distilled base and another container."""

    name: ClassVar[str] = "move"
    needs: ClassVar[Needs] = Needs(base="distilled", inputs=("target",))
    provides: ClassVar[BaseState | None] = "full"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.unchanged(btf, facts={"target": len(ctx.input("target"))})
