"""What ``show`` says of structs, and what pahole says."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from btfschema import Btf, Kind
from btfschema.render.show import Viewer

pytestmark = pytest.mark.debian

# Offsets and sizes of members, cache lines, holes and sums, in the order in which they are shown.
SUMS = (
    "size|cachelines|members|sum members|sum bitfield members|holes|sum holes|bit holes"
    "|sum bit holes|padding|bit_padding|last cacheline"
)
FACTS = re.compile(
    r"/\* +(\d+)(?:: *(\d+))? +(\d+) \*/"
    r"|(--- cacheline .*?---)"
    r"|XXX (\d+ (?:bit|byte)s? hole)"
    rf"|(?<![a-z] )({SUMS}): (\d+)"
)
# pahole sums up an anonymous struct that has a qualifier as though it were the whole.
SUMMED_TWICE = {"vm_fault"}


@pytest.fixture(scope="module")
def shown_by_pahole(
    cloud_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What pahole says of each struct, by name."""
    file: Path = tmp_path_factory.mktemp("pahole") / "vmlinux"
    file.write_bytes(cloud_bytes)
    done = subprocess.run(["pahole", "-F", "btf", file], check=True, capture_output=True, text=True)
    found: dict[str, list[str]] = {}
    for match in re.finditer(r"^struct (\w+) {\n.*?^}", done.stdout, re.MULTILINE | re.DOTALL):
        found.setdefault(match[1], []).append(match[0])
    return found


def test_structs(shown_by_pahole: dict[str, list[str]], cloud: Btf) -> None:
    names = sorted(name for name, texts in shown_by_pahole.items() if len(texts) == 1)
    assert len(names) > 8000
    chosen = random.Random(500).sample(sorted(set(names) - SUMMED_TWICE), 500)
    chosen += ["task_struct", "sk_buff", "page", "mm_struct", "desc_struct"]
    viewer = Viewer(cloud)
    holes = 0
    for name in chosen:
        (type_id,) = cloud.find_ids(name, Kind.STRUCT)
        theirs = FACTS.findall(shown_by_pahole[name][0])
        assert FACTS.findall(viewer.text(type_id)) == theirs, name
        holes += any("hole" in fact[4] for fact in theirs)
    assert holes > 50
