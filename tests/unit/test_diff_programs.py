"""The part of a difference that a BPF program's relocations use."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from co_re_goldens import DATA, own_object

from btfschema import Btf, Builder, dump, views
from btfschema.cli import cli
from btfschema.co_re import Kernel, Resolver
from btfschema.model.views.ext import CoreReloKind
from btfschema.questions import diff
from btfschema.questions.comparison import Diff
from btfschema.questions.programs import for_programs

OBJECTS = DATA / "core" / "objects"
NAMES = sorted(path.name.removesuffix(".bpf.o") for path in OBJECTS.glob("*.bpf.o"))
INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def kernel(*types: views.TypeView) -> Btf:
    builder = Builder()
    builder.add(INT)
    builder.add(views.Struct("gendisk", 8, members(("major", 1, 0), ("minors", 1, 4))))
    builder.add(views.Ptr(2))
    for one in types:
        builder.add(one)
    return builder.build()


def members(*rows: tuple[str, int, int]) -> list[views.Member]:
    return [views.Member(name, type_id, 8 * at) for name, type_id, at in rows]


def told(found: Diff) -> dict[str, list[tuple[str, str]]]:
    return {
        one.new.title: [(each.what, each.name) for each in one.differences]
        for one in found.changes.values()
    }


def test_a_member_that_is_gone_and_one_that_moved() -> None:
    before = [("rq_disk", 3, 0), ("__data_len", 1, 8), ("other", 1, 12)]
    after = [("other", 1, 0), ("more", 1, 4), ("__data_len", 1, 12)]
    old = kernel(views.Struct("request", 16, members(*before)))
    new = kernel(views.Struct("request", 16, members(*after)))
    whole = diff(old, new)
    assert len(told(whole)["struct request"]) == 4
    found = for_programs(whole, [own_object("rq_disk")])
    assert sorted(told(found)["struct request"]) == [
        ("moved", "__data_len"),
        ("removed", "rq_disk"),
    ]
    assert not for_programs(whole, [own_object("task_cpu")])


def test_members_of_anonymous_structs() -> None:
    def skb(tail: int, protocol: int) -> Btf:
        return kernel(
            views.Struct("", 8, members(("tail", 1, tail), ("protocol", 1, protocol))),
            views.Union("", 8, members(("", 4, 0), ("hash", 1, 0))),
            views.Struct("sk_buff", 16, members(("next", 3, 0), ("", 5, 8))),
        )

    found = for_programs(diff(skb(0, 4), skb(4, 0)), [own_object("anonymous")])
    assert told(found) == {"struct sk_buff": [("moved", "protocol")]}


def test_values_of_enums() -> None:
    def types(*values: str) -> Btf:
        listed = [views.Enumerator(name, number) for number, name in enumerate(values)]
        return kernel(views.Enum("bpf_map_type", 4, listed))

    old = types("BPF_MAP_TYPE_UNSPEC", "BPF_MAP_TYPE_HASH", "BPF_MAP_TYPE_ARRAY")
    new = types("BPF_MAP_TYPE_HASH", "BPF_MAP_TYPE_NEW", "BPF_MAP_TYPE_ARRAY2")
    found = for_programs(diff(old, new), [own_object("enum_values")])
    assert told(found) == {"enum bpf_map_type": [("changed", "BPF_MAP_TYPE_HASH")]}


def test_a_type_that_is_gone() -> None:
    request = views.Struct("request", 16, members(("rq_disk", 3, 0), ("__data_len", 1, 8)))
    found = for_programs(diff(kernel(request), kernel()), [own_object("rq_disk")])
    assert [one.title for one in found.removed] == ["struct request"]


@pytest.fixture(scope="module")
def kernels(cloud: Btf, generic: Btf) -> Diff:
    return diff(cloud, generic)


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_differs_relocations_come_to_the_same(name: str, kernels: Diff) -> None:
    program = own_object(name)
    found = for_programs(kernels, [program])
    assert found.changes.keys() <= kernels.changes.keys()
    both = [Resolver.of(program.btf, Kernel(btf)) for btf in (kernels.old, kernels.new)]
    for one in program.relocations:
        if one.relo.kind in (CoreReloKind.TYPE_ID_LOCAL, CoreReloKind.TYPE_ID_TARGET):
            continue
        before, after = (resolver.resolve(one.relo) for resolver in both)
        if (before.value, before.poison) != (after.value, after.poison):
            assert found, one.relo


def test_command(tmp_path: Path) -> None:
    for name, at in (("old", 8), ("new", 12)):
        rows = ("rq_disk", 3, 0), ("__data_len", 1, at), ("other", 1, 20 - at)
        dump(kernel(views.Struct("request", 16, members(*rows))), tmp_path / name)
    files = str(tmp_path / "old"), str(tmp_path / "new")
    done = CliRunner().invoke(cli, ["diff", *files, "--for", str(OBJECTS / "rq_disk.bpf.o")])
    assert done.exit_code == 1
    assert done.output.splitlines()[-2:] == ["struct request", "  > __data_len: +4 bytes"]
    done = CliRunner().invoke(cli, ["diff", *files, "--for", str(OBJECTS / "task_cpu.bpf.o")])
    assert (done.exit_code, done.output) == (0, "no differences\n")
    program = str(DATA / "bpf" / "externs.bpf.o")
    done = CliRunner().invoke(cli, ["diff", *files, "--for", program])
    assert (done.exit_code, done.stdout) == (0, "no differences\n")
    assert done.stderr == f"btfschema: {program}: no CO-RE relocations, so it uses nothing\n"
