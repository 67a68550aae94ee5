"""One type for people to look at: C with offsets, sizes, holes and cache lines as comments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from btfschema.errors import EncodeError
from btfschema.model.container import Btf
from btfschema.render.c.chosen import OBJECTS
from btfschema.render.c.columns import COMPOSITE, DECLARABLE, ENUMS, KNOWN, TypeColumns
from btfschema.render.c.declare import Declarations, indent
from btfschema.render.c.dialect import DIALECTS
from btfschema.render.c.layout import Layout
from btfschema.render.c.names import Names
from btfschema.render.c.trampoline import Step, run
from btfschema.render.structs import CACHE_LINE, MemberPlace, StructLayout, layout_of
from btfschema.render.text import format_type
from btfschema.schema.kinds import Kind

if TYPE_CHECKING:
    from btfschema.model.views import Member

__all__ = ["Paint", "Viewer"]

# Gives a piece of text its colour; ``"comment"`` and ``"hole"`` are what there is to tell apart.
Paint = Callable[[str, str], str]

TAB = 8
# The column at which comments start, where the declaration leaves room.
COMMENTS_AT = 56

OUT_OF_ORDER = "XXX the BTF has these members in another order"

# More members than a person reads, those of structs inside of the struct included. Structs that
# hold each other twice would have more than memory holds.
MOST_MEMBERS = 1 << 18

# Stands for the members of a struct that is defined in place.
BODY = "\0"


class Outline(Declarations):
    """Single declarations, in which ``BODY`` stands for the members of a struct.

    Args:
        types: the types.
        layout: their layout.
        expand: whether named structs are defined in place, too.

    Attributes:
        pieces: the text.
        inner: the structs whose members were left out.
    """

    def __init__(self, types: TypeColumns, layout: Layout, *, expand: bool = False) -> None:
        self.pieces: list[str] = []
        self.inner: list[int] = []
        self._expand = expand
        super().__init__(types, Names(types), layout, DIALECTS["none"], self.pieces)

    def define_struct(self, type_id: int, level: int = 0) -> Step:
        """Write a struct without its members."""
        self.inner.append(type_id)
        attributes = _attributes(layout_of(self._types, type_id))
        self.pieces.append(self.tag(type_id) + " {" + BODY + "}" + attributes)
        yield from ()

    def defines_in_place(self, type_id: int) -> bool:
        """Named structs too, when all is to be expanded."""
        is_struct = self._types.kinds[type_id] in COMPOSITE
        return super().defines_in_place(type_id) or (self._expand and is_struct)

    def looks_through(self, type_id: int) -> bool:
        """Also through a typedef of a struct, when all is to be expanded."""
        types = self._types
        if self._expand and types.kinds[type_id] == Kind.TYPEDEF:
            return types.kinds[int(types.ends[type_id])] in COMPOSITE
        return super().looks_through(type_id)

    def member(self, type_id: int, name: str, level: int) -> tuple[str, int]:
        """A declaration, and the struct whose members belong where ``BODY`` is; 0 for none."""
        types = self._types
        by_value = types.kinds[int(types.ends[type_id])] in COMPOSITE
        expand, self._expand = self._expand, self._expand and by_value
        run(self.declare(type_id, name, level))
        self._expand = expand
        text = "".join(self.pieces)
        inner = self.inner[0] if len(self.inner) == 1 else 0
        self.pieces.clear()
        self.inner.clear()
        return (text, inner) if inner else (text.replace(BODY, " ... "), 0)


class Viewer:
    """Shows types of a container.

    Args:
        btf: the container.
        paint: what gives text its colour: called with a text and ``"comment"`` or ``"hole"``.
    """

    def __init__(self, btf: Btf, paint: Paint = lambda text, _: text) -> None:
        self._btf = btf
        self._types = TypeColumns.of(btf)
        self._layout = Layout(self._types)
        self._paint = paint
        self._lines: list[str] = []
        self._line_shown = 0
        self._members_shown = 0
        self._outline = Outline(self._types, self._layout)
        self._open: set[int] = set()

    def text(self, type_id: int, *, expand: bool = False) -> str:
        """A type as C, without what it needs.

        A struct or union is commented as ``pahole -C`` does it: every member's offset and size (of
        a bit field the offset of its unit, its first bit there, and the unit's size), holes,
        padding, the starts of cache lines of 64 bytes, and sums at the end. Any other type is its
        declaration and its size; what C has no form for, such as a DATASEC, is shown as
        ``bpftool btf dump`` prints it, below a comment.

        Args:
            type_id: the type.
            expand: show the members of named structs in place too.

        Raises:
            TypeIdError: there is no such id.
            UnresolvedError: the type can't be declared in C.
            EncodeError: structs hold each other so often that nobody reads all of it.
        """
        types = self._types
        self._start(type_id)
        kind, name = types.kinds[type_id], types.names[type_id]
        target = types.targets[type_id]
        if kind in COMPOSITE:
            self._show_struct(type_id, "", "", expand)
        elif kind == Kind.TYPEDEF and types.kinds[target] in COMPOSITE and not types.names[target]:
            self._show_struct(target, "typedef ", f" {name}", expand)
        else:
            self._show_plain(type_id)
        return "\n".join(self._lines) + "\n"

    def member_text(self, type_id: int, path: str) -> str:
        """A member as C, with its offset from the start of the type and its size.

        When it is a struct or union by value, that one follows, with offsets of its own.

        Args:
            type_id: the type.
            path: the way to the member, such as ``"se.avg.load_avg"``.

        Raises:
            LookupError: there is no such member.
            UnresolvedError: the type has no members, or a declaration is impossible in C.
        """
        from btfschema.model.paths import place_of

        place = place_of(self._btf, self._btf[type_id], path)
        types = self._types
        bits = f":{place.bitfield_size}" if place.bitfield_size else ""
        data = self._place_data(place)
        where = f"{data['offset']:5}"
        if place.bitfield_size:
            where += f":{place.bit_offset - 8 * data['offset']:2}"
        # An element of an array has its index in its name: no valid C, but clear.
        declared = f"{self.declaration(place.type_id, place.name)}{bits};"
        gap = " " * max(COMMENTS_AT - len(declared.expandtabs(TAB)), 1)
        size = data["size"] if data["size"] is not None else 0
        line = declared + gap + self._comment(f"{where} {size:5}") + "\n"
        end = int(types.ends[place.type_id])
        by_value = types.kinds[end] in COMPOSITE
        return f"{line}\n{self.text(end)}" if by_value else line

    def member_data(self, type_id: int, path: str) -> dict[str, Any]:
        """What :meth:`member_text` says of the member, as data for JSON.

        Raises:
            LookupError, UnresolvedError: as there.
        """
        from btfschema.model.paths import place_of

        self._start(type_id)
        place = place_of(self._btf, self._btf[type_id], path)
        named = self._named(place.type_id)
        head = {"holder": type_id, "path": path, "name": place.name}
        return {**head, **named, **self._place_data(place)}

    def _place_data(self, place: Member) -> dict[str, Any]:
        size = self._types.full_sizes[place.type_id] or None
        unit = 8 * size if place.bitfield_size and size else 8
        return {
            "offset": place.bit_offset // unit * (unit // 8),
            "bit_offset": place.bit_offset,
            "size": size,
            "bitfield_size": place.bitfield_size,
        }

    def _start(self, type_id: int) -> None:
        """Refuse an id that is not there, and forget what was shown before."""
        self._types.require(type_id)
        self._lines, self._line_shown, self._members_shown = [], 0, 0
        self._outline = Outline(self._types, self._layout)
        self._open.clear()

    def _enter(self, layout: StructLayout) -> None:
        """Refuse to show a struct inside of itself, which would never end, and too many members."""
        if layout.id in self._open:
            raise self._types.circle(layout.id)
        self._open.add(layout.id)
        self._members_shown += len(layout.members)
        if self._members_shown > MOST_MEMBERS:
            raise EncodeError(
                f"{self._types.describe(layout.id)}: structs are repeated inside of structs, "
                "too many members to show",
                type_id=layout.id,
                got=self._members_shown,
                expected=f"{MOST_MEMBERS} at most",
            )

    def declaration(self, type_id: int, name: str = "") -> str:
        """Something of this type as C declares it, on one line; structs without their members.

        Raises:
            UnresolvedError: the type can't be declared in C.
        """
        text, _ = Outline(self._types, self._layout).member(type_id, name, 0)
        return _on_a_line(text)

    def _show_plain(self, type_id: int) -> None:
        """A type that is not a struct."""
        types, outline = self._types, Outline(self._types, self._layout)
        kind, name = types.kinds[type_id], types.names[type_id]
        held = types.targets[type_id] if kind in KNOWN.variables else type_id
        if kind in ENUMS:
            outline.define_enum(type_id)
        elif kind == Kind.TYPEDEF:
            run(outline.define_typedef(type_id))
        elif kind in OBJECTS:
            run(outline.declare(types.targets[type_id], name))
        elif type_id and kind not in DECLARABLE:
            words = types.describe(type_id).replace("*/", "* /")
            self._lines.append(self._comment(f"{words}: its kind has no form in C"))
            self._lines.append(format_type(self._btf, type_id))
            return
        else:
            run(outline.declare(type_id, ""))
        text = "".join(outline.pieces).replace(BODY, " ... ") + ";"
        size = types.full_sizes[held]
        self._lines.append(f"{text} {self._comment(f'size: {size}')}" if size else text)

    def _comment(self, text: str, style: str = "comment") -> str:
        return self._paint(f"/* {text} */", style)

    def _show_struct(self, type_id: int, before: str, after: str, expand: bool) -> None:
        outline = Outline(self._types, self._layout, expand=expand)
        layout = layout_of(self._types, type_id)
        self._lines.append(f"{before}{outline.tag(type_id)} {{")
        run(self._show_members(outline, layout, 0, 1))
        # What was said of the last member ends with an empty line already.
        self._lines += [""] * bool(self._lines[-1])
        self._lines += [indent(1) + self._comment(text) for text in self._sums(layout)]
        self._lines.append(f"}}{_attributes(layout)}{after};")

    def _show_members(self, outline: Outline, layout: StructLayout, start: int, level: int) -> Step:
        """The members of a struct that begins at byte ``start``; -1 when it is elsewhere."""
        types, lines = self._types, self._lines
        line_shown = self._line_shown
        self._enter(layout)
        if not layout.in_order:
            lines.append(indent(level) + self._comment(OUT_OF_ORDER, "hole"))
        self._add_holes(layout.leading_bit_hole, layout.leading_hole, level)
        for place in layout.by_offset:
            if layout.kind == Kind.UNION:
                # Its members overlap: each one starts on the same line.
                self._line_shown = line_shown
            offset = max(start, 0) + place.offset
            if start >= 0:
                self._cache_line(offset, level)
            text, inner = outline.member(place.type_id, place.name, level)
            if place.bitfield_size:
                text += f":{place.bitfield_size}"
            elif place.aligned:
                text += f" __attribute__((aligned({place.aligned})))"
            if inner:
                head, text = text.split(BODY)
                lines.append(indent(level) + head)
                by_value = int(types.ends[place.type_id]) == inner
                at = offset if by_value and start >= 0 else -1
                yield self._show_members(outline, layout_of(types, inner), at, level + 1)
            self._add_member(f"{indent(level)}{text};", place, offset)
            self._add_gaps(place, level, layout.kind)
        if layout.kind == Kind.UNION:
            self._line_shown = line_shown
        self._open.discard(layout.id)

    def _add_member(self, text: str, place: MemberPlace, offset: int) -> None:
        bit = place.bit_offset - 8 * place.offset
        where = f"{offset:5}:{bit:2}" if place.bitfield_size else f"{offset:5}"
        column = len(text.splitlines()[-1].expandtabs(TAB))
        gap = " " * max(COMMENTS_AT - column, 1)
        self._lines.append(text + gap + self._comment(f"{where} {place.size:5}"))

    def _add_gaps(self, place: MemberPlace, level: int, within: int) -> None:
        padding = self._padding_of(place) if within == Kind.STRUCT else 0
        last = f"XXX last struct has {_count(padding, 'byte')} of padding" * bool(padding)
        shared = f"XXX shares {_bits(place.overlap)} with members before it" * bool(place.overlap)
        self._add_holes(place.bit_hole, place.hole, level, shared, last)

    def _add_holes(self, bits: int, size: int, level: int, *before: str) -> None:
        gaps = [
            *before,
            f"XXX {_count(bits, 'bit')} hole, try to pack" * bool(bits),
            f"XXX {_count(size, 'byte')} hole, try to pack" * bool(size),
        ]
        found = [indent(level) + self._comment(text, "hole") for text in gaps if text]
        if found:
            self._lines += ["", *found, ""]

    def _padding_of(self, place: MemberPlace) -> int:
        """The padding at the end of the struct that a member is; an array's does not count."""
        types = self._types
        end = int(types.ends[place.type_id])
        if types.kinds[end] != Kind.STRUCT or types.full_sizes[place.type_id] != types.sizes[end]:
            return 0
        return layout_of(types, end).padding

    def _cache_line(self, offset: int, level: int) -> None:
        """Note that a cache line begins at or before this byte, unless noted."""
        number, past = divmod(offset, CACHE_LINE)
        if number <= self._line_shown:
            return
        self._line_shown = number
        ago = f" was {_count(past, 'byte')} ago" if past else ""
        text = f"--- cacheline {number} boundary ({offset - past} bytes){ago} ---"
        self._lines.append(indent(level) + self._comment(text))

    def _sums(self, layout: StructLayout) -> list[str]:
        first = f"size: {layout.size}, cachelines: {layout.cachelines}"
        sums = [f"{first}, members: {len(layout.members)}"]
        holes, bit_holes = layout.holes, layout.bit_holes
        if holes or bit_holes:
            parts = [f"sum members: {layout.sum_members}"] * bool(layout.sum_members)
            parts += [f"holes: {len(holes)}, sum holes: {sum(holes)}"] * bool(holes)
            if parts:
                sums.append(", ".join(parts))
        if layout.sum_bitfields and (holes or bit_holes):
            text = f"sum bitfield members: {layout.sum_bitfields} bits"
            if bit_holes:
                text += f", bit holes: {len(bit_holes)}, sum bit holes: {sum(bit_holes)} bits"
            sums.append(text)
        if layout.overlapping:
            sums.append(f"overlapping members: {layout.overlapping}")
        if layout.excess:
            sums.append(f"members reach {_count(layout.excess, 'byte')} past the end")
        if layout.padding:
            sums.append(f"padding: {layout.padding}")
        if layout.bit_padding:
            sums.append(f"bit_padding: {layout.bit_padding} bits")
        paddings = [found for place in layout.members if (found := self._padding_of(place))]
        if paddings:
            sums.append(f"paddings: {len(paddings)}, sum paddings: {sum(paddings)}")
        if layout.last_cacheline:
            sums.append(f"last cacheline: {layout.last_cacheline} bytes")
        return sums

    def data(self, type_id: int, *, expand: bool = False) -> dict[str, Any]:
        """What :meth:`text` says, as data for JSON.

        Offsets and sizes are in bytes, those named so in bits. A member that is a struct without a
        name (with ``expand``, any struct by value) has its ``members`` too; their offsets count
        from the start of that struct.

        Raises:
            TypeIdError: there is no such id.
            UnresolvedError: the type can't be declared in C.
            EncodeError: structs hold each other so often that nobody reads all of it.
        """
        types = self._types
        self._start(type_id)
        view = self._btf[type_id]
        kind, name = types.kinds[type_id], types.names[type_id]
        data: dict[str, Any] = {"id": type_id, "kind": self._btf.kinds.name(kind), "name": name}
        held = types.targets[type_id] if kind in KNOWN.variables else type_id
        data["size"] = types.full_sizes[held] or (0 if kind in COMPOSITE else None)
        if kind in COMPOSITE:
            data.update(run(self._struct_data(type_id, expand)))
        elif kind in ENUMS:
            values = getattr(view, "values", ())
            data["signed"] = bool(types.flags[type_id])
            data["values"] = [{"name": value.name, "value": value.value} for value in values]
        elif kind == Kind.FUNC and types.kinds[types.targets[type_id]] == Kind.FUNC_PROTO:
            data.update(self._function_data(types.targets[type_id]))
        elif types.targets[type_id] or kind == Kind.TYPEDEF:
            data.update(self._named(types.targets[type_id]))
            target = types.targets[type_id]
            if types.kinds[target] in COMPOSITE and (expand or not types.names[target]):
                data.update(run(self._struct_data(target, expand)))
        return data

    def _named(self, type_id: int) -> dict[str, Any]:
        text, _ = self._outline.member(type_id, "", 0)
        return {"type": _on_a_line(text), "type_id": type_id}

    def _function_data(self, proto: int) -> dict[str, Any]:
        types = self._types
        names, ids = types.params
        params = range(types.firsts[proto], types.firsts[proto] + types.vlens[proto])
        return {
            "returns": self._named(types.targets[proto]),
            "params": [{"name": names[at], **self._named(ids[at])} for at in params],
        }

    def _struct_data(self, type_id: int, expand: bool) -> Step:
        types, layout = self._types, layout_of(self._types, type_id)
        self._enter(layout)
        members = []
        for place in layout.members:
            member = {
                "name": place.name,
                **self._named(place.type_id),
                "offset": place.bit_offset // 8,
                "bit_offset": place.bit_offset,
                "size": place.size,
                "bitfield_size": place.bitfield_size,
                "hole": place.hole,
                "bit_hole": place.bit_hole,
                "aligned": place.aligned,
                "overlap": place.overlap,
            }
            end = int(types.ends[place.type_id])
            if types.kinds[end] in COMPOSITE and (expand or not types.names[end]):
                member["members"] = (yield self._struct_data(end, expand))["members"]
            members.append(member)
        self._open.discard(type_id)
        return {
            "cachelines": layout.cachelines,
            "last_cacheline": layout.last_cacheline,
            "leading_hole": layout.leading_hole,
            "leading_bit_hole": layout.leading_bit_hole,
            "holes": len(layout.holes),
            "sum_holes": sum(layout.holes),
            "bit_holes": len(layout.bit_holes),
            "sum_bit_holes": sum(layout.bit_holes),
            "padding": layout.padding,
            "bit_padding": layout.bit_padding,
            "packed": layout.packed,
            "aligned": layout.aligned,
            "in_order": layout.in_order,
            "overlapping": layout.overlapping,
            "excess": layout.excess,
            "members": members,
        }


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + "s" * (number != 1)


def _bits(number: int) -> str:
    return _count(number, "bit") if number % 8 else _count(number // 8, "byte")


def _attributes(layout: StructLayout) -> str:
    """What a struct has to be given to be as it is."""
    given = ["packed"] * layout.packed + [f"aligned({layout.aligned})"] * bool(layout.aligned)
    return f" __attribute__(({', '.join(given)}))" if given else ""


def _on_a_line(text: str) -> str:
    return " ".join(text.replace(BODY, " ... ").split())
