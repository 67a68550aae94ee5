"""Tables as files: CSV, SQLite, Parquet, and datasets of many kernels."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import define, field

from btfschema.arguments import one_of
from btfschema.questions.columns import Numbers, Table, arrow
from btfschema.sources.files import alone_in, atomic_write

__all__ = ["Dataset", "SqliteFile", "csv_bytes", "parquet_bytes"]

# Rows of a table that a dataset holds before it writes a file.
ROWS_A_FILE = 1 << 20
Form = Literal["parquet", "csv"]
PARTITION = "kernel"
UNKNOWN_KERNEL = "unknown"
# What stays as it is in the name of a partition's directory, besides letters, digits and "_.-~";
# releases hold it, as in 6.12.1+deb13.
IN_RELEASES = "+"


def csv_bytes(table: Table, *, header: bool = True) -> bytes:
    """A table as CSV (RFC 4180, with line feeds); what has no value is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(table.names)
    writer.writerows(table.rows())
    return text.getvalue().encode("utf-8", "surrogateescape")


def parquet_bytes(table: Any) -> bytes:
    """A ``pyarrow.Table`` as a Parquet file, compressed with Zstandard.

    Raises:
        BtfError: pyarrow is not installed.
    """
    arrow()
    import pyarrow.parquet as parquet

    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd", compression_level=1)
    return sink.getvalue()


class SqliteFile:
    """An SQLite database in memory with a table for each kind of row, as it will be written."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._columns: dict[str, list[str]] = {}

    def add(self, tables: Mapping[str, Table]) -> None:
        """Append the rows of a container's tables."""
        for name, table in tables.items():
            known = self._columns.get(name)
            if known is None:
                declared = ", ".join(_declared(table, column) for column in table.names)
                self._connection.execute(f"create table {_quoted(name)} ({declared})")
                known = self._columns[name] = []
                known += table.names
            for column in table.names:
                if column not in known:
                    added = _declared(table, column)
                    self._connection.execute(f"alter table {_quoted(name)} add column {added}")
                    known.append(column)
            columns = ", ".join(map(_quoted, table.names))
            marks = ", ".join("?" * len(table.names))
            self._connection.executemany(
                f"insert into {_quoted(name)} ({columns}) values ({marks})", _safe(table)
            )

    def content(self) -> bytes:
        """The database file."""
        for name, columns in self._columns.items():
            if "id" in columns:
                index = _quoted(f"{name}_id")
                self._connection.execute(f"create index {index} on {_quoted(name)} (id)")
            if "name" in columns:
                index = _quoted(f"{name}_name")
                self._connection.execute(f"create index {index} on {_quoted(name)} (name)")
        self._connection.commit()
        return self._connection.serialize()

    def close(self) -> None:
        """Give back the memory."""
        self._connection.close()


def _partition(kernel: str) -> str:
    """The name of a kernel's directory, escaped as Hive does it: readers undo that."""
    # Imported here because only datasets need it.
    from urllib.parse import quote

    text = kernel.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"{PARTITION}={quote(text, safe=IN_RELEASES)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _declared(table: Table, column: str) -> str:
    affinity = "integer" if isinstance(table[column], Numbers) else "text"
    return f"{_quoted(column)} {affinity}"


def _safe(table: Table) -> Iterable[tuple[Any, ...]]:
    r"""The rows; a byte that is not UTF-8 as ``\xff``, since SQLite's text is UTF-8."""
    columns = []
    for column in table.columns:
        values = column.values()
        if not isinstance(column, Numbers):
            try:
                "\0".join(values).encode()
            except UnicodeEncodeError:
                values = [
                    one.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                    for one in values
                ]
        columns.append(values)
    return zip(*columns, strict=True)


@define
class Dataset:
    """A directory of Parquet or CSV files, partitioned by kernel as Hive does it.

    ``FOLDER/types/kernel=6.12.1/part-0.parquet``, with other characters than those of releases
    percent-encoded; what is added later gets files of its own, so
    that no file is ever replaced, not even by another process that adds to the same directory.

    Attributes:
        folder: the directory.
        form: ``"parquet"`` or ``"csv"``.
        rows: rows of a table and kernel that are held before they are written.
    """

    folder: Path = field(converter=Path)
    form: Form = field(default="parquet", validator=one_of(Form))
    rows: int = ROWS_A_FILE
    _waiting: dict[tuple[str, str], list[Any]] = field(factory=dict, init=False)
    _counts: dict[tuple[str, str], int] = field(factory=dict, init=False)

    def add(self, tables: Mapping[str, Table], kernel: str = "") -> None:
        """Append the rows of a container's tables.

        Raises:
            OSError: a file can't be written.
            BtfError: pyarrow is not installed.
        """
        for name, table in tables.items():
            key = name, kernel or UNKNOWN_KERNEL
            waiting = self._waiting.setdefault(key, [])
            if len(table):
                one = table.arrow().drop_columns([PARTITION]) if self.form == "parquet" else table
                waiting.append(one)
                self._counts[key] = self._counts.get(key, 0) + len(table)
            if self._counts.get(key, 0) >= self.rows:
                self._write(*key)

    def close(self) -> None:
        """Write what is still held."""
        for key in list(self._waiting):
            self._write(*key)

    def _write(self, name: str, kernel: str) -> None:
        parts = self._waiting.pop((name, kernel))
        self._counts.pop((name, kernel), None)
        if not parts:
            return
        if self.form == "parquet":
            whole = arrow().concat_tables(parts, promote_options="default")
            data = parquet_bytes(whole.unify_dictionaries())
        else:
            rows = [csv_bytes(part, header=not number) for number, part in enumerate(parts)]
            data = b"".join(rows)
        folder = self.folder / name / _partition(kernel)
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            taken = [int(one.stem[5:]) for one in folder.glob("part-*") if one.stem[5:].isdigit()]
            number = max(taken, default=-1) + 1
            atomic_write(folder / f"part-{number}.{self.form}", data)
