"""What Debian's kernels and compilers make, read back: the bytes that other tools find."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from debian_packages import package_tree

from btfschema import Btf, Kind, dumps, load
from btfschema.sources import read_source

pytestmark = [pytest.mark.debian, pytest.mark.network]

# The package that the modules and the vmlinux in tests/data are from.
KERNEL = "linux-image-6.12.117+deb12-cloud-amd64"
ARM64_KERNEL = "linux-image-6.12.117+deb12-cloud-arm64"
# vmlinuz is 12 MB and the vmlinux in it 50; Python, numpy and zstd's window come on top.
MOST_MEMORY = 250 << 20

PROGRAM = """
struct inner { long l; char *c; };
struct outer { int a; struct inner in; } global_outer;
int use(struct outer *o) { return o->a; }
"""


@pytest.fixture(scope="module")
def kernel() -> Path:
    return package_tree(KERNEL)


@pytest.fixture(scope="module")
def arm64_kernel() -> Path:
    return package_tree(ARM64_KERNEL, "arm64")


def only(tree: Path, pattern: str) -> Path:
    (found,) = tree.rglob(pattern)
    return found


def run(*command: str | Path, stdin: bytes | None = None) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, input=stdin).stdout


def test_vmlinuz(kernel: Path, cloud_bytes: bytes) -> None:
    source = read_source(only(kernel, "vmlinuz-*"))
    assert (source.format, source.elf_class) == ("elf", 64)
    assert source.layers[0] == "bzImage"
    assert source.btf == cloud_bytes


def test_vmlinuz_takes_little_memory(kernel: Path) -> None:
    # Not ru_maxrss: a process inherits that of the one which started it, this large test run.
    script = (
        "import re, sys; from pathlib import Path; from btfschema.sources import read_source;"
        "read_source(sys.argv[1]); status = Path('/proc/self/status').read_text();"
        "print(int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) * 1024)"
    )
    peak = int(run(sys.executable, "-c", script, only(kernel, "vmlinuz-*")))
    assert peak < MOST_MEMORY


def test_every_module_of_the_package(kernel: Path, modules: dict[str, bytes]) -> None:
    files = sorted(kernel.rglob("*.ko*"))
    assert {path.name.split(".ko")[0] for path in files} == set(modules)
    for path in files:
        source = read_source(path)
        assert source.btf == modules[path.name.split(".ko")[0]]
        assert source.base is source.ext is None


@pytest.mark.parametrize("name", ["libiscsi", "nf_nat", "xfs"])
def test_recompressed_modules(
    kernel: Path, cloud: Btf, modules: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    packed = only(kernel, f"{name}.ko*")
    plain = tmp_path / f"{name}.ko"
    plain.write_bytes(run("xz", "-dc", packed))
    commands = (["cat"], ["gzip"], ["xz"], ["zstd", "-19"], ["zstd", "--ultra", "-22"], ["bzip2"])
    for command in commands:
        path = tmp_path / "renamed"
        path.write_bytes(run(*command, stdin=plain.read_bytes()))
        btf = load(path, cloud)
        assert dumps(btf) == modules[name]


@pytest.mark.parametrize("command", [["gzip", "-1"], ["xz", "-0", "--check=crc32"], ["lz4", "-l"]])
def test_other_payloads(
    kernel: Path, cloud_bytes: bytes, tmp_path: Path, command: list[str]
) -> None:
    """The same kernel as if it had been configured with another compression."""
    from btfschema.sources.compression import ZSTD, Window, decompress
    from btfschema.sources.images import HEAD_SIZE, payload_of

    path = only(kernel, "vmlinuz-*")
    with path.open("rb") as file:
        head, size = file.read(HEAD_SIZE), path.stat().st_size
        payload = payload_of(head, size, str(path))
        assert payload is not None
        vmlinux = decompress(ZSTD, Window(file, payload.offset, payload.length), "", one=True)
    content = run(*command, stdin=vmlinux.getvalue())
    packed = content + vmlinux.tell().to_bytes(4, "little")
    image = bytearray(path.read_bytes()[: payload.offset])
    image[0x24C:0x250] = len(packed).to_bytes(4, "little")
    (tmp_path / "vmlinuz").write_bytes(image + packed + bytes(4096))
    source = read_source(tmp_path / "vmlinuz")
    assert source.btf == cloud_bytes
    assert source.layers == ("bzImage", command[0])


def test_arm64_image(arm64_kernel: Path, tmp_path: Path) -> None:
    """Debian ships a bare Image; other distributions compress it."""
    image = only(arm64_kernel, "vmlinuz-*")
    source = read_source(image)
    assert (source.format, source.layers) == ("image", ())
    btf = load(image)
    assert btf.find("task_struct", Kind.STRUCT)
    # Found to the last byte: the modules' ids and strings continue where this ends.
    functions = {"libiscsi": "iscsi_conn_start", "nf_nat": "nf_nat_setup_info", "xfs": "xfs_iget"}
    for name, function in functions.items():
        module = load(only(arm64_kernel, f"{name}.ko*"), btf)
        assert module.find(function, Kind.FUNC)
    packed = tmp_path / "Image.gz"
    packed.write_bytes(gzip.compress(image.read_bytes(), 1))
    assert read_source(packed).btf == source.btf


@pytest.mark.parametrize(
    ("compiler", "byteorder", "bits"),
    [
        ("clang -target bpfel -g -O2", "little", 64),
        ("clang -target bpfeb -g -O2", "big", 64),
        ("gcc -gbtf", "little", 64),
        ("gcc -m32 -gbtf", "little", 32),
        ("s390x-linux-gnu-gcc -gbtf", "big", 64),
    ],
)
def test_compilers(tmp_path: Path, compiler: str, byteorder: str, bits: int) -> None:
    """The section that llvm-objcopy takes out, and the types that the program has."""
    source_file, made = tmp_path / "program.c", tmp_path / "program.o"
    source_file.write_text(PROGRAM)
    run(*compiler.split(), "-c", source_file, "-o", made)
    run("llvm-objcopy", "--dump-section", f".BTF={tmp_path / 'btf'}", made)
    source = read_source(made)
    assert source.btf == (tmp_path / "btf").read_bytes()
    assert (source.elf_class, source.elf_byteorder) == (bits, byteorder)
    btf = load(made)
    assert btf.byteorder == byteorder
    assert btf.find("outer", Kind.STRUCT)
    if compiler.startswith("clang"):
        run("llvm-objcopy", "--dump-section", f".BTF.ext={tmp_path / 'ext'}", made)
        assert source.ext == (tmp_path / "ext").read_bytes()
        assert btf.ext is not None
