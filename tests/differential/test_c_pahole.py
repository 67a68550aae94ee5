"""What ``show`` says of structs, and what pahole says."""

from __future__ import annotations

import re

import pytest
from pahole_structs import choose, structs_of_pahole

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


@pytest.fixture(scope="module")
def shown_by_pahole(
    cloud_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What pahole says of each struct, by name."""
    return structs_of_pahole(cloud_bytes, tmp_path_factory.mktemp("pahole"))


def test_structs(shown_by_pahole: dict[str, list[str]], cloud: Btf) -> None:
    viewer = Viewer(cloud)
    holes = 0
    for name in choose(shown_by_pahole):
        (type_id,) = cloud.find_ids(name, Kind.STRUCT)
        theirs = FACTS.findall(shown_by_pahole[name][0])
        assert FACTS.findall(viewer.text(type_id)) == theirs, name
        holes += any("hole" in fact[4] for fact in theirs)
    assert holes > 50
