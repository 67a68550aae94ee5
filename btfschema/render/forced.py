"""Which structs are packed, and which alignments holes and padding come of.

BTF says neither. That a struct is packed follows where C puts no member, and ends no struct,
without ``__attribute__((packed))``. An alignment is inferred, as pahole does: the smallest one that
leads from the end of what comes before to the member, or to the end of the struct. Unnamed members
(``int :32;``) would leave the same hole.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import field, frozen

from btfschema.errors import UnresolvedError
from btfschema.render.c.columns import COMPOSITE, TypeColumns
from btfschema.render.c.layout import Layout, round_up
from btfschema.render.c.trampoline import Step, run
from btfschema.schema.kinds import Kind

__all__ = ["Forced"]

# The largest alignment that is inferred, in bytes: a page's.
LARGEST = 4096


@frozen
class Given:
    """What a struct or union was given besides its members.

    Attributes:
        alignment: what it is aligned to, in bytes, with all that follows.
        aligned: the alignment that it was given itself; 0 for none.
        members: those that its members were given, by their number.
    """

    alignment: int = 1
    aligned: int = 0
    members: Mapping[int, int] = field(factory=lambda: MappingProxyType({}))


class Forced:
    """Answers for the structs of a container, each worked out when it is asked for.

    Args:
        types: the types.
    """

    def __init__(self, types: TypeColumns) -> None:
        self._types = types
        self._layout = Layout(types, exact=True)
        self._known: dict[int, Given] = {}
        self._open: set[int] = set()

    def packed(self, type_id: int) -> bool:
        """Whether a struct or union is packed; False where it holds itself."""
        try:
            return self._layout.is_packed(type_id)
        except UnresolvedError:
            return False

    def alignment(self, type_id: int) -> int:
        """Bytes that a struct or union is aligned to, 0 where nothing tells.

        Nothing tells it of a struct that holds itself, or something without a size.
        """
        try:
            return self._layout.alignment(type_id)
        except UnresolvedError:
            return 0

    def aligned(self, type_id: int) -> int:
        """The alignment that a struct or union was given, 0 for none."""
        return self._given(type_id).aligned

    def forced(self, type_id: int) -> Mapping[int, int]:
        """The alignments that its members were given, by their number."""
        return self._given(type_id).members

    def _given(self, type_id: int) -> Given:
        if type_id not in self._known:
            run(self._work_out(type_id))
        return self._known[type_id]

    def _work_out(self, type_id: int) -> Step:
        types, members = self._types, self._types.exact_members
        packed = self.packed(type_id)
        self._open.add(type_id)
        alignment, end, size = 1, 0, types.sizes[type_id]
        given: dict[int, int] = {}
        first = types.firsts[type_id]
        is_union = types.kinds[type_id] == Kind.UNION
        numbers = range(types.vlens[type_id])
        for number in sorted(numbers, key=lambda one: members.offsets[first + one]):
            at = first + number
            member, width, offset = members.types[at], members.widths[at], members.offsets[at]
            inner = types.end_ids[member]
            if types.kinds[inner] in COMPOSITE and not self._is_known(inner):
                yield self._work_out(inner)
            own = self._alignment(member)
            natural = 1 if packed else own
            # In a struct that seems packed, other members alone may be.
            if not width and not is_union and end < offset // 8 != round_up(end, own):
                wanted = _smallest(natural, end, offset // 8)
                # Nothing in a struct is aligned better than the struct, whose size tells.
                if wanted and not size % wanted:
                    given[number] = natural = wanted
            alignment = max(alignment, natural)
            end = max(end, -(-(offset + (width or 8 * types.full_sizes[member])) // 8))
        self._open.discard(type_id)
        aligned = 0
        if end < size != round_up(end, alignment):
            aligned = _smallest(alignment, end, size)
        self._known[type_id] = Given(max(alignment, aligned), aligned, MappingProxyType(given))

    def _is_known(self, type_id: int) -> bool:
        """Whether it need not be worked out; a struct that holds itself is not followed again."""
        return type_id in self._known or type_id in self._open

    def _alignment(self, type_id: int) -> int:
        inner = self._types.end_ids[type_id]
        if inner in self._known:
            return self._known[inner].alignment
        try:
            return max(self._layout.alignment(type_id), 1)
        except UnresolvedError:
            return 1


def _smallest(natural: int, end: int, to: int) -> int:
    """The smallest alignment beyond the natural one that leads to ``to``, 0 for none."""
    unit = 2 * natural
    while unit <= LARGEST:
        if round_up(end, unit) == to:
            return unit
        unit *= 2
    return 0
