"""How ``run`` watches passes, those of the user's own among them, and prints what they find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, field, frozen

from btfschema.cli.answers import print_json
from btfschema.cli.batch import places_in, rows_printer
from btfschema.cli.outputs import echo
from btfschema.cli.resume import file_state

if TYPE_CHECKING:
    from btfschema.cli.tree import Found
    from btfschema.cli.work import Transform
    from btfschema.framework.files import Work
    from btfschema.framework.observers import DumpAfter, Observer
    from btfschema.framework.passes import Pass

__all__ = ["Watching", "facts_printer"]

# What brings passes that change with the version alone.
OURS = ("btfschema", "btfschema_transforms")


@frozen
class Watching:
    """How ``run`` runs a pipeline, and what it says of each pass.

    Attributes:
        passes: of the pipeline.
        loaded: Python files that define some.
        timing: whether to say how long each took.
        dump_after: the directory for what each gives back, or None.
        dumps: what writes it, by file.
    """

    passes: Sequence[Pass]
    loaded: tuple[str, ...]
    timing: bool
    dump_after: str | None
    dumps: Mapping[str, DumpAfter] = field(factory=dict)

    @property
    def _option(self) -> str | None:
        if self.timing:
            return "--timing"
        return "--dump-after" if self.dump_after is not None else None

    def of(self, found: Found, executor: str | None, jobs: int) -> Watching:
        """The same for these files; each is dumped into a directory below, unless it is alone.

        Raises:
            click.UsageError: two of them have one name, or other processes would have to watch.
        """
        if self._option is not None and (executor or jobs > 1):
            other = "--executor" if executor else "--jobs"
            raise click.UsageError(f"{self._option} needs one process: leave out {other}")
        if self.dump_after is None:
            return self
        from btfschema.framework.observers import DumpAfter

        if len(found.paths) == 1:
            places = dict.fromkeys(found.paths, self.dump_after)
        else:
            places = places_in(self.dump_after, found)
        return evolve(self, dumps={file: DumpAfter(place) for file, place in places.items()})

    @property
    def dumped(self) -> list[str]:
        """The files that are written on the way."""
        return [path for dump in self.dumps.values() for path in dump.paths(self.passes)]

    @property
    def code(self) -> dict[str, Any]:
        """By what a change of the passes is told that btfschema's version says nothing of."""
        names = {type(one).__module__ for one in self.passes}
        others = [sys.modules[name] for name in names if name.partition(".")[0] not in OURS]
        files = sorted(filter(None, (getattr(module, "__file__", None) for module in others)))
        return {file: file_state(file) for file in files}

    def work(self, transform: Transform) -> Work[str, dict[str, Any]]:
        """What does the files: one at a time where somebody watches."""
        transform = evolve(transform, loaded=self.loaded)
        if self._option is None:
            return transform
        from btfschema.framework.files import Each
        from btfschema.framework.observers import Timing

        def one(file: str) -> dict[str, Any]:
            watch = Timing()
            observers: list[Observer] = [watch] if self.timing else []
            observers += [self.dumps[file]] if self.dumps else []
            row = evolve(transform, observers=tuple(observers)).one(file)
            if self.timing:
                echo(str(watch), err=True)
            return row

        return Each(one)


def facts_printer(
    *, as_json: bool, pretty: bool, quiet: bool, err: bool
) -> Callable[[dict[str, Any]], None]:
    """What prints the facts that passes found, as JSON.

    Args:
        as_json: whether to print the reports of files that fail too.
        pretty: whether to indent it.
        quiet: whether to print failures only.
        err: whether to print to standard error.
    """
    failed = rows_printer(as_json=as_json, pretty=pretty, err=err)

    def show(row: dict[str, Any]) -> None:
        if row["outcome"] == "ok" and not quiet:
            shown = {key: value for key, value in row.items() if key not in ("outcome", "notes")}
            print_json(shown, pretty=pretty, err=err)
        elif row["outcome"] != "ok" and failed is not None:
            failed(row)

    return show
