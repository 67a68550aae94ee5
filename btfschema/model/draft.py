"""A container with some types changed, dropped or added; the rest stays byte for byte.

What is changed is given as views, so that the cost of a change in Python is that of the types which
change. Everything else is copied and renumbered at once.
"""

from __future__ import annotations

import numpy as np
from attrs import evolve

from btfschema.errors import PassError, TypeIdError
from btfschema.model.builder import Builder
from btfschema.model.container import Btf
from btfschema.model.views import TypeView
from btfschema.tables.ids import DROPPED, IdMap
from btfschema.tables.types import TypeTable

__all__ = ["Draft"]


class Draft:
    """Changes to a container's own types, until :meth:`build` makes a new container of them.

    ``draft[type_id]`` is the type as it stands now, ``draft[type_id] = view`` replaces it; the new
    view may be of another kind and length. Ids are those of the container, and of :meth:`add`,
    until the end: only :meth:`build` renumbers.

    Args:
        btf: the container, which stays as it is.
    """

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        # What is new is encoded as a split over the container would be: its strings follow the
        # container's, its ids too.
        self._new = Builder(base=btf, profile="wide")
        self._added: list[TypeView] = []
        self._views: dict[int, TypeView] = {}
        self._words: dict[int, list[int]] = {}
        self._targets: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._views or self._targets or self._added)

    def __getitem__(self, type_id: int) -> TypeView:
        """The type as it stands now; one of a base too.

        Raises:
            TypeIdError: there is no such id.
        """
        added = type_id - self.btf.end_id
        if 0 <= added < len(self._added):
            return self._added[added]
        return self._views[type_id] if type_id in self._views else self.btf[type_id]

    def __setitem__(self, type_id: int, view: TypeView) -> None:
        """Replace a type of the container's own.

        Raises:
            TypeIdError: the id is not one of the container's own.
            EncodeError: a value does not fit its field.
        """
        self._require_own(type_id)
        self._words[type_id] = self._new.words_of(view)
        self._views[type_id] = view

    def add(self, view: TypeView) -> int:
        """Add a type behind all others; returns its id until :meth:`build`.

        Raises:
            EncodeError: a value does not fit its field.
        """
        type_id = self._new.add(view)
        self._added.append(view)
        return type_id

    def drop(self, type_id: int) -> None:
        """Drop a type of the container's own, which nothing may refer to in the end."""
        self._require_own(type_id)
        self._targets[type_id] = DROPPED

    def redirect(self, type_id: int, target: int) -> None:
        """Drop a type; whatever refers to it refers to ``target``."""
        self._require_own(type_id)
        self._targets[type_id] = target

    def is_changed(self, type_id: int) -> bool:
        """Whether the type was replaced, or goes."""
        return type_id in self._views or type_id in self._targets

    def is_dropped(self, type_id: int) -> bool:
        """Whether the type goes."""
        return type_id in self._targets

    def _require_own(self, type_id: int) -> None:
        first, end = self.btf.first_id, self.btf.end_id
        if not first <= type_id < end:
            raise TypeIdError(
                f"type id {type_id} is none of the container's own, {first}..{end - 1}",
                type_id=type_id,
                got=type_id,
                expected=f"{first}..{end - 1}",
            )

    def build(self) -> tuple[Btf, IdMap]:
        """The new container, and where each id of the old one went.

        ``.BTF.ext`` follows. Strings that nothing uses any more stay.

        Raises:
            PassError: something refers to a dropped type, or redirections run in a circle, or types
                move and only the layout section describes the kind of one.
            EncodeError: a section is too long for the header.
        """
        btf = self.btf
        if not self:
            return btf, IdMap.identity(btf.end_id)
        table = self._table()
        news = self._new_ids()
        moved = bool((news != np.arange(len(news))).any())
        if moved:
            table = self._renumbered(table, news)
        strings = btf.strings.data + self._new.strings_data
        if not btf.strings.data and btf.base is None:
            strings = b"\0" + strings
        result = Btf.assemble(table, strings, like=btf, base=btf.base)
        ids = IdMap.from_array(news[: btf.end_id])
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

    def _table(self) -> TypeTable:
        """The records that stay and the new ones, not renumbered yet."""
        types, btf = self.btf.types, self.btf
        sizes = types.ends - types.starts
        pieces, done = [], 0
        for type_id in sorted({*self._words, *self._targets}):
            row = type_id - btf.first_id
            pieces.append(types.words[done : int(types.starts[row])])
            done = int(types.ends[row])
            if type_id in self._targets:
                sizes[row] = 0
                continue
            words = np.array(self._words[type_id], np.uint32)
            pieces.append(words)
            sizes[row] = len(words)
        added_words, added_sizes = self._new.records
        words = np.concatenate([*pieces, types.words[done:], added_words])
        sizes = np.concatenate([sizes, added_sizes])
        sizes = sizes[sizes > 0]
        return TypeTable(words, sizes.cumsum() - sizes, types.plan, btf.first_id)

    def _new_ids(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Where each id goes, those of added types last."""
        btf = self.btf
        stays = np.ones(btf.end_id + len(self._added), np.bool_)
        stays[list(self._targets)] = False
        news = np.where(stays, stays.cumsum() - 1, DROPPED)
        for type_id in self._targets:
            news[type_id] = self._resolved(type_id, news)
        return news

    def _resolved(self, type_id: int, news: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
        seen, current = {type_id}, type_id
        while current in self._targets:
            current = self._targets[current]
            if current == DROPPED:
                return DROPPED
            if current in seen:
                raise PassError(
                    f"{self.btf.describe(type_id)} can't be replaced by what it refers to, which "
                    "is itself",
                    type_id=type_id,
                )
            seen.add(current)
        return int(news[current])

    def _renumbered(
        self, table: TypeTable, news: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> TypeTable:
        opaque = table.opaque_rows()
        if len(opaque):
            type_id = table.first_id + int(opaque[0])
            raise PassError(
                f"types can't be renumbered around type {type_id}: only the layout section "
                "describes its kind, so what it refers to is unknown",
                type_id=type_id,
            )
        positions = table.type_id_positions
        olds = table.words[positions]
        found = news[olds]
        lost = np.flatnonzero(found == DROPPED)
        if len(lost):
            target = int(olds[lost[0]])
            user = table.first_id + table.row_at(int(positions[lost[0]]))
            raise PassError(
                f"{self.btf.describe(target)} is dropped, and type {user} of what stays refers to "
                "it",
                type_id=target,
                expected="a type that nothing refers to",
            )
        return table.rewritten([(positions, found)])
