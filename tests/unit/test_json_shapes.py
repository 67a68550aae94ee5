"""What every command prints as JSON has the shape that docs/reference/json-schema.json gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from building import built, refused_base
from shell import as_text, btfschema
from test_json import NO_JSON

from btfschema import dumps, views
from btfschema.cli import COMMANDS

# Brought by the extra "test"; it has no types of its own.
jsonschema: Any = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/json-schema.json").read_text())

# Command lines, and the shape of each value that they print.
LINES = [
    ("dump {split} -B {base} -j", "dump"),
    ("dump {object} -j", "dump"),
    ("dump {object} --ext -j", "dump --ext"),
    ("info {split} -B {base} -j", "info"),
    ("info {object} -j", "info"),
    ("info {object} --sizes -j", "info"),
    ("show -j list_head enum pid_type schedule 5 pid_t list_lru {base}", "show"),
    ("show -j task_struct.se.avg task_struct.sched_reset_on_fork page --expand {base}", "show"),
    ("value -j list_head {base} --data {base}", "value"),
    ("graph -j list_lru {base}", "graph"),
    ("list -j {base} --kind struct --limit 5 --columns id,name,size,holes,packed,c", "list"),
    ("diff -j {base} {other} --name device --name list_l* --name pci_dev --full", "diff"),
    ("offsets -j {paths} {base}", "offsets"),
    ("offsets -j --group {paths} {base} {other}", "offsets"),
    ("tables -j {split} -B {base} -o {out}/types.csv", "tables"),
    ("extract -j {object} --section .BTF.ext -o {out}/ext", "extract"),
    ("extract -j --scan {object}", "extract --scan"),
    ("extract -j --scan {object} -o {out}/scanned", "extract"),
    ("verify -j {split} {object} {missing} -B {base}", "verify"),
    ("verify -j {split} -B {other}", "verify"),
    ("verify -j {split}", "verify"),
    ("verify -j {over_refused} -B {refused}", "verify"),
    ("distill -j {split} {second} {missing} --keep-going -B {base} --out-dir {out}/d", "report"),
    ("distill -j {second} -B {base} -o {out}/second.btf", "report"),
    ("relocate -j {out}/second.btf -T {other} -B {base} -o {out}/r.btf", "report"),
    ("rebase -j {split} -B {base} -T {base} -o {out}/b.btf", "report"),
    ("run -j distill {split} -B {base} -o {out}/run.btf", "report"),
    ("run -j references {split} {missing} -B {base}", "run"),
    ("check -j {split} {second} {missing} -B {base} -T {other}", "check"),
    ("check -j {split} {second} -B {base} -T a={other} -T b={base}", "check"),
    ("core -j {object} -T {base}", "core"),
    ("core -j {times} -T {other}", "core"),
    ("minimise -j {base} --for {object} -o {out}/min.btf", "minimise"),
    ("merge -j {split} {second} -B {base} -o {out}/merged.btf", "merge"),
    ("duplicates -j {out}/merged.btf -B {base}", "duplicates"),
    ("references -j {split} {missing} -B {base}", "references"),
    ("passes -j", "passes"),
    ("samples {out}/samples -j", "samples"),
]


@pytest.fixture(scope="module")
def places(
    tmp_path_factory: pytest.TempPathFactory,
    cloud_bytes: bytes,
    generic_bytes: bytes,
    modules: dict[str, bytes],
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "out").mkdir()
    base = refused_base()
    contents = {
        "base": cloud_bytes,
        "other": generic_bytes,
        "split": modules["8021q"],
        "second": modules["libiscsi"],
        "refused": dumps(base),
        "over_refused": dumps(built(views.Int("char", 1), base=base)),
        "paths": b"list_head.next\nsizeof(pid_t)\nnosuch.x\nenum pid_type.PIDTYPE_SID\n",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    objects = DATA / "core" / "objects"
    return {
        **{name: folder / name for name in (*contents, "out", "missing")},
        "object": objects / "fields.bpf.o",
        "times": objects / "inode_times.bpf.o",
    }


def validated(value: Any, shape: str) -> None:
    """Fail unless the value has the shape."""
    schema = {"$ref": f"#/$defs/{shape.replace(' ', '%20')}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def run(line: str, places: dict[str, Path]) -> Iterator[tuple[str, Any]]:
    done = as_text(btfschema(*(word.format(**places) for word in line.split())))
    assert done.returncode in (0, 1), done.stderr
    for text in done.stderr.splitlines():
        yield "told", json.loads(text)
    for text in done.stdout.splitlines():
        yield "printed", json.loads(text)


@pytest.mark.parametrize(("line", "shape"), LINES, ids=[line for line, _ in LINES])
def test_a_command(line: str, shape: str, places: dict[str, Path]) -> None:
    printed = 0
    for where, value in run(line, places):
        printed += where == "printed"
        validated(value, shape if where == "printed" else next(iter(value)))
    assert printed


def test_a_tree_sums_up(places: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.btf").write_bytes(places["split"].read_bytes())
    line = "verify -j --all {tree} -B {base}"
    ((_, last),) = [one for one in run(line, {**places, "tree": tmp_path}) if one[0] == "told"]
    validated(last, "summary")


def test_the_shapes_are_schemas_and_refuse_what_is_wrong() -> None:
    for shape in SCHEMA["$defs"].values():
        jsonschema.Draft202012Validator.check_schema(shape)
    with pytest.raises(jsonschema.ValidationError):
        validated({"file": "x", "outcome": "maybe", "violations": []}, "verify")
    with pytest.raises(jsonschema.ValidationError):
        validated({"error": "x", "place": 3}, "error")


def test_every_command_is_on_the_page_and_is_tried() -> None:
    page = (ROOT / "docs/reference/json.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    listed = {row[1].strip(" `").split()[0] for row in rows}
    shapes = {shape.strip(" `") for row in rows for shape in row[3].split(",")}
    assert listed == set(COMMANDS) - NO_JSON
    assert shapes == SCHEMA["$defs"].keys() - {
        "error",
        "warning",
        "summary",
        "member",
        "reason",
        "violation",
    }
    assert {line.split()[0] for line, _ in LINES} == listed
    assert {shape for _, shape in LINES} == shapes
