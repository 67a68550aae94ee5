"""Collects violations: from rows and elements of a type table to places with names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema.arrays import Mask
from btfschema.errors import DecodeError
from btfschema.model.container import Btf
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.plan import NAME_OFF, KindPlan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements
from btfschema.verification.kernels import Kernel
from btfschema.verification.rules import RULES
from btfschema.verification.violations import Rule, Violation

__all__ = ["Findings", "Ints", "Mask", "Place"]

Ints = npt.NDArray[Any]
Expected = str | Callable[[int], str]
Got = Sequence[Any] | Ints | Callable[[int], Any]
Place = tuple[int, int | None, int]
"""A row of the table, an element of it or None, and a word of that."""


class Findings:
    """The violations of one container so far, in the order in which they were found.

    Args:
        btf: the container, or None while there is none.
        kernel: whose rules count; those of later kernels are left out. None counts all rules.
    """

    def __init__(self, btf: Btf | None = None, kernel: Kernel | None = None) -> None:
        self.btf, self.kernel = btf, kernel
        self.violations: list[Violation] = []

    def blob(self, rule: str, got: Any, expected: str, offset: int | None = None) -> None:
        """What is wrong outside of the types."""
        found = RULES[rule]
        if self._asks(found):
            self.violations.append(Violation(found, got, expected, offset=offset, fix=found.fix))

    def _asks(self, rule: Rule) -> bool:
        return self.kernel is None or self.kernel.has(rule.since)

    def rows(
        self,
        rule: str,
        rows: Ints,
        got: Got,
        expected: Expected,
        word: int = NAME_OFF.word,
        fix: str = "",
    ) -> None:
        """Rows whose word ``word`` is wrong; got and expected go by the number in ``rows``."""
        for number, row in enumerate(rows.tolist()):
            found = got(number) if callable(got) else got[number]
            self.place(rule, (row, None, word), found, _worded(expected, number), fix)

    def elements(
        self,
        rule: str,
        elements: Elements,
        which: Mask,
        got: Got,
        expected: Expected,
        word: int,
        fix: str = "",
    ) -> None:
        """Repeated structs whose word ``word`` is wrong.

        Args:
            rule: the rule's id.
            elements: all repeated structs of a kind.
            which: a mask over them.
            got: one value for each of them all, or a function of their number.
            expected: in words, or a function of their number.
            word: of the repeated struct.
            fix: what to do about it; by default what the rule says.
        """
        numbers = np.flatnonzero(which)
        if not len(numbers):
            return
        ends = np.cumsum(elements.counts)
        owners = np.searchsorted(ends, numbers, side="right")
        rows, places = elements.rows[owners], numbers - (ends - elements.counts)[owners]
        for number, row, place in zip(
            numbers.tolist(), rows.tolist(), places.tolist(), strict=True
        ):
            found = got(number) if callable(got) else got[number]
            self.place(rule, (row, place, word), found, _worded(expected, number), fix)

    def place(self, rule: str, place: Place, got: Any, expected: str, fix: str = "") -> None:
        """One word of a row, or of one of its repeated structs."""
        btf = self.btf
        if btf is None:
            message = f"{rule}: a place in the types, and there is no container"
            raise ValueError(message)
        row, number, word = place
        types, found = btf.types, RULES[rule]
        if not self._asks(found):
            return
        plan = types.plan.kinds[int(types.kinds[row])]
        start, part, member_name = int(types.starts[row]), "", ""
        if number is not None and plan.spec is not None:
            start += plan.first_element + number * plan.stride
            part, member_name = plan.spec.element_name, self.element_name(plan, start)
        self.violations.append(
            Violation(
                found,
                got if isinstance(got, str) else int(got),
                expected,
                types.first_id + row,
                plan.name,
                self.name(int(types.name_offs[row])),
                number,
                part,
                member_name,
                btf.image.header.sections[0][1] + 4 * (start + word),
                fix or found.fix,
            )
        )

    def element_name(self, plan: KindPlan, start: int) -> str:
        """The name of a repeated struct at a word, or of the variable that it stands for."""
        if self.btf is None:
            return ""
        words = plan.element_words_with(Role.STRING_OFFSET)
        if words:
            return self.name(int(self.btf.types.words[start + words[0]]))
        parts = parts_of_plan(self.btf.types.plan)
        references = plan.element_words_with(Role.TYPE_ID)
        type_id = int(self.btf.types.words[start + references[0]]) if references else 0
        if plan.number not in parts.sections or not 0 < type_id < self.btf.end_id:
            return ""
        owner = self.btf.owner(type_id)
        return self.name(int(owner.types.name_offs[type_id - owner.first_id]))

    def name(self, offset: int) -> str:
        """The string at an offset, empty when there is none; the start of one that is very long."""
        if self.btf is None:
            return ""
        try:
            return self.btf.strings.beginning(offset)
        except DecodeError:
            return ""


def _worded(expected: Expected, number: int) -> str:
    return expected if isinstance(expected, str) else expected(number)
