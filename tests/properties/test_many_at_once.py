"""Many containers at once: what becomes of one never depends on its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from ext_sections import with_ext
from hypothesis import event, given, settings
from hypothesis import strategies as st
from shuffling import shuffled
from telling import outcome, said_by

from btfschema import Btf, Context, Kind, dumps, loads, loads_many
from btfschema.codec.header import ByteOrder
from btfschema.errors import BtfError
from btfschema.tables import joined
from btfschema.testing import blobs, btfs, mutations, split_btfs
from btfschema_transforms.distill import Distill, Sharing, distill, distill_many
from btfschema_transforms.relocate import Relocate, relocate, relocate_many
from btfschema_transforms.sameness.matching import Policy

# Each example is several containers, and each of them is done at least twice.
HALF = settings(max_examples=settings().max_examples // 2)

NO_CODE = tuple(
    kind
    for kind in Kind
    if kind not in (Kind.VOID, Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG, Kind.LOCSEC)
)


class Given(NamedTuple):
    """A blob and what it is to be read over."""

    blob: bytes
    base: Btf | None


@st.composite
def bases(
    draw: st.DrawFn, kinds: Sequence[int] | None = None, byteorder: ByteOrder | None = None
) -> list[Btf]:
    """A few containers, some of them split themselves."""
    options: dict[str, Any] = {"kinds": kinds, "byteorder": byteorder}
    one = btfs(max_types=5, **options) | split_btfs(max_bases=1, max_types=3, **options)
    return draw(st.lists(one, min_size=1, max_size=3))


@st.composite
def mixtures(draw: st.DrawFn, *, damage: bool) -> list[Given]:
    """Blobs of every sort over bases of every sort, the damaged among them if asked for."""
    known: list[Btf | None] = [None, *draw(bases())]
    found = []
    for base in draw(st.lists(st.sampled_from(known), max_size=6)):
        blob = draw(blobs(base, max_types=4) | st.just(dumps(draw(btfs(base, max_types=1)))))
        if damage and draw(st.booleans()):
            blob = draw(mutations(blob) | st.just(b""))
        if damage and draw(st.integers(0, 7)) == 0:
            base = draw(st.sampled_from(known))
        found.append(Given(blob, base))
    return found


# Blobs of which only the bytes are looked at stand over any base.
pytestmark = pytest.mark.filterwarnings("ignore::btfschema.errors.WrongBaseWarning")


def small_portions(size: int) -> Any:
    """Let no more than ``size`` containers be done together."""
    return patch.object(joined, "TOGETHER", size)


@HALF
@given(mixtures(damage=False), st.sampled_from([2, 64]))
def test_blobs_read_together_are_those_that_are_read_one_by_one(
    found: list[Given], portion: int
) -> None:
    with small_portions(portion):
        together = loads_many([one.blob for one in found], [one.base for one in found])
    for btf, one in zip(together, found, strict=True):
        assert said_by(btf) == said_by(loads(one.blob, one.base))
        assert btf.base is one.base


@HALF
@given(mixtures(damage=True), st.booleans(), st.sampled_from(["bulk", "reference"]))
def test_a_damaged_blob_gives_the_error_that_it_gives_alone(
    found: list[Given], check: bool, engine: Any
) -> None:
    options: dict[str, Any] = {"check": check, "decoder": engine}
    alone = [outcome(loads, *one, **options) for one in found]
    together = outcome(
        loads_many, [one.blob for one in found], [one.base for one in found], **options
    )
    errors = [said_by(one) for one in alone if isinstance(one, BtfError)]
    event(f"{min(len(errors), 2)} damaged")
    if errors:
        assert said_by(together) in errors
    else:
        assert said_by(together) == said_by(alone)


@st.composite
def splits(draw: st.DrawFn, kinds: Sequence[int], byteorder: ByteOrder | None = None) -> list[Btf]:
    """Splits over several bases, in any order, some of them with ``.BTF.ext``."""
    known = draw(bases(kinds, byteorder))
    found = []
    for base in draw(st.lists(st.sampled_from(known), max_size=6)):
        split = draw(btfs(base, kinds=kinds, max_types=4))
        if draw(st.integers(0, 2)) == 0:
            ids = st.integers(0, split.end_id - 1)
            names = st.sampled_from([0, *split.strings.index.values()])
            types = draw(st.lists(ids, min_size=1, max_size=3))
            split = with_ext(split, types=types, names=draw(st.lists(names, min_size=1)))
        found.append(split)
    return found


@HALF
@given(splits(NO_CODE), st.sampled_from(["whole", "suffix"]), st.sampled_from([1, 3, 64]))
def test_splits_are_distilled_together_as_one_by_one(
    found: list[Btf], strings: Sharing, portion: int
) -> None:
    alone = [said_by(distill(split, strings)) for split in found]
    with small_portions(portion):
        assert [said_by(one) for one in distill_many(found, strings)] == alone
    backwards = distill_many(found[::-1], strings)
    assert [said_by(one) for one in backwards] == alone[::-1]


@HALF
@given(splits(tuple(kind for kind in Kind if kind)), st.data())
def test_what_can_not_be_distilled_is_refused_in_its_place(
    found: list[Btf], data: st.DataObject
) -> None:
    """Splits that refer to code of their bases, and what has no base."""
    found += data.draw(st.lists(btfs(max_types=2), max_size=2))
    found = data.draw(st.permutations(found))
    alone = [outcome(distill, split) for split in found]
    errors = [said_by(one) for one in alone if isinstance(one, BtfError)]
    event(f"{min(len(errors), 2)} refused")
    together = outcome(distill_many, found)
    if errors:
        assert said_by(together) in errors
    ctx = Context()
    in_place = Distill().run_many(found, ctx)
    assert said_by(in_place) == said_by([outcome(Distill().run, one, ctx) for one in found])


@HALF
@given(
    splits(NO_CODE, byteorder="big"),
    st.data(),
    st.sampled_from(["strict", "kernel"]),
    st.sampled_from([1, 3, 64]),
)
def test_splits_are_relocated_together_as_one_by_one(
    found: list[Btf], data: st.DataObject, policy: Policy, portion: int
) -> None:
    """Onto one of their bases, in another order and with more types: most of some, none of others.

    Those that were not distilled are refused, and those of another byte order.
    """
    distilled = [one for one, _ in distill_many(found)]
    strangers = split_btfs() | st.sampled_from(found) if found else split_btfs()
    unsuited = data.draw(st.lists(strangers, max_size=1))
    mixed = data.draw(st.permutations([*distilled, *unsuited]))
    onto = [one.base for one in found if one.base] or [data.draw(btfs(byteorder="big"))]
    original = onto[0]
    target = shuffled(original, data.draw(st.integers(0, 9)))[0]
    target = data.draw(btfs(target, kinds=NO_CODE, max_types=3) | st.just(target))
    explaining = data.draw(st.sampled_from([None, original]))
    with small_portions(portion):
        together = relocate_many(mixed, target, policy, original=explaining)
    alone = [outcome(relocate, one, target, policy, original=explaining) for one in mixed]
    for one in alone:
        event(type(one).__name__)
    assert list(map(said_by, together)) == list(map(said_by, alone))
    ctx = Context({"target": target} | ({"original": explaining} if explaining else {}))
    as_pass = Relocate(policy).run_many(mixed, ctx)
    expected = [outcome(Relocate(policy).run, one, ctx) for one in mixed]
    assert said_by(as_pass) == said_by(expected)
