"""``duplicates``: the root of a difference, not the first pointer on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from building import built
from click.testing import CliRunner

from btfschema import Btf, dump, views
from btfschema.cli import cli
from btfschema.testing.contract import assert_pass_contract
from btfschema_transforms.duplicates import Duplicates, duplicates

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def task(first: int, *, extra: bool) -> list[views.TypeView]:
    """``task_struct``, which holds a pointer to a struct that holds a ``run_array``."""
    members = [views.Member("nr", 1)] + ([views.Member("bitmap", 1, 32)] if extra else [])
    return [
        views.Struct("task_struct", 8, [views.Member("array", first + 1)]),
        views.Ptr(first + 2),
        views.Struct("runqueue", 8, [views.Member("active", first + 3)]),
        views.Ptr(first + 4),
        views.Const(first + 5),
        views.Struct("run_array", 8 if extra else 4, members),
    ]


def two_tasks() -> Btf:
    return built(INT, *task(2, extra=False), *task(8, extra=True), *task(14, extra=False))


def only(btf: Btf, name: str) -> Any:
    (found,) = duplicates(btf).named(name).found
    return found


def test_the_root_is_at_the_bottom() -> None:
    found = only(two_tasks(), "task_struct")

    assert found.name == "struct task_struct"
    assert found.groups == ((2, 14), (8,))
    (root,) = found.roots
    assert root.ids == (7, 13)
    assert root.name == "struct run_array"
    assert root.path == ("struct task_struct", "struct runqueue")
    assert root.what == ("size 4 in [7], 8 in [13]; only [13] has bitmap (int, 4 bytes at 4)")
    assert str(found) == (
        "struct task_struct: 2 different types\n"
        "  [2] [14]\n"
        "  [8] differs in struct run_array [7] and [13]: size 4 in [7], 8 in [13]; "
        "only [13] has bitmap (int, 4 bytes at 4)\n"
        "    by struct task_struct -> struct runqueue -> struct run_array"
    )


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ([views.Member("m", 1)], [views.Member("m", 2)], "member m is int in [7], u32 in [8]"),
        (
            [views.Member("m", 3)],
            [views.Member("m", 4)],
            "member m is int[2] in [7], int[3] in [8]",
        ),
        (
            [views.Member("m", 1)],
            [views.Member("m", 1, 32)],
            "m is int, 4 bytes at 0 in [7], int, 4",
        ),
    ],
    ids=["type", "length", "offset"],
)
def test_what_differs_in_a_member(
    one: list[views.Member], other: list[views.Member], what: str
) -> None:
    shared = [
        INT,
        views.Int("u32", 4),
        views.Array(1, 1, 2),
        views.Array(1, 1, 3),
        views.Ptr(2),
        views.Ptr(1),
    ]

    found = only(built(*shared, views.Struct("t", 16, one), views.Struct("t", 16, other)), "t")

    (root,) = found.roots
    assert root.path == ()
    assert root.what.startswith(what)


def test_enumerators_and_functions() -> None:
    btf = built(
        INT,
        views.Enum("e", 4, [views.Enumerator("A", 1), views.Enumerator("B", 2)]),
        views.Enum("e", 4, [views.Enumerator("A", 1), views.Enumerator("B", 3)]),
        views.Ptr(5),
        views.FuncProto(1, [views.Param("x", 1)]),
        views.Ptr(7),
        views.FuncProto(1, [views.Param("x", 4)]),
        views.Typedef("f", 4),
        views.Typedef("f", 6),
    )

    assert only(btf, "e").roots[0].what == "B is 2 in [2], 3 in [3]"
    assert only(btf, "f").roots[0].what == (
        "it is int (*)(int) in [8], int (*)(int (*)(...)) in [9]"
    )


def test_equal_copies_are_counted() -> None:
    btf = built(INT, INT, INT, views.Func("main", 5), views.FuncProto(1), views.Func("main", 5))

    report = duplicates(btf)

    assert str(report) == (
        "0 names have different types; 1 has 2 equal copies, which dedup drops (6 types)"
    )
    assert report.found[0].groups == ((1, 2, 3),)


def test_a_splits_types_and_its_bases() -> None:
    base = built(INT, *task(2, extra=False))
    split = built(*task(8, extra=True), base=base)

    assert only(split, "runqueue").groups == ((4,), (10,))


def test_the_contract_of_passes() -> None:
    assert_pass_contract(Duplicates(), two_tasks())


def test_command(tmp_path: Any) -> None:
    path = str(tmp_path / "two.btf")
    dump(two_tasks(), path)

    text = CliRunner().invoke(cli, ["duplicates", path, "--name", "runqueue"])
    data = CliRunner().invoke(cli, ["duplicates", path, "--json"])

    assert text.exit_code == data.exit_code == 0
    assert "differs in struct run_array [7] and [13]" in text.output
    found = json.loads(data.output)["duplicates"]
    assert [one["name"] for one in found] == [
        "struct run_array",
        "struct runqueue",
        "struct task_struct",
    ]
    assert found[2]["roots"][0]["path"] == ["struct task_struct", "struct runqueue"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("run*", 0, "struct runqueue: 2 different types"),
        ("struct task_*", 0, "struct task_struct: 2 different types"),
        ("int", 0, "0 names have different types"),
        ("nosuch", 1, "no type 'nosuch'"),
        ("nosuch*", 1, "no type 'nosuch*'"),
    ],
)
def test_command_takes_patterns_and_refuses_names_that_nothing_has(
    tmp_path: Any, name: str, code: int, words: str
) -> None:
    path = str(tmp_path / "two.btf")
    dump(two_tasks(), path)
    done = CliRunner().invoke(cli, ["duplicates", path, "--name", name])
    assert done.exit_code == code
    assert words in (done.stderr if code else done.output)


def test_a_real_kernel(cloud: Btf) -> None:
    """All roots are found; ``elf_note_info`` is there for both ABIs."""
    report = duplicates(cloud)

    assert all(root for one in report.different for root in one.roots)
    found = report.named("elf_note_info").found
    assert "siginfo_t" in str(found[0]) if found else not report.different


def test_locations_of_inlined_calls_are_no_functions_and_no_enums() -> None:
    """They have parameters and values too, which are numbers."""
    by_proto = [views.LocProto((2, 2)), views.Ptr(4), views.Struct("s", 8, [views.Member("p", 5)])]
    by_value = [
        views.LocParam(8, 1, (6,)),
        views.Ptr(7),
        views.Struct("t", 8, [views.Member("p", 8)]),
    ]
    btf = built(
        INT,
        views.LocParam(4, 1, (5,)),
        views.LocProto((2,)),
        *by_proto,
        *by_value,
        views.Ptr(3),
        views.Struct("s", 8, [views.Member("p", 10)]),
        views.Ptr(2),
        views.Struct("t", 8, [views.Member("p", 12)]),
    )
    assert only(btf, "s").roots[0].what == "member p is [4] * in [6], [3] * in [11]"
    assert only(btf, "t").roots[0].what == "member p is [7] * in [9], [2] * in [13]"
