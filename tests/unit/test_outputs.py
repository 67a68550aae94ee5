"""Commands never replace what they read, write whole files, and put no raw name on a terminal."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from screen import in_terminal
from shell import btfschema
from slow import and_slow

from btfschema import Builder, dump, load, views
from btfschema.cli import COMMANDS
from btfschema.cli.outputs import write_output
from btfschema.cli.sample import sample
from btfschema.escapes import on_terminal, original, plain, printable
from btfschema.sources.files import atomic_stream, atomic_write

Args = list[str | Path]

# A module's name that would clear a screen, set a title and end a line.
EVIL = "m\x1b[2J\x1b]0;t\x07\nforged\udcff"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A directory with a base ``v``, a split ``f.btf`` over it and a directory ``d`` with more."""
    base = sample()
    b = Builder(base)
    b.add(views.Struct("holder", 48, [views.Member("task", base.find("task").id)]))
    (tmp_path / "d").mkdir()
    dump(base, tmp_path / "v")
    for name in ("f.btf", "d/a.btf", "d/b.btf"):
        dump(b.build(), tmp_path / name)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


OVERWRITES = [
    ("distill f.btf -B v -o f.btf", "FILE f.btf"),
    ("distill f.btf -B v -o v", "-B v"),
    ("distill f.btf -B v -o ./d/../f.btf", "FILE f.btf"),
    ("distill f.btf -B v -o link", "FILE f.btf"),
    ("distill f.btf -B v -o hard", "FILE f.btf"),
    ("distill link -B v -o f.btf", "FILE link"),
    ("distill f.btf -B v -o out --report f.btf", "FILE f.btf"),
    ("distill f.btf -B v -o out --report out", "same file"),
    ("distill f.btf -B v -o v --in-place", "only one of -o and --in-place"),
    ("distill f.btf d/a.btf -B f.btf --in-place", "-B f.btf"),
    ("distill --all d -B v --out-dir d", "FILE d/a.btf"),
    ("distill d/a.btf -B v --out-dir d", "FILE d/a.btf"),
    ("distill f.btf -B out.base -o out", "-B out.base"),
    ("relocate f.btf --target v -o v", "--target v"),
    ("relocate f.btf --target v --original-base d/a.btf -o d/a.btf", "-B d/a.btf"),
    ("rebase f.btf -B v --target d/a.btf -o d/a.btf", "--target d/a.btf"),
    ("run distill f.btf -B v -o f.btf", "FILE f.btf"),
    ("run distill 01-distill.btf -B v --dump-after .", "FILE 01-distill.btf"),
    ("run distill f.btf -B v --input x=d/a.btf -o d/a.btf", "--input d/a.btf"),
    ("references f.btf -B v --report v", "-B v"),
    ("check f.btf --target v --html v", "--target v"),
    ("check f.btf --target v --report f.btf", "FILE f.btf"),
    ("verify f.btf -B v --report v", "-B v"),
    ("extract f.btf -o f.btf", "FILE f.btf"),
    ("extract - -o f.btf < f.btf", "FILE -"),
    ("extract f.btf -o - >> f.btf", "FILE f.btf"),
    ("check f.btf --target v --report - --html -", "standard output"),
]


@pytest.mark.parametrize(("command", "words"), OVERWRITES, ids=[one for one, _ in OVERWRITES])
def test_no_output_replaces_an_input(
    kernel: Path, command: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is called: the command ends before it reads, and every file is as it was."""
    (kernel / "link").symlink_to("f.btf")
    (kernel / "hard").hardlink_to(kernel / "f.btf")
    (kernel / "01-distill.btf").write_bytes((kernel / "f.btf").read_bytes())
    (kernel / "out.base").write_bytes((kernel / "v").read_bytes())
    before = contents(kernel)
    if {"<", ">>"} & {*command.split()}:
        line = f'"{sys.executable}" -m btfschema {command}'
        done = subprocess.run(["sh", "-c", line], cwd=kernel, capture_output=True)
    else:
        monkeypatch.chdir(kernel)
        done = btfschema(*command.split())
    assert done.returncode == 2, done.stderr
    assert words in done.stderr.decode()
    assert contents(kernel) == before


def test_in_place_replaces_sources_alone(kernel: Path) -> None:
    before = contents(kernel)
    args: Args = ["-B", kernel / "v", "--in-place"]
    assert btfschema("distill", kernel / "f.btf", *args).returncode == 0
    assert btfschema("distill", "--all", kernel / "d", *args).returncode == 0
    after = contents(kernel)
    assert after["v"] == before["v"]
    for name in ("f.btf", "d/a.btf", "d/b.btf"):
        assert after[name] != before[name]
        assert load(kernel / name).base is not None


@pytest.mark.parametrize("option", ["--report", "--html"])
def test_a_dash_is_standard_output(
    kernel: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel)
    assert btfschema("distill", "f.btf", "-B", "v", "-o", "out.btf").returncode == 0
    done = btfschema("check", "out.btf", "--target", "v", option, "-")
    assert done.returncode == 0
    if option == "--report":
        assert json.loads(done.stdout)["outcome"] == "ok"
    else:
        assert done.stdout.startswith(b"<!DOCTYPE html>")
    assert not (kernel / "-").exists()


def test_a_result_goes_to_standard_output_where_it_is_one_file(kernel: Path) -> None:
    base: Args = ["-B", kernel / "v"]
    two = btfschema("distill", kernel / "f.btf", *base, "-o", "-")
    assert (two.returncode, two.stdout) == (1, b"")
    assert b"takes two files" in two.stderr
    target: Args = ["--target", kernel / "v", "-o"]
    one = btfschema("rebase", kernel / "f.btf", *base, *target, "-")
    assert btfschema("rebase", kernel / "f.btf", *base, *target, kernel / "x.btf").returncode == 0
    assert one.stdout == (kernel / "x.btf").read_bytes()
    piped = btfschema("rebase", "-", *base, *target, "-", stdin=(kernel / "f.btf").read_bytes())
    assert piped.stdout == one.stdout


def test_bytes_go_to_a_terminal_only_when_asked(kernel: Path) -> None:
    code = f"from btfschema.cli.outputs import write_output; write_output(None, b'{'x' * 9}')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stdout == b"x" * 9
    text, status = in_terminal(80, "-", program=["-c", code])
    assert "x" * 9 not in text
    assert "redirect it" in text
    assert status
    text, status = in_terminal(80, "extract", kernel / "v", "-o", "-")
    assert ("holder" in text or "task" in text, status) == (True, 0)


# A command line of every command that prints something.
PRINTING = [
    *("dump v", "dump v -j", "dump v --format c", "dump {object} --ext", "info v", "info v -p"),
    *("show task v", "show task.comm v -j", "value list_head v --data v", "graph task v"),
    *("graph task v -j", "list v", "list v --csv", "list v --names", "diff v w", "diff v w -j"),
    *("offsets paths v", "offsets paths v -j", "tables v -o -", "extract v -o -"),
    *("extract v --scan", "verify v", "verify v -j", "verify --all d -B v", "passes"),
    *("check f.btf -B v -T v", "check f.btf -B v -T v --html -"),
    *("check --all d -B v -T v -j", "core {object} -T v -j"),
    *("core {object} -T v", "minimise v --keep task -o -", "minimise v --keep task -o m"),
    *("distill f.btf -B v -o o -j", "distill f.btf -B v -o o --report -"),
    *("relocate o2.btf -T v -o -", "rebase f.btf -B v -T v -o -", "merge v -o -"),
    *("merge v -o m -j", "samples s", "completion bash"),
    *("duplicates v", "duplicates v -j", "references f.btf -B v", "run references f.btf -B v"),
    *("passes -j", "--help", "show --help", "--version"),
    *("run sort v -o -", "references f.btf v -B v --keep-going"),
]


@pytest.mark.parametrize("line", PRINTING)
def test_what_no_file_takes_is_an_error_in_words(
    kernel: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel)
    program = Path(__file__).parents[1] / "data" / "core" / "objects" / "fields.bpf.o"
    (kernel / "paths").write_text("task.comm\n")
    b = Builder()
    b.add(views.Int("other", 4))
    dump(b.build(), kernel / "w")
    assert btfschema("distill", "f.btf", "-B", "v", "-o", "o2.btf").returncode == 0
    done = btfschema(*line.format(object=program).split(), stdout="/dev/full")
    error = "standard output: No space left on device"
    words = f"btfschema: {error}\n"
    if {"-j", "-p"} & {*line.split()}:
        words = json.dumps({"error": error}) + "\n"
    said = done.stderr.decode()
    # That two files differ is diff's 1.
    code = 2 if line.startswith("diff") else 1
    # A verdict or a sum may come before, but nothing that blames a file.
    assert (done.returncode, said[-len(words) :]) == (code, words)
    assert said.count("No space") == 1


@pytest.mark.parametrize(
    ("line", "code"), [("info diff", 1), ("diff a info", 2), ("--color never diff a b", 2)]
)
def test_the_exit_code_of_a_failure_is_the_commands_own(line: str, code: int) -> None:
    """A file that is called like another command does not change it."""
    assert btfschema(*line.split()).returncode == code


def test_every_command_is_among_them() -> None:
    assert {line.split()[0] for line in PRINTING if line[0] != "-"} == set(COMMANDS)


@pytest.mark.parametrize("line", ["dump v", "minimise v --keep task -o - --jobs 2"])
def test_a_process_ends_so_too(kernel: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kernel)
    command = [sys.executable, "-m", "btfschema", *line.split()]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    words = "btfschema: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, words)


class TestNames:
    """Names of files and types, which may be anything."""

    @pytest.fixture
    def evil(self, tmp_path: Path) -> Path:
        """A file whose name, and whose type's name, are evil."""
        b = Builder()
        b.add(views.Struct(EVIL, 4, [views.Member(EVIL, b.add(views.Int("int", 4)))]))
        path = tmp_path / f"{EVIL}.btf"
        dump(b.build(), path)
        return path

    @pytest.mark.parametrize(
        "command",
        and_slow("dump", "show", "verify", "check", slow=["info", "distill", "graph", "json", "c"]),
    )
    def test_none_reaches_a_terminal_raw(self, evil: Path, command: str) -> None:
        commands: dict[str, Args] = {
            "dump": ["dump", evil],
            "json": ["dump", "-j", evil],
            "c": ["dump", "--format", "c", evil],
            "show": ["show", "1", "2", evil],
            "info": ["info", evil],
            "verify": ["verify", evil],
            "check": ["check", evil, "--target", evil.with_name("nothing")],
            "distill": ["distill", evil, "-o", f"{evil}2"],
            "graph": ["graph", "2", evil],
        }
        text, _ = in_terminal(80, *commands[command])
        for raw in ("\x1b[2J", "\x1b]", "\x07"):
            assert raw not in text
        if command not in ("check", "c", "show"):
            assert "\\x1b[2J" in text or "\\u001b[2J" in text
        if command not in ("c", "show"):
            assert not any(line.startswith("forged") for line in text.splitlines())

    def test_a_page_and_reports_of_such_names_are_written(self, evil: Path, tmp_path: Path) -> None:
        page, report = tmp_path / "page.html", tmp_path / "report.jsonl"
        page.write_text("old")
        target = tmp_path / "v"
        dump(sample(), target)
        done = btfschema("check", evil, "--target", target, "--html", page, "--report", report)
        assert b"Traceback" not in done.stderr
        assert "m\\x1b[2J\\x1b]0;t\\x07\\nforged\\xff.btf" in page.read_text()
        row = json.loads(report.read_text())
        assert original(row["file"]) == str(evil)
        assert row["file"].isprintable() or "\x1b" in row["file"]
        report.read_text().encode()

    def test_json_holds_no_lone_surrogate(self, evil: Path) -> None:
        commands: list[Args] = [["dump", "-j", evil], ["info", "--json", evil]]
        commands.append(["show", "--json", "2", evil])
        for args in commands:
            text = btfschema(*args).stdout.decode()
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        types = json.loads(btfschema("dump", "-j", evil).stdout)["types"]
        assert original(types[1]["name"]) == EVIL

    @given(st.text(st.characters(exclude_categories=[]) | st.sampled_from("\\xnu0fe\udc80")))
    @example(r"\U0010ffff is the last, \U00110000 and \Uffffffff are not characters")
    def test_escapes_read_back(self, text: str) -> None:
        assert original(printable(text)) == text
        assert printable(text).isprintable()
        assert original(plain(text)) == text
        assert isinstance(original(text), str)
        plain(text).encode()
        assert on_terminal(text).replace("\n", "").replace("\t", "").isprintable()

    def test_ordinary_names_stay_as_they_are(self) -> None:
        for name in ("sk_buff", "größe", "a\\b c", "/lib/modules/6.12/kernel"):
            assert printable(name) == plain(name) == name


class TestWhatAFileKeeps:
    def test_a_result_has_its_sources_mode_and_owner(self, kernel: Path) -> None:
        source = kernel / "f.btf"
        source.chmod(0o640)
        root = os.geteuid() == 0
        if root:
            os.chown(source, 12, 34)
        attribute = _set_attribute(source)
        args: Args = ["-B", kernel / "v", "--out-dir", kernel / "out"]
        assert btfschema("distill", source, *args).returncode == 0
        for name in ("f.btf", "f.btf.base"):
            status = (kernel / "out" / name).stat()
            assert stat.S_IMODE(status.st_mode) == 0o640
            assert (status.st_uid, status.st_gid) == (12, 34) or not root
            if attribute:
                assert os.getxattr(kernel / "out" / name, attribute) == b"kept"

    def test_a_replaced_file_keeps_its_own(self, kernel: Path) -> None:
        target = kernel / "old"
        target.write_bytes(b"old")
        target.chmod(0o604)
        attribute = _set_attribute(target)
        atomic_write(target, b"new", like=kernel / "v")
        assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o604)
        assert not attribute or os.getxattr(target, attribute) == b"kept"

    def test_a_stream_appears_whole(self, kernel: Path) -> None:
        target = kernel / "report"
        target.write_bytes(b"old")
        with atomic_stream(target) as stream:
            stream.write(b"new")
            stream.flush()
            assert target.read_bytes() == b"old"
        assert target.read_bytes() == b"new"
        with pytest.raises(TypeError), atomic_stream(target) as stream:
            stream.writelines([b"part", 1])  # type: ignore[list-item]
        assert target.read_bytes() == b"new"
        assert {path.name for path in kernel.iterdir()} == {"v", "f.btf", "d", "report"}


def _set_attribute(path: Path) -> str:
    """The name of an extended attribute, ``kept``; empty where files can have none."""
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        return ""
    return "user.note"


def test_a_new_file_gets_the_mode_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_output(str(tmp_path / "new"), b"data")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


class TestAFullDisk:
    """Errors name the file that did not fit, and not what the reader must guess."""

    def test_what_is_no_regular_file(self) -> None:
        with pytest.raises(OSError, match="No space left") as caught:
            atomic_write("/dev/full", b"data")
        assert caught.value.filename == "/dev/full"
        with (
            pytest.raises(OSError, match="No space left") as caught,
            atomic_stream("/dev/full") as out,
        ):
            out.write(b"data")
        assert caught.value.filename == "/dev/full"

    def test_a_stream(self, tmp_path: Path) -> None:
        target = tmp_path / "report"
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(OSError, match="too large") as caught, atomic_stream(target) as out:
                out.write(bytes(1 << 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert caught.value.filename == str(target)
        assert not list(tmp_path.iterdir())

    def test_a_report_is_not_called_standard_output(self, kernel: Path) -> None:
        done = btfschema("verify", kernel / "v", "--report", "/dev/full")
        said = done.stderr.decode()
        assert (done.returncode, said) == (1, "btfschema: /dev/full: No space left on device\n")
