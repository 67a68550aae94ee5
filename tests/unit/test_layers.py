"""The house rules that a reader can't see in one file."""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from btfschema import Kind

ROOT = Path(__file__).parents[2]
CODEC = sorted((ROOT / "btfschema").rglob("*.py"))
PASSES = sorted((ROOT / "transforms").rglob("*.py"))
# Where Construct may be imported, and why. Structs of sources are declared in a module of headers.
HEADERS = re.compile(r"btfschema/sources/\w*headers\.py")
CONSTRUCT = {
    "btfschema/schema/kinds.py": "declares BTF",
    "btfschema/schema/plan.py": "reads the declarations",
    "btfschema/schema/roles.py": "the words that declarations are made of",
    "btfschema/codec/engines.py": "runs them, and words what Construct raises",
    "btfschema/model/ext.py": "records of .BTF.ext, whose length each section says",
    "btfschema/values/constructs.py": "gives users a Construct of a BTF type",
}

# The doors that most programs need no more than.
EVERYDAY = ("btfschema.framework", "btfschema.render", "btfschema.testing")


@cache
def parsed(path: Path) -> ast.Module:
    """A module's source as a tree."""
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every ``from module import name``; the name is empty for ``import``."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("path", CODEC, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_codec_imports_no_pass(path: Path) -> None:
    assert "btfschema_transforms" not in {module.partition(".")[0] for module, _ in imports(path)}


def test_construct_is_imported_where_something_is_declared() -> None:
    using = {
        str(path.relative_to(ROOT))
        for path in [*CODEC, *PASSES]
        if any(module.partition(".")[0] == "construct" for module, _ in imports(path))
    }
    assert {name for name in using if not HEADERS.fullmatch(name)} == set(CONSTRUCT)


# The stable names: the reference lists them by the module that anybody may import them from.
REFERENCE = (ROOT / "docs" / "reference" / "api.md").read_text()
DOORS = {
    match[1]: re.findall(r"`(\w+)`", match[2])
    for match in re.finditer(r"^\| `(btfschema[\w.]*)` \|.*?\| (.*) \|$", REFERENCE, re.MULTILINE)
}


@pytest.mark.parametrize("door", DOORS)
def test_the_reference_lists_the_names_of_every_door(door: str) -> None:
    module = importlib.import_module(door)
    assert DOORS[door] == sorted(module.__all__, key=str.lower)
    assert set(DOORS[door]) == set(dir(module)) - {"__version__"}
    # A module of the same name would take the place of what it hides once it is imported.
    inside = getattr(module, "__path__", ())
    assert not set(DOORS[door]) & {one.name for one in pkgutil.iter_modules(inside)}


def test_the_doors_are_few() -> None:
    names = {name for door in ("btfschema", *EVERYDAY) for name in DOORS[door]}
    assert len(names) <= 65
    assert len({name for listed in DOORS.values() for name in listed}) <= 330


@pytest.mark.parametrize("path", PASSES, ids=lambda path: str(path.relative_to(ROOT)))
def test_shipped_passes_use_stable_names_only(path: Path) -> None:
    for module, name in imports(path):
        if module == "btfschema" or module.startswith("btfschema."):
            assert name in DOORS[module], f"{module}.{name}"
        assert "construct" not in module


def test_the_guides_import_stable_names_only() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs" / "guide").glob("*.md")]
    found = [
        (path.name, match[1])
        for path in pages
        for match in re.finditer(r"^from (btfschema[\w.]*) import", path.read_text(), re.MULTILINE)
        if match[1].partition(".")[0] == "btfschema" and match[1] not in DOORS
    ]
    assert found == []


@pytest.mark.parametrize("path", [*CODEC, *PASSES], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    for node in ast.walk(parsed(path)):
        assert not isinstance(node, ast.Assert), f"assert at line {node.lineno}"
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno <= 60, node.name


# Where kinds may be listed outside of the schema, and why.
LISTS = {
    "btfschema/verification/repairs/lowering.py": "what stands for which kind in older kernels",
    "btfschema/questions/spelling.py": "C's words for the qualifiers",
    "btfschema/render/c/declare.py": "C's words and where C writes each declarator",
    "btfschema/render/graph.py": "shapes of nodes",
    "btfschema/render/notation.py": "bpftool's words for fields",
    "btfschema/testing/valid.py": "a generator of BTF that kernels load: their rules, kind by kind",
    "btfschema/verification/kernels.py": "what a kernel asks of one kind",
    "btfschema/verification/records.py": "what a kernel asks of one kind",
    "transforms/btfschema_transforms/relocation/cnames.py": "C's words",
}


def lists_of_kinds(path: Path) -> Iterator[bool]:
    """True for each place that lists two kinds or more."""
    for node in ast.walk(parsed(path)):
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


# Where single kinds are told apart by comparisons, and why.
COMPARISONS = {
    "btfschema/render/c/": "where C writes each declarator, and what bpftool does with each kind",
    "btfschema/render/graph.py": "shapes of nodes",
    "btfschema/render/show.py": "what C declares by name without a definition",
    "btfschema/render/single.py": "what C declares by name without a definition",
    "btfschema/testing/valid.py": "a generator of BTF that kernels load: their rules, kind by kind",
    "btfschema/verification/": "what a kernel asks of one kind",
    "transforms/btfschema_transforms/relocation/cnames.py": "where C writes each declarator",
}


def kinds_compared(path: Path) -> set[str]:
    """The kinds that a module compares something with, by ``==``, ``is``, ``in`` or ``match``."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        sides: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(one, ast.Attribute) and one.attr == "kind" for one in sides):
                # The kind's name does as well.
                texts = [one for side in sides for one in ast.walk(side)]
                found |= {
                    one.value
                    for one in texts
                    if isinstance(one, ast.Constant)
                    and isinstance(one.value, str)
                    and one.value in Kind.__members__
                }
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        for one in sides:
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                found |= {one.attr} & set(Kind.__members__) if one.value.id == "Kind" else set()
    return found


def test_no_chain_of_comparisons_says_what_a_kind_is() -> None:
    chains = {
        name
        for path in [*CODEC, *PASSES]
        if len(kinds_compared(path)) > 1
        for name in [str(path.relative_to(ROOT))]
        if not name.startswith("btfschema/schema/")
    }
    assert {name for name in chains if not name.startswith(tuple(COMPARISONS))} == set()
    assert all(any(name.startswith(one) for name in chains) for one in COMPARISONS)


@pytest.mark.parametrize("path", [*CODEC, *PASSES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_type_checkers_are_told_to_ignore_has_its_reason(path: Path) -> None:
    lines = path.read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.search(r"# (type|pyright): ignore", line):
            # An overload's decorator may stand between the two.
            above = lines[lines.index(line) - 2] if before.lstrip().startswith("@") else before
            assert above.lstrip().startswith("# "), line


def test_arrays_have_one_name_each() -> None:
    """``Index``, ``Mask`` and ``Words`` are those of ``arrays``."""
    named = {
        (path.name, node.targets[0].id)
        for path in [*CODEC, *PASSES]
        for node in parsed(path).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    mine = {"Index", "Mask", "Words"}
    assert {(file, name) for file, name in named if name in mine} == {
        ("arrays.py", name) for name in mine
    }


def test_work_is_remembered_in_one_way() -> None:
    using = {
        path.stem
        for path in [*CODEC, *PASSES]
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "analyses"
    }
    assert using == {"memo"}


# The one table of what may import what: the third column of the page on how it is built.
PAGE = ROOT / "docs" / "reference" / "architecture.md"
ROW = re.compile(r"^\| `(\w+)` \| .* \| ([\w, ]*?) *\|$", re.MULTILINE)
BUILDS_ON = {name: set(re.findall(r"\w+", on)) for name, on in ROW.findall(PAGE.read_text())}

# What goes up: only inside a function, or for a type checker.
UPWARDS = {
    ("model", "values"): "Btf.read and Btf.write are methods; values are made when they are called",
    ("model", "questions"): "Btf.tables is a method; tables are made when it is called",
    ("framework", "verification"): "Pipeline(verify=...) verifies when it is asked to",
}
# Packages in which modules know each other's types, for a type checker only.
COMPANIONS = {
    ("model", "values"): "Btf and its views, and the values that Btf.read returns",
    ("framework",): "a pass and its text; a pipeline and the outcomes of its map",
    ("questions",): "the catalog and how its types are spelled",
}


def module_name(path: Path) -> str:
    root = ROOT if path.is_relative_to(ROOT / "btfschema") else ROOT / "transforms"
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in [*CODEC, *PASSES]}


@cache
def imported(module: str, *, hidden: bool) -> set[str]:
    """The modules that one imports when it is; with ``hidden``, for type checkers too."""
    found, pending = set(), list[ast.stmt](parsed(MODULES[module]).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and (hidden or "TYPE_CHECKING" not in ast.unparse(node.test)):
            pending += [*node.body, *node.orelse]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return (found & MODULES.keys()) - {module}


def circles(*, hidden: bool) -> list[set[str]]:
    """For each module that imports itself by way of others, all that are on its circles."""
    reached = {}
    for start in MODULES:
        found, pending = set[str](), [start]
        while pending:
            fresh = imported(pending.pop(), hidden=hidden) - found
            found |= fresh
            pending += fresh
        reached[start] = found
    return [
        {other for other in found if module in reached[other]}
        for module, found in reached.items()
        if module in found
    ]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(hidden=False) == []


def test_the_circles_of_type_checkers_are_known() -> None:
    rooms = {frozenset(name.split(".")[1] for name in circle) for circle in circles(hidden=True)}
    assert all(any(room <= set(known) for known in COMPANIONS) for room in rooms), rooms
    assert all(any(room <= set(known) for room in rooms) for known in COMPANIONS)


@pytest.mark.parametrize("path", CODEC, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_builds_on_those_that_the_table_says(path: Path) -> None:
    parts = module_name(path).split(".")
    package = parts[1] if len(parts) > 1 else ""
    if package in ("", "__main__", "_doors", "_moved"):
        return
    for module, name in imports(path):
        full = f"{module}.{name}" if module == "btfschema" else module
        other = full.split(".")[1] if full.startswith("btfschema.") else package
        if other not in (package, "_doors"):
            allowed = other in BUILDS_ON[package] or (package, other) in UPWARDS
            assert allowed, f"{package} builds on {other}"


def test_the_table_has_no_arrow_up_and_the_figure_shows_it() -> None:
    figure, above = (ROOT / "docs" / "figures" / "rooms.svg").read_text(), set[str]()
    for package, below in BUILDS_ON.items():
        assert below <= above, f"{package} stands above {below - above}"
        assert f">{package}<" in figure
        above.add(package)


@pytest.mark.parametrize(("package", "other"), UPWARDS)
def test_what_goes_up_is_not_imported_before_it_is_needed(package: str, other: str) -> None:
    for name in MODULES:
        if name.startswith(f"btfschema.{package}"):
            direct = imported(name, hidden=False)
            assert not any(one.startswith(f"btfschema.{other}") for one in direct), name
