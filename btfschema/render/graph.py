"""What a type leads to, or what leads to it, as a graph: Graphviz, Mermaid or SVG."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from btfschema.arguments import require_choice
from btfschema.errors import BtfError
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.finding import id_of
from btfschema.schema.kinds import Kind, Kinds
from btfschema.schema.parts import Parts, parts_of_plan

if TYPE_CHECKING:
    from btfschema.model.views import TypeView

__all__ = ["Direction", "Edge", "Graph", "GraphvizError", "neighbourhood"]

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
        by_pointer: whether a pointer or a function is on the way, so that the target is not part of
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
        title: what stands above the drawing, or "".
    """

    nodes: dict[int, str]
    kinds: Mapping[int, int]
    edges: tuple[Edge, ...]
    left_out: int = 0
    title: str = ""

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
        title = _escape(self.title)
        named = f'"{title}"' if title else "btf"
        lines = [f"digraph {named} {{", "  rankdir=LR;", '  node [fontname="monospace"];']
        if title:
            lines.append(f'  label="{title}"; labelloc=t; fontname="sans-serif";')
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
        lines = ["---", f"title: {_yaml(self.title)}", "---"] if self.title else []
        lines.append("graph LR")
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


Direction = Literal["out", "in", "both"]


def neighbourhood(
    btf: Btf,
    type_id: TypeView | int | str,
    depth: int = 1,
    limit: int = 300,
    *,
    by_value: bool = False,
    direction: Direction = "out",
    where: str = "",
) -> Graph:
    """The types that one leads to, or that lead to it, in so many steps.

    Pointers, arrays, qualifiers and functions' prototypes are ways to a type and no steps, and
    members of anonymous structs and unions count as their owner's; integers and floats are left
    out.

    Args:
        btf: the container.
        type_id: where to start: a view, an id or a name.
        depth: steps from there.
        limit: how many types to take at most, the nearest first.
        by_value: take only parts, not what a pointer or a function refers to.
        direction: ``"out"`` for what the type leads to, ``"in"`` for what leads to it.
        where: what the container is called in the title, such as ``vmlinux-6.12``; "" for no title.

    Raises:
        ValueError: ``direction`` is something else.
        LookupError: there is no such type.
    """
    require_choice("direction", direction, Direction)
    type_id = id_of(btf, type_id)
    nodes: dict[int, str] = {type_id: _name(btf, type_id)}
    edges: dict[tuple[int, int, bool], dict[str, None]] = {}
    refused: set[int] = set()
    for way in ("out", "in"):
        ring = [type_id] if direction in (way, "both") else []
        for _ in range(depth):
            following = []
            for name, source, target, by_pointer in _around(btf, ring, way):
                if by_value and by_pointer:
                    continue
                found = target if way == "out" else source
                if found not in nodes:
                    if len(nodes) >= limit:
                        refused.add(found)
                        continue
                    nodes[found] = _name(btf, found)
                    following.append(found)
                names = edges.setdefault((source, target, by_pointer), {})
                if name:
                    names[name] = None
            ring = following
    kinds = {node: btf[node].kind for node in nodes}
    drawn = tuple(Edge(*ends, tuple(names)) for ends, names in edges.items())
    title = f"{nodes[type_id]} in {where}" if where else ""
    return Graph(nodes, kinds, drawn, len(refused), title)


def _around(btf: Btf, ring: Sequence[int], way: str) -> Iterator[tuple[str, int, int, bool]]:
    """The references from some types, or to them: a name, both ends, and whether by a pointer."""
    for one in ring:
        if way == "out":
            for name, target, by_pointer in _references(btf, one):
                yield name, one, target, by_pointer
            continue
        for source in _referrers(btf, one):
            for name, target, by_pointer in _references(btf, source):
                if target == one:
                    yield name, source, target, by_pointer


def _referrers(btf: Btf, target: int) -> list[int]:
    """The types that have a type as a step, in order."""
    kinds = parts_of_plan(btf.types.plan)
    found: set[int] = set()
    seen, pending = set[int](), [target]
    while pending:
        for source in btf.relations.referring(pending.pop()).tolist():
            if source in seen:
                continue
            seen.add(source)
            view = btf[source]
            if view.kind in _steps(kinds) or _is_inside(view, kinds):
                pending.append(source)
            users = btf.relations.referring(source).tolist() if _is_inside(view, kinds) else []
            # Behind a pointer, a type without a name is a node too.
            by_value = users and all(btf[one].kind not in kinds.pointers for one in users)
            if view.kind not in _steps(kinds) and not by_value:
                found.add(source)
    return sorted(found)


def _steps(kinds: Parts) -> frozenset[int]:
    """What is a part of an edge and no node."""
    wrapping = kinds.arrays | kinds.qualifiers | kinds.type_tags
    return kinds.pointers | kinds.prototypes | wrapping


def _is_inside(view: Any, kinds: Parts) -> bool:
    """Whether a type is drawn inside of its owner, where a member has it by value."""
    return view.kind in kinds.composites and not view.name


def _references(btf: Btf, source: int) -> Iterator[tuple[str, int, bool]]:
    """The types that one refers to: by which name, their id, and whether by a pointer."""
    kinds = parts_of_plan(btf.types.plan)
    by_pointer_kinds = kinds.pointers | kinds.prototypes
    # Numbers are everywhere and lead nowhere.
    left_out = kinds.scalars | {Kind.VOID}
    # Anonymous structs that were opened; what damaged BTF lets hold itself is opened once.
    opened = {source}
    named = _named(btf[source])[::-1]
    while named:
        name, start = named.pop()
        # A prototype is the only step with several ways on.
        todo, seen = [(start, False)], set()
        while todo:
            target, by_pointer = todo.pop()
            if target in seen:
                continue
            seen.add(target)
            step = btf[target]
            if step.kind in _steps(kinds):
                further = by_pointer or step.kind in by_pointer_kinds
                ways = [step.references[0]] if step.kind in kinds.arrays else step.references
                todo += [(way, further) for way in reversed(ways)]
            elif not by_pointer and _is_inside(step, kinds):
                if target not in opened:
                    opened.add(target)
                    before = f"{name}." if name else ""
                    inner = [(f"{before}{one}".rstrip("."), way) for one, way in _named(step)]
                    named += reversed(inner)
            elif step.kind not in left_out:
                yield name, target, by_pointer


def _named(view: Any) -> list[tuple[str, int]]:
    """What a record refers to, with the names of members."""
    parts = getattr(view, "members", None) or getattr(view, "variables", None)
    if parts is not None:
        return [(getattr(part, "name", ""), part.type_id) for part in parts]
    return [("", target) for target in view.references]


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


def _yaml(text: str) -> str:
    """Text as a string of YAML, which Mermaid's titles are."""
    return json.dumps(printable(text))
