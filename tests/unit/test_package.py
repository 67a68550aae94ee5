"""The package's front door."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import version

import pytest

import btfschema
from btfschema import Builder, _moved, dumps, loads, views
from btfschema.cli.sample import sample


@pytest.mark.parametrize("name", btfschema.__all__)
def test_every_public_name_exists(name: str) -> None:
    home = importlib.import_module(btfschema._HOMES[name])
    assert getattr(btfschema, name) is getattr(home, name)
    assert name in home.__all__


def test_public_names_are_sorted_and_listed() -> None:
    assert sorted(btfschema.__all__, key=lambda n: (not n.isupper(), n)) == btfschema.__all__
    assert set(btfschema.__all__) <= set(dir(btfschema))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        btfschema.nonsense  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    assert btfschema.__version__ == version("btfschema")
    assert "__version__" in dir(btfschema)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'construct', 'attr', 'click', 'importlib.metadata'}"
    code = f"import sys, btfschema; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_module_hides_a_public_function() -> None:
    code = (
        "import importlib, pkgutil, types, btfschema as b\n"
        "for m in pkgutil.iter_modules(b.__path__):\n"
        "    m.name == '__main__' or importlib.import_module(f'btfschema.{m.name}')\n"
        "print(*[n for n in b.__all__ if isinstance(getattr(b, n), types.ModuleType)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_sample_is_plain_btf() -> None:
    btf = sample()
    assert loads(dumps(btf)).equivalent(btf)
    task = btf.find("task")
    assert isinstance(task, views.Struct)
    assert btf.sizeof(task) == 48
    assert Builder().next_id == 1


@pytest.mark.parametrize(("old", "new"), sorted(_moved.MOVED.items()))
def test_modules_that_moved_are_found_under_their_old_names(old: str, new: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match="is now"):
        assert importlib.import_module(old) is importlib.import_module(new)


def test_the_contract_of_passes_needs_no_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from btfschema.cli.sample import sample\n"
        "from btfschema.testing import assert_pass_contract\n"
        "from btfschema_transforms.references import References\n"
        "print(assert_pass_contract(References(), sample()).btf == sample())\n"
        "import btfschema.testing\n"
        "try: btfschema.testing.btfs\n"
        "except ImportError as error: print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\nhypothesis\n", "")
