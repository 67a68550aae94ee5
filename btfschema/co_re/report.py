"""Will this object load on that kernel, and if not, why."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import evolve, frozen

from btfschema.arguments import require_type
from btfschema.co_re.insns import POISON, Insn, patched
from btfschema.co_re.kernel import Kernel
from btfschema.co_re.lookups import Lookup, look_up
from btfschema.co_re.needs import Marks, mark_resolution
from btfschema.co_re.paths import access_path
from btfschema.co_re.program import BpfObject, Relocation, line_as_dict, line_text
from btfschema.co_re.reach import Code, Position, reached
from btfschema.co_re.reasons import Reason, explain, reason_as_dict
from btfschema.co_re.resolve import Resolution, Resolver, kind_name
from btfschema.errors import CoreError

__all__ = ["Finding", "Report", "check_object", "mark_object"]


Guard = Literal["guarded", "initial values"]


@frozen(eq=False)
class Finding:
    """A relocation of an object on a kernel.

    Attributes:
        relocation: where it stands in the object.
        resolution: what it comes to.
        poison: whether its instruction becomes an invalid one.
        error: why libbpf would refuse the whole object, or None.
        guarded: of a poisoned instruction, whether it can't be reached on this kernel, so that it
            harms nobody; None for all others.
        reason: why it fails, or None where it does not.
        guard: what keeps it from being reached: ``"guarded"`` (the program's checks), ``"initial
            values"`` (those of read-only data, which the loader may change before it loads the
            object), or None.
    """

    relocation: Relocation
    resolution: Resolution
    poison: bool
    error: CoreError | None = None
    guarded: bool | None = None
    reason: Reason | None = None
    guard: Guard | None = None

    @property
    def spared(self) -> Guard | Literal["not loaded"] | None:
        """Why it does no harm if it fails: it is never reached, or its program is not loaded."""
        return self.guard if self.relocation.autoload else "not loaded"

    @property
    def fails(self) -> bool:
        """Whether the object does not load because of this."""
        return (self.error is not None or self.poison) and self.spared is None

    @property
    def value(self) -> int | None:
        """What the instruction holds on the kernel; None where it is poison, or an error."""
        return None if self.poison or self.error is not None else self.resolution.value

    @property
    def path(self) -> str:
        """The access as C: ``task_struct.thread_pid``."""
        local, relo = self.resolution.local, self.relocation.relo
        if local is None:
            return f"[{relo.type_id}] + {relo.access_str}"
        return access_path(local, relo.kind)

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        one, candidate = self.relocation, self.resolution.candidate
        return {
            "program": one.program,
            "section": one.section,
            "index": one.index,
            "insn": one.insn - one.first_insn,
            "kind": kind_name(one.relo.kind),
            "path": self.path,
            "candidate": candidate.type_id if candidate is not None else None,
            "module": candidate.module if candidate is not None else None,
            "value": self.value,
            "poison": self.poison,
            **reason_as_dict(self.reason),
            "guarded": self.guarded,
            "spared": self.spared if self.reason is not None else None,
            "fails": self.fails,
            **line_as_dict(one.line),
        }

    def __str__(self) -> str:
        """Two lines: what is asked and where; what becomes of it."""
        one = self.relocation
        where = line_text(one.line, one.section)
        guard = f" ({self.spared or 'not guarded'})" if self.reason is not None else ""
        said = self.reason.text if self.reason is not None else f"{self.value}"
        head = f"{one.program} #{one.index} {kind_name(one.relo.kind)} {self.path}"
        return f"{head}: {said}{guard}\n    {where}"


@frozen(eq=False)
class Report:
    """All that an object needs of a kernel.

    Attributes:
        findings: its relocations, in the order in which libbpf takes them; those of programs that
            it does not load come last.
        lookups: what is looked up by name.
    """

    findings: tuple[Finding, ...]
    lookups: tuple[Lookup, ...] = ()

    @property
    def all(self) -> tuple[Finding | Lookup, ...]:
        """Relocations and lookups."""
        return self.findings + self.lookups

    @property
    def failing(self) -> tuple[Finding | Lookup, ...]:
        """What keeps the object from loading."""
        return tuple(one for one in self.all if one.fails)

    @property
    def loads(self) -> bool:
        """Whether libbpf finds all that the object needs: no error, no poison that is reached."""
        return not self.failing


def check_object(program: BpfObject, kernel: Kernel) -> Report:
    """Resolve all relocations and names of an object on a kernel, and say what becomes of each.

    Raises:
        RequirementError: the object is for a machine of the other byte order.
    """
    require_type("the program", program, BpfObject, "a BpfObject: read_object(path) reads one")
    resolver = Resolver.of(program.btf, kernel)
    # libbpf passes over programs that it does not load, and so must the answers for the others.
    relocations = sorted(program.relocations, key=lambda one: not one.autoload)
    found = [(one, resolver.resolve(one.relo)) for one in relocations]
    code = {section: list(insns) for section, insns in program.code.items()}
    outcomes = [_written(code, one, resolution) for one, resolution in found]
    lookups = look_up(program, kernel)
    poisoned = any(poison for poison, _ in outcomes)
    live = _live(program, code, lookups) if poisoned else ()
    rows = zip(found, outcomes, strict=True)
    return Report(tuple(_findings(rows, live, kernel, code)), lookups)


def _live(
    program: BpfObject, code: Mapping[str, list[Insn]], lookups: Sequence[Lookup]
) -> tuple[Container[Position], Container[Position]]:
    """What is reached while read-only data has its initial values, and what with any values."""
    externs = {one.name: one.reason is None for one in lookups if one.what in ("kfunc", "ksym")}
    whole = Code.of(program, code, externs)
    initially = reached(whole)
    ever = reached(evolve(whole, constants={})) if whole.constants else initially
    return initially, ever


def mark_object(marks: Marks, program: BpfObject, kernel: Kernel) -> None:
    """Mark what an object's relocations need on a kernel.

    Raises:
        CoreError: a relocation can't be resolved there, so that nothing would help it.
        RequirementError: the object is for a machine of the other byte order.
    """
    resolver = Resolver.of(program.btf, kernel)
    for one in program.relocations:
        resolution = resolver.resolve(one.relo)
        if resolution.error is not None and not one.autoload:
            continue
        if resolution.error is not None:
            where = f"{program.path}: {one.program} relocation {one.index}"
            raise CoreError(f"{where}: {resolution.error}") from resolution.error
        mark_resolution(marks, resolution)


Outcome = tuple[bool, CoreError | None]


def _written(
    code: Mapping[str, list[Insn]], relocation: Relocation, resolution: Resolution
) -> Outcome:
    """Patch the instruction; says whether it is poison, and why libbpf refuses to."""
    if resolution.patch is None:
        return False, resolution.error
    insns = code.get(relocation.section)
    if insns is None:
        return resolution.poison, None
    try:
        new = patched(insns, relocation.insn, resolution.patch)
    except CoreError as error:
        return False, error
    insns[relocation.insn : relocation.insn + len(new)] = new
    return new[0] is POISON, None


def _findings(
    rows: Iterator[tuple[tuple[Relocation, Resolution], Outcome]],
    live: Sequence[Container[Position]],
    kernel: Kernel,
    code: Container[str],
) -> Iterator[Finding]:
    for (relocation, resolution), (poison, error) in rows:
        reason: Reason | None = None
        guard: Guard | None = None
        if error is not None:
            reason = Reason("refused", str(error))
        elif poison:
            reason = explain(resolution, kernel)
            place = relocation.section, relocation.insn
            if relocation.section in code:
                initially, ever = (place in positions for positions in live)
                guard = None if initially else "initial values" if ever else "guarded"
        guarded = guard is not None if poison and error is None else None
        yield Finding(relocation, resolution, poison, error, guarded, reason, guard)
