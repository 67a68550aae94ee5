"""``run``: any pipeline of passes."""

from __future__ import annotations

import sys
from typing import Any

import click

from btfschema.cli.batch import batch_options
from btfschema.cli.completion import complete_passes
from btfschema.cli.inputs import base_option
from btfschema.cli.options import AnyPath
from btfschema.cli.transform import transform_all
from btfschema.cli.tree import tree_options
from btfschema.cli.watching import Watching
from btfschema.cli.work import loaded_passes

__all__ = ["run"]


def _named_inputs(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in value:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"{text!r} is not NAME=FILE")
        if name in found:
            raise click.BadParameter(f"{name} is given twice: {found[name]} and {path}")
        found[name] = path
    return found


@click.command()
@click.argument("pipeline", shell_complete=complete_passes)
@tree_options
@base_option
@click.option(
    "--input",
    "inputs",
    metavar="NAME=FILE",
    multiple=True,
    callback=_named_inputs,
    help="Another container that a pass asks for, such as target=vmlinux.",
)
@click.option(
    "--load",
    "loaded",
    metavar="FILE.py",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A Python file with passes of your own; PIPELINE may name them.",
)
@click.option("--timing", is_flag=True, help="Show on stderr how long each pass took.")
@click.option(
    "--dump-after",
    metavar="DIR",
    type=AnyPath(file_okay=False),
    help="Write each pass's output into DIR as raw BTF; with several FILEs, into DIR/FILE.",
)
@batch_options(outputs=True)
def run(
    pipeline: str,
    base_btf: str | None,
    inputs: dict[str, str],
    loaded: tuple[str, ...],
    timing: bool,
    dump_after: str | None,
    **batch: Any,
) -> None:
    """Run a PIPELINE of passes, such as "distill,relocate{policy=kernel}".

    FILE may be a directory. Without -o, --out-dir and --in-place, writes nothing and prints the
    facts that the passes found as JSON. "btfschema passes" lists the passes and their options. To
    use a pass that is not installed, load its file with --load FILE.py, or write module:Class.

    \b
    Examples:
      btfschema run "distill{strings=suffix}" dm-mod.ko -B vmlinux -o out/dm-mod.ko
      btfschema run --load mine.py strip --all modules -B vmlinux --out-dir out
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.framework.pipeline import Pipeline

    if ":" in pipeline and "" not in sys.path:
        # Modules beside the user, after all that is installed.
        sys.path.append("")
    parsed = Pipeline.parse(pipeline, extra=loaded_passes(loaded))
    watching = Watching(parsed.passes, loaded, timing, dump_after)
    transform_all(pipeline, base_btf, inputs, watching=watching, **batch)
