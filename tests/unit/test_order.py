"""``sort``, ``permute``, ``flatten``, ``split-off``: types in other places, references kept."""

from __future__ import annotations

import hashlib

import pytest
from building import built
from dedup_cases import order_files, unlike
from ext_sections import with_ext
from samples import KERNEL_VIEWS

from btfschema import Btf, Context, Kind, dumps, loads, views
from btfschema.errors import PassError, SpecError, UnknownNameError
from btfschema.testing.contract import assert_pass_contract
from btfschema_transforms.flatten import Flatten, flatten
from btfschema_transforms.sort import Sort, permute, sort
from btfschema_transforms.split_off import SplitOff, split_off

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def sections(btf: Btf) -> tuple[bytes, bytes]:
    return btf.types.words.tobytes(), btf.strings.data


def names(btf: Btf) -> list[str]:
    return btf.strings.names(btf.types.name_offs)


@pytest.mark.parametrize(
    ("name", "news"), [("base", [0, 3, 1, 2]), ("split", [6, 4, 5])], ids=["base", "split"]
)
def test_permute_is_btf_permute(name: str, news: list[int]) -> None:
    """libbpf is told where each type goes, ``permute`` which type comes next."""
    files = order_files()
    base = loads(files["in.base.btf"]) if name == "split" else None
    btf = loads(files[f"in.{name}.btf"], base)
    moves = news[1:] if base is None else news
    order = sorted(range(btf.first_id, btf.end_id), key=lambda one: moves[one - btf.first_id])

    moved, ids = permute(btf, order)

    assert sections(moved) == sections(loads(files[f"permute-{name}.out.btf"], base))
    assert [ids[one] for one in range(btf.first_id, btf.end_id)] == moves


def test_sorted_types_stand_by_their_names_bytes() -> None:
    btf = built(
        views.Struct("zoo", 4, [views.Member("a", 2)]),
        INT,
        views.Ptr(1),
        views.Typedef("éa", 1),
        views.Typedef("Zoo", 1),
        views.Union("zoo", 4),
        views.Const(2),
        views.Typedef("zo", 1),
    )

    result, ids = sort(btf)

    assert names(result) == ["", "", "Zoo", "int", "zo", "zoo", "zoo", "éa"]
    assert [view.kind for view in result][:2] == [Kind.PTR, Kind.CONST]
    assert [view.kind for view in result][5:7] == [Kind.STRUCT, Kind.UNION]
    assert not unlike(btf, result, ids)
    assert result.is_sorted
    assert not btf.is_sorted


def test_long_names_that_begin_alike() -> None:
    long = "a" * 8
    btf = built(*[views.Fwd(name) for name in (long * 3, long, long + "b", long * 2, long * 2)])

    result, _ = sort(btf)

    assert names(result) == sorted(names(btf))


def test_sorted_kernel_is_libbpfs(cloud: Btf) -> None:
    """Types and strings as ``btf__permute`` leaves them, for the order that ``sorted`` gives."""
    result, ids = sort(cloud)

    texts = [name.encode() for name in names(cloud)]
    order = sorted(range(1, cloud.end_id), key=lambda one: texts[one - 1])
    assert [ids[one] for one in order] == list(range(1, cloud.end_id))
    assert result.strings.data == cloud.strings.data
    digest = hashlib.sha256(result.types.words.tobytes()).hexdigest()
    assert digest == hashlib.sha256(permute(cloud, order)[0].types.words.tobytes()).hexdigest()


def test_names_are_found_by_halving_just_as_without(cloud: Btf, modules: dict[str, bytes]) -> None:
    ordered, ids = sort(cloud)
    split, _ = sort(loads(modules["nfs"], cloud))
    some = {*names(cloud)[::997], "", "no such name", "list_head"}

    assert ordered.is_sorted
    for name in some:
        assert ordered.find_ids(name) == sorted(ids[one] or 0 for one in cloud.find_ids(name))
    by_name: dict[str, list[int]] = {}
    for type_id, name in enumerate(names(split), split.first_id):
        by_name.setdefault(name, []).append(type_id)
    for name in [name for name in names(split) if name][::37]:
        linear = by_name[name]
        assert [one for one in split.find_ids(name) if one >= split.first_id] == linear
    assert ordered.find_ids("\udfff") == cloud.find_ids("\udfff") == []


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([1, 2], "names 2 types, the container has 3"),
        ([1, 2, 4], "type 4, which is not one of the container's own"),
        ([0, 1, 2], "type 0, which is not"),
        ([1, 2, 1], r'names INT "int" \[1\] 2 times'),
    ],
)
def test_orders_that_are_none(order: list[int], message: str) -> None:
    with pytest.raises(PassError, match=message):
        permute(built(INT, views.Ptr(1), views.Ptr(2)), order)


def chain_of_three() -> Btf:
    base = built(INT, views.Struct("list", 8, [views.Member("next", 3)]), views.Ptr(2))
    middle = built(views.Typedef("list_t", 2), base=base)
    return built(views.Struct("mine", 8, [views.Member("next", 4)]), views.Ptr(5), base=middle)


def test_flattened_types_have_the_ids_they_had() -> None:
    split = chain_of_three()

    flat = flatten(split)

    assert flat.base is None
    assert [flat[one] for one in range(1, 7)] == [split[one] for one in range(1, 7)]
    assert loads(dumps(flat)).equivalent(flat)


def test_split_off_and_flatten_undo_each_other() -> None:
    flat = flatten(chain_of_three())

    split, ids = split_off(flat, [5, 6])

    assert split.base is not None
    assert names(split.base) == ["int", "list", "", "list_t"]
    assert b"mine" not in split.base.strings.data
    assert b"next" not in split.strings.data
    assert not unlike(flat, split, ids)
    assert flatten(split).equivalent(flat)


def test_what_stays_refers_to_nothing_that_leaves() -> None:
    flat = flatten(chain_of_three())

    with pytest.raises(PassError, match=r'STRUCT "list" \[2\] stays and refers to PTR \[3\]'):
        split_off(flat, [3])
    split, ids = split_off(flat, [3], users=True)

    assert split.base is not None
    assert names(split.base) == ["int"]
    assert not unlike(flat, split, ids)


def test_split_off_a_split() -> None:
    split = chain_of_three()

    further, ids = split_off(split, [6])

    assert [len(part) for part in further.chain] == [3, 1, 1, 1]
    assert not unlike(split, further, ids)


def test_code_goes_with_the_split() -> None:
    plain = built(INT, views.FuncProto(1), views.Func("main", 2))
    btf = with_ext(plain, types=[3], names=[plain.strings.index["main"]])

    for result, ids in (split_off(btf, [3]), sort(btf), (flatten(btf), None)):
        assert result.ext is not None
        assert result.ext.type_ids.tolist() == [ids[3] if ids else 3]
        assert result.strings.names(result.ext.string_offsets) == ["main"]


def test_split_off_by_name_and_kind() -> None:
    btf = built(*KERNEL_VIEWS)

    result = SplitOff(kinds=("DATASEC", "DECL_TAG"), types=("main",), users=True).run(
        btf, Context()
    )

    assert [view.kind for view in result.btf] == [Kind.FUNC, Kind.DATASEC, Kind.DECL_TAG]
    with pytest.raises(SpecError, match='"CLASS" is not a kind'):
        SplitOff(kinds=("CLASS",)).run(btf, Context())
    lower = SplitOff(kinds=("datasec", "Decl_Tag"), types=("main",), users=True)
    assert lower.run(btf, Context()).btf == result.btf


def test_split_off_of_nothing_that_is_named_fails() -> None:
    btf = built(*KERNEL_VIEWS)
    with pytest.raises(UnknownNameError, match=r'no type is called "mai\*"'):
        SplitOff(types=("mai*",)).run(btf, Context())
    (said,) = SplitOff(types=("main", "nosuch"), users=True).run(btf, Context()).diagnostics
    assert str(said) == 'warning: no type is called "nosuch"'


def test_the_contract_of_passes() -> None:
    for btf in (built(*KERNEL_VIEWS), chain_of_three()):
        for one in (Sort(), Flatten(), SplitOff(kinds=("STRUCT",), users=True)):
            assert_pass_contract(one, btf)
