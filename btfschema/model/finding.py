"""Looking types up: by id, by name as Python and as C spell it, and what is said when that fails.

Every look-up covers the container and its bases, as ``btf[id]`` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache, cached_property
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from attrs import fields

from btfschema.arrays import Index
from btfschema.errors import AmbiguousNameError, UnknownNameError, WrongKeyError
from btfschema.tables.names import lengths_of
from btfschema.tables.strings import LONGEST_NAME

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.model.views import AnyView, TypeView
    from btfschema.model.views.data import EnumConstant
    from btfschema.tables.strings import StringTable

__all__ = [
    "KindLike",
    "Names",
    "contains",
    "enumerator",
    "id_of",
    "ids_named",
    "instead",
    "is_among",
    "kinds_of",
    "one_named",
    "unknown",
]

KindLike: TypeAlias = "int | type[TypeView] | None"
"""A kind's number, a class of views (``Struct``, or ``Composite`` for both), or None for any."""

# Ambiguous types that an error lists, and names that it suggests.
LISTED = 8
SUGGESTED = 3
# What GCC and clang call the integers that C spells in several ways, and those that it does not.
INTEGERS = (
    ("char",),
    ("signed char",),
    ("unsigned char",),
    ("short int", "short"),
    ("short unsigned int", "unsigned short"),
    ("int",),
    ("unsigned int",),
    ("long int", "long"),
    ("long unsigned int", "unsigned long"),
    ("long long int", "long long"),
    ("long long unsigned int", "unsigned long long"),
    ("__int128",),
    ("__int128 unsigned", "unsigned __int128"),
)
# Examples of what a container takes, for errors.
AT = 'btf[93], btf["task_struct"], btf["struct task_struct"] or btf[90:95]'
IN = '93 in btf, "task_struct" in btf, "struct task_struct" in btf or view in btf'
# A name of fewer characters stands in too many others.
SHORTEST_PART = 3


def kinds_of(btf: Btf, kind: KindLike) -> list[int] | None:
    """The numbers of the kinds that are meant, None for all.

    Raises:
        WrongKeyError: it is neither a kind nor a class of views.
    """
    if kind is None:
        return None
    if isinstance(kind, int | np.integer):
        return [int(kind)]
    from btfschema.model.views import TypeView, view_class

    if isinstance(kind, type) and issubclass(kind, TypeView):
        return [n for n, plan in btf.all_kinds.items() if issubclass(view_class(plan), kind)]
    raise WrongKeyError(
        f"{kind!r} is not a kind of type", got=kind, expected="a Kind, or a class such as Struct"
    )


def _c_spelling(btf: Btf, name: str) -> tuple[str, str]:
    """``"struct list_head"`` as the word before the name and the name; no word for a plain name."""
    keyword, _, rest = name.strip().partition(" ")
    rest = rest.strip()
    if not rest:
        return "", name
    from btfschema.model.views import view_class

    words = {view_class(plan).KEYWORD for plan in btf.all_kinds.values()}
    return (keyword, rest) if keyword in words - {""} else ("", name)


def _meaning(name: str) -> tuple[str, ...] | None:
    """The words of an integer's name that tell it from others, sorted; None if C has no such."""
    words = Counter(name.split())
    signs = words["signed"] + words["unsigned"]
    if signs > 1 or words["int"] > 1 or (words["int"] and (words["char"] or words["__int128"])):
        return None
    del words["int"]
    if not words["char"]:
        # Only with char it makes another type.
        del words["signed"]
    return tuple(sorted(words.elements()))


@cache
def _integers() -> dict[tuple[str, ...] | None, tuple[str, ...]]:
    """What compilers call each integer, by what tells it from others."""
    return {_meaning(names[0]): names for names in INTEGERS}


def _integer_ids(btf: Btf, name: str, kinds: list[int] | None) -> list[int]:
    """The ids of the integers that C means by some words in any order: ``unsigned long``."""
    from btfschema.model.views import Int

    meaning = _meaning(name) if name.strip() else None
    ints = [one for one in kinds_of(btf, Int) or [] if kinds is None or one in kinds]
    spelled = _integers().get(meaning, ()) if meaning is not None else ()
    return sorted(one for each in spelled for one in _plain_ids(btf, each, ints))


def ids_named(btf: Btf, name: str, kind: KindLike = None) -> list[int]:
    """The ids of all types with this name, the bases' included, in order.

    Raises:
        WrongKeyError: it is not a name, or the kind is not a kind.
    """
    require_name(name)
    keyword, plain = _c_spelling(btf, name)
    kinds = kinds_of(btf, kind)
    found = _plain_ids(btf, plain, kinds)
    if not keyword:
        return found or _integer_ids(btf, name, kinds)
    from btfschema.model.views import Fwd, view_class

    declared = kinds_of(btf, Fwd) or []
    tagged = [i for i in found if keyword == view_class(btf.all_kinds[_kind_of(btf, i)]).KEYWORD]
    # What C calls so may be declared only.
    return tagged or [
        i
        for i in found
        if _kind_of(btf, i) in declared and getattr(btf[i], "keyword", "") == keyword
    ]


def require_name(name: object) -> None:
    """Refuse what is not a string.

    Raises:
        WrongKeyError: it is not.
    """
    if not isinstance(name, str):
        raise WrongKeyError(f"{name!r} is not a name", got=name, expected='"task_struct"')


def _kind_of(btf: Btf, type_id: int) -> int:
    owner = btf.owner(type_id)
    return int(owner.types.kinds[type_id - owner.first_id])


def _plain_ids(btf: Btf, name: str, kinds: list[int] | None) -> list[int]:
    found: list[int] = []
    for each in btf.chain:
        rows = each.rows_named(name)
        if kinds is not None:
            rows = rows[np.isin(each.types.kinds[rows], kinds)]
        found += (rows + each.first_id).tolist()
    return found


def one_named(btf: Btf, name: str, kind: KindLike = None) -> AnyView:
    """The one type with this name.

    Raises:
        UnknownNameError: there is none; the message has similar names.
        AmbiguousNameError: there are several; ``got`` holds their ids.
    """
    ids = ids_named(btf, name, kind)
    if len(ids) == 1:
        return btf[ids[0]]
    what = f"type {name!r}"
    if kind is not None:
        shown = btf.kinds.name(kind) if isinstance(kind, int) else kind.__name__
        what = f"{shown} {name!r}"
    if not ids:
        raise unknown(btf, name, what)
    raise _ambiguous(btf, ids, what)


def unknown(btf: Btf, name: str, what: str) -> UnknownNameError:
    """The error for a name that no type has, with those that may be meant."""
    hint = instead(btf, name)
    return UnknownNameError(f"no {what}{hint}", got=name, expected="a name in this BTF")


def instead(btf: Btf, name: str) -> str:
    """What there is instead of a type, for the end of a message: others of its name, or names."""
    plain = _c_spelling(btf, name)[1]
    if others := ids_named(btf, plain):
        return f"; there is {', '.join(map(btf.describe, others[:SUGGESTED]))}"
    return _suggestion(btf.names.close_to(plain))


def _suggestion(close: list[str]) -> str:
    return f"; did you mean {', '.join(map(repr, close))}?" if close else ""


def _ambiguous(btf: Btf, ids: list[int], what: str) -> AmbiguousNameError:
    views: list[TypeView] = [btf[i] for i in ids[:LISTED]]
    more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
    if len({view.kind for view in views}) > 1:
        listed = ", ".join(f"[{view.id}] {btf.kinds.name(view.kind)}" for view in views)
        hint = "; give a kind or use find_all"
    else:
        first = views[0]
        listed = ", ".join(
            [f"[{first.id}]", *(f"[{v.id}] ({difference(first, v)})" for v in views[1:])]
        )
        hint = "; give an id or use find_all"
    return AmbiguousNameError(
        f"{len(ids)} matches for {what}: {listed}{more}{hint}", got=ids, expected="one match"
    )


def difference(one: TypeView, other: TypeView) -> str:
    """The first thing in which a type differs from another of its kind, in a few words."""
    for declared in fields(type(one)):
        name = declared.name
        ours, theirs = getattr(one, name), getattr(other, name)
        if name == "id" or ours == theirs:
            continue
        if not isinstance(ours, tuple):
            return f"{name} {theirs!r}, not {ours!r}"
        for number, (mine, its) in enumerate(zip(ours, theirs, strict=False)):
            if mine != its:
                return f"{name} differ from number {number} {getattr(its, 'name', '')!r} on"
        return f"{len(theirs)} {name}, not {len(ours)}"
    return "no difference"


def contains(btf: Btf, key: object) -> bool:
    """What ``key in btf`` says.

    Raises:
        WrongKeyError: the key is not an id, name or view.
    """
    if isinstance(key, str):
        return bool(ids_named(btf, key))
    from btfschema.model.views import TypeView

    if not isinstance(key, TypeView):
        return 0 <= type_id_of(key, "view", IN) < btf.end_id
    if key.btf is btf and btf.first_id <= key.id < btf.end_id:
        return True
    rows = btf.rows_named(getattr(key, "name", ""))
    rows = rows[btf.types.kinds[rows] == key.kind]
    return any(btf[row + btf.first_id] == key for row in rows.tolist())


def id_of(btf: Btf, where: TypeView | int | str) -> int:
    """The id of a type that is given in some way; one that is given as its id may not exist.

    Raises:
        LookupError: there is no such name.
        WrongKeyError: it is a view of another container, or neither an id nor a name nor a view.
    """
    if type(where) is int:
        return where
    if isinstance(where, str):
        return one_named(btf, where).id
    from btfschema.model.views import TypeView

    if not isinstance(where, TypeView):
        return type_id_of(where, "view", "what btf[...] takes, or a view from there")
    if not any(where.btf is each for each in btf.chain):
        raise WrongKeyError(
            f"{where!r} is a type of another container, or of none",
            got=where,
            expected="a view that was read from this container or its bases",
        )
    return where.id


def is_among(btf: Btf, key: object, ids: Index) -> bool:
    """Whether a type is one of these: an id, a name as ``btf[name]`` takes it, or a view.

    Raises:
        WrongKeyError: the key is none of these.
    """
    from btfschema.model.views import TypeView

    if isinstance(key, str):
        return bool(np.isin(ids_named(btf, key), ids).any())
    if not isinstance(key, TypeView):
        return bool((ids == type_id_of(key, "view", IN)).any())
    if any(key.btf is each for each in btf.chain):
        return bool((ids == key.id).any())
    return any(btf.view(one) == key for one in ids.tolist())


def type_id_of(key: Any, third: str = "slice", expected: str = AT) -> int:
    """A key as an id.

    Args:
        key: what is given.
        third: what else than an id and a name may be given.
        expected: examples, for the error.

    Raises:
        WrongKeyError: it is not a whole number.
    """
    try:
        return index(key)
    except TypeError:
        from btfschema.model.views import TypeView

        if isinstance(key, TypeView):
            expected = "its id: btf[view.id]"
        raise WrongKeyError(
            f"{key!r} is not a type id, name or {third}", got=key, expected=expected
        ) from None


class Names:
    """Distinct names for suggestions; none that is overlong.

    Args:
        tables: tables of strings, and the offsets of names in each.
    """

    def __init__(self, tables: Iterable[tuple[StringTable, npt.NDArray[Any]]]) -> None:
        self._tables = list(tables)

    @classmethod
    def of_types(cls, btf: Btf) -> Names:
        """Those of all types of a container and its bases; the container is not kept."""
        return cls((each.strings, each.types.name_offs) for each in btf.chain)

    @classmethod
    def of_enumerators(cls, btf: Btf) -> Names:
        """Those of all enumerators of a container and its bases."""
        from btfschema.model.views.data import EnumBase

        return cls(
            (each.strings, each.types.elements(kind).column("name_off"))
            for each in btf.chain
            for kind in kinds_of(btf, EnumBase) or []
            if kind in each.types.plan.kinds
        )

    @cached_property
    def _by_initial(self) -> dict[str, list[str]]:
        names: set[str] = set()
        for strings, name_offs in self._tables:
            offsets = np.unique(name_offs)
            # Strings may overlap: all tails of a long one would be more than any memory.
            names.update(strings.names(offsets[lengths_of(strings, offsets) < LONGEST_NAME]))
        found: dict[str, list[str]] = {}
        for name in sorted(names - {""}):
            found.setdefault(name[0], []).append(name)
        return found

    def close_to(self, name: str) -> list[str]:
        """Names to suggest: those that hold this one, then those that are spelled like it.

        Of the first, those that begin with it, underscores apart, come first, and short ones before
        long ones: ``__kmalloc_noprof`` for ``kmalloc``. The others start as it does and are about
        as long.
        """
        from difflib import get_close_matches

        holding: list[str] = []
        if len(name) >= SHORTEST_PART:
            every = (one for names in self._by_initial.values() for one in names)
            holding = sorted(
                (one for one in every if name in one),
                key=lambda one: (not one.lstrip("_").startswith(name), len(one), one),
            )
        near = [
            one
            for one in self._by_initial.get(name[:1], [])
            if abs(len(one) - len(name)) <= max(2, len(name) // 6)
        ]
        close = get_close_matches(name, near, SUGGESTED, 0.75)
        return list(dict.fromkeys([*holding[:SUGGESTED], *close]))[:SUGGESTED]


def enumerator(btf: Btf, name: str) -> EnumConstant:
    """What :meth:`btfschema.Btf.enumerator` says."""
    from btfschema.model.views.data import EnumBase, EnumConstant

    require_name(name)
    found: list[EnumConstant] = []
    for each in btf.chain:
        offsets = np.array(each.strings.find(name), np.int64)
        for kind in kinds_of(btf, EnumBase) or []:
            if not len(offsets) or kind not in each.types.plan.kinds:
                continue
            elements = each.types.elements(kind)
            hits = elements.owners[np.isin(elements.column("name_off"), offsets)]
            for row in np.unique(hits).tolist():
                enum: Any = each[row + each.first_id]
                found.append(EnumConstant(name, enum[name], enum))
    if not found:
        hint = _suggestion(Names.of_enumerators(btf).close_to(name))
        raise UnknownNameError(
            f"no enumerator {name!r}{hint}", got=name, expected="an enumerator of this BTF"
        )
    values = {one.value for one in found}
    if len(values) > 1:
        listed = ", ".join(f"{one.value} in {btf.describe(one.enum.id)}" for one in found[:LISTED])
        raise AmbiguousNameError(
            f"{len(found)} enumerators {name!r} with {len(values)} values: {listed}",
            got=[one.enum.id for one in found],
            expected="one value",
        )
    return found[0]
