"""The cases of ``dedup`` with libbpf's results, and a simple check of any result."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

from btfschema import Btf, IdMap, loads, views

__all__ = ["Case", "corners", "has_forwards", "order_files", "randoms", "unlike"]

DATA = Path(__file__).parent / "data" / "dedup.tar.xz"


@frozen
class Case:
    """An input, and what libbpf made of it: None where it failed."""

    name: str
    btf: Btf
    libbpf: Btf | None


@cache
def files() -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(DATA.read_bytes()))) as archive:
        found = {}
        for entry in archive.getmembers():
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None:
                found[entry.name.removeprefix("./")] = file.read()
    return found


def order_files() -> dict[str, bytes]:
    """Inputs and results of ``btf__permute``, by name."""
    return {
        name.removeprefix("order/"): data
        for name, data in files().items()
        if name.startswith("order/")
    }


def randoms() -> Iterator[Case]:
    """Random compilation units joined."""
    for name, data in files().items():
        if name.startswith("random/") and name.endswith(".btf"):
            out = loads(files()[name.replace(".btf", ".out")])
            yield Case(name[7:10], loads(data), out)


def corners() -> Iterator[Case]:
    """Small inputs, each about one rule."""
    for name, data in files().items():
        if name.startswith("small/") and name.endswith(".in.btf"):
            stem = name.removesuffix(".in.btf")
            below = files().get(f"{stem}.base.btf")
            base = loads(below) if below is not None else None
            out = files().get(f"{stem}.out.btf")
            yield Case(
                stem.removeprefix("small/"),
                loads(data, base),
                loads(out, base) if out is not None else None,
            )


def has_forwards(btf: Btf) -> bool:
    """Whether a type, of a base too, only declares something."""
    return any(declares(btf[one]) for one in range(1, btf.end_id))


def declares(view: views.TypeView) -> bool:
    return isinstance(view, views.Fwd) or (
        isinstance(view, views.Enum | views.Enum64) and not view.values
    )


def defines(view: views.TypeView, forward: views.TypeView) -> bool:
    """Whether a type defines what a forward declaration names."""
    if getattr(view, "name", "") != getattr(forward, "name", "") or declares(view):
        return False
    if isinstance(forward, views.Fwd):
        return view.kind == forward.fwd_kind
    return isinstance(view, views.Enum | views.Enum64)


def unlike(old: Btf, new: Btf, ids: IdMap) -> list[str]:
    """The types that were not mapped to an equal one, up to forward declarations.

    Each pair that must be equal is looked at by itself: its own content, and that what the two
    refer to is a pair that must be equal too.
    """
    contents: dict[tuple[bool, int], object] = {}

    def content(is_new: bool, type_id: int) -> object:
        key = (is_new, type_id)
        if key not in contents:
            contents[key] = own_content(new if is_new else old, type_id)
        return contents[key]

    pairs = [(one, ids[one]) for one in range(1, old.end_id)]
    wrong = [f"{old.describe(one)} is dropped" for one, image in pairs if image is None]
    stack = [(one, image) for one, image in pairs if image is not None]
    seen = set(stack)
    while stack:
        one, image = stack.pop()
        if content(False, one) != content(True, image):
            mine, yours = old[one], new[image]
            if not ((declares(mine) and defines(yours, mine)) or defines(mine, yours)):
                wrong.append(f"{old.describe(one)} is not {new.describe(image)}")
            continue
        for step in zip(old.references(one), new.references(image), strict=True):
            if step not in seen:
                seen.add(step)
                stack.append(step)
    return wrong


def own_content(btf: Btf, type_id: int) -> object:
    """A record without the ids that it holds, its strings as texts."""
    if not type_id:
        return ()
    owner = btf.owner(type_id)
    types, row = owner.types, type_id - owner.first_id
    start, end = int(types.starts[row]), int(types.ends[row])
    words: list[object] = types.words[start:end].tolist()
    roles = types.roles[start:end].tolist()
    for at, role in enumerate(roles):
        if role:
            words[at] = "id" if role == 1 else owner.strings[int(types.words[start + at])]
    return words
