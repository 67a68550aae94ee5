"""Pipelines: what they run, what they check, what they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve, frozen
from example_passes import DropUnused, InDegree, Move, Shrink, small_base, small_split
from samples import tiny

from btfschema import Btf, Builder, dumps, load, loads, views
from btfschema.errors import (
    BrokenPassError,
    BtfError,
    DecodeError,
    EncodeError,
    PassError,
    RequirementError,
    VerifyError,
)
from btfschema.framework import Context, Diagnostic, Pass, PassResult
from btfschema.framework.observers import DumpAfter, Stage, Timing
from btfschema.framework.pipeline import Pipeline
from btfschema.tables.ids import IdMap
from btfschema.testing.contract import assert_pass_contract

DROP = DropUnused(keep=("driver_t",))


@frozen
class Failing(Pass):
    """Raises what it is told to."""

    name: ClassVar[str] = "failing"
    error: Any = None

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        raise self.error


@frozen
class Wrong(Pass):
    """Returns what it is told to, whatever the input."""

    name: ClassVar[str] = "wrong"
    result: Any = None

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return self.result  # type: ignore[no-any-return]


@frozen
class Vandal(Pass):
    """Overwrites its input's records, by force, and may fail afterwards."""

    name: ClassVar[str] = "vandal"
    fails: bool = False

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        btf.types.words.flags.writeable = True
        btf.types.words[-1] ^= 1
        if self.fails:
            raise PassError("sorry")
        return PassResult.unchanged(btf)


class TestRunning:
    def test_composes_the_id_maps(self) -> None:
        split = small_split()
        # First the unused const goes (7), then, with nothing kept, the typedef (6).
        result = Pipeline(DROP, DropUnused()).run(split)
        assert list(result.ids) == [0, 1, 2, 3, 4, 5, None, None]
        assert [view.id for view in result.btf] == [4, 5]
        assert result.btf.base is split.base

    def test_without_passes_gives_the_input(self) -> None:
        split = small_split()
        result = Pipeline().run(split)
        assert result.btf is split
        assert result.ids == IdMap.identity(8)

    def test_is_a_pass_and_keeps_the_contract(self) -> None:
        assert_pass_contract(Pipeline(DROP, InDegree()), small_split())

    def test_takes_inner_pipelines_apart(self) -> None:
        inner = Pipeline(DROP, InDegree())
        assert Pipeline(inner, DropUnused()) == Pipeline(DROP, InDegree(), DropUnused())

    def test_collects_facts_by_pass_and_by_number_when_a_pass_runs_twice(self) -> None:
        facts = Pipeline(InDegree(), DROP, InDegree()).run(small_split()).facts
        assert list(facts) == ["in-degree#1", "drop-unused", "in-degree#3"]
        assert facts["in-degree#1"]["in_degree"] == [2, 1, 0, 0]
        assert facts["in-degree#3"]["in_degree"] == [1, 1, 0]

    def test_signs_the_diagnostics(self) -> None:
        split = small_split()
        said = evolve(PassResult.unchanged(split), diagnostics=(Diagnostic("hm"),))
        result = Pipeline(Wrong(said), Wrong(said)).run(split)
        assert [str(d) for d in result.diagnostics] == ["wrong: warning: hm"] * 2


class TestRequirements:
    def test_a_base_is_missing(self) -> None:
        with pytest.raises(RequirementError) as caught:
            Pipeline(InDegree(), Shrink()).run(small_base())
        assert str(caught.value) == (
            'stage 2 (shrink) of "in-degree,shrink" needs a base, and the input stands alone: '
            "in Python, pass base to load or loads; on the command line, give -B FILE"
        )
        assert (caught.value.pass_name, caught.value.stage) == ("shrink", 2)
        assert caught.value.pipeline == "in-degree,shrink"

    def test_a_distilled_base_is_missing(self) -> None:
        with pytest.raises(RequirementError, match='over a full base: put "distill" before it'):
            Pipeline(Move()).run(small_split(), Context(inputs={"target": small_base()}))

    def test_an_earlier_pass_may_provide_it(self) -> None:
        target = small_base()
        result = Pipeline(Shrink(), Move()).run(small_split(), Context(inputs={"target": target}))
        assert result.facts["move"]["target"] == len(target)

    def test_an_earlier_pass_may_take_it_away(self) -> None:
        ctx = Context(inputs={"target": small_base()})
        with pytest.raises(RequirementError, match=r"stage 3 \(move\)"):
            Pipeline(Shrink(), Move(), Move()).run(small_split(), ctx)

    def test_a_named_input_is_missing(self) -> None:
        with pytest.raises(RequirementError) as caught:
            Pipeline(Shrink(), Move()).run(small_split())
        assert str(caught.value) == (
            'stage 2 (move) of "shrink,move" needs the input "target", which was not given: in '
            'Python, pass Context(inputs={"target": btf}); on the command line, give --input '
            "target=FILE"
        )
        assert caught.value.expected == 'the input "target"'

    def test_nothing_runs_before_all_is_there(self) -> None:
        never = Failing(AssertionError("ran"))
        with pytest.raises(RequirementError):
            Pipeline(never, Move()).run(small_split())


class TestErrors:
    @pytest.mark.parametrize("error", [PassError("no"), EncodeError("too big", type_id=4)])
    def test_carry_the_pass_and_its_place(self, error: Any) -> None:
        with pytest.raises(type(error)) as caught:
            Pipeline(InDegree(), Failing(error)).run(small_split())
        assert caught.value is error
        assert (error.pass_name, error.stage) == ("failing", 2)
        assert error.pipeline.startswith("in-degree,failing")
        assert error.__notes__[0].startswith('in stage 2 (failing) of "in-degree,failing')

    def test_of_another_sort_pass_through_with_a_note(self) -> None:
        with pytest.raises(ZeroDivisionError) as caught:
            Pipeline(Failing(ZeroDivisionError())).run(small_split())
        assert caught.value.__notes__[0].startswith("in stage 1 (failing)")

    def test_outside_a_pipeline_have_no_place(self) -> None:
        assert PassError("no").pass_name is None


class TestBrokenPasses:
    def test_one_that_writes_to_a_column_is_stopped_where_it_does(self) -> None:
        @frozen
        class Careless(Pass):
            name: ClassVar[str] = "careless"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                btf.types.kinds[0] = 1
                return PassResult.unchanged(btf)

        with pytest.raises(ValueError, match="read-only"):
            Pipeline(Careless()).run(small_split())

    @pytest.mark.parametrize("fails", [False, True])
    def test_one_that_changes_its_input_by_force_is_blamed(self, fails: bool) -> None:
        with pytest.raises(BrokenPassError, match='"vandal" changed its input') as caught:
            Pipeline(InDegree(), Vandal(fails)).run(small_split())
        assert (caught.value.pass_name, caught.value.stage) == ("vandal", 2)

    def test_one_with_a_wrong_id_map_is_blamed(self) -> None:
        split = small_split()
        short = PassResult(split, IdMap.identity(3))
        with pytest.raises(BrokenPassError, match="has 3 entries") as caught:
            Pipeline(InDegree(), Wrong(short), DROP).run(split)
        assert (caught.value.pass_name, caught.value.stage) == ("wrong", 2)

    def test_one_that_returns_something_else_is_blamed(self) -> None:
        with pytest.raises(BrokenPassError, match="returned None, expected a PassResult"):
            Pipeline(Wrong()).run(small_split())


def dangling(btf: Btf) -> list[str]:
    return [f"type {view.id} is a const" for view in btf if isinstance(view, views.Const)]


class TestVerification:
    def test_passes_what_is_sound(self) -> None:
        Pipeline(DropUnused(), verify=lambda btf: []).run(small_split())

    def test_blames_the_pass_whose_output_is_not(self) -> None:
        b = Builder(small_base())
        b.add(views.Const(1))
        broken = PassResult(b.build(), IdMap.from_array([0, 1, 2, 3, None, None, None]))
        pipeline = Pipeline(DROP, Wrong(broken), verify=dangling)
        start = Pipeline(DROP).run(small_split()).btf
        with pytest.raises(VerifyError) as caught:
            pipeline.run(start)
        assert str(caught.value) == (
            "the output of stage 2 (wrong) is not sound: type 4 is a const"
        )
        assert (caught.value.pass_name, caught.value.stage) == ("wrong", 2)
        assert caught.value.got == ["type 4 is a const"]

    def test_an_input_that_is_not_sound_is_nobodys_fault(self) -> None:
        with pytest.raises(VerifyError, match="the input of the pipeline is not sound") as caught:
            Pipeline(DROP, verify=dangling).run(small_split())
        assert caught.value.pass_name is None


class TestObservers:
    def test_timing_has_a_line_for_each_pass(self) -> None:
        timing = Timing()
        Pipeline(DROP, InDegree(), observers=[timing]).run(small_split())
        assert [stage.name for stage, _ in timing.seconds] == ["drop-unused", "in-degree"]
        assert all(seconds > 0 for _, seconds in timing.seconds)
        assert [line.split()[-1] for line in str(timing).splitlines()] == [
            "drop-unused",
            "in-degree",
        ]

    def test_dumps_can_be_read_again(self, tmp_path: Path) -> None:
        split = small_split()
        folder = tmp_path / "dumps"
        result = Pipeline(InDegree(), DROP, observers=[DumpAfter(folder)]).run(split)
        assert sorted(p.name for p in folder.iterdir()) == [
            "01-in-degree.btf",
            "02-drop-unused.btf",
        ]
        assert (folder / "01-in-degree.btf").read_bytes() == dumps(split)
        last = loads((folder / "02-drop-unused.btf").read_bytes(), split.base)
        assert last.equivalent(result.btf)

    def test_a_new_base_is_dumped_too_and_passes_can_be_chosen(self, tmp_path: Path) -> None:
        split = small_split()
        onto_another = PassResult(small_split(), IdMap.identity(split.end_id))
        observer = DumpAfter(tmp_path, names=("wrong",))
        Pipeline(InDegree(), Wrong(onto_another), observers=[observer]).run(split)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["02-wrong.btf", "02-wrong.btf.base"]
        assert load(tmp_path / "02-wrong.btf").equivalent(onto_another.btf)

    def test_what_runs_at_once_is_measured_apart(self) -> None:
        """As two threads would have it: the one that begins first also ends first."""
        timing, btf = Timing(), small_split()
        one, other = (Stage(1, InDegree(), "in-degree") for _ in range(2))
        timing.before(one, btf)
        time.sleep(0.02)
        timing.before(other, btf)
        for stage in (one, other):
            timing.after(stage, btf, PassResult.unchanged(btf))
        (first, long), (second, short) = timing.seconds
        assert first is one
        assert second is other
        assert long >= 0.02 > short

    def test_a_pass_that_fails_is_not_measured(self) -> None:
        timing = Timing()
        for passes in (Failing(PassError("no")), DROP):
            Pipeline(passes, observers=[timing]).run_many([small_split()])
        assert [stage.name for stage, _ in timing.seconds] == ["drop-unused"]

    def test_many_containers_are_dumped_apart(self, tmp_path: Path) -> None:
        one, two = small_split(), PassResult.rewritten(small_split(), names={4: "other"}).btf
        observer = DumpAfter(tmp_path)
        results = Pipeline(DROP, InDegree(), observers=[observer]).run_many([one, two])
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "01-drop-unused.2.btf",
            "01-drop-unused.btf",
            "02-in-degree.2.btf",
            "02-in-degree.btf",
        ]
        for name, btf, result in zip(("", ".2"), (one, two), results, strict=True):
            assert isinstance(result, PassResult)
            last = load(tmp_path / f"02-in-degree{name}.btf", btf.base)
            assert last.equivalent(result.btf)

    def test_containers_in_threads_are_dumped_apart(self, tmp_path: Path) -> None:
        splits = [small_split() for _ in range(24)]
        pipeline = Pipeline(InDegree(), DROP, observers=[DumpAfter(tmp_path)])
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(pipeline.run, splits))
        numbers = {"", *(f".{number}" for number in range(2, 25))}
        assert {path.name for path in tmp_path.iterdir()} == {
            f"{stage}{number}.btf"
            for stage in ("01-in-degree", "02-drop-unused")
            for number in numbers
        }

    def test_a_base_that_the_pipeline_put_there_stays_beside_all_that_follows(
        self, tmp_path: Path
    ) -> None:
        split = small_split()
        passes = Wrong(PassResult(small_split(), IdMap.identity(split.end_id))), InDegree()
        result = Pipeline(*passes, observers=[DumpAfter(tmp_path)]).run(split)
        assert load(tmp_path / "02-in-degree.btf").equivalent(result.btf)
        # And it goes when the next run leaves the base alone.
        Pipeline(InDegree(), InDegree(), observers=[DumpAfter(tmp_path)]).run(split)
        assert load(tmp_path / "02-in-degree.btf", split.base).equivalent(split)

    @pytest.mark.parametrize("observer", [Timing(), DumpAfter("d")])
    def test_other_processes_get_none_of_ours(self, observer: Any, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / name).write_bytes(dumps(tiny()))
        pipeline = Pipeline(observers=[observer])
        with ProcessPoolExecutor(1) as executor:
            outcomes = pipeline.map(sorted(tmp_path.iterdir()), executor)
            message = f"{type(observer).__name__} can't be sent to other processes"
            with pytest.raises(RequirementError, match=message):
                next(outcomes)


class TestPassContract:
    """The checks for authors of passes find what they are there to find."""

    def test_results_that_differ_from_run_to_run(self) -> None:
        @frozen
        class Moody(Pass):
            name: ClassVar[str] = "moody"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                calls.append(btf)
                live = np.ones(len(btf), np.bool_)
                live[-1] = len(calls) % 2 == 0
                return PassResult.select(btf, live)

        calls: list[Btf] = []
        with pytest.raises(AssertionError, match='"moody" gave different results'):
            assert_pass_contract(Moody(), small_split())

    def test_run_many_that_does_not_what_run_does(self) -> None:
        @frozen
        class Hasty(Pass):
            name: ClassVar[str] = "hasty"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                return PassResult.unchanged(btf)

            def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
                if len(btfs) == 1:
                    return [self.run(btfs[0], ctx)]
                return [PassResult.select(btf, np.arange(len(btf)) < len(btf) - 1) for btf in btfs]

        with pytest.raises(AssertionError, match='run and run_many of pass "hasty"'):
            assert_pass_contract(Hasty(), small_split())

    def test_an_id_map_that_does_not_follow_the_references(self) -> None:
        split = small_split()
        swapped = PassResult(split, IdMap.from_array([0, 1, 2, 3, 5, 4, 6, 7]))
        with pytest.raises(AssertionError, match="its counterpart"):
            assert_pass_contract(Wrong(swapped), split)

    def test_facts_that_json_does_not_hold(self) -> None:
        split = small_split()
        found = PassResult.unchanged(split, facts={"count": 1, "ids": {"first": {4, 5}}})
        with pytest.raises(AssertionError, match="the fact 'ids' of pass \"wrong\" is not data"):
            assert_pass_contract(Wrong(found), split)

    def test_an_output_that_can_not_be_read_again(self) -> None:
        split = small_split()
        types = split.types.rewritten([(split.types.type_id_positions[:1], [99])])
        bad = Btf.assemble(types, split.strings.data, like=split, base=split.base)
        with pytest.raises(BrokenPassError, match="the output is damaged"):
            assert_pass_contract(Wrong(PassResult(bad, IdMap.identity(8))), split)

    def test_a_changed_bystander(self) -> None:
        @frozen
        class Grudge(Pass):
            name: ClassVar[str] = "grudge"

            def run(self, btf: Btf, ctx: Context) -> PassResult:
                words = ctx.input("target").types.words
                words.flags.writeable = True
                words[-1] ^= 1
                return PassResult.unchanged(btf)

        with pytest.raises(AssertionError, match="a base or a named input"):
            assert_pass_contract(Grudge(), small_split(), Context(inputs={"target": small_base()}))


def test_the_facts_of_all_passes_are_data_that_json_can_hold() -> None:
    result = Pipeline.parse("references,distill,distill").run(small_split())
    text = json.dumps(dict(result.facts))
    assert set(json.loads(text)) == {"references", "distill#2", "distill#3"}


def test_damaged_input_is_refused_before_any_pass_runs() -> None:
    data = bytearray(dumps(small_base()))
    table = loads(bytes(data)).types
    at = 24 + 4 * int(table.type_id_positions[0])
    data[at : at + 4] = (99).to_bytes(4, "little")
    with pytest.raises(DecodeError, match="type id 99 is past the last id"):
        Pipeline(DROP).run(loads(bytes(data), check=False))


def test_an_output_whose_references_lead_nowhere_is_blamed_on_its_pass() -> None:
    split = small_split()
    positions = split.types.type_id_positions
    torn = Btf.assemble(
        split.types.rewritten([(positions, 99)]),
        split.strings.data,
        like=split,
        base=split.base,
    )
    broken = PassResult(torn, IdMap.identity(split.end_id))
    with pytest.raises(BrokenPassError, match=r"the output is damaged: .*type id 99") as caught:
        Pipeline(Wrong(broken)).run(split)
    assert caught.value.pass_name == "wrong"
