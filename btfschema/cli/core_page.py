"""What the page of ``core`` shows: which objects load on which kernels, and what fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from btfschema.cli.page import LOOKS, shortened

if TYPE_CHECKING:
    from btfschema.render.html import Foot

__all__ = ["core_page"]

# What the page of check calls an outcome.
OUTCOMES = {"loads": "ok", "breaks": "mismatch", "unread": "error"}


def core_page(
    objects: Sequence[str],
    cells: Mapping[str, Sequence[str]],
    failing: Sequence[Mapping[str, Any]],
    foot: Foot,
) -> str:
    """The page.

    Args:
        objects: the objects' files.
        cells: by kernel, how each object does: ``"loads"``, ``"breaks"`` or ``"unread"``.
        failing: the relocations that fail, as ``--json`` has them.
        foot: what stands at its end.
    """
    from btfschema.render.html import render_page

    pairs = [cell for row in cells.values() for cell in row]
    outcomes = {
        (path, kernel): cell
        for kernel, row in cells.items()
        for path, cell in zip(objects, row, strict=True)
    }
    ids = {pair: f"c{number}" for number, pair in enumerate(outcomes)}
    entries = list(_failing(failing, ids))
    # A pair is linked to the first relocation that stops it.
    links = {row["cell"]: one["id"] for one in reversed(entries) for row in one["rows"]}
    # The longer list goes down the page.
    by_object = len(objects) > len(cells)
    down, across = (objects, list(cells)) if by_object else (list(cells), objects)
    grid = [[(one, other) if by_object else (other, one) for other in across] for one in down]
    rows = [
        {
            "name": name,
            "cells": [_cell(outcomes[pair], ids[pair], links) for pair in row],
        }
        for name, row in zip(down, grid, strict=True)
    ]
    return render_page(
        "core",
        foot=foot,
        objects=len(objects),
        kernels=len(cells),
        pairs=len(pairs),
        loads=pairs.count("loads"),
        breaks=pairs.count("breaks"),
        corner="object" if by_object else "kernel",
        columns=[(short, full) for full, short in shortened(across).items()],
        rows=rows,
        failing=entries,
    )


def _cell(outcome: str, cell: str, links: Mapping[str, str]) -> dict[str, Any]:
    look, sign = LOOKS[OUTCOMES[outcome]]
    return {"look": look, "sign": sign, "words": outcome, "id": cell, "link": links.get(cell)}


def _failing(
    rows: Sequence[Mapping[str, Any]], ids: Mapping[tuple[str, str], str]
) -> Iterator[dict[str, Any]]:
    """An entry for each relocation, or for those of a line, with what each kernel has instead."""
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        place = (row["file"], row["line"]) if row["file"] else (row["index"],)
        key = (row["object"], row["program"], row["section"], row["path"], place)
        grouped.setdefault(key, []).append(row)
    for number, same in enumerate(sorted(grouped.values(), key=lambda group: -len(group))):
        first = same[0]
        yield {
            "id": f"r{number}",
            "key": f"{first['path']} {first['program']} {first['object']}".lower(),
            "path": first["path"],
            "program": first["program"],
            "kind": first["kind"],
            "object": first["object"],
            "where": f"{first['file']}:{first['line']}" if first["file"] else first["section"],
            "source": first["source"],
            "rows": [
                {
                    "target": row["target"],
                    "reason": row["reason"] or "",
                    "cell": ids[row["object"], row["target"]],
                }
                for row in same
            ],
        }
