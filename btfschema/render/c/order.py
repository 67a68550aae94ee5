"""In which order C needs its types: ``btf_dump_order_type`` of libbpf.

A type must be defined before it is embedded, a *strong* link. A pointer needs no more than a
declaration of what it points to when that has a name, a *weak* link; an anonymous struct behind a
pointer is defined in place, so what it embeds is needed again.
"""

from __future__ import annotations

from btfschema.errors import UnresolvedError
from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, QUALIFIERS, TypeColumns
from btfschema.render.c.trampoline import Step, run
from btfschema.schema.kinds import Kind

__all__ = ["DONE", "Order"]

NEW, OPEN, DONE = range(3)


class Order:
    """The order in which definitions are written; each is given out once.

    Args:
        types: the types.

    Attributes:
        states: of each type, whether all that it needs was given out: ``DONE``.
    """

    def __init__(self, types: TypeColumns) -> None:
        self._types = types
        self.states = [NEW] * types.count
        self.states[0] = DONE
        self._queue: list[int] = []
        self._open_protos: set[int] = set()

    def needed_for(self, root: int) -> list[int]:
        """The definitions that a type needs and that were not given out before, then its own.

        Raises:
            UnresolvedError: a type would have to be defined before itself.
        """
        self._queue = []
        if self.states[root] != DONE and not self._needs_nothing(root):
            run(self._visit(root, False))
        return self._queue

    def _needs_nothing(self, type_id: int) -> bool:
        """Whether a type refers to nothing but what is done, or needs no more than its name.

        It spares most types the cost of a visit.
        """
        types, states = self._types, self.states
        kind, parts = types.kinds[type_id], types.members.types
        if kind == Kind.FUNC_PROTO:
            target = types.targets[type_id]
            if states[target] != DONE and not self._is_weak(target):
                return False
            parts = types.params[1]
        elif kind not in COMPOSITE:
            is_step = kind in CHAINED and kind != Kind.TYPEDEF
            return (is_step and states[types.targets[type_id]] == DONE) or self._is_weak(type_id)
        first = types.firsts[type_id]
        for part in parts[first : first + types.vlens[type_id]]:
            if states[part] != DONE and not self._is_weak(part):
                return False
        states[type_id] = DONE
        if kind in COMPOSITE and types.names[type_id]:
            self._queue.append(type_id)
        return True

    def _is_weak(self, type_id: int) -> bool:
        """Whether this is a pointer to something with a name, which needs nothing; it is done then.

        That is what a visit finds out too, only slower.
        """
        types = self._types
        kinds, targets = types.kinds, types.targets
        if kinds[type_id] != Kind.PTR:
            return False
        end = targets[type_id]
        if kinds[end] in QUALIFIERS:
            end = targets[end]
        if kinds[end] in COMPOSITE and types.names[end]:
            self.states[type_id] = DONE
            return True
        return False

    def _visit(self, type_id: int, through_ptr: bool) -> Step:
        """Queue what a type needs; returns whether the link to it is strong."""
        kinds, targets, states = self._types.kinds, self._types.targets, self.states
        start = type_id
        passed: list[tuple[int, bool]] = []
        while states[type_id] == NEW and (kind := kinds[type_id]) in CHAINED:
            passed.append((type_id, through_ptr))
            if kind == Kind.PTR:
                through_ptr = True
            elif kind == Kind.ARRAY:
                through_ptr = False
            type_id = targets[type_id]
            if len(passed) > self._types.count:
                raise self._types.circle(start)
        strong = True
        if states[type_id] != DONE:
            strong = yield from self._visit_end(type_id, through_ptr)
        for step, through_ptr in reversed(passed):
            kind = kinds[step]
            if kind == Kind.TYPEDEF:
                if through_ptr and not strong:
                    continue
                self._queue.append(step)
                states[step] = DONE
                strong = True
            elif kind == Kind.PTR or states[targets[step]] == DONE:
                states[step] = DONE
        return strong

    def _visit_end(self, type_id: int, through_ptr: bool) -> Step:
        """Like ``_visit``, for a type that is not a step to another."""
        types, states = self._types, self.states
        kind, named = types.kinds[type_id], bool(types.names[type_id])
        if states[type_id] == OPEN:
            if kind in COMPOSITE and through_ptr and named:
                return False
            raise UnresolvedError(
                f"{types.describe(type_id)} has no C declaration: it would have to be defined "
                "before itself",
                type_id=type_id,
            )
        if kind in COMPOSITE:
            if through_ptr and named:
                return False
            states[type_id] = OPEN
            yield from self._visit_members(type_id)
        elif kind == Kind.FUNC_PROTO:
            return (yield from self._visit_proto(type_id, through_ptr))
        states[type_id] = DONE
        if kind in COMPOSITE or kind in ENUMS or kind == Kind.FWD:
            if named or (kind not in COMPOSITE and not types.referenced[type_id]):
                self._queue.append(type_id)
            return True
        return False

    def _visit_members(self, type_id: int) -> Step:
        first, states = self._types.firsts[type_id], self.states
        for member in self._types.members.types[first : first + self._types.vlens[type_id]]:
            if states[member] != DONE and not self._is_weak(member):
                yield self._visit(member, False)

    def _visit_proto(self, type_id: int, through_ptr: bool) -> Step:
        """A function: strong when what it returns or one of its parameters is."""
        types = self._types
        if type_id in self._open_protos:
            raise types.circle(type_id)
        self._open_protos.add(type_id)
        parts, states = types.parts(type_id), self.states
        strong = False
        for part in parts:
            if states[part] == DONE or (yield self._visit(part, through_ptr)):
                strong = True
        self._open_protos.discard(type_id)
        if all(states[part] == DONE for part in parts):
            states[type_id] = DONE
        return strong
