"""Coverage-guided fuzzing of every target: ``python tests/fuzz/atheris_target.py CORPUS``.

Needs atheris (``pip install atheris``); arguments are libFuzzer's. Other than ``run.py``, this
stops at the first crash.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

# Not among the packages that checkers know.
atheris: Any = importlib.import_module("atheris")

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "transforms")]

with atheris.instrument_imports(include=["btfschema", "btfschema_transforms"]):
    from fuzz_targets import TARGETS

    from btfschema.errors import BtfError


def one_input(data: bytes) -> None:
    """All targets on one input."""
    for target in TARGETS.values():
        try:
            target(data)
        except BtfError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
