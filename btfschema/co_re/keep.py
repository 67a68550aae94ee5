"""Types and members that a person names: ``enum pid_type``, ``nft_*``, ``task_struct.mm``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Literal

from attrs import frozen

from btfschema.arguments import is_pattern, require_choice, several
from btfschema.co_re.needs import Marks
from btfschema.co_re.spec import find_member
from btfschema.co_re.types import Types
from btfschema.errors import NoMemberError, SpecError, UnknownNameError
from btfschema.model.container import Btf
from btfschema.model.views import Array, Ptr
from btfschema.schema.kinds import Kinds

__all__ = ["Members", "Wanted", "mark_named"]

Members = Literal["all", "named"]

WANTED = re.compile(r"(?:(?P<kind>\w+)\s+)?(?P<name>[^\s.\->]+)(?P<path>(?:(?:\.|->)\w+)*)\Z")
STEP = re.compile(r"(\.|->)(\w+)")


@frozen
class Wanted:
    """One of the things to keep.

    Attributes:
        text: as it was written.
        kind: ``"struct"``, ``"enum"`` and so on, or empty for any.
        name: the type's name, which may have ``*``, ``?`` and ``[...]``.
        path: members from there: pairs of ``"."`` or ``"->"`` and a name.
    """

    text: str
    kind: str
    name: str
    path: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Understand ``[KIND ]NAME[.MEMBER...]``.

        Raises:
            SpecError: it is not of this form.
        """
        found = WANTED.match(text.strip())
        if found is None:
            message = f"{text!r} does not name what to keep, as 'task_struct' or 'enum pid_*' do"
            raise SpecError(message, got=text, expected="[KIND ]NAME[.MEMBER...]")
        steps = tuple((sign, name) for sign, name in STEP.findall(found["path"]))
        return cls(text, (found["kind"] or "").lower(), found["name"], steps)

    def ids(self, btf: Btf) -> list[int]:
        """The container's own types that are meant."""
        if is_pattern(self.name):
            whole = re.compile(translate(self.name)).match
            names = btf.strings.names(btf.types.name_offs)
            ids = [btf.first_id + row for row, name in enumerate(names) if name and whole(name)]
        else:
            ids = [one for one in btf.find_ids(self.name) if one >= btf.first_id]
        numbers = self.kinds(btf.kinds)
        kinds = btf.types.kinds
        return [one for one in ids if not self.kind or int(kinds[one - btf.first_id]) in numbers]

    def kinds(self, kinds: Kinds) -> set[int]:
        """The kinds that are meant: by bpftool's names, ``enum`` for both kinds of enum.

        Raises:
            SpecError: there is no such kind.
        """
        if not self.kind:
            return set()
        known = {spec.name.lower(): spec for spec in kinds.values()}
        numbers = {
            spec.number for name, spec in known.items() if name.rstrip("0123456789") == self.kind
        }
        numbers |= {spec.number for name, spec in known.items() if name == self.kind}
        if not numbers:
            raise SpecError(f"{self.text!r}: there is no kind {self.kind!r}", got=self.kind)
        return numbers


def mark_named(
    marks: Marks, btfs: Btf | Iterable[Btf], texts: str | Iterable[str], members: Members
) -> None:
    """Mark what is named, in containers of which each may be split over another.

    Args:
        marks: what is needed.
        btfs: the containers, or one; only their own types are searched.
        texts: see :class:`Wanted`; or one. Several in one text are separated by commas.
        members: of a struct that is named without a member, ``"all"`` keeps all members and what
            they are made of, ``"named"`` none.

    Raises:
        ValueError: ``members`` is something else.
        UnknownNameError: nothing is called so.
        NoMemberError: no type of this name has such a member.
        SpecError: a text is not understood.
    """
    require_choice("members", members, Members)
    btfs, texts = several(btfs, Btf), several(texts, str)
    for wanted in [Wanted.parse(one) for text in texts for one in text.split(",")]:
        found = named = 0
        for btf in btfs:
            types = Types.of(btf)
            ids = wanted.ids(btf)
            named += len(ids)
            if wanted.path:
                found += sum(_mark_path(marks, types, one, wanted) for one in ids)
                continue
            found += len(ids)
            for one in ids:
                if members == "all":
                    marks.whole(types, one)
                else:
                    marks.type(types, one)
        if not found:
            error = NoMemberError if named else UnknownNameError
            raise error(f"nothing is called {wanted.text!r}", got=wanted.text)


def _mark_path(marks: Marks, types: Types, type_id: int, wanted: Wanted) -> bool:
    """Mark the members on a path, if the type has them."""
    at, way = type_id, []
    for sign, name in wanted.path:
        view = types.behind(at)
        while isinstance(view, Array):
            view = types.behind(view.type_id)
        if sign == "->":
            if not isinstance(view, Ptr):
                return False
            view = types.behind(view.type_id)
        found = find_member(types, view.id, name)
        if found is None:
            return False
        way += [(owner, index) for owner, index, _ in found]
        at = found[-1][2].type_id
    marks.type(types, type_id)
    for owner, index in way:
        marks.member(types, owner, index)
    return True
