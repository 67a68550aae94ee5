"""Splitting classes of nodes until the members of each refer to the same classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["refined"]

Index = npt.NDArray[np.int64]


def refined(classes: Index, nodes: Index, places: Any, targets: Index) -> Index:
    """The coarsest refinement of ``classes`` in which equal nodes refer to equal ones.

    Hopcroft's minimisation of automata: each class in turn splits those whose members refer to it
    in part. Of the two parts the smaller one becomes a new class, which splits others in turn, so
    that a node's class changes log n times at most, however long the chains of references are.

    Args:
        classes: for each node, its class: 0, 1, ... The members of a class have references at the
            same places.
        nodes: for each reference, the node that has it.
        places: for each reference, where in the node it is; a node has just one at each place.
        targets: for each reference, the node that it leads to.

    Returns:
        For each node its class. The numbers of ``classes`` stay in use, each by some of those that
        had it.
    """
    order = np.argsort(targets, kind="stable")
    starts = np.searchsorted(targets[order], np.arange(len(classes) + 1)).tolist()
    users: list[tuple[int, int]] = list(
        zip(places[order].tolist(), nodes[order].tolist(), strict=True)
    )
    current: list[int] = classes.tolist()
    members: list[set[int]] = [set() for _ in range(max(current, default=-1) + 1)]
    for node, number in enumerate(current):
        members[number].add(node)
    pending = list(range(len(members)))
    while pending:
        by_place: dict[int, list[int]] = {}
        for node in members[pending.pop()]:
            for place, user in users[starts[node] : starts[node + 1]]:
                by_place.setdefault(place, []).append(user)
        for referring in by_place.values():
            pending += _split(referring, current, members)
    return np.array(current, np.int64)


def _split(referring: list[int], current: list[int], members: list[set[int]]) -> range:
    """Part the nodes that refer to something from the rest of their classes; the new classes."""
    first = len(members)
    touched: dict[int, list[int]] = {}
    for node in referring:
        touched.setdefault(current[node], []).append(node)
    for number, inside in touched.items():
        whole = members[number]
        if len(inside) == len(whole):
            continue
        if 2 * len(inside) <= len(whole):
            part = set(inside)
            whole -= part
        else:
            part = whole.difference(inside)
            members[number] = set(inside)
        for node in part:
            current[node] = len(members)
        members.append(part)
    return range(first, len(members))
