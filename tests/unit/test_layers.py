"""The house rules that a reader can't see in one file."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODEC = sorted((ROOT / "btfschema").rglob("*.py"))
PASSES = sorted((ROOT / "transforms").rglob("*.py"))
# Where Construct may be imported: the declarations, and what runs them.
CONSTRUCT = {"roles", "kinds", "plan", "engines", "ext", "elfheaders", "elfsections", "constructs"}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every ``from module import name``; the name is empty for ``import``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("path", CODEC, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_codec_imports_no_pass_and_keeps_construct_in_its_place(path: Path) -> None:
    modules = {module.partition(".")[0] for module, _ in imports(path)}
    assert "btfschema_transforms" not in modules
    assert "construct" not in modules or path.stem in CONSTRUCT


@pytest.mark.parametrize("path", PASSES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_passes_use_public_names_only(path: Path) -> None:
    for module, name in imports(path):
        if module == "btfschema" or module.startswith("btfschema."):
            assert name in importlib.import_module(module).__all__, f"{module}.{name}"
        assert "construct" not in module


@pytest.mark.parametrize("path", [*CODEC, *PASSES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.Assert), f"assert at line {node.lineno}"
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno <= 60, node.name


# Where kinds may be listed outside of the schema, and why.
LISTS = {
    "btfschema/questions/spelling.py": "C's words for the qualifiers",
    "btfschema/render/c/declare.py": "C's words and where C writes each declarator",
    "btfschema/render/graph.py": "shapes of nodes",
    "btfschema/render/notation.py": "bpftool's words for fields",
    "btfschema/render/show.py": "what C declares by name without a definition",
    "btfschema/render/single.py": "what C declares by name without a definition",
    "btfschema/testing/valid.py": "a generator of BTF that kernels load: their rules, kind by kind",
    "btfschema/testing/values.py": "fields of views that are no words of the schema's",
    "btfschema/verification/kernels.py": "what a kernel asks of one kind",
    "btfschema/verification/placement.py": "what a kernel asks of one kind",
    "btfschema/verification/records.py": "what a kernel asks of one kind",
    "btfschema/verification/references.py": "what a kernel asks of one kind",
    "btfschema/verification/visits.py": "what a kernel asks of one kind",
    "transforms/btfschema_transforms/relocation/cnames.py": "C's words",
}


def lists_of_kinds(path: Path) -> Iterator[bool]:
    """True for each place that lists two kinds or more."""
    for node in ast.walk(ast.parse(path.read_text())):
        items: list[ast.expr] = []
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = node.elts
        elif isinstance(node, ast.Dict):
            items = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.MatchOr):
            items = [one.value for one in node.patterns if isinstance(one, ast.MatchValue)]
        named = [one for one in items if isinstance(one, ast.Attribute)]
        if sum(isinstance(one.value, ast.Name) and one.value.id == "Kind" for one in named) > 1:
            yield True


def test_what_a_kind_is_stands_in_the_schema() -> None:
    listing = {
        str(path.relative_to(ROOT))
        for path in [*CODEC, *PASSES]
        if "schema" not in path.parts[-2:-1] and any(lists_of_kinds(path))
    }
    assert listing == set(LISTS)
