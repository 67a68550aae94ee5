"""All that a container, a result or an error says, as plain values that can be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from btfschema import Btf, BtfError, dumps
from btfschema.framework import PassResult
from btfschema.model.ext import dumps_ext
from btfschema.tables.ids import IdMap

__all__ = ["outcome", "said_by"]


def said_by(found: Any) -> Any:
    """Of a container what its tables say, of a result or an error all its parts."""
    if isinstance(found, Btf):
        return _container(found)
    if isinstance(found, PassResult):
        facts = {name: _plain(value) for name, value in found.facts.items()}
        return _container(found.btf), said_by(found.ids), facts, found.diagnostics
    if isinstance(found, IdMap):
        return found.count, found.starts.tolist(), found.targets.tolist()
    if isinstance(found, BtfError):
        mismatches = [one.as_dict() for one in getattr(found, "mismatches", ())]
        notes = getattr(found, "__notes__", [])
        place = found.pass_name, found.stage, found.pipeline
        what = found.type_id, found.offset, found.got, found.expected
        return type(found), str(found), *what, *place, mismatches, notes
    if isinstance(found, Exception):
        return type(found), str(found)
    return tuple(map(said_by, found))


def outcome(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What ``work`` returns or raises on purpose."""
    try:
        return work(*arguments, **options)
    except (BtfError, OSError) as error:
        return error


def _container(btf: Btf) -> tuple[Any, ...]:
    types = btf.types
    views = outcome(list, btf)
    columns = [types.words, types.starts, types.ends, types.roles, types.kinds, types.name_offs]
    return (
        [column.tolist() for column in columns],
        [types.first_id, types.type_id_positions.tolist(), types.string_positions.tolist()],
        said_by(views) if isinstance(views, BtfError) else views,
        btf.strings.start,
        dumps(btf),
        btf.image.header,
        btf.image.layout,
        btf.kinds,
        btf.address_size,
        dumps_ext(btf.ext) if btf.ext is not None else None,
        _container(btf.base) if btf.base is not None else None,
    )


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if hasattr(value, "items") else value
