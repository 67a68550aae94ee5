"""``verify_many`` and ``oddities_many``: of each container what is found of it alone."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from building import built
from edge_blobs import edge_blobs
from hypothesis import event, given
from hypothesis import strategies as st
from samples import tiny
from slow import and_slow

from btfschema import Btf, BtfError, Builder, dumps, loads, loads_many, views
from btfschema.codec.header import ByteOrder
from btfschema.model.siblings import siblings
from btfschema.schema.roles import Role
from btfschema.testing import btfs, mutations, split_btfs
from btfschema.verification import (
    KERNELS,
    Level,
    oddities,
    oddities_many,
    verifier,
    verify,
    verify_many,
)
from btfschema.verification.visits import Walk

# Blobs of which only the bytes are looked at stand over any base.
pytestmark = pytest.mark.filterwarnings("ignore::btfschema.errors.WrongBaseWarning")


def over(base: Btf, blob: bytes) -> Btf | None:
    """Stand-alone BTF as split BTF that refers to nothing of its base; None if unreadable."""
    try:
        alone = loads(blob, check=False)
    except BtfError:
        return None
    types, moved = alone.types, []
    for role, by in ((Role.TYPE_ID, base.end_id - 1), (Role.STRING_OFFSET, base.strings.end)):
        positions = types.positions(role)
        values = types.words[positions].astype(np.int64)
        moved.append((positions, np.where(values > 0, values + by, 0) & 0xFFFFFFFF))
    table = types.rewritten(moved, base.end_id)
    return Btf.assemble(table, alone.strings.data, like=alone, base=base)


def edges(base: Btf, seed: int, count: int) -> list[Btf]:
    """Splits at the edges of every rule; the ids of a third are as drawn, and meet the base's."""
    found = []
    for number, (_, blob) in enumerate(islice(edge_blobs(seed), count)):
        one = over(base, blob)
        if number % 3 == 0:
            try:
                one = loads(blob, base, check=False)
            except BtfError:
                one = None
        if one is not None:
            found.append(one)
    return found


@pytest.fixture(scope="module")
def base() -> Btf:
    """Types for numbers without a meaning to meet."""
    return built(
        views.Int("long", 8),
        views.Int("int", 4),
        views.Typedef("u32", 2),
        views.Struct("s", 8, (views.Member("a", 2), views.Member("b", 3, 32))),
        views.Ptr(4),
        views.Array(2, 1, 4),
        views.Fwd("f"),
        views.FuncProto(0, (views.Param("x", 2),)),
        views.Func("g", 8),
    )


@pytest.mark.parametrize(
    ("seed", "count"), and_slow((1, 500), slow=[(seed, 8000) for seed in range(10, 13)])
)
@pytest.mark.parametrize("level", ["kernel", "read"])
def test_edges_are_judged_together_as_alone(base: Btf, seed: int, count: int, level: Level) -> None:
    found = edges(base, seed, count)
    random = Random(seed)
    random.shuffle(found)
    kernel = random.choice(sorted(KERNELS))
    alone = [verify(one, level, kernel) for one in found]
    assert verify_many(found, level, kernel) == alone
    sound = [one for one, violations in zip(found, alone, strict=True) if not violations]
    assert len(sound) > len(found) / 8
    # By themselves, nothing makes anybody ask them alone.
    assert verify_many(sound, level, kernel) == [[]] * len(sound)
    assert oddities_many(found) == [oddities(one) for one in found]


@st.composite
def families(draw: st.DrawFn) -> list[Btf]:
    """Splits over several bases, and BTF without one, some of it damaged."""
    order: ByteOrder = draw(st.sampled_from(["little", "big"]))
    root = Builder(byteorder=order)
    # Without a long, pointers are as large as each container's members suggest.
    root.add(views.Int("long" if draw(st.integers(0, 3)) else "short", 8))
    known = root.build()
    bases = draw(st.lists(btfs(known, max_types=4, byteorder=order), min_size=1, max_size=2))
    found = []
    for base in draw(st.lists(st.sampled_from([*bases, *bases, None]), min_size=2, max_size=8)):
        btf = draw(btfs(base, max_types=4, byteorder=order))
        if draw(st.booleans()):
            try:
                btf = loads(draw(mutations(dumps(btf))), base, check=False)
            except BtfError:
                event("unreadable")
        found.append(btf)
    event(f"at most {max((len(one.numbers) for one in siblings(found)), default=0)} together")
    return found


@given(families(), st.sampled_from(sorted(KERNELS)))
def test_no_container_answers_for_another(found: list[Btf], kernel: str) -> None:
    assert verify_many(found, kernel=kernel) == [verify(one, kernel=kernel) for one in found]
    anew = [loads(dumps(one), one.base, check=False) for one in found]
    assert [list(map(str, one)) for one in oddities_many(anew)] == [
        list(map(str, oddities(one))) for one in found
    ]


@given(split_btfs(), st.data())
def test_the_bytes_of_what_is_sound_are_sound(btf: Btf, data: st.DataObject) -> None:
    """Commands read many files before they verify them, and so never ask about bytes."""
    blob = data.draw(mutations(dumps(btf)))
    try:
        read = loads(blob, btf.base)
    except BtfError:
        event("unreadable")
        return
    event("sound" if not verify(read) else "unsound")
    assert verify(blob, base=btf.base) == verify(read)


def asked_alone() -> Any:
    """What ``verify_many`` verifies alone."""
    return patch.object(verifier, "verify", wraps=verify)


def test_modules_are_verified_together(cloud: Btf, modules: dict[str, bytes]) -> None:
    read = loads_many([modules[name] for name in sorted(modules)[:70]], cloud)
    assert [len(group.numbers) for group in siblings(read)] == [64, 6]
    with asked_alone() as asked:
        assert verify_many(read) == [[]] * len(read)
    assert not asked.called


def test_only_what_is_suspect_is_verified_alone(base: Btf) -> None:
    """Also a blob whose frame is wrong, which its types don't tell."""
    found = []
    for number in range(6):
        b = Builder(base)
        b.add(views.Enum("state", 3 if number == 4 else 4))
        found.append(loads(dumps(b.build()), base))
    flagged = bytearray(dumps(found[1]))
    flagged[3] = 1
    found[1] = loads(bytes(flagged), base)
    with asked_alone() as asked:
        violations = verify_many(found)
    told = {1: ["header.flags"], 4: ["record.size_word"]}
    assert [[one.rule.id for one in each] for each in violations] == [
        told.get(number, []) for number in range(6)
    ]
    assert [call.args[0] for call in asked.call_args_list] == [found[1], found[4]]
    assert violations[4] == verify(dumps(found[4]), base=base)


def test_what_the_order_of_visits_decides_is_decided_alone(base: Btf) -> None:
    """A walk through all of them would take longer than one through each that needs it."""
    b = Builder(base)
    b.add(views.Struct("loop", 8, (views.Member("again", base.end_id),)))
    loop, plain = b.build(), built(views.Typedef("t", 1), base=base)
    with patch.object(verifier, "Walk", wraps=Walk) as walks:
        violations = verify_many([plain, loop, plain])
    assert [[one.rule.id for one in each] for each in violations] == [[], ["graph.loop"], []]
    assert [call.args[1] for call in walks.call_args_list] == [loop]


def test_strangers_are_not_put_together(base: Btf) -> None:
    """Over another base, without one, with other pointers, with a reference to nowhere."""
    plain = built(views.Typedef("t", 1), base=base)
    stranger = built(views.Typedef("t", 1), base=tiny())
    lost = loads(dumps(built(views.Typedef("t", 1), base=base)), base, check=False)
    types = lost.types.rewritten([(np.array([2]), [99])])
    lost = Btf.assemble(types, lost.strings.data, like=lost, base=base)
    groups = [group.numbers for group in siblings([plain, base, stranger, plain])]
    assert groups == [[0, 3], [1], [2]]
    assert [group.numbers for group in siblings([plain, lost])] == [[0], [1]]
