"""The raw dump: what bpftool would print, and what it can't know."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from attrs import evolve, frozen
from construct import Struct
from every_kind import every_kind

from btfschema import KINDS, Btf, Builder, Kind, KindSpec, dumps, loads, views
from btfschema.codec.engines import Image
from btfschema.errors import TypeIdError
from btfschema.escapes import original
from btfschema.render import format_type, write_json, write_raw
from btfschema.schema.roles import U32, Bits, StringOffset, TypeId


def raw(btf: Btf, ids: Any = None) -> str:
    out = io.BytesIO()
    write_raw(btf, out, ids)
    return out.getvalue().decode("utf-8", "surrogateescape")


def as_json(btf: Btf, ids: Any = None, pretty: bool = False) -> bytes:
    out = io.BytesIO()
    write_json(btf, out, ids, pretty=pretty)
    return out.getvalue()


def types(btf: Btf, ids: Any = None) -> list[dict[str, Any]]:
    """The JSON dump's types; the pretty dump must say the same."""
    plain, pretty = as_json(btf, ids), as_json(btf, ids, pretty=True)
    parsed = json.loads(plain)
    assert json.loads(pretty) == parsed
    assert list(parsed) == ["types"]
    found: list[dict[str, Any]] = parsed["types"]
    return found


def one(view: views.TypeView) -> Btf:
    builder = Builder()
    builder.add(view)
    return builder.build()


EVERY_KIND = """\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] PTR '(anon)' type_id=1
[3] ARRAY '(anon)' type_id=1 index_type_id=1 nr_elems=3
[4] STRUCT 'node' size=16 vlen=2
	'next' type_id=2 bits_offset=0
	'(anon)' type_id=1 bits_offset=64
[5] STRUCT 'flags' size=4 vlen=2
	'on' type_id=1 bits_offset=0 bitfield_size=1
	'x' type_id=1 bits_offset=8
[6] UNION '(anon)' size=0 vlen=0
[7] ENUM 'unsigned' encoding=UNSIGNED size=4 vlen=1
	'TOP' val=4294967294
[8] ENUM 'signed' encoding=SIGNED size=4 vlen=1
	'LOW' val=-2
[9] FWD 'later' fwd_kind=struct
[10] FWD 'either' fwd_kind=union
[11] TYPEDEF 't' type_id=4
[12] VOLATILE '(anon)' type_id=1
[13] CONST '(anon)' type_id=1
[14] RESTRICT '(anon)' type_id=2
[15] FUNC_PROTO '(anon)' ret_type_id=0 vlen=2
	'a' type_id=1
	'(anon)' type_id=0
[16] FUNC 'f' type_id=15 linkage=global
[17] FUNC 'odd' type_id=15 linkage=(unknown)
[18] VAR 'v' type_id=1, linkage=extern
[19] DATASEC '.data' size=8 vlen=2
	type_id=18 offset=4 size=4 (VAR 'v')
	type_id=0 offset=0 size=4 (UNKNOWN '(anon)')
[20] FLOAT 'double' size=8
[21] DECL_TAG 'tag' type_id=4 component_idx=1
[22] DECL_TAG 'whole' type_id=4 component_idx=-1
[23] TYPE_TAG 'user' type_id=1
[24] ENUM64 'big' encoding=UNSIGNED size=8 vlen=1
	'MAX' val=18446744073709551615ULL
[25] ENUM64 'negative' encoding=SIGNED size=8 vlen=1
	'MIN' val=-9223372036854775808LL
[26] INT 'bool' size=1 bits_offset=0 nr_bits=8 encoding=BOOL
[27] INT 'bits' size=4 bits_offset=2 nr_bits=3 encoding=(none)
"""

PRETTY = """\
{
    "types": [{
            "id": 5,
            "kind": "STRUCT",
            "name": "flags",
            "size": 4,
            "vlen": 2,
            "members": [{
                    "name": "on",
                    "type_id": 1,
                    "bits_offset": 0,
                    "bitfield_size": 1
                },{
                    "name": "x",
                    "type_id": 1,
                    "bits_offset": 8
                }
            ]
        },{
            "id": 6,
            "kind": "UNION",
            "name": "(anon)",
            "size": 0,
            "vlen": 0,
            "members": []
        }
    ]
}
"""


def test_text_of_every_kind() -> None:
    btf = every_kind()
    assert {view.kind for view in btf} == set(range(Kind.INT, Kind.ENUM64 + 1))
    assert raw(btf) == EVERY_KIND


def test_byte_order_makes_no_difference() -> None:
    little, big = every_kind(), loads(dumps(every_kind("big")))
    assert big.byteorder == "big"
    assert raw(big) == raw(little)
    assert as_json(big) == as_json(little)


def test_json_on_one_line() -> None:
    assert as_json(every_kind(), [2, 16]) == (
        b'{"types":['
        b'{"id":2,"kind":"PTR","name":"(anon)","type_id":1},'
        b'{"id":16,"kind":"FUNC","name":"f","type_id":15,"linkage":"global"}'
        b"]}\n"
    )


def test_json_indented() -> None:
    assert as_json(every_kind(), [5, 6], pretty=True).decode() == PRETTY


def shown_as_text(record: dict[str, Any]) -> str:
    """The text of a record, from its JSON: the differences between the notations, once more."""
    record = dict(record)
    number, kind, name = record.pop("id"), record.pop("kind"), record.pop("name")
    elements: list[dict[str, Any]] = next((v for v in record.values() if type(v) is list), [])
    comma = "," if kind == "VAR" else ""
    values = [f"{label}={value}" for label, value in record.items() if type(value) is not list]
    text = " ".join([f"[{number}] {kind} '{name}'", f"{comma} ".join(values)])
    for element in elements:
        parts = [f"'{element.pop('name')}'"] if "name" in element else []
        if kind == "ENUM" and record["encoding"] == "UNSIGNED":
            element["val"] &= 0xFFFFFFFF
        parts += [f"{label}={value}" for label, value in element.items()]
        text += "\n\t" + " ".join(parts)
        if kind == "ENUM64":
            text += "LL" if record["encoding"] == "SIGNED" else "ULL"
    return text


def test_json_and_text_agree() -> None:
    btf = every_kind()
    lines = [shown_as_text(record) for record in types(btf)]
    # JSON does not say what a section's entries refer to.
    text = EVERY_KIND.replace(" (VAR 'v')", "").replace(" (UNKNOWN '(anon)')", "")
    assert "\n".join(lines) + "\n" == text


def test_json_has_bpftools_unsigned_enum_values() -> None:
    (record,) = types(every_kind(), [7])
    assert record["values"] == [{"name": "TOP", "val": 0xFFFFFFFF_FFFFFFFE}]


def test_numbers_of_any_length() -> None:
    numbers = [0, 9, 999, 1000, 1001, 65_536, 999_999, 1_000_000, 0x7FFFFFFF, 0xFFFFFFFF]
    builder = Builder()
    for number in numbers:
        builder.add(views.Array(0, 0, number))
    members = [views.Member("", 0, number) for number in numbers]
    builder.add(views.Struct("", 0xFFFFFFFF, members))
    enumerators = [views.Enumerator("", -number) for number in numbers[:-1]]
    builder.add(views.Enum("", 4, enumerators))
    *arrays, struct, enum = types(builder.build())
    assert [each["nr_elems"] for each in arrays] == numbers
    assert [each["bits_offset"] for each in struct["members"]] == numbers
    assert [each["val"] for each in enum["values"]] == [-number for number in numbers[:-1]]
    assert f"bits_offset={numbers[-1]}" in raw(builder.build())


def test_nothing_to_write() -> None:
    empty = Builder().build()
    assert raw(empty) == ""
    assert as_json(empty) == b'{"types":[]}\n'
    assert as_json(empty, pretty=True) == b'{\n    "types": []\n}\n'
    assert raw(every_kind(), []) == ""


def test_chosen_types_in_the_order_given() -> None:
    btf = every_kind()
    lines = [EVERY_KIND.splitlines()[i] for i in (1, 0, 1)]
    assert raw(btf, iter([2, 1, 2])).splitlines() == lines
    assert raw(btf, [0]) == "[0] UNKNOWN '(anon)'\n"
    assert types(btf, [0]) == [{"id": 0, "kind": "UNKNOWN", "name": "(anon)"}]
    assert format_type(btf, 8) == "[8] ENUM 'signed' encoding=SIGNED size=4 vlen=1\n\t'LOW' val=-2"


@pytest.mark.parametrize("type_id", [-1, 28, 1 << 70])
def test_a_type_that_does_not_exist(type_id: int) -> None:
    with pytest.raises(TypeIdError, match=str(type_id)):
        raw(every_kind(), [1, type_id])


def test_split_writes_its_own_types_and_finds_the_bases() -> None:
    base = every_kind()
    builder = Builder(base)
    builder.add(views.Typedef("int", 1))
    builder.add(views.Datasec(".bss", 4, [views.VarSecinfo(18, 0, 4)]))
    split = builder.build()
    own = (
        "[28] TYPEDEF 'int' type_id=1\n"
        "[29] DATASEC '.bss' size=4 vlen=1\n"
        "\ttype_id=18 offset=0 size=4 (VAR 'v')\n"
    )
    assert raw(split) == own
    first, *_ = EVERY_KIND.splitlines(keepends=True)
    assert raw(split, [28, 1, 29]) == own.replace("[29]", first + "[29]", 1)


def test_more_types_than_are_formatted_at_a_time() -> None:
    builder = Builder()
    for number in range(20_000):
        builder.add(views.Typedef(f"t{number}", number))
    btf = builder.build()
    expected = [f"[{n + 1}] TYPEDEF 't{n}' type_id={n}" for n in range(20_000)]
    assert raw(btf).splitlines() == expected
    assert raw(btf, range(20_000, 0, -1)).splitlines() == expected[::-1]
    assert [record["type_id"] for record in types(btf)] == list(range(20_000))


@pytest.mark.parametrize(
    ("name", "text", "written"),
    [
        ('a"b', 'a"b', r"a\"b"),
        ("a\\b", "a\\b", r"a\\b"),
        ("a\n\t\r\f\bb", r"a\n\t\r\x0c\x08b", r"a\n\t\r\f\bb"),
        ("a\x01\x1fb", r"a\x01\x1fb", r"a\u0001\u001fb"),
        ("a\udc80\udcffb", "a\udc80\udcffb", r"a\\x80\\xffb"),
        ("größe/<%s>\x7f", r"größe/<%s>\x7f", "größe/<%s>\x7f"),
    ],
)
def test_odd_names(name: str, text: str, written: str) -> None:
    builder = Builder()
    builder.add(views.Struct(name, 4, [views.Member(name, 0)]))
    btf = builder.build()
    assert raw(btf) == f"[1] STRUCT '{text}' size=4 vlen=1\n\t'{text}' type_id=0 bits_offset=0\n"
    assert as_json(btf).count(f'"name":"{written}"'.encode()) == 2
    (record,) = types(btf)
    names = [record["name"], record["members"][0]["name"]]
    assert list(map(original, names)) == [name, name]


def with_name_offset(btf: Btf, offset: int) -> Btf:
    """The same types, the first one's name elsewhere."""
    table = btf.types.rewritten([(btf.types.starts[:1], offset)])
    image = Image(btf.image.header, table, btf.strings)
    return loads(dumps(Btf(image, btf.base)), check=False)


def test_bad_and_empty_string_offsets() -> None:
    btf = one(views.Typedef("size_t", 0))
    assert raw(with_name_offset(btf, 3)) == "[1] TYPEDEF 'ze_t' type_id=0\n"
    # Only offset 0 means "no name"; another empty string is a name, if a strange one.
    assert raw(with_name_offset(btf, 7)) == "[1] TYPEDEF '' type_id=0\n"
    damaged = with_name_offset(btf, 4711)
    assert raw(damaged) == "[1] TYPEDEF '(invalid)' type_id=0\n"
    assert types(damaged)[0]["name"] == "(invalid)"


def test_a_section_entry_without_a_type() -> None:
    btf = one(views.Datasec(".bss", 4, [views.VarSecinfo(0, 0, 4)]))
    table = btf.types.rewritten([(btf.types.type_id_positions, 9)])
    damaged = loads(dumps(Btf(Image(btf.image.header, table, btf.strings))), check=False)
    assert raw(damaged) == "[1] DATASEC '.bss' size=4 vlen=1\n\ttype_id=9 offset=0 size=4\n"


def test_inline_locations() -> None:
    builder = Builder()
    builder.add(views.LocParam(8, views.LocFlags.CONST, [7, 9]))
    builder.add(views.LocProto([1, 0]))
    builder.add(views.LocSec("sec", [views.LocEntry(0, 2, 64)]))
    assert raw(builder.build()) == (
        "[1] LOC_PARAM '(anon)' size=8 flags=2 vlen=2\n\tvalue=7\n\tvalue=9\n"
        "[2] LOC_PROTO '(anon)' vlen=2\n\ttype_id=1\n\ttype_id=0\n"
        "[3] LOCSEC 'sec' vlen=1\n\tfunc_type_id=0 loc_proto_type_id=2 offset=64\n"
    )


@frozen
class Port:
    name: str
    width: Any
    peer: int
    btf: Any = None


@frozen
class Bus(views.TypeView):
    """A kind that this package has never heard of."""

    KIND = 40
    ELEMENT = Port
    name: str
    type_id: int
    flags: Any
    label_off: str
    ports: tuple[Port, ...] = ()


BUS = KindSpec(
    40,
    "BUS",
    "type_id" / TypeId(),
    Struct("flags" / Bits(fast=1, reserved=31), "label_off" / StringOffset()),
    Struct("width" / Bits(reserved=24, lanes=8), "name_off" / StringOffset(), "peer" / U32),
    "ports",
    view=Bus,
)


def bus() -> Btf:
    """A BUS with two ports, as raw words: the name, info, third, fixed and element words."""
    host = one(views.Typedef("x", 0))
    x = host.strings.find("x")[0]
    kind = BUS.number << 24
    words = [x, kind | 2, 0, 1, x, 5 << 24, 0, 9, 0, x, 8]
    data = b"".join(word.to_bytes(4, "little") for word in words)
    header = evolve(host.image.header, type_len=len(data), str_off=len(data))
    return loads(header.build() + data + host.strings.data, kinds=KINDS.extended(BUS))


def test_a_kind_from_outside_needs_no_change_here() -> None:
    assert raw(bus()) == (
        "[1] BUS 'x' type_id=0 flags.fast=1 flags.reserved=0 label='x' vlen=2\n"
        "\twidth.reserved=0 width.lanes=5 '(anon)' peer=9\n"
        "\twidth.reserved=0 width.lanes=0 'x' peer=8\n"
    )
    (record,) = types(bus())
    assert record == {
        "id": 1,
        "kind": "BUS",
        "name": "x",
        "type_id": 0,
        "flags.fast": 1,
        "flags.reserved": 0,
        "label": "x",
        "vlen": 2,
        "ports": [
            {"width.reserved": 0, "width.lanes": 5, "name": "(anon)", "peer": 9},
            {"width.reserved": 0, "width.lanes": 0, "name": "x", "peer": 8},
        ],
    }


def test_an_opaque_kind_shows_its_words() -> None:
    builder = Builder(layout=True, profile="wide")
    builder.add(views.LocSec("sec", [views.LocEntry(0, 0, 0xABCD)]))
    known = {number: spec for number, spec in KINDS.items() if number < Kind.LOC_PARAM}
    btf = loads(dumps(builder.build()), kinds=type(KINDS)(*known.values()))
    assert raw(btf) == (
        "[1] KIND_22 'sec' size_or_type=0 vlen=1 payload='00000000 00000000 0000abcd'\n"
    )
    (record,) = types(btf)
    assert record["payload"] == "00000000 00000000 0000abcd"


def test_a_kernel(cloud: Btf) -> None:
    """All of a vmlinux: each record of the text is the record of the JSON."""
    records = types(cloud)
    assert [record["id"] for record in records] == list(range(1, cloud.end_id))
    text = raw(cloud)
    for record in records[:-1]:
        assert record["kind"] != "DATASEC"
    shown = "\n".join(shown_as_text(record) for record in records[:-1])
    assert text.startswith(shown + "\n[" + str(cloud.end_id - 1) + "] DATASEC")
