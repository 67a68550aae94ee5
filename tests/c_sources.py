"""Hypothesis strategies for C declarations."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["sources"]

NUMBERS = {
    "char": 8,
    "unsigned char": 8,
    "short": 16,
    "unsigned int": 32,
    "int": 32,
    "long": 64,
    "unsigned long long": 64,
    "_Bool": 1,
}
ATTRIBUTES = ("", "", "", " __attribute__((packed))", " __attribute__((aligned(16)))")


class Maker:
    """Makes declarations that refer to earlier ones.

    Args:
        draw: of a composite strategy.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.complete = list(NUMBERS)
        self.incomplete = ["void", "struct never_defined"]
        # Typedefs that may be arrays.
        self.arrays: set[str] = set()
        self.count = 0

    def name(self, start: str) -> str:
        """A name that no other declaration has."""
        self.count += 1
        return f"{start}{self.count}"

    def pick(self, *choices: str) -> str:
        """One of these."""
        return self.draw(st.sampled_from(choices))

    def declarator(self, name: str) -> tuple[str, list[str]]:
        """What surrounds a name, and the types that may stand before it."""
        text, by_pointer, form = name, False, ""
        for _ in range(self.draw(st.integers(0, 3))):
            # No function returns an array.
            forms = ("pointer", "const pointer", "function", "array")
            form = self.pick(*forms[: 3 if form == "function" else 4])
            if form == "function":
                text, by_pointer = f"(*{text})({self.params()})", True
            elif form == "array":
                text = f"{text}[{self.draw(st.integers(0 if text == name else 1, 3))}]"
                if by_pointer:
                    text = f"(*{text})"
                    continue
            else:
                qualifier = " const " if form.startswith("const") else ""
                text, by_pointer = f"(*{qualifier}{text})", True
        types = self.complete + self.incomplete if by_pointer else self.complete
        if form == "function":
            types = [one for one in types if one not in self.arrays]
        return text, types

    def params(self) -> str:
        """Parameters of a function."""
        count = self.draw(st.integers(0, 3))
        if not count:
            return "void"
        params = [
            self.pick(*self.complete) + " *" * self.draw(st.integers(0, 1)) for _ in range(count)
        ]
        return ", ".join(params + ["..."] * self.draw(st.booleans()))

    def member(self, depth: int) -> str:
        """One member of a struct."""
        form = self.pick("plain", "plain", "bits", "anonymous", "padding")
        if form == "bits":
            number = self.pick(*NUMBERS)
            return f"{number} {self.name('b')} : {self.draw(st.integers(1, NUMBERS[number]))};"
        if form == "padding":
            return f"int : {self.draw(st.integers(0, 32))};"
        if form == "anonymous" and depth < 3:
            name = self.pick("", self.name("m"))
            return f"{self.pick('struct', 'union')} {{ {self.members(depth + 1)} }} {name};"
        declarator, types = self.declarator(self.name("m"))
        qualifier = self.pick("", "", "const ", "volatile ")
        return f"{qualifier}{self.pick(*types)} {declarator};"

    def members(self, depth: int) -> str:
        """The members of a struct."""
        count = self.draw(st.integers(0 if depth else 1, 4))
        return " ".join(self.member(depth) for _ in range(count))

    def declaration(self) -> str:
        """A struct, union, enum or typedef at file scope."""
        form = self.pick("struct", "struct", "union", "enum", "typedef")
        name = self.name("t")
        if form == "enum":
            values = self.draw(
                st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1, max_size=3)
            )
            body = ", ".join(f"{self.name('E')} = {value}" for value in values)
            text = f"enum {name} {{ {body} }};"
        elif form == "typedef":
            declarator, types = self.declarator(name)
            of = self.pick(*types)
            if "[" in declarator or of in self.arrays:
                self.arrays.add(name)
            text = f"typedef {of} {declarator};"
        else:
            # It may point to itself from the start.
            self.incomplete.append(f"{form} {name}")
            # Only an attribute can make a union so large that C needs one more member for it.
            attribute = self.pick(*ATTRIBUTES) if form == "struct" else ""
            text = f"{form} {name} {{ {self.members(0)} }}{attribute};"
        self.complete.append(name if form == "typedef" else f"{form} {name}")
        return text


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A few declarations, each on a line, that compilers for 64 bits accept."""
    maker = Maker(draw)
    count = draw(st.integers(1, 5))
    return "".join(maker.declaration() + "\n" for _ in range(count))
