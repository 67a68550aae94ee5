"""What shells complete, and the man pages: both come from the commands."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from shell import btfschema

from btfschema import Builder, dumps, views
from btfschema.cli import COMMANDS, cli
from btfschema.cli.completion import MOST, _shortened
from btfschema.framework.registry import passes
from btfschema.schema import KINDS

ROOT = Path(__file__).parents[2]
MAN_PAGES: Callable[..., Iterator[tuple[str, str]]] = runpy.run_path(
    str(ROOT / "docs" / "man_pages.py")
)["man_pages"]


def completed(*args: str | Path) -> list[str]:
    """What the last word may go on as; ``FILE`` where the shell completes files."""
    *before, incomplete = map(str, args)
    shell = ShellComplete(cli, {}, "btfschema", "_BTFSCHEMA_COMPLETE")
    found = shell.get_completions(before, incomplete)
    return ["FILE" if item.type == "file" else item.value for item in found]


@pytest.fixture
def btf(tmp_path: Path) -> Path:
    b = Builder()
    int_id = b.add(views.Int("int", 4))
    for name in ("task_struct", "task_group", "sk_buff", "bad\x1bname"):
        b.add(views.Struct(name, 4, [views.Member("a", int_id)]))
    path = tmp_path / "some.btf"
    path.write_bytes(dumps(b.build()))
    return path


def test_commands_and_options() -> None:
    assert completed("") == list(COMMANDS)
    assert completed("di") == ["distill", "diff"] or completed("di") == ["diff", "distill"]
    assert "--policy" in completed("check", "--po")


def test_completing_a_command_imports_none() -> None:
    env = {**os.environ, "_BTFSCHEMA_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    code = (
        "import sys; from btfschema.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*[m for m in sys.modules if m.startswith('btfschema.cli.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "COMP_WORDS": "btfschema dis"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, imported = done.stdout.splitlines()
    assert first == "plain,distill"
    assert "btfschema.cli.transform" not in imported


def test_kinds() -> None:
    kinds = {spec.name.lower() for _, spec in KINDS.items()}
    assert set(completed("dump", "--kind", "")) == kinds
    assert completed("list", "--kind", "FLO") == ["float"]
    assert completed("diff", "--kind", "dat") == ["datasec"]


@pytest.mark.parametrize("args", [["dump"], ["list"], ["duplicates"]])
def test_names_of_types_in_the_file_on_the_line(btf: Path, args: list[str]) -> None:
    assert completed(*args, btf, "--name", "task_") == ["task_group", "task_struct"]
    # What can't be typed is not offered.
    assert completed(*args, btf, "--name", "bad") == ["FILE"]


def test_names_of_types_over_a_base(btf: Path, tmp_path: Path) -> None:
    from btfschema import load

    base = load(btf)
    b = Builder(base)
    b.add(views.Typedef("task_t", base.find_ids("task_struct")[0]))
    split = tmp_path / "split.btf"
    split.write_bytes(dumps(b.build()))
    assert completed("list", split, "-B", btf, "--contains", "task_") == [
        "task_group",
        "task_struct",
        "task_t",
    ]


def test_a_name_or_a_file(btf: Path) -> None:
    assert completed("show", btf, "sk") == ["sk_buff"]
    assert completed("show", btf, "./s") == ["FILE"]
    assert completed("show", btf.parent / "none.btf", "/") == ["FILE"]


def test_what_can_not_be_read_completes_nothing(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"\x9f\xeb\x01")
    assert completed("dump", tmp_path / "junk", "--name", "a") == ["FILE"]


def test_many_names_are_told_by_how_they_begin() -> None:
    many = {f"a{number:05}" for number in range(3000)} | {"ab"}
    found = _shortened(many, "a")
    assert len(found) <= MOST
    assert all(any(name.startswith(one) for one in found) for name in many)
    assert len(set(found)) > 1
    assert _shortened({"ab", "ac"}, "a") == ["ab", "ac"]


def test_pipelines() -> None:
    assert completed("run", "") == list(passes())
    assert completed("run", "distill,reb") == ["distill,rebase"]
    assert completed("run", "distill,relocate{pol") == ["distill,relocate{policy="]
    assert set(completed("run", "relocate{policy=")) >= {
        "relocate{policy=strict",
        "relocate{policy=kernel",
    }
    assert completed("run", "nosuch{a") == []


def test_policies_and_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "strict" in completed("check", "--policy", "")
    for name in ("vmlinuz-6.1", "vmlinuz-6.12", "other"):
        (tmp_path / name).touch()
    monkeypatch.setattr("btfschema.cli.completion.KERNELS", (f"{tmp_path}/vmlinu*",))
    kernels = [f"{tmp_path}/vmlinuz-6.1", f"{tmp_path}/vmlinuz-6.12"]
    for command in ("check", "core", "relocate"):
        assert completed(command, "--target", "") == kernels
    assert completed("check", "-T", f"old={tmp_path}/vmlinuz-6.12") == [f"old={kernels[1]}"]
    assert completed("check", "-T", "./") == ["FILE"]
    assert completed("verify", "--kernel", "5.1") == ["5.10", "5.15"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_this_command(shell: str) -> None:
    done = btfschema("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"_BTFSCHEMA_COMPLETE={shell}_complete".encode() in done.stdout


def test_man_pages_have_all_commands_and_options() -> None:
    pages = dict(MAN_PAGES("1.2.3", "2026-01-02"))
    assert set(pages) == {"btfschema.1", *(f"btfschema-{name}.1" for name in COMMANDS)}
    for text in pages.values():
        assert text.startswith('.TH "BTFSCHEMA')
        # Nothing but what is meant begins a request, and no control character is left.
        requests = set(re.findall(r"^[.']\w*", text, re.MULTILINE))
        assert requests <= {".TH", ".SH", ".B", ".PP", ".TP", ".nf", ".fi"}
        assert "\b" not in text
    whole = pages["btfschema-check.1"]
    assert '"2026-01-02" "1.2.3"' in whole
    for option in ("target", "html", "policy", "color"):
        assert rf"\-\-{option}" in whole
    # A line that goes on keeps its backslash.
    assert "vmlinuz\\-6.12 \\e\n" in whole


@pytest.mark.network
def test_the_wheel_has_templates_and_man_pages(tmp_path: Path) -> None:
    """pip fetches what builds it."""
    make = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(make, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    here = ROOT / "btfschema" / "render" / "html"
    shipped = {path.name for path in here.iterdir() if path.suffix in (".html", ".css", ".js")}
    assert len(shipped) >= 6
    assert {f"btfschema/render/html/{name}" for name in shipped} <= set(names)
    pages = {name.rpartition("/")[2] for name in names if "/data/share/man/man1/" in name}
    assert pages == {name for name, _ in MAN_PAGES("1")}
