"""What ``show`` says of random packed structs and bit fields, and what pahole and clang say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from pahole_structs import structs_of_pahole
from random_structs import random_structs
from test_c_pahole import FACTS

from btfschema import Btf, Kind, dumps, load
from btfschema.render.show import Viewer
from btfschema.render.structs import StructLayout, struct_layout

pytestmark = pytest.mark.debian

COUNT = 2000


class Compiled(NamedTuple):
    """Random structs.

    Attributes:
        btf: as clang describes them.
        pahole: as pahole shows them, by name.
        packed: whether the source says so of a struct, one of its members or one inside, by name.
        lines: their source.
    """

    btf: Btf
    pahole: dict[str, str]
    packed: dict[str, bool]
    lines: dict[str, str]

    def layout(self, name: str) -> StructLayout:
        return struct_layout(self.btf, self.btf.find(name, Kind.STRUCT).id)


@pytest.fixture(scope="module", params=[1, 2])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    folder: Path = tmp_path_factory.mktemp("structs")
    text, packed = random_structs(COUNT, request.param)
    (folder / "structs.c").write_text(text)
    flags = ("-g", "-O2", "-target", "bpf", "-w", "-c")
    subprocess.run(["clang", *flags, "structs.c", "-o", "structs.o"], cwd=folder, check=True)
    btf = load(folder / "structs.o")
    shown = structs_of_pahole(dumps(btf), folder)
    lines = {found[1]: found[0] for found in re.finditer(r"^struct (s\d+) .*", text, re.MULTILINE)}
    for name in packed:
        inside = re.findall(r"struct (s\d+) m", lines[name])
        packed[name] |= any(packed[one] for one in inside)
    return Compiled(btf, {name: found for name, (found,) in shown.items()}, packed, lines)


def facts(text: str) -> list[tuple[str, ...]]:
    """Offsets, sizes, holes and sums; pahole says nothing of holes beside bit fields alone."""
    found: list[tuple[str, ...]] = FACTS.findall(text)
    if not any(fact[5] == "sum members" for fact in found):
        found = [fact for fact in found if fact[5] not in ("holes", "sum holes")]
    return found


def test_offsets_holes_and_sums_are_pahole_s(compiled: Compiled) -> None:
    viewer = Viewer(compiled.btf)
    spilled = 0
    assert len(compiled.packed) == COUNT
    for name in compiled.packed:
        text = viewer.text(compiled.btf.find(name, Kind.STRUCT).id)
        assert facts(text) == facts(compiled.pahole[name]), compiled.lines[name]
        spilled += any(
            member.bits_end > 8 * (member.offset + member.size)
            for member in compiled.layout(name).members
            if member.bitfield_size
        )
    assert spilled > 100


def test_what_is_packed_is_packed_in_the_source(compiled: Compiled) -> None:
    """Pahole says so of some that are not; ours are, and most of pahole's that are."""
    ours = {name for name in compiled.packed if compiled.layout(name).packed}
    assert all(compiled.packed[name] for name in ours)
    assert len(ours) > 500


def test_no_hole_is_explained_by_more_than_was_declared(compiled: Compiled) -> None:
    declared = 0
    for name, line in compiled.lines.items():
        # Unnamed bit fields leave holes of their own.
        if re.search(r"[a-z] : ", re.sub(r"m\d+ : ", "", line)):
            continue
        given = dict(re.findall(r"(m\d+)(?:\[\d\])? __attribute__\(\(aligned\((\d+)", line))
        for member in compiled.layout(name).members:
            if member.name in given and member.aligned:
                assert member.aligned <= int(given[member.name]), line
                declared += 1
    assert declared > 50
