"""Floating-point numbers of every size that C has, as Python floats.

IEEE 754 binary16, 32 and 64 are exact. A ``long double`` of 12 or 16 bytes is rounded to a double:
BTF says its size alone, so a little-endian one is taken for x87's 80 bits, as on x86, and a
big-endian one for IEEE binary128, as on s390x.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from btfschema.codec.header import ByteOrder

__all__ = ["FLOAT_CODES", "FLOAT_SIZES", "decode_float", "encode_float"]

FLOAT_CODES = {2: "e", 4: "f", 8: "d"}
"""What :mod:`struct` and numpy call the sizes that they know."""

FLOAT_SIZES = (*FLOAT_CODES, 12, 16)

EXPONENT_BITS = 15
BIAS = (1 << EXPONENT_BITS - 1) - 1
SPECIAL = (1 << EXPONENT_BITS) - 1
# Bits after the sign and the exponent: x87 writes the leading 1, binary128 does not.
X87_BITS, QUAD_BITS = 64, 112
X87_SIZE = 10


def decode_float(data: bytes, order: ByteOrder) -> float:
    """The number in ``data``, whose length says its form."""
    code = FLOAT_CODES.get(len(data))
    if code is not None:
        (number,) = struct.unpack(("<" if order == "little" else ">") + code, data)
        return float(number)
    if order == "little":
        word = int.from_bytes(data[:X87_SIZE], "little")
        return _decoded(word, X87_BITS, explicit=True)
    return _decoded(int.from_bytes(data, "big"), 8 * len(data) - 1 - EXPONENT_BITS, explicit=False)


def encode_float(number: float, size: int, order: ByteOrder) -> bytes:
    """The inverse of :func:`decode_float`.

    Raises:
        OverflowError: the number is too large for the form.
    """
    code = FLOAT_CODES.get(size)
    if code is not None:
        return struct.pack(("<" if order == "little" else ">") + code, number)
    if order == "little":
        word = _encoded(number, X87_BITS, explicit=True)
        return word.to_bytes(X87_SIZE, "little").ljust(size, b"\0")
    return _encoded(number, 8 * size - 1 - EXPONENT_BITS, explicit=False).to_bytes(size, "big")


def _decoded(word: int, bits: int, *, explicit: bool) -> float:
    """A number from its sign, exponent and ``bits`` bits of fraction."""
    fraction = word & (1 << bits) - 1
    exponent = word >> bits & SPECIAL
    sign = -1.0 if word >> (bits + EXPONENT_BITS) & 1 else 1.0
    point = bits - 1 if explicit else bits
    if exponent == SPECIAL:
        is_infinite = not fraction & (1 << point) - 1
        return math.copysign(math.inf if is_infinite else math.nan, sign)
    if exponent and not explicit:
        fraction |= 1 << bits
    return sign * _scaled(math.ldexp, fraction, max(exponent, 1) - BIAS - point)


def _scaled(ldexp: Callable[[float, int], float], fraction: int, exponent: int) -> float:
    try:
        return ldexp(float(fraction), exponent)
    except OverflowError:
        return math.inf


def _encoded(number: float, bits: int, *, explicit: bool) -> int:
    """The sign, exponent and fraction of a number as one word."""
    sign = int(math.copysign(1.0, number) < 0) << (bits + EXPONENT_BITS)
    leading = 1 << (bits - 1) if explicit else 0
    if math.isnan(number):
        quiet = 1 << (bits - 2 if explicit else bits - 1)
        return sign | SPECIAL << bits | leading | quiet
    if math.isinf(number):
        return sign | SPECIAL << bits | leading
    if not number:
        return sign
    mantissa, exponent = math.frexp(abs(number))
    # A double's 53 bits always fit, and its exponent is never too small to be normal here.
    digits = bits if explicit else bits + 1
    fraction = int(math.ldexp(mantissa, 53)) << (digits - 53)
    return sign | (exponent - 1 + BIAS) << bits | fraction & (1 << bits) - 1
