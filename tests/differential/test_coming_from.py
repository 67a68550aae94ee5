"""Each row of the "coming from" pages, by the tool it names and by btfschema."""

from __future__ import annotations

import json
import lzma
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coming_from import rows

import btfschema
import btfschema.views

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
# Debian's own interpreter has Debian's drgn.
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the rows name."""
    folder = tmp_path_factory.mktemp("coming")
    (folder / "vmlinux.btf").write_bytes(
        lzma.decompress((DATA / "vmlinux-cloud.btf.xz").read_bytes())
    )
    with tarfile.open(DATA / "modules-cloud.tar.xz") as archive:
        for entry in archive.getmembers():
            if Path(entry.name).stem in ("nf_tables", "8021q"):
                file = archive.extractfile(entry)
                assert file is not None
                (folder / Path(entry.name).name).write_bytes(file.read())
    name = "fields.bpf.o"
    (folder / name).write_bytes((DATA / "core" / "objects" / name).read_bytes())
    return folder


def output(command: str, folder: Path) -> str:
    """What a shell command prints, or the text of the file that it was told to write."""
    written = folder / "out.btf"
    written.unlink(missing_ok=True)
    shell = re.sub(r"^btfschema ", f"{shlex.quote(sys.executable)} -m btfschema ", command)
    path = os.pathsep.join([str(ROOT), str(ROOT / "transforms")])
    done = subprocess.run(
        shell,
        shell=True,
        cwd=folder,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    data = written.read_bytes() if written.exists() else done.stdout
    assert data, f"{command} printed nothing"
    return data.decode("latin-1")


def bare(text: str) -> str:
    """The text without blanks and empty lines, which are where pahole and we differ."""
    return re.sub(r"\s+", "", text)


def names(text: str) -> set[str]:
    """The names in a list: of structs that are printed whole, or the first word of each line."""
    whole = re.findall(r"^(?:struct|union) (\w+) \{", text, re.MULTILINE)
    # A line that begins with a blank or a tab is of a type without a name.
    lines = re.findall(r"^(\w+)", text, re.MULTILINE)
    return set(whole or lines) - {"name"}


def same_members(theirs: str, ours: str) -> bool:
    """Whether both print members of the same names, in the same order, at the same offsets."""
    member = re.compile(r"(\w+)(?:\[\d*\]|:\d+)*;\s*/\*\s*([\d:]+)")
    found = [member.findall(re.sub(r"\s*:\s*(\d)", r":\1", text)) for text in (theirs, ours)]
    return bool(found[0]) and found[0] == found[1]


def same_offsets(theirs: str, ours: str) -> bool:
    """Whether both print the same offsets and sizes, and the same holes, in the same order."""
    place = re.compile(r"/\*\s*(\d+)\s*(?::\s*(\d+))?\s+(\d+)\s*\*/|XXX (\d+ bytes? hole)")
    found = place.findall(theirs)
    return bool(found) and found == place.findall(ours)


def types_in(text: str) -> set[str]:
    """The structs that a header declares; the second of a name counts as the first."""
    found = re.findall(r"^struct (\w+)(?: \{|;)", text, re.MULTILINE)
    return {re.sub(r"___\d+$", "", name) for name in found}


# What a row's last column promises, by how it begins.
PROMISES: dict[str, Callable[[str, str], bool]] = {
    "the same text": lambda a, b: a == b,
    "the same file": lambda a, b: a == b,
    "the same but for spacing": lambda a, b: bare(a) == bare(b),
    "the same members": same_members,
    "the same offsets, sizes and holes": same_offsets,
    "the same names": lambda a, b: names(a) == names(b),
    "the same structs": lambda a, b: names(a) == names(b),
    "those names and more": lambda a, b: names(a) < names(b),
    "other sizes": lambda a, b: bool(names(a) & names(b)),
    "other text, the same types": lambda a, b: a != b and types_in(a) <= types_in(b),
}


@pytest.mark.debian
@pytest.mark.parametrize(
    ("theirs", "ours", "result"),
    [pytest.param(*row, id=row[0]) for page in ("bpftool", "pahole") for row in rows(page)],
)
def test_commands(theirs: str, ours: str, result: str, files: Path) -> None:
    if "/sys/kernel/btf" in theirs and not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("the running kernel has no BTF")
    (promise,) = [kept for begins, kept in PROMISES.items() if result.startswith(begins)]

    assert promise(output(theirs, files), output(ours, files)), result


def python_values(expressions: list[str], **known: Any) -> list[Any]:
    """What the expressions come to, as JSON knows it: kinds as numbers, bytes as hex."""
    found = [eval(text, {"btfschema": btfschema, **known}) for text in expressions]
    return [value.hex() if isinstance(value, bytes) else value for value in found]


@pytest.mark.debian
def test_libbpf(files: Path, tmp_path: Path) -> None:
    # The second table has jobs, with links; the first has expressions.
    table = [row for row in rows("libbpf") if re.search(r"task|vmlinux", row[1])]
    one_line = [(c, python) for c, python in table]
    assert len(one_line) >= 13
    prints = "\n".join(f"\tshow({c});" for c, _ in one_line)
    source = tmp_path / "rows.c"
    source.write_text(
        f"""#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>
static void number(long long n) {{ printf("%lld\\n", n); }}
static void string(const char *s) {{ printf("\\"%s\\"\\n", s); }}
#define show(x) _Generic((x), const char *: string, default: number)(x)
int main(void) {{
	struct btf *btf = btf__parse("vmlinux.btf", NULL);
	int id = btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT);
	const struct btf_type *task = btf__type_by_id(btf, id);
{prints}
	btf__free(btf);
}}
"""
    )
    subprocess.run(["gcc", "-o", tmp_path / "rows", source, "-lbpf"], check=True)
    text = subprocess.run(
        [tmp_path / "rows"], cwd=files, check=True, capture_output=True, text=True
    )
    vmlinux = btfschema.load(files / "vmlinux.btf")

    ours = python_values(
        [python for _, python in one_line], vmlinux=vmlinux, task=vmlinux["struct task_struct"]
    )

    assert [json.loads(line) for line in text.stdout.splitlines()] == ours


@pytest.mark.debian
def test_cilium_ebpf(files: Path, tmp_path: Path) -> None:
    """Debian's package is older than 64-bit enums, so that it gets BTF for a 5.15 kernel."""
    vmlinux = btfschema.load(files / "vmlinux.btf")
    older = btfschema.Pipeline.parse("sanitise{kernel=5.15}").run(vmlinux).btf
    btfschema.dump(older, tmp_path / "vmlinux.btf")
    table = rows("cilium-ebpf")
    prints = "\n".join(f"\tout.Encode({go})" for go, _ in table)
    (tmp_path / "rows.go").write_text(
        f"""package main

import (
	"encoding/json"
	"os"

	"github.com/cilium/ebpf/btf"
)

func sizeof(t btf.Type) int {{ n, _ := btf.Sizeof(t); return n }}
func count(ts []btf.Type, _ error) int {{ return len(ts) }}

func main() {{
	spec, err := btf.LoadSpec("vmlinux.btf")
	if err != nil {{
		panic(err)
	}}
	var task *btf.Struct
	if err := spec.TypeByName("task_struct", &task); err != nil {{
		panic(err)
	}}
	out := json.NewEncoder(os.Stdout)
{prints}
}}
"""
    )
    # Debian's Go packages lie in a GOPATH of their own.
    go = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(tmp_path / "cache")}
    subprocess.run(
        ["go", "build", "-o", "rows", "rows.go"],
        cwd=tmp_path,
        check=True,
        env={**os.environ, **go, "GOFLAGS": ""},
    )
    text = subprocess.run(
        [tmp_path / "rows"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    task = older.find("task_struct", btfschema.views.Struct)

    ours = python_values([python for _, python in table], vmlinux=older, task=task)

    assert [json.loads(line) for line in text.stdout.splitlines()] == ours


DRGN_SOURCE = """
struct inner { int x, y; };
struct packet { unsigned int flags; unsigned low:3, high:5; struct inner inner; };
enum colour { RED, GREEN = 7 };
struct packet packet; enum colour colour;
int main(void) { return packet.inner.y + colour; }
"""


@pytest.mark.debian
def test_drgn(tmp_path: Path) -> None:
    (tmp_path / "both.c").write_text(DRGN_SOURCE)
    binary = tmp_path / "both"
    subprocess.run(["gcc", "-g", "-gdwarf-4", "-o", binary, tmp_path / "both.c"], check=True)
    subprocess.run(["pahole", "-J", binary], check=True)
    table = rows("drgn")
    script = "\n".join(
        [
            "import sys, json, drgn",
            "prog = drgn.Program(drgn.Platform(drgn.Architecture.X86_64))",
            "prog.load_debug_info([sys.argv[1]])",
            *(f"print(json.dumps({theirs}))" for theirs, _ in table),
        ]
    )
    text = subprocess.run(
        [SYSTEM_PYTHON, "-c", script, binary], check=True, capture_output=True, text=True
    )

    ours = python_values([python for _, python in table], btf=btfschema.load(binary))

    assert [json.loads(line) for line in text.stdout.splitlines()] == ours


@pytest.mark.network
def test_dissect_cstruct(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            tmp_path,
            "dissect.cstruct",
        ],
        check=True,
    )
    table = rows("dissect-cstruct")
    script = "\n".join(
        [
            "import json",
            "from dissect.cstruct import cstruct",
            "cparser = cstruct().load('struct point { uint32_t x; uint16_t y; uint16_t z; };')",
            "data = bytes(range(8))",
            "shown = lambda v: v.hex() if isinstance(v, bytes) else v",
            *(f"print(json.dumps(shown({theirs})))" for theirs, _ in table),
        ]
    )
    text = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    builder = btfschema.Builder()
    u32 = builder.add(btfschema.views.Int("uint32_t", 4))
    u16 = builder.add(btfschema.views.Int("uint16_t", 2))
    members = [
        btfschema.views.Member("x", u32),
        btfschema.views.Member("y", u16, bit_offset=32),
        btfschema.views.Member("z", u16, bit_offset=48),
    ]
    builder.add(btfschema.views.Struct("point", 8, members))

    ours = python_values([python for _, python in table], btf=builder.build(), data=bytes(range(8)))

    assert [json.loads(line) for line in text.stdout.splitlines()] == ours


def test_lisa(files: Path) -> None:
    """LISA itself needs a kernel's build tree; that our column can be asked is tested here."""
    questions = [row[-1] for row in rows("lisa")]
    assert len(questions) == 5
    (files / "paths.txt").write_text("\n".join(questions) + "\n")

    table = output("btfschema offsets paths.txt vmlinux.btf", files)

    assert table.count(",") > 5
