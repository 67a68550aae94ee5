"""What is fuzzed: each target takes a blob; all but its result or a ``BtfError`` is a crash."""

from __future__ import annotations

import hashlib
import io
import pickle
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType

from attrs import define, field
from edge_blobs import edge_blobs, mutated
from every_kind import every_kind

from btfschema import Btf, Builder, Context, Pipeline, dumps, loads, verify, views
from btfschema.errors import BtfError, WrongBaseWarning
from btfschema.render import to_json
from btfschema.render.c import format_c
from btfschema.render.json import write_json
from btfschema.render.show import Viewer
from btfschema.render.text import write_raw
from btfschema.values import construct_of, ctypes_of, dtype_of, read, write
from btfschema_transforms.distill import Distill
from btfschema_transforms.rebase import Rebase
from btfschema_transforms.references import References
from btfschema_transforms.relocate import Relocate

__all__ = ["CRASHES", "TARGETS", "Fuzzer", "inputs"]

CRASHES = Path(__file__).parent / "data" / "crashes"
SHOWN = 8
# Of the processor: generated inputs take a few milliseconds; hostile ones have taken three seconds.
SECONDS = 20


def _base() -> Btf:
    """What blobs are split over, and relocated to."""
    builder = Builder()
    number = builder.add(views.Int("int", 4, views.IntEncoding.SIGNED))
    node = builder.next_id
    pointer = builder.add(views.Ptr(node + 1))
    builder.add(views.Struct("s", 16, [views.Member("a", number), views.Member("p", pointer, 64)]))
    builder.add(views.Typedef("t", node + 1))
    builder.add(views.FuncProto(number, [views.Param("a", number)]))
    builder.add(views.Func("f", builder.next_id - 1))
    return builder.build()


BASE = _base()
CONTEXT = Context({"target": BASE})


def _raw(data: bytes) -> None:
    write_raw(loads(data), io.BytesIO())


def _json(data: bytes) -> None:
    write_json(loads(data), io.BytesIO())


def _c(data: bytes) -> None:
    format_c(loads(data))


def _show(data: bytes) -> None:
    btf = loads(data)
    viewer = Viewer(btf)
    for type_id in range(1, min(btf.end_id, SHOWN)):
        try:
            viewer.text(type_id)
        except BtfError:
            continue


def _views(data: bytes) -> None:
    for view in loads(data):
        hash(view)
        str(view)


def _asked(data: bytes) -> None:
    """What one asks of types: ways into them, who uses them, what they need, as JSON."""
    btf = loads(data)
    for view in btf[1:SHOWN]:
        users = btf.users(view)
        pickle.loads(pickle.dumps(users.contains.ids))
        btf.closure(view)
        try:
            to_json(view)
            if isinstance(view.stripped, views.Composite):
                for path, _ in islice(view.stripped.walk(nested=True), SHOWN):
                    if path:
                        view.stripped.member(path)
        except BtfError:
            continue


def _changed(data: bytes) -> None:
    """Containers from a container."""
    btf = loads(data)
    if btf.with_byteorder("big").with_byteorder("little") != btf.with_byteorder("little"):
        message = "the other byte order and back is not the same"
        raise AssertionError(message)
    if pickle.loads(pickle.dumps(btf)) != btf:
        message = "what was pickled did not come back"
        raise AssertionError(message)
    builder = Builder(profile="wide", kinds=btf.kinds)
    builder.copy(list(btf)[:SHOWN])
    builder.build()


def _round_trip(data: bytes) -> None:
    if dumps(loads(data)) != data:
        message = "what was read and not changed did not come back"
        raise AssertionError(message)


def _unchecked(data: bytes) -> None:
    """Verify what was read without a look at its references."""
    verify(loads(data, check=False))


def _values(data: bytes) -> None:
    """Bytes through the first types, in all forms."""
    btf = loads(data)
    for type_id in range(min(btf.end_id, SHOWN)):
        for form in (dtype_of, construct_of, ctypes_of):
            with suppress(BtfError):
                form(btf, type_id)
        with suppress(BtfError):
            value = read(btf, type_id, data)
            value.text_()
            write(btf, type_id, value.to_python(text=False, names=False))


def _split(data: bytes) -> Btf:
    """The data over a base, which is seldom the one that it was built over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WrongBaseWarning)
        return loads(data, BASE)


def _passes(data: bytes) -> None:
    """Every pass that takes split BTF: distilled and moved back, moved, its references counted."""
    split = _split(data)
    for passes in (
        (References(),),
        (Distill(), Relocate("kernel")),
        (Distill(), Relocate()),
        (Rebase(),),
    ):
        try:
            Pipeline(*passes).run(split, CONTEXT)
        except BtfError:
            continue


TARGETS: dict[str, Callable[[bytes], object]] = {
    "loads": loads,
    "reference": lambda data: loads(data, decoder="reference"),
    "split": _split,
    "verify": verify,
    "verify-read": lambda data: verify(data, "read"),
    "verify-split": lambda data: verify(data, kernel="6.1", base=BASE),
    "verify-unchecked": _unchecked,
    "round-trip": _round_trip,
    "views": _views,
    "asked": _asked,
    "changed": _changed,
    "raw": _raw,
    "json": _json,
    "c": _c,
    "show": _show,
    "values": _values,
    "passes": _passes,
}


def inputs(seed: int) -> Iterator[bytes]:
    """Blobs without end."""
    random = Random(seed)
    builder = Builder(BASE)
    builder.add(views.Struct("u", 16, [views.Member("s", 3)]))
    builder.add(views.Ptr(8))
    seeds = [dumps(every_kind()), dumps(every_kind("big")), dumps(builder.build())]
    for number, (_, blob) in enumerate(edge_blobs(seed)):
        yield blob
        yield mutated(random, blob)
        if number % 8 == 0:
            yield mutated(random, random.choice(seeds))


def _too_long(number: int, frame: FrameType | None) -> None:
    message = f"the target did not end in {SECONDS} seconds"
    raise TimeoutError(message)


@define
class Fuzzer:
    """Runs targets and counts; a target that does not end in time has crashed.

    Attributes:
        targets: by name.
        crashes: where inputs that crash a target are written.
        executions: how often each target ran.
        refused: how often it ended in a ``BtfError``.
        found: what crashed, as the files that hold the input.
    """

    targets: dict[str, Callable[[bytes], object]] = field(factory=lambda: TARGETS)
    crashes: Path = field(default=CRASHES, kw_only=True)
    executions: Counter[str] = field(factory=Counter)
    refused: Counter[str] = field(factory=Counter)
    found: list[Path] = field(factory=list)

    def run(self, data: bytes) -> None:
        """All targets on one input."""
        for name in self.targets:
            self.execute(name, data)

    def execute(self, name: str, data: bytes) -> None:
        """One target on one input; a crash is written down, and fuzzing goes on."""
        self.executions[name] += 1
        signal.signal(signal.SIGVTALRM, _too_long)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            self.targets[name](data)
        except BtfError:
            self.refused[name] += 1
        # What is looked for here is any other exception at all.
        except Exception:
            self.crashes.mkdir(parents=True, exist_ok=True)
            path = self.crashes / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}.btf"
            if path not in self.found:
                path.write_bytes(data)
                self.found.append(path)
                print(f"{path}:\n{traceback.format_exc()}", flush=True)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
