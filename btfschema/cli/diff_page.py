"""What the page of ``diff`` shows: causes before what follows from them, C beside C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from btfschema.questions.comparison import Change, Diff, Entry, Key
    from btfschema.questions.sidebyside import Line
    from btfschema.render.html import Foot

__all__ = ["DiffPage"]

HEADS = ("added", "removed", "changed", "consequence")
# Consequences that a cause is linked to.
LINKED = 60
# The style sheet's classes for what became of a line.
LOOKS = {"changed": "other", "renamed": "other", "grown": "other", "moved": "shifted"}


@define
class DiffPage:
    """A page that is made of one pair of files after another.

    Attributes:
        old: what the older side is called.
        new: what the newer side is called.
    """

    old: str
    new: str
    _pairs: int = 0
    _sums: dict[str, Counter[str]] = field(factory=dict)
    _causes: list[dict[str, Any]] = field(factory=list)
    _consequences: list[dict[str, Any]] = field(factory=list)
    _removed: list[dict[str, Any]] = field(factory=list)
    _added: list[dict[str, Any]] = field(factory=list)

    def add(self, title: str, found: Diff) -> None:
        """Take in what a pair differs in; nothing else of it is kept.

        Args:
            title: what the pair is called, such as a module; "" for the only one.
            found: the difference.
        """
        for kind, row in found.counts().items():
            self._sums.setdefault(kind.lower(), Counter()).update(row)
        for change, entry in _entries(f"p{self._pairs}", self.old, self.new, title, found):
            (self._causes if change.is_own else self._consequences).append(entry)
        self._removed += _groups(title, found.removed)
        self._added += _groups(title, found.added)
        self._pairs += 1

    def made(self, alone: Sequence[str], foot: Foot) -> str:
        """The page.

        Args:
            alone: files that only one side has.
            foot: what stands at its end.
        """
        from btfschema.render.html import render_page

        causes = sorted(self._causes, key=lambda entry: -int(entry["count"]))
        rows = [(kind, [row[head] for head in HEADS]) for kind, row in sorted(self._sums.items())]
        return render_page(
            "diff",
            foot=foot,
            old=self.old,
            new=self.new,
            heads=HEADS,
            counts=[row for row in rows if any(row[1])],
            causes=causes,
            consequences=self._consequences,
            cause_kinds=_kinds(causes),
            consequence_kinds=_kinds(self._consequences),
            removed=self._removed,
            added=self._added,
            alone=alone,
        )


def _kinds(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({entry["kind"] for entry in entries})


def _entries(
    prefix: str, old: str, new: str, file: str, found: Diff
) -> Iterator[tuple[Change, dict[str, Any]]]:
    """What the template shows of each type that differs."""
    from btfschema.questions.sidebyside import side_by_side

    changes = found.changes
    ids = {key: f"{prefix}t{number}" for number, key in enumerate(changes)}
    for key, change in changes.items():
        causes = {_title(one): ids.get(one) for one in change.causes}
        follow = [one for one in change.consequences if one in ids]
        yield (
            change,
            {
                "id": ids[key],
                "key": change.new.name.lower(),
                "kind": change.new.kind.lower(),
                "title": change.new.title,
                "words": _words(change, file),
                "resized": change.old.size != change.new.size,
                "count": len(change.consequences) if change.is_own else None,
                "old": old,
                "new": new,
                "causes": [{"title": title, "id": link} for title, link in causes.items()],
                "lines": [_line(one, causes) for one in side_by_side(found, change)],
                "follow": [{"title": _title(one), "id": ids[one]} for one in follow[:LINKED]],
                "more": max(0, len(follow) - LINKED),
            },
        )


def _title(key: Key) -> str:
    return f"{key[0].lower()} {key[1]}"


def _words(change: Change, file: str) -> str:
    """How a type's size changed, what became of how many of its parts, and of which file it is."""
    words = []
    if change.old.size is not None and change.new.size is not None:
        delta = change.new.size - change.old.size
        if delta:
            words.append(f"{change.old.size:,} to {change.new.size:,} bytes ({delta:+,})")
    counts = Counter(one.what for one in change.differences)
    words += [f"{count:,} {what}" for what, count in counts.items()]
    return ", ".join([*words, file] if file else words)


def _line(line: Line, causes: Mapping[str, str | None]) -> dict[str, Any]:
    why = next((causes[title] for title in line.because if title in causes), None)
    return {
        "look": LOOKS.get(line.what, line.what),
        "old": line.old,
        "new": line.new,
        "old_at": line.old_at,
        "new_at": line.new_at,
        "why": why,
    }


def _groups(file: str, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Types that one side has, by kind."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for entry in entries:
        named = {"name": entry.name, "key": entry.name.lower()}
        kinds.setdefault(entry.kind.lower(), []).append(named)
    for kind, names in kinds.items():
        yield {"kind": kind, "file": file, "names": names}
