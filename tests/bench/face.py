"""What one asks of a container from Python, in one run, in processor time.

    python tests/bench/face.py [--runs N]

Prints a Markdown table: medians of our time and of the peer's, the median of the ratios of pairs
that were measured in turn, and the bar. The first row's peer needs bpftool.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve

from btfschema import Btf, dumps, loads
from btfschema.render import struct_layouts, to_c
from btfschema.views import Struct

DATA = Path(__file__).parents[1] / "data"
Work = Callable[[], Any]


def processor() -> float:
    """Seconds of this process and of its children so far."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def seconds(work: Work) -> float:
    begin = processor()
    kept = work()
    took = processor() - begin
    del kept
    return took


def row(name: str, ours: list[float], peers: list[float] | None, bar: str) -> str:
    if peers is None:
        return f"| {name} | {1000 * statistics.median(ours):.2f} | | | {bar} |"
    ratio = statistics.median(a / max(b, 1e-9) for a, b in zip(ours, peers, strict=True))
    times = f"{1000 * statistics.median(ours):.1f} | {1000 * statistics.median(peers):.1f}"
    return f"| {name} | {times} | {ratio:.2f} x | {bar} |"


def paired(ours: Work, peer: Work, runs: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, after one warm-up of each."""
    ours(), peer()
    pairs = [(seconds(ours), seconds(peer)) for _ in range(runs)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def read_all(data: bytes) -> list[Any]:
    return list(loads(data))


def peer_json(path: str) -> Any:
    done = subprocess.run(
        ["bpftool", "-j", "btf", "dump", "file", path], capture_output=True, check=True
    )
    return json.loads(done.stdout)


def all_holes(data: bytes) -> int:
    return sum(sum(layout.holes) for layout in struct_layouts(loads(data)))


def one_replaced(btf: Btf) -> Btf:
    view = btf.find("list_head", Struct)
    return btf.replaced({view.id: evolve(view, name="renamed")})


def swapped(btf: Btf) -> bytes:
    return dumps(btf.with_byteorder("big"))


def hundred_users(btf: Btf, ids: list[int]) -> None:
    for type_id in ids:
        btf.users(type_id)


def rows(data: bytes, runs: int) -> list[str]:
    found = []
    if shutil.which("bpftool"):
        with tempfile.NamedTemporaryFile(suffix=".btf") as file:
            file.write(data)
            file.flush()
            pairs = paired(partial(read_all, data), partial(peer_json, file.name), runs)
            name = "`loads` and all types as views (peer: `bpftool -j`, `json.loads`)"
            found.append(row(name, *pairs, "1 x"))
    else:
        print("no bpftool: its row is left out", file=sys.stderr)
    pairs = paired(partial(all_holes, data), partial(read_all, data), runs)
    found.append(row("holes of all structs (peer: `loads` and views)", *pairs, "3 x"))
    btf = loads(data)
    changes = (
        ("`replaced` of one type", one_replaced, "3 x"),
        ("`with_byteorder`, written", swapped, "2 x"),
    )
    for name, work, bar in changes:
        pairs = paired(partial(work, btf), partial(loads, data), runs)
        found.append(row(f"{name} (peer: `loads`)", *pairs, bar))
    view = btf["struct list_head"]
    first = [seconds(partial(to_c, view))]
    found.append(row("C of one type, first call", first, None, "-"))
    again = [seconds(lambda: [to_c(view) for _ in range(100)]) / 100 for _ in range(runs)]
    found.append(row("C of one type, each call after it", again, None, "2 ms"))
    first = [seconds(partial(btf.users, view))]
    found.append(row("`users`, first call", first, None, "500 ms"))
    ids = random.Random(1).choices(range(1, btf.end_id), k=100)
    each = [seconds(partial(hundred_users, btf, ids)) / 100 for _ in range(runs)]
    found.append(row("`users` of 100 types, each", each, None, "1 ms"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    print("| work | ms | peer, ms | ratio | bar |\n|---|---|---|---|---|")
    print(*rows(lzma.decompress((DATA / "vmlinux-cloud.btf.xz").read_bytes()), runs), sep="\n")


if __name__ == "__main__":
    main()
