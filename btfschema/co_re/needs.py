"""Which types, and which of their members, somebody needs: marks over a kernel's BTF.

:func:`mark_resolution` marks what one relocation needs on a kernel, by the rules of bpftool's
``gen min_core_btf``, so that it comes out the same when nothing else is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from attrs import define, field

from btfschema.co_re.resolve import Resolution
from btfschema.co_re.spec import About, Spec, about
from btfschema.co_re.types import Types
from btfschema.model.container import Btf
from btfschema.model.views import Array, Ptr, TypeView
from btfschema.model.views.data import Composite, EnumBase
from btfschema.model.views.ext import CoreReloKind

__all__ = ["Marks", "mark_resolution"]


@define
class Marks:
    """What is needed of a kernel and its modules.

    Attributes:
        types: ids by the container that holds them, base or split.
        members: by container and id, the numbers of the members that are needed of a struct or
            union.
    """

    types: dict[Btf, set[int]] = field(factory=lambda: defaultdict(set))
    members: dict[tuple[Btf, int], set[int]] = field(factory=lambda: defaultdict(set))

    def type(self, types: Types, type_id: int, *, follow: bool = False) -> None:
        """Mark a type and what it is made of; not the members of structs and unions.

        Args:
            types: where the id counts.
            type_id: the type; void needs nothing.
            follow: whether to go through pointers too.
        """

        def needed(view: TypeView) -> list[int]:
            if isinstance(view, Composite | EnumBase) or (isinstance(view, Ptr) and not follow):
                return []
            return view.references

        self._walk(types, type_id, needed)

    def whole(self, types: Types, type_id: int) -> None:
        """Mark a type with all its members and theirs; behind pointers structs stand alone."""
        marked: set[tuple[int, bool]] = set()
        waiting = [(type_id, False)]
        while waiting:
            at, behind = waiting.pop()
            if not at or (at, behind) in marked:
                continue
            marked.add((at, behind))
            view = types[at]
            self._add(types, at)
            if isinstance(view, Composite):
                if behind:
                    continue
                owner = types.btf.owner(at)
                self.members[owner, at] |= set(range(len(view.members)))
            waiting += [(one, behind or isinstance(view, Ptr)) for one in view.references]

    def member(self, types: Types, type_id: int, index: int) -> None:
        """Mark a member of a struct or union, and its type."""
        owner = types.btf.owner(type_id)
        self.members[owner, type_id].add(index)
        self._add(types, type_id)
        view = types[type_id]
        if isinstance(view, Composite):
            self.type(types, view.members[index].type_id)

    def _walk(self, types: Types, type_id: int, needed: Callable[[TypeView], list[int]]) -> None:
        seen: set[int] = set()
        waiting = [type_id]
        while waiting:
            at = waiting.pop()
            if at and at not in seen:
                seen.add(at)
                self._add(types, at)
                waiting += needed(types[at])

    def _add(self, types: Types, type_id: int) -> None:
        self.types[types.btf.owner(type_id)].add(type_id)


def mark_resolution(marks: Marks, resolution: Resolution) -> None:
    """Mark what a relocation needs of the kernel that it was resolved on.

    What is not there needs nothing, and neither does a question about the program's own types.
    """
    target = resolution.target
    if target is None:
        return
    types, kind = target.types, resolution.relo.kind
    what = about(kind)
    if what is About.FIELD:
        marks.type(types, target.root_id)
        for owner, index in _members_on_the_way(target):
            marks.member(types, owner, index)
    elif what is About.VALUE:
        marks.type(types, target.root_id)
    elif kind == CoreReloKind.TYPE_MATCHES:
        marks.whole(types, target.root_id)
    else:
        marks.type(types, target.root_id, follow=True)


def _members_on_the_way(target: Spec) -> Iterator[tuple[int, int]]:
    """Each member that an access goes through, with its struct; anonymous ones included."""
    types, at = target.types, target.root_id
    for index in target.raw[1:]:
        at = types.skip(at)
        view = types[at]
        if isinstance(view, Composite):
            yield at, index
            at = view.members[index].type_id
        elif isinstance(view, Array):
            at = view.type_id
