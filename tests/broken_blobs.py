"""For every rule the smallest blob that breaks it and no other rule, and where it breaks it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from attrs import frozen
from blob_draft import Draft, header

from btfschema import Builder, dumps, views
from btfschema.schema import Kind

__all__ = ["BROKEN", "Broken"]

# The first type starts behind the header; with an INT of four words before it, a second here.
FIRST, SECOND = 24, 40


@frozen
class Broken:
    """A blob that breaks one rule.

    Attributes:
        blob: the bytes.
        offset: the byte at which the wrong value stands, or None for the blob as a whole.
        type_id: the type that is wrong, or None.
        member: which of its parts, or None.
        base: whether it is split BTF, over one that is sound.
    """

    blob: bytes
    offset: int | None = None
    type_id: int | None = None
    member: int | None = None
    base: bool = False


def types(*adds: Callable[[Draft], object]) -> bytes:
    """The blob with these types."""
    draft = Draft()
    for add in adds:
        add(draft)
    return draft.blob()


def add(
    kind: int, name: bytes = b"", third: int = 0, *payload: int, vlen: int = 0, flag: int = 0
) -> Callable[[Draft], object]:
    return lambda draft: draft.add(kind, name, third, payload, vlen=vlen, flag=flag)


def integer(bits: int = 32, offset: int = 0, encoding: int = 0, size: int | None = None):  # type: ignore[no-untyped-def]
    return lambda draft: draft.integer(bits, offset, encoding, size)


def composite(  # type: ignore[no-untyped-def]
    size: int, *members: tuple[int, int], kind: int = Kind.STRUCT, flag: int = 0, name: bytes = b"s"
):
    words = [word for type_id, offset in members for word in (0, type_id, offset)]
    return add(kind, name, size, *words, vlen=len(members), flag=flag)


INT = integer()
ONE = types(INT)
TYPES, STRINGS = ONE[24:40], ONE[40:]


def framed(**fields: int) -> bytes:
    """One INT in a frame with these fields."""
    return header(16, len(STRINGS), **fields) + TYPES + STRINGS


def named(*parts: tuple[int, bytes, int]) -> Callable[[Draft], object]:
    """A struct of 64 bytes called n, of parts (type id, name, byte)."""

    def run(draft: Draft) -> None:
        words = [word for i, name, at in parts for word in (draft.name(name), i, 8 * at)]
        draft.add(Kind.STRUCT, b"n", 64, words, vlen=len(parts))

    return run


def variable(third: int, linkage: int = 0) -> Callable[[Draft], object]:
    return add(Kind.VAR, b"v", third, linkage)


def section(size: int, *entries: tuple[int, int, int]) -> Callable[[Draft], object]:
    words = [word for entry in entries for word in entry]
    return add(Kind.DATASEC, b"d", size, *words, vlen=len(entries))


def parameter(name: bytes, type_id: int) -> Callable[[Draft], object]:
    return lambda draft: draft.add(Kind.FUNC_PROTO, b"", 0, [draft.name(name), type_id], vlen=1)


def value(name: bytes) -> Callable[[Draft], object]:
    return lambda draft: draft.add(Kind.ENUM, b"e", 4, [draft.name(name), 0], vlen=1)


def tag(name: bytes, target: int, component: int = -1) -> Callable[[Draft], object]:
    return add(Kind.DECL_TAG, name, target, component)


def big_endian() -> bytes:
    builder = Builder(byteorder="big")
    builder.add(views.Ptr(0))
    return b"\xeb\x9f" + dumps(builder.build())[2:]


LOCK = add(Kind.STRUCT, b"bpf_spin_lock", 4)
HEAD = add(Kind.STRUCT, b"bpf_list_head", 16)
NODE = add(Kind.STRUCT, b"bpf_list_node", 24)
TREE_NODE = add(Kind.STRUCT, b"bpf_rb_node", 32)
COUNT = add(Kind.STRUCT, b"bpf_refcount", 4)
PTR, CONST = Kind.PTR, Kind.CONST
MANY = 1 << 16
WRAPPED = (0xFFFFFFF0, 0x20), (0x10, 0xFFFFFFE0)

BROKEN: dict[str, Broken] = {
    "blob.size": Broken(
        header(16, 16 << 20) + TYPES + b"\0" + b"a" * ((16 << 20) - 2) + b"\0",
    ),
    "header.truncated": Broken(ONE[:23], 23),
    "header.magic": Broken(b"\0" + ONE[1:], 0),
    "header.length": Broken(framed(hdr_len=99), 4),
    "header.excess": Broken(header(16, 3, hdr_len=28) + b"\0\0\1\0" + TYPES + STRINGS, 26),
    "header.version": Broken(framed(version=2), 2),
    "header.flags": Broken(framed(flags=1), 3),
    "section.alignment": Broken(header(16, 3, 2, 18) + b"\0\0" + TYPES + STRINGS, 8),
    "section.bounds": Broken(ONE[:-1], 40),
    "section.overlap": Broken(header(16, 1, str_off=15) + TYPES[:-1] + b"\0", 39),
    "section.gap": Broken(ONE + b"\0", 43),
    "section.order": Broken(header(12, 4, 4, 0) + bytes(4) + struct.pack("<3I", 0, 2 << 24, 0), 28),
    "layout.size": Broken(
        header(16, 3, str_off=19, hdr_len=32)
        + struct.pack("<2I", 16, 3)
        + TYPES
        + bytes(3)
        + STRINGS,
        48,
    ),
    "layout.entry": Broken(
        header(16, 3, str_off=20, hdr_len=32)
        + struct.pack("<2I", 16, 4)
        + TYPES
        + b"\1\0\0\0"
        + STRINGS,
        48,
    ),
    "strings.empty": Broken(header(12, 0) + struct.pack("<3I", 0, 2 << 24, 0), 36),
    "strings.start": Broken(header(12, 2) + struct.pack("<3I", 0, 2 << 24, 0) + b"x\0", 36),
    "strings.end": Broken(ONE[:-1] + b"x", 42),
    "types.empty": Broken(header(0, 1) + b"\0", 24),
    "types.count": Broken(
        header(12 * 0xFFFFF, 1) + struct.pack("<3I", 0, 2 << 24, 0) * 0xFFFFF + b"\0",
        24 + 12 * 0xFFFFE,
        0xFFFFF,
    ),
    "base.order": Broken(big_endian(), 0, base=True),
    "record.size": Broken(header(13, 1) + struct.pack("<3I", 0, 2 << 24, 0) + b"\0\0", 36),
    "record.kind": Broken(types(add(99)), FIRST),
    "record.kernel_kind": Broken(types(add(Kind.LOC_PROTO)), FIRST + 4, 1),
    "record.info": Broken(
        types(INT, add(Kind.STRUCT, b"s", 4, *[0, 1, 0] * MANY, vlen=MANY)), SECOND + 4, 2
    ),
    "record.vlen": Broken(types(add(PTR, vlen=1)), FIRST + 4, 1),
    "record.kind_flag": Broken(types(add(PTR, flag=1)), FIRST + 4, 1),
    "record.name": Broken(types(add(PTR, b"p")), FIRST, 1),
    "record.size_word": Broken(types(add(Kind.FLOAT, b"f", 6)), FIRST + 8, 1),
    "record.unused": Broken(types(add(Kind.FWD, b"f", 1)), FIRST + 8, 1),
    "record.value": Broken(types(INT, variable(1, 2)), SECOND + 12, 2),
    "element.name": Broken(types(value(b"")), FIRST + 12, 1, 0),
    "name.offset": Broken(header(12, 1) + struct.pack("<3I", 1, 9 << 24, 0) + b"\0", FIRST, 1),
    "int.reserved": Broken(types(add(Kind.INT, b"", 4, 1 << 28 | 32)), FIRST + 12, 1),
    "int.bits": Broken(types(integer(128, 8)), FIRST + 12, 1),
    "int.size": Broken(types(integer(33, size=4)), FIRST + 12, 1),
    "int.encoding": Broken(types(integer(encoding=3)), FIRST + 12, 1),
    "union.offset": Broken(types(INT, composite(8, (1, 32), kind=Kind.UNION)), SECOND + 20, 2, 0),
    "member.order": Broken(types(INT, composite(8, (1, 32), (1, 0))), SECOND + 32, 2, 1),
    "member.start": Broken(types(composite(0), composite(0, (1, 8))), FIRST + 32, 2, 0),
    "datasec.offset": Broken(
        types(integer(8), variable(1), section(2, (2, 1, 1), (2, 0, 1))), SECOND + 44, 3, 1
    ),
    "datasec.size": Broken(
        types(composite(0), variable(1), section(1, (2, 0, 0))), FIRST + 48, 3, 0
    ),
    "datasec.end": Broken(types(integer(8), variable(1), section(2, (2, 1, 2))), SECOND + 36, 3, 0),
    "datasec.sum": Broken(
        types(integer(8), variable(1), section(0xFFFFFFFF, *((2, *place) for place in WRAPPED))),
        SECOND + 24,
        3,
    ),
    "tag.component": Broken(types(composite(0), tag(b"t", 1, -2)), FIRST + 24, 2),
    "reference.exists": Broken(types(add(PTR, third=9)), FIRST + 8, 1),
    "func.prototype": Broken(types(INT, add(Kind.FUNC, b"f", 1)), SECOND + 8, 2),
    "reference.target": Broken(types(add(Kind.FWD, b"f"), variable(1)), FIRST + 20, 2),
    "reference.function": Broken(
        types(add(PTR, third=3), add(Kind.FUNC_PROTO), add(Kind.FUNC, b"f", 2)), FIRST + 8, 1
    ),
    "func.parameters": Broken(
        types(INT, parameter(b"", 1), add(Kind.FUNC, b"f", 2)), SECOND + 28, 3
    ),
    "param.varargs": Broken(types(parameter(b"p", 0)), FIRST + 12, 1, 0),
    "array.element": Broken(
        types(INT, integer(24), add(Kind.ARRAY, b"", 0, 2, 1, 1)), SECOND + 28, 3
    ),
    "array.overflow": Broken(types(INT, add(Kind.ARRAY, b"", 0, 1, 1, 1 << 30)), SECOND + 20, 2),
    "member.integer": Broken(types(integer(24), composite(3, (1, 0), flag=1)), SECOND + 20, 2, 0),
    "member.bitfield": Broken(
        types(add(PTR), composite(8, (1, 1 << 24), flag=1)), FIRST + 32, 2, 0
    ),
    "member.alignment": Broken(types(add(PTR), composite(9, (1, 1))), FIRST + 32, 2, 0),
    "member.bits": Broken(types(integer(128), composite(17, (1, 1))), SECOND + 20, 2, 0),
    "member.end": Broken(types(INT, composite(3, (1, 0))), SECOND + 20, 2, 0),
    "datasec.variable": Broken(types(INT, variable(1), section(3, (2, 0, 3))), SECOND + 36, 3, 0),
    "tag.target": Broken(types(composite(0), tag(b"t", 1, 0)), FIRST + 24, 2),
    "graph.loop": Broken(types(composite(0, (1, 0))), FIRST + 16, 1, 0),
    "graph.depth": Broken(
        types(*(add(PTR, third=(i + 1) % 34) for i in range(1, 34))), FIRST + 31 * 12 + 8, 32
    ),
    "tag.order": Broken(types(add(CONST, third=2), add(Kind.TYPE_TAG, b"t")), FIRST + 8, 1),
    "tag.chain": Broken(
        types(add(CONST), *(add(CONST, third=i + 1) for i in range(2, 33)), add(CONST, third=1)),
        FIRST + 12 + 8,
        2,
    ),
    "field.bits": Broken(types(integer(8), LOCK, composite(8, (2, 0), (1, 36))), SECOND + 12, 3),
    "field.none": Broken(
        types(add(Kind.STRUCT, b"bpf_spin_lock", 8), composite(8, (1, 0))), FIRST + 12, 2
    ),
    "field.order": Broken(types(LOCK, COUNT, composite(4, (1, 0), (2, 0))), FIRST + 24, 3),
    "field.count": Broken(types(LOCK, composite(8, (1, 0), (1, 32))), FIRST + 12, 2),
    "field.depth": Broken(
        types(
            LOCK,
            composite(0),
            *(composite(0, (i, 0)) for i in range(2, 33)),
            composite(4, (1, 0), (33, 32)),
        ),
        FIRST + 24 + 31 * 24,
        34,
    ),
    "field.array": Broken(
        types(
            INT,
            LOCK,
            COUNT,
            add(Kind.ARRAY, b"", 0, 2, 1, 2),
            composite(12, (3, 0), (4, 32)),
        ),
        SECOND + 48,
        5,
    ),
    "field.tag": Broken(
        types(LOCK, add(Kind.TYPE_TAG, b"user"), add(PTR, third=2), composite(16, (1, 0), (3, 64))),
        FIRST + 36,
        4,
    ),
    "field.contains": Broken(types(LOCK, HEAD, composite(24, (1, 0), (2, 64))), FIRST + 24, 3),
    "field.node": Broken(
        types(
            LOCK,
            HEAD,
            NODE,
            named((3, b"node", 0)),
            composite(24, (1, 0), (2, 64)),
            tag(b"contains:n:other", 5, 1),
        ),
        FIRST + 60,
        5,
    ),
    "field.lock": Broken(
        types(
            HEAD, NODE, named((2, b"node", 0)), composite(16, (1, 0)), tag(b"contains:n:node", 4, 0)
        ),
        FIRST + 48,
        4,
    ),
    "field.refcount": Broken(
        types(NODE, TREE_NODE, named((1, b"l", 0), (2, b"r", 24))), FIRST + 24, 3
    ),
    "field.ownership": Broken(
        types(add(Kind.TYPE_TAG, b"kptr", 3), add(PTR, third=1), named((2, b"next", 0))),
        FIRST + 24,
        3,
    ),
}
