"""What a type leads to, as a graph: Graphviz, Mermaid or SVG."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from btfschema.errors import BtfError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.schema.kinds import Kind, Kinds
from btfschema.schema.parts import parts_of_plan

__all__ = ["Edge", "Graph", "GraphvizError", "neighbourhood"]

# An edge says so many of the names that it stands for.
NAMES_SHOWN = 3

SHAPES: dict[int, str] = {
    Kind.STRUCT: "box",
    Kind.UNION: "box",
    Kind.ENUM: "note",
    Kind.ENUM64: "note",
    Kind.TYPEDEF: "oval",
}


class GraphvizError(BtfError):
    """Graphviz is not installed, or could not draw."""


@frozen
class Edge:
    """One type refers to another.

    Attributes:
        source: the type that refers.
        target: the type that is referred to.
        by_pointer: whether a pointer or a function is on the way, so that the target is no part of
            the source.
        names: the members or parameters that refer; several when they do so alike.
    """

    source: int
    target: int
    by_pointer: bool
    names: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        """The names in short."""
        more = len(self.names) - NAMES_SHOWN
        shown = ", ".join(self.names[:NAMES_SHOWN])
        return f"{shown}, {more} more" if more > 0 else shown


@frozen
class Graph:
    """Types and how they refer to each other.

    Attributes:
        nodes: what each type is called, by id, the first one in the middle of the graph.
        kinds: their kinds, by id.
        edges: the references between them.
        left_out: how many types were found and not taken, since there were too many.
    """

    nodes: dict[int, str]
    kinds: dict[int, int]
    edges: tuple[Edge, ...]
    left_out: int = 0

    def as_dict(self, kinds: Kinds) -> dict[str, Any]:
        """The graph as data for JSON.

        Args:
            kinds: the container's, which have the kinds' names.
        """
        nodes = [
            {"id": one, "kind": kinds.name(self.kinds[one]), "name": name}
            for one, name in self.nodes.items()
        ]
        edges = [
            {
                "source": edge.source,
                "target": edge.target,
                "by_pointer": edge.by_pointer,
                "names": list(edge.names),
            }
            for edge in self.edges
        ]
        return {"nodes": nodes, "edges": edges, "left_out": self.left_out}

    def dot(self) -> str:
        """Graphviz source: dashed edges go by a pointer, solid ones are parts."""
        lines = ["digraph btf {", "  rankdir=LR;", '  node [fontname="monospace"];']
        for type_id, name in self.nodes.items():
            shape = SHAPES.get(self.kinds[type_id], "plain")
            lines.append(f'  t{type_id} [label="{_escape(name)}", shape={shape}];')
        for edge in self.edges:
            style = ", style=dashed" if edge.by_pointer else ""
            label = _escape(edge.label)
            lines.append(f'  t{edge.source} -> t{edge.target} [label="{label}"{style}];')
        return "\n".join([*lines, "}"]) + "\n"

    def mermaid(self) -> str:
        """Mermaid source, with the same meaning."""
        lines = ["graph LR"]
        lines += [f'  t{type_id}["{_entities(name)}"]' for type_id, name in self.nodes.items()]
        for edge in self.edges:
            arrow = "-.->" if edge.by_pointer else "-->"
            label = f'|"{_entities(edge.label)}"|' if edge.label else ""
            lines.append(f"  t{edge.source} {arrow}{label} t{edge.target}")
        return "\n".join(lines) + "\n"

    def svg(self) -> str:
        """A drawing by Graphviz.

        Raises:
            GraphvizError: it is not installed, or failed.
        """
        program = shutil.which("dot")
        if program is None:
            raise GraphvizError(
                "drawing SVG needs Graphviz's program dot, which is not installed; "
                "the formats dot and mermaid need nothing",
                expected="dot on the PATH (Debian's package graphviz)",
            )
        done = subprocess.run(
            [program, "-Tsvg"], input=self.dot(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise GraphvizError(f"Graphviz failed: {done.stderr.strip()}", got=done.returncode)
        return done.stdout


def neighbourhood(
    btf: Btf, type_id: int, depth: int = 1, limit: int = 300, *, by_value: bool = False
) -> Graph:
    """The types that one leads to in so many steps.

    Pointers, arrays, qualifiers and functions' prototypes are ways to a type and no steps;
    integers and floats are left out.

    Args:
        btf: the container.
        type_id: where to start.
        depth: steps from there.
        limit: how many types to take at most, the nearest first.
        by_value: take only parts, not what a pointer or a function refers to.

    Raises:
        TypeIdError: there is no such id.
    """
    nodes: dict[int, str] = {type_id: _name(btf, type_id)}
    edges: dict[tuple[int, int, bool], dict[str, None]] = {}
    refused: set[int] = set()
    ring = [type_id]
    for _ in range(depth):
        following = []
        for source in ring:
            for name, target, by_pointer in _references(btf, source):
                if by_value and by_pointer:
                    continue
                if target not in nodes:
                    if len(nodes) >= limit:
                        refused.add(target)
                        continue
                    nodes[target] = _name(btf, target)
                    following.append(target)
                names = edges.setdefault((source, target, by_pointer), {})
                if name:
                    names[name] = None
        ring = following
    kinds = {node: btf[node].kind for node in nodes}
    found = tuple(Edge(*ends, tuple(names)) for ends, names in edges.items())
    return Graph(nodes, kinds, found, len(refused))


def _references(btf: Btf, source: int) -> Iterable[tuple[str, int, bool]]:
    """The types that one refers to: by which name, their id, and whether by a pointer."""
    view = btf[source]
    kinds = parts_of_plan(btf.types.plan)
    # What is a step of an edge and no node; and numbers, which are everywhere and lead nowhere.
    by_pointer_kinds = kinds.pointers | kinds.prototypes
    steps = by_pointer_kinds | kinds.arrays | kinds.qualifiers | kinds.type_tags
    left_out = kinds.scalars | {Kind.VOID}
    parts = getattr(view, "members", None) or getattr(view, "variables", None)
    if parts is not None:
        named = [(getattr(part, "name", ""), part.type_id) for part in parts]
    else:
        named = [("", target) for target in view.references]
    for name, start in named:
        # A prototype is the only step with several ways on.
        todo, seen = [(start, False)], set()
        while todo:
            target, by_pointer = todo.pop()
            if target in seen:
                continue
            seen.add(target)
            step = btf[target]
            if step.kind in steps:
                further = by_pointer or step.kind in by_pointer_kinds
                ways = [step.references[0]] if step.kind in kinds.arrays else step.references
                todo += [(way, further) for way in reversed(ways)]
            elif step.kind not in left_out:
                yield name, target, by_pointer


def _name(btf: Btf, type_id: int) -> str:
    view = btf[type_id]
    name = getattr(view, "name", "")
    kind = "enum" if view.kind == Kind.ENUM64 else btf.kinds.name(view.kind).lower()
    if view.kind == Kind.TYPEDEF:
        return str(name)
    if type_id == 0:
        return kind
    return f"{kind} {name}" if name else f"anonymous {kind} [{type_id}]"


def _escape(text: str) -> str:
    """Text inside a quoted string of Graphviz."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _entities(text: str) -> str:
    """Text inside a quoted string of Mermaid."""
    return printable(text).replace("#", "#35;").replace('"', "#quot;")
