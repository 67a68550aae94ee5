"""The layouts of one container's types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from btfschema.codec.header import ByteOrder
from btfschema.errors import AmbiguousNameError, DecodeError, UnresolvedError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.finding import unknown
from btfschema.model.memo import remembered
from btfschema.model.views import IntEncoding, TypeView
from btfschema.schema.parts import parts_of_plan
from btfschema.values.floats import FLOAT_SIZES
from btfschema.values.layout import (
    MOST_LEVELS,
    Bits,
    Form,
    Layout,
    Member,
    Record,
    Scalar,
    Series,
    counted,
    too_deep,
)
from btfschema.values.roles import Place, place_of

__all__ = ["AnyType", "Layouts", "layouts_of"]

AnyType = int | str | TypeView
"""A type: its id, its name (``"task_struct"``, ``"enum pid_type"``), or its view."""

# To Linux an enum's bit field is an int's, however few bytes the enum has.
ENUM_BITS = 32

# Bytes of the widest integer that there is.
WIDEST = 16

# What stands before a name in C, and the kinds that it may mean.
TAGS = ("struct", "union", "enum")
# Types that an error names.
LISTED = 8


def most_bits(scalar: Scalar) -> int:
    """How many bits a bit field of this may have."""
    if scalar.form is Form.ENUM:
        return max(ENUM_BITS, 8 * scalar.size)
    return 8 * scalar.size if scalar.form in (Form.INTEGER, Form.BOOLEAN) else 0


def layouts_of(btf: Btf) -> Layouts:
    """The layouts of a container's types, kept as long as the container."""
    return remembered(btf, Layouts, Layouts)


class Layouts:
    """Works out layouts, and keeps them and what is made of them.

    Args:
        btf: the container.

    Attributes:
        btf: the container.
        order: its byte order, which is that of the data too.
    """

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.order: ByteOrder = btf.byteorder
        self._known: dict[int, Layout] = {}
        self._by_name: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        # Void has no row, and no value.
        self._places: dict[int, Place] = {0: Place.NONE}
        self._forms: dict[Any, dict[Any, Any]] = {}

    def forms(self, what: Any) -> dict[Any, Any]:
        """The forms of one sort that were made so far."""
        return self._forms.setdefault(what, {})

    def id_of(self, type_: AnyType) -> int:
        """The id of a type.

        Raises:
            TypeIdError: there is no such id.
            UnknownNameError: there is no such name.
            AmbiguousNameError: several types with values have the name.
            UnresolvedError: the view was read from another container.
        """
        if isinstance(type_, int):
            if type_:
                self.btf.owner(type_)
            return type_
        if isinstance(type_, str):
            known = self._by_name.get(type_)
            if known is None:
                known = self._by_name[type_] = self._named(type_)
            return known
        if type_.btf is None or type_.btf not in self.btf.chain:
            raise UnresolvedError(
                f"this {type(type_).__name__} was not read from this container or its base",
                got=type_,
                expected="a view from btf[id]",
            )
        return type_.id

    def _named(self, text: str) -> int:
        btf = self.btf
        tag, _, name = text.rpartition(" ")
        ids = btf.find_ids(name if tag in TAGS else text)
        views = [btf[i] for i in ids]
        if tag in TAGS:
            views = [v for v in views if self._tag(v) == tag]
        with_values = [v for v in views if self._place(v.kind) is not Place.NONE]
        if not ids or (tag in TAGS and not views):
            raise unknown(btf, text, f"type {text!r}")
        if len(with_values) > 1:
            listed = ", ".join(f"[{v.id}] {self._name(v)}" for v in with_values[:LISTED])
            more = f" and {len(with_values) - LISTED} more" if len(with_values) > LISTED else ""
            # A tag helps where one type alone has it.
            tags = Counter(self._tag(v) for v in with_values) if tag not in TAGS else {}
            helpful = [repr(f"{one} {name}") for one in TAGS if tags.get(one) == 1]
            *ways, last = "an id", *helpful
            advice = f"{', '.join(ways)}{',' * (len(ways) == 1)} or {last}" if ways else last
            raise AmbiguousNameError(
                f"{len(with_values)} types are called {text!r}: {listed}{more}; give {advice}",
                got=[v.id for v in with_values],
                expected="one type",
            )
        return (with_values or views)[0].id

    def _tag(self, view: TypeView) -> str:
        """What C writes before the name, or ""; ENUM64 is C's enum too."""
        return next(filter(self._name(view).lower().startswith, TAGS), "")

    def _name(self, view: TypeView) -> str:
        return self.btf.kinds.name(view.kind)

    def _place(self, kind: int) -> Place:
        found = self._places.get(kind)
        if found is None:
            found = self._places[kind] = place_of(parts_of_plan(self.btf.types.plan), kind)
        return found

    def end_of(self, type_id: int) -> int:
        """The type behind names, qualifiers and variables.

        Raises:
            UnresolvedError: it has no values, or the references run in a circle.
        """
        current, passed = type_id, dict[int, None]()
        while (end := self._ends.get(current)) is None:
            if current in passed:
                raise UnresolvedError(
                    f"the references of {self.btf.describe(current)} run in a circle",
                    type_id=type_id,
                )
            passed[current] = None
            end, current, place = current, 0, Place.NONE
            if end:
                owner = self.btf.owner(end)
                row = end - owner.first_id
                place = self._place(int(owner.types.kinds[row]))
                if place is Place.THROUGH:
                    current = int(owner.types.thirds[row])
                    continue
            if place is Place.NONE:
                raise UnresolvedError(
                    f"{self.btf.describe(end)} has no value",
                    type_id=end,
                    expected="a type that has a size",
                )
            break
        self._ends.update(dict.fromkeys(passed, end))
        return end

    def name_of(self, type_id: int) -> str:
        """A type's own name, or ""."""
        if not type_id:
            return "void"
        owner = self.btf.owner(type_id)
        return owner.strings[int(owner.types.name_offs[type_id - owner.first_id])]

    def title_of(self, type_: AnyType) -> str:
        """What a value of a type is called in messages: as it was asked for, else by its name."""
        if isinstance(type_, str):
            return printable(type_)
        type_id = self.id_of(type_)
        return printable(self.name_of(type_id)) or f"[{type_id}]"

    def of(self, type_id: int) -> Layout:
        """The layout of a type.

        Raises:
            UnresolvedError: it, or a type in it, has no values; the message says where.
            DecodeError: what the file says of it can't be, or is out of proportion.
        """
        layout = self._known.get(self._ends.get(type_id, -1))
        if layout is not None:
            return layout
        end = self.end_of(type_id)
        trail = [self.btf.describe(type_id)]
        try:
            self._work_out(end, trail)
        except (UnresolvedError, DecodeError) as error:
            if len(trail) > 1:
                # The names of members are as the file has them; the first part is described.
                way = trail[0] + "".join(map(printable, trail[1:]))
                error.args = (f"{way}: {error}", *error.args[1:])
            raise
        return self._known[end]

    def _work_out(self, top: int, trail: list[str]) -> None:
        """Work out a layout, those of its parts first.

        Args:
            top: the type.
            trail: where the work is, for messages.
        """
        known = self._known
        stack = [(top, "")]
        # Types that are being worked out, with the ends of their parts.
        waiting: dict[int, list[int]] = {}
        while stack:
            current, label = stack[-1]
            if current in waiting:
                view = self.btf[current]
                known[current] = counted(self._made(view, waiting.pop(current), trail))
            if current in known:
                stack.pop()
                # The trail has the labels of those that wait.
                del trail[max(1, len(waiting)) :]
                continue
            trail += [label] if waiting else []
            if len(waiting) > MOST_LEVELS:
                raise too_deep(current, len(waiting))
            missing: dict[int, str] = {}
            ends = waiting[current] = []
            for name, type_id in self._parts(self.btf[current]):
                trail.append(name)
                ends.append(end := self.end_of(type_id))
                if end in waiting:
                    raise UnresolvedError(f"{self.btf.describe(end)} contains itself", type_id=end)
                if end not in known:
                    missing.setdefault(end, name)
                trail.pop()
            stack += missing.items()

    def _parts(self, view: Any) -> Iterable[tuple[str, int]]:
        """The types that a type is made of, and what leads to each."""
        place = self._place(view.kind)
        if place is Place.ARRAY:
            return [("[]", view.type_id)]
        if place in (Place.RECORD, Place.SECTION):
            return [(f".{self._called(one)}", one.type_id) for one in self._elements(view)]
        return ()

    def _called(self, element: Any) -> str:
        """A member's name, or that of a section's variable."""
        name: str | None = getattr(element, "name", None)
        return self.name_of(element.type_id) if name is None else name

    def _elements(self, view: TypeView) -> Iterable[Any]:
        found: Iterable[Any] = getattr(view, self.btf.kinds[view.kind].elements)
        return found

    def _made(self, view: Any, ends: list[int], trail: list[str]) -> Layout:
        """The layout of a type whose parts' layouts are known."""
        end, place = view.id, self._place(view.kind)
        if place is Place.POINTER:
            return Scalar(end, self.btf.pointer_size, Form.POINTER)
        if place is Place.ENUM:
            names: dict[int, str] = {}
            for one in view.values:
                names.setdefault(one.value, one.name)
            plan = self.btf.types.plan.kinds[view.kind]
            wide = any(word.name == "value_hi32" for word in plan.element)
            if not 0 < view.size <= WIDEST:
                return Scalar(end, view.size, Form.RAW)
            return Scalar(end, view.size, Form.ENUM, view.signed, names, wide=wide)
        if place is Place.INTEGER:
            form = Form.BOOLEAN if view.encoding & IntEncoding.BOOL else Form.INTEGER
            if not 0 < view.size <= WIDEST:
                return Scalar(end, view.size, Form.RAW)
            narrow = (view.bit_offset, view.bits) if view.bits < 8 * view.size else None
            # Few compilers set the encoding that says char; GCC gives it to unsigned char too.
            named = view.name == "char" or (
                view.encoding & IntEncoding.CHAR and "signed" not in view.name
            )
            char = view.size == 1 and named
            return Scalar(end, view.size, form, view.signed, narrow=narrow, char=bool(char))
        if place is Place.FLOAT:
            return Scalar(end, view.size, Form.FLOAT if view.size in FLOAT_SIZES else Form.RAW)
        if place is Place.ARRAY:
            element = self._known[ends[0]]
            text = isinstance(element, Scalar) and element.char
            size = view.nelems * element.size
            return Series(end, size, element, view.type_id, view.nelems, text)
        if place is Place.RAW:
            return Scalar(end, view.size, Form.RAW)
        return self._record(view, place, ends, trail)

    def _record(self, view: Any, place: Place, ends: list[int], trail: list[str]) -> Record:
        members = []
        section = place is Place.SECTION
        for element, end in zip(self._elements(view), ends, strict=True):
            name, layout = self._called(element), self._known[end]
            if section:
                members.append(Member(name, element.type_id, layout, element.offset))
            else:
                trail.append(f".{name}")
                members.append(self._member(element, layout))
                trail.pop()
        # Every member of a union starts where it starts.
        overlapping = len(members) > 1 and not any(member.offset for member in members)
        record = Record(view.id, view.size, tuple(members), section, overlapping)
        if section:
            # Compilers leave the sizes of sections to the linker.
            return Record(view.id, max(view.size, record.reach), tuple(members), section)
        if record.reach > view.size:
            last = max(members, key=lambda one: one.end)
            trail.append(f".{last.name}")
            raise DecodeError(
                f"ends at byte {record.reach}, past the {view.size} bytes of "
                f"{self.btf.describe(view.id)}",
                type_id=view.id,
                got=record.reach,
                expected=f"at most {view.size}",
            )
        return record

    def _member(self, member: Any, layout: Layout) -> Member:
        offset, width = member.bit_offset, member.bitfield_size
        scalar = layout if isinstance(layout, Scalar) else None
        if not width and scalar is not None and scalar.narrow is not None:
            # Linux 4.18 to 5.0 say a bit field's width in an INT of its own.
            skipped, width = scalar.narrow
            offset += skipped
        if not width:
            if offset % 8:
                raise DecodeError(
                    f"starts at bit {offset} and is not a bit field",
                    type_id=layout.id,
                    got=offset,
                    expected="a multiple of 8",
                )
            return Member(member.name, member.type_id, layout, offset // 8)
        if scalar is None or width > most_bits(scalar):
            raise DecodeError(
                f"a bit field of {width} bits in {self.btf.describe(layout.id)}",
                type_id=layout.id,
                got=width,
                expected="an integer or an enum that has these bits",
            )
        bits = Bits.of(offset, width, self.order)
        return Member(member.name, member.type_id, layout, offset // 8, bits)
