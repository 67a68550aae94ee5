"""How the documentation is built: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_pages import split_pages  # noqa: E402
from inventories import write_inventories  # noqa: E402
from rules_tables import write_rules  # noqa: E402
from schema_tables import write_tables  # noqa: E402

write_rules(HERE / "reference" / "rules-tables.md")
write_tables(HERE / "reference" / "schema-tables.md")
API_INDEX = split_pages(HERE / "reference" / "api.md", HERE / "reference" / "api")

project = "btfschema"
copyright = "2026, btfschema contributors"  # noqa: A001 - Sphinx's own name
release = version = version_of("btfschema")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "reference/rules-tables.md", "reference/schema-tables.md"]
smartquotes = False
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["words.css"]
html_title = f"btfschema {release}"
# Names of Python and numpy link to their documentation; the build fetches nothing for that.
intersphinx_mapping = write_inventories(HERE / "inventories")
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}
nitpicky = False
# "type" in an annotation is Python's own; attributes of that name are none of its business.
suppress_warnings = ["ref.python"]


def show_index(app: Any, docname: str, source: list[str]) -> None:
    """The sections of the library reference have pages of their own; it is their index."""
    if docname == "reference/api":
        source[0] = API_INDEX.replace("VERSION", release)


def skip_fields(app: Any, what: str, name: str, obj: object, skip: bool, options: Any) -> Any:
    """Leave out the fields of named tuples, which their docstrings describe."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("source-read", show_index)
