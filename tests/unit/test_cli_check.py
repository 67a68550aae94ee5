"""``check`` on directories and several kernels: reports, tables and the page."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import browse
from shell import btfschema

from btfschema import Builder, dumps
from btfschema.views import Int

NAMES = ("8021q", "ahci", "libiscsi", "nf_tables", "nvme-fabrics", "xfs")
HOSTILE = "<img src=x onerror=alert(1)>.btf"


@pytest.fixture(scope="module")
def folder(kernel_folder: Callable[..., Path]) -> Path:
    folder = kernel_folder(NAMES, "modules/kernel")
    (folder / "modules" / "kernel" / HOSTILE).write_bytes(b"\x9f\xeb\x01\x00")
    return folder


@pytest.fixture(scope="module")
def checked(folder: Path) -> subprocess.CompletedProcess[bytes]:
    """All modules against both kernels."""
    options: list[str | Path] = ["-B", folder / "cloud", "-T", folder / "cloud", "-T"]
    outputs: list[str | Path] = [
        "--report",
        folder / "report.jsonl",
        "--html",
        folder / "report.html",
    ]
    return btfschema("check", "--all", folder / "modules", *options, folder / "generic", *outputs)


def test_tables_say_what_breaks_and_what_is_to_blame(
    folder: Path, checked: subprocess.CompletedProcess[bytes]
) -> None:
    assert checked.returncode == 1
    lines = [line.split() for line in checked.stdout.decode().splitlines()]
    assert lines[0] == ["kernel", "relocate", "break", "unread"]
    assert lines[1] == [str(folder / "cloud"), "6", "0", "1"]
    assert lines[2] == [str(folder / "generic"), "2", "4", "1"]
    blame = "2 struct device: size 760, in the target 768"
    assert lines[5] == blame.split()
    counts = [int(line[0]) for line in lines[5:] if line[0].isdigit()]
    assert counts == sorted(counts, reverse=True)


def test_reports_have_a_row_a_module_and_a_cell_a_kernel(
    folder: Path, checked: subprocess.CompletedProcess[bytes]
) -> None:
    """Each cell is what a check against that kernel alone reports."""
    assert checked.returncode == 1
    rows = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    cells: dict[str, dict[str, Any]] = {"cloud": {}, "generic": {}}
    for row in rows:
        for cell in row.get("targets", ()):
            cells[Path(cell.pop("target")).name][row["file"]] = cell
    for kernel, found in cells.items():
        alone = folder / f"{kernel}.jsonl"
        options: list[str | Path] = ["-B", folder / "cloud", "-T", folder / kernel]
        btfschema("check", "--all", folder / "modules", *options, "--report", alone)
        wanted = [json.loads(line) for line in alone.read_text().splitlines()]
        assert found == {row.pop("file"): row for row in wanted if row["outcome"] != "error"}
        assert sum(row["outcome"] == "error" for row in wanted) == 1


@pytest.mark.parametrize("several", [False, True])
def test_quiet_prints_failures_only(folder: Path, several: bool) -> None:
    """Each says its file, and its kernel where there are several; no table counts the others."""
    options: list[str | Path] = ["-B", folder / "cloud", "-T", folder / "generic"]
    options += ["-T", folder / "cloud"] if several else []
    done = btfschema("check", "--all", folder / "modules", *options, "--quiet")
    assert done.returncode == 1
    where = f"{folder / 'generic'}: " if several else ""
    said = [line for line in done.stdout.decode().splitlines() if not line.startswith(" ")]
    broken = ("ahci", "libiscsi", "nvme-fabrics", "xfs")
    assert len(said) == len(broken)
    for name, line in zip(broken, said, strict=True):
        file = folder / "modules" / "kernel" / f"{name}.btf"
        assert re.fullmatch(rf"{file}: {where}\d+ of \d+ distilled types ha(s|ve) no match", line)
    assert "  struct device [" in done.stdout.decode()


@pytest.fixture(scope="module")
def foreign(folder: Path) -> Path:
    """A kernel that no module here can be relocated onto."""
    b = Builder(byteorder="big")
    b.add(Int("int", 4))
    (folder / "s390").write_bytes(dumps(b.build()))
    return folder / "s390"


FOREIGN = "the BTF is little-endian and its new base big-endian"


def test_a_kernel_that_can_not_be_checked_hides_no_other(
    folder: Path, checked: subprocess.CompletedProcess[bytes], foreign: Path
) -> None:
    """Its errors stand in its column, are said once, and name it."""
    report, page = folder / "foreign.jsonl", folder / "foreign.html"
    options: list[str | Path] = ["-B", folder / "cloud", "-T", folder / "generic"]
    options += ["-T", foreign, "--report", report, "--html", page]
    done = btfschema("check", "--all", folder / "modules", *options)
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    assert lines[1] == [str(folder / "generic"), "2", "4", "1"]
    assert lines[2] == [str(foreign), "0", "0", "7"]
    assert lines[4:] == [line.split() for line in checked.stdout.decode().splitlines()[4:]]
    first = folder / "modules" / "kernel" / "8021q.btf"
    said = [line for line in done.stderr.decode().splitlines() if FOREIGN in line]
    assert said == [f"btfschema: {first}: {foreign}: {FOREIGN}"]
    rows = {Path(row["file"]).stem: row for row in map(json.loads, report.read_text().splitlines())}
    outcomes = [one["outcome"] for one in rows["8021q"]["targets"]]
    assert (rows["8021q"]["outcome"], outcomes) == ("error", ["ok", "error"])
    assert rows["8021q"]["message"] == f"{foreign}: {FOREIGN}"
    outcomes = [one["outcome"] for one in rows["libiscsi"]["targets"]]
    assert (rows["libiscsi"]["outcome"], outcomes) == ("mismatch", ["mismatch", "error"])
    assert page.read_text().count(f"{foreign}: {FOREIGN}") == len(NAMES)


def test_the_only_kernel_is_named_too(folder: Path, foreign: Path) -> None:
    module = folder / "modules" / "kernel" / "8021q.btf"
    done = btfschema("check", module, "-T", foreign, "-B", folder / "cloud")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"btfschema: {module}: {foreign}: {FOREIGN}\n"


def test_of_files_that_are_named_each_is_said(folder: Path, foreign: Path) -> None:
    modules = [folder / "modules" / "kernel" / f"{name}.btf" for name in ("8021q", "ahci")]
    options: list[str | Path] = ["-T", foreign, "-B", folder / "cloud"]
    done = btfschema("check", *modules, *options, "-T", folder / "cloud")
    assert done.returncode == 1
    said = [f"btfschema: {module}: {foreign}: {FOREIGN}" for module in modules]
    assert done.stderr.decode().splitlines() == said
    assert done.stdout.decode().splitlines()[2].split() == [str(folder / "cloud"), "2", "0", "0"]


def test_the_page_stands_alone(folder: Path, checked: subprocess.CompletedProcess[bytes]) -> None:
    assert checked.returncode == 1
    text = (folder / "report.html").read_text()
    assert not re.search(r"https?:|@import|url\(|src=(?!x )|<img", text)
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert len(re.findall("<tr id=.* data-name=", text)) == len(NAMES) + 1
    assert "7 modules checked against 2 kernels:\n4 break on at least one." in text
    # The member that made struct device grow.
    assert re.search(r'<td class="added">added</td>\s*<td><code>\w+</code>', text)


def test_workers_report_the_same(folder: Path, checked: subprocess.CompletedProcess[bytes]) -> None:
    page = folder / "workers.html"
    options: list[str | Path] = ["-B", folder / "cloud", "-T", folder / "cloud", "-T"]
    outputs: list[str | Path] = ["--html", page, "--jobs", "2"]
    done = btfschema("check", "--all", folder / "modules", *options, folder / "generic", *outputs)
    assert done.stdout == checked.stdout
    alone = (folder / "report.html").read_text()
    # The foot has the command and the time.
    assert page.read_text().partition("<footer>")[0] == alone.partition("<footer>")[0]


@pytest.mark.debian
def test_a_browser_shows_the_page(
    folder: Path, checked: subprocess.CompletedProcess[bytes]
) -> None:
    """The page's script runs: rows are narrowed to those that break when asked for, and sorted."""
    assert checked.returncode == 1
    page = (folder / "report.html").read_text()
    click = (
        "<script>document.getElementById('broken').click();"
        "document.querySelector('#modules th button').click();</script>"
    )
    (folder / "clicked.html").write_text(page.replace("</body>", f"{click}</body>"))
    shown = browse(folder / "clicked.html", "--dump-dom").decode()
    body = shown.partition('<table id="modules"')[2]
    rows = re.findall(r"<tr id=\"m\d+\" data-name=\"([^\"]*)\"([^>]*)>", body)
    visible = [name for name, attributes in rows if "hidden" not in attributes]
    assert len(rows) == len(NAMES) + 1
    assert visible == sorted(visible)
    assert {Path(name).stem for name in visible} >= {"libiscsi", "nvme-fabrics"}
    assert len(visible) == 5
    picture = folder / "page.png"
    browse(folder / "report.html", f"--screenshot={picture}", "--window-size=1200,1000")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
