"""``duplicates``: which types are there several times, and why they are not one."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf
from btfschema.framework import Analysis
from btfschema_transforms.references import refuse_opaque
from btfschema_transforms.relocation.cnames import c_name
from btfschema_transforms.sameness.declared import Declared, is_data
from btfschema_transforms.sameness.hashing import new_seed
from btfschema_transforms.sameness.merging import images
from btfschema_transforms.sameness.records import Records
from btfschema_transforms.sameness.roots import Root, Roots

__all__ = ["Duplicate", "DuplicateReport", "Duplicates", "duplicates"]

SHOWN_IDS = 8


@frozen
class Duplicate:
    """A name that several types have.

    Attributes:
        kind: their kind's name.
        name: their name in C's words, such as ``struct task_struct``.
        groups: their ids; those of one group are equal, so that ``dedup`` makes them one.
        roots: for each group but the first, where it differs from the first; None if that was not
            found.
    """

    kind: str
    name: str
    groups: tuple[tuple[int, ...], ...]
    roots: tuple[Root | None, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "kind": self.kind,
            "name": self.name,
            "groups": [list(group) for group in self.groups],
            "roots": [root.as_dict() if root else None for root in self.roots],
        }

    def __str__(self) -> str:
        """A line for the name, and one for each group."""
        if len(self.groups) == 1:
            return f"{self.name}: {len(self.groups[0])} equal types {_ids(self.groups[0])}"
        lines = [f"{self.name}: {len(self.groups)} different types"]
        lines.append(f"  {_ids(self.groups[0])}")
        for group, root in zip(self.groups[1:], self.roots, strict=True):
            lines.append(f"  {_ids(group)} {root or 'differs from the first'}")
        return "\n".join(lines)


def _ids(ids: tuple[int, ...]) -> str:
    shown = " ".join(f"[{one}]" for one in ids[:SHOWN_IDS])
    more = len(ids) - SHOWN_IDS
    return shown + (f" and {more} more" if more > 0 else "")


@frozen
class DuplicateReport:
    """All names that several types have.

    Attributes:
        types: how many types were looked at.
        found: names with different types first, by name.
    """

    types: int
    found: tuple[Duplicate, ...]

    @property
    def different(self) -> tuple[Duplicate, ...]:
        """Those whose types are not all equal."""
        return tuple(one for one in self.found if len(one.groups) > 1)

    def named(self, name: str) -> DuplicateReport:
        """Just the types of a name or pattern: ``task_*`` or ``struct task_struct``."""
        found = [
            one
            for one in self.found
            if any(fnmatchcase(each, name) for each in (one.name, one.name.rpartition(" ")[2]))
        ]
        return DuplicateReport(self.types, tuple(found))

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"types": self.types, "duplicates": [one.as_dict() for one in self.found]}

    def __str__(self) -> str:
        """What is there several times, a paragraph for each name."""
        different = self.different
        equal = self.found[len(different) :]
        copies = sum(len(one.groups[0]) - 1 for one in equal)
        lines = list(map(str, different))
        lines.append(
            f"{len(different):,} name{'s have' if len(different) != 1 else ' has'} different types"
            + (
                f"; {len(equal):,} {'have' if len(equal) != 1 else 'has'} {copies:,} equal "
                f"cop{'ies' if copies != 1 else 'y'}, which dedup drops"
                if equal
                else ""
            )
            + f" ({self.types:,} types)"
        )
        return "\n".join(lines)


def duplicates(btf: Btf) -> DuplicateReport:
    """Find the types that have a name in common, and what keeps them apart.

    Types are equal as ``dedup`` has it. Of those that differ, the root is looked for: the nearest
    type that both lead to on the same way and whose own record differs.

    Args:
        btf: the container; types of its bases count too.

    Raises:
        PassError: the container holds a kind that the schema does not declare.
    """
    refuse_opaque(btf)
    equal = images(btf)
    types = btf.all_types
    groups = _by_name(btf, equal.meant)
    labels = Records.of([btf]).graph(new_seed()).labels
    roots = Roots(btf, equal.images, labels, Declared.of(types))
    found = [
        Duplicate(
            btf.kinds.name(int(types.kinds[ids[0][0] - 1])),
            c_name(btf, ids[0][0]),
            ids,
            tuple(roots.find(ids[0][0], other[0]) for other in ids[1:]),
        )
        for ids in groups
    ]
    found.sort(key=lambda one: (len(one.groups) == 1, one.name, one.kind))
    return DuplicateReport(len(types), tuple(found))


def _by_name(btf: Btf, equal: npt.NDArray[np.int64]) -> list[tuple[tuple[int, ...], ...]]:
    """The ids of each kind and name that several types have, those of equal types together."""
    types = btf.all_types
    rows = (is_data(types) & ~btf.strings.empty(types.name_offs)).nonzero()[0]
    # By number of the text and kind, the rows of one name follow one another.
    firsts = np.unique(types.name_offs[rows], return_inverse=True)
    texts = _numbers(btf.strings.names(firsts[0])).take(firsts[1])
    keys = texts * 256 + types.kinds[rows]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    several = np.zeros(len(order), np.bool_)
    several[1:] = ordered[1:] == ordered[:-1]
    several[:-1] |= several[1:]
    by_key: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    ids = rows.take(order[several]) + 1
    for key, type_id, image in zip(
        ordered[several].tolist(), ids.tolist(), equal.take(ids).tolist(), strict=True
    ):
        by_key[key][image].append(type_id)
    return [tuple(map(tuple, group.values())) for group in by_key.values()]


def _numbers(texts: list[str]) -> npt.NDArray[np.int64]:
    known: dict[str, int] = {}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)


@frozen
class Duplicates(Analysis[DuplicateReport]):
    """Say which types are there several times, and what keeps them apart."""

    name: ClassVar[str] = "duplicates"

    def compute(self, btf: Btf) -> DuplicateReport:
        """Find them; see :func:`duplicates`."""
        return duplicates(btf)

    def facts(self, result: DuplicateReport) -> dict[str, Any]:
        """The report as JSON-able data."""
        return result.as_dict()
