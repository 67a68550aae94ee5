"""The references analysis: what a split needs of its base, and for whom."""

from __future__ import annotations

import json

import pytest
from building import built
from ext_sections import with_ext

from btfschema import Btf, Builder, Context, KindSpec, Pipeline, dumps, loads, views
from btfschema.errors import PassError
from btfschema.schema import KINDS, UNUSED
from btfschema.views import TypeView
from btfschema_transforms.references import References, references


def base() -> Btf:
    return built(
        views.Int("int", 4),
        views.Struct("device", 4, [views.Member("id", 1)]),
        views.Ptr(2),
        views.FuncProto(0, [views.Param("dev", 3)]),
        views.Func("probe", 4),
    )


def module() -> Btf:
    """6 struct card { probe_fn *; card *; }, 7 and 8 the pointers, 9 a tag on the base's FUNC."""
    return built(
        views.Struct("card", 16, [views.Member("probe", 7), views.Member("next", 8, 64)]),
        views.Ptr(4),
        views.Ptr(6),
        views.DeclTag("hot", 5),
        base=base(),
    )


def test_direct_and_closure_in_id_order() -> None:
    report = references(module())

    assert report.direct.tolist() == [4, 5]
    # device's own member is not needed: its name stands for it.
    assert report.closure.tolist() == [2, 3, 4, 5]
    assert report.refused.tolist() == [5]


def test_referrers_are_own_types_and_base_types() -> None:
    assert references(module()).referrers == {2: (3,), 3: (4,), 4: (7,), 5: (9,)}


def test_in_degree_counts_references_to_own_types() -> None:
    assert references(module()).in_degree.tolist() == [1, 1, 1, 0]


def test_ext_counts_as_a_referrer() -> None:
    report = references(with_ext(module(), types=[1, 9], names=[0]))

    assert report.direct.tolist() == [1, 4, 5]
    assert report.in_degree.tolist() == [1, 1, 1, 1]
    assert report.referrers[1] == ()
    assert 'INT "int" [1] for .BTF.ext' in str(report)


def test_in_words() -> None:
    assert str(references(module())) == (
        "4 types need 4 of the base's 5, 2 of them directly\n"
        '  STRUCT "device" [2] for PTR [3]\n'
        "  PTR [3] for FUNC_PROTO [4]\n"
        "  FUNC_PROTO [4] for PTR [7]\n"
        '  FUNC "probe" [5] for DECL_TAG "hot" [9]'
    )


def test_without_a_base_only_the_counts() -> None:
    report = references(base())

    assert report.in_degree.tolist() == [1, 1, 1, 1, 0]
    assert (report.closure.tolist(), report.referrers) == ([], {})
    assert str(report) == "5 types, no base"


def test_by_name_its_facts_are_json() -> None:
    result = Pipeline.parse("references").run(module())

    facts = json.loads(json.dumps(dict(result.facts["references"])))
    assert result.btf.equivalent(module())
    assert facts["needed"][0] == {
        "id": 2,
        "kind": "STRUCT",
        "name": "device",
        "direct": False,
        "refused": False,
        "referrers": [3],
    }
    assert facts["in_degree"] == [1, 1, 1, 0]


def test_computed_once_for_a_container() -> None:
    btf, context = module(), Context()

    assert context.get(References, btf) is context.get(References, btf)


def test_a_kind_that_hides_its_references_is_refused() -> None:
    class Strange(TypeView):
        KIND = 40

    builder = Builder(
        layout=True,
        profile="wide",
        kinds=KINDS.extended(KindSpec(40, "STRANGE", UNUSED, view=Strange)),
    )
    builder.add(Strange())
    with pytest.raises(PassError, match=r"KIND_40 \[1\] can't be rewritten"):
        references(loads(dumps(builder.build())))
