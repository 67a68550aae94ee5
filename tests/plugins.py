"""Distributions that bring passes, made on the spot: metadata and modules on ``sys.path``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    dist: str,
    entries: Mapping[str, str],
    modules: Mapping[str, str] | None = None,
) -> None:
    """Put a distribution into ``folder`` that registers ``entries`` and holds ``modules``."""
    home = folder / dist
    info = home / f"{dist.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[btfschema.passes]", *lines, ""]))
    for module, source in (modules or {}).items():
        (home / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(str(home))
