"""Who refers to a type, and what a type needs: worked out for all types of a container at once.

The plain answer looks through what only names a type. A struct *contains* ``list_head`` when a
member is one, a ``const`` one, a typedef of one or an array of some; it *points to* it when a
member is a pointer to any of these. A function *takes* it as a parameter by value or by pointer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index, ranges
from btfschema.model import finding
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.roles import Role
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView

__all__ = ["Edges", "Relations", "TypeList", "Users"]


class TypeList(Sequence["AnyView"]):
    """Types of a container, in id order; a view is made when one is asked for.

    Args:
        btf: the container.
        ids: their ids.

    Attributes:
        ids: their ids, an array.
    """

    def __init__(self, btf: Btf, ids: Index) -> None:
        self._btf = btf
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> AnyView: ...
    @overload
    def __getitem__(self, at: slice) -> TypeList: ...
    def __getitem__(self, at: int | slice) -> AnyView | TypeList:
        if isinstance(at, slice):
            return TypeList(self._btf, self.ids[at])
        return self._btf.view(int(self.ids[at]))

    def __iter__(self) -> Iterator[AnyView]:
        return iter(self._btf.views(self.ids))

    def __contains__(self, key: object) -> bool:
        """Whether a type is among them: a view, an id, or a name as ``btf[name]`` takes it.

        Raises:
            WrongKeyError: the key is none of these.
        """
        return finding.is_among(self._btf, key, self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeList) and np.array_equal(self.ids, other.ids)

    def __hash__(self) -> int:
        return hash(self.ids.tobytes())

    def __repr__(self) -> str:
        shown = ", ".join(map(self._btf.describe, self.ids[:4].tolist()))
        more = f", and {len(self) - 4} more" if len(self) > 4 else ""
        return f"<{len(self)} types: {shown}{more}>" if len(self) else "<no types>"


@frozen
class Users:
    """Who refers to a type, by relation; what is said through names counts.

    Attributes:
        contains: structs and unions of which a member is it, or an array of it; and those that
            contain such a struct or union as an anonymous member.
        points_to: structs and unions of which a member is a pointer to it, likewise.
        takes: functions with it, or a pointer to it, as a parameter.
        returns: functions that return it or a pointer to it.
        variables: variables that are it, or an array of it.
        tags: its declaration tags.
        pointers: the pointers to it.
        names: the typedefs, qualifiers and type tags that stand for it.
    """

    contains: TypeList
    points_to: TypeList
    takes: TypeList
    returns: TypeList
    variables: TypeList
    tags: TypeList
    pointers: TypeList
    names: TypeList

    def __bool__(self) -> bool:
        """Whether anybody refers to it."""
        return any(map(len, (self.contains, self.points_to, self.takes, self.returns))) or any(
            map(len, (self.variables, self.tags, self.pointers, self.names))
        )


class Edges:
    """References of one sort, by what they lead to.

    Args:
        sources: the ids that refer.
        targets: what each of them refers to.
        count: how many ids there are, void's included.
    """

    def __init__(self, sources: Index, targets: npt.NDArray[Any], count: int) -> None:
        inside = targets < count
        sources, targets = sources[inside], targets[inside].astype(np.int64)
        self._sources = sources[np.argsort(targets, kind="stable")]
        self._ends = np.bincount(targets, minlength=count).cumsum()

    def into(self, ids: Index) -> Index:
        """The ids that refer to some of these, ascending, each once."""
        ends = self._ends[ids]
        firsts = np.where(ids > 0, self._ends[ids - 1], 0)
        return np.unique(self._sources[ranges(firsts, ends - firsts)])

    def reaching(self, ids: Iterable[int]) -> Index:
        """The ids from which such references lead to some of these, and these, ascending."""
        # Few ids are met as a rule: lists of all the references would cost more.
        sources, ends = self._sources, self._ends
        seen = set(ids)
        pending = list(seen)
        while pending:
            one = pending.pop()
            first = ends[one - 1] if one else 0
            for source in sources[first : ends[one]].tolist():
                if source not in seen:
                    seen.add(source)
                    pending.append(source)
        return np.array(sorted(seen), np.int64)


class Relations:
    """The references of a container and its bases, by what they mean.

    Args:
        types: the records of the whole chain, row i with the id i + 1.
    """

    def __init__(self, types: TypeTable) -> None:
        self._types = types
        self._parts = parts_of_plan(types.plan)
        self.count = len(types) + 1

    def _rows(self, *kinds: int) -> Index:
        return self._types.rows_of(*kinds)

    def _by_third(self, kinds: Collection[int]) -> Edges:
        """References by the third word."""
        rows = self._rows(*kinds)
        return Edges(rows + 1, self._types.thirds[rows], self.count)

    def _by_elements(self, kinds: Collection[int]) -> Edges:
        """References by the repeated structs."""
        sources, targets = [np.empty(0, np.int64)], [np.empty(0, np.uint32)]
        for kind in sorted(kinds):
            elements = self._types.elements(kind)
            for word in elements.plan.element_words_with(Role.TYPE_ID):
                sources.append(elements.owners + 1)
                targets.append(elements.words[elements.starts + word])
        return Edges(np.concatenate(sources), np.concatenate(targets), self.count)

    @cached_property
    def _names(self) -> Edges:
        """Typedefs, qualifiers and type tags."""
        return self._by_third(self._parts.modifiers)

    @cached_property
    def _arrays(self) -> Edges:
        """The same and arrays, to their elements."""
        sources, targets = [], []
        for kind in sorted(self._parts.arrays):
            element = self._types.plan.kinds[kind].first_type_id
            if element is not None:
                rows = self._rows(kind)
                sources.append(rows + 1)
                targets.append(self._types.words[self._types.starts[rows] + element.word])
        rows = self._rows(*self._parts.modifiers)
        return Edges(
            np.concatenate([*sources, rows + 1]),
            np.concatenate([*targets, self._types.thirds[rows]]),
            self.count,
        )

    @cached_property
    def _members(self) -> Edges:
        return self._by_elements(self._parts.holders)

    @cached_property
    def _pointers(self) -> Edges:
        return self._by_third(self._parts.pointers)

    @cached_property
    def _params(self) -> Edges:
        return self._by_elements(self._parts.prototypes)

    @cached_property
    def _results(self) -> Edges:
        return self._by_third(self._parts.prototypes)

    @cached_property
    def _functions(self) -> Edges:
        return self._by_third(self._parts.functions)

    @cached_property
    def _variables(self) -> Edges:
        return self._by_third(self._parts.variables)

    @cached_property
    def _tags(self) -> Edges:
        return self._by_third(self._parts.tags)

    @cached_property
    def _unnamed(self) -> npt.NDArray[np.bool_]:
        """By id, whether it is a struct or union without a name."""
        found = np.zeros(self.count, np.bool_)
        rows = self._rows(*self._parts.holders)
        found[rows + 1] = self._types.name_offs[rows] == 0
        return found

    @cached_property
    def _every(self) -> tuple[Index, Index]:
        """All references: where those of each id start, and what they lead to."""
        types = self._types
        targets = types.words[types.type_id_positions].astype(np.int64)
        return types.reference_bounds, targets

    @cached_property
    def _referrers(self) -> Edges:
        """All references, backwards."""
        starts, targets = self._every
        sources = np.repeat(np.arange(1, self.count), np.diff(starts))
        return Edges(sources, targets, self.count)

    def referring(self, type_id: int) -> Index:
        """The types whose records refer to a type."""
        return self._referrers.into(np.array([type_id]))

    def names_of(self, type_id: int) -> Index:
        """The type and all typedefs, qualifiers and type tags that stand for it."""
        return self._names.reaching([type_id])

    def _holders(self, held: Index, through: npt.NDArray[np.bool_] | None = None) -> Index:
        """What has one of these as a member, also within an anonymous member.

        Args:
            held: the types.
            through: by id, what is looked through in turn; the anonymous by default.
        """
        through = self._unnamed if through is None else through
        seen = np.zeros(self.count, np.bool_)
        found = self._members.into(held)
        while len(found):
            found = found[~seen[found]]
            seen[found] = True
            inner = found[through[found]]
            found = self._members.into(self._arrays.reaching(inner.tolist()))
        return np.flatnonzero(seen)

    def holding(self, type_id: int, *, deep: bool = False) -> Index:
        """The structs and unions that contain a type by value.

        Args:
            type_id: the type.
            deep: also those that contain these, and so on.
        """
        every = np.ones(self.count, np.bool_) if deep else None
        return self._holders(self._arrays.reaching([type_id]), every)

    def pointers_to(self, type_id: int) -> Index:
        """The pointers to a type."""
        return self._pointers.into(self.names_of(type_id))

    def pointing_to(self, type_id: int) -> Index:
        """The structs and unions of which a member is a pointer to a type."""
        return self._holders(self._arrays.reaching(self.pointers_to(type_id).tolist()))

    def _with_pointers(self, type_id: int) -> Index:
        """A type, its names, pointers to it, and their names."""
        pointers = self._names.reaching(self.pointers_to(type_id).tolist())
        return np.union1d(self.names_of(type_id), pointers)

    def taking(self, type_id: int) -> Index:
        """The functions with a type, or a pointer to it, as a parameter."""
        return self._functions.into(self._params.into(self._with_pointers(type_id)))

    def returning(self, type_id: int) -> Index:
        """The functions that return a type or a pointer to it."""
        return self._functions.into(self._results.into(self._with_pointers(type_id)))

    def variables_of(self, type_id: int) -> Index:
        """The variables that are of a type, or an array of it."""
        return self._variables.into(self._arrays.reaching([type_id]))

    def tags_of(self, type_id: int) -> Index:
        """The declaration tags of a type."""
        return self._tags.into(np.array([type_id]))

    def users(self, btf: Btf, type_id: int) -> Users:
        """All of these."""
        names = self.names_of(type_id)
        lists = (
            self.holding(type_id),
            self.pointing_to(type_id),
            self.taking(type_id),
            self.returning(type_id),
            self.variables_of(type_id),
            self.tags_of(type_id),
            self.pointers_to(type_id),
            names[names != type_id],
        )
        return Users(*(TypeList(btf, ids) for ids in lists))

    def closure(self, ids: Iterable[int]) -> Index:
        """These types and all that they need, ascending; void is not among them."""
        starts, targets = self._every
        seen = np.zeros(self.count, np.bool_)
        fresh = np.unique(np.fromiter(ids, np.int64))
        while len(fresh):
            seen[fresh] = True
            rows = fresh[fresh > 0] - 1
            firsts = starts[rows]
            found = targets[ranges(firsts, starts[rows + 1] - firsts)]
            found = found[found < self.count]
            fresh = np.unique(found[~seen[found]])
        seen[0] = False
        return np.flatnonzero(seen)
