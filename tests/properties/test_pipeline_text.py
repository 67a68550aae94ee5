"""The text of a pipeline and the pipeline say the same."""

from __future__ import annotations

from typing import Any

from example_passes import DropUnused, Everything, InDegree, Level
from hypothesis import example, given
from hypothesis import strategies as st

from btfschema.errors import RegistryError, SpecError
from btfschema.framework import Pass
from btfschema.framework.pipeline import Pipeline

KNOWN: list[type[Pass]] = [DropUnused, Everything, InDegree]

texts = st.text(max_size=8) | st.sampled_from(
    ["none", "true", "a b", '"', "\\", ",", "{}", "=", ""]
)
lists = st.lists(texts, max_size=4).map(tuple)
everything = st.builds(
    Everything,
    words=lists,
    numbers=st.lists(st.integers(), max_size=3).map(tuple),
    text=texts,
    number=st.integers(),
    flag=st.booleans(),
    on=st.booleans(),
    policy=st.sampled_from(["strict", "kernel"]),
    level=st.sampled_from(Level),
    maybe=st.none() | texts,
    some=st.none() | lists,
)
passes = everything | st.builds(DropUnused, keep=lists) | st.just(InDegree())


@given(st.lists(passes, max_size=4))
def test_reading_what_was_written_gives_the_pipeline(found: list[Any]) -> None:
    pipeline = Pipeline(*found)
    again = Pipeline.parse(str(pipeline), extra=KNOWN)
    assert again == pipeline
    assert str(again) == str(pipeline)


pieces = st.sampled_from(
    [*'{}=," \\\t', "in-degree", "drop-unused", "keep", "everything", "flag", "words", "x", "1"]
)


@given(st.text() | st.lists(pieces, max_size=12).map("".join))
@example('drop-unused{keep="')
def test_any_text_gives_a_pipeline_or_an_error_that_points_into_it(text: str) -> None:
    at: int | None = 0
    try:
        pipeline = Pipeline.parse(text, extra=KNOWN)
    except (SpecError, RegistryError) as error:
        at = error.offset
    else:
        assert Pipeline.parse(str(pipeline), extra=KNOWN) == pipeline
    assert at is not None
    assert 0 <= at <= len(text)
