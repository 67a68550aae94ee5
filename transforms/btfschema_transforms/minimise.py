"""``minimise``: keep what some types and BPF programs need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from attrs import field, frozen

from btfschema import Btf
from btfschema.arguments import one_of, several, texts
from btfschema.co_re import (
    BpfObject,
    Kernel,
    Marks,
    Members,
    Minimal,
    mark_named,
    mark_object,
    minimal,
    read_object,
)
from btfschema.errors import PassError
from btfschema.framework import BaseState, Context, Pass, PassResult

__all__ = ["Minimise", "minimise"]


def minimise(
    btf: Btf,
    programs: BpfObject | Iterable[BpfObject] = (),
    keep: str | Iterable[str] = (),
    members: Members = "all",
) -> Minimal:
    """Cut a kernel's BTF, or a module's over it, down to what is needed.

    ``.BTF.ext`` and ``.BTF.inline`` are left out.

    Args:
        btf: the kernel's BTF, or split BTF over it; the base is cut down with it.
        programs: BPF objects, or one, whose CO-RE relocations must come out the same.
        keep: types and members by name, or one: ``task_struct``, ``enum pid_type``, ``nft_*``,
            ``task_struct.thread_pid``.
        members: whether a struct that ``keep`` names keeps all its members or the named ones.

    Returns:
        What is left, and the map of every id of the input.

    Raises:
        ValueError: ``members`` is something else.
        CoreError: a program's relocation can't be resolved on this kernel.
        UnknownNameError: ``keep`` names what is not there.
        PassError: nothing is to be kept.
    """
    programs, keep = several(programs, BpfObject), texts(keep)
    vmlinux, *above = btf.chain
    kernel = Kernel(vmlinux, {str(number): one for number, one in enumerate(above)})
    marks = Marks()
    for program in programs:
        mark_object(marks, program, kernel)
    mark_named(marks, btf.chain, keep, members)
    if not programs and not keep:
        raise PassError("minimise keeps nothing without programs or names", expected="some")
    return minimal(btf, marks)


@frozen
class Minimise(Pass):
    """Keep what some types and BPF programs need, and nothing else.

    ``.BTF.ext`` and ``.BTF.inline`` are left out.

    Attributes:
        keep: types and members by name: ``task_struct``, ``enum pid_type``, ``nft_*``,
            ``task_struct.thread_pid``.
        members: ``"all"`` keeps all members of a struct that is named, ``"named"`` those named.
        programs: files of BPF objects whose CO-RE relocations must come out the same.
    """

    name: ClassVar[str] = "minimise"
    provides: ClassVar[BaseState | None] = None

    keep: tuple[str, ...] = field(default=(), converter=texts)
    members: Members = field(default="all", validator=one_of(Members))
    programs: tuple[str, ...] = field(default=(), converter=texts)

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Minimise; the facts count what is left."""
        found = minimise(
            btf, [read_object(path) for path in self.programs], self.keep, self.members
        )
        kept = sum(len(part) for part in found.btf.chain)
        facts = {"types": sum(len(part) for part in btf.chain), "kept": kept}
        return PassResult(found.btf, found.ids, facts)
