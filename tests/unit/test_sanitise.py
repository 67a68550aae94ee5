"""What ``sanitise`` and ``as_loaded`` make of BTF that a kernel refuses, and the small passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from broken_blobs import BROKEN, ONE
from hypothesis import given, settings

from btfschema import Btf, Builder, Context, Kind, Pipeline, dumps, load, loads, verify, views
from btfschema.errors import BtfError, PassError, SpecError, UnknownNameError
from btfschema.testing import assert_pass_contract, btfs
from btfschema.verification import KERNELS, READERS, RULES, as_loaded, sanitise
from btfschema.verification.repairs import REPAIRS
from btfschema.verification.rules import FRAME_RULES
from btfschema_transforms.drop import Drop
from btfschema_transforms.keep import Keep
from btfschema_transforms.rename import Rename
from btfschema_transforms.sanitise import Sanitise

OBJECT = Path(__file__).parents[1] / "data" / "bpf" / "externs.bpf.o"
# What no change mends: limits of the whole file, and sizes that contradict one another.
BEYOND_REPAIR = {
    "blob.size",
    "types.count",
    "record.info",
    "datasec.size",
    "datasec.sum",
    "datasec.variable",
    "array.overflow",
    "graph.depth",
    "tag.chain",
}


def readable() -> list[str]:
    """The rules whose smallest blob a container can be made of."""
    found = []
    for rule, broken in BROKEN.items():
        try:
            loads(broken.blob, loads(ONE) if broken.base else None)
        except BtfError:
            continue
        found.append(rule)
    return found


@pytest.mark.parametrize("rule", readable())
def test_what_breaks_a_rule_is_repaired_or_named(rule: str) -> None:
    broken = BROKEN[rule]
    btf = loads(broken.blob, loads(ONE) if broken.base else None)
    before = dumps(btf)
    found = sanitise(btf, "6.12")
    assert dumps(btf) == before
    assert list(found.left) == verify(found.btf, kernel="6.12")
    if rule in BEYOND_REPAIR:
        assert [one.rule.id for one in found.left] == [rule]
    else:
        assert found.left == ()
        assert rule in {change.rule for change in found.changes}
        assert loads(dumps(found.btf), found.btf.base).equivalent(found.btf)
        assert json.loads(json.dumps([one.as_dict() for one in found.changes]))


def test_a_rule_says_what_its_repair_does() -> None:
    told = {rule for rule in RULES if RULES[rule].repair}
    assert told == {*REPAIRS, *FRAME_RULES, "types.empty"}


@settings(max_examples=40)
@given(btf=btfs(valid=True, byteorder="little", min_types=1))
def test_sound_btf_comes_back_as_it_is(btf: Btf) -> None:
    found = sanitise(btf, "6.12")
    assert found.btf is btf
    assert found.ids.is_identity
    assert found.changes == ()


@settings(max_examples=25, deadline=None)
@given(btf=btfs(valid=True, byteorder="little", min_types=1))
@pytest.mark.parametrize("kernel", ["4.19", "5.4", "5.10", "5.15"])
def test_newer_kinds_are_lowered_for_older_kernels(kernel: str, btf: Btf) -> None:
    found = sanitise(btf, kernel)
    assert list(found.left) == verify(found.btf, kernel=kernel)
    assert found.btf.types.kinds.max(initial=0) <= KERNELS[kernel].last_kind
    found.ids.check(btf.end_id, found.btf.end_id)


def old_and_new() -> Btf:
    """Something of each kind that came after the first."""
    b = Builder()
    u8 = b.add(views.Int("unsigned char", 1))
    b.add(views.Enum64("fits", 8, [views.Enumerator("A", 7)]))
    b.add(views.Enum64("wide", 8, [views.Enumerator("B", 1 << 40)]))
    b.add(views.Enum("negative", 4, [views.Enumerator("MINUS", -1)]))
    b.add(views.Float("double", 8))
    b.add(views.Ptr(b.add(views.TypeTag("user", u8))))
    struct = b.add(views.Struct("s", 1, [views.Member("m", u8)]))
    b.add(views.DeclTag("note", struct, 0))
    proto = b.add(views.FuncProto(0, [views.Param("x", u8)]))
    b.add(views.Func("f", proto, views.Linkage.GLOBAL))
    variable = b.add(views.Var("v", u8, views.Linkage.GLOBAL))
    b.add(views.Datasec(".data", 1, [views.VarSecinfo(variable, 0, 1)]))
    return b.build()


def test_what_stands_for_what_is_libbpfs_choice() -> None:
    btf = old_and_new()
    found = sanitise(btf, "5.4")
    assert found.left == ()
    new = found.btf
    placeholder = new.find("enum64_placeholder").id
    # An ENUM of 8 bytes is not an ENUM in 5.4.
    assert new.find("fits") == views.Union("fits", 8, [views.Member("A", placeholder)])
    assert new.find("wide") == views.Union("wide", 8, [views.Member("B", placeholder)])
    assert new.find("negative", Kind.ENUM).signed is False
    assert new.find("f", Kind.FUNC).linkage == views.Linkage.STATIC
    assert not {Kind.FLOAT, Kind.TYPE_TAG, Kind.DECL_TAG} & {*new.types.kinds.tolist()}
    tag = next(view.id for view in btf if view.kind == Kind.TYPE_TAG)
    assert new[found.ids[tag] or 0].name == "unsigned char"

    newer = sanitise(btf, reader="libbpf-0.8").btf
    assert newer.find("fits") == views.Enum("fits", 8, [views.Enumerator("A", 7)])
    assert newer.find("double", Kind.FLOAT).size == 8


def test_a_reader_is_given_no_kind_that_it_does_not_know() -> None:
    for name, reader in READERS.items():
        found = sanitise(old_and_new(), reader=name)
        assert found.left == ()
        assert found.btf.types.kinds.max() <= reader.last_kind


def test_an_old_libbpf_reads_a_kernel(generic: Btf) -> None:
    found = sanitise(generic, reader="libbpf-0.3")
    assert found.left == ()
    assert found.btf.types.kinds.max() <= Kind.DATASEC
    assert (
        found.btf.find("task_struct", Kind.STRUCT).size
        == generic.find("task_struct", Kind.STRUCT).size
    )
    assert verify(found.btf, "read") == []


def test_names_of_other_languages_become_identifiers_and_stay_apart() -> None:
    b = Builder()
    b.add(views.Struct("MaybeUninit<u8>", 1))
    b.add(views.Struct("MaybeUninit[u8]", 1))
    b.add(views.Struct("3d", 0))
    b.add(views.Ptr(1, name="*[2]u8"))
    b.add(views.Struct("x" * 600, 0))
    found = sanitise(b.build(), "6.12")
    names = [getattr(view, "name", "") for view in found.btf]
    assert names[:4] == ["MaybeUninit_u8_", "MaybeUninit_u8__2", "_3d", ""]
    assert len(names[4]) == 511
    assert verify(found.btf, kernel="6.12") == []


def test_an_object_is_judged_as_libbpf_loads_it() -> None:
    btf = load(OBJECT)
    assert verify(btf)
    found = as_loaded(btf, "6.18")
    assert found.left == ()
    sections = {view.name: view.size for view in found.btf if isinstance(view, views.Datasec)}
    assert sections[".kconfig"] == 5
    assert sections[".ksyms"] == 4
    assert sections["license"] == 4
    assert all(change.rule == "libbpf" for change in found.changes)
    assert sanitise(btf, "6.18").btf.equivalent(found.btf)
    older = as_loaded(btf, "5.4")
    assert older.left == ()


def test_the_pass_tells_what_it_did_and_what_is_left() -> None:
    result = assert_pass_contract(Sanitise(kernel="5.4"), old_and_new())
    facts = result.facts["sanitise"]
    assert len(facts["changes"]) == 7
    assert facts["left"] == []
    assert {note.severity for note in result.diagnostics} == {"note"}
    endless = loads(BROKEN["tag.chain"].blob)
    (warning,) = Sanitise(kernel="6.12").run(endless, Context()).diagnostics
    assert "can't be repaired" in str(warning)


def test_a_repair_of_references_is_told_to_the_contract() -> None:
    b = Builder()
    b.add(views.Var("v", 0, 1))
    with pytest.raises(AssertionError, match=r"say so: changes=\['references'\]"):
        assert_pass_contract(Sanitise(kernel="5.4"), b.build())
    (change,) = assert_pass_contract(
        Sanitise(kernel="5.4"), b.build(), changes=["references"]
    ).facts["sanitise"]["changes"]
    assert change["type_id"] == 1


def test_a_pass_without_a_kernel_or_with_an_unknown_one_is_refused() -> None:
    for text in ("sanitise", "sanitise{kernel=5.4 reader=libbpf-0.8}", "sanitise{kernel=3.10}"):
        with pytest.raises((SpecError, ValueError)):
            Pipeline.parse(text)
    with pytest.raises(ValueError, match="either a kernel or a reader"):
        sanitise(old_and_new())


def test_the_small_passes() -> None:
    btf = old_and_new()
    without = assert_pass_contract(Drop(kinds=("decl_tag",)), btf).btf
    assert Kind.DECL_TAG not in without.types.kinds
    with pytest.raises(PassError, match="which is dropped"):
        Drop(names=("unsigned*",)).run(btf, Context())
    with pytest.raises(SpecError, match='"frob" is not a kind'):
        Drop(kinds=("frob",)).run(btf, Context())
    kept = assert_pass_contract(Keep(names=("s",)), btf).btf
    assert [type(view) for view in kept] == [views.Int, views.Struct, views.DeclTag]
    bare = Keep(names=("s",), tags=False).run(btf, Context()).btf
    assert [type(view) for view in bare] == [views.Int, views.Struct]
    renamed = assert_pass_contract(Rename(names=("s:t", "f:g")), btf).btf
    assert renamed.find("t", Kind.STRUCT).size == 1
    assert renamed.find("g", Kind.FUNC)
    with pytest.raises(SpecError, match="is not a pair of names"):
        Rename(names=("s",)).run(btf, Context())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drop{names=nosuch}", 'drop: warning: no type is called "nosuch"'),
        ("drop{names=nosuch*}", 'drop: warning: no type is called "nosuch*"'),
        ("drop{kinds=func names=s}", 'drop: warning: no type of these kinds is called "s"'),
        ("keep{names=s,nosuch}", 'keep: warning: no type is called "nosuch"'),
        ("rename{names=nosuch:t,s:t}", 'rename: warning: no type is called "nosuch"'),
        ("rename{names=s*:t}", 'rename: warning: no type is called "s*"'),
    ],
)
def test_names_that_nothing_has_are_said(text: str, words: str) -> None:
    result = Pipeline.parse(text).run(old_and_new())
    assert list(map(str, result.diagnostics)) == [words]


def test_names_that_something_has_are_not_said() -> None:
    for text in ("drop{names=neg*}", "keep{names=[s]}", "rename{names=s:t}", "drop{kinds=float}"):
        assert Pipeline.parse(text).run(old_and_new()).diagnostics == ()


def test_keep_of_nothing_fails() -> None:
    with pytest.raises(UnknownNameError, match='no type is called "nosuch"'):
        Pipeline.parse("keep{names=nosuch,other*}").run(old_and_new())
