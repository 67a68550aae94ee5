"""The text of a pipeline: what it means, and how its errors point into it."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import pytest
from attrs import Factory, field, frozen
from attrs.validators import min_len
from example_passes import DropUnused, Everything, InDegree, Level

from btfschema import Btf
from btfschema.errors import RegistryError, SpecError
from btfschema.framework import Context, Pass, PassResult
from btfschema.framework.options import options_of
from btfschema.framework.pipeline import Pipeline


@frozen
class Idle(Pass):
    def run(self, btf: Btf, ctx: Context) -> PassResult:
        return PassResult.unchanged(btf)


@frozen
class Picky(Idle):
    """Must be told names, at least one."""

    name: ClassVar[str] = "picky"
    names: tuple[str, ...] = field(validator=min_len(1))
    hook: Callable[[], None] | None = None
    either: int | str = 0
    fresh: tuple[str, ...] = Factory(lambda: ("x",))
    hidden: int = field(default=0, init=False)


KNOWN: list[type[Pass]] = [DropUnused, Everything, InDegree, Picky]


def parse(text: str) -> Pipeline:
    return Pipeline.parse(text, extra=KNOWN)


def only(text: str) -> Any:
    (found,) = parse(text).passes
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("drop-unused", DropUnused()),
        (" drop-unused { } ", DropUnused()),
        ("drop-unused{keep=task_struct}", DropUnused(keep=("task_struct",))),
        ("drop-unused{keep=a,b}", DropUnused(keep=("a", "b"))),
        ('drop-unused{keep="a b",",","\\"\\\\"}', DropUnused(keep=("a b", ",", '"\\'))),
        ("everything{words=}", Everything(words=())),
        ('everything{words=""}', Everything(words=("",))),
        ("everything{numbers=1,-2,0x10}", Everything(numbers=(1, -2, 16))),
        ("everything{flag}", Everything(flag=True)),
        ("everything{flag=true on=false}", Everything(flag=True, on=False)),
        ("everything{ policy=kernel\tlevel=load }", Everything(policy="kernel", level=Level.LOAD)),
        ("everything{maybe=none}", Everything(maybe=None)),
        ('everything{maybe="none"}', Everything(maybe="none")),
        ("everything{some=none}", Everything(some=None)),
        ('everything{some="none"}', Everything()),
        ("everything{some=none,b}", Everything(some=("none", "b"))),
        ("everything{some=}", Everything(some=())),
        ("everything{text=struct:a/b.c}", Everything(text="struct:a/b.c")),
    ],
)
def test_options_become_fields_of_the_declared_type(text: str, expected: Pass) -> None:
    assert only(text) == expected


def test_stages_run_in_order() -> None:
    pipeline = parse("drop-unused{keep=a}, in-degree ,everything")
    assert pipeline == Pipeline(DropUnused(keep=("a",)), InDegree(), Everything())
    assert str(pipeline) == "drop-unused{keep=a},in-degree,everything"
    assert parse("  ") == Pipeline()


def test_defaults_are_not_written() -> None:
    text = 'everything{words= number=-3 flag on=false policy=kernel maybe="none"}'
    assert str(only(text)) == text
    assert str(Picky(names=("a",), fresh=("x",))) == "picky{names=a}"


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("drop-unused,", "expected the name of a pass, found the end", 12),
        (",drop-unused", "expected the name of a pass, found ','", 0),
        ("drop-unused in-degree", "expected \",\" or the end after a stage, found 'i'", 12),
        ("drop-unused{", 'expected an option or "}", found the end', 12),
        ("drop-unused{keep=a", 'expected a blank or "}" after an option, found the end', 18),
        ("drop-unused{keep=a,}", "expected a value, found '}'", 19),
        ("drop-unused{=a}", "expected an option or \"}\", found '='", 12),
        ('drop-unused{keep="a}', "expected a closing quote", 17),
        ('drop-unused{keep="\\n"}', "expected a closing quote", 17),
        ("drop-unused{keep=a{b}}", "expected a blank or \"}\" after an option, found '{'", 18),
        ("drop-unused}", "expected \",\" or the end after a stage, found '}'", 11),
        (
            "drop-unused{kep=a}",
            'unknown option "kep" of pass "drop-unused"; did you mean "keep"?',
            12,
        ),
        ("in-degree{x}", 'unknown option "x" of pass "in-degree"; it has none', 10),
        ("drop-unused{keep=a keep=b}", 'option "keep" of pass "drop-unused" is given twice', 19),
        ("drop-unused{keep}", 'option "keep" needs a value: keep=TEXT,...', 12),
        ("everything{number=1,2}", 'option "number" takes one value, got 2', 11),
        ("everything{number=}", 'option "number" takes one value, got 0', 11),
        ("everything{text=}", 'takes one value, got 0; the empty text is ""', 11),
        ("everything{numbers=1,two}", 'option "numbers" is a whole number, got "two"', 21),
        ("everything{flag=yes}", 'option "flag" is one of true, false, got "yes"', 16),
        ("everything{policy=lax}", 'option "policy" is one of strict, kernel, got "lax"', 18),
        ("everything{level=write}", 'option "level" is one of read, load, got "write"', 17),
        ("in-degree,picky", 'pass "picky" must be given names', 10),
        ("picky{names=}", "pass \"picky\" refuses its options: Length of 'names' must be", 0),
        ("picky{names=a hook=print}", 'option "hook" can\'t be given as text', 19),
        ("picky{names=a either=1}", 'option "either" can\'t be given as text', 21),
        ("picky{names=a hidden=1}", 'unknown option "hidden"', 14),
    ],
)
def test_errors_point_into_the_text(text: str, message: str, caret: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    said, shown, marker = str(caught.value).split("\n")
    assert message in said
    assert shown == f"  {text}"
    assert marker.index("^") == caret + 2
    assert caught.value.offset == caret
    assert caught.value.pipeline == text


def test_an_unknown_pass_gets_close_matches_and_a_caret() -> None:
    with pytest.raises(RegistryError) as caught:
        parse("in-degree,drop-unusd{keep=a}")
    assert str(caught.value).split("\n")[1:] == [
        "  in-degree,drop-unusd{keep=a}",
        "            ^~~~~~~~~~",
    ]
    assert str(caught.value).startswith('unknown pass "drop-unusd"')
    assert caught.value.offset == 10


def test_the_caret_stands_right_whatever_blanks_there_are() -> None:
    with pytest.raises(SpecError) as caught:
        parse("in-degree,\n\tdrop-unused{kep=a}")
    _, shown, marker = str(caught.value).split("\n")
    assert shown[marker.index("^") :].startswith("kep=a")


def test_a_table_of_options_shows_types_and_defaults() -> None:
    assert list(map(str, options_of(Everything))) == [
        "words=TEXT,... [a]",
        "numbers=NUMBER,... []",
        'text=TEXT [""]',
        "number=NUMBER [0]",
        "flag=true|false [false]",
        "on=true|false [true]",
        "policy=strict|kernel [strict]",
        "level=read|load [read]",
        "maybe=TEXT [none]",
        'some=TEXT,... ["none"]',
    ]
    assert [o.name for o in options_of(Picky)] == ["names", "hook", "either", "fresh"]
    assert str(options_of(Picky)[0]) == "names=TEXT,..."


def test_names_stand_for_the_members_of_an_enum_of_numbers() -> None:
    class Depth(enum.Enum):
        SHALLOW = 1
        DEEP = 2

    @frozen
    class Diving(Idle):
        name: ClassVar[str] = "diving"
        depth: Depth = Depth.SHALLOW
        steps: Literal[1, 2] = 1

    Diving.__annotations__.update(depth=Depth)
    options_of.cache_clear()
    pipeline = Pipeline.parse("diving{depth=DEEP steps=2}", extra=[Diving])
    assert pipeline == Pipeline(Diving(Depth.DEEP, 2))
    assert str(pipeline) == "diving{depth=DEEP steps=2}"


def test_a_class_that_attrs_did_not_see_is_an_error() -> None:
    class Forgotten(Idle):
        name: ClassVar[str] = "forgotten"

    with pytest.raises(RegistryError, match=r"Forgotten is not decorated with attrs\.frozen"):
        Pipeline.parse("forgotten", extra=[Forgotten])


def test_annotations_that_can_not_be_resolved_are_an_error() -> None:
    @frozen
    class Lost(Idle):
        name: ClassVar[str] = "lost"
        where: Nowhere = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(RegistryError, match="Nowhere"):
        Pipeline.parse("lost", extra=[Lost])


def test_long_pipelines_parse_in_linear_time() -> None:
    def seconds(stages: int) -> float:
        text = ",".join(['everything{words=a,b number=3 text="x y"}'] * stages)
        started = time.process_time()
        parsed = Pipeline.parse(text, extra=KNOWN)
        assert len(parsed.passes) == stages
        assert Pipeline.parse(str(parsed), extra=KNOWN) == parsed
        return time.process_time() - started

    few, many = (min(seconds(stages) for _ in range(3)) for stages in (500, 2_000))
    # Four times as many; sixteen times as long would be the square.
    assert many < 10 * few
