"""BPF instructions, as far as CO-RE patches them (``bpf_core_patch_insn``)."""

from __future__ import annotations

import struct

from attrs import evolve, frozen

from btfschema.co_re.values import MASK32, MASK64, Patch
from btfschema.codec.header import ByteOrder
from btfschema.errors import CoreError

__all__ = ["INSN_SIZE", "POISON", "Insn", "decode", "patched", "wide_value"]

INSN_SIZE = 8
# Instruction classes, sources and sizes (include/uapi/linux/bpf_common.h, bpf.h).
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
BY_REGISTER = 0x08
WIDTHS = {0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8}
WIDTH_MASK = 0x18
# How a load or store accesses memory.
MODE, PLAIN, ATOMIC = 0xE0, 0x60, 0xC0
OPERATION = 0xF0
LD_IMM64 = 0x18
CALL, EXIT = 0x85, 0x95
MAX_OFFSET = 0x7FFF
BAD_RELO = 195896080


@frozen
class Insn:
    """One instruction (``struct bpf_insn``)."""

    code: int
    dst: int
    src: int
    off: int
    imm: int

    @property
    def group(self) -> int:
        """The instruction's class."""
        return self.code & 7

    @property
    def width(self) -> int:
        """Bytes that a load or store accesses."""
        return WIDTHS[self.code & WIDTH_MASK]


# What libbpf writes instead of an instruction that it can't relocate: a call to no helper.
POISON = Insn(CALL, 0, 0, 0, BAD_RELO)


def decode(code: bytes, byteorder: ByteOrder) -> list[Insn]:
    """The instructions of a program section; an incomplete one at the end is left out."""
    form = "<BBhi" if byteorder == "little" else ">BBhi"
    whole = len(code) // INSN_SIZE * INSN_SIZE
    low_first = byteorder == "little"
    return [
        Insn(op, *((regs & 15, regs >> 4) if low_first else (regs >> 4, regs & 15)), off, imm)
        for op, regs, off, imm in struct.iter_unpack(form, code[:whole])
    ]


def wide_value(first: Insn, second: Insn) -> int:
    """What the two instructions of a load of 64 immediate bits hold."""
    return first.imm & MASK32 | (second.imm & MASK32) << 32


def patched(insns: list[Insn], at: int, patch: Patch) -> list[Insn]:
    """What libbpf writes at an instruction: one or two, or :data:`POISON` in their place.

    Args:
        insns: the section's.
        at: which of them.
        patch: what the relocation comes to.

    Raises:
        CoreError: libbpf refuses the object here: the instruction is none that can be relocated,
            it does not hold what the program's own types say, or the new value does not fit.
    """
    if not 0 <= at < len(insns):
        raise CoreError(f"there is no instruction {at}", got=at, expected=f"0..{len(insns) - 1}")
    insn = insns[at]
    if insn.group in (ALU, ALU64):
        if insn.code & BY_REGISTER:
            raise _unexpected(at, insn)
        _check_held(at, insn.imm & MASK64, patch, signed=insn.imm)
        return [POISON if patch.poison else evolve(insn, imm=_signed32(patch.value))]
    if insn.group in (LDX, ST, STX):
        return [_memory(at, insn, patch)]
    return _wide(insns, at, patch)


def _signed32(value: int) -> int:
    low = value & MASK32
    return low - (low >> 31 << 32)


def _unexpected(at: int, insn: Insn) -> CoreError:
    return CoreError(
        f"instruction {at} has code {insn.code:#04x}, which is none that can be relocated",
        got=insn.code,
        expected="a load, a store, or an operation with an immediate value",
    )


def _check_held(at: int, held: int, patch: Patch, *, signed: int) -> None:
    """The instruction must hold what the program's types say, where that is certain."""
    if not patch.poison and patch.validate and held != patch.original:
        raise CoreError(
            f"instruction {at} holds {signed}, and the program's types say {patch.original}",
            got=signed,
            expected=f"{patch.original}",
        )


def _memory(at: int, insn: Insn, patch: Patch) -> Insn:
    """A load or store: its offset, and its width where the field's changed."""
    if patch.poison:
        return POISON
    _check_held(at, insn.off & MASK64, patch, signed=insn.off)
    if patch.value > MAX_OFFSET:
        raise CoreError(
            f"instruction {at} can't hold the offset {patch.value}",
            got=patch.value,
            expected=f"at most {MAX_OFFSET}",
        )
    if patch.bad_size:
        return POISON
    code = insn.code
    if patch.size != patch.original_size:
        if insn.width != patch.original_size:
            raise CoreError(
                f"instruction {at} accesses {insn.width} bytes of a field of "
                f"{patch.original_size} bytes, which has {patch.size} on this kernel",
                got=insn.width,
                expected=f"{patch.original_size}",
            )
        widths = [bits for bits, width in WIDTHS.items() if width == patch.size]
        if not widths:
            raise CoreError(
                f"instruction {at} can't access {patch.size} bytes",
                got=patch.size,
                expected="1, 2, 4 or 8",
            )
        code = code & ~WIDTH_MASK | widths[0]
    return evolve(insn, code=code, off=patch.value)


def _wide(insns: list[Insn], at: int, patch: Patch) -> list[Insn]:
    """A load of 64 immediate bits, which takes two instructions."""
    insn = insns[at]
    if insn.code != LD_IMM64:
        raise _unexpected(at, insn)
    if at + 1 >= len(insns):
        raise CoreError(f"instruction {at} is a load of 64 bits that is cut off", got=at)
    second = insns[at + 1]
    if (insn.src, insn.off, second.code, second.dst, second.src, second.off) != (0,) * 6:
        raise _unexpected(at, insn)
    if patch.poison:
        return [POISON, POISON]
    held = wide_value(insn, second)
    _check_held(at, held, patch, signed=held)
    return [
        evolve(insn, imm=_signed32(patch.value)),
        evolve(second, imm=_signed32(patch.value >> 32)),
    ]
