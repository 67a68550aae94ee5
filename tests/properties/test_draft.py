"""``Draft``: what is changed changes, and all else stays byte for byte."""

from __future__ import annotations

import pytest
from ext_sections import with_ext
from hypothesis import assume, given
from hypothesis import strategies as st

from btfschema import Btf, Builder, dumps, loads, views
from btfschema.errors import EncodeError, PassError, TypeIdError
from btfschema.model.draft import Draft
from btfschema.testing import btfs, split_btfs

ANY = st.one_of(btfs(min_types=1), split_btfs())


@given(btf=ANY)
def test_a_draft_without_changes_is_the_container_itself(btf: Btf) -> None:
    result, ids = Draft(btf).build()
    assert result is btf
    assert ids.is_identity


@given(btf=ANY, data=st.data())
def test_types_put_back_as_they_are_change_no_record(btf: Btf, data: st.DataObject) -> None:
    assume(len(btf))
    draft = Draft(btf)
    for type_id in data.draw(st.sets(st.integers(btf.first_id, btf.end_id - 1), min_size=1)):
        draft[type_id] = btf[type_id]
    result, ids = draft.build()
    assert ids.is_identity
    assert list(result) == list(btf)
    assert loads(dumps(result), btf.base).equivalent(result)


@given(btf=btfs(min_types=1), data=st.data())
def test_a_redirected_type_is_its_target_for_all_who_used_it(btf: Btf, data: st.DataObject) -> None:
    gone = data.draw(st.integers(1, btf.end_id - 1))
    draft = Draft(btf)
    added = draft.add(views.Int("stand_in", 4))
    draft.redirect(gone, added)
    result, ids = draft.build()
    assert len(result) == len(btf)
    assert result[result.end_id - 1] == views.Int("stand_in", 4)
    for view in btf:
        if view.id != gone:
            new = result[ids[view.id] or 0]
            assert new.references == [ids[old] for old in view.references]
    assert ids[gone] == result.end_id - 1


def test_records_change_their_kind_and_length_and_ext_follows() -> None:
    b = Builder()
    proto = b.add(views.FuncProto(0))
    long = b.add(views.Enum64("e", 8, (views.Enumerator("A", 1), views.Enumerator("B", 2))))
    func = b.add(views.Func("f", proto))
    btf = with_ext(b.build(), types=[func], names=[1])
    draft = Draft(btf)
    draft[long] = views.Enum("e", 4, (views.Enumerator("A", 1),))
    draft.redirect(proto, draft.add(views.FuncProto(0, (views.Param("named", long),))))
    result, ids = draft.build()
    assert [type(view) for view in result] == [views.Enum, views.Func, views.FuncProto]
    assert result.ext is not None
    assert set(result.ext.type_ids.tolist()) == {ids[func]}
    prototype = result.find("f").references[0]
    param = result[prototype].references[1]
    assert result[param] == views.Enum("e", 4, (views.Enumerator("A", 1),))


def test_what_is_used_is_not_dropped() -> None:
    b = Builder()
    b.add(views.Ptr(b.add(views.Int("int", 4))))
    draft = Draft(b.build())
    draft.drop(1)
    with pytest.raises(PassError, match=r'INT "int" \[1\] is dropped, and PTR \[2\] refers'):
        draft.build()


def test_redirections_in_a_circle_and_strange_ids_are_errors() -> None:
    b = Builder()
    b.add(views.Const(2))
    b.add(views.Const(1))
    draft = Draft(b.build())
    draft.redirect(1, 2)
    draft.redirect(2, 1)
    with pytest.raises(PassError, match="which is itself"):
        draft.build()
    for type_id in (0, 3):
        with pytest.raises(TypeIdError):
            draft.drop(type_id)


def test_a_renamed_type_takes_its_name_from_the_strings_that_are_there() -> None:
    b = Builder()
    b.add(views.Int("long", 8))
    b.add(views.Int("int", 4))
    btf = b.build()
    draft = Draft(btf)
    draft[2] = views.Int("long", 4)
    result, _ = draft.build()
    assert result.strings.data == btf.strings.data


FAR = 10**8


def pair() -> Btf:
    """``int`` is 1, ``int *`` is 2."""
    b = Builder()
    b.add(views.Ptr(b.add(views.Int("int", 4))))
    return b.build()


@pytest.mark.parametrize("moves", [False, True])
def test_references_to_nothing_are_named(moves: bool) -> None:
    for type_id, view in ((1, views.Typedef("x", FAR)), (3, views.Ptr(FAR))):
        draft = Draft(pair())
        if type_id == 3:
            assert draft.add(view) == 3
        else:
            draft[type_id] = view
        if moves:
            draft.drop(2)
        where = 'TYPEDEF "x" \\[1\\]' if type_id == 1 else "PTR \\[3\\]"
        message = f"the new {where} refers to type id {FAR}, the last id is {max(type_id, 2)}"
        with pytest.raises(TypeIdError, match=message) as caught:
            draft.build()
        assert (caught.value.type_id, caught.value.got) == (type_id, FAR)


def test_what_was_added_later_is_no_reference_to_nothing() -> None:
    draft = Draft(pair())
    draft[1] = views.Typedef("x", 3)
    draft.add(views.Int("late", 1))
    new, _ = draft.build()
    assert loads(dumps(new)).find("x").references == [3]


def test_a_reference_to_nothing_that_was_there_matters_when_types_move() -> None:
    btf = pair()
    damaged = Btf.assemble(
        btf.types.rewritten([(btf.types.type_id_positions, 9)]), btf.strings, like=btf, base=None
    )
    draft = Draft(damaged)
    draft[1] = views.Int("other", 4)
    assert draft.build()[0].references(2) == [9]
    draft.drop(1)
    with pytest.raises(TypeIdError, match=r"^PTR \[2\] refers to type id 9, the last id is 2"):
        draft.build()


@pytest.mark.parametrize("target", [-5, -1, 3, FAR])
def test_a_type_is_redirected_to_one_that_is_there(target: int) -> None:
    draft = Draft(pair())
    with pytest.raises(TypeIdError, match=rf"type id {target} is not in 0\.\.2"):
        draft.redirect(1, target)
    assert not draft


def test_errors_name_the_type_that_is_replaced() -> None:
    draft = Draft(pair())
    with pytest.raises(EncodeError, match="type 1 \\(INT") as caught:
        draft[1] = views.Int("int", -4)
    assert caught.value.type_id == 1
    assert not draft


@given(btf=ANY, data=st.data())
def test_ids_of_a_draft_are_followed_to_the_end(btf: Btf, data: st.DataObject) -> None:
    """Every type has a name that tells it, and what happens to them is done in any order."""
    draft = Draft(btf)
    names = {type_id: f"own{type_id}" for type_id in range(btf.first_id, btf.end_id)}
    for type_id, name in names.items():
        draft[type_id] = views.Typedef(name, 0)
    for number in range(data.draw(st.integers(1, 4))):
        names[draft.add(views.Typedef(f"added{number}", 0))] = f"added{number}"
    for type_id in data.draw(st.sets(st.sampled_from(sorted(names)))):
        names[type_id] = f"again{type_id}"
        draft[type_id] = views.Typedef(names[type_id], 0)
        assert draft[type_id] == views.Typedef(names[type_id], 0)
    gone = data.draw(st.sets(st.sampled_from(sorted(names))))
    stay = [0, *sorted(names.keys() - gone)]
    for type_id in gone:
        target = data.draw(st.none() | st.sampled_from(stay))
        if target is None:
            draft.drop(type_id)
            del names[type_id]
        else:
            draft.redirect(type_id, target)
            names[type_id] = names.get(target, "void")
    new, ids = draft.build()
    whole = draft.new_ids
    assert list(whole)[: btf.end_id] == list(ids)
    ids.check(btf.end_id, new.end_id)
    whole.check(len(whole), new.end_id)
    assert loads(dumps(new), btf.base).equivalent(new)
    for type_id in range(btf.first_id, len(whole)):
        place = whole[type_id]
        found = getattr(new[place], "name", "") if place is not None else None
        assert found == names.get(type_id)


def test_types_that_refer_to_each_other_are_added() -> None:
    draft = Draft(pair())
    node = draft.add(views.Fwd("node"))
    link = draft.add(views.Ptr(node))
    draft[node] = views.Struct("node", 8, [views.Member("next", link)])
    draft.redirect(2, link)
    new, ids = draft.build()
    assert [view.references for view in new] == [[], [3], [2]]
    assert ids[2] == draft.new_ids[link] == 3


def test_an_added_type_that_goes_is_named_where_it_is_missed() -> None:
    draft = Draft(pair())
    gone = draft.add(views.Int("gone", 4))
    draft.add(views.Typedef("user", gone))
    draft.drop(gone)
    message = r'INT "gone" \[3\] is dropped, and TYPEDEF "user" \[4\] refers to it'
    with pytest.raises(PassError, match=message):
        draft.build()
