"""The arguments that many commands share, and how a file named on the command line is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

if TYPE_CHECKING:
    from btfschema.container import Btf

__all__ = [
    "RUNNING_KERNEL",
    "Decorator",
    "base_option",
    "doubting",
    "doubts",
    "open_input",
    "stdout",
    "warn",
]

RUNNING_KERNEL = "/sys/kernel/btf/vmlinux"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

base_option: Decorator = click.option(
    "-B",
    "--base-btf",
    "base_btf",
    metavar="FILE",
    type=click.Path(allow_dash=True),
    help="The BTF that FILE is split over, usually the kernel's vmlinux.",
)


def stdout() -> BinaryIO:
    """Standard output, for bytes.

    Raises:
        OSError: it is closed.
    """
    if sys.stdout is None:
        raise OSError("standard output is closed")
    return sys.stdout.buffer


def open_input(file: str | None, base_btf: str | None) -> Btf:
    """Load FILE over its base; without FILE the running kernel, or a sample where it has no BTF."""
    from btfschema.sources import load

    if file is not None:
        btf = load(file, base_btf)
        warn(file, btf, base_btf)
        return btf
    if base_btf is not None:
        raise click.UsageError("-B/--base-btf needs a FILE that is split over it")
    if Path(RUNNING_KERNEL).exists():
        return load(RUNNING_KERNEL)
    from btfschema.sample import sample

    click.echo(f"btfschema: no {RUNNING_KERNEL} here; this is a small sample", err=True)
    return sample()


def doubts(btf: Btf, base: str | None) -> list[str]:
    """A line when ``btf`` was probably built over another base than the one named, else none."""
    from btfschema.wrongbase import suspect_base

    why = suspect_base(btf) if base is not None else None
    if why is None:
        return []
    return [f"{why}: this BTF was probably built over another base than {base}"]


def warn(file: str, btf: Btf, base: str | None) -> None:
    """Say on stderr when a file was probably built over another base than the one named."""
    for doubt in doubts(btf, base):
        click.echo(f"btfschema: {file}: {doubt}", err=True)


@contextmanager
def doubting(btf: Btf, base: str | None) -> Iterator[list[str]]:
    """Give the doubts of a piece of work; when it fails, the error says them too."""
    from btfschema.errors import BtfError

    found = doubts(btf, base)
    try:
        yield found
    except BtfError as error:
        error.args = ("\n  ".join([str(error), *found]), *error.args[1:])
        raise
