"""BTFs that a linker joined in one section."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from file_makers import make_elf
from hypothesis import given
from hypothesis import strategies as st
from shell import btfschema

from btfschema import Builder, dumps, load
from btfschema.codec.header import ByteOrder
from btfschema.sources import load_linked, read_source
from btfschema.sources.linked import cut
from btfschema.views import Int


def build(name: str, byteorder: ByteOrder = "little") -> bytes:
    builder = Builder(byteorder=byteorder)
    builder.add(Int(name, 4))
    return dumps(builder.build())


PARTS = [build("first"), build("second_of_three"), build("c")]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(make_elf({".text": b"code", ".BTF": b"".join(PARTS)}))
    return path


def test_each_is_read(program: Path) -> None:
    assert list(read_source(program).blobs) == PARTS
    assert [btf[1].name for btf in load_linked(program)] == ["first", "second_of_three", "c"]
    assert dumps(load(program)) == b"".join(PARTS)


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("padding", [0, 1, 15])
def test_zeros_between_them_belong_to_none(byteorder: ByteOrder, padding: int) -> None:
    first, second = build("a", byteorder), build("b", byteorder)
    assert cut(first + bytes(padding) + second) == (first, second)


def test_what_follows_and_is_no_btf_is_no_second(tmp_path: Path) -> None:
    for rest in (b"\0" * 40, b"\x9f\xeb", b"\x9f\xeb\x01\0" + b"\xff" * 40, b"\0" * 17 + PARTS[1]):
        assert cut(PARTS[0] + rest) == (PARTS[0] + rest,)


@given(st.lists(st.sampled_from([*PARTS, b"\0", b"\x9f\xeb", PARTS[0][:30]]), max_size=6))
def test_nothing_is_lost(parts: list[bytes]) -> None:
    data = b"".join(parts)
    found = cut(data)
    assert b"".join(found).replace(b"\0", b"") == data.replace(b"\0", b"")
    assert len(found) <= max(1, sum(part in PARTS or len(part) == 30 for part in parts))


def test_commands_say_so(program: Path) -> None:
    said = f"{program}: another BTF lies behind this one, 3 in all"
    for words in (
        ("info", program),
        ("verify", program),
        ("dump", program),
        ("show", "1", program),
    ):
        done = btfschema(*words)
        assert said in done.stderr.decode() + done.stdout.decode(), words
    shown = json.loads(btfschema("info", program, "--json").stdout)
    assert shown["source"]["blobs"] == 3


def test_merge_takes_all(program: Path, tmp_path: Path) -> None:
    done = btfschema("merge", program, "-o", tmp_path / "all.btf")
    assert done.returncode == 0, done.stderr
    names = [view.name for view in load(tmp_path / "all.btf") if isinstance(view, Int)]
    assert names == ["first", "second_of_three", "c"]
