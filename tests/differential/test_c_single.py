"""C of one type with what it needs, against a compiler."""

from __future__ import annotations

import subprocess

import pytest

from btfschema import Btf, Kind
from btfschema.render import to_c

pytestmark = pytest.mark.debian


@pytest.mark.parametrize("kind", [Kind.STRUCT, Kind.FUNC, Kind.TYPEDEF, Kind.ENUM, Kind.VAR])
def test_compiles_alone(cloud: Btf, kind: Kind) -> None:
    rows = cloud.types.rows_of(kind)
    for row in rows[:: len(rows) // 12].tolist():
        text = to_c(cloud[row + 1], with_dependencies=True)
        done = subprocess.run(
            ["clang", "-target", "bpf", "-fsyntax-only", "-Werror=visibility", "-x", "c", "-"],
            input=text + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, (text, done.stderr)
