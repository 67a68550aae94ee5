"""The contents of a BPF map, as bpftool dumps them from the running kernel."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from btfschema import Btf, load

pytestmark = [pytest.mark.kernel, pytest.mark.debian]

PROGRAM = r"""
#define SEC(name) __attribute__((section(name), used))
enum state { IDLE, BUSY = 5, GONE = 200 };
struct event {
    int pid;
    enum state state;
    char comm[8];
    unsigned int low : 3;
    int high : 9;
    unsigned long long when;
    short numbers[3];
    struct { unsigned char kind; long size; } inner;
    union { int number; unsigned char bytes[4]; };
    struct event *next;
    _Bool alive;
};
struct {
    int (*type)[2];
    unsigned int *key;
    struct event *value;
    int (*max_entries)[4];
} events SEC(".maps");
struct event latest SEC(".data") = {
    .pid = 7, .comm = "seed", .high = -3, .numbers = { 1, -2, 3 }
};
SEC("socket") int program(void *context) { return latest.pid; }
char _license[] SEC("license") = "GPL";
"""
ROWS: list[dict[str, Any]] = [
    {
        "pid": 42,
        "state": "BUSY",
        "comm": "shell",
        "low": 5,
        "high": -200,
        "when": 1 << 63,
        "numbers": [1, -1, 300],
        "inner": {"kind": 255, "size": -1},
        "number": -2,
        "next": 0xFFFF888000001000,
        "alive": True,
    },
    {"pid": -1, "state": 17, "comm": "exactly8", "high": 255},
]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Btf, Path]]:
    """The program's types, and the directory where the kernel's maps are pinned."""
    folder = tmp_path_factory.mktemp("map")
    (folder / "prog.c").write_text(PROGRAM)
    program = folder / "prog.bpf.o"
    run("clang", "-target", "bpf", "-g", "-O2", "-c", folder / "prog.c", "-o", program)
    pins = folder / "bpf"
    pins.mkdir()
    run("mount", "-t", "bpf", "bpf", pins)
    try:
        run("bpftool", "prog", "load", program, pins / "prog", "type", "socket", "pinmaps", pins)
        yield load(program), pins
    finally:
        run("umount", pins)


def dumped(pin: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("bpftool", "--json", "map", "dump", "pinned", pin))
    return found


def in_hex(data: bytes) -> list[str]:
    return [f"{byte:02x}" for byte in data]


def raw(entry: dict[str, Any], what: str) -> bytes:
    return bytes(int(byte, 16) for byte in entry[what])


def test_values_of_a_map(types: tuple[Btf, Path]) -> None:
    btf, pins = types
    for key, row in enumerate(ROWS):
        parts = {"key": btf.write("unsigned int", key), "value": btf.write("event", row)}
        words = [word for name, data in parts.items() for word in (name, "hex", *in_hex(data))]
        run("bpftool", "map", "update", "pinned", pins / "events", *words)
    entries = dumped(pins / "events")
    assert len(entries) == 4
    for key, entry in enumerate(entries):
        assert btf.read("unsigned int", raw(entry, "key")).to_python() == key
        value = btf.read("event", raw(entry, "value")).to_python()
        row = ROWS[key] if key < len(ROWS) else {}
        assert {name: value[name] for name in row} == row
        compare(value, entry["formatted"]["value"])


def test_a_section_of_variables(types: tuple[Btf, Path]) -> None:
    btf, pins = types
    (pin,) = pins.glob("*_data")
    (entry,) = dumped(pin)
    value = btf.read(".data", raw(entry, "value")).to_python()["latest"]
    assert (value["pid"], value["comm"], value["high"]) == (7, "seed", -3)
    assert value["numbers"] == [1, -2, 3]


def compare(ours: dict[str, Any], theirs: Any) -> None:
    """Our value and bpftool's, which gives bit fields in hexadecimal."""
    flat: dict[str, Any] = {}
    for name, one in theirs.items():
        flat |= {name: one} if name else one
    assert list(ours) == list(flat)
    text = flat["comm"]
    # Text without a NUL comes as numbers.
    assert ours["comm"] == (text if isinstance(text, str) else bytes(text).decode())
    for name in ("pid", "state", "when", "numbers", "inner", "number", "alive"):
        assert ours[name] == flat[name]
    assert ours["low"] == int(flat["low"], 16)
    assert ours["high"] & 0x1FF == int(flat["high"], 16)
