"""The coarsest classes in which equal nodes refer to equal ones.

A node has a label, and references in places of its own. All nodes of one label start in one class;
a class is split as long as its members refer to different classes. What is split tells those that
refer to it, so that only classes that still change are looked at: of the parts of a class the
largest keeps its name, so a node changes its name log n times at most, and the whole takes
E log n steps for E references, however long the chains are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arrays import Index, bounds_of, distinct, heads, ranges
from btfschema_transforms.sameness.hashing import Hashes, grouped, mix, mixed, order_of, sums

__all__ = ["Graph", "Partition"]

# Rounds over all nodes, before only what changed is looked at. Later rounds cost several times as
# much for each node, but there are few left: of a kernel's types some hundreds.
ROUNDS = 4


@frozen(eq=False)
class Graph:
    """Nodes, and what they refer to.

    Attributes:
        labels: by node, a hash; equal nodes have equal ones, and references at the same places.
        users: for each reference, the node that has it; ascending.
        salts: for each reference, a hash of its place in the node.
        targets: for each reference, the node that it leads to.
    """

    labels: Hashes
    users: Index
    salts: Hashes
    targets: Index

    def sums(self, tags: Hashes) -> tuple[Index, Hashes]:
        """The nodes that refer to something, and for each a hash of the tags that it refers to."""
        if not len(self.users):
            return self.users, self.salts
        firsts = heads(self.users).nonzero()[0]
        values = tags.take(self.targets)
        values ^= self.salts
        return self.users.take(firsts), sums(mix(values), firsts)


class Partition:
    """Classes of a graph's nodes, which are split until equal nodes refer to equal ones.

    Args:
        graph: the nodes.

    Attributes:
        classes: by node, the number of its class: 0, 1, ... in no order.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.targets = graph.targets.copy()
        labels = _along_chains(graph)
        left, references = _not_alone(graph, labels)
        before = tags = labels
        for _ in range(ROUNDS):
            before, tags = tags, labels.copy()
            users, referred = left.sums(before)
            tags[users] = mix(tags[users] + referred)
        self._number(before, tags)
        self._sums = np.zeros(len(labels), np.uint64)
        users, referred = left.sums(self._tags.take(self.classes))
        self._sums[users] = referred
        self._marks = np.zeros(len(labels), np.bool_)
        moved = self._moved.take(self.classes).take(left.targets)
        self._index(references)
        self._settle(distinct(left.users[moved]))

    def _number(self, before: Hashes, tags: Hashes) -> None:
        """Number the classes, from the hashes of the last two rounds.

        A class keeps the hash of the one before that it is the largest part of.
        """
        count = len(tags)
        self._order = grouped(tags)
        ordered = tags.take(self._order)
        is_head = heads(ordered)
        self._count = int(is_head.sum())
        self.classes = np.empty(count, np.int64)
        self.classes[self._order] = is_head.cumsum() - 1
        self._places = np.empty(count, np.int64)
        self._places[self._order] = np.arange(count)
        starts = is_head.nonzero()[0]
        # Of each class: where it starts in the order, how many nodes it has, what it is called.
        self._starts = np.zeros(count, np.int64)
        self._starts[: self._count] = starts
        self._sizes = np.zeros(count, np.int64)
        self._sizes[: self._count] = np.diff(np.append(starts, count))
        parents = before.take(self._order.take(starts))
        keeps = _largest(parents, self._sizes[: self._count])
        self._tags = np.zeros(count, np.uint64)
        self._tags[: self._count] = np.where(keeps, parents, ordered.take(starts))
        self._moved = ~keeps

    def _index(self, references: Index) -> None:
        """Order the references by what they lead to; of those alone in their class none is left."""
        several = self._sizes.take(self.classes) > 1
        users, targets = self.graph.users.take(references), self.targets.take(references)
        chosen = references[several.take(users) & several.take(targets)]
        self._by_target = chosen.take(order_of(self.targets.take(chosen)))
        counts = np.bincount(self.targets.take(chosen), minlength=len(self.classes))
        self._firsts = bounds_of(counts)

    def retarget(self, references: Index, targets: Index) -> None:
        """Let references lead elsewhere; no nodes may become equal by this that were not.

        Args:
            references: numbers of the graph's.
            targets: for each a node without references of its own.
        """
        olds = self._tags.take(self.classes.take(self.targets.take(references)))
        self.targets[references] = targets
        self._settle(self._changed(references, olds))

    def _settle(self, affected: Index) -> None:
        """Split the classes of nodes whose references changed, and so on until nothing changes."""
        while len(affected):
            nodes, olds = self._split(affected)
            counts = self._firsts.take(nodes + 1) - self._firsts.take(nodes)
            at = self._by_target.take(ranges(self._firsts.take(nodes), counts))
            olds = olds.repeat(counts)
            still = self.targets.take(at) == nodes.repeat(counts)
            affected = self._changed(at[still], olds[still])

    def _changed(self, references: Index, olds: Hashes) -> Index:
        """Take note that references lead to what was called otherwise; the nodes that have them."""
        salts = self.graph.salts.take(references)
        news = self._tags.take(self.classes.take(self.targets.take(references)))
        differences = mixed(news ^ salts)
        differences -= mixed(olds ^ salts)
        users = self.graph.users.take(references)
        np.add.at(self._sums, users, differences)
        return distinct(users)

    def _split(self, affected: Index) -> tuple[Index, Hashes]:
        """Part nodes that refer to something new from the rest of their classes, and by what it is.

        Returns:
            The nodes that are in a new class, and what the old one is called.
        """
        affected = affected[self._sizes.take(self.classes.take(affected)) > 1]
        classes, keys = self.classes.take(affected), self._sums.take(affected)
        order = np.lexsort((keys, classes))
        affected, classes, keys = affected.take(order), classes.take(order), keys.take(order)
        if not len(affected):
            return affected, keys
        new_class = heads(classes)
        is_head = new_class | heads(keys)
        at = new_class.nonzero()[0]
        touched = classes.take(at)
        counts = np.diff(np.append(at, len(classes)))
        firsts = self._starts.take(touched)
        self._to_front(affected, firsts, counts)
        # The parts: equal ones among the affected, and what is left of each class.
        part_at = is_head.nonzero()[0]
        part_sizes = np.diff(np.append(part_at, len(classes)))
        number = new_class.cumsum() - 1
        part_of = number.take(part_at)
        part_starts = firsts.take(part_of) + part_at - at.take(part_of)
        rests = self._sizes.take(touched) - counts
        left = rests.nonzero()[0]
        owners = np.concatenate([part_of, left])
        starts = np.concatenate([part_starts, (firsts + counts).take(left)])
        sizes = np.concatenate([part_sizes, rests.take(left)])
        return self._rename(touched, owners, starts, sizes)

    def _to_front(self, nodes: Index, firsts: Index, counts: Index) -> None:
        """Move nodes, given by class, to where the order of their classes starts."""
        fronts = ranges(firsts, counts)
        occupants = self._order.take(fronts)
        self._marks[nodes] = True
        displaced = occupants[~self._marks.take(occupants)]
        self._marks[nodes] = False
        places = self._places.take(nodes)
        vacated = places[places >= (firsts + counts).repeat(counts)]
        self._order[vacated] = displaced
        self._places[displaced] = vacated
        self._order[fronts] = nodes
        self._places[nodes] = fronts

    def _rename(
        self, touched: Index, owners: Index, starts: Index, sizes: Index
    ) -> tuple[Index, Hashes]:
        """Let the largest part of each class keep its number, and give new ones to the others."""
        keeps = _largest(owners, sizes)
        kept = keeps.nonzero()[0]
        keepers = touched.take(owners.take(kept))
        self._starts[keepers] = starts.take(kept)
        self._sizes[keepers] = sizes.take(kept)
        others = (~keeps).nonzero()[0]
        news = self._count + np.arange(len(others))
        self._count += len(others)
        olds = self._tags.take(touched.take(owners.take(others)))
        starts, sizes = starts.take(others), sizes.take(others)
        self._starts[news], self._sizes[news] = starts, sizes
        self._tags[news] = mixed(olds + news.astype(np.uint64))
        nodes = self._order.take(ranges(starts, sizes))
        self.classes[nodes] = news.repeat(sizes)
        return nodes, olds.repeat(sizes)


def _largest(owners: npt.NDArray[np.integer], sizes: Index) -> npt.NDArray[np.bool_]:
    """For each part, whether it is the largest of its owner's; just one is."""
    order = np.lexsort((sizes, owners))
    ordered = owners.take(order)
    last = np.ones(len(owners), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    found = np.zeros(len(owners), np.bool_)
    found[order[last]] = True
    return found


def _not_alone(graph: Graph, labels: Hashes) -> tuple[Graph, Index]:
    """The graph without the references of nodes that no other node is like; what is left of them.

    Such a node is alone in its class from the start, whatever it refers to.
    """
    order = grouped(labels)
    ordered = labels.take(order)
    alike = ordered[1:] == ordered[:-1]
    several = np.zeros(len(labels), np.bool_)
    several[order[1:][alike]] = True
    several[order[:-1][alike]] = True
    left = several.take(graph.users).nonzero()[0]
    users, targets = graph.users.take(left), graph.targets.take(left)
    return Graph(labels, users, graph.salts.take(left), targets), left


def _along_chains(graph: Graph) -> Hashes:
    """Labels that tell what lies at the end of a chain, and how far away.

    Where of a node's references just one leads to a node that has some itself, what follows is a
    chain. Its labels are hashed over 2, 4, 8, ... steps, so that a chain as long as the file, or a
    circle, takes a few rounds.
    """
    count = len(graph.labels)
    users, referred = graph.sums(graph.labels)
    labels = graph.labels.copy()
    labels[users] = mixed(labels[users] + referred)
    has_references = np.zeros(count, np.bool_)
    has_references[users] = True
    inner = has_references.take(graph.targets)
    fans = np.bincount(graph.users[inner], minlength=count)
    following = np.arange(count)
    following[graph.users[inner]] = graph.targets[inner]
    on_chain = fans == 1
    following[~on_chain] = (~on_chain).nonzero()[0]
    active = on_chain.nonzero()[0]
    steps = 1
    while len(active) and steps < 2 * count:
        nexts = following.take(active)
        hashes = mixed(labels.take(nexts) + np.uint64(steps))
        hashes += labels.take(active)
        ends = on_chain.take(nexts)
        targets = following.take(nexts)
        labels[active] = mixed(hashes)
        following[active] = targets
        active = active[ends]
        steps *= 2
    return labels
