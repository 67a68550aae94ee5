"""Types that are equal but for that one knows a declaration where the other knows a definition."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from attrs import frozen

from btfschema.arrays import Index, Mask, bounds_of, ranges
from btfschema_transforms.sameness.hashing import Hashes, order_of
from btfschema_transforms.sameness.partition import Graph, Partition

__all__ = ["Evidence", "Names", "Ways"]


# So many steps for each node may be spent on comparing types that differ by a declaration.
STEPS_A_NODE = 4
LEAST_STEPS = 1 << 16


@frozen(eq=False)
class Names:
    """The names that some nodes declare and others define.

    Attributes:
        keys: by node, the number of the name that it declares or defines, or -1.
        forward: by node, whether it only declares it.
        guess: by node, whether a declaration means the first definition where nothing tells which.
        own: by node, whether its references may lead elsewhere than they do.
        says_itself: by node, whether it says more than what it refers to.
    """

    keys: Index
    forward: Mask
    guess: Mask
    own: Mask
    says_itself: Mask


@frozen(eq=False)
class Ways:
    """The ways through a graph that looking for evidence takes; worked out once for it.

    Attributes:
        bounds: by node, where its references start, and where the last one's end.
        users: the nodes that refer to each node, node after node.
        user_bounds: where those of each node start.
        by_label: the nodes that say something themselves, by label.
        labels: the labels of these.
    """

    bounds: Index
    users: Index
    user_bounds: Index
    by_label: Index
    labels: Hashes

    @classmethod
    def of(cls, graph: Graph, names: Names) -> Ways:
        """Work them out."""
        number = len(graph.labels)
        saying = names.says_itself.nonzero()[0]
        by_label = saying.take(np.argsort(graph.labels.take(saying)))
        return cls(
            bounds_of(np.bincount(graph.users, minlength=number)),
            graph.users.take(order_of(graph.targets)),
            bounds_of(np.bincount(graph.targets, minlength=number)),
            by_label,
            graph.labels.take(by_label),
        )


class Evidence:
    """Looks for types that are equal but for declarations.

    Args:
        graph: the nodes.
        ways: through the graph.
        partition: the nodes' classes so far.
        names: what they declare and define.
        merged: by node, the node that it was found to be the same as; is added to.
        chosen: by name, the definition that its declarations mean; is added to.
    """

    def __init__(
        self,
        graph: Graph,
        ways: Ways,
        partition: Partition,
        names: Names,
        merged: Index,
        chosen: dict[int, int],
    ) -> None:
        self.graph, self.partition, self.names = graph, partition, names
        self.merged, self.chosen = merged, chosen
        self._ways = ways
        self._seen = np.zeros(len(graph.labels), np.bool_)
        self._alike: dict[int, list[int]] = {}
        self._left = STEPS_A_NODE * len(graph.labels) + LEAST_STEPS
        # Items of a memoryview are Python's integers, and quicker to get than numpy's.
        self._class_of = partition.classes.data
        self._keys, self._label_of = names.keys.data, graph.labels.data
        self._target_of = partition.targets.data
        self._is_forward, self._is_own = names.forward.data, names.own.data
        self._first_of = ways.bounds.data

    def search(self, unsure: Index) -> bool:
        """Find evidence, in the order of the nodes, and note it.

        A base's type can't become the one that knows more, but what refers to it can.

        Args:
            unsure: declarations.

        Returns:
            Whether any was found.
        """
        queue = deque(self._leading_to(unsure))
        found = False
        while queue:
            one = queue.popleft()
            pairs = self._matching(one)
            if pairs is None:
                continue
            if self.names.own[one]:
                found = True
                self._note(pairs)
            else:
                queue += self._leading_to(np.array([one]))
        return found

    def _leading_to(self, nodes: Index) -> list[int]:
        """The nodes that say something themselves and lead to these, if they are met first now."""
        ends = self.names.says_itself
        found: list[int] = []
        while len(nodes):
            firsts = self._ways.user_bounds.take(nodes)
            at = ranges(firsts, self._ways.user_bounds.take(nodes + 1) - firsts)
            users = np.unique(self._ways.users.take(at))
            users = users[~self._seen.take(users)]
            self._seen[users] = True
            last = ends.take(users)
            found += users[last].tolist()
            nodes = users[~last]
        return sorted(found)

    def _matching(self, one: int) -> list[tuple[int, int]] | None:
        """The pairs that are equal if ``one`` and the first node that it may equal are."""
        if self.merged[one] == one:
            for other in self._others(one):
                if self.merged[other] == other and self._differ(one, other):
                    pairs = self._equal(one, other)
                    if pairs is not None:
                        return pairs
        return None

    def _others(self, one: int) -> Iterator[int]:
        """The first node of each class whose nodes say the same themselves."""
        label = int(self.graph.labels[one])
        known = self._alike.get(label)
        if known is None:
            wanted, labels = self.graph.labels[one], self._ways.labels
            first, last = (labels.searchsorted(wanted, side) for side in ("left", "right"))
            nodes = self._ways.by_label[first:last]
            _, firsts = np.unique(self.partition.classes.take(nodes), return_index=True)
            known = self._alike[label] = np.sort(nodes.take(firsts)).tolist()
        yield from known

    def _differ(self, one: int, other: int) -> bool:
        return self._class_of[one] != self._class_of[other]

    def _equal(self, one: int, other: int) -> list[tuple[int, int]] | None:
        """The pairs of nodes that are taken for equal when these two are; None: they are not."""
        keys, labels, forward = self._keys, self._label_of, self._is_forward
        assumed: dict[tuple[int, int], None] = {}
        stack = [(one, other, True)]
        means: dict[int, int] = {}
        while stack:
            mine, yours, free = stack.pop()
            if not self._differ(mine, yours) or (mine, yours) in assumed:
                continue
            self._left -= 1
            if self._left < 0:
                return None
            assumed[mine, yours] = None
            key = keys[mine]
            if key >= 0 and key == keys[yours] and (forward[mine] or forward[yours]):
                if not self._declares(mine, yours, free, means):
                    return None
                continue
            if labels[mine] != labels[yours]:
                return None
            free = bool(self._is_own[yours])
            targets = zip(self._targets(mine), self._targets(yours), strict=True)
            stack += [(mine, yours, free) for mine, yours in targets]
        return list(assumed)

    def _declares(self, mine: int, yours: int, free: bool, means: dict[int, int]) -> bool:
        """Whether one of two nodes declares what the other defines, and may mean it.

        Args:
            mine: of the type that is to become the other.
            yours: of the other.
            free: whether what refers to ``yours`` may refer to something else.
            means: the definitions that were decided on; is added to.
        """
        if self._is_forward[mine]:
            return not self._is_forward[yours]
        # The one that stays knows less: what it declares must mean this definition for all.
        key = self._keys[yours]
        known = self.chosen.get(key, means.setdefault(key, mine))
        return free and not self._differ(known, mine)

    def _targets(self, node: int) -> list[int]:
        return self._target_of[self._first_of[node] : self._first_of[node + 1]].tolist()

    def _note(self, pairs: list[tuple[int, int]]) -> None:
        names = self.names
        for mine, yours in pairs:
            if names.forward[mine]:
                self.chosen.setdefault(int(names.keys[mine]), yours)
            elif names.forward[yours]:
                self.chosen.setdefault(int(names.keys[yours]), mine)
            elif names.says_itself[mine] and names.own[mine]:
                mine, yours = self._root(mine), self._root(yours)
                if mine != yours:
                    self.merged[mine] = yours

    def _root(self, node: int) -> int:
        while self.merged[node] != node:
            node = int(self.merged[node])
        return node
