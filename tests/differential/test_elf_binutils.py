"""What binutils, kmod and libbpf see of a file before and after its BTF is replaced."""

from __future__ import annotations

import io
import lzma
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve, frozen
from debian_packages import package_tree
from elftools.elf.elffile import ELFFile

from btfschema import Btf, dumps, load, loads
from btfschema.sources import read_source
from btfschema.sources.elfwrite import write_btf_file
from btfschema_transforms.distill import distill

pytestmark = [pytest.mark.debian, pytest.mark.network]

KERNEL = "linux-image-6.12.117+deb12-cloud-amd64"
# Lines of readelf about what is meant to change. Everything else of its output must be equal.
CHANGED = re.compile(
    r"^There are \d+ section headers, starting at offset|^ *(Start|Number) of section headers:"
    r"|^ *\[ *\d+\] \.(BTF|BTF\.base|shstrtab) "
)
SIGNATURE_KEYS = ("filename", "sig_id", "signer", "sig_key", "sig_hashalgo", "signature")


@frozen
class Pair:
    """A module before and after, unpacked, under one name in two directories."""

    before: Path
    after: Path

    def said(self, *command: str) -> tuple[str, str]:
        """What a program prints for each."""
        return said(self.before, *command), said(self.after, *command)


def said(path: Path, *command: str) -> str:
    done = subprocess.run(
        [*command, path.name], cwd=path.parent, capture_output=True, text=True, errors="replace"
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{path}: {command}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, cloud: Btf) -> list[Pair]:
    """Every module of the package, as it is and with its distilled BTF."""
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    found = []
    for path in sorted(package_tree(KERNEL).rglob("*.ko.xz")):
        pair = Pair(before / path.stem, after / path.stem)
        pair.before.write_bytes(lzma.decompress(path.read_bytes()))
        split, _ = distill(load(path, cloud))
        write_btf_file(path, pair.after, split)
        found.append(pair)
    assert len(found) > 1100
    return found


def check(pairs: list[Pair], differs: Callable[[Pair], bool]) -> None:
    """No pair may differ; the programs run side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = zip(pairs, pool.map(differs, pairs), strict=True)
        assert [pair.before.name for pair, differed in found if differed] == []


def test_readelf_sees_new_btf_sections_and_no_other_change(pairs: list[Pair]) -> None:
    def differs(pair: Pair) -> bool:
        outputs = pair.said("readelf", "-aW")
        before, after = (
            [line for line in output.splitlines() if not CHANGED.search(line)] for output in outputs
        )
        return before != after or ".BTF.base" in outputs[0] or ".BTF.base" not in outputs[1]

    check(pairs, differs)


def test_objdump_sees_new_btf_contents_and_no_other_change(pairs: list[Pair]) -> None:
    def contents(output: str) -> Iterator[str]:
        for block in output.split("\nContents of section "):
            if not block.startswith((".BTF:", ".BTF.base:")):
                yield block.rstrip("\n")

    def differs(pair: Pair) -> bool:
        before, after = pair.said("objdump", "-s")
        return list(contents(before)) != list(contents(after)) or before == after

    check(pairs, differs)


def test_objdump_disassembles_the_same_code_with_the_same_relocations(pairs: list[Pair]) -> None:
    def differs(pair: Pair) -> bool:
        before, after = pair.said("objdump", "-dr")
        return before != after

    check(pairs, differs)


def test_modinfo_reads_the_same_but_the_signature(pairs: list[Pair]) -> None:
    def facts(output: str) -> list[str]:
        # A signature's bytes go over several lines.
        return [line for line in output.splitlines() if re.match(r"\w+:", line)]

    def differs(pair: Pair) -> bool:
        before, after = map(facts, pair.said("modinfo"))
        keys = {line.partition(":")[0] for line in before}
        kept = [line for line in before if not line.startswith(SIGNATURE_KEYS)]
        return (
            not {"name", "vermagic", "sig_id"} <= keys
            or [line for line in after if not line.startswith("filename")] != kept
        )

    check(pairs, differs)


def test_every_byte_is_where_it_was(pairs: list[Pair]) -> None:
    """From the ELF header to the old section names, which are behind all other sections here."""

    def differs(pair: Pair) -> bool:
        before, after = pair.before.read_bytes(), pair.after.read_bytes()
        elf = ELFFile(io.BytesIO(before))
        names, btf = (elf.get_section_by_name(name) for name in (".shstrtab", ".BTF"))
        assert names is not None
        assert btf is not None
        first, end = elf["e_ehsize"], names["sh_offset"]
        start, size = btf["sh_offset"], btf["sh_size"]
        expected = before[first:start] + bytes(size) + before[start + size : end]
        return after[first:end] != expected

    check(pairs, differs)


def test_the_files_grow_by_what_was_written(pairs: list[Pair]) -> None:
    for pair in pairs:
        written = read_source(pair.after)
        assert written.base is not None
        growth = pair.after.stat().st_size - pair.before.stat().st_size
        # One section header and a name come along, padding to 8 bytes, and no signature.
        assert growth <= len(written.btf) + len(written.base) + 64 + 10 + 4 * 7


PROGRAM = """
struct pair { int first; long second; };
__attribute__((section(".data"))) struct pair global = { 1, 2 };
char _license[] __attribute__((section("license"))) = "GPL";
__attribute__((section("tp/x"))) int main_function(struct pair *p)
{
    return p->first + global.second;
}
"""


def compiled(folder: Path, *command: str) -> Pair:
    """A program before and after its BTF got four bytes longer, and a base."""
    pair = Pair(folder / "before" / "prog.o", folder / "after" / "prog.o")
    for path in (pair.before, pair.after):
        path.parent.mkdir()
    arguments = ["-o", str(pair.before), "-x", "c", "-"]
    subprocess.run([*command, *arguments], input=PROGRAM, text=True, check=True)
    btf = load(pair.before)
    longer = loads(dumps(btf) + bytes(4))
    split = evolve(longer, base=btf, ext=btf.ext)
    assert write_btf_file(pair.before, pair.after, split, with_base="bpf" not in command) == ()
    assert read_source(pair.after).btf == dumps(longer)
    return pair


@pytest.mark.parametrize("kind", ["-c", "-shared"])
@pytest.mark.parametrize("compiler", ["gcc", "gcc -m32", "s390x-linux-gnu-gcc"])
def test_readelf_sees_the_same_of_other_objects(tmp_path: Path, compiler: str, kind: str) -> None:
    """32-bit and big-endian ones, and what a loader maps."""
    command = [*compiler.split(), kind, "-gbtf", "-nostdlib", "-fPIC"]
    outputs = compiled(tmp_path, *command).said("readelf", "-aW")
    before, after = (
        [line for line in output.splitlines() if not CHANGED.search(line)] for output in outputs
    )
    assert before == after
    assert ".BTF.base" in outputs[1]


def test_libbpf_links_a_rewritten_object_to_the_same_program(tmp_path: Path) -> None:
    """Although the relocations against its .BTF are gone."""
    pair = compiled(tmp_path, "clang", "-target", "bpf", "-g", "-O2", "-c")
    linked = []
    for path in (pair.before, pair.after):
        target = path.with_suffix(".linked")
        subprocess.run(["bpftool", "gen", "object", target, path], check=True)
        linked.append(target.read_bytes())
    assert linked[0] == linked[1]
    before, after = pair.said("readelf", "-rW")
    assert "'.rel.BTF'" in before
    assert "'.rel.BTF'" not in after


def test_many_sections_cost_five_times_objcopy_at_most(tmp_path: Path, cloud: Btf) -> None:
    """An object with a section a function: reading it and writing it, start of Python included."""
    lines = (f'.section .text.f{number},"ax",@progbits\n.byte 0\n' for number in range(66_000))
    (tmp_path / "many.s").write_text("".join(lines))
    (tmp_path / "v.btf").write_bytes(dumps(cloud))
    script = (
        "from btfschema.sources import read_source;"
        "from btfschema.sources.elfwrite import replace_sections;"
        "from pathlib import Path; new = Path('v.btf').read_bytes(); read_source('old.o');"
        "data = replace_sections(Path('old.o').read_bytes(), {'.BTF': new});"
        "Path('ours.o').write_bytes(data)"
    )
    commands = {
        "as": ("as", "many.s", "-o", "plain.o"),
        "add": ("objcopy", "--add-section", ".BTF=v.btf", "plain.o", "old.o"),
        "objcopy": ("objcopy", "--update-section", ".BTF=v.btf", "old.o", "theirs.o"),
        "btfschema": (sys.executable, "-c", script),
    }
    times = {}
    for name, command in commands.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=tmp_path, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert read_source(tmp_path / "ours.o").btf == dumps(cloud)
    assert times["btfschema"] < 5 * times["objcopy"]
