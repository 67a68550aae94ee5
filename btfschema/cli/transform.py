"""The commands that run passes: ``distill``, ``rebase``, ``relocate``, ``references``, ``run``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import click
from attrs import evolve, frozen

from btfschema.cli.answers import complain, print_json
from btfschema.cli.batch import (
    Reports,
    Targets,
    batch_options,
    file_arguments,
    places_in,
    rows_printer,
    run_batch,
    sizes,
    stdout_of,
    type_count,
)
from btfschema.cli.completion import complete_kernels, complete_passes
from btfschema.cli.given import as_given
from btfschema.cli.inputs import (
    base_option,
    load_all_over,
    load_over,
    no_distilled_base,
    noted,
    original_option_of,
    saying,
    standing_alone,
)
from btfschema.cli.kernels import refusal_of
from btfschema.cli.options import AnyPath
from btfschema.cli.outputs import DASH, echo, guard
from btfschema.cli.policies import OTHER, otherwise, policy_option, relocation
from btfschema.cli.resume import Journal
from btfschema.cli.tree import Kept, Summary, gather, shared, tree_options
from btfschema.cli.workers import workers_of
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.cli.inputs import Opened
    from btfschema.cli.tree import Found
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.framework.observers import DumpAfter
    from btfschema.framework.passes import Pass, PassResult
    from btfschema.model.container import Btf
    from btfschema.sources import Source

__all__ = ["distill", "rebase", "references", "relocate", "run"]

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


@frozen
class Transform:
    """Runs a pipeline on files and writes the results; what workers are sent.

    Attributes:
        text: the pipeline.
        targets: where results go; None writes nothing.
        base: what the files are split over, or None.
        inputs: the other containers.
        observers: watch the pipeline.
        loaded: Python files with passes of one's own.
        policy: of ``relocate``, when that is all that the pipeline does: reports say where the
            other policy comes to another end.
    """

    text: str
    targets: Targets | None
    base: Shared | Kept | None
    inputs: Mapping[str, Shared | Kept]
    observers: tuple[Any, ...] = ()
    loaded: tuple[str, ...] = ()
    policy: str | None = None

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some files; returns what to report of each."""
        from btfschema.errors import BtfError, attempt
        from btfschema.framework.files import run_loaded
        from btfschema.framework.passes import Context
        from btfschema.framework.pipeline import Pipeline
        from btfschema.sources import read_source

        extra = loaded_passes(self.loaded)
        pipeline = Pipeline.parse(self.text, extra=extra, observers=self.observers)
        base, base_name = (self.base.open(), self.base.name) if self.base else (None, None)
        inputs = {name: one.open() for name, one in self.inputs.items()}
        sources = [attempt(read_source, file) for file in files]
        opened = load_all_over(sources, [base] * len(files), base_name)
        if self.policy is not None:
            opened = [_relocatable(*pair) for pair in zip(files, opened, strict=True)]
        btfs = [one[0] if isinstance(one, tuple) else one for one in opened]
        results = run_loaded(pipeline, btfs, Context(inputs))
        asides = {}
        if self.policy is not None:
            other = Pipeline.parse(relocation(OTHER[self.policy]))
            asides = otherwise(self.policy, results, run_loaded(other, btfs, Context(inputs)))
        found: list[dict[str, Any] | Failure] = []
        for number, (source, one, result) in enumerate(zip(sources, opened, results, strict=True)):
            if not isinstance(one, tuple):
                found.append(one)
                continue
            btf, notes = one
            notes += [asides[number]] if number in asides else []
            if isinstance(result, BtfError | OSError):
                found.append(noted(result, notes))
            else:
                found.append(attempt(self._row, source, btf, notes, result))
        return found

    def one(self, file: str) -> dict[str, Any]:
        """Do one file; returns what to report.

        Raises:
            BtfError, OSError: it failed.
        """
        (row,) = self([file])
        if not isinstance(row, dict):
            raise row
        return row

    def _row(
        self, source: Source, btf: Btf, notes: list[str], result: PassResult
    ) -> dict[str, Any]:
        """Write the result of a file; returns what to report."""
        row: dict[str, Any] = {"before": sizes(btf), "after": sizes(result.btf)}
        row |= {"types": type_count(btf), "types_after": type_count(result.btf)}
        row["facts"] = {name: dict(facts) for name, facts in result.facts.items()}
        notes = [*notes, *map(str, result.diagnostics)]
        if self.targets is not None:
            from btfschema.sources.elfwrite import write_btf_file

            row["output"] = self.targets.paths[source.path]
            notes += write_btf_file(source, row["output"], result.btf)
        return {**row, "notes": notes}


def _relocatable(file: str, opened: Opened | Failure) -> Opened | Failure:
    """What was read of a file that ``relocate`` is to move; else why it can't be moved."""
    from btfschema.errors import MissingBaseError

    if isinstance(opened, MissingBaseError):
        return no_distilled_base(file, "run distill first, over the BTF that it was built over")
    if isinstance(opened, tuple) and opened[0].base is None:
        return standing_alone(file)
    return opened


def loaded_passes(files: Sequence[str]) -> list[type[Pass]]:
    """The passes that Python files define."""
    from btfschema.framework.loose import load_file

    return [cls for file in files for cls in load_file(file)]


def transform_all(
    text: str,
    base: str | None,
    inputs: Mapping[str, str | None],
    *,
    policy: str | None = None,
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
    """Run a pipeline on files or whole directories and write the results."""
    found = gather(files, trees)
    # What is relocated brings its own base.
    base = base if "original" in inputs else found.over(base)
    targets = Targets.of(found, output, out_dir, in_place)
    given = {OPTIONS.get(name, name): [path] for name, path in inputs.items()}
    guard(
        {**targets.writes, "--report": [report], **stdout_of(as_json=as_json)},
        {"FILE": found.paths, "-B": [base], **given},
        targets.own,
    )
    named = {
        name: shared(path, executor, jobs) for name, path in inputs.items() if path is not None
    }
    opened = shared(base, executor, jobs) if base is not None else None
    if policy is not None and (refusal := refusal_of(inputs["target"] or "", named["target"])):
        complain(refusal, None, "warning")
    reports = Reports(rows=rows_printer(as_json=as_json, pretty=pretty))
    summary = Summary()
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if found.walked and out_dir is not None:
            bases = {name: str(one) for name, one in {"": opened, **named}.items()}
            bases = as_given(bases, words=True)
            run = {"pipeline": text, "version": version("btfschema"), "bases": bases}
            reports = evolve(reports, journal=Journal(out_dir, run))
        if found.walked:
            reports = evolve(reports, summary=summary, notes=summary.notes)
        if found.walked and not quiet:
            stack.callback(lambda: summary.show(err=True))
        run_batch(
            found.paths,
            Transform(text, targets, opened, named, policy=policy),
            keep_going=keep_going or found.walked,
            report=report,
            workers=workers,
            reports=reports,
            progress=found.walked and not quiet,
        )


def _loaded(path: str | None) -> Btf | None:
    from btfschema.sources import load

    return load(path) if path is not None else None


@click.command()
@tree_options
@base_option
@batch_options(outputs=True)
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
@batch_options(outputs=True)
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
@batch_options(outputs=True)
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
@click.argument("pipeline", shell_complete=complete_passes)
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
@batch_options(outputs=True, trees=False)
def run(
    pipeline: str,
    files: tuple[str, ...],
    base_btf: str | None,
    inputs: dict[str, str],
    loaded: tuple[str, ...],
    timing: bool,
    dump_after: str | None,
    output: str | None,
    out_dir: str | None,
    in_place: bool,
    keep_going: bool,
    report: str | None,
    as_json: bool,
    pretty: bool,
) -> None:
    """Run a PIPELINE of passes, such as "distill,relocate{policy=kernel}".

    FILE may be a directory. Without -o, --out-dir and --in-place, writes nothing and prints the
    facts that the passes found as JSON. "btfschema passes" lists the passes and their options. To
    use a pass that is not installed, load its file with --load FILE.py, or write module:Class.
    """
    from btfschema.framework.files import Each
    from btfschema.framework.observers import Observer, Timing
    from btfschema.framework.pipeline import Pipeline

    if ":" in pipeline and "" not in sys.path:
        # Modules beside the user, after all that is installed.
        sys.path.append("")
    parsed = Pipeline.parse(pipeline, extra=loaded_passes(loaded))
    found = gather(files)
    base_btf = found.over(base_btf)
    writes = output is not None or out_dir is not None or in_place
    targets = Targets.of(found, output, out_dir, in_place) if writes else None
    written = stdout_of(as_json=as_json and writes) | (targets.writes if targets else {})
    dumps = _dumps(dump_after, found) if dump_after is not None else {}
    dumped = [path for dump in dumps.values() for path in dump.paths(parsed.passes)]
    guard(
        {**written, "--report": [report], "--dump-after": dumped},
        {"FILE": found.paths, "-B": [base_btf], "--input": list(inputs.values())},
        targets.own if targets else None,
    )
    base = shared(base_btf, None, 1) if base_btf is not None else None
    named = {name: shared(path, None, 1) for name, path in inputs.items()}

    def work(file: str) -> dict[str, Any]:
        watch = Timing()
        observers: list[Observer] = [watch] if timing else []
        observers += [dumps[file]] if dumps else []
        row = Transform(pipeline, targets, base, named, tuple(observers), loaded).one(file)
        if timing:
            echo(str(watch), err=True)
        if targets is None:
            shown = {key: value for key, value in row.items() if key != "notes"}
            print_json({"file": file, **shown}, pretty=pretty, err=report == DASH)
        return row

    rows = rows_printer(as_json=as_json, pretty=pretty, failures=not writes, err=report == DASH)
    reports = Reports(rows=rows)
    run_batch(found.paths, Each(work), keep_going=keep_going, report=report, reports=reports)


def _dumps(folder: str, found: Found) -> dict[str, DumpAfter]:
    """What writes the passes' outputs of each file: below the directory, a directory for each.

    Raises:
        click.UsageError: two files have one name.
    """
    from btfschema.framework.observers import DumpAfter

    single = len(found.paths) == 1
    places = dict.fromkeys(found.paths, folder) if single else places_in(folder, found)
    return {file: DumpAfter(place) for file, place in places.items()}
