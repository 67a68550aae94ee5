"""What changed between two Debian kernels is what two outputs of pahole show."""

from __future__ import annotations

import re

import pytest
from attrs import frozen
from debian_packages import package_tree
from guest import kernel_package
from pahole_structs import structs_of_pahole

from btfschema import loads
from btfschema.questions import diff
from btfschema.questions.changes import Difference
from btfschema.questions.comparison import Diff
from btfschema.sources import read_source

pytestmark = pytest.mark.debian

MEMBER = re.compile(r"^\t+(.*);\s*/\*\s*(\d+)(?::\s*(\d+))?\s+(\d+) \*/$")
OPENED = re.compile(r"^\t+.*\{(?:\s*/\*.*)?$")
CLOSED = re.compile(r"^\t+\}(.*);\s*/\*\s*(\d+)\s+(\d+) \*/$")
SIZE = re.compile(r"/\* size: (\d+),")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(\w+(?:\(\d+\))?\)\)")
NAME = re.compile(r"\(\s*\**\s*(\w+)[\[\])]|(\w+)(?:\[.*\])?(?::\d+)?$")


@frozen
class Place:
    """Where pahole says that a member is.

    Attributes:
        bit: its first bit.
        size: bytes of its type; None for a bit field, where pahole names the bytes to load.
    """

    bit: int
    size: int | None


Members = dict[str, Place]


def members_of(text: str) -> Members | None:
    """The members that pahole shows, those of anonymous structs as the owner's; None if unclear."""
    found: list[tuple[str, Place]] = []
    opened: list[int] = []
    for line in text.splitlines()[1:]:
        closed, member = CLOSED.match(line), MEMBER.match(line)
        if closed:
            first, name = opened.pop(), ATTRIBUTE.sub("", closed[1]).strip()
            place = Place(int(closed[2]) * 8, int(closed[3]))
            if re.search(r"[*\[]", name):
                # Behind a pointer or in an array there are no members of the owner.
                found[first:] = [(name_of(name), place)]
            elif name:
                found[first:] = [(f"{name}.{inner}", one) for inner, one in found[first:]] or [
                    (name, place)
                ]
        elif OPENED.match(line):
            opened.append(len(found))
        elif member:
            bit = int(member[2]) * 8 + int(member[3] or 0)
            found.append((name_of(member[1]), Place(bit, None if member[3] else int(member[4]))))
    members = dict(found)
    return members if len(members) == len(found) and not opened else None


def name_of(declaration: str) -> str:
    plain = ATTRIBUTE.sub("", declaration).strip()
    match = NAME.search(plain)
    assert match, declaration
    return match[1] or match[2]


Facts = set[tuple[str, Place | None, Place | None]]


def facts_of_pahole(old: Members, new: Members) -> Facts:
    names = old.keys() | new.keys()
    return {
        (name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


def facts_of_diff(differences: list[Difference]) -> Facts:
    """Names and places before and after, as far as those differ."""
    found: Facts = set()
    for one in differences:
        sides = [
            Place(part.bit_offset, None if part.width else part.size)
            if part is not None and part.bit_offset is not None
            else None
            for part in (one.before, one.after)
        ]
        if one.what == "renamed" and one.before is not None:
            found |= {(one.before.name, sides[0], None), (one.name, None, sides[1])}
        elif sides[0] != sides[1]:
            found.add((one.name, sides[0], sides[1]))
    return found


@frozen
class Pair:
    """Two kernels: what changed between them, and what pahole shows of each."""

    found: Diff
    old: dict[str, list[str]]
    new: dict[str, list[str]]


@pytest.fixture(
    scope="module",
    params=["corpus", pytest.param("6.1 and 6.12", marks=pytest.mark.network)],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    if request.param == "corpus":
        names = "cloud_bytes", "generic_bytes"
        blobs = [request.getfixturevalue(name) for name in names]
    else:
        trees = [package_tree(kernel_package(series)) for series in ("6.1", "6.12")]
        blobs = [read_source(next((one / "boot").glob("vmlinuz-*"))).btf for one in trees]
    folder = tmp_path_factory.mktemp("pahole")
    old, new = map(loads, blobs)
    return Pair(diff(old, new), *(structs_of_pahole(bytes(blob), folder) for blob in blobs))


def test_all_structs_that_differ(pair: Pair) -> None:
    """Members, places and sizes of every struct that both have under one name."""
    old, new = pair.old, pair.new
    ours = {one.new.name: one for one in pair.found.changes.values() if one.new.kind == "STRUCT"}
    differing, compared, filled = 0, 0, 0
    for name in sorted(old.keys() & new.keys()):
        if len(old[name]) > 1 or len(new[name]) > 1:
            continue
        before, after = members_of(old[name][0]), members_of(new[name][0])
        if before is None or after is None:
            continue
        compared += 1
        facts = facts_of_pahole(before, after)
        change = ours.get(name)
        if change is None and facts:
            # A member grew into a hole behind it: the struct's own record says the same.
            assert all(a and b and a.bit == b.bit for _, a, b in facts), name
            filled += 1
            continue
        assert facts_of_diff(change.differences if change else []) == facts, name
        sizes = [SIZE.search(text) for text in (old[name][0], new[name][0])]
        assert sizes[0] is not None
        assert sizes[1] is not None
        if change is not None:
            assert (change.old.size, change.new.size) == (int(sizes[0][1]), int(sizes[1][1])), name
            differing += 1
        else:
            assert sizes[0][1] == sizes[1][1], name
    assert compared > 6500
    assert differing > 95
    assert filled < 5 + differing // 100


def test_structs_that_one_kernel_has(pair: Pair) -> None:
    old, new, kernels = set(pair.old), set(pair.new), pair.found
    added = {one.name for one in kernels.added if one.kind == "STRUCT"}
    removed = {one.name for one in kernels.removed if one.kind == "STRUCT"}
    # What the other one declares only has changed.
    for one in kernels.changes.values():
        if "FWD" in (one.old.kind, one.new.kind):
            (added if one.old.kind == "FWD" else removed).add(one.new.name)
    # Of several structs of one name one may be added.
    assert new - old <= added
    assert old - new <= removed
    assert len(new - old) > 800
    assert len(old - new) > 100
