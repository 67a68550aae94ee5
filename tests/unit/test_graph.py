"""The neighbourhood of a type: what is a node, what an edge, and how it is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from c_cases import CHAR, COMMON, INT
from hypothesis import given
from shell import as_text
from shell import btfschema as run

from btfschema import Btf, Builder, dump
from btfschema.errors import TypeIdError
from btfschema.render.graph import Edge, Graph, GraphvizError, neighbourhood
from btfschema.testing import btfs
from btfschema.views import (
    Array,
    Const,
    Datasec,
    Enum,
    Enumerator,
    FuncProto,
    Member,
    Param,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Var,
    VarSecinfo,
    Volatile,
)


@pytest.fixture(scope="module")
def btf() -> Btf:
    """A list node (6), its user (9), what the user's function takes (14), and a section (17)."""
    builder = Builder()
    for view in (
        *COMMON,
        Struct("node", 16, [Member("next", 7), Member("prev", 7, 64)]),
        Ptr(6),
        Array(6, INT, 2),
        Struct(
            "user",
            56,
            [
                Member("n", INT),
                Member("nodes", 8, 64),
                Member("call", 11, 320),
                Member("s", 13, 384),
            ],
        ),
        FuncProto(INT, [Param("text", 12), Param("by_value", 14)]),
        Ptr(10),
        Ptr(CHAR),
        Typedef("state_t", 15),
        Struct("argument", 4, [Member("i", INT)]),
        Enum("state", 4, [Enumerator("ON", 1)]),
        Var("counter", 9),
        Datasec(".bss", 56, [VarSecinfo(16, 0, 56)]),
        Const(9),
    ):
        builder.add(view)
    return builder.build()


def test_one_step(btf: Btf) -> None:
    graph = neighbourhood(btf, 9)
    assert graph.nodes == {9: "struct user", 6: "struct node", 14: "struct argument", 13: "state_t"}
    assert graph.edges == (
        Edge(9, 6, False, ("nodes",)),
        Edge(9, 14, True, ("call",)),
        Edge(9, 13, False, ("s",)),
    )


def test_each_step_goes_on_from_what_was_found(btf: Btf) -> None:
    graph = neighbourhood(btf, 9, depth=2)
    assert set(graph.nodes) == {9, 6, 14, 13, 15}
    assert Edge(6, 6, True, ("next", "prev")) in graph.edges
    assert Edge(13, 15, False) in graph.edges
    assert neighbourhood(btf, 9, depth=50) == graph


def test_any_kind_can_be_the_start(btf: Btf) -> None:
    assert set(neighbourhood(btf, 17, depth=2).nodes) == {17, 16, 9}
    assert neighbourhood(btf, 18).edges == (Edge(18, 9, False),)
    assert neighbourhood(btf, INT).nodes == {INT: "int int"}
    assert neighbourhood(btf, 0).nodes == {0: "void"}
    with pytest.raises(TypeIdError):
        neighbourhood(btf, 19)


def test_parts_alone_leave_out_what_pointers_lead_to(cloud: Btf) -> None:
    (start,) = cloud.find_ids("list_head")
    (owner,) = cloud.find_ids("hlist_bl_head")
    assert not neighbourhood(cloud, start, 3, by_value=True).edges
    drawn = neighbourhood(cloud, cloud.find_ids("task_struct")[0], 2, by_value=True)
    assert drawn.edges
    assert not any(edge.by_pointer for edge in drawn.edges)
    assert not neighbourhood(cloud, owner, by_value=True).edges


def test_too_many_types_are_counted(btf: Btf) -> None:
    graph = neighbourhood(btf, 9, limit=2)
    assert (set(graph.nodes), graph.left_out) == ({9, 6}, 2)
    assert {edge.target for edge in graph.edges} == {6}


def test_a_kernel_is_not_walked_for_ever(cloud: Btf) -> None:
    task = cloud.find_ids("task_struct", 4)[0]
    graph = neighbourhood(cloud, task, depth=100, limit=150)
    assert len(graph.nodes) == 150
    assert graph.left_out > 0


def test_dot(btf: Btf) -> None:
    assert neighbourhood(btf, 6).dot() == (
        "digraph btf {\n  rankdir=LR;\n"
        '  node [fontname="monospace"];\n'
        '  t6 [label="struct node", shape=box];\n'
        '  t6 -> t6 [label="next, prev", style=dashed];\n'
        "}\n"
    )


def test_mermaid(btf: Btf) -> None:
    text = neighbourhood(btf, 9, depth=2).mermaid()
    lines = text.splitlines()
    assert lines[0] == "graph LR"
    assert '  t9["struct user"]' in lines
    assert '  t9 -.->|"call"| t14' in lines
    assert "  t13 --> t15" in lines


def test_names_can_not_break_out() -> None:
    graph = Graph({1: 'struct a"];\\'}, {1: 4}, (Edge(1, 1, False, ('x"#',)),))
    assert 't1 [label="struct a\\"];\\\\", shape=box];' in graph.dot()
    assert '-->|"x#quot;#35;"| t1' in graph.mermaid()


def test_many_names_are_cut_short() -> None:
    assert Edge(1, 2, False, ("a", "b", "c", "d", "e")).label == "a, b, c, 2 more"


@pytest.mark.parametrize(("status", "words"), [(0, None), (1, "Graphviz failed: no good")])
def test_svg_is_what_graphviz_draws(
    status: int, words: str | None, btf: Btf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dot"
    program.write_text(f'#!/bin/sh\necho "<svg $1>"; cat; echo no good >&2; exit {status}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    graph = neighbourhood(btf, 6)
    if words is None:
        assert graph.svg() == "<svg -Tsvg>\n" + graph.dot()
    else:
        with pytest.raises(GraphvizError, match=words):
            graph.svg()


def btfschema(*args: str | Path, path: str | None = None) -> Any:
    return as_text(run("graph", *args, env={"PATH": path} if path is not None else None))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, btf: Btf) -> Path:
    path = tmp_path_factory.mktemp("graph") / "types.btf"
    dump(btf, path)
    return path


def test_the_command(btf: Btf, file: Path) -> None:
    done = btfschema("user", file, "--depth", "2", "--format", "mermaid")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == neighbourhood(btf, 9, depth=2, where=file.name).mermaid()
    done = btfschema("struct user", file, "--limit", "2")
    assert done.stdout == neighbourhood(btf, 9, limit=2, where=file.name).dot()
    assert done.stderr == "btfschema: 2 more types left out (--limit 2)\n"


def test_without_graphviz(file: Path, tmp_path: Path) -> None:
    done = btfschema("node", file, "--format", "svg", path=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs Graphviz's program dot, which is not installed" in done.stderr


def test_a_name_of_several_types(tmp_path: Path) -> None:
    builder = Builder()
    again = Typedef("again", 6), Typedef("again", 7)
    for view in (*COMMON, Struct("twice", 4, [Member("i", INT)]), Typedef("twice", 6), *again):
        builder.add(view)
    dump(builder.build(), tmp_path / "twice.btf")
    done = btfschema("twice", tmp_path / "twice.btf")
    assert done.returncode == 1
    assert "2 types are called 'twice': STRUCT \"twice\" [6], TYPEDEF" in done.stderr
    assert done.stderr.endswith("; give a kind or an id\n")
    done = btfschema("again", tmp_path / "twice.btf")
    assert done.stderr.endswith("[9]; give an id\n")
    assert btfschema("typedef twice", tmp_path / "twice.btf").returncode == 0


def test_what_leads_to_a_type(btf: Btf) -> None:
    """Each edge into a type is one that its source has outwards."""
    drawn = neighbourhood(btf, 6, direction="in")
    assert {(edge.source, edge.by_pointer, edge.names) for edge in drawn.edges} == {
        (6, True, ("next", "prev")),
        (9, False, ("nodes",)),
    }
    both = neighbourhood(btf, 9, direction="both")
    outwards, inwards = neighbourhood(btf, 9), neighbourhood(btf, 9, direction="in")
    assert set(both.edges) == {*outwards.edges, *inwards.edges}


STEPS = (Array, Const, FuncProto, Ptr, Restrict, TypeTag, Volatile)


@given(btfs())
def test_in_is_out_backwards(btf: Btf) -> None:
    outwards = {
        edge
        for view in btf
        for edge in neighbourhood(btf, view.id, limit=1000).edges
        if edge.source == view.id
    }
    for view in btf:
        drawn = neighbourhood(btf, view.id, limit=1000, direction="in")
        into = {edge for edge in drawn.edges if edge.target == view.id}
        assert into <= outwards
        # But for anonymous structs, which are drawn in their owners, and for what is not a node.
        wanted = {edge for edge in outwards if edge.target == view.id}
        missing = [btf[edge.source] for edge in wanted - into]
        assert all(isinstance(one, STEPS) or not getattr(one, "name", "") for one in missing)


def test_members_of_anonymous_structs_are_their_owner_s() -> None:
    builder = Builder()
    for view in (
        *COMMON,
        Struct("leaf", 4, [Member("n", INT)]),
        Struct("", 8, [Member("one", 6), Member("two", 6, 32)]),
        Array(7, INT, 2),
        Struct("owner", 40, [Member("", 7), Member("named", 7, 64), Member("many", 8, 128)]),
        Ptr(7),
        Struct("points", 8, [Member("to", 10)]),
    ):
        builder.add(view)
    btf = builder.build()
    drawn = neighbourhood(btf, 9)
    assert drawn.edges == (Edge(9, 6, False, ("one", "two")),)
    assert neighbourhood(btf, 6, direction="in").nodes.keys() == {6, 7, 9}
    # Behind a pointer it is a type of its own.
    assert neighbourhood(btf, 11).nodes.keys() == {11, 7}


def test_titles_are_escaped() -> None:
    drawn = Graph({1: "a"}, {1: 4}, (), title='struct "a\\b" in x')
    assert drawn.dot().startswith('digraph "struct \\"a\\\\b\\" in x" {')
    assert 'title: "struct \\"a\\\\b\\" in x"' in drawn.mermaid()
