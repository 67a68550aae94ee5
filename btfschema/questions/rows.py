"""A table of a container as plain rows, for pandas and whatever takes dicts."""

from __future__ import annotations

from btfschema.errors import UnknownNameError
from btfschema.model.container import Btf
from btfschema.questions.tables import tables_of

__all__ = ["to_rows"]


def to_rows(btf: Btf, table: str = "types") -> list[dict[str, object]]:
    """The rows of one of a container's tables, each a dict by column.

    Args:
        btf: the container.
        table: as :func:`btfschema.questions.tables_of` calls it: ``"types"``, ``"members"``, ...

    Raises:
        UnknownNameError: there is no such table.
    """
    tables = tables_of(btf)
    if table not in tables:
        raise UnknownNameError(
            f"no table {table!r}", got=table, expected=f"one of {', '.join(tables)}"
        )
    names = tables[table].names
    return [dict(zip(names, row, strict=True)) for row in tables[table].rows()]
