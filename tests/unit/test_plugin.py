"""A pass in a distribution of its own works like a shipped one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import venv
from pathlib import Path

import pytest
from plugins import install

from btfschema import Btf, Builder, Kind, Pipeline, dumps, load, loads, passes, views
from btfschema.framework import base_state
from btfschema.testing.contract import assert_pass_contract

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "plugin"
TEXT = "drop-unreferenced{keep=task_struct},distill"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in as pip would leave it, without pip."""
    source = (PLUGIN / "drop_unreferenced.py").read_text()
    entries = {"drop-unreferenced": "drop_unreferenced:DropUnreferenced"}
    install(tmp_path, monkeypatch, "drop-plugin", entries, {"drop_unreferenced": source})


@pytest.fixture
def module(cloud: Btf, modules: dict[str, bytes]) -> Btf:
    return loads(modules["libiscsi"], cloud)


@pytest.mark.usefixtures("plugin")
def test_the_example_of_the_design(module: Btf) -> None:
    result = Pipeline.parse("drop-unreferenced{keep=task_struct},distill").run(module)
    assert result.btf.base is not None
    assert base_state(result.btf) == "distilled"
    # What the map says of each id is true: the same name, or gone with those nothing refers to.
    used = set(module.types.words[module.types.type_id_positions].tolist())
    for view in module:
        target = result.ids[view.id]
        assert (target is None) == (view.id not in used)
        if target is not None:
            assert getattr(result.btf[target], "name", "") == getattr(view, "name", "")
    # 502 is an id of vmlinux: it is in the distilled base, in the split, or dropped.
    target = result.ids[502]
    assert target is None or type(result.btf[target]) is type(module[502])


@pytest.mark.usefixtures("plugin")
def test_what_is_named_stays(cloud: Btf) -> None:
    b = Builder(cloud)
    b.add(views.Struct("wanted", 0, []))
    b.add(views.Struct("unwanted", 0, []))
    result = Pipeline.parse("drop-unreferenced{keep=wanted}").run(b.build())
    assert [(view.kind, view.id) for view in result.btf] == [(Kind.STRUCT, cloud.end_id)]
    assert result.ids[cloud.end_id + 1] is None


@pytest.mark.usefixtures("plugin")
def test_it_keeps_the_contract_of_passes(module: Btf) -> None:
    assert_pass_contract(Pipeline.parse("drop-unreferenced"), module)
    assert passes()["drop-unreferenced"].distribution == "drop-plugin 1.0"


@pytest.mark.usefixtures("plugin")
def test_the_guide_shows_the_plugin_and_its_example_runs(module: Btf) -> None:
    page = (ROOT / "docs" / "guide" / "passes.md").read_text()
    source = (PLUGIN / "drop_unreferenced.py").read_text()
    assert source.partition("\n\n")[2].strip() in page
    (example,) = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names = {"Pipeline": Pipeline, "module": module}
    exec(example, names)
    assert names["result"].btf.base is not None  # type: ignore[attr-defined]


@pytest.mark.network
@pytest.mark.usefixtures("plugin")
def test_pip_installs_it_and_the_command_line_runs_it(
    tmp_path: Path, cloud_bytes: bytes, modules: dict[str, bytes], module: Btf
) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}

    def run(*args: str | Path) -> str:
        done = subprocess.run(
            [python, *args], capture_output=True, text=True, check=False, cwd=tmp_path, env=clean
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", ROOT, PLUGIN)
    (tmp_path / "vmlinux").write_bytes(cloud_bytes)
    (tmp_path / "libiscsi.btf").write_bytes(modules["libiscsi"])

    listed = {row["name"]: row for row in json.loads(run("-m", "btfschema", "passes", "--json"))}
    assert {"references", "distill", "rebase", "relocate", "drop-unreferenced"} <= set(listed)
    row = listed["drop-unreferenced"]
    assert row["distribution"] == "btfschema-drop-unreferenced 1.0"
    assert row["options"] == ["keep=TEXT,... []"]

    run("-m", "btfschema", "run", TEXT, "libiscsi.btf", "-B", "vmlinux", "-o", "out.btf")
    expected = Pipeline.parse(TEXT).run(module).btf
    assert expected.base is not None
    written = load(tmp_path / "out.btf")
    assert dumps(written) == dumps(expected)
    assert (tmp_path / "out.btf.base").read_bytes() == dumps(expected.base)
