"""Verifying: every rule by the smallest blob that breaks it, real files, and how it is called."""

from __future__ import annotations

import itertools
import json
import re
import struct
import subprocess
import time
import tracemalloc
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve, frozen
from blob_draft import Draft
from broken_blobs import BROKEN, FIRST, INT, ONE, add, composite, section, types, variable
from building import built
from edge_blobs import FAMILIES, edge_blobs
from example_passes import Everything
from hypothesis import given
from shell import as_text
from shell import btfschema as run

from btfschema import (
    KINDS,
    Btf,
    Builder,
    Context,
    IdMap,
    KindSpec,
    Pass,
    PassResult,
    Pipeline,
    dumps,
    loads,
    verify,
    views,
)
from btfschema.cli.verify import VERSIONS
from btfschema.errors import BtfError, VerifyError
from btfschema.schema import Kind
from btfschema.schema.constraints import Constraints, Graph, NameRule, Target
from btfschema.testing import blobs, btfs, mutations, split_btfs
from btfschema.verification import KERNELS, LATEST, RULES, Kernel, Level, Violation, findings
from btfschema.verification.kernels import kernel_of
from btfschema_transforms.sanitise import Sanitise

BASE = loads(ONE)
# Older kernels take no BTF with the kinds that came later.
MODERN = [version for version, kernel in KERNELS.items() if kernel.last_kind >= Kind.ENUM64]


def rules(found: list[Violation]) -> list[str]:
    return [violation.rule.id for violation in found]


def test_every_rule_has_a_smallest_blob() -> None:
    assert list(BROKEN) == [rule for rule in RULES if rule in BROKEN]
    assert set(RULES) == set(BROKEN)
    large = {rule for rule, broken in BROKEN.items() if len(broken.blob) > 1000}
    assert large == {"blob.size", "types.count", "record.info"}


@pytest.mark.parametrize("rule", RULES)
def test_a_violation_names_its_place_and_breaks_one_rule_only(rule: str) -> None:
    broken, declared = BROKEN[rule], RULES[rule]
    base = BASE if broken.base else None
    (found,) = verify(broken.blob, declared.level, "6.12", base)
    assert found.rule is declared
    assert (found.type_id, found.member, found.offset) == (
        broken.type_id,
        broken.member,
        broken.offset,
    )
    assert rule in str(found)
    assert str(found.got) in str(found)
    assert found.expected in str(found)
    assert declared.source.startswith(("kernel/bpf/btf.c: ", "tools/lib/bpf/btf.c: "))
    assert json.loads(json.dumps(found.as_dict()))["rule"] == rule


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule].level == "read"])
def test_what_breaks_a_rule_of_reading_does_not_load(rule: str) -> None:
    broken = BROKEN[rule]
    # A kernel refuses it too; what it says besides is not asked here.
    assert rule in rules(verify(broken.blob, "kernel", "6.12", BASE if broken.base else None))
    if rule in ("strings.empty", "func.prototype"):
        return  # read here, where libbpf is stricter
    with pytest.raises(BtfError):
        loads(broken.blob, BASE if broken.base else None)


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule].level == "kernel"])
def test_what_only_kernels_refuse_is_read(rule: str) -> None:
    assert verify(BROKEN[rule].blob, "read") == []


@pytest.mark.parametrize("level", ["read", "kernel"])
@pytest.mark.parametrize("kernel", MODERN)
def test_kernels_and_modules_are_clean(
    cloud: Btf, generic: Btf, modules: dict[str, bytes], level: Level, kernel: str
) -> None:
    few = itertools.islice(modules.items(), None, None, 50)
    for btf in (cloud, generic, *(loads(data, cloud) for _, data in few)):
        assert verify(btf, level, kernel) == []


@pytest.mark.parametrize("every", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_all_modules_are_clean_and_cost_nothing_of_their_base(
    cloud: Btf, modules: dict[str, bytes], every: int
) -> None:
    verify(cloud)
    started = time.perf_counter()
    assert len(modules) == 1138
    some = list(modules.values())[::every]
    for data in some:
        assert verify(data, base=cloud) == []
    # Fifty times what it takes, so that only a cost of the base's size can fail it.
    assert (time.perf_counter() - started) / len(some) < 0.05


def test_all_violations_are_found_not_the_first() -> None:
    blob = types(
        add(Kind.ENUM, b"fwd", 0),
        add(Kind.PTR, b"p", 9),
        add(Kind.FLOAT, b"f", 6, vlen=1, flag=1),
    )
    found = [(violation.type_id, violation.rule.id) for violation in verify(blob)]
    assert found == [
        (1, "record.size_word"),
        (2, "record.name"),
        (2, "reference.exists"),
        (3, "record.vlen"),
        (3, "record.kind_flag"),
        (3, "record.size_word"),
    ]


def test_records_before_a_damaged_one_are_still_checked() -> None:
    blob = types(add(Kind.FLOAT, b"f", 6), add(99))
    assert rules(verify(blob)) == ["record.size_word", "record.kind"]


def test_the_enum_that_clang_writes_gets_advice() -> None:
    (found,) = verify(types(add(Kind.ENUM, b"fwd", 0)))
    assert "clang" in found.fix
    assert found.fix in str(found)
    (found,) = verify(types(add(Kind.ENUM, b"odd", 3)))
    assert found.fix == ""


def test_what_compilers_leave_to_libbpf_gets_advice() -> None:
    found = verify(types(INT, variable(1), section(0, (2, 0, 4))))
    assert [(violation.rule.id, "libbpf" in violation.fix) for violation in found] == [
        ("record.size_word", True)
    ]


def test_what_libbpf_makes_of_externs_gets_advice() -> None:
    """Variables from elsewhere, untyped ksyms, and functions that a section lists."""
    b = Builder()
    b.add(views.Int("int", 4))
    b.add(views.Var("typed", 1, views.Linkage.EXTERN))
    b.add(views.Var("untyped", 0, views.Linkage.EXTERN))
    b.add(views.FuncProto(0, ()))
    b.add(views.Func("kfunc", 4, views.Linkage.EXTERN))
    entries = [views.VarSecinfo(2, 0, 4), views.VarSecinfo(3, 4, 4), views.VarSecinfo(5, 8, 4)]
    b.add(views.Datasec(".ksyms", 12, entries))
    found = verify(b.build())
    assert [(one.type_id, one.rule.id) for one in found] == [
        (2, "record.value"),
        (3, "reference.target"),
        (3, "record.value"),
        (5, "record.vlen"),
        (6, "reference.target"),
    ]
    assert all(one.fix.startswith("libbpf ") for one in found)
    (void,) = verify(types(variable(0)))
    assert void.fix == "libbpf makes it an int when it loads the object"


def with_layout() -> bytes:
    builder = Builder(layout=True)
    builder.add(views.Ptr(0))
    return dumps(builder.build())


OLD = ("6.1", "6.12", "6.18")
# What some kernels take and others refuse: the blob, who refuses it, and by which rule.
DIFFERENCES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "record.info": (BROKEN["record.info"].blob, OLD),
    "record.kind_flag": (types(INT, add(Kind.TYPE_TAG, b"t", 1, flag=1)), ("6.1", "6.12")),
    "record.name": (
        types(INT, variable(1), add(Kind.DATASEC, b"a b", 4, 2, 0, 4, vlen=1)),
        ("6.1",),
    ),
    "field.contains": (BROKEN["field.contains"].blob, ("6.12", "6.18", "7.1")),
    "header.excess": (with_layout(), OLD),
}


@pytest.mark.parametrize("version", MODERN)
@pytest.mark.parametrize("rule", DIFFERENCES)
def test_kernels_differ_as_declared(rule: str, version: str) -> None:
    blob, refuse = DIFFERENCES[rule]
    expected = [rule] if version in refuse else []
    assert rules(verify(blob, kernel=version)) == expected


def test_older_kernels_take_less() -> None:
    """What libbpf asks old kernels for, and lowers for those that lack it."""
    b = Builder()
    u4 = b.add(views.Int("unsigned int", 4))
    proto = b.add(views.FuncProto(0, (views.Param("x", u4),)))
    b.add(views.Func("dotted.name", proto, views.Linkage.GLOBAL))
    b.add(views.Enum("e", 1, (views.Enumerator("MINUS", -1),)))
    b.add(views.Float("double", 8))
    btf = b.build()
    found = {version: sorted({*rules(verify(btf, kernel=version))}) for version in KERNELS}
    assert found == {
        "4.19": ["record.info", "record.kernel_kind", "record.kind_flag", "record.size_word"],
        "5.4": [
            "record.kernel_kind",
            "record.kind_flag",
            "record.name",
            "record.size_word",
            "record.vlen",
        ],
        "5.10": ["record.kernel_kind", "record.kind_flag", "record.name"],
        "5.15": ["record.kind_flag", "record.name"],
        **{version: [] for version in MODERN},
    }


def test_a_violation_says_what_is_required_and_what_was_found() -> None:
    (found,) = verify(BROKEN["record.kernel_kind"].blob)
    assert str(found) == (
        f"type 1 (LOC_PROTO) at byte {FIRST + 4} breaks record.kernel_kind, which requires that "
        "the kernel knows the record's kind: found 21 (LOC_PROTO), expected 1..19"
    )


def test_each_wrong_bit_of_an_info_word_has_its_own_reason() -> None:
    """A struct with bit fields breaks a rule of kernels that know no kind_flag, however small."""
    (many,) = verify(BROKEN["record.info"].blob)
    assert (many.expected, many.fix) == (
        "16 bits of vlen",
        "kernels before 7.1 allow at most 65535 members",
    )
    fields = views.Struct("s", 4, (views.Member("m", 1, 0, 3),), kind_flag=True)
    (flag,) = verify(built(views.Int("int", 4), fields), kernel="4.19")
    assert (flag.rule.id, flag.got) == ("record.info", "0x84000001")
    assert flag.expected == "no kind_flag"
    assert flag.fix == "kernels before 5.0 know no kind_flag"


def test_an_added_kind_brings_its_rules() -> None:
    wants = Constraints(name=NameRule.IDENTIFIER, target=Target.SIZED)
    spec = KindSpec(40, "ALIAS", KINDS[Kind.TYPEDEF].third, graph=Graph.MODIFIER, constraints=wants)
    kinds = KINDS.extended(spec)
    kernel = Kernel("of mine", info=KERNELS["7.1"].info, last_kind=40)
    blob = types(INT, add(40, b"9", 0, vlen=1, flag=1))
    assert rules(verify(blob, kernel=kernel, kinds=kinds)) == [
        "record.name",
        "record.vlen",
        "record.kind_flag",
        "reference.target",
    ]
    sound = types(INT, add(40, b"a", 1), composite(3, (2, 0)))
    assert rules(verify(sound, kernel=kernel, kinds=kinds)) == ["member.end"]


@pytest.mark.parametrize("version", ["6.1", "6.12"])
@given(btf=btfs(valid=True, byteorder="little", min_types=1))
def test_what_is_generated_as_valid_is_valid(btf: Btf, version: str) -> None:
    assert verify(btf, kernel=version) == []
    assert verify(dumps(btf), kernel=version) == []


@given(btf=split_btfs(valid=True, min_types=1))
def test_split_btf_is_valid_over_its_bases(btf: Btf) -> None:
    assert verify(btf) == []
    assert verify(dumps(btf), base=btf.base) == []


@given(blobs())
def test_what_is_read_is_clean_for_readers(data: bytes) -> None:
    loads(data)
    assert set(rules(verify(data, "read"))) <= {"strings.empty", "func.prototype"}


@given(blobs().flatmap(mutations))
def test_readers_rules_are_those_of_reading(data: bytes) -> None:
    stricter = {"strings.empty", "func.prototype"}
    found = set(rules(verify(data, "read"))) - stricter
    try:
        loads(data)
    except BtfError:
        assert found
    else:
        assert not found


def test_edges_are_met_and_passed() -> None:
    """The generator of the differential tests meets most rules, and sound blobs in each family."""
    met: set[str] = set()
    sound: set[str] = set()
    for family, blob in itertools.islice(edge_blobs(1), 40 * len(FAMILIES)):
        found = verify(blob, kernel="6.12")
        met |= set(rules(found))
        if not found:
            sound.add(family)
    assert len(met) > 0.7 * len(RULES)
    assert len(sound) > 0.7 * len(FAMILIES)


@pytest.mark.parametrize("count", [2_000, 40_000])
@pytest.mark.parametrize("kind", [Kind.PTR, Kind.CONST, Kind.STRUCT, Kind.ARRAY])
def test_long_chains_take_linear_time_and_no_recursion(kind: int, count: int) -> None:
    draft = Draft()
    draft.integer()
    for type_id in range(2, count):
        if kind == Kind.STRUCT:
            draft.struct(4, [(type_id + 1, 0)])
        elif kind == Kind.ARRAY:
            draft.add(kind, payload=[type_id + 1, 1, 1])
        else:
            draft.add(kind, third=type_id + 1)
    draft.integer()
    blob = draft.blob()
    started = time.perf_counter()
    found = set(rules(verify(blob)))
    assert time.perf_counter() - started < count / 2_000
    chain = {"tag.chain"} if kind == Kind.CONST else set()
    assert found == {"graph.depth"} | chain


def test_memory_is_a_multiple_of_the_input(cloud_bytes: bytes) -> None:
    verify(cloud_bytes)
    tracemalloc.start()
    try:
        verify(cloud_bytes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 25 * len(cloud_bytes)


def test_memory_is_bounded_where_every_word_is_wrong() -> None:
    blob = types(*[add(Kind.PTR, b"", 0xFFFFFFFF)] * 20_000)
    tracemalloc.start()
    try:
        found = verify(blob)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 20_000
    assert peak < 100 * len(blob)


def test_a_pipeline_blames_the_pass_that_breaks_its_output() -> None:
    builder = Builder()
    number = builder.add(views.Int("int", 4))
    builder.add(views.Struct("s", 4, [views.Member("a", number)]))
    sound = builder.build()
    Pipeline(Everything(), verify="kernel").run(sound)
    with pytest.raises(VerifyError, match=r"output of .*breaker.*breaks member\.end") as caught:
        Pipeline(Everything(), Breaker(), verify="kernel").run(sound)
    assert (caught.value.pass_name, caught.value.stage) == ("breaker", 2)
    assert isinstance(caught.value.got, list)
    assert caught.value.got[0].rule is RULES["member.end"]
    with pytest.raises(VerifyError, match="input of the pipeline"):
        Pipeline(Everything(), verify="kernel").run(Builder().build())
    Pipeline(Everything(), Breaker(), verify="read").run(sound)


@frozen
class Breaker(Pass):
    """Makes every struct a byte smaller."""

    name: ClassVar[str] = "breaker"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        table = btf.types
        rows = table.rows_of(Kind.STRUCT)
        places = table.starts[rows] + table.plan.kinds[Kind.STRUCT].third.word
        smaller = table.rewritten([(places, table.words[places] - 1)])
        broken = Btf.assemble(smaller, btf.strings.data, like=btf, base=btf.base)
        return PassResult(broken, IdMap.identity(btf.end_id))


def test_arguments_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel '3\.10' is not known, expected a version"):
        verify(ONE, kernel="3.10")
    with pytest.raises(ValueError, match="level 'strict' is not known"):
        verify(ONE, "strict")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="brings its own base"):
        verify(BASE, base=BASE)


def test_hostile_names_do_not_reach_the_terminal() -> None:
    (found,) = verify(types(add(Kind.PTR, b"\x1b[31m\xff")))
    assert found.name == "\x1b[31m\udcff"
    assert str(found).isprintable()


def btfschema(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return as_text(run(*args))


def test_the_command_lists_all_violations(tmp_path: Path) -> None:
    sound, broken = tmp_path / "sound.btf", tmp_path / "broken.btf"
    sound.write_bytes(ONE)
    broken.write_bytes(types(add(Kind.PTR, b"p", 9)))
    done = btfschema("verify", sound, broken)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"{sound}: Linux {LATEST} accepts it"
    assert lines[1].startswith(f'{broken}: type 1 (PTR "p") at byte 24 breaks record.name, ')
    assert lines[2].startswith(f'{broken}: type 1 (PTR "p") at byte 32 breaks reference.exists, ')
    assert lines[3:] == ["1 of 2 files is sound"]
    done = btfschema("verify", "--json", "--kernel", "6.1", broken)
    row = json.loads(done.stdout)
    assert [one["rule"] for one in row["violations"]] == ["record.name", "reference.exists"]
    assert (row["file"], row["outcome"], done.returncode) == (str(broken), "refused", 1)


def test_the_command_finds_a_base(tmp_path: Path) -> None:
    base, split = tmp_path / "base.btf", tmp_path / "split.btf"
    builder = Builder(BASE)
    builder.add(views.Ptr(1))
    base.write_bytes(ONE)
    split.write_bytes(dumps(builder.build()))
    assert btfschema("verify", split).returncode == 1
    assert btfschema("verify", split, "-B", base).returncode == 0
    base.rename(tmp_path / "split.btf.base")
    assert btfschema("verify", split).returncode == 0


@pytest.mark.parametrize(
    ("version", "listed", "note"),
    [
        ("6.12", "6.12", ""),
        ("6.12.41+deb13-amd64", "6.12", ""),
        (
            "5.14",
            "5.10",
            "Linux 5.14 is checked as 5.10, the newest known version before it",
        ),
        (
            "6.6.1",
            "6.1",
            "Linux 6.6.1 is checked as 6.1, the newest known version before it",
        ),
        ("7.20", "7.1", "Linux 7.20 is checked as 7.1, the newest known version"),
    ],
)
def test_other_kernels_are_taken_for_the_listed_one_before(
    tmp_path: Path, version: str, listed: str, note: str
) -> None:
    assert kernel_of(version) == evolve(
        KERNELS[listed], version=version, known_as=listed if note else ""
    )
    file = tmp_path / "a.btf"
    file.write_bytes(ONE)
    (tmp_path / "b.btf").write_bytes(ONE)
    done = btfschema("verify", file, tmp_path / "b.btf", "--kernel", version)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"{file}: Linux {version} accepts it"
    assert done.stderr == (f"btfschema: {note}\n" if note else "")
    result = Sanitise(kernel=version).run(loads(ONE), Context())
    assert [str(one) for one in result.diagnostics] == ([f"note: {note}"] if note else [])
    assert btfschema("verify", file, "--kernel", version, "--level", "read").stderr == ""


def test_rules_go_by_the_version_itself() -> None:
    """Managed fields are looked into from 6.2 on."""
    assert [kernel_of(one).special_fields for one in ("6.1", "6.6")] == [False, True]


@pytest.mark.parametrize("version", ["4.18", "2.6.32", "6", "six", "", "6.x"])
def test_versions_that_nothing_is_known_of_are_refused(tmp_path: Path, version: str) -> None:
    words = f"kernel {version!r} is not known, expected a version from 4.19 on, such as 6.12"
    with pytest.raises(ValueError, match=re.escape(words)):
        kernel_of(version)
    done = btfschema("verify", tmp_path / "a.btf", "--kernel", version)
    assert done.returncode == 2
    assert done.stderr.endswith(f"Error: Invalid value for '--kernel': {words}\n")


def test_the_command_knows_the_kernels() -> None:
    assert tuple(KERNELS) == VERSIONS
    assert LATEST in btfschema("verify", "--help").stdout


def test_overlapping_names_do_not_multiply_the_input() -> None:
    """Each pointer's name is a tail of one long string, and breaks a rule."""
    count = 3000
    strings = b"\0" + b"x" * count + b"\0"
    types = b"".join(struct.pack("<3I", at, 2 << 24, 0) for at in range(1, count + 1))
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    violations = verify(header + types + strings)
    assert len(violations) >= count
    assert max(len(str(violation)) for violation in violations) < 2000


def test_a_rule_says_since_when() -> None:
    later = {rule.id: rule.since for rule in RULES.values() if rule.since}
    assert later
    assert all(since == "6.2" and name.startswith("field.") for name, since in later.items())
    assert all(f"(from {since} on)" in RULES[name].text for name, since in later.items())


def test_a_rule_of_a_new_kernel_is_not_asked_of_older_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version stands once, in the rule."""
    broken = built(views.Enum("state", 0))
    (known,) = verify(broken)
    newer = evolve(known.rule, since="7.2")
    monkeypatch.setattr(findings, "RULES", {**RULES, newer.id: newer})
    assert verify(broken) == []
    (found,) = verify(broken, kernel=evolve(KERNELS["7.1"], version="7.2.1"))
    assert found.rule == newer
