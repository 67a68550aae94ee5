"""Puts man pages, made from the commands' help, into wheels."""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface[Any]):
    """Runs ``docs/man_pages.py`` on the commands of the source tree."""

    PLUGIN_NAME = "man-pages"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages; an editable install has none."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        root = Path(self.root)
        path = list(sys.path)
        sys.path.insert(0, str(root))
        try:
            make = runpy.run_path(str(root / "docs" / "man_pages.py"))["write_man_pages"]
            for page in make(Path(self._folder.name), self.metadata.version):
                build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"
        finally:
            sys.path[:] = path

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them: they are in the wheel."""
        if version != "editable":
            self._folder.cleanup()
