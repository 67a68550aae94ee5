"""Which instructions of a program can be reached, once its relocations are filled in.

A poisoned instruction harms nobody where it is dead code: the kernel's verifier drops what stands
behind ``if (bpf_core_field_exists(...))`` when the answer is no. This follows constants through
registers and the stack as far as compilers take them, and takes both ways at every branch that it
can't tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from btfschema.co_re.insns import ALU, ALU64, BY_REGISTER, CALL, JMP, JMP32, LD, LDX, ST, STX, Insn
from btfschema.co_re.values import MASK64

__all__ = ["reached"]

EXIT, JA, GOTOL = 0x95, 0x05, 0x06
LD_IMM64 = 0x18
IMM_OPERATIONS = 0xF0
FRAME = 10
CLOBBERED = range(6)
MASK32 = 0xFFFFFFFF
# What stands at a place of which nothing is known is missing; a place is a register's number, or a
# negative offset from the frame pointer.
State = dict[int, int]


def reached(insns: Sequence[Insn], entries: Iterable[int]) -> frozenset[int]:
    """The instructions that can be reached from the functions' first ones.

    Args:
        insns: a section's, its relocations filled in.
        entries: where functions start.
    """
    states: dict[int, State] = {}
    waiting: list[int] = []

    def arrive(at: int, state: State) -> None:
        if not 0 <= at < len(insns):
            return
        known = states.get(at)
        if known is None:
            states[at] = dict(state)
        else:
            # Only what holds on all ways here holds here; each place is forgotten at most once.
            gone = [place for place, value in known.items() if state.get(place) != value]
            if not gone:
                return
            for place in gone:
                del known[place]
        waiting.append(at)

    for entry in entries:
        arrive(entry, {})
    while waiting:
        at = waiting.pop()
        for target, state in _after(insns, at, dict(states[at])):
            arrive(target, state)
    return frozenset(states)


def _after(insns: Sequence[Insn], at: int, state: State) -> list[tuple[int, State]]:
    """Where an instruction leads, with what is known there."""
    insn = insns[at]
    group = insn.group
    if insn.code == EXIT:
        return []
    if group == LD and insn.code == LD_IMM64:
        wide = at + 1 < len(insns)
        value = insn.imm & MASK32 | (insns[at + 1].imm & MASK32) << 32 if wide else None
        # With a source it is an address of a map, a variable or a function.
        _set(state, insn.dst, value if not insn.src else None)
        return [(at + 2, state)]
    if group in (ALU, ALU64):
        _set(state, insn.dst, _calculated(insn, state))
    elif group == LDX:
        slot = insn.off if insn.src == FRAME and insn.width == 8 else None
        _set(state, insn.dst, state.get(slot) if slot is not None and slot < 0 else None)
    elif group in (ST, STX):
        _store(insn, state)
    elif insn.code == CALL:
        _forget_call(state)
    elif group in (JMP, JMP32):
        return _Branch.of(insn, at, state).ways()
    return [(at + 1, state)]


def _set(state: State, place: int, value: int | None) -> None:
    if value is None:
        state.pop(place, None)
    else:
        state[place] = value & MASK64


def _store(insn: Insn, state: State) -> None:
    """A store: into a slot of the stack, or somewhere that may be any of them."""
    if insn.dst != FRAME:
        for place in [place for place in state if place < 0]:
            del state[place]
        return
    for place in [place for place in state if place < 0 and abs(place - insn.off) < 8]:
        del state[place]
    if insn.width == 8 and insn.off < 0:
        plain = insn.group == ST or insn.code & 0xE0 == 0x60
        value = insn.imm & MASK64 if insn.group == ST else state.get(insn.src)
        _set(state, insn.off, value if plain else None)


def _forget_call(state: State) -> None:
    """A call changes r0 to r5, and may write through pointers to the stack."""
    for place in [place for place in state if place < 0 or place in CLOBBERED]:
        del state[place]


def _operand(insn: Insn, state: State) -> int | None:
    if insn.code & BY_REGISTER:
        return state.get(insn.src)
    return insn.imm & MASK64


def _calculated(insn: Insn, state: State) -> int | None:
    """The value that an arithmetic instruction gives, or None when it is not known."""
    right, left = _operand(insn, state), state.get(insn.dst)
    operation = insn.code & IMM_OPERATIONS
    bits = 64 if insn.group == ALU64 else 32
    mask = MASK64 if bits == 64 else MASK32
    if operation == 0xB0:
        # Moves with sign extension have an offset.
        return None if right is None or insn.off else right & mask
    if right is None or left is None:
        return None
    left, right = left & mask, right & mask
    shift = right & bits - 1
    known = {
        0x00: left + right,
        0x10: left - right,
        0x20: left * right,
        0x40: left | right,
        0x50: left & right,
        0x60: left << shift,
        0x70: left >> shift,
        0xA0: left ^ right,
        0xC0: _signed(left, bits) >> shift,
    }
    value = known.get(operation)
    return None if value is None else value & mask


def _signed(value: int, bits: int) -> int:
    return value - (value >> bits - 1 << bits)


@frozen
class _Branch:
    """A jump and what it compares; a value is None when it is not known."""

    insn: Insn
    at: int
    state: State
    left: int | None
    right: int | None

    @classmethod
    def of(cls, insn: Insn, at: int, state: State) -> _Branch:
        return cls(insn, at, state, state.get(insn.dst), _operand(insn, state))

    def ways(self) -> list[tuple[int, State]]:
        insn, then = self.insn, self.at + 1 + self.insn.off
        if insn.code == JA:
            return [(then, self.state)]
        if insn.code == GOTOL:
            return [(self.at + 1 + insn.imm, self.state)]
        taken = self.taken()
        ways = []
        if taken is not True:
            ways.append((self.at + 1, self.knowing(0x50)))
        if taken is not False:
            ways.append((then, self.knowing(0x10)))
        return ways

    def taken(self) -> bool | None:
        """Whether it jumps, as far as the values tell."""
        if self.left is None or self.right is None:
            return None
        bits = 64 if self.insn.group == JMP else 32
        mask = (1 << bits) - 1
        left, right = self.left & mask, self.right & mask
        one, other = _signed(left, bits), _signed(right, bits)
        answers = {
            0x10: left == right,
            0x20: left > right,
            0x30: left >= right,
            0x40: bool(left & right),
            0x50: left != right,
            0x60: one > other,
            0x70: one >= other,
            0xA0: left < right,
            0xB0: left <= right,
            0xC0: one < other,
            0xD0: one <= other,
        }
        return answers.get(self.insn.code & IMM_OPERATIONS)

    def knowing(self, operation: int) -> State:
        """What is known on a way: both sides are equal where the comparison says so."""
        state = dict(self.state)
        same = self.insn.code & IMM_OPERATIONS == operation
        if same and self.insn.group == JMP and self.right is not None:
            state[self.insn.dst] = self.right
        return state
