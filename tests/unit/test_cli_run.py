"""``run`` on directories: with passes of one's own, in processes, and resumed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from shell import btfschema

from btfschema import load
from btfschema_transforms.distill import distill

MINE = """
from attrs import frozen
from btfschema import Btf, Context, Pass, PassResult


@frozen
class CountNames(Pass):
    \"\"\"Count the types that have a name.\"\"\"

    name = "count-names"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.unchanged(btf, facts={"names": sum(bool(view.name) for view in btf)})
"""
TEXT = "count-names,distill"


@pytest.fixture
def tree(tmp_path: Path, cloud_bytes: bytes, modules: dict[str, bytes]) -> Path:
    """A vmlinux, twenty of its modules, one file that is damaged, and a file with a pass."""
    (tmp_path / "vmlinux").write_bytes(cloud_bytes)
    (tmp_path / "modules").mkdir()
    for name, data in list(modules.items())[:20]:
        (tmp_path / "modules" / f"{name}.btf").write_bytes(data)
    (tmp_path / "modules" / "damaged.btf").write_bytes(b"damaged")
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def run(tree: Path, *args: str | Path) -> tuple[list[dict[str, Any]], str, int]:
    """What the command prints, as JSON and as words, and its exit code."""
    given: list[str | Path] = [
        "--load",
        tree / "mine.py",
        "--all",
        tree / "modules",
        "-B",
        tree / "vmlinux",
    ]
    done = btfschema("run", TEXT, *given, *args)
    rows = [json.loads(row) for row in done.stdout.decode().splitlines()]
    return rows, done.stderr.decode(), done.returncode


def test_facts_are_those_of_one_process_and_a_failure_stops_no_other(tree: Path) -> None:
    rows, words, code = run(tree, "--jobs", "2")
    assert (len(rows), code) == (20, 1)
    assert "damaged.btf: " in words
    assert "failed                  1" in words
    base = load(tree / "vmlinux")
    for row in rows:
        module = load(row["file"], base)
        assert row["facts"]["count-names"] == {"names": sum(bool(view.name) for view in module)}
        assert row["types_after"] - row["types"] > 0
    assert run(tree)[0] == rows


def test_quiet_prints_failures_only(tree: Path) -> None:
    rows, words, code = run(tree, "--quiet")
    assert (rows, code) == ([], 1)
    assert words.count("\n") == 1
    (row,), _, _ = run(tree, "--quiet", "--json")
    assert (Path(row["file"]).name, row["outcome"]) == ("damaged.btf", "error")


def test_results_are_written_and_done_again_when_the_pass_changes(tree: Path) -> None:
    out = tree / "out"
    _, _, code = run(tree, "--out-dir", out, "--jobs", "2")
    assert code == 1
    base = load(tree / "vmlinux")
    made = sorted(out.glob("*.btf"))
    assert len(made) == 20
    for path in made:
        module = load(tree / "modules" / path.name, base)
        assert load(path).equivalent(distill(module)[0])
    assert "20 of 21 files were done already" in run(tree, "--out-dir", out)[1]
    (tree / "mine.py").write_text(f"{MINE}# Changed.\n")
    assert "done already" not in run(tree, "--out-dir", out)[1]
    later = (tree / "mine.py").stat().st_mtime_ns + 1
    os.utime(tree / "mine.py", ns=(later, later))
    assert "done already" not in run(tree, "--out-dir", out)[1]


def test_an_input_is_given_once(tree: Path) -> None:
    twice = ["--input", "target=a", "--input", "target=b"]
    rows, words, code = run(tree, *twice)
    assert (rows, code) == ([], 2)
    assert "target is given twice: a and b" in words


def test_facts_that_json_does_not_hold_are_named(tree: Path) -> None:
    mine = MINE.replace('{"names": sum', '{"kinds": {1}, "names": sum')
    (tree / "mine.py").write_text(mine)
    _, words, code = run(tree)
    assert code == 1
    assert "the fact 'kinds' of pass \"count-names\" is not data that JSON holds" in words
    assert "Traceback" not in words


@pytest.mark.parametrize("option", [["--timing"], ["--dump-after", "between"]])
def test_who_watches_passes_needs_one_process(tree: Path, option: list[str]) -> None:
    rows, words, code = run(tree, *option, "--jobs", "2")
    assert (rows, code) == ([], 2)
    assert f"Error: {option[0]} needs one process: leave out --jobs" in words


def test_the_output_of_each_pass_is_dumped_for_each_file(tree: Path) -> None:
    between = tree / "between"
    run(tree, "--dump-after", between)
    for path in (tree / "modules").iterdir():
        dumps = sorted(one.name for one in (between / path.name).glob("*"))
        steps = ["01-count-names.btf", "02-distill.btf", "02-distill.btf.base"]
        assert dumps == ([] if path.name == "damaged.btf" else steps)
