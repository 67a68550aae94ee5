"""The law of minimal BTF, on generated types: relocations that it was made for stay as they are."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from btfschema import Btf, dumps, loads, views
from btfschema.co_re import (
    Kernel,
    Marks,
    Resolution,
    Resolver,
    mark_resolution,
    minimal,
)
from btfschema.model.views.ext import CoreRelo, CoreReloKind
from btfschema.testing import btfs, split_btfs

FIELDS = [kind for kind in CoreReloKind if kind.name.startswith("FIELD")]
TYPES = [kind for kind in CoreReloKind if kind.name.startswith("TYPE")]
VALUES = [kind for kind in CoreReloKind if kind.name.startswith("ENUMVAL")]


@st.composite
def relocations(draw: st.DrawFn, btf: Btf) -> CoreRelo:
    """A relocation that fits the types, or nearly does."""
    type_id = draw(st.integers(1, btf.end_id - 1))
    view: Any = btf[type_id]
    kind, access = draw(st.sampled_from(TYPES)), "0"
    if isinstance(view, views.Struct | views.Union):
        kind = draw(st.sampled_from([*FIELDS, *TYPES]))
        if kind in FIELDS:
            steps = draw(st.lists(st.integers(0, max(len(view.members), 1)), max_size=4))
            access = ":".join(map(str, [0, *steps]))
    elif isinstance(view, views.Enum | views.Enum64) and view.values:
        kind = draw(st.sampled_from([*VALUES, *TYPES]))
        if kind in VALUES:
            access = str(draw(st.integers(0, len(view.values) - 1)))
    return CoreRelo(0, type_id, access, kind)


def answer(found: Resolution) -> tuple[Any, ...]:
    """What libbpf would do, but for the ids of types."""
    patch = found.patch
    if patch is None or found.relo.kind == CoreReloKind.TYPE_ID_TARGET:
        return (found.error is not None, patch is not None and patch.value != 0)
    return (patch, found.target.bit_offset if found.target is not None else None)


def check_law(program: Btf, kernel: Kernel, relos: list[CoreRelo]) -> None:
    marks, resolver = Marks(), Resolver.of(program, kernel)
    whole = [resolver.resolve(relo) for relo in relos]
    for one in whole:
        mark_resolution(marks, one)
    base = minimal(kernel.vmlinux, marks)
    modules = {
        name: minimal(btf, marks, {kernel.vmlinux: base}).btf
        for name, btf in kernel.modules.items()
    }
    small = Kernel(base.btf, modules)
    again = Resolver.of(program, small)
    for relo, before in zip(relos, whole, strict=True):
        event("error" if before.error else "poison" if before.poison else "value")
        if before.error is None:
            assert answer(again.resolve(relo)) == answer(before)
    # What is left is BTF that any reader takes.
    for btf in (base.btf, *modules.values()):
        read = loads(dumps(btf), btf.base)
        assert read.equivalent(btf)


@settings(max_examples=50)
@given(st.data(), btfs(max_types=12))
def test_every_relocation_comes_out_the_same(data: st.DataObject, btf: Btf) -> None:
    if len(btf):
        relos = data.draw(st.lists(relocations(btf), min_size=1, max_size=6))
        check_law(btf, Kernel(btf), relos)


@settings(max_examples=40)
@given(st.data(), split_btfs())
def test_over_modules_too(data: st.DataObject, split: Btf) -> None:
    if split.base is not None and split.base.base is None and len(split):
        relos = data.draw(st.lists(relocations(split), min_size=1, max_size=6))
        check_law(split, Kernel(split.base, {"module": split}), relos)


@settings(max_examples=40)
@given(btfs(max_types=8), st.integers(), st.text("0123456789: -", max_size=6), st.integers(0, 20))
def test_any_relocation_has_an_answer(btf: Btf, number: int, access: str, kind: int) -> None:
    relo = CoreRelo(0, number % btf.end_id, access, kind)
    found = Resolver.of(btf, Kernel(btf)).resolve(relo)
    assert (found.error is None) != (found.patch is None)
