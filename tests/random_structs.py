"""Random C structs that are hard to lay out: packed, aligned, with bit fields, one in another."""

from __future__ import annotations

import random

__all__ = ["random_structs"]

INTEGERS = {
    "char": 8,
    "signed char": 8,
    "short": 16,
    "unsigned short": 16,
    "int": 32,
    "unsigned int": 32,
    "long": 64,
    "unsigned long": 64,
    "_Bool": 1,
    "enum colour": 32,
}
OTHERS = ("void *", "double", "float", "__int128", "union both", "wide_t", "volatile int")
ALIGNMENTS = (1, 2, 4, 8, 16, 32, 64)
HEAD = """\
enum colour { RED = -1, GREEN };
union both { char c[6]; short s; };
typedef const long wide_t;
"""


def random_structs(count: int, seed: int) -> tuple[str, dict[str, bool]]:
    """C source of so many structs ``s0``, ``s1``, ..., each used by a variable.

    Returns:
        The source, and of each struct whether it or one of its members is said to be packed.
    """
    choose = random.Random(seed)
    lines, packed = [HEAD], dict[str, bool]()
    for number in range(count):
        name = f"s{number}"
        is_packed = choose.random() < 0.5
        members = [_member(choose, place, number) for place in range(choose.randint(1, 8))]
        some = any("packed" in member for member in members)
        attributes = ["packed"] * is_packed
        if choose.random() < 0.15:
            attributes.append(f"aligned({choose.choice(ALIGNMENTS)})")
        after = f" __attribute__(({', '.join(attributes)}))" if attributes else ""
        lines.append(f"struct {name} {{ {' '.join(members)} }}{after}; struct {name} v{number};")
        packed[name] = is_packed or some
    return "\n".join(lines) + "\n", packed


def _member(choose: random.Random, place: int, number: int) -> str:
    kind = choose.random()
    if kind < 0.55:
        type_ = choose.choice(list(INTEGERS))
        width = choose.randint(1, INTEGERS[type_])
        if choose.random() < 0.1 and place:
            return (
                f"{type_} : {choose.choice([0, width])};" if type_ != "_Bool" else f"int : {width};"
            )
        return f"{type_} m{place} : {width};"
    after = ""
    if choose.random() < 0.1:
        after = f" __attribute__((aligned({choose.choice(ALIGNMENTS)})))"
    elif choose.random() < 0.05:
        after = " __attribute__((packed))"
    if kind < 0.65 and number:
        type_ = f"struct s{choose.randrange(max(0, number - 40), number)}"
    elif kind < 0.8:
        type_ = choose.choice(OTHERS)
    else:
        type_ = choose.choice(list(INTEGERS))
    array = choose.choice(["", "", "[3]", "[0]"])
    return f"{type_} m{place}{array}{after};"
