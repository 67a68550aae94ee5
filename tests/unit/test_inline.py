"""``.BTF.inline``: read with a module, and kept up with its ``.BTF`` whatever is done to that."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from building import built
from dedup_cases import own_content
from file_makers import make_elf
from shuffling import shuffled

from btfschema import Btf, Builder, Context, Draft, IdMap, PassResult, dumps, load, views
from btfschema.errors import DecodeError, PassError, SourceError, TypeIdError
from btfschema.model.loading import loads
from btfschema.sources.elfwrite import extract_section, write_btf_file
from btfschema.verification import sanitise
from btfschema_transforms.dedup import dedup
from btfschema_transforms.distill import distill
from btfschema_transforms.flatten import flatten
from btfschema_transforms.rebase import rebase
from btfschema_transforms.relocate import relocate
from btfschema_transforms.rename import Rename
from btfschema_transforms.sort import sort
from btfschema_transforms.split_off import split_off

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def kernel() -> Btf:
    return built(
        INT,
        views.Struct("device", 8, [views.Member("id", 1)]),
        views.Ptr(2),
        views.Struct("page", 8, [views.Member("flags", 1)]),
    )


def module(base: Btf) -> Btf:
    """``int probe(struct device *)``, twice; and where it is inlined, with a type of its own."""
    plain = built(
        views.FuncProto(1, [views.Param("device", 3)]),
        views.FuncProto(1, [views.Param("device", 3)]),
        views.Func("probe", 6),
        base=base,
    )
    inline = built(
        views.LocParam(8, views.LocFlags.REG, [0xFFFFFFFF]),
        views.LocProto([8]),
        views.LocSec(".text", [views.LocEntry(7, 9, 16)]),
        views.Typedef("page_t", 4),
        views.Typedef("probe", 6),
        base=plain,
    )
    return evolve(plain, inline=inline)


def told(btf: Btf) -> list[object]:
    """What ``.BTF.inline`` says, its references followed to their ends."""
    assert btf.inline is not None
    assert btf.inline.base is not None
    assert btf.inline.first_id == btf.end_id
    found: list[object] = []
    for one in range(btf.inline.first_id, btf.inline.end_id):
        reached: list[object] = []
        todo = [one]
        while todo and len(reached) < 32:
            current = todo.pop()
            reached.append(own_content(btf.inline, current))
            todo += btf.inline.references(current)
        found.append(reached)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    btf = module(kernel())
    assert btf.inline is not None
    path = tmp_path / "driver.ko"
    path.write_bytes(make_elf({".BTF": dumps(btf), ".BTF.inline": dumps(btf.inline)}))
    return path


def test_it_is_read_over_the_same_files_btf(file: Path) -> None:
    btf = load(file, kernel())

    assert btf.inline is not None
    assert [len(part) for part in btf.inline.chain] == [4, 3, 5]
    section = btf.inline.find(".text")
    assert isinstance(section, views.LocSec)
    assert section.entries[0].func == btf.find("probe")
    param = btf.inline[8]
    assert isinstance(param, views.LocParam)
    assert param.is_frame_based
    assert extract_section(file, ".BTF.inline") == dumps(btf.inline)


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "driver.ko"
    path.write_bytes(make_elf({".BTF": dumps(module(kernel())), ".BTF.inline": b"\x9f\xeb\x01"}))

    with pytest.raises((DecodeError, SourceError), match=r"driver\.ko: \.BTF\.inline: "):
        load(path, kernel())


def test_distilled_and_relocated() -> None:
    """A chain of three; the struct that only inlined calls need is in the distilled base, too."""
    btf = module(kernel())
    target, _ = shuffled(built(*kernel(), views.Struct("more", 4)), 5)

    split, _ = distill(btf)
    moved, _ = relocate(split, target)

    assert split.inline is not None
    assert [len(part) for part in split.inline.chain] == [3, 4, 5]
    assert split.base is not None
    assert [view.name for view in split.base if isinstance(view, views.Struct)] == [
        "device",
        "page",
    ]
    assert told(moved) == told(btf)
    assert moved.inline is not None
    assert moved.inline.chain[0] is target


def test_rebased() -> None:
    btf = module(kernel())
    target, _ = shuffled(kernel(), 7)

    moved, _ = rebase(btf, target)

    assert told(moved) == told(btf)
    assert moved.inline is not None
    assert loads(dumps(moved.inline), moved).equivalent(moved.inline)


def drafted(btf: Btf) -> Btf:
    """One of two prototypes that are alike is the other."""
    draft = Draft(btf)
    draft.redirect(5, 6)
    return draft.build()[0]


def test_renumbered() -> None:
    btf = module(kernel())

    results = [
        dedup(btf).btf,
        sort(btf)[0],
        flatten(btf),
        split_off(btf, [7])[0],
        PassResult.select(btf, btf.types.kinds != 0).btf,
        PassResult.rewritten(btf).btf,
        drafted(btf),
    ]

    assert len(results[0]) == 2
    for result in results:
        assert told(result) == told(btf)


def test_what_is_needed_is_not_dropped() -> None:
    btf = module(kernel())

    draft = Draft(btf)
    draft.drop(7)
    with pytest.raises(PassError, match=r'\.BTF\.inline: .* refers to FUNC "probe" \[7\]'):
        PassResult.select(btf, btf.types.kinds != 12)
    with pytest.raises(PassError, match=r'\.BTF\.inline: .* refers to FUNC "probe" \[7\]'):
        draft.build()


def test_what_leads_nowhere_is_named() -> None:
    btf = module(kernel())
    assert btf.inline is not None
    table = btf.inline.types
    bad = table.rewritten([(table.type_id_positions[:1], 99)])
    damaged = evolve(btf, inline=Btf.assemble(bad, btf.inline.strings, like=btf, base=btf))

    with pytest.raises(TypeIdError, match=r"^\.BTF\.inline: LOC.* refers to type id 99, .* 12$"):
        sort(damaged)


def test_names_change() -> None:
    btf = module(kernel())

    renamed = Rename(names=("probe:other",)).run(btf, Context()).btf
    shorter = PassResult.rewritten(btf, names={7: "p"}).btf

    for result in (renamed, shorter):
        assert result.inline is not None
        assert [view.id for view in result.inline] == [view.id for view in btf.inline or ()]
        assert list(result.inline) == list(btf.inline or ())
        assert loads(dumps(result.inline), result).equivalent(result.inline)


def test_repaired() -> None:
    """A prototype without a name for its parameter has one then; what is inlined stays known."""
    plain = built(*module(kernel()), base=kernel())
    plain = plain.replaced({5: views.FuncProto(1, [views.Param("", 3)]), 7: views.Func("a-b", 5)})
    btf = evolve(module(kernel()), image=plain.image)

    found = sanitise(btf, "6.12")

    assert found.changes
    assert found.btf.inline is not None
    assert list(found.btf.inline) == list(btf.inline or ())


def test_written_with_the_module(file: Path, tmp_path: Path) -> None:
    btf = load(file, kernel())
    split, _ = distill(btf)
    target = tmp_path / "distilled.ko"

    notes = write_btf_file(file, target, split)

    assert notes == ()
    again = load(target)
    assert told(relocate(again, kernel())[0]) == told(btf)
    assert extract_section(target, ".BTF.inline") == dumps(split.inline or split)
    notes = write_btf_file(file, tmp_path / "without.ko", evolve(split, inline=None))
    assert notes == ("the source's .BTF.inline does not fit the new BTF and is dropped",)
    notes = write_btf_file(file, tmp_path / "raw.btf", split)
    assert notes == ("a raw file has no place for .BTF.inline, which is not written",)


def test_the_draft_of_2025_is_refused_in_words() -> None:
    builder = Builder(layout=True, profile="wide")
    builder.add(views.LocSec(".text", []))
    data = bytearray(dumps(builder.build()))
    at = data.rindex(bytes([0, 12, 0, 0]))
    data[at + 1] = 16

    with pytest.raises(DecodeError, match=r"LOCSEC.* elem_sz 16.*: this is the draft of October"):
        loads(bytes(data))


def test_nothing_to_carry() -> None:
    btf = kernel()

    assert sort(btf)[0].inline is None
    assert dedup(btf).ids == IdMap.identity(5)
