"""What the page of ``check`` shows: causes before what follows from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from btfschema.cli.matrix import Blame, Matrix, because
from btfschema.errors import counted

if TYPE_CHECKING:
    from btfschema.render.html import Foot

__all__ = ["LOOKS", "page", "shortened"]

# What a template is given of a thing.
Shown: TypeAlias = dict[str, Any]
# For each outcome the style sheet's class and a sign; and what it is called.
LOOKS = {"ok": ("good", "✓"), "mismatch": ("bad", "✗"), "error": ("none", "?")}
WORDS = {"ok": "relocates", "mismatch": "does not relocate", "error": "could not be checked"}
# Modules that an entry of a type lists, and types that a module's row does.
LISTED, REASONS = 60, 12

_SIZED = re.compile(r"(?:(?:const|volatile) )*((?:struct|union) \w+)")


def page(matrix: Matrix, names: Mapping[str, str], foot: Foot) -> str:
    """The page.

    Args:
        matrix: what became of each file on each kernel.
        names: what each file is called on the page.
        foot: what stands at its end.
    """
    from btfschema.render.html import render_page

    return render_page("check", foot=foot, **_Page.of(matrix, names).context())


def shortened(targets: Sequence[str]) -> dict[str, str]:
    """File names for paths, where they differ."""
    names = {target: Path(target).name for target in targets}
    return names if len(set(names.values())) == len(names) else {name: name for name in targets}


@frozen
class _Page:
    """Makes what the template shows.

    Attributes:
        matrix: what became of each file on each kernel.
        short: what each kernel is called.
        modules: by file, its name and the id of its row.
    """

    matrix: Matrix
    short: dict[str, str]
    modules: dict[str, Shown]

    @classmethod
    def of(cls, matrix: Matrix, names: Mapping[str, str]) -> _Page:
        """A page of what became of the files, with what each is called."""
        modules = {
            file: {"id": f"m{number}", "name": names.get(file, file)}
            for number, file in enumerate(matrix.cells)
        }
        return cls(matrix, shortened(matrix.targets), modules)

    def context(self) -> Shown:
        """All that the template shows."""
        ordered = _causes_first(self.matrix.blames)
        links = {
            (blame.kind, blame.name): {"id": f"t{number}", "title": _title(blame)}
            for number, (blame, _, _) in enumerate(ordered)
        }
        return {
            "kernels": [self._kernel(target) for target in self.matrix.targets],
            "broken": sum("mismatch" in cells for cells in self.matrix.cells.values()),
            "types": [self._type(blame, depth, cause, links) for blame, depth, cause in ordered],
            "modules": list(self._rows([blame for blame, _, _ in ordered], links)),
            "listed": LISTED,
            "reasons": REASONS,
        }

    def _kernel(self, target: str) -> Shown:
        counts = self.matrix.outcomes(target)
        words = f"{counts['ok']:,} fit, {counts['mismatch']:,} break"
        if counts["error"]:
            words += f", {counts['error']:,} could not be read"
        bars = [(look, counts[outcome]) for outcome, (look, _) in LOOKS.items()]
        head = (self.short[target], target)
        return {"short": head[0], "full": target, "head": head, "bars": bars, "words": words}

    def _type(
        self, blame: Blame, depth: int, cause: Blame | None, links: Mapping[Any, Shown]
    ) -> Shown:
        """A type: how many modules it breaks, and why; kernels with the same answer together."""
        parts: list[Shown] = []
        for target, files in blame.modules.items():
            reason = blame.reasons[target]
            key = (because(reason), reason["changes"], files)
            same = next((part for part in parts if part["key"] == key), None)
            if same is None:
                same = {
                    "key": key,
                    "because": because(reason),
                    "kernels": [],
                    "files": [self.modules[file] for file in files],
                    **_changes(reason["changes"], links),
                }
                parts.append(same)
            same["kernels"].append({"short": self.short[target], "full": target})
        return {
            **links[blame.kind, blame.name],
            "key": blame.name.lower(),
            "depth": depth,
            "cause": links[cause.kind, cause.name] if cause is not None else None,
            "count": blame.count,
            "because": parts[0]["because"],
            "parts": parts,
        }

    def _rows(self, blames: Sequence[Blame], links: Mapping[Any, Shown]) -> Iterator[Shown]:
        """Each module, with the types that stop it; causes come first."""
        types: dict[str, list[Shown]] = {}
        for blame in blames:
            link = links[blame.kind, blame.name]
            for file in dict.fromkeys(file for files in blame.modules.values() for file in files):
                types.setdefault(file, []).append(link)
        for file, cells in self.matrix.cells.items():
            link = self.modules[file]
            yield {
                **link,
                "key": link["name"].lower(),
                "broken": set(cells) != {"ok"},
                "message": self.matrix.messages.get(file),
                "types": types.get(file, []),
                "cells": [_cell(cell) for cell in cells],
            }


def _cell(outcome: str) -> Shown:
    look, sign = LOOKS[outcome]
    return {"look": look, "sign": sign, "words": WORDS[outcome], "id": None, "link": None}


def _title(blame: Blame) -> str:
    return f"{blame.kind.lower()} {blame.name}"


def _causes_first(blames: Sequence[Blame]) -> list[tuple[Blame, int, Blame | None]]:
    """Types in the order given, each followed by those that differ for it alone.

    Returns:
        Each type, how far down a chain of causes it is, and its own cause.
    """
    titles = {_title(blame): blame for blame in blames}
    below: dict[str, list[Blame]] = {}
    cause_of: dict[str, str] = {}
    for blame in blames:
        cause = _cause(blame)
        above: str | None = cause
        while above is not None and above != _title(blame):
            above = cause_of.get(above)
        # What damaged BTF lets contain itself has no cause.
        if cause in titles and above is None:
            cause_of[_title(blame)] = cause
            below.setdefault(cause, []).append(blame)
    pending: list[tuple[Blame, int, Blame | None]] = [
        (blame, 0, None) for blame in reversed(blames) if _title(blame) not in cause_of
    ]
    ordered = []
    while pending:
        blame, depth, cause_blame = pending.pop()
        ordered.append((blame, depth, cause_blame))
        followers = below.get(_title(blame), [])
        pending += [(one, depth + 1, blame) for one in reversed(followers)]
    return ordered


def _cause(blame: Blame) -> str | None:
    """The one type whose size is all that changed in another, beside what moved for it."""
    causes = {
        _grown(one)
        for reason in blame.reasons.values()
        for one in reason["changes"]
        if one["change"] != "moved"
    }
    return causes.pop() if len(causes) == 1 else None


def _grown(change: Mapping[str, Any]) -> str | None:
    """The struct or union that a member is of which has the same type in another size."""
    before, after = change["before"], change["after"]
    if before is None or after is None or before["type"] != after["type"]:
        return None
    found = _SIZED.match(before["type"])
    return found[1] if found and before["size"] != after["size"] else None


def _changes(changes: Sequence[Mapping[str, Any]], links: Mapping[Any, Shown]) -> Shown:
    """Members that changed themselves, and apart from them those that only moved, by how far."""
    titles = {link["title"]: link for link in links.values()}
    causes = [
        _member(one, titles.get(_grown(one) or "")) for one in changes if one["change"] != "moved"
    ]
    only_moved = [one for one in changes if one["change"] == "moved"]
    groups = []
    for shift, grouped in groupby(only_moved, _shift):
        rows = [_member(one, None) for one in grouped]
        groups.append({"words": _moved_by(len(rows), shift), "rows": rows})
    return {"causes": causes, "moved": groups}


def _shift(change: Mapping[str, Any]) -> int:
    """How many bits further a member is."""
    before, after = (
        one["offset"] * (1 if one["bitfield"] else 8) for one in (change["before"], change["after"])
    )
    return int(after - before)


def _moved_by(count: int, shift: int) -> str:
    far, unit = (shift // 8, "byte") if shift % 8 == 0 else (shift, "bit")
    sign = "+" if far > 0 else "\N{MINUS SIGN}"
    return f"{count:,} moved by {sign}{counted(abs(far), unit)}"


def _member(change: Mapping[str, Any], cause: Shown | None) -> Shown:
    return {
        "look": change["change"],
        "change": change["change"],
        "name": change["name"] or "(unnamed)",
        "before": _place(change["before"]),
        "after": _place(change["after"]),
        "cause": cause,
    }


def _place(place: Mapping[str, Any] | None) -> Shown | None:
    if place is None:
        return None
    unit = "bit" if place["bitfield"] else "byte"
    size = f", {counted(place['size'], unit)}" if place["size"] is not None else ""
    at = f"at bit {place['offset']:,}" if place["bitfield"] else f"at {place['offset']:,}"
    return {"type": place["type"], "words": f"{size} {at}"}
