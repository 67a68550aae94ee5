"""What compilers make of our C: it compiles, its assertions hold, and it comes back as it was."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from c_cases import CASES, build
from c_equivalence import Declared, differences, enumerator_assertions
from c_sources import sources
from hypothesis import given, settings

from btfschema import Btf, load, loads
from btfschema.render.c import Like, format_c
from btfschema.views import Enum, Enum64, Struct, Typedef, Union

pytestmark = pytest.mark.debian

COMPILERS = {
    "clang-bpf": ["clang", "-target", "bpf"],
    "clang-x86": ["clang", "-target", "x86_64-linux-gnu"],
    "gcc": ["gcc"],
}
DEFINED = (Struct, Union, Enum, Enum64, Typedef)
TAG = re.compile(r"^((?:struct|union|enum) \w+) {", re.MULTILINE)
ENUM_WITHOUT_NAME = re.compile(r"^(enum {.*?^}[^;\n]*);", re.MULTILINE | re.DOTALL)
BODY = re.compile(r"{(?:}|.*?^})", re.MULTILINE | re.DOTALL)
ATTRIBUTE = re.compile(r" __attribute__\(\(\w+(?:\(\w+\))?\)\)")
TYPEDEF = re.compile(r"^typedef (.*;)", re.MULTILINE)
# What a typedef declares is the first name that ends where its declarator does or has parameters.
DECLARED = re.compile(r"\b(?!const\b|volatile\b|restrict\b)(\w+)[;)(\[]")


def compile_c(compiler: list[str], text: str, *options: str | Path) -> None:
    """Compile C, which comes on standard input; what the compiler says goes into the error."""
    command = [*compiler, "-x", "c", "-w", *map(str, options), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stderr[:2000])


def keeping_all(text: str) -> str:
    """The C with uses of all its types; unused ones clang would leave out, or only declare.

    An enum without a name gets a variable, all others are parameters of one function. Pointers to
    structs would not do: clang only declares those, but defines what an array holds.
    """
    numbers = count()
    text = ENUM_WITHOUT_NAME.sub(lambda match: f"{match[1]} kept_{next(numbers)};", text)
    kept = [f"{tag} (*)[1]" for tag in TAG.findall(text)]
    for declaration in TYPEDEF.findall(ATTRIBUTE.sub("", BODY.sub("", text))):
        kept += [f"{name} *" for name in DECLARED.findall(declaration)[:1]]
    return f"{text}void (*kept)({', '.join(kept)});\n"


def through_clang(text: str, output: Path, target: str = "bpf") -> Btf:
    """The BTF that clang makes of all types in C."""
    compiler = ["clang", "-target", target, "-g", "-fstandalone-debug", "-c"]
    compile_c(compiler, keeping_all(text), "-o", output)
    return load(output)


def lost_on_the_way(
    btf: Btf, text: str, output: Path, target: str = "bpf", roots: Iterable[int] | None = None
) -> set[tuple[str, str]]:
    """What a container's C, compiled, doesn't say any more; all else has to be equivalent.

    Args:
        btf: the container.
        text: its C.
        output: where to put the object file.
        target: clang's.
        roots: the ids that the text was asked for; None for all.
    """
    declared = Declared(btf, roots)
    text += enumerator_assertions(declared)
    found = differences(declared, Declared(through_clang(text, output, target)))
    assert found[:5] == []
    return declared.lost


# C allows a qualified struct without a name inside of another, but clang drops the qualifier.
LOST = {"cloud": {("qualified member without a name", "vm_fault")}}
# clang 14 keeps 32 bits of -1, and only the dump knows which of the enums has which Opt_error___2.
LOST["cloud"].add(("enumerator that shares a name", "Opt_error"))
# It has one declaration and two structs of this name, so that C takes the declaration for one.
LOST["generic"] = LOST["cloud"] | {("which one is declared", "intel_community_context")}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_vmlinux(name: str, compiler: str, request: pytest.FixtureRequest) -> None:
    text = format_c(request.getfixturevalue(name), like="none", asserts=True)
    assert text.count("_Static_assert") > 60_000
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


@pytest.mark.parametrize("like", ["7.1", "7.5", "7.8"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_what_bpftools_print_compiles(compiler: str, like: Like, cloud: Btf) -> None:
    text = format_c(cloud, like=like)
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_vmlinux_comes_back(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every type of it."""
    btf = request.getfixturevalue(name)
    text = format_c(btf, like="none")
    assert lost_on_the_way(btf, text, tmp_path / "all.o") == LOST[name]


BASE: list[Btf] = []


def load_base(data: bytes) -> None:
    """For a process that reads many modules."""
    BASE[:] = [loads(data)]


def module_through_compilers(data: bytes) -> set[tuple[str, str]]:
    """A module's own types, with what these need of the kernel's, and assertions on them."""
    module = loads(data, BASE[0])
    ids = [view.id for view in module if isinstance(view, DEFINED) and view.name]
    text = format_c(module, ids, like="none", asserts=True)
    compile_c(COMPILERS["gcc"], text, "-fsyntax-only")
    with TemporaryDirectory() as folder:
        return lost_on_the_way(module, text, Path(folder) / "module.o", roots=ids)


def test_modules(modules: dict[str, bytes], cloud_bytes: bytes) -> None:
    """They compile and come back."""
    chosen = [modules[name] for name in sorted(modules)[5 :: len(modules) // 100][:100]]
    assert len(chosen) == 100
    with ProcessPoolExecutor(initializer=load_base, initargs=(cloud_bytes,)) as pool:
        assert set().union(*pool.map(module_through_compilers, chosen)) == set()


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", sorted(CASES.keys() - {"128 bits", "type tags"}))
def test_tricky_types(name: str, compiler: str) -> None:
    text = format_c(build(CASES[name]), like="none", asserts=True)
    compile_c(COMPILERS[compiler], text, "-fsyntax-only")


# Their C has types in place of what only some compilers have: __Poly8_t, a long double of 16 bytes.
ONLY_IN_SOME = {"128 bits", "compilers' own types"}


@pytest.mark.parametrize("target", ["bpf", "bpfeb"])
@pytest.mark.parametrize("name", sorted(CASES.keys() - ONLY_IN_SOME))
def test_tricky_types_come_back(name: str, target: str, tmp_path: Path) -> None:
    btf = build(CASES[name], "little" if target == "bpf" else "big")
    lost = lost_on_the_way(btf, format_c(btf, like="none"), tmp_path / "case.o", target)
    # GCC qualifies functions that don't return; C has no such thing.
    reasons = {"qualified function"} if name == "functions" else set()
    assert {reason for reason, _ in lost} == reasons


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
    assert not lost_on_the_way(btf, text, tmp_path / "back.o", "bpfeb")


ORIGINAL = """
enum level { LOW, HIGH = 3 };
struct part { unsigned a : 3, b : 5; const char *name; long list[2][3]; };
typedef struct part part_t;
union either { enum level level; _Bool flag; int (*call)(part_t *, ...); };
struct whole { part_t part; union either in; volatile struct { struct whole *next; } links[2]; };
"""
CHANGES = {
    "a bit field's size": ("a : 3, b : 5", "a : 4, b : 4"),
    "a number's sign": ("unsigned a", "int a"),
    "a number's name": ("long list", "long long list"),
    "a value": ("HIGH = 3", "HIGH = 4"),
    "a value's name": ("HIGH", "TOP"),
    "a qualifier": ("const char", "char"),
    "an array": ("[2][3]", "[3][2]"),
    "parameters": (", ...", ""),
    "a parameter": ("part_t *,", "union either *,"),
    "what a function returns": ("int (*", "long (*"),
    "a typedef's name": ("part_t", "chunk_t"),
    "a typedef not used": ("{ part_t part", "{ struct part part"),
    "another type of the same size": ("_Bool flag", "char flag"),
    "a tag": ("struct part", "struct chunk"),
    "deep inside": ("{ struct whole *next", "{ struct part *next"),
    "a qualifier of something without a name": ("volatile ", ""),
    "an attribute": ("links[2]; }", "links[2]; } __attribute__((aligned(64)))"),
    "a definition": ("union either {", "struct new { int i; };\nunion either {"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_would_be_seen(change: str, tmp_path: Path) -> None:
    """In what is compared here, from both sides."""
    before, after = CHANGES[change]
    assert before in ORIGINAL
    original, changed = (
        through_clang(text, tmp_path / "some.o")
        for text in (ORIGINAL, ORIGINAL.replace(before, after))
    )
    assert differences(Declared(original), Declared(original)) == []
    assert differences(Declared(original), Declared(changed)) != []
    assert differences(Declared(changed), Declared(original)) != []


def test_a_value_with_another_sign_would_be_seen() -> None:
    declared = Declared(build(CASES["enums of every size"]))
    assertions = enumerator_assertions(declared)
    assert "C == -1LL" in assertions
    assert "H == 18446744073709551615ULL" in assertions
    (line,) = (line for line in assertions.splitlines() if "C == -1LL" in line)
    with pytest.raises(pytest.fail.Exception, match="static assertion failed"):
        compile_c(COMPILERS["gcc"], f"enum {{ C = 4294967295 }};\n{line}", "-fsyntax-only")


@settings(max_examples=60)
@given(source=sources())
def test_c_comes_back(source: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """C, its BTF, our C of that, and its BTF: both BTFs say the same."""
    folder = tmp_path_factory.getbasetemp()
    first = through_clang(source, folder / "first.o")
    text = format_c(first, like="none", asserts=True)
    assert not lost_on_the_way(first, text, folder / "second.o")
