"""Whole kernels on the command line: directories of modules, a bar, a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict, define, evolve, field, frozen

from btfschema.cli.answers import asked_for_json
from btfschema.cli.below import Below, files_below, unpacked_package
from btfschema.cli.options import AnyPath, Decorator, executor_option, jobs_option
from btfschema.cli.outputs import echo, json_text
from btfschema.cli.table import Table
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.framework.files import Shared
    from btfschema.model.container import Btf

__all__ = [
    "Found",
    "Kept",
    "Summary",
    "below",
    "gather",
    "shared",
    "tree_options",
    "tree_options_with",
]

# Reasons, and notes, that a summary names.
MOST_REASONS = 10


def tree_options_with(quiet: str) -> Decorator:
    """FILE... and ``--all``, and the options about how much work is done at once and shown.

    Args:
        quiet: what ``--quiet`` does, for the help.
    """
    decorators: list[Decorator] = [
        click.argument("files", metavar="[FILE]...", nargs=-1, type=AnyPath(allow_dash=True)),
        click.option(
            "--all",
            "trees",
            metavar="DIR|PACKAGE",
            multiple=True,
            type=click.Path(exists=True),
            help="All modules and .btf files below DIR, in a copy of /sys/kernel/btf, or in a "
            ".deb, .rpm or tar PACKAGE. A file that fails does not stop the others.",
        ),
        jobs_option,
        executor_option,
        click.option("--quiet", is_flag=True, help=quiet),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


tree_options = tree_options_with("Print failures only.")


@frozen
class Found:
    """The files to work on.

    Attributes:
        paths: in order.
        relative: what each is called below an output directory.
        walked: whether directories were searched.
        base: the ``vmlinux`` of a directory like /sys/kernel/btf, when all files are from it.
    """

    paths: tuple[str, ...]
    relative: Mapping[str, str]
    walked: bool
    base: str | None = None

    def over(self, base: str | None) -> str | None:
        """The base that was named; else the one that the files' directory brings along."""
        return self.base if base is None else base

    @property
    def with_base(self) -> Found:
        """These files and the base that their directory brings along, which goes first."""
        if self.base is None:
            return self
        relative = {self.base: Path(self.base).name, **self.relative}
        return evolve(self, paths=(self.base, *self.paths), relative=relative)


def gather(files: Sequence[str], trees: Sequence[str] = ()) -> Found:
    """Files as they are, directories with all that is below them: see :func:`files_below`.

    Raises:
        click.UsageError: there is nothing.
    """
    relative: dict[str, str] = {}
    roots = [*trees, *(file for file in files if file != "-" and Path(file).is_dir())]
    bases = set[str | None]()
    for one in (one for root in roots for one in below(root)):
        relative[one.path] = one.relative
        bases.add(one.base)
    named = [file for file in files if file not in roots]
    for file in named:
        if file in relative or named.count(file) > 1:
            raise click.UsageError(f"{file} is given twice")
        relative[file] = Path(file).name
        bases.add(None)
    if not relative:
        where = f" below {', '.join(roots)}" if roots else ": give FILEs, or --all DIR"
        raise click.UsageError(f"no modules and no .btf files{where}")
    base = bases.pop() if len(bases) == 1 else None
    return Found(tuple(relative), relative, bool(roots), base)


def below(root: str) -> Iterable[Below]:
    """The files below a directory, or in a package, which is unpacked as long as a command runs.

    Raises:
        SourceError: it is neither, or damaged.
        OSError: it can't be read.
    """
    from btfschema.errors import SourceError
    from btfschema.sources.reading import ARCHIVES

    if Path(root).is_dir():
        return files_below(root)
    try:
        return click.get_current_context().with_resource(unpacked_package(root))[1]
    except SourceError as error:
        if error.expected != ARCHIVES:
            raise
        message = "not a directory, package or archive; give files with BTF as FILE"
        raise SourceError(f"{printable(root)}: {message}", expected=ARCHIVES) from None


@frozen
class Kept:
    """A container that can't be read again, such as one from standard input.

    Attributes:
        name: as given.
        btf: what was read.
    """

    name: str
    btf: Btf

    def open(self) -> Btf:
        """The container."""
        return self.btf


def shared(path: str, executor: str | None, jobs: int) -> Shared | Kept:
    """A base that all the work uses.

    Raises:
        click.UsageError: other processes would have to read it, and it can be read just once.
    """
    from btfschema.framework.files import Shared
    from btfschema.sources import load

    if path != "-" and not Path(path).is_fifo():
        found = Shared.of(path)
        # Read here, so that forked workers need not, and so that a failure is told at once.
        found.open()
        return found
    if executor or jobs > 1:
        raise click.UsageError(f"{path} can be read just once: give workers a file")
    return Kept(path, load(path))


@define
class Summary:
    """Sums over many reports.

    Attributes:
        outcomes: how many files had each.
        types: their sums, by what reports call them.
        before: sums of sizes in bytes, by what they are of.
        after: of the results.
        reasons: how many failures each explains.
        notes: how many notes of files said this; counted elsewhere.
    """

    outcomes: Counter[str] = field(factory=Counter)
    types: Counter[str] = field(factory=Counter)
    before: Counter[str] = field(factory=Counter)
    after: Counter[str] = field(factory=Counter)
    reasons: Counter[str] = field(factory=Counter)
    notes: Counter[str] = field(factory=Counter)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one file's report."""
        self.outcomes[row["outcome"]] += 1
        for name in ("types", "types_after"):
            if name in row:
                self.types[name] += row[name]
        for sums, name in ((self.before, "before"), (self.after, "after")):
            sums.update(row.get(name, {}))
        if row["outcome"] == "error":
            self.reasons[row["message"].partition("\n")[0]] += 1
        reasons = {reason["reason"] for reason in row.get("reasons", ())}
        self.reasons.update(f"types that do not match: {reason}" for reason in reasons)
        self.reasons.update(f"breaks {one['rule']}" for one in row.get("violations", ()))

    def __str__(self) -> str:
        """A small table: files, types and bytes before and after, failures by reason."""
        return "\n".join(filter(None, [*self._sums(), str(self._reasons())]))

    def show(self, *, err: bool = False) -> None:
        """Print it; where JSON is asked for, as an object on stderr."""
        if asked_for_json():
            echo(json_text({"summary": asdict(self)}), err=True)
            return
        for line in self._sums():
            echo(line, err=err)
        self._reasons().show(err=err)

    def _sums(self) -> list[str]:
        total = self.outcomes.total()
        lines = [_counted("files", total), _counted("failed", total - self.outcomes["ok"])]
        if self.types:
            lines.append(_counted("types", self.types["types"], self.types.get("types_after")))
        if self.after:
            lines.append(_counted("bytes", self.before.total(), self.after.total()))
        return lines

    def _reasons(self) -> Table:
        shown = self.reasons.most_common(MOST_REASONS)
        rows = [(f"{count:,}", f"x {reason}") for reason, count in shown]
        if len(self.reasons) > len(shown):
            rows.append(("and", f"{len(self.reasons) - len(shown):,} more reasons"))
        notes = self.notes.most_common(MOST_REASONS)
        rows += [(f"{count:,}", f"x noted: {note}") for note, count in notes]
        return Table(("", ""), rows, right={0}, least={0: 8}, gap=" ")


def _counted(what: str, before: int, after: int | None = None) -> str:
    change = "" if after is None else f" -> {after:,} ({after - before:+,})"
    return f"{what:<10} {before:>14,}{change}"
