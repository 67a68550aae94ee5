"""No name in a file can forge a line of what a command prints, or make a terminal do anything."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from screen import in_terminal
from shell import btfschema
from slow import and_slow

from btfschema import Builder, dumps, views
from btfschema.cli.outputs import print_csv
from btfschema.errors import UnresolvedError

# A new line, a terminal's title, and an empty screen.
EVIL = "a\nforged\x1b]0;t\x07\x1b[2J"
# F is the file, P one with other names, N the evil name.
COMMANDS = """
    info F | dump F | dump F --format c | dump F --name N | dump F --kind N | verify F
    references F | show N F | show N F --expand | show 1 2 3 4 5 6 7 8 9 10 F | show nothingN F
    graph N F
    graph 2 F | graph 2 F --format dot | graph 2 F --format mermaid | list F | list F --names
    list F --prototypes | list F --columns id,kind,name,size,c | list F --contains N
    diff F P | diff P F | diff --full F P | duplicates F | check F --target P
    value N F | value 2 F | value 3 F | value 4 F | value 7 F | run N F | minimise F --name N
    passes N | N | info N | completion N
"""


def everywhere(name: str) -> bytes:
    """Each kind that has a name has this one."""
    b = Builder()
    b.add(views.Int(name, 4))
    b.add(views.Struct(name, 8, [views.Member(name, 1), views.Member(f"{name}2", 3, 32)]))
    b.add(views.Enum(name, 4, [views.Enumerator(name, 1)]))
    b.add(views.FuncProto(1, [views.Param(name, 2)]))
    b.add(views.Func(name, 4, views.Linkage.GLOBAL))
    b.add(views.Var(name, 2, views.Linkage.GLOBAL))
    b.add(views.Datasec(name, 8, [views.VarSecinfo(6, 0, 8)]))
    b.add(views.Typedef(name, 2))
    b.add(views.Fwd(f"{name}3"))
    return dumps(b.build())


def here_and_there(name: str) -> bytes:
    """Ordinary types with such members, parameters, enumerators and tags."""
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.Struct("s", 8, [views.Member(name, 1), views.Member("b", 1, 32)]))
    b.add(views.DeclTag(name, 2, -1))
    b.add(views.TypeTag(name, 1))
    b.add(views.Ptr(4))
    b.add(views.Var("v", 5, views.Linkage.GLOBAL))
    b.add(views.Typedef(name, 2))
    b.add(views.Enum("e", 4, [views.Enumerator(name, 1)]))
    b.add(views.FuncProto(1, [views.Param(name, 2)]))
    b.add(views.Func("f", 9, views.Linkage.GLOBAL))
    b.add(views.DeclTag(name, 10, 0))
    return dumps(b.build())


def twice(name: str) -> bytes:
    """Two different types of the name, and two that differ only for them."""
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.Struct(name, 4, [views.Member(name, 1)]))
    b.add(views.Struct(name, 8, [views.Member(name, 1), views.Member("z", 1, 32)]))
    b.add(views.Struct(f"{name}4", 4, [views.Member(name, 2)]))
    b.add(views.Struct(f"{name}4", 8, [views.Member(name, 3)]))
    for value in (1, 2):
        b.add(views.Enum(f"{name}5", 4, [views.Enumerator(name, value)]))
    return dumps(b.build())


@pytest.mark.parametrize("make", [everywhere, here_and_there, twice])
def test_no_command_prints_them_raw(make: Callable[[str], bytes], tmp_path: Path) -> None:
    evil, plain = tmp_path / "evil.btf", tmp_path / "plain.btf"
    evil.write_bytes(make(EVIL))
    plain.write_bytes(make("plain"))
    for command in COMMANDS.replace("\n", " | ").split(" | "):
        words = [
            {"F": str(evil), "P": str(plain)}.get(word, word.replace("N", EVIL))
            for word in command.split()
        ]
        if not words:
            continue
        done = btfschema(*words)
        text = (done.stdout + b"\n" + done.stderr).decode()
        assert "Traceback" not in text
        forged = [line for line in text.splitlines() if line.startswith("forged")]
        assert forged == [], command
        assert not {"\x1b", "\x07"} & set(text), command


def test_values_are_printed_with_escapes() -> None:
    """Names of members, of their enumerators, and of the parameters of functions."""
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.FuncProto(0, [views.Param(EVIL, 1)]))
    b.add(views.Ptr(2))
    b.add(views.Enum("e", 4, [views.Enumerator(EVIL, 0x01010101)]))
    members = [views.Member(EVIL, 3), views.Member("e", 4, 64), views.Member("b", 4, 96, 8)]
    b.add(views.Struct(EVIL, 16, members, kind_flag=True))
    b.add(views.Enum("f", 4, [views.Enumerator(EVIL, 1)]))
    b.add(views.Struct("bits", 4, [views.Member("b", 6, 0, 8)], kind_flag=True))
    b.add(views.Struct("s", 8, [views.Member(EVIL, 2)]))
    btf = b.build()
    texts = [str(btf.read(type_id, b"\1" * 16)) for type_id in (5, 7)]
    with pytest.raises(UnresolvedError) as caught:
        btf.read("s", bytes(8))
    assert [text.count("a\\nforged") for text in (*texts, str(caught.value))] == [4, 1, 1]
    assert not {"\x1b", "\x07"} & set("".join(texts) + str(caught.value))


def test_c_is_as_ever_without_them() -> None:
    """Letters beyond ASCII are not control characters: they are printed as they are."""
    name = "größe"
    c = ["dump", "-", "--format", "c"]
    as_bpftool = btfschema(*c, "--like", "7.5", stdin=here_and_there(name)).stdout.decode()
    assert f"\tint {name};\n" in as_bpftool
    # Not every compiler takes them in an identifier, so that the default has them in a comment.
    assert f"/* {name} */" in btfschema(*c, stdin=here_and_there(name)).stdout.decode()


@pytest.mark.parametrize(
    "command", and_slow("list --csv", "show 2", slow=["tables -o -", "dump --format c"])
)
def test_a_terminal_gets_escapes(command: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.btf"
    path.write_bytes(everywhere(EVIL))
    name, *options = command.split()
    words: list[str | Path] = [name, *options, path] if name == "show" else [name, path, *options]
    text, _ = in_terminal(200, *words)
    assert not {"\x1b", "\x07"} & set(text)
    assert not any(line.startswith("forged") for line in text.splitlines())
    assert "forged\\x1b" in text


def test_csv_into_a_pipe_is_data(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["name"], [EVIL]])
    print_csv(text.getvalue())
    sys.stdout.flush()
    out = capfdbinary.readouterr().out.decode()
    assert list(csv.reader(io.StringIO(out, newline=""))) == [["name"], [EVIL]]
