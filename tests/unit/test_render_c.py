"""C declarations: tricky types spelled out, depth, order, names, and what can't be C."""

from __future__ import annotations

import gc
import io
import re
import subprocess
import weakref
from pathlib import Path

import pytest
from c_cases import CASES, CHAR, COMMON, INT, LONG, build, types_only
from hypothesis import given
from shell import as_text
from shell import btfschema as run

from btfschema import Btf, Builder, dump, loads
from btfschema.codec.header import ByteOrder
from btfschema.errors import BtfError, EncodeError, TypeIdError, UnresolvedError
from btfschema.render.c import Like, c_header, format_c, write_c
from btfschema.render.c.columns import TypeColumns
from btfschema.render.show import Viewer
from btfschema.testing import btfs
from btfschema.views import (
    Array,
    Const,
    Datasec,
    DeclTag,
    Enum,
    Enumerator,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
    TypeTag,
    TypeView,
    Union,
    Var,
    VarSecinfo,
    Volatile,
)

# More than Python's recursion limit, and the kernel's limit of 32 by far.
DEEP = 3000

LIKES: tuple[Like, ...] = ("7.1", "7.5", "7.8", "none")


def built(*views: TypeView) -> Btf:
    """The common types, then these from id 6 on."""
    builder = Builder()
    for view in (*COMMON, *views):
        builder.add(view)
    return builder.build()


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("name", CASES)
def test_tricky_types(name: str, byteorder: ByteOrder) -> None:
    case = CASES[name]
    assert types_only(format_c(build(case, byteorder), sort=False, like="7.5")) == case.expected


def test_the_text_is_a_header_with_guards() -> None:
    text = format_c(built())
    assert text.startswith("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n")
    assert text.endswith("#pragma clang attribute pop\n#endif\n\n#endif /* __VMLINUX_H__ */\n")
    assert "BPF kfuncs" in text
    assert "BPF kfuncs" not in format_c(built(), like="7.1")


def test_what_a_type_needs_comes_along_and_nothing_else() -> None:
    btf = built(
        Struct("part", 4, [Member("i", INT)]),
        Struct("behind", 4, [Member("i", INT)]),
        Ptr(7),
        Typedef("part_t", 6),
        Struct("whole", 16, [Member("part", 9), Member("far", 8, 64)]),
        Struct("other", 4, [Member("i", INT)]),
    )
    text = types_only(format_c(btf, [10]))
    assert "struct part {\n\tint i;\n};\n" in text
    assert text.index("struct part {") < text.index(
        "} part_t;" if "} part_t" in text else "part_t;"
    )
    assert "struct behind;\n" in text
    assert "struct behind {" not in text
    assert "other" not in text


def test_given_ids_keep_their_order() -> None:
    btf = built(Struct("b", 4, [Member("i", INT)]), Struct("a", 4, [Member("i", INT)]))
    by_name, by_id = format_c(btf), format_c(btf, [6, 7])
    assert by_name.index("struct a") < by_name.index("struct b")
    assert by_id.index("struct b") < by_id.index("struct a")


def test_split_btf_comes_with_its_base() -> None:
    base = built(Struct("node", 4, [Member("i", INT)]))
    b = Builder(base)
    b.add(Struct("node", 8, [Member("of_base", 6), Member("i", INT, 32)]))
    text = types_only(format_c(b.build(), sort=False))
    assert text == (
        "struct node {\n\tint i;\n};\nstruct node___2 {\n\tstruct node of_base;\n\tint i;\n};\n"
    )


def test_sorting_is_by_what_types_are_then_by_name() -> None:
    btf = built(
        Fwd("z_forward"),
        Struct("b", 4, [Member("i", INT)]),
        Typedef("a_struct", 7),
        Typedef("number", INT),
        Enum("state", 4, [Enumerator("ON", 1)]),
        Enum("", 4, [Enumerator("Z_ALONE", 1)]),
        Enum("", 4, [Enumerator("A_ALONE", 1)]),
    )
    heads = ["A_ALONE", "Z_ALONE", "enum state", "number;", "struct b {", "a_struct;", "z_forward"]
    text = format_c(btf, like="none")
    assert sorted(heads, key=text.index) == heads


@pytest.mark.parametrize("like", ["7.5", "7.8"])
def test_bpftool_leaves_the_first_type_out_when_it_sorts(like: Like) -> None:
    btf = built(
        Enum("", 4, [Enumerator("FIRST", 1)]),
        Enum("", 4, [Enumerator("SECOND", 1)]),
    )
    assert "FIRST" not in format_c(btf, like=like)
    for kept in (format_c(btf), format_c(btf, sort=False, like=like)):
        assert "FIRST" in kept
        assert "SECOND" in kept


def test_kernel_functions_are_declared() -> None:
    btf = built(
        FuncProto(INT, [Param("a", INT)]),
        Func("callable", 6),
        Func("not_callable", 6),
        DeclTag("bpf_kfunc", 7),
        DeclTag("bpf_kfunc", 8, 0),
        DeclTag("other", 8),
        Func("quick", 6),
        DeclTag("bpf_kfunc", 12),
        DeclTag("bpf_fastcall", 12),
        DeclTag("bpf_fastcall", 8),
    )
    text = format_c(btf)
    assert "extern int callable(int a) __weak __ksym;\n" in text
    assert "extern __bpf_fastcall int quick(int a) __weak __ksym;\n" in text
    assert text == format_c(btf, like="7.8")
    older = format_c(btf, like="7.5")
    assert "extern int quick(int a) __weak __ksym;\n" in older
    assert "fastcall" not in older
    assert "not_callable" not in text
    assert "callable" not in format_c(btf, [1])


def chosen() -> Btf:
    """A kernel function and another one, a variable, a section, a tag, structs without a name."""
    return built(
        Struct("task", 4, [Member("pid", INT)]),
        Ptr(6),
        FuncProto(7, [Param("p", 7)]),
        Func("bpf_task_acquire", 8),
        DeclTag("bpf_kfunc", 9),
        Func("schedule_task", 8),
        Var("current_task", 7),
        Datasec(".data..percpu", 8, [VarSecinfo(12, 0, 8)]),
        Struct("", 4, [Member("held", INT)]),
        Struct("holder", 4, [Member("", 14)]),
        Struct("", 4, [Member("alone", INT)]),
    )


@pytest.mark.parametrize(
    ("ids", "declared"),
    [
        ([9], "extern struct task *bpf_task_acquire(struct task *p) __weak __ksym;\n"),
        ([11], "extern struct task *schedule_task(struct task *p);\n"),
        ([12], "extern struct task *current_task;\n"),
    ],
)
def test_functions_and_variables_that_are_chosen(ids: list[int], declared: str) -> None:
    """With what they need; a whole header has only functions that BPF programs may call."""
    header = c_header(chosen(), ids)
    assert types_only(header.text) == f"struct task;\n{declared}"
    assert (header.left_out, header.is_empty) == ((), False)
    text = format_c(chosen(), [6, *ids])
    assert text.index("struct task {") < text.index(declared)
    assert "schedule_task" not in format_c(chosen())


@pytest.mark.parametrize(
    ("type_id", "why"),
    [
        (1, "C has it of itself"),
        (7, "only what it refers to is declared"),
        (8, "only what it refers to is declared"),
        (10, "C has no form for it"),
        (13, "C has no form for it"),
        (16, "nothing in the header is made of it"),
    ],
)
def test_what_is_chosen_and_not_declared_is_named(type_id: int, why: str) -> None:
    header = c_header(chosen(), [type_id])
    assert header.is_empty
    assert [line.endswith(why) for line in header.left_out] == [True]
    assert f"[{type_id}]" in header.left_out[0]
    header = c_header(chosen(), [type_id, 6])
    assert not header.is_empty
    assert len(header.left_out) == 1


def test_structs_without_a_name_are_found_in_what_holds_them() -> None:
    assert c_header(chosen(), [14, 15]).left_out == ()
    assert len(c_header(chosen(), [14]).left_out) == 1


def test_constants_that_nothing_in_the_header_has_the_type_of() -> None:
    """Only a variable is of the enum's type."""
    btf = built(Enum("", 4, [Enumerator("LONE", 1)]), Var("v", 6), Struct("s", 4, [Member("i", 1)]))
    for text in (format_c(btf), format_c(btf, [6])):
        assert "enum {\n\tLONE = 1,\n};\n" in text
    assert format_c(btf, [7, 6]).count("LONE") == 1
    assert c_header(btf, [6]).left_out == ()
    assert "LONE" not in format_c(btf, like="7.8")


def test_bpftool_declares_no_functions_on_request() -> None:
    header = c_header(chosen(), [9], like="7.8")
    assert header.is_empty
    assert "bpftool declares no functions" in header.left_out[0]


def test_the_command_says_what_is_not_in_the_header(tmp_path: Path) -> None:
    file = tmp_path / "chosen.btf"
    dump(chosen(), file)
    done = btfschema(file, "--format", "c", "--name", "bpf_task_acquire")
    assert (done.returncode, done.stderr) == (0, "")
    assert "bpf_task_acquire(struct task *p) __weak __ksym;" in done.stdout
    done = btfschema(file, "--format", "c", "--kind", "func", "--kind", "decl_tag")
    assert done.returncode == 0
    assert done.stderr == (
        'btfschema: not in the header: DECL_TAG "bpf_kfunc" [10]: C has no form for it\n'
    )
    done = btfschema(file, "--format", "c", "--kind", "datasec")
    assert done.returncode == 1
    assert 'DATASEC ".data..percpu" [13]' in done.stderr


def test_attributes_are_written_as_what_they_are() -> None:
    btf = built(
        TypeTag("address_space(1)", 0, kind_flag=True),
        Ptr(6),
        TypeTag("user", INT),
        Ptr(8),
        Struct("s", 16, [Member("a", 7), Member("b", 9, 64)]),
    )
    for text in (format_c(btf), format_c(btf, like="7.8"), Viewer(btf).text(10)):
        assert "void __attribute__((address_space(1))) *a;" in text
        assert 'int __attribute__((btf_type_tag("user"))) *b;' in text
    assert 'btf_type_tag("address_space(1)")' in format_c(btf, like="7.5")


def test_what_bpftool_gets_wrong_is_right() -> None:
    btf = built(
        Int("__int128", 16),
        Array(CHAR, INT, 5),
        Union("packed", 5, [Member("i", INT), Member("text", 7)]),
        Union("emptied", 8),
        Enum("half", 2, [Enumerator("A", 1)]),
        Struct("unaligned", 24, [Member("l", LONG), Member("w", 6, 64)]),
        Union("larger", 24, [Member("i", INT)]),
    )
    text = format_c(btf, like="none")
    assert "char text[5];\n} __attribute__((packed));" in text
    assert "union emptied {\n\tlong: 64;\n};" in text
    assert "enum half {\n\tA = 1,\n} __attribute__((mode(HI)));" in text
    assert "__int128 w;\n} __attribute__((packed));" in text
    assert "union larger {\n\tint i;\n\tstruct { long: 64; long: 64; long: 64; };\n};" in text


def test_elements_have_the_qualifiers_of_arrays() -> None:
    btf = built(
        Array(INT, INT, 3),
        Array(6, INT, 2),
        Const(7),
        Const(INT),
        Array(9, INT, 3),
        Const(10),
        Ptr(INT),
        Array(12, INT, 2),
        Volatile(13),
        Struct("s", 56, [Member("grid", 8), Member("row", 11, 192), Member("to", 14, 320)]),
    )
    text = format_c(btf, like="none")
    assert "\tconst int grid[2][3];\n\tconst int row[3];\n" in text
    assert "\tint * volatile to[2];\n" in text
    assert "\tint grid[2][3];\n\tconst int row[3];\n" in format_c(btf, like="7.8")


def test_assertions_cover_members_of_anonymous_members() -> None:
    btf = built(
        Struct("", 8, [Member("x", INT), Member("bits", INT, 32, 3)]),
        Array(6, INT, 2),
        Struct("s", 24, [Member("", 6), Member("many", 7, 64)]),
        Typedef("alias", 6),
    )
    text = format_c(btf, asserts=True)
    for assertion in (
        '_Static_assert(sizeof(struct s) == 24, "struct s");',
        '_Static_assert(__builtin_offsetof(struct s, x) == 0, "struct s.x");',
        "_Static_assert(__builtin_offsetof(struct s, many[0].x) == 8,",
        "_Static_assert(sizeof(alias) == 8,",
    ):
        assert assertion in text
    assert ", bits)" not in text
    assert "_Static_assert" not in format_c(btf)


def test_deep_pointers_and_typedefs() -> None:
    views: list[TypeView] = [Ptr(INT)]
    views += [Ptr(5 + n) for n in range(1, DEEP)]
    views += [Typedef(f"t{n}", 5 + DEEP + n) for n in range(DEEP)]
    text = format_c(built(*views))
    assert f"typedef int {'*' * DEEP}t0;" in text
    assert f"typedef t{DEEP - 2} t{DEEP - 1};" in text


def test_deep_anonymous_structs() -> None:
    views: list[TypeView] = [Struct("", 4, [Member("x0", INT)])]
    views += [Struct("", 4, [Member(f"x{n}", 5 + n)]) for n in range(1, DEEP)]
    views.append(Typedef("deep", 5 + DEEP))
    text = format_c(built(*views), sort=False, asserts=True)
    assert text.count("struct {") == DEEP
    assert "\t" * 13 + "int x0;" in text


def test_deep_functions() -> None:
    """Each takes a pointer to the one before."""
    views: list[TypeView] = []
    for n in range(DEEP):
        views += [FuncProto(0, [Param("", 5 + 2 * n)] if n else []), Ptr(6 + 2 * n)]
    views.append(Typedef("deep", 5 + 2 * DEEP))
    text = format_c(built(*views))
    assert text.count("(*)(") == DEEP - 1
    assert "(*deep)(void (*)(" in text


def test_deep_structs_by_value() -> None:
    """A chain that is declared last first, so that ordering must go all the way down."""
    views = [Struct(f"s{n}", 4, [Member("x", 7 + n)]) for n in range(DEEP)]
    text = format_c(built(*views, Struct("end", 4, [Member("i", INT)])), sort=False)
    assert text.index("struct end {") < text.index(f"struct s{DEEP - 1} {{")
    assert text.index("struct s1 {") < text.index("struct s0 {")


CIRCLES: dict[str, list[TypeView]] = {
    "struct in itself": [Struct("s", 4, [Member("s", 6)])],
    "struct in another": [
        Struct("a", 4, [Member("b", 7)]),
        Struct("b", 4, [Member("a", 6)]),
    ],
    "typedef": [Typedef("a", 7), Typedef("b", 6)],
    "pointer": [Ptr(6)],
    "qualifier": [Const(7), Const(6), Typedef("t", 6)],
    "array": [Array(6, INT, 2), Struct("s", 8, [Member("a", 6)])],
    "function": [FuncProto(7), Ptr(6)],
    "anonymous": [Struct("", 8, [Member("p", 7)]), Ptr(6), Typedef("t", 6)],
}


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("name", CIRCLES)
def test_types_that_need_themselves_are_refused(name: str, sort: bool) -> None:
    with pytest.raises(UnresolvedError, match="no C declaration"):
        format_c(built(*CIRCLES[name]), sort=sort, like="7.8")


# What a header that loses nothing has of them, and what it says of the rest.
CUT = {
    "struct in itself": (
        'struct s {\n\t/* left out: s at bit 0, which needs what it is in: STRUCT "s" [6] */\n',
        "s at bit 0, which needs what it is in",
    ),
    "struct in another": ("struct a {\n\tstruct b b;\n};", "a at bit 0, which needs what it is in"),
    "typedef": ("", "it stands for what C can't declare"),
    "pointer": ("", ""),
    "qualifier": ("", 'TYPEDEF "t" [8]'),
    "array": ("\tlong: 64;\n};", "an array of what has no size"),
    "function": ("", ""),
    "anonymous": ("typedef struct {\n\tvoid *p;\n} t;", ""),
}


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("name", CIRCLES)
def test_a_header_that_loses_nothing_cuts_circles(name: str, sort: bool) -> None:
    header = c_header(built(*CIRCLES[name]), sort=sort)
    declared, said = CUT[name]
    assert declared in header.text
    assert bool(said) == bool(header.left_out)
    assert said in " ".join(header.left_out)


def test_a_type_that_nothing_can_be_of_is_refused() -> None:
    btf = built(FuncProto(0), Func("f", 6), Struct("s", 8, [Member("f", 7)]), Var("v", INT), Ptr(9))
    with pytest.raises(UnresolvedError, match=r'FUNC "f" \[7\] has no C declaration') as caught:
        format_c(btf, like="7.8")
    assert caught.value.type_id == 7
    header = c_header(btf)
    assert header.left_out == ('STRUCT "s" [8]: f at bit 0, whose type has no size: FUNC "f" [7]',)
    assert '\t/* left out: f at bit 0, whose type has no size: FUNC "f" [7] */\n' in header.text


def test_a_gap_of_gigabytes_is_an_array() -> None:
    btf = built(Struct("s", 0xFFFFFFFC, [Member("i", INT)]))
    with pytest.raises(EncodeError, match="a gap of 4294967288 bytes"):
        format_c(btf, like="7.8")
    header = c_header(btf)
    assert "struct s {\n\tint i;\n\tchar __gap_1[4294967288];\n};\n" in header.text
    assert header.left_out == ()


EXPLOSIONS: dict[str, list[TypeView]] = {
    "structs": [
        Struct("", 4, [Member("x", INT)]),
        *(
            Struct("", 4 << n, [Member("l", 5 + n), Member("r", 5 + n, 16 << n)])
            for n in range(1, 28)
        ),
        Typedef("t", 33),
    ],
    "functions": [
        FuncProto(0, [Param("", INT)]),
        *(FuncProto(0, [Param("", 5 + n), Param("", 5 + n)]) for n in range(1, 40)),
        Typedef("t", 45),
    ],
}


@pytest.mark.parametrize("name", EXPLOSIONS)
def test_text_that_doubles_with_each_type_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    btf = built(*EXPLOSIONS[name])
    monkeypatch.setattr("btfschema.render.c.declare.Declarations.MOST_TEXT", 1 << 16)
    with pytest.raises(EncodeError, match="repeated inside of declarations"):
        format_c(btf, like="7.8")
    with pytest.raises(EncodeError, match="repeated inside of declarations"):
        Viewer(btf).text(btf.end_id - 1)
    with pytest.raises(EncodeError, match="repeated inside of declarations"):
        Viewer(btf).data(btf.end_id - 1)


@pytest.mark.parametrize("name", EXPLOSIONS)
def test_text_that_doubles_with_each_type_is_left_out(name: str) -> None:
    header = c_header(built(*EXPLOSIONS[name]))
    assert len(header.text) < 1 << 22
    assert header.left_out != ()


def test_an_unknown_id_is_refused() -> None:
    with pytest.raises(TypeIdError):
        format_c(built(), [99])


def test_nothing_is_written_when_it_fails() -> None:
    out = io.BytesIO()
    with pytest.raises(UnresolvedError):
        write_c(built(Struct("s", 4, [Member("s", 6)])), out, like="7.8")
    assert out.getvalue() == b""


def test_names_that_are_no_text_come_through() -> None:
    out = io.BytesIO()
    btf = built(Struct("caf\udce9", 4, [Member("i", INT)]))
    write_c(btf, out, like="7.8")
    assert b"struct caf\xe9 {" in out.getvalue()
    assert '/* STRUCT "caf\\xe9" [6] */\nstruct caf_ {' in format_c(btf)


@given(btf=btfs())
def test_any_btf_becomes_c_or_a_worded_error(btf: Btf) -> None:
    for sort in (True, False):
        try:
            text = format_c(btf, sort=sort, like="none", asserts=True)
        except BtfError:
            continue
        assert text.endswith("#endif /* __VMLINUX_H__ */\n")


def test_a_kernel_has_every_struct(cloud: Btf) -> None:
    text = format_c(cloud)
    structs = [view for view in cloud if isinstance(view, Struct) and view.name]
    assert len(structs) > 8000
    assert len(re.findall(r"^struct \w+ {", text, re.MULTILINE)) == len(structs)


def btfschema(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return as_text(run("dump", *args))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two enums that stand for themselves, one of a byte, and a struct."""
    path = tmp_path_factory.mktemp("c") / "types.btf"
    one_byte = Enum("tiny", 1, [Enumerator("T", 1)])
    first = Enum("", 4, [Enumerator("FIRST", 1)])
    dump(built(Struct("s", 4, [Member("i", INT)]), one_byte, first), path)
    return path


def test_the_command_loses_no_type_and_copies_a_bpftool_on_request(file: Path) -> None:
    btf = loads(file.read_bytes())
    done = btfschema(file, "--format", "c")
    assert (done.returncode, done.stderr) == (0, "")
    assert "FIRST" in done.stdout
    assert done.stdout == format_c(btf)
    for like in LIKES:
        done = btfschema(file, "--format", "c", "--like", like)
        assert done.stdout == format_c(btf, like=like)
        assert ("FIRST" in done.stdout) == (like in ("7.1", "none"))


@pytest.mark.parametrize("like", LIKES)
@pytest.mark.parametrize("name", ["s", "not a name"])
def test_what_nobody_uses_any_more_is_gone_at_once(like: Like, name: str) -> None:
    """C of many modules takes the memory of one, whether the collector runs or not."""
    base = built(Struct(name, 4, members=(Member("i", INT),)))
    gc.disable()
    try:
        btf = Builder(base=base).build()
        assert name in format_c(btf, like=like)
        seen = [weakref.ref(one) for one in (btf, TypeColumns.of(btf))]
        del btf
        assert [one() for one in seen] == [None] * len(seen)
    finally:
        gc.enable()


def test_types_in_id_order(file: Path) -> None:
    btf = loads(file.read_bytes())
    done = btfschema(file, "--format", "c", "--unsorted")
    assert done.stdout == format_c(btf, sort=False)
    assert done.stdout != format_c(btf)
    done = btfschema(file, "--format", "c", "--unsorted", "--like", "7.5")
    assert done.stdout == format_c(btf, sort=False, like="7.5")
    assert format_c(btf, like="7.1") == format_c(btf, sort=False, like="7.1")


def test_asserting_leaves_nothing_out(file: Path) -> None:
    done = btfschema(file, "--format", "c", "--assert")
    assert "FIRST = 1" in done.stdout
    assert "_Static_assert(sizeof(struct s) == 4" in done.stdout


def test_roots_are_chosen_as_for_any_dump(file: Path) -> None:
    done = btfschema(file, "--format", "c", "--kind", "struct", "--name", "s*")
    assert types_only(done.stdout) == "struct s {\n\tint i;\n};\n"


@pytest.mark.parametrize(
    "options",
    [("--unsorted",), ("--assert",), ("--like", "7.1"), ("--format", "c", "--json")],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], file: Path) -> None:
    done = btfschema(file, *options)
    assert done.returncode == 2
    assert "--format c" in done.stderr
