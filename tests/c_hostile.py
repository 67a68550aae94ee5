"""BTF that can be read and no compiler wrote: odd names, places, sizes, references, circles."""

from __future__ import annotations

from random import Random

from btfschema import Btf, Builder, dumps, loads
from btfschema.views import (
    Array,
    Const,
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
    Volatile,
)

__all__ = ["hostile"]

NAMES = (
    "a", "b", "c", "d", "e", "f", "g", "a___2", "b_", "class", "int", "default", "u8", "Vec<u8>",
    "9lives", "linux", "__x86_64__", "__builtin_memcpy", "struct a", "caf\udce9", "\u00fcber", "*/",
    "a\nb", "x y",
    'q"\\', "core::option::Option<&[u8]>", "bool", "size_t", "__int128_t", "_Bool",
)  # fmt: skip
NUMBERS = (
    Int("int", 4, IntEncoding.SIGNED), Int("char", 1, IntEncoding.SIGNED), Int("long int", 8),
    Int("short unsigned int", 2), Int("_Bool", 1, IntEncoding.BOOL), Int("__int128", 16),
    Int("u8", 1), Int("i64", 8, IntEncoding.SIGNED), Int("int", 1, bits=4),
    Int("int", 4, bits=6, bit_offset=2),
    Int("", 4), Int("unsigned", 8), Float("double", 8), Float("f32", 4), Float("half", 2),
)  # fmt: skip
# The sizes of the types above, for places that are nearly right.
SIZES = (0, *(number.size for number in NUMBERS))
TAGS = ("user", "rcu", 'a"b\\', "address_space(1)", "packed", "x)) evil((", "noderef")


class Maker:
    """Makes a container.

    Args:
        random: where choices come from.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.sizes = list(SIZES)
        self.count = random.randint(4, 24)
        self.last = len(NUMBERS) + self.count

    def name(self, empty: float = 0.1) -> str:
        """A name, as often as not a plain one."""
        if self.random.random() < empty:
            return ""
        return self.random.choice(NAMES if self.random.random() < 0.4 else NAMES[:7])

    def ref(self) -> int:
        """The id of any type, or void's; more often of an earlier one."""
        if self.random.random() < 0.75:
            return self.random.randrange(1, len(self.sizes))
        return self.random.randint(0, self.last)

    def size_of(self, type_id: int) -> int:
        """The bytes of a type, as far as they are known."""
        return self.sizes[type_id] if type_id < len(self.sizes) else 8

    def members(self, is_union: bool) -> tuple[list[Member], int]:
        """Members, mostly one after the other, and the bytes that they need."""
        random, at, end = self.random, 0, 0
        found: list[Member] = []
        for _ in range(random.randint(0, 6)):
            type_id = self.ref()
            size = self.size_of(type_id)
            width = random.randint(1, max(8 * min(size, 8), 1)) if random.random() < 0.25 else 0
            if random.random() < 0.05:
                width = random.randint(1, 200)
            if not width:
                at = -(-at // 8) * 8
                if random.random() < 0.8:
                    at = (
                        -(-at // 64) * 64
                        if size >= 8
                        else -(-at // (8 * (size or 1))) * 8 * (size or 1)
                    )
            offset = 0 if is_union else at
            if random.random() < 0.1:
                offset = max(0, offset + random.choice((-64, -8, -1, 1, 4, 8, 24, 4096)))
            found.append(Member(self.name(0.15), type_id, offset, width))
            at = offset + (width or 8 * size)
            end = max(end, at)
        return found, -(-end // 8)

    def struct(self) -> TypeView:
        """A struct or union, mostly large enough."""
        random = self.random
        is_union = random.random() < 0.3
        members, size = self.members(is_union)
        if random.random() < 0.7:
            size = -(-size // 8) * 8
        if random.random() < 0.1:
            size = max(0, size + random.choice((-4, -1, 1, 3, 64, 70_000, 1 << 31)))
        size = min(size, (1 << 32) - 1)
        name = self.name(0.35)
        # Without bit fields, places of 32 bits.
        bits = 24 if any(member.bitfield_size for member in members) else 32
        members = [member for member in members if member.bit_offset < 1 << bits]
        return (Union if is_union else Struct)(name, size, members)

    def enum(self) -> TypeView:
        """An enum of any size."""
        random = self.random
        size, wide = random.choice((1, 2, 4, 4, 4, 8, 3)), random.random() < 0.4
        most = 62 if wide else 30
        values = []
        for _ in range(random.randint(0, 3)):
            low = -(1 << random.randint(0, most)) if random.random() < 0.3 else 0
            values.append(
                Enumerator(self.name(0.05), random.choice((0, 1, 200, 70_000, 1 << most, low)))
            )
        signed = any(value.value < 0 for value in values)
        name = self.name(0.3)
        if wide:
            return Enum64(name, size, values, signed=signed)
        return Enum(name, size, values, signed=signed)

    def one(self) -> TypeView:
        """Any type."""
        random = self.random
        match random.randrange(16):
            case 0 | 1 | 2 | 3 | 4:
                return self.struct()
            case 5:
                return self.enum()
            case 6 | 7:
                return Ptr(self.ref())
            case 8:
                counts = (0, 1, 2, 3, 7, 1 << 20, 1 << 31)
                return Array(self.ref(), 1, random.choice(counts))
            case 9 | 10:
                return Typedef(self.name(0.05), self.ref())
            case 11:
                return random.choice((Const, Volatile, Restrict))(self.ref())
            case 12:
                return TypeTag(random.choice(TAGS), self.ref(), kind_flag=random.random() < 0.5)
            case 13:
                return Fwd(self.name(0.05), is_union=random.random() < 0.3)
            case 14:
                params = [Param(self.name(0.3), self.ref()) for _ in range(random.randint(0, 3))]
                return FuncProto(self.ref(), params)
        return random.choice(
            (
                Func(self.name(), self.ref()),
                Var(self.name(), self.ref()),
                DeclTag("bpf_kfunc", self.ref()),
            )
        )

    def btf(self) -> Btf:
        """The container."""
        builder = Builder()
        for number in NUMBERS:
            builder.add(number)
        for _ in range(self.count):
            view = self.one()
            builder.add(view)
            self.sizes.append(self.measured(view))
        return loads(dumps(builder.build()))

    def measured(self, view: TypeView) -> int:
        """The bytes of a type, 8 for what has none."""
        if isinstance(view, (Struct, Union, Enum, Enum64)):
            return view.size
        if isinstance(view, Array):
            return min(view.nelems * self.size_of(view.type_id), 1 << 32)
        if isinstance(view, (Typedef, Const, Volatile, Restrict, TypeTag)):
            return self.size_of(view.type_id)
        return 8


def hostile(seed: int) -> Btf:
    """A container; the same one for the same seed."""
    return Maker(Random(seed)).btf()
