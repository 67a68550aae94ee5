"""Lists of types by conditions: size, holes, what they contain, point to, take or return."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from attrs import Factory, field, frozen

from btfschema.arguments import require_choice, require_type, texts
from btfschema.arrays import Index, Mask
from btfschema.errors import SpecError, UnknownNameError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.finding import ids_named
from btfschema.model.views.making import many_new_objects
from btfschema.questions.catalog import NO_SIZE, Catalog, catalog_of
from btfschema.questions.signatures import signatures_of
from btfschema.questions.spelling import QUALIFIERS, joined
from btfschema.render.c.columns import TypeColumns
from btfschema.render.c.layout import Layout
from btfschema.render.structs import Gaps, MemberPlace, gaps_between

__all__ = ["COLUMNS", "SORTS", "Conditions", "Row", "list_types", "prototype"]


SORTS = ("id", "size", "name", "holes", "members", "users")
COLUMNS = ("id", "kind", "name", "size", "holes", "packed", "members", "users", "c")

# What stands in C's words behind the name of a type, or around it.
BEHIND = re.compile(r"[*\[(].*", re.DOTALL)


@frozen
class Conditions:
    """What a listed type must be; all conditions must hold.

    Where several texts are taken, one may be given as it is: ``names="task_*"``.

    Attributes:
        kinds: one of these kinds, by name.
        names: a name that one of these patterns fits (``task_*``).
        regex: a name in which this regular expression is found.
        min_size: bytes at least.
        max_size: bytes at most.
        holes: a struct with so many holes at least, as pahole counts them.
        packable: a struct that would be smaller with its members in another order.
        contains: a struct or union that has one of these types as a member, by value.
        deep: ``contains`` counts members of members too.
        points_to: a struct or union with a member that points to one of these.
        takes: a function with a parameter that is one of these or points to it.
        returns: a function that returns one of these or a pointer to it.
        tagged: a type with a declaration tag of such a text.
        member: a struct or union with a member of such a name; what its anonymous members hold
            counts, as in C.
        member_type: a struct or union with a member of this type, in C's words, likewise.
        unused: no type refers to it.
        duplicated: another type has the same kind and name.
    """

    kinds: tuple[str, ...] = field(default=(), converter=texts)
    names: tuple[str, ...] = field(default=(), converter=texts)
    regex: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    holes: int | None = None
    packable: bool = False
    contains: tuple[str, ...] = field(default=(), converter=texts)
    deep: bool = False
    points_to: tuple[str, ...] = field(default=(), converter=texts)
    takes: tuple[str, ...] = field(default=(), converter=texts)
    returns: tuple[str, ...] = field(default=(), converter=texts)
    tagged: tuple[str, ...] = field(default=(), converter=texts)
    member: tuple[str, ...] = field(default=(), converter=texts)
    member_type: tuple[str, ...] = field(default=(), converter=texts)
    unused: bool = False
    duplicated: bool = False


@frozen(slots=False)
class Row:
    """A listed type.

    Attributes:
        id: its id.
        kind: its kind's name.
        name: its name, or "".
        size: bytes, or None.
        members: members, values, parameters or variables.
        users: how many references there are to it.
    """

    id: int
    kind: str
    name: str
    size: int | None
    members: int
    users: int
    _work: _Work = field(repr=False, eq=False, alias="work")

    @cached_property
    def holes(self) -> int | None:
        """The number of holes of a struct; None for what is none."""
        outline = self._work.outline(self.id)
        return outline.gaps.holes if outline is not None else None

    @property
    def packed(self) -> int | None:
        """Bytes of a struct with its members in a better order; None where there is none."""
        return self._work.packed(self.id)

    @property
    def c(self) -> str:
        """The type in C's words; of a function, its prototype."""
        return prototype(self._work.catalog, self.id)

    def values(self, columns: str | Iterable[str]) -> list[Any]:
        """The values of some of ``COLUMNS``."""
        return [getattr(self, column) for column in texts(columns)]


def list_types(btf: Btf, wanted: Conditions | None = None, sort: str = "id") -> list[Row]:
    """The container's own types that meet all conditions.

    Args:
        btf: the container; of a split, its base's types are looked through and not listed.
        wanted: the conditions; None is none.
        sort: one of ``SORTS``; numbers with the largest first, but ids.

    Raises:
        ValueError: ``sort`` is something else.
        SpecError: a condition names a kind that there is not.
        UnknownNameError: a condition names a type that there is not.
    """
    expected = "Conditions: Conditions(names='task_*')"
    require_type("what is wanted", wanted, Conditions | None, expected)
    require_choice("sort", sort, SORTS)
    work = _Work(btf)
    mask = work.mask(wanted or Conditions())
    rows = [work.row(row) for row in np.flatnonzero(mask).tolist()]
    if sort == "name":
        rows.sort(key=lambda row: (row.name, row.id))
    elif sort != "id":
        rows.sort(key=lambda row: -(getattr(row, sort) or 0))
    return rows


@frozen
class _Outline:
    """The members of a struct, by offset, and what lies between them.

    What they are aligned to is not in it: that needs the columns of all types.
    """

    size: int
    places: list[MemberPlace]
    gaps: Gaps

    @property
    def has_gaps(self) -> bool:
        """Whether there are holes, or padding."""
        return bool(self.gaps.holes or self.gaps.padding or self.gaps.bit_holes)


@frozen(eq=False, slots=False)
class _Work:
    """Answers conditions over one container."""

    btf: Btf
    catalog: Catalog = field(init=False)
    _outlines: dict[int, _Outline] = field(init=False, default=Factory(dict))

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "catalog", catalog_of(self.btf))

    @cached_property
    def users(self) -> npt.NDArray[Any]:
        """References to each own type."""
        table = self.catalog.table
        targets = table.words[table.type_id_positions].astype(np.int64) - self.catalog.first_id
        return np.bincount(targets[targets >= 0], minlength=len(self.catalog))

    def row(self, row: int) -> Row:
        """A type as it is listed."""
        catalog = self.catalog
        size = int(catalog.sizes[row])
        return Row(
            row + catalog.first_id,
            catalog.table.plan.name(int(catalog.kinds[row])),
            catalog.names[row],
            None if size == NO_SIZE else size,
            int(catalog.table.vlens[row]),
            int(self.users[row]),
            self,
        )

    def outline(self, type_id: int) -> _Outline | None:
        """The members and gaps of a struct; None for all else."""
        row = type_id - self.catalog.first_id
        kind = int(self.catalog.kinds[row])
        if kind not in self.catalog.parts.composites - self.catalog.parts.unions:
            return None
        if type_id not in self._outlines:
            self._outlines[type_id] = self._outline(row)
        return self._outlines[type_id]

    def _outline(self, row: int) -> _Outline:
        members, sizes = self.catalog.exact_members, self._member_sizes
        part = slice(*members.firsts[row : row + 2].tolist())
        columns = (members.types, members.offsets, members.widths, sizes)
        facts = zip(*(column[part].tolist() for column in columns), strict=True)
        places = [MemberPlace("", *fact) for fact in facts]
        places.sort(key=lambda place: place.bit_offset)
        size = int(self.catalog.table.thirds[row])
        return _Outline(size, places, gaps_between(places, size))

    @cached_property
    def _member_sizes(self) -> npt.NDArray[Any]:
        sizes = self.catalog.gather("part_sizes", self.catalog.exact_members.types, NO_SIZE)
        return np.where(sizes == NO_SIZE, 0, sizes)

    def packed(self, type_id: int) -> int | None:
        """What a struct's members take when those that are aligned most come first."""
        outline = self.outline(type_id)
        if outline is None or not outline.has_gaps:
            return None
        places = outline.places
        try:
            alignments = [self._alignments.alignment(place.type_id) for place in places]
        except UnresolvedError:
            # The struct contains itself.
            return None
        unit = max([1, *alignments])
        bits = sum(place.bitfield_size for place in places)
        total = sum(place.size for place in places if not place.bitfield_size) + -(-bits // 8)
        size = -(-total // unit) * unit
        return size if total and size < outline.size else None

    @cached_property
    def _alignments(self) -> Layout:
        types = TypeColumns.of(self.btf)
        # Of a module few types are asked for, and the lists would be of all its base's.
        return Layout(types if self.btf.base is not None else types.listed())

    def mask(self, wanted: Conditions) -> Mask:
        """Which of the own types meet the conditions."""
        catalog = self.catalog
        mask = np.ones(len(catalog), np.bool_)
        if wanted.kinds:
            mask &= catalog.are(self._kinds(wanted.kinds))
        if wanted.min_size is not None:
            mask &= catalog.sizes >= wanted.min_size
        if wanted.max_size is not None:
            mask &= (catalog.sizes != NO_SIZE) & (catalog.sizes <= wanted.max_size)
        for ids in self._related(wanted):
            own = ids[ids >= catalog.first_id] - catalog.first_id
            here = np.zeros(len(catalog), np.bool_)
            here[own] = True
            mask &= here
        if wanted.unused:
            mask &= self.users == 0
        if wanted.duplicated:
            keys = signatures_of(catalog).keys
            _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
            mask &= (counts[inverse] > 1) & catalog.named
        if wanted.member or wanted.member_type:
            mask &= self._with_members(wanted)
        for asked, fits in ((wanted.names, _globs(wanted.names)), (wanted.regex, _regex(wanted))):
            if asked:
                mask &= self._named(mask, fits)
        if wanted.holes is not None or wanted.packable:
            mask &= self._with_holes(mask, wanted)
        return mask

    def _kinds(self, names: Iterable[str]) -> frozenset[int]:
        """The numbers of some kinds, whose names are written in any case.

        Raises:
            SpecError: there is no kind of such a name.
        """
        numbers = {plan.name: plan.number for plan in self.catalog.table.plan.kinds.values()}
        for name in names:
            if name.upper() not in numbers:
                require_choice("kind", name, numbers, SpecError)
        return frozenset(numbers[name.upper()] for name in names)

    def _related(self, wanted: Conditions) -> Iterable[Any]:
        """For each condition about another type, the ids of those that meet it."""
        relations = self.btf.relations

        def union(names: Iterable[str], ask: Callable[[int], Any]) -> Any:
            found = [ask(one) for name in names for one in self._ids(name)]
            return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

        if wanted.contains:
            yield union(wanted.contains, lambda one: relations.holding(one, deep=wanted.deep))
        if wanted.points_to:
            yield union(wanted.points_to, relations.pointing_to)
        if wanted.takes:
            yield union(wanted.takes, relations.taking)
        if wanted.returns:
            yield union(wanted.returns, relations.returning)
        if wanted.tagged:
            catalog = self.catalog
            rows = catalog.rows(catalog.parts.tags)
            fits = _globs(wanted.tagged)
            chosen = [row for row in rows.tolist() if fits(catalog.names[row])]
            yield catalog.targets[np.array(chosen, np.int64)]

    def _ids(self, name: str) -> list[int]:
        """The types that a condition names, such as ``struct file``.

        Raises:
            UnknownNameError: there is none.
        """
        named, parts = ids_named(self.btf, name), self.catalog.parts
        # A name may be a function's and a struct's; that of a function alone is a mistake.
        others = parts.functions | parts.variables | parts.sections
        found = [one for one in named if self.btf[one].kind not in others]
        if not found:
            hint = f"; there is {self.btf.describe(named[0])}" if named else ""
            message = f"no type {name!r}{hint}"
            raise UnknownNameError(message, got=name, expected="a name in this BTF")
        return found

    def _named(self, mask: Mask, fits: Callable[[str], bool]) -> Mask:
        found = np.zeros(len(mask), np.bool_)
        rows = np.flatnonzero(mask).tolist()
        found[[row for row in rows if fits(self.catalog.names[row])]] = True
        return found

    def _with_members(self, wanted: Conditions) -> Mask:
        """Which structs have a member of such a name, and of such a type."""
        holders = _with_member(self.catalog, _Wanted(wanted.member, wanted.member_type))
        for text in holders.missing:
            self._check_spelling(text)
        return holders.mask

    def _check_spelling(self, text: str) -> None:
        """Refuse a type in C's words that no member has, if what it is made of is not there.

        Raises:
            UnknownNameError: it is not.
        """
        words = [word for word in BEHIND.sub("", text).split() if word not in QUALIFIERS.values()]
        if words and words != ["void"]:
            self._ids(" ".join(words))

    def _with_holes(self, mask: Mask, wanted: Conditions) -> Mask:
        found = np.zeros(len(mask), np.bool_)
        if wanted.holes is None or wanted.holes > 0 or wanted.packable:
            mask = mask & ~self._tiled()
        with many_new_objects():
            for row in np.flatnonzero(mask).tolist():
                type_id = row + self.catalog.first_id
                outline = self.outline(type_id)
                if outline is None:
                    continue
                enough = wanted.holes is None or outline.gaps.holes >= wanted.holes
                found[row] = enough and (not wanted.packable or self.packed(type_id) is not None)
        return found

    def _tiled(self) -> Mask:
        """Which structs their members fill, one behind the other, from the first bit to the last.

        That can be told of all at once, and there is nothing more to ask about their layout.
        """
        catalog, members = self.catalog, self.catalog.members
        sizes = catalog.gather("part_sizes", members.types, NO_SIZE)
        plain = members.widths == 0
        bits = np.where(plain, 8 * sizes, members.widths)
        ends = members.offsets + bits
        starts_behind = members.offsets.copy()
        first = np.ones(len(ends), np.bool_)
        first[1:] = members.owners[1:] != members.owners[:-1]
        starts_behind[~first] -= ends[:-1][~first[1:]]
        wrong = (starts_behind != 0) | (plain & (sizes == NO_SIZE))
        counts = np.bincount(members.owners, minlength=len(catalog))
        lasts = members.firsts[1:] - 1
        filled = np.zeros(len(catalog), np.bool_)
        some = counts > 0
        filled[some] = ends[lasts[some]] == 8 * catalog.sizes[some]
        filled[members.owners[wrong]] = False
        return filled


@frozen
class _Wanted:
    """What one member must be.

    Attributes:
        names: patterns, one of which its name fits; none is any.
        types: its type in C's words, one of these; none is any.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]


class _Holders(NamedTuple):
    """Which of a catalog's structs have such a member, and the types that no member there has."""

    mask: Mask
    missing: set[str]


def _with_member(catalog: Catalog, wanted: _Wanted) -> _Holders:
    """The structs of a catalog with such a member of their own, or in an anonymous member."""
    members = catalog.members
    chosen = np.ones(len(members.owners), np.bool_)
    missing = set(wanted.types)
    if wanted.names:
        fits = _globs(wanted.names)
        offsets, inverse = np.unique(members.name_offs, return_inverse=True)
        names = catalog.btf.strings.names(offsets)
        chosen &= np.array([fits(name) for name in names], np.bool_)[inverse]
    if wanted.types:
        types, inverse = np.unique(members.types, return_inverse=True)
        texts = list(map(catalog.text, types.tolist()))
        missing.difference_update(texts)
        chosen &= np.array([text in wanted.types for text in texts], np.bool_)[inverse]
    found = np.zeros(len(catalog), np.bool_)
    found[members.owners[chosen]] = True
    # An anonymous member brings its owner what it holds; an unnamed bit field holds nothing.
    unnamed = np.flatnonzero(catalog.btf.strings.empty(members.name_offs))
    inner = catalog.gather("plain", members.types[unnamed])
    composite = np.isin(catalog.gather("kinds", inner), list(catalog.parts.composites))
    owners, inner = members.owners[unnamed[composite]], inner[composite]
    own = inner >= catalog.first_id
    if catalog.base is not None:
        found[owners[~own][_are_holders(catalog.base, inner[~own], wanted)]] = True
    owners, inner = owners[own], inner[own] - catalog.first_id
    while (more := found[inner] & ~found[owners]).any():
        found[owners[more]] = True
    return _Holders(found, missing)


def _are_holders(catalog: Catalog, ids: Index, wanted: _Wanted) -> Mask:
    """Whether some types of a base have such a member; the last answer of a base is kept."""
    if not len(ids):
        return np.zeros(0, np.bool_)
    known: dict[_Wanted, _Holders] = catalog.kept.setdefault(_Wanted, {})
    if wanted not in known:
        holders = _with_member(catalog, wanted)
        known.clear()
        known[wanted] = holders
    mask = known[wanted].mask
    own = ids >= catalog.first_id
    found = np.zeros(len(ids), np.bool_)
    found[own] = mask[ids[own] - catalog.first_id]
    if catalog.base is not None:
        found[~own] = _are_holders(catalog.base, ids[~own], wanted)
    return found


def _globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text fits one of these patterns."""
    fits = re.compile("|".join(map(translate, patterns)) or "(?!)")
    return lambda text: fits.match(text) is not None


def _regex(wanted: Conditions) -> Callable[[str], bool]:
    pattern = re.compile(wanted.regex or "")
    return lambda text: pattern.search(text) is not None


def prototype(catalog: Catalog, type_id: int) -> str:
    """A type in C's words; of a function its declaration, with the parameters' names."""
    owner = catalog.owner(type_id)
    if owner is None:
        return "void"
    row = type_id - owner.first_id
    if int(owner.kinds[row]) not in owner.parts.functions:
        return catalog.text(type_id)
    name, proto_id = owner.names[row], int(owner.targets[row])
    holder = catalog.owner(proto_id)
    params, back = list[str](), ("void", "", "")
    if holder is not None:
        row = proto_id - holder.first_id
        # What a damaged FUNC refers to need not be a prototype.
        for label, param_id in holder.speller.params.get(row, ()):
            params.append(_declared(catalog, param_id, label) if param_id else "...")
        result = catalog.owner(int(holder.targets[row]))
        back = result.speller.of(int(holder.targets[row])) if result is not None else back
    return joined((back[0], f"({', '.join(params) or 'void'}){back[1]}", ""), name)


def _declared(catalog: Catalog, type_id: int, name: str) -> str:
    owner = catalog.owner(type_id)
    return joined(owner.speller.of(type_id), name) if owner is not None else "void"
