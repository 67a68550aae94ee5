"""The report of ``check`` as one HTML page, which needs no network and works without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape as _html
from pathlib import Path
from string import Template
from typing import Any

from btfschema.cli.matrix import Blame, Matrix, because
from btfschema.escapes import printable

__all__ = ["page"]

SIGNS = {"ok": "✓", "mismatch": "✗", "error": "?"}
# Modules that an entry of a type lists.
LISTED = 60

STYLE = """
:root { --ink:#1c2430; --soft:#667085; --line:#e3e7ee; --paper:#fff; --back:#f5f7fa;
  --good:#14804a; --bad:#c0352b; --none:#98a2b3; --tint:#eef4ff; }
* { box-sizing:border-box } body { margin:0; background:var(--back); color:var(--ink);
  font:15px/1.5 system-ui,"Segoe UI","DejaVu Sans",sans-serif }
main { max-width:1100px; margin:0 auto; padding:32px 24px 80px }
h1 { font-size:26px; margin:0 0 4px } h2 { font-size:19px; margin:40px 0 12px }
p.lead { color:var(--soft); margin:0 0 24px }
.cards { display:flex; flex-wrap:wrap; gap:16px }
.card { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  padding:16px 18px; flex:1 1 280px }
.card b { display:block; overflow-wrap:anywhere } .card span { color:var(--soft); font-size:13px }
.bar { display:flex; height:10px; border-radius:5px; overflow:hidden; margin:10px 0 8px;
  background:var(--line) }
.bar i { display:block } .ok { background:var(--good) } .mismatch { background:var(--bad) }
.error { background:var(--none) }
table { border-collapse:collapse; width:100%; background:var(--paper);
  border:1px solid var(--line); border-radius:10px; overflow:hidden }
th,td { text-align:left; padding:7px 12px; border-bottom:1px solid var(--line);
  vertical-align:top }
th { background:#fafbfd; font-size:13px; color:var(--soft); white-space:nowrap;
  position:sticky; top:0 } .js th { cursor:pointer } th.up::after { content:" ▲" }
th.down::after { content:" ▼" }
td.n { text-align:right; font-variant-numeric:tabular-nums } td.c,th.c { text-align:center }
td.s-ok { color:var(--good) } td.s-mismatch { color:var(--bad); font-weight:700 }
td.s-error { color:var(--none) } code { font:13px "DejaVu Sans Mono",ui-monospace,monospace }
details { background:var(--paper); border:1px solid var(--line); border-radius:10px;
  margin:0 0 8px } summary { padding:10px 14px; cursor:pointer; display:flex; gap:12px;
  align-items:baseline }
summary::before { content:"+"; color:var(--soft); font-weight:700; width:10px }
details[open]>summary::before { content:"-" }
summary em { margin-left:auto; color:var(--soft); font-style:normal; font-size:13px }
summary .n { min-width:58px; text-align:right; font-weight:700; color:var(--bad);
  font-variant-numeric:tabular-nums } details>div { padding:0 14px 14px }
details table { font-size:13px; margin:6px 0 } .added { color:var(--good) }
.removed { color:var(--bad) } .mods { color:var(--soft); font-size:13px }
input { font:inherit; padding:8px 12px; border:1px solid var(--line); border-radius:8px;
  width:320px; max-width:100%; margin:0 12px 12px 0; display:none } .js input { display:inline }
label { display:none; color:var(--soft) } .js label { display:inline }
label input, .js label input { width:auto; display:inline; margin:0 6px 0 0 }
"""

SCRIPT = """
document.body.classList.add('js');
const find = (selector, root) => [...(root || document).querySelectorAll(selector)];
function narrow() {
  const text = document.getElementById('filter').value.toLowerCase();
  const broken = document.getElementById('broken').checked;
  for (const row of find('#modules tbody tr'))
    row.hidden = !row.dataset.name.includes(text) || (broken && !row.dataset.broken);
}
document.getElementById('filter').addEventListener('input', narrow);
document.getElementById('broken').addEventListener('change', narrow);
document.getElementById('blame').addEventListener('input', event => {
  const text = event.target.value.toLowerCase();
  for (const one of find('details')) one.hidden = !one.dataset.name.includes(text);
});
find('#modules th').forEach((head, column) => head.addEventListener('click', () => {
  const down = !head.classList.contains('up');
  find('#modules th').forEach(other => other.classList.remove('up', 'down'));
  head.classList.add(down ? 'up' : 'down');
  const body = document.querySelector('#modules tbody');
  const key = row => row.cells[column].dataset.key;
  const rows = find('tr', body).sort((a, b) => key(a).localeCompare(key(b)) * (down ? 1 : -1));
  body.append(...rows);
}));
narrow();
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Do these modules fit?</title><style>$style</style></head><body><main>
<h1>Do these modules fit?</h1>
<p class="lead">$lead</p>
<div class="cards">$cards</div>
<h2>Types to blame</h2>
<p class="lead">Each keeps a module from loading with its types; those that stop most come first.
Open one to see how it changed.</p>
<input id="blame" type="search" placeholder="Find a type" aria-label="Find a type">
$blames
<h2>Modules</h2>
<input id="filter" type="search" placeholder="Find a module" aria-label="Find a module">
<label><input id="broken" type="checkbox">only those that break</label>
<table id="modules"><thead><tr><th>module</th>$heads</tr></thead>
<tbody>$rows</tbody></table>
</main><script>$script</script></body></html>
""")


def page(matrix: Matrix, names: Mapping[str, str]) -> str:
    """The page.

    Args:
        matrix: what became of each file on each kernel.
        names: what each file is called on the page.
    """
    broken = sum("mismatch" in cells for cells in matrix.cells.values())
    kernels = f"{len(matrix.targets)} kernel{'s' if len(matrix.targets) > 1 else ''}"
    total = len(matrix.cells)
    lead = f"{total:,} modules checked against {kernels}: {broken:,} break on at least one."
    short = _shortened(matrix.targets)
    heads = "".join(
        f'<th class="c" title={_quoted(full)}>{escape(short[full])}</th>' for full in short
    )
    blames = "".join(_blame(one, short, names) for one in matrix.blames)
    return PAGE.substitute(
        style=STYLE,
        script=SCRIPT,
        lead=escape(lead),
        cards="".join(_card(matrix, target, short) for target in matrix.targets),
        blames=blames or "<p>None: every type was found again.</p>",
        heads=heads,
        rows="".join(_rows(matrix, names)),
    )


def escape(text: str, quote: bool = False) -> str:
    """Text as HTML, with escapes for what can't be printed."""
    return _html(printable(text), quote)


def _quoted(text: str) -> str:
    return f'"{escape(text, quote=True)}"'


def _shortened(targets: tuple[str, ...]) -> dict[str, str]:
    """File names for paths, where they differ."""
    names = {target: Path(target).name for target in targets}
    return names if len(set(names.values())) == len(names) else {name: name for name in targets}


def _card(matrix: Matrix, target: str, short: Mapping[str, str]) -> str:
    counts = matrix.outcomes(target)
    bars = "".join(
        f'<i class="{outcome}" style="flex-grow:{counts[outcome]}"></i>'
        for outcome in SIGNS
        if counts[outcome]
    )
    words = f"{counts['ok']:,} fit, {counts['mismatch']:,} break"
    if counts["error"]:
        words += f", {counts['error']:,} could not be read"
    title = f"<b title={_quoted(target)}>{escape(short[target])}</b>"
    return f'<div class="card">{title}<div class="bar">{bars}</div><span>{words}</span></div>'


def _blame(blame: Blame, short: Mapping[str, str], names: Mapping[str, str]) -> str:
    """A type: how many modules it breaks, and for each kernel why."""
    parts = []
    for target, files in blame.modules.items():
        reason = blame.reasons[target]
        parts.append(
            f"<p><b>{escape(short[target])}</b>: {len(files):,} modules; "
            f"{escape(because(reason))}</p>{_changes(reason['changes'])}"
        )
        shown = [escape(names.get(file, file)) for file in files[:LISTED]]
        more = f" and {len(files) - LISTED:,} more" if len(files) > LISTED else ""
        parts.append(f'<p class="mods">{", ".join(shown)}{more}</p>')
    first = escape(because(next(iter(blame.reasons.values()))))
    title = escape(f"{blame.kind.lower()} {blame.name}")
    return (
        f'<details data-name={_quoted(blame.name.lower())}><summary><span class="n">'
        f"{blame.count:,}</span><code>{title}</code><em>{first}</em></summary>"
        f"<div>{''.join(parts)}</div></details>\n"
    )


def _changes(changes: list[dict[str, Any]]) -> str:
    if not changes:
        return ""
    rows = "".join(
        f'<tr><td class="{one["change"]}">{one["change"]}</td>'
        f"<td><code>{escape(one['name'] or '(unnamed)')}</code></td>"
        f"<td>{_place(one['before'])}</td><td>{_place(one['after'])}</td></tr>"
        for one in changes
    )
    heads = "<tr><th>change</th><th>member</th><th>built for</th><th>in this kernel</th></tr>"
    return f"<table>{heads}{rows}</table>"


def _place(place: Mapping[str, Any] | None) -> str:
    if place is None:
        return ""
    unit = "bits" if place["bitfield"] else "bytes"
    size = f", {place['size']} {unit}" if place["size"] is not None else ""
    at = f"at bit {place['offset']}" if place["bitfield"] else f"at {place['offset']}"
    return f"<code>{escape(place['type'])}</code>{size} {at}"


def _rows(matrix: Matrix, names: Mapping[str, str]) -> Iterator[str]:
    for file, cells in matrix.cells.items():
        name = names.get(file, file)
        marks = "".join(
            f'<td class="c s-{cell}" data-key="{cell}" title="{cell}">{SIGNS[cell]}</td>'
            for cell in cells
        )
        broken = ' data-broken="1"' if set(cells) != {"ok"} else ""
        said = matrix.messages.get(file)
        note = f' <span class="mods">{escape(said)}</span>' if said else ""
        key = _quoted(name.lower())
        yield (
            f"<tr data-name={key}{broken}><td data-key={key}><code>{escape(name)}</code>{note}"
            f"</td>{marks}</tr>\n"
        )
