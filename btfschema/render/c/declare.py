"""Declarations and definitions as text: ``btf_dump_emit_type_decl`` and its neighbours in libbpf.

BTF says what a declaration means from the outside in: a pointer to an array of ints. C writes it
from the inside out, around the name: ``int (*name)[3]``. So a chain of types is written from its
end to its start, and what stands to the right of the name is put off until the name is written.
"""

from __future__ import annotations

import re

from btfschema.errors import EncodeError, UnresolvedError
from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, KNOWN, QUALIFIERS, TypeColumns
from btfschema.render.c.dialect import Dialect
from btfschema.render.c.enums import machine_mode, value_texts
from btfschema.render.c.layout import Layout
from btfschema.render.c.names import Names
from btfschema.render.c.trampoline import Step
from btfschema.render.c.words import BUILT_IN, c_string, comment
from btfschema.schema.kinds import Kind

__all__ = ["Declarations"]

# Kinds that stand between what is declared and the type at the end of its chain.
DECLARATORS = (CHAINED - KNOWN.typedefs) | KNOWN.prototypes
WORDS: dict[int, str] = {Kind.CONST: "const", Kind.VOLATILE: "volatile", Kind.RESTRICT: "restrict"}
# Kinds that are defined in place where they have no name.
DEFINED = COMPOSITE | ENUMS
# Longer chains of pointers, and characters of sizes of arrays, are found out one by one.
MOST_STARS, MOST_SIZES = 8, 64
# Attributes that change nothing but what a pointer leads to.
ATTRIBUTE = re.compile(r"address_space\(\d{1,6}\)|noderef", re.ASCII)
# Characters of declarations. Real kernels need a few million; what is defined in place inside of
# what is defined in place can double with each level, so that a small file would never end.
MAX_TEXT = 1 << 27
# What a member or an enumerator takes at least, roughly.
LINE = 16
# libbpf indents no further.
MAX_INDENT = 13


def indent(level: int) -> str:
    """The start of a line at some depth."""
    return "\t" * min(level, MAX_INDENT)


class Declarations:
    """Writes C into a list of strings.

    Methods that may need others of any depth are steps, for :func:`~.walk.run`.

    Args:
        types: the types.
        names: who has which name.
        layout: where members are.
        dialect: what to write.
        out: the text, as pieces.

    Attributes:
        in_place: the types that were defined inside of others.
        remarked: those whose definitions say what they leave out.
        most_text: characters at most, roughly.
    """

    MOST_TEXT = MAX_TEXT

    def __init__(
        self, types: TypeColumns, names: Names, layout: Layout, dialect: Dialect, out: list[str]
    ) -> None:
        self._types = types
        self._names = names
        self._layout = layout
        self._dialect = dialect
        self._members = types.exact_members if dialect.exact else types.members
        self._out = out
        # What stands before and after the name, with and without one, for each type that is
        # written the same everywhere: that is, without a definition in place.
        self._around: tuple[dict[int, tuple[str, str]], ...] = ({}, {})
        self.in_place: set[int] = set()
        self.remarked: dict[int, None] = {}
        self.most_text = self.MOST_TEXT
        self._in_place = 0
        self._written = 0
        self._open: set[int] = set()

    def tag(self, type_id: int) -> str:
        """``struct name``, ``union name``, ``enum name`` of a type that has a name."""
        kind = self._types.kinds[type_id]
        if kind in ENUMS:
            word = "enum"
        elif kind == Kind.FWD:
            word = "union" if self._types.flags[type_id] else "struct"
        else:
            word = "struct" if kind == Kind.STRUCT else "union"
        name = self._names.tag(type_id)
        return f"{word} {name}" if name else word

    def declare(self, type_id: int, name: str, level: int = 0) -> Step:
        """Declare something of this type; ``name`` may be "".

        Raises:
            UnresolvedError: the type has no form in C.
            EncodeError: the text would be too long.
        """
        out = self._out
        around = self._around[bool(name)].get(type_id) or self._learned(type_id, bool(name))
        if around is not None:
            before, after = around
            out.append(f"{before}{name}{after}")
            self._count(type_id, len(before) + len(after))
        else:
            yield from self._declare_at_length(type_id, name, level)

    def _declare_at_length(self, type_id: int, name: str, level: int) -> Step:
        """:meth:`declare` for the first time, or with a definition in place."""
        out = self._out
        start, in_place = len(out), self._in_place
        chain = self._chain(type_id)
        yield from self._define_end(chain, level)
        # What stands to the right of the name, the outermost first: text, or a function.
        right: list[str | int] = []
        if self._left_of_name(chain, bool(name), right) and name:
            out.append(" ")
        at_name = len(out)
        out.append(name)
        for part in reversed(right):
            if isinstance(part, str):
                out.append(part)
            else:
                yield from self._params(part, level)
        self._count(type_id, LINE)
        if self._in_place == in_place:
            self._around[bool(name)][type_id] = (
                "".join(out[start:at_name]),
                "".join(out[at_name + 1 :]),
            )

    def _learned(self, type_id: int, named: bool) -> tuple[str, str] | None:
        """What stands around the name of most types; None for what has to be declared at length.

        Those are what :meth:`_learned_plainly` knows, and pointers to functions of such.
        """
        around = self._learned_plainly(type_id, named)
        types = self._types
        proto = types.targets[type_id]
        if around is not None or types.kinds[type_id] != Kind.PTR:
            return around
        if types.kinds[proto] != Kind.FUNC_PROTO:
            return None
        result = self._learned_plainly(types.targets[proto], False)
        if result is None or result[1]:
            return None
        names, ids = types.params
        first = types.firsts[proto]
        last = first + types.vlens[proto]
        params = []
        for name, param in zip(names[first:last], ids[first:last], strict=True):
            known = self._around[bool(name)].get(param)
            known = known or self._learned_plainly(param, bool(name))
            if known is None:
                return None
            params.append(f"{known[0]}{name}{known[1]}")
        if params and not ids[last - 1]:
            params[-1] = "..." if len(params) > 1 else "void"
        around = f"{result[0]} (*", f")({', '.join(params) or 'void'})"
        self._count(type_id, LINE + len(around[1]))
        self._around[named][type_id] = around
        return around

    def _learned_plainly(self, type_id: int, named: bool) -> tuple[str, str] | None:
        """What stands around the name of arrays, or none, of pointers, or none, to what has a name.

        That may be qualified. None for any other type.
        """
        kinds, targets = self._types.kinds, self._types.targets
        end, after, stars = type_id, "", ""
        while kinds[end] == Kind.ARRAY and len(after) < MOST_SIZES:
            end, after = targets[end], f"{after}[{self._types.counts[end]}]"
        while kinds[end] == Kind.PTR and len(stars) < MOST_STARS:
            end, stars = targets[end], f"{stars}*"
        word = WORDS.get(kinds[end], "")
        if word:
            if kinds[end] == Kind.RESTRICT:
                return None
            end, word = targets[end], f"{word} "
        if kinds[end] in DECLARATORS or self.looks_through(end):
            return None
        text = self._end(end)
        if not text:
            return None
        self._count(type_id, LINE)
        around = f"{word}{text}{' ' if stars or named else ''}{stars}", after
        self._around[named][type_id] = around
        return around

    def _end(self, type_id: int) -> str:
        """The type that a declaration is made of; "" where it is defined in place, or can't be."""
        if not type_id:
            return "void"
        types = self._types
        kind = types.kinds[type_id]
        if kind in KNOWN.scalars:
            return types.names[type_id]
        if kind == Kind.TYPEDEF:
            return self._names.typedef(type_id)
        if kind == Kind.FWD or (kind in DEFINED and not self.defines_in_place(type_id)):
            return self.tag(type_id)
        return ""

    def _count(self, type_id: int, characters: int) -> None:
        self._written += characters
        if self._written > self.most_text:
            most = self.most_text >> 10
            size = f"{most >> 10} MiB" if most >= 1 << 10 else f"{most} KiB"
            raise EncodeError(
                f"{self._types.describe(type_id)}: declarations are repeated inside of "
                f"declarations, the text would be longer than {size}",
                type_id=type_id,
            )

    def _chain(self, type_id: int) -> list[int]:
        """The types of a declaration from the outside in, the type that it is made of last."""
        types, start, steps = self._types, type_id, 0
        chain = []
        while (is_link := types.kinds[type_id] in DECLARATORS) or self.looks_through(type_id):
            if is_link:
                chain.append(type_id)
            type_id = types.targets[type_id]
            steps += 1
            if steps > types.count:
                raise types.circle(start)
        if self._dialect.exact:
            chain = self._applicable(self._qualify_elements(chain))
        return [*chain, type_id]

    def _qualify_elements(self, chain: list[int]) -> list[int]:
        """The chain with the qualifiers and tags of arrays at their elements, where C has them.

        Functions have neither.
        """
        found: list[int] = []
        passed: dict[int, int] = {}
        for type_id in chain:
            kind = self._types.kinds[type_id]
            if kind in QUALIFIERS or kind == Kind.TYPE_TAG:
                passed[kind if kind in QUALIFIERS else -type_id] = type_id
                continue
            if kind == Kind.FUNC_PROTO:
                passed = {}
            elif kind != Kind.ARRAY:
                found += passed.values()
                passed = {}
            found.append(type_id)
        return [*found, *passed.values()]

    def _applicable(self, chain: list[int]) -> list[int]:
        """The chain without qualifiers and attributes where C has none of them.

        Only pointers to data can be ``restrict``, and only what a pointer leads to has an address
        space.
        """
        types = self._types
        if not any(types.kinds[i] in (Kind.RESTRICT, Kind.TYPE_TAG) for i in chain):
            return chain
        found: list[int] = []
        behind_ptr = spaced = False
        for type_id in chain:
            kind = types.kinds[type_id]
            if kind == Kind.RESTRICT and not self._leads_to_data(type_id):
                continue
            if kind == Kind.TYPE_TAG and types.flags[type_id]:
                if spaced or not behind_ptr:
                    continue
                spaced = True
            elif kind != Kind.TYPE_TAG and kind not in QUALIFIERS:
                behind_ptr, spaced = kind == Kind.PTR, False
            found.append(type_id)
        return found

    def _leads_to_data(self, type_id: int) -> bool:
        """Whether a type is a pointer, by whatever name, and not one to a function."""
        types = self._types
        for is_target in (False, True):
            for _ in range(types.count):
                if types.kinds[type_id] not in KNOWN.modifiers:
                    break
                type_id = types.targets[type_id]
            if types.kinds[type_id] != Kind.PTR:
                return is_target and types.kinds[type_id] not in KNOWN.prototypes
            if is_target:
                return True
            type_id = types.targets[type_id]
        return True

    def looks_through(self, type_id: int) -> bool:
        """Whether declarations say what a typedef stands for, and not its name."""
        return self._dialect.exact and self.is_built_in(type_id)

    def defines_in_place(self, type_id: int) -> bool:
        """Whether declarations define what they are made of, since it has no name."""
        return not self._types.names[type_id]

    def is_built_in(self, type_id: int) -> bool:
        """Whether this is a typedef that every compiler makes itself, and won't have made again."""
        return self._types.kinds[type_id] == Kind.TYPEDEF and self._types.names[type_id] == BUILT_IN

    def _define_end(self, chain: list[int], level: int) -> Step:
        """Write the type that a declaration is made of, with its qualifiers, off the chain."""
        type_id = chain.pop()
        self._qualifiers(chain)
        text = self._end(type_id)
        kind = self._types.kinds[type_id]
        if text or kind in KNOWN.scalars or kind == Kind.TYPEDEF:
            self._out.append(text)
        elif kind in DEFINED:
            self._in_place += 1
            self.in_place.add(type_id)
            if kind in ENUMS:
                self.define_enum(type_id, level)
            else:
                yield self.define_struct(type_id, level)
        else:
            raise UnresolvedError(
                f"{self._types.describe(type_id)} has no C declaration: nothing can be of this "
                "type",
                type_id=type_id,
            )

    def _qualifiers(self, chain: list[int]) -> None:
        while chain and (word := WORDS.get(self._types.kinds[chain[-1]])):
            self._out.append(word + " ")
            chain.pop()

    def _left_of_name(self, chain: list[int], named: bool, right: list[str | int]) -> bool:
        """Write what stands before the name; returns whether a space belongs before it."""
        types, out = self._types, self._out
        space = True
        while chain:
            type_id = chain.pop()
            kind = types.kinds[type_id]
            if kind in (Kind.ARRAY, Kind.FUNC_PROTO):
                # C has no qualified arrays and functions; GCC writes them all the same.
                while chain and types.kinds[chain[-1]] in QUALIFIERS:
                    chain.pop()
                if kind == Kind.FUNC_PROTO:
                    right.append(type_id)
                    inner = " ("
                else:
                    right.append(f"[{types.counts[type_id]}]")
                    nested = bool(chain) and types.kinds[chain[-1]] == Kind.ARRAY
                    inner = " " * (named and space) + "(" * (not nested)
                if chain:
                    out.append(inner)
                    if inner.endswith("("):
                        right.append(")")
                    space = False
            elif kind == Kind.PTR:
                out.append(" *" if space else "*")
                space = False
            else:
                if kind == Kind.TYPE_TAG:
                    if not self._dialect.exact:
                        # Next to what stands before, without a space, as libbpf writes them.
                        self._qualifiers(chain)
                    out.append(self._type_tag(type_id))
                else:
                    out.append(" " + WORDS[kind])
                space = True
        return space

    def _type_tag(self, type_id: int) -> str:
        text, is_attribute = self._types.names[type_id], self._types.flags[type_id]
        if not self._dialect.exact:
            if not (is_attribute and self._dialect.attributes):
                text = f'btf_type_tag("{text}")'
            return f" __attribute__(({text}))"
        if is_attribute and not ATTRIBUTE.fullmatch(text):
            return f" {comment(text)}"
        if not is_attribute:
            text = f'btf_type_tag("{c_string(text)}")'
        return f" __attribute__(({text}))"

    def _params(self, proto: int, level: int) -> Step:
        types, out = self._types, self._out
        if proto in self._open:
            raise types.circle(proto)
        self._open.add(proto)
        names, ids = types.params
        first = types.firsts[proto]
        last = first + types.vlens[proto] - 1
        out.append("(")
        if last < first or (last == first and not ids[first]):
            out.append("void")
            last = first - 1
        for at in range(first, last + 1):
            if at > first:
                out.append(", ")
            name, param = names[at], ids[at]
            if at == last and not param:
                out.append("...")
                continue
            around = self._around[bool(name)].get(param) or self._learned(param, bool(name))
            if around is None:
                yield self._declare_at_length(param, name, level)
            else:
                out.append(f"{around[0]}{name}{around[1]}")
                self._count(param, len(around[0]) + len(around[1]))
        out.append(")")
        self._open.discard(proto)

    def define_struct(self, type_id: int, level: int = 0) -> Step:
        """Define a struct or union, with explicit padding where a compiler would place it wrong.

        Raises:
            UnresolvedError: a member's type has no form in C.
            EncodeError: a gap between members is too large to write, or the text is.
        """
        types, layout, out = self._types, self._layout, self._out
        members, sizes, around = self._members, types.full_sizes, self._around
        packed = layout.is_packed(type_id)
        out.append(self.tag(type_id) + " {")
        line = "\n" + indent(level + 1)
        at, in_bitfield = 0, False
        first = types.firsts[type_id]
        last = first + types.vlens[type_id]
        self._count(type_id, LINE * (last - first))
        remarks = types.remarks.get(type_id, ())
        if remarks:
            out.extend(line + comment(f"left out: {text}") for text in remarks)
            self.remarked[type_id] = None
        gap: list[str]
        for name, member, offset, width in zip(
            members.names[first:last],
            members.types[first:last],
            members.offsets[first:last],
            members.widths[first:last],
            strict=True,
        ):
            if offset > at:
                # A bit field does not begin where its type would.
                loose = packed or (width and self._dialect.exact)
                alignment = 1 if loose else layout.alignment(member)
                gap = layout.gap(at, offset, alignment, in_bitfield and width > 0, packed=packed)
                out.extend([line + text for text in gap])
            known = around[bool(name)].get(member) or self._learned(member, bool(name))
            if known is None:
                out.append(line)
                yield self._declare_at_length(member, name, level + 1)
                out.append(f": {width};" if width else ";")
            elif width:
                out.append(f"{line}{known[0]}{name}{known[1]}: {width};")
            else:
                out.append(f"{line}{known[0]}{name}{known[1]};")
            at = offset + (width or 8 * sizes[member])
            in_bitfield = width > 0
        size = types.sizes[type_id]
        if types.kinds[type_id] == Kind.STRUCT:
            gap = []
            if at < 8 * size:
                gap = layout.gap(at, 8 * size, layout.alignment(type_id), False, packed=packed)
        else:
            gap = layout.union_padding(type_id)
        if gap:
            out.extend([line + text for text in gap])
        out.append("\n" + indent(level) + "}" if size or last > first or remarks else "}")
        if packed:
            out.append(" __attribute__((packed))")

    def define_enum(self, type_id: int, level: int = 0) -> None:
        """Define an enum; one without values is only declared."""
        types, out = self._types, self._out
        out.append(self.tag(type_id))
        count = types.vlens[type_id]
        if not count:
            return
        names = (types.values64 if types.kinds[type_id] == Kind.ENUM64 else types.values)[0]
        first = types.firsts[type_id]
        line = "\n" + indent(level + 1)
        self._count(type_id, LINE * count)
        out.append(" {")
        texts = value_texts(types, type_id, exact=self._dialect.exact)
        given = self._names.enumerators(names[first : first + count])
        pairs = zip(given, texts, strict=True)
        out.append("".join([f"{line}{name} = {text}," for name, text in pairs]))
        out.append("\n" + indent(level) + "}")
        mode = machine_mode(types, type_id, self._dialect)
        if mode:
            out.append(f" __attribute__((mode({mode})))")

    def define_typedef(self, type_id: int) -> Step:
        """Define a typedef."""
        name = self._names.typedef(type_id)
        target = self._types.targets[type_id]
        # Old GCCs say that it is void.
        if not target and name == "__gnuc_va_list":
            self._out.append("typedef __builtin_va_list __gnuc_va_list")
            return
        self._out.append("typedef ")
        yield self.declare(target, name)
