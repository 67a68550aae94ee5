"""Many types of one name, and many files that ask for names: what they may cost, and keep."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from building import built
from hypothesis import given
from hypothesis import strategies as st
from slow import and_slow
from telling import outcome, said_by
from test_growth import assert_linear

from btfschema import Btf, Kind, views
from btfschema.cli.batch import failure
from btfschema.cli.matrix import because
from btfschema.errors import MatchError
from btfschema.render.jsonlines import LISTED, line
from btfschema.schema.plan import NAME_OFF
from btfschema.views import TypeView
from btfschema_transforms.rebase import rebase
from btfschema_transforms.relocate import relocate
from btfschema_transforms.relocation import explain
from btfschema_transforms.sameness import matching
from btfschema_transforms.sameness.matching import Policy, Wanted, target_of

POLICIES: tuple[Policy, ...] = ("kernel", "strict")


def apart(types: list[TypeView]) -> Btf:
    """A container of types that are called s, with a text of its own for each name."""
    btf = built(*(evolve(view, name=f"{row}s") for row, view in enumerate(types)))  # type: ignore[call-arg]
    texts = [btf.strings.index[f"{row}s"] + len(str(row)) for row in range(len(types))]
    words = [(btf.types.starts + NAME_OFF.word, texts)]
    return Btf.assemble(btf.types.rewritten(words), btf.strings.data, like=btf, base=None)


def alike(count: int) -> list[TypeView]:
    return [views.Struct("s", 8) for _ in range(count)]


def sized(count: int, first: int = 0) -> list[TypeView]:
    return [views.Struct("s", first + row) for row in range(count)]


def by_pointer(base: Btf) -> Btf:
    return built(views.Ptr(1), base=base)


def by_value(base: Btf) -> Btf:
    """A struct holds all of the base's types, and so does a prototype."""
    ids = range(1, base.end_id)
    return built(
        views.Struct("user", 8, [views.Member(f"m{one}", one) for one in ids]),
        views.FuncProto(0, [views.Param(f"p{one}", one) for one in ids]),
        base=base,
    )


def failing(
    split: Btf, target: Btf, policy: Policy, original: Btf | None = None
) -> dict[str, Any] | None:
    found = outcome(relocate, split, target, policy, original=original)
    return failure("m.ko", found) if isinstance(found, MatchError) else None


def with_members(count: int) -> Btf:
    return built(views.Struct("s", 9, [views.Member(f"m{row}", 0) for row in range(count)]))


Made = tuple[Btf, Btf, Btf | None]

# A split, a target, and perhaps the original base, each with so many types (or members) of a name.
MANY: dict[str, Callable[[int], Made]] = {
    "none has the size": lambda n: (
        by_value(built(*sized(n, 1 << 20))),
        built(*sized(n)),
        None,
    ),
    "each would do": lambda n: (by_pointer(built(*alike(n))), built(*alike(n)), None),
    "each other name would do": lambda n: (
        by_pointer(built(*sized(n, 1 << 20))),
        apart(sized(n)),
        None,
    ),
    "some are declared": lambda n: (
        by_pointer(built(*sized(n, 1 << 20))),
        built(*(views.Fwd("s", is_union=row % 2 == 1) for row in range(n)), *sized(n)),
        None,
    ),
    "the only one gets many members": lambda n: (
        by_value(built(*sized(n, 10))),
        with_members(n),
        built(*sized(n, 10)),
    ),
    "all stood for one that gets many members": lambda n: (
        by_value(built(*alike(n))),
        with_members(n),
        built(*alike(1)),
    ),
}


@pytest.mark.parametrize("policy", and_slow("kernel", slow=["strict"]))
@pytest.mark.parametrize("what", MANY)
def test_the_memory_for_a_failure_and_its_report_grows_with_the_input(
    what: str, policy: Policy
) -> None:
    def cost(count: int) -> tuple[int, int]:
        made = MANY[what](count)
        for one in made[:2]:
            target_of(one)
        tracemalloc.start()
        try:
            row = failing(made[0], made[1], policy, made[2])
            text = line(row)
            return tracemalloc.get_traced_memory()[1], len(text)
        finally:
            tracemalloc.stop()

    small, large = cost(100), cost(400)
    # Sixteen times would be quadratic.
    assert large[0] < 8 * small[0]
    assert large[1] < 8 * small[1]


@pytest.mark.parametrize("policy", and_slow("kernel", slow=["strict"]))
@pytest.mark.parametrize("what", MANY)
def test_the_time_grows_with_the_input(what: str, policy: Policy) -> None:
    def make(count: int) -> Callable[[], object]:
        split, target, original = MANY[what](count)
        return lambda: line(failing(split, target, policy, original))

    assert_linear(make, 60)


class TestWhatIsListed:
    """The first candidates and matches, and how many there are."""

    def reason(self, split: Btf, target: Btf, policy: Policy = "strict") -> Any:
        return json.loads(line(failing(split, target, policy)))["reasons"][0]

    def test_candidates(self) -> None:
        for count in (LISTED, LISTED + 1):
            split = by_value(built(*sized(2, 1 << 20)))
            reason = self.reason(split, built(*sized(count)))
            listed = [{"id": 1 + row, "kind": "STRUCT", "size": row} for row in range(LISTED)]
            assert reason["candidates"] == listed
            assert reason.get("candidates_total") == (None if count == LISTED else count)
            assert because(reason).endswith("99" if count == LISTED else "99 or others")

    @pytest.mark.parametrize("policy", POLICIES)
    def test_matches(self, policy: Policy) -> None:
        for count in (LISTED, LISTED + 1):
            split = by_value(built(*alike(2)))
            reason = self.reason(split, built(*alike(count)), policy)
            assert reason["reason"] == "ambiguous"
            assert reason["matches"] == list(range(1, LISTED + 1))
            assert reason.get("matches_total") == (None if count == LISTED else count)
            assert because(reason) == f"{count} in the target would do"

    def test_matches_of_a_rebase(self) -> None:
        for count in (LISTED, LISTED + 1):
            split = by_pointer(built(*alike(1)))
            error = outcome(rebase, split, built(*alike(count)))
            (reason,) = failure("m.ko", error)["reasons"]
            assert reason["matches"] == list(range(1, LISTED + 1))
            assert reason.get("matches_total") == (None if count == LISTED else count)

    def test_the_words_count_all(self) -> None:
        found = outcome(relocate, by_pointer(built(*alike(1))), built(*alike(500)))
        assert "struct [8] of 8 bytes and 492 more" in str(found)

    def test_all_rows_of_a_name_hold_one_list(self) -> None:
        row = failing(by_value(built(*sized(50, 1 << 20))), built(*sized(50)), "strict")
        assert row is not None
        assert len({id(reason["candidates"]) for reason in row["reasons"]}) == 1

    def test_the_first_of_a_name_are_told_what_changed(self) -> None:
        split, target, original = MANY["all stood for one that gets many members"](20)
        row = failing(split, target, "strict", original)
        assert row is not None
        told = [len(reason["changes"]) for reason in row["reasons"]]
        assert told == [20] * explain.TOLD + [0] * (20 - explain.TOLD)


def composite(cls: Any, size: int, members: int) -> TypeView:
    """With a member that is a bit field, it has a kind_flag."""
    found: TypeView = cls("s", size, [views.Member("m", 0, 0, 3)] * members)
    return found


NAMESAKES: st.SearchStrategy[list[TypeView]] = st.lists(
    st.one_of(
        st.builds(
            composite,
            st.sampled_from([views.Struct, views.Union]),
            st.integers(0, 2),
            st.integers(0, 1),
        ),
        st.builds(lambda union: views.Fwd("s", is_union=union), st.booleans()),
        st.builds(lambda size: views.Enum("s", size), st.sampled_from([1, 2])),
        st.builds(lambda size: views.Enum64("s", size), st.sampled_from([1, 2])),
        st.builds(lambda size: views.Float("s", size), st.sampled_from([2, 4])),
        st.builds(
            lambda size, encoding, bits: views.Int("s", size, encoding, bits=bits),
            st.sampled_from([1, 2]),
            st.sampled_from([views.IntEncoding(0), views.IntEncoding.SIGNED]),
            st.sampled_from([7, 8]),
        ),
    ),
    max_size=8,
)


def libbpf_maps(wanted: Wanted, target: Btf) -> list[int]:
    """What ``btf_relocate_map_distilled_base`` of libbpf 1.5 maps a type to, in its own order."""
    composites = (Kind.STRUCT, Kind.UNION)
    types = target.types
    rows = list(
        zip(
            types.kinds.tolist(),
            types.kind_flags.tolist(),
            types.thirds.tolist(),
            types.name_offs.tolist(),
            strict=True,
        )
    )
    counts = Counter(name for kind, _, _, name in rows if kind in composites)
    found: list[int] = []
    for type_id, (kind, flag, size, name) in enumerate(rows, 1):
        needs_size = counts[name] > 1 if kind in composites else kind != Kind.FWD
        if needs_size and size != wanted.size:
            continue
        match wanted.kind:
            case Kind.FWD:
                fits = {
                    Kind.FWD: flag == wanted.kind_flag,
                    Kind.STRUCT: not flag,
                    Kind.UNION: flag,
                }.get(Kind(kind), False)
            case Kind.INT:
                view: Any = target[type_id]
                fits = kind == Kind.INT and view.encoding == wanted.encoding >> 24
            case Kind.ENUM:
                fits = kind in (Kind.ENUM, Kind.ENUM64)
            case Kind.STRUCT | Kind.UNION:
                fits = not wanted.sized or bool(found) or size == wanted.size
            case _:
                fits = kind == wanted.kind
        if fits:
            found.append(type_id)
    return found


@given(distilled=NAMESAKES, there=NAMESAKES, alone=st.booleans(), held=st.booleans())
def test_the_kernels_matches_are_those_of_its_loop(
    distilled: list[TypeView], there: list[TypeView], alone: bool, held: bool
) -> None:
    """Whether the name stands in the target's strings once, or once for each type."""
    target = apart(there) if alone else built(*there)
    base = built(*distilled)
    types = base.types
    for row, view in enumerate(base):
        kind = int(types.kinds[row])
        if kind == Kind.ENUM64:
            continue
        wanted = Wanted(
            "s",
            kind,
            bool(types.kind_flags[row]),
            int(types.thirds[row]),
            int(types.words[types.starts[row] + 3]) if kind == Kind.INT else 0,
            held,
        )
        found, mapped = target_of(target).matches(wanted, "kernel"), libbpf_maps(wanted, target)
        assert (found.ids, found.total) == (tuple(mapped), len(mapped)), view
        assert found.only == (mapped[0] if len(mapped) == 1 else 0)


class TestWhatATargetRemembers:
    def test_nothing_of_names_that_it_lacks(self) -> None:
        """Other people's files go by, none of which it knows."""
        target = built(views.Int("int", 4))

        def ask(number: int) -> None:
            base = built(*(views.Struct(f"n{number}_{row}", 8) for row in range(500)))
            for policy in POLICIES:
                assert failing(by_pointer(base), target, policy, target)

        ask(0)
        tracemalloc.start()
        try:
            for number in range(1, 4):
                ask(number)
            gc.collect()
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        # The types that were asked for have some 300 bytes each.
        assert kept < 3 * 500 * 30

    @pytest.mark.parametrize("policy", POLICIES)
    def test_of_names_that_it_has_not_more_than_a_bound(
        self, policy: Policy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matching, "REMEMBERED", 100)
        target, original = built(views.Struct("s", 4)), built(views.Struct("s", 5))

        def ask(number: int) -> Any:
            split = by_value(built(*sized(10, 10 + 10 * number)))
            return said_by(outcome(relocate, split, target, policy, original=original))

        first = [ask(number) for number in range(40)]
        sizes = {name: len(one) for name, one in target_of(target).memos.items()}
        assert all(0 < size <= 110 for size in sizes.values())
        assert len(sizes) == 2
        # What was forgotten is found again.
        assert [ask(number) for number in range(40)] == first

    def test_one_call_that_asks_for_more_than_the_bound_gets_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matching, "REMEMBERED", 10)
        types = [views.Struct(f"s{row}", 4) for row in range(50)]
        split, target = by_pointer(built(*types)), built(*reversed(types))
        for _ in range(2):
            _, ids = relocate(split, target)
            assert [ids[type_id] for type_id in range(1, 51)] == list(range(50, 0, -1))
