"""What hostile BTF costs the passes and C headers: about its size, however it is made.

Work is counted as lines of the package that run, so that no clock decides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from building import built

from btfschema import Btf, views
from btfschema.errors import DecodeError, EncodeError, MatchError
from btfschema.questions import leaves
from btfschema.questions.catalog import catalog_of
from btfschema.render.c import c_header
from btfschema.tables import StringTable, name_ranks
from btfschema.views import TypeView
from btfschema_transforms.dedup import dedup
from btfschema_transforms.rebase import rebase
from btfschema_transforms.relocate import relocate
from btfschema_transforms.relocation.differences import Difference
from btfschema_transforms.sameness.identity import identity
from btfschema_transforms.sameness.matching import Policy


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the packages run until ``work`` is done or fails to match."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_globals.get("__name__", "").startswith("btfschema"):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except MatchError:
        pass
    finally:
        sys.settrace(before)
    return count


def assert_linear(make: Callable[[int], Callable[[], object]], small: int = 150) -> None:
    """Four times as much input costs less than eight times as much; sixteen would be quadratic."""
    costs = [lines_run(make(count)) for count in (small, 4 * small)]
    assert costs[0] > small
    assert costs[1] < 8 * costs[0]


def assert_logarithmic(make: Callable[[int], Callable[[], object]], small: int = 150) -> None:
    """Sixteen times as much input costs less than twice as much, but for reading it."""
    costs = [lines_run(make(count)) for count in (small, 16 * small)]
    assert costs[1] < 2 * costs[0]


def chain(count: int, size: int = 4) -> list[TypeView]:
    return [views.Int("i", size), *(views.Typedef("a", row + 1) for row in range(count))]


def pointing(base: Btf, ids: Iterable[int]) -> Btf:
    return built(*map(views.Ptr, ids), base=base)


def test_telling_the_links_of_a_chain_apart() -> None:
    """A chain as long as the file takes rounds by the logarithm of its length."""

    def make(count: int) -> Callable[[], object]:
        old, new = built(*chain(count)), built(*chain(count))
        return lambda: identity(old, new)

    assert_logarithmic(make)


def ladder(count: int) -> list[TypeView]:
    """Each type refers to two others, so that there is no chain to go along."""
    steps = [
        views.Struct("a", 8, [views.Member("x", 2 * row + 1), views.Member("y", 2 * row + 2)])
        for row in range(count)
        for _ in range(2)
    ]
    return [views.Int("i", 4), views.Int("j", 4), *steps]


def test_a_ladder_of_equal_types() -> None:
    """What changes is told to what refers to it, once for each step of the ladder."""

    def make(count: int) -> Callable[[], object]:
        btf = built(*ladder(count))
        return lambda: dedup(btf)

    assert_linear(make)


def test_one_struct_with_all_types_for_members() -> None:
    """Twice, over a chain whose links are told apart one by one."""

    def make(count: int) -> Callable[[], object]:
        links = ladder(count)
        members = [views.Member("m", one + 1) for one in range(len(links))]
        btf = built(*links, views.Struct("s", 8, members), views.Struct("s", 8, members))
        return lambda: dedup(btf)

    assert_linear(make)


def test_a_declaration_at_the_end_of_a_chain() -> None:
    """Of a name with two definitions, so that it is looked for who tells which is meant."""

    def make(count: int) -> Callable[[], object]:
        names = [views.Struct("f", 4), views.Struct("f", 8), views.Fwd("f")]
        pointers = [views.Ptr(3 + row) for row in range(count)]
        btf = built(*names, *pointers, views.Struct("s", 8, [views.Member("m", 3 + count)]))
        return lambda: dedup(btf)

    assert_linear(make)


def test_one_name_for_all_types_some_only_declared() -> None:
    def make(count: int) -> Callable[[], object]:
        types: list[TypeView] = [views.Fwd("f"), views.Ptr(1)]
        for row in range(count):
            types.append(views.Struct("f", 4 + row, [views.Member("m", 2)]))
        btf = built(*types)
        return lambda: dedup(btf)

    assert_linear(make)


@pytest.mark.parametrize("step", [1, -1])
def test_failing_types_on_one_chain(step: int) -> None:
    """Each type differs because of the chain's end, which the typedefs' names do not tell."""

    def make(count: int) -> Callable[[], object]:
        old = built(*chain(count))
        split = pointing(old, range(1, count + 2)[::step])
        return lambda: rebase(split, built(*chain(count, 8)))

    assert_linear(make)


def test_a_long_walk_finds_its_cause() -> None:
    """Three thousand unnamed types lie between the pointer and the struct that grew."""
    old, new = (
        built(
            views.Struct("s", size, []),
            *(views.Const(row + 1) for row in range(3000)),
        )
        for size in (4, 8)
    )
    with pytest.raises(MatchError) as caught:
        rebase(pointing(old, [3001, 3000]), new)

    assert str(caught.value).split("\n")[1] == (
        "  struct s [1] differs from the target's [1]: size 4, in the target 8"
    )
    found = [one for one in caught.value.mismatches if isinstance(one, Difference)]
    assert [one.cause_ids for one in found] == [(1, 1), (1, 1)]
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("policy", ["strict", "kernel"])
def test_missing_members(policy: Policy) -> None:
    def make(count: int) -> Callable[[], object]:
        base = built(*(views.Struct(f"s{row}", row) for row in range(count)))
        members = [views.Member(f"m{row}", 1 + row) for row in range(count)]
        split = built(views.Struct("user", 8, members), base=base)
        return lambda: relocate(split, built(views.Int("other", 4)), policy)

    assert_linear(make)


MANY: dict[str, Callable[[int], TypeView]] = {
    "sizes": lambda row: views.Struct("s", row),
    "enums": lambda row: views.Enum("s", 1 + row),
    "encodings": lambda row: views.Int("s", 4, bits=row % 256, bit_offset=row // 256),
}


@pytest.mark.parametrize("policy", ["strict", "kernel"])
@pytest.mark.parametrize("moved", [0, 1], ids=["found", "failing"])
@pytest.mark.parametrize("what", MANY)
def test_many_types_of_one_name(what: str, moved: int, policy: Policy) -> None:
    def make(count: int) -> Callable[[], object]:
        base = built(*map(MANY[what], range(count)))
        split = pointing(base, range(1, count + 1))
        target = built(*map(MANY[what], range(moved * count, (moved + 1) * count)))
        return lambda: relocate(split, target, policy)

    assert_linear(make)


def test_sizes_of_members_along_a_chain() -> None:
    def make(count: int) -> Callable[[], object]:
        members = [views.Member(f"m{row}", 1 + row) for row in range(count)]
        old = built(*chain(count), views.Struct("s", 4, members))
        new = built(*chain(count), views.Struct("s", 8, members))
        split = pointing(old, [count + 2])
        return lambda: rebase(split, new)

    assert_linear(make)


INT = views.Int("int", 4)


def members(names: Iterable[str], type_id: int = 1) -> list[views.Member]:
    return [views.Member(name, type_id, 32 * at) for at, name in enumerate(names)]


def namesakes(count: int) -> list[TypeView]:
    """One struct, whose members all have one name."""
    return [INT, views.Struct("s", 4 * count, members(["a"] * count))]


def unnamed(count: int) -> list[TypeView]:
    """One struct, whose members have no name, and the same members."""
    inner = views.Struct("", 4, members(["a"]))
    return [INT, inner, views.Struct("s", 4 * count, members([""] * count, 2))]


def misnamed(count: int) -> list[TypeView]:
    """Names that C takes none of, and that all become the same one in C."""
    signs = "!#%&*+-./:;<=>?@"
    names = (signs[at % 16] + signs[at // 16 % 16] + signs[at // 256] for at in range(count))
    return [INT, *(views.Typedef(name, 1) for name in names)]


def nested(count: int) -> list[TypeView]:
    """Structs without names, each the one member of the next."""
    first = views.Struct("", 4, members(["x"]))
    return [INT, first, *(views.Struct("", 4, members([""], at)) for at in range(2, count))]


@pytest.mark.parametrize("types", [namesakes, unnamed, misnamed, nested])
def test_telling_names_apart_in_c(types: Callable[[int], list[TypeView]]) -> None:
    def make(count: int) -> Callable[[], object]:
        btf = built(*types(count))
        return lambda: c_header(btf)

    assert_linear(make, 300)


def test_the_members_of_anonymous_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each type holds the one before it twice, and none has a member with a name."""
    monkeypatch.setattr(leaves, "MOST_LEAVES", 500)
    count = 14
    twice = ([views.Member("", at), views.Member("", at)] for at in range(2, 2 + count))
    btf = built(INT, views.Union("", 4), *(views.Union("", 4, pair) for pair in twice))
    assert lines_run(lambda: leaves.leaves_of(catalog_of(btf), count + 2)) < 100 * 500


def test_copies_of_members_are_limited() -> None:
    """A file of 36 KB would have millions of members in C."""
    count = 1500
    named = views.Struct("s", 4 * count, members(f"m{at}" for at in range(count)))
    union = views.Union("u", 4 * count, [views.Member("", 2)] * count)
    with pytest.raises(EncodeError, match="too many nested structs without a name to write as C"):
        c_header(built(INT, named, union))


def test_names_asked_for_in_parts_are_read_together() -> None:
    count = 4000
    table = StringTable(b"\0" + b"".join(b"name%04d\0" % number for number in range(count)))
    offsets = 1 + 9 * np.arange(count)
    # One is the end of another.
    offsets[count // 2] += 4
    expected = [f"name{number:04}" for number in range(count)]
    expected[count // 2] = f"{count // 2:04}"
    found: list[str] = []

    def ask() -> None:
        for part in np.split(offsets, 40):
            found.extend(table.names(part))

    assert lines_run(ask) < count
    assert found == expected


@pytest.mark.parametrize("based", [False, True])
@pytest.mark.parametrize("every", [1000, 100, 9, 1])
def test_names_are_those_of_their_offsets_however_many_are_asked_for(
    every: int, based: bool
) -> None:
    """A few are looked up, more are cut out, and for most the whole table is decoded."""
    entries = [b"name%d\xff\xc3\xa9\0\0" % number for number in range(3000)]
    base = StringTable(b"\0base\0") if based else None
    table = StringTable(b"\0" + b"".join(entries), base)
    offsets = [table.start, *range(table.start, table.end, every), table.end - 1]
    assert table.names(offsets) == list(map(StringTable(table.data, base).lookup, offsets))
    with pytest.raises(DecodeError, match=f"string offset {table.end} is past the end"):
        StringTable(table.data, base).names([*offsets, table.end])


@pytest.mark.parametrize("text", [b"a", b"ab", b"0123456789"])
def test_ordering_names_that_overlap(text: bytes) -> None:
    """All tails of one string: together n ** 2 / 2 bytes, of which a few n are looked at."""

    def make(count: int) -> Callable[[], object]:
        strings = StringTable(b"\0" + text * (count // len(text)) + b"\0")
        offsets = np.arange(strings.end)
        return lambda: name_ranks(strings, offsets)

    assert_logarithmic(make, 1000)


def test_names_that_overlap_are_ordered_as_their_bytes_are() -> None:
    rng = np.random.default_rng(5)
    base = StringTable(b"\0" + b"ab" * 700 + b"\0" + b"ba" * 600 + b"c\0" + b"ab" * 700 + b"\0")
    strings = StringTable(b"c" * 900 + b"\0" + b"ab" * 700 + b"\0b\0", base)
    offsets = rng.permutation(strings.end)
    names = list(map(strings.bytes_at, offsets.tolist()))
    places = {name: sum(other < name for other in names) for name in {*names}}
    assert name_ranks(strings, offsets).tolist() == [places[name] for name in names]
