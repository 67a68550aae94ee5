"""Draws all of the docs' pictures anew: run it by hand.

``PYTHONPATH=.:transforms:tests python tests/figures.py docs/figures`` needs Chromium and Graphviz,
and takes the kernels and modules of tests/data. Pages are drawn light and dark, and one as wide as
a telephone.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from html import escape
from pathlib import Path

import drawings
from browser import browse
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from screen import in_terminal
from shell import btfschema

from btfschema import loads
from btfschema.cli.diff_page import DiffPage
from btfschema.questions import diff
from btfschema.render.html import Foot

__all__ = ["draw"]

DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
NAMES = "vmlinux-6.12-cloud.btf", "vmlinux-6.12-generic.btf"
DATA = "vmlinux-cloud.btf.xz", "vmlinux-generic.btf.xz"
CHECK = ["check", "--all", "modules", "-B", NAMES[0], "-T", NAMES[1], "-T", NAMES[0]]
DISTILL = ["distill", "--all", "modules", "-B", NAMES[0], "--out-dir", "distilled"]
COLUMNS = 100
HERE = Path(__file__).parent / "data"

TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
body { margin: 0; background: #14181e; color: #d7dce2 }
pre { margin: 0; padding: 18px 22px; font: 14px/1.35 "DejaVu Sans Mono", monospace }
</style><pre>{code}</pre>"""


def draw(folder: Path) -> None:
    """Write all pictures."""
    drawings.draw_all(folder)
    with _kernels():
        btfschema(
            *CHECK, "--html", "check.html", "--quiet", env={"SOURCE_DATE_EPOCH": "1767225600"}
        )
        check = Path("check.html").read_text()
        opened = _opened(check, "device")
        _picture(opened, folder / "check.png", 1000, 700)
        _picture(opened, folder / "check-dark.png", 1000, 700, *DARK)
        # Modules alone, on a telephone.
        start, end = check.index('<h2 id="types">'), check.index("<h2>Modules")
        _framed(check[:start] + check[end:], folder / "check-modules.png", 400, 860)
        _terminal(folder / "terminal.png")
        _session(folder / "show.png", [["show", "kiocb", NAMES[0]]])
        _core(folder)
        graph = ["graph", "struct file", NAMES[0], "--by-value", "--depth", "2", "--format", "svg"]
        drawn = btfschema(*graph).stdout.decode()
        (folder / "graph.svg").write_text(drawn)
        (folder / "graph-dark.svg").write_text(_darkened(drawn))
    _diff(folder)


def _unxz(name: str) -> bytes:
    return lzma.decompress((HERE / name).read_bytes())


@contextmanager
def _kernels() -> Iterator[None]:
    """A directory with two kernels and the modules of one; one module is damaged."""
    with tempfile.TemporaryDirectory() as scratch, chdir(scratch):
        for name, data in zip(NAMES, DATA, strict=True):
            Path(name).write_bytes(_unxz(data))
        with tarfile.open(fileobj=io.BytesIO(_unxz("modules-cloud.tar.xz"))) as archive:
            archive.extractall("modules", filter="data")
        yield


def _terminal(picture: Path) -> None:
    """Two commands on a tree, one of whose files is damaged."""
    Path("modules/damaged.btf").write_bytes(bytes.fromhex("9feb0100ff000000") + bytes(32))
    _session(picture, [DISTILL, CHECK])


def _session(picture: Path, commands: list[list[str]]) -> None:
    """Commands and what they print on a terminal."""
    # The commands run where they are found, and find the package here.
    env = {"NO_COLOR": "", "PYTHONPATH": os.pathsep.join(sys.path), "SOURCE_DATE_EPOCH": "0"}
    printed = ""
    for command in commands:
        typed = " ".join(command).replace(" -T", " \\\n      -T", 1)
        printed += f"\x1b[1m$ btfschema {typed}\x1b[0m\n"
        printed += f"{_settled(in_terminal(COLUMNS, *command, env=env)[0])}\n"
    console = Console(record=True, file=io.StringIO(), width=COLUMNS, force_terminal=True)
    console.print(Text.from_ansi(printed.rstrip("\n")), soft_wrap=True)
    code = console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")
    made = TERMINAL.replace("{code}", code)
    _picture(made, picture, COLUMNS * 17 // 2 + 44, 19 * (printed.count("\n") + 1))


def _settled(text: str) -> str:
    """What is left of text, with its colours, when lines were erased and written over."""
    lines = [""]
    for part in re.findall("\x1b\\[[?0-9;]*[A-Za-z]|[^\x1b]", text):
        if part == "\n":
            lines.append("")
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif re.fullmatch("\x1b\\[\\d*A", part):
            del lines[-int(part[2:-1] or 1) :]
        elif part != "\r":
            lines[-1] += part
    return "\n".join(lines)


def _darkened(drawing: str) -> str:
    """What Graphviz drew black on white, in the colours of our own dark drawings."""
    drawing = drawing.replace("<text ", '<text fill="black" ')
    for was, colour in (("white", drawings.DARK["paper"]), ("black", drawings.DARK["ink"])):
        drawing = drawing.replace(f'"{was}"', f'"{colour}"')
    return drawing


def _core(folder: Path) -> None:
    objects = ("inode_times", "iov_iter", "kernfs_parent", "loginuid", "fields")
    for name in objects:
        target = Path(f"{name}.bpf.o")
        target.write_bytes((HERE / "core" / "objects" / target.name).read_bytes())
    targets = ("-T", NAMES[0], "-T", NAMES[1])
    names = [f"{name}.bpf.o" for name in objects]
    btfschema("core", *names, *targets, "--html", "core.html", "--quiet")
    page = Path("core.html").read_text()
    _picture(page, folder / "core.png", 1000, 600)
    _picture(page, folder / "core-dark.png", 1000, 600, *DARK)


def _diff(folder: Path) -> None:
    """Write ``diff.png`` and ``diff-dark.png``, with struct device opened."""
    page = DiffPage(*NAMES)
    page.add("", diff(*(loads(_unxz(name)) for name in DATA)))
    made = _opened(page.made([], Foot("btfschema diff")), "device")
    _picture(made, folder / "diff.png", 1000, 700)
    _picture(made, folder / "diff-dark.png", 1000, 700, *DARK)


def _opened(page: str, name: str) -> str:
    """A page with the entry of this name opened."""
    folded = f'<details data-name="{name}"'
    if page.count(folded) != 1:
        raise ValueError(f"{name} has {page.count(folded)} entries")
    return page.replace(folded, folded.replace("details", "details open"))


def _framed(page: str, picture: Path, width: int, height: int) -> None:
    """Draw a page that is narrower than any window."""
    style = f"border: 0; width: {width}px; height: {height}px"
    frame = f'<iframe style="{style}" srcdoc="{escape(page)}"></iframe>'
    body = f'<!DOCTYPE html><body style="margin: 0">{frame}</body>'
    _picture(body, picture, width, height)


def _picture(page: str, picture: Path, width: int, height: int, *options: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        shown = Path(scratch) / "page.html"
        shown.write_text(page)
        size = f"--window-size={width},{height}"
        browse(shown, f"--screenshot={picture}", size, "--hide-scrollbars", *options)


if __name__ == "__main__":
    draw(Path(sys.argv[1]).resolve())
