"""C of what C has no words for: names, places, numbers; what is left out is named."""

from __future__ import annotations

import pytest
from c_cases import CHAR, COMMON, INT, LONG, VOID_PTR, types_only
from c_hostile import hostile

from btfschema import Btf, Builder, Kind
from btfschema.errors import BtfError
from btfschema.render.c import c_header, format_c
from btfschema.views import (
    Array,
    Const,
    Enum,
    Enum64,
    Enumerator,
    FuncProto,
    Fwd,
    Int,
    IntEncoding,
    Member,
    Param,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    TypeView,
    Union,
)


def built(*views: TypeView) -> Btf:
    """The common types, then these from id 6 on."""
    builder = Builder()
    for view in (*COMMON, *views):
        builder.add(view)
    return builder.build()


def text_of(*views: TypeView) -> str:
    return types_only(format_c(built(*views), sort=False))


def test_names_that_c_does_not_take() -> None:
    header = c_header(
        built(
            Int("unsigned char", 1),
            Struct("ManuallyDrop<u8>", 1, [Member("value", 6)]),
            Union("MaybeUninit<u8>", 1, [Member("value", 7)]),
            Enum("class Color", 4, [Enumerator("class Color::Red", 1)]),
            Struct("s", 4, [Member("class", 6), Member("int", 6, 8), Member("2nd", 6, 16)]),
            Fwd("a b"),
            Ptr(11),
            Typedef("a*b", 12),
            Typedef("", 13),
        ),
        asserts=True,
    )
    assert header.left_out == ()
    for part in (
        '/* STRUCT "ManuallyDrop<u8>" [7] */\nstruct ManuallyDrop_u8_ {\n',
        "union MaybeUninit_u8_ {\n\tstruct ManuallyDrop_u8_ value;\n};",
        "enum class_Color {\n\tclass_Color__Red /* class Color::Red */ = 1,\n};",
        "unsigned char class;\n\tunsigned char int_ /* int */;\n\tunsigned char _2nd /* 2nd */;",
        '/* FWD "a b" [11] */\nstruct a_b;',
        "typedef struct a_b *a_b_;",
        "/* TYPEDEF [14], without a name */\ntypedef a_b_ unnamed_1;",
        "__builtin_offsetof(struct s, int_) == 1",
    ):
        assert part in header.text


def test_names_stay_apart() -> None:
    text = text_of(
        Struct("a b", 4, [Member("i", INT)]),
        Struct("a-b", 4, [Member("j", INT)]),
        Struct("a_b", 4, [Member("k", INT)]),
        Struct("x", 4, [Member("l", INT)]),
        Struct("x___2", 4, [Member("m", INT)]),
        Union("x", 4, [Member("n", INT)]),
    )
    names = [line.split()[1] for line in text.splitlines() if line.endswith("{")]
    assert names == ["a_b_", "a_b__", "a_b", "x", "x___2", "x___3"]


def test_comments_and_strings_can_not_be_left() -> None:
    text = format_c(
        built(
            Struct('*/ int evil; /* "\n', 4, [Member("*/", INT)]),
            TypeTag('user"))) evil', INT),
            TypeTag("x)) evil((", INT, kind_flag=True),
            Ptr(7),
            Ptr(8),
            Struct("s", 16, [Member("a", 9), Member("b", 10, 64)]),
        )
    )
    assert '/* STRUCT "* / int evil; / * "\\n" [6] */' in text
    assert 'btf_type_tag("user\\042))) evil")' in text
    assert "int /* x)) evil(( */ *b;" in text


def test_members_without_a_name() -> None:
    text = text_of(
        Struct("tree", 16, [Member("a", LONG), Member("b", LONG, 64)]),
        Union("", 16, [Member("", 6), Member("raw", LONG)]),
        Struct("common", 24, [Member("inum", INT), Member("", 7, 64)]),
        Struct("odd", 8, [Member("", INT), Member("", INT, 32)]),
    )
    assert "\tunion {\n\t\tstruct {\n\t\t\tlong int a;\n\t\t\tlong int b;\n\t\t};\n" in text
    assert "int unnamed_at_0_1 /* no name */;\n\tint unnamed_at_4_2 /* no name */;\n" in text


def test_members_out_of_order_and_over_each_other() -> None:
    text = text_of(
        Struct("reordered", 8, [Member("b", INT, 32), Member("a", INT)]),
        Struct("overlaid", 8, [Member("whole", LONG), Member("part", INT, 32)]),
        Union("shifted", 8, [Member("a", INT), Member("b", INT, 32)]),
        Struct("twice", 8, [Member("x", INT), Member("x", INT, 32)]),
    )
    assert "struct reordered {\n\tint a;\n\tint b;\n};\n" in text
    assert "\tunion {\n\t\tlong int whole;\n\t\tstruct {\n\t\t\tint: 32;\n\t\t\tint part;\n" in text
    assert "union shifted {\n\tint a;\n\tstruct {\n\t\tint: 32;\n\t\tint b;\n\t};\n};\n" in text
    assert "struct twice {\n\tint x;\n\tint x___2 /* x */;\n};\n" in text


def test_names_in_members_without_a_name_stay_apart() -> None:
    """One struct without a name twice in another."""
    btf = built(
        Struct("", 4, [Member("x", INT)]),
        Struct("s", 12, [Member("x", INT), Member("", 6, 32), Member("", 6, 64)]),
    )
    text = format_c(btf, asserts=True)
    for name, offset in (("x", 0), ("x___2", 4), ("x___3", 8)):
        assert f"__builtin_offsetof(struct s, {name}) == {offset}" in text


def test_numbers_that_c_calls_otherwise() -> None:
    text = text_of(
        Int("u8", 1),
        Int("i64", 8, IntEncoding.SIGNED),
        Int("int", 1, IntEncoding.SIGNED),
        Int("u24", 3),
        Int("bool", 1, IntEncoding.BOOL),
        Struct(
            "s",
            24,
            [
                Member("a", 6), Member("b", 7, 64), Member("c", 8, 128), Member("d", 9, 136),
                Member("e", 10, 160),
            ],
        ),
    )  # fmt: skip
    assert "typedef unsigned char u8;\n" in text
    assert "typedef long long i64;\n" in text
    assert "typedef struct {\n\tint: 24;\n} u24;\n" in text
    assert "typedef _Bool bool;\n" in text
    assert "\tsigned char c;\n\tu24 d;\n\tbool e;\n" in text


def test_bit_fields_of_linux_4_18_to_5_0() -> None:
    """Each has an INT of its own, of 4 and 6 bits, behind a typedef and a qualifier."""
    narrow = Int("int", 1, IntEncoding.SIGNED, bits=4)
    late = Int("int", 4, IntEncoding.SIGNED, bits=6, bit_offset=2)
    members = [Member("a", INT), Member("b", 7, 32), Member("c", 9, 36), Member("d", INT, 64)]
    text = text_of(narrow, Typedef("n", 6), late, Const(8), Struct("t", 12, members))
    assert "struct t {\n\tint a;\n\tn b: 4;\n\tchar: 2;\n\tconst int c: 6;\n\tint d;\n};\n" in text


def test_bit_fields_that_c_has_not() -> None:
    members = [
        Member("p", VOID_PTR, 0, 3),
        Member("wide", CHAR, 3, 12),
        Member("cross", INT, 20, 20),
    ]
    header = c_header(built(Struct("s", 5, members), Struct("w", 32, [Member("x", INT, 0, 200)])))
    assert (
        "unsigned char p: 3;\n\tunsigned short wide: 12;\n\tchar: 5;\n\tint cross: 20;\n"
        in header.text
    )
    assert "} __attribute__((packed));" in header.text
    assert header.left_out == ('STRUCT "w" [7]: x at bit 0, a bit field of 200 bits',)


def test_enums_that_c_has_not() -> None:
    header = c_header(
        built(
            Enum("small", 1, [Enumerator("FITS", 200), Enumerator("TOO_LARGE", 256)]),
            Enum64("negative", 8, [Enumerator("MINUS", -1)], signed=True),
            Fwd("small", is_union=True),
            Ptr(8),
            Struct("s", 8, [Member("u", 9)]),
        )
    )
    assert "enum small {\n\tFITS = 200,\n} __attribute__((mode(byte)));" in header.text
    assert "enum negative {\n\tMINUS = -1LL,\n} __attribute__((mode(word)));" in header.text
    assert "union small___fwd *u;" in header.text
    assert header.left_out == ('ENUM "small" [6]: TOO_LARGE = 256, which it has no room for',)


def test_functions_that_c_has_not() -> None:
    text = text_of(
        FuncProto(0, [Param("a", INT), Param("a", INT), Param("class", INT), Param("for", INT)]),
        Ptr(6),
        Typedef("call", 7),
        FuncProto(5, []),
        Ptr(9),
        Typedef("returns_an_array", 10),
        Array(0, INT, 2),
        Typedef("voids", 12),
        Restrict(INT),
        Typedef("restricted", 14),
    )
    assert "typedef void (*call)(int, int a, int class, int for_ /* for */);\n" in text
    assert "typedef void *returns_an_array;\n" in text
    assert "voids" not in text
    assert "typedef int restricted;\n" in text


def test_a_member_of_a_forward_declaration_is_a_gap() -> None:
    btf = built(Fwd("queue"), Typedef("queue_t", 6), Struct("s", 24, [Member("q", 7, 64)]))
    header = c_header(btf, [8], asserts=True)
    assert header.left_out == (
        'STRUCT "s" [8]: q at bit 64, whose type has no size: TYPEDEF "queue_t" [7]',
    )
    assert "sizeof(struct s) == 24" in header.text


def test_sound_types_are_written_as_they_are(cloud: Btf) -> None:
    assert c_header(cloud, cloud.find_ids("task_struct", Kind.STRUCT)).left_out == ()


@pytest.mark.parametrize("seed", range(30))
def test_hostile_types_become_c(seed: int) -> None:
    btf = hostile(seed)
    header = c_header(btf, asserts=True)
    assert header.text.endswith("#endif /* __VMLINUX_H__ */\n")
    for view in btf:
        if isinstance(view, (Struct, Union)) and view.name.isidentifier():
            assert f'{view.name}"' in header.text or view.name in header.text
    for type_id in range(1, btf.end_id):
        alone = c_header(btf, [type_id])
        assert not alone.is_empty or alone.left_out


def test_bpftool_would_refuse_much_of_it() -> None:
    refused = 0
    for seed in range(30):
        try:
            format_c(hostile(seed), like="7.8")
        except BtfError:
            refused += 1
    assert refused > 5


def test_no_typedef_gets_the_name_of_a_member_or_parameter() -> None:
    # Clang takes the name of an earlier member of an anonymous struct for that member.
    inner = Struct("", 4, [Member("g___2", INT)])
    first, second = Typedef("g", INT), Typedef("g", LONG)
    outer = Struct("outer", 16, [Member("", 6), Member("later", 8, 64)])
    assert "\tg___3 later;" in text_of(inner, first, second, outer)
    takes = FuncProto(0, [Param("g___2", INT), Param("later", 7)])
    holder = Struct("holder", 8, [Member("call", 9)])
    text = text_of(first, second, takes, Ptr(8), holder)
    assert "void (*call)(int g___2, g___3 later);" in text.replace("\t", "")


def test_parameters_are_not_called_as_values_that_are_defined_among_them() -> None:
    values = Enum("", 4, [Enumerator("g", 1), Enumerator("h", 2)])
    holder = Struct("", 4, [Member("member", 6)])
    proto = FuncProto(0, [Param("g", 6), Param("h", INT), Param("held", 7), Param("other", 10)])
    inner = FuncProto(0, [Param("g", INT)])
    text = text_of(values, holder, proto, inner, Ptr(9), Typedef("call", 8))
    (line,) = [line for line in text.splitlines() if " h" in line or "held" in line][-1:]
    assert line == "} held, void (*other)(int g));"
    assert "enum {\n\tg = 1,\n\th = 2,\n}, int, struct" in text


def test_a_qualifier_of_a_tagged_type_stands_apart() -> None:
    tagged = text_of(TypeTag("t", INT), Const(6), Struct("s", 4, [Member("m", 7)]))
    assert '\tint __attribute__((btf_type_tag("t"))) const m;' in tagged


def test_tags_and_qualifiers_of_arrays_are_those_of_the_elements() -> None:
    array = Array(INT, INT, 2)
    text = text_of(array, TypeTag("t", 6), Const(7), Struct("s", 8, [Member("m", 8)]))
    assert '\tint __attribute__((btf_type_tag("t"))) const m[2];' in text
    proto = FuncProto(INT, [])
    text = text_of(proto, TypeTag("t", 6), Const(7), Ptr(8), Struct("s", 8, [Member("m", 9)]))
    assert "\tint (*m)(void);" in text
