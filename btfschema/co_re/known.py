"""What is known of registers and the stack while a program runs: constants and addresses."""

from __future__ import annotations

from typing import NamedTuple

from attrs import frozen

from btfschema.co_re.insns import (
    ALU64,
    ATOMIC,
    BY_REGISTER,
    JMP,
    MODE,
    OPERATION,
    PLAIN,
    ST,
    STX,
    Insn,
)
from btfschema.co_re.values import MASK32, MASK64

__all__ = [
    "FRAME",
    "Address",
    "Branch",
    "State",
    "Value",
    "calculated",
    "forget_call",
    "put",
    "store",
]

JA, GOTOL = 0x05, 0x06
MOV, ADD = 0xB0, 0x00
EQUAL, UNEQUAL = 0x10, 0x50
FETCH, EXCHANGE = 0x01, 0xF1
FRAME = 10
CLOBBERED = range(6)


class Address(NamedTuple):
    """An address, which is never 0.

    Attributes:
        section: the section of data that it lies in, or a symbol of the kernel.
        offset: in bytes from the start.
    """

    section: str
    offset: int


Value = int | Address
# What stands at a place of which nothing is known is missing; a place is a register's number, or a
# negative offset from the frame pointer.
State = dict[int, Value]


def put(state: State, place: int, value: Value | None) -> None:
    """Note a place's value, or forget it."""
    if value is None:
        state.pop(place, None)
    else:
        state[place] = value & MASK64 if isinstance(value, int) else value


def store(insn: Insn, state: State) -> None:
    """A store: into a slot of the stack, or somewhere that may be any of them."""
    if insn.group == STX and insn.code & MODE == ATOMIC and insn.imm & FETCH:
        # What was there goes to the register that was added, or to r0.
        put(state, 0 if insn.imm == EXCHANGE else insn.src, None)
    if insn.dst != FRAME:
        for place in [place for place in state if place < 0]:
            del state[place]
        return
    for place in [place for place in state if place < 0 and abs(place - insn.off) < 8]:
        del state[place]
    if insn.width == 8 and insn.off < 0:
        plain = insn.group == ST or insn.code & MODE == PLAIN
        value = insn.imm & MASK64 if insn.group == ST else state.get(insn.src)
        put(state, insn.off, value if plain else None)


def forget_call(state: State) -> None:
    """A call changes r0 to r5, and may write through pointers to the stack."""
    for place in [place for place in state if place < 0 or place in CLOBBERED]:
        del state[place]


def _operand(insn: Insn, state: State) -> Value | None:
    if insn.code & BY_REGISTER:
        return state.get(insn.src)
    return insn.imm & MASK64


def calculated(insn: Insn, state: State) -> Value | None:
    """The value that an arithmetic instruction gives, or None when it is not known."""
    right, left = _operand(insn, state), state.get(insn.dst)
    operation = insn.code & OPERATION
    if isinstance(right, Address) or (isinstance(left, Address) and operation != MOV):
        return _moved(insn, left, right)
    bits = 64 if insn.group == ALU64 else 32
    mask = MASK64 if bits == 64 else MASK32
    if operation == MOV:
        # Moves with sign extension have an offset.
        return None if right is None or insn.off else right & mask
    if right is None or not isinstance(left, int):
        return None
    left, right = left & mask, right & mask
    shift = right & bits - 1
    known = {
        ADD: left + right,
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


def _moved(insn: Insn, left: Value | None, right: Value | None) -> Address | None:
    """An address that is copied, or to which a constant is added."""
    if insn.group != ALU64 or insn.off:
        return None
    operation = insn.code & OPERATION
    if operation == MOV and isinstance(right, Address):
        return right
    if operation == ADD and isinstance(left, Address) and isinstance(right, int):
        return Address(left.section, left.offset + _signed(right, 64))
    return None


def _signed(value: int, bits: int) -> int:
    return value - (value >> bits - 1 << bits)


@frozen
class Branch:
    """A jump and what it compares; a value is None when it is not known."""

    insn: Insn
    at: int
    state: State
    left: Value | None
    right: Value | None

    @classmethod
    def of(cls, insn: Insn, at: int, state: State) -> Branch:
        """The jump at an instruction, with what is known there."""
        return cls(insn, at, state, state.get(insn.dst), _operand(insn, state))

    def ways(self) -> list[tuple[int, State]]:
        """Where it leads, with what is known there."""
        insn, then = self.insn, self.at + 1 + self.insn.off
        if insn.code == JA:
            return [(then, self.state)]
        if insn.code == GOTOL:
            return [(self.at + 1 + insn.imm, self.state)]
        taken = self.taken()
        ways = []
        if taken is not True:
            ways.append((self.at + 1, self.knowing(UNEQUAL)))
        if taken is not False:
            ways.append((then, self.knowing(EQUAL)))
        return ways

    def taken(self) -> bool | None:
        """Whether it jumps, as far as the values tell."""
        operation = self.insn.code & OPERATION
        if isinstance(self.left, Address) and self.right == 0 and self.insn.group == JMP:
            return {EQUAL: False, UNEQUAL: True}.get(operation)
        if not isinstance(self.left, int) or not isinstance(self.right, int):
            return None
        bits = 64 if self.insn.group == JMP else 32
        mask = (1 << bits) - 1
        left, right = self.left & mask, self.right & mask
        one, other = _signed(left, bits), _signed(right, bits)
        answers = {
            EQUAL: left == right,
            0x20: left > right,
            0x30: left >= right,
            0x40: bool(left & right),
            UNEQUAL: left != right,
            0x60: one > other,
            0x70: one >= other,
            0xA0: left < right,
            0xB0: left <= right,
            0xC0: one < other,
            0xD0: one <= other,
        }
        return answers.get(operation)

    def knowing(self, operation: int) -> State:
        """What is known on a way where both sides are equal if the jump is for ``operation``."""
        state = dict(self.state)
        same = self.insn.code & OPERATION == operation
        if same and self.insn.group == JMP and self.right is not None:
            state[self.insn.dst] = self.right
        return state
