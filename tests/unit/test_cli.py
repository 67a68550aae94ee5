"""The commands as a shell sees them: what they print, where, and the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shell import btfschema

from btfschema import Btf, Builder, dump, views
from btfschema.cli.inputs import RUNNING_KERNEL
from btfschema.cli.sample import sample

Files = dict[str, Path]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes) -> Files:
    """The sample, a split over it, the latter's bytes cut short, and a vmlinux."""
    folder = tmp_path_factory.mktemp("cli")
    base = sample()
    b = Builder(base)
    b.add(views.Struct("holder", 48, [views.Member("task", base.find("task").id)]))
    split = b.build()
    names = {name: folder / f"{name}.btf" for name in ("base", "split", "cut", "vmlinux")}
    dump(base, names["base"])
    dump(split, names["split"])
    names["cut"].write_bytes(names["base"].read_bytes()[:200])
    names["vmlinux"].write_bytes(cloud_bytes)
    return names


def test_dump_prints_each_type_on_a_line(files: Files) -> None:
    done = btfschema("dump", files["base"])
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "[1] INT 'unsigned int' size=4 bits_offset=0 nr_bits=32 encoding=(none)"
    assert "\t'pid' type_id=3 bits_offset=160 bitfield_size=22" in lines


def test_dump_reads_standard_input(files: Files) -> None:
    from_file = btfschema("dump", files["base"]).stdout
    assert from_file
    assert btfschema("dump", "-", stdin=files["base"].read_bytes()).stdout == from_file


def test_dump_without_a_file_shows_the_running_kernel_or_says_that_it_is_a_sample() -> None:
    done = btfschema("dump", "--kind", "float", "--kind", "fwd")
    assert done.returncode == 0
    assert done.stdout.startswith(b"[")
    has_kernel = Path(RUNNING_KERNEL).exists()
    assert (b"sample" in done.stderr) != has_kernel


def test_dump_of_a_split_shows_its_own_types_and_reaches_its_base_by_id(files: Files) -> None:
    own = btfschema("dump", files["split"], "-B", files["base"]).stdout.decode()
    assert own == "[16] STRUCT 'holder' size=48 vlen=1\n\t'task' type_id=10 bits_offset=0\n"
    both = btfschema("dump", files["split"], "-B", files["base"], "--id", "16", "--id", "8")
    assert both.stdout.decode() == own + "[8] FWD 'mm' fwd_kind=struct\n"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--name", "task*"], ["task_state", "task"]),
        (["--name", "task*", "--kind", "struct"], ["task"]),
        (["--name", "u32", "--name", "mm"], ["u32", "mm"]),
        (["--kind", "FUNC"], ["find_task"]),
        (["--kind", "7"], ["mm"]),
        (["--id", "10", "--id", "4", "--kind", "struct"], ["task", "list_head"]),
        (["--name", "nothing"], []),
    ],
)
def test_filters_combine(files: Files, filters: list[str], expected: list[str]) -> None:
    done = btfschema("dump", files["base"], "--json", *filters)
    assert [row["name"] for row in json.loads(done.stdout)["types"]] == expected


def test_a_name_that_nothing_has_is_exit_code_1(files: Files) -> None:
    done = btfschema("dump", files["base"], "--name", "nosuch")
    assert (done.returncode, done.stdout) == (1, b"")


def test_json_and_pretty_hold_the_same_facts(files: Files) -> None:
    plain = btfschema("dump", files["base"], "--format", "json").stdout
    pretty = btfschema("dump", files["base"], "--pretty").stdout
    assert plain == btfschema("dump", files["base"], "-j").stdout
    assert pretty.count(b"\n") > plain.count(b"\n")
    assert json.loads(plain) == json.loads(pretty)
    assert len(json.loads(plain)["types"]) == len(sample())


@pytest.mark.parametrize("args", [["info"], ["verify"], ["extract", "--scan", "-o", "x"]])
def test_json_calls_standard_input_as_the_command_line_does(args: list[str]) -> None:
    done = btfschema(*args, "-", "-j")
    (row,) = map(json.loads, (done.stderr + done.stdout).splitlines()[:1])
    assert row["file"] == "-"
    assert b"standard input" not in done.stderr + done.stdout


def test_sizes_may_be_hexadecimal(files: Files) -> None:
    for asked in (["list", "--min-size"], ["list", "--max-size"], ["dump", "--id"]):
        command, option = asked
        plain, hexadecimal = (
            btfschema(command, files["base"], option, one) for one in ("8", "0x8")
        )
        assert plain.returncode == 0
        assert plain.stdout == hexadecimal.stdout != b""


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["dump", "{split}"], 1, "give the BTF that it was built over"),
        (["dump", "{cut}"], 1, "truncated BTF"),
        (["dump", "/nonexistent"], 1, "/nonexistent: No such file or directory"),
        (["dump", "{base}", "-B", "/nonexistent"], 1, "/nonexistent: No such file or directory"),
        (["dump", "{base}", "--id", "99"], 1, "type id 99 is past the last id 15"),
        (["dump", "{base}", "--ext"], 1, "no .BTF.ext section"),
        (["info", "{cut}"], 1, "truncated BTF"),
        (["info", "/"], 1, "/: this is a directory, where a file is expected"),
        (["references", "/"], 1, "btfschema: /: this is a directory, where a file is expected"),
        (["minimise", "/", "--keep", "int", "-o", "-"], 1, "/: this is a directory, where"),
        (["info", "-"], 1, "btfschema: standard input: "),
        (["verify", "-"], 1, "btfschema: standard input: the file is empty"),
        (["extract", "--scan", "-"], 1, "btfschema: standard input: nothing in these 0 bytes"),
        (["extract", "--scan", "-", "-o", "x"], 1, "btfschema: standard input: nothing in these"),
        (["extract", "--scan", "-", "--at", "5", "-o", "x"], 1, "standard input: no BTF was found"),
        (["offsets", "-", "{base}"], 2, "btfschema: standard input: "),
        (["list", "{base}", "--min-size", "0x1g"], 2, "'0x1g' is not a number, such as 4096"),
        (["dump", "{base}", "--kind", "structt"], 2, "Did you mean STRUCT?"),
        (["dump", "{base}", "--format", "raw", "--pretty"], 2, "does not go with"),
        (["dump", "{base}", "--ext", "--id", "1"], 2, "does not go with"),
        (["dump", "-B", "{base}"], 2, "needs a FILE"),
        (["dump", "{base}", "--kind", "²"], 2, "unknown kind"),
        (["dump", "--nonsense"], 2, "No such option"),
        (["nonsense"], 2, "No such command"),
        (["dmp"], 2, "Did you mean 'dump'?"),
    ],
)
def test_failures_are_worded_and_have_their_exit_code(
    files: Files, args: list[str], code: int, words: str
) -> None:
    done = btfschema(*(arg.format(**files) for arg in args))
    assert done.returncode == code
    assert done.stdout == b""
    assert words in done.stderr.decode()
    if code == 1:
        assert done.stderr.startswith(b"btfschema: ")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", ["info", "dump", "list", "verify", "duplicates"])
def test_a_file_that_cannot_be_read_is_no_wrong_usage(
    files: Files, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening it says so; click would ask first, and answer with the usage."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = btfschema(*command.split(), files["base"])
    assert done.returncode in (0, 1)
    assert b"Usage" not in done.stderr


def test_the_last_name_may_be_a_file_that_is_not_there(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btfschema.cli.inputs.RUNNING_KERNEL", str(files["base"]))
    done = btfschema("show", "task", "vmlinx")
    assert done.returncode == 1
    assert b"no type 'vmlinx'; nor is there such a file" in done.stderr
    monkeypatch.chdir(files["base"].parent)
    Path("folder").mkdir(exist_ok=True)
    assert b"; that is a directory, so the running" in btfschema("show", "task", "folder").stderr
    assert b"nor is there" not in btfschema("show", "vmlinx").stderr
    assert b"nor is there" not in btfschema("show", "tsk", "task").stderr


def test_a_closed_pipe_ends_quietly(files: Files) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "btfschema", "dump", str(files["vmlinux"])]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", ["show list_head", "info", "list --limit 3", "dump"])
def test_a_closed_standard_output_is_an_error(files: Files, command: str) -> None:
    """Python leaves out what is printed to it, and scripts would take nothing for an answer."""
    words = [sys.executable, "-m", "btfschema", *command.split(), str(files["vmlinux"])]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr == b"btfschema: standard output is closed\n"


def test_a_lone_header_is_an_empty_result(tmp_path: Path, files: Files) -> None:
    lone = tmp_path / "lone.btf"
    dump(Builder(sample()).build(), lone)
    assert len(lone.read_bytes()) == 24
    done = btfschema("dump", lone, "-B", files["base"])
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no types" in done.stderr


def test_info_as_a_table_and_as_json(files: Files) -> None:
    facts = json.loads(btfschema("info", files["vmlinux"], "--json").stdout)
    assert facts["types"] == 107_331
    assert facts["kinds"]["STRUCT"] == 9398
    assert sum(facts["kinds"].values()) == facts["types"]
    assert facts["sections"]["types"] == {"offset": 24, "length": 2_735_264}
    table = btfschema("info", files["vmlinux"]).stdout.decode()
    assert "107,331 (ids 1..107331)" in table
    assert "byte order       little" in table


def test_info_of_a_split_tells_of_its_base_and_layout(tmp_path: Path, files: Files) -> None:
    split = json.loads(btfschema("info", files["split"], "-B", files["base"], "--json").stdout)
    assert split["base"]["types"] == len(sample())
    assert (split["first_id"], split["last_id"]) == (16, 16)
    b = Builder(layout=True, byteorder="big")
    b.add(views.Int("int", 4))
    with_layout: Btf = b.build()
    dump(with_layout, tmp_path / "layout.btf")
    facts = json.loads(btfschema("info", tmp_path / "layout.btf", "--json").stdout)
    assert (facts["byteorder"], facts["header"]["length"]) == ("big", 32)
    assert facts["layout"][3] == {"kind": "ARRAY", "info_sz": 12, "elem_sz": 0, "flags": 0}


def test_help_lists_every_command_and_imports_no_codec() -> None:
    code = (
        "import sys; from btfschema.cli import COMMANDS, cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'construct', 'attrs', 'elftools'} & set(sys.modules)\n"
        "sys.stderr.write(' '.join([*COMMANDS, *map(str.upper, heavy)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in done.stderr.split():
        assert f"\n  {command} " in done.stdout


def test_every_command_has_help() -> None:
    from click.testing import CliRunner

    from btfschema.cli import COMMANDS, cli

    for command in COMMANDS:
        done = CliRunner().invoke(cli, [command, "--help"], prog_name="btfschema")
        assert done.exit_code == 0
        assert f"Usage: btfschema {command}" in done.output
