"""``Btf``: one BTF blob over its base, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import field, frozen

from btfschema.arguments import require_type
from btfschema.arrays import Index
from btfschema.codec.engines import Image
from btfschema.codec.header import ByteOrder, canonical_header
from btfschema.errors import DecodeError, TypeIdError
from btfschema.escapes import printable
from btfschema.model.finding import id_of
from btfschema.model.lookups import Lookups
from btfschema.model.sizes import pointer_size_of, size_of
from btfschema.schema.kinds import Kinds
from btfschema.tables.joined import Joined
from btfschema.tables.names import are_sorted, rows_between
from btfschema.tables.strings import StringTable
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    import pyarrow

    from btfschema.model.ext import BtfExt
    from btfschema.model.objectfile import ObjectFile
    from btfschema.model.views import AnyView, TypeView
    from btfschema.values.layouts import AnyType
    from btfschema.values.memory import Data
    from btfschema.values.value import Value

__all__ = ["Btf", "described", "require_btf"]

# The least types among which names are looked for by halving.
HALVED = 256


@frozen(eq=False, repr=False, slots=False)
class Btf(Lookups):
    """BTF, stand-alone or split over a base, which may itself be split.

    ``len`` and iteration cover the container's own types; ``btf[id]`` also finds its bases' types,
    and id 0 is ``void``.

    Attributes:
        image: header, type table, strings and layout as decoded or built.
        base: the BTF that this one is split over, or None.
        ext: what ``.BTF.ext`` says about the same program, or None.
        address_size: bytes of an address in the ELF file that it was read from, or what the reader
            was told, or None.
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
        if self.base is None:
            return self.types
        return Joined.of([btf.types for btf in self.chain]).types

    def __len__(self) -> int:
        return len(self.types)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[AnyView]:
        """The container's own types, in id order."""
        from btfschema.model.viewing import every_view

        return every_view(self)

    def views(self, ids: Iterable[int]) -> list[AnyView]:
        """The types with these ids, here or in a base, at less cost than one by one.

        Raises:
            TypeIdError: there is no such id.
        """
        from btfschema.model.viewing import views_of

        return views_of(self, ids)

    def view(self, type_id: TypeView | int | str) -> AnyView:
        """The type with this id, here or in a base.

        Args:
            type_id: its id; or its name, or a view of it, which is read anew.

        Raises:
            LookupError: there is no such type.
        """
        if type(type_id) is not int:
            type_id = id_of(self, type_id)
        from btfschema.model.viewing import view_of

        return view_of(self, type_id)

    def references(self, type_id: TypeView | int | str) -> list[int]:
        """The ids that a type refers to, in the schema's order.

        Args:
            type_id: the type, as a view, an id or a name.

        Raises:
            LookupError: there is no such type.
        """
        if type(type_id) is not int:
            type_id = id_of(self, type_id)
        if type_id == 0:
            return []
        owner = self.owner(type_id)
        return owner.types.references(type_id - owner.first_id)

    def owner(self, type_id: TypeView | int | str) -> Btf:
        """The container of the chain that holds this type.

        Args:
            type_id: the type, as a view, an id or a name.

        Raises:
            LookupError: there is no such type.
        """
        if type(type_id) is not int:
            type_id = id_of(self, type_id)
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
        found by halving. Names that overlap, thousands of characters long, are taken to be in no
        order.
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
        wanted = np.array(sorted(set(offsets)), np.int64)
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
        """Bytes of a pointer, told as libbpf does, and further where libbpf guesses 8.

        Those of an address in the ELF file, or what :func:`btfschema.load` was told; else those of
        C's ``long`` when the BTF has it; else 4 where members leave no room for 8; else 8.
        """
        return pointer_size_of(self)

    def sizeof(self, type_id: TypeView | int | str) -> int:
        """Bytes of a type, through typedefs, modifiers and arrays (``btf__resolve_size``).

        Args:
            type_id: the type, as a view, an id or a name (``"struct point"``).

        Raises:
            LookupError: there is no such type.
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

    def tables(self, file: str = "", kernel: str = "") -> dict[str, pyarrow.Table]:
        """The types as Arrow tables: see :func:`btfschema.questions.arrow_tables`."""
        from btfschema.questions.tables import arrow_tables

        return arrow_tables(self, file, kernel)

    def describe(self, type_id: TypeView | int | str) -> str:
        """A type in a few words for messages: ``STRUCT "sk_buff" [4711]``."""
        type_id = id_of(self, type_id)
        if not type_id:
            return "void"
        owner = self.owner(type_id)
        row = type_id - owner.first_id
        kind = self.kinds.name(int(owner.types.kinds[row]))
        try:
            name = owner.strings.beginning(int(owner.types.name_offs[row]))
        except DecodeError:
            name = ""
        return described(kind, name, type_id)

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

        Raises:
            ValueError: it is something else.
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


def described(kind: str, name: str, type_id: int) -> str:
    """A type in a few words, as :meth:`Btf.describe` gives them."""
    return f'{kind} "{printable(name)}" [{type_id}]' if name else f"{kind} [{type_id}]"


def require_btf(what: str, value: object, *, optional: bool = False) -> None:
    """Refuse what is not a container, such as the path of one.

    Args:
        what: what the message calls it.
        value: what was given.
        optional: whether None may be given.

    Raises:
        TypeError: it is not a container.
    """
    if value is not None or not optional:
        require_type(what, value, Btf, "a Btf: load(path) reads one from a file")


def _same_ext(one: BtfExt | None, other: BtfExt | None) -> bool:
    if one is None or other is None:
        return one is other
    from btfschema.model.ext import dumps_ext

    return dumps_ext(one) == dumps_ext(other)
