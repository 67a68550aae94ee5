"""``IdMap``: where the types of a container went.

A map has one entry for every id of the input, those of its bases and void included. It is kept as
*runs*: stretches of ids that move together. Most passes move most ids by the same amount, or not
at all, so that a map over a kernel's 110,000 base types takes a few dozen numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema.arguments import require_type
from btfschema.arrays import ranges, read_only, sizes_of
from btfschema.errors import BrokenPassError, TypeIdError, WrongKeyError

__all__ = ["DROPPED", "IdMap", "whole_id"]

Ids = npt.NDArray[np.int64]

# To look ids up among many runs takes a search each, and a miss of the cache at each of its steps.
# When runs are many, and every so many ids are asked for at least, one target an id is quicker.
FEW_RUNS, DENSE = 1024, 4

DROPPED = -1
"""What stands in arrays for "this type has no counterpart"; elsewhere that is None."""


def whole_id(key: Any) -> int:
    """A key as an id.

    Raises:
        WrongKeyError: it is not a whole number.
    """
    try:
        return index(key)
    except TypeError:
        hint = ": a view has it as view.id" if hasattr(key, "id") else ""
        message = f"{key!r} is not a type id{hint}"
        raise WrongKeyError(message, got=key, expected="a whole number") from None


def _ids(values: npt.ArrayLike) -> Ids:
    """A copy as int64, refusing what is not whole numbers."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        message = f"type ids are integers, got an array of {array.dtype}"
        raise TypeError(message)
    return array.astype(np.int64).reshape(-1)


@frozen(eq=False, repr=False, slots=False)
class IdMap:
    """Maps each id below ``count`` to an id of the output, or to nothing: the type was dropped.

    The ids from ``starts[i]`` up to the next start map to ``targets[i]``, ``targets[i] + 1`` and so
    on; where ``targets[i]`` is :data:`DROPPED` they are dropped. Runs that continue one another are
    joined, so equal maps have equal runs.

    Laws: :meth:`then` is associative, ``identity`` is neutral on either side, and
    ``m.then(m.invert()).then(m) == m``.

    Args:
        count: ids of the input, void included: its ``end_id``.
        starts: the first id of each run, ascending from 0.
        targets: what it maps to.

    Raises:
        ValueError: the runs do not cover 0 to ``count`` in ascending order, or a target is below
            ``DROPPED``.

    Example:
        >>> ids = IdMap.from_array([0, None, 1, 2])
        >>> ids
        <IdMap of 4 ids: 1 kept, 2 moved, 1 dropped>
        >>> ids[3], ids[1]
        (2, None)
    """

    count: int
    starts: Ids = field(converter=_ids)
    targets: Ids = field(converter=_ids)

    def __attrs_post_init__(self) -> None:
        starts, targets = self.starts, self.targets
        first = [0] if self.count else []
        if len(starts) != len(targets) or starts[:1].tolist() != first or self.count < 0:
            message = f"runs start at {starts[:1].tolist()}, expected {first}, one target each"
            raise ValueError(message)
        steps = starts[1:] - starts[:-1]
        if len(starts) and ((steps <= 0).any() or int(starts[-1]) >= self.count):
            message = f"runs must start at ascending ids below {self.count}"
            raise ValueError(message)
        if len(targets) and int(targets.min()) < DROPPED:
            message = f"a target is {int(targets.min())}, the lowest allowed is {DROPPED} (dropped)"
            raise ValueError(message)
        before = targets[:-1]
        joins = targets[1:] == before + steps * (before != DROPPED)
        if joins.any():
            keep = np.concatenate([[True], ~joins])
            starts, targets = starts[keep], targets[keep]
        starts.flags.writeable = targets.flags.writeable = False
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "targets", targets)

    @classmethod
    def identity(cls, count: int) -> IdMap:
        """Every id below ``count`` stays."""
        return cls(count, *([[0], [0]] if count else [[], []]))

    @classmethod
    def from_array(cls, targets: Any) -> IdMap:
        """From one target an id: integers, with None or :data:`DROPPED` for dropped ones."""
        if not isinstance(targets, np.ndarray):
            targets = [DROPPED if target is None else target for target in targets]
        array = _ids(targets)
        return cls(len(array), np.arange(len(array)), array)

    @classmethod
    def from_runs(
        cls,
        count: int,
        sources: npt.ArrayLike,
        targets: npt.ArrayLike,
        lengths: npt.ArrayLike = 1,
    ) -> IdMap:
        """From runs in any order; void stays void, and every id that is in no run is dropped.

        ``from_runs(count, olds, news)`` maps single ids;
        ``from_runs(count, first_id, new_first_id, len(btf))`` moves a container's own types.

        Args:
            count: ids of the input.
            sources: the first id of each run.
            targets: the id that it maps to.
            lengths: ids in each run; empty runs are ignored.

        Raises:
            ValueError: runs overlap, or end past ``count``.
        """
        given = [_ids(values) for values in (sources, targets, lengths)]
        if len({len(part) for part in given}) > 1:
            given = list(np.broadcast_arrays(*given))
        starts, firsts, sizes = given
        if not sizes.all():
            starts, firsts, sizes = (part[sizes > 0] for part in given)
        if count and not (starts == 0).any():
            starts, firsts, sizes = (
                np.concatenate([[void], part])
                for void, part in ((0, starts), (0, firsts), (1, sizes))
            )
        if (starts[1:] < starts[:-1]).any():
            order = np.argsort(starts, kind="stable")
            starts, firsts, sizes = starts[order], firsts[order], sizes[order]
        # A gap, to be dropped, follows each run that the next one does not continue.
        bounds = np.empty((len(starts), 2), np.int64)
        bounds[:, 0], bounds[:, 1] = starts, starts + sizes
        nexts = np.concatenate([starts[1:], [count]])
        if (bounds[:, 1] > nexts).any() or (starts < 0).any():
            message = f"runs overlap, or do not lie in 0..{count - 1}"
            raise ValueError(message)
        to = np.full((len(starts), 2), DROPPED)
        to[:, 0] = firsts
        keep = np.ones((len(starts), 2), np.bool_)
        keep[:, 1] = bounds[:, 1] != nexts
        return cls(count, bounds[keep], to[keep])

    @classmethod
    def deferred(cls, count: int, target_end: int, work: Callable[[], IdMap]) -> IdMap:
        """A map whose runs are worked out when somebody looks at them.

        Args:
            count: ids of the input.
            target_end: one past the highest target.
            work: makes the map; called once, and held to the two numbers.
        """
        return _Deferred.of(count, target_end, work)

    def cut(self, bounds: npt.ArrayLike) -> list[IdMap]:
        """The maps of several containers, when this one maps the ids of all, one after another.

        Args:
            bounds: where the ids of each container start, its void first, and where the last
                one's end.

        Raises:
            ValueError: a run goes on over a bound, or the bounds do not ascend from 0 to ``count``.
        """
        ends = _ids(bounds)
        outer = ends[[0, -1]].tolist() if len(ends) else []
        if outer != [0, self.count] or (ends[1:] < ends[:-1]).any():
            message = f"the bounds {ends.tolist()} do not ascend from 0 to {self.count}"
            raise ValueError(message)
        if len(ends) == 2:
            return [self]
        at = self.starts.searchsorted(ends)
        if not np.array_equal(np.append(self.starts, self.count).take(at), ends):
            message = f"a run goes on over one of the bounds {ends.tolist()}"
            raise ValueError(message)
        starts = self.starts - ends[:-1].repeat(sizes_of(at))
        found = []
        for (run, end), size in zip(pairwise(at.tolist()), sizes_of(ends).tolist(), strict=True):
            part = IdMap.__new__(IdMap)
            # Parts of sound runs are sound; a kernel has thousands, not to be checked again.
            vars(part).update(
                count=size,
                starts=read_only(starts[run:end].copy()),
                targets=read_only(self.targets[run:end].copy()),
            )
            found.append(part)
        return found

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, type_id: int) -> int | None:
        """Where this id went; None when the type was dropped.

        Raises:
            TypeIdError: the input has no such id.
            WrongKeyError: it is not a whole number.
        """
        if type(type_id) is not int:
            type_id = whole_id(type_id)
        if not 0 <= type_id < self.count:
            raise self._no_such_id(type_id)
        run = int(np.searchsorted(self.starts, type_id, side="right")) - 1
        target = int(self.targets[run])
        return None if target == DROPPED else target + type_id - int(self.starts[run])

    def __iter__(self) -> Iterator[int | None]:
        """Every id's target, in order."""
        return (None if target == DROPPED else target for target in self.to_array().tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdMap):
            return NotImplemented
        return (
            self.count == other.count
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.targets, other.targets)
        )

    def __hash__(self) -> int:
        return hash((self.count, self.starts.tobytes(), self.targets.tobytes()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was before it was pickled: arrays come back writable."""
        vars(self).update(state)
        read_only(self.starts)
        read_only(self.targets)

    def __repr__(self) -> str:
        dropped = int(self._lengths[self.targets == DROPPED].sum())
        kept = int(self._lengths[self.targets == self.starts].sum())
        if kept == self.count:
            return f"<IdMap of {self.count} ids: all kept>"
        moved = self.count - kept - dropped
        return f"<IdMap of {self.count} ids: {kept} kept, {moved} moved, {dropped} dropped>"

    @property
    def _lengths(self) -> Ids:
        return np.diff(self.starts, append=self.count)

    @property
    def is_identity(self) -> bool:
        """Whether every id stays."""
        return np.array_equal(self.targets, self.starts) and len(self.starts) <= 1

    @property
    def dropped(self) -> Ids:
        """The ids that have no counterpart, ascending."""
        return np.flatnonzero(self.to_array() == DROPPED)

    @property
    def target_end(self) -> int:
        """One past the highest target: the output has at least so many ids."""
        lasts = (self.targets + self._lengths)[self.targets != DROPPED]
        return int(lasts.max()) if len(lasts) else 0

    def moved(self) -> Iterator[tuple[int, int | None]]:
        """The ids that do not stay, each with its target (None: dropped), in order."""
        for start, target, length in zip(
            self.starts.tolist(), self.targets.tolist(), self._lengths.tolist(), strict=True
        ):
            if target == start:
                continue
            for step in range(length):
                yield start + step, None if target == DROPPED else target + step

    def to_array(self) -> Ids:
        """One target an id, :data:`DROPPED` for dropped ones."""
        lengths = self._lengths
        targets = np.repeat(self.targets - self.starts, lengths)
        targets += np.arange(self.count)
        targets[np.repeat(self.targets == DROPPED, lengths)] = DROPPED
        return targets

    def apply(self, ids: npt.ArrayLike) -> Ids:
        """The targets of many ids at once, :data:`DROPPED` for dropped ones; shape as given.

        Raises:
            TypeIdError: the input has no such id.
        """
        array = np.asarray(ids)
        flat = _ids(array)
        if len(flat) and not (int(flat.min()) >= 0 and int(flat.max()) < self.count):
            raise self._no_such_id(int(flat[(flat < 0) | (flat >= self.count)][0]))
        if len(self.starts) > FEW_RUNS and DENSE * len(flat) > self.count:
            return self.to_array().take(flat).reshape(array.shape)
        runs = self.starts.searchsorted(flat, side="right") - 1
        targets = self.targets.take(runs)
        mapped = targets + flat
        mapped -= self.starts.take(runs)
        mapped[targets == DROPPED] = DROPPED
        return mapped.reshape(array.shape)

    def then(self, other: IdMap) -> IdMap:
        """First this map, then ``other``: an id that either drops is dropped.

        Raises:
            ValueError: a target of this map is not an id of ``other``'s input.
        """
        require_type("the next map", other, IdMap, "an IdMap")
        if self.target_end > other.count:
            message = (
                f"a map of {other.count} ids can't follow one whose highest target is "
                f"{self.target_end - 1}"
            )
            raise ValueError(message)
        # In this order: nobody needs the runs of a deferred map that nothing precedes.
        if self.is_identity and self.count == other.count:
            return other
        if other.is_identity:
            return self
        runs = len(self.starts) + len(other.starts)
        if runs > FEW_RUNS and DENSE * runs > self.count + other.count:
            targets = self.to_array()
            alive = targets != DROPPED
            targets[alive] = other.to_array().take(targets[alive])
            return IdMap.from_array(targets)
        # A run of this map is cut wherever a run of the other starts among its targets.
        alive = np.flatnonzero(self.targets != DROPPED)
        firsts = self.targets[alive]
        low = np.searchsorted(other.starts, firsts, side="right")
        high = np.searchsorted(other.starts, firsts + self._lengths[alive], side="left")
        cuts = high - low
        at = ranges(low, cuts)
        shifts = np.repeat(self.starts[alive] - firsts, cuts)
        starts = np.sort(np.append(self.starts, other.starts[at] + shifts))
        targets = self.apply(starts)
        targets[targets != DROPPED] = other.apply(targets[targets != DROPPED])
        return IdMap(self.count, starts, targets)

    def invert(self, target_end: int | None = None) -> IdMap:
        """Where each id of the output came from; None for those that are new.

        When several ids map to one, the lowest is its source.

        Args:
            target_end: ids of the output; the highest target plus 1 by default.
        """
        count = self.target_end if target_end is None else target_end
        if count < self.target_end:
            message = f"the output has {count} ids, the highest target is {self.target_end - 1}"
            raise ValueError(message)
        sources = np.full(count, DROPPED)
        alive = self.targets != DROPPED
        starts, targets, lengths = self.starts[alive], self.targets[alive], self._lengths[alive]
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        # The last write to a place counts, and the lowest source is to win.
        sources[(np.repeat(targets, lengths) + within)[::-1]] = (
            np.repeat(starts, lengths) + within
        )[::-1]
        return IdMap.from_array(sources)

    def check(self, source_end: int, target_end: int) -> None:
        """Whether this maps a container with ids below ``source_end`` to one below ``target_end``.

        Raises:
            BrokenPassError: an id is missing or too many, void does not stay void, or a target is
                past the end.
        """
        if self.count != source_end:
            raise BrokenPassError(
                f"the id map has {self.count} entries, the input has ids 0..{source_end - 1}",
                got=self.count,
                expected=f"{source_end} entries",
            )
        if self.count and self[0] != 0:
            raise BrokenPassError(
                f"the id map takes void (id 0) to {self[0]}", type_id=0, got=self[0], expected="0"
            )
        if self.target_end > target_end:
            lasts = self.targets + self._lengths
            bad = int(np.flatnonzero((self.targets != DROPPED) & (lasts > target_end))[0])
            start, target = int(self.starts[bad]), int(self.targets[bad])
            step = max(target_end - target, 0)
            raise BrokenPassError(
                f"the id map takes type {start + step} to {target + step}, past the output's last "
                f"id {target_end - 1}",
                type_id=start + step,
                got=target + step,
                expected=f"0..{target_end - 1}",
            )

    def _no_such_id(self, type_id: int) -> TypeIdError:
        return TypeIdError(
            f"type id {type_id} is not in 0..{self.count - 1}, the ids that the map is about",
            type_id=type_id,
            got=type_id,
            expected=f"0..{self.count - 1}",
        )


class _Deferred(IdMap):
    """A map whose runs are not known yet; it becomes like any other when they are asked for."""

    @classmethod
    def of(cls, count: int, target_end: int, work: Callable[[], IdMap]) -> _Deferred:
        """See :meth:`IdMap.deferred`."""
        made = cls.__new__(cls)
        vars(made).update(count=count, _pending=(target_end, work))
        return made

    def __getattr__(self, name: str) -> Ids:
        # Only called for what is not there yet.
        pending = vars(self).get("_pending")
        if name not in ("starts", "targets") or pending is None:
            message = f"{type(self).__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        target_end, work = pending
        found = work()
        if (found.count, found.target_end) != (self.count, target_end):
            message = (
                f"a deferred map of {self.count} ids to below {target_end} turned out to be one "
                f"of {found.count} to below {found.target_end}"
            )
            raise ValueError(message)
        vars(self).update(starts=found.starts, targets=found.targets, _pending=None)
        runs: Ids = vars(self)[name]
        return runs

    def __reduce__(self) -> tuple[type[IdMap], tuple[int, Ids, Ids]]:
        return IdMap, (self.count, self.starts, self.targets)

    def check(self, source_end: int, target_end: int) -> None:
        """See :meth:`IdMap.check`; what is not known yet is held to what was said of it."""
        pending = vars(self).get("_pending")
        if pending is None or self.count != source_end or pending[0] > target_end:
            super().check(source_end, target_end)
