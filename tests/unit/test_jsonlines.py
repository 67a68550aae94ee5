"""Reports as JSON lines: the text is that of ``json.dumps``, shared parts are encoded once."""

from __future__ import annotations

import json
import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from btfschema.render.jsonlines import SharedList, line

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KEYS = st.text() | st.integers() | st.booleans() | st.none()


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=4)
    return (
        several
        | several.map(tuple)
        | several.map(SharedList)
        | st.dictionaries(KEYS, inner, max_size=4)
    )


@given(st.recursive(LEAVES, nested, max_leaves=20))
def test_a_line_is_what_the_standard_library_writes(value: object) -> None:
    assert line(value) == json.dumps(value)


def test_a_shared_list_is_encoded_once() -> None:
    class Counted(dict[str, int]):
        asked = 0

        def items(self) -> Any:
            Counted.asked += 1
            return super().items()

    shared = SharedList([Counted(size=760)])
    lines = [line({"module": number, "changes": shared}) for number in range(3)]
    assert lines[2] == '{"module": 2, "changes": [{"size": 760}]}'
    assert Counted.asked == 1


def test_other_processes_get_an_equal_list_and_its_text() -> None:
    shared = SharedList([{"name": "dev", "before": None}])
    received = pickle.loads(pickle.dumps({"changes": shared}))["changes"]
    assert (received, received.text) == (shared, shared.text)
    # What arrived goes on as it came.
    assert pickle.loads(pickle.dumps(received)) == shared
