"""Many at once: for each what it gives alone, with errors in their places."""

from __future__ import annotations

import lzma
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import frozen
from building import built
from example_passes import DropUnused, InDegree, Move, Shrink, small_base, small_split
from ext_sections import with_ext
from file_makers import make_elf
from samples import every_kind, patched, tiny
from shell import btfschema
from telling import outcome, said_by
from test_distill import NICKNAMES, Nickname, nicknamed
from test_relocate import COMMON, TABLE, Case

from btfschema import (
    Btf,
    Builder,
    Context,
    Pipeline,
    dumps,
    load,
    load_many,
    loads,
    loads_many,
    views,
)
from btfschema.errors import (
    BrokenPassError,
    BtfError,
    DecodeError,
    MatchError,
    MissingBaseError,
    NoBtfError,
    PassError,
    RequirementError,
    SourceError,
    VerifyError,
)
from btfschema.framework import Diagnostic, Pass, PassResult
from btfschema.framework.observers import Stage, Timing
from btfschema.model.ext import dumps_ext
from btfschema.tables.ids import IdMap
from btfschema.tables.joined import TOGETHER
from btfschema_transforms.distill import distill, distill_many
from btfschema_transforms.relocate import relocate, relocate_many
from btfschema_transforms.sameness.matching import Policy


class TestReading:
    def test_one_base_for_all_or_one_for_each(self) -> None:
        base = tiny()
        split = dumps(tiny(base))
        one, other = loads_many([split, split], base)
        assert one.base is other.base is base
        alone, over = loads_many([dumps(base), split], [None, base])
        assert (alone.base, over.base) == (None, base)
        assert loads_many([]) == []

    def test_each_needs_a_base_or_none(self) -> None:
        with pytest.raises(ValueError, match="1 bases were given for 2 blobs"):
            loads_many([dumps(tiny())] * 2, [None])

    def test_buffers_of_any_sort_are_taken(self) -> None:
        data = dumps(tiny())
        buffers: list[Any] = [bytearray(data), memoryview(data)]
        for btf in loads_many(buffers):
            assert dumps(btf) == data

    @pytest.mark.parametrize("backwards", [False, True])
    def test_each_is_read_with_the_schema_of_its_own_base(self, backwards: bool) -> None:
        """A base with kinds from outside is no reason to read its neighbours with them."""
        outside, split = nicknamed()
        inside = loads(dumps(outside))
        pairs = [(dumps(split), outside), (dumps(split), inside), (dumps(outside), None)]
        pairs = pairs[::-1] if backwards else pairs
        together = loads_many([blob for blob, _ in pairs], [base for _, base in pairs])
        assert said_by(together) == said_by([loads(*pair) for pair in pairs])
        names = {btf.types.plan.kinds[40].name for btf in together}
        assert names == {"NICKNAME", "KIND_40"}

    @pytest.mark.parametrize("count", [1, TOGETHER - 1, TOGETHER + 1])
    def test_a_portion_has_no_say(self, count: int) -> None:
        found = [every_kind(), tiny(), every_kind(byteorder="big", layout=True)]
        blobs = [dumps(found[number % 3]) for number in range(count)]
        assert [dumps(btf) for btf in loads_many(blobs)] == blobs
        # The type of the last struct's first member, one past the last id.
        damaged = patched(blobs[1 % count], {24 + 4 * 11: 99}) if count > 1 else b""
        for at in {0, count // 2, count - 1}:
            wrong = [*blobs[:at], damaged, *blobs[at + 1 :]]
            alone = outcome(loads, damaged)
            assert isinstance(alone, DecodeError)
            assert said_by(outcome(loads_many, wrong)) == said_by(alone)

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_the_ids_and_strings_of_a_neighbour_do_not_count(self, number: int) -> None:
        """One past the last id, or behind the strings: a larger one has both."""
        sizes = 3, 40, 5
        found = [dumps(of_size(count)) for count in sizes]
        last_pointer = 24 + 4 * (4 + 3 * (sizes[number] - 2))
        for words in ({last_pointer + 8: sizes[number] + 1}, {24: len(f"int{sizes[number]}") + 2}):
            wrong = [*found]
            wrong[number] = patched(found[number], words)
            alone = outcome(loads, wrong[number])
            assert isinstance(alone, MissingBaseError)
            assert said_by(outcome(loads_many, wrong)) == said_by(alone)


class TestDistilling:
    def test_the_refusal_names_who_refers_to_what(self) -> None:
        base = built(views.Int("int", 4), views.FuncProto(0), views.Func("f", 2))
        good = built(views.Const(1), base=base)
        bad = built(views.Typedef("t", 0), views.Const(3), base=base)
        other = built(views.Typedef("t", 3), base=base)
        for found, who in (([good, bad, other], "CONST [5]"), ([good, other, bad], 'TYPEDEF "t"')):
            with pytest.raises(PassError, match=re.escape(f"type {who}")) as caught:
                distill_many(found)
            assert said_by(caught.value) == said_by(outcome(distill, found[1]))

    def test_ext_follows_each_of_many(self) -> None:
        """Types that only the ``.BTF.ext`` of one refers to, and names that only it uses."""
        base = built(*(views.Int(name, 4) for name in ("one", "two", "three", "four")))
        found = []
        for number in (1, 2, 3, 4):
            split = built(views.Ptr(1), base=base)
            names = [base.strings.index["four"] + number - 1, 0]
            found.append(with_ext(split, types=[number, 5], names=names) if number > 1 else split)
        together = distill_many([*found, *found[::-1]])
        alone = [distill(split) for split in [*found, *found[::-1]]]
        assert said_by(together) == said_by(alone)
        for (split, _), end in zip(together, [None, "our", "ur", "r"], strict=False):
            if split.ext is not None:
                assert split.strings.names(split.ext.string_offsets) == [end, ""]

    def test_neighbours_over_several_bases(self) -> None:
        bases = [built(*(views.Int(f"int{n}{m}", 4) for m in range(9))) for n in range(3)]
        found = [built(views.Ptr(n % 9 + 1), base=bases[n % 3]) for n in range(20)]
        together = distill_many([*found, found[0]])
        assert said_by(together) == said_by([distill(split) for split in [*found, found[0]]])


def with_layout(*types: views.TypeView, base: Btf) -> Btf:
    """A split whose layout section describes a kind that the schema does not know, without one."""
    builder = Builder(base, kinds=NICKNAMES, profile="wide", layout=True)
    for view in types:
        builder.add(view)
    return loads(dumps(builder.build()), base)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_kind_from_outside_stays_one_beside_others_that_only_describe_it(backwards: bool) -> None:
    """All over one base, whose schema is not theirs, and relocated together."""
    base = built(views.Int("int", 4))
    outside = Builder(base, kinds=NICKNAMES, profile="wide", layout=True)
    outside.add(Nickname("number", "no", 1))
    found = [built(views.Ptr(1), base=base), with_layout(views.Ptr(1), base=base), outside.build()]
    found = found[::-1] if backwards else found
    alone = [distill(split) for split in found]
    assert said_by(distill_many(found)) == said_by(alone)
    target = built(views.Float("float", 4), views.Int("int", 4))
    splits = [split for split, _ in alone]
    moved = relocate_many(splits, target)
    assert said_by(moved) == said_by([relocate(split, target) for split in splits])
    (kind,) = {type(view) for btf, _ in moved for view in btf if view.kind == 40}  # type: ignore[misc]
    assert kind is Nickname


def split_of(case: Case, byteorder: Any = "little") -> Btf:
    base = built(*case.distilled, byteorder=byteorder)
    return built(*case.split(base), base=base)


CASES = [*TABLE.values(), *COMMON.values()]


class TestRelocating:
    @pytest.mark.parametrize("policy", ["strict", "kernel"])
    @pytest.mark.parametrize("explained", [False, True])
    def test_every_case_among_all_the_others(self, policy: Policy, explained: bool) -> None:
        """Onto several targets; those that can't be relocated at all are among them."""
        splits = [split_of(case) for case in CASES]
        splits[10:10] = [small_split(), split_of(CASES[0], "big"), tiny()]
        original = built(views.Int("int", 4), *CASES[0].target) if explained else None
        seen = set()
        for case in CASES[::7]:
            target = built(*case.target)
            together = relocate_many(splits, target, policy, original=original)
            alone = [outcome(relocate, one, target, policy, original=original) for one in splits]
            assert list(map(said_by, together)) == list(map(said_by, alone))
            seen |= {type(one) for one in alone}
        assert seen == {tuple, MatchError, PassError, RequirementError}

    def test_texts_that_are_no_names_are_added_or_refused_one_by_one(self) -> None:
        """A member of one split has the name of a distilled type of its base, or of no type."""
        base = built(views.Struct("device", 4), views.Int("id", 4))
        named = built(views.Struct("a", 4, [views.Member("id", 2)]), base=base)
        at = base.strings.index["device"] + 3
        words = [(named.types.string_positions[1:2], [at])]
        inside = Btf.assemble(
            named.types.rewritten(words), named.strings.data, like=named, base=base
        )
        assert [member.name for member in inside.find("a", views.Struct).members] == ["ice"]
        target = built(views.Int("id", 4), views.Struct("device", 4))
        # The same text, used by the ``.BTF.ext`` alone.
        through_ext = with_ext(named, types=[3], names=[at])
        mixed = [named, inside, through_ext, named]
        for policy, failed in (("strict", []), ("kernel", [1, 2])):
            together = relocate_many(mixed, target, policy)  # type: ignore[arg-type]
            alone = [outcome(relocate, one, target, policy) for one in mixed]
            assert list(map(said_by, together)) == list(map(said_by, alone))
            assert [n for n, one in enumerate(together) if isinstance(one, BtfError)] == failed
            # What has no match either is told of that.
            nowhere = relocate_many(mixed, tiny(), policy)  # type: ignore[arg-type]
            assert {type(one) for one in nowhere} == {MatchError}

    def test_bases_that_are_not_distilled_beside_one_that_is(self) -> None:
        """Several splits share one, and one has no strings where its neighbour's are named."""
        target = built(views.Int("int", 4))
        nameless = built(views.Struct("", 4))
        nameless = Btf.assemble(nameless.types, b"", like=nameless, base=None)
        good, bad = built(views.Int("int", 4)), small_base()
        over = [bad, nameless, good, bad, good, built(views.Int("int", 4)), nameless]
        splits = [built(views.Const(1), base=base) for base in over]
        for some in (splits, splits[:2], splits[1:2]):
            together = relocate_many(some, target)
            alone = [outcome(relocate, one, target) for one in some]
            assert list(map(said_by, together)) == list(map(said_by, alone))
            found = [one.type_id if isinstance(one, PassError) else 0 for one in together]
            expected = {id(bad): 3, id(nameless): 1}
            assert found == [expected.get(id(one.base), 0) for one in some]

    @pytest.mark.parametrize("policy", ["strict", "kernel"])
    def test_real_modules(
        self, cloud: Btf, generic: Btf, modules: dict[str, bytes], policy: Policy
    ) -> None:
        """More of them than are done at once, with and without a match for each type."""
        names = sorted(modules)[:: len(modules) // (TOGETHER + 20)]
        read = loads_many([modules[name] for name in names], cloud)
        distilled = distill_many(read)
        assert [dumps(btf) for btf in read] == [modules[name] for name in names]
        splits = [split for split, _ in distilled]
        together = relocate_many(splits, generic, policy, original=cloud)
        failed = 0
        for btf, (split, ids), found in zip(read, distilled, together, strict=True):
            again, same = distill(btf)
            assert (dumps(split), dumps_base(split), ids) == (dumps(again), dumps_base(again), same)
            alone = outcome(relocate, split, generic, policy, original=cloud)
            if isinstance(found, BtfError):
                failed += 1
                assert said_by(found) == said_by(alone)
            else:
                assert (dumps(found[0]), found[1]) == (dumps(alone[0]), alone[1])
                assert found[0].base is generic
        assert 0 < failed < len(splits)


def dumps_base(btf: Btf) -> bytes:
    assert btf.base is not None
    return dumps(btf.base)


@frozen
class Fails(Pass):
    """Refuses what has fewer types than ``least``, and says how many that is."""

    name: ClassVar[str] = "fails"
    least: int = 4

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        if len(btf) < self.least:
            raise PassError(f"{len(btf)} types", got=len(btf))
        note = Diagnostic(f"{len(btf)} types", "note")
        return PassResult.unchanged(btf, facts={"types": len(btf)}, diagnostics=(note,))


@frozen
class Vandal(Pass):
    """Overwrites records of the smaller inputs, by force, and refuses one of them afterwards."""

    name: ClassVar[str] = "vandal"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        if len(btf) < 4:
            btf.types.words.flags.writeable = True
            btf.types.words[-1] ^= 1
        if len(btf) == 1:
            raise PassError("sorry")
        return PassResult.unchanged(btf)


@frozen
class Tears(Pass):
    """Returns for the smaller inputs what is not a result, a wrong id map, or damage."""

    name: ClassVar[str] = "tears"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        types = btf.types.rewritten([(btf.types.type_id_positions, 999)])
        torn = Btf.assemble(types, btf.strings.data, like=btf, base=btf.base)
        by_size: dict[int, Any] = {
            1: None,
            2: PassResult(btf, IdMap.identity(2)),
            3: PassResult.unchanged(torn),
        }
        return by_size.get(len(btf), PassResult.unchanged(btf))  # type: ignore[no-any-return]


def damaged(btf: Btf) -> Btf:
    """Read without a check, with a reference that leads nowhere."""
    data = bytearray(dumps(btf))
    at = 24 + 4 * int(btf.types.type_id_positions[-1])
    data[at : at + 4] = (99).to_bytes(4, "little")
    return loads(bytes(data), btf.base, check=False)


def of_size(count: int, base: Btf | None = None) -> Btf:
    """As many types: an int, then pointers."""
    first = base.end_id if base is not None else 1
    ints: list[views.TypeView] = [views.Int(f"int{count}", 4)]
    return built(*ints, *(views.Ptr(first) for _ in range(count - 1)), base=base)


def mixture() -> list[Btf]:
    """Fresh each time, since passes may change them."""
    base = small_base()
    sizes = [of_size(count, base if count % 2 else None) for count in (1, 5, 2, 3, 4)]
    return [*sizes, small_split(base), damaged(small_split(base)), small_base(), damaged(tiny())]


def no_const(btf: Btf) -> list[str]:
    return [f"type {view.id} is a const" for view in btf if isinstance(view, views.Const)]


TARGET = Context({"target": built(views.Int("int", 4))})
PIPELINES: dict[str, Callable[[], tuple[Pipeline, Context]]] = {
    "nothing": lambda: (Pipeline(), Context()),
    "the same twice": lambda: (Pipeline(Fails(2), InDegree(), Fails(3)), Context()),
    "errors of several stages": lambda: (Pipeline(Fails(2), Fails(3), Fails(4)), Context()),
    "some have no base": lambda: (Pipeline(InDegree(), Shrink(), Move()), TARGET),
    "all lack an input": lambda: (Pipeline(Shrink(), Move()), Context()),
    "changed inputs": lambda: (Pipeline(InDegree(), Vandal()), Context()),
    "wrong results": lambda: (Pipeline(InDegree(), Tears(), Fails(2)), Context()),
    "inputs that are not sound": lambda: (Pipeline(Fails(2), verify=no_const), Context()),
    "outputs that are not sound": lambda: (
        Pipeline(DropUnused(keep=("driver_t",)), Fails(2), verify=no_base_types),
        Context(),
    ),
    "passes that do many": lambda: (Pipeline.parse("distill,relocate{policy=kernel}"), TARGET),
}


def no_base_types(btf: Btf) -> list[str]:
    return ["too few types"] if len(btf) == 2 else []


class TestPipelines:
    @pytest.mark.parametrize("name", PIPELINES)
    def test_each_result_is_that_of_a_run_for_itself(self, name: str) -> None:
        pipeline, ctx = PIPELINES[name]()
        together = pipeline.run_many(mixture(), ctx)
        alone = [outcome(pipeline.run, btf, ctx) for btf in mixture()]
        assert [said_by(one) for one in together] == [said_by(one) for one in alone]

    def test_the_examples_fail_in_all_the_ways_that_they_are_there_for(self) -> None:
        found: dict[str, set[type]] = {}
        for name, make in PIPELINES.items():
            pipeline, ctx = make()
            found[name] = {type(one) for one in pipeline.run_many(mixture(), ctx)}
        # What is damaged is refused by all of them.
        assert {name: kinds - {DecodeError, MissingBaseError} for name, kinds in found.items()} == {
            "nothing": {PassResult},
            "the same twice": {PassResult, PassError},
            "errors of several stages": {PassResult, PassError},
            "some have no base": {PassResult, RequirementError},
            "all lack an input": {RequirementError},
            "changed inputs": {PassResult, BrokenPassError},
            "wrong results": {PassResult, BrokenPassError},
            "inputs that are not sound": {PassResult, PassError, VerifyError},
            "outputs that are not sound": {PassResult, PassError, VerifyError},
            "passes that do many": {PassResult, RequirementError, MatchError},
        }

    def test_nothing_to_do(self) -> None:
        assert Pipeline(Fails()).run_many([]) == []
        assert Pipeline.parse("distill,relocate").run_many([], TARGET) == []

    def test_the_same_container_twice(self) -> None:
        split = small_split()
        one, other = Pipeline.parse("distill").run_many([split, split])
        assert said_by(one) == said_by(other)

    def test_observers_see_one_container_after_the_other(self) -> None:
        seen: list[Any] = []

        class Observer:
            def before(self, stage: Stage, btf: Btf) -> None:
                seen.append(("before", stage.name, len(btf)))

            def after(self, stage: Stage, btf: Btf, result: PassResult) -> None:
                seen.append(("after", stage.name, len(btf)))

        pipeline = Pipeline(InDegree(), Fails(3), observers=[Observer()])
        first, second = pipeline.run_many([of_size(2), of_size(3)])
        assert (type(first), type(second)) == (PassError, PassResult)
        assert seen == [
            ("before", "in-degree", 2),
            ("after", "in-degree", 2),
            ("before", "fails", 2),
            *((when, name, 3) for name in ("in-degree", "fails") for when in ("before", "after")),
        ]

    @pytest.mark.parametrize("where", ["pass", "pipeline", "observed", "verifier", "input"])
    def test_a_fault_of_a_pass_names_the_container(self, where: str) -> None:
        """It is no failure of a container, and is raised."""

        def faulty(btf: Btf) -> list[str]:
            if len(btf) == 2:
                raise KeyError("two")
            return []

        @frozen
        class Faulty(Pass):
            name: ClassVar[str] = "faulty"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                return PassResult.unchanged(btf, facts={"faulty": faulty(btf)})

        @frozen
        class Grown(Pass):
            name: ClassVar[str] = "grown"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                return PassResult(built(*btf, views.Ptr(0)), IdMap.identity(btf.end_id))

        passes: dict[str, Pass] = {
            "pass": Faulty(),
            "pipeline": Pipeline(Faulty()),
            "observed": Pipeline(Faulty(), observers=[Timing()]),
            "verifier": Pipeline(Grown(), verify=faulty),
            "input": Pipeline(verify=faulty),
        }
        sizes = (4, 1, 3) if where == "verifier" else (4, 2, 3)
        btfs = [of_size(count) for count in sizes]
        with pytest.raises(KeyError) as caught:
            passes[where].run_many(btfs, Context())
        note, *more = caught.value.__notes__
        if where == "observed":
            note, more = more[0], [note]
        assert note == f"(while working on container 2 of 3, {btfs[1]!r})"
        stages = {"pipeline": "faulty", "observed": "faulty", "verifier": "grown"}
        assert more == [f'in stage 1 ({name}) of "{name}"' for name in [stages.get(where)] if name]
        with pytest.raises(KeyError) as caught:
            passes[where].run(btfs[1], Context())
        assert not any("container" in note for note in getattr(caught.value, "__notes__", ()))

    def test_only_what_is_still_sound_goes_to_the_next_pass(self) -> None:
        asked: list[int] = []

        @frozen
        class Asked(Pass):
            name: ClassVar[str] = "asked"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                raise AssertionError("run_many is asked")

            def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
                asked.extend(map(len, btfs))
                return list(map(PassResult.unchanged, btfs))

        Pipeline(Fails(3), Asked(), Asked()).run_many([of_size(n) for n in (4, 1, 3, 2, 5)])
        assert asked == [4, 3, 5, 4, 3, 5]

    @pytest.mark.parametrize("given", [[], [None], None, 7])
    def test_a_pass_that_forgets_some_is_to_blame(self, given: Any) -> None:
        @frozen
        class Forgets(Pass):
            name: ClassVar[str] = "forgets"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                return PassResult.unchanged(btf)

            def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
                return given  # type: ignore[no-any-return]

        with pytest.raises(BrokenPassError, match=r"returned .* for 2 containers") as caught:
            Pipeline(InDegree(), Forgets()).run_many([tiny(), tiny()])
        assert (caught.value.pass_name, caught.value.stage) == ("forgets", 2)
        assert caught.value.__notes__ == ['in stage 2 (forgets) of "in-degree,forgets"']


@frozen
class Hasty(Pass):
    """Raises where it should return, for all that it is given together."""

    name: ClassVar[str] = "hasty"
    error: Any = None

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        if len(btf) == 2:
            raise self.error(f"{len(btf)} types")
        return PassResult.unchanged(btf)

    def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
        return [self.run(btf, ctx) for btf in btfs]


@pytest.mark.parametrize("error", [PassError, OSError])
def test_one_file_that_a_pass_raises_for_does_not_end_the_others(
    tmp_path: Path, error: type[BtfError | OSError]
) -> None:
    paths: list[Path] = []
    for count in (1, 2, 3, 2, 4):
        paths.append(tmp_path / f"{len(paths)}.btf")
        paths[-1].write_bytes(dumps(of_size(count)))
    paths.insert(2, tmp_path / "missing.btf")
    pipeline = Pipeline(InDegree(), Hasty(error))
    outcomes = list(pipeline.map(paths))
    assert [one.source for one in outcomes] == paths
    for one in outcomes:
        alone = outcome(lambda path: pipeline.run(load(path)), one.source)
        assert said_by(one.result or one.error) == said_by(alone)
    failed = [type(one.error) for one in outcomes if one.error is not None]
    assert failed == [error, FileNotFoundError, error]


def written(folder: Path) -> dict[str, Path]:
    """A file of every sort that BTF comes in, sound and not."""
    base = small_base()
    split, (small, _) = dumps(small_split(base)), distill(small_split(base))
    program = with_ext(tiny(), types=[1], names=[1])
    assert program.ext is not None
    ext = dumps_ext(program.ext)
    distilled = {".BTF": dumps(small), ".BTF.base": dumps_base(small)}
    files = {
        "alone.btf": dumps(every_kind(byteorder="big")),
        "split.btf": split,
        "module.ko": make_elf({".text": b"code", ".BTF": split}),
        "module.ko.xz": lzma.compress(make_elf({".BTF": split}, bits=32)),
        "distilled.ko": make_elf(distilled),
        "distilled.ko.xz": lzma.compress(make_elf(distilled)),
        "detached.btf": dumps(small),
        "detached.btf.base": dumps_base(small),
        "far.btf": dumps(tiny(small)),
        "far.btf.base": dumps(small),
        "far.btf.base.base": dumps_base(small),
        "program.o": make_elf({".BTF": dumps(program), ".BTF.ext": ext}, byteorder="big"),
        "empty.btf": b"",
        "text.btf": b"int main() { }",
        "cut.btf": split[:-9],
        "cut.ko": make_elf({".BTF": split[:30]}),
        "dangling.btf": dumps(damaged(small_split(base))),
        "no-btf.ko": make_elf({".text": b"code"}),
        "bad-ext.o": make_elf({".BTF": dumps(program), ".BTF.ext": ext[:-1]}),
        "bad-base.ko": make_elf({**distilled, ".BTF.base": b"\x9f\xeb\x01"}),
        "bad-beside.btf": dumps(small),
        "bad-beside.btf.base": b"\x9f\xeb\x01",
        "cut.xz": lzma.compress(split)[:-9],
        "empty.ko": make_elf({".BTF": b""}),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "folder").mkdir()
    return {name: folder / name for name in (*files, "folder", "missing.btf")}


class TestFiles:
    @pytest.mark.parametrize("with_base", [False, True])
    def test_each_is_loaded_as_it_is_alone(self, tmp_path: Path, with_base: bool) -> None:
        paths = list(written(tmp_path).values())
        base = small_base() if with_base else None
        alone = [said_by(outcome(load, path, base)) for path in paths]
        assert [said_by(one) for one in load_many(paths, base)] == alone
        assert [said_by(one) for one in load_many(paths[::-1], base)] == alone[::-1]
        # No other file's damage makes that each is looked at for itself.
        assert [said_by(one) for path in paths for one in load_many([path], base)] == alone
        kinds = {type(one) for one in load_many(paths, base)}
        common = {Btf, SourceError, NoBtfError, DecodeError, FileNotFoundError, IsADirectoryError}
        assert kinds == (common if with_base else common | {MissingBaseError})

    def test_the_base_may_be_a_file(self, tmp_path: Path) -> None:
        paths = written(tmp_path)
        (tmp_path / "vmlinux").write_bytes(dumps(small_base()))
        names = ["module.ko", "distilled.ko", "split.btf", "missing.btf", "cut.ko"]
        chosen = [paths[name] for name in names]
        found = load_many(chosen, tmp_path / "vmlinux")
        alone = [outcome(load, path, tmp_path / "vmlinux") for path in chosen]
        assert [(type(one), str(one)) for one in found] == [(type(one), str(one)) for one in alone]
        over = [one.base for one in found if isinstance(one, Btf)]
        assert len(over) == 2
        assert over[0] is over[1] is not None

    def test_sound_files_are_not_loaded_one_by_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever brings a base and whatever does not."""
        paths = written(tmp_path)
        names = ["alone.btf", "distilled.ko", "detached.btf", "distilled.ko.xz", "program.o"]
        chosen = [paths[name] for name in names]
        alone = [said_by(load(path)) for path in chosen]

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("one by one")

        monkeypatch.setattr("btfschema.sources.load_source", refuse)
        assert [said_by(one) for one in load_many(chosen)] == alone
        assert load_many([]) == []

    def test_no_file_after_one_that_fails_is_written(self, tmp_path: Path) -> None:
        """Without --keep-going; several files at once must not change that."""
        base, split = tmp_path / "vmlinux", dumps(small_split())
        base.write_bytes(dumps(small_base()))
        files = [tmp_path / f"{name}.btf" for name in ("first", "second", "third")]
        for file in files:
            file.write_bytes(split if file.stem != "second" else split[:-1])
        expected = {(): ["first.btf"], ("--keep-going",): ["first.btf", "third.btf"]}
        for options, names in expected.items():
            out = tmp_path / f"out{len(options)}"
            done = btfschema("distill", *files, "-B", base, "--out-dir", out, *options)
            assert done.returncode == 1
            assert str(files[1]) in done.stderr.decode()
            assert [path.name for path in sorted(out.glob("*.btf"))] == names
