"""Coverage-guided fuzzing of every target: ``python tests/fuzz/atheris_target.py CORPUS``.

Needs atheris (``pip install atheris``); arguments are libFuzzer's, the first of them a directory,
which is filled with inputs when there is none. Other than ``run.py``, this stops at the first
crash.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from typing import Any

# Not among the packages that checkers know.
atheris: Any = importlib.import_module("atheris")

SEEDS = 500
TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS.parent / "transforms")]

with atheris.instrument_imports(include=["btfschema", "btfschema_transforms"]):
    from fuzz_targets import TARGETS, inputs

    from btfschema.errors import BtfError


def one_input(data: bytes) -> None:
    """All targets on one input."""
    for target in TARGETS.values():
        try:
            target(data)
        except BtfError:
            continue


def fill(corpus: Path) -> None:
    """Inputs to start from: what is not BTF at all teaches nothing."""
    if not corpus.exists():
        corpus.mkdir(parents=True)
        for number, blob in enumerate(itertools.islice(inputs(1), SEEDS)):
            (corpus / f"seed-{number}").write_bytes(blob)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
