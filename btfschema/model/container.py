"""``Btf``: one BTF blob over its base, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from btfschema.codec.engines import Image
from btfschema.codec.header import ByteOrder, canonical_header
from btfschema.errors import DecodeError, TypeIdError
from btfschema.escapes import printable
from btfschema.model.lookups import Lookups
from btfschema.model.sizes import pointer_size_of, size_of
from btfschema.model.views import TypeView, Void, view_class
from btfschema.model.views.base import attached
from btfschema.model.views.making import Records, many_new_objects
from btfschema.schema.kinds import Kinds
from btfschema.schema.plan import (
    HEADER_WORDS,
    INFO_WORD,
    KIND_FLAG_SHIFT,
    KIND_MASK,
    KIND_SHIFT,
    NAME_OFF,
    THIRD,
    VLEN_MASK,
    Field,
    KindPlan,
)
from btfschema.schema.roles import Role
from btfschema.tables.joined import Joined
from btfschema.tables.names import are_sorted, rows_between
from btfschema.tables.strings import StringTable
from btfschema.tables.types import Index, TypeTable

if TYPE_CHECKING:
    from btfschema.model.ext import BtfExt
    from btfschema.model.objectfile import ObjectFile
    from btfschema.model.views import AnyView
    from btfschema.values.layouts import AnyType
    from btfschema.values.memory import Data
    from btfschema.values.value import Value

__all__ = ["Btf"]

# The least types among which names are looked for by halving.
HALVED = 256

# Views are made in runs when all are asked for: short ones first, for those who want a few, then
# of so many types that numpy's cost per call vanishes.
FIRST_RUN = 64
RUN = 16384
# Up to so many are made one by one.
FEW = 16


@frozen(eq=False, repr=False, slots=False)
class Btf(Lookups):
    """BTF, stand-alone or split over a base, which may itself be split.

    ``len`` and iteration cover the container's own types; ``btf[id]`` also finds its bases' types,
    and id 0 is ``void``.

    Attributes:
        image: header, type table, strings and layout as decoded or built.
        base: the BTF that this one is split over, or None.
        ext: what ``.BTF.ext`` says about the same program, or None.
        address_size: bytes of an address in the ELF file that it was read from, or None.
        inline: what ``.BTF.inline`` says about inlined calls in the same file, or None: split BTF
            whose base is this container's BTF.
        object_file: sections and symbols of the BPF object that it was read from, or None.
    """

    image: Image
    base: Btf | None = None
    ext: BtfExt | None = field(default=None, kw_only=True)
    address_size: int | None = field(default=None, kw_only=True)
    inline: Btf | None = field(default=None, kw_only=True)
    object_file: ObjectFile | None = field(default=None, kw_only=True)

    @classmethod
    def assemble(
        cls, types: TypeTable, strings: bytes | StringTable, *, like: Btf, base: Btf | None
    ) -> Btf:
        """A container of these records, written as ``like`` is: its byte order and layout.

        What the records refer to is not checked.

        Args:
            types: the container's own records, their first id that of the place after the base.
            strings: the container's own string section, or a table of it over the base's.
            like: what the result is derived from.
            base: the base of the result, or None.

        Raises:
            EncodeError: a section is too long for the header.
        """
        layout = like.image.layout
        if isinstance(strings, bytes):
            strings = StringTable(strings, base.strings if base is not None else None)
        header = canonical_header(
            like.byteorder, 4 * len(types.words), len(strings.data), len(layout or ())
        )
        image = Image(header, types, strings, layout)
        return cls(image, base, address_size=like.address_size, object_file=like.object_file)

    def __repr__(self) -> str:
        first, end = self.types.first_id, self.types.end_id
        ids = f"ids {first}..{end - 1}" if end > first else "none"
        over = f" over {self.base.end_id - 1}" if self.base is not None else ""
        return f"<Btf {len(self)} types ({ids}){over}, {self.byteorder}-endian>"

    def __copy__(self) -> Btf:
        """Itself: it can't change."""
        return self

    def __deepcopy__(self, memo: object) -> Btf:
        """Itself: it can't change."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its bytes and its base, each once in a pickle."""
        from btfschema.model.loading import pickled, unpickled

        return unpickled, pickled(self)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same types, strings, bases and ``.BTF.ext``."""
        if self is other:
            return True
        if not isinstance(other, Btf):
            return NotImplemented
        same = self.equivalent(other) and _same_ext(self.ext, other.ext)
        return same and self.inline == other.inline

    def __hash__(self) -> int:
        return hash((self.byteorder, self.end_id, len(self.types.words), len(self.strings.data)))

    @property
    def types(self) -> TypeTable:
        """The container's own records as columns."""
        return self.image.types

    @property
    def strings(self) -> StringTable:
        """The strings, chained to the bases'."""
        return self.image.strings

    @property
    def byteorder(self) -> ByteOrder:
        """``"little"`` or ``"big"``."""
        return self.image.header.byteorder

    @property
    def kinds(self) -> Kinds:
        """The schema that the container was read with."""
        return self.types.plan.schema

    @property
    def first_id(self) -> int:
        """The id of the container's first own type."""
        return self.types.first_id

    @property
    def end_id(self) -> int:
        """One past the last id."""
        return self.types.end_id

    @property
    def chain(self) -> tuple[Btf, ...]:
        """The bases from the first to the last, then this container."""
        found: list[Btf] = [self]
        btf = self.base
        while btf is not None:
            found.append(btf)
            btf = btf.base
        return tuple(reversed(found))

    @cached_property
    def all_types(self) -> TypeTable:
        """The records of the whole chain as one table: the type with id i is row i - 1."""
        return Joined.of([btf.types for btf in self.chain]).types

    def __len__(self) -> int:
        return len(self.types)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[AnyView]:
        """The container's own types, in id order."""
        run = FIRST_RUN
        first, end = self.first_id, self.end_id
        while first < end:
            yield from self._own_views(np.arange(first, min(first + run, end)) - self.first_id)
            first += run
            run = min(4 * run, RUN)

    def views(self, ids: Iterable[int]) -> list[AnyView]:
        """The types with these ids, here or in a base, at less cost than one by one.

        Raises:
            TypeIdError: there is no such id.
        """
        wanted = np.fromiter(ids, np.int64)
        if len(wanted) < FEW:
            return [self.view(type_id) for type_id in wanted.tolist()]
        found: list[Any] = [None] * len(wanted)
        left = np.ones(len(wanted), np.bool_)
        for owner in self.chain:
            at = np.flatnonzero((wanted >= owner.first_id) & (wanted < owner.end_id))
            views = owner._own_views(wanted[at] - owner.first_id)
            for place, view in zip(at.tolist(), views, strict=True):
                found[place] = view
            left[at] = False
        for other in np.flatnonzero(left).tolist():
            found[other] = self.view(int(wanted[other]))
        return found

    def view(self, type_id: int) -> AnyView:
        """The type with this id, here or in a base.

        Raises:
            TypeIdError: there is no such id.
        """
        types = self.types
        if not types.first_id <= type_id < types.end_id:
            return self._from_base(type_id)
        row = type_id - types.first_id
        end = types.starts[row + 1] if row + 1 < len(types) else len(types.words)
        words = types.words[types.starts[row] : end].tolist()
        info = words[INFO_WORD.word]
        plan = types.plan.kinds[info >> KIND_SHIFT & KIND_MASK]
        first, stride = plan.first_element, plan.stride
        known = plan.spec is not None
        records = Records(
            plan,
            [type_id],
            [self.strings.lookup(words[NAME_OFF.word])],
            [info & VLEN_MASK],
            [bool(info >> KIND_FLAG_SHIFT)],
            [words[THIRD.word]],
            tuple([self._decoded(f, [words[f.word]]) for f in plan.fixed]),
            tuple([self._decoded(f, words[first + f.word :: stride]) for f in plan.element]),
            () if known else (tuple(words[HEADER_WORDS:]),),
        )
        return view_class(plan)._many(records, self)[0]  # type: ignore[return-value]

    def _from_base(self, type_id: int) -> AnyView:
        if type_id == 0:
            return cast(Void, attached(Void(), self))
        if 0 < type_id < self.first_id:
            return self.owner(type_id).view(type_id)
        raise TypeIdError(
            f"type id {type_id} is past the last id {self.end_id - 1}"
            if type_id > 0
            else f"type id {type_id} is negative",
            type_id=type_id,
            got=type_id,
            expected=f"0..{self.end_id - 1}",
        )

    def _own_views(self, rows: Index) -> list[AnyView]:
        """The views of some of the container's own records, kind by kind."""
        types = self.types
        # No array: numpy would take a view that has a length for a row of its elements.
        found: list[Any] = [None] * len(rows)
        kinds = types.kinds[rows]
        for kind in np.flatnonzero(np.bincount(kinds, minlength=1)).tolist():
            at = np.flatnonzero(kinds == kind)
            plan = types.plan.kinds[kind]
            records = self._records(plan, rows[at])
            with many_new_objects():
                views = view_class(plan)._many(records, self)
            for place, view in zip(at.tolist(), views, strict=True):
                found[place] = view
        return found

    def _records(self, plan: KindPlan, rows: Index) -> Records:
        """Some records of one kind by column."""
        types = self.types
        starts, words = types.starts[rows], types.words
        elements = types.elements(plan.number, rows).starts if plan.spec and plan.stride else rows
        payloads: tuple[tuple[int, ...], ...] = ()
        if plan.spec is None:
            ends = types.ends[rows].tolist()
            firsts = (starts + HEADER_WORDS).tolist()
            spans = zip(firsts, ends, strict=True)
            payloads = tuple(tuple(words[begin:end].tolist()) for begin, end in spans)
        return Records(
            plan,
            (rows + types.first_id).tolist(),
            self.strings.names(types.name_offs[rows]),
            types.vlens[rows].tolist(),
            types.kind_flags[rows].tolist(),
            types.thirds[rows].tolist(),
            tuple([self._column(f, words[starts + f.word]) for f in plan.fixed]),
            tuple([self._column(f, words[elements + f.word]) for f in plan.element]),
            payloads,
        )

    def _column(self, word: Field, values: npt.NDArray[np.uint32]) -> list[Any]:
        """One word of many records: strings resolved, bits split, signs applied."""
        if word.role is Role.STRING_OFFSET:
            return self.strings.names(values)
        found: list[Any] = (values.view(np.int32) if word.signed else values).tolist()
        return found if word.bits is None else [word.bits.split(value) for value in found]

    def _decoded(self, word: Field, values: list[int]) -> list[Any]:
        """The same for one record, where numpy's cost per call counts."""
        if word.role is Role.STRING_OFFSET:
            return list(map(self.strings.lookup, values))
        if word.bits is not None:
            return [word.bits.split(value) for value in values]
        if word.signed:
            return [value - (value >> 31 << 32) for value in values]
        return values

    def references(self, type_id: int) -> list[int]:
        """The ids that a type refers to, in the schema's order.

        Raises:
            TypeIdError: there is no such id.
        """
        if type_id == 0:
            return []
        owner = self.owner(type_id)
        return owner.types.references(type_id - owner.first_id)

    def owner(self, type_id: int) -> Btf:
        """The container of the chain that holds this id.

        Raises:
            TypeIdError: there is no such id.
        """
        btf: Btf | None = self
        while btf is not None:
            if btf.first_id <= type_id < btf.end_id:
                return btf
            btf = btf.base if type_id < btf.first_id else None
        raise TypeIdError(f"type id {type_id} is not in 1..{self.end_id - 1}", type_id=type_id)

    @cached_property
    def is_sorted(self) -> bool:
        """Whether the container's own types stand in the order of their names' bytes.

        Kernels from 7.0 on write them so. It is checked, once for each container; names are then
        found by halving.
        """
        return len(self) > 1 and are_sorted(self.strings, self.types.name_offs)

    def rows_named(self, name: str) -> Index:
        """The container's own rows with this name, ascending."""
        # Of few types the order costs more to check, over all bases' strings, than it saves.
        if len(self) >= HALVED and self.is_sorted:
            return rows_between(self.strings, self.types.name_offs, name)
        offsets = self.strings.find(name)
        if not name:
            offsets.append(0)
        order, sorted_offs = self._by_name
        wanted = np.unique(np.array(offsets, np.int64))
        lows = np.searchsorted(sorted_offs, wanted, side="left")
        counts = np.searchsorted(sorted_offs, wanted, side="right") - lows
        at = np.repeat(lows - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        found: Index = np.sort(order[at])
        return found

    @cached_property
    def _by_name(self) -> tuple[Any, Any]:
        """Rows ordered by name offset, and these offsets."""
        order = np.argsort(self.types.name_offs, kind="stable")
        return order, self.types.name_offs[order].astype(np.int64)

    @cached_property
    def analyses(self) -> dict[Any, Any]:
        """What analyses (:mod:`btfschema.framework`) found out about this container."""
        return {}

    @cached_property
    def pointer_size(self) -> int:
        """Bytes of a pointer, told as libbpf does.

        Those of an address in the ELF file; else those of C's ``long`` when the BTF has it; else 8.
        """
        return pointer_size_of(self)

    def sizeof(self, type_id: int | TypeView) -> int:
        """Bytes of a type, through typedefs, modifiers and arrays (``btf__resolve_size``).

        Raises:
            TypeIdError: there is no such id.
            UnresolvedError: the type has no size (void, a function, a forward declaration), or its
                references run in a circle.
        """
        return size_of(self, type_id)

    def read(
        self, type_: AnyType, data: Data, offset: int = 0, *, count: int | None = None
    ) -> Value:
        """Read a value of a type from memory, lazily: see :func:`btfschema.values.read`."""
        from btfschema.values.value import read

        return read(self, type_, data, offset, count=count)

    def write(self, type_: AnyType, value: object, *, onto: Data | None = None) -> bytes:
        """The bytes of a value of a type: see :func:`btfschema.values.write`."""
        from btfschema.values.writing import write

        return write(self, type_, value, onto=onto)

    def describe(self, type_id: int) -> str:
        """A type in a few words for messages: ``STRUCT "sk_buff" [4711]``."""
        if not type_id:
            return "void"
        owner = self.owner(type_id)
        row = type_id - owner.first_id
        kind = self.kinds.name(int(owner.types.kinds[row]))
        try:
            name = owner.strings[int(owner.types.name_offs[row])]
        except DecodeError:
            name = ""
        return f'{kind} "{printable(name)}" [{type_id}]' if name else f"{kind} [{type_id}]"

    def replaced(self, views: Mapping[int, TypeView]) -> Btf:
        """A container in which some types are others; everything else is as it is, byte for byte.

        Ids stay. A view may be of another kind and length, and refers to ids of this container.
        ``Draft`` adds and drops types, too.

        Args:
            views: by the id of the type that each takes the place of, one of the container's own.

        Raises:
            TypeIdError: an id is not one of the container's own, or a view refers to none.
            EncodeError: a value does not fit its field.
        """
        from btfschema.model.changing import replaced

        return replaced(self, views)[0]

    def with_byteorder(self, byteorder: ByteOrder) -> Btf:
        """The same types, strings, order and layout for machines of another byte order.

        Bases and ``.BTF.ext`` follow. There and back gives the same bytes.

        Args:
            byteorder: ``"little"`` or ``"big"``.
        """
        from btfschema.model.changing import with_byteorder

        return with_byteorder(self, byteorder)

    def equivalent(self, other: Btf) -> bool:
        """Whether both would write the same types, strings and base, whatever frame holds them."""
        ours, theirs = self.chain, other.chain
        return len(ours) == len(theirs) and all(
            one.byteorder == two.byteorder
            and np.array_equal(one.types.words, two.types.words)
            and one.strings.data == two.strings.data
            for one, two in zip(ours, theirs, strict=True)
        )


def _same_ext(one: BtfExt | None, other: BtfExt | None) -> bool:
    if one is None or other is None:
        return one is other
    from btfschema.model.ext import dumps_ext

    return dumps_ext(one) == dumps_ext(other)
