"""What libbpf's own loader and the running kernel say of our programs, and what ``core`` says."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from co_re_goldens import DATA, own_object
from core_oracle import PROGRAMS

from btfschema import dumps
from btfschema.co_re import Finding, Kernel, Marks, check_object, mark_object, minimal

pytestmark = [pytest.mark.kernel, pytest.mark.debian]

# Programs whose loading depends on nothing but their relocations: raw tracepoints.
NAMES = sorted(
    path.stem
    for path in PROGRAMS.glob("*.c")
    if 'SEC("raw_tp' in path.read_text() and not path.stem.startswith("ambiguous")
)
WRITTEN = re.compile(
    r"prog '(\w+)': relo #(\d+): (?:patched insn #\d+ \(\S+\) \w+ -?\d+ -> (-?\d+)|(substituting))"
)
# Its global function takes a pointer to a struct, which the verifier refuses before all else.
REFUSED_ANYWAY = {"subprograms"}
# libbpf puts its own words in the place of "invalid func unknown#195896080".
REFUSED = "failed to resolve CO-RE relocation"


def log(loader: Path, name: str, *btf: Path) -> str:
    path = DATA / "core" / "objects" / f"{name}.bpf.o"
    done = subprocess.run([loader, path, *btf], capture_output=True, text=True, errors="replace")
    assert not done.returncode, done.stdout
    return done.stdout


def said(text: str) -> dict[tuple[str, int], str]:
    """What libbpf wrote for each relocation: a value, or an invalid instruction."""
    return {
        (program, int(number)): value or "poison"
        for program, number, value, _ in WRITTEN.findall(text)
    }


def ours(finding: Finding) -> str:
    return "poison" if finding.poison else str(finding.value)


@pytest.mark.parametrize("name", NAMES)
def test_the_loader_writes_what_core_says(name: str, loader: Path, running: Kernel) -> None:
    report = check_object(own_object(name), running)
    text = log(loader, name)
    written = said(text)
    assert len(written) == len(report.findings)
    for finding in report.findings:
        one = finding.relocation
        assert written[one.program, one.index] == ours(finding)
    assert ("LOADED 0" in text) == report.loads
    if name not in REFUSED_ANYWAY:
        # The verifier refuses just the programs in which poison can be reached.
        assert (REFUSED in text) == (not report.loads)


@pytest.mark.parametrize("name", NAMES)
def test_the_loader_does_the_same_with_minimal_btf(
    name: str, loader: Path, running: Kernel
) -> None:
    program = own_object(name)
    marks = Marks()
    mark_object(marks, program, running)
    with tempfile.NamedTemporaryFile(suffix=".btf") as file:
        file.write(dumps(minimal(running.vmlinux, marks).btf))
        file.flush()
        text = log(loader, name, Path(file.name))
    report = check_object(program, running)
    assert ("LOADED 0" in text) == report.loads
    written = said(text)
    for finding in report.findings:
        one = finding.relocation
        if one.relo.kind != 7:
            assert written[one.program, one.index] == ours(finding)
