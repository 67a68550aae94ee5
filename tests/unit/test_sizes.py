"""What takes the bytes: the parts add up to the whole."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from hypothesis import given

from btfschema import Btf, Builder, dump, dumps, loads, views
from btfschema.cli import cli
from btfschema.questions.sizes import sizes_of
from btfschema.testing import btfs, split_btfs


def check_sums(btf: Btf) -> None:
    data = dumps(btf)
    found = sizes_of(loads(data, btf.base), limit=1 << 20)
    kinds = sum(one.total for one in found.kinds)
    assert kinds + found.unused + found.rest == found.total == len(data)
    assert sum(one.types for one in found.kinds) == len(btf.types)
    # Types without a name have records, and no string of their own but their members'.
    names = {(one.kind, one.name) for one in found.names}
    assert names == {
        (btf.kinds.name(int(view.kind)), name)
        for view in btf
        if view.id >= btf.first_id and (name := getattr(view, "name", ""))
    }
    assert min([found.unused, found.rest, *(one.records for one in found.names)]) >= 0


@given(btfs())
def test_the_parts_are_the_whole(btf: Btf) -> None:
    check_sums(btf)


@given(split_btfs())
def test_a_base_is_not_counted(btf: Btf) -> None:
    check_sums(btf)


def test_a_string_counts_for_the_first_that_uses_it() -> None:
    builder = Builder()
    builder.add(views.Int("int", 4))
    builder.add(views.Struct("pair", 8, [views.Member("int", 1), views.Member("second", 1, 32)]))
    builder.add(views.Typedef("pair", 2))
    found = {one.kind: one for one in sizes_of(builder.build()).kinds}
    assert (found["INT"].records, found["INT"].strings) == (16, len("int\0"))
    assert (found["STRUCT"].records, found["STRUCT"].strings) == (36, len("pair\0second\0"))
    assert (found["TYPEDEF"].records, found["TYPEDEF"].strings) == (12, 0)


def test_a_kernel(cloud: Btf, cloud_bytes: bytes) -> None:
    found = sizes_of(cloud)
    assert found.total == len(cloud_bytes)
    assert found.kinds[0].kind == "FUNC"
    assert len(found.names) == 20
    assert ("STRUCT", "task_struct") in [(one.kind, one.name) for one in found.names]


def test_the_command(tmp_path: Path) -> None:
    builder = Builder()
    builder.add(views.Int("int", 4))
    dump(builder.build(), tmp_path / "k.btf")
    done = CliRunner().invoke(cli, ["info", str(tmp_path / "k.btf"), "--sizes"])
    assert done.exit_code == 0, done.output
    size = (tmp_path / "k.btf").stat().st_size
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["all", str(size), "100.0%"] in lines
    assert ["INT", "int", "1", "16", "4"] in lines
    done = CliRunner().invoke(cli, ["info", str(tmp_path / "k.btf"), "--sizes", "-j"])
    assert json.loads(done.stdout)["sizes"]["total"] == size
