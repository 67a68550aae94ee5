"""Values against GCC: a C program reads and writes the members of 300 random structs.

Natively, and for s390x, which is big-endian, under qemu. The types are pahole's, from GCC's DWARF,
as a kernel's are: GCC 12's own BTF has bit fields in packed structs at wrong places.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import field, frozen
from value_forms import by_ctypes, by_numpy
from value_structs import FLOATS, Leaf, Source, source

from btfschema import Btf, load
from btfschema.values import construct_of, read, write

pytestmark = pytest.mark.debian

STRUCTS = 300
MASK = (1 << 128) - 1
MACHINES = {
    "little": ("gcc", []),
    "big": ("s390x-linux-gnu-gcc", ["qemu-s390x-static"]),
}


@frozen
class Answers:
    """What the program said.

    Attributes:
        btf: the program's types.
        source: the program.
        data: the bytes that each struct was read from.
        numbers: what each leaf of each struct is in these.
        written: the bytes of each struct with values.
    """

    btf: Btf
    source: Source = field(repr=False)
    data: list[bytes] = field(repr=False)
    numbers: list[list[int]] = field(repr=False)
    written: list[bytes] = field(repr=False)


@pytest.fixture(scope="module", params=MACHINES)
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    compiler, runner = MACHINES[request.param]
    if shutil.which(compiler) is None or (runner and shutil.which(runner[0]) is None):
        pytest.skip(f"needs {compiler} {' '.join(runner)}")
    folder = tmp_path_factory.mktemp("structs")
    program = source(STRUCTS, 16)
    (folder / "structs.c").write_text(program.text)
    run(compiler, "-g", "-O0", "-w", "-c", folder / "structs.c", "-o", folder / "structs.o")
    run("pahole", "-J", "--btf_gen_floats", folder / "structs.o")
    run(compiler, "-static", folder / "structs.o", "-o", folder / "structs")
    btf = load(folder / "structs.o")
    random = Random(17)
    sizes = [btf.sizeof(btf.find(f"s{number}")) for number in range(STRUCTS)]
    data = [random.randbytes(size) for size in sizes]
    said = subprocess.run(
        [*runner, folder / "structs"], input=b"".join(data), capture_output=True, check=True
    ).stdout.decode()
    numbers: list[list[int]] = []
    written = []
    for size, text in zip(sizes, said.split("struct ")[1:], strict=True):
        first, *lines, last = text.split("\n")[:-1]
        assert int(first) == size
        numbers.append([int(line, 16) for line in lines])
        written.append(bytes.fromhex(last))
    return Answers(btf, program, data, numbers, written)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def number_of(leaf: Leaf, value: object, order: str) -> int:
    """A value as the program prints it; a long double is not compared by its bits."""
    if isinstance(value, float):
        code = {4: "f", 8: "d"}[FLOATS[leaf.type]]
        return int.from_bytes(struct.pack(f">{code}", value), "big")
    assert isinstance(value, int)
    return value & MASK


def is_nan(leaf: Leaf, number: int) -> bool:
    if leaf.type not in FLOATS:
        return False
    if leaf.type == "long double":
        return True
    bits, fraction = {"float": (0xFF, 23), "double": (0x7FF, 52)}[leaf.type]
    return number >> fraction & bits == bits


def test_reading(answers: Answers) -> None:
    btf, count = answers.btf, 0
    for struct_, leaves in enumerate(answers.source.leaves):
        data = answers.data[struct_]
        value = read(btf, f"s{struct_}", data)
        for leaf, number in zip(leaves, answers.numbers[struct_], strict=True):
            if is_nan(leaf, number):
                continue
            got = value.at_(leaf.path).to_python(names=False)
            assert number_of(leaf, got, btf.byteorder) == number, (struct_, leaf)
            count += 1
    assert count > 5 * STRUCTS


def test_writing(answers: Answers) -> None:
    btf = answers.btf
    for struct_, values in enumerate(answers.source.values):
        data = bytes(len(answers.data[struct_]))
        nested = nest(values)
        written = write(btf, f"s{struct_}", nested)
        assert written == answers.written[struct_], struct_
        assert construct_of(btf, f"s{struct_}").build(nested) == written
        value = read(btf, f"s{struct_}", written)
        for path, number in values.items():
            assert value.at_(path).to_python(names=False) == number
        assert len(data) == len(written)


def test_numpy_and_ctypes(answers: Answers) -> None:
    btf = answers.btf
    for struct_, leaves in enumerate(answers.source.leaves):
        type_id = btf.find(f"s{struct_}").id
        for leaf, number in zip(leaves, answers.numbers[struct_], strict=True):
            if is_nan(leaf, number):
                continue
            data = answers.data[struct_]
            got = by_numpy(btf, type_id, data, leaf.path)
            assert number_of(leaf, got, btf.byteorder) == number, (struct_, leaf)
            found = by_ctypes(btf, type_id, data, leaf.path)
            if isinstance(found, bytes):
                found = int.from_bytes(found, btf.byteorder)
                found = found - (found >> 127 << 128) if leaf.low_and_high[0] else found
            assert number_of(leaf, found, btf.byteorder) == number, (struct_, leaf)


def nest(values: dict[str, int | float]) -> dict[str, object]:
    """Values by path as dicts and lists."""
    found: dict[str, object] = {}
    for path, value in values.items():
        steps: list[str | int] = []
        for part in path.replace("[", ".[").split("."):
            steps.append(int(part[1:-1]) if part.startswith("[") else part)
        into: Any = found
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            fresh: object = value if following is None else {} if isinstance(following, str) else []
            if isinstance(into, dict):
                into = into.setdefault(step, fresh)
            elif isinstance(into, list) and isinstance(step, int):
                if step == len(into):
                    into.append(fresh)
                into = into[step]
    return found
