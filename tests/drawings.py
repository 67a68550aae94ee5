"""The docs' drawings as SVG, each in light and in dark: their shapes, words and colours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from html import escape
from pathlib import Path

__all__ = ["DARK", "Drawing", "draw_all"]

ROOT = Path(__file__).parents[1]
LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2a3a",
    "faint": "#52677a",
    "line": "#5b7083",
    "cool": "#eaf1f7",
    "warm": "#fbeee6",
    "good": "#dff0e2",
    "deep": "#c3d9ec",
    "glow": "#f4d6c4",
    "strong": "#b4491f",
}
DARK = {
    "paper": "#1a1c1e",
    "ink": "#e3e8ee",
    "faint": "#a9b8c6",
    "line": "#8fa3b5",
    "cool": "#22384c",
    "warm": "#4a3123",
    "good": "#24452b",
    "deep": "#345f85",
    "glow": "#78462a",
    "strong": "#ff9d6e",
}
# What a row of the architecture page says: a package, and those that it builds on.
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", re.MULTILINE)
# The packages that a file passes through, and what each makes of it.
FLOW = [
    [
        ("sources", "finds the BTF in a file"),
        ("codec", "bytes to tables"),
        ("model", "a container"),
    ],
    [("framework", "runs passes"), ("transforms", "rewrite columns"), ("model", "a new container")],
    [
        ("verification", "checks, if asked"),
        ("codec", "tables to bytes"),
        ("sources", "the one writer"),
    ],
]


class Drawing:
    """Boxes, arrows and words of one size, in the colours of a palette."""

    def __init__(self, width: int, height: int, title: str, colours: Mapping[str, str]) -> None:
        self.colours = colours
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
            ' font-family="system-ui, sans-serif" font-size="15">',
            f"<title>{escape(title)}</title>",
            *(self._head(colour) for colour in ("line", "strong")),
            f'<rect width="{width}" height="{height}" rx="8" fill="{colours["paper"]}"/>',
        ]

    def _head(self, colour: str) -> str:
        return (
            f'<marker id="{colour}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z"'
            f' fill="{self.colours[colour]}"/></marker>'
        )

    def text(
        self, x: int, y: int, words: str, colour: str = "ink", *, anchor: str = "middle"
    ) -> None:
        """Words; a star before them makes them bold."""
        bold = ' font-weight="600"' if words.startswith("*") else ""
        self.parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}"{bold}'
            f' fill="{self.colours[colour]}">{escape(words.removeprefix("*"))}</text>'
        )

    def box(self, x: int, y: int, width: int, height: int, colour: str, *lines: str) -> None:
        """A box with lines of text in its middle."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"'
            f' fill="{self.colours[colour]}" stroke="{self.colours["line"]}"/>'
        )
        top = y + height // 2 - 11 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.text(x + width // 2, top + 22 * number, line)

    def arrow(self, path: str, colour: str = "line", *, dashed: bool = False) -> None:
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{self.colours[colour]}" stroke-width="2"'
            f'{dashes} marker-end="url(#{colour})"/>'
        )

    def made(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def split(colours: Mapping[str, str]) -> str:
    """A module's ids go on where its base's end."""
    drawing = Drawing(720, 270, "Split BTF over its base", colours)
    drawing.text(20, 30, "*vmlinux (base)", anchor="start")
    base = [(20, 70, "1", "INT"), (90, 80, "2", "CONST"), (170, 150, "93", "STRUCT list_head")]
    for x, width, number, words in [*base, (320, 70, "94", "PTR"), (390, 50, "...", "")]:
        colour = "deep" if number == "93" else "cool"
        drawing.box(x, 42, width, 56, colour, *filter(None, (number, words)))
    drawing.text(440, 120, "ids 1 to 107,331", "faint", anchor="end")
    drawing.text(700, 152, "*nf_tables (split)", anchor="end")
    drawing.box(430, 164, 150, 56, "glow", "107,332", "STRUCT nft_table")
    drawing.box(580, 164, 80, 56, "warm", "107,333", "PTR")
    drawing.box(660, 164, 40, 56, "warm", "...")
    drawing.arrow("M480 164C460 130 300 150 246 101", "strong")
    drawing.text(90, 168, "member list: type_id=93", "strong", anchor="start")
    drawing.text(700, 248, "ids continue at 107,332; so do string offsets", "faint", anchor="end")
    return drawing.made()


def distill(colours: Mapping[str, str]) -> str:
    """What distill writes when a module is built, and relocate makes of it later."""
    drawing = Drawing(760, 350, "Distill, then relocate", colours)
    for x, words in ((115, "is built"), (380, "is shipped"), (645, "is loaded")):
        drawing.text(x, 28, f"*The module {words}")
    then = "*vmlinux, then", "[93] list_head, 16", "[301] device, 760", "and 107,329 others"
    now = "*vmlinux, now", "[17] device, 760", "[88] list_head, 16", "and many others"
    drawing.box(20, 50, 190, 120, "cool", *then)
    drawing.box(550, 50, 190, 120, "cool", *now)
    drawing.box(290, 78, 180, 92, "good", "*.BTF.base", "[1] list_head, 16", "[2] device, 760")
    drawing.box(20, 226, 190, 70, "warm", "*.BTF", "refers to 93 and 301")
    drawing.box(290, 226, 180, 70, "warm", "*.BTF", "refers to 1 and 2")
    drawing.box(550, 226, 190, 70, "warm", "*BTF in the kernel", "refers to 88 and 17")
    for x in (115, 380, 645):
        drawing.arrow(f"M{x} 224V174")
    drawing.arrow("M212 262H286")
    drawing.arrow("M472 262H546")
    drawing.arrow("M472 124H546", dashed=True)
    drawing.text(249, 250, "distill")
    drawing.text(509, 250, "relocate")
    drawing.text(509, 92, "by name,")
    drawing.text(509, 112, "kind, size")
    drawing.text(380, 332, "An arrow up means: split over.", "faint")
    return drawing.made()


def flow(colours: Mapping[str, str]) -> str:
    """The way of a file through the packages, into a container, through passes, and out."""
    drawing = Drawing(760, 330, "How a file flows through the packages", colours)
    for row, (label, rooms) in enumerate(zip(("read", "change", "write"), FLOW, strict=True)):
        y = 20 + 105 * row
        drawing.text(14, y + 40, f"*{label}", anchor="start")
        for column, (package, job) in enumerate(rooms):
            x = 90 + 230 * column
            drawing.box(x, y, 180, 70, ("cool", "good", "warm")[row], f"*{package}", job)
            if column:
                drawing.arrow(f"M{x - 50} {y + 35}H{x - 4}")
        if row:
            drawing.arrow(f"M640 {y - 35}V{y - 18}H180V{y - 4}")
    return drawing.made()


def rooms(colours: Mapping[str, str]) -> str:
    """The packages, each above those that it builds on; what follows from others is left out."""
    page = (ROOT / "docs" / "reference" / "architecture.md").read_text()
    below = {name: set(re.findall(r"\w+", on)) for name, on in ROW.findall(page)}
    lines = [f'"{name}"' for name in below]
    for name, others in below.items():
        implied = {far for other in others for far in _all_below(below, other)}
        lines += [f'"{name}" -> "{other}"' for other in sorted(others - implied)]
    line, ink = colours["line"], colours["ink"]
    style = (
        f'bgcolor="{colours["paper"]}"; nodesep=0.15; ranksep=0.4; fontname="sans-serif";'
        f'node [shape=box, style="rounded,filled", fillcolor="{colours["cool"]}", color="{line}",'
        f' fontcolor="{ink}", fontname="sans-serif", fontsize=15]; edge [color="{line}"];'
    )
    graph = f"digraph rooms {{ {style} {'; '.join(lines)} }}"
    done = subprocess.run(["dot", "-Tsvg"], input=graph.encode(), capture_output=True, check=True)
    return re.sub(r"<!--.*?-->\n?", "", done.stdout.decode(), flags=re.DOTALL)


def _all_below(below: Mapping[str, set[str]], name: str) -> set[str]:
    """The packages that one builds on, itself or by way of others."""
    return below[name] | {far for other in below[name] for far in _all_below(below, other)}


def draw_all(folder: Path) -> None:
    """Write each drawing as ``NAME.svg`` and ``NAME-dark.svg``."""
    for drawing in (split, distill, flow, rooms):
        for suffix, colours in (("", LIGHT), ("-dark", DARK)):
            (folder / f"{drawing.__name__}{suffix}.svg").write_text(drawing(colours))
