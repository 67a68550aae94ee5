"""What a shell completes: kinds, passes, kernels, and names of types from the file at hand.

Each function is a ``shell_complete`` of click. None fails: what can't be read completes nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from btfschema.cli.inputs import RUNNING_KERNEL

if TYPE_CHECKING:
    from btfschema.framework.options import Option
    from btfschema.model.container import Btf

__all__ = ["complete_kernels", "complete_kinds", "complete_names", "complete_passes", "completion"]

# More names than these are not listed: what they go on with is.
MOST = 500
# Parameters that may name the file at hand, the likeliest first, and those that name its base.
FILES, BASES = ("file", "files", "arguments", "new"), ("base_btf",)
KERNELS = (RUNNING_KERNEL, "/boot/vmlinu*", "/boot/Image*", "/usr/lib/debug/boot/vmlinux*")
# The shell completes the name of a file.
A_FILE = [CompletionItem("", type="file")]


def complete_kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds of types, as ``--kind`` takes them."""
    from btfschema.schema import KINDS

    names = (spec.name.lower() for _, spec in KINDS.items())
    return [name for name in names if name.startswith(incomplete.lower())]


def complete_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of types: of a FILE that is on the line already, else of the running kernel."""
    found: list[str] = []
    if "/" not in incomplete:
        btf = _at_hand(ctx)
        if btf is not None:
            columns = (each.strings.names(each.types.name_offs) for each in btf.chain)
            names = {name for column in columns for name in column}
            found = _shortened({one for one in names if one.startswith(incomplete)}, incomplete)
    return [CompletionItem(name) for name in found] or A_FILE


def _shortened(names: Iterable[str], start: str) -> list[str]:
    """Names that can be typed; where they are many, no more of each than tells groups apart."""
    found = {name for name in names if name.isidentifier()}
    length = max(map(len, found), default=0)
    while len(found) > MOST and length > len(start) + 1:
        length -= 1
        found = {name[:length] for name in found}
    return sorted(found)


def _at_hand(ctx: click.Context) -> Btf | None:
    """The container that the command would read, as far as the line says."""
    from btfschema.errors import BtfError
    from btfschema.sources import load

    # Where an option waits for its value, click has not told the arguments apart yet.
    waiting = filter(_is_file, ctx.args)
    file = next(_existing(ctx, FILES), None) or next(waiting, RUNNING_KERNEL)
    base = next(_existing(ctx, BASES), None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load(file, load(base) if base is not None and base != file else None)
    except (BtfError, OSError):
        return None


def _existing(ctx: click.Context, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        value = ctx.params.get(name)
        yield from filter(_is_file, (value,) if isinstance(value, str) else value or ())


def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113


def complete_kernels(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The kernels of this machine, also after ``NAME=``; else any file."""
    from pathlib import Path

    name, equals, path = incomplete.rpartition("=")
    found = [
        str(one)
        for pattern in KERNELS
        for one in sorted(Path("/").glob(pattern.lstrip("/")))
        if str(one).startswith(path)
    ]
    return [CompletionItem(f"{name}{equals}{one}") for one in found] or A_FILE


def complete_passes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The last pass of a pipeline, its options, and their values."""
    before, brace, inside = incomplete.rpartition("{")
    if brace and "}" not in inside:
        pass_name = before.rpartition(",")[2]
        done, comma, last = inside.rpartition(",")
        found = [f"{before}{{{done}{comma}{one}" for one in _options(pass_name, last)]
        return [one for one in found if one.startswith(incomplete)]
    from btfschema.framework.registry import passes

    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in passes() if name.startswith(last)]


def _options(pass_name: str, text: str) -> list[str]:
    """What the text of an option may go on as: its name, or its values after ``=``."""
    from btfschema.errors import RegistryError
    from btfschema.framework.options import options_of
    from btfschema.framework.registry import load_pass

    try:
        options: tuple[Option, ...] = options_of(load_pass(pass_name))
    except RegistryError:
        return []
    name, equals, _ = text.partition("=")
    if not equals:
        return [f"{option.name}=" for option in options]
    return [
        f"{name}={choice}" for option in options if option.name == name for choice in option.choices
    ]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that makes a shell complete btfschema's commands.

    \b
    Examples:
      eval "$(btfschema completion bash)"
      btfschema completion fish > ~/.config/fish/completions/btfschema.fish
    """  # noqa: D301 - click needs the backspace character itself
    from click.shell_completion import get_completion_class

    from btfschema.cli import cli

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click completes nothing for {shell}")
    # source() also asks for the version of the shell, which may be another machine's.
    script = made(cli, {}, "btfschema", "_BTFSCHEMA_COMPLETE")
    click.echo(script.source_template % script.source_vars())
