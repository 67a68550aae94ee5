"""``Draft``: what is changed changes, and all else stays byte for byte."""

from __future__ import annotations

import pytest
from ext_sections import with_ext
from hypothesis import assume, given
from hypothesis import strategies as st

from btfschema import Btf, Builder, dumps, loads, views
from btfschema.errors import PassError, TypeIdError
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
    with pytest.raises(PassError, match="is dropped, and type 1 of what stays refers to it"):
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
