"""What changed between two containers, root causes first.

Named types are matched by kind and name; several of one name first by what they say. Of a matched
pair that differs, either the type itself was changed, or it only has other sizes and offsets since
a type inside of it has: then it is a *consequence*, and counted under its causes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from attrs import Factory, define, field, frozen

from btfschema.arguments import require_choice, texts
from btfschema.arrays import Index
from btfschema.errors import counted
from btfschema.model.container import Btf
from btfschema.model.views.making import many_new_objects
from btfschema.questions.catalog import NO_SIZE, Catalog, catalog_of
from btfschema.questions.changes import (
    Difference,
    compare_members,
    compare_texts,
    compare_values,
)
from btfschema.questions.signatures import signatures_of

__all__ = ["Change", "Diff", "Entry", "Key", "body_of", "diff"]

Key = tuple[str, str, int]
"""A kind's name, a type's name, and its number among the types of both."""


PARTS = ("added", "removed", "changed")


@frozen
class Entry:
    """A named type of one of the two.

    Attributes:
        kind: its kind's name.
        name: its name.
        id: its id.
        size: bytes, or None.
        number: its number among those of this kind and name, from 0.
    """

    kind: str
    name: str
    id: int
    size: int | None
    number: int = 0

    @property
    def key(self) -> Key:
        """What tells the type from the others."""
        return self.kind, self.name, self.number

    @property
    def title(self) -> str:
        """The type as one would write it: ``struct file``."""
        return f"{self.kind.lower()} {self.name}"


@define(repr=False)
class Change:
    """A named type that both have, and that differs.

    Attributes:
        old: the type in the older container.
        new: the type in the newer one.
        differences: of its members, values or parameters.
        causes: the types inside of it whose sizes changed, by their keys.
        consequences: the types that differ only since this one does, however far away.
    """

    old: Entry
    new: Entry
    differences: list[Difference]
    causes: list[Key] = field(factory=list)
    consequences: list[Key] = field(factory=list)

    def __repr__(self) -> str:
        found, led_to = len(self.differences), len(self.consequences)
        return f"<Change of {self.new.title}: {found} differences, {led_to} consequences>"

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> Key:
        """What tells the type from the others."""
        return self.new.key

    @property
    def is_own(self) -> bool:
        """Whether the type itself was changed."""
        return not self.causes or any(one.is_own for one in self.differences)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "kind": self.new.kind,
            "name": self.new.name,
            "ids": [self.old.id, self.new.id],
            "sizes": [self.old.size, self.new.size],
            "own": self.is_own,
            "differences": [one.as_dict() for one in self.differences],
            "causes": [" ".join(key[:2]) for key in self.causes],
            "consequences": [" ".join(key[:2]) for key in self.consequences],
        }


@frozen(repr=False, slots=False)
class Diff:
    """What changed.

    Attributes:
        old: the older container.
        new: the newer one.
        added: named types that only the newer one has.
        removed: named types that only the older one has.
        changes: named types that differ, by key; causes with most consequences first.
        same: how many named types say the same in both, by kind.
    """

    old: Btf
    new: Btf
    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changes: Mapping[Key, Change]
    same: Mapping[str, int] = field(default=Factory(dict))

    def __repr__(self) -> str:
        parts = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.causes,
            "consequences": self.consequences,
        }
        return f"<Diff: {', '.join(f'{len(part):,} {word}' for word, part in parts.items())}>"

    @cached_property
    def causes(self) -> list[Change]:
        """The types that were changed themselves."""
        return [one for one in self.changes.values() if one.is_own]

    @cached_property
    def consequences(self) -> list[Change]:
        """The types that differ only since a type inside of them does."""
        return [one for one in self.changes.values() if not one.is_own]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.added or self.removed or self.changes)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many types of each kind are added, removed, changed, consequences, or the same."""
        found: dict[str, Counter[str]] = {}
        for word, entries in (
            ("added", self.added),
            ("removed", self.removed),
            ("changed", [one.new for one in self.causes]),
            ("consequence", [one.new for one in self.consequences]),
        ):
            for entry in entries:
                found.setdefault(entry.kind, Counter())[word] += 1
        for kind, count in self.same.items():
            found.setdefault(kind, Counter())["same"] += count
        words = ("added", "removed", "changed", "consequence", "same")
        return {kind: {word: one[word] for word in words} for kind, one in sorted(found.items())}

    def only(self, wanted: Callable[[Entry], bool], what: str | Iterable[str] = ()) -> Diff:
        """The part about some types; what is the same is not counted in it.

        Args:
            wanted: whether a type is wanted.
            what: ``"added"``, ``"removed"``, ``"changed"``, or several of these; all when empty.

        Raises:
            ValueError: ``what`` is something else.
        """
        chosen = set(texts(what)) or set(PARTS)
        for word in chosen:
            require_choice("what", word, PARTS)

        def some(entries: tuple[Entry, ...], word: str) -> tuple[Entry, ...]:
            return tuple(e for e in entries if wanted(e)) if word in chosen else ()

        changes = {
            key: one for key, one in self.changes.items() if wanted(one.new) or wanted(one.old)
        }
        return Diff(
            self.old,
            self.new,
            some(self.added, "added"),
            some(self.removed, "removed"),
            changes if "changed" in chosen else {},
            {},
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data, causes before consequences."""

        def plain(entry: Entry) -> dict[str, Any]:
            return {"kind": entry.kind, "name": entry.name, "id": entry.id, "size": entry.size}

        return {
            "counts": self.counts(),
            "causes": [one.as_dict() for one in self.causes],
            "consequences": [one.as_dict() for one in self.consequences],
            "added": [plain(entry) for entry in self.added],
            "removed": [plain(entry) for entry in self.removed],
        }


def diff(old: Btf, new: Btf) -> Diff:
    """What changed from one container to another: their own named types.

    Args:
        old: the older container.
        new: the newer one, of the same schema.
    """
    with many_new_objects():
        return _Matching(catalog_of(old), catalog_of(new)).diff()


class _Side:
    """The named types of one container.

    Args:
        catalog: the types.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        parts = catalog.parts
        self.signatures = signatures_of(catalog)
        rows = np.flatnonzero(catalog.named & catalog.are(parts.called))
        # A declaration counts only where there is no definition.
        declared = catalog.are(parts.declarations)[rows]
        defined = rows[~declared]
        keys = self.signatures.keys
        extra = rows[declared & ~np.isin(keys[rows], keys[defined])]
        _, firsts = np.unique(keys[extra], return_index=True)
        self.rows: Index = np.sort(np.concatenate([defined, extra[firsts]]))
        self.keys = keys[self.rows]
        self.content = self.signatures.content[self.rows]

    def entry(self, row: int, number: int = 0) -> Entry:
        """A type, by its row."""
        catalog = self.catalog
        size = int(catalog.sizes[row])
        kind = catalog.btf.kinds.name(int(catalog.kinds[row]))
        return Entry(
            kind,
            catalog.names[row],
            row + catalog.first_id,
            None if size == NO_SIZE else size,
            number,
        )


class _Matching:
    """Finds the matches of types, and how they differ.

    Args:
        old: the older types.
        new: the newer ones.
    """

    def __init__(self, old: Catalog, new: Catalog) -> None:
        self.old, self.new = _Side(old), _Side(new)
        self._matches: dict[tuple[int, int], Key] = {}

    def diff(self) -> Diff:
        """All of it."""
        pairs, removed, added, same = self._matched()
        changes: dict[Key, Change] = {}
        inner: dict[Key, list[tuple[int, int]]] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for before, after in pairs:
            new = self.new.entry(after)
            number = counts[new.kind, new.name]
            counts[new.kind, new.name] += 1
            change, grown = self._change(before, after, number)
            if change is None:
                same.append(after)
                continue
            changes[change.key] = change
            inner[change.key] = grown
            self._matches[change.old.id, change.new.id] = change.key
        for key, change in changes.items():
            change.causes = self._causes(inner[key])
        self._follow(changes)
        ordered = sorted(changes.items(), key=lambda item: (-len(item[1].consequences), item[0]))
        kinds = Counter(self.new.catalog.kinds[np.array(same, np.int64)].tolist())
        name = self.new.catalog.btf.kinds.name
        return Diff(
            self.old.catalog.btf,
            self.new.catalog.btf,
            tuple(sorted(map(self.new.entry, added), key=lambda one: one.key)),
            tuple(sorted(map(self.old.entry, removed), key=lambda one: one.key)),
            dict(ordered),
            {name(kind): count for kind, count in sorted(kinds.items())},
        )

    def _matched(self) -> tuple[list[tuple[int, int]], list[int], list[int], list[int]]:
        """Pairs that differ, rows that are in one of the two only, and rows that are the same."""
        old, new = self.old, self.new
        same_old = _common(old.keys, old.content, new.keys, new.content)
        same_new = _common(new.keys, new.content, old.keys, old.content)
        left_old, left_new = np.flatnonzero(~same_old), np.flatnonzero(~same_new)
        by_key: dict[int, list[int]] = {}
        for at in left_old.tolist():
            by_key.setdefault(int(old.keys[at]), []).append(at)
        for group in by_key.values():
            group.reverse()
        pairs, added = [], []
        for at in left_new.tolist():
            group = by_key.get(int(new.keys[at]), [])
            if group:
                pairs.append((int(old.rows[group.pop()]), int(new.rows[at])))
            else:
                added.append(int(new.rows[at]))
        removed = sorted(int(old.rows[at]) for group in by_key.values() for at in group)
        return pairs, removed, added, new.rows[same_new].tolist()

    def _change(
        self, before: int, after: int, number: int
    ) -> tuple[Change | None, list[tuple[int, int]]]:
        """How a pair differs; None when nothing that counts does."""
        from attrs import evolve

        old, new = self.old.entry(before), evolve(self.new.entry(after), number=number)
        parts, kind = self.new.catalog.parts, int(self.new.catalog.kinds[after])
        kind_before = int(self.old.catalog.kinds[before])
        grown: list[tuple[int, int]] = []
        sides = (self.old.catalog, old.id), (self.new.catalog, new.id)
        bodies = [body_of(*side) for side in sides]
        if bodies[0] and bodies[1]:
            differences, grown = compare_members(
                (self.old.catalog, bodies[0]), (self.new.catalog, bodies[1])
            )
            if not differences and old.size == new.size:
                return None, []
        elif kind in parts.enums and kind_before in parts.enums:
            differences = compare_values(_values(*sides[0]), _values(*sides[1]))
        elif kind in parts.functions and kind_before in parts.functions:
            differences = compare_texts(_signature(*sides[0]), _signature(*sides[1]))
        elif kind in parts.sections:
            differences = compare_texts(_variables(*sides[0]), _variables(*sides[1]))
            differences = [one for one in differences if one.what != "moved"]
        else:
            texts = [[("", _described(*side))] for side in sides]
            differences = compare_texts(*texts)
        return Change(old, new, differences), grown

    def _causes(self, grown: list[tuple[int, int]]) -> list[Key]:
        """The types inside whose sizes changed; of a typedef and its target the one that did."""
        found: dict[Key, None] = {}
        for old, new in grown:
            key = self._matches.get((old, new))
            if key is not None:
                found[key] = None
            elif self._is_last(new):
                found[self._outside(new)] = None
        return list(found)

    def _is_last(self, type_id: int) -> bool:
        """Whether a type is named, and no typedef but what one ends in."""
        owner = self.new.catalog.owner(type_id)
        if owner is None:
            return False
        row = type_id - owner.first_id
        return int(owner.kinds[row]) not in owner.parts.chained and bool(owner.named[row])

    def _outside(self, type_id: int) -> Key:
        """The key of a type that is not compared here, such as one of a base."""
        btf = self.new.catalog.btf
        owner = btf.owner(type_id)
        row = type_id - owner.first_id
        kind = btf.kinds.name(int(owner.types.kinds[row]))
        return kind, owner.strings[int(owner.types.name_offs[row])], 0

    def _follow(self, changes: dict[Key, Change]) -> None:
        """Give each cause the types that differ since it does."""
        users: dict[Key, list[Key]] = {}
        for key, change in changes.items():
            for cause in change.causes:
                users.setdefault(cause, []).append(key)
        for key, change in changes.items():
            if not change.is_own:
                continue
            found: dict[Key, None] = {}
            waiting = list(users.get(key, ()))
            while waiting:
                one = waiting.pop()
                if one in found or one == key or changes[one].is_own:
                    continue
                found[one] = None
                waiting += users.get(one, ())
            change.consequences = sorted(found)


def _common(keys: Any, content: Any, other_keys: Any, other_content: Any) -> Any:
    """Which of the first have a match among the others that says the same, each once."""
    pair = np.dtype([("key", np.uint64), ("content", np.uint64), ("number", np.int64)])

    def counted(keys: Any, content: Any) -> Any:
        table = np.zeros(len(keys), pair)
        table["key"], table["content"] = keys, content
        order = np.lexsort((content, keys))
        starts = np.ones(len(keys), np.bool_)
        starts[1:] = (keys[order][1:] != keys[order][:-1]) | (
            content[order][1:] != content[order][:-1]
        )
        numbers = np.arange(len(keys))
        firsts = np.maximum.accumulate(np.where(starts, numbers, 0)) if len(keys) else numbers
        table["number"][order] = numbers - firsts
        return table

    return np.isin(_folded(counted(keys, content)), _folded(counted(other_keys, other_content)))


def _folded(table: Any) -> Any:
    """One number for each row."""
    from btfschema.questions.signatures import STEP, mixed

    number = table["number"].astype(np.uint64)
    return mixed(table["key"] + mixed(table["content"] + mixed(number * STEP)))


def body_of(catalog: Catalog, type_id: int) -> int:
    """The struct or union whose members a name stands for, or 0."""
    owner = catalog.owner(type_id)
    if owner is None:
        return 0
    row = type_id - owner.first_id
    if int(owner.kinds[row]) in owner.parts.typedefs:
        type_id = int(owner.targets[row])
        owner = catalog.owner(type_id)
        if owner is None or owner.named[type_id - owner.first_id]:
            return 0
        row = type_id - owner.first_id
    return type_id if int(owner.kinds[row]) in owner.parts.composites else 0


def _values(catalog: Catalog, type_id: int) -> list[tuple[str, int]]:
    view: Any = catalog.btf[type_id]
    return [(one.name, one.value) for one in view.values]


def _signature(catalog: Catalog, type_id: int) -> list[tuple[str, str]]:
    """What a function returns, and its parameters."""
    owner = catalog.owner(type_id)
    proto_id = int(owner.targets[type_id - owner.first_id]) if owner is not None else 0
    owner = catalog.owner(proto_id)
    if owner is None:
        return [("return", "void")]
    row = proto_id - owner.first_id
    found = [("return", catalog.text(int(owner.targets[row])))]
    # What a damaged function refers to may not be a prototype.
    for number, (name, param_id) in enumerate(owner.speller.params.get(row, ())):
        found.append((name or f"#{number}", catalog.text(param_id) if param_id else "..."))
    return found


def _variables(catalog: Catalog, type_id: int) -> list[tuple[str, str]]:
    view: Any = catalog.btf[type_id]
    found = []
    for one in view.variables:
        target: Any = one.type
        found.append((getattr(target, "name", ""), catalog.text(one.type_id)))
    return found


def _described(catalog: Catalog, type_id: int) -> str:
    """Any other type: what it stands for, or its own words."""
    owner = catalog.owner(type_id)
    if owner is None:
        return "void"
    row = type_id - owner.first_id
    kind = int(owner.kinds[row])
    if kind in owner.parts.typedefs or kind in owner.parts.variables:
        return catalog.text(int(owner.targets[row]))
    if kind in owner.parts.declarations:
        return "declared only"
    if kind in owner.parts.composites or kind in owner.parts.enums:
        return f"defined, {counted(int(owner.sizes[row]), 'byte')}"
    values = owner.table.record(row)
    values.pop("name_off", None)
    return ", ".join(f"{name} {value}" for name, value in values.items())
