"""The type section as columns: what the bulk engine reads and passes work on.

A :class:`TypeTable` is the section's u32 words and the word at which each record starts. Every
question about all types at once (kinds, names, sizes, where the references are) is a numpy
expression over the two, planned by :mod:`btfschema.schema.plan`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from btfschema.arguments import texts
from btfschema.arrays import (
    Index,
    Mask,
    Words,
    bounds_of,
    distinct,
    ranges,
    read_only,
    sizes_of,
)
from btfschema.errors import TypeIdError, WrongKeyError
from btfschema.schema.kinds import INFO, MEMBER_BITFIELD
from btfschema.schema.parts import kind_mask
from btfschema.schema.plan import (
    HEADER_WORDS,
    INFO_WORD,
    KIND_FLAG_SHIFT,
    KIND_MASK,
    KIND_SHIFT,
    NAME_OFF,
    ROLE_CODES,
    ROLES_WIDTH,
    THIRD,
    VLEN_MASK,
    KindPlan,
    Plan,
)
from btfschema.schema.roles import Role
from btfschema.tables.strings import StringTable

__all__ = ["Elements", "Index", "TypeTable", "Words", "field_value", "split_info"]

# What takes many numbers for each word is done for so many words at a time.
BLOCK = 1 << 16


class Elements(NamedTuple):
    """All repeated structs of one kind, in file order.

    Attributes:
        plan: the kind's plan.
        rows: the types that have the kind, as row numbers of the table.
        counts: elements of each of them.
        starts: the word at which each element starts.
        words: the section's words.
    """

    plan: KindPlan
    rows: Index
    counts: Index
    starts: Index
    words: Words

    @property
    def owners(self) -> Index:
        """The row of the type that each element belongs to."""
        return np.repeat(self.rows, self.counts)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One declared word of all elements, signed as declared."""
        for field in self.plan.element:
            if field.name == name:
                return self.words[self.starts + field.word].view(field.dtype)
        raise KeyError(name)


class TypeTable:
    """The types of one BTF blob, without those of its bases.

    Rows count from 0; the type of row r has the id ``first_id + r``. Words are in the machine's
    byte order whatever the file's is, and read-only.

    Args:
        words: the section as u32 words.
        starts: the word at which each record starts.
        plan: where everything is in a record.
        first_id: the id of row 0: 1, or for split BTF the number of the base's types plus 1.
        roles: what each word stands for, if that is known already; see :attr:`roles`.

    Attributes:
        strings: what the name offsets point into; None for a table that is in no container.
    """

    def __init__(
        self,
        words: Words,
        starts: Index,
        plan: Plan,
        first_id: int = 1,
        roles: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        self.words = read_only(words)
        self.starts = read_only(starts)
        self.plan = plan
        self.first_id = first_id
        self.strings: StringTable | None = None
        self._known_roles = roles

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"TypeTable({len(self)} types from id {self.first_id})"

    def with_strings(self, strings: StringTable) -> TypeTable:
        """The same types, their names in ``strings``; this table stays as it is."""
        # Not copy.copy, which takes as long as all else that a small module costs here.
        table = TypeTable.__new__(TypeTable)
        table.__dict__.update(self.__dict__)
        table.strings = strings
        return table

    @property
    def end_id(self) -> int:
        """One past the last id."""
        return self.first_id + len(self)

    def row(self, type_id: int) -> int:
        """The row of an id.

        Raises:
            TypeIdError: the id is not one of this table's.
        """
        if not self.first_id <= type_id < self.end_id:
            raise TypeIdError(
                f"type id {type_id} is not in {self.first_id}..{self.end_id - 1}",
                type_id=type_id,
                got=type_id,
                expected=f"{self.first_id}..{self.end_id - 1}",
            )
        return type_id - self.first_id

    @cached_property
    def bounds(self) -> Index:
        """Where each record starts, and where the last one ends."""
        bounds = np.empty(len(self) + 1, np.int64)
        bounds[:-1] = self.starts
        bounds[-1] = len(self.words)
        bounds = read_only(bounds)
        # A million types have 8 MB of starts, which need not be there twice.
        self.starts = bounds[:-1]
        return bounds

    @property
    def ends(self) -> Index:
        """The word after each record."""
        return self.bounds[1:]

    @cached_property
    def infos(self) -> Words:
        """Each type's info word."""
        return read_only(self.words.take(self.starts + INFO_WORD.word))

    @cached_property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """Each type's kind."""
        # The highest byte, but for kind_flag.
        kinds = (self.infos >> KIND_SHIFT).astype(np.uint8)
        kinds &= KIND_MASK
        return read_only(kinds)

    @cached_property
    def vlens(self) -> Words:
        """Each type's vlen."""
        return read_only(self.infos & np.uint32(VLEN_MASK))

    @cached_property
    def kind_flags(self) -> npt.NDArray[np.bool_]:
        """Each type's kind_flag."""
        return read_only((self.infos >> KIND_FLAG_SHIFT).astype(np.bool_))

    @cached_property
    def name_offs(self) -> Words:
        """Each type's name, as an offset into the strings."""
        return read_only(self.words.take(self.starts + NAME_OFF.word))

    @cached_property
    def thirds(self) -> Words:
        """Each type's third word: a size or a type id, as its kind has it."""
        return read_only(self.words.take(self.starts + THIRD.word))

    @property
    def heads(self) -> Index:
        """What each record says first, in one number: its info word, and its size if it has one.

        Names and references are left out: what is the same in two tables has equal ones.
        """
        thirds = self.thirds.astype(np.int64)
        thirds[self.roles.take(self.starts + THIRD.word) == ROLE_CODES[Role.TYPE_ID]] = 0
        return self.infos.astype(np.int64) << 32 | thirds

    @cached_property
    def present(self) -> tuple[KindPlan, ...]:
        """The plans of the kinds that occur, by number."""
        numbers = np.flatnonzero(np.bincount(self.kinds, minlength=1))
        return tuple(self.plan.kinds[int(n)] for n in numbers)

    def rows_of(self, *kinds: int) -> Index:
        """The rows that have one of these kinds, given by number.

        Raises:
            WrongKeyError: one of them is not a number.
        """
        for kind in kinds:
            if not isinstance(kind, (int, np.integer)):
                raise WrongKeyError(
                    f"{kind!r} is not the number of a kind",
                    got=kind,
                    expected="a Kind",
                )
        if len(kinds) == 1:
            chosen: Mask = self.kinds == kinds[0]
        else:
            chosen = kind_mask(kinds).take(self.kinds)
        return chosen.nonzero()[0]

    def named(self, names: str | Iterable[str]) -> npt.NDArray[np.bool_]:
        """Whether each type has one of these names, or the one: a mask over the rows.

        Raises:
            ValueError: the table is in no container, so that its names are unknown.
        """
        if self.strings is None:
            message = "a type table that is in no container has no strings to look names up in"
            raise ValueError(message)
        wanted = set(texts(names))
        offsets = [offset for name in wanted for offset in self.strings.find(name)]
        if "" in wanted:
            offsets.append(0)
        return np.isin(self.name_offs, np.array(offsets, np.int64))

    def fixed(self, kind: int, rows: Index, name: str) -> Words:
        """A word that follows the common ones, such as ``nelems``, of rows of one kind.

        Raises:
            KeyError: the kind has no word of this name.
        """
        word = self.plan.kinds[kind].fixed_field(name).word
        found: Words = self.words[self.starts[rows] + word]
        return found

    def elements(self, kind: int, rows: Index | None = None, part: slice | None = None) -> Elements:
        """The repeated structs of a kind; of some of its rows when given.

        Args:
            kind: its number.
            rows: types of the kind, or None for all.
            part: which elements of each of them, from a start to a stop, or None for all.
        """
        plan = self.plan.kinds[kind]
        rows = self.rows_of(kind) if rows is None else rows
        counts = self.vlens.take(rows).astype(np.int64)
        if not plan.stride:
            counts[:] = 0
        firsts = self.starts.take(rows) + plan.first_element
        if part is not None:
            skipped = np.minimum(counts, part.start)
            counts = np.minimum(counts, part.stop) - skipped
            firsts += skipped * plan.stride
        ends = counts.cumsum()
        starts = np.arange(ends[-1] if len(ends) else 0) * plan.stride
        # The n-th element in the table is the (n - before)-th of its record.
        starts += (firsts - (ends - counts) * plan.stride).repeat(counts)
        return Elements(plan, rows, counts, starts, self.words)

    def member_offsets(self, members: Elements) -> tuple[Index, Index]:
        """The bit offset of each member, and its bits as a bit field, 0 for any other member."""
        words = members.column("offset").astype(np.int64)
        flags = self.kind_flags[members.owners]
        offsets = np.where(flags, MEMBER_BITFIELD.part(words, "bit_offset"), words)
        return offsets, np.where(flags, MEMBER_BITFIELD.part(words, "bitfield_size"), 0)

    @cached_property
    def roles(self) -> npt.NDArray[np.uint8]:
        """What each word stands for, as ``ROLE_CODES`` has it.

        Words of opaque kinds are unknown but for the common name; :meth:`opaque_rows` tells which.
        """
        if self._known_roles is not None:
            return read_only(self._known_roles)
        bounds, sizes = self.bounds, sizes_of(self.bounds)
        # Where the roles of each record's words are in the plan, less where its words are here.
        shifts = self.kinds.astype(np.int64)
        shifts *= ROLES_WIDTH
        shifts -= self.starts
        roles = np.empty(len(self.words), np.uint8)
        # The numbers take sixteen times the room of what they tell.
        long = (sizes > max(BLOCK, ROLES_WIDTH)).nonzero()[0]
        for row, next_row in pairwise(self._blocks(long)):
            if row in long:
                continue
            first, end = bounds.item(row), bounds.item(next_row)
            at = shifts[row:next_row].repeat(sizes[row:next_row])
            at += np.arange(first, end)
            self.plan.roles.take(at, mode="clip", out=roles[first:end])
        for row in (sizes > ROLES_WIDTH).nonzero()[0].tolist():
            kind = self.plan.kinds[self.kinds.item(row)]
            kind.mark_roles(roles[bounds.item(row) : bounds.item(row + 1)])
        return read_only(roles)

    def _blocks(self, alone: Index) -> list[int]:
        """Bounds of rows whose words, and the numbers made of them, stay in the cache.

        Args:
            alone: rows that are blocks by themselves.
        """
        firsts = range(BLOCK, len(self.words), BLOCK)
        if not firsts:
            return [0, len(self)]
        cut = self.starts.searchsorted(firsts)
        bounds: list[int] = distinct(
            np.concatenate(([0, len(self)], cut, alone, alone + 1))
        ).tolist()
        return bounds

    @property
    def known_roles(self) -> npt.NDArray[np.uint8] | None:
        """The roles if they were worked out before."""
        known: npt.NDArray[np.uint8] | None = self.__dict__.get("roles", self._known_roles)
        return known

    def positions(self, role: Role, rows: Index | None = None) -> Index:
        """The words that have ``role``, in file order: of all types, or of some rows'."""
        mask: Mask = self.roles == ROLE_CODES[role]
        if rows is not None:
            chosen = np.zeros(len(self), np.bool_)
            chosen[rows] = True
            mask &= np.repeat(chosen, self.ends - self.starts)
        return mask.nonzero()[0]

    @cached_property
    def type_id_positions(self) -> Index:
        """Every word that holds a type id, in file order."""
        return read_only(self.positions(Role.TYPE_ID))

    @cached_property
    def reference_bounds(self) -> Index:
        """Where each record's type ids start in :attr:`type_id_positions`, and the last's end."""
        return read_only(bounds_of(self.reference_counts))

    @property
    def reference_counts(self) -> Index:
        """How many type ids each record holds.

        Counted from kinds and vlens, as there are several times as many words as records.
        """
        counts = self.plan.element_references.take(self.kinds)
        counts *= self.vlens
        counts += self.plan.references.take(self.kinds)
        return counts

    @cached_property
    def string_positions(self) -> Index:
        """Every word that holds a string offset, in file order."""
        return read_only(self.positions(Role.STRING_OFFSET))

    def opaque_rows(self) -> Index:
        """The rows whose kind only a layout section describes."""
        if not self.plan.opaque:
            return np.zeros(0, np.int64)
        return self.rows_of(*self.plan.opaque)

    def row_at(self, position: int) -> int:
        """The row of the record that a word belongs to."""
        return int(np.searchsorted(self.starts, position, side="right")) - 1

    def reference_past(self, end_id: int) -> tuple[int, int] | None:
        """The first reference to an id from ``end_id`` on: the record's row, and the id."""
        positions = self.type_id_positions
        past = (self.words[positions] >= end_id).nonzero()[0]
        if not len(past):
            return None
        position = int(positions[past[0]])
        return self.row_at(position), int(self.words[position])

    def references(self, row: int) -> list[int]:
        """The type ids that a record refers to, in declared order."""
        plan = self.plan.kinds[int(self.kinds[row])]
        start = int(self.starts[row])
        words = [start + word for word in plan.words_with(Role.TYPE_ID)]
        if plan.stride:
            first, last = start + plan.first_element, int(self.ends[row])
            for element in range(first, last, plan.stride):
                words += [element + word for word in plan.element_words_with(Role.TYPE_ID)]
        return [int(self.words[word]) for word in words]

    def record(self, row: int) -> dict[str, Any]:
        """One record by the schema's names, as the reference engine would read it."""
        plan = self.plan.kinds[int(self.kinds[row])]
        words = self.words[int(self.starts[row]) : int(self.ends[row])]
        values = {
            NAME_OFF.name: int(words[NAME_OFF.word]),
            INFO_WORD.name: split_info(int(words[INFO_WORD.word])),
        }
        for field in (plan.third, *plan.fixed):
            values[field.name] = field_value(field, int(words[field.word]))
        if plan.is_opaque:
            values["payload"] = words[HEADER_WORDS:].tobytes()
        if plan.stride and not plan.is_opaque:
            table = words[plan.first_element :].view(plan.element_dtype)
            values["elements"] = [
                {f.name: field_value(f, int(row[f.name])) for f in plan.element} for row in table
            ]
        return values

    def rewritten(
        self, replacements: Iterable[tuple[Index, npt.ArrayLike]], first_id: int | None = None
    ) -> TypeTable:
        """A copy in which the words at each array of positions have new values.

        No info word may be among them: records keep their kinds and lengths.
        """
        words = self.words.copy()
        for positions, values in replacements:
            words[positions] = values
        first_id = first_id or self.first_id
        return TypeTable(words, self.starts, self.plan, first_id, self.known_roles)

    def without_elements(self, *kinds: int) -> TypeTable:
        """A copy in which the types of these kinds have no repeated structs.

        What a kind that has none says in vlen stays.
        """
        cut = self.plan.has_elements.copy()
        cut[[kind for kind in range(len(cut)) if kind not in kinds]] = False
        chosen = cut.take(self.kinds)
        sizes = self.ends - self.starts
        sizes[chosen] = self.plan.fixed_words.take(self.kinds[chosen])
        at = ranges(self.starts, sizes)
        starts = sizes.cumsum() - sizes
        words = self.words.take(at)
        words[starts[chosen] + INFO_WORD.word] &= np.uint32(~VLEN_MASK & 0xFFFFFFFF)
        return TypeTable(words, starts, self.plan, self.first_id, self.roles.take(at))

    def take(self, rows: Index, first_id: int = 1) -> TypeTable:
        """Copies of some records, in the given order, as a table of their own.

        The cost is that of the records, not of the table.
        """
        firsts = self.starts.take(rows)
        sizes = self.ends.take(rows) - firsts
        at = ranges(firsts, sizes)
        starts = sizes.cumsum() - sizes
        return TypeTable(self.words.take(at), starts, self.plan, first_id, self.roles.take(at))


def split_info(word: int) -> dict[str, int]:
    """The bit fields of an info word."""
    return INFO.split(word)


def field_value(field: Any, word: int) -> Any:
    """A word's value as declared: its bit fields, or a number with the right sign."""
    word &= 0xFFFFFFFF
    if field.bits is not None:
        return field.bits.split(word)
    return word - (word >> 31 << 32) if field.signed else word
