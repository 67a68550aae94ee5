"""Definitions with the forward declarations that they need: ``btf_dump_emit_type`` of libbpf."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from btfschema.render.c.asserts import assertions
from btfschema.render.c.chosen import OBJECTS
from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, KNOWN, TypeColumns
from btfschema.render.c.declare import Declarations
from btfschema.render.c.dialect import Dialect
from btfschema.render.c.kfuncs import FASTCALL, KFUNC, kfuncs, tagged
from btfschema.render.c.layout import Layout
from btfschema.render.c.names import Names
from btfschema.render.c.order import DONE, Order
from btfschema.render.c.trampoline import Step, run
from btfschema.render.c.words import comment
from btfschema.schema.kinds import Kind

__all__ = ["Emitter"]

# GCC's own names of Arm's polynomial types.
MISSING_TYPES = {
    "__Poly8_t": "unsigned char",
    "__Poly16_t": "unsigned short",
    "__Poly64_t": "unsigned long long",
    "__Poly128_t": "unsigned __int128",
}

# Kinds that declare nothing: what defines code or data.
SILENT = KNOWN.unrepeatable | {Kind.VOID}
# Kinds that are used as what they refer to.
STEPS = CHAINED - {Kind.TYPEDEF}
# Kinds that are prepared by what they refer to.
INVOLVED = COMPOSITE | KNOWN.typedefs | KNOWN.prototypes

NEW, OPEN, WRITTEN = range(3)


class Emitter:
    """Writes types, each with what it needs, in an order that C accepts.

    Args:
        types: the types.
        dialect: what to write.
        asserts: whether to assert the size and the members' offsets of every struct and union.
        objects: the functions and variables that will be declared, whose names are not given away.

    Attributes:
        out: the text so far, as pieces.
        declarations: what writes single declarations.
    """

    def __init__(
        self,
        types: TypeColumns,
        dialect: Dialect,
        *,
        asserts: bool = False,
        objects: Iterable[int] = (),
    ) -> None:
        self._types = types
        self._order = Order(types)
        taken = [types.names[type_id] for type_id in objects] if dialect.exact else ()
        self._names = Names(types, exact=dialect.exact, taken=taken)
        self._declared_objects: set[str] = set()
        self.out: list[str] = []
        layout = Layout(types, exact=dialect.exact)
        self.declarations = Declarations(types, self._names, layout, dialect, self.out)
        self._asserts = asserts
        self._dialect = dialect
        self._states = [NEW] * types.count
        self._states[0] = WRITTEN
        self._declared: set[int] = set()
        # Types for which nothing more will ever have to be written before they are used.
        self._settled = [False] * types.count
        self._settled[0] = True

    def write(self, root: int) -> None:
        """:meth:`write_all` for one type."""
        self.write_all((root,))

    def write_all(self, roots: Iterable[int]) -> None:
        """Write types, each after what it needs, unless written before.

        Raises:
            UnresolvedError: something can't be written as C.
            EncodeError: a gap between members is too large to write.
        """
        kinds, lost, outside = self._types.kinds, self._types.lost, self._types.outside
        done, needed_for, written = self._order.states, self._order.needed_for, self._states
        for root in roots:
            kind = kinds[root]
            if root in lost:
                self._leave_out(root)
            if kind in SILENT:
                continue
            if kind in outside:
                what = self._types.describe(root).replace("*/", "* /")
                self.out.append(f"/* {what} is left out: its kind has no form in C */\n\n")
            elif done[root] != DONE:
                for type_id in needed_for(root):
                    if written[type_id] != WRITTEN:
                        self._define(type_id)

    def _leave_out(self, root: int) -> None:
        """Say that a type is left out."""
        if self._states[root] != WRITTEN:
            self._states[root] = WRITTEN
            self.out.append(comment(f"left out: {self._types.lost[root]}") + "\n\n")

    def _real_name(self, type_id: int) -> None:
        """Say what a type is really called, before it is declared by another name."""
        real = self._types.real_names.get(type_id)
        if real is not None:
            self.out.append(comment(real) + "\n")

    def write_chosen(self, root: int) -> None:
        """Write what a person chose: a type as :meth:`write` does, a function, a variable.

        Raises:
            UnresolvedError: something can't be written as C.
            EncodeError: a gap between members is too large to write.
        """
        if self._types.kinds[root] not in OBJECTS:
            self.write(root)
        elif self._states[root] != WRITTEN:
            self._states[root] = WRITTEN
            self.prepare(self._types.targets[root])
            self._real_name(root)
            self.declare_object(root)
            self.out.append("\n")

    def declare_object(self, root: int) -> None:
        """Declare a function or a variable, for which all that it needs is there.

        Raises:
            UnresolvedError: it can't be written as C.
        """
        types, dialect = self._types, self._dialect
        name = types.names[root]
        if dialect.exact:
            name = self._names.object(root, self._declared_objects)
        fast = dialect.fastcall and root in self._fast
        self.out.append("extern __bpf_fastcall " if fast else "extern ")
        run(self.declarations.declare(types.targets[root], name))
        self.out.append(" __weak __ksym;\n" if root in self._kfuncs else ";\n")

    def declare_kfuncs(self) -> None:
        """Declare every function that BPF programs may call.

        Raises:
            UnresolvedError: one can't be written as C.
        """
        self.out.append("\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n")
        found = kfuncs(self._types)
        for root in dict.fromkeys(found) if self._dialect.exact else found:
            self.declare_object(root)
        self.out.append("#endif\n\n")

    def write_unnamed_enums(self, roots: Iterable[int]) -> None:
        """Write those enums without a name that something refers to, but nothing in the text."""
        types, in_place = self._types, self.declarations.in_place
        for root in roots:
            unnamed = types.kinds[root] in ENUMS and types.vlens[root] and not types.names[root]
            if unnamed and root not in in_place and self._states[root] != WRITTEN:
                self._define(root)

    @cached_property
    def _kfuncs(self) -> set[int]:
        """The functions that BPF programs may call."""
        return tagged(self._types, KFUNC)

    @cached_property
    def _fast(self) -> set[int]:
        """Those of them that leave most registers alone."""
        return tagged(self._types, FASTCALL) & self._kfuncs

    def prepare(self, type_id: int) -> None:
        """Write what a declaration of something of this type needs: definitions and forward ones.

        Raises:
            UnresolvedError: something can't be written as C.
            EncodeError: a gap between members is too large to write.
        """
        self.write(type_id)
        run(self._prepare(type_id, 0))

    def _define(self, type_id: int) -> None:
        """Write the definition of a type that is not inside of another."""
        types, settled = self._types, self._settled
        kind = types.kinds[type_id]
        if kind == Kind.TYPEDEF:
            run(self._prepare_typedef(type_id))
        elif kind in COMPOSITE:
            self._states[type_id] = OPEN
            first = types.firsts[type_id]
            for member in types.members.types[first : first + types.vlens[type_id]]:
                if not settled[member] and not self._is_prepared(member, type_id):
                    run(self._prepare(member, type_id))
            self._real_name(type_id)
            run(self.declarations.define_struct(type_id))
            self.out.append(";\n\n")
            self._assert(type_id, self.declarations.tag(type_id))
        elif kind in ENUMS:
            self._real_name(type_id)
            self._remarks(type_id)
            self.declarations.define_enum(type_id)
            self.out.append(";\n\n")
        else:
            self._real_name(type_id)
            self.out.append(self.declarations.tag(type_id) + ";\n\n")
        self._states[type_id] = WRITTEN
        self._settled[type_id] = True

    def _remarks(self, type_id: int) -> None:
        """Say what an enum leaves out."""
        for text in self._types.remarks.get(type_id, ()):
            self.out.append(comment(f"left out: {text}") + "\n")
            self.declarations.remarked[type_id] = None

    def remarked(self) -> list[str]:
        """What the definitions that were written leave out."""
        types = self._types
        return [
            types.message(
                type_id, f"{types.real_names.get(type_id) or types.describe(type_id)}: {text}"
            )
            for type_id in self.declarations.remarked
            for text in types.remarks[type_id]
        ]

    def _is_prepared(self, head: int, container: int) -> bool:
        """Write what :meth:`_prepare` does if that concerns no other type; returns whether."""
        types, settled = self._types, self._settled
        type_id = head
        while (kind := types.kinds[type_id]) in STEPS:
            type_id = types.targets[type_id]
        if not settled[type_id]:
            if kind in COMPOSITE and types.names[type_id]:
                self._declare_composite(type_id, container)
            elif kind in INVOLVED:
                return False
            else:
                self._prepare_plain(type_id, kind)
        settled[head] = settled[type_id]
        return True

    def _prepare(self, head: int, container: int) -> Step:
        """Write the forward declarations without which a type can't be used in ``container``."""
        if self._is_prepared(head, container):
            return
        types, settled = self._types, self._settled
        type_id = head
        while (kind := types.kinds[type_id]) in STEPS:
            type_id = types.targets[type_id]
        if kind in COMPOSITE:
            yield from self._prepare_anonymous(type_id, container)
        elif kind == Kind.TYPEDEF:
            yield from self._prepare_typedef(type_id)
        else:
            parts = types.parts(type_id)
            for part in parts:
                if not settled[part] and not self._is_prepared(part, container):
                    yield self._prepare(part, container)
            settled[type_id] = all(settled[part] for part in parts)
        settled[head] = settled[type_id]

    def _prepare_plain(self, type_id: int, kind: int) -> None:
        if kind == Kind.INT:
            name = self._names.tag(type_id)
            if name in MISSING_TYPES:
                self.out.append(f"typedef {MISSING_TYPES[name]} {name};\n\n")
        elif kind == Kind.FWD:
            self._real_name(type_id)
            self.out.append(self.declarations.tag(type_id) + ";\n\n")
        self._states[type_id] = WRITTEN
        self._settled[type_id] = True

    def _declare_composite(self, type_id: int, container: int) -> None:
        """Declare a struct or union that has a name, except to its own members."""
        if type_id != container:
            self._real_name(type_id)
            self.out.append(self.declarations.tag(type_id) + ";\n\n")
            self._declared.add(type_id)
            self._settled[type_id] = True

    def _prepare_anonymous(self, type_id: int, container: int) -> Step:
        """A struct or union without a name is defined where it stands: only its members matter."""
        types, settled = self._types, self._settled
        if self._states[type_id] == OPEN:
            raise types.circle(type_id)
        self._states[type_id] = OPEN
        first = types.firsts[type_id]
        members = types.members.types[first : first + types.vlens[type_id]]
        for member in members:
            if not settled[member] and not self._is_prepared(member, container):
                yield self._prepare(member, container)
        self._states[type_id] = NEW
        settled[type_id] = all(settled[member] for member in members)

    def _prepare_typedef(self, type_id: int) -> Step:
        """A typedef is its own forward declaration: written once, as soon as it is needed."""
        if self._states[type_id] == NEW:
            self._states[type_id] = OPEN
            yield self._prepare(self._types.targets[type_id], type_id)
        if type_id not in self._declared:
            self._declared.add(type_id)
            if not self.declarations.is_built_in(type_id):
                self._real_name(type_id)
                yield self.declarations.define_typedef(type_id)
                self.out.append(";\n\n")
                self._assert_typedef(type_id)
        self._states[type_id] = WRITTEN
        self._settled[type_id] = True

    def _assert_typedef(self, type_id: int) -> None:
        """An anonymous struct has no other name than the typedef's."""
        target = self._types.targets[type_id]
        if self._types.kinds[target] in COMPOSITE and not self._types.names[target]:
            self._assert(target, self._names.typedef(type_id))

    def _assert(self, type_id: int, name: str) -> None:
        if self._asserts:
            lines = assertions(self._types, type_id, name)
            self.out.append("".join([*lines, "\n"]))
