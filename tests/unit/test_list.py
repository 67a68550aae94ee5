"""Lists of types by conditions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from btfschema import Btf, Builder, dump, views
from btfschema.cli import cli, types_list
from btfschema.errors import UnknownNameError
from btfschema.questions import Conditions, list_types
from btfschema.questions.listing import COLUMNS, SORTS
from btfschema.render import struct_layouts
from btfschema.render.c.columns import TypeColumns
from btfschema.testing import btfs


@pytest.fixture(scope="module")
def btf() -> Btf:
    builder = Builder()
    for view in (
        views.Int("int", 4, views.IntEncoding.SIGNED),
        views.Int("long", 8, views.IntEncoding.SIGNED),
        views.Struct("node", 8, [views.Member("next", 4)]),
        views.Ptr(3),
        views.Typedef("node_t", 3),
        views.Array(5, 1, 2),
        views.Struct("", 16, [views.Member("nodes", 6)]),
        views.Struct(
            "holder",
            32,
            [views.Member("", 7), views.Member("a", 1, 128), views.Member("b", 2, 192)],
        ),
        views.Struct("outer", 32, [views.Member("h", 8)]),
        views.Struct(
            "gappy",
            24,
            [views.Member("x", 1), views.Member("y", 2, 64), views.Member("z", 1, 128)],
        ),
        views.FuncProto(1, [views.Param("n", 4), views.Param("count", 2)]),
        views.Func("walk", 11),
        views.FuncProto(4),
        views.Func("first", 13),
        views.DeclTag("kfunc", 12),
        views.Struct("gappy", 4, [views.Member("x", 1)]),
    ):
        builder.add(view)
    return builder.build()


def names(btf: Btf, **conditions: Any) -> list[str]:
    return [row.name for row in list_types(btf, Conditions(**conditions)) if row.name]


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"kinds": ("func",)}, ["walk", "first"]),
        ({"names": ("*old*", "outer")}, ["holder", "outer"]),
        ({"regex": "^no", "kinds": ("STRUCT",)}, ["node"]),
        ({"min_size": 24, "max_size": 31}, ["gappy"]),
        ({"holes": 1}, ["holder", "gappy"]),
        ({"packable": True}, ["gappy"]),
        # Through the typedef, the array and the anonymous struct.
        ({"contains": ("struct node",)}, ["holder"]),
        ({"contains": ("struct node",), "deep": True}, ["holder", "outer"]),
        ({"points_to": ("node",)}, ["node"]),
        ({"takes": ("struct node",)}, ["walk"]),
        ({"returns": ("struct node",)}, ["first"]),
        ({"tagged": ("kf*",)}, ["walk"]),
        ({"member": ("x",)}, ["gappy", "gappy"]),
        ({"member_type": ("struct node *",)}, ["node"]),
        # What an anonymous member holds is its owner's, but not what a named one holds.
        ({"member": ("nodes",)}, ["holder"]),
        ({"member_type": ("node_t[2]",)}, ["holder"]),
        ({"member": ("next",), "member_type": ("node_t[2]",)}, []),
        ({"unused": True, "kinds": ("struct",)}, ["outer", "gappy", "gappy"]),
        ({"duplicated": True}, ["gappy", "gappy"]),
        ({"duplicated": True, "max_size": 4}, ["gappy"]),
    ],
)
def test_conditions(btf: Btf, conditions: dict[str, Any], found: list[str]) -> None:
    assert names(btf, **conditions) == found


def test_members_of_anonymous_members_are_the_owners() -> None:
    """At any depth, through qualifiers, and with -fms-extensions through structs with names."""
    base = Builder()
    for view in (
        views.Int("int", 4),
        views.Union("", 4, [views.Member("lock", 1), views.Member("", 1)]),
        views.Const(2),
        views.Struct("", 8, [views.Member("", 3), views.Member("b", 1, 32)]),
        views.Struct("tagged", 8, [views.Member("", 4)]),
        views.Struct("has_named", 8, [views.Member("other", 4)]),
    ):
        base.add(view)
    split = Builder(base.build())
    for view in (
        views.Struct("inner", 8, [views.Member("", 5)]),
        views.Struct("outer", 8, [views.Member("", 7)]),
        views.Struct("beside", 8, [views.Member("inner", 7)]),
        views.Struct("itself", 8, [views.Member("", 10)]),
    ):
        split.add(view)
    module = split.build()
    locks: dict[str, Any] = {"member": ("l*k", "m"), "member_type": ("int",)}
    assert [row.id for row in list_types(module.base or module, Conditions(**locks))] == [2, 4, 5]
    assert names(module, **locks) == ["inner", "outer"]


def test_members_are_those_that_views_have(cloud: Btf) -> None:
    found = [row.id for row in list_types(cloud, Conditions(member="*lock"))]
    structs = [view for view in cloud if isinstance(view, views.Composite)]
    assert found == [view.id for view in structs if _has(cloud, view, "lock")] != []


def _has(btf: Btf, view: Any, ending: str) -> bool:
    """Whether a struct has a member whose name ends so, in C's sense."""
    while isinstance(view, views.Const | views.Volatile | views.Restrict | views.Typedef):
        view = btf[view.type_id]
    return isinstance(view, views.Composite) and any(
        _has(btf, btf[one.type_id], ending) if not one.name else one.name.endswith(ending)
        for one in view.members
    )


def test_a_condition_about_a_type_that_is_not_there(btf: Btf) -> None:
    with pytest.raises(UnknownNameError, match="no type 'struct nowhere'"):
        names(btf, contains=("struct nowhere",))


def test_a_better_order_of_members_is_no_larger_than_it_says(btf: Btf) -> None:
    (row,) = list_types(btf, Conditions(packable=True))
    assert (row.size, row.packed, row.holes) == (24, 16, 1)


@given(btfs())
@settings(max_examples=30)
def test_without_conditions_all_types_are_listed(btf: Btf) -> None:
    rows = list_types(btf)
    assert [row.id for row in rows] == [view.id for view in btf]
    for sort in ("name", "size", "members", "users"):
        assert {row.id for row in list_types(btf, sort=sort)} == {row.id for row in rows}
    for row in rows:
        row.values(COLUMNS)


class TestTrees:
    """All modules of a kernel, listed together."""

    @pytest.fixture
    def tree(self, btf: Btf, tmp_path: Path) -> Path:
        (tmp_path / "modules").mkdir()
        dump(btf, tmp_path / "vmlinux.btf")
        for name, size in (("one", 40), ("two", 48)):
            builder = Builder(base=btf)
            gap = builder.add(views.Struct("holder_of_gaps", 8, [views.Member("n", 4)]))
            builder.add(views.Struct(f"of_{name}", size, [views.Member("gap", gap)]))
            dump(builder.build(), tmp_path / "modules" / f"{name}.btf")
        return tmp_path

    def run(self, tree: Path, *args: str) -> Result:
        modules = str(tree / "modules")
        base = str(tree / "vmlinux.btf")
        return CliRunner().invoke(cli, ["list", "--all", modules, "-B", base, "--quiet", *args])

    def test_a_type_of_the_base_is_looked_for_in_each(self, tree: Path) -> None:
        done = self.run(tree, "--points-to", "struct node", "--columns", "file,name", "--csv")
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines() == [
            "file,name",
            f"{tree}/modules/one.btf,holder_of_gaps",
            f"{tree}/modules/two.btf,holder_of_gaps",
        ]

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_orders_and_limits_hold_over_all_files(self, tree: Path, jobs: str) -> None:
        done = self.run(tree, "--sort", "size", "--limit", "2", "--names", "--jobs", jobs)
        assert done.stdout.splitlines() == ["of_two", "of_one"]

    def test_a_type_that_one_file_has(self, tree: Path) -> None:
        done = self.run(tree, "--unused", "--name", "of_*", "--kind", "struct", "-j")
        assert [row["name"] for row in json.loads(done.stdout)] == ["of_one", "of_two"]
        with_base = str(tree / "vmlinux.btf")
        done = self.run(tree, "--contains", "struct holder_of_gaps", "--names", with_base)
        assert (done.exit_code, done.stdout) == (0, "of_one\nof_two\n")
        done = self.run(tree, "--contains", "struct nobody")
        assert done.exit_code == 1
        assert done.stderr.startswith("btfschema: no type 'struct nobody'")

    def test_a_damaged_file_is_named_and_hides_nothing(self, tree: Path) -> None:
        (tree / "modules" / "a.btf").write_bytes(b"\x9f\xeb\x01\0" + bytes(4))
        done = self.run(tree, "--sort", "size", "--limit", "1")
        assert done.exit_code == 1
        assert "a.btf" in done.stderr
        assert done.stdout.splitlines()[0].split() == ["file", "id", "kind", "name", "size"]
        assert done.stdout.split()[-2:] == ["of_two", "48"]


@given(btfs())
@settings(max_examples=30)
def test_holes_are_those_of_each_layout(btf: Btf) -> None:
    unions = {view.id for view in btf if isinstance(view, views.Union)}
    layouts = [one for one in struct_layouts(btf) if one.id not in unions]
    for least in (0, 1, 2):
        found = [row.id for row in list_types(btf, Conditions(holes=least))]
        assert found == [one.id for one in layouts if len(one.holes) >= least]


def test_holes_of_a_module_need_no_columns_of_its_base() -> None:
    base = Builder()
    base.add(views.Int("int", 4))
    split = Builder(base.build())
    split.add(views.Struct("s", 12, [views.Member("a", 1), views.Member("b", 1, 64)]))
    btf = split.build()
    assert [row.holes for row in list_types(btf, Conditions(holes=1))] == [1]
    assert TypeColumns not in btf.analyses


def test_a_variable_is_no_part_of_a_struct() -> None:
    b = Builder()
    b.add(views.Var("v", b.add(views.Ptr(0)), views.Linkage.STATIC))
    b.add(views.Struct("odd", 8, [views.Member("a", 2), views.Member("b", 1, 8)]))
    (layout,) = struct_layouts(b.build())
    (row,) = list_types(b.build(), Conditions(holes=1))
    assert (row.name, row.holes) == ("odd", len(layout.holes))


@pytest.mark.parametrize("condition", ["contains", "points_to", "takes", "returns", "member_type"])
def test_a_function_is_no_type_of_a_condition(btf: Btf, condition: str) -> None:
    with pytest.raises(UnknownNameError, match=r"no type 'walk'; there is FUNC \"walk\" \[12\]"):
        names(btf, **{condition: ("walk",)})


@pytest.mark.parametrize("text", ["struct nod", "const struct nod *", "nod_t[2]", "nod (*)(int)"])
def test_a_type_of_members_that_is_not_there_is_an_error(btf: Btf, text: str) -> None:
    with pytest.raises(UnknownNameError, match=r"no type .*nod"):
        list_types(btf, Conditions(member_type=(text,)))


@pytest.mark.parametrize("text", ["struct node **", "void *", "const node_t[7]", "long (*)(int)"])
def test_a_type_that_no_member_has_is_none(btf: Btf, text: str) -> None:
    assert list_types(btf, Conditions(member_type=(text,))) == []
    assert names(btf, member_type=(text, "struct holder")) == ["outer"]


def test_the_command_knows_all_columns_and_orders() -> None:
    assert types_list.COLUMNS == COLUMNS
    assert types_list.SORTS == SORTS


class TestCommand:
    @pytest.fixture
    def file(self, btf: Btf, tmp_path: Path) -> str:
        dump(btf, tmp_path / "k.btf")
        return str(tmp_path / "k.btf")

    def run(self, *args: str) -> str:
        done = CliRunner().invoke(cli, ["list", *args])
        assert done.exit_code == 0, done.output
        return done.output

    @pytest.mark.parametrize(
        "options",
        ["--json --csv", "-p --names", "--csv --prototypes", "--names --columns id"],
    )
    def test_a_form_that_would_be_ignored_is_wrong_usage(self, file: str, options: str) -> None:
        done = CliRunner().invoke(cli, ["list", file, *options.split()])
        assert (done.exit_code, done.stdout) == (2, "")
        assert "exclude each other" in done.stderr

    def test_every_form(self, file: str) -> None:
        assert self.run(file, "--takes", "struct node", "--prototypes") == (
            "int walk(struct node *n, long count);\n"
        )
        assert self.run(file, "--holes", "1", "--names") == "holder\ngappy\n"
        for alone in (("--holes", file), ("-H", "--kind", "struct", file), (file, "--holes")):
            assert self.run("--names", *alone) == "holder\ngappy\n"
        columns = ("--columns", "name,holes", "--kind", "struct", "--sort", "holes", "--limit", "1")
        assert json.loads(self.run(file, *columns, "-j"))[0]["holes"] == 1
        (row,) = csv.DictReader(io.StringIO(self.run(file, *columns, "--csv")))
        assert row["holes"] == "1"
        assert self.run(file, "--name", "outer").splitlines()[1].split() == [
            "9", "STRUCT", "outer", "32",
        ]  # fmt: skip

    def test_kinds_have_numbers_too(self, file: str) -> None:
        assert self.run(file, "--kind", "4") == self.run(file, "--kind", "struct")

    @pytest.mark.parametrize(
        "args",
        [("--columns", "nothing"), ("--regex", "("), ("--kind", "strut"), ("--kind", "int,ptr")],
    )
    def test_wrong_usage(self, file: str, args: tuple[str, str]) -> None:
        assert CliRunner().invoke(cli, ["list", file, *args]).exit_code == 2
