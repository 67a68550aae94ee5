"""Tables that people read: plain text, wrapped at words where a terminal is too narrow."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import click
from attrs import field, frozen

from btfschema.cli.outputs import echo, ready
from btfschema.cli.terminal import colours, columns, console, is_terminal
from btfschema.escapes import printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["Table"]

# A longer table is printed as text though it is wider than the terminal: wrapping takes time.
MOST_WRAPPED = 2000
# Between two columns.
GAP = "  "
# A column of words is never narrower than this, if its words are not.
WORD = 10


@frozen
class Table:
    """Rows below each other.

    Attributes:
        heads: what the columns are called; no line of heads when all are empty.
        rows: the cells' text, of any characters.
        right: the columns that are aligned to the right, numbers, counted from 0.
        least: the least width of some columns.
        gap: what stands between two columns in plain text.
        styles: by a cell's text, its colour.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[int] = ()
    least: Mapping[int, int] = field(factory=dict)
    gap: str = GAP
    styles: Mapping[str, str] = field(factory=dict)

    def __str__(self) -> str:
        """Plain text; the last column is as long as it is."""
        return "\n".join(self._lines(colour=False))

    def show(self, *, err: bool = False) -> None:
        """Print it: wrapped at words where a terminal is too narrow for it."""
        ready(err=err)
        stream = sys.stderr if err else sys.stdout
        wraps = is_terminal(stream) and len(self.rows) <= MOST_WRAPPED
        if wraps and max(map(len, self._lines(colour=False)), default=0) > columns():
            screen = console(stream)
            narrow = self.upright() if self._least_width() > columns() else self
            screen.print(narrow._wrapped())
            return
        if text := "\n".join(self._lines(colour=colours(stream))):
            echo(text, err=err, styled=True)

    def upright(self) -> Table:
        """The same for a very narrow terminal: a line for each cell, after its head."""
        rows = []
        for number, row in enumerate(self.rows):
            rows += [("", "")] * bool(number) + list(zip(self.heads, row, strict=True))
        return Table(("", ""), rows, styles=self.styles)

    def _least_width(self) -> int:
        """Of columns of numbers all of it, of others a word."""
        columns = list(zip(self.heads, *self._cells(), strict=True))
        widths = [
            max(map(len, column)) if number in self.right else min(WORD, max(map(len, column)))
            for number, column in enumerate(columns)
        ]
        return sum(widths) + len(GAP) * (len(widths) - 1)

    def _cells(self) -> list[list[str]]:
        return [[printable(cell) for cell in row] for row in self.rows]

    def _lines(self, *, colour: bool) -> list[str]:
        cells = self._cells()
        lines = [list(self.heads), *cells] if any(self.heads) else cells
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for number, least in self.least.items():
            widths[number : number + 1] = [max(least, one) for one in widths[number : number + 1]]
        found = []
        for index, line in enumerate(lines):
            texts = [
                text.rjust(width) if number in self.right else text.ljust(width)
                for number, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            texts[-1:] = [text.rstrip() for text in texts[-1:]]
            if colour:
                bold = index == 0 and any(self.heads)
                texts = [self._styled(text, bold=bold) for text in texts]
            found.append(self.gap.join(texts).rstrip())
        return found

    def _styled(self, text: str, *, bold: bool) -> str:
        style = self.styles.get(text.strip())
        return click.style(text, bold=bold or None, fg=style) if bold or style else text

    def _wrapped(self) -> RichTable:
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, show_header=any(self.heads))
        for number, head in enumerate(self.heads):
            right = number in self.right
            table.add_column(
                head,
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=right,
                header_style="bold",
            )
        for row in self._cells():
            table.add_row(*(Text(cell, self.styles.get(cell, "")) for cell in row))
        return table
