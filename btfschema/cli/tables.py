"""``btfschema tables``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btfschema.cli.answers import complain, complain_of, print_json
from btfschema.cli.given import named_as_given
from btfschema.cli.inputs import base_option, load_files, running_kernel
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import DASH, guard, print_csv, write_output

if TYPE_CHECKING:
    from btfschema.errors import Failure
    from btfschema.model.container import Btf
    from btfschema.questions.writing import Form

__all__ = ["tables"]

DATABASES = (".sqlite", ".sqlite3", ".db")
# Files that are read before the first of them is written.
TOGETHER = 32


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=AnyPath(allow_dash=True))
@click.option(
    "--all",
    "trees",
    metavar="DIR|PACKAGE",
    multiple=True,
    type=click.Path(exists=True),
    help="All modules and .btf files below DIR or in PACKAGE.",
)
@base_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE|DIR",
    help="TABLE.parquet or TABLE.csv for one table, FILE.sqlite for all tables, DIR/ for a dataset "
    "of all tables, partitioned by kernel; - prints CSV.",
)
@click.option("--table", metavar="NAME", help="The table to write to a .parquet or .csv file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="The format of a dataset's files.",
)
@click.option("--kernel", metavar="RELEASE", help='The value of the column "kernel".')
@json_options("what was written")
def tables(
    files: tuple[str, ...],
    trees: tuple[str, ...],
    base_btf: str | None,
    output: str,
    table: str | None,
    form: Form,
    kernel: str | None,
    as_json: bool,
    pretty: bool,
) -> None:
    """Write types, members, enumerators, params, variables, references and tags as tables.

    Each table has one row per item, with names, C spelling, sizes, offsets, and the file and kernel
    it comes from; the kernel's release is taken from the file's path unless --kernel gives it. A
    split FILE's tables hold only its own types. Without FILE, writes the running kernel's. Parquet
    needs the extra btfschema[tables].

    \b
    Examples:
      btfschema tables vmlinux -o types.parquet
      btfschema tables vmlinux nf_tables.ko -B vmlinux -o kernel.sqlite
      btfschema tables --all /lib/modules/6.12.1 -B vmlinux -o dataset/
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.cli.tree import gather

    found = gather(files or (() if trees else running_kernel()), trees).with_base
    base_btf = found.over(base_btf)
    guard({"-o": [output]}, {"FILE": found.paths, "-B": [base_btf]})
    if as_json and output == "-":
        raise click.UsageError("-o - and --json can't both be standard output")
    loaded = _loaded(found.paths, base_btf)
    failed = _Failures(keep_going=found.walked)
    opened = failed.left_out(loaded)
    path = Path(output)
    if path.suffix in DATABASES:
        _write_database(opened, output, kernel)
    elif output != "-" and (output.endswith("/") or not path.suffix or path.is_dir()):
        _write_dataset(opened, Path(output), form, kernel)
    else:
        _write_table(opened, output, table, kernel)
    if as_json:
        read = len(found.paths) - failed.count
        print_json({"output": output, "files": read, "failed": failed.count}, pretty=pretty)
    if failed.count:
        complain(f"could not read {failed.count} of {len(found.paths)} files")
        raise click.exceptions.Exit(1)


def _loaded(paths: Sequence[str], base_btf: str | None) -> Iterator[tuple[str, Btf | Failure]]:
    """The containers, some read together, over the base; the base itself may be among them."""
    from btfschema.sources import load

    base = load(base_btf) if base_btf is not None else None
    for first in range(0, len(paths), TOGETHER):
        portion = paths[first : first + TOGETHER]
        rest = [path for path in portion if base_btf is None or not _same(path, base_btf)]
        found = dict(zip(rest, load_files(rest, base, base_btf), strict=True))
        for path in portion:
            if path in found:
                yield named_as_given(path), found[path]
            elif base is not None:
                yield named_as_given(path), base


def _same(path: str, other: str) -> bool:
    return path == other or (
        Path(path).exists() and Path(other).exists() and Path(path).samefile(other)
    )


class _Failures:
    """Tells of files that could not be read, and goes on or stops.

    Args:
        keep_going: whether to go on, while there is a file that can be read.
    """

    def __init__(self, *, keep_going: bool) -> None:
        self.keep_going, self.count = keep_going, 0

    def left_out(self, loaded: Iterable[tuple[str, Btf | Failure]]) -> Iterator[tuple[str, Btf]]:
        """The files that could be read.

        Raises:
            Exit: none could, so there is nothing to write.
        """
        read = 0
        for path, one in loaded:
            if not isinstance(one, Exception):
                read += 1
                yield path, one
                continue
            if not self.keep_going:
                raise one
            self.count += 1
            complain_of(one, [path])
        if not read:
            complain("no file could be read: nothing is written")
            raise click.exceptions.Exit(1)


def _kernel(path: str, kernel: str | None) -> str:
    from btfschema.sources.identity import path_release

    return kernel if kernel is not None else path_release(path) or ""


def _write_database(opened: Iterable[tuple[str, Btf]], output: str, kernel: str | None) -> None:
    from btfschema.questions.tables import tables_of
    from btfschema.questions.writing import SqliteFile

    database = SqliteFile()
    try:
        for path, btf in opened:
            database.add(tables_of(btf, path, _kernel(path, kernel)))
        write_output(output, database.content())
    finally:
        database.close()


def _write_dataset(
    opened: Iterable[tuple[str, Btf]], output: Path, form: Form, kernel: str | None
) -> None:
    from btfschema.questions.tables import tables_of
    from btfschema.questions.writing import Dataset

    dataset = Dataset(output, form)
    for path, btf in opened:
        release = _kernel(path, kernel)
        dataset.add(tables_of(btf, path, release), release)
    dataset.close()


def _write_table(
    opened: Iterable[tuple[str, Btf]], output: str, name: str | None, kernel: str | None
) -> None:
    """One table as Parquet or CSV."""
    from btfschema.questions.columns import arrow
    from btfschema.questions.tables import TABLES, tables_of
    from btfschema.questions.writing import csv_bytes, parquet_bytes

    path = Path(output)
    if name is None:
        name = path.stem if path.stem in TABLES else "types"
    if output != "-" and path.suffix not in (".parquet", ".csv"):
        raise click.UsageError(
            f"-o {output}: a file ends in .parquet, .csv or {', '.join(DATABASES)}"
        )
    parts = []
    for file, btf in opened:
        found = tables_of(btf, file, _kernel(file, kernel))
        if name not in found:
            raise click.UsageError(f"--table {name}: there are {', '.join(found)}")
        parts.append(found[name])
    if path.suffix == ".parquet":
        whole = arrow().concat_tables([part.arrow() for part in parts], promote_options="default")
        write_output(output, parquet_bytes(whole.unify_dictionaries()))
        return
    data = b"".join(csv_bytes(part, header=not number) for number, part in enumerate(parts))
    if output == DASH:
        print_csv(data.decode("utf-8", "surrogateescape"))
    else:
        write_output(output, data)
