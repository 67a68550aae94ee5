"""What real kernels say to BTF that the builder makes: BPF_BTF_LOAD of Debian's 6.1 and 6.12."""

from __future__ import annotations

import errno
import struct
from itertools import product

import pytest
from guest import Verdict, btf_verdicts, debian_guest

from btfschema import Builder, dumps
from btfschema.codec.header import ByteOrder
from btfschema.views import (
    Array,
    Const,
    Datasec,
    DeclTag,
    Enum,
    Enum64,
    Enumerator,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    IntEncoding,
    Linkage,
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

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

# The kernel's own error number for what it does not support; it has no name outside of it.
ENOTSUPP = 524
INT = Int("int", 4, IntEncoding.SIGNED)
PROTO = FuncProto(1, [Param("a", 1)])

GOOD: dict[str, list[TypeView]] = {
    "INT": [INT],
    "INT of 128 bits": [Int("__int128", 16, IntEncoding.SIGNED)],
    "PTR": [Ptr(0)],
    "ARRAY": [INT, Array(1, 1, 3)],
    "ARRAY without elements": [INT, Array(1, 1, 0)],
    "STRUCT": [INT, Struct("s", 8, [Member("a", 1), Member("b", 1, bit_offset=32)])],
    "STRUCT without members": [Struct("s", 0)],
    "STRUCT with a bit field": [INT, Struct("s", 4, [Member("a", 1, bitfield_size=3)])],
    "STRUCT that points to itself": [Struct("s", 8, [Member("next", 2)]), Ptr(1)],
    "UNION": [INT, Union("u", 4, [Member("a", 1), Member("b", 1)])],
    "ENUM": [Enum("e", 4, [Enumerator("A", 0), Enumerator("B", -1)])],
    "ENUM without values": [Enum("e", 4)],
    "FWD of a struct": [Fwd("s")],
    "FWD of a union": [Fwd("u", is_union=True)],
    "TYPEDEF": [INT, Typedef("t", 1)],
    "VOLATILE, CONST, RESTRICT": [INT, Volatile(1), Const(2), Ptr(3), Restrict(4)],
    "FUNC": [INT, PROTO, Func("f", 2, Linkage.GLOBAL)],
    "FUNC_PROTO with varargs": [INT, FuncProto(0, [Param("a", 1), Param("", 0)])],
    "VAR": [INT, Var("v", 1, Linkage.GLOBAL)],
    "DATASEC": [INT, Var("v", 1), Datasec(".data", 4, [VarSecinfo(2, 0, 4)])],
    "FLOAT": [Float("double", 8)],
    "DECL_TAG": [INT, Struct("s", 4, [Member("a", 1)]), DeclTag("tag", 2), DeclTag("a's", 2, 0)],
    "TYPE_TAG": [INT, TypeTag("user", 1), Ptr(2)],
    "ENUM64": [Enum64("e", 8, [Enumerator("A", -1)])],
}

# What breaks one rule, and what the kernel says to it.
BAD: dict[str, tuple[list[TypeView], int, str]] = {
    "more bits than bytes": ([Int("int", 4, bits=33)], errno.EINVAL, "nr_bits exceeds type_size"),
    "two encodings": (
        [Int("int", 4, IntEncoding.SIGNED | IntEncoding.BOOL)],
        ENOTSUPP,
        "Unsupported encoding",
    ),
    "array of void": ([INT, Array(0, 1, 3)], errno.EINVAL, "Invalid elem"),
    "index that is not an integer": (
        [INT, Ptr(1), Array(1, 2, 3)],
        errno.EINVAL,
        "Invalid index",
    ),
    "member past the end": (
        [INT, Struct("s", 4, [Member("a", 1, bit_offset=32)])],
        errno.EINVAL,
        "Member exceeds struct_size",
    ),
    "members out of order": (
        [INT, Struct("s", 8, [Member("a", 1, bit_offset=32), Member("b", 1)])],
        errno.EINVAL,
        "Invalid member bits_offset",
    ),
    "member that does not fit": (
        [INT, Struct("s", 3, [Member("a", 1)])],
        errno.EINVAL,
        "Member exceeds struct_size",
    ),
    "struct in itself": ([Struct("s", 4, [Member("a", 1)])], errno.EEXIST, "Loop detected"),
    "typedefs in a circle": ([Typedef("a", 2), Typedef("b", 1)], errno.EEXIST, "Loop detected"),
    "name that is not an identifier": ([Fwd("a b")], errno.EINVAL, "Invalid name"),
    "pointer with a name": ([Ptr(0, name="p")], errno.EINVAL, "Invalid name"),
    "enum of size 0, as clang writes": ([Enum("e", 0)], errno.EINVAL, "Unexpected size"),
    "enum of size 3": ([Enum("e", 3)], errno.EINVAL, "Unexpected size"),
    "float of size 6": ([Float("f", 6)], errno.EINVAL, "Invalid type_size"),
    "function that is a type": ([INT, Func("f", 1)], errno.EINVAL, "Invalid type_id"),
    "external function": (
        [INT, PROTO, Func("f", 2, Linkage.EXTERN)],
        errno.EINVAL,
        "Invalid func linkage",
    ),
    "parameter without a name": (
        [INT, FuncProto(1, [Param("", 1)]), Func("f", 2)],
        errno.EINVAL,
        "Invalid arg#1",
    ),
    "variable of void": ([Var("v", 0)], errno.EINVAL, "Invalid type_id"),
    "section smaller than its variable": (
        [INT, Var("v", 1), Datasec(".data", 2, [VarSecinfo(2, 0, 4)])],
        errno.EINVAL,
        "Invalid size",
    ),
    "tag on a member that is not there": (
        [INT, Struct("s", 4, [Member("a", 1)]), DeclTag("tag", 2, 1)],
        errno.EINVAL,
        "Invalid component_idx",
    ),
    "type tag behind a modifier": (
        [INT, TypeTag("user", 1), Const(2), TypeTag("rcu", 3), Ptr(4)],
        errno.EINVAL,
        "Type tags don't precede modifiers",
    ),
}


def blob(types: list[TypeView], byteorder: ByteOrder = "little", *, layout: bool = False) -> bytes:
    builder = Builder(byteorder=byteorder, layout=layout)
    for view in types:
        builder.add(view)
    return dumps(builder.build())


# What is wrong outside of the types.
DAMAGED = {
    "no magic": (b"\0\0" + blob([INT])[2:], errno.EINVAL, "Invalid magic"),
    "a byte too many": (blob([INT]) + b"\0", errno.EINVAL, "Unsupported section found"),
    "cut off": (blob([INT])[:-1], errno.EINVAL, "Total section length too long"),
    "nothing": (b"", errno.EINVAL, "hdr_len not found"),
    "layout, which 7.1 knows": (blob([INT], layout=True), errno.E2BIG, "Unsupported btf_header"),
    "big-endian": (blob([INT], "big"), errno.EINVAL, "btf_header not found"),
}

CASES = (
    {name: (blob(types), 0, "") for name, types in GOOD.items()}
    | {name: (blob(types), error, message) for name, (types, error, message) in BAD.items()}
    | DAMAGED
)

# Around every edge of what an INT may say of itself: size, bits, offset, encoding.
INTS = list(
    product(
        (1, 2, 4, 8, 16),
        (0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255),
        (0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 120, 127, 128, 255),
        range(16),
    )
)


def int_blob(size: int, bits: int, offset: int, encoding: int) -> bytes:
    """An INT that says this, whether a view could or not: the two last words of its record."""
    words = struct.pack("<II", size, bits | offset << 16 | encoding << 24)
    return INT_BLOB[:INT_WORDS_AT] + words + INT_BLOB[INT_WORDS_AT + len(words) :]


INT_BLOB = blob([INT])
INT_WORDS_AT = INT_BLOB.index(struct.pack("<II", 4, 32 | IntEncoding.SIGNED << 24))


def int_errno(size: int, bits: int, offset: int, encoding: int) -> int:
    """``btf_int_check_meta`` in one sentence."""
    if bits + offset > min(8 * size, 128):
        return errno.EINVAL
    return 0 if encoding in (0, *IntEncoding) else ENOTSUPP


Answers = tuple[dict[str, Verdict], list[Verdict]]


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def answers(request: pytest.FixtureRequest) -> Answers:
    """A kernel's verdicts on all cases, by name, and on all INTs: one boot a kernel."""
    blobs = [data for data, _, _ in CASES.values()] + [int_blob(*values) for values in INTS]
    verdicts = btf_verdicts(debian_guest(request.param), blobs)
    return dict(zip(CASES, verdicts, strict=False)), verdicts[len(CASES) :]


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_loads_what_is_right_and_says_what_is_wrong(answers: Answers, name: str) -> None:
    _, error, message = CASES[name]
    verdict = answers[0][name]
    assert (error, message) == (verdict.errno, verdict.message[-len(message) :] if message else "")
    assert bool(verdict.message) == bool(error)


def test_twenty_thousand_ints_in_one_boot(answers: Answers) -> None:
    assert len(INTS) > 20_000
    got = [verdict.errno for verdict in answers[1]]
    assert {0, errno.EINVAL, ENOTSUPP} == set(got)
    wrong = {
        values: (int_errno(*values), number)
        for values, number in zip(INTS, got, strict=True)
        if int_errno(*values) != number
    }
    assert wrong == {}
