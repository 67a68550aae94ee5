"""Values as text against libbpf 1.5's ``btf_dump__dump_type_data``: each kind of type."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from building import built
from libbpf_oracle import LibbpfError, Oracle

from btfschema import Btf, dumps, views
from btfschema.errors import BtfError
from btfschema.values import TextOptions, read
from btfschema.views import (
    Array,
    Const,
    Datasec,
    Enum,
    Enum64,
    Enumerator,
    Float,
    Func,
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
    Var,
    VarSecinfo,
    Volatile,
)

pytestmark = pytest.mark.debian

SIGNED = IntEncoding.SIGNED
TYPES: dict[str, TypeView] = {
    "int": Int("int", 4, SIGNED),
    "u8": Int("unsigned char", 1),
    "char": Int("char", 1, SIGNED),
    "s16": Int("short", 2, SIGNED),
    "u16": Int("unsigned short", 2),
    "u32": Int("unsigned int", 4),
    "long": Int("long", 8, SIGNED),
    "u64": Int("unsigned long", 8),
    "s128": Int("__int128", 16, SIGNED),
    "u128": Int("unsigned __int128", 16),
    "bool": Int("_Bool", 1, IntEncoding.BOOL),
    "float": Float("float", 4),
    "double": Float("double", 8),
    "long double": Float("long double", 16),
    "cmd": Enum("cmd", 4, [Enumerator("START", 0), Enumerator("STOP", 1), Enumerator("BIG", 7)]),
    "sign": Enum("sign", 4, [Enumerator("MINUS", -1), Enumerator("PLUS", 1)]),
    "small": Enum("small", 1, [Enumerator("ONE", 1)]),
    "wide": Enum64("wide", 8, [Enumerator("HUGE", 1 << 40), Enumerator("ZERO", 0)]),
    "swide": Enum64("swide", 8, [Enumerator("LOW", -(1 << 40))], signed=True),
    "fwd": Fwd("later"),
    "fwdu": Fwd("either", is_union=True),
}
IDS = {name: number for number, name in enumerate(TYPES, 1)}


def add(name: str, view: TypeView) -> int:
    TYPES[name] = view
    IDS[name] = len(TYPES)
    return len(TYPES)


def member(name: str, type_: str, byte: int, bit: int = 0, width: int = 0) -> Member:
    return Member(name, IDS[type_], 8 * byte + bit, width)


add("void *", Ptr(0))
add("later *", Ptr(IDS["fwd"]))
add("const int", Const(IDS["int"]))
add("volatile const int", Volatile(IDS["const int"]))
add("const int *", Ptr(IDS["volatile const int"]))
add("restrict", Restrict(IDS["void *"]))
add("tagged", TypeTag("user", IDS["int"]))
add("tagged *", Ptr(IDS["tagged"]))
add("u32_t", Typedef("u32_t", IDS["u32"]))
add("proto", FuncProto(IDS["int"], [Param("a", IDS["void *"]), Param("b", IDS["u32_t"])]))
add("call", Ptr(IDS["proto"]))
add("nullary", FuncProto(0))
add("call0", Ptr(IDS["nullary"]))
add("variadic", FuncProto(IDS["call"], [Param("f", IDS["later *"]), Param("", 0)]))
add("callv", Ptr(IDS["variadic"]))
add("callers", Array(IDS["call"], IDS["int"], 2))
add("ints", Array(IDS["int"], IDS["int"], 3))
add("matrix", Array(IDS["ints"], IDS["int"], 2))
add("ints *", Ptr(IDS["ints"]))
add("name", Array(IDS["char"], IDS["int"], 8))
add("bytes", Array(IDS["u8"], IDS["int"], 6))
add("pointers", Array(IDS["void *"], IDS["int"], 2))
add("empty", Array(IDS["int"], IDS["int"], 0))
add("point", Struct("point", 8, [member("x", "int", 0), member("y", "int", 4)]))
add("points", Array(IDS["point"], IDS["int"], 2))
add("point_t", Typedef("point_t", IDS["point"]))
add("const point", Const(IDS["point_t"]))
add("anonymous", Struct("", 8, [member("a", "int", 0), member("b", "u16", 4)]))
add("choice", Union("choice", 8, [member("l", "long", 0), member("p", "point", 0)]))
add("nameless", Union("", 4, [member("i", "int", 0), member("c", "cmd", 0)]))
add(
    "outer",
    Struct(
        "outer",
        32,
        [
            member("head", "point_t", 0),
            member("", "nameless", 8),
            member("", "anonymous", 16),
            member("next", "void *", 24),
        ],
    ),
)
add(
    "insn",
    Struct(
        "insn",
        8,
        [
            member("code", "u8", 0),
            member("dst", "u8", 1, 0, 4),
            member("src", "u8", 1, 4, 4),
            member("off", "s16", 2),
            member("imm", "int", 4),
        ],
    ),
)
add(
    "fields",
    Struct(
        "fields",
        16,
        [
            member("a", "u32", 0, 0, 3),
            member("b", "int", 0, 3, 20),
            member("mode", "cmd", 4, 0, 3),
            member("wide", "u64", 8, 0, 40),
        ],
    ),
)
add("named", Struct("named", 12, [member("id", "int", 0), member("name", "name", 4)]))
add("floats", Struct("floats", 16, [member("f", "float", 0), member("d", "double", 8)]))
add("table", Struct("table", 12, [member("n", "int", 0), member("v", "point", 4)]))
add("enums", Struct("enums", 16, [member("c", "cmd", 0), member("w", "wide", 8)]))
add("nothing", Struct("nothing", 0))
add("pads", Struct("pads", 8, [member("a", "u8", 0), member("b", "int", 4)]))
add("top", Enum("top", 4, [Enumerator("HIGH", 0xFFFFFFFE)]))
add("after", Struct("after", 20, [member("name", "name", 0), member("v", "ints", 8)]))
add("flip", Var("flip", IDS["int"]))
add("mode_v", Var("mode", IDS["cmd"], views.Linkage.GLOBAL))
add("outside", Var("outside", IDS["u64"], views.Linkage.EXTERN))
add("license_v", Var("_license", IDS["name"], views.Linkage.GLOBAL))
add(".data", Datasec(".data", 8, [VarSecinfo(IDS["flip"], 0, 4), VarSecinfo(IDS["mode_v"], 4, 4)]))
add("license", Datasec("license", 0, [VarSecinfo(IDS["license_v"], 0, 8)]))
add("func", Func("f", IDS["proto"]))


def i(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def q(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


# A type and its bytes: eighty-five and more.
CASES: list[tuple[str, bytes]] = [
    *[("int", i(n)) for n in (0, 1234, -4567)],
    *[("u32", i(n)) for n in (7, -1)],
    *[("u8", bytes([n])) for n in (0, 65, 255)],
    *[("char", bytes([n])) for n in (100, 200)],
    ("s16", b"\xfe\xff"),
    ("u16", b"\xfe\xff"),
    ("long", b"\xff" * 8),
    ("u64", b"\xff" * 8),
    *[("s128", data) for data in (bytes(16), b"\xfe" + b"\xff" * 15, b"\5" + bytes(15))],
    *[("u128", data) for data in (b"\xff" * 8 + bytes(8), bytes(8) + b"\1" + bytes(7))],
    *[("bool", bytes([n])) for n in (0, 1, 5)],
    *[("float", np.float32(n).tobytes()) for n in (0.0, 1.234567, -1.234567, np.inf)],
    *[("double", np.float64(n).tobytes()) for n in (5.678912, -5.678912, 0.0, 1e20)],
    *[("long double", np.longdouble(n).tobytes()) for n in (9.876543, -9.876543, 0.0)],
    *[("cmd", i(n)) for n in (0, 1, 7, 2000)],
    *[("sign", i(n)) for n in (-1, 1, -5)],
    *[("small", bytes([n])) for n in (1, 9)],
    ("top", i(3)),
    ("after", bytes(8) + i(0, 1, 0)),
    *[("wide", q(n)) for n in (1 << 40, 0, 3)],
    *[("swide", struct.pack("<q", n)) for n in (-(1 << 40), -3)],
    *[("void *", q(n)) for n in (1, 0xFFFFFFFF81000000)],
    ("later *", q(2)),
    ("const int", i(3)),
    ("volatile const int", i(3)),
    ("const int *", q(3)),
    ("restrict", q(3)),
    ("tagged", i(4)),
    ("tagged *", q(4)),
    ("u32_t", i(100)),
    ("call", q(5)),
    ("call0", q(5)),
    ("callv", q(5)),
    ("callers", q(5, 6)),
    *[("ints", i(*n)) for n in ((0, 0, 1), (1, 2, 3), (0, 0, 0))],
    ("matrix", i(1, 0, 3, 0, 5, 6)),
    ("ints *", q(7)),
    *[("name", text) for text in (b"foo\0\0\0\0\0", b"longname", b"\1\2\3\0\0\0\0\0", bytes(8))],
    ("bytes", b"ab\x80\0\0\0"),
    ("pointers", q(1, 2)),
    ("empty", b""),
    *[("point", i(*n)) for n in ((3, -1), (0, -1), (0, 0))],
    ("points", i(1, 2, 0, 4)),
    ("point_t", i(1, 2)),
    ("const point", i(1, 2)),
    ("anonymous", i(1, 2)),
    ("choice", i(5, 6)),
    ("nameless", i(1)),
    *[
        ("outer", data)
        for data in (i(1, 2, 7, 0, 5, 6) + q(9), i(1, 2, 0, 0, 5, 6) + q(0), bytes(32))
    ],
    *[("insn", data) for data in (b"\1\x32\4\0\5\0\0\0", b"\0\1" + bytes(6))],
    *[("fields", data) for data in (b"\xff" * 16, i(5, 2, 3, 0), bytes(16))],
    *[("named", i(n) + text) for n, text in ((1, b"foo\0\0\0\0\0"), (2, b"\0foo\0\0\0\0"))],
    ("floats", np.array([1.5], "f").tobytes() + bytes(4) + np.array([2.5], "d").tobytes()),
    ("table", i(3, 4, 5)),
    ("enums", i(1, 0) + q(1 << 40)),
    ("nothing", b""),
    ("pads", b"\1\xff\xff\xff\0\0\0\0"),
    *[("flip", i(n)) for n in (0, 2)],
    ("mode_v", i(1)),
    ("outside", q(3)),
    (".data", i(2, 7)),
    ("license", b"GPL\0\0\0\0\0"),
]
FLAGS = list(product((True, False), repeat=3))


@pytest.fixture(scope="module")
def btf() -> Btf:
    return built(*TYPES.values())


@pytest.fixture(scope="module")
def libbpf() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


def ours(btf: Btf, name: str, data: bytes, *, compact: bool, names: bool, zeroes: bool) -> str:
    return read(btf, IDS[name], data).text_(TextOptions(compact, zeroes, names))


def test_there_are_enough_cases_and_every_kind_is_there(btf: Btf) -> None:
    assert len(CASES) >= 85
    kinds = {type(TYPES[name]) for name, _ in CASES} | {Fwd, FuncProto, Func}
    assert kinds == {type(view) for view in btf}


@pytest.mark.parametrize(("name", "data"), CASES, ids=[f"{n}-{d.hex()[:16]}" for n, d in CASES])
def test_the_text_is_libbpfs(btf: Btf, libbpf: Oracle, name: str, data: bytes) -> None:
    for compact, names, zeroes in FLAGS:
        theirs = libbpf.value(
            dumps(btf), IDS[name], data, compact=compact, names=names, zeroes=zeroes
        )
        # glibc's spelling of a null pointer.
        theirs = theirs.replace("(nil)", "0x0")
        assert ours(btf, name, data, compact=compact, names=names, zeroes=zeroes) == theirs


@pytest.mark.parametrize("name", ["fwd", "fwdu", "proto", "nullary", "func"])
def test_both_refuse_what_has_no_value(btf: Btf, libbpf: Oracle, name: str) -> None:
    with pytest.raises(LibbpfError):
        libbpf.value(dumps(btf), IDS[name], bytes(8), compact=True, names=True, zeroes=False)
    with pytest.raises(BtfError, match="has no value"):
        read(btf, IDS[name], bytes(8))


# What libbpf 1.5 gets wrong: it shows a value as if members were zero, or shows nothing of it.
FAULTS = {
    "the name of an unsigned value from 2^31 on": (
        ("top", i(-2)),
        "(enum top)4294967294",
        "(enum top)HIGH",
    ),
    "the elements of an array after text": (
        ("after", b"ab" + bytes(6) + i(0, 1, 0)),
        "(struct after){.name = (char[8])['a','b',],.v = (int[3])[1,],}",
        "(struct after){.name = (char[8])['a','b',],.v = (int[3])[0,1,0,],}",
    ),
    "an inner struct whose first member is zero": (
        ("table", i(3, 0, 5)),
        "(struct table){.n = (int)3,}",
        "(struct table){.n = (int)3,.v = (struct point){.y = (int)5,},}",
    ),
    "text goes on behind its NUL": (
        ("name", b"fo\0bar\0\0"),
        "(char[8])['f','o','b','a','r',]",
        "(char[8])['f','o',]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_libbpf_are_not_copied(btf: Btf, libbpf: Oracle, fault: str) -> None:
    (name, data), theirs, right = FAULTS[fault]
    assert (
        libbpf.value(dumps(btf), IDS[name], data, compact=True, names=True, zeroes=False) == theirs
    )
    assert ours(btf, name, data, compact=True, names=True, zeroes=False) == right
