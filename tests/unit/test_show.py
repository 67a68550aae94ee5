"""One type for people: offsets, holes and cache lines, as text and as data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_cases import CHAR, COMMON, INT, LONG, VOID_PTR
from hypothesis import given
from shell import as_text
from shell import btfschema as run

from btfschema import Btf, Builder, dump
from btfschema.errors import BtfError, EncodeError, TypeIdError, UnresolvedError
from btfschema.render.c.column import numbers
from btfschema.render.c.columns import BY_ID, TypeColumns
from btfschema.render.show import Viewer
from btfschema.render.structs import struct_layout, struct_layouts
from btfschema.render.text import format_type
from btfschema.tables import StringTable
from btfschema.testing import btfs
from btfschema.views import (
    Array,
    Datasec,
    DeclTag,
    Enum,
    Enumerator,
    Func,
    FuncProto,
    Fwd,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
    TypeView,
    Union,
    Var,
    VarSecinfo,
)

DEEP = 3000
FORMLESS = {"DATASEC", "DECL_TAG", "LOC_PARAM", "LOC_PROTO", "LOCSEC"}


def built(*views: TypeView) -> Btf:
    """The common types, then these from id 6 on."""
    builder = Builder()
    for view in (*COMMON, *views):
        builder.add(view)
    return builder.build()


@pytest.fixture(scope="module")
def btf() -> Btf:
    """A struct with everything that there is to see, at id 10."""
    return built(
        Struct("pair", 16, [Member("first", INT), Member("second", LONG, 64)]),
        Union("", 8, [Member("number", LONG), Member("text", 8)]),
        Array(CHAR, INT, 8),
        Typedef("pair_t", 6),
        Struct(
            "sight",
            136,
            [
                Member("c", CHAR),
                Member("i", INT, 32),
                Member("low", INT, 64, 3),
                Member("high", INT, 72, 8),
                Member("", 7, 128),
                Member("pair", 9, 192),
                Member("far", VOID_PTR, 448),
                Member("next", VOID_PTR, 512),
                Member("end", INT, 1024),
            ],
        ),
    )


# Read against pahole -C sight.
SIGHT = """\
struct sight {
	char c;                                         /*     0     1 */

	/* XXX 3 bytes hole, try to pack */

	int i;                                          /*     4     4 */
	int low:3;                                      /*     8: 0     4 */

	/* XXX 5 bits hole, try to pack */

	int high:8;                                     /*     8: 8     4 */

	/* XXX 16 bits hole, try to pack */
	/* XXX 4 bytes hole, try to pack */

	union {
		long int number;                        /*    16     8 */
		char text[8];                           /*    16     8 */
	};                                              /*    16     8 */
	pair_t pair;                                    /*    24    16 */

	/* XXX 16 bytes hole, try to pack */

	void *far;                                      /*    56     8 */
	/* --- cacheline 1 boundary (64 bytes) --- */
	void *next;                                     /*    64     8 */

	/* XXX 56 bytes hole, try to pack */

	/* --- cacheline 2 boundary (128 bytes) --- */
	int end;                                        /*   128     4 */

	/* size: 136, cachelines: 3, members: 9 */
	/* sum members: 49, holes: 4, sum holes: 79 */
	/* sum bitfield members: 11 bits, bit holes: 2, sum bit holes: 21 bits */
	/* padding: 4 */
	/* last cacheline: 8 bytes */
};
"""


def test_a_struct(btf: Btf) -> None:
    assert Viewer(btf).text(10) == SIGHT


def test_expanding_shows_named_structs_in_place(btf: Btf) -> None:
    lines = Viewer(btf).text(10, expand=True).splitlines()
    at = lines.index("\tstruct pair {")
    assert [" ".join(line.split()) for line in lines[at : at + 6]] == [
        "struct pair {",
        "int first; /* 24 4 */",
        "",
        "/* XXX 4 bytes hole, try to pack */",
        "",
        "long int second; /* 32 8 */",
    ]
    assert lines[at + 6].startswith("\t} pair; ")


def test_the_facts_behind_it(btf: Btf) -> None:
    layout = struct_layout(btf, 10)
    assert (layout.size, layout.cachelines, layout.last_cacheline) == (136, 3, 8)
    assert layout.holes == [3, 4, 16, 56]
    assert layout.bit_holes == [5, 16]
    assert (layout.sum_members, layout.sum_bitfields) == (49, 11)
    assert (layout.padding, layout.bit_padding) == (4, 0)
    assert struct_layout(btf, 9).name == "pair"


def test_a_trailing_bit_field_pads_in_bits() -> None:
    btf = built(Struct("s", 8, [Member("i", INT), Member("b", INT, 32, 5)]))
    layout = struct_layout(btf, 6)
    assert (layout.padding, layout.bit_padding) == (0, 27)


def test_types_that_are_no_structs() -> None:
    btf = built(
        Enum("state", 4, [Enumerator("ON", 1)]),
        FuncProto(INT, [Param("fd", INT), Param("text", 8)]),
        Ptr(CHAR),
        Func("openat", 7),
        Var("counter", LONG),
        Typedef("number", LONG),
        Struct("", 4, [Member("x", INT)]),
        Typedef("point", 12),
    )
    shown = Viewer(btf)
    assert shown.text(6) == "enum state {\n\tON = 1,\n}; /* size: 4 */\n"
    assert shown.text(9) == "int openat(int fd, char *text);\n"
    assert shown.text(10) == "long int counter; /* size: 8 */\n"
    assert shown.text(11) == "typedef long int number; /* size: 8 */\n"
    assert shown.text(INT) == "int; /* size: 4 */\n"
    assert shown.text(13).startswith("typedef struct {\n\tint x;")
    assert shown.text(13).endswith("} point;\n")


def test_pointers_to_anonymous_structs_count_from_their_own_start() -> None:
    btf = built(
        Struct("", 4, [Member("x", INT)]),
        Ptr(6),
        Struct("s", 16, [Member("l", LONG), Member("p", 7, 64)]),
    )
    lines = [" ".join(line.split()) for line in Viewer(btf).text(8).splitlines()]
    assert lines[2:5] == ["struct {", "int x; /* 0 4 */", "} *p; /* 8 8 */"]


def test_deep_nesting() -> None:
    views: list[TypeView] = [Struct("", 4, [Member("x0", INT)])]
    views += [Struct("", 4, [Member(f"x{n}", 5 + n)]) for n in range(1, DEEP)]
    btf = built(*views, Struct("top", 4, [Member("in", 5 + DEEP)]))
    assert Viewer(btf).text(6 + DEEP).count("struct {") == DEEP
    inner = Viewer(btf).data(6 + DEEP)
    depth = 0
    while "members" in inner:
        inner, depth = inner["members"][0], depth + 1
    assert depth == DEEP + 1


def test_what_can_not_be_shown() -> None:
    btf = built(
        Struct("s", 4, [Member("bits", 6, 3, 5), Member("s", 6)]),
        Ptr(6),
        FuncProto(0, [Param("", 9)]),
        Ptr(8),
    )
    viewer = Viewer(btf)
    shown = viewer.text(6)
    assert "\tstruct s bits:5;" in shown
    assert "/* overlapping members: 1 */" in shown
    for show in (viewer.text, viewer.data):
        with pytest.raises(UnresolvedError, match="needs itself"):
            show(6, expand=True)
        with pytest.raises(TypeIdError):
            show(99)
    for type_id in (8, 9):
        with pytest.raises(UnresolvedError, match="needs itself"):
            viewer.text(type_id)
    with pytest.raises(UnresolvedError, match="is not a struct or union"):
        struct_layout(btf, INT)


def test_structs_that_hold_each_other_twice_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("btfschema.render.show.MOST_MEMBERS", 100)
    pairs = ([Member("", at), Member("", at)] for at in range(6, 16))
    btf = built(Union("", 4, [Member("x", INT)]), *(Union("", 4, pair) for pair in pairs))
    viewer = Viewer(btf)
    for shown in (viewer.text, viewer.data):
        shown(10)
        with pytest.raises(EncodeError, match="too many members to show"):
            shown(btf.end_id - 1)


def test_as_data(btf: Btf) -> None:
    data = Viewer(btf).data(10)
    assert (data["kind"], data["name"], data["size"], data["cachelines"]) == (
        "STRUCT",
        "sight",
        136,
        3,
    )
    high, union = data["members"][3:5]
    assert high == {
        "name": "high",
        "type": "int",
        "type_id": INT,
        "offset": 9,
        "bit_offset": 72,
        "size": 4,
        "bitfield_size": 8,
        "hole": 4,
        "bit_hole": 16,
        "aligned": 0,
        "overlap": 0,
    }
    assert [member["name"] for member in union["members"]] == ["number", "text"]
    assert (union["type"], union["offset"]) == ("union { ... }", 16)
    assert data["members"][6]["type"] == "void *"
    assert "members" not in data["members"][5]
    assert "members" in Viewer(btf).data(10, expand=True)["members"][5]


def test_other_types_as_data() -> None:
    btf = built(
        Enum("state", 4, [Enumerator("OFF", -1)]),
        FuncProto(INT, [Param("fd", INT)]),
        Func("close", 7),
        Typedef("number", LONG),
    )
    viewer = Viewer(btf)
    assert viewer.data(6)["values"] == [{"name": "OFF", "value": -1}]
    assert viewer.data(8)["params"] == [{"name": "fd", "type": "int", "type_id": INT}]
    assert viewer.data(8)["returns"] == {"type": "int", "type_id": INT}
    assert viewer.data(9)["type"] == "long int"
    damaged = Viewer(built(Func("no_function", INT)))
    assert damaged.data(6)["type"] == "int"


@given(btf=btfs())
def test_any_type_is_shown_or_refused_in_words(btf: Btf) -> None:
    viewer = Viewer(btf)
    for type_id in range(1, btf.end_id):
        try:
            text = viewer.text(type_id)
            data = viewer.data(type_id)
        except BtfError:
            continue
        if data["kind"] in FORMLESS:
            assert text.startswith("/* ")
            assert text.endswith(f" */\n{format_type(btf, type_id)}\n")
        else:
            assert text.endswith((";\n", f"; /* size: {data['size']} */\n"))
        assert json.loads(json.dumps(data))["id"] == type_id


def btfschema(*args: str | Path, env: dict[str, str] | None = None) -> Any:
    return as_text(run("show", *args, env=env))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, btf: Btf) -> Path:
    path = tmp_path_factory.mktemp("show") / "types.btf"
    dump(btf, path)
    return path


def test_the_command_takes_names_kinds_and_ids(file: Path) -> None:
    done = btfschema("sight", "struct pair", "9", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(SIGHT + "\nstruct pair {\n")
    assert done.stdout.endswith("\ntypedef struct pair pair_t; /* size: 16 */\n")


@pytest.mark.parametrize("name", ["long int", "long", "signed long"])
def test_the_command_takes_names_with_spaces(name: str, file: Path) -> None:
    done = btfschema(name, file)
    assert (done.stdout, done.stderr) == ("long int; /* size: 8 */\n", "")


def test_the_command_gives_json(file: Path) -> None:
    done = btfschema("sight", "pair_t", file, "--json")
    sight, pair = json.loads(done.stdout)
    assert [member["name"] for member in sight["members"]][-1] == "end"
    assert pair["type"] == "struct pair"


def test_one_type_that_can_not_be_shown_loses_no_other(tmp_path: Path) -> None:
    path = tmp_path / "circle.btf"
    dump(
        built(
            FuncProto(0, [Param("circle", 8)]),
            Typedef("around", 6),
            Ptr(6),
            Typedef("fine", INT),
        ),
        path,
    )
    done = btfschema("around", "fine", path)
    assert done.returncode == 1
    assert done.stdout == "typedef int fine; /* size: 4 */\n"
    assert done.stderr == "btfschema: FUNC_PROTO [6] has no C declaration: it needs itself\n"
    done = btfschema("around", "fine", path, "--json")
    assert [one["name"] for one in json.loads(done.stdout)] == ["fine"]
    assert json.loads(done.stderr)["error"].endswith("it needs itself")


def test_what_c_has_no_form_for_is_shown_as_bpftool_dumps_it(tmp_path: Path) -> None:
    btf = built(Var("v", INT), Datasec(".data", 4, [VarSecinfo(6, 0, 4)]), DeclTag("mark", 6))
    assert Viewer(btf).text(7) == (
        '/* DATASEC ".data" [7]: its kind has no form in C */\n'
        "[7] DATASEC '.data' size=4 vlen=1\n\ttype_id=6 offset=0 size=4 (VAR 'v')\n"
    )
    dump(btf, tmp_path / "section.btf")
    done = btfschema("*", tmp_path / "section.btf")
    assert (done.returncode, done.stderr) == (0, "")
    assert "int v; /* size: 4 */\n" in done.stdout
    assert "[8] DECL_TAG 'mark' type_id=6 component_idx=-1\n" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pear", "no type 'pear'; did you mean pair"),
        ("enum pair", "no type 'enum pair'"),
        ("999", "type id 999 is past the last id 10"),
    ],
)
def test_what_is_not_there(name: str, message: str, file: Path) -> None:
    done = btfschema(name, file)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_file_that_is_missing_is_taken_for_a_file() -> None:
    done = btfschema("sight", "no/such/file")
    assert done.returncode == 1
    assert "no/such/file: No such file" in done.stderr


def test_a_hole_before_the_first_member_is_counted_and_shown() -> None:
    """Pahole 1.24 counts 8 bytes here, in one hole."""
    btf = built(Struct("late", 16, [Member("a", INT, 64)]))
    layout = struct_layout(btf, 6)
    assert (layout.leading_hole, layout.holes, layout.padding) == (8, [8], 4)
    lines = [line.strip() for line in Viewer(btf).text(6).splitlines()]
    assert lines.index("/* XXX 8 bytes hole, try to pack */") < lines.index(
        next(line for line in lines if line.startswith("int a"))
    )
    assert "/* sum members: 4, holes: 1, sum holes: 8 */" in lines
    data = Viewer(btf).data(6)
    assert (data["leading_hole"], data["holes"], data["sum_holes"]) == (8, 1, 8)


def test_bits_before_the_first_bit_field_are_a_hole() -> None:
    layout = struct_layout(built(Struct("bits", 4, [Member("a", INT, 5, 3)])), 6)
    assert (layout.leading_bit_hole, layout.bit_holes, layout.bit_padding) == (5, [5], 24)


def test_a_struct_without_members_has_padding_and_no_hole() -> None:
    layout = struct_layout(built(Struct("blank", 16, [])), 6)
    assert (layout.leading_hole, layout.holes, layout.padding) == (0, [], 16)


def test_a_packed_bit_field_may_reach_into_the_next_unit() -> None:
    """As pahole 1.24 shows clang's BTF of a packed struct: one hole of 4 bits, none of bytes."""
    members = [Member("a", INT, 0, 12), Member("b", INT, 12, 24), Member("c", CHAR, 40)]
    layout = struct_layout(built(Struct("pk2", 6, members)), 6)
    assert (layout.bit_holes, layout.holes, layout.padding) == ([4], [], 0)


def lines_of(btf: Btf, type_id: int) -> list[str]:
    return [" ".join(line.split()) for line in Viewer(btf).text(type_id).splitlines()]


def test_members_out_of_order_are_counted_and_shown_by_offset() -> None:
    btf = built(Struct("s", 24, [Member("l", LONG, 128), Member("c", CHAR), Member("i", INT, 64)]))
    layout = struct_layout(btf, 6)
    assert [place.name for place in layout.members] == ["l", "c", "i"]
    assert [place.name for place in layout.by_offset] == ["c", "i", "l"]
    assert (layout.in_order, layout.holes, layout.padding) == (False, [7, 4], 0)
    assert lines_of(btf, 6)[1:] == [
        "/* XXX the BTF has these members in another order */",
        "char c; /* 0 1 */",
        "",
        "/* XXX 7 bytes hole, try to pack */",
        "",
        "int i __attribute__((aligned(8))); /* 8 4 */",
        "",
        "/* XXX 4 bytes hole, try to pack */",
        "",
        "long int l; /* 16 8 */",
        "",
        "/* size: 24, cachelines: 1, members: 3 */",
        "/* sum members: 13, holes: 2, sum holes: 11 */",
        "/* last cacheline: 24 bytes */",
        "};",
    ]
    assert Viewer(btf).data(6)["in_order"] is False


def test_members_that_share_bytes_are_said_and_leave_no_negative_hole() -> None:
    members = [
        Member("l", LONG),
        Member("i", INT, 32),
        Member("b", INT, 66, 3),
        Member("d", INT, 68, 3),
        Member("c", CHAR, 72),
    ]
    btf = built(Struct("s", 12, members))
    layout = struct_layout(btf, 6)
    assert [place.overlap for place in layout.members] == [0, 32, 0, 1, 0]
    assert (layout.overlapping, layout.holes, layout.bit_holes) == (2, [], [2, 1])
    lines = lines_of(btf, 6)
    assert "/* XXX shares 4 bytes with members before it */" in lines
    assert "/* XXX shares 1 bit with members before it */" in lines
    assert "/* overlapping members: 2 */" in lines
    inside = struct_layout(built(Struct("s", 8, [Member("l", LONG), Member("c", CHAR, 8)])), 6)
    assert (inside.overlapping, inside.holes, inside.padding) == (1, [], 0)


@pytest.mark.parametrize("kind", [Struct, Union])
def test_members_that_reach_past_the_end_leave_no_negative_padding(kind: type[Struct]) -> None:
    layout = struct_layout(built(kind("s", 4, [Member("l", LONG)])), 6)
    assert (layout.padding, layout.excess) == (0, 4)


def test_one_empty_line_is_before_the_sums() -> None:
    btf = built(Struct("s", 4, [Member("a", INT), Member("b", CHAR)]))
    text = Viewer(btf).text(6)
    assert text.endswith(
        "\n\n\t/* XXX shares 1 byte with members before it */\n"
        "\n\t/* size: 4, cachelines: 1, members: 2 */\n"
        "\t/* overlapping members: 1 */\n\t/* last cacheline: 4 bytes */\n};\n"
    )


def test_packed_is_said_where_c_needs_it() -> None:
    """As pahole 1.24 says; of a bit field that spans two units it does not."""
    btf = built(
        Struct("odd", 5, [Member("c", CHAR), Member("i", INT, 8)]),
        Struct("short_", 5, [Member("i", INT), Member("c", CHAR, 32)]),
        Struct("spills", 8, [Member("a", INT, 0, 20), Member("b", INT, 20, 20)]),
        Struct("holds", 16, [Member("c", CHAR), Member("in", 6, 8), Member("l", LONG, 64)]),
        Union("both", 5, [Member("i", INT), Member("c", CHAR)]),
    )
    packed = [struct_layout(btf, type_id).packed for type_id in range(6, 11)]
    assert packed == [True, True, True, False, True]
    assert Viewer(btf).text(6).endswith("} __attribute__((packed));\n")
    assert Viewer(btf).data(6)["packed"] is True


def test_alignments_that_explain_holes_are_said() -> None:
    btf = built(
        Struct("line", 128, [Member("c", CHAR), Member("i", INT, 512)]),
        Struct("wide", 64, [Member("i", INT)]),
        Struct("holds", 128, [Member("i", INT), Member("w", 7, 512)]),
        Struct("unexplained", 32, [Member("c", CHAR), Member("i", INT, 7 * 32)]),
    )
    line, wide, holds, other = (struct_layout(btf, type_id) for type_id in range(6, 10))
    assert [place.aligned for place in line.members] == [0, 64]
    assert (wide.aligned, holds.aligned) == (64, 0)
    # The member's type explains it.
    assert [place.aligned for place in holds.members] == [0, 0]
    assert [place.aligned for place in other.members] == [0, 0]
    assert "int i __attribute__((aligned(64))); /* 64 4 */" in lines_of(btf, 6)
    assert lines_of(btf, 7)[-1] == "} __attribute__((aligned(64)));"


def test_structs_in_place_have_their_attributes() -> None:
    inner = Struct("", 5, [Member("c", CHAR), Member("i", INT, 8)])
    btf = built(inner, Struct("s", 8, [Member("in", 6), Member("c", CHAR, 56)]))
    assert "} __attribute__((packed)) in; /* 0 5 */" in lines_of(btf, 7)


@given(btf=btfs())
def test_no_count_is_negative(btf: Btf) -> None:
    for layout in struct_layouts(btf):
        counts = [layout.padding, layout.bit_padding, layout.excess, *layout.holes]
        assert min([*counts, *layout.bit_holes]) >= 0
        assert min([place.overlap for place in layout.members], default=0) >= 0


def test_a_struct_that_is_only_declared_is_found(tmp_path: Path) -> None:
    file = tmp_path / "fwd.btf"
    dump(built(Fwd("b"), Fwd("u", is_union=True), Struct("both", 4, []), Fwd("both")), file)
    assert btfschema("struct b", file).stdout == "struct b;\n"
    assert btfschema("union u", file).stdout == "union u;\n"
    assert btfschema("struct u", file).returncode == 1
    assert "size: 4" in btfschema("struct both", file).stdout


def test_one_type_is_shown_without_the_names_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    names = StringTable.names

    def counted(table: StringTable, offsets: Any) -> list[str]:
        asked.append(len(offsets))
        return names(table, offsets)

    monkeypatch.setattr(StringTable, "names", counted)
    structs = [Struct(f"s{at}", 4, (Member(f"m{at}", INT, 0),)) for at in range(1000)]
    assert "m3;" in Viewer(built(*structs)).text(9)
    assert sum(asked) < 20


@given(btfs())
def test_columns_hold_what_their_lists_do(btf: Btf) -> None:
    types, lists = TypeColumns(btf), TypeColumns(btf).listed()
    assert isinstance(lists.kinds, list)
    pairs = [(getattr(types, name), getattr(lists, name)) for name in (*BY_ID, "full_sizes")]
    for name in ("names", "types", "offsets", "widths"):
        pairs.append((getattr(types.exact_members, name), getattr(lists.exact_members, name)))
    for name in ("params", "values", "values64"):
        pairs += zip(getattr(types, name), getattr(lists, name), strict=True)
    for column, listed in pairs:
        assert [column[at] for at in range(len(column))] == list(column) == listed
        assert column[1:4] == listed[1:4]


def test_a_changed_column_is_changed_however_it_is_read() -> None:
    column = numbers(np.arange(5))
    column[3] = 30
    assert (column[3], column[2:4], list(column)) == (30, [2, 30], [0, 1, 2, 30, 4])
    assert np.array(column).tolist() == list(column)


def test_the_command_makes_no_views_and_reads_no_rules(file: Path) -> None:
    """Classes of views and the rules of verify take as long to make as the file to read."""
    code = (
        "import sys\nfrom btfschema.cli import cli\n"
        f"cli(['show', 'pair', {str(file)!r}], standalone_mode=False)\n"
        "print({'btfschema.model.views', 'btfschema.verification.rules'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
