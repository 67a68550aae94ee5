"""Doubts about BTF that can be read: what makes them, and where they are said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from shell import btfschema

from btfschema import Btf, Builder, dump, load, loads
from btfschema.schema.constraints import C_KEYWORDS
from btfschema.tables import StringTable
from btfschema.testing import btfs
from btfschema.verification import oddities
from btfschema.views import (
    DeclTag,
    Enum,
    Enum64,
    Enumerator,
    Func,
    FuncProto,
    Fwd,
    Int,
    Linkage,
    Member,
    Struct,
    Typedef,
    TypeView,
    Union,
)

INTS = (Int("int", 4), Int("long int", 8), Int("unsigned char", 1))
PAIR = [Member("a", 1), Member("b", 1, 32)]

# Types from id 4 on, and the doubts with the ids that they are about.
ODD: dict[str, tuple[TypeView, list[tuple[str, tuple[int, ...]]]]] = {
    "wide": (Enum("e", 8, [Enumerator("A", 1)]), [("enum-8-bytes", (4,))]),
    "twice": (Struct("s", 8, [Member("a", 1), Member("a", 1, 32)]), [("member-twice", (4,))]),
    "twice in a union": (Union("u", 4, [Member("a", 1)] * 2), [("member-twice", (4,))]),
    "overlap": (Struct("s", 8, [Member("a", 2), Member("b", 1, 32)]), [("member-overlap", (4,))]),
    "inside": (Struct("s", 8, [Member("a", 2), Member("b", 3, 8)]), [("member-overlap", (4,))]),
    "bits": (
        Struct("s", 4, [Member("a", 1, 0, 5), Member("b", 1, 4, 5)]),
        [("member-overlap", (4,))],
    ),
    "out of order": (
        Struct("s", 12, [Member("b", 1, 32), Member("a", 1), Member("c", 1, 48)]),
        [("member-overlap", (4,))],
    ),
    "long": (Struct("s", 8, [Member("a", 1), Member("b", 2, 32)]), [("member-past-end", (4,))]),
    "long union": (Union("u", 4, [Member("a", 2)]), [("member-past-end", (4,))]),
    "generic": (Struct("Vec<u8>", 8, PAIR), [("name-not-c", (4,))]),
    "member": (Struct("s", 4, [Member("a-b", 1)]), [("name-not-c", (4,))]),
    "digit": (Fwd("9p"), [("name-not-c", (4,))]),
    "keyword": (Typedef("do", 1), [("name-not-c", (4,))]),
    "enumerator": (Enum("e", 4, [Enumerator("_Bool", 1)]), [("name-not-c", (4,))]),
    "not UTF-8": (Struct("caf\udce9", 8, PAIR), [("name-not-c", (4,))]),
}
SOUND: tuple[TypeView, ...] = (
    Struct("s", 8, PAIR),
    Struct("", 8, [Member("", 1), Member("", 1, 32)]),
    Struct("out_of_order", 8, [Member("b", 1, 32), Member("a", 1)]),
    Struct("bits", 4, [Member("a", 1, 0, 5), Member("b", 1, 5, 5)]),
    Union("u", 8, [Member("a", 1), Member("b", 2)]),
    Enum64("e", 8, [Enumerator("A", 1 << 40)]),
    Enum("small", 4, [Enumerator("B", 1)]),
    Typedef("int_", 1),
    Typedef("typeof_", 1),
    Typedef("$d", 1),
)


def built(*views: TypeView, base: Btf | None = None) -> Btf:
    builder = Builder(base)
    for view in views:
        builder.add(view)
    return builder.build()


def found(btf: Btf) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.id, one.type_ids) for one in oddities(btf)]


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("split", [False, True])
def test_what_makes_a_doubt(case: str, split: bool) -> None:
    view, expected = ODD[case]
    base = built(*INTS) if split else None
    btf = built(view, base=base) if split else built(*INTS, view)
    assert found(btf) == expected
    assert btf.describe(4) in str(oddities(btf)[0])


@pytest.mark.parametrize("view", SOUND, ids=str)
def test_what_makes_none(view: TypeView) -> None:
    assert found(built(*INTS, view)) == []


@pytest.mark.parametrize("word", sorted(C_KEYWORDS))
def test_every_keyword(word: str) -> None:
    btf = built(*INTS, Typedef(word, 1), Typedef(f"{word}x", 1))
    assert found(btf) == [("name-not-c", (4,))]


def test_many_are_counted_and_few_are_named() -> None:
    wide = [Enum(f"e{number}", 8, [Enumerator(f"A{number}", 1)]) for number in range(9)]
    (oddity,) = oddities(built(*wide))
    assert str(oddity).endswith('ENUM "e0" [1], ENUM "e1" [2], ENUM "e2" [3] and 6 more')
    assert oddity.as_dict()["type_ids"] == list(range(1, 10))


def test_of_kernels_nothing_is_printed_but_their_kfuncs_are_not_told(
    cloud: Btf, generic: Btf, modules: dict[str, bytes]
) -> None:
    """Debian's 6.12 is built with pahole 1.24."""
    for btf in (cloud, generic):
        assert oddities(btf, printed=True) == ()
        assert [one.id for one in oddities(btf)] == ["no-kfunc-tags"]
    for name in sorted(modules)[::100]:
        assert oddities(loads(modules[name], cloud)) == ()


def kernel(*views: TypeView) -> Btf:
    proto = FuncProto(0, ())
    return built(*INTS, proto, Func("bpf_rdonly_cast", 4, Linkage.STATIC), *views)


def test_kfuncs_that_are_not_told() -> None:
    new = Enum("bpf_attach_type", 4, [Enumerator("BPF_TRACE_KPROBE_SESSION", 56)])
    assert found(kernel(new)) == [("no-kfunc-tags", ())]
    assert found(kernel()) == []
    assert found(kernel(new, DeclTag("bpf_kfunc", 5))) == []


@given(btf=btfs())
def test_any_types_are_doubted_or_not(btf: Btf) -> None:
    for oddity in oddities(btf):
        assert str(oddity)
        assert all(btf.first_id <= type_id < btf.end_id for type_id in oddity.type_ids)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "wide.btf"
    dump(built(ODD["wide"][0]), path)
    return path


@pytest.mark.parametrize(
    "command", ["show e F", "dump F", "dump F --format c", "graph e F", "list F", "verify F"]
)
def test_commands_that_print_types_say_it_once(command: str, wide: Path) -> None:
    done = btfschema(*[str(wide) if word == "F" else word for word in command.split()])
    assert done.returncode == 0
    assert done.stderr.decode().count("ENUMs of 8 bytes hold only the low halves") == 1
    assert b"low halves" not in done.stdout


def test_info_has_it_among_the_facts(wide: Path) -> None:
    done = btfschema("info", wide)
    assert " ".join(done.stdout.decode().split()).count("doubt ENUMs of 8 bytes hold only") == 1
    (doubt,) = json.loads(btfschema("info", wide, "--json").stdout)["doubts"]
    assert (doubt["doubt"], doubt["type_ids"]) == ("enum-8-bytes", [1])


def test_who_asks_for_kfuncs_is_told_that_they_are_not_told(tmp_path: Path) -> None:
    told, untold = tmp_path / "told.btf", tmp_path / "untold.btf"
    dump(kernel(DeclTag("bpf_kfunc", 5)), told)
    dump(kernel(Func("schedule", 4, Linkage.STATIC)), untold)
    said = b"it has no bpf_kfunc tags"
    for words in (("show", "bpf_rdonly_cast"), ("dump", "--format", "c", "--kind", "func")):
        name, *more = words
        assert said in btfschema(name, *more, untold).stderr
        assert said not in btfschema(name, *more, told).stderr
    assert said not in btfschema("show", "schedule", untold).stderr
    assert load(untold).find("schedule").id == 6


def test_no_module_is_searched_for_kfuncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor its base again: a search for each module took an eighth of ``verify --all``."""
    searched: list[StringTable] = []
    find_own = StringTable.find_own

    def counted(table: StringTable, text: str) -> list[int]:
        searched.append(table)
        return find_own(table, text)

    monkeypatch.setattr(StringTable, "find_own", counted)
    base = built(Int("int", 4))
    assert oddities(base) == ()
    assert base.strings in searched
    searched.clear()
    assert oddities(built(Typedef("t", 1), base=base)) == ()
    assert searched == []


def test_a_keyword_at_the_very_end_of_a_bases_strings() -> None:
    """Its last bytes are compared with bytes past the end."""
    base = built(Int("int", 4), Typedef("do", 1))
    assert base.strings.data.endswith(b"do\0")
    offset = base.strings.index["do"]
    split = built(Typedef("x", 1), base=base)
    own = split.types.rewritten([(split.types.starts, [offset])])
    named = Btf.assemble(own, split.strings, like=split, base=base)
    assert found(named) == [("name-not-c", (3,))]
