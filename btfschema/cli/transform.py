"""Pipelines over many files; ``distill``, ``rebase``, ``relocate`` and ``references``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import click
from attrs import evolve

from btfschema.cli.answers import complain, print_json
from btfschema.cli.batch import (
    Reports,
    Targets,
    batch_options,
    file_arguments,
    rows_printer,
    run_batch,
    stdout_of,
)
from btfschema.cli.completion import complete_kernels
from btfschema.cli.given import as_given
from btfschema.cli.inputs import (
    base_option,
    load_over,
    original_option_of,
    saying,
)
from btfschema.cli.kernels import refusal_of
from btfschema.cli.outputs import DASH, echo, guard
from btfschema.cli.policies import policy_option, relocation
from btfschema.cli.resume import Journal
from btfschema.cli.tree import Summary, gather, shared, tree_options
from btfschema.cli.watching import Watching, facts_printer
from btfschema.cli.work import Transform
from btfschema.cli.workers import workers_of
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.cli.tree import Found, Kept
    from btfschema.framework.files import Shared
    from btfschema.model.container import Btf

__all__ = ["distill", "rebase", "references", "relocate", "transform_all"]

# What the inputs of passes are called on the command line.
OPTIONS = {"target": "--target", "original": "-B"}

target_option = click.option(
    "-T",
    "--target",
    "target",
    metavar="FILE",
    shell_complete=complete_kernels,
    required=True,
    help="The base to move to, usually the vmlinux of the kernel that will load FILE.",
)


def transform_all(
    text: str,
    base: str | None,
    inputs: Mapping[str, str | None],
    *,
    policy: str | None = None,
    watching: Watching | None = None,
    files: tuple[str, ...],
    trees: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    in_place: bool,
    keep_going: bool,
    report: str | None,
    as_json: bool,
    pretty: bool,
    jobs: int,
    executor: str | None,
    quiet: bool,
) -> None:
    """Run a pipeline on files or whole directories and write the results.

    ``run``, which alone says how to watch it, may write none: it prints what passes found then.
    """
    found = gather(files, trees)
    # What is relocated brings its own base.
    base = base if "original" in inputs else found.over(base)
    writes = watching is None or output is not None or out_dir is not None or in_place
    targets = Targets.of(found, output, out_dir, in_place) if writes else None
    watching = watching.of(found, executor, jobs) if watching is not None else None
    _guard(found, base, inputs, targets, watching, report, as_json=as_json)
    named = {
        name: shared(path, executor, jobs) for name, path in inputs.items() if path is not None
    }
    opened = shared(base, executor, jobs) if base is not None else None
    if policy is not None and (refusal := refusal_of(inputs["target"] or "", named["target"])):
        complain(refusal, None, "warning")
    if writes:
        rows = rows_printer(as_json=as_json, pretty=pretty)
    else:
        rows = facts_printer(as_json=as_json, pretty=pretty, quiet=quiet, err=report == DASH)
    reports, summary = Reports(rows=rows), Summary()
    work = Transform(text, targets, opened, named, policy=policy)
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if found.walked and out_dir is not None:
            journal = _journal(out_dir, text, {"": opened, **named}, watching)
            reports = evolve(reports, journal=journal)
        if found.walked:
            reports = evolve(reports, summary=summary, notes=summary.notes)
        if found.walked and not quiet:
            stack.callback(lambda: summary.show(err=True))
        run_batch(
            found.paths,
            work if watching is None else watching.work(work),
            keep_going=keep_going or found.walked,
            report=report,
            workers=workers,
            reports=reports,
            progress=found.walked and not quiet,
        )


def _guard(
    found: Found,
    base: str | None,
    inputs: Mapping[str, str | None],
    targets: Targets | None,
    watching: Watching | None,
    report: str | None,
    *,
    as_json: bool,
) -> None:
    """Refuse to run where an output is a file that is read.

    Raises:
        click.UsageError: one is.
    """
    reads: dict[str, Sequence[str | None]] = {"FILE": found.paths, "-B": [base]}
    writes: dict[str, Sequence[str | None]] = {"--report": [report]}
    if watching is None:
        reads |= {OPTIONS[name]: [path] for name, path in inputs.items()}
    else:
        reads |= {"--input": list(inputs.values())}
        writes |= {"--dump-after": watching.dumped}
    if targets is None:
        guard(writes, reads)
    else:
        guard({**targets.writes, **writes, **stdout_of(as_json=as_json)}, reads, targets.own)


def _journal(
    out_dir: str,
    text: str,
    bases: Mapping[str, Shared | Kept | None],
    watching: Watching | None,
) -> Journal:
    """What notes which files are done, and all else that their results depend on."""
    named = as_given({name: str(one) for name, one in bases.items()}, words=True)
    run = {"pipeline": text, "version": version("btfschema"), "bases": named}
    return Journal(out_dir, run | ({"code": watching.code} if watching is not None else {}))


def _loaded(path: str | None) -> Btf | None:
    from btfschema.sources import load

    return load(path) if path is not None else None


@click.command()
@tree_options
@base_option
@batch_options(outputs=True, as_reported=True)
def distill(base_btf: str | None, **batch: Any) -> None:
    """Add a small distilled base so that the module's types can be found in later kernels.

    A module gets a new .BTF and a .BTF.base, as pahole writes them, and is otherwise unchanged.
    Modules may be compressed; the file name's suffix selects compression. Raw BTF becomes OUT and
    OUT.base.

    \b
    Examples:
      btfschema distill nf_tables.ko -B vmlinux -o out/nf_tables.ko
      btfschema distill --all /lib/modules/6.12 -B vmlinux --out-dir out --jobs 4
    """  # noqa: D301 - click needs the backspace character itself
    transform_all("distill", base_btf, {}, **batch)


@click.command()
@tree_options
@base_option
@target_option
@batch_options(outputs=True, as_reported=True)
def rebase(base_btf: str | None, target: str, **batch: Any) -> None:
    """Move split BTF from one full base to another, by exact identity of the types it refers to.

    Works when the target only numbers its types differently, or has more of them; needs no
    distilled base.
    """
    transform_all("rebase", base_btf, {"target": target}, **batch)


@click.command()
@tree_options
@target_option
@original_option_of(
    "It lets a failure say which members changed. FILE needs a distilled base even so."
)
@policy_option
@batch_options(outputs=True, as_reported=True)
def relocate(target: str, policy: str, original_base: str | None, **batch: Any) -> None:
    """Move split BTF from its distilled base onto the kernel that will load it.

    FILE brings its distilled base: a module's .BTF.base section, or FILE.base beside raw BTF. When
    a type has no match in the target, nothing is written, and the error names every such type and
    the reason.
    """
    inputs = {"target": target, "original": original_base}
    transform_all(relocation(policy), None, inputs, policy=policy, **batch)


@click.command()
@file_arguments
@base_option
@batch_options(outputs=False)
def references(
    files: tuple[str, ...],
    base_btf: str | None,
    as_json: bool,
    pretty: bool,
    keep_going: bool,
    report: str | None,
) -> None:
    """Show which base types a split FILE needs, and which of its types need them."""
    from btfschema.framework.files import Each
    from btfschema.framework.passes import Analysis, Context
    from btfschema.framework.registry import load_pass
    from btfschema.sources import read_source

    guard({"--report": [report]}, {"FILE": files, "-B": [base_btf]})
    base = _loaded(base_btf)
    analysis = cast(Analysis[Any], load_pass("references")())

    def work(file: str) -> dict[str, Any]:
        btf, notes = load_over(read_source(file), base, base_btf)
        with saying(notes):
            result = analysis.run(btf, Context())
        if not as_json:
            echo(f"{printable(file)}: {analysis.of(result.btf)}", err=report == DASH)
        return {"facts": dict(result.facts), "notes": notes}

    def show(row: dict[str, Any]) -> None:
        shown = row if "facts" not in row else {"file": row["file"], **row["facts"]}
        print_json(shown, pretty=pretty, err=report == DASH)

    reports = Reports(rows=show if as_json else None)
    run_batch(files, Each(work), keep_going=keep_going, report=report, reports=reports)
