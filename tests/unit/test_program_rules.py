"""What kernels ask of ``.BTF.ext``: functions, their prototypes, the order of records, names."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from attrs import evolve
from elf_objects import FORMS, Row, make_object
from shell import btfschema

from btfschema import Btf, Builder, dumps, loads, views
from btfschema.model.ext import loads_ext
from btfschema.verification import EXT_RULES, KERNELS, verify, verify_ext
from conftest import DATA

FUNC, STRUCT, MISSING_ID = 3, 4, 99


def program() -> Btf:
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.FuncProto(1, ()))
    b.add(views.Func("prog", 2, views.Linkage.GLOBAL))
    b.add(views.Struct("ctx", 4, [views.Member("x", 1)]))
    return b.build()


def ext_of(functions: list[tuple[int, int]], lines: list[tuple[int, int]]) -> bytes:
    """A section with func_info (instruction, type id) and line_info (instruction, name)."""
    func = struct.pack("<3I", 8, 1, len(functions))
    func += b"".join(struct.pack("<2I", *one) for one in functions)
    line = struct.pack("<3I", 16, 1, len(lines))
    line += b"".join(struct.pack("<4I", at, name, name, 0) for at, name in lines)
    line = line if lines else b""
    header = struct.pack("<HBBI4I", 0xEB9F, 1, 0, 24, 0, len(func), len(func), len(line))
    return header + func + line


def found(functions: list[tuple[int, int]], lines: list[tuple[int, int]]) -> list[str]:
    btf = program()
    ext = loads_ext(ext_of(functions, lines), btf, check=False)
    return [str(one) for one in verify_ext(evolve(btf, ext=ext))]


def test_a_sound_section() -> None:
    assert found([(0, FUNC), (8, FUNC)], [(0, 1), (8, 1), (16, 1)]) == []
    assert verify_ext(program()) == []


@pytest.mark.parametrize(
    ("type_id", "said"),
    [
        (0, "found void"),
        (STRUCT, 'found STRUCT "ctx" [4]'),
        (MISSING_ID, "found 99, past the last id 4"),
    ],
)
def test_func_info_is_about_functions(type_id: int, said: str) -> None:
    """As aya-rs/aya#1649 had it."""
    (violation,) = found([(0, type_id)], [])
    assert violation.startswith(
        ".BTF.ext func_info section 0 record 0 at byte 40 breaks ext.func, which requires "
        "that func_info refers to a "
    )
    assert said in violation


def test_a_function_without_a_prototype() -> None:
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.Func("prog", 1, views.Linkage.GLOBAL))
    btf = b.build()
    btf = evolve(btf, ext=loads_ext(ext_of([(0, 2)], []), btf))
    (violation,) = verify_ext(btf)
    assert (violation.rule.id, violation.got) == ("ext.prototype", 'INT "int" [1]')


def test_records_ascend_and_names_are_there() -> None:
    late = found([(8, FUNC), (8, FUNC)], [(8, 1), (0, 1)])
    assert ["breaks ext.order" in one for one in late] == [True, True]
    names = found([(0, FUNC)], [(0, 4000)])
    assert len(names) == 2
    assert all("breaks ext.name" in one and "found 4000" in one for one in names)


def test_kernels_before_functions_are_given_no_records() -> None:
    btf = program()
    btf = evolve(btf, ext=loads_ext(ext_of([(0, STRUCT)], []), btf))
    assert [version for version in KERNELS if not verify_ext(btf, version)] == ["4.19"]
    assert verify(btf) == []


def test_compilers_programs_are_sound() -> None:
    paths = sorted((DATA / "bpf").glob("*.btf"))
    assert len(paths) == 2
    for path in paths:
        btf = loads(path.read_bytes())
        ext = loads_ext(path.with_suffix(".btf.ext").read_bytes(), btf)
        assert verify_ext(evolve(btf, ext=ext)) == []


def test_the_command_looks_into_it(tmp_path: Path) -> None:
    file = tmp_path / "prog.bpf.o"
    ext = ext_of([(0, STRUCT)], [])
    rows = [Row(".BTF", dumps(program())), Row(".BTF.ext", ext), Row(".shstrtab", kind=3)]
    file.write_bytes(make_object(FORMS[0], rows))
    done = btfschema("verify", file)
    assert done.returncode == 1
    assert (
        b'breaks ext.func, which requires that func_info refers to a FUNC: found STRUCT "ctx" [4]'
        in done.stdout
    )
    assert btfschema("verify", file, "--level", "read").returncode == 0


def test_a_damaged_section_is_said_and_left_out(tmp_path: Path) -> None:
    """As libbpf does when it opens an object."""
    file = tmp_path / "prog.bpf.o"
    rows = [Row(".BTF", dumps(program())), Row(".BTF.ext", b"no"), Row(".shstrtab", kind=3)]
    file.write_bytes(make_object(FORMS[0], rows))
    done = btfschema("verify", file)
    assert done.returncode == 0
    assert b"libbpf goes on without .BTF.ext, which can't be read: " in done.stderr


def test_every_rule_is_broken_here() -> None:
    text = Path(__file__).read_text()
    assert all(rule in text for rule in EXT_RULES)
