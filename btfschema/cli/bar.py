"""A bar on a terminal, by Rich; imported where one is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import RenderableType
from rich.progress import Progress, Task
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

__all__ = ["Bar"]

# How many characters a bar takes at most; where there are fewer than the least, there is none.
WIDTH, LEAST_WIDTH = 36, 8
# Hours are not told by the minute.
MOST_MINUTES = 100


class Bar(Progress):
    """How far the work is, in one line of any terminal, however narrow it is."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The line."""
        for task in self.tasks:
            yield self._line(task, self.console.width - 1)

    def _line(self, task: Task, columns: int) -> RenderableType:
        total = f"{int(task.total or 0):,}"
        counts = f"{int(task.completed):>{len(total)},} of {total}"
        width = min(WIDTH, columns - len(f" {counts}, 00:00 left"))
        if width < LEAST_WIDTH:
            return Text(counts if len(counts) <= columns else "")
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(
            total=task.total,
            completed=task.completed,
            width=width,
            complete_style="green",
            finished_style="green",
        )
        grid.add_row(bar, Text(f"{counts}{_left(task)}", no_wrap=True))
        return grid


def _left(task: Task) -> str:
    """How long the rest takes when it goes on as it did."""
    if task.finished or task.time_remaining is None:
        return ""
    minutes, seconds = divmod(math.ceil(task.time_remaining), 60)
    return f", {minutes}:{seconds:02} left" if minutes < MOST_MINUTES else ""
