"""A pipeline on files, as this process or a worker does it: read, run, write, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from btfschema.cli.batch import Targets, sizes, type_count
from btfschema.cli.inputs import load_all_over, no_distilled_base, noted, standing_alone
from btfschema.cli.policies import OTHER, otherwise, relocation
from btfschema.cli.tree import Kept

if TYPE_CHECKING:
    from btfschema.cli.inputs import Opened
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.framework.passes import Pass, PassResult
    from btfschema.model.container import Btf
    from btfschema.sources import Source

__all__ = ["Transform", "loaded_passes"]


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
        from btfschema.framework.facts import json_facts

        row: dict[str, Any] = {"before": sizes(btf), "after": sizes(result.btf)}
        row |= {"types": type_count(btf), "types_after": type_count(result.btf)}
        row["facts"] = {name: json_facts(name, facts) for name, facts in result.facts.items()}
        notes = [*notes, *map(str, result.diagnostics)]
        if self.targets is not None:
            from btfschema.model.standing import brings_base
            from btfschema.sources.elfwrite import write_btf_file

            row["output"] = self.targets.paths[source.path]
            own = brings_base(result.btf, btf, *(one.open() for one in self.inputs.values()))
            notes += write_btf_file(source, row["output"], result.btf, with_base=own)
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
