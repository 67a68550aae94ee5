"""Which instructions of an object can be reached, once its relocations are filled in.

A poisoned instruction harms nobody where it is dead code: the kernel's verifier drops what stands
behind ``if (bpf_core_field_exists(...))`` when the answer is no. This follows constants through
registers, the stack, read-only data and calls as far as compilers take them, and takes both ways at
every branch that it can't tell.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from btfschema.co_re.insns import (
    ALU,
    ALU64,
    CALL,
    EXIT,
    INSN_SIZE,
    JMP,
    JMP32,
    LD,
    LD_IMM64,
    LDX,
    MODE,
    PLAIN,
    ST,
    STX,
    Insn,
    wide_value,
)
from btfschema.co_re.known import (
    FRAME,
    Address,
    Branch,
    State,
    Value,
    calculated,
    forget_call,
    put,
    store,
)
from btfschema.co_re.program import OPTIONAL, BpfObject
from btfschema.codec.header import ByteOrder
from btfschema.model.objectfile import Symbol

__all__ = ["Code", "Position", "reached"]

# A section, and an instruction in it.
Position = tuple[str, int]

# Where functions are that programs call; all others are programs.
TEXT = ".text"
PSEUDO_CALL = 1
ARGUMENTS = range(1, 6)


@frozen(eq=False)
class Code:
    """An object's instructions, and what they refer to.

    Attributes:
        insns: of each section, relocations filled in.
        functions: where functions start, ascending.
        links: the symbols that ELF's relocations put into instructions.
        symbols: all symbols.
        constants: read-only data; that of which the values are not known is left out.
        externs: whether the kernel has a symbol, as far as its BTF tells.
        byteorder: of the data.
    """

    insns: Mapping[str, Sequence[Insn]]
    functions: Mapping[str, Sequence[int]]
    links: Mapping[str, Mapping[int, Symbol]]
    symbols: Sequence[Symbol]
    constants: Mapping[str, bytes]
    externs: Mapping[str, bool]
    byteorder: ByteOrder

    @classmethod
    def of(
        cls,
        program: BpfObject,
        insns: Mapping[str, Sequence[Insn]],
        externs: Mapping[str, bool],
    ) -> Code:
        """The code of an object, with the initial values of its read-only data.

        Args:
            program: the object.
            insns: its instructions, relocations filled in.
            externs: whether the kernel has a symbol.
        """
        functions = {section: program.functions(section) for section in insns}
        symbols, order = program.symbols, program.btf.byteorder
        return cls(insns, functions, program.links, symbols, program.constants, externs, order)

    def roots(self) -> set[Position]:
        """Where the verifier begins, with nothing known: at programs, and at global functions.

        Kernels before 6.8 verify a global function even where dead code alone calls it.
        """
        shared = {
            (one.section or "", one.value // INSN_SIZE)
            for one in self.symbols
            if one.type == "function" and one.is_global and not one.is_hidden
        }
        roots = {
            (section, start)
            for section, starts in self.functions.items()
            if section != TEXT and not section.startswith(OPTIONAL)
            for start in starts
        }
        waiting, seen = list(roots), set(roots)
        while waiting:
            for target in self._called(waiting.pop()):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return roots | seen & shared

    def _called(self, function: Position) -> Iterator[Position]:
        """The functions that one calls or takes the address of."""
        section, start = function
        starts = self.functions[section]
        number = bisect_right(starts, start)
        end = starts[number] if number < len(starts) else len(self.insns[section])
        for at in range(start, end):
            target = self.target((section, at))
            if target is not None:
                yield target

    def target(self, position: Position) -> Position | None:
        """The function that an instruction calls or takes the address of; None for all others."""
        section, at = position
        insn, link = self.insns[section][at], self.links.get(section, {}).get(at)
        if insn.code == CALL and insn.src == PSEUDO_CALL:
            start = link.value // INSN_SIZE if link is not None else at
            found = (link.section if link is not None else section, start + insn.imm + 1)
        elif insn.code == LD_IMM64 and link is not None:
            found = (link.section, (link.value + insn.imm) // INSN_SIZE)
        else:
            return None
        name, start = found
        return (name, start) if name and start in self.functions.get(name, ()) else None

    def function(self, position: Position) -> Position:
        """The function that an instruction belongs to."""
        section, at = position
        starts = self.functions[section]
        return section, starts[max(bisect_right(starts, at) - 1, 0)]

    def wide(self, position: Position) -> Value | None:
        """What a load of 64 immediate bits gives."""
        section, at = position
        insns, link = self.insns[section], self.links.get(section, {}).get(at)
        insn = insns[at]
        if link is not None and link.section is None:
            known = self.externs.get(link.name)
            return None if known is None else Address(link.name, 0) if known else 0
        if link is not None:
            return Address(link.section or "", link.value + insn.imm)
        # With a source it is an address of a map, a variable or a function.
        if insn.src or at + 1 >= len(insns):
            return None
        return wide_value(insn, insns[at + 1])

    def constant(self, address: Address, width: int) -> int | None:
        """What read-only data holds."""
        at, data = address.offset, self.constants.get(address.section, b"")
        if not 0 <= at <= len(data) - width:
            return None
        return int.from_bytes(data[at : at + width], self.byteorder)


def reached(code: Code) -> frozenset[Position]:
    """The instructions that can be reached from the programs that libbpf loads."""
    flow = _Flow(code)
    roots = code.roots()
    for root in sorted(roots):
        flow.arrive(root, {})
    while flow.waiting:
        flow.step(flow.waiting.pop(), roots)
    return frozenset(flow.states)


@frozen(eq=False)
class _Flow:
    """What is known at each instruction that is reached.

    Attributes:
        code: the instructions.
        states: what is known before each.
        waiting: those to follow, since less is known there than was before.
        callers: of static functions, where they are called.
        results: of static functions that return, the value, or None where it is unknown or differs.
    """

    code: Code
    states: dict[Position, State] = field(factory=dict)
    waiting: list[Position] = field(factory=list)
    callers: dict[Position, set[Position]] = field(factory=dict)
    results: dict[Position, Value | None] = field(factory=dict)

    def arrive(self, position: Position, state: State) -> None:
        """Come to an instruction."""
        section, at = position
        if not 0 <= at < len(self.code.insns[section]):
            return
        known = self.states.get(position)
        if known is None:
            self.states[position] = dict(state)
        else:
            # Only what holds on all ways here holds here; each place is forgotten at most once.
            gone = [place for place, value in known.items() if state.get(place) != value]
            if not gone:
                return
            for place in gone:
                del known[place]
        self.waiting.append(position)

    def step(self, position: Position, roots: set[Position]) -> None:
        """Follow an instruction to where it leads."""
        section, at = position
        insn, state = self.code.insns[section][at], dict(self.states[position])
        if insn.code == EXIT:
            self.leave(self.code.function(position), state.get(0))
            return
        target = self.code.target(position)
        if target is not None and insn.code == CALL and target not in roots:
            self.call(position, target, state)
            return
        if target is not None and insn.code == LD_IMM64:
            # A helper calls it later, with anything.
            self.arrive(target, {})
        for place, after in self.after(position, insn, state):
            self.arrive((section, place), after)

    def call(self, position: Position, target: Position, state: State) -> None:
        """Call a static function, which the verifier follows with what is known."""
        section, at = position
        self.callers.setdefault(target, set()).add(position)
        self.arrive(target, {place: state[place] for place in ARGUMENTS if place in state})
        if target in self.results:
            forget_call(state)
            put(state, 0, self.results[target])
            self.arrive((section, at + 1), state)

    def leave(self, function: Position, value: Value | None) -> None:
        """Return from a function."""
        known = self.results.get(function, value)
        new = value if known == value else None
        if function not in self.results or new != known:
            self.results[function] = new
            self.waiting.extend(self.callers.get(function, ()))

    def after(self, position: Position, insn: Insn, state: State) -> list[tuple[int, State]]:
        """Where an instruction leads in its section, with what is known there."""
        at, group = position[1], insn.group
        if insn.code == LD_IMM64:
            put(state, insn.dst, self.code.wide(position))
            return [(at + 2, state)]
        if group in (ALU, ALU64):
            put(state, insn.dst, calculated(insn, state))
        elif group == LDX:
            put(state, insn.dst, self.loaded(insn, state))
        elif group in (ST, STX):
            store(insn, state)
        elif insn.code == CALL or group == LD:
            # Loads from packets are calls too.
            forget_call(state)
        elif group in (JMP, JMP32):
            return Branch.of(insn, at, state).ways()
        return [(at + 1, state)]

    def loaded(self, insn: Insn, state: State) -> Value | None:
        """What a load from the stack or from read-only data gives."""
        if insn.src == FRAME:
            return state.get(insn.off) if insn.width == 8 and insn.off < 0 else None
        address = state.get(insn.src)
        if not isinstance(address, Address) or insn.code & MODE != PLAIN:
            return None
        return self.code.constant(Address(address.section, address.offset + insn.off), insn.width)
