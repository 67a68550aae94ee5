"""The library reference: every public name is on it, on a page of its task."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "".join(path.read_text() for path in sorted((DOCS / "reference").glob("*.md")))
# Names that stand for themselves, and modules with the options they are shown with.
NAMED = set(re.findall(r":: (btfschema\.[\w.]+)", TEXT)) | {
    f"{match[2]}.{name}"
    for match in re.finditer(r"py:data:: ((?:\w+\n +)+):module: ([\w.]+)", TEXT)
    for name in match[1].split()
}
MODULES = {
    match[1]: dict(re.findall(r"   :([\w-]+): ?(.*)", match[2]))
    for match in re.finditer(r"automodule:: ([\w.]+)\n((?:   :.*\n)*)", TEXT)
}
# By the table of stable names at the top.
DOORS = re.findall(r"^\| `(btfschema[\w.]*)` \|", TEXT, re.MULTILINE)


def is_shown(door: str, name: str) -> bool:
    """Whether a name is on one of the pages, by itself or with its module."""
    found = getattr(importlib.import_module(door), name)
    if getattr(found, "__name__", "") in MODULES:
        return True
    homes = {door, getattr(found, "__module__", door)}
    for one in NAMED - MODULES.keys():
        module, _, last = one.rpartition(".")
        if last == name and (module == door or module in homes):
            return True
        if last == name and getattr(sys.modules.get(module), name, None) is found:
            return True
    for module in homes & MODULES.keys():
        options = MODULES[module]
        listed = re.findall(r"\w+", options.get("members", ""))
        hidden = re.findall(r"\w+", options.get("exclude-members", ""))
        if "no-members" not in options and name not in hidden and (not listed or name in listed):
            return True
    return False


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_is_documented(door: str) -> None:
    names = importlib.import_module(door).__all__
    assert [name for name in names if not is_shown(door, name)] == []


def test_each_task_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    pages = importlib.import_module("api_pages")
    index = pages.split_pages(DOCS / "reference" / "api.md", tmp_path / "api")
    entries = re.findall(r"^api/(.+)$", index, re.MULTILINE)
    assert sorted(entries) == sorted(path.stem for path in (tmp_path / "api").iterdir())
    assert len(entries) > 9
    looking_up = (tmp_path / "api" / "looking-up-and-asking.md").read_text()
    assert looking_up.startswith("# Looking up and asking\n")
    assert "](../../guide/cookbook.md)" in looking_up
