"""The rows of the "coming from" pages: what stands in the cells of a table."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).parent.parent / "docs" / "coming-from"
ROW = re.compile(r"^\| (.*) \|$")


def rows(page: str) -> list[list[str]]:
    """The cells of all rows of all tables of a page whose last cell or first is code; code bare."""
    found = []
    for line in (PAGES / f"{page}.md").read_text().splitlines():
        match = ROW.match(line)
        cells = re.split(r" (?<!\\)\| ", match[1]) if match else [""]
        if cells[0].startswith("`") or cells[-1].startswith("`"):
            found.append([code(cell) for cell in cells])
    return found


def code(cell: str) -> str:
    """The cell without its backticks and escapes, if it is one piece of code."""
    inside = re.fullmatch(r"`([^`]*)`", cell)
    return inside[1].replace("\\|", "|") if inside else cell
