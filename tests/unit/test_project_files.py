"""What stands in several of the project's files is the same in each; their links lead somewhere."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import btfschema.errors

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_version_is_one() -> None:
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_workflow_tries_each_python_that_is_declared() -> None:
    declared = {
        word.rsplit(" ", 1)[1]
        for word in PROJECT["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", word)
    }
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    tried = re.search(r"python: \[(.*)\]", workflow)
    assert tried is not None

    assert declared <= set(re.findall(r"[\d.]+", tried[1]))


def test_the_page_of_errors_has_every_error() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    errors = [
        name
        for name, each in inspect.getmembers(btfschema.errors, inspect.isclass)
        if issubclass(each, BaseException) and each.__module__ == "btfschema.errors"
    ]
    assert len(errors) > 15

    assert [name for name in errors if name not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    if "_build" in page.parts or page.parent.name == "api":
        pytest.skip("made by the build of the documentation")
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    lost = [
        link
        for link in LINK.findall(text)
        if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists()
    ]

    assert lost == []
