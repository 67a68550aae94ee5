"""Forward declarations and what they declare, while classes of equal types are found.

A name that is declared somewhere and defined somewhere else is first taken to be what is defined.
If its definitions turn out to be different, it is *ambiguous*: a declaration is then a type of its
own, unless two types that refer to the name are equal but for that the one knows the declaration
and the other a definition. Those tell which definition is meant.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen

from btfschema.arrays import Index, Mask
from btfschema_transforms.sameness.evidence import Evidence, Names, Ways
from btfschema_transforms.sameness.partition import Graph, Partition

__all__ = ["Settled", "settle"]


@frozen(eq=False)
class Settled:
    """Classes in which declarations are what they declare, where that is known.

    Attributes:
        classes: by node.
        stands_for: by node, the node that references to it mean: a definition for a declaration;
            itself for most.
        ambiguous: the declarations that stay, as nodes.
        guessed: the definitions that declarations were taken for although there are others.
    """

    classes: Index
    stands_for: Index
    ambiguous: Index
    guessed: Index


def settle(graph: Graph, names: Names) -> Settled:
    """Find classes of equal nodes, declarations being what they declare.

    Args:
        graph: the nodes.
        names: what they declare and define.
    """
    count = len(graph.labels)
    forwards = (names.forward & (names.keys >= 0)).nonzero()[0]
    definitions = (~names.forward & (names.keys >= 0)).nonzero()[0]
    order = np.argsort(names.keys.take(definitions), kind="stable")
    definitions = definitions.take(order)
    merged = np.arange(count)
    chosen: dict[int, int] = {}
    guessed: list[int] = []
    ways: Ways | None = None
    while True:
        meant, unsure = _meant(names, forwards, definitions, merged, chosen)
        partition, ambiguous = _optimistic(graph, names, definitions, meant, unsure)
        left = forwards[np.isin(names.keys.take(forwards), ambiguous)]
        # What a base's types refer to stays what it is, so those are never sure.
        unsure_ones = np.union1d(left, forwards[~names.own.take(forwards)])
        if not len(unsure_ones):
            break
        ways = ways or Ways.of(graph, names)
        if Evidence(graph, ways, partition, names, merged, chosen).search(unsure_ones):
            continue
        guesses = _guesses(names, left, definitions)
        if not guesses:
            break
        chosen.update(guesses)
        guessed += guesses.values()
    stands_for = meant.copy()
    stands_for[left] = left
    found = stands_for.take(np.array(guessed, np.int64))
    return Settled(partition.classes, stands_for, left, found)


def _guesses(names: Names, left: Index, definitions: Index) -> dict[int, int]:
    """The first definition of names of which any will do."""
    wanted = np.unique(names.keys.take(left[names.guess.take(left)]))
    firsts = names.keys.take(definitions).searchsorted(wanted)
    return dict(zip(wanted.tolist(), definitions.take(firsts).tolist(), strict=True))


def _meant(
    names: Names, forwards: Index, definitions: Index, merged: Index, chosen: dict[int, int]
) -> tuple[Index, Mask]:
    """What references to each node mean, if no name is ambiguous; and where that is a guess."""
    meant = merged.copy()
    keys = names.keys.take(definitions)
    at = keys.searchsorted(names.keys.take(forwards))
    defined = keys.take(at, mode="clip") == names.keys.take(forwards) if len(keys) else at < 0
    known = forwards[defined]
    meant[known] = definitions.take(at[defined])
    unsure = np.zeros(len(meant), np.bool_)
    unsure[known] = True
    for one in known.tolist():
        found = chosen.get(int(names.keys[one]))
        if found is not None:
            meant[one], unsure[one] = found, False
    # A chain of merged ones ends at one that is merged with none.
    while True:
        further = meant.take(meant)
        if np.array_equal(further, meant):
            return meant, unsure
        meant = further


def _optimistic(
    graph: Graph, names: Names, definitions: Index, meant: Index, unsure: Mask
) -> tuple[Partition, Index]:
    """Take declarations for definitions as long as those of the name are equal.

    Returns:
        The classes, and the names that turned out to be ambiguous.
    """
    may = names.own.take(graph.users)
    targets = np.where(may, meant.take(graph.targets), graph.targets)
    partition = Partition(Graph(graph.labels, graph.users, graph.salts, targets))
    guessed = (may & unsure.take(graph.targets)).nonzero()[0]
    keys = names.keys.take(graph.targets.take(guessed))
    asked = np.unique(names.keys[unsure])
    # A definition that is merged with another is that one.
    definitions = np.unique(meant.take(definitions))
    definitions = definitions[np.isin(names.keys.take(definitions), asked)]
    definitions = definitions.take(np.argsort(names.keys.take(definitions), kind="stable"))
    of_names = names.keys.take(definitions)
    found = np.zeros(0, np.int64)
    while True:
        # Names whose definitions are in several classes.
        classes = partition.classes.take(definitions)
        differ = (classes[1:] != classes[:-1]) & (of_names[1:] == of_names[:-1])
        several = np.unique(of_names[1:][differ])
        new = several[~np.isin(several, found)]
        if not len(new):
            return partition, found
        found = several
        now = guessed[np.isin(keys, new)]
        partition.retarget(now, graph.targets.take(now))
