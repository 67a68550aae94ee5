"""What depends on the order in which a kernel visits types: circles, depth, late answers.

A kernel resolves types in the order of their ids, depth first, over a stack of 32
(``btf_resolve``). What it follows depends on how it came: behind a pointer it does not look into
structs, in a struct not behind pointers. So whether it sees a circle, runs out of stack, or knows
an array's size depends on the order of ids. :class:`Walk` goes the same way, without recursion;
:func:`is_shallow` tells at once that it needn't, as it nearly always does.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from attrs import define

from btfschema.model.container import Btf
from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import Kind
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.plan import THIRD, U32_MAX
from btfschema.schema.roles import Role
from btfschema.tables.types import TypeTable
from btfschema.verification.doubts import Doubts
from btfschema.verification.findings import Findings, Ints, Place
from btfschema.verification.resolution import (
    MISSING,
    among,
    graph_of,
    kinds_with,
    resolution,
)
from btfschema.verification.rules import MAX_DEPTH

__all__ = ["Walk", "is_shallow"]


class Mode(Enum):
    """How the kernel came to where it is (``enum resolve_mode``)."""

    UNDECIDED = 0
    POINTER = 1
    COMPOSITE = 2


class State:
    """How far a type is resolved (``enum visit_state``); 0 is not visited."""

    VISITED = 1
    RESOLVED = 2


RESOLVED_GRAPHS = (Graph.MODIFIER, Graph.POINTER, Graph.COMPOSITE, Graph.ROOT)


@define
class Frame:
    """A type on the stack: what it refers to, and how far that is done."""

    type_id: int
    targets: list[int]
    next: int = 0
    returned: bool = False
    went_behind: bool = False


def is_shallow(btf: Btf) -> bool:
    """Whether no order of visits can find a circle, fill the stack, or meet a FUNC by reference.

    The longest ways through pointers and modifiers, and through structs, arrays and modifiers, are
    measured, all together and a step longer each round.
    """
    types, resolved = btf.types, resolution(btf)
    sources, targets = _edges(btf)
    kinds, source_kinds = resolved.kinds_of(targets), types.kinds[sources]
    modifiers, pointers, composites, roots = (
        kinds_with(btf.kinds, graph)
        for graph in (Graph.MODIFIER, Graph.POINTER, Graph.COMPOSITE, Graph.ROOT)
    )
    if (among(source_kinds, modifiers + pointers) & (kinds == Kind.FUNC)).any():
        return False
    for through in (pointers, composites):
        inner = (*modifiers, *through, *roots)
        within = (targets >= types.first_id) & among(source_kinds, inner) & among(kinds, inner)
        if not _is_short(sources[within], targets[within] - types.first_id, len(types)):
            return False
    return True


def _is_short(sources: Ints, targets: Ints, count: int) -> bool:
    """Whether no way along these edges has more types than fit the stack."""
    if not len(sources):
        return True
    starts = np.flatnonzero(np.diff(sources, prepend=-1))
    owners = sources[starts]
    heights = np.ones(count, np.int64)
    for _ in range(MAX_DEPTH):
        longer = np.maximum.reduceat(heights[targets], starts) + 1
        if np.array_equal(longer, heights[owners]):
            return True
        heights[owners] = longer
    return False


def _edges(btf: Btf) -> tuple[Ints, Ints]:
    """All references but those of prototypes: rows, in order, and the ids that they refer to."""
    types = btf.types
    positions = types.type_id_positions
    rows = np.searchsorted(types.starts, positions, side="right") - 1
    return rows, types.words[positions].astype(np.int64)


class Walk:
    """The kernel's way through a container's types.

    Args:
        findings: collects violations.
        btf: the container; its base's types count as resolved.
        doubts: what seems wrong, and is if the kernel sees it.
    """

    def __init__(self, findings: Findings, btf: Btf, doubts: Doubts) -> None:
        self.findings = findings
        self.doubts = doubts
        self.types = types = btf.types
        self.first, self.end = types.first_id, types.end_id
        self.resolved = resolution(btf)
        self.kinds: list[int] = types.kinds.tolist()
        self.graphs = {number: graph_of(btf.kinds, number) for number in btf.kinds}
        parts = parts_of_plan(types.plan)
        self.variable_users = parts.sections | parts.tags
        rows, ids = _edges(btf)
        self.ids: list[int] = ids.tolist()
        self.begins: list[int] = np.searchsorted(rows, np.arange(len(types) + 1)).tolist()
        offset = self.first - self.resolved.start
        self.finals: list[int] = self.resolved.finals[offset:].tolist()
        self.sizes: list[int] = self.resolved.sizes[offset:].tolist()
        self.base_kinds = self._kinds_of_base()
        self.array_sizes: dict[int, int] = {}
        self.states = bytearray(len(types))
        self.mode = Mode.UNDECIDED
        self.stack: list[Frame] = []

    def run(self) -> None:
        """Visit all types in the order of their ids."""
        for type_id in range(self.first, self.end):
            roots = [type_id]
            if self._kind(type_id) == Kind.FUNC_PROTO:
                roots = self._targets(type_id)
            for root in roots:
                if self._needs_resolving(root) and not self._is_resolved(root):
                    self._resolve(root)

    def _kind(self, type_id: int) -> int:
        if self.first <= type_id < self.end:
            return self.kinds[type_id - self.first]
        if type_id >= self.end:
            return MISSING
        return self.base_kinds[type_id]

    def _kinds_of_base(self) -> dict[int, int]:
        """The kinds of the base's types that are met, by id; asked one by one they cost more."""
        met = np.unique([0, *self.ids, *self.finals])
        met = met[(met >= 0) & (met < self.first)]
        return dict(zip(met.tolist(), self.resolved.kinds_of(met).tolist(), strict=True))

    def _graph(self, type_id: int) -> Graph | None:
        return self.graphs.get(self._kind(type_id))

    def _targets(self, type_id: int) -> list[int]:
        """What a type refers to, in the kernel's order."""
        row = type_id - self.first
        ids = self.ids[self.begins[row] : self.begins[row + 1]]
        return ids[::-1] if self.kinds[row] == Kind.ARRAY else ids

    def _needs_resolving(self, type_id: int) -> bool:
        kind = self._kind(type_id)
        return kind == Kind.FUNC or self.graphs.get(kind) in RESOLVED_GRAPHS

    def _is_resolved(self, type_id: int) -> bool:
        row = type_id - self.first
        return row < 0 or self.states[row] == State.RESOLVED

    def _is_sink(self, type_id: int) -> bool:
        """Whether the kernel, as it came here, goes no further."""
        graph = self._graph(type_id)
        if self.mode is Mode.UNDECIDED:
            return not self._needs_resolving(type_id)
        through = Graph.POINTER if self.mode is Mode.POINTER else Graph.COMPOSITE
        return graph not in (Graph.MODIFIER, through)

    def _may_refer(self, source: int, target: int) -> bool:
        """Whether a reference is none that is refused already."""
        if self._graph(target) is not Graph.ROOT:
            return self._kind(target) != MISSING
        return self._kind(source) in self.variable_users and self._kind(target) == Kind.VAR

    def _resolve(self, root: int) -> None:
        self.mode = Mode.UNDECIDED
        self._push(root)
        while self.stack:
            frame = self.stack[-1]
            if not self._goes_deeper(frame):
                self._finish(frame)

    def _push(self, type_id: int) -> None:
        self.states[type_id - self.first] = State.VISITED
        self.stack.append(Frame(type_id, self._targets(type_id)))
        if self.mode is Mode.UNDECIDED:
            graph = self._graph(type_id)
            if graph is Graph.POINTER:
                self.mode = Mode.POINTER
            elif graph is Graph.COMPOSITE:
                self.mode = Mode.COMPOSITE

    def _goes_deeper(self, frame: Frame) -> bool:
        """Go on with a type's references; whether one of them had to be visited first."""
        kind = self._kind(frame.type_id)
        if kind == Kind.FUNC:
            return False
        if kind == Kind.DATASEC:
            # The kernel does not come back to the variable that it has just visited.
            self.mode = Mode.UNDECIDED
        elif frame.returned:
            self._judge(frame, frame.next - 1)
        frame.returned = False
        while frame.next < len(frame.targets):
            target = frame.targets[frame.next]
            frame.next += 1
            if not self._may_refer(frame.type_id, target):
                continue
            if self._visits(frame, target):
                frame.returned = True
                return True
            self._judge(frame, frame.next - 1)
        return self._goes_behind(frame)

    def _goes_behind(self, frame: Frame) -> bool:
        """A pointer or variable goes on from a modifier that was resolved as far as a pointer."""
        if frame.went_behind or not frame.targets:
            return False
        frame.went_behind = True
        is_variable = self._kind(frame.type_id) == Kind.VAR
        if self._graph(frame.type_id) is not Graph.POINTER and not is_variable:
            return False
        target = frame.targets[0]
        if self._graph(target) is not Graph.MODIFIER or self._is_base(target):
            return False
        final = self.finals[target - self.first]
        if final < 0 or self._graph(final) is not Graph.POINTER:
            return False
        return self._visits(frame, final)

    def _is_base(self, type_id: int) -> bool:
        return type_id < self.first

    def _visits(self, frame: Frame, target: int) -> bool:
        """Visit a target if the kernel would; say so where it can't."""
        if self._is_sink(target) or self._is_resolved(target):
            return False
        if len(self.stack) == MAX_DEPTH:
            self._say("graph.depth", frame, f"{MAX_DEPTH + 1}", f"at most {MAX_DEPTH}")
        elif self.states[target - self.first] == State.VISITED:
            described = self.findings.btf.describe(target) if self.findings.btf else ""
            self._say("graph.loop", frame, f"{described} again", "a loop only through a pointer")
        else:
            self._push(target)
            return True
        return False

    def _say(self, rule: str, frame: Frame, got: str, expected: str) -> None:
        """Blame the reference that a type has just followed."""
        row = frame.type_id - self.first
        number = frame.next - 1
        if self.kinds[row] == Kind.ARRAY:
            number = len(frame.targets) - 1 - number
        self.findings.place(rule, reference_place(self.types, row, number), got, expected)

    def _judge(self, frame: Frame, number: int) -> None:
        """Decide a doubt about the size of a member or variable, as the kernel sees it now."""
        doubt = self.doubts.sizes.get((frame.type_id, number))
        if doubt is None:
            return
        room, rule, place = doubt
        target = frame.targets[number]
        if self._kind(target) == Kind.VAR:
            target = int(self.resolved.take("thirds", np.array([target]))[0])
        size = self._size(target)
        if size > room:
            self.findings.place(rule, place, size, f"at most {room}")

    def _size(self, type_id: int) -> int:
        """Bytes of a type, as far as the kernel knows them by now."""
        if type_id >= self.end:
            return 0
        if self._is_base(type_id):
            finals = self.resolved.finals_of(np.array([type_id]))
            return int(self.resolved.of_finals("sizes", finals, 0)[0])
        final = self.finals[type_id - self.first]
        if final < 0:
            return 0
        if self._is_base(final):
            return self._size(final)
        if self._kind(final) == Kind.ARRAY:
            return self.array_sizes.get(final, 0)
        return max(self.sizes[final - self.first], 0)

    def _finish(self, frame: Frame) -> None:
        """A type is resolved."""
        row = frame.type_id - self.first
        kind, graph = self.kinds[row], self.graphs.get(self.kinds[row])
        if kind == Kind.ARRAY:
            self.array_sizes[frame.type_id] = self._array_size(row, frame.targets[-1])
        elif graph in (Graph.MODIFIER, Graph.POINTER):
            target = frame.targets[0]
            if self._kind(target) == Kind.FUNC and not self._is_resolved(target):
                place = (row, None, THIRD.word)
                got = self.findings.btf.describe(target) if self.findings.btf else ""
                self.findings.place("reference.function", place, got, "a FUNC_PROTO")
        self.states[row] = State.RESOLVED
        self.stack.pop()

    def _array_size(self, row: int, element: int) -> int:
        count = int(self.types.fixed(Kind.ARRAY, np.array([row]), "nelems")[0])
        size = self._size(element) * count
        if size <= U32_MAX:
            return size
        word = self.types.plan.kinds[Kind.ARRAY].fixed_field("nelems").word
        self.findings.place("array.overflow", (row, None, word), size, f"at most {U32_MAX}")
        return 0


def reference_place(types: TypeTable, row: int, number: int) -> Place:
    """Where the ``number``-th type id of a record stands."""
    plan = types.plan.kinds[int(types.kinds[row])]
    words = plan.words_with(Role.TYPE_ID)
    if number < len(words):
        return row, None, words[number]
    words = plan.element_words_with(Role.TYPE_ID)
    place, word = divmod(number - len(plan.words_with(Role.TYPE_ID)), len(words))
    return row, place, words[word]
