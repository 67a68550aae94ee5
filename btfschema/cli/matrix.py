"""Which modules break on which kernels, and the types that are to blame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from btfschema.cli.outputs import echo
from btfschema.cli.table import Table

__all__ = ["Blame", "Matrix"]

# Types that the terminal's table names.
SHOWN = 12
# The outcomes, in the order of the table.
MARKS = ("ok", "mismatch", "error")


@define
class Blame:
    """A type that modules fail to find again.

    Attributes:
        kind: its kind's name.
        name: its name.
        modules: by kernel, the files that break on it.
        reasons: by kernel, a report on it; the first, or the first that has member changes.
    """

    kind: str
    name: str
    modules: dict[str, list[str]] = field(factory=dict)
    reasons: dict[str, dict[str, Any]] = field(factory=dict)

    @property
    def count(self) -> int:
        """How many modules it breaks on at least one kernel."""
        return len({file for files in self.modules.values() for file in files})


@define
class Matrix:
    """What became of each file on each kernel.

    Attributes:
        targets: the kernels.
        cells: by file, the outcome on each kernel: ``"ok"``, ``"mismatch"`` or ``"error"``.
        messages: by file, why it could not be checked on all kernels.
    """

    targets: tuple[str, ...]
    cells: dict[str, tuple[str, ...]] = field(factory=dict)
    messages: dict[str, str] = field(factory=dict)
    _blames: dict[tuple[str, str], Blame] = field(factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """One file's report."""
        file = row["file"]
        # What could not be read at all is so on every kernel.
        rows = row.get("targets") or [{**row, "target": target} for target in self.targets]
        errors = [one["message"] for one in rows if one["outcome"] == "error"]
        if errors:
            self.messages[file] = "; ".join(dict.fromkeys(errors))
        self.cells[file] = tuple(one["outcome"] for one in rows)
        for one in rows:
            for reason in one.get("reasons", ()):
                self._blame(file, one["target"], reason)

    def _blame(self, file: str, target: str, reason: dict[str, Any]) -> None:
        key = (reason["kind"], reason["name"])
        blame = self._blames.setdefault(key, Blame(*key))
        files = blame.modules.setdefault(target, [])
        if not files or files[-1] != file:
            files.append(file)
        known = blame.reasons.get(target)
        if known is None or (reason["changes"] and not known["changes"]):
            blame.reasons[target] = reason

    @property
    def blames(self) -> list[Blame]:
        """The types to blame; those that break most modules first."""
        return sorted(self._blames.values(), key=lambda one: (-one.count, one.name, one.kind))

    def outcomes(self, target: str) -> Counter[str]:
        """How many files had which outcome on a kernel."""
        number = self.targets.index(target)
        return Counter(cells[number] for cells in self.cells.values())

    def counted(self, target: str) -> str:
        """The counts of a kernel in a line."""
        counts = self.outcomes(target)
        unread = f", {counts['error']:,} could not be checked" if counts["error"] else ""
        fits, breaks = counts["ok"], counts["mismatch"]
        return (
            f"{fits:,} relocate{'s' * (fits == 1)}, {breaks:,} do{'es' * (breaks == 1)} not{unread}"
        )

    def tables(self) -> list[Table]:
        """A table of the kernels, and one of the types to blame when there are any."""
        kernels = []
        for target in self.targets:
            counts = self.outcomes(target)
            kernels.append((target, *(f"{counts[outcome]:,}" for outcome in MARKS)))
        heads = ("kernel", "relocate", "break", "unread")
        found = [Table(heads, kernels, right={1, 2, 3}, least={1: 8, 2: 7, 3: 6})]
        blames = self.blames
        rows = []
        for blame in blames[:SHOWN]:
            reason = next(iter(blame.reasons.values()))
            what = f"{blame.kind.lower()} {blame.name}: {because(reason)}"
            rows.append((f"{blame.count:,}", what))
        if len(blames) > SHOWN:
            rows.append(("", f"and {len(blames) - SHOWN:,} more types"))
        if rows:
            found.append(Table(("breaks", "type"), rows, right={0}, least={0: 7}))
        return found

    def show(self, *, err: bool = False) -> None:
        """Print the tables."""
        for number, table in enumerate(self.tables()):
            if number:
                echo(err=err)
            table.show(err=err)


def because(reason: Mapping[str, Any]) -> str:
    """A report on a type in a few words."""
    match reason["reason"]:
        case "missing":
            return "not in the target"
        case "size":
            sizes = sorted({one["size"] for one in reason["candidates"] if one["size"] is not None})
            there = " or ".join(f"{size:,}" for size in sizes) or "none"
            there += " or others" if "candidates_total" in reason else ""
            return f"size {reason['size']:,}, in the target {there}"
        case "kind":
            kinds = sorted({one["kind"].lower() for one in reason["candidates"]})
            return f"in the target a {' or '.join(kinds)}"
        case "encoding":
            return (
                f"encoding {reason['encoding']}, in the target {' or '.join(reason['encodings'])}"
            )
        case "shared":
            return "the target has one for several"
    return f"{reason.get('matches_total', len(reason['matches']))} in the target would do"
