"""Passes of one's own without packaging: from a file, from a module, and what is not a pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from samples import tiny

from btfschema import Pipeline, dump
from btfschema.cli import cli
from btfschema.errors import RegistryError, SpecError
from btfschema.framework.loose import load_file, pass_at
from btfschema_transforms.references import References

MINE = '''
from typing import ClassVar
from attrs import evolve, frozen
from btfschema import Btf, Context, Pass, PassResult
from btfschema.views import Struct


@frozen
class Prefix(Pass):
    """Put a prefix before the names of structs."""

    name: ClassVar[str] = "prefix"
    text: str = "my_"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        renamed = {v.id: evolve(v, name=self.text + v.name) for v in btf if isinstance(v, Struct)}
        return PassResult.replaced(btf, renamed, facts={"renamed": len(renamed)})
'''


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_passes.py").write_text(MINE)
    dump(tiny(), tmp_path / "tiny.btf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_file_brings_its_passes(files: Path) -> None:
    (cls,) = load_file("my_passes.py")
    pipeline = Pipeline.parse("prefix{text=x_},references", extra=[cls])
    assert str(pipeline) == "prefix{text=x_},references"
    assert pipeline.run(tiny()).btf.find_ids("struct x_s") == [3]
    assert load_file(files / "my_passes.py") == [cls]


def test_a_module_brings_one_by_its_place(files: Path) -> None:
    pipeline = Pipeline.parse("my_passes:Prefix{text=y_}")
    assert "struct y_s" in pipeline.run(tiny()).btf


@pytest.mark.parametrize(
    "arguments", [["--load", "my_passes.py", "prefix{text=z_}"], ["my_passes:Prefix{text=z_}"]]
)
def test_from_the_shell(files: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, ["run", *arguments, "tiny.btf"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["facts"] == {"prefix": {"renamed": 1}}


def test_a_pass_that_ends_the_program_has_not_done_its_work(files: Path) -> None:
    text = MINE.replace("renamed =", "raise SystemExit(0)\n        renamed =")
    (files / "ending.py").write_text(text)
    done = CliRunner().invoke(cli, ["run", "--load", "ending.py", "prefix", "tiny.btf"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "btfschema: a pass ended the program: SystemExit: 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "defines no pass"),
        ("import no_such_module", "can't be run: ModuleNotFoundError"),
        ("def f(:", "can't be run: SyntaxError"),
        ("1 / 0", "can't be run: ZeroDivisionError"),
        ("raise SystemExit(0)", "can't be run: SystemExit: 0"),
    ],
)
def test_files_without_passes_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(RegistryError, match=message):
        load_file(path)


BROKEN = [
    ("@frozen\nclass Prefix", "class Prefix", "is not decorated with attrs.frozen"),
    ("text: str", "text: Btff", "can't be read: name 'Btff' is not defined"),
]


@pytest.mark.parametrize(("good", "bad", "reason"), BROKEN)
def test_a_broken_class_is_an_error_where_it_is_used(
    files: Path, good: str, bad: str, reason: str
) -> None:
    broken = MINE.replace(good, bad).replace('"prefix"', '"broken"').replace("Prefix", "Broken")
    future = "from __future__ import annotations\n"
    (files / "both.py").write_text(future + MINE + broken)
    run = ["run", "--load", "both.py"]
    assert CliRunner().invoke(cli, [*run, "prefix", "tiny.btf"]).exit_code == 0
    done = CliRunner().invoke(cli, [*run, "prefix,broken", "tiny.btf"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "pass class Broken of both.py " in done.stderr
    assert reason in done.stderr
    assert "btfschema_loaded" not in done.stderr


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "passes.txt"
    path.write_text(MINE)
    with pytest.raises(RegistryError, match="is not a Python file"):
        load_file(path)


def test_places_without_passes_are_refused(files: Path) -> None:
    with pytest.raises(RegistryError, match='has no pass "Prefux"; did you mean "Prefix"'):
        pass_at("my_passes:Prefux")
    with pytest.raises(RegistryError, match="can't be imported: ModuleNotFoundError"):
        pass_at("no_such_module:Pass")
    with pytest.raises(RegistryError, match='unknown pass "prefux"; did you mean "prefix"'):
        Pipeline.parse("prefux", extra=load_file("my_passes.py"))


def test_pipelines_say_what_is_no_pass() -> None:
    assert Pipeline([References(), References()]) == Pipeline(References(), References())
    with pytest.raises(SpecError, match=r"Pipeline\.parse\('distill'\) reads the text"):
        Pipeline([References(), "distill"])  # type: ignore[list-item]  # pyright: ignore
    with pytest.raises(SpecError, match=r"Pipeline\.parse\('distill'\) reads the text"):
        Pipeline("distill")  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(SpecError, match=r"References\(\) makes a pass of the class"):
        Pipeline(References)  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(SpecError, match="3 is not a pass"):
        Pipeline([3])  # type: ignore[list-item]  # pyright: ignore
