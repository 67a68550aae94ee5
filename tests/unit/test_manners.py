"""Ordinary Python habits: pickle, copy, asdict, repr, str, dir."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from ext_sections import with_ext
from hypothesis import given
from samples import every_kind, tiny

from btfschema import Btf, BtfError, Context, Pipeline, dumps, errors, load, loads, verify, views
from btfschema.co_re import Kernel, read_object
from btfschema.model.ext import dumps_ext, loads_ext
from btfschema.sources import load_source, read_source
from btfschema.testing import btfs, split_btfs
from btfschema.verification import KERNELS
from btfschema_transforms.references import References


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


class TestPickle:
    @given(btf=btfs() | split_btfs())
    def test_containers_views_and_results(self, btf: Btf) -> None:
        copied = again(btf)
        assert copied == btf
        assert hash(copied) == hash(btf)
        assert dumps(copied) == dumps(btf)
        assert again(list(btf)) == list(btf)
        result = Pipeline.parse("references").run(btf)
        assert again(result) == result

    def test_a_view_brings_its_container_once(self, cloud: Btf) -> None:
        task = cloud["struct task_struct"]
        once = pickle.dumps(task)
        assert len(once) < 1.2 * len(dumps(cloud))
        assert len(pickle.dumps([task, *cloud[90:95], cloud])) < 1.01 * len(once)
        copied = pickle.loads(once)
        assert copied.member("pid").type == cloud["pid_t"]

    def test_ext_and_the_size_of_addresses_travel(self) -> None:
        for path in sorted((Path(__file__).parents[1] / "data" / "core" / "goldens").glob("*.o"))[
            :2
        ]:
            btf = load_source(read_source(str(path)))
            copied = again(btf)
            assert copied == btf
            assert copied.address_size == btf.address_size
            assert (copied.ext is None) == (btf.ext is None)

    def test_what_the_object_says_travels(self) -> None:
        path = Path(__file__).parents[1] / "data" / "bpf" / "externs.bpf.o"
        btf, program = load(path), read_object(path)
        assert again(btf).object_file == btf.object_file
        assert verify(again(btf)) == verify(btf)
        assert again(program).code == program.code

    def test_what_was_not_checked_travels(self) -> None:
        btf = with_ext(tiny(), types=[3], names=[1])
        assert btf.ext is not None
        data = dumps_ext(btf.ext)[:-4] + (99).to_bytes(4, "little")
        damaged = attrs.evolve(btf, ext=loads_ext(data, btf, check=False))
        assert again(damaged) == damaged

    def test_limits_of_kernels_and_kernels(self) -> None:
        btf = every_kind()
        for version, limits in KERNELS.items():
            assert verify(btf, kernel=again(limits)) == verify(btf, kernel=version)
        kernel = Kernel(tiny(), {"module": tiny(tiny())})
        assert again(kernel).modules == kernel.modules

    @pytest.mark.parametrize(
        "value",
        [
            Pipeline.parse("distill,relocate"),
            References(),
            Context({"target": tiny()}),
            views.Struct("s", 4, [views.Member("a", 1)]),
            every_kind()[4],
            every_kind().users("int"),
            tiny()[0],
        ],
        ids=repr,
    )
    def test_values(self, value: Any) -> None:
        assert again(value) == value
        assert copy.copy(value) == value
        assert copy.deepcopy(value) == value

    def test_errors(self) -> None:
        for name in errors.__all__:
            cls = getattr(errors, name)
            if isinstance(cls, type) and issubclass(cls, BtfError):
                error = cls("what", type_id=3, got="x", expected="y")
                copied = again(error)
                assert (type(copied), str(copied), vars(copied)) == (cls, "what", vars(error))

    def test_processes_take_containers(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            assert list(pool.map(len, [tiny(tiny())])) == [3]


class TestCopies:
    def test_what_cant_change_is_its_own_copy(self) -> None:
        btf = tiny()
        assert copy.copy(btf) is copy.deepcopy(btf) is btf
        assert copy.deepcopy(btf[3]).btf is btf

    def test_equal_containers_are_equal(self) -> None:
        assert tiny() == tiny()
        assert tiny() != tiny(byteorder="big")
        assert tiny() != "tiny"
        assert len({tiny(), tiny()}) == 1


class TestFields:
    def test_are_what_the_file_says(self, cloud: Btf) -> None:
        data = attrs.asdict(cloud.find("list_head", views.Struct))
        assert list(data) == ["id", "name", "size", "members", "kind_flag"]
        assert [list(member) for member in data["members"]] == [
            ["name", "type_id", "bit_offset", "bitfield_size"]
        ] * 2

    def test_what_is_evolved_belongs_to_no_container(self) -> None:
        changed = attrs.evolve(tiny().find("s", views.Struct), name="t")
        assert changed.btf is None
        assert changed.name == "t"


class TestText:
    def test_a_repr_is_a_short_line(self, cloud: Btf) -> None:
        assert repr(cloud["struct task_struct"]) == (
            "Struct(id=112, name='task_struct', size=9792, members=<262 of Member>, kind_flag=True)"
        )
        assert all(len(repr(view)) < 400 for view in every_kind())

    def test_str_is_c(self, cloud: Btf) -> None:
        assert str(cloud["struct list_head"]) == (
            "struct list_head {\n\tstruct list_head *next;\n\tstruct list_head *prev;\n};"
        )
        assert str(cloud["struct list_head"].references[0]) == "95"
        assert str(cloud[95]) == "struct list_head *"
        assert str(cloud["pid_t"]) == "typedef __kernel_pid_t pid_t;"
        assert str(cloud["vfs_read"]) == (
            "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);"
        )
        assert str(cloud[0]) == "void"

    def test_str_of_what_c_cant_say_is_its_repr(self) -> None:
        for view in every_kind():
            assert str(view)
        free = views.Int("int", 4)
        assert str(free) == repr(free)
        section = every_kind().find_all("", views.DeclTag) or every_kind()[17:18]
        assert str(section[0]) == repr(section[0])

    def test_notebooks_get_c(self) -> None:
        view = tiny()[3]
        assert view._repr_html_() == f"<pre>{view}</pre>"


def test_dir_shows_the_public_names_once() -> None:
    import btfschema.views

    assert sorted(dir(btfschema)) == sorted([*btfschema.__all__, "__version__"])


def test_a_file_and_its_bytes_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "tiny.btf"
    path.write_bytes(dumps(tiny()))
    assert load(path) == loads(dumps(tiny()))


def test_the_garbage_collector_is_left_as_it_was(cloud: Btf) -> None:
    assert gc.isenabled()
    assert list(tiny())
    assert gc.isenabled()
    gc.disable()
    try:
        assert len(cloud[1:100]) == 99
        assert not gc.isenabled()
    finally:
        gc.enable()
