"""``list`` and pahole on all types of two kernels: where they differ, and that this is all.

pahole answers for one type in a run, too slow for all 9,000. So its answers are modelled: a member
counts when its type, or what it points to, is that very type. The model is compared with pahole for
many types, and with ours for all.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from attrs import define, field

from btfschema import Btf, loads
from btfschema.questions import Conditions, list_types
from btfschema.views import (
    Array,
    Composite,
    Const,
    Func,
    FuncProto,
    Ptr,
    Struct,
    Typedef,
    TypeTag,
    TypeView,
    Volatile,
)

pytestmark = pytest.mark.debian

ASKED = 24
Names = dict[int, set[str]]


def sets() -> Names:
    return defaultdict(set)


@define
class Told:
    """By id of a named struct, the names of those that contain it, point to it or take it.

    Attributes:
        contains: as pahole -i has it.
        points_to: as pahole -f has it.
        takes: as pfunct -c has it.
        contains_more: also through typedefs, qualifiers, arrays and anonymous structs.
        points_to_more: likewise.
        takes_more: likewise.
    """

    contains: Names = field(factory=sets)
    points_to: Names = field(factory=sets)
    takes: Names = field(factory=sets)
    contains_more: Names = field(factory=sets)
    points_to_more: Names = field(factory=sets)
    takes_more: Names = field(factory=sets)


def behind(view: TypeView, *, arrays: bool = True) -> TypeView:
    """What is left of a type without names, qualifiers and, unless told otherwise, arrays."""
    while isinstance(view, Typedef | Const | Volatile | TypeTag) or (
        arrays and isinstance(view, Array)
    ):
        view = view.type
    return view


def members_of(struct: Composite) -> list[tuple[TypeView, bool]]:
    """The types of its members, and whether each is its own; those of anonymous members too."""
    found: list[tuple[TypeView, bool]] = []
    pending = [(struct, True)]
    while pending:
        holder, own = pending.pop()
        for member in holder.members:
            found.append((member.type, own))
            inner = behind(member.type)
            if isinstance(inner, Composite) and not inner.name:
                pending.append((inner, False))
    return found


def told(btf: Btf) -> Told:
    found = Told()
    for view in btf:
        if isinstance(view, Composite) and view.name:
            for type_, own in members_of(view):
                end = behind(type_)
                found.contains_more[end.id].add(view.name)
                if isinstance(end, Ptr):
                    found.points_to_more[behind(end.type, arrays=False).id].add(view.name)
                if own:
                    found.contains[type_.id].add(view.name)
                    if isinstance(type_, Ptr):
                        found.points_to[type_.type.id].add(view.name)
        elif isinstance(view, Func) and isinstance(view.type, FuncProto):
            for param in view.type.params:
                type_ = param.type
                end = behind(type_, arrays=False)
                found.takes_more[end.id].add(view.name)
                if isinstance(end, Ptr):
                    found.takes_more[behind(end.type, arrays=False).id].add(view.name)
                if isinstance(type_, Ptr):
                    found.takes[type_.type.id].add(view.name)
    return found


@pytest.fixture(scope="module", params=["cloud", "generic"])
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Btf, Path, Told]:
    data: bytes = request.getfixturevalue(f"{request.param}_bytes")
    file = tmp_path_factory.mktemp(request.param) / "vmlinux.btf"
    file.write_bytes(data)
    btf = loads(data)
    return btf, file, told(btf)


def structs_of(btf: Btf) -> dict[str, int]:
    """The named structs, of which there is one of the name."""
    found: dict[str, list[int]] = {}
    for view in btf:
        if isinstance(view, Struct) and view.name:
            found.setdefault(view.name, []).append(view.id)
    return {name: ids[0] for name, ids in found.items() if len(ids) == 1}


def names(btf: Btf, ids: list[int]) -> set[str]:
    return {btf.strings[int(btf.types.name_offs[one - 1])] for one in ids} - {""}


def test_ours_are_what_a_walk_over_all_views_finds(kernel: tuple[Btf, Path, Told]) -> None:
    btf, _, found = kernel
    relations, more = btf.relations, dict.fromkeys(("contains", "points_to", "takes"), 0)
    structs = structs_of(btf)
    assert len(structs) > 7500
    for type_id in structs.values():
        ours = names(btf, relations.holding(type_id).tolist())
        assert ours == found.contains_more[type_id]
        assert ours >= found.contains[type_id]
        more["contains"] += len(ours - found.contains[type_id])
        ours = names(btf, relations.pointing_to(type_id).tolist())
        assert ours == found.points_to_more[type_id]
        assert ours >= found.points_to[type_id]
        more["points_to"] += len(ours - found.points_to[type_id])
        ours = names(btf, relations.taking(type_id).tolist())
        assert ours == found.takes_more[type_id]
        assert ours >= found.takes[type_id]
        more["takes"] += len(ours - found.takes[type_id])
    assert min(more.values()) > 500


def ask(*command: str | Path) -> list[str]:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def chosen(told_of: Names, structs: dict[str, int]) -> list[str]:
    """Structs that some have, and some that nobody has."""
    some = sorted(name for name, type_id in structs.items() if told_of[type_id])
    generator = random.Random(len(some))
    return [*generator.sample(some, ASKED), *generator.sample(sorted(structs), ASKED // 4)]


def test_pahole_contains(kernel: tuple[Btf, Path, Told]) -> None:
    btf, file, found = kernel
    structs = structs_of(btf)
    for name in chosen(found.contains, structs):
        assert set(ask("pahole", "-i", name, file)) == found.contains[structs[name]], name


def test_pahole_finds_pointers_to(kernel: tuple[Btf, Path, Told]) -> None:
    btf, file, found = kernel
    structs = structs_of(btf)
    for name in chosen(found.points_to, structs):
        theirs = {line.partition(":")[0] for line in ask("pahole", "-f", name, file)}
        assert theirs == found.points_to[structs[name]], name


def test_pfunct_class(kernel: tuple[Btf, Path, Told]) -> None:
    btf, file, found = kernel
    structs = structs_of(btf)
    for name in chosen(found.takes, structs):
        assert set(ask("pfunct", "-c", name, file)) == found.takes[structs[name]], name


def spaced(declaration: str) -> str:
    """A declaration with the same spaces whoever wrote it."""
    plain = re.sub(r"\s*\*\s*", " *", re.sub(r"\s+", " ", declaration))
    return plain.strip().removesuffix(";")


@pytest.mark.parametrize("name", ["cloud", "generic"])
def test_prototypes_of_all_functions(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    data: bytes = request.getfixturevalue(f"{name}_bytes")
    file = tmp_path / "vmlinux.btf"
    file.write_bytes(data)
    theirs = Counter(map(spaced, ask("pfunct", "-P", "-F", "btf", file)))
    rows = list_types(loads(data), Conditions(kinds=("func",)))
    ours = Counter(spaced(row.c) for row in rows)
    assert len(rows) == theirs.total() > 45_000
    # pfunct puts the const of a pointer before what it points to, and leaves out the brackets of
    # what is pointed to.
    others = list((ours - theirs).elements())
    assert len(others) < 200
    assert [one for one in others if not re.search(r"\*(?:const|restrict)|\( ?\*", one)] == []
