"""``btfschema verify``: would a kernel load this BTF, and if not, all of why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click
from attrs import define, evolve, field, frozen

from btfschema.cli.answers import complain
from btfschema.cli.batch import Reports, report_option, run_batch, type_count
from btfschema.cli.inputs import (
    base_option,
    doubts,
    joined,
    odd,
    probably_another,
    running_kernel,
)
from btfschema.cli.options import json_options
from btfschema.cli.outputs import DASH, echo, guard, json_text
from btfschema.cli.tree import Kept, Summary, gather, shared, tree_options
from btfschema.cli.workers import workers_of
from btfschema.errors import counted
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.model.container import Btf
    from btfschema.sources import Source
    from btfschema.verification import Sanitised, Violation

__all__ = ["verify"]

# How many violations of a file are listed.
LISTED = 20

# Known without importing the package's verifier, for the help text; a test compares them.
VERSIONS = ("4.19", "5.4", "5.10", "5.15", "6.1", "6.12", "6.18", "7.1")


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A version that something is known of.

    Raises:
        click.BadParameter: it is none.
    """
    if value not in VERSIONS:
        from btfschema.verification import kernel_of

        try:
            kernel_of(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    return value


def _versions(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [version for version in VERSIONS if version.startswith(incomplete)]


@click.command()
@tree_options
@base_option
@click.option(
    "--level",
    type=click.Choice(["read", "kernel"]),
    default="kernel",
    show_default=True,
    help="read: libbpf's checks; kernel: a kernel's checks.",
)
@click.option(
    "--kernel",
    metavar="VERSION",
    callback=_known,
    shell_complete=_versions,
    default="6.18",
    show_default=True,
    help=f"The version of Linux to check for, from {VERSIONS[0]} on. btfschema knows the rules of "
    f"{', '.join(VERSIONS[:-1])} and {VERSIONS[-1]}; it treats any other version as the newest of "
    "these that is not above it, and a note says so.",
)
@click.option(
    "--as-loaded/--as-is",
    "as_loaded",
    default=True,
    help="Judge the BTF of a BPF object as libbpf hands it to the kernel [default], or as it "
    "stands in the file.",
)
@click.option(
    "--all-violations",
    is_flag=True,
    help=f"List all violations of a file, not just {LISTED}, or one line when all have one cause.",
)
@json_options("an object for each file")
@report_option
def verify(
    files: tuple[str, ...],
    trees: tuple[str, ...],
    base_btf: str | None,
    level: str,
    kernel: str,
    as_loaded: bool,
    all_violations: bool,
    as_json: bool,
    pretty: bool,
    jobs: int,
    executor: str | None,
    quiet: bool,
    report: str | None,
) -> None:
    """Say whether a kernel would accept each FILE's BTF, and all that it would refuse.

    Without FILE, verifies the running kernel's BTF. All files are verified; the exit code is 1 when
    one has a violation. A module is verified over its own base (.BTF.base, or FILE.base beside it),
    or else over -B. For directories, only files with violations are listed. If a file lacks its
    base, or was probably built over a base other than -B, its violations are only counted;
    --all-violations, --json and --report list them. A base that the kernel itself refuses is
    reported once; no module loads over it.

    \b
    Examples:
      btfschema verify prog.bpf.o --kernel 6.1
      btfschema verify --all /lib/modules/6.12.1 -B vmlinux --jobs 4
    """  # noqa: D301 - click needs the backspace character itself
    found = gather(files or (() if trees else running_kernel()), trees)
    base_btf = found.over(base_btf)
    guard({"--report": [report]}, {"FILE": found.paths, "-B": [base_btf]})
    base = shared(base_btf, executor, jobs) if base_btf is not None else None
    if level == "kernel" and kernel not in VERSIONS:
        from btfschema.verification import kernel_of

        if note := kernel_of(kernel).note:
            complain(note, None, "warning")
    taken = f"Linux {kernel} accepts it" if level == "kernel" else "readers accept it"
    told = _Told(as_json, pretty, None if quiet or found.walked else taken, report == DASH)
    told.whole = all_violations
    with ExitStack() as stack:
        workers = stack.enter_context(workers_of(executor, jobs))
        if found.walked and not quiet:
            stack.callback(lambda: told.summary.show(err=told.aside))
        elif len(found.paths) > 1 and not quiet and not as_json:
            stack.callback(lambda: echo(told.last(len(found.paths)), err=told.aside))
        run_batch(
            found.paths,
            Verify(base, level, kernel, as_loaded),
            keep_going=True,
            report=report,
            workers=workers,
            reports=Reports(
                summary=told,
                notes=told.summary.notes if found.walked else None,
            ),
            progress=found.walked and not quiet,
        )


@define
class _Told:
    """Prints each report, and sums them up.

    Attributes:
        as_json: whether reports are printed as they are.
        pretty: whether indented.
        taken: what is printed of a sound file, or None.
        aside: whether it is printed on stderr, since a report goes to stdout.
        summary: of all files.
        whole: whether all violations of a file are listed.
        bases: those of which it was said that the kernel refuses them.
    """

    as_json: bool
    pretty: bool
    taken: str | None
    aside: bool = False
    summary: Summary = field(factory=Summary)
    whole: bool = False
    bases: set[str] = field(factory=set)

    @property
    def sound(self) -> int:
        """How many files have no violation."""
        return self.summary.outcomes["ok"]

    def last(self, count: int) -> str:
        """The last line about so many files."""
        return f"{self.sound:,} of {count:,} files {'is' if self.sound == 1 else 'are'} sound"

    def add(self, row: dict[str, Any]) -> None:
        """One file's report."""
        self.summary.add(row)
        file = printable(row["file"])
        if self.as_json:
            wanted = ("file", "outcome", "message", "violations", "base_refused", "missing_base")
            told = {name: row[name] for name in wanted if name in row}
            lines = [json_text(told, pretty=self.pretty)]
        elif "violations" not in row:
            # Said as an error.
            return
        else:
            lines = self._of_base(row, file)
            lines += [f"{file}: {one}" for one in _worded(row, whole=self.whole)]
            if not lines and self.taken is not None:
                lines.append(f"{file}: {self.taken}")
        for line in lines:
            echo(line, err=self.aside)

    def _of_base(self, row: Mapping[str, Any], file: str) -> list[str]:
        """What is wrong with the base itself, of the first file over it, and that it is, of all."""
        if "base_refused" not in row:
            return []
        base = row["base_refused"]
        name, lines = printable(base["file"]), []
        if base["file"] not in self.bases:
            self.bases.add(base["file"])
            messages = [violation["message"] for violation in base["violations"]]
            lines = [f"{name}: {one}" for one in _few(messages, whole=self.whole)]
        return [*lines, f"{file}: no module loads over {name}, which the kernel refuses itself"]


def _worded(row: Mapping[str, Any], *, whole: bool) -> list[str]:
    """The violations of a file; what all of them probably come of before them, or instead."""
    messages = [violation["message"] for violation in row["violations"]]
    cause = ""
    if "doubted_base" in row and len(messages) > 1:
        cause = probably_another(row["doubted_base"])
    elif row.get("missing_base"):
        cause = "this is split BTF: name the BTF that it was built over with -B"
    if not cause:
        return _few(messages, whole=whole)
    if whole:
        return [cause, *messages]
    return [f"{cause} ({counted(len(messages), 'violation')}, which --all-violations lists)"]


def _few(messages: list[str], *, whole: bool) -> list[str]:
    more = len(messages) - LISTED
    if whole or more <= 0:
        return messages
    return [*messages[:LISTED], f"{counted(more, 'more violation')}, which --all-violations lists"]


@frozen
class Verify:
    """Verifies files; what workers are sent.

    Attributes:
        base: what the files are split over, or None.
        level: ``"read"`` or ``"kernel"``.
        kernel: its version.
        as_loaded: whether BPF objects are judged as libbpf loads them.
    """

    base: Shared | Kept | None
    level: Any
    kernel: str
    as_loaded: bool = True

    def __call__(self, files: Sequence[str]) -> list[dict[str, Any] | Failure]:
        """Do some files; returns what to report of each."""
        from btfschema.errors import attempt
        from btfschema.sources import read_source

        sources = [attempt(read_source, file) for file in files]
        found: dict[int, dict[str, Any] | Failure] = {**self._sound(sources)}
        for number, source in enumerate(sources):
            if isinstance(source, Exception):
                found[number] = source
            elif number not in found:
                found[number] = attempt(self._judged, source)
        return [found[number] for number in range(len(sources))]

    def _sound(self, sources: Sequence[Source | Failure]) -> dict[int, dict[str, Any]]:
        """Reports of modules over the base that was given in which nothing is wrong, by number.

        Any other file is judged alone, for its messages.
        """
        from btfschema.errors import BtfError
        from btfschema.model.loading import decoded
        from btfschema.verification import oddities_many, verify_many

        if self.base is None:
            return {}
        modules = {
            number: source
            for number, source in enumerate(sources)
            if not isinstance(source, Exception) and self._is_module(source)
        }
        if len(modules) < 2:
            return {}
        base, path = self.base.open(), self.base.name
        if self._refused(base):
            return {}
        try:
            btfs = decoded([source.btf for source in modules.values()], base)
        except BtfError:
            return {}
        found = verify_many(btfs, self.level, self.kernel)
        # Kept with each container, where a line for each is made of it.
        oddities_many(btfs)
        return {
            number: self._row(source, btf, path, [])
            for (number, source), btf, violations in zip(modules.items(), btfs, found, strict=True)
            if not violations and not _is_alone(btf)
        }

    def _is_module(self, source: Source) -> bool:
        """Whether a file has BTF alone, and brings no base."""
        from btfschema.sources import detached_base

        others = (source.base, source.ext, source.object_file)
        return all(one is None for one in others) and detached_base(source) is None

    def _judged(self, source: Source) -> dict[str, Any]:
        """What to report of a file by itself."""
        base, path, found = self._base_of(source)
        btf, notes = _decoded(source.btf, base), list[str]()
        given = self.base.name if self.base is not None else None
        if path is not None and path == given and _is_alone(btf):
            notes.append(f"stands alone, so it was verified without {printable(path)}")
            base, path = None, None
            btf = _decoded(source.btf, None)
        refused = self._refused(base) if path is not None else []
        opened = None if found else self._opened(source, base)
        if opened is not None:
            found = list(opened.left)
        elif not found:
            found = self._verified(source, base)
        of_program, unread = self._of_program(source, base)
        row = self._row(source, btf, path, [*found, *of_program], notes)
        if refused:
            row["outcome"] = "refused"
            row["base_refused"] = {"file": path, "violations": refused}
        if opened is not None and opened.changes:
            row["libbpf"] = [change.as_dict() for change in opened.changes]
        if btf is not None:
            row["notes"] += unread
            if row["violations"] and given is not None and path not in (None, given):
                row["notes"].append(f"{path}: taken for its base, and not the one given")
        return row

    def _row(
        self,
        source: Source,
        btf: Btf | None,
        path: str | None,
        found: Sequence[Violation],
        notes: Sequence[str] = (),
    ) -> dict[str, Any]:
        """The report of a file.

        Args:
            source: the file.
            btf: its container, or None when it is too damaged for one.
            path: the file of its base, when that is another.
            found: what is wrong.
            notes: what else is to be said.
        """
        row: dict[str, Any] = {
            "outcome": "refused" if found else "ok",
            "violations": [violation.as_dict() for violation in found],
        }
        if btf is None:
            return row
        if btf.base is None and found and btf.strings.data[:1] not in (b"", b"\0"):
            row["missing_base"] = True
        row["types"] = type_count(btf)
        doubted = doubts(btf, path)
        row["notes"] = [*notes, *doubted]
        if doubted:
            row["doubted_base"] = path
        elif not any(violation.rule.level == "read" for violation in found):
            row["notes"] += odd(btf)
        row["notes"] += joined(source, btf)
        return row

    def _base_of(self, source: Source) -> tuple[Btf | None, str | None, list[Violation]]:
        """What a file is split over.

        Returns:
            The base, its file when that is another, and what is wrong with the one that the file
            brings along.
        """
        from btfschema.model.loading import loads
        from btfschema.sources import base_beside, detached_base, load
        from btfschema.verification import verify

        if source.base is not None:
            found = verify(source.base, self.level, self.kernel)
            return (None if found else loads(source.base)), None, found
        if self.base is not None and detached_base(source) is None:
            return self.base.open(), self.base.name, []
        beside = base_beside(source)
        return (None, None, []) if beside is None else (load(beside), str(beside), [])

    def _refused(self, base: Btf | None) -> list[dict[str, Any]]:
        """What the kernel refuses of the base, which is looked at once."""
        from btfschema.verification.verifier import refused_base

        if base is None or self.level != "kernel":
            return []
        return [violation.as_dict() for violation in refused_base(base, self.kernel)[:LISTED]]

    def _opened(self, source: Source, base: Btf | None) -> Sanitised | None:
        """What libbpf makes of a BPF object; None for other files, or when it can't be decoded."""
        if source.object_file is None or not self.as_loaded or self.level != "kernel":
            return None
        # Repairs write new records, and take as long to import as many modules to verify.
        from btfschema.errors import BtfError
        from btfschema.sources import load_source
        from btfschema.verification import as_loaded

        try:
            return as_loaded(load_source(source, base), self.kernel)
        except BtfError:
            return None

    def _of_program(self, source: Source, base: Btf | None) -> tuple[list[Violation], list[str]]:
        """What a kernel refuses of ``.BTF.ext``, and a line when that can't be read."""
        from btfschema.errors import BtfError
        from btfschema.model.ext import loads_ext
        from btfschema.sources import load_source
        from btfschema.verification import verify_ext

        if source.ext is None or self.level != "kernel":
            return [], []
        try:
            btf = load_source(evolve(source, ext=None), base, check=False)
        except BtfError:
            # Said elsewhere.
            return [], []
        try:
            ext = loads_ext(source.ext, btf, check=False)
        except BtfError as error:
            return [], [f"libbpf goes on without .BTF.ext, which can't be read: {error}"]
        return verify_ext(evolve(btf, ext=ext), self.kernel), []

    def _verified(self, source: Source, base: Btf | None) -> list[Violation]:
        from btfschema.errors import BtfError
        from btfschema.verification import verify

        try:
            return verify(source.btf, self.level, self.kernel, base)
        except BtfError as error:
            raise type(error)(f"{source.name}: {error}") from error


def _is_alone(btf: Btf | None) -> bool:
    from btfschema.sources import stands_alone

    return btf is not None and stands_alone(btf)


def _decoded(data: bytes, base: Btf | None) -> Btf | None:
    """A container of what can be damaged; None when it is too damaged for that."""
    from btfschema.errors import BtfError
    from btfschema.model.loading import loads

    try:
        return loads(data, base, check=False)
    except BtfError:
        return None
