"""The report of ``core`` as one HTML page, which needs no network and no scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from btfschema.cli.page import STYLE

__all__ = ["core_page"]

# The class that the style sheet has for an outcome, and its sign.
LOOKS = {"loads": ("ok", "✓"), "breaks": ("mismatch", "✗"), "unread": ("error", "?")}

PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Will these programs load?</title><style>$style</style></head><body><main>
<h1>Will these programs load?</h1>
<p class="lead">$lead</p>
<table><thead><tr><th>$corner</th>$heads</tr></thead><tbody>
$rows</tbody></table>
<h2>Relocations that fail</h2>
<p class="lead">Each makes an instruction invalid that can be reached; those that stop most kernels
come first.</p>
$failing
</main></body></html>
""")


def core_page(
    objects: Sequence[str],
    cells: Mapping[str, Sequence[str]],
    failing: Sequence[Mapping[str, Any]],
) -> str:
    """The page.

    Args:
        objects: the objects' files.
        cells: by kernel, how each object does: ``"loads"``, ``"breaks"`` or ``"unread"``.
        failing: the relocations that fail, as ``--json`` has them.
    """
    pairs = [cell for row in cells.values() for cell in row]
    lead = (
        f"{len(objects)} objects on {len(cells)} kernels: of {len(pairs)} pairs "
        f"{pairs.count('loads')} load and {pairs.count('breaks')} do not."
    )
    # The longer list goes down the page.
    corner, across, rows = "kernel", list(objects), cells
    if len(objects) > len(cells):
        corner, across = "object", list(cells)
        rows = dict(zip(objects, zip(*cells.values(), strict=True), strict=True))
    heads = "".join(f'<th class="c">{escape(one)}</th>' for one in across)
    return PAGE.substitute(
        style=STYLE,
        lead=escape(lead),
        heads=heads,
        corner=corner,
        rows="".join(_rows(rows)),
        failing="".join(_failing(failing)) or "<p>None.</p>",
    )


def _rows(cells: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, row in cells.items():
        marks = ""
        for cell in row:
            look, sign = LOOKS[cell]
            marks += f'<td class="c s-{look}" title="{cell}">{sign}</td>'
        yield f"<tr><td><code>{escape(name)}</code></td>{marks}</tr>\n"


def _failing(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """An entry a relocation, with what each kernel has instead."""
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["object"], row["program"], row["section"], row["index"])
        grouped.setdefault(key, []).append(row)
    for same in sorted(grouped.values(), key=lambda group: -len(group)):
        first = same[0]
        where = f"{first['file']}:{first['line']}" if first["file"] else first["section"]
        reasons = "".join(
            f"<tr><td><code>{escape(row['target'])}</code></td>"
            f"<td>{escape(row['reason'] or '')}</td></tr>"
            for row in same
        )
        yield (
            f'<details><summary><span class="n">{len(same)}</span>'
            f"<code>{escape(first['path'])}</code> <em>{escape(first['program'])}, "
            f"{escape(first['kind'])}, {escape(first['object'])}</em></summary><div>"
            f"<p><code>{escape(where)}: {escape(first['source'] or '')}</code></p>"
            f"<table><tr><th>kernel</th><th>reason</th></tr>{reasons}</table></div></details>\n"
        )
