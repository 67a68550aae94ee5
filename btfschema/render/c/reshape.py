"""Members of structs, so that a compiler puts them where BTF says, and takes their names."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Set
from itertools import pairwise

from attrs import evolve

from btfschema.render.c.columns import COMPOSITE, ENUMS, KNOWN
from btfschema.render.c.draft import Draft, Part
from btfschema.render.c.judge import SIZED, Form, Judge
from btfschema.render.c.numbers import integer_of
from btfschema.render.c.trampoline import Step, run
from btfschema.render.c.words import comment, plain_name
from btfschema.schema.kinds import Kind

__all__ = ["Reshaper"]

WIDTHS = (8, 16, 32, 64, 128)
NEW, OPEN, DONE = range(3)
# Steps that the copy of a member counts for.
COPY = 8


class Reshaper:
    """Changes the members of all structs and unions of a draft.

    Args:
        draft: the types.
        judge: what knows which of them C can declare.
    """

    def __init__(self, draft: Draft, judge: Judge) -> None:
        self._draft = draft
        self._types = draft.types
        self._judge = judge
        self._sizes = draft.source.full_sizes
        self._source_count = draft.source.count
        self._units: dict[int, int] = {}
        self._states: dict[int, int] = {}
        self._reach: set[tuple[int, bool]] = set()
        self._void_ptr = 0
        self._copies: list[tuple[int, int]] = []
        self._flat: dict[int, dict[str, int]] = {}
        self._holders = Counter[int]()

    def reshape(self) -> None:
        """Change them all."""
        own = [type_id for type_id in self._draft.parts if type_id < self._source_count]
        for type_id in own:
            self._draft.parts[type_id] = self._fitting(type_id)
        for type_id in own:
            self._spell_out(type_id)
        for type_id in own:
            self._arrange(type_id)
        for made, original in self._copies:
            self._draft.spend(COPY * len(self._draft.parts[original]))
            self._draft.parts[made] = [evolve(part) for part in self._draft.parts[original]]
            self._types.remarks[made] = self._types.remarks.get(original, [])
        for type_id in list(self._draft.parts):
            if self._states.get(type_id, NEW) == NEW:
                run(self._contain(type_id))
        for parts in self._draft.parts.values():
            self._holders.update(part.type_id for part in parts if not part.name)
        for type_id in list(self._draft.parts):
            run(self._flatten(type_id))

    def _leave_out(self, type_id: int, part: Part, why: str) -> None:
        name = plain_name(part.name) or "a member without a name"
        self._draft.remark(type_id, f"{name} at bit {part.offset}, {why}")

    # Members that C can have.

    def _fitting(self, type_id: int) -> list[Part]:
        """The members with their sizes, without those that C can't have."""
        found = []
        for part in self._draft.parts[type_id]:
            why = self._unfit(type_id, part)
            if why:
                self._leave_out(type_id, part, why)
            else:
                found.append(part)
        return found

    def _unfit(self, type_id: int, part: Part) -> str:
        """Why C can't have a member, or ""; measures it."""
        held = self._draft.source.describe(part.type_id)
        if self._judge.form(part.type_id) not in SIZED:
            return f"whose type has no size: {held}"
        bytes_ = self._sizes[part.type_id]
        if not part.width and part.offset % 8:
            if not bytes_ or self._unit(part.type_id) != 8 * bytes_:
                return f"which is not at a byte: {held}"
            part.width = 8 * bytes_
        if part.width and part.width > self._unit(part.type_id):
            unit = next((bits for bits in WIDTHS if bits >= part.width), 0)
            if not unit:
                return f"a bit field of {part.width} bits"
            part.type_id = self._integer(unit)
        part.size = part.width or 8 * bytes_
        if part.end > 8 * self._types.sizes[type_id]:
            return f"which reaches past the end: {held}"
        return ""

    def _unit(self, type_id: int) -> int:
        """How many bits a bit field of a type may have."""
        end = self._draft.end(type_id)
        types = self._types
        if types.kinds[end] in KNOWN.integers:
            return 1 if types.names[end] == "_Bool" else 8 * types.sizes[end]
        sized = types.kinds[end] in ENUMS and self._judge.form(end) == Form.OBJECT
        return 8 * types.sizes[end] if sized else 0

    def _integer(self, bits: int) -> int:
        """The id of an unsigned integer."""
        if bits not in self._units:
            size = bits // 8
            made = self._draft.add(Kind.INT, integer_of(size), size)
            self._judge.note(made, Form.OBJECT)
            self._units[bits] = made
        return self._units[bits]

    # Members without a name.

    def _spell_out(self, type_id: int) -> None:
        """Members without a name become structs without one, or get one."""
        draft, types = self._draft, self._types
        for part in draft.parts[type_id]:
            if part.name:
                part.name = draft.commented(part.name)
                continue
            end = draft.end(part.type_id)
            if part.width or types.kinds[end] not in COMPOSITE:
                part.name = draft.commented("", f"unnamed_at_{part.offset // 8}")
            elif types.names[end] and end != type_id:
                part.type_id = self._copy(end)
            else:
                part.type_id = end

    def _copy(self, type_id: int) -> int:
        """The id of a struct without a name that has the members of a named one.

        Members are copied when all have been arranged.
        """
        types = self._types
        made = self._draft.add_struct(types.kinds[type_id], types.sizes[type_id], [])
        self._copies.append((made, type_id))
        return made

    # Where members are.

    def _arrange(self, type_id: int) -> None:
        """Put members in order; those that overlap become a union's."""
        parts = self._draft.parts[type_id]
        size = self._types.sizes[type_id]
        if self._types.kinds[type_id] in KNOWN.unions:
            self._draft.parts[type_id] = [self._at_start(part) for part in parts]
            return
        if _in_order(parts):
            return
        parts = sorted(parts, key=lambda part: (part.offset, part.end))
        if _in_order(parts):
            self._draft.parts[type_id] = parts
            return
        layers = [self._layer(layer) for layer in _layers(parts)]
        union = self._draft.add_struct(Kind.UNION, size, layers)
        self._draft.parts[type_id] = [Part("", union, 0, 0, 8 * size)]

    def _at_start(self, part: Part) -> Part:
        return self._layer([part]) if part.offset else part

    def _layer(self, parts: list[Part]) -> Part:
        """Members that do not overlap as one, from the start of what holds them."""
        if len(parts) == 1 and not parts[0].offset:
            return parts[0]
        size = -(-max(part.end for part in parts) // 8)
        return Part("", self._draft.add_struct(Kind.STRUCT, size, parts), 0, 0, 8 * size)

    # Structs that hold themselves.

    def _contain(self, type_id: int) -> Step:
        """Leave out members that need the struct that holds them to be complete."""
        self._states[type_id] = OPEN
        kept = []
        for part in self._draft.parts[type_id]:
            if (yield self._needs(part.type_id, False)):
                kept.append(part)
            elif self._types.kinds[part.type_id] == Kind.PTR:
                kept.append(evolve(part, type_id=self._pointer()))
            else:
                why = "which needs what it is in: " + self._draft.source.describe(
                    part.type_id if part.type_id < self._source_count else 0
                )
                self._leave_out(type_id, part, why)
        self._draft.parts[type_id] = kept
        self._states[type_id] = DONE

    def _needs(self, type_id: int, through_ptr: bool) -> Step:
        """Whether all that must be defined before something of a type can be."""
        types = self._types
        while (kind := types.kinds[type_id]) in KNOWN.chained or kind == Kind.PTR:
            through_ptr = kind == Kind.PTR or (through_ptr and kind not in KNOWN.arrays)
            type_id = types.targets[type_id]
        if (type_id, through_ptr) in self._reach:
            return True
        found = True
        if kind in COMPOSITE:
            if through_ptr and types.names[type_id]:
                return True
            state = self._states.get(type_id, NEW)
            if state == OPEN:
                return False
            if state == NEW:
                yield self._contain(type_id)
        elif kind in KNOWN.prototypes:
            for part in types.parts(type_id):
                if not (yield self._needs(part, through_ptr)):
                    found = False
                    break
        if found:
            self._reach.add((type_id, through_ptr))
        return found

    def _pointer(self) -> int:
        if not self._void_ptr:
            self._void_ptr = self._draft.add(Kind.PTR)
            self._judge.note(self._void_ptr, Form.OBJECT)
        return self._void_ptr

    # Names that occur twice.

    def _flatten(self, type_id: int) -> Step:
        """Let no two members of a struct have one name, nor those of its members without a name.

        Returns:
            The names, each with the number that the last one made of it has.
        """
        known = self._flat.get(type_id)
        if known is not None:
            return known
        self._flat[type_id] = used = dict[str, int]()
        parts = self._draft.parts[type_id]
        lasts: dict[str, int] | None = None
        for at, part in enumerate(parts):
            if part.name:
                part.name = self._unused(part.name, used)
                used[plain_name(part.name)] = 1
                continue
            inner: dict[str, int] = yield self._flatten(part.type_id)
            if lasts is None:
                lasts = self._last_typedefs(parts, at + 1)
            shared = (name for name in min(lasts, inner, key=len) if name in inner)
            hidden = {name for name in shared if lasts.get(name, at) > at}
            if hidden or not used.keys().isdisjoint(inner.keys()):
                part.type_id = yield self._renamed(part.type_id, used, hidden)
                continue
            if len(inner) > len(used) and self._holders[part.type_id] == 1:
                # Nobody asks for those of the inner one again.
                used, inner = inner, used
            self._draft.spend(len(inner))
            used.update(inner)
        # Of a struct that is part of no other one nobody asks again.
        self._flat[type_id] = used if self._holders[type_id] else {}
        return used

    def _last_typedefs(self, parts: list[Part], first: int) -> dict[str, int]:
        """The typedefs that members from a place on are declared with.

        Clang 14 takes such a name for that of an earlier member, when that is in a member without
        a name.

        Returns:
            By the name of each typedef, the place of the last such member.
        """
        types, found, seen = self._types, dict[str, int](), set[int]()
        for at in reversed(range(first, len(parts))):
            todo = [parts[at].type_id]
            while todo:
                type_id = todo.pop()
                if type_id in seen:
                    continue
                seen.add(type_id)
                self._draft.spend(1)
                kind = types.kinds[type_id]
                if kind in KNOWN.typedefs:
                    found.setdefault(types.names[type_id], at)
                elif kind in KNOWN.chained or kind == Kind.PTR:
                    todo.append(types.targets[type_id])
                elif kind in COMPOSITE and not types.names[type_id]:
                    todo += [part.type_id for part in self._draft.parts[type_id]]
                elif kind in KNOWN.prototypes:
                    todo += types.parts(type_id)
        return found

    def _unused(self, name: str, used: dict[str, int], hidden: Set[str] = frozenset()) -> str:
        plain = plain_name(name)
        if plain not in used and plain not in hidden:
            return name
        number = used.get(plain, 1) + 1
        while f"{plain}___{number}" in used or f"{plain}___{number}" in hidden:
            number += 1
            self._draft.spend(1)
        if plain in used:
            used[plain] = number
        said = name[len(plain) :] or f" {comment(plain)}"
        return f"{plain}___{number}{said}"

    def _renamed(self, type_id: int, used: dict[str, int], hidden: Set[str]) -> Step:
        """A copy of a struct without a name, whose members have names that nothing else has.

        Args:
            type_id: the struct.
            used: the names of others; those that the members get are added.
            hidden: more names that they can't have.
        """
        originals = self._draft.parts[type_id]
        self._draft.spend(COPY * len(originals))
        parts = [evolve(part) for part in originals]
        made = self._draft.add_struct(self._types.kinds[type_id], self._types.sizes[type_id], parts)
        self._types.remarks[made] = list(self._types.remarks.get(type_id, ()))
        for part in parts:
            if part.name:
                part.name = self._unused(part.name, used, hidden)
                used[plain_name(part.name)] = 1
            else:
                part.type_id = yield self._renamed(part.type_id, used, hidden)
        return made


def _in_order(parts: list[Part]) -> bool:
    """Whether each begins where the one before ends, or later."""
    return all(after.offset >= before.end for before, after in pairwise(parts))


def _layers(parts: list[Part]) -> list[list[Part]]:
    """Members in order of their offsets, in as few groups as there have to be without overlap."""
    layers: list[list[Part]] = []
    ends: list[tuple[int, int]] = []
    for part in parts:
        if ends and ends[0][0] <= part.offset:
            _, at = heapq.heappop(ends)
            layers[at].append(part)
        else:
            at = len(layers)
            layers.append([part])
        heapq.heappush(ends, (part.end, at))
    return layers
