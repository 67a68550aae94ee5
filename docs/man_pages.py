"""Man pages of all commands, from their help: what the wheel has under share/man/man1.

``python docs/man_pages.py DIR`` writes them, and so does building a wheel (``hatch_build.py``).
It needs click, attrs and click-man, and btfschema on the path.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click
from click_man.man import ManPage

__all__ = ["man_pages", "write_man_pages"]

# What stands before a paragraph of a help text that keeps its lines.
KEEP = "\b"


def man_pages(version: str, date: str | None = None) -> Iterator[tuple[str, str]]:
    """The file's name and the text of each page.

    Args:
        version: btfschema's.
        date: ``YYYY-MM-DD``; SOURCE_DATE_EPOCH, else today, by default.
    """
    from btfschema.cli import COMMANDS, cli

    root = click.Context(cli, info_name="btfschema")
    page = _page(root, version, date)
    page.short_help = "read, check and transform BTF, the BPF Type Format"
    page.commands = [(name, _roff(text)) for name, (_, text) in COMMANDS.items()]
    yield "btfschema.1", str(page)
    for name, (_, text) in COMMANDS.items():
        command = cli.get_command(root, name)
        if command is not None:
            page = _page(click.Context(command, info_name=name, parent=root), version, date)
            page.short_help = _roff(text.rstrip("."))
            yield f"btfschema-{name}.1", str(page)


def _page(ctx: click.Context, version: str, date: str | None) -> ManPage:
    page = ManPage(ctx.command_path)
    page.version = version
    page.synopsis = " ".join(ctx.command.collect_usage_pieces(ctx))
    page.description = _described(cleandoc(ctx.command.help or ""))
    options = [one for one in ctx.command.get_params(ctx) if isinstance(one, click.Option)]
    records = [option.get_help_record(ctx) for option in options]
    page.options = [(option, _roff(text)) for option, text in filter(None, records)]
    if date is not None:
        page.date = date
    return page


def _described(text: str) -> str:
    """A help text: its paragraphs, and its examples line by line."""
    found = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(KEEP):
            lines = paragraph.removeprefix(KEEP).strip("\n")
            found.append(f".nf\n{_roff(lines)}\n.fi")
        else:
            found.append(_roff(paragraph))
    return "\n\n".join(found)


def _roff(text: str) -> str:
    """Text that troff prints as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub("^(?=[.'])", "\\\\&", text, flags=re.MULTILINE)


def write_man_pages(folder: Path, version: str, date: str | None = None) -> list[Path]:
    """Write the pages; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in man_pages(version, date):
        path = folder / name
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    from importlib.metadata import version

    write_man_pages(Path(sys.argv[1]), version("btfschema"))
