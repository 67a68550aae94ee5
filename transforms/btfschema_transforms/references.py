"""``references``: which types of its base a split BTF needs, and for whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar, NoReturn

import numpy as np
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index, distinct
from btfschema.errors import PassError
from btfschema.framework import Analysis
from btfschema.model import inline_references, require_btf
from btfschema.tables import Joined
from btfschema_transforms.relocation.bases import Closures, Graph, graph_of

__all__ = [
    "ReferenceReport",
    "References",
    "base_references",
    "direct_references",
    "needed",
    "references",
    "refuse_opaque",
]


def refuse_opaque(btf: Btf) -> None:
    """Raise if some of the container's own records can't be rewritten.

    Raises:
        TypeError: it is not a container.
        PassError: a record's kind is known from the layout section alone, which does not say where
            its references are.
    """
    require_btf("the input", btf)
    rows = btf.types.opaque_rows()
    if len(rows):
        type_id = btf.first_id + int(rows[0])
        raise PassError(
            f"type {btf.describe(type_id)} can't be rewritten: the schema does not declare its "
            "kind, and a layout section does not say where its references are",
            type_id=type_id,
            got=btf[type_id].kind,
            expected="declared kinds",
        )


def base_references(btfs: Sequence[Btf], own: Joined) -> tuple[Index, Index]:
    """The ids below their own that containers over one base, and what goes with them, refer to.

    Args:
        btfs: the containers.
        own: their own types.

    Returns:
        The ids, void among them, in no order and repeated; and the number of the container that
        refers to each.
    """
    positions = own.types.type_id_positions
    used = own.types.words.take(positions)
    owners = own.owners(positions)
    for number, btf in enumerate(btfs):
        if btf.ext is not None:
            used = np.append(used, btf.ext.type_ids)
            owners = np.append(owners, np.full(len(btf.ext.type_ids), number))
        if btf.inline is not None:
            ids = inline_references(btf)
            used = np.append(used, ids)
            owners = np.append(owners, np.full(len(ids), number))
    inside = (used < btfs[0].first_id).nonzero()[0]
    return used.take(inside).astype(np.int64), owners.take(inside)


def direct_references(btf: Btf) -> Index:
    """The ids below the container's own that it, or its ``.BTF.ext``, refers to, ascending."""
    ids = distinct(base_references([btf], Joined.of([btf.types]))[0])
    return ids[ids > 0]


def needed(btfs: Sequence[Btf], own: Joined, base: Btf, most: int) -> Closures | None:
    """The ids of ``base`` that distilled forms of ``btfs``, split over it, must stand for.

    That is what each refers to and what this leads to, without the insides of named structs and
    unions; ascending.

    Args:
        btfs: the containers.
        own: their own types.
        base: what they are split over.
        most: so many types may be needed, when what any of them needs is counted for each.

    Returns:
        None when these are more, and they are several.

    Raises:
        PassError: a FUNC, VAR, DATASEC, DECL_TAG, LOCSEC or a type of an undeclared kind is among
            them.
    """
    graph = graph_of(base)
    ids, owners = base_references(btfs, own)
    used = graph.reached(ids)
    if len(btfs) > 1 and len(btfs) * len(used) > most:
        return None
    found = graph.closures(ids, owners, len(btfs), used)
    refused = graph.refused.take(found.ids)
    if np.count_nonzero(refused):
        first = int(np.argmax(refused))
        number = int(found.bounds.searchsorted(first, side="right")) - 1
        among = found.ids[slice(*found.bounds[number : number + 2].tolist())]
        _refuse(btfs[number], graph, among, int(found.ids[first]))
    return found


def _refuse(btf: Btf, graph: Graph, among: Index, type_id: int) -> NoReturn:
    referrer = next(_referrers(btf, graph, among, type_id), None)
    who = f"type {btf.describe(referrer)}" if referrer is not None else ".BTF.ext"
    raise PassError(
        f"{who} refers to the base's {btf.describe(type_id)}, "
        "which a distilled base can't represent",
        type_id=referrer,
        got=type_id,
        expected="a reference to data types: those can be found again in another base",
    )


def _referrers(btf: Btf, graph: Graph, among: Index, type_id: int) -> Iterator[int]:
    """Own types, then base types of ``among``, that refer to ``type_id``."""
    types = btf.types
    at = types.type_id_positions[types.words[types.type_id_positions] == type_id]
    rows = np.unique(np.searchsorted(types.starts, at, side="right") - 1)
    yield from (rows + btf.first_id).tolist()
    for source in among.tolist():
        if type_id in graph.references(source):
            yield source


@frozen(eq=False, slots=False)
class ReferenceReport:
    """What a container refers to.

    Attributes:
        btf: the container.
        in_degree: how many references there are to each of its own types, by row, from its own
            types and its ``.BTF.ext``.
        direct: ids of the base types that it refers to itself, ascending.
        closure: those and what they lead to: references are followed through the base's types, but
            not into a named STRUCT or UNION. This is what ``distill`` works on.
        refused: those of ``closure`` that no distilled base can stand for: functions, variables,
            sections, declaration tags and types of undeclared kinds.
    """

    btf: Btf
    in_degree: Index
    direct: Index
    closure: Index
    refused: Index

    @cached_property
    def referrers(self) -> dict[int, tuple[int, ...]]:
        """For each id of ``closure``, the ids that refer to it: own types and base types."""
        found: dict[int, list[int]] = {type_id: [] for type_id in self.closure.tolist()}
        if self.btf.base is not None:
            graph = graph_of(self.btf.base)
            for source in found:
                for target in dict.fromkeys(graph.references(source)):
                    if target:
                        found[target].append(source)
        types = self.btf.types
        positions = types.type_id_positions
        values = types.words[positions]
        below = np.flatnonzero((values > 0) & (values < self.btf.first_id))
        rows = np.searchsorted(types.starts, positions[below], side="right") - 1
        pairs = zip(values[below].tolist(), (rows + self.btf.first_id).tolist(), strict=True)
        for target, source in dict.fromkeys(pairs):
            found[target].append(source)
        return {target: tuple(sources) for target, sources in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        direct, refused = set(self.direct.tolist()), set(self.refused.tolist())
        types = []
        for type_id, sources in self.referrers.items():
            view = self.btf[type_id]
            types.append(
                {
                    "id": type_id,
                    "kind": self.btf.kinds.name(view.kind),
                    "name": getattr(view, "name", ""),
                    "direct": type_id in direct,
                    "refused": type_id in refused,
                    "referrers": list(sources),
                }
            )
        return {
            "own_types": len(self.btf),
            "direct": len(self.direct),
            "needed": types,
            "in_degree": self.in_degree.tolist(),
        }

    def __str__(self) -> str:
        """A line for each base type that is needed: what it is, and for whom."""
        if self.btf.base is None:
            return f"{len(self.btf):,} types, no base"
        lines = [
            f"{len(self.btf):,} types need {len(self.closure):,} of the base's "
            f"{self.btf.first_id - 1:,}, {len(self.direct):,} of them directly"
        ]
        for type_id, sources in self.referrers.items():
            shown = ", ".join(self.btf.describe(source) for source in sources[:3]) or ".BTF.ext"
            more = f" and {len(sources) - 3:,} more" if len(sources) > 3 else ""
            lines.append(f"  {self.btf.describe(type_id)} for {shown}{more}")
        return "\n".join(lines)


def references(btf: Btf) -> ReferenceReport:
    """Collect a container's references to its base, and count those to its own types.

    Raises:
        PassError: a type of an undeclared kind hides its references.
    """
    refuse_opaque(btf)
    types = btf.types
    used = types.words[types.type_id_positions]
    if btf.ext is not None:
        used = np.append(used, btf.ext.type_ids)
    own = used[used >= btf.first_id].astype(np.int64) - btf.first_id
    in_degree = np.bincount(own, minlength=len(btf)).astype(np.int64)
    in_degree.flags.writeable = False
    direct = closure = refused = direct_references(btf)
    if btf.base is not None:
        graph = graph_of(btf.base)
        closure = graph.closure(direct)
        refused = closure[graph.refused[closure]]
    for array in (direct, closure, refused):
        array.flags.writeable = False
    return ReferenceReport(btf, in_degree, direct, closure, refused)


@frozen
class References(Analysis[ReferenceReport]):
    """Say which types of its base a split needs, and for whom."""

    name: ClassVar[str] = "references"

    def compute(self, btf: Btf) -> ReferenceReport:
        """Collect the references; see :func:`references`."""
        return references(btf)

    def facts(self, result: ReferenceReport) -> dict[str, Any]:
        """The report as JSON-able data."""
        return result.as_dict()
