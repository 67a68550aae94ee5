"""``Btf``: one BTF blob over its base, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from btfschema.codec.engines import Image
from btfschema.codec.header import ByteOrder, canonical_header
from btfschema.errors import (
    AmbiguousNameError,
    DecodeError,
    TypeIdError,
    UnknownNameError,
)
from btfschema.model.sizes import pointer_size_of, size_of
from btfschema.model.views import VIEWS, Opaque, TypeView, Void
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
    RawRecord,
)
from btfschema.schema.roles import Role
from btfschema.tables.joined import Joined
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.ext import BtfExt
    from btfschema.values.layouts import AnyType
    from btfschema.values.memory import Data
    from btfschema.values.value import Value

__all__ = ["Btf"]

# Views are made in runs of this many types when all are asked for: enough to make numpy's cost per
# call vanish, few enough to keep the copies small.
RUN = 4096


@frozen(eq=False, repr=False, slots=False)
class Btf:
    """BTF, stand-alone or split over a base, which may itself be split.

    ``len`` and iteration cover the container's own types; ``btf[id]`` also finds its bases' types,
    and id 0 is ``void``.

    Attributes:
        image: header, type table, strings and layout as decoded or built.
        base: the BTF that this one is split over, or None.
        ext: what ``.BTF.ext`` says about the same program, or None.
        address_size: bytes of an address in the ELF file that it was read from, or None.
    """

    image: Image
    base: Btf | None = None
    ext: BtfExt | None = field(default=None, kw_only=True)
    address_size: int | None = field(default=None, kw_only=True)

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
        return cls(image, base, address_size=like.address_size)

    def __repr__(self) -> str:
        first, end = self.types.first_id, self.types.end_id
        ids = f"ids {first}..{end - 1}" if end > first else "none"
        over = f" over {self.base.end_id - 1}" if self.base is not None else ""
        return f"<Btf {len(self)} types ({ids}){over}, {self.byteorder}-endian>"

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

    def __contains__(self, type_id: object) -> bool:
        return isinstance(type_id, int) and 0 <= type_id < self.end_id

    def __iter__(self) -> Iterator[TypeView]:
        """The container's own types, in id order."""
        types, plans = self.types, self.types.plan.kinds
        ends = types.ends
        for first in range(0, len(types), RUN):
            rows = slice(first, first + RUN)
            starts = types.starts[rows]
            begin, end = int(starts[0]), int(ends[rows][-1])
            words = types.words[begin:end].tolist()
            at = (starts - begin).tolist()
            at.append(end - begin)
            kinds = types.kinds[rows].tolist()
            for i, kind in enumerate(kinds):
                record = words[at[i] : at[i + 1]]
                yield self._view(record, plans[kind], types.first_id + first + i)

    def __getitem__(self, type_id: int) -> TypeView:
        """The type with this id, here or in a base.

        Raises:
            TypeIdError: there is no such id.
        """
        types = self.types
        if not types.first_id <= type_id < types.end_id:
            return self._from_base(type_id)
        row = type_id - types.first_id
        end = types.starts[row + 1] if row + 1 < len(types) else len(types.words)
        record = types.words[types.starts[row] : end].tolist()
        kind = record[INFO_WORD.word] >> KIND_SHIFT & KIND_MASK
        return self._view(record, types.plan.kinds[kind], type_id)

    def _from_base(self, type_id: int) -> TypeView:
        if type_id == 0:
            return Void(btf=self)
        if 0 < type_id < self.first_id:
            return self.owner(type_id)[type_id]
        raise TypeIdError(
            f"type id {type_id} is past the last id {self.end_id - 1}"
            if type_id > 0
            else f"type id {type_id} is negative",
            type_id=type_id,
            got=type_id,
            expected=f"0..{self.end_id - 1}",
        )

    def _view(self, words: list[int], plan: KindPlan, type_id: int) -> TypeView:
        """A view of a record given as unsigned words."""
        info = words[INFO_WORD.word]
        name = self.image.strings.lookup(words[NAME_OFF.word])
        vlen, flag, third = info & VLEN_MASK, bool(info >> KIND_FLAG_SHIFT), words[THIRD.word]
        if plan.spec is None:
            payload = tuple(words[HEADER_WORDS:])
            return Opaque(plan.number, name, vlen, flag, third, payload, id=type_id, btf=self)
        fixed: tuple[Any, ...] = ()
        columns: tuple[list[Any], ...] = ()
        if plan.fixed:
            fixed = tuple([self._column(f, [words[f.word]])[0] for f in plan.fixed])
        if plan.stride:
            first, stride = plan.first_element, plan.stride
            columns = tuple(
                [self._column(f, words[first + f.word :: stride]) for f in plan.element]
            )
        raw = RawRecord(name, vlen, flag, third, fixed, columns)
        view: type[TypeView] = plan.spec.view or VIEWS[plan.number]
        return view._from_raw(raw, plan, self, type_id)

    def _column(self, word: Field, values: list[int]) -> list[Any]:
        """Words of one field: strings resolved, bits split, signs applied."""
        if word.role is Role.STRING_OFFSET:
            return list(map(self.image.strings.lookup, values))
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

    def find_ids(self, name: str, kind: int | None = None) -> list[int]:
        """The ids of all types with this name, the bases' included, in order."""
        found: list[int] = []
        for btf in self.chain:
            rows = btf._rows_named(name)
            if kind is not None:
                rows = rows[btf.types.kinds[rows] == kind]
            found += (rows + btf.first_id).tolist()
        return found

    def _rows_named(self, name: str) -> Any:
        """The container's own rows with this name, ascending."""
        offsets = self.strings.find(name)
        if not name:
            offsets.append(0)
        order, sorted_offs = self._by_name
        wanted = np.unique(np.array(offsets, np.int64))
        lows = np.searchsorted(sorted_offs, wanted, side="left")
        counts = np.searchsorted(sorted_offs, wanted, side="right") - lows
        at = np.repeat(lows - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        return np.sort(order[at])

    @cached_property
    def _by_name(self) -> tuple[Any, Any]:
        """Rows ordered by name offset, and these offsets."""
        order = np.argsort(self.types.name_offs, kind="stable")
        return order, self.types.name_offs[order].astype(np.int64)

    def find_all(self, name: str, kind: int | None = None) -> list[TypeView]:
        """All types with this name (and kind), the bases' included, in id order."""
        return [self[type_id] for type_id in self.find_ids(name, kind)]

    def find(self, name: str, kind: int | None = None) -> TypeView:
        """The one type with this name (and kind), here or in a base.

        Raises:
            UnknownNameError: there is none.
            AmbiguousNameError: there are several; ``got`` holds their ids.
        """
        ids = self.find_ids(name, kind)
        what = f"{self.kinds.name(kind)} {name!r}" if kind is not None else f"type {name!r}"
        if not ids:
            raise UnknownNameError(f"no {what}", got=name, expected="a name in this BTF")
        if len(ids) > 1:
            listed = ", ".join(f"[{i}] {self.kinds.name(self[i].kind)}" for i in ids[:8])
            more = f" and {len(ids) - 8} more" if len(ids) > 8 else ""
            raise AmbiguousNameError(
                f"{len(ids)} matches for {what}: {listed}{more}; give a kind or use find_all",
                got=ids,
                expected="one match",
            )
        return self[ids[0]]

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
        return f'{kind} "{name}" [{type_id}]' if name else f"{kind} [{type_id}]"

    def equivalent(self, other: Btf) -> bool:
        """Whether both would write the same types, strings and base, whatever frame holds them."""
        ours, theirs = self.chain, other.chain
        return len(ours) == len(theirs) and all(
            one.byteorder == two.byteorder
            and np.array_equal(one.types.words, two.types.words)
            and one.strings.data == two.strings.data
            for one, two in zip(ours, theirs, strict=True)
        )
