"""The options that many commands share, each declared once."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

__all__ = [
    "AnyPath",
    "Decorator",
    "Jobs",
    "executor_option",
    "jobs_option",
    "json_options",
    "kernel_work_options",
    "number",
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

AUTO = "auto"


class AnyPath(click.Path):
    """A file that need not be there or readable when the command line is read.

    Whoever opens it says what is wrong, in one way for all that can be; click would answer a file
    that can't be read with the usage of the command.
    """

    def __init__(
        self, *, file_okay: bool = True, dir_okay: bool = True, allow_dash: bool = False
    ) -> None:
        super().__init__(
            file_okay=file_okay, dir_okay=dir_okay, allow_dash=allow_dash, readable=False
        )


class Jobs(click.IntRange):
    """How many processes: a number, or ``auto`` for one a processor that this process may use."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number.

        Raises:
            click.BadParameter: it is none, or less than 1.
        """
        if value == AUTO:
            allowed = getattr(os, "sched_getaffinity", None)
            return len(allowed(0)) if allowed else os.cpu_count() or 1
        return super().convert(value, param, ctx)


def number(text: str) -> int:
    """The type of options that take a number, which may be hexadecimal.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        return int(text, 0)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number, such as 4096 or 0x1000") from None


jobs_option: Decorator = click.option(
    "--jobs",
    metavar="N",
    type=Jobs(),
    default=1,
    help='Work in N processes; "auto" is one for each processor.',
)
executor_option: Decorator = click.option(
    "--executor",
    metavar="URL",
    help="Work on a cluster: dask://HOST:PORT. Needs the extra btfschema[dask].",
)


def json_options(what: str) -> Decorator:
    """``-j/--json`` and ``-p/--pretty``, as bpftool has them; ``-p`` alone is JSON too.

    Args:
        what: what JSON holds, for the help: "One object".
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*args: Any, as_json: bool, pretty: bool, **rest: Any) -> Any:
            return command(*args, as_json=as_json or pretty, pretty=pretty, **rest)

        as_json = click.option("-j", "--json", "as_json", is_flag=True, help=f"Print JSON: {what}.")
        pretty = click.option("-p", "--pretty", is_flag=True, help="Print JSON, indented.")
        return as_json(pretty(run))

    return decorate


def kernel_work_options(out_dir: str, *, quiet: str) -> Decorator:
    """The options of commands that work on many kernels: ``core`` and ``minimise``.

    Args:
        out_dir: what ``--out-dir`` says in the help.
        quiet: what ``--quiet`` does.
    """
    from btfschema.cli.batch import report_option

    options: list[Decorator] = [
        click.option(
            "--all",
            "trees",
            metavar="DIR",
            multiple=True,
            type=click.Path(exists=True, file_okay=False),
            help="All kernels below DIR, one at a time: files whose names end in .btf, .deb "
            "or .rpm, or begin with vmlinux, vmlinuz or Image.",
        ),
        click.option("--out-dir", metavar="DIR", type=AnyPath(file_okay=False), help=out_dir),
        jobs_option,
        executor_option,
        click.option("--quiet", is_flag=True, help=quiet),
        report_option,
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
