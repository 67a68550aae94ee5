"""Whatever a file holds and whatever the locale: a command ends in output or a worded error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import btfschema
from slow import and_slow

from btfschema import Builder, dumps, views
from btfschema.testing import blobs, btfs, mutations

# F stands for the file, N for the name or id of a type.
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("info", "F"),
    ("info", "F", "--json"),
    ("dump", "F"),
    ("dump", "F", "--format", "json"),
    ("dump", "F", "--format", "c"),
    ("dump", "F", "--name", "N"),
    ("show", "N", "F"),
    ("show", "N", "F", "--expand"),
    ("show", "N", "F", "--json"),
    ("graph", "N", "F"),
    ("graph", "N", "F", "--format", "mermaid", "--depth", "3"),
    ("references", "F"),
    ("verify", "F"),
    ("verify", "F", "--json"),
    ("check", "F", "--target", "F"),
    ("list", "F"),
    ("list", "F", "--json"),
    ("duplicates", "F"),
    ("diff", "F", "F"),
    ("value", "N", "F"),
)
ENCODINGS = ("ascii", "latin-1", "utf-8", "cp1252")
ENDINGS = {0, 1, 2}

# Bytes that some locale can't show: not UTF-8, beyond Latin-1, that move a cursor, that turn text.
NAMES = ("caf\udce9", "caf\xe9", "\u20ac\u202e", "a\x1b[2Jb", "\n", "\\x41", "*/", "\U0001f600")


def named(name: str) -> bytes:
    """A file in which all that has a name has this one."""
    b = Builder()
    b.add(views.Int(name, 4))
    b.add(views.Struct(name, 8, [views.Member(name, 1), views.Member(name, 3, 32)]))
    b.add(views.Enum(name, 4, [views.Enumerator(name, 1)]))
    b.add(views.FuncProto(1, [views.Param(name, 2)]))
    b.add(views.Func(name, 4, views.Linkage.GLOBAL))
    b.add(views.Var(name, 2, views.Linkage.GLOBAL))
    b.add(views.Datasec(name, 8, [views.VarSecinfo(6, 0, 8)]))
    b.add(views.Fwd(name))
    b.add(views.Typedef(name, 8))
    return dumps(b.build())


def run(path: Path, command: tuple[str, ...], name: str, encoding: str) -> Any:
    words = [{"F": str(path), "N": name}.get(word, word) for word in command]
    return btfschema(*words, encoding=encoding)


@pytest.mark.parametrize("encoding", and_slow("ascii", "utf-8", slow=["latin-1", "cp1252"]))
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_any_name_in_any_locale(command: tuple[str, ...], encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "names.btf"
    for name in NAMES:
        file.write_bytes(named(name))
        for wanted in (name, "2", "nothing"):
            done = run(file, command, wanted, encoding)
            assert done.returncode in ENDINGS
            assert b"Traceback" not in done.stderr
            if "N" not in command:
                break


@given(
    data=blobs() | blobs().flatmap(mutations) | btfs(valid=True).map(dumps),
    command=st.sampled_from(COMMANDS),
    name=st.integers(0, 9).map(str) | st.sampled_from(NAMES),
    encoding=st.sampled_from(ENCODINGS),
)
def test_any_file_in_any_locale(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    command: tuple[str, ...],
    name: str,
    encoding: str,
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.btf"
    file.write_bytes(data)
    done = run(file, command, name, encoding)
    assert done.returncode in ENDINGS
    assert done.stdout or done.stderr
