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
