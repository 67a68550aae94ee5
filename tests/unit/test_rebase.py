"""Rebasing: the same types found again in another full base, or every reason why not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from building import built
from ext_sections import with_ext
from shuffling import shuffled

from btfschema import Btf, Context, Pipeline, dumps, views
from btfschema.errors import MatchError, RequirementError
from btfschema.testing.contract import assert_pass_contract
from btfschema.views import TypeView
from btfschema_transforms.rebase import Rebase, rebase
from btfschema_transforms.sameness.identity import Identity, identity

# A circle: struct list { struct node *head; }; struct node { struct list *list; int value; }.
KERNEL: list[TypeView] = [
    views.Int("int", 4, views.IntEncoding.SIGNED),
    views.Struct("list", 8, [views.Member("head", 3)]),
    views.Ptr(4),
    views.Struct("node", 16, [views.Member("list", 5), views.Member("value", 1, 64)]),
    views.Ptr(2),
    views.Func("walk", 7),
    views.FuncProto(1, [views.Param("list", 5)]),
]


def kernel(*more: TypeView) -> Btf:
    return built(*KERNEL, *more)


def module(base: Btf) -> Btf:
    return built(
        views.Struct("mine", 24, [views.Member("list", 2), views.Member("own", 3, 64)]),
        views.DeclTag("slow", 6),
        base=base,
    )


def test_a_shuffle_is_undone_exactly() -> None:
    base = kernel()
    split = module(base)
    for seed in range(20):
        other, where = shuffled(base, seed)

        moved, ids = rebase(split, other)
        back, _ = rebase(moved, base)

        assert list(ids)[: base.end_id] == list(where)
        assert dumps(back) == dumps(split)
        assert moved[8] == views.Struct(
            "mine",
            24,
            [views.Member("list", where[2] or 0), views.Member("own", where[3] or 0, 64)],
        )


def test_a_base_that_grew() -> None:
    grown = built(views.Float("new", 8), *SHIFTED)

    moved, ids = rebase(module(kernel()), grown)

    assert list(ids) == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert moved[10] == views.DeclTag("slow", 7)


# The same types, one id further on.
SHIFTED: list[TypeView] = [
    views.Int("int", 4, views.IntEncoding.SIGNED),
    views.Struct("list", 8, [views.Member("head", 4)]),
    views.Ptr(5),
    views.Struct("node", 16, [views.Member("list", 6), views.Member("value", 2, 64)]),
    views.Ptr(3),
    views.Func("walk", 8),
    views.FuncProto(2, [views.Param("list", 6)]),
]


def test_strings_that_the_target_lacks_become_the_splits_own() -> None:
    base = built(views.Int("int", 4), views.Struct("text", 0))
    split = built(views.Struct("text", 4, [views.Member("own", 1)]), base=base)
    assert split.strings.data == b"own\0"

    moved, _ = rebase(split, built(views.Int("int", 4)))

    assert moved[2] == views.Struct("text", 4, [views.Member("own", 1)])
    assert moved.strings.data == b"own\0text\0"


def test_chains_on_both_sides() -> None:
    """A split over vmlinux and a bus moves to one base that holds both."""
    bus = built(views.Struct("bus", 8, [views.Member("nodes", 2)]), base=kernel())
    split = built(views.Ptr(8), views.Ptr(4), base=bus)
    merged = built(views.Struct("bus", 8, [views.Member("nodes", 3)]), *SHIFTED)

    moved, ids = rebase(split, merged)
    back, _ = rebase(moved, bus)

    assert list(moved) == [views.Ptr(1), views.Ptr(5)]
    assert list(ids)[8:] == [1, 9, 10]
    assert dumps(back) == dumps(split)


def test_the_first_split_waits_for_its_own_types_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison of all types costs a kernel's base half a second."""
    compared: list[Btf] = []

    def counted(old: Btf, new: Btf) -> Identity:
        compared.append(old)
        return identity(old, new)

    monkeypatch.setattr("btfschema_transforms.rebase.identity", counted)
    base = kernel(views.Float("unused", 8))
    target, where = shuffled(base, 5)

    result = Pipeline.parse("rebase").run(module(base), Context({"target": target}))
    assert not compared
    assert list(result.ids)[: base.end_id] == list(where)
    assert compared == [base]

    again, ids = rebase(module(base), target)
    assert compared == [base, base]
    assert dumps(again) == dumps(result.btf)
    assert ids == result.ids


@pytest.mark.parametrize("looks", [0, 1])
def test_what_leads_elsewhere_is_not_taken_for_a_pointer_to_void(
    monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """Left out before types are compared, or told apart by the comparison."""
    monkeypatch.setattr("btfschema_transforms.sameness.identity.LOOKS", looks)
    target = built(views.Struct("other", 4), views.Ptr(1), views.Ptr(0), views.Ptr(2))

    moved, _ = rebase(built(views.Const(1), base=built(views.Ptr(0))), target)

    assert list(moved) == [views.Const(3)]


def test_a_split_without_types() -> None:
    base = kernel()
    target, where = shuffled(base, 2)
    moved, ids = rebase(built(base=base), target)
    assert (len(moved), list(ids)) == (0, list(where))


def test_ext_follows() -> None:
    base = kernel()
    split = with_ext(module(base), types=[1, 9], names=[base.strings.index["list"]])
    other, where = shuffled(base, 3)

    moved, _ = rebase(split, other)

    assert moved.ext is not None
    assert moved.ext.type_ids.tolist() == [where[1], 9]
    assert moved.strings.names(moved.ext.string_offsets) == ["list"]


def test_as_a_pass() -> None:
    base = kernel()
    result = assert_pass_contract(Rebase(), module(base), Context({"target": shuffled(base, 1)[0]}))
    assert result.facts["rebase"]["matched"] == 3


class TestFailure:
    """Base types that are not in the target just once."""

    def failure(self, target: Btf, *uses: int) -> MatchError:
        split = built(*map(views.Ptr, uses), base=kernel(views.Union("lost", 4)))
        with pytest.raises(MatchError) as caught:
            rebase(split, target)
        return caught.value

    def test_missing(self) -> None:
        error = self.failure(kernel(), 1, 8)

        assert str(error) == "1 of 2 base types has no match\n  union lost [8]: not in the target"
        assert [one.reason for one in error.mismatches] == ["missing"]

    def test_ambiguous(self) -> None:
        twice = kernel(views.Union("lost", 4), views.Union("lost", 4))

        error = self.failure(twice, 8)

        assert str(error).endswith("union lost [8]: the same as each of [8, 9] in the target")

    def test_different_itself_or_in_what_it_leads_to(self) -> None:
        other = list(KERNEL)
        other[3] = views.Struct(
            "node",
            24,
            [views.Member("list", 5), views.Member("new", 1, 64), views.Member("value", 1, 96)],
        )

        error = self.failure(built(*other), 4, 7)

        why = "size 16, in the target 24; target adds new (int, 4 bytes at 8); value moves by 4"
        assert str(error).split("\n")[1:] == [
            f"  struct node [4] differs from the target's [4]: {why}",
            "    1 type leads to it: int (...) [7]",
        ]
        assert [str(one) for one in error.mismatches] == [
            f"struct node [4]: differs from the target's [4]: {why}",
            f"int (...) [7]: differs in struct node [4] from the target's [4]: {why}",
        ]
        node, proto = json.loads(json.dumps([one.as_dict() for one in error.mismatches]))
        assert (node["reason"], node["cause_ids"]) == ("different", [4, 4])
        assert (proto["cause"], proto["kind"]) == ("struct node", "FUNC_PROTO")
        assert (proto["cause_sizes"], proto["cause_in_target"]) == ([16, 24], "struct node")

    def test_another_kind_in_its_place(self) -> None:
        """What two types of one name lead to need not be of one kind."""
        base = built(views.Struct("s", 4, [views.Member("a", 0)]), views.Typedef("t", 1))
        target = built(views.Int("s", 4), views.Typedef("t", 1), views.Typedef("v", 0))
        with pytest.raises(MatchError) as caught:
            rebase(built(views.Ptr(2), base=base), target)
        assert "  struct s [1] differs from the target's s [1]\n" in str(caught.value)

    def test_a_name_is_part_of_the_identity(self) -> None:
        other = list(KERNEL)
        other[3] = views.Struct("node", 16, [views.Member("list", 5), views.Member("val", 1, 64)])

        assert "lacks value" in str(self.failure(built(*other), 2))

    def test_no_base(self) -> None:
        with pytest.raises(RequirementError, match="rebase needs split BTF"):
            rebase(kernel(), kernel())


def test_circles_of_different_length_are_the_same_when_nothing_tells_them_apart() -> None:
    """A pointer to itself and two pointers to each other: no walk along them ever differs."""
    one = built(views.Ptr(1))
    two = built(views.Ptr(2), views.Ptr(1))
    split = built(views.Const(1), base=two)

    moved, ids = rebase(split, one)

    assert list(moved) == [views.Const(1)]
    assert list(ids) == [0, 1, 1, 2]


def test_numpy_imports_no_more_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``np.unique`` imports numpy.ma; that and numpy.random take as long as comparing the types."""
    base = built(views.Int("int", 4, 1, 32), *(views.Ptr(1 + number) for number in range(9)))
    split = built(views.Typedef("t", 10), base=base)
    target, places = shuffled(base, 1)
    monkeypatch.delattr(np, "unique")
    monkeypatch.delattr(np.random, "default_rng")
    moved, _ = rebase(split, target)
    assert moved[11] == views.Typedef("t", places[10] or 0)
