"""Types as tables: what they say is what the views say, and they lead back."""

from __future__ import annotations

import csv
import io
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from every_kind import every_kind
from hypothesis import given, settings
from hypothesis import strategies as st

from btfschema import Btf, Builder, dump, dumps, loads, views
from btfschema.cli import cli
from btfschema.errors import EncodeError
from btfschema.questions import Dataset, SqliteFile, csv_bytes, from_tables, tables_of
from btfschema.questions.tables import TABLES
from btfschema.testing import btfs, split_btfs


def as_dicts(table: Any) -> list[dict[str, Any]]:
    return [dict(zip(table.names, row, strict=True)) for row in table.rows()]


def clean(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What UTF-8 can hold of the rows' texts."""
    return [
        {
            name: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            if isinstance(value, str)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


def signed(value: int) -> int:
    """A 64-bit value as SQL and Arrow have it."""
    return (value & (1 << 64) - 1) - ((value >> 63 & 1) << 64)


def same_types(one: Btf, two: Btf) -> bool:
    return [(v.id, v) for v in one] == [(v.id, v) for v in two]


@given(btfs(layout=False))
@settings(max_examples=40)
def test_tables_rebuild_the_types(btf: Btf) -> None:
    again = from_tables(tables_of(btf), byteorder=btf.byteorder)
    assert same_types(btf, again)
    # What was built is what a reader reads.
    assert same_types(btf, loads(dumps(again)))


@given(split_btfs())
@settings(max_examples=20)
def test_tables_of_a_split_rebuild_it_over_its_base(btf: Btf) -> None:
    assert same_types(btf, from_tables(tables_of(btf), btf.base, btf.byteorder))


@given(btfs())
@settings(max_examples=40)
def test_there_is_a_row_for_each_thing_that_the_views_have(btf: Btf) -> None:
    tables = tables_of(btf, "f", "k")
    assert set(TABLES) <= set(tables)
    types = as_dicts(tables["types"])
    assert [(row["id"], row["name"]) for row in types] == [
        (view.id, getattr(view, "name", "")) for view in btf
    ]
    members = [
        (view.id, n, m.name, m.type_id, m.bit_offset, m.bitfield_size)
        for view in btf
        if isinstance(view, views.Struct | views.Union)
        for n, m in enumerate(view.members)
    ]
    assert members == [
        tuple(row[c] for c in ("id", "number", "name", "type_id", "bit_offset", "bitfield_size"))
        for row in as_dicts(tables["members"])
    ]
    values = [
        (view.id, e.name, signed(e.value))
        for view in btf
        if isinstance(view, views.Enum | views.Enum64)
        for e in view.values
    ]
    assert values == [
        (row["id"], row["name"], row["value"]) for row in as_dicts(tables["enumerators"])
    ]
    references = [(view.id, target) for view in btf for target in view.references]
    assert references == [(row["id"], row["target_id"]) for row in as_dicts(tables["references"])]
    assert {row["kernel"] for row in types} <= {"k"}


def test_sizes_are_those_of_sizeof(cloud: Btf) -> None:
    from btfschema.errors import UnresolvedError

    def size(type_id: int) -> int | None:
        try:
            return cloud.sizeof(type_id)
        except UnresolvedError:
            return None

    column = tables_of(cloud)["types"]["bytes"].values()
    sample = range(1, len(cloud), 13)
    assert [column[type_id - 1] for type_id in sample] == [size(type_id) for type_id in sample]


@pytest.mark.parametrize(
    ("add", "text"),
    [
        ([views.Ptr(1)], "int *"),
        ([views.Const(1), views.Ptr(2)], "const int *"),
        ([views.Ptr(1), views.Const(2)], "int * const"),
        ([views.Array(1, 1, 4), views.Array(2, 1, 3)], "int[3][4]"),
        ([views.Array(1, 1, 4), views.Ptr(2)], "int (*)[4]"),
        ([views.Ptr(1), views.Array(2, 1, 4)], "int *[4]"),
        ([views.FuncProto(0, [views.Param("a", 1), views.Param("", 0)])], "void (int, ...)"),
        ([views.FuncProto(1), views.Ptr(2), views.Array(3, 1, 2)], "int (*[2])(void)"),
        ([views.FuncProto(1), views.Ptr(2), views.Ptr(3)], "int (**)(void)"),
        ([views.Fwd("s"), views.Ptr(2)], "struct s *"),
        ([views.Union("", 4), views.Volatile(2)], "volatile union {...}"),
        ([views.TypeTag("user", 1), views.Ptr(2)], 'int __attribute__((btf_type_tag("user"))) *'),
        ([views.Ptr(3), views.Ptr(2)], "[2] *"),
    ],
)
def test_c_spelling(add: list[views.TypeView], text: str) -> None:
    builder = Builder()
    for view in (views.Int("int", 4, views.IntEncoding.SIGNED), *add):
        builder.add(view)
    assert tables_of(builder.build())["types"]["c"].values()[-1] == text


def test_spelling_stays_short_where_types_grow_without_end() -> None:
    builder = Builder()
    builder.add(views.Int("int", 4))
    for number in range(1, 3000):
        if number % 2:
            builder.add(views.FuncProto(number, [views.Param("", number), views.Param("", number)]))
        else:
            builder.add(views.Array(number, 1, 2))
    texts = tables_of(builder.build())["types"]["c"].values()
    assert max(map(len, texts)) < 2000


def test_a_name_that_is_no_utf8_stays_readable_everywhere() -> None:
    builder = Builder()
    builder.add(views.Int("caf\udce9", 4))
    tables = tables_of(builder.build())
    assert b"caf\xe9" in csv_bytes(tables["types"])
    database = SqliteFile()
    database.add(tables)
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database.content())
    assert connection.execute("select name, c from types").fetchall() == [("caf\\xe9", "caf\\xe9")]


def test_a_table_that_lacks_a_column_is_refused() -> None:
    tables = dict(tables_of(every_kind()))
    del tables["members"]
    with pytest.raises(EncodeError, match="table members: no column"):
        from_tables(tables)


def test_sqlite_has_all_rows_of_all_containers() -> None:
    database = SqliteFile()
    for name in ("a", "b"):
        database.add(tables_of(every_kind(), name))
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database.content())
    for name, table in tables_of(every_kind()).items():
        (count,) = connection.execute(f'select count(*) from "{name}"').fetchone()
        assert count == 2 * len(table)
    rows = connection.execute(
        "select distinct e.name, e.value from enumerators e join types t using (id, file) "
        "where t.name = 'big'"
    ).fetchall()
    assert rows == [("MAX", -1)]


def test_csv_dataset_grows_and_replaces_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        dataset = Dataset(tmp_path, "csv")
        dataset.add(tables_of(every_kind(), "f", "6.1"), "6.1")
        dataset.close()
    files = sorted((tmp_path / "types" / "kernel=6.1").iterdir())
    assert [file.name for file in files] == ["part-0.csv", "part-1.csv"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_kernel_whatever_it_is_called_has_a_directory_in_the_dataset(tmp_path: Path) -> None:
    names = ["../../up", "a/b", "..", "50%", "k=v", "6.12.1+deb13-amd64", "caf\udce9"]
    for name in names:
        dataset = Dataset(tmp_path, "csv")
        dataset.add(tables_of(every_kind(), "f", name), name)
        dataset.close()
    assert sorted(one.name for one in (tmp_path / "types").iterdir()) == [
        "kernel=..",
        "kernel=..%2F..%2Fup",
        "kernel=50%25",
        "kernel=6.12.1+deb13-amd64",
        "kernel=a%2Fb",
        "kernel=caf%5Cxe9",
        "kernel=k%3Dv",
    ]


def test_runs_at_the_same_time_replace_nothing_of_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            dataset = Dataset(tmp_path, "csv")
            dataset.add({"types": tables_of(every_kind(), str(number), "6.1")["types"]}, "6.1")
            pool.submit(dataset.close)
    files = sorted((tmp_path / "types" / "kernel=6.1").iterdir())
    assert sorted(int(file.stem[5:]) for file in files) == list(range(40))


class TestArrow:
    """With pyarrow."""

    @pytest.fixture(autouse=True)
    def _needs_pyarrow(self) -> None:
        pytest.importorskip("pyarrow")

    @given(st.one_of(btfs(), split_btfs()))
    @settings(max_examples=25)
    def test_arrow_says_what_python_says(self, btf: Btf) -> None:
        from btfschema.questions import arrow_tables

        found = arrow_tables(btf, "f", "k")
        for name, table in tables_of(btf, "f", "k").items():
            assert found[name].to_pylist() == clean(as_dicts(table))

    def test_a_container_has_them_as_a_method(self) -> None:
        found, wanted = every_kind().tables("f", "k"), tables_of(every_kind(), "f", "k")
        assert found.keys() == wanted.keys()
        assert found["types"].to_pylist() == clean(as_dicts(wanted["types"]))

    def test_arrow_tables_rebuild_too(self) -> None:
        from btfschema.questions import arrow_tables

        assert same_types(every_kind(), from_tables(arrow_tables(every_kind())))

    def test_a_module_s_names_come_from_the_base_and_itself(
        self, cloud: Btf, modules: dict[str, bytes]
    ) -> None:
        from btfschema.questions import arrow_tables

        btf = loads(modules["nf_tables"], cloud)
        found, tables = arrow_tables(btf), tables_of(btf)
        for name in ("types", "members", "params"):
            assert found[name].to_pylist() == as_dicts(tables[name])

    def test_a_dataset_of_two_kernels_is_read_as_one(self, tmp_path: Path) -> None:
        import pyarrow.parquet as parquet

        dataset = Dataset(tmp_path, rows=10)
        releases = ["6.1", "6.12", "../a=b/50% +c"]
        for release in releases:
            dataset.add(tables_of(every_kind(), "f", release), release)
        dataset.close()
        types = parquet.read_table(tmp_path / "types")
        assert types.num_rows == len(releases) * len(every_kind())
        assert set(types["kernel"].to_pylist()) == {*releases}


def test_command_names_the_table_after_the_file(tmp_path: Path) -> None:
    dump(every_kind(), tmp_path / "k.btf")
    output = tmp_path / "enumerators.csv"
    done = CliRunner().invoke(cli, ["tables", str(tmp_path / "k.btf"), "-o", str(output)])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert ("LOW", "-2") in [(row["name"], row["value"]) for row in rows]


def test_command_writes_all_into_a_database(tmp_path: Path) -> None:
    dump(every_kind(), tmp_path / "a.btf")
    dump(every_kind("big"), tmp_path / "b.btf")
    output = tmp_path / "k.sqlite"
    done = CliRunner().invoke(cli, ["tables", "--all", str(tmp_path), "-o", str(output)])
    assert done.exit_code == 0, done.output
    connection = sqlite3.connect(output)
    (count,) = connection.execute("select count(*) from types").fetchone()
    connection.close()
    assert count == 2 * len(every_kind())


def test_command_never_writes_over_what_it_reads(tmp_path: Path) -> None:
    file = tmp_path / "k.csv"
    dump(every_kind(), file)
    before = file.read_bytes()
    done = CliRunner().invoke(cli, ["tables", str(file), "-o", str(file)])
    assert done.exit_code == 2
    assert file.read_bytes() == before


def test_command_goes_on_after_a_damaged_file_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.btf").write_bytes(b"\x9f\xeb\x01")
    dump(every_kind(), tmp_path / "b.btf")
    output = tmp_path / "types.csv"
    done = CliRunner().invoke(cli, ["tables", "--all", str(tmp_path), "-o", str(output)])
    assert done.exit_code == 1
    assert "a.btf" in done.output
    assert len(output.read_text().splitlines()) == len(every_kind()) + 1


@pytest.mark.parametrize("name", ["types.csv", "types.parquet", "all.sqlite", "dataset/"])
def test_command_writes_nothing_when_no_file_of_a_directory_can_be_read(
    tmp_path: Path, name: str
) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.btf").write_bytes(b"\x9f\xeb\x01")
    output = tmp_path / name
    arguments = ["tables", "--all", str(tmp_path / "in"), "--format", "csv", "-o"]
    done = CliRunner().invoke(cli, [*arguments, str(output) + "/" * name.endswith("/")])
    assert done.exit_code == 1
    assert not isinstance(done.exception, Exception)
    assert "a.btf: truncated BTF header" in done.output
    assert "no file could be read: nothing is written" in done.output
    assert not output.exists()


def test_command_counts_the_files_that_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.btf").write_bytes(b"\x9f\xeb\x01")
    dump(every_kind(), tmp_path / "b.btf")
    arguments = ["tables", "--all", str(tmp_path), "-o", str(tmp_path / "types.csv")]
    assert "could not read 1 of 2 files" in CliRunner().invoke(cli, arguments).output
    (tmp_path / "c.btf").symlink_to("nowhere")
    said = CliRunner().invoke(cli, arguments).output
    assert f"btfschema: {tmp_path / 'c.btf'}: No such file or directory\n" in said
