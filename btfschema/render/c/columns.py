"""The types of a whole chain of containers as columns by type id: what C is written from.

The schema declares the columns, which are arrays. A walk over all types reads one value at a time,
millions of times, which a list answers ten times as fast as an array: :meth:`TypeColumns.listed`
makes lists of them. To show one type, only what is read is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from btfschema.arrays import read_only
from btfschema.errors import TypeIdError, UnresolvedError
from btfschema.escapes import printable
from btfschema.model.bitfields import member_places, narrow_integers
from btfschema.model.container import Btf
from btfschema.model.following import follow
from btfschema.model.memo import remembered
from btfschema.render.c.column import Column, Values, numbers
from btfschema.render.notation import CONTROLS
from btfschema.schema.kinds import INT_DATA, Kind
from btfschema.schema.parts import kind_mask, parts_of_plan
from btfschema.schema.plan import INFO_WORD, KIND_FLAG_SHIFT, THIRD, U32_MAX, plan_of
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements

__all__ = [
    "BY_ID",
    "CHAINED",
    "COMPOSITE",
    "DECLARABLE",
    "ENUMS",
    "KNOWN",
    "QUALIFIERS",
    "Array",
    "Members",
    "TypeColumns",
]

Ints = Values[int]
Array = npt.NDArray[Any]

# C has forms for the kinds of the shipped schema. Modifiers from outside are looked through when
# the columns are made, and what else is from outside has no form in C.
KNOWN = parts_of_plan(plan_of())
QUALIFIERS = KNOWN.qualifiers
COMPOSITE = KNOWN.composites
ENUMS = KNOWN.enums
# Kinds that stand before exactly one other type in a declaration.
CHAINED = KNOWN.chained | KNOWN.pointers
# Kinds with a form in C; sections and tags on declarations have none.
DECLARABLE = (COMPOSITE | ENUMS | KNOWN.scalars | CHAINED | KNOWN.declarations) | (
    KNOWN.prototypes | KNOWN.functions | KNOWN.variables
)

# A declaration tag's component_idx when it is about the type and not about a part of it.
WHOLE = -1

# The columns with a value for each id.
BY_ID = ("kinds", "names", "targets", "sizes", "vlens", "flags", "firsts", "counts")
# What is worked out from the columns of types and members when it is asked for: columns, and else.
DERIVED_COLUMNS = ("exact_members", "end_ids", "full_sizes")
DERIVED = (*DERIVED_COLUMNS, "arrays", "ends", "analyses")


@frozen
class Members:
    """The members of all structs and unions, one after the other.

    Attributes:
        names: their names.
        types: their type ids.
        offsets: in bits, from the start of the struct.
        widths: bits of a bit field; 0 for any other member.
    """

    names: Values[str]
    types: Ints
    offsets: Ints
    widths: Ints

    def listed(self) -> Members:
        """The same as lists."""
        return Members(list(self.names), list(self.types), list(self.offsets), list(self.widths))


Parts = tuple[Values[str], Ints]
"""The names of parameters or values, and their types or numbers."""


class TypeColumns:
    """What is known of each type of a container and its bases.

    :meth:`of` keeps it, with all that is read of it.

    Args:
        btf: the container. Nothing of it is kept that refers to it: a container that keeps these
            would keep itself until the garbage collector runs.

    Attributes:
        strings: the strings of the whole chain.
        count: how many ids there are, void's 0 included.
        kinds: the kind of each id.
        names: its name, or "".
        targets: the id that it refers to: a pointer's, an array's element, a function's return
            value; 0 where there is none.
        sizes: bytes, of kinds that say so; 0 for the others.
        vlens: the number of its members, values or parameters.
        flags: its kind_flag, 0 or 1.
        firsts: where its members, values or parameters start in the lists of these.
        counts: an array's number of elements.
        pointer_size: bytes of a pointer.
        members: the members of all structs and unions, bit fields as libbpf tells them.
        outside: the kinds of the container's schema that the shipped one does not declare.
        real_names: of types that C can't call by their names, these names.
        remarks: what the definition of a type has to say of what it leaves out.
        lost: types that have no C declaration, and why.
        told: the ids that messages name, where they are not the container's.
    """

    def __init__(self, btf: Btf) -> None:
        self.real_names: dict[int, str] = {}
        self.remarks: dict[int, list[str]] = {}
        self.lost: dict[int, str] = {}
        self.told: Sequence[int] | None = None
        self.strings = btf.strings
        self._schema = btf.kinds
        self.table = table = btf.all_types
        self.count = len(table) + 1
        self._plan = table.plan
        self._is_listed = False
        infos = table.words[table.starts + INFO_WORD.word]
        self.kinds: Ints = self._by_id(table.kinds)
        self.vlens: Ints = self._by_id(table.vlens)
        self.flags: Ints = self._by_id(infos >> KIND_FLAG_SHIFT)
        self.names: Values[str] = self._names(np.append(0, table.name_offs))
        self.pointer_size: int = btf.pointer_size
        refers = self._kinds_with_third(lambda third: third.role is Role.TYPE_ID)
        sized = self._kinds_with_third(lambda third: third.name == "size")
        targets = np.where(refers[table.kinds], table.thirds, 0)
        arrays = table.rows_of(Kind.ARRAY)
        counts = np.zeros(len(table), np.int64)
        targets[arrays] = table.fixed(Kind.ARRAY, arrays, "type_id")
        counts[arrays] = table.fixed(Kind.ARRAY, arrays, "nelems")
        declared = plan_of().kinds
        self.outside = frozenset(n for n, p in self._plan.kinds.items() if n not in declared)
        self._through = self._looked_through(targets)
        self.targets: Ints = self._by_id(self._past(targets))
        self.counts: Ints = self._by_id(counts)
        self.sizes: Ints = self._by_id(np.where(sized[table.kinds], table.thirds, 0))
        self._firsts = np.zeros(len(table), np.int64)
        self.members = self._members()
        self._params = self._elements(Kind.FUNC_PROTO)
        self._values = self._elements(Kind.ENUM)
        self._values64 = self._elements(Kind.ENUM64)
        self.firsts: Ints = self._by_id(self._firsts)

    @classmethod
    def of(cls, btf: Btf) -> TypeColumns:
        """Those of a container, worked out once and kept with it."""
        return remembered(btf, cls, cls)

    def listed(self) -> TypeColumns:
        """These, for somebody who reads most of them: with lists instead of columns."""
        if not self._is_listed:
            # From columns they are made in less time than from lists.
            _ = self.arrays
            for column in BY_ID:
                setattr(self, column, list(getattr(self, column)))
            self.members = self.members.listed()
            self._is_listed = True
            for derived in (*DERIVED_COLUMNS, "params", "values", "values64"):
                vars(self).pop(derived, None)
        return self

    def copy(self) -> TypeColumns:
        """The same types, to be changed: without what was worked out from them."""
        made = copy(self)
        for derived in DERIVED:
            vars(made).pop(derived, None)
        for column in BY_ID:
            setattr(made, column, list(getattr(self, column)))
        made.real_names, made.remarks, made.lost = {}, {}, {}
        made.referenced = list(self.referenced)
        return made

    def telling(self, ids: Sequence[int]) -> TypeColumns:
        """The same types, which messages call by other ids, and the text by none."""
        made = self.copy()
        made.told = ids
        return made

    def with_pointers_of(self, size: int) -> TypeColumns:
        """The same types, with pointers of so many bytes."""
        if size == self.pointer_size:
            return self
        made = self.copy()
        made.pointer_size = size
        return made

    def int_encoding(self, type_id: int) -> int:
        """The encoding bits of an integer."""
        rows = np.array([type_id - 1])
        return int(INT_DATA.part(self.table.fixed(Kind.INT, rows, "int_data"), "encoding")[0])

    def require(self, type_id: int) -> int:
        """The id, which there must be.

        Raises:
            TypeIdError: there is not.
        """
        if 0 <= type_id < self.count:
            return type_id
        raise TypeIdError(
            f"type id {type_id} is past the last id {self.count - 1}"
            if type_id > 0
            else f"type id {type_id} is negative",
            type_id=type_id,
            got=type_id,
            expected=f"0..{self.count - 1}",
        )

    def column(self, array: Array) -> Ints:
        """The numbers of an array, as they are read fastest."""
        return array.tolist() if self._is_listed else numbers(array)

    def _by_id(self, column: Array) -> Ints:
        """A column by row as one by id."""
        return self.column(np.append(0, column))

    def _names(self, offsets: Array) -> Values[str]:
        """The names at offsets, as they are read fastest.

        As C has them; where they can't be C, at least nothing acts on a terminal.
        """
        strings, is_plain = self.strings, self._is_plain
        lookup = strings.lookup

        def one(at: int) -> str:
            name = lookup(offsets.item(at))
            return name if is_plain else printable(name)

        def many(some: Array) -> list[str]:
            names = strings.names(some)
            return names if is_plain else list(map(printable, names))

        return many(offsets) if self._is_listed else Column(offsets, one, many)

    def _looked_through(self, targets: Array) -> Array | None:
        """By id, where it leads through modifiers from outside; None where there are none."""
        modifiers = parts_of_plan(self._plan).modifiers & self.outside
        mask = np.append(False, np.isin(self.table.kinds, list(modifiers)))
        return follow(np.append(0, targets), mask) if mask.any() else None

    def _past(self, ids: Array) -> Array:
        """Type ids, without the modifiers from outside."""
        return ids if self._through is None else self._through[ids]

    def _kinds_with_third(self, has: Any) -> npt.NDArray[np.bool_]:
        mask = np.zeros(max(self._plan.kinds, default=0) + 1, np.bool_)
        for number, plan in self._plan.kinds.items():
            mask[number] = plan.spec is not None and has(plan.third)
        return mask

    def _elements(self, *kinds: int) -> Elements:
        """The repeated structs of kinds that have the same; notes where each type's start."""
        rows = self.table.rows_of(*kinds)
        elements = self.table.elements(kinds[0], rows)
        self._firsts[rows] = np.cumsum(elements.counts) - elements.counts
        return elements

    @cached_property
    def _is_plain(self) -> bool:
        """Whether no name has a control character, as in all BTF that a compiler wrote."""
        tables = (each.data for each in self.strings.chain)
        return all(data.translate(None, CONTROLS) == data for data in tables)

    def _members(self) -> Members:
        elements = self._elements(Kind.STRUCT, Kind.UNION)
        offsets, widths = self.table.member_offsets(elements)
        names = self._names(elements.column("name_off"))
        types = self.column(self._past(elements.column("type_id")))
        self._member_elements = elements
        return Members(names, types, self.column(offsets), self.column(widths))

    @cached_property
    def exact_members(self) -> Members:
        """The members, with the bit fields of Linux 4.18 to 5.0 as what they are.

        libbpf and bpftool take these for whole integers, as ``members`` does.
        """
        if not narrow_integers(self.table)[1].any():
            return self.members
        offsets, widths = map(self.column, member_places(self.table, self._member_elements))
        return evolve(self.members, offsets=offsets, widths=widths)

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """The columns of numbers as arrays, for questions about all types."""
        names = (name for name in BY_ID if name != "names")
        return {name: read_only(np.array(getattr(self, name))) for name in names}

    @cached_property
    def ends(self) -> Array:
        """The type that has the size and alignment of each one: its own, or one that it names."""
        links = kind_mask(CHAINED - {Kind.PTR}).take(self.arrays["kinds"])
        return follow(self.arrays["targets"], links)

    @cached_property
    def end_ids(self) -> Ints:
        """The same as a column."""
        return self.column(self.ends)

    @cached_property
    def analyses(self) -> dict[Any, Any]:
        """What others worked out about these types once for all."""
        return {}

    @cached_property
    def full_sizes(self) -> Ints:
        """Bytes of each type, through names, qualifiers and arrays; 0 for what has no size.

        As with ``btf__resolve_size``, what needs more than 32 bits has none.
        """
        arrays, ends, ids = self.arrays, self.ends, np.arange(self.count)
        kinds = arrays["kinds"]
        steps = np.where(ends != ids, arrays["targets"], ids)
        # Doubles hold what fits 32 bits exactly, and what does not without overflow.
        totals = np.where(kinds == Kind.ARRAY, arrays["counts"], 1).astype(np.float64)
        for _ in range(self.count.bit_length()):
            if np.array_equal(steps, ends):
                break
            totals = np.minimum(totals * totals[steps], U32_MAX + 1)
            steps = steps[steps]
        sizes = np.where(kinds == Kind.PTR, self.pointer_size, arrays["sizes"])[ends]
        totals *= sizes
        return self.column(np.where(totals <= U32_MAX, totals, 0).astype(np.int64))

    @cached_property
    def params(self) -> Parts:
        """Names and types of all parameters."""
        names = self._names(self._params.column("name_off"))
        return names, self.column(self._past(self._params.column("type_id")))

    def parts(self, proto: int) -> list[int]:
        """What a function returns, and its parameters' types."""
        first = self.firsts[proto]
        return [self.targets[proto], *self.params[1][first : first + self.vlens[proto]]]

    @cached_property
    def values(self) -> Parts:
        """Names and values of all 32-bit enumerators, as signed numbers."""
        names = self._names(self._values.column("name_off"))
        return names, self.column(self._values.column("value"))

    @cached_property
    def values64(self) -> Parts:
        """Names and values of all 64-bit enumerators, as unsigned numbers."""
        names = self._names(self._values64.column("name_off"))
        low = self._values64.column("value_lo32").astype(np.uint64)
        high = self._values64.column("value_hi32").astype(np.uint64)
        return names, self.column(low | high << np.uint64(32))

    @cached_property
    def referenced(self) -> list[bool]:
        """Whether a type refers to this one; being what a function returns does not count.

        That is how libbpf tells an anonymous enum that stands for itself from one that a
        declaration holds (``btf_dump_mark_referenced``).
        """
        table = self.table
        positions = table.type_id_positions
        returns = table.starts[table.rows_of(Kind.FUNC_PROTO)] + THIRD.word
        mask = np.ones(len(table.words), np.bool_)
        mask[returns] = False
        ids = table.words[positions[mask[positions]]]
        found: list[bool] = (np.bincount(ids, minlength=self.count) > 0).tolist()
        return found

    def _named(self, name: str) -> npt.NDArray[np.bool_]:
        return np.isin(self.table.name_offs, np.array(self.strings.find(name), np.int64))

    def whole_tags(self, name: str) -> list[int]:
        """The declaration tags of this name that are about a whole type, in id order."""
        rows = np.flatnonzero((self.table.kinds == Kind.DECL_TAG) & self._named(name))
        components = self.table.fixed(Kind.DECL_TAG, rows, "component_idx").view(np.int32)
        found: list[int] = (rows[components == WHOLE] + 1).tolist()
        return found

    def circle(self, type_id: int) -> UnresolvedError:
        """The error for a type that can't be declared without itself."""
        return UnresolvedError(
            f"{self.describe(type_id)} has no C declaration: it needs itself", type_id=type_id
        )

    def describe(self, type_id: int) -> str:
        """A type in a few words, for comments in the text and for messages."""
        if not type_id:
            return "void"
        kind, name = self._schema.name(self.kinds[type_id]), self.names[type_id]
        words = f'{kind} "{name}"' if name else kind
        return words if self.told is not None else f"{words} [{type_id}]"

    def message(self, type_id: int, text: str) -> str:
        """A comment about a type as a message, which says the id if the comment does not."""
        # Types that only the header has, made for parts of others, have none.
        if self.told is None or type_id >= len(self.told):
            return text
        return f"[{self.told[type_id]}] {text}"
