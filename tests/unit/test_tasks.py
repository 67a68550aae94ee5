"""What a Python developer wants of BTF every day, each in at most five lines."""

from __future__ import annotations

import ast
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from attrs import evolve

from btfschema import Btf, Builder, Kind, PassResult, dumps, loads
from btfschema.questions import to_rows
from btfschema.render import struct_layout, struct_layouts, to_c, to_json
from btfschema.views import Enum, Func, Struct


def test_find_a_struct(cloud: Btf) -> None:
    task = cloud.find("task_struct", Struct)
    assert cloud["struct task_struct"] == task
    assert task.kind is Kind.STRUCT


def test_offset_of_a_nested_member(cloud: Btf) -> None:
    assert cloud.offsetof("task_struct", "se.avg.load_avg") == 352


def test_members_through_anonymous_ones(cloud: Btf) -> None:
    page = cloud.find("page", Struct)
    assert page.member("lru").byte_offset == 8
    assert "lru" in dict(page.walk())


def test_one_type_as_c(cloud: Btf) -> None:
    text = to_c(cloud["struct list_head"])
    assert text == str(cloud["struct list_head"])
    assert text.startswith("struct list_head {\n\tstruct list_head *next;")


def test_an_enum_both_ways(cloud: Btf) -> None:
    pid_type = cloud.find("pid_type", Enum)
    assert pid_type["PIDTYPE_TGID"] == cloud.enumerator("PIDTYPE_TGID").value == 1
    assert pid_type.name_of(1) == "PIDTYPE_TGID"


def test_a_functions_prototype(cloud: Btf) -> None:
    proto = cloud.find("vfs_read", Func).prototype
    assert [param.name for param in proto.params] == ["file", "buf", "count", "pos"]


def test_who_contains_a_type(cloud: Btf) -> None:
    assert cloud["struct task_struct"] in cloud.users("struct list_head").contains


def test_who_points_to_a_type(cloud: Btf) -> None:
    assert cloud["struct sk_buff_head"] in cloud.users("struct sk_buff").points_to


def test_which_functions_take_or_return_a_type(cloud: Btf) -> None:
    users = cloud.users("struct sk_buff")
    assert cloud["skb_clone"] in users.takes
    assert cloud["skb_clone"] in users.returns


def test_what_a_function_uses(cloud: Btf) -> None:
    assert cloud["struct file"].id in cloud.closure("vfs_read")


def test_the_holes_of_a_struct_and_of_all(cloud: Btf) -> None:
    layout = struct_layout(cloud, cloud["struct task_struct"].id)
    assert (layout.cachelines, layout.alignment, sum(layout.holes)) == (153, 8, 101)
    assert max(struct_layouts(cloud), key=lambda one: sum(one.holes)).name == "bpf_ringbuf"


def test_keep_some_roots(cloud: Btf) -> None:
    live = np.zeros(len(cloud), np.bool_)
    live[[type_id - 1 for type_id in cloud.closure("list_head")]] = True
    assert len(PassResult.select(cloud, live).btf) == live.sum()


def test_edit_one_type(cloud: Btf) -> None:
    task = cloud.find("task_struct", Struct)
    changed = cloud.replaced({task.id: evolve(task, name="task")})
    assert changed["struct task"].id == task.id


def test_copy_a_type_into_another_btf(cloud: Btf) -> None:
    builder = Builder()
    ids = builder.copy(cloud["struct list_head"])
    assert str(builder.build()[ids[93]]) == str(cloud[93])


def test_compare_a_struct_in_two_kernels(cloud: Btf, generic: Btf) -> None:
    ours = dict(cloud.find("device", Struct).walk())
    theirs = dict(generic.find("device", Struct).walk())
    assert theirs.keys() - ours.keys() == {"pins"}


def test_pickle(cloud: Btf) -> None:
    task = pickle.loads(pickle.dumps(cloud["struct task_struct"]))
    assert task.member("pid").type == cloud["pid_t"]


def test_json(cloud: Btf) -> None:
    data = json.loads(to_json(cloud["struct list_head"]))
    assert data["members"][0]["type"] == "struct list_head *"


def test_rows_for_pandas(cloud: Btf) -> None:
    rows = to_rows(cloud)
    assert rows[92]["name"] == "list_head"


def test_threads_share_a_container(cloud: Btf) -> None:
    ids = cloud.users("struct list_head").contains.ids.tolist()
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(str, cloud.views(ids[:40])))
    assert texts == [str(cloud[type_id]) for type_id in ids[:40]]


def test_the_other_byte_order(cloud: Btf) -> None:
    big = cloud.with_byteorder("big")
    assert dumps(big.with_byteorder("little")) == dumps(cloud)


def test_a_modules_types_lead_into_the_kernels(cloud: Btf, modules: dict[str, bytes]) -> None:
    module = loads(modules["nf_tables"], cloud)
    assert module.find("nft_table", Struct).member("list").type == cloud["struct list_head"]


def test_each_takes_five_lines_at_most() -> None:
    tree = ast.parse(Path(__file__).read_text())
    tasks = [node for node in tree.body if isinstance(node, ast.FunctionDef)][:-1]
    assert len(tasks) == 21
    assert all((node.end_lineno or 0) - node.body[0].lineno < 5 for node in tasks)
