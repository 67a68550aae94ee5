"""Whether output is seen on a terminal, how wide that is, and whether it shows colour.

Rich is imported when something is drawn there that plain text can't do: a table that is too wide,
a bar.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["BAR", "COLOUR", "PAGER", "colours", "columns", "console", "is_dumb", "is_terminal"]

# Where a context keeps what --color says.
COLOUR = "btfschema.color"
# Where a context keeps the bar that is shown.
BAR = "btfschema.bar"
# Where a context keeps the pager.
PAGER = "btfschema.pager"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether what is written here is seen on a terminal, be it by way of a pager."""
    context = click.get_current_context(silent=True)
    pager = context.meta.get(PAGER) if context is not None else None
    if pager is not None and stream is sys.stdout and pager.is_running:
        return True
    return stream is not None and stream.isatty()


def is_dumb() -> bool:
    """Whether the terminal can't move its cursor or show colour."""
    return os.environ.get("TERM", "dumb") == "dumb"


def colours(stream: TextIO | None, choice: str | None = None) -> bool:
    """Whether to write colour: ``--color``, else NO_COLOR, else FORCE_COLOR, else the terminal.

    Args:
        stream: where to.
        choice: ``auto``, ``always`` or ``never``; what the command was given, by default.
    """
    if choice is None:
        context = click.get_current_context(silent=True)
        choice = context.meta.get(COLOUR, "auto") if context is not None else "auto"
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return is_terminal(stream) and not is_dumb()


def columns() -> int:
    """How wide the terminal is: COLUMNS, or what it says itself."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        try:
            found = os.get_terminal_size(stream.fileno()).columns
        except (AttributeError, OSError, ValueError):
            # Closed, or not of the system.
            continue
        if found:
            return found
    return 80


def console(stream: TextIO) -> Console:
    """Rich's view of a terminal; it changes nothing in what it is given to print."""
    from rich.console import Console

    class Still(Console):
        """Leaves the cursor visible, since what is killed can't show it again."""

        def show_cursor(self, show: bool = True) -> bool:
            return False

    return Still(
        file=stream,
        width=columns(),
        force_terminal=True,
        color_system="auto" if colours(stream) else None,
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
