"""The library reference as a page a task, made from the sections of ``reference/api.md``."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["sections_of", "split_pages"]

INTRO = """\
# Library reference

A page for each task, as of version VERSION. {ref}`genindex` lists every name; {doc}`changelog` says
what is new in each version. A name without a version has been there since 0.1.0.

```{toctree}
:maxdepth: 1

"""


def sections_of(text: str) -> dict[str, str]:
    """The sections of a page by their titles, in order."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def split_pages(source: Path, folder: Path) -> str:
    """Write each section of a page into a page of its own; what is the same is not written anew.

    Returns:
        The page that takes the place of all of them.
    """
    folder.mkdir(exist_ok=True)
    entries = []
    for title, text in sections_of(source.read_text()).items():
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        # A level up, and links from a directory further down.
        page = f"# {title}\n{text}".replace("\n### ", "\n## ").replace("](", "](../")
        page = page.replace("](../http", "](http")
        path = folder / f"{slug}.md"
        if not path.exists() or path.read_text() != page:
            path.write_text(page)
        entries.append(f"{folder.name}/{slug}")
    return INTRO + "\n".join(entries) + "\n```\n"
