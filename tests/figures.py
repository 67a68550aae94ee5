"""Draws the docs' screenshots of the page of ``diff`` anew, light and dark: run it by hand.

``python tests/figures.py docs/figures`` needs Chromium, and the vmlinux files of tests/data.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from test_cli_check import browse

from btfschema import loads
from btfschema.cli.diff_page import DiffPage
from btfschema.questions import diff
from btfschema.render.html import Foot
from conftest import unxz

__all__ = ["draw"]

DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
NAMES = "vmlinux-cloud.btf", "vmlinux-generic.btf"


def draw(folder: Path) -> None:
    """Write ``diff.png`` and ``diff-dark.png``, with struct device opened."""
    found = diff(*(loads(unxz(f"{name}.xz")) for name in NAMES))
    page = DiffPage(*NAMES)
    page.add("", found)
    made = page.made([], Foot("btfschema diff"))
    opened = '<details data-name="device"'
    assert made.count(opened) == 1
    with tempfile.TemporaryDirectory() as scratch:
        shown = Path(scratch) / "page.html"
        shown.write_text(made.replace(opened, '<details open data-name="device"'))
        for name, options in (("diff", ()), ("diff-dark", DARK)):
            picture = f"--screenshot={(folder / name).with_suffix('.png')}"
            browse(shown, picture, "--window-size=1100,860", "--hide-scrollbars", *options)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
