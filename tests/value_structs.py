"""Random C structs, and a C program that reads and writes their members."""

from __future__ import annotations

from random import Random

from attrs import define, field, frozen

__all__ = ["FLOATS", "Leaf", "Source", "source"]

SIGNED = ("signed char", "short", "int", "long", "long long", "__int128")
UNSIGNED = (
    "unsigned char",
    "unsigned short",
    "unsigned int",
    "unsigned long",
    "unsigned long long",
    "unsigned __int128",
)
BITS = {
    "signed char": 8,
    "short": 16,
    "int": 32,
    "long": 64,
    "long long": 64,
    "__int128": 128,
    "unsigned char": 8,
    "unsigned short": 16,
    "unsigned int": 32,
    "unsigned long": 64,
    "unsigned long long": 64,
    "unsigned __int128": 128,
    "void *": 64,
}
FLOATS = {"float": 4, "double": 8, "long double": 16}
ENUM = "enum colour"
# None is negative: GCC 12 does not say in BTF that an enum is signed.
COLOURS = {"RED": 0, "GREEN": 1, "BLUE": 5, "NONE": 9}
BIT_FIELD_TYPES = (*SIGNED[:5], *UNSIGNED[:5], "_Bool", ENUM)


@frozen
class Leaf:
    """A member that is a number.

    Attributes:
        path: from the struct, the same in C and here.
        type: its C type.
        width: of a bit field, or 0.
        written: whether it is given a value: of a union's members one is.
    """

    path: str
    type: str
    width: int
    written: bool

    @property
    def low_and_high(self) -> tuple[int, int]:
        """The values that fit."""
        if self.type == "_Bool":
            return 0, 1
        bits = self.width or BITS.get(self.type, 32)
        signed = self.type in SIGNED
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


@define
class _Maker:
    """Makes one struct."""

    random: Random
    leaves: list[Leaf] = field(factory=list)
    count: int = 0

    def name(self) -> str:
        self.count += 1
        return f"m{self.count}"

    def body(self, prefix: str, depth: int, written: bool, union: bool = False) -> str:
        """The members of a struct or union, in braces."""
        lines = []
        chosen = self.random.randrange(4)
        for number in range(self.random.randint(1, 4 if union else 7)):
            one = written and (not union or number == min(chosen, 0))
            lines.append(self.member(prefix, depth, one))
        return "{ " + " ".join(lines) + " }"

    def member(self, prefix: str, depth: int, written: bool) -> str:
        kind = self.random.choice(["number", "bits", "bits", "bits", "array", "inner", "gap"])
        if kind == "inner" and depth < 2:
            return self.inner(prefix, depth, written)
        if kind == "gap":
            width = self.random.choice([0, 1, 5, 9])
            return f"int : {width};"
        name = self.name()
        if kind == "bits":
            type_ = self.random.choice(BIT_FIELD_TYPES)
            most = 1 if type_ == "_Bool" else BITS.get(type_, 32)
            width = self.random.randint(4 if type_ == ENUM else 1, most) if most > 1 else 1
            self.leaves.append(Leaf(prefix + name, type_, width, written))
            return f"{type_} {name} : {width};"
        type_ = self.random.choice([*SIGNED, *UNSIGNED, *FLOATS, "_Bool", ENUM, "void *"])
        if kind == "array":
            # Of one dimension: GCC 12 turns those of int[1][2] around in BTF.
            count = self.random.randint(1, 3)
            for i in range(count):
                self.leaves.append(Leaf(f"{prefix}{name}[{i}]", type_, 0, written))
            return f"{type_} {name}[{count}];"
        self.leaves.append(Leaf(prefix + name, type_, 0, written))
        return f"{type_} {name};"

    def inner(self, prefix: str, depth: int, written: bool) -> str:
        word = self.random.choice(["struct", "union"])
        name = self.random.choice(["", self.name()])
        path = f"{prefix}{name}." if name else prefix
        packed = self.random.choice(["", "", " __attribute__((packed))"])
        body = self.body(path, depth + 1, written, union=word == "union")
        return f"{word} {body}{packed} {name};"


@frozen
class Source:
    """A program, and what it is asked.

    Attributes:
        text: C.
        leaves: of each struct ``s0``, ``s1``, ...
        values: what is written to each struct's leaves.
    """

    text: str = field(repr=False)
    leaves: list[list[Leaf]] = field(repr=False)
    values: list[dict[str, int | float]] = field(repr=False)


def source(count: int, seed: int) -> Source:
    """A program over ``count`` random structs.

    It reads the bytes of each struct from standard input, and prints all members as they are
    in these, a line each: 16 bytes of two's complement in hexadecimal. Then it prints the bytes of
    each struct whose members were given values.
    """
    random = Random(seed)
    head = ["#include <stdio.h>", "#include <string.h>"]
    colours = ", ".join(f"{name} = {value}" for name, value in COLOURS.items())
    head += [f"{ENUM} {{ {colours} }};", *PRINTERS]
    all_leaves, all_values, main = [], [], []
    for number in range(count):
        maker = _Maker(random)
        body = maker.body("", 0, True)
        packed = random.choice(["", "", " __attribute__((packed))"])
        head.append(f"struct s{number} {body}{packed};")
        head.append(f"struct s{number} v{number};")
        values: dict[str, int | float] = {}
        lines = [f"if (sizeof v{number}) fread(&v{number}, sizeof v{number}, 1, stdin);"]
        lines.append(f'printf("struct %zu\\n", sizeof v{number});')
        for leaf in maker.leaves:
            lines.append(_shown(f"v{number}.{leaf.path}", leaf))
        lines.append(f"memset(&v{number}, 0, sizeof v{number});")
        for leaf in maker.leaves:
            if leaf.written:
                values[leaf.path] = _value(random, leaf)
                lines.append(f"v{number}.{leaf.path} = {_literal(values[leaf.path], leaf)};")
        lines.append(f"dump(&v{number}, sizeof v{number});")
        head.append(f"static void do{number}(void) {{\n{chr(10).join(lines)}\n}}")
        main.append(f"do{number}();")
        all_leaves.append(maker.leaves)
        all_values.append(values)
    text = "\n".join([*head, f"int main(void) {{ {' '.join(main)} return 0; }}", ""])
    return Source(text, all_leaves, all_values)


PRINTERS = (
    "static void number(unsigned __int128 n) {",
    '    printf("%016llx%016llx\\n", (unsigned long long)(n >> 64), (unsigned long long)n); }',
    "static void dump(const void *p, size_t n) {",
    "    const unsigned char *b = p; size_t i;",
    '    for (i = 0; i < n; i++) printf("%02x", b[i]); printf("\\n"); }',
    "static unsigned __int128 word(const void *p, size_t n) {",
    "    unsigned char b; unsigned short h; unsigned int w; unsigned long l; unsigned __int128 q;",
    "    switch (n) {",
    "    case 1: memcpy(&b, p, 1); return b;",
    "    case 2: memcpy(&h, p, 2); return h;",
    "    case 4: memcpy(&w, p, 4); return w;",
    "    case 8: memcpy(&l, p, 8); return l;",
    "    default: memcpy(&q, p, 16); return q; } }",
)


def _shown(expression: str, leaf: Leaf) -> str:
    """C that prints a member."""
    if leaf.width:
        return f"number((__int128)({expression}));"
    if leaf.type in FLOATS or leaf.type in ("_Bool", "void *"):
        return f"number(word(&{expression}, sizeof {expression}));"
    return f"number((__int128)({expression}));"


def _value(random: Random, leaf: Leaf) -> int | float:
    if leaf.type in FLOATS:
        return random.choice([0.0, 1.5, -2.25, 1e10, -1 / 1024])
    if leaf.type == ENUM and random.random() < 0.5:
        return random.choice(list(COLOURS.values()))
    low, high = leaf.low_and_high
    return random.choice([low, high, 0, random.randint(low, high)])


def _literal(value: int | float, leaf: Leaf) -> str:
    if isinstance(value, float):
        return repr(value)
    if leaf.type == "void *":
        return f"(void *){value}ul"
    bits = value & (1 << 128) - 1
    wide = f"(((unsigned __int128){bits >> 64}ull << 64) | {bits & (1 << 64) - 1}ull)"
    return f"({leaf.type}){wide}"
