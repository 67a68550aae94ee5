"""``btfschema check``: will these modules' BTF relocate onto that kernel, and if not, why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.batch import failure, file_arguments, report_option, run_batch

if TYPE_CHECKING:
    from btfschema.container import Btf

__all__ = ["check"]


@click.command()
@file_arguments
@click.option(
    "-B",
    "--base-btf",
    "--target",
    "target",
    metavar="FILE",
    required=True,
    help="The kernel to check against: its vmlinux or boot image.",
)
@click.option(
    "--original-base",
    metavar="FILE",
    type=click.Path(),
    help="The base that the files were built over; files without a distilled base need it, "
    "and it lets a failure say which members changed.",
)
@click.option(
    "--policy",
    type=click.Choice(["kernel", "strict"]),
    default="kernel",
    show_default=True,
    help="kernel asks what the kernel would do, strict what is right.",
)
@click.option("--quiet", is_flag=True, help="Print failures only.")
@report_option
def check(
    files: tuple[str, ...],
    target: str,
    original_base: str | None,
    policy: str,
    quiet: bool,
    report: str | None,
) -> None:
    """Say whether each FILE's BTF relocates onto a kernel, and if not, why.

    A FILE with a distilled base (.BTF.base) is checked as it is. An ordinary module is distilled
    first, over --original-base. All files are checked; the exit code is 1 when one fails.

    \b
    Example:
      btfschema check nvme.ko.xz xfs.ko.xz -B /boot/vmlinuz-6.12 --original-base vmlinux-6.11
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.errors import MatchError
    from btfschema.framework import Context
    from btfschema.pipeline import Pipeline
    from btfschema.sources import load

    inputs = {"target": load(target)}
    if original_base is not None:
        inputs["original"] = load(original_base)
    relocate = f"relocate{{policy={policy}}}"
    pipelines = {
        "distilled": Pipeline.parse(relocate),
        "full": Pipeline.parse(f"distill,{relocate}"),
    }
    counts = {"ok": 0, "mismatch": 0}

    def work(file: str) -> dict[str, Any]:
        btf, state = _opened(file, inputs.get("original"))
        try:
            result = pipelines[state].run(btf, Context(inputs))
        except MatchError as error:
            counts["mismatch"] += 1
            row = failure(file, error)
            click.echo(f"{file}: {row['message']}")
            return row
        counts["ok"] += 1
        facts = dict(result.facts["relocate"])
        if not quiet:
            click.echo(f"{file}: relocates, all {facts['matched']} distilled types have a partner")
        return {"facts": facts}

    try:
        run_batch(files, work, keep_going=True, report=report)
    finally:
        if len(files) > 1 and not quiet:
            other = len(files) - sum(counts.values())
            unread = f", {other} could not be checked" if other else ""
            click.echo(f"{counts['ok']} relocate, {counts['mismatch']} do not{unread}")


def _opened(file: str, original: Btf | None) -> tuple[Btf, str]:
    """A file over its distilled base, or over the base it was built for; and which it is."""
    from btfschema.errors import MissingBaseError, SourceError
    from btfschema.framework import base_state
    from btfschema.sources import load

    try:
        btf = load(file)
    except MissingBaseError:
        if original is None:
            raise MissingBaseError(
                f"{file}: has no distilled base (.BTF.base, or {file}.base beside it): pass the "
                "BTF that it was built over with --original-base"
            ) from None
        btf = load(file, original)
    if btf.base is None:
        raise SourceError(f"{file}: stands alone, so there is nothing to relocate")
    return btf, base_state(btf)
