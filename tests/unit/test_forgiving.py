"""Input that is nearly right is understood, or the error says what to type instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import as_text, btfschema

from btfschema import Btf, Builder, dump, load, views
from btfschema.cli import inputs
from btfschema.cli.hints import as_here, nearest
from btfschema.cli.options import Jobs
from btfschema.cli.sample import sample

PROGRAM = Path(__file__).parents[1] / "data" / "core" / "objects" / "fields.bpf.o"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forgiving") / "sample.btf"
    dump(sample(), path)
    return path


def shown(*args: str | Path) -> str:
    done = as_text(btfschema("show", *args))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class TestShow:
    def test_a_kind_may_be_an_argument_of_its_own(self, file: Path) -> None:
        assert shown("struct", "list_head", file) == shown("struct list_head", file)
        both = shown("enum", "task_state", "struct", "task", file)
        assert both == shown("enum task_state", "task", file)

    def test_a_word_that_names_a_type_is_that_type(self, tmp_path: Path) -> None:
        b = Builder()
        b.add(views.Struct("func", 0, []))
        b.add(views.Struct("x", 0, []))
        dump(b.build(), tmp_path / "f.btf")
        assert shown("func", "x", tmp_path / "f.btf").count("struct") == 2

    def test_globs(self, file: Path) -> None:
        assert shown("list_h*", file) == shown("list_head", file)
        assert shown("enum tas?_*", file) == shown("enum task_state", file)
        done = btfschema("show", "nosuch*", file)
        assert (done.returncode, b"no type 'nosuch*'" in done.stderr) == (1, True)

    def test_paths_to_members(self, file: Path) -> None:
        assert shown("list_head.next", file).split() == (
            ["struct", "list_head", "*next;", "/*", "0", "8", "*/"]
        )
        assert "u32 exiting:1;" in shown("task.exiting", file)
        assert "/*    20:22     4 */" in shown("task.exiting", file)
        # What a member by value consists of follows.
        inner = shown("struct task.tasks", file)
        assert inner.split("\n\n", 1)[1] == shown("list_head", file)
        assert "char comm[3];" in shown("task.comm[3]", file)
        member, struct = json.loads(shown("task.tasks.prev", "list_head", file, "--json"))
        assert (member["path"], member["offset"], member["size"]) == ("tasks.prev", 8, 8)
        assert struct["name"] == "list_head"

    def test_what_a_path_meets_instead(self, file: Path) -> None:
        for path, words in (
            ("list_head.nxt", "did you mean 'next'?"),
            ("u32.x", "is not a struct or union"),
            ("tsk.pid", "no type 'tsk'; did you mean"),
        ):
            done = as_text(btfschema("show", path, file))
            assert done.returncode == 1
            assert words in done.stderr

    def test_the_name_comes_first(self, file: Path) -> None:
        for args in ((file,), (file, "task")):
            done = as_text(btfschema("show", *args))
            assert done.returncode == 2
            assert "NAME comes first" in done.stderr
        assert f"btfschema show task {file}" in done.stderr

    def test_another_kind_of_the_name_is_told(self, file: Path) -> None:
        done = as_text(btfschema("show", "enum list_head", file))
        assert 'there is STRUCT "list_head" [4]' in done.stderr


def test_suggestions_hold_what_was_asked_for(cloud: Btf) -> None:
    assert "__kmalloc_noprof" in cloud.names.close_to("kmalloc")
    assert cloud.names.close_to("task_strct")[0] == "task_struct"
    assert cloud.names.close_to("file_operation") == ["file_operations"]
    # Two letters stand in thousands of names.
    assert all(name.startswith("tt") for name in cloud.names.close_to("tt"))


@pytest.mark.parametrize(
    ("given", "here"),
    [
        ("btf dump file vmlinux format c", "btfschema dump vmlinux --format c"),
        ("dump file vmlinux", "btfschema dump vmlinux"),
        ("dump vmlinux format raw", "btfschema dump vmlinux --format raw"),
        ("dump vmlinux format", "btfschema dump vmlinux --format c"),
        ("btf dump file m.ko -B vmlinux", "btfschema dump m.ko -B vmlinux"),
        ("btf show", "dump FILE"),
        ("prog load x", None),
        ("show file", None),
    ],
)
def test_the_way_that_bpftool_takes_is_translated(given: str, here: str | None) -> None:
    assert as_here(given.split()) == here
    if here is not None:
        done = as_text(btfschema(*given.split()))
        assert done.returncode == 2
        assert here in done.stderr


def test_a_file_may_be_called_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dump(sample(), "format")
    assert btfschema("dump", "format").returncode == 0


def test_a_command_that_is_misspelled_or_cut_short() -> None:
    commands = ["dump", "duplicates", "show"]
    assert nearest("dmp", commands) == " Did you mean 'dump'?"
    assert nearest("dupl", commands) == " Did you mean 'duplicates'?"
    assert nearest("xyz", commands) == ""


def test_a_pass_that_is_given_as_a_command() -> None:
    done = as_text(btfschema("sanitise", "my file.btf"))
    assert done.returncode == 2
    assert "'sanitise'. It is a pass: btfschema run sanitise 'my file.btf'" in done.stderr


@pytest.mark.parametrize(
    ("command", "advice", "code"),
    [
        # The sample lacks what the program reads.
        (("core", "prog.o"), "give --target FILE, or --all DIR", 1),
        (("check", "module.ko", "-B", "base.btf"), "give --target FILE", 0),
        (("offsets", "paths"), "give KERNELs, or --all DIR", 0),
        (("minimise", "--keep", "list_head", "-o", "min.btf"), "give VMLINUX, or --all DIR", 0),
        (("tables", "-o", "types.csv", "--table", "types"), "give FILEs", 0),
    ],
)
def test_the_running_kernel_is_the_one_that_is_asked(
    command: tuple[str, ...],
    advice: str,
    code: int,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    kernel = load(file)
    split = Builder(kernel)
    split.add(views.Ptr(kernel.find("list_head").id))
    dump(split.build(), "module.ko")
    dump(kernel, "base.btf")
    Path("paths").write_text("sizeof(struct list_head)\n")
    Path("prog.o").write_bytes(PROGRAM.read_bytes())
    monkeypatch.setattr(inputs, "RUNNING_KERNEL", str(tmp_path / "none"))
    done = as_text(btfschema(*command))
    assert done.returncode == 2
    assert f"the running kernel has no BTF ({tmp_path / 'none'}): {advice}\n" in done.stderr
    monkeypatch.setattr(inputs, "RUNNING_KERNEL", str(file))
    done = as_text(btfschema(*command))
    assert (done.returncode, done.stderr) == (code, "")
    if command[0] in ("core", "offsets"):
        assert str(file) in done.stdout


def test_verify_takes_the_running_kernel(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inputs, "RUNNING_KERNEL", str(file))
    done = as_text(btfschema("verify"))
    assert (done.returncode, done.stdout) == (0, f"{file}: Linux 6.18 accepts it\n")
    monkeypatch.setattr(inputs, "RUNNING_KERNEL", str(tmp_path / "none"))
    done = as_text(btfschema("verify"))
    assert done.returncode == 2
    assert "the running kernel has no BTF" in done.stderr


def test_as_many_workers_as_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5})
    assert Jobs().convert("auto", None, None) == 3
    assert Jobs().convert("2", None, None) == 2
    for wrong in ("0", "many"):
        assert btfschema("verify", "--jobs", wrong).returncode == 2


def test_core_names_its_kernel_with_target(file: Path) -> None:
    done = as_text(btfschema("core", "prog.o", "-B", file))
    assert done.returncode == 2
    assert f"-T {file}" in done.stderr
