"""Where two bases begin to differ: for a type that differs, the nearest pair that tells why."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from btfschema import Btf
from btfschema.model import per_container, remembered
from btfschema_transforms.sameness.identity import Identity

__all__ = ["Causes", "Pair"]

Pair = tuple[int, int]

# A type of the one base and the type of the other that it is compared with. While only the first
# is known (unnamed types), the walk goes on until a name with just one namesake pairs the two.
Step = tuple[int, int | None]

# How often on average a reference may be followed. Types are compared with one or two others, but
# with very many along circles of different lengths; those are not followed to all ends.
REPEATS = 8

SEVERAL = -1


@per_container
def _only_ones(btf: Btf) -> dict[tuple[str, int], int]:
    """By name and kind, the only type of that name, or SEVERAL."""
    types = btf.all_types
    ids: dict[tuple[str, int], int] = {}
    names = btf.strings.names(types.name_offs)
    for type_id, key in enumerate(zip(names, types.kinds.tolist(), strict=True), 1):
        ids[key] = SEVERAL if key in ids else type_id
    return ids


@define(eq=False)
class Causes:
    """The nearest pairs of types whose own records differ.

    What a walk finds is kept for those that follow, so that they cost together what the two bases
    are large. The bases are arguments, since what is known of them must not keep them alive.

    Attributes:
        same: which of their types are the same.
        left: how many types and references may still be looked at.
        nearest: for each step that was taken, how many steps away the nearest differing pair is,
            and that pair: of several the one that comes first in the order of the references. None
            if there is none.
    """

    same: Identity
    left: int
    nearest: dict[Step, tuple[int, Pair] | None] = field(factory=dict)

    @classmethod
    def of(cls, same: Identity, base: Btf, target: Btf) -> Causes:
        """What is known of two bases, nothing at first."""
        sizes = [len(one.all_types) + len(one.all_types.words) for one in (base, target)]
        return remembered(same, cls, lambda same: cls(same, REPEATS * sum(sizes)))

    def find(self, ids: list[int], base: Btf, target: Btf) -> list[Pair | None]:
        """The nearest differing pair for each of these types of the first base, or None."""
        starts: list[Step] = [(type_id, None) for type_id in ids]
        self._settle(*self._walk(starts, base, target))
        found = map(self.nearest.get, starts)
        return [one[1] if one else None for one in found]

    def _walk(
        self, starts: list[Step], base: Btf, target: Btf
    ) -> tuple[dict[Step, list[Step]], dict[Step, Pair]]:
        """The new steps that these lead to, with those that follow, and the pairs that differ."""
        following: dict[Step, list[Step]] = {}
        differing: dict[Step, Pair] = {}
        queue = deque(starts)
        while queue and self.left > 0:
            step = queue.popleft()
            if step in following or step in self.nearest:
                continue
            old, new = self._paired(step, base, target)
            following[step] = steps = []
            self.left -= 1
            if new == SEVERAL:
                continue
            if new is not None and self.same.old_records[old] != self.same.new_records[new]:
                differing[step] = old, new
            else:
                steps += self._unsettled(old, new, base, target)
                queue += steps
        return following, differing

    def _paired(self, step: Step, base: Btf, target: Btf) -> Step:
        """The step, with the namesake if just the first type is known and has one."""
        old, new = step
        if new is None:
            types = base.all_types
            if name := base.strings[int(types.name_offs[old - 1])]:
                new = _only_ones(target).get((name, int(types.kinds[old - 1])))
        return old, new

    def _unsettled(self, old: int, new: int | None, base: Btf, target: Btf) -> list[Step]:
        """What the two refer to, as far as it is not known to be the same."""
        same = self.same
        olds = base.references(old)
        self.left -= len(olds)
        if new is None:
            return [(one, None) for one in olds if not same.counts[same.old[one]]]
        pairs = zip(olds, target.references(new), strict=True)
        return [pair for pair in pairs if same.old[pair[0]] != same.new[pair[1]]]

    def _settle(self, following: dict[Step, list[Step]], differing: dict[Step, Pair]) -> None:
        """Go back from the pairs that differ, nearest first."""
        users: dict[Step, list[Step]] = {}
        levels: dict[int, list[Step]] = {0: list(differing)}
        for step, steps in following.items():
            for one in steps:
                if known := self.nearest.get(one):
                    levels.setdefault(known[0] + 1, []).append(step)
                users.setdefault(one, []).append(step)
        self.nearest |= dict.fromkeys(following)
        distance = 0
        while levels:
            for step in levels.pop(distance, ()):
                if self.nearest[step]:
                    continue
                pair = differing.get(step) or self._first(following[step], distance - 1)
                self.nearest[step] = distance, pair
                levels.setdefault(distance + 1, []).extend(users.get(step, ()))
            distance += 1

    def _first(self, steps: list[Step], distance: int) -> Pair:
        """The pair of the first of these steps that is so far from it."""
        found = (self.nearest.get(step) for step in steps)
        return next(one[1] for one in found if one and one[0] == distance)
