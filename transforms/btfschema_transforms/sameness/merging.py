"""Which types of one container are the same, and which of them stands for the others."""

from __future__ import annotations

from typing import Literal

import numpy as np
from attrs import frozen

from btfschema import Btf
from btfschema.arrays import Index, Mask
from btfschema_transforms.sameness.declared import (
    ENUM_SPACE,
    SPACES,
    Declared,
    of_its_own,
    says_itself,
)
from btfschema_transforms.sameness.evidence import Names
from btfschema_transforms.sameness.forwards import Settled, settle
from btfschema_transforms.sameness.hashing import new_seed
from btfschema_transforms.sameness.partition import Graph, Partition
from btfschema_transforms.sameness.records import Records

__all__ = ["Forwards", "Images", "images"]

Forwards = Literal["keep", "resolve"]


@frozen(eq=False)
class Images:
    """For each type of a container the one that is to stand for it.

    Attributes:
        images: by id. A type of a base stands for itself.
        meant: by id, what the container's own references to it become: the images, but for
            declarations in a base of what is defined elsewhere.
        ambiguous: the declarations that stay, since their name is defined in several ways: ids.
        guessed: the definitions that declarations were taken for although there are others: ids.
    """

    images: Index
    meant: Index
    ambiguous: Index
    guessed: Index


def images(btf: Btf, forwards: Forwards = "resolve") -> Images:
    """Find equal types: the first of them stands for the others, and a base's for the container's.

    Args:
        btf: the container.
        forwards: whether a declaration is the same as what it declares.
    """
    records = Records.of([btf], of_its_own)
    while True:
        found = _images(btf, records, new_seed(), forwards)
        if found is not None:
            return found


def _images(btf: Btf, records: Records, seed: int, forwards: Forwards) -> Images | None:
    """What :func:`images` gives; None when two hashes are equal by chance."""
    graph = records.graph(seed)
    classes = Partition(graph).classes
    nodes = np.arange(len(records))
    if not records.holds(classes, nodes, classes.take(records.targets)):
        return None
    first = _firsts(classes, nodes)
    whole = first.take(classes)
    whole[: btf.first_id] = nodes[: btf.first_id]
    if forwards == "resolve":
        keys, declares = _names(btf, records)
        if declares.any():
            return _resolved(btf, records, graph, classes, keys, declares)
    nothing = np.zeros(0, np.int64)
    return Images(whole, whole, nothing, nothing)


def _firsts(classes: Index, nodes: Index) -> Index:
    """The lowest of these nodes in each class."""
    first = np.zeros(int(classes.max(initial=0)) + 1, np.int64)
    first[classes.take(nodes[::-1])] = nodes[::-1]
    return first


def _names(btf: Btf, records: Records) -> tuple[Index, Mask]:
    """By node, the name that it declares or defines, and whether it declares it.

    Names that are only declared, or only defined, are left out: -1.
    """
    types = btf.all_types
    declared = Declared.of(types)
    spaces = np.append(-1, declared.spaces)
    forward = np.append(False, declared.forward)
    texts = np.append(0, records.words.take(records.starts[:-1])).astype(np.int64)
    keys = np.where(spaces >= 0, texts * SPACES + spaces, -1)
    # By name: whether it is declared, and whether it is defined. The last place is that of -1.
    both = np.zeros((2, int(keys.max(initial=0)) + 2), np.bool_)
    both[0, keys[forward]] = True
    both[1, keys[~forward]] = True
    both[:, -1] = False
    keys[~both.all(0).take(keys)] = -1
    return keys, forward & (keys >= 0)


def _resolved(
    btf: Btf, records: Records, graph: Graph, classes: Index, keys: Index, declares: Mask
) -> Images | None:
    """The images when declarations are what they declare."""
    nodes = np.arange(len(records))
    base_end = btf.first_id
    own = nodes >= base_end
    any_first, own_first = _firsts(classes, nodes), _firsts(classes, nodes[base_end:])
    itself = np.append(False, says_itself(btf.all_types))
    # What is in the base as it is stays that, whatever is declared there; but a pointer to what is
    # declared there may have to become one to what is defined here.
    fixed = ~own | itself
    stands = np.where(fixed, any_first.take(classes), own_first.take(classes))
    chosen = (stands == nodes).nonzero()[0]
    numbers = np.zeros(len(nodes), np.int64)
    numbers[chosen] = np.arange(len(chosen))
    here = (stands.take(graph.users) == graph.users).nonzero()[0]
    targets = numbers.take(stands.take(graph.targets.take(here)))
    users = numbers.take(graph.users.take(here))
    part = Graph(graph.labels.take(chosen), users, graph.salts.take(here), targets)
    names = Names(
        keys.take(chosen),
        declares.take(chosen),
        (keys % SPACES == ENUM_SPACE).take(chosen),
        own.take(chosen),
        itself.take(chosen),
    )
    settled = settle(part, names)
    referred = np.zeros(len(records.targets), np.int64)
    means = np.where(names.own.take(users), settled.stands_for.take(targets), targets)
    referred[here] = settled.classes.take(means)
    by_node = np.zeros(len(nodes), np.int64)
    by_node[chosen] = settled.classes
    if not records.holds(by_node, chosen, referred):
        return None
    return _chosen(settled, chosen, numbers.take(stands), base_end)


def _chosen(settled: Settled, chosen: Index, numbers: Index, base_end: int) -> Images:
    """What stands for each type of a container, when that is settled for some nodes."""
    kept = (settled.stands_for == np.arange(len(chosen))).nonzero()[0]
    first = _firsts(settled.classes, kept)
    to = chosen.take(first.take(settled.classes.take(settled.stands_for)))
    meant = to.take(numbers)
    below = np.arange(base_end)
    stays = settled.stands_for.take(numbers[:base_end]) == numbers[:base_end]
    meant[:base_end] = np.where(stays, below, meant[:base_end])
    found = meant.copy()
    found[:base_end] = below
    ambiguous = np.unique(found.take(chosen.take(settled.ambiguous)))
    return Images(found, meant, ambiguous, np.unique(found.take(chosen.take(settled.guessed))))
