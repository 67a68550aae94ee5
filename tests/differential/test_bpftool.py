"""Our dump and Debian's bpftool's, byte for byte."""

from __future__ import annotations

import io
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from every_kind import every_kind

from btfschema import Btf, Builder, dumps, loads
from btfschema.codec.header import ByteOrder
from btfschema.render import write_json, write_raw

pytestmark = pytest.mark.debian

# How bpftool is asked for each notation.
FLAGS = {"text": [], "json": ["-j"], "pretty": ["-p"]}
BPFTOOL = "/usr/sbin/bpftool"


def bpftool(notation: str, file: Path, base: Path | None = None) -> bytes:
    over = ["-B", str(base)] if base is not None else []
    command = [BPFTOOL, *FLAGS[notation], *over, "btf", "dump", "file", str(file)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def ours(notation: str, btf: Btf) -> bytes:
    out = io.BytesIO()
    if notation == "text":
        write_raw(btf, out)
    else:
        write_json(btf, out, pretty=notation == "pretty")
    return out.getvalue()


def check(notation: str, btf: Btf, file: Path, base: Path | None = None) -> None:
    theirs, found = bpftool(notation, file, base), ours(notation, btf)
    if found == theirs:
        return
    # Equality alone would make pytest compare megabytes.
    pairs = zip(theirs.splitlines(), found.splitlines(), strict=False)
    first = next(((a, b) for a, b in pairs if a != b), (len(theirs), len(found)))
    pytest.fail(f"{file.name} {notation}: bpftool {first[0]!r}, ours {first[1]!r}")


@pytest.mark.parametrize("notation", FLAGS)
@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_vmlinux(name: str, notation: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / name
    file.write_bytes(request.getfixturevalue(f"{name}_bytes"))
    check(notation, request.getfixturevalue(name), file)


@pytest.mark.kernel
@pytest.mark.parametrize("notation", FLAGS)
def test_running_kernel(notation: str) -> None:
    file = Path("/sys/kernel/btf/vmlinux")
    check(notation, loads(file.read_bytes()), file)


@pytest.fixture(scope="module")
def corpus(
    tmp_path_factory: pytest.TempPathFactory, cloud_bytes: bytes, modules: dict[str, bytes]
) -> Path:
    """The corpus as files: ``vmlinux`` and a file a module."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "vmlinux").write_bytes(cloud_bytes)
    for name, data in modules.items():
        (folder / f"{name}.btf").write_bytes(data)
    return folder


@pytest.mark.parametrize("notation", FLAGS)
def test_all_modules(notation: str, corpus: Path, modules: dict[str, bytes], cloud: Btf) -> None:
    def one(name: str) -> None:
        file = corpus / f"{name}.btf"
        check(notation, loads(modules[name], cloud), file, corpus / "vmlinux")

    assert len(modules) == 1138
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(one, modules):
            pass


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("notation", FLAGS)
def test_every_kind(notation: str, byteorder: ByteOrder, tmp_path: Path) -> None:
    """Also what no compiler here writes: enum64, unknown linkages, a section entry of void."""
    file = tmp_path / "every.btf"
    file.write_bytes(dumps(every_kind(byteorder)))
    check(notation, loads(file.read_bytes()), file)


@pytest.mark.parametrize("notation", FLAGS)
def test_no_types(notation: str, tmp_path: Path) -> None:
    file = tmp_path / "empty.btf"
    file.write_bytes(dumps(Builder().build()))
    check(notation, loads(file.read_bytes()), file)


SOURCE = r"""
#ifdef __clang__
#define DECL __attribute__((btf_decl_tag("tag \"quoted\"")))
#define TYPE __attribute__((btf_type_tag("user")))
#else
#define DECL
#define TYPE
#endif
#define SEC(name) __attribute__((section(name), used))
enum small { LOW = -2, HIGH = 7 };
enum large { TOP = 0xfffffffe };
enum wide { WIDE = 0x123456789abcdef0 };
struct later;
union either;
struct DECL node {
    struct node *next;
    unsigned on : 1, level : 7;
    int : 4;
    signed deep : 20 DECL;
    union { long l; double d; } value;
    const volatile int TYPE *restrict_me;
    struct later *later;
    union either *either;
    enum small small; enum large large; enum wide wide;
    _Bool flag; char text[2][3]; float f;
    int (*call)(struct node *, ...);
};
typedef struct node node_t;
struct node first SEC(".data.first");
static int counter = 1;
const char licence[] SEC("license") = "GPL";
extern int elsewhere(int) DECL;
node_t bss;
int use(node_t *restrict n DECL, int k) {
    static int calls;
    calls++;
    return n->level + k + counter++ + (int)bss.small;
}
int entry(void *);
int SEC("prog") entry(void *ctx) { first.deep++; return use(&first, 2) + elsewhere(1); }
"""

COMPILERS = {
    "clang-little": ["clang", "-g", "-O1", "-target", "bpfel"],
    "clang-big": ["clang", "-g", "-O1", "-target", "bpfeb"],
    "gcc-little": ["gcc", "-gbtf"],
    "gcc-big": ["s390x-linux-gnu-gcc", "-gbtf"],
}
# What the source is about, by how the text begins or what it has.
SHOWN = (" VAR 'counter'", " DATASEC ", "bitfield_size=20", " FLOAT 'double'", " FWD 'either'")
TAGS = (" DECL_TAG 'tag \"quoted\"'", " TYPE_TAG 'user'")


@pytest.mark.parametrize("notation", FLAGS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_compiled(compiler: str, notation: str, tmp_path: Path) -> None:
    source, file = tmp_path / "source.c", tmp_path / "source.o"
    source.write_text(SOURCE)
    subprocess.run([*COMPILERS[compiler], "-c", source, "-o", file], check=True)
    with file.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".BTF")
        assert section is not None
        btf = loads(section.data())
    assert compiler.endswith(btf.byteorder)
    text = ours("text", btf).decode()
    wanted = SHOWN + TAGS if compiler.startswith("clang") else SHOWN
    assert [part for part in wanted if part not in text] == []
    check(notation, btf, file)
