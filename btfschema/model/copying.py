"""Types of one container taken over into another that is being built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from btfschema.arguments import several
from btfschema.errors import EncodeError
from btfschema.model.container import Btf
from btfschema.model.finding import id_of, type_id_of
from btfschema.model.views import TypeView
from btfschema.schema.plan import INFO_BITS, INFO_WORD, KindPlan
from btfschema.schema.roles import Role

if TYPE_CHECKING:
    from btfschema.model.builder import Builder

__all__ = ["Copier", "wanted"]


def wanted(
    types: TypeView | int | str | Iterable[TypeView | int | str], source: Btf | None
) -> tuple[list[int], Btf | None]:
    """The ids that are meant, and the container that they are of; None when there are none.

    Raises:
        EncodeError: nothing tells the container, or there are two.
        LookupError: there is no such name.
    """
    ids: list[int | str] = []
    for one in several(types, TypeView, int, str):
        if not isinstance(one, TypeView):
            ids.append(one if isinstance(one, str) else type_id_of(one, "view"))
            continue
        if one.btf is None:
            raise EncodeError(
                f"{one!r} was not read from a container, so what it needs is unknown",
                got=one,
                expected="a view from btf[id]; add() takes any other",
            )
        if source is None or one.btf in source.chain:
            source = source or one.btf
        elif source in one.btf.chain:
            source = one.btf
        else:
            raise EncodeError(
                f"{one!r} is of another container than the types before it",
                got=one,
                expected="types of one container a call",
            )
        ids.append(one.id)
    if source is None:
        if not ids:
            return [], None
        raise EncodeError(
            f"the container of type {ids[0]!r} is unknown",
            got=ids[0],
            expected="views, or copy(ids, source)",
        )
    return [id_of(source, one) for one in ids], source


class Copier:
    """Copies types of one container into a builder, each once.

    Args:
        builder: takes them.
        source: has them.
    """

    def __init__(self, builder: Builder, source: Btf) -> None:
        self._builder = builder
        self.source = source
        self._news = {0: 0}

    def copy(self, ids: list[int]) -> dict[int, int]:
        """Copy types and what they need; returns where each of these went.

        Raises:
            EncodeError: a type does not fit the builder's schema or profile; nothing is added then.
            TypeIdError: there is no such id.
        """
        builder, source = self._builder, self.source
        shared = builder.base.chain if builder.base is not None else ()
        for type_id in ids:
            source.view(type_id)
        needed = source.closure(ids)
        news, fresh = dict(self._news), list[int]()
        for type_id in needed:
            if type_id in news:
                continue
            if any(source.owner(type_id) is each for each in shared):
                news[type_id] = type_id
            else:
                news[type_id] = builder.next_id + len(fresh)
                fresh.append(type_id)
        builder.add_records(self._record(type_id, news) for type_id in fresh)
        self._news = news
        return {type_id: news[type_id] for type_id in needed}

    def _record(self, type_id: int, news: dict[int, int]) -> list[int]:
        """The words of a record, with the builder's ids and strings."""
        owner = self.source.owner(type_id)
        types, row = owner.types, type_id - owner.first_id
        words: list[int] = types.words[int(types.starts[row]) : int(types.ends[row])].tolist()
        plan = types.plan.kinds[int(types.kinds[row])]
        where = owner.describe(type_id)
        if plan.spec is None or self._builder.kinds.get(plan.number) is None:
            raise EncodeError(
                f"{where} can't be copied: its kind is not in the builder's schema",
                type_id=type_id,
                got=plan.number,
            )
        for word in _words(plan, words, Role.TYPE_ID):
            words[word] = news[words[word]]
        for word in _words(plan, words, Role.STRING_OFFSET):
            words[word] = self._builder.add_string(owner.strings[words[word]])
        fields = INFO_BITS.split(words[INFO_WORD.word])
        words[INFO_WORD.word] = self._builder.info_word(fields, where)
        return words


def _words(plan: KindPlan, words: list[int], role: Role) -> list[int]:
    """Which words of a record have a role."""
    found = list(plan.words_with(role))
    if plan.stride:
        for first in range(plan.first_element, len(words), plan.stride):
            found += [first + word for word in plan.element_words_with(role)]
    return found
