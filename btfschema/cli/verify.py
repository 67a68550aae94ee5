"""``btfschema verify``: would a kernel load this BTF, and if not, all of why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.batch import file_arguments, report_option, run_batch
from btfschema.cli.inputs import base_option

if TYPE_CHECKING:
    from btfschema.container import Btf
    from btfschema.verification import Violation

__all__ = ["verify"]

# Known without importing the package's verifier, for the help text; a test compares them.
VERSIONS = ("6.1", "6.12", "6.18", "7.1")


@click.command()
@file_arguments
@base_option
@click.option(
    "--level",
    type=click.Choice(["read", "kernel"]),
    default="kernel",
    show_default=True,
    help="read asks what libbpf reads, kernel what a kernel loads.",
)
@click.option(
    "--kernel",
    type=click.Choice(VERSIONS),
    default="6.18",
    show_default=True,
    help="The kernel's version.",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="One JSON object a file.")
@click.option("--quiet", is_flag=True, help="Print violations only.")
@report_option
def verify(
    files: tuple[str, ...],
    base_btf: str | None,
    level: str,
    kernel: str,
    as_json: bool,
    quiet: bool,
    report: str | None,
) -> None:
    """Say whether a kernel would take each FILE's BTF, and all that it would refuse.

    All files are verified; the exit code is 1 when one has a violation. A module is verified over
    its own .BTF.base, or over -B.

    \b
    Example:
      btfschema verify prog.bpf.o --kernel 6.1
    """  # noqa: D301 - click needs the backspace character itself
    import json

    from btfschema.sources import load

    base = load(base_btf) if base_btf is not None else None
    sound = 0

    def work(file: str) -> dict[str, Any]:
        nonlocal sound
        found = _violations(file, base, level, kernel)
        outcome = "refused" if found else "ok"
        row = {"outcome": outcome, "violations": [violation.as_dict() for violation in found]}
        sound += not found
        if as_json:
            click.echo(json.dumps({"file": file, **row}))
            return row
        for violation in found:
            click.echo(f"{file}: {violation}")
        if not found and not quiet:
            who = f"Linux {kernel} takes it" if level == "kernel" else "readers take it"
            click.echo(f"{file}: {who}")
        return row

    try:
        run_batch(files, work, keep_going=True, report=report)
    finally:
        if len(files) > 1 and not quiet and not as_json:
            click.echo(f"{sound} of {len(files)} files are sound")


def _violations(file: str, base: Btf | None, level: Any, kernel: str) -> list[Violation]:
    """What is wrong with a file's BTF, that of its own base included."""
    from btfschema.container import loads
    from btfschema.errors import BtfError
    from btfschema.sources import base_beside, load, read_source
    from btfschema.verification import verify

    source = read_source(file)
    if source.base is not None:
        found = verify(source.base, level, kernel)
        if found:
            return found
        base = loads(source.base)
    elif base is None:
        beside = base_beside(source)
        base = load(beside) if beside is not None else None
    try:
        return verify(source.btf, level, kernel, base)
    except BtfError as error:
        raise type(error)(f"{source.name}: {error}") from error
