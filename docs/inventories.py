"""Where other projects document the names that ours mentions, from ``inventories/*.txt``.

The build fetches nothing: a line there is a name, its role and its place on that project's site.
"""

from __future__ import annotations

import zlib
from pathlib import Path

__all__ = ["SITES", "write_inventories"]

SITES = {
    "numpy": "https://numpy.org/doc/stable/",
    "python": "https://docs.python.org/3/",
}


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write each list as Sphinx's intersphinx reads it.

    Returns:
        The mapping for its ``intersphinx_mapping``.
    """
    mapping = {}
    for project, site in SITES.items():
        rows = (line.split() for line in (folder / f"{project}.txt").read_text().splitlines())
        body = "".join(f"{name} {role} 1 {place} -\n" for name, role, place in rows)
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        path = folder / f"{project}.inv"
        path.write_bytes(head.encode() + zlib.compress(body.encode()))
        mapping[project] = (site, str(path.relative_to(folder.parent)))
    return mapping
