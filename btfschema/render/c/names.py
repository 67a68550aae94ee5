"""C's two name spaces, and what happens when a name is taken."""

from __future__ import annotations

from btfschema.render.c.columns import ENUMS, TypeColumns
from btfschema.schema.kinds import Kind

__all__ = ["Names"]


class Names:
    """Gives out names: the n-th holder of a name in its name space gets ``name___n``.

    Tags (of structs, unions and enums) are one name space, typedefs and enumerators the other.

    Args:
        types: the types.
    """

    def __init__(self, types: TypeColumns) -> None:
        self._types = types
        self._tags: dict[str, int] = {}
        self._identifiers: dict[str, int] = {}
        self._given: dict[int, str] = {}

    def tag(self, type_id: int) -> str:
        """The name of a struct, union or enum; "" for an anonymous one."""
        return self._given.get(type_id) or self._give(type_id, self._tags)

    def typedef(self, type_id: int) -> str:
        """The name of a typedef."""
        return self._given.get(type_id) or self._give(type_id, self._identifiers)

    def enumerator(self, name: str) -> str:
        """A name for one more enumerator called so."""
        return self._next(name, self._identifiers)

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

    @staticmethod
    def _next(name: str, taken: dict[str, int]) -> str:
        number = taken[name] = taken.get(name, 0) + 1
        return name if number == 1 else f"{name}___{number}"
