"""What passes make of BTF that nobody would write: bounded, worded, and no neighbour's business."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from samples import tiny

from btfschema import Btf, Builder, Kind, dumps, loads
from btfschema.errors import BtfError, DecodeError, EncodeError
from btfschema.tables.ids import IdMap
from btfschema.tables.interning import LEAST, pick
from btfschema.tables.strings import StringTable
from btfschema.views import Fwd, Int, IntEncoding, Ptr, Struct
from btfschema_transforms import distill as distilling
from btfschema_transforms.distill import distill, distill_many
from btfschema_transforms.relocate import relocate, relocate_many
from btfschema_transforms.relocation.bases import FEW

LENGTH = 3000


def chained(length: int) -> Btf:
    """``int`` and pointers, each to the one before."""
    builder = Builder()
    builder.add(Int("int", 4, IntEncoding.SIGNED))
    for type_id in range(1, length):
        builder.add(Ptr(type_id))
    return builder.build()


def over(base: Btf, *views: Ptr | Struct) -> Btf:
    builder = Builder(base)
    for view in views:
        builder.add(view)
    return builder.build()


def damaged(split: Btf) -> Btf:
    """The same, its first reference past its end: into what its neighbours' ids are counted by."""
    types = split.types
    first = types.type_id_positions[:1]
    words = dumps(
        Btf.assemble(
            types.rewritten([(first, [split.end_id])]), split.strings, like=split, base=split.base
        )
    )
    return loads(words, split.base, check=False)


def test_a_long_chain_is_followed_to_its_end() -> None:
    base = chained(LENGTH)
    split, ids = distill(over(base, Ptr(LENGTH)))
    assert len(split.base or ()) == 1
    assert len(split) == LENGTH
    assert ids[LENGTH] == split.end_id - 1


@pytest.mark.parametrize("width", [FEW - 1, FEW, FEW + 1])
def test_few_and_many_are_followed_alike(width: int) -> None:
    """Whether a step leads to fewer types than numpy is worth, or to more."""
    builder = Builder()
    forwards = [builder.add(Fwd(f"f{n}")) for n in range(width)]
    pointers = [builder.add(Ptr(one)) for one in forwards]
    further = [builder.add(Ptr(one)) for one in pointers]
    split, _ = distill(over(builder.build(), *map(Ptr, further)))
    assert len(split.base or ()) == width
    assert len(split) == 3 * width


def test_splits_that_need_much_of_the_base_are_done_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = chained(200)
    splits = [over(base, Ptr(number)) for number in range(1, 60)]
    alone = [distill(split) for split in splits]
    monkeypatch.setattr(distilling, "WORDS_TOGETHER", 500)
    for (one, ids), (other, other_ids) in zip(distill_many(splits), alone, strict=True):
        assert one.equivalent(other)
        assert ids == other_ids


def test_tails_of_one_string_do_not_become_gigabytes() -> None:
    """Each tail is a text of its own, so that they take the square of what they took."""
    table = StringTable(b"\0" + b"a" * LENGTH + b"\0")
    with pytest.raises(EncodeError, match=r"expected at most \d+") as caught:
        pick(table, [np.arange(1, LENGTH)])
    wanted = sum(range(3, LENGTH + 2))
    assert wanted > LEAST
    assert caught.value.got == wanted


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_was_read_without_a_check_is_refused_in_its_place(place: int) -> None:
    """Its ids could be those of a neighbour when they are counted through."""
    base = chained(20)
    splits = [distill(over(base, Struct(f"s{n}", 8), Ptr(1)))[0] for n in range(3)]
    wanted = [relocate(split, base) for split in splits]
    splits[place] = damaged(splits[place])
    with pytest.raises(DecodeError, match="is past the last id"):
        relocate(splits[place], base)
    for number, found in enumerate(relocate_many(splits, base)):
        if number == place:
            assert isinstance(found, DecodeError)
            continue
        assert not isinstance(found, BtfError)
        assert found[0].equivalent(wanted[number][0])
    with pytest.raises(DecodeError, match="is past the last id"):
        distill_many([over(base, Ptr(1)), damaged(over(base, Ptr(1)))])


def test_names_are_found_through_any_number_of_bases() -> None:
    btf = tiny()
    for _ in range(1500):
        btf = tiny(btf)
    wanted = [btf.strings[int(offset)] for offset in btf.all_types.name_offs]
    assert btf.strings.names(btf.all_types.name_offs) == wanted
    assert not btf.strings.empty(btf.types.name_offs).all()
    assert len(btf.find_all("s", Kind.STRUCT)) == 1501


def test_an_id_map_stays_read_only() -> None:
    """Also when it comes from another process, or is a part of a larger one."""
    whole = IdMap.from_runs(8, [0, 4], [0, 0], [4, 4])
    for ids in (pickle.loads(pickle.dumps(whole)), *whole.cut([0, 4, 8])):
        assert not ids.starts.flags.writeable
        assert not ids.targets.flags.writeable
        assert ids.starts.base is None
    assert pickle.loads(pickle.dumps(whole)) == whole
