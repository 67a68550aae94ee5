"""BTF blobs aimed at the edges of every rule, from a seed: what kernels and fuzzers are asked.

Each family aims at some rules: most of a blob is sound, and a few of its values are drawn from
those around a limit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from blob_draft import Draft, header

from btfschema.schema import Kind

__all__ = ["FAMILIES", "edge_blobs", "mutated"]

SIZES = (0, 1, 2, 3, 4, 8, 12, 16, 17, 32, 64, 100, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
SMALL = (0, 1, 3, 4, 8, 8, 16, 24, 32)
COUNTS = (0, 1, 2, 3, 10, 0xFFFF, 0x10000, 0x3FFFFFFF, 0x40000000, 0x80000000, 0xFFFFFFFF)
OFFSETS = (0, 0, 0, 1, 7, 8, 16, 24, 31, 32, 33, 64, 96, 120, 128, 0xFFFFF8, 0xFFFFFFF8, 0xFFFFFFFF)
BITS = (0, 0, 1, 3, 8, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255)
# Bits, bit offset and encoding of INTs: regular ones, and others.
INTS = (
    (8, 0, 0),
    (32, 0, 1),
    (64, 0, 0),
    (128, 0, 0),
    (1, 0, 4),
    (31, 0, 0),
    (8, 8, 0),
    (24, 0, 0),
)
NAMES: tuple[bytes, ...] = (
    b"",
    b"a",
    b"s",
    b"_x9",
    b".data",
    b"a.b",
    b"9a",
    b"a b",
    b"a-b",
    b"\xc3\xa4",
    b"\xe4",
    b"a\xd7",
    b"a\xff",
    b"x\x01",
    b"x\x80y",
    b" ",
    b"~",
    b"\x7f",
    b"n" * 511,
    b"n" * 512,
    b"n" * 513,
    b"kptr",
    b"user",
)
MODIFIERS = (Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)
NAMELESS = (Kind.PTR, Kind.ARRAY, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.FUNC_PROTO)


def _plain_name(kind: int) -> bytes:
    return b"" if kind in NAMELESS else b"n"


def graphs(random: Random) -> bytes:
    """A few types that refer to each other in any way: chains, circles, wrong targets."""
    draft = Draft()
    total = random.randint(1, 7)
    if random.random() < 0.8:
        draft.integer()
    kinds = random.choice((ALL, DATA, POINTERS))
    while draft.types < total:
        _any_type(random, draft, random.choice(kinds), total)
    return draft.blob()


ALL = tuple(kind for kind in Kind if 0 < kind <= Kind.ENUM64)
DATA = (Kind.STRUCT, Kind.UNION, Kind.ARRAY, *MODIFIERS[:3], Kind.PTR, Kind.INT)
POINTERS = (Kind.PTR, Kind.FUNC, Kind.FUNC_PROTO, Kind.VAR, Kind.DATASEC, *MODIFIERS, Kind.ARRAY)


def _any_type(random: Random, draft: Draft, kind: int, total: int) -> None:
    """A type whose own fields are mostly right and whose references go anywhere."""

    def target() -> int:
        return random.randint(0 if random.random() < 0.1 else 1, total + (random.random() < 0.02))

    flag = 0
    if kind == Kind.INT:
        bits, offset, encoding = random.choice(INTS)
        draft.integer(bits, offset, encoding)
    elif kind == Kind.ARRAY:
        index = 1 if random.random() < 0.8 else target()
        draft.add(kind, payload=[target(), index, random.choice(COUNTS[:5])])
    elif kind in (Kind.STRUCT, Kind.UNION):
        number = random.randint(0, 3)
        flag = random.random() < 0.3
        offset = 0 if kind == Kind.UNION else random.choice((0, 32, 64))
        members = [(target(), n * offset) for n in range(number)]
        draft.struct(random.choice((0, 4, 8, 16, 64, 400)), members, kind, flag)
    elif kind in (Kind.ENUM, Kind.ENUM64):
        draft.add(kind, b"e", random.choice((1, 2, 4, 8)))
    elif kind == Kind.FUNC_PROTO:
        params = [(random.random() < 0.7, target()) for _ in range(random.randint(0, 3))]
        if random.random() < 0.3:
            params.append((random.random() < 0.1, 0))
        words = [w for named, i in params for w in (draft.name(b"p") if named else 0, i)]
        draft.add(kind, b"", random.choice((0, target())), words, vlen=len(params))
    elif kind == Kind.FUNC:
        draft.add(kind, b"f", target(), vlen=random.choice((0, 1)))
    elif kind == Kind.VAR:
        draft.add(kind, b"v", target(), [random.choice((0, 1))])
    elif kind == Kind.DATASEC:
        size = random.choice((4, 8, 16))
        entries = [(target(), n * size, size) for n in range(random.randint(0, 3))]
        draft.add(kind, b"d", 64, [w for entry in entries for w in entry], vlen=len(entries))
    elif kind == Kind.DECL_TAG:
        draft.add(kind, b"t", target(), [random.choice((-1, -1, 0, 1, 2, 3))])
    elif kind == Kind.FLOAT:
        draft.add(kind, b"g", random.choice((4, 8)))
    elif kind == Kind.FWD:
        draft.add(kind, b"w", flag=random.randint(0, 1))
    else:
        draft.add(kind, _plain_name(kind), target())


def chains(random: Random) -> bytes:
    """Long ways around the depth of 32, in any order of ids, with or without a circle."""
    length = random.choice((2, 5, 29, 30, 31, 32, 33, 34, 40))
    kinds = random.choice(((Kind.PTR,), (Kind.CONST,), (Kind.STRUCT,), (Kind.ARRAY,), CHAINED))
    order = list(range(2, length + 2))
    how = random.random()
    if how < 0.25:
        order.reverse()
    elif how < 0.5:
        random.shuffle(order)
    elif how < 0.7:
        cut = random.randrange(length)
        order = order[cut:] + order[:cut]
    last = random.choice((1, 1, 1, 0, order[0]))
    follower = dict(zip(order, [*order[1:], last], strict=True))
    draft = Draft()
    draft.integer()
    tagged = random.random() < 0.5
    for type_id in range(2, length + 2):
        kind = random.choice(kinds)
        if tagged and kind == Kind.CONST and type_id == order[0]:
            kind = Kind.TYPE_TAG
        if kind == Kind.STRUCT:
            draft.struct(1000, [(follower[type_id], 0)])
        elif kind == Kind.ARRAY:
            draft.add(kind, payload=[follower[type_id], 1, 1])
        else:
            draft.add(kind, _plain_name(kind), follower[type_id])
    if random.random() < 0.3:
        top = draft.add(Kind.VAR, b"v", order[0], [0])
        draft.add(Kind.DATASEC, b"d", 1000, [top, 0, 1000], vlen=1)
    if random.random() < 0.2:
        draft.add(Kind.FUNC_PROTO, third=order[random.randrange(length)])
    return draft.blob()


CHAINED = (Kind.PTR, Kind.CONST, Kind.STRUCT, Kind.ARRAY, Kind.TYPEDEF, Kind.VOLATILE)


def late_arrays(random: Random) -> bytes:
    """Arrays that are met before or after they are resolved, and what must hold them."""
    ids = [2, 3, 4, 5, 6]
    random.shuffle(ids)
    array, modifier, pointer, holder, other = ids
    counts = random.choice((1, 4, 100, 0x40000000))
    draft = Draft()
    draft.integer()
    while draft.types < 6:
        now = draft.types + 1
        if now == array:
            draft.add(Kind.ARRAY, payload=[random.choice((1, 1, other)), 1, counts])
        elif now == modifier:
            draft.add(Kind.CONST, third=array)
        elif now == pointer:
            draft.add(Kind.PTR, third=random.choice((modifier, modifier, array, holder)))
        elif now == other:
            _other_holder(random, draft, modifier, array, holder)
        else:
            size = random.choice((4, 8, 16, 400))
            members = [(random.choice((modifier, array)), 0) for _ in range(random.randint(1, 2))]
            draft.struct(size, members)
    return draft.blob()


def _other_holder(random: Random, draft: Draft, modifier: int, array: int, holder: int) -> None:
    kind = random.choice((Kind.ARRAY, Kind.STRUCT, Kind.VAR, Kind.TYPEDEF, Kind.FUNC_PROTO))
    target = random.choice((modifier, array, holder))
    if kind == Kind.ARRAY:
        draft.add(kind, payload=[target, 1, random.choice((1, 2, 4))])
    elif kind == Kind.STRUCT:
        draft.struct(random.choice((4, 16, 400)), [(target, 0)])
    elif kind == Kind.VAR:
        draft.add(kind, b"v", target, [0])
    elif kind == Kind.TYPEDEF:
        draft.add(kind, b"t", target)
    else:
        draft.add(kind, third=target)


def late_variables(random: Random) -> bytes:
    """Sections before and after their variables, with places of any size."""
    draft = Draft()
    draft.integer()
    draft.add(Kind.ARRAY, payload=[1, 1, 4])
    variables = random.sample(range(3, 6), 2)
    section = next(i for i in range(3, 6) if i not in variables)
    for now in range(3, 6):
        if now == section:
            sizes = [random.choice((1, 3, 4, 15, 16, 17)) for _ in variables]
            places = zip(variables, (0, 16), sizes, strict=True)
            words = [word for place in places for word in place]
            draft.add(Kind.DATASEC, b"d", 40, words, vlen=len(variables))
        else:
            draft.add(Kind.VAR, b"v", random.choice((1, 2)), [1])
    return draft.blob()


def fields(random: Random) -> bytes:
    """One type whose vlen, kind_flag, kind, third and fixed words are at their limits."""
    draft = Draft()
    draft.integer()
    kind = (
        random.choice(ALL) if random.random() < 0.95 else random.choice((0, 20, 21, 31, 100, 127))
    )
    vlen = 0 if random.random() < 0.7 else random.choice((1, 2, 3, 0xFFFF, 0x10000))
    if kind == Kind.INT:
        bits, offset = random.choice(BITS), random.choice(BITS)
        high = random.choice((0, 0, 0, 1, 8))
        word = bits | offset << 16 | random.randrange(9) << 24 | high << 28
        word |= random.choice((0, 0, 0x5A00))
        payload = [word]
    else:
        payload = [random.choice((0, 1, 2, 3, -1, -2, 0x80000000))] * (kind in (14, 17))
    if kind == Kind.ARRAY:
        payload = [1, 1, random.choice(COUNTS)]
    third = random.choice((0, 1, *SIZES)) if random.random() < 0.6 else 1
    name = _plain_name(kind) if random.random() < 0.8 else random.choice((b"", b"n"))
    draft.add(kind, name, third, payload, vlen=vlen, flag=random.random() < 0.2)
    return draft.blob()


def members(random: Random) -> bytes:
    """A struct or union over members of every kind, at offsets around its end."""
    draft = Draft()
    for bits, offset, encoding in INTS:
        draft.integer(bits, offset, encoding, random.choice((None, 16)))
    size = random.choice((1, 2, 4, 8))
    draft.add(Kind.ENUM, b"e", size)
    draft.add(Kind.ENUM64, b"f", size)
    draft.add(Kind.FLOAT, b"g", random.choice((2, 4, 8, 12, 16)))
    draft.add(Kind.PTR)
    draft.add(Kind.ARRAY, payload=[random.choice((2, 1)), 2, random.choice((0, 1, 3))])
    inner = draft.struct(random.choice((0, 4, 8)), [])
    draft.add(Kind.CONST, third=random.randint(1, inner))
    draft.add(Kind.TYPEDEF, b"t", random.randint(1, inner + 1))
    flag = random.random() < 0.5
    kind = Kind.UNION if random.random() < 0.25 else Kind.STRUCT
    listed = []
    for _ in range(random.randint(1, 3)):
        offset = random.choice(OFFSETS)
        if kind == Kind.UNION and random.random() < 0.9:
            offset = 0
        if flag:
            offset = (offset & 0xFFFFFF) | random.choice(BITS) << 24
        listed.append((random.randint(1, inner + 2), offset))
    if random.random() < 0.8:
        listed.sort(key=lambda member: member[1] & 0xFFFFFF if flag else member[1])
    draft.struct(random.choice((1, 2, 4, 8, 16, 20, 32, *SIZES)), listed, kind, flag)
    return draft.blob()


def names(random: Random) -> bytes:
    """Names of every sort on types and their parts."""
    draft = Draft()
    draft.integer()
    kind = random.choice(ALL)
    name = random.choice(NAMES)
    part = draft.name(random.choice(NAMES)) if random.random() < 0.5 else draft.name(b"ok")
    if random.random() < 0.05:
        part = random.choice((len(draft.strings) - 1, len(draft.strings), 0xFFFFFF, 0x1000000))
    payload: list[int] = []
    vlen = 0
    if kind in (Kind.STRUCT, Kind.UNION):
        payload, vlen = [part, 1, 0], 1
    elif kind in (Kind.ENUM, Kind.ENUM64):
        payload, vlen = [part, 1, *([0] * (kind == Kind.ENUM64))], 1
    elif kind == Kind.FUNC_PROTO:
        payload, vlen = [part, 1, draft.name(random.choice((b"", b"", b"x"))), 0], 2
    elif kind == Kind.ARRAY:
        payload = [1, 1, 1]
    elif kind == Kind.INT:
        payload = [32]
    elif kind in (Kind.VAR, Kind.DECL_TAG):
        payload = [0]
    third = {Kind.FWD: 0, Kind.ARRAY: 0, Kind.FUNC: 2, Kind.DECL_TAG: 2}.get(Kind(kind), 4)
    if kind in (Kind.FUNC, Kind.DECL_TAG):
        target = Kind.FUNC_PROTO if kind == Kind.FUNC else Kind.STRUCT
        draft.add(target, _plain_name(target))
        payload = [0xFFFFFFFF] * len(payload)
    elif Kind.TYPEDEF <= kind <= Kind.RESTRICT or kind in (2, 13, 14, 18):
        third = 1
    draft.add(kind, name, third, payload, vlen=vlen)
    if random.random() < 0.05:
        draft.words[-3 - len(payload)] = random.choice((len(draft.strings), 0x1000000, 0xFFFFFFFF))
    return draft.blob()


def sections(random: Random) -> bytes:
    """A DATASEC whose variables are at the edges of it and of each other."""
    draft = Draft()
    draft.integer(8)
    variables = [draft.add(Kind.VAR, b"v", 1, [1]) for _ in range(3)]
    size = random.choice((0, 1, 4, 8, 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    near = (0, 1, 2, 4, 8, size - 1, size, size + 1, size // 2, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF)
    entries = []
    at = 0
    for _ in range(random.randint(0, 3)):
        length = random.choice((1, 1, 2, 4, *near))
        offset = at if random.random() < 0.6 else random.choice(near)
        target = random.choice(variables) if random.random() < 0.95 else random.choice((0, 1, 5, 6))
        entries.append((target, offset, length))
        at = offset + length
    words = [word for entry in entries for word in entry]
    draft.add(Kind.DATASEC, random.choice((b"d", b".x", b"a b")), size, words, vlen=len(entries))
    return draft.blob()


def tags(random: Random) -> bytes:
    """Declaration tags on everything, with any component; type tags anywhere in a chain."""
    draft = Draft()
    draft.integer()
    draft.struct(8, [(1, 0), (1, 32)])
    draft.add(Kind.UNION, b"u", 8)
    proto = draft.add(Kind.FUNC_PROTO, b"", 0, [draft.name(b"p"), 1], vlen=1)
    draft.add(Kind.FUNC, b"f", proto)
    draft.add(Kind.VAR, b"v", 1, [0])
    draft.add(Kind.TYPEDEF, b"t", random.choice((2, 1)))
    total = 7 if random.random() < 0.2 else draft.types
    for _ in range(random.randint(1, 3)):
        component = random.choice((*[-1] * 5, 0, 0, 1, 2, 3, -2, 0x7FFFFFFF, -0x80000000))
        draft.add(
            Kind.DECL_TAG,
            b"tag",
            random.randint(2 if random.random() < 0.9 else 1, total),
            [component],
            flag=random.random() < 0.1,
        )
    for _ in range(random.randint(0, 4)):
        kind = random.choice((Kind.TYPE_TAG, Kind.TYPE_TAG, Kind.CONST, Kind.TYPEDEF, Kind.PTR))
        target = random.choice((1, 1, draft.types, draft.types, draft.types + 2))
        draft.add(kind, _plain_name(kind), target, flag=kind == 18 and random.random() < 0.1)
    draft.add(Kind.PTR, third=draft.types)
    return draft.blob()


def frames(random: Random) -> bytes:
    """Sound types in an unsound frame."""
    draft = Draft()
    draft.integer()
    types = struct.pack("<4I", *draft.words)
    strings = bytes(draft.strings)
    types, strings = random.choice(
        ((types, strings), (b"", strings), (types, b""), (types, b"\0"), (types + b"\0", strings))
    )
    strings = random.choice(
        (strings, strings, strings, strings[:-1], b"x" + strings, strings + b"y")
    )
    hdr_len = random.choice((24, 24, 24, 24, 20, 25, 28, 32, 40, 0, 0xFFFFFFFF))
    excess = bytes(max(0, min(hdr_len, 64) - 24))
    if excess and random.random() < 0.4:
        excess = excess[:-1] + b"\1"
    gap, tail = (random.choice((*[b""] * 18, b"\0", b"\0\0\0\0")) for _ in range(2))
    type_off, str_off = 0, len(types) + len(gap)
    body = types + gap + strings
    if random.random() < 0.15:
        type_off, str_off = len(strings) + len(gap), 0
        body = strings + gap + types
    nudge = (*[0] * 40, 1, 4, -1, 100, -len(types))
    fields = header(
        max(0, len(types) + random.choice(nudge)),
        max(0, len(strings) + random.choice(nudge)),
        max(0, type_off + random.choice(nudge)),
        max(0, str_off + random.choice(nudge)),
        hdr_len,
        random.choice((*[1] * 18, 0, 2)),
        random.choice((*[0] * 19, 1)),
        random.choice((*[0xEB9F] * 18, 0, 0xEB9E)),
    )
    blob = fields + excess + body + tail
    return blob[: random.choice((*[len(blob)] * 9, random.randint(0, len(blob))))]


def sound(random: Random) -> bytes:
    """A blob with every kind, all sound, its types in one of several orders."""
    draft = Draft()
    draft.integer(32, 0, 1)
    draft.add(Kind.PTR, third=random.choice((0, 1, 3)))
    draft.struct(24, [(1, 0), (2, 64), (1, 128)])
    draft.struct(8, [(1, 3 << 24), (1, 5 << 24 | 3), (1, 32)], flag=1)
    draft.add(Kind.UNION, b"u", 8, [0, 1, 0, 0, 2, 0], vlen=2)
    draft.add(Kind.ARRAY, payload=[random.choice((1, 2, 3)), 1, 4])
    draft.add(Kind.ENUM, b"e", 4, [draft.name(b"A"), 1, draft.name(b"B"), 2], vlen=2)
    draft.add(Kind.ENUM64, b"f", 8, [draft.name(b"C"), 1, 2], vlen=1)
    draft.add(Kind.FWD, b"w", flag=1)
    draft.add(Kind.TYPEDEF, b"t", random.choice((1, 3, 6, 9)))
    draft.add(Kind.CONST, third=random.choice((0, 1, 3, 10)))
    draft.add(Kind.VOLATILE, third=11)
    draft.add(Kind.RESTRICT, third=2)
    draft.add(Kind.FUNC_PROTO, b"", 1, [draft.name(b"a"), 1, draft.name(b"b"), 2, 0, 0], vlen=3)
    draft.add(Kind.FUNC, b"g", 14, vlen=1)
    draft.add(Kind.VAR, b"v", random.choice((1, 3, 6)), [1])
    draft.add(Kind.DATASEC, b".data", 200, [16, 0, 100], vlen=1)
    draft.add(Kind.FLOAT, b"h", 8)
    draft.add(Kind.DECL_TAG, b"tag", random.choice((3, 15)), [1])
    draft.add(Kind.TYPE_TAG, b"user", random.choice((1, 13)))
    draft.add(Kind.PTR, third=20)
    return draft.blob()


def mutated(random: Random, blob: bytes | None = None) -> bytes:
    """A sound blob with one to three words, bytes or bits changed, or cut."""
    data = bytearray(sound(random) if blob is None else blob)
    for _ in range(random.randint(1, 3)):
        if not data:
            break
        at = random.randrange(len(data))
        how = random.random()
        if how < 0.3:
            data[at] ^= 1 << random.randrange(8)
        elif how < 0.5:
            data[at] = random.choice((0, 1, 0x7F, 0xFF, random.randrange(256)))
        elif how < 0.9 and len(data) >= 4:
            at -= at % 4 if at + 4 <= len(data) else at
            word = random.choice((0, 1, random.randint(0, 24), *SIZES, 0x84000001, 0x0F000000))
            struct.pack_into("<I", data, at, word)
        elif how < 0.95:
            del data[at : at + random.randint(1, 12)]
        else:
            data[at:at] = data[at : at + random.randint(1, 12)]
    return bytes(data)


MANAGED = {
    b"bpf_spin_lock": 4,
    b"bpf_list_head": 16,
    b"bpf_list_node": 24,
    b"bpf_rb_root": 16,
    b"bpf_rb_node": 32,
    b"bpf_refcount": 4,
}
TAGS = (b"kptr", b"kptr", b"kptr_untrusted", b"percpu_kptr", b"user")
CONTAINS = (
    b"contains:n:l",
    b"contains:n:l",
    b"contains:n:r",
    b"contains:n:",
    b"contains:x:l",
    b"n",
)


def managed(random: Random) -> bytes:
    """Structs of locks, lists, trees and counted pointers, mostly as they must be."""
    draft = Draft()
    draft.integer()
    wrong = random.random() < 0.2
    given = dict(MANAGED)
    if wrong:
        given[random.choice(list(given))] += random.choice((-4, 4, 8))
    types = {name: draft.add(Kind.STRUCT, name, size) for name, size in given.items()}
    # Of a name that no kernel has, as its own types are asked after their destructors.
    node = draft.types + 1
    parts = [types[b"bpf_list_node"], types[b"bpf_rb_node"], types[b"bpf_refcount"]]
    places = [(b"l", parts[0], 0), (b"r", parts[1], 192), (b"c", parts[2], 448)]
    chosen = [place for place in places if random.random() < 0.9]
    words = [word for name, i, at in chosen for word in (draft.name(name), i, at)]
    draft.add(Kind.STRUCT, b"n", 64, words, vlen=len(chosen))
    tag = draft.add(Kind.TYPE_TAG, random.choice(TAGS), random.choice((node, node, node, 1)))
    pointer = draft.add(Kind.PTR, third=tag)
    volatile = draft.add(Kind.VOLATILE, third=pointer)
    element = random.choice((pointer, types[b"bpf_list_head"], types[b"bpf_spin_lock"]))
    array = draft.add(Kind.ARRAY, payload=[element, 1, random.choice((0, 1, 2, 11, 12))])
    inner = draft.struct(24, [(random.choice((pointer, types[b"bpf_spin_lock"])), 64)])
    lock = types[b"bpf_spin_lock"]
    pool = (1, lock, types[b"bpf_list_head"], types[b"bpf_rb_root"], pointer, volatile)
    members, at = [(lock, 0)] if random.random() < 0.8 else [], 64
    for _ in range(random.randint(0, 3)):
        members.append((random.choice((*pool, array, inner)), at))
        at += random.choice((128, 128, 192, 1024, 96))
    holder = draft.struct(at // 8 + 256, members)
    for number in range(len(members)):
        if random.random() < 0.8:
            draft.add(Kind.DECL_TAG, random.choice(CONTAINS), holder, [number])
    return draft.blob()


FAMILIES: dict[str, Callable[[Random], bytes]] = {
    "graphs": graphs,
    "chains": chains,
    "late_arrays": late_arrays,
    "late_variables": late_variables,
    "fields": fields,
    "members": members,
    "names": names,
    "sections": sections,
    "tags": tags,
    "frames": frames,
    "managed": managed,
    "sound": sound,
    "mutated": mutated,
}


def edge_blobs(seed: int) -> Iterator[tuple[str, bytes]]:
    """Blobs without end, one of each family after another; each with its family's name."""
    random = Random(seed)
    for number in count():
        name = list(FAMILIES)[number % len(FAMILIES)]
        yield name, FAMILIES[name](random)
