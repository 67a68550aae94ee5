"""JSON from every command, and errors as JSON where JSON is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shell import as_text, btfschema

from btfschema import dump
from btfschema.cli import COMMANDS
from btfschema.cli.answers import asks_for_json
from btfschema.cli.sample import sample

# It prints a script for a shell.
NO_JSON = {"completion"}


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("show x -j", True),
        ("show --pretty x", True),
        ("dump --format json", True),
        ("dump --format=json", True),
        ("value x -jp", True),
        ("dump --format c", False),
        ("show -- -j", False),
        ("json", False),
        ("list -P --jobs 2", False),
    ],
)
def test_a_command_line_asks_for_json(line: str, asks: bool) -> None:
    assert asks_for_json(line.split()) == asks


def test_every_command_takes_both_options() -> None:
    for command in COMMANDS.keys() - NO_JSON:
        text = btfschema(command, "--help").stdout.decode()
        assert "-j, --json" in text, command
        assert "-p, --pretty" in text, command


@pytest.mark.parametrize(
    ("line", "code", "wanted"),
    [
        ("dump {cut} -j", 1, {"error": "truncated BTF", "file": "{cut}"}),
        ("dump /nonexistent -p", 1, {"error": "No such file or directory", "file": "/nonexistent"}),
        ("show tsk {file} -j", 1, {"error": "no type 'tsk'", "hint": "did you mean task"}),
        ("dmp -j", 2, {"error": "No such command 'dmp'", "hint": "Did you mean 'dump'?"}),
        ("dump --nonsense -j", 2, {"error": "No such option"}),
        ("run distil {file} -j", 2, {"error": "unknown pass", "hint": 'did you mean "distill"?'}),
        ("diff {file} /nonexistent -j", 2, {"error": "", "file": "/nonexistent"}),
        ("distill {file} {cut} -B {file} --out-dir {out} -j", 1, {"error": "", "file": "{file}"}),
        ("tables {cut} -o {out}/t.csv -j", 1, {"error": "truncated BTF", "file": "{cut}"}),
        ("info -B {file} -j", 2, {"error": "-B/--base-btf needs a FILE"}),
    ],
)
def test_errors_are_objects(tmp_path: Path, line: str, code: int, wanted: dict[str, str]) -> None:
    places = {"file": tmp_path / "sample.btf", "cut": tmp_path / "cut.btf", "out": tmp_path / "out"}
    dump(sample(), places["file"])
    places["cut"].write_bytes(places["file"].read_bytes()[:200])
    done = as_text(btfschema(*(word.format(**places) for word in line.split())))
    assert done.returncode == code
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[0])
    assert found.keys() <= {"error", "file", "hint"}
    assert "btfschema:" not in done.stderr
    for key, text in wanted.items():
        assert text.format(**places) in found[key]
    if "file" in wanted:
        assert found["file"] == wanted["file"].format(**places)
