"""Passes that distributions bring: found without importing, refused in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from example_passes import small_split
from plugins import install

from btfschema.errors import RegistryError, SpecError
from btfschema.framework.pipeline import Pipeline
from btfschema.framework.registry import load_pass, passes

GOOD = '''
from typing import ClassVar
from attrs import frozen
from btfschema.framework import Pass, PassResult

@frozen
class Nothing(Pass):
    """Change nothing."""
    name: ClassVar[str] = "nothing"
    loudly: bool = False

    def run(self, btf, ctx):
        return PassResult.unchanged(btf)
'''

Register = Callable[..., None]


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Install a distribution for the time of the test."""

    def do(dist: str, entries: Mapping[str, str], **modules: str) -> None:
        install(tmp_path, monkeypatch, dist, entries, modules)

    return do


def test_a_registered_pass_runs_by_name(register: Register) -> None:
    register("quiet", {"nothing": "quiet_pass:Nothing"}, quiet_pass=GOOD)
    pipeline = Pipeline.parse("nothing{loudly},nothing")
    assert str(pipeline) == "nothing{loudly},nothing"
    split = small_split()
    assert pipeline.run(split).btf is split
    info = passes()["nothing"]
    assert (info.name, info.target, info.distribution) == (
        "nothing",
        "quiet_pass:Nothing",
        "quiet 1.0",
    )
    assert info.load() is load_pass("nothing") is type(pipeline.passes[0])


def test_listing_imports_nothing(register: Register) -> None:
    register("bomb", {"bomb": "bomb_pass:Bomb"}, bomb_pass="raise SystemExit('imported')")
    assert passes()["bomb"].distribution == "bomb 1.0"
    assert "bomb_pass" not in sys.modules


def test_a_pass_is_loaded_without_reading_who_brings_it(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("quiet", {"nothing": "quiet_pass:Nothing"}, quiet_pass=GOOD)
    monkeypatch.delattr(Distribution, "metadata")
    assert load_pass("nothing").name == "nothing"


def test_names_are_listed_in_order(register: Register) -> None:
    register("two", {"zoo": "m:Z", "ant": "m:A"})
    names = list(passes())
    assert names == sorted(names)
    assert {"zoo", "ant"} <= set(names)


def test_an_unknown_name_gets_close_matches(register: Register) -> None:
    register("quiet", {"nothing": "quiet_pass:Nothing"})
    with pytest.raises(RegistryError, match=r'"nothin"; did you mean "nothing"\?') as e:
        load_pass("nothin")
    assert isinstance(e.value, LookupError)
    with pytest.raises(RegistryError, match=r"known: .*nothing"):
        load_pass("xyzzy")


def test_two_passes_of_one_name_are_an_error_that_names_both(register: Register) -> None:
    register("quiet", {"nothing": "quiet_pass:Nothing"}, quiet_pass=GOOD)
    register("loud", {"nothing": "loud_pass:Nothing"}, loud_pass=GOOD)
    with pytest.raises(RegistryError) as caught:
        load_pass("nothing")
    for part in ("quiet 1.0 (quiet_pass:Nothing)", "loud 1.0 (loud_pass:Nothing)", "uninstall"):
        assert part in str(caught.value)
    assert set(passes()["nothing"].distributions) == {"quiet 1.0", "loud 1.0"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1", "AttributeError: .*Nothing"),
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("class Nothing: pass", "is not a subclass of btfschema.Pass"),
        ("Nothing = 5", "is not a subclass of btfschema.Pass"),
        (GOOD.replace('"nothing"', '"something"'), "calls itself 'something'"),
        (GOOD.replace('    name: ClassVar[str] = "nothing"', ""), "calls itself None"),
        (GOOD.replace("def run", "def walk"), "does not define run"),
        (GOOD.replace("@frozen", ""), "not decorated with attrs.frozen"),
    ],
    ids=[
        "import", "no class", "syntax", "raises", "no pass", "no class at all", "other name",
        "no name", "abstract", "undecorated",
    ],
)  # fmt: skip
def test_a_broken_plugin_is_an_error_that_names_it(
    register: Register, source: str, said: str
) -> None:
    register("broken", {"nothing": "broken_pass:Nothing"}, broken_pass=source)
    with pytest.raises(RegistryError, match=said) as caught:
        load_pass("nothing")
    assert "Nothing" in str(caught.value)
    with pytest.raises(RegistryError, match=r"(?s)\n  nothing,nothing\n  \^~~~~~~$"):
        Pipeline.parse("nothing,nothing")


def test_a_name_that_pipelines_could_not_read_is_an_error(register: Register) -> None:
    source = GOOD.replace('"nothing"', '"No Thing"')
    register("odd", {"No Thing": "odd_pass:Nothing"}, odd_pass=source)
    with pytest.raises(RegistryError, match="lower-case letters, digits and hyphens"):
        load_pass("No Thing")


def test_a_broken_plugin_does_not_stop_the_others(register: Register) -> None:
    register("broken", {"broken": "broken_pass:X"}, broken_pass="import no_such_module")
    register("quiet", {"nothing": "quiet_pass:Nothing"}, quiet_pass=GOOD)
    assert Pipeline.parse("nothing").passes
    with pytest.raises(SpecError, match="unknown option"):
        Pipeline.parse("nothing{quietly}")


def test_the_framework_knows_no_shipped_pass() -> None:
    code = (
        "import sys, btfschema.framework.pipeline, btfschema.framework.registry as r\n"
        "r.passes()\n"
        "print([m for m in sys.modules if m.startswith('btfschema_transforms')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
