"""Values: bytes through a type, as Python objects and as text, and back."""

from __future__ import annotations

import json
import math
import pickle
import re
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import field, frozen
from building import built
from shell import btfschema

from btfschema import KINDS, Btf, Builder, KindSpec, dump, views
from btfschema.codec.header import ByteOrder
from btfschema.errors import (
    AmbiguousNameError,
    BtfError,
    DecodeError,
    EncodeError,
    NoMemberError,
    TypeIdError,
    UnknownNameError,
    UnresolvedError,
    WrongKeyError,
)
from btfschema.schema import SIZE, TYPE_ID, Graph
from btfschema.values import (
    TextOptions,
    Value,
    column,
    construct_of,
    ctypes_of,
    dtype_of,
    read,
    read_array,
    write,
)
from btfschema.values.floats import decode_float, encode_float
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
    Struct,
    Typedef,
    TypeView,
    Union,
    Var,
    VarSecinfo,
)

COMPACT = TextOptions(compact=True)
ORDERS: tuple[ByteOrder, ...] = ("little", "big")
INT, U8, CHAR, U64, STATE, FLAG = range(1, 7)
COMMON: tuple[TypeView, ...] = (
    Int("int", 4, IntEncoding.SIGNED),
    Int("unsigned char", 1),
    Int("char", 1, IntEncoding.SIGNED),
    Int("unsigned long", 8),
    Enum("state", 4, [Enumerator("IDLE", 0), Enumerator("BUSY", 1), Enumerator("GONE", -1)]),
    Int("_Bool", 1, IntEncoding.BOOL),
)
FIRST = len(COMMON) + 1


def common(*types: TypeView, byteorder: ByteOrder = "little") -> Btf:
    """The common types, then these from id 7 on."""
    return built(*COMMON, *types, byteorder=byteorder)


@pytest.fixture
def task() -> Btf:
    return common(
        Array(CHAR, INT, 8),
        Ptr(10),
        Union("", 4, [Member("word", INT), Member("state", STATE)]),
        Struct(
            "task",
            40,
            [
                Member("pid", INT),
                Member("", 9, 32),
                Member("comm", 7, 64),
                Member("next", 8, 128),
                Member("low", INT, 192, 3),
                Member("high", INT, 195, 7),
                Member("alive", FLAG, 224),
                Member("inner", 11, 256),
            ],
        ),
        Struct("inner", 8, [Member("counts", 12)]),
        Array(13, INT, 4),
        Typedef("u16", 14),
        Int("unsigned short", 2),
    )


TASK = bytes.fromhex(
    "2a000000 01000000 7368656c6c000000 0010000000000000 fd020000 01000000 0100020003000400"
)


def text(btf: Btf, type_: int | str, data: bytes, **options: Any) -> str:
    return read(btf, type_, data).text_(TextOptions(compact=True, **options))


class TestValue:
    def test_members_are_read_by_name_and_by_path(self, task: Btf) -> None:
        value = task.read("task", TASK)
        assert isinstance(value, Value)
        assert value.pid == value["pid"] == 42
        assert value.state == "BUSY"
        assert value.word == 1
        assert value.comm == "shell"
        assert value.next == 0x1000
        assert (value.low, value.high) == (-3, -33)
        assert value.alive is True
        assert (
            value["inner.counts[2]"] == value.inner.counts[2] == value["inner"]["counts"][-2] == 3
        )
        assert list(value.inner.counts) == [1, 2, 3, 4]
        assert len(value.inner.counts) == 4
        assert "pid" in value
        assert 3 in value.inner.counts
        assert list(value)[:3] == ["pid", "word", "state"]
        assert {"pid", "to_python"} <= set(dir(value))

    def test_elements_are_numbered_by_any_whole_number_and_sliced(self, task: Btf) -> None:
        value = task.read("task", TASK)
        counts = value.inner.counts
        assert counts[np.int64(1)] == counts.at_(np.uint8(1)).to_python() == 2
        assert counts.at_(np.int64(1)).path_ == "task.inner.counts[1]"
        assert (counts[1:3], counts[::-2], counts[2:99]) == ([2, 3], [4, 2], [3, 4])
        run = task.read("task", TASK * 2, count=2)
        assert [one.pid for one in run[:1]] == [42]
        with pytest.raises(UnresolvedError, match=r'"task" \[10\] is not an array'):
            value[0:1]
        for wrong in (None, 3.5, b"pid"):
            with pytest.raises(WrongKeyError, match="is not a member's name, a path, or"):
                value[wrong]  # type: ignore[index]  # pyright: ignore

    def test_what_a_value_says_of_itself(self, task: Btf) -> None:
        value = task.read("task", b"\0\0" + TASK, 2)
        part = value.at_("inner.counts[1]")
        assert (part.offset_, part.size_, part.path_) == (36, 2, "task.inner.counts[1]")
        assert isinstance(part.type_, Typedef)
        assert bytes(part) == b"\2\0"
        assert (int(part), float(part), [10, 11, 12][part]) == (2, 2.0, 12)
        assert repr(part) == '<Value task.inner.counts[1]: TYPEDEF "u16" [13] at 36, 2 bytes>'
        assert (value.at_("high").offset_, value.at_("high").size_) == (26, 2)
        assert bytes(value) == TASK

    def test_values_as_plain_python(self, task: Btf) -> None:
        value = task.read("task", TASK)
        assert value.to_python() == {
            "pid": 42,
            "word": 1,
            "state": "BUSY",
            "comm": "shell",
            "next": 0x1000,
            "low": -3,
            "high": -33,
            "alive": True,
            "inner": {"counts": [1, 2, 3, 4]},
        }
        raw = value.to_python(text=False, names=False)
        assert (raw["comm"], raw["state"]) == (b"shell\0\0\0", 1)

    def test_a_value_equals_what_python_has(self, task: Btf) -> None:
        value, other = task.read("task", TASK), task.read("task", bytearray(b"\0" + TASK), 1)
        assert value == other == value.to_python()
        assert value.inner == {"counts": [1, 2, 3, 4]}
        assert value.inner.counts == value.inner.counts == [1, 2, 3, 4]
        assert task.read("int", TASK) == 42 == task.read("unsigned long", TASK[:4] + bytes(4))
        assert task.read("state", TASK, 4) == "BUSY"
        assert task.read("char", TASK, 8, count=8) == "shell"
        assert value != task.read("task", bytes(40))
        assert value.inner.counts != [1, 2, 3]
        assert value != None  # noqa: E711
        assert value.inner in list(task.read("inner", TASK, 32, count=1))

    def test_padding_and_what_follows_a_text_do_not_count(self, task: Btf) -> None:
        other = bytearray(TASK)
        other[15] = other[29] = 9
        assert task.read("task", other) == task.read("task", TASK)
        assert bytes(task.read("task", other)) != TASK

    def test_numbers_and_text_hash_as_in_python(self, task: Btf) -> None:
        assert task.read("int", TASK) in {42}
        assert task.read("state", TASK, 4) in {"BUSY"}
        assert hash(task.read("char", TASK, 8, count=8)) == hash("shell")
        for value in (task.read("task", TASK), task.read("task", TASK).inner.counts):
            with pytest.raises(TypeError, match="unhashable: task"):
                hash(value)

    def test_numbers_are_true_as_in_c(self, task: Btf) -> None:
        zero = task.read("task", bytes(40))
        assert not any(zero.at_(path) for path in ("pid", "state", "next", "high", "alive"))
        assert all([zero, zero.inner, zero.inner.counts, zero.at_("comm")])
        assert task.read("int", TASK)

    def test_a_copy_has_its_own_bytes(self, task: Btf) -> None:
        data = bytearray(b"\0\0" + TASK * 3)
        value = task.read("task", data, 2)
        parts = [value, value.at_("high"), value.inner, value.at_("inner.counts", count=2)]
        parts += [task.read("task", data, 2, count=3), task.read("char", data, 10, count=5)]
        again = pickle.loads(pickle.dumps(parts))
        deep = deepcopy(parts)
        before = [one.to_python() for one in parts]
        assert copy(value) is value
        data[:] = bytes(len(data))
        for one, same, old in zip(again, deep, before, strict=True):
            assert one == same == old
            assert one.type_.btf == task
        assert [one.offset_ for one in again] == [0] * 6
        assert [one.path_ for one in again] == [one.path_ for one in parts]
        assert value.pid == 0

    def test_what_ends_early_ends_early_in_a_copy_too(self, task: Btf) -> None:
        value = pickle.loads(pickle.dumps(task.read("task", b"xx" + TASK[:30], 2)))
        assert value.pid == 42
        with pytest.raises(DecodeError, match=r"task.inner.counts\[0\]: needs bytes 32..34"):
            value.to_python()

    def test_text_that_is_not_utf8_comes_back_and_is_safe_to_print(self, task: Btf) -> None:
        data = task.write("task", {"comm": b"sh\xff\x1b[2J\xc3"})
        value = task.read("task", data)
        assert value.comm == "sh\udcff\x1b[2J\udcc3"
        assert task.write("task", value.to_python()) == data
        for shown in (str(value), repr(value), str(value.at_("comm"))):
            assert shown.isascii()
            assert "\x1b" not in shown
        with pytest.raises(EncodeError) as caught:
            task.write("task", {"comm": value.comm * 2})
        assert str(caught.value).isascii()

    def test_a_value_shows_the_data_as_they_are_now(self, task: Btf) -> None:
        data = bytearray(TASK)
        value = task.read("task", data)
        data[0] = 7
        assert value.pid == 7

    @pytest.mark.parametrize(
        "wrap", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "u2")]
    )
    def test_any_buffer_will_do(self, task: Btf, wrap: Callable[[bytes], Any]) -> None:
        assert task.read("task", wrap(TASK)).pid == 42

    def test_a_run_of_values(self, task: Btf) -> None:
        values = task.read("task", TASK * 3, count=3)
        assert [one.pid for one in values] == [42] * 3
        assert task.read("u16", TASK, 32, count=4).to_python() == [1, 2, 3, 4]
        assert text(task, "inner", TASK[32:]) == "(struct inner){.counts = (u16[4])[1,2,3,4,],}"
        assert task.read("u16", TASK, 32, count=2).text_(COMPACT) == "(u16[2])[1,2,]"
        assert task.read("char", TASK, 8, count=4).to_python() == "shel"

    def test_advice_for_several_types_of_a_name_helps(self) -> None:
        members = [Member("a", INT)]
        one, other = Struct("x", 4, members), Struct("x", 4, [Member("b", INT)])
        cases = (
            ("x", [Typedef("x", INT), Typedef("x", INT)], "give an id"),
            ("x", [one, other], "give an id"),
            ("struct x", [one, other, Typedef("x", INT)], "give an id"),
            ("x", [one, other, Union("x", 4, members)], "give an id, or 'union x'"),
            ("x", [one, Union("x", 4, members)], "give an id, 'struct x' or 'union x'"),
        )
        for name, types, advice in cases:
            with pytest.raises(AmbiguousNameError, match=f"; {advice}$"):
                common(*types).read(name, b"")

    def test_types_are_named_as_in_c(self) -> None:
        btf = common(
            Struct("x", 4, [Member("a", INT)]), Typedef("x", INT), Func("f", 10), FuncProto(0)
        )
        words = "2 types are called 'x': [7] STRUCT, [8] TYPEDEF; give an id, or 'struct x'"
        with pytest.raises(AmbiguousNameError, match=f"{re.escape(words)}$"):
            btf.read("x", b"")
        assert btf.read("struct x", b"\1\0\0\0").a == 1
        assert btf.read("enum state", b"\1\0\0\0").to_python() == "BUSY"
        assert btf.read(btf[7], b"\1\0\0\0").a == 1
        for wrong in ("struct y", "union x"):
            with pytest.raises(UnknownNameError, match=wrong):
                btf.read(wrong, b"")
        with pytest.raises(TypeIdError):
            btf.read(99, b"")
        with pytest.raises(UnresolvedError, match="not read from this container"):
            btf.read(common()[1], b"")

    def test_a_split_reads_types_of_its_base(self) -> None:
        base = common()
        btf = built(Struct("s", 8, [Member("a", INT), Member("b", STATE, 32)]), base=base)
        assert btf.read("s", bytes([1, 0, 0, 0, 1, 0, 0, 0])).to_python() == {"a": 1, "b": "BUSY"}
        assert btf.read(base[INT], b"\2\0\0\0").to_python() == 2

    def test_a_flexible_array_is_counted_by_the_caller(self) -> None:
        btf = common(Array(INT, INT, 0), Struct("s", 4, [Member("n", INT), Member("all", 7, 32)]))
        data = bytes([2, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0])
        value = btf.read("s", data)
        assert value.all.to_python() == []
        assert value.at_("all", count=value.n).to_python() == [5, 6]
        with pytest.raises(DecodeError, match=r"s.all\[2\]: needs bytes 12..16"):
            value.at_("all", count=3).to_python()
        with pytest.raises(UnresolvedError, match="is not an array"):
            value.at_("n", count=3)
        assert btf.write("s", {"n": 2, "all": [5, 6]}) == data

    def test_variables_and_sections(self) -> None:
        btf = common(
            Var("flip", INT),
            Var("mode", STATE, views.Linkage.GLOBAL),
            Datasec(".data", 12, [VarSecinfo(7, 0, 4), VarSecinfo(8, 8, 4)]),
        )
        data = bytes([2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
        assert text(btf, "flip", data) == "static int flip = (int)2"
        assert btf.read(".data", data).to_python() == {"flip": 2, "mode": "BUSY"}
        assert text(btf, ".data", data) == (
            'SEC(".data") static int flip = (int)2;enum state mode = (enum state)BUSY;'
        )

    def test_bit_fields_of_old_kernels_have_an_int_of_their_own(self) -> None:
        btf = built(
            Int("unsigned int", 4, bits=4),
            Int("unsigned int", 4, bits=6),
            Struct("t", 8, [Member("a", 1, 32), Member("b", 2, 38)]),
        )
        value = btf.read("t", (0x3F << 38 | 5 << 32).to_bytes(8, "little"))
        assert value.to_python() == {"a": 5, "b": 0x3F}


class TestBitFields:
    """The same struct by a little-endian and a big-endian compiler."""

    MEMBERS = (Member("a", INT, 0, 3), Member("b", INT, 3, 17), Member("c", INT, 20, 12))

    @pytest.mark.parametrize("order", ORDERS)
    def test_values(self, order: ByteOrder) -> None:
        btf = common(Struct("s", 4, self.MEMBERS), byteorder=order)
        word = {"little": 0x7FF << 20 | 0x1FFFF << 3 | 3, "big": 3 << 29 | 0x1FFFF << 12 | 0x7FF}
        data = word[order].to_bytes(4, order)
        expected = {"a": 3, "b": -1, "c": 0x7FF}
        assert btf.read("s", data).to_python() == expected
        assert btf.write("s", expected) == data
        assert (
            text(btf, "s", data) == "(struct s){.a = (int)0x3,.b = (int)0x1ffff,.c = (int)0x7ff,}"
        )

    @pytest.mark.parametrize("order", ORDERS)
    def test_numpy_has_them_in_words(self, order: ByteOrder) -> None:
        btf = common(Struct("s", 4, self.MEMBERS), byteorder=order)
        rows = [{"a": i % 4 - 2, "b": 1000 - i, "c": i} for i in range(50)]
        array = read_array(btf, "s", b"".join(btf.write("s", row) for row in rows))
        for name in "abc":
            assert column(btf, "s", array, name).tolist() == [row[name] for row in rows]
        assert array.dtype.itemsize == 4

    def test_a_field_over_nine_bytes(self) -> None:
        btf = common(Struct("s", 9, [Member("a", U64, 5, 64)]))
        data = write(btf, "s", {"a": 0xFEDCBA9876543210})
        assert read(btf, "s", data).a == 0xFEDCBA9876543210
        assert column(btf, "s", read_array(btf, "s", data), "a").tolist() == [0xFEDCBA9876543210]
        assert ctypes_of(btf, "s").from_buffer_copy(data).a == 0xFEDCBA9876543210


class TestText:
    """The form of libbpf's ``btf_dump__dump_type_data``."""

    def test_lines(self, task: Btf) -> None:
        assert str(task.read("task", TASK)) == (
            "(struct task){\n"
            "\t.pid = (int)42,\n"
            "\t(union){\n"
            "\t\t.word = (int)1,\n"
            "\t\t.state = (enum state)BUSY,\n"
            "\t},\n"
            "\t.comm = (char[8])[\n"
            "\t\t's',\n\t\t'h',\n\t\t'e',\n\t\t'l',\n\t\t'l',\n"
            "\t],\n"
            "\t.next = (struct task *)0x1000,\n"
            "\t.low = (int)0x5,\n"
            "\t.high = (int)0x5f,\n"
            "\t.alive = (_Bool)1,\n"
            "\t.inner = (struct inner){\n"
            "\t\t.counts = (u16[4])[\n"
            "\t\t\t1,\n\t\t\t2,\n\t\t\t3,\n\t\t\t4,\n"
            "\t\t],\n"
            "\t},\n"
            "}"
        )

    def test_zero_members_are_left_out_unless_asked_for(self, task: Btf) -> None:
        zero = bytes(40)
        assert text(task, "task", zero) == "(struct task){}"
        assert text(task, "inner", zero, zeroes=True, names=False) == "{[0,0,0,0,],}"
        assert text(task, "inner", b"\0\0\1\0\0\0\0\0", names=False) == "{[0,1,0,0,],}"

    def test_a_struct_whose_first_member_is_zero_is_not_zero(self) -> None:
        # libbpf 1.5 looks at the first member of an inner struct alone, and leaves out this one.
        btf = common(
            Struct("in", 8, [Member("a", INT), Member("b", INT, 32)]),
            Struct("out", 8, [Member("x", 7)]),
        )
        data = b"\0\0\0\0\1\0\0\0"
        assert text(btf, "out", data) == "(struct out){.x = (struct in){.b = (int)1,},}"

    @pytest.mark.parametrize(
        ("view", "data", "expected"),
        [
            (Int("u128", 16), b"\1" + bytes(15), "(u128)0x1"),
            (Int("s128", 16, IntEncoding.SIGNED), b"\xff" * 16, f"(s128)0x{'f' * 32}"),
            (Float("float", 4), np.float32(1.5).tobytes(), "(float)1.500000"),
            (Float("double", 8), np.float64(math.inf).tobytes(), "(double)inf"),
            (Float("_Float16", 2), np.float16(-0.5).tobytes(), "(_Float16)-0.500000"),
            (Enum("e", 4, [Enumerator("A", 1)]), b"\7\0\0\0", "(enum e)7"),
            (Enum64("e", 8, [Enumerator("A", 1)]), b"\7" + bytes(7), "(enum e)7ULL"),
            (Enum64("e", 8, [Enumerator("A", 1)], signed=True), b"\xff" * 8, "(enum e)-1LL"),
            (Enum("", 4), b"\7\0\0\0", "(enum)7"),
            (Ptr(0), bytes(8), "(void *)0x0"),
            (Ptr(8), b"\1" + bytes(7), "(int (*)(int a, ...))0x1"),
            (Array(9, INT, 2), b"\1" + bytes(15), "(void *[2])[0x1,0x0,]"),
            (Ptr(10), b"\1" + bytes(7), "(int(*)[3])0x1"),
            (Ptr(11), b"\1" + bytes(7), "(union later *)0x1"),
            (Const(INT), b"\1\0\0\0", "(int)1"),
        ],
    )
    def test_kinds(self, view: TypeView, data: bytes, expected: str) -> None:
        btf = common(
            view,
            FuncProto(INT, [Param("a", INT), Param("", 0)]),
            Ptr(0),
            Array(INT, INT, 3),
            Fwd("later", is_union=True),
        )
        assert text(btf, FIRST, data) == expected

    def test_members_of_an_array_of_structs_are_all_written(self) -> None:
        btf = common(Struct("s", 8, [Member("a", INT), Member("b", INT, 32)]), Array(7, INT, 2))
        data = b"\0\0\0\0\1\0\0\0" + bytes(8)
        assert text(btf, 8, data) == "(struct s[2])[{.a = 0,.b = 1,},{.a = 0,.b = 0,},]"

    def test_text_ends_at_its_nul(self) -> None:
        btf = common(Array(U8, INT, 6))
        assert text(btf, 7, b"a'\x01\xff\0b") == "(unsigned char[6])['a',''',1,255,]"
        assert text(btf, 7, b"ab\0cde", zeroes=True) == "(unsigned char[6])['a','b','\\0',]"


class TestErrors:
    def test_short_data_name_what_is_missing(self, task: Btf) -> None:
        value = task.read("task", TASK[:36])
        assert value.pid == 42
        with pytest.raises(
            DecodeError, match=r"task.inner.counts\[2\]: needs bytes 36..38 .* has 36"
        ):
            value.to_python()
        with pytest.raises(DecodeError, match=r"task.inner.counts\[2\]"):
            str(value)
        with pytest.raises(DecodeError, match=r"task.inner.counts\[3\]: needs bytes 38..40"):
            value["inner.counts[3]"]
        for offset in (-1, 37):
            with pytest.raises(DecodeError, match="lies outside the data, which has 36"):
                task.read("task", TASK[:36], offset)

    def test_what_has_no_value_is_named(self) -> None:
        btf = common(
            Fwd("later"),
            FuncProto(0),
            Func("f", 8),
            Struct("s", 4, [Member("a", 11)]),
            Typedef("t", 7),
            Struct("loop", 4, [Member("b", 12)]),
            Const(14),
            Const(13),
        )
        for type_, what in (
            (0, "void"),
            ("f", 'FUNC "f"'),
            (8, "FUNC_PROTO"),
            ("t", 'FWD "later"'),
        ):
            with pytest.raises(UnresolvedError, match=f"{what}.* has no value"):
                btf.read(type_, bytes(8))
        with pytest.raises(UnresolvedError, match=r'STRUCT "s" \[10\].a: FWD "later" \[7\] has no'):
            btf.read("s", bytes(8))
        with pytest.raises(UnresolvedError, match=r"loop.*\.b: STRUCT .loop. .* contains itself"):
            btf.read("loop", bytes(8))
        with pytest.raises(UnresolvedError, match="run in a circle"):
            btf.read(13, bytes(8))

    def test_unknown_members_get_similar_names(self, task: Btf) -> None:
        value = task.read("task", TASK)
        with pytest.raises(NoMemberError, match="no member 'pit'; did you mean pid"):
            value["pit"]
        assert getattr(value, "pit", None) is None
        with pytest.raises(NoMemberError, match="has no members, so none called 'x'"):
            value["pid.x"]
        with pytest.raises(UnresolvedError, match="the array has 4 elements"):
            value.inner.counts[4]
        with pytest.raises(UnresolvedError, match="is not an array"):
            value[0]
        for path in ("", ".pid", "inner..counts", "inner.counts[x]"):
            with pytest.raises(UnknownNameError, match=r"path .* is malformed"):
                value.at_(path)
        with pytest.raises(UnresolvedError, match="is not a number"):
            int(value)

    @pytest.mark.parametrize(
        ("member", "message"),
        [
            (Member("a", INT, 4), "starts at bit 4 and is not a bit field"),
            (Member("a", INT, 8), "ends at byte 5, past the 4 bytes"),
            (Member("a", INT, 0, 33), "a bit field of 33 bits"),
            (Member("a", 8, 0, 3), "a bit field of 3 bits in STRUCT"),
        ],
    )
    def test_damaged_structs(self, member: Member, message: str) -> None:
        btf = common(Struct("s", 4, [member]), Struct("t", 4))
        with pytest.raises(DecodeError, match=message):
            btf.read("s", bytes(16))

    def test_deep_and_multiplying_types_are_refused(self) -> None:
        deep = common(
            *(Struct("d", 0, [Member("x", i + 1)]) for i in range(FIRST, 3000)), Struct("d", 0)
        )
        with pytest.raises(DecodeError, match="nested 33 deep"):
            read(deep, FIRST, b"")
        twice = [
            Struct("d", 0, [Member("x", i + 1), Member("y", i + 1)])
            for i in range(FIRST, FIRST + 25)
        ]
        with pytest.raises(DecodeError, match="values in 0 bytes"):
            read(common(*twice, Struct("d", 0)), FIRST, b"")
        with pytest.raises(DecodeError, match="values in 0 bytes"):
            read(common(Struct("d", 0)), FIRST, b"", count=1 << 40)

    def test_huge_types_cost_nothing_until_they_are_read(self) -> None:
        btf = common(Array(INT, INT, 1 << 31), Struct("s", 0xFFFFFFFF, [Member("x", INT)]))
        assert read(btf, 7, b"\1\0\0\0")[0] == 1
        with pytest.raises(DecodeError, match=r"needs bytes 4\.\.8"):
            read(btf, 7, b"\1\0\0\0").to_python()
        for form in (dtype_of, ctypes_of):
            with pytest.raises(EncodeError, match="at most 2147483647"):
                form(btf, "s")
        with pytest.raises(EncodeError, match="at most 268435456 are written at once"):
            write(btf, "s", {})


class TestWriting:
    def test_reading_and_writing_are_inverse(self, task: Btf) -> None:
        assert (
            task.write("task", task.read("task", TASK).to_python())
            == TASK[:26] + b"\0\0" + TASK[28:]
        )

    def test_what_is_not_said_is_zero_or_stays(self, task: Btf) -> None:
        assert task.write("task", {"pid": 1}) == b"\1" + bytes(39)
        changed = task.write("task", {"high": 1, "inner": {"counts": [9]}}, onto=TASK)
        value = task.read("task", changed)
        assert (value.pid, value.low, value.high) == (42, -3, 1)
        assert value.inner.counts.to_python() == [9, 2, 3, 4]

    def test_values_are_copied(self, task: Btf) -> None:
        inner = task.read("task", TASK).inner
        assert task.write("task", {"inner": inner, "pid": task.read("int", b"\5\0\0\0")}) == (
            b"\5" + bytes(31) + TASK[32:]
        )

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ({"pid": 1 << 31}, "task.pid: 2147483648 does not fit 32 signed bits"),
            ({"low": 4}, "task.low: 4 does not fit 3 signed bits"),
            ({"state": "BUZY"}, "task.state: 'BUZY' is not a name of the enum"),
            ({"pid": "1"}, "task.pid: '1' is not a number"),
            ({"pid": 1.5}, "task.pid: 1.5 is not a whole number"),
            ({"comm": "far too long"}, "task.comm: 12 elements in an array of 8"),
            ({"comm": 3}, "task.comm: 3 is not text, bytes or a sequence"),
            ({"inner": {"counts": [1] * 5}}, "task.inner.counts: 5 elements in an array of 4"),
            (
                {"inner": {"counts": [1, -1]}},
                r"task.inner.counts\[1\]: -1 does not fit 16 unsigned",
            ),
            ({"inner": 3}, "task.inner: 3 is not a mapping"),
            ({"pit": 3}, "no member 'pit'; did you mean pid"),
            ([1], "task: .1. is not a mapping"),
        ],
    )
    def test_a_value_that_does_not_fit_is_named(self, task: Btf, value: Any, message: str) -> None:
        with pytest.raises(EncodeError, match=message):
            task.write("task", value)

    def test_a_buffer_that_is_too_small(self, task: Btf) -> None:
        with pytest.raises(EncodeError, match="4 bytes to write onto, the type has 40"):
            task.write("task", {}, onto=b"1234")

    @pytest.mark.parametrize("size", [2, 4, 8, 12, 16])
    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize(
        "number", [0.0, -0.0, 1.0, -1.5, 0.09997558593750, 65504.0, math.inf, math.nan]
    )
    def test_floats(self, size: int, order: ByteOrder, number: float) -> None:
        data = encode_float(number, size, order)
        assert len(data) == size
        assert repr(decode_float(data, order)) == repr(number)

    @pytest.mark.skipif(np.dtype("g").itemsize != 16 or sys.byteorder != "little", reason="not x87")
    @pytest.mark.parametrize("number", [1.0, -1 / 3, 1e300, 5e-324, 2.0**-1022, math.inf])
    def test_long_double_is_the_machines(self, number: float) -> None:
        data = encode_float(number, 16, "little")
        assert np.frombuffer(data, "g")[0] == np.longdouble(number)
        assert decode_float(np.longdouble(number).tobytes(), "little") == number

    def test_a_float_that_is_too_large(self) -> None:
        btf = common(Float("float", 4))
        with pytest.raises(EncodeError, match="is not a number of 4 bytes"):
            btf.write("float", 1e300)


class TestForms:
    def test_construct_parses_and_builds(self, task: Btf) -> None:
        form = construct_of(task, "task")
        assert form.sizeof() == 40
        parsed = form.parse(TASK)
        assert parsed.inner.counts[3] == 4
        assert form.build(parsed) == task.write("task", parsed)

    def test_numpy(self, task: Btf) -> None:
        array = read_array(task, "task", TASK * 5, count=4)
        assert len(array) == 4
        assert array["pid"].tolist() == [42] * 4
        assert array["inner"]["counts"][:, 3].tolist() == [4] * 4
        assert array["comm"].tolist() == [b"shell"] * 4
        assert column(task, "task", array, "inner.counts[1]").tolist() == [2] * 4
        assert len(read_array(task, "task", TASK * 5 + b"x")) == 5
        assert len(read_array(task, "task", b"")) == 0
        for count, offset in ((6, 0), (1, 161), (-1, 0), (1, -1)):
            with pytest.raises(DecodeError):
                read_array(task, "task", TASK * 5, offset, count=count)
        with pytest.raises(NoMemberError):
            column(task, "task", array, "nothing")
        with pytest.raises(UnresolvedError, match=r"^task.inner.counts\[4\]: the array has 4 elem"):
            column(task, "task", array, "inner.counts[4]")
        with pytest.raises(UnresolvedError, match=r'^task.pid: INT "int" \[1\] is not an array'):
            column(task, "task", array, "pid[0]")

    def test_values_are_arrays_of_their_dtype(self, task: Btf) -> None:
        data = bytearray(TASK)
        value = task.read("task", data)
        counts = np.asarray(value.inner.counts)
        assert (counts.dtype, counts.tolist()) == (np.dtype("<u2"), [1, 2, 3, 4])
        assert np.asarray(value).dtype == dtype_of(task, "task")
        assert np.array(value)["inner"]["counts"].tolist() == [1, 2, 3, 4]
        assert np.asarray(value.at_("comm")) == b"shell"
        assert np.asarray(value.at_("high")) == -33
        assert np.asarray(value.at_("state")) == 1
        assert np.array(value.inner.counts, float).tolist() == [1.0, 2.0, 3.0, 4.0]
        assert np.asarray(task.read("task", data * 2, count=2))["pid"].tolist() == [42, 42]
        assert (value.inner.counts == counts).tolist() == [True] * 4
        assert (counts == value.inner.counts).tolist() == [True] * 4
        copied = np.array(value.inner.counts)
        data[32] = 9
        assert (counts[0], copied[0]) == (9, 1)
        with pytest.raises(DecodeError, match=r"task.inner.counts\[4\]: needs bytes 40..42"):
            np.asarray(value.at_("inner.counts", count=5))

    def test_addresses_stay_whole_in_numpy(self) -> None:
        btf = common(Ptr(0), Array(7, INT, 2), Struct("files", 16, [Member("fds", 8)]))
        address = 0xFFFF888103A4C301
        value = btf.read("files", btf.write("files", {"fds": [address, 0]}))
        assert np.array(value.fds).dtype == np.dtype("<u8")
        assert np.array(value.fds).tolist() == [address, 0]

    @pytest.mark.parametrize("path", ["comm[0]", "comm[7]", "names[2][3]", "name[1]"])
    def test_characters_of_texts_are_elements_too(self, path: str) -> None:
        btf = common(
            Array(CHAR, INT, 8),
            Array(7, INT, 3),
            Typedef("text", 7),
            Struct("s", 41, [Member("comm", 7), Member("names", 8, 72), Member("name", 9, 264)]),
        )
        data = bytes(200 - i for i in range(41)) * 3
        value = btf.read("s", data)
        found = column(btf, "s", read_array(btf, "s", data), path)
        assert found.tolist() == [value[path]] * 3
        assert found.dtype == np.int8
        with pytest.raises(UnresolvedError, match=r"s.comm\[8\]: the array has 8 elements"):
            column(btf, "s", read_array(btf, "s", data), "comm[8]")

    def test_numpy_has_no_128_bits(self) -> None:
        btf = common(
            Int("u128", 16),
            Float("long double", 16),
            Struct("s", 32, [Member("a", 7), Member("b", 8, 128)]),
        )
        data = write(btf, "s", {"a": 1 << 100, "b": 1.5})
        array = read_array(btf, "s", data * 2)
        assert column(btf, "s", array, "a").tolist() == [1 << 100] * 2
        assert column(btf, "s", array, "b").tolist() == [1.5] * 2

    def test_ctypes_is_written_through(self, task: Btf) -> None:
        data = bytearray(TASK)
        one = ctypes_of(task, "task").from_buffer(data)
        assert (one.pid, one.state, one.comm, one.low, one.high) == (42, 1, b"shell", -3, -33)
        one.high = 5
        one.inner.counts[0] = 77
        value = task.read("task", data)
        assert (value.low, value.high, value.inner.counts[0]) == (-3, 5, 77)
        with pytest.raises(EncodeError, match="high: 64 does not fit"):
            one.high = 64

    def test_each_is_made_once(self, task: Btf) -> None:
        for form in (dtype_of, construct_of, ctypes_of):
            assert form(task, "task") is form(task, 10)


@frozen
class Atomic(TypeView):
    """A modifier of somebody's own."""

    KIND: ClassVar[int] = 40
    type_id: int
    name: str = field(default="", kw_only=True)


@frozen
class Blob(TypeView):
    """Bytes of somebody's own."""

    KIND: ClassVar[int] = 41
    name: str
    size: int


def test_kinds_from_outside_take_the_place_that_their_row_gives() -> None:
    kinds = KINDS.extended(
        KindSpec(40, "ATOMIC", TYPE_ID, named=False, graph=Graph.MODIFIER, view=Atomic),
        KindSpec(41, "BLOB", SIZE, graph=Graph.DATA, view=Blob),
    )
    builder = Builder(kinds=kinds, profile="wide")
    members = [Member("a", 2), Member("b", 3, 32)]
    for view in (Int("int", 4), Atomic(1), Blob("blob", 3), Struct("s", 8, members)):
        builder.add(view)
    btf = builder.build()
    assert btf.read("s", b"\5\0\0\0abcd").to_python() == {"a": 5, "b": b"abc"}
    assert text(btf, "s", b"\5\0\0\0abcd") == "(struct s){.a = (int)5,.b = (blob)0x616263,}"


class TestCommand:
    @staticmethod
    def run(*arguments: str | Path, data: bytes = b"") -> tuple[int, str, str]:
        done = btfschema("value", *arguments, stdin=data)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    @pytest.fixture
    def file(self, task: Btf, tmp_path: Path) -> Path:
        path = tmp_path / "task.btf"
        dump(task, path)
        (tmp_path / "mem").write_bytes(b"\0" * 16 + TASK * 2)
        return path

    def test_data_from_a_file(self, file: Path) -> None:
        code, out, _ = self.run(
            "task", file, "--data", file.parent / "mem", "--offset", "0x10", "-j"
        )
        assert code == 0
        assert json.loads(out)["comm"] == "shell"
        code, out, _ = self.run(
            *("task", file, "--data", file.parent / "mem", "--offset", "16", "--count", "2"),
            *("--path", "[1].inner", "--compact", "--no-names"),
        )
        assert (code, out) == (0, "{[1,2,3,4,],}\n")

    def test_hex_from_standard_input(self, file: Path) -> None:
        assert self.run("u16", file, "--compact", data=b"0x01 00\n") == (0, "(u16)1\n", "")
        for data, why in ((b"what", "'w' is not a hex digit"), (b"010", "a byte has two digits")):
            code, _, error = self.run("u16", file, data=data)
            words = f"standard input is not hex: {why}; give the data with --data\n"
            assert (code, error.endswith(words)) == (2, True)

    def test_text_that_is_not_utf8_in_json(self, file: Path) -> None:
        data = bytes(8) + b"sh\xff\x1b[2J" + bytes(25)
        code, out, _ = self.run("task", file, "--data", "-", "-j", data=data)
        assert (code, json.loads(out)["comm"]) == (0, r"sh\xff" + "\x1b[2J")

    def test_bytes_from_standard_input(self, file: Path) -> None:
        assert self.run("u16", file, "--data", "-", data=b"\2\0")[:2] == (0, "(u16)2\n")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nothing"], "no type 'nothing'"),
            (["task"], "task.pid: needs bytes 0..4"),
            (["task", "--offset", "3x"], "is not a number"),
        ],
    )
    def test_errors_are_a_line(self, file: Path, arguments: list[str], message: str) -> None:
        name, *rest = arguments
        code, out, error = self.run(name, file, *rest, data=b"")
        assert code
        assert not out
        assert message in error
        assert "Traceback" not in error


def test_everything_raised_is_a_btf_error() -> None:
    assert issubclass(NoMemberError, BtfError)
    assert issubclass(NoMemberError, AttributeError)


def test_text_of_no_bytes_is_empty_in_numpy_too() -> None:
    b = Builder()
    char = b.add(views.Int("char", 1, encoding=views.IntEncoding.CHAR))
    none = b.add(views.Array(char, char, 0))
    name = b.add(views.Struct("s", 1, [views.Member("c", char), views.Member("t", none, 8)]))
    btf = b.build()
    values = read_array(btf, name, b"xyz")

    assert btf.read(name, b"x").to_python()["t"] == ""
    assert column(btf, name, values, "t").tolist() == [b"", b"", b""]
