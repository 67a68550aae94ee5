"""What compilers make of our C: it compiles, its assertions hold, and it comes back as it was."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from c_cases import CASES, build
from c_equivalence import definitions, plain_name
from c_sources import sources
from hypothesis import given, settings

from btfschema import Btf, Kind, load, loads
from btfschema.render.c import format_c

pytestmark = pytest.mark.debian

COMPILERS = {
    "clang-bpf": ["clang", "-target", "bpf"],
    "clang-x86": ["clang", "-target", "x86_64-linux-gnu"],
    "gcc": ["gcc"],
}


def compile_c(compiler: list[str], text: str, *options: str | Path) -> None:
    """Compile C, which comes on standard input; what the compiler says goes into the error."""
    command = [*compiler, "-x", "c", "-w", *map(str, options), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stderr[:2000])


def through_clang(text: str, output: Path, target: str = "bpf") -> Btf:
    """The BTF that clang makes of C and of an object of each struct, union and enum in it.

    Without the objects clang would leave out types, or only declare them.
    """
    tags = re.findall(r"^((?:struct|union|enum) \w+) {", text, re.MULTILINE)
    uses = "".join(f"{tag} used_{number};\n" for number, tag in enumerate(tags))
    compile_c(["clang", "-target", target], text + uses + "int used;\n", "-g", "-c", "-o", output)
    return load(output)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_vmlinux(name: str, compiler: str, request: pytest.FixtureRequest) -> None:
    text = format_c(request.getfixturevalue(name), like="none", asserts=True)
    assert text.count("_Static_assert") > 60_000
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


@pytest.mark.parametrize("like", ["7.1", "7.5"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_what_bpftools_print_compiles(compiler: str, like: str, cloud: Btf) -> None:
    text = format_c(cloud, sort=like == "7.5", like="7.1" if like == "7.1" else "7.5")
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


def test_modules(modules: dict[str, bytes], cloud: Btf) -> None:
    """Their own types with what these need of the kernel's."""

    def check(text: str) -> None:
        for compiler in ("clang-bpf", "gcc"):
            compile_c(COMPILERS[compiler], text, "-fsyntax-only")

    names = sorted(modules)[5 :: len(modules) // 100][:100]
    texts = []
    for name in names:
        module = loads(modules[name], cloud)
        ids = range(module.first_id, module.end_id)
        texts.append(format_c(module, ids, like="none", asserts=True))
    assert len(texts) == 100
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(check, texts):
            pass


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", sorted(CASES.keys() - {"128 bits", "type tags"}))
def test_tricky_types(name: str, compiler: str) -> None:
    text = format_c(build(CASES[name]), like="none", asserts=True)
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


def assert_comes_back(btf: Btf, text: str, output: Path, target: str = "bpf") -> None:
    """The types of the text, compiled, are those of the container."""
    back = definitions(through_clang(text, output, target))
    assert list(back - definitions(btf))[:3] == []
    tags = re.findall(r"^(struct|union|enum) (\w+) {", text, re.MULTILINE)
    wanted = Counter((word, plain_name(tag)) for word, tag in tags)
    found = Counter((word, tag) for word, tag, _ in back.elements())
    assert found == wanted


def test_vmlinux_comes_back(cloud: Btf, tmp_path: Path) -> None:
    """Some of its types: clang takes minutes for all."""
    chosen = random.Random(6).sample(
        [view.id for view in cloud if view.kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM)], 400
    )
    assert_comes_back(cloud, format_c(cloud, chosen, like="none"), tmp_path / "some.o")


def test_modules_come_back(modules: dict[str, bytes], cloud: Btf, tmp_path: Path) -> None:
    for name in ("8021q", "libiscsi", "nf_tables"):
        module = loads(modules[name], cloud)
        own = [view.id for view in module if view.kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM)]
        text = format_c(module, own[:: max(len(own) // 60, 1)], like="none")
        back = definitions(through_clang(text, tmp_path / f"{name}.o"))
        everything = definitions(module) + definitions(module, cloud)
        assert list(back - everything)[:3] == []


BIG_ENDIAN = """
enum state { OFF, ON = -1 };
struct part { unsigned a : 3, b : 7; int : 0; long c : 40; char d[3][5]; };
struct __attribute__((packed)) packed { char c; long l; };
union either { struct part part; double number; int (*call)(struct packed *, ...); };
struct whole { union either e; struct { enum state s; _Bool flag; } in[2]; struct whole *next; };
struct whole whole; struct packed packed;
"""


def test_big_endian_objects(tmp_path: Path) -> None:
    file = tmp_path / "s390x.o"
    compile_c(["s390x-linux-gnu-gcc"], BIG_ENDIAN, "-gbtf", "-c", "-o", file)
    btf = load(file)
    assert btf.byteorder == "big"
    text = format_c(btf, like="none", asserts=True)
    assert "long int c: 40;" in text
    compile_c(["s390x-linux-gnu-gcc"], text, "-fsyntax-only")
    assert_comes_back(btf, text, tmp_path / "back.o", "bpfeb")


@settings(max_examples=60)
@given(source=sources())
def test_c_comes_back(source: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """C, its BTF, our C of that, and its BTF: both BTFs say the same."""
    folder = tmp_path_factory.getbasetemp()
    first = through_clang(source, folder / "first.o")
    text = format_c(first, like="none", asserts=True)
    second = through_clang(text, folder / "second.o")
    assert definitions(second) == definitions(first)
