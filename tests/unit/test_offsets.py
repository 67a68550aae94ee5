"""Offsets by path, with alternatives."""

from __future__ import annotations

import csv
import io
import json
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from offset_paths import PATHS, relocated
from shell import btfschema

from btfschema import Btf, Builder, dump, views
from btfschema.cli import cli, offsets
from btfschema.codec.header import ByteOrder
from btfschema.errors import SpecError
from btfschema.questions.offsetfiles import FORMS, Answers, lacking, written
from btfschema.questions.offsets import Answer, answer, parse_questions


def ask(btf: Btf, text: str, *modules: Btf) -> Answer:
    (question,) = parse_questions(text)
    return answer(btf, question, modules)


def test_questions_of_a_kernel(cloud: Btf) -> None:
    pid = ask(cloud, "task_struct.pid")
    assert (pid.value, pid.size) == (2432, 4)
    old = ask(cloud, "task_struct.real_start_time | task_struct.start_boottime")
    assert old.found == "task_struct.start_boottime"
    assert ask(cloud, "sizeof(struct page)").value == cloud.sizeof(cloud.find("struct page"))
    assert ask(cloud, "enum pid_type.PIDTYPE_TGID").value == 1
    assert ask(cloud, "exists(cfs_rq.nr_queued)").value == 0
    assert ask(cloud, "exists(task_struct.pid)").value == 1
    assert ask(cloud, "exists(enum pid_type.PIDTYPE_TGID)").value == 1
    assert ask(cloud, "exists(struct page)").value == 1
    assert ask(cloud, "exists(struct no_page)").value == 0
    assert ask(cloud, "task_struct.nothing | no_struct.at_all").value is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_each_answer_is_what_co_re_relocates_to(
    name: str, path: str, request: pytest.FixtureRequest
) -> None:
    kernel: Btf = request.getfixturevalue(name)
    assert ask(kernel, path) == relocated(kernel, path)


def test_the_paths_ask_for_much() -> None:
    assert len(PATHS) == 20
    assert sum("|" in path for path in PATHS) >= 10
    assert {word for path in PATHS for word in ("sizeof", "exists", "enum") if word in path} == {
        "sizeof",
        "exists",
        "enum",
    }


@pytest.fixture
def bit_fields(byteorder: ByteOrder) -> Btf:
    """A struct whose bit fields lie at all places of a word."""
    builder = Builder(byteorder=byteorder)
    unsigned = builder.add(views.Int("unsigned int", 4))
    at, members = 0, []
    for number, width in enumerate((1, 3, 12, 16, 7, 25, 31, 1, 24)):
        members.append(views.Member(f"b{number}", unsigned, at, width))
        at += width
    builder.add(views.Struct("bits", 16, members))
    return builder.build()


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_bit_field_is_read_with_one_load(bit_fields: Btf, byteorder: ByteOrder) -> None:
    """Each value that a C compiler would put there is what the answer reads back."""
    struct = bit_fields.find("bits", views.Struct)
    for number, member in enumerate(struct.members):
        found = ask(bit_fields, f"bits.b{number}")
        value = 0x5A5A5A5A & (1 << member.bitfield_size) - 1
        data = bytearray(16)
        for bit in range(member.bitfield_size):
            place = member.bit_offset + bit
            if byteorder == "little":
                data[place // 8] |= (value >> bit & 1) << place % 8
            else:
                # The first bit is the highest, of the byte and of the field.
                set_ = value >> (member.bitfield_size - 1 - bit) & 1
                data[place // 8] |= set_ << (7 - place % 8)
        assert found.value is not None
        assert found.size is not None
        loaded = int.from_bytes(data[found.value : found.value + found.size], byteorder)
        assert loaded >> found.shift & (1 << found.bits) - 1 == value
        assert found == relocated(bit_fields, f"bits.b{number}")


def module_over(base: Btf) -> Btf:
    builder = Builder(base=base)
    builder.add(views.Struct("of_module", 8, [views.Member("pid", base.find("pid_t").id, 32)]))
    return builder.build()


def test_types_of_modules_count_where_the_kernel_has_none(cloud: Btf) -> None:
    module = module_over(cloud)
    assert ask(cloud, "of_module.pid").value is None
    assert ask(cloud, "of_module.pid", module).value == 4
    assert ask(cloud, "task_struct.pid", module) == ask(cloud, "task_struct.pid")


def test_types_of_one_name_must_agree() -> None:
    builder = Builder()
    four = builder.add(views.Int("int", 4))
    for places in ((0, 32), (0, 64)):
        members = [views.Member(n, four, at) for n, at in zip("ab", places, strict=True)]
        builder.add(views.Struct("twice", 12, members))
    btf = builder.build()
    assert ask(btf, "twice.a").value == 0
    assert ask(btf, "twice.b") == Answer(
        "twice.b", note="twice.b is ambiguous: 4 and 8 in types of one name"
    )
    assert ask(btf, "twice.b | sizeof(int)").value == 4


@pytest.mark.parametrize("text", ["task_struct", "sizeof()", "exists(a-b)", "a.b |"])
def test_what_is_no_question(text: str) -> None:
    with pytest.raises(SpecError, match="line 1"):
        parse_questions(text)


def test_no_question_at_all() -> None:
    with pytest.raises(SpecError, match="no questions"):
        parse_questions("# nothing\n")


NASTY = 'a"b\\*/ \n??/é\udcff'


def answers_of(grouped: bool = False) -> Answers:
    questions = parse_questions("a.b | c.d*/\nenum e.f\nsizeof(int)")
    yes = Answer(questions[0].text, "a.b", 4, 4, 3, 29)
    low = Answer("enum e.f", "enum e.f", -(1 << 63))
    size = Answer("sizeof(int)", "sizeof(int)", 4)
    no = Answer(questions[0].text)
    kernels = {"5.4": (yes, low, size), NASTY: (no, low, size), "6.1": (yes, low, size)}
    return Answers(questions, kernels, grouped)


class TestForms:
    """All forms say the same."""

    @pytest.mark.parametrize("grouped", [False, True])
    def test_groups(self, grouped: bool) -> None:
        rows = json.loads(written(answers_of(grouped), "json"))
        assert len(rows) == (6 if grouped else 9)
        if grouped:
            assert rows[0]["kernels"] == ["5.4", "6.1"]
        (first, *_) = csv.DictReader(io.StringIO(written(answers_of(grouped), "csv")))
        assert (first["value"], first["size"], first["bits"], first["shift"]) == (
            "4",
            "4",
            "3",
            "29",
        )

    @pytest.mark.parametrize("grouped", [False, True])
    def test_a_python_module(self, grouped: bool, tmp_path: Path) -> None:
        answers = answers_of(grouped)
        (tmp_path / "found.py").write_text(written(answers, "python"))
        found = runpy.run_path(str(tmp_path / "found.py"))["OFFSETS"]
        assert {name: list(one) for name, one in found.items()} == {
            name: [one.question for one in row] for name, row in answers.kernels.items()
        }
        for name, row in answers.kernels.items():
            for one in row:
                kept = one.found, one.value, one.size, one.bits, one.shift
                assert found[name][one.question] == kept

    def test_names_in_a_c_header_stay_apart(self) -> None:
        questions = parse_questions("a.b_2\na.b\na.b | c.d\n")
        text = written(Answers(questions), "c")
        declared = [line.split()[-1] for line in text.splitlines() if "_answer a_b" in line]
        assert declared == ["a_b_2;", "a_b;", "a_b_3;"]

    @pytest.mark.debian
    @pytest.mark.parametrize("grouped", [False, True])
    def test_a_c_header(self, grouped: bool, tmp_path: Path) -> None:
        answers = answers_of(grouped)
        (tmp_path / "found.h").write_text(written(answers, "c"))
        (tmp_path / "main.c").write_text(MAIN)
        command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-trigraphs", "-Wno-trigraphs"]
        main, program = str(tmp_path / "main.c"), str(tmp_path / "main")
        subprocess.run([*command, main, "-o", program], check=True)
        lines = subprocess.run([program], capture_output=True, check=True).stdout.split(b"\0")[:-1]
        names = [name.encode("utf-8", "surrogateescape") for name in answers.kernels]
        rows = [b"1 4 4 3 29", b"0 0 0 0 0", b"1 4 4 3 29"]
        low = b"1 -9223372036854775808 0 0 0"
        expected = [b"%s %s %s" % (n, row, low) for n, row in zip(names, rows, strict=True)]
        assert sorted(lines) == sorted(expected)

    def test_what_kernels_lack_comes_first(self) -> None:
        (line,) = lacking(answers_of())
        assert line == f"1 of 3 kernels lacks a.b | c.d*/: {NASTY}"
        assert written(answers_of(), "c").index("lacks a.b") < 200

    def test_the_command_knows_all_forms(self) -> None:
        assert sorted(offsets.FORMS) == sorted(FORMS.values())


MAIN = r"""
#include <stdio.h>
#include "found.h"
static void print(struct btfschema_answer a)
{
    printf(" %d %lld %u %u %u", a.found, a.value, a.size, a.bits, a.shift);
}
int main(void)
{
    for (const struct btfschema_kernel *k = btfschema_kernels; k->name; k++) {
        fputs(k->name, stdout);
        print(k->offsets->a_b);
        print(k->offsets->enum_e_f);
        putchar(0);
    }
}
"""


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_grouped_kernels_have_equal_answers(values: list[tuple[int, int]]) -> None:
    questions = parse_questions("a.b\nc.d")
    kernels = {
        str(number): tuple(Answer(q.text, q.text, v) for q, v in zip(questions, row, strict=True))
        for number, row in enumerate(values)
    }
    groups = Answers(questions, kernels, grouped=True).groups()
    assert sorted(name for names, _ in groups for name in names) == sorted(kernels)
    assert all(kernels[name] == found for names, found in groups for name in names)
    assert len({found for _, found in groups}) == len(groups)


class TestCommand:
    @pytest.fixture
    def tree(self, cloud: Btf, generic: Btf, tmp_path: Path) -> Path:
        (tmp_path / "kernels" / "6.12").mkdir(parents=True)
        dump(cloud, tmp_path / "kernels" / "6.12" / "vmlinux")
        dump(generic, tmp_path / "kernels" / "generic.btf")
        (tmp_path / "paths").write_text("# ours\ntask_struct.pid\ndevice.pins\n")
        return tmp_path

    def run(self, tree: Path, *args: str) -> Result:
        return CliRunner().invoke(cli, ["offsets", str(tree / "paths"), *args])

    def test_kernels_by_name(self, tree: Path) -> None:
        done = self.run(tree, f"old={tree}/kernels/6.12/vmlinux")
        assert done.exit_code == 1
        assert done.stderr == "btfschema: 1 of 1 kernel lacks device.pins: old\n"
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [(row["kernel"], row["value"]) for row in rows] == [("old", "2432"), ("old", "")]

    @pytest.mark.parametrize("jobs", ["1", "2"])
    def test_a_tree(self, tree: Path, jobs: str) -> None:
        done = self.run(tree, str(tree / "kernels"), "-j", "--quiet", "--jobs", jobs)
        assert (done.exit_code, done.stderr) == (1, "")
        assert [(row["kernel"], row["value"]) for row in json.loads(done.stdout)] == [
            ("generic.btf", 2432),
            ("generic.btf", 560),
            ("6.12/vmlinux", 2432),
            ("6.12/vmlinux", None),
        ]

    def test_a_run_goes_on_where_it_stopped(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = tree / "table.csv"
        args = ("--all", str(tree / "kernels"), "-o", str(table))
        asked: list[str] = []
        kernel = offsets.Offsets._kernel

        def counted(self: Any, file: str) -> Any:
            asked.append(Path(file).name)
            return kernel(self, file)

        monkeypatch.setattr(offsets.Offsets, "_kernel", counted)
        self.run(tree, *args)
        whole = table.read_text()
        assert asked == ["generic.btf", "vmlinux"]
        shutil.copy(tree / "kernels" / "generic.btf", tree / "kernels" / "6.12" / "vmlinuz")
        self.run(tree, *args)
        assert asked[2:] == ["vmlinuz"]
        assert table.read_text().startswith(whole)
        # Other questions are asked of all.
        (tree / "paths").write_text("task_struct.pid\n")
        assert self.run(tree, *args).exit_code == 0
        assert len(asked) == 6

    def test_a_kernel_that_is_none_is_named(self, tree: Path) -> None:
        (tree / "kernels" / "a.btf").write_bytes(b"nothing")
        done = self.run(tree, "--all", str(tree / "kernels"), "-j", "--quiet")
        assert done.exit_code == 1
        assert "a.btf" in done.stderr
        assert len(json.loads(done.stdout)) == 4

    def test_files_that_are_split_over_a_base(self, tree: Path, cloud: Btf) -> None:
        dump(module_over(cloud), tree / "module.btf")
        (tree / "paths").write_text("of_module.pid\n")
        base = str(tree / "kernels" / "6.12" / "vmlinux")
        done = self.run(tree, str(tree / "module.btf"), "-B", base, "-j")
        assert (done.exit_code, json.loads(done.stdout)[0]["value"]) == (0, 4)
        (tree / "modules").mkdir()
        (tree / "module.btf").rename(tree / "modules" / "module.btf")
        done = self.run(tree, base, "--modules", str(tree / "modules"), "-j")
        assert (done.exit_code, json.loads(done.stdout)[0]["value"]) == (0, 4)

    def test_modules_of_a_kernel_that_is_not_asked(self, tree: Path, cloud: Btf) -> None:
        kernel = f"{tree}/kernels/6.12/vmlinux"
        (tree / "modules").mkdir()
        dump(module_over(cloud), tree / "modules" / "module.btf")
        done = self.run(tree, f"a={kernel}", "--modules", f"c={tree}/modules")
        assert done.exit_code == 2
        assert "no kernel is called 'c', but a" in done.stderr
        (tree / "paths").write_text("of_module.pid\n")
        done = self.run(tree, f"a={kernel}", "--modules", f"a={tree}/modules")
        assert done.exit_code == 0

    def test_modules_in_a_package(self, tree: Path, cloud: Btf) -> None:
        dump(module_over(cloud), tree / "module.btf")
        with tarfile.open(tree / "modules.tar", "w") as archive:
            archive.add(tree / "module.btf", "module.btf")
        (tree / "paths").write_text("of_module.pid\n")
        kernel = f"{tree}/kernels/6.12/vmlinux"
        done = self.run(tree, kernel, "--modules", str(tree / "modules.tar"), "-j")
        assert (done.exit_code, json.loads(done.stdout)[0]["value"]) == (0, 4)
        # What a run notes, to be resumed, is the same when the package is unpacked once more.
        (tree / "kernels" / "generic.btf").unlink()
        journal = tree / ".table.csv.btfschema-run.jsonl"
        notes = []
        for _ in range(2):
            done = self.run(
                *(tree, "--all", str(tree / "kernels"), "--modules", str(tree / "modules.tar")),
                *("-o", str(tree / "table.csv")),
            )
            assert done.exit_code == 0, done.output
            notes.append(json.loads(journal.read_text().splitlines()[0]))
        assert notes[0] == notes[1]
        assert list(notes[0]["run"]["modules"]) == [f"{tree}/modules.tar!module.btf"]

    def test_questions_from_standard_input(self, tree: Path) -> None:
        kernel = f"{tree}/kernels/6.12/vmlinux"
        asked = (tree / "paths").read_bytes()
        done = CliRunner().invoke(cli, ["offsets", "-", kernel], input=asked)
        assert done.stdout == self.run(tree, kernel).stdout
        assert "task_struct.pid" in done.stdout

    def test_two_kernels_of_one_name_are_refused_for_that(self, tree: Path) -> None:
        kernel = str(tree / "kernels" / "6.12" / "vmlinux")
        (tree / "other").write_bytes(Path(kernel).read_bytes())
        done = self.run(tree, f"a={kernel}", f"a={tree / 'other'}")
        assert done.exit_code == 2
        assert "two kernels are called 'a': give" in done.stderr
        done = self.run(tree, kernel, f"b={kernel}")
        assert "is given twice" in done.stderr

    def test_a_kernel_in_the_place_of_questions(self, tree: Path) -> None:
        kernel = f"{tree}/kernels/6.12/vmlinux"
        done = CliRunner().invoke(cli, ["offsets", kernel, str(tree / "paths")])
        said = f"{kernel}: this is BTF, where a text with a name in each line is expected: PATHS"
        assert done.stderr.startswith(f"btfschema: {said}")
        assert done.exit_code == 2

    def test_an_output_never_replaces_an_input(self, tree: Path) -> None:
        kernel = str(tree / "kernels" / "generic.btf")
        assert self.run(tree, kernel, "-o", kernel).exit_code == 2
        assert self.run(tree, kernel, "-o", str(tree / "paths")).exit_code == 2


PEAK = """\
import resource, sys
from btfschema.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


@pytest.mark.slow
def test_many_kernels_take_the_memory_of_a_few(cloud_bytes: bytes, tmp_path: Path) -> None:
    (tmp_path / "paths").write_text("task_struct.pid\nsizeof(struct page)\n")
    peaks = []
    for count in (3, 120):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "0.btf").write_bytes(cloud_bytes)
        for number in range(1, count):
            (folder / f"{number}.btf").hardlink_to(folder / "0.btf")
        args = ["offsets", str(tmp_path / "paths"), "--all", str(folder), "--quiet", "-o"]
        command = [sys.executable, "-c", PEAK, *args, str(tmp_path / f"{count}.csv")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]))
        assert len((tmp_path / f"{count}.csv").read_text().splitlines()) == 1 + 2 * count
    assert peaks[1] < 1.15 * peaks[0]


def test_an_error_names_the_file_whose_line_it_is(tmp_path: Path) -> None:
    paths = tmp_path / "paths.txt"
    paths.write_text("task_struct.pid\nfoo bar\n")
    done = btfschema("offsets", paths, paths)
    assert done.returncode == 2
    assert done.stderr.startswith(f"btfschema: {paths}: line 2: 'foo bar' is not a path".encode())
