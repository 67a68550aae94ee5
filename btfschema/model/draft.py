"""A container with some types changed, dropped or added; the rest stays byte for byte.

What is changed is given as views, so that the cost of a change in Python is that of the types which
change. Everything else is copied and renumbered at once.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from attrs import evolve

from btfschema.arrays import Index
from btfschema.errors import PassError, TypeIdError
from btfschema.model.builder import Builder
from btfschema.model.container import Btf, described, require_btf
from btfschema.model.inline import carry_inline
from btfschema.model.integrity import check_new_references
from btfschema.model.views import TypeView
from btfschema.tables.ids import DROPPED, IdMap, whole_id
from btfschema.tables.types import TypeTable

__all__ = ["Draft"]


class Draft:
    """Changes to a container's own types, until :meth:`build` makes a new container of them.

    ``draft[type_id]`` is the type as it stands now, ``draft[type_id] = view`` replaces it; the new
    view may be of another kind and length. Ids are those of the container, and of :meth:`add`,
    until the end: only :meth:`build` renumbers, and :attr:`new_ids` says how. Types that were added
    can be replaced, dropped and redirected as others can. A type that was dropped or redirected
    stays gone, even if it is replaced later.

    Args:
        btf: the container, which stays as it is.

    Example:
        >>> from btfschema import Builder, views
        >>> b = Builder()
        >>> old, char = b.add(views.Int("old", 8)), b.add(views.Int("char", 1))
        >>> draft = Draft(b.build())
        >>> text = draft.add(views.Ptr(char))
        >>> draft.drop(old)
        >>> new, ids = draft.build()
        >>> ids[char], draft.new_ids[text], new[draft.new_ids[text]].type.name
        (1, 2, 'char')
    """

    def __init__(self, btf: Btf) -> None:
        require_btf("the input", btf)
        self.btf = btf
        # What is new is encoded as a split over the container would be: its strings follow the
        # container's, its ids too.
        self._encoder = _Encoder(base=btf, profile="wide")
        self._end_id = btf.end_id
        self._views: dict[int, TypeView] = {}
        self._words: dict[int, list[int]] = {}
        self._targets: dict[int, int] = {}

    def __repr__(self) -> str:
        added, gone = self._end_id - self.btf.end_id, len(self._targets)
        changed = len(self._views.keys() | self._targets.keys()) - added
        return f"<Draft of {self.btf!r}: {changed} changed, {gone} gone, {added} added>"

    def __bool__(self) -> bool:
        return bool(self._views or self._targets)

    def __getitem__(self, type_id: int) -> TypeView:
        """The type as it stands now; one of a base too.

        Raises:
            TypeIdError: there is no such id.
        """
        return self._views[type_id] if type_id in self._views else self.btf[type_id]

    def __setitem__(self, type_id: int, view: TypeView) -> None:
        """Replace a type of the container's own, or one that was added.

        Raises:
            TypeIdError: the id is neither.
            EncodeError: a value does not fit its field.
        """
        self._require(type_id, self.btf.first_id)
        self._put(type_id, view)

    def add(self, view: TypeView) -> int:
        """Add a type behind all others.

        Returns:
            Its id in this draft; :attr:`new_ids` has the one in the new container.

        Raises:
            EncodeError: a value does not fit its field.
        """
        type_id = self._end_id
        self._put(type_id, view)
        self._end_id += 1
        return type_id

    def _put(self, type_id: int, view: TypeView) -> None:
        self._words[type_id] = self._encoder.encoded(type_id, view)
        self._views[type_id] = view

    def drop(self, type_id: int) -> None:
        """Drop a type, which nothing may refer to in the end.

        Raises:
            TypeIdError: the id is neither of the container's own types nor of one that was added.
        """
        self._require(type_id, self.btf.first_id)
        self._targets[type_id] = DROPPED

    def redirect(self, type_id: int, target: int) -> None:
        """Drop a type; whatever refers to it refers to ``target``.

        Args:
            type_id: one of the container's own types, or one that was added.
            target: any type that there is now, void and those of the bases included.

        Raises:
            TypeIdError: an id is none of these.
        """
        self._require(type_id, self.btf.first_id)
        self._require(target, 0)
        self._targets[type_id] = target

    def is_changed(self, type_id: int) -> bool:
        """Whether the type was replaced or added, or goes."""
        return type_id in self._views or type_id in self._targets

    def is_dropped(self, type_id: int) -> bool:
        """Whether the type goes."""
        return type_id in self._targets

    @property
    def new_ids(self) -> IdMap:
        """Where :meth:`build` takes each id of the draft, those of added types included.

        A pass returns the map of :meth:`build`, which is about the container's ids only.

        Raises:
            PassError: redirections run in a circle.
        """
        return IdMap.from_array(self._new_ids())

    def _require(self, type_id: int, first: int) -> None:
        """Refuse what is no id from ``first`` on.

        Raises:
            TypeIdError: it is none.
            WrongKeyError: it is not a whole number.
        """
        end = self._end_id
        if type(type_id) is not int:
            type_id = whole_id(type_id)
        if first <= type_id < end:
            return
        whose = f"is none of the container's own, {first}..{end - 1}"
        raise TypeIdError(
            f"type id {type_id} {whose if first else f'is not in 0..{end - 1}'}",
            type_id=type_id,
            got=type_id,
            expected=f"{first}..{end - 1}",
        )

    def build(self) -> tuple[Btf, IdMap]:
        """The new container, and where each id of the old one went.

        ``.BTF.ext`` and ``.BTF.inline`` follow. Strings that nothing uses any more stay.

        Raises:
            TypeIdError: a type that was added or replaced refers to none; if types move, so does
                one that was there.
            PassError: something refers to a dropped type, or redirections run in a circle, or types
                move and only the layout section describes the kind of one.
            EncodeError: a section is too long for the header.
        """
        btf = self.btf
        if not self:
            return btf, IdMap.identity(btf.end_id)
        self._check(*self._new_records())
        table = self._table()
        news = self._new_ids()
        moved = bool((news != np.arange(len(news))).any())
        if moved:
            table = self._renumbered(table, news)
        strings = btf.strings.data + self._encoder.strings_data
        if not btf.strings.data and btf.base is None:
            strings = b"\0" + strings
        ids = IdMap.from_array(news[: btf.end_id])
        result = Btf.assemble(table, strings, like=btf, base=btf.base)
        result = carry_inline(btf, result, ids)
        if btf.ext is None:
            return result, ids
        lost = btf.ext.type_ids[ids.apply(btf.ext.type_ids) == DROPPED]
        if len(lost):
            raise PassError(
                f".BTF.ext refers to {btf.describe(int(lost[0]))}, which is dropped",
                type_id=int(lost[0]),
                expected="a type that stays",
            )
        return evolve(result, ext=btf.ext.map(result, type_ids=ids.apply)), ids

    def _new_records(self) -> tuple[TypeTable, Index]:
        """The records that are new and stay, and their ids."""
        ids = sorted(self._words.keys() - self._targets.keys())
        records = [self._words[type_id] for type_id in ids]
        words = np.array([*chain.from_iterable(records)], np.uint32)
        bounds = np.cumsum([0, *map(len, records)])
        return TypeTable(words, bounds[:-1], self.btf.types.plan), np.array(ids, np.int64)

    def _check(self, table: TypeTable, ids: Index) -> None:
        """Refuse references to no type of the draft, in records that have these ids."""
        check_new_references(table, self._end_id, self._described_as_new, id_of=ids.item)

    def _described_as_new(self, type_id: int) -> str:
        new = "the new " if type_id in self._views else ""
        return f"{new}{self._described(type_id)}"

    def _described(self, type_id: int) -> str:
        """A type in a few words, as :meth:`btfschema.Btf.describe` has them."""
        if type_id not in self._views:
            return self.btf.describe(type_id)
        view = self._views[type_id]
        return described(self.btf.kinds.name(view.kind), getattr(view, "name", ""), type_id)

    def _table(self) -> TypeTable:
        """The records that stay and the new ones, not renumbered yet."""
        types, btf = self.btf.types, self.btf
        # What is added replaces records of no words, behind all others.
        none = np.full(self._end_id - btf.end_id, len(types.words))
        starts, ends = (np.append(at, none) for at in (types.starts, types.ends))
        sizes = ends - starts
        pieces, done = [], 0
        for type_id in sorted({*self._words, *self._targets}):
            row = type_id - btf.first_id
            new = self._words[type_id] if type_id not in self._targets else []
            pieces += [types.words[done : int(starts[row])], np.array(new, np.uint32)]
            done, sizes[row] = int(ends[row]), len(new)
        words = np.concatenate([*pieces, types.words[done:]])
        sizes = sizes[sizes > 0]
        return TypeTable(words, sizes.cumsum() - sizes, types.plan, btf.first_id)

    def _new_ids(self) -> Index:
        """Where each id goes."""
        stays = np.ones(self._end_id, np.bool_)
        stays[list(self._targets)] = False
        news = np.where(stays, stays.cumsum() - 1, DROPPED)
        for type_id in self._targets:
            news[type_id] = self._resolved(type_id, news)
        return news

    def _resolved(self, type_id: int, news: Index) -> int:
        seen, current = {type_id}, type_id
        while current in self._targets:
            current = self._targets[current]
            if current == DROPPED:
                return DROPPED
            if current in seen:
                raise PassError(
                    f"{self._described(type_id)} can't be replaced by what it refers to, which "
                    "is itself",
                    type_id=type_id,
                )
            seen.add(current)
        return int(news[current])

    def _renumbered(self, table: TypeTable, news: Index) -> TypeTable:
        ids = np.delete(np.arange(self._end_id), list(self._targets))[table.first_id :]
        opaque = table.opaque_rows()
        if len(opaque):
            type_id = int(ids[opaque[0]])
            raise PassError(
                f"types can't be renumbered around {self._described(type_id)}: only the layout "
                "section describes its kind, so what it refers to is unknown",
                type_id=type_id,
            )
        self._check(table, ids)
        positions = table.type_id_positions
        olds = table.words[positions]
        found = news[olds]
        lost = np.flatnonzero(found == DROPPED)
        if len(lost):
            target = int(olds[lost[0]])
            user = int(ids[table.row_at(int(positions[lost[0]]))])
            raise PassError(
                f"{self._described(target)} is dropped, and {self._described(user)} refers to it",
                type_id=target,
                expected="a type that nothing refers to",
            )
        return table.rewritten([(positions, found)])


class _Encoder(Builder):
    """Encodes views whose ids are given, not counted, so that errors name the right one."""

    _type_id = 0

    @property
    def next_id(self) -> int:
        """The id of the view that is being encoded."""
        return self._type_id

    def encoded(self, type_id: int, view: TypeView) -> list[int]:
        """The words of a view that is to have this id; its strings are added.

        Raises:
            EncodeError: a value does not fit its field.
        """
        self._type_id = type_id
        return self.words_of(view)
