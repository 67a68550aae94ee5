"""What passes find out, as data that JSON holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from btfschema.errors import BrokenPassError

__all__ = ["json_facts", "plain"]


def plain(value: Any) -> Any:
    """Read-only mappings as dicts, which can be pickled and written as JSON."""
    return {k: plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def json_facts(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a pass.

    Args:
        name: the pass.
        facts: of its result.

    Raises:
        BrokenPassError: JSON can't hold them.
    """
    found: dict[str, Any] = plain(facts)
    for key, value in found.items():
        try:
            json.dumps({key: value})
        except (TypeError, ValueError) as error:
            raise BrokenPassError(
                f'the fact {key!r} of pass "{name}" is not data that JSON holds: {error}',
                got=value,
                expected="dicts with text as keys, lists, text, numbers, true, false and null",
            ) from error
    return found
