"""How far work on many files is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from btfschema.cli.answers import asked_for_json
from btfschema.cli.outputs import echo
from btfschema.cli.terminal import BAR, PAGER, console, is_dumb, is_terminal

if TYPE_CHECKING:
    from btfschema.cli.bar import Bar

__all__ = ["Progress"]

# A line of progress, where there is no bar, for so many parts of the work.
STEPS = 10
# A bar is drawn anew after so many seconds.
REDRAW = 0.1


class Progress:
    """Says on stderr how many of the files are done.

    While there is one, nothing goes through a pager.

    Args:
        total: how many files there are.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._bar: Bar | None = None
        self._drawn = time.monotonic()
        context = click.get_current_context(silent=True)
        self._meta = context.meta if context is not None else {}
        if PAGER in self._meta:
            self._meta[PAGER].refuse()
        self._meta[BAR] = self
        if is_terminal(sys.stderr) and not is_dumb():
            self._bar = self._drawing()

    def _drawing(self) -> Bar:
        from btfschema.cli.bar import Bar

        # It is drawn by steps alone: no thread disturbs processes that are forked.
        bar = Bar(
            console=console(sys.stderr),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task("", total=self.total)
        bar.start()
        return bar

    def resumed(self, count: int) -> None:
        """So many were done by a run before; what is left is told by those of this one."""
        self.done = count
        if not asked_for_json():
            echo(f"{count:,} of {self.total:,} files were done already", err=True)
        if self._bar is not None:
            self._bar.reset(self._bar.task_ids[0], completed=count)

    def step(self) -> None:
        """One more file is done."""
        self.done += 1
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])
            if time.monotonic() >= self._drawn + REDRAW:
                self._drawn = time.monotonic()
                self._bar.refresh()
        elif self._is_step() and not asked_for_json():
            click.echo(f"{self.done} of {self.total}", err=True)

    def _is_step(self) -> bool:
        """Whether a line is due."""
        return self.done * STEPS // self.total > (self.done - 1) * STEPS // self.total

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while something else is printed."""
        if self._bar is None:
            yield
            return
        self._bar.live.transient = True
        self._bar.stop()
        yield
        self._bar.start()

    def close(self) -> None:
        """End the bar's line."""
        self._meta.pop(BAR, None)
        if self._bar is not None:
            self._bar.live.transient = False
            self._bar.stop()
