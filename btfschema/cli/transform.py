"""The commands that run passes: ``distill``, ``rebase``, ``relocate``, ``references``, ``run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from btfschema.cli.batch import Targets, batch_options, file_arguments, run_batch, sizes
from btfschema.cli.inputs import base_option

if TYPE_CHECKING:
    from btfschema.container import Btf
    from btfschema.framework import PassResult

__all__ = ["distill", "rebase", "references", "relocate", "run"]

policy_option = click.option(
    "--policy",
    type=click.Choice(["strict", "kernel"]),
    default="strict",
    show_default=True,
    help="strict is what is right, kernel what the kernel and libbpf do.",
)
original_option = click.option(
    "--original-base",
    metavar="FILE",
    type=click.Path(),
    help="The base that the files were built over: lets a failure say which members changed.",
)


def transform(
    text: str,
    file: str,
    target: str | None,
    base: Btf | None,
    inputs: Mapping[str, Btf],
    observers: tuple[Any, ...] = (),
) -> dict[str, Any]:
    """Run a pipeline on one file and write the result; returns what to report."""
    from btfschema.framework import Context
    from btfschema.pipeline import Pipeline
    from btfschema.sources import load

    pipeline = Pipeline.parse(text, observers=observers)
    btf = load(file, base)
    result = pipeline.run(btf, Context(inputs))
    for diagnostic in result.diagnostics:
        click.echo(f"btfschema: {file}: {diagnostic}", err=True)
    row: dict[str, Any] = {"before": sizes(btf), "after": sizes(result.btf)}
    row["facts"] = {name: dict(facts) for name, facts in result.facts.items()}
    if target is not None:
        _write(file, target, result)
        row["output"] = target
    return row


def _write(file: str, target: str, result: PassResult) -> None:
    from btfschema.elfwrite import write_btf_file

    for notice in write_btf_file(file, target, result.btf):
        click.echo(f"btfschema: {file}: {notice}", err=True)


def _loaded(path: str | None) -> Btf | None:
    from btfschema.sources import load

    return load(path) if path is not None else None


def _inputs(**paths: str | None) -> dict[str, Btf]:
    """The named inputs that were given, read once for all files."""
    found = {name: _loaded(path) for name, path in paths.items()}
    return {name: btf for name, btf in found.items() if btf is not None}


@click.command()
@file_arguments
@base_option
@batch_options(outputs=True)
def distill(
    files: tuple[str, ...],
    base_btf: str | None,
    output: str | None,
    out_dir: str | None,
    keep_going: bool,
    report: str | None,
) -> None:
    """Give split BTF a small base of its own, by which any later kernel can be searched.

    A module gets a new .BTF and a .BTF.base, as pahole writes them, and is otherwise unchanged;
    compressed modules are taken and written by their names. Raw BTF becomes OUT and OUT.base.

    \b
    Example:
      btfschema distill nf_tables.ko -B vmlinux -o out/nf_tables.ko
    """  # noqa: D301 - click needs the backspace character itself
    targets = Targets.of(files, output, out_dir)
    base = _loaded(base_btf)

    def work(file: str) -> dict[str, Any]:
        return transform("distill", file, targets.of_file(file), base, {})

    run_batch(files, work, keep_going=keep_going, report=report)


@click.command()
@file_arguments
@base_option
@click.option("--target", metavar="FILE", required=True, help="The base to move to.")
@batch_options(outputs=True)
def rebase(
    files: tuple[str, ...],
    base_btf: str | None,
    target: str,
    output: str | None,
    out_dir: str | None,
    keep_going: bool,
    report: str | None,
) -> None:
    """Move split BTF from one full base to another, by exact identity of the types it refers to.

    Works when the target's types are merely numbered otherwise, or when it has grown; no distilled
    base is needed.
    """
    targets = Targets.of(files, output, out_dir)
    base, inputs = _loaded(base_btf), _inputs(target=target)

    def work(file: str) -> dict[str, Any]:
        return transform("rebase", file, targets.of_file(file), base, inputs)

    run_batch(files, work, keep_going=keep_going, report=report)


@click.command()
@file_arguments
@click.option(
    "-B",
    "--base-btf",
    "--target",
    "target",
    metavar="FILE",
    required=True,
    help="The base to move to, usually the vmlinux of the kernel that is there.",
)
@policy_option
@original_option
@batch_options(outputs=True)
def relocate(
    files: tuple[str, ...],
    target: str,
    policy: str,
    original_base: str | None,
    output: str | None,
    out_dir: str | None,
    keep_going: bool,
    report: str | None,
) -> None:
    """Move split BTF from its distilled base onto the base that is there.

    FILE brings its distilled base: a module's .BTF.base section, or FILE.base beside raw BTF. When
    a type has no partner in the target nothing is written, and every such type is named with its
    reason.
    """
    targets = Targets.of(files, output, out_dir)
    inputs = _inputs(target=target, original=original_base)
    text = f"relocate{{policy={policy}}}"

    def work(file: str) -> dict[str, Any]:
        return transform(text, file, targets.of_file(file), None, inputs)

    run_batch(files, work, keep_going=keep_going, report=report)


@click.command()
@file_arguments
@base_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@batch_options(outputs=False)
def references(
    files: tuple[str, ...],
    base_btf: str | None,
    as_json: bool,
    keep_going: bool,
    report: str | None,
) -> None:
    """Show which types of its base a split FILE needs, and for whom."""
    import json

    from btfschema.framework import Analysis, Context
    from btfschema.registry import load_pass
    from btfschema.sources import load

    base = _loaded(base_btf)
    analysis = cast(Analysis[Any], load_pass("references")())

    def work(file: str) -> dict[str, Any]:
        result = analysis.run(load(file, base), Context())
        if as_json:
            click.echo(json.dumps({"file": file, **result.facts}))
        else:
            click.echo(f"{file}: {analysis.of(result.btf)}")
        return {"facts": dict(result.facts)}

    run_batch(files, work, keep_going=keep_going, report=report)


def _named_inputs(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for text in value:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"{text!r} is not NAME=FILE")
        found[name] = path
    return found


@click.command()
@click.argument("pipeline")
@file_arguments
@base_option
@click.option(
    "--input",
    "inputs",
    metavar="NAME=FILE",
    multiple=True,
    callback=_named_inputs,
    help="Another container that a pass asks for, such as target=vmlinux.",
)
@click.option("--timing", is_flag=True, help="Show on stderr how long each pass took.")
@click.option(
    "--dump-after",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Write what each pass gives as raw BTF into DIR.",
)
@batch_options(outputs=True)
def run(
    pipeline: str,
    files: tuple[str, ...],
    base_btf: str | None,
    inputs: dict[str, str],
    timing: bool,
    dump_after: str | None,
    output: str | None,
    out_dir: str | None,
    keep_going: bool,
    report: str | None,
) -> None:
    """Run a PIPELINE of passes, such as "distill,relocate{policy=kernel}".

    Without -o and --out-dir nothing is written; the facts that the passes found are printed as
    JSON. "btfschema passes" lists the passes and their options.
    """
    import json

    from btfschema.observers import DumpAfter, Observer, Timing
    from btfschema.pipeline import Pipeline

    Pipeline.parse(pipeline)
    targets = Targets.of(files, output, out_dir) if output or out_dir else None
    base, named = _loaded(base_btf), _inputs(**inputs)

    def work(file: str) -> dict[str, Any]:
        watch = Timing()
        observers: list[Observer] = [watch] if timing else []
        if dump_after is not None:
            observers.append(DumpAfter(dump_after))
        target = targets.of_file(file) if targets is not None else None
        row = transform(pipeline, file, target, base, named, tuple(observers))
        if timing:
            click.echo(str(watch), err=True)
        if targets is None:
            click.echo(json.dumps({"file": file, **row}))
        return row

    run_batch(files, work, keep_going=keep_going, report=report)
