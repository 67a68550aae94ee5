"""libbpf 1.5's CO-RE, asked through ``differential/core_oracle.c``, and programs built by clang."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from debian_packages import CACHE
from libbpf_oracle import SOURCE, archive, libbpf, run

from btfschema.co_re import BpfObject, Kernel, Resolver
from btfschema.co_re.insns import Insn, patched
from btfschema.errors import CoreError

__all__ = ["PROGRAMS", "ask", "clang", "compiled", "theirs", "told"]

DRIVER = Path(__file__).parent / "differential" / "core_oracle.c"
PROGRAMS = Path(__file__).parent / "data" / "core" / "programs"


def driver() -> Path:
    """The program that answers, compiled again when its source changed."""
    digest = hashlib.sha256(DRIVER.read_bytes()).hexdigest()[:16]
    program = CACHE / f"core-oracle-{digest}"
    if not program.exists():
        built = libbpf()
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            parts = [f"{SOURCE}/tools/{part}" for part in ("include", "arch")]
            run("tar", "-xf", archive(), *parts, cwd=Path(scratch))
            headers = Path(scratch) / SOURCE / "tools" / "include"
            output = Path(scratch) / "core-oracle"
            flags = ("-O2", "-Wall", f"-I{built}", f"-I{headers}", f"-I{headers}/uapi")
            run("gcc", *flags, DRIVER, built / "libbpf.a", "-lelf", "-lz", "-o", output)
            output.rename(program)
    return program


def ask(program: Path, vmlinux: Path, modules: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """What libbpf makes of each relocation."""
    command = [driver(), program, vmlinux, *modules]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def clang() -> str | None:
    """A clang that knows all of CO-RE, or None."""
    return next(filter(None, map(shutil.which, ("clang-19", "clang-16", "clang-15"))), None)


def compiled(source: Path, folder: Path) -> Path:
    """A program as an object file.

    Its path does not say where it was compiled, so that the same source gives the same file.
    """
    compiler = clang()
    assert compiler is not None
    output = folder / f"{source.stem}.bpf.o"
    flags = ("-target", "bpf", "-mcpu=v3", "-g", "-O2", "-fdebug-compilation-dir=.")
    run(compiler, *flags, "-c", source.name, "-o", output, cwd=source.parent)
    return output


def told(program: BpfObject, kernel: Kernel) -> list[dict[str, Any]]:
    """Our relocations in the words of the driver."""
    names = ["vmlinux", *kernel.modules]
    resolver = Resolver.of(program.btf, kernel)
    code = {section: list(insns) for section, insns in program.code.items()}
    rows = []
    for one in program.relocations:
        found = resolver.resolve(one.relo)
        patch, candidate, target = found.patch, found.candidate, found.target
        row: dict[str, Any] = {
            "section": one.section,
            "index": one.index,
            "kind": int(one.relo.kind),
            "fails": found.error is not None,
            "cands": len(found.candidates),
            "orig": patch.original if patch else 0,
            "new": patch.value if patch else 0,
            "poison": int(found.poison),
            "validate": int(patch.validate) if patch else 0,
            "memsz_fail": int(patch.bad_size) if patch else 0,
            "orig_sz": patch.original_size if patch else 0,
            "new_sz": patch.size if patch else 0,
            "root": candidate.type_id if candidate else 0,
            "kernel": names.index(candidate.module) if candidate else -1,
            "bit_offset": target.bit_offset if target else 0,
            "raw": list(target.raw) if target else [],
        }
        rows.append({**row, **_patched(code[one.section], one.insn, patch)})
    return rows


def _patched(insns: list[Insn], at: int, patch: Any) -> dict[str, Any]:
    fails = False
    if patch is not None:
        try:
            new = patched(insns, at, patch)
            insns[at : at + len(new)] = new
        except CoreError:
            fails = True
    return {"patch": fails, "code": insns[at].code, "off": insns[at].off, "imm": insns[at].imm}


def theirs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The driver's rows, whose error numbers do not matter to us."""
    found = []
    for row in rows:
        rest = {key: value for key, value in row.items() if key not in ("rc", "patch_rc")}
        found.append({**rest, "fails": row["rc"] != 0, "patch": row["patch_rc"] != 0})
    return found
