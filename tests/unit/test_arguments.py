"""What is said of arguments that are wrong, and that one value counts as several."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from btfschema import (
    KINDS,
    Btf,
    Builder,
    Context,
    Diagnostic,
    Draft,
    IdMap,
    Needs,
    Pipeline,
    dump,
    dumps,
    load,
    load_many,
    loads,
    loads_many,
    verify,
)
from btfschema.arguments import require_choice, several, texts
from btfschema.co_re import BpfObject, Kernel, Marks, check_object, mark_named
from btfschema.errors import EncodeError, TypeIdError, UnknownNameError, WrongKeyError
from btfschema.model.ext import loads_ext
from btfschema.questions import (
    Conditions,
    Dataset,
    answer,
    catalog_of,
    diff,
    from_tables,
    list_types,
    parse_questions,
    tables_of,
)
from btfschema.questions.listing import Row
from btfschema.questions.offsetfiles import Answers, written
from btfschema.render import format_type, struct_layout, to_c
from btfschema.render.c import c_header
from btfschema.render.graph import neighbourhood
from btfschema.schema import Kinds
from btfschema.testing import assert_pass_contract
from btfschema.verification import oddities, oddities_many, sanitise, verify_many
from btfschema.views import (
    Datasec,
    DeclTag,
    Enum,
    Enum64,
    Enumerator,
    Func,
    FuncProto,
    Fwd,
    Int,
    LocSec,
    Member,
    Ptr,
    Struct,
    TypeTag,
)
from btfschema_transforms.dedup import Dedup, dedup
from btfschema_transforms.distill import Distill, distill, distill_many
from btfschema_transforms.drop import Drop
from btfschema_transforms.duplicates import duplicates
from btfschema_transforms.flatten import flatten
from btfschema_transforms.keep import Keep
from btfschema_transforms.merge import merge
from btfschema_transforms.minimise import Minimise, minimise
from btfschema_transforms.rebase import rebase
from btfschema_transforms.references import references
from btfschema_transforms.relocate import Relocate, relocate, relocate_many
from btfschema_transforms.rename import Rename
from btfschema_transforms.sanitise import Sanitise
from btfschema_transforms.sort import Sort, sort
from btfschema_transforms.split_off import SplitOff, split_off

# A value of no option; the static types refuse it too.
NONE: Any = "kernal"


def small(base: Btf | None = None) -> Btf:
    """A node that points to another, and an ``int``."""
    builder = Builder(base)
    number = builder.add(Int("int" if base is None else "long", 4))
    pointer = builder.add(Ptr(number + 2))
    name = "node" if base is None else "holder"
    builder.add(Struct(name, 16, [Member("value", number), Member("next", pointer, bit_offset=64)]))
    return builder.build()


def named(*names: str) -> Btf:
    """Integers."""
    builder = Builder()
    for name in names:
        builder.add(Int(name, 4))
    return builder.build()


BASE = small()
NAMED = named("long", "int")
SPLIT = small(BASE)
RAW = dumps(BASE)

CHOICES: dict[str, tuple[Callable[[], object], str]] = {
    "relocate": (
        lambda: relocate(SPLIT, BASE, NONE),
        "policy 'kernal' is not known, expected 'strict' or 'kernel'",
    ),
    "relocate_many": (lambda: relocate_many([], BASE, NONE), "policy 'kernal' is not known"),
    "Relocate": (lambda: Relocate(policy=NONE), "policy 'kernal' is not known"),
    "distill": (
        lambda: distill(SPLIT, strings=NONE),
        "strings 'kernal' is not known, expected 'whole' or 'suffix'",
    ),
    "distill_many": (lambda: distill_many([], NONE), "strings 'kernal' is not known"),
    "Distill": (lambda: Distill(strings=NONE), "strings 'kernal' is not known"),
    "dedup": (
        lambda: dedup(BASE, forwards=NONE),
        "forwards 'kernal' is not known, expected 'keep' or 'resolve'",
    ),
    "Dedup": (lambda: Dedup(NONE), "forwards 'kernal' is not known"),
    "sort": (
        lambda: sort(BASE, ties=NONE),
        "ties 'kernal' is not known, expected 'order' or 'content'",
    ),
    "Sort": (lambda: Sort(ties=NONE), "ties 'kernal' is not known"),
    "minimise": (
        lambda: minimise(BASE, keep=["node"], members=NONE),
        "members 'kernal' is not known, expected 'all' or 'named'",
    ),
    "Minimise": (lambda: Minimise(members=NONE), "members 'kernal' is not known"),
    "mark_named": (
        lambda: mark_named(Marks(), [BASE], ["node"], NONE),
        "members 'kernal' is not known",
    ),
    "Sanitise": (lambda: Sanitise(kernel=NONE), "kernel 'kernal' is not known"),
    "Sanitise.reader": (lambda: Sanitise(reader=NONE), "reader 'kernal' is not known"),
    "Builder.profile": (
        lambda: Builder(profile=NONE),
        "profile 'kernal' is not known, expected 'classic' or 'wide'",
    ),
    "Builder.byteorder": (
        lambda: Builder(byteorder=NONE),
        "byteorder 'kernal' is not known, expected 'little' or 'big'",
    ),
    "with_byteorder": (lambda: BASE.with_byteorder(NONE), "byteorder 'kernal' is not known"),
    "from_tables": (
        lambda: from_tables(tables_of(BASE), byteorder=NONE),
        "byteorder 'kernal' is not known",
    ),
    "loads": (
        lambda: loads(RAW, decoder=NONE),
        "decoder 'kernal' is not known, expected 'bulk' or 'reference'",
    ),
    "dumps": (lambda: dumps(BASE, encoder=NONE), "encoder 'kernal' is not known"),
    "loads_ext": (lambda: loads_ext(b"", BASE, decoder=NONE), "decoder 'kernal' is not known"),
    "Diff.only": (
        lambda: diff(BASE, BASE).only(bool, what=["add"]),
        "what 'add' is not known, expected 'added', 'removed' or 'changed'",
    ),
    "Conditions.kinds": (
        lambda: list_types(BASE, Conditions(kinds=("strukt",))),
        "kind 'strukt' is not known, expected 'INT', 'PTR'",
    ),
    "list_types": (
        lambda: list_types(BASE, None, sort=NONE),
        "sort 'kernal' is not known, expected 'id', 'size', 'name', 'holes', 'members' or 'users'",
    ),
    "c_header": (
        lambda: c_header(BASE, like=NONE),
        "like 'kernal' is not known, expected '7.1', '7.5', '7.8' or 'none'",
    ),
    "neighbourhood": (
        lambda: neighbourhood(BASE, 3, direction=NONE),
        "direction 'kernal' is not known, expected 'out', 'in' or 'both'",
    ),
    "written": (
        lambda: written(Answers([], {}), NONE),
        "form 'kernal' is not known, expected 'csv', 'json', 'c' or 'python'",
    ),
    "Dataset": (
        lambda: Dataset("tables", NONE),
        "form 'kernal' is not known, expected 'parquet' or 'csv'",
    ),
    "verify": (lambda: verify(BASE, NONE), "level 'kernal' is not known"),
    "Pipeline": (lambda: Pipeline(verify=NONE), "level 'kernal' is not known"),
    "Needs": (
        lambda: Needs(base=NONE),
        "base 'kernal' is not known, expected 'any' or 'distilled'",
    ),
    "Diagnostic": (
        lambda: Diagnostic("", severity=NONE),
        "severity 'kernal' is not known, expected 'note' or 'warning'",
    ),
}


def test_load_refuses_a_mistyped_decoder(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(RAW)
    with pytest.raises(ValueError, match="decoder 'kernal' is not known"):
        load(path, decoder=NONE)


def test_choices_are_worded() -> None:
    require_choice("size", 4, (4, 8))
    with pytest.raises(ValueError, match="size 5 is not known, expected 4 or 8"):
        require_choice("size", 5, (4, 8))
    with pytest.raises(ValueError, match=r"size 5 is not known, expected 4$"):
        require_choice("size", 5, [4])


def ids(rows: list[Row]) -> list[int]:
    return [row.id for row in rows]


@pytest.mark.parametrize(
    ("condition", "one"),
    [
        ("kinds", "struct"),
        ("names", "no*"),
        ("contains", "int"),
        ("points_to", "node"),
        ("takes", "int"),
        ("returns", "int"),
        ("tagged", "t*"),
        ("member", "next"),
        ("member_type", "int"),
    ],
)
def test_one_text_of_a_condition_is_one(condition: str, one: str) -> None:
    given: list[dict[str, Any]] = [{condition: one}, {condition: (one,)}, {condition: [one]}]
    single, several_, listed = (Conditions(**values) for values in given)
    assert single == several_ == listed
    assert ids(list_types(BASE, single)) == ids(list_types(BASE, several_))


def test_one_value_counts_as_several(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(RAW)
    pipeline = Pipeline(Sort())
    assert load(cast("Any", os.fsencode(path))) == BASE
    for one in (str(path), path):
        assert load_many(one) == [BASE]
        (outcome,) = pipeline.map(one)
        assert outcome.source == one
        assert outcome.result is not None
    assert Pipeline.parse("sort", extra=Sort) == pipeline
    assert loads_many(RAW) == loads_many([RAW]) == [BASE]
    changed = diff(BASE, SPLIT)
    assert changed.only(bool, what="added") == changed.only(bool, what=["added"])
    assert list_types(BASE)[0].values("kind") == ["INT"]
    assert BASE.types.named("int").tolist() == [True, False, False]
    assert c_header(BASE, "node") == c_header(BASE, [3]) == c_header(BASE, 3)


def test_one_container_counts_as_several() -> None:
    assert verify_many(BASE) == [verify(BASE)]
    assert Pipeline().run_many(BASE) == [Pipeline().run(BASE)]
    assert oddities_many(BASE) == [oddities(BASE)]
    distilled = distill(SPLIT)
    assert distill_many(SPLIT) == [distilled]
    assert relocate_many(distilled[0], BASE) == [relocate(distilled[0], BASE)]
    assert merge(SPLIT).btf == merge([SPLIT]).btf
    assert merge(SPLIT, BASE, rebase=True).btf == merge([SPLIT]).btf
    (question,) = parse_questions("holder.next")
    assert answer(BASE, question, SPLIT) == answer(BASE, question, [SPLIT])


def test_types_are_copied_by_name() -> None:
    builder = Builder()
    assert builder.copy("struct node", BASE) == {1: 1, 2: 2, 3: 3}
    assert builder.copy(["int", 2, BASE[3]], BASE) == {1: 1, 2: 2, 3: 3}
    with pytest.raises(EncodeError, match="the container of type 'int' is unknown"):
        Builder().copy("int")
    with pytest.raises(UnknownNameError, match="no type 'it'"):
        Builder().copy("it", BASE)


def test_one_text_of_an_option_is_one() -> None:
    assert Keep("node") == Keep(("node",)) == Keep(["node"])
    assert Drop(kinds="struct") == Drop(("struct",))
    assert Drop(names="node") == Drop(names=("node",))
    assert SplitOff("node", "STRUCT") == SplitOff(("node",), ("STRUCT",))
    assert Rename("node:knot") == Rename(("node:knot",))
    assert Minimise("node", programs="a.o") == Minimise(("node",), programs=("a.o",))
    assert minimise(BASE, keep="node").btf == minimise(BASE, keep=["node"]).btf
    assert Needs(inputs="target") == Needs(inputs=("target",))
    assert str(Pipeline.parse("keep{names=node}")) == str(Pipeline(Keep("node")))
    assert assert_pass_contract(Sort(), BASE, changes="ext").btf == sort(BASE)[0]
    with pytest.raises(ValueError, match="change 'x' is not known, expected 'byteorder'"):
        assert_pass_contract(Sort(), BASE, changes="x")
    assert split_off(NAMED, "long") == split_off(NAMED, 1) == split_off(NAMED, [1])
    assert several(3, int) == several([3], int) == [3]
    assert texts("ab") == texts(["ab"]) == ("ab",)


def test_results_of_equal_work_are_equal() -> None:
    assert dedup(BASE) == dedup(BASE)
    assert merge([SPLIT]) == merge([SPLIT])
    assert minimise(BASE, keep="node") == minimise(BASE, keep="node")
    assert duplicates(BASE) == duplicates(BASE)


def test_everything_is_shown_in_a_line() -> None:
    draft = Draft(BASE)
    draft[1] = Int("int", 8)
    draft.drop(draft.add(Int("char", 1)))
    assert repr(draft) == f"<Draft of {BASE!r}: 1 changed, 1 gone, 1 added>"
    assert repr(Builder(SPLIT)) == "<Builder of 0 types over 6, little-endian>"
    assert repr(KINDS) == "<Kinds INT, PTR, ARRAY, ..., LOCSEC>"
    assert repr(Kinds(KINDS[1], KINDS[2])) == "<Kinds INT, PTR>"
    assert repr(catalog_of(BASE)) == f"<Catalog of {BASE!r}>"
    assert re.fullmatch(r"Header\(text=<[\d,]+ characters>, .*\)", repr(c_header(BASE)))


PATH: Any = "samples/vmlinux.btf"
NOT_A_BTF = "is of type str, expected a Btf: load(path) reads one from a file"
A_PATH = "'samples/vmlinux.btf' is a path, expected the bytes of BTF: load() reads files"

TYPES: dict[str, tuple[Callable[[], object], str]] = {
    "loads": (lambda: loads(PATH), A_PATH),
    "loads a path": (lambda: loads(cast("Any", Path(PATH))), A_PATH),
    "loads over": (lambda: loads(RAW, base=PATH), f"the base {NOT_A_BTF}"),
    "loads over a path": (
        lambda: loads(RAW, base=cast("Any", Path(PATH))),
        "the base is of type PosixPath, expected a Btf",
    ),
    "loads_many": (lambda: loads_many([RAW, PATH]), A_PATH),
    "loads_many over": (lambda: loads_many([RAW], [PATH]), f"the base {NOT_A_BTF}"),
    "dumps": (lambda: dumps(PATH), f"what is dumped {NOT_A_BTF}"),
    "dump": (lambda: dump(PATH, cast("Any", BASE)), f"what is dumped {NOT_A_BTF}"),
    "verify": (lambda: verify(PATH), A_PATH),
    "verify over": (lambda: verify(RAW, base=PATH), f"the base {NOT_A_BTF}"),
    "Builder": (lambda: Builder(PATH), f"the base {NOT_A_BTF}"),
    "Builder.like": (lambda: Builder(like=PATH), f"like {NOT_A_BTF}"),
    "Pipeline.run": (lambda: Pipeline().run(PATH), f"the input {NOT_A_BTF}"),
    "Pipeline.run in": (
        lambda: Pipeline().run(BASE, cast("Any", {"target": BASE})),
        "ctx is of type dict, expected a Context: Context(inputs={name: btf})",
    ),
    "Pipeline.run_many": (lambda: Pipeline().run_many([BASE, PATH]), f"the input {NOT_A_BTF}"),
    "Pipeline.parse": (
        lambda: Pipeline.parse("sort", extra=cast("Any", [Sort()])),
        "Sort(ties='order') among the extra passes is not the class of a pass",
    ),
    "Pipeline.map": (
        lambda: list(Pipeline().map([PATH], cast("Any", 4))),
        "executor is of type int, expected an executor: ProcessPoolExecutor(4), say",
    ),
    "Draft": (lambda: Draft(PATH), f"the input {NOT_A_BTF}"),
    "verify for": (
        lambda: verify(BASE, kernel=cast("Any", 6.10)),
        "kernel is of type float, expected a version as text, such as '6.10'",
    ),
    "Context": (lambda: Context({"target": PATH}), f"the input 'target' {NOT_A_BTF}"),
    "diff": (lambda: diff(BASE, PATH), f"what is asked {NOT_A_BTF}"),
    "list_types": (lambda: list_types(PATH), f"what is asked {NOT_A_BTF}"),
    "diff without": (lambda: diff(cast("Any", None), BASE), "what is asked is of type NoneType"),
    "list_types of": (
        lambda: list_types(BASE, cast("Any", "task_*")),
        "what is wanted is of type str, expected Conditions: Conditions(names='task_*')",
    ),
    "relocate": (lambda: relocate(PATH, BASE), f"the input {NOT_A_BTF}"),
    "relocate onto": (lambda: relocate(distill(SPLIT)[0], PATH), f"the target {NOT_A_BTF}"),
    "rebase": (lambda: rebase(SPLIT, PATH), f"the target {NOT_A_BTF}"),
    "distill": (lambda: distill(PATH), f"the input {NOT_A_BTF}"),
    "dedup": (lambda: dedup(PATH), f"the input {NOT_A_BTF}"),
    "sort": (lambda: sort(PATH), f"the input {NOT_A_BTF}"),
    "flatten": (lambda: flatten(PATH), f"the input {NOT_A_BTF}"),
    "duplicates": (lambda: duplicates(PATH), f"the input {NOT_A_BTF}"),
    "references": (lambda: references(PATH), f"the input {NOT_A_BTF}"),
    "merge": (lambda: merge([BASE, PATH]), f"the input {NOT_A_BTF}"),
    "sanitise": (lambda: sanitise(PATH, "5.4"), f"the input {NOT_A_BTF}"),
    "oddities": (lambda: oddities(PATH), f"what is asked {NOT_A_BTF}"),
    "verify_many": (lambda: verify_many([PATH]), f"the input {NOT_A_BTF}"),
    "Kernel": (lambda: Kernel(PATH), f"vmlinux {NOT_A_BTF}"),
    "Kernel and modules": (
        lambda: Kernel(BASE, cast("Any", [SPLIT])),
        "modules is of type list, expected a mapping: {name: btf}",
    ),
    "Kernel and a path": (lambda: Kernel(BASE, {"one": PATH}), f"module 'one' {NOT_A_BTF}"),
    "check_object": (
        lambda: check_object(PATH, Kernel(BASE)),
        "the program is of type str, expected a BpfObject: read_object(path) reads one",
    ),
    "check_object on": (
        lambda: check_object(BpfObject("", BASE), cast("Any", BASE)),
        "the kernel is of type Btf, expected a Kernel: Kernel(btf)",
    ),
    "Context of one": (
        lambda: Context(cast("Any", BASE)),
        "is of type Btf, expected a mapping such as {name: btf}",
    ),
    "to_c": (
        lambda: to_c(cast("Any", "node")),
        "the type is of type str, expected a view: btf[93] or btf['task_struct']",
    ),
    "IdMap": (lambda: IdMap.identity(3)[NONE], "'kernal' is not a type id"),
    "IdMap of a fraction": (lambda: IdMap.identity(3)[cast("Any", 1.5)], "1.5 is not a type id"),
    "IdMap of a view": (
        lambda: IdMap.identity(3)[cast("Any", BASE[1])],
        "is not a type id: a view has it as view.id",
    ),
    "IdMap.then": (lambda: IdMap.identity(3).then(cast("Any", 3)), "the next map is of type int"),
    "Draft.drop": (lambda: Draft(BASE).drop(NONE), "'kernal' is not a type id"),
    "Draft.redirect": (lambda: Draft(BASE).redirect(NONE, 1), "'kernal' is not a type id"),
    "Draft.redirect to": (
        lambda: Draft(BASE).redirect(1, cast("Any", 1.5)),
        "1.5 is not a type id",
    ),
    "Draft of a name": (
        lambda: Draft(BASE).__setitem__(NONE, Int("int", 8)),
        "'kernal' is not a type id",
    ),
    "Struct": (
        lambda: Struct("a", 4, cast("Any", [("x", 1)])),
        "members[0] is of type tuple, expected a Member",
    ),
    "Struct with kind_flag": (
        lambda: Struct("a", 4, cast("Any", [Member("x", 1), "y"]), kind_flag=True),
        "members[1] is of type str, expected a Member",
    ),
    "Struct.kind_flag": (
        lambda: Struct("a", 4, kind_flag=NONE),
        "kind_flag is 'kernal', expected True or False",
    ),
    "Enum": (
        lambda: Enum("a", 4, cast("Any", [("x", 1)])),
        "values[0] is of type tuple, expected an Enumerator",
    ),
    "Enum of members": (
        lambda: Enum("a", 4, cast("Any", [Member("x", 1)]), signed=True),
        "values[0] is of type Member, expected an Enumerator",
    ),
    "Enum64.signed": (lambda: Enum64("a", 8, signed=NONE), "signed is 'kernal'"),
    "FuncProto": (
        lambda: FuncProto(0, cast("Any", ["x"])),
        "params[0] is of type str, expected a Param",
    ),
    "Datasec": (
        lambda: Datasec("a", 4, cast("Any", [(1, 0, 4)])),
        "variables[0] is of type tuple, expected a VarSecinfo",
    ),
    "LocSec": (lambda: LocSec("a", cast("Any", [1])), "entries[0] is of type int"),
    "Fwd": (
        lambda: Fwd("x", cast("Any", "union")),
        "is_union is 'union', expected True or False",
    ),
    "DeclTag": (lambda: DeclTag("x", 1, kind_flag=NONE), "kind_flag is 'kernal'"),
    "TypeTag": (lambda: TypeTag("x", 1, kind_flag=NONE), "kind_flag is 'kernal'"),
    "find": (lambda: BASE.find(cast("Any", 3)), "3 is not a name"),
    "enumerator": (lambda: BASE.enumerator(cast("Any", 3)), "3 is not a name"),
    "views": (lambda: BASE.views(cast("Any", "12")), "'12' is one name, views() takes ids"),
    "copy": (lambda: Builder().copy(cast("Any", [1.5]), BASE), "1.5 is not a type id"),
    "sizeof": (
        lambda: BASE.sizeof(cast("Any", BASE.find("node", Struct).members[0])),
        "is not a type id, name or view",
    ),
}


@pytest.mark.parametrize(
    ("error", "work", "message"),
    [
        pytest.param(error, *refused, id=f"{name}, {error.__name__}")
        for error, cases in ((ValueError, CHOICES), (TypeError, TYPES))
        for name, refused in cases.items()
    ],
)
def test_wrong_arguments_are_refused_by_name(
    error: type[Exception], work: Callable[[], object], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        work()


def test_each_blob_has_a_base() -> None:
    with pytest.raises(ValueError, match="2 bases were given for 1 blobs"):
        loads_many([RAW], [None, None])


def test_a_linkage_that_is_no_number_is_called_so() -> None:
    with pytest.raises(EncodeError, match="linkage 'static' is not a whole number"):
        Builder().add(Func("f", 1, linkage=cast("Any", "static")))


def test_a_value_of_an_enum_that_is_no_number_is_called_so() -> None:
    with pytest.raises(EncodeError, match="ENUM 'a' value 'x': 'one' is not a whole number"):
        Builder().add(Enum("a", 4, [Enumerator("x", cast("Any", "one"))]))


def test_flags_may_be_numbers_of_numpy() -> None:
    for flag in (True, 1, np.True_):
        assert Fwd("x", cast("Any", flag)) == Fwd("x", is_union=True)


def test_a_type_is_given_as_a_view_an_id_or_a_name() -> None:
    ways: list[Any] = [3, np.int64(3), "node", "struct node", BASE[3]]
    for one in ways:
        assert BASE.sizeof(one) == 16
        assert BASE.references(one) == [1, 2]
        assert SPLIT.owner(one) is BASE
        assert struct_layout(BASE, one) == struct_layout(BASE, 3)
        assert format_type(BASE, one) == format_type(BASE, 3)
        assert neighbourhood(BASE, one) == neighbourhood(BASE, 3)
        assert BASE.users(one) == BASE.users(3)
        assert BASE.closure([one]) == [1, 2, 3]
        assert BASE.view(one) == BASE[3]
        assert BASE.describe(one) == 'STRUCT "node" [3]'
    assert BASE.references(0) == BASE.references(BASE[0]) == []
    asked: list[Callable[[Any], object]] = [
        BASE.sizeof, BASE.references, BASE.owner, BASE.users, BASE.closure, BASE.view,
        BASE.describe, partial(struct_layout, BASE), partial(format_type, BASE),
        partial(neighbourhood, BASE),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(TypeIdError):
            ask(7)
        with pytest.raises(UnknownNameError, match="no type 'knot'"):
            ask("knot")
        with pytest.raises(WrongKeyError, match="is not a type id, name or view"):
            ask([3.0] if ask == BASE.closure else 3.0)
    for ask in asked[1:]:
        with pytest.raises(WrongKeyError, match="is a type of another container, or of none"):
            ask(SPLIT[6])
