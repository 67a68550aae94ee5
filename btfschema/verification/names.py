"""Which names are identifiers, all of a container's strings at once."""

from __future__ import annotations

import numpy as np
from attrs import frozen

from btfschema.arrays import Mask
from btfschema.model.container import Btf
from btfschema.model.memo import per_container
from btfschema.schema.constraints import NameRule
from btfschema.verification.findings import Ints
from btfschema.verification.kernels import Kernel

__all__ = ["NameClasses", "name_classes"]

# The kernel's ctype table is Latin-1 (lib/ctype.c).
_LATIN = [*range(0xC0, 0xD7), *range(0xD8, 0xF7), *range(0xF8, 0x100)]
_LETTERS = [*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.", *_LATIN]
_DIGITS = [*b"0123456789"]
_PRINTABLE = [*range(0x20, 0x7F), *range(0xA0, 0x100)]


def _table(codes: list[int]) -> Mask:
    table = np.zeros(256, np.bool_)
    table[codes] = True
    return table


DOT = ord(".")
FIRST = _table(_LETTERS)
REST = _table(_LETTERS + _DIGITS)
PRINTABLE = _table(_PRINTABLE)


@frozen(eq=False)
class NameClasses:
    """Answers for any offset into the strings of a container or of its bases.

    Attributes:
        start: the offset of the container's own first string.
        data: its own strings as bytes.
        ends: where each of them has its NUL.
        no_identifier: how many bytes before each are none of an identifier.
        not_printable: how many bytes before each are not printable.
        dots: how many dots are before each.
        base: the same for the base.
    """

    start: int
    data: Ints
    ends: Ints
    no_identifier: Ints
    not_printable: Ints
    dots: Ints
    base: NameClasses | None

    def valid(self, offsets: Ints, rule: NameRule, kernel: Kernel) -> Mask:
        """Which of the names at these offsets, all inside the strings, a rule takes."""
        if rule is NameRule.FREE:
            return np.ones(len(offsets), np.bool_)
        if rule is NameRule.NONE:
            return np.asarray(offsets == 0)
        dots = kernel.dotted_names
        if rule is NameRule.SECTION and not kernel.free_section_names:
            rule, dots = NameRule.IDENTIFIER, True
        valid = self._valid(offsets.astype(np.int64), rule, kernel.name_length, dots)
        valid = valid | (offsets == 0) if rule is NameRule.OPTIONAL else valid & (offsets != 0)
        return np.asarray(valid)

    def _valid(self, offsets: Ints, rule: NameRule, longest: int, dots: bool) -> Mask:
        found = np.zeros(len(offsets), np.bool_)
        own = offsets >= self.start
        if self.base is not None and not own.all():
            found[~own] = self.base._valid(offsets[~own], rule, longest, dots)
        if len(self.data):
            found[own] = self._own(offsets[own] - self.start, rule, longest, dots)
        return found

    def _own(self, at: Ints, rule: NameRule, longest: int, dots: bool) -> Mask:
        first = self.data[at]
        if rule is NameRule.TEXT:
            return np.asarray(first != 0)
        ends = self.ends[np.searchsorted(self.ends, at)]
        wrong = self.not_printable if rule is NameRule.SECTION else self.no_identifier
        fine = (wrong[ends] == wrong[at]) & (ends - at <= longest)
        if not dots:
            fine &= self.dots[ends] == self.dots[at]
        return np.asarray(fine & (first != 0 if rule is NameRule.SECTION else FIRST[first]))


def _before(wrong: Mask) -> Ints:
    """How many are true before each place."""
    counts = np.cumsum(wrong, dtype=np.uint32)
    counts -= wrong
    return counts


@per_container
def name_classes(btf: Btf) -> NameClasses:
    """The classes of a container's names, worked out once."""
    strings = btf.strings
    data = np.frombuffer(strings.data, np.uint8)
    return NameClasses(
        strings.start,
        data,
        np.flatnonzero(data == 0),
        _before(~REST[data]),
        _before(~PRINTABLE[data]),
        _before(data == DOT),
        name_classes(btf.base) if btf.base is not None else None,
    )
