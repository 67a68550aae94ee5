"""How large pointers are: told by the file, by the user, or proved by where members are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from attrs import evolve, frozen
from construct import Struct as Record
from shell import btfschema

from btfschema import KINDS, Btf, Builder, KindSpec, dump, dumps, load, loads, verify, views
from btfschema.render.c import format_c
from btfschema.render.structs import struct_layout
from btfschema.schema import U32, UNUSED, Graph, TypeId
from btfschema.tables import TypeTable, strings
from btfschema.views import Array, Const, Int, Member, Ptr, Struct, Typedef, TypeView, Union

# Types from id 3 on.
COMMON: tuple[TypeView, ...] = (Int("int", 4), Ptr(0))


def built(*types: TypeView, base: Btf | None = None) -> Btf:
    builder = Builder(base)
    for view in (*(() if base else COMMON), *types):
        builder.add(view)
    return builder.build()


# As clang describes it for a 32-bit machine, without a C long (cilium/ebpf#963).
ARM = (Struct("l", 20, [Member("n", 2), Member("a", 4, 32), Member("c", 1, 128)]), Array(2, 1, 3))

SIZES: dict[str, tuple[tuple[TypeView, ...], int]] = {
    "a member follows after 4": (ARM, 4),
    "the end follows after 4": ((Struct("s", 8, [Member("i", 1), Member("p", 2, 32)]),), 4),
    "named and qualified": (
        (Typedef("t", 4), Const(2), Struct("s", 8, [Member("p", 3), Member("i", 1, 32)])),
        4,
    ),
    "an array of them": ((Array(2, 1, 2), Struct("s", 8, [Member("a", 3)])), 4),
    "out of order": ((Struct("s", 8, [Member("i", 1, 32), Member("p", 2)]),), 4),
    "room for 8": ((Struct("s", 16, [Member("p", 2), Member("i", 1, 64)]),), 8),
    "room for neither": (
        (*ARM, Struct("s", 4, [Member("p", 2), Member("i", 1, 16)])),
        8,
    ),
    "a union": ((Union("u", 4, [Member("p", 2), Member("i", 1)]),), 8),
    "no pointers": ((Struct("s", 4, [Member("i", 1)]),), 8),
    "a long says otherwise": ((Int("long int", 8), Struct("s", 4, [Member("p", 2)])), 8),
    "a long says so": ((Int("unsigned long", 4),), 4),
}


@pytest.mark.parametrize("case", SIZES)
def test_what_proves_it(case: str) -> None:
    types, size = SIZES[case]
    assert built(*types).pointer_size == size


def test_a_split_counts_with_its_base() -> None:
    assert built(ARM[1], base=built(ARM[0], ARM[1])).pointer_size == 4
    base = built(Ptr(1))
    assert built(Struct("s", 8, [Member("p", 3), Member("i", 1, 32)]), base=base).pointer_size == 4


@frozen
class Vector(views.TypeView):
    KIND: ClassVar[int] = 40
    unused: int
    lane: int
    nelems: int
    name: str = ""


def test_arrays_from_outside_count_whatever_their_words_are_called() -> None:
    words = Record("lane" / TypeId(), "nelems" / U32)
    row = KindSpec(40, "VECTOR", UNUSED, words, named=False, graph=Graph.COMPOSITE, view=Vector)
    builder = Builder(kinds=KINDS.extended(row), profile="wide", layout=True)
    members = [views.Member("v", 3), views.Member("i", 1, 64)]
    for view in (*COMMON, Vector(0, 2, 2), views.Struct("s", 12, members)):
        builder.add(view)

    assert builder.build().pointer_size == 4


def test_names_without_end_are_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the types is called by the rest of one long string."""
    count, read = 500, 0

    def decode(data: bytes) -> str:
        nonlocal read
        read += len(data)
        return data.decode()

    builder = Builder()
    builder.add(Int("n" * count, 4))
    btf = loads(dumps(builder.build()))
    words = btf.types.words.tolist()
    for offset in range(1, count):
        words += [1 + offset, *words[1:4]]
    types = TypeTable(np.array(words, np.uint32), np.arange(count) * 4, btf.types.plan)
    btf = evolve(btf, image=evolve(btf.image, types=types))
    monkeypatch.setattr(strings, "_decode", decode)
    assert btf.pointer_size == 8
    assert 0 < read < 150 * count


def test_layouts_follow() -> None:
    layout = struct_layout(built(*ARM), 3)
    assert [place.size for place in layout.members] == [4, 12, 4]
    assert (layout.holes, layout.overlapping, layout.excess) == ([], 0, 0)


def test_a_header_like_bpftool_has_the_pointers_that_libbpf_takes() -> None:
    _, _, tail = format_c(built(*ARM), like="7.8").partition("struct l {\n")
    # bpftool 7.8 prints the same.
    assert tail.partition("\n\n")[0] == (
        "\tvoid *n;\n\tvoid *a[3];\n\tint c;\n} __attribute__((packed));"
    )
    assert "packed" not in format_c(built(*ARM))


def test_it_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "two.btf"
    dump(built(Struct("s", 16, [Member("p", 2), Member("i", 1, 64)])), file)
    assert load(file).pointer_size == 8
    assert load(file, pointer_size=4).sizeof(2) == 4
    with pytest.raises(ValueError, match="pointer size 5 is not known, expected 4 or 8"):
        load(file, pointer_size=5)
    sizes = []
    for option in ((), ("--pointer-size", "4")):
        info = json.loads(btfschema("info", file, *option, "--json").stdout)
        (shown,) = json.loads(btfschema("show", "s", file, *option, "--json").stdout)
        sizes.append((info["pointer_size"], shown["members"][0]["size"], shown["sum_holes"]))
    assert sizes == [(8, 8, 0), (4, 4, 4)]
    assert btfschema("show", "s", file, "--pointer-size", "5").returncode == 2


def test_a_kernel_does_not_prove_it() -> None:
    """A 64-bit kernel says "Member exceeds struct_size" of what suggests small pointers."""
    refused = verify(dumps(built(*ARM)), kernel="6.12")

    assert [violation.rule.id for violation in refused] == ["member.end"]
