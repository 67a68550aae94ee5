"""Relocating: who is whose match under either policy, and what a failure says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from building import built
from ext_sections import with_ext

from btfschema import Btf, Builder, Context, Pipeline, dumps, views
from btfschema.cli.matrix import because
from btfschema.errors import MatchError, PassError, RequirementError
from btfschema.testing.contract import assert_pass_contract
from btfschema.views import TypeView
from btfschema_transforms.distill import distill
from btfschema_transforms.relocate import Relocate, relocate
from btfschema_transforms.relocation.memberdiff import Place
from btfschema_transforms.sameness.matching import Policy

POLICIES: tuple[Policy, ...] = ("kernel", "strict")

S4 = views.Struct("s", 4)
INT = views.Int("int", 4)


def pointing(base: Btf) -> list[TypeView]:
    """A split's types that refer to each base type by a pointer."""
    return [views.Ptr(type_id) for type_id in range(1, base.end_id)]


def by_value(kind: str) -> Callable[[Btf], list[TypeView]]:
    """A split that holds base type 1 by value, in the way that ``kind`` says."""
    uses: dict[str, list[TypeView]] = {
        "member": [views.Struct("user", 64, [views.Member("it", 1)])],
        "member of a union": [views.Union("user", 64, [views.Member("it", 1)])],
        "variable": [views.Var("it", 1)],
        "section": [views.Var("it", 1), views.Datasec(".data", 4, [views.VarSecinfo(2, 0, 4)])],
        "array": [views.Array(1, 0, 2)],
        "parameter": [views.FuncProto(0, [views.Param("it", 1)])],
        "result": [views.FuncProto(1)],
    }
    return lambda base: uses[kind]


def through(*layers: TypeView) -> Callable[[Btf], list[TypeView]]:
    """A split with a member that leads to base type 1 through these layers, the last outermost."""
    return lambda base: [*layers, views.Struct("user", 64, [views.Member("it", 1 + len(layers))])]


@frozen
class Case:
    """Distilled types, a split over them, a target; and what each policy makes of type 1, 2, ...

    An outcome is a list with the match's id or the reason why there is none, for each distilled
    type.
    """

    distilled: list[TypeView]
    target: list[TypeView]
    kernel: list[int | str]
    strict: list[int | str]
    split: Callable[[Btf], list[TypeView]] = pointing

    def outcome(self, policy: Policy) -> list[int | str]:
        base = built(*self.distilled)
        split = built(*self.split(base), base=base)
        try:
            _, ids = relocate(split, built(*self.target), policy)
        except MatchError as error:
            reasons = {one.id: one.reason for one in error.mismatches}
            return [reasons.get(type_id, "found") for type_id in range(1, base.end_id)]
        return [ids[type_id] or 0 for type_id in range(1, base.end_id)]


ENUM4 = views.Enum("s", 4, [views.Enumerator("A", 1)])
STRUCT4 = views.Struct("s", 4, [views.Member("a", 0)])
STRUCT8 = views.Struct("s", 8, [views.Member("a", 0)])
BITFIELDS = views.Struct("s", 4, [views.Member("a", 0, 0, 3)])
UNION4 = views.Union("s", 4, [views.Member("a", 0)])
FWD_STRUCT = views.Fwd("s")
FWD_UNION = views.Fwd("s", is_union=True)

# The rows of the table of differences between libbpf and what is right, in its order.
TABLE = {
    "struct, and an enum of its name and size": Case([S4], [ENUM4, STRUCT4], ["ambiguous"], [2]),
    "struct, only an enum of the name": Case([S4], [ENUM4], [1], ["kind"]),
    "struct, only a union of the name": Case([S4], [UNION4], [1], ["kind"]),
    "struct, only a declaration of the name": Case([S4], [FWD_STRUCT], [1], ["kind"]),
    "union, only a struct of the name": Case([views.Union("s", 4)], [STRUCT4], [1], ["kind"]),
    "declared union, the union": Case([FWD_UNION], [UNION4], ["kind"], [1]),
    "declared union, a struct": Case([FWD_UNION], [BITFIELDS], ["kind"], ["kind"]),
    "declared struct, a struct with bit fields": Case([FWD_STRUCT], [BITFIELDS], ["kind"], [1]),
    "declared struct, declaration and struct": Case(
        [FWD_STRUCT], [FWD_STRUCT, STRUCT4], ["ambiguous"], [2]
    ),
    **{
        f"a struct that changed its size as {use}": Case(
            [S4], [STRUCT8], [1], ["size"], by_value(use)
        )
        for use in ("variable", "section", "array", "parameter", "result")
    },
    "two structs of one name and size, the target has one": Case(
        [S4, S4], [STRUCT4], [1, 1], ["shared", "shared"]
    ),
    "two structs of one name, the target has one of them": Case(
        [S4, views.Struct("s", 8)], [STRUCT4], [1, 1], ["found", "size"]
    ),
    "two structs of one name, the target has both": Case(
        [S4, views.Struct("s", 8)], [STRUCT8, STRUCT4], [2, 1], [2, 1]
    ),
}

# What the two agree on.
COMMON = {
    "nothing of the name": Case([S4], [INT], ["missing"], ["missing"]),
    "struct": Case([S4], [STRUCT4], [1], [1]),
    "struct that grew, behind a pointer": Case([S4], [STRUCT8], [1], [1]),
    "struct that grew, as a member": Case([S4], [STRUCT8], ["size"], ["size"], by_value("member")),
    "struct that grew, in a union": Case(
        [S4], [STRUCT8], ["size"], ["size"], by_value("member of a union")
    ),
    "struct that grew, behind layers": Case(
        [S4],
        [STRUCT8],
        ["size"],
        ["size"],
        through(
            views.Array(1, 0, 2),
            views.Const(2),
            views.Volatile(3),
            views.Typedef("t", 4),
            views.TypeTag("tag", 5),
            views.Restrict(6),
        ),
    ),
    "struct that grew, as a member behind a pointer": Case(
        [S4], [STRUCT8], [1], [1], through(views.Const(1), views.Ptr(2))
    ),
    "structs of several sizes": Case([S4], [STRUCT8, STRUCT4], [2], [2]),
    "structs of several other sizes": Case(
        [S4], [STRUCT8, views.Struct("s", 12)], ["size"], ["size"]
    ),
    "structs of one size": Case([S4], [STRUCT4, STRUCT4], ["ambiguous"], ["ambiguous"]),
    "int": Case([INT], [INT], [1], [1]),
    "int of another size": Case([INT], [views.Int("int", 8)], ["size"], ["size"]),
    "int of another sign": Case(
        [INT], [views.Int("int", 4, views.IntEncoding.SIGNED)], ["encoding"], ["encoding"]
    ),
    "float": Case([views.Float("f", 8)], [views.Float("f", 8)], [1], [1]),
    "float of another size": Case([views.Float("f", 8)], [views.Float("f", 4)], ["size"], ["size"]),
    "enum": Case([views.Enum("s", 4)], [ENUM4], [1], [1]),
    "enum of 64 bits": Case([views.Enum("s", 8)], [views.Enum64("s", 8)], [1], [1]),
    "enum of another size": Case([views.Enum("s", 8)], [ENUM4], ["size"], ["size"]),
    "enum, only a struct": Case([views.Enum("s", 4)], [STRUCT4], ["kind"], ["kind"]),
    "declared struct, the struct": Case([FWD_STRUCT], [STRUCT4], [1], [1]),
    "declared struct, declared again": Case([FWD_STRUCT], [INT, FWD_STRUCT], [2], [2]),
    "declared union, declared as a struct": Case([FWD_UNION], [FWD_STRUCT], ["kind"], ["kind"]),
}

# Where strict is right and the table is silent.
FURTHER = {
    # The kernel forgets that a type is embedded as soon as it has found a match for it.
    "struct as a member, the struct and a declaration": Case(
        [S4], [STRUCT4, FWD_STRUCT], ["ambiguous"], [1], by_value("member")
    ),
    "struct as a member, a declaration and the struct": Case(
        [S4], [FWD_STRUCT, STRUCT4], [2], [2], by_value("member")
    ),
    "int of other bits": Case([INT], [views.Int("int", 4, bits=3)], [1], ["encoding"]),
    "equal ints are one": Case([INT], [INT, INT], ["ambiguous"], [1]),
    "enum, declared and defined": Case(
        [views.Enum("s", 4)], [views.Enum("s", 4), ENUM4], ["ambiguous"], [2]
    ),
    "declared struct, structs of two sizes": Case(
        [FWD_STRUCT], [STRUCT4, STRUCT8], ["kind"], ["ambiguous"]
    ),
    "declared struct, structs of two sizes and a declaration": Case(
        [FWD_STRUCT], [STRUCT4, STRUCT8, FWD_STRUCT], [3], [3]
    ),
    "declared and defined, the target has the struct": Case(
        [FWD_STRUCT, S4], [STRUCT4], [1, 1], [1, 1]
    ),
}

CASES = TABLE | COMMON | FURTHER


@pytest.mark.parametrize("name", CASES)
def test_kernel(name: str) -> None:
    assert CASES[name].outcome("kernel") == CASES[name].kernel


@pytest.mark.parametrize("name", CASES)
def test_strict(name: str) -> None:
    assert CASES[name].outcome("strict") == CASES[name].strict


def test_a_declared_union_lands_on_a_struct_under_kernel_only() -> None:
    # The kernel compares a FWD's kind_flag (union) with the STRUCT's (bit fields): any plain
    # struct suits it.
    case = Case([FWD_UNION], [STRUCT4], [1], ["kind"])
    assert (case.outcome("kernel"), case.outcome("strict")) == (case.kernel, case.strict)


class TestResult:
    """The split as it stands over the target."""

    def parts(self, byteorder: Any = "little") -> tuple[Btf, Btf]:
        base = built(S4, INT, byteorder=byteorder)
        split = built(
            views.Struct("user", 8, [views.Member("s", 4), views.Member("own", 3)]),
            views.Ptr(1),
            views.Const(2),
            base=base,
        )
        target = built(views.Float("f", 4), STRUCT8, INT, views.Ptr(2), byteorder=byteorder)
        return split, target

    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize("byteorder", ["little", "big"])
    def test_ids_and_names_are_the_targets(self, policy: Policy, byteorder: str) -> None:
        split, target = self.parts(byteorder)

        moved, ids = relocate(split, target, policy)

        assert moved.base is target
        assert moved.byteorder == byteorder
        assert list(moved) == [
            views.Struct("user", 8, [views.Member("s", 6), views.Member("own", 5)]),
            views.Ptr(2),
            views.Const(3),
        ]
        assert moved.strings.data == split.strings.data
        assert list(ids) == [0, 2, 3, 5, 6, 7]

    def test_inputs_stay_as_they_are(self) -> None:
        split, target = self.parts()
        assert split.base is not None
        before = dumps(split), dumps(split.base), dumps(target)

        relocate(split, target)

        assert (dumps(split), dumps(split.base), dumps(target)) == before

    def test_as_a_pass(self) -> None:
        split, target = self.parts()
        context = Context({"target": target})

        result = Pipeline.parse("relocate{policy=kernel}").run(split, context)

        assert result.btf.base is target
        assert_pass_contract(Relocate(), split, context)

    @pytest.mark.parametrize("policy", POLICIES)
    def test_ext_follows(self, policy: Policy) -> None:
        split, target = self.parts()
        assert split.base is not None
        names = [split.base.strings.index["s"], split.strings.index["own"]]
        split = with_ext(split, types=[3, 1], names=names)

        moved, _ = relocate(split, target, policy)

        assert moved.ext is not None
        assert moved.ext.type_ids.tolist() == [5, 2] * 2
        assert moved.strings.names(moved.ext.string_offsets) == ["s", "own"]


class TestSplitTarget:
    """A target that is itself split."""

    def target(self) -> Btf:
        vmlinux = built(views.Int("long", 8), STRUCT4)
        return built(views.Struct("bus", 4), INT, base=vmlinux)

    def split(self) -> Btf:
        base = built(views.Struct("bus", 4), S4)
        return built(
            views.Struct("user", 8, [views.Member("bus", 1), views.Member("s", 2)]), base=base
        )

    def test_works_through_the_chain_under_strict(self) -> None:
        moved, ids = relocate(self.split(), self.target())

        assert list(moved) == [
            views.Struct("user", 8, [views.Member("bus", 3), views.Member("s", 2)])
        ]
        assert [moved[i].name for i in (2, 3)] == ["s", "bus"]
        assert list(ids) == [0, 3, 2, 5]

    def test_is_refused_under_kernel(self) -> None:
        with pytest.raises(RequirementError, match="the target must be stand-alone BTF"):
            relocate(self.split(), self.target(), "kernel")


class TestRefusals:
    @pytest.mark.parametrize("policy", POLICIES)
    @pytest.mark.parametrize(
        "undistilled",
        [views.Ptr(0), views.Typedef("t", 0), views.Struct("", 4), views.Enum64("e", 8)],
        ids=repr,
    )
    def test_a_base_that_is_not_distilled(self, undistilled: TypeView, policy: Policy) -> None:
        base = built(INT, undistilled)
        split = built(views.Const(1), base=base)

        with pytest.raises(PassError, match="the base is not a distilled one") as caught:
            relocate(split, built(INT), policy)

        assert caught.value.type_id == 2
        assert base.describe(2) in str(caught.value)

    def test_no_base(self) -> None:
        with pytest.raises(RequirementError, match="relocate needs split BTF"):
            relocate(built(INT), built(INT))

    def test_another_byte_order(self) -> None:
        split = built(views.Const(1), base=built(INT))
        with pytest.raises(RequirementError, match="little-endian and its new base big-endian"):
            relocate(split, built(INT, byteorder="big"))

    def test_the_target_is_declared(self) -> None:
        split = built(views.Const(1), base=built(INT))
        with pytest.raises(RequirementError, match="target"):
            Pipeline.parse("relocate").run(split)


def spare_name(policy: Policy, target: Btf) -> Btf:
    """Relocate a split that uses a string of its base which is not a type's name."""
    base = built(S4)
    base = Btf.assemble(base.types, base.strings.data + b"spare\0", like=base, base=None)
    split = built(views.Struct("spare", 8, [views.Member("own", 1)]), base=base)
    return relocate(split, target, policy)[0]


def test_a_string_that_names_no_distilled_type() -> None:
    with pytest.raises(PassError, match=r"string 'spare' .* is not the name of a type there"):
        spare_name("kernel", built(STRUCT4))

    there = spare_name("strict", built(STRUCT4, views.Struct("spare", 4)))
    own = spare_name("strict", built(STRUCT4))

    expected = views.Struct("spare", 8, [views.Member("own", 1)])
    assert there[3] == own[2] == expected
    assert (there.strings.data, own.strings.data) == (b"own\0", b"own\0spare\0")


class TestExplanation:
    """All types without a match, why, and what changed."""

    original = built(
        views.Int("int", 4),
        views.Struct(
            "device",
            16,
            [
                views.Member("id", 1),
                views.Member("gone", 1, 32),
                views.Member("a", 1, 64),
                views.Member("b", 1, 96),
            ],
        ),
        views.Struct("lost", 4),
    )
    target = built(
        views.Int("int", 4),
        views.Ptr(3),
        views.Fwd("pins"),
        views.Struct(
            "device",
            24,
            [
                views.Member("id", 1),
                views.Member("pins", 2, 64),
                views.Member("a", 1, 128),
                views.Member("b", 1, 160),
            ],
        ),
    )

    def failure(self, *, original: bool) -> MatchError:
        module = built(
            views.Struct("card", 32, [views.Member("dev", 2), views.Member("twin", 2, 128)]),
            views.Var("spare", 2),
            views.Ptr(3),
            views.Ptr(1),
            base=self.original,
        )
        with pytest.raises(MatchError) as caught:
            relocate(distill(module)[0], self.target, original=self.original if original else None)
        return caught.value

    def test_in_words(self) -> None:
        assert str(self.failure(original=True)) == (
            "2 of 3 distilled types have no match\n"
            "  struct device [2]: size 16, in the target 24\n"
            "    embedded by struct card (dev, twin), variable spare\n"
            "    target adds pins (struct pins *, 8 bytes at 8), lacks gone (int, 4 bytes at 4); "
            "a and what follows move by 8\n"
            "  struct lost [3]: no type of this name in the target"
        )

    def test_without_the_original_base_all_but_the_members(self) -> None:
        with_it, without = self.failure(original=True), self.failure(original=False)

        lines = [line for line in str(with_it).split("\n") if "target adds" not in line]
        assert str(without).split("\n") == lines

    def test_as_data(self) -> None:
        error = self.failure(original=True)

        device, lost = json.loads(json.dumps([one.as_dict() for one in error.mismatches]))

        assert (device["id"], device["name"], device["reason"]) == (2, "device", "size")
        assert device["size"] == 16
        assert device["candidates"] == [{"id": 4, "kind": "STRUCT", "size": 24}]
        assert device["embedded_by"] == [
            {"id": 4, "kind": "STRUCT", "name": "card", "members": ["dev", "twin"]},
            {"id": 5, "kind": "VAR", "name": "spare", "members": []},
        ]
        assert [(one["change"], one["name"]) for one in device["changes"]] == [
            ("added", "pins"),
            ("moved", "a"),
            ("moved", "b"),
            ("removed", "gone"),
        ]
        assert (lost["reason"], lost["candidates"], lost["changes"]) == ("missing", [], [])
        assert error.type_id == 2

    def test_the_encodings_are_said_and_why_char_has_another(self) -> None:
        signed = views.Int("char", 1, views.IntEncoding.SIGNED)
        base = built(signed, views.Int("flag", 1, views.IntEncoding.BOOL))
        members = [views.Member("a", 1), views.Member("b", 2, 8)]
        split = built(views.Struct("mine", 2, members), base=base)
        with pytest.raises(MatchError) as caught:
            relocate(split, built(views.Int("char", 1), views.Int("flag", 1)))
        char, flag = map(str, caught.value.mismatches)
        assert char.startswith(
            "int char [1]: encoding signed, in the target unsigned: "
            "kernels from 6.2 on are compiled with -funsigned-char"
        )
        assert flag.startswith("int flag [2]: encoding bool, in the target unsigned\n")
        row = caught.value.mismatches[0].as_dict()
        assert (row["encoding"], row["encodings"]) == ("signed", ["unsigned"])
        assert because(row) == "encoding signed, in the target unsigned"

    def test_each_reason_has_words(self) -> None:
        said: dict[str, str] = {}
        for case in CASES.values():
            base = built(*case.distilled)
            split = built(*case.split(base), base=base)
            try:
                relocate(split, built(*case.target))
            except MatchError as error:
                said |= {one.reason: str(one).split(": ", 1)[1] for one in error.mismatches}
        assert said.keys() == {"missing", "kind", "size", "encoding", "ambiguous", "shared"}
        assert said["shared"] == "the target has one, [1], for several distilled types"
        assert said["encoding"] == "encoding unsigned, in the target unsigned, 3 bits at bit 0"
        assert said["kind"] == "the target has only forward declaration [1]"


def test_an_integer_that_the_target_has_twice_alike() -> None:
    """The kernel refuses several candidates; to ``strict`` it does not matter which it is."""
    b = Builder()
    b.add(views.Int("int", 4))
    module = Builder(b.build())
    module.add(views.Struct("s", 4, [views.Member("a", 1)]))
    split, _ = distill(module.build())
    twice = Builder()
    for view in (views.Int("int", 4), views.Int("int", 4), views.Int("long", 8)):
        twice.add(view)
    target = twice.build()
    moved, _ = relocate(split, target, policy="strict")
    (struct,) = moved
    assert isinstance(struct, views.Struct)
    assert struct.members[0].type_id in (1, 2)
    with pytest.raises(MatchError, match="ambiguous among int \\[1\\] of 4 bytes, int \\[2\\]"):
        relocate(split, target, policy="kernel")


def test_numbers_in_explanations_have_plurals_and_separators() -> None:
    assert str(Place("bool", 1, 5984, bitfield=True)) == "bool, 1 bit at bit 5,984"
    assert str(Place("char", 1, 0)) == "char, 1 byte at 0"
    assert str(Place("struct big", 1920, 4760)) == "struct big, 1,920 bytes at 4,760"
    old, new = ({"reason": "size", "size": size} for size in (7040, 7088))
    words = because({**old, "candidates": [new]})
    assert words == "size 7,040, in the target 7,088"
