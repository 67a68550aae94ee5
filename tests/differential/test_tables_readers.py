"""DuckDB, polars and pandas read the tables: the ten questions of the guide, and Arrow tables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from debian_packages import CACHE

from btfschema import dump, loads
from btfschema.questions.tables import TABLES
from btfschema.views import Struct

pytestmark = pytest.mark.network

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "tables.md"
READERS = ("duckdb", "polars", "pandas")

ASKED = """\
import json, sqlite3, sys
import duckdb, polars, pyarrow.parquet
folder, questions = sys.argv[1], json.load(open(sys.argv[2]))
database = duckdb.connect()
for name in json.loads(sys.argv[3]):
    database.execute(f"create view \\"{name}\\" as select * from '{folder}/{name}.parquet'")
lite = sqlite3.connect(f"{folder}/kernel.sqlite")
rows = [[[list(row) for row in one.execute(text).fetchall()] for one in (database, lite)]
        for text in questions]
members = f"{folder}/members.parquet"
widths = [
    polars.read_parquet(members).filter(polars.col("bitfield_size") > 0).height,
    int((pyarrow.parquet.read_table(members).to_pandas()["bitfield_size"] > 0).sum()),
    database.execute("select count(*) from members where bitfield_size > 0").fetchall()[0][0],
]
print(json.dumps([rows, widths]))
"""
DIRECT = """\
import json, sys
import duckdb, polars
import btfschema
tables = btfschema.load(sys.argv[1]).tables(file="vmlinux", kernel="6.12")
members, types = tables["members"], tables["types"]
asked = "select count(*) from members join types using (id) where types.name = 'task_struct'"
print(json.dumps([
    duckdb.sql(asked).fetchall()[0][0],
    polars.from_arrow(members).join(
        polars.from_arrow(types).filter(polars.col("name") == "task_struct"), on="id").height,
    len(members.to_pandas().merge(types.to_pandas().query("name == 'task_struct'"), on="id")),
]))
"""


@pytest.fixture(scope="module")
def readers() -> Path:
    """A directory of the packages, as pip installs them."""
    folder = CACHE / f"table-readers-{sys.version_info.major}.{sys.version_info.minor}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "made"
            pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(made)]
            subprocess.run([*pip, *READERS, "pyarrow"], check=True, capture_output=True)
            made.rename(folder)
    return folder


def run(code: str, readers: Path, *arguments: str) -> list[object]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "transforms"), str(readers)])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def questions() -> list[str]:
    """The guide's queries, each with all of its rows in an order."""
    return re.findall(r'ask\("""\n(.*?)"""\)', GUIDE.read_text(), re.DOTALL)


def test_the_guide_asks_ten_questions() -> None:
    assert len(questions()) == 10


def test_duckdb_answers_them_as_sqlite_does(
    readers: Path, cloud_bytes: bytes, tmp_path: Path
) -> None:
    kernel = tmp_path / "vmlinux.btf"
    kernel.write_bytes(cloud_bytes)
    command = [sys.executable, "-m", "btfschema", "tables", str(kernel), "-o"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(readers)])}
    for name in (*(f"{table}.parquet" for table in TABLES), "kernel.sqlite"):
        subprocess.run([*command, str(tmp_path / name)], check=True, env=env, cwd=ROOT)
    (tmp_path / "questions.json").write_text(json.dumps(questions()))
    arguments = str(tmp_path), str(tmp_path / "questions.json"), json.dumps(TABLES)
    rows, widths = run(ASKED, readers, *arguments)
    assert isinstance(rows, list)
    for text, (duck, lite) in zip(questions(), rows, strict=True):
        # Rows that an order leaves equal may come in any order.
        assert sorted(map(str, duck)) == sorted(map(str, lite)), text
        assert duck
    assert isinstance(widths, list)
    assert len(set(widths)) == 1


def test_arrow_tables_are_read_without_a_file(
    readers: Path, cloud_bytes: bytes, tmp_path: Path
) -> None:
    dump(loads(cloud_bytes), tmp_path / "k.btf")
    counts = run(DIRECT, readers, str(tmp_path / "k.btf"))
    task = loads(cloud_bytes).find("task_struct", Struct)
    assert counts == [len(task.members)] * 3
