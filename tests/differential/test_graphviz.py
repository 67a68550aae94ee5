"""The graph that Graphviz draws."""

from __future__ import annotations

import pytest

from btfschema import Btf, Kind
from btfschema.render.graph import neighbourhood

pytestmark = pytest.mark.debian


def test_svg(cloud: Btf) -> None:
    graph = neighbourhood(cloud, cloud.find("list_lru", Kind.STRUCT).id, depth=2)
    svg = graph.svg()
    assert svg.rstrip().endswith("</svg>")
    assert svg.count('class="node"') == len(graph.nodes) > 5
    assert svg.count('class="edge"') == len(graph.edges)
