"""C's two name spaces, and what happens when a name is taken."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from btfschema.render.c.columns import ENUMS, TypeColumns
from btfschema.render.c.words import REAL_NAME, plain_name
from btfschema.schema.kinds import Kind

__all__ = ["Names"]


class Names:
    """Gives out names: the n-th holder of a name in its name space gets ``name___n``.

    Tags (of structs, unions and enums) are one name space, typedefs and enumerators the other.

    Args:
        types: the types.
        exact: never give a name that something else is called, as bpftool does.
        taken: names of functions and variables, which typedefs and enumerators can't have.
    """

    def __init__(
        self, types: TypeColumns, *, exact: bool = False, taken: Iterable[str] = ()
    ) -> None:
        self._types = types
        self._exact = exact
        self._tags: dict[str, int] = {}
        self._identifiers: dict[str, int] = dict.fromkeys(taken, 1)
        self._given: dict[int, str] = {}

    def tag(self, type_id: int) -> str:
        """The name of a struct, union or enum; "" for an anonymous one."""
        return self._given.get(type_id) or self._give(type_id, self._tags)

    def typedef(self, type_id: int) -> str:
        """The name of a typedef."""
        return self._given.get(type_id) or self._give(type_id, self._identifiers)

    def enumerators(self, names: Iterable[str]) -> list[str]:
        """Names for more enumerators called so, with the comments that follow them."""
        taken = self._identifiers
        found = []
        for name in names:
            if name in taken or REAL_NAME in name:
                plain = plain_name(name)
                found.append(self._next(plain, taken) + name[len(plain) :])
            else:
                # Nearly all.
                taken[name] = 1
                found.append(name)
        return found

    def object(self, type_id: int, declared: set[str]) -> str:
        """A name for a function or a variable, when one of its name is declared or not."""
        name = self._types.names[type_id]
        if name in declared:
            return self._next(name, self._identifiers)
        declared.add(name)
        return name

    def _give(self, type_id: int, taken: dict[str, int]) -> str:
        types = self._types
        name, kind = types.names[type_id], types.kinds[type_id]
        if name:
            # A forward declaration is not one more type, it stands for the one that it declares.
            forward = kind == Kind.FWD or (kind in ENUMS and not types.vlens[type_id])
            if kind == Kind.ENUM64 or not forward:
                name = self._next(name, taken)
            self._given[type_id] = name
        return name

    def _next(self, name: str, taken: dict[str, int]) -> str:
        number = taken[name] = taken.get(name, 0) + 1
        if number == 1:
            return name
        while self._exact and f"{name}___{number}" in self._all:
            number = taken[name] = number + 1
        return f"{name}___{number}"

    @cached_property
    def _all(self) -> set[str]:
        types = self._types
        enumerators = map(plain_name, (*types.values[0], *types.values64[0]))
        # A parameter hides the typedef of its name from those that follow, and to clang a member
        # of an anonymous struct does. Only numbered ones can meet a name that is given out.
        inner = (*types.members.names, *types.params[0])
        numbered = (plain_name(name) for name in inner if "___" in name)
        return {*types.names, *enumerators, *numbered}
