"""Where references may lead: what a kernel asks in its ``resolve`` functions, all types at once.

Two of its answers depend on the order in which it visits types: what it takes for the size of an
array, and whether it looks at a variable's size at all. Violations of these are returned as
:class:`~btfschema.verification.doubts.Doubts`, which :mod:`btfschema.verification.visits` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from btfschema.arrays import Mask
from btfschema.model.container import Btf
from btfschema.schema.constraints import Constraints, Graph, Target
from btfschema.schema.kinds import Kind
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.plan import THIRD, U32_MAX, KindPlan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements, TypeTable
from btfschema.verification.doubts import Doubts
from btfschema.verification.findings import Findings, Ints
from btfschema.verification.kernels import Kernel
from btfschema.verification.placement import check_members
from btfschema.verification.records import is_last_of_void
from btfschema.verification.resolution import (
    BROKEN,
    MISSING,
    UNKNOWN_SIZE,
    Resolution,
    among,
    is_regular,
    kinds_with,
    resolution,
)

__all__ = ["References", "check_existence", "check_prototypes"]

# What libbpf makes of a program's ksyms (bpf_object__collect_externs).
UNTYPED = "libbpf makes it an int when it loads the object"
LISTED_FUNC = "libbpf replaces it by a variable of its own when it loads the object"


def check_existence(findings: Findings, types: TypeTable) -> None:
    """Every type id is one of the chain's."""
    end = types.end_id
    if int(types.words[types.type_id_positions].max(initial=0)) < end:
        return
    expected = f"less than {end}"
    for plan in types.present:
        rows = types.rows_of(plan.number)
        for word in plan.words_with(Role.TYPE_ID):
            ids = types.words[types.starts[rows] + word]
            bad = ids >= end
            findings.rows("reference.exists", rows[bad], ids[bad], expected, word)
        for word in plan.element_words_with(Role.TYPE_ID):
            elements = types.elements(plan.number, rows)
            ids = elements.words[elements.starts + word]
            findings.elements("reference.exists", elements, ids >= end, ids, expected, word)


def check_prototypes(findings: Findings, btf: Btf) -> None:
    """Every FUNC refers to a FUNC_PROTO, which readers want too."""
    types, rows = btf.types, btf.types.rows_of(Kind.FUNC)
    ids = types.thirds[rows].astype(np.int64)
    kinds = resolution(btf).kinds_of(ids)
    bad = (kinds != Kind.FUNC_PROTO) & (kinds != MISSING)
    findings.rows(
        "func.prototype", rows[bad], _described(btf, ids[bad]), "a FUNC_PROTO", THIRD.word
    )


def _described(btf: Btf, ids: Ints) -> Callable[[int], str]:
    """Types by their number in ``ids``, in words, with what names and qualifiers lead to."""
    # Of all at once, and only when one is asked for: one by one they cost many times more.
    ends = cache(lambda: resolution(btf).finals_of(ids).tolist())

    def described(number: int) -> str:
        type_id, end = int(ids[number]), ends()[number]
        leads = f", which leads to {btf.describe(end)}" if end not in (type_id, BROKEN) else ""
        return btf.describe(type_id) + leads

    return described


class References:
    """The checks of one container.

    Args:
        findings: collects violations.
        btf: the container.
        kernel: what the kernel knows.

    Attributes:
        unparted: the kinds that a tag may be on, and on no part of.
        tagged: all kinds that a tag may be on.
    """

    def __init__(self, findings: Findings, btf: Btf, kernel: Kernel) -> None:
        self.findings = findings
        self.btf = btf
        self.types = btf.types
        self.kernel = kernel
        self.resolved: Resolution = resolution(btf)
        self.roots = kinds_with(btf.kinds, Graph.ROOT)
        self.no_size = (int(Kind.VOID), *kinds_with(btf.kinds, Graph.OPAQUE))
        self.doubts = Doubts()
        self.parts = parts = parts_of_plan(btf.types.plan)
        self.unparted = parts.typedefs | parts.variables
        self.tagged = parts.composites | parts.functions | self.unparted

    def check(self) -> Doubts:
        """Check everything; what depends on the order of visits is returned."""
        for plan in self.types.present:
            wants = self.kernel.wants(plan.spec)
            if wants is not None:
                self._check_targets(plan, wants)
        self._check_functions()
        self._check_varargs()
        self._check_arrays()
        for kind in sorted(self.parts.composites):
            check_members(self.findings, self.resolved, kind, self.doubts)
        self._check_sections()
        self._check_tags()
        return self.doubts

    def _check_targets(self, plan: KindPlan, wants: Constraints) -> None:
        types = self.types
        rows = types.rows_of(plan.number)
        targets = {THIRD.word: wants.target} if plan.third.role is Role.TYPE_ID else {}
        targets |= {f.word: wants.fixed_targets.get(f.name) for f in plan.fixed}
        for word, target in targets.items():
            if target is None or target is Target.PROTOTYPE:
                continue
            ids = types.words[types.starts[rows] + word].astype(np.int64)
            bad = self._wrong(ids, target)
            untyped = (ids == 0) & (plan.number == Kind.VAR)
            for which, fix in ((bad & untyped, UNTYPED), (bad & ~untyped, "")):
                self.findings.rows(
                    "reference.target",
                    rows[which],
                    _described(self.btf, ids[which]),
                    target.value,
                    word,
                    fix,
                )
        if wants.element_target is None:
            return
        elements = types.elements(plan.number, rows)
        (word,) = plan.element_words_with(Role.TYPE_ID)
        ids = elements.words[elements.starts + word].astype(np.int64)
        wrong = self._wrong(ids, wants.element_target)
        if plan.number == Kind.FUNC_PROTO:
            wrong &= ~is_last_of_void(elements)
        listed = self.resolved.kinds_of(ids) == Kind.FUNC
        listed &= plan.number == Kind.DATASEC
        for which, fix in ((wrong & listed, LISTED_FUNC), (wrong & ~listed, "")):
            self.findings.elements(
                "reference.target",
                elements,
                which,
                _described(self.btf, ids),
                wants.element_target.value,
                word,
                fix,
            )

    def _wrong(self, ids: Ints, target: Target) -> Mask:
        """Which ids lead where they may not; ids that lead nowhere are said elsewhere."""
        resolved = self.resolved
        kinds = resolved.kinds_of(ids)
        there = kinds != MISSING
        if target is Target.VARIABLE:
            return np.asarray(there & (kinds != Kind.VAR))
        if target is Target.TAGGED:
            return np.asarray(there & ~among(kinds, self.tagged))
        root = among(kinds, self.roots)
        if target is Target.ANY:
            return root
        finals = resolved.finals_of(ids)
        final_kinds = resolved.of_finals("kinds", finals, MISSING)
        if target is Target.INDEX:
            data = resolved.of_finals("extra", finals, 0)
            integer = (final_kinds == Kind.INT) & is_regular(data)
            broken = among(final_kinds, (MISSING, *self.roots))
            return np.asarray(root | (~integer & ~broken))
        wrong = root | among(final_kinds, self.no_size)
        return np.asarray(wrong & (ids != 0) if target is Target.RETURN else wrong)

    def _check_functions(self) -> None:
        rows = self.types.rows_of(Kind.FUNC)
        ids = self.types.thirds[rows].astype(np.int64)
        proto = self.resolved.kinds_of(ids) == Kind.FUNC_PROTO
        rows, ids = rows[proto], ids[proto]
        params = self.resolved.take("unnamed", ids)
        bad = params >= 0
        got = [
            f"parameter {number} of type {i} without one"
            for number, i in zip(params[bad].tolist(), ids[bad].tolist(), strict=True)
        ]
        self.findings.rows("func.parameters", rows[bad], got, "names", THIRD.word)

    def _check_varargs(self) -> None:
        params = self.types.elements(Kind.FUNC_PROTO)
        names = params.column("name_off")
        which = is_last_of_void(params) & (names != 0)
        self.findings.elements("param.varargs", params, which, names, "0", 0)

    def _check_arrays(self) -> None:
        rows = self.types.rows_of(Kind.ARRAY)
        if not len(rows):
            return
        resolved, first = self.resolved, self.types.first_id
        ids = self.types.fixed(Kind.ARRAY, rows, "type_id").astype(np.int64)
        finals = resolved.finals_of(ids)
        kinds = resolved.of_finals("kinds", finals, MISSING)
        bad = (kinds == Kind.INT) & ~is_regular(resolved.of_finals("extra", finals, 0))
        word = self.types.plan.kinds[Kind.ARRAY].fixed_field("type_id").word
        self.findings.rows(
            "array.element", rows[bad], _described(self.btf, ids[bad]), Target.INDEX.value, word
        )
        sizes = resolved.of_finals("sizes", finals, UNKNOWN_SIZE)
        own = resolved.take("sizes", rows + first)
        overflow = (sizes != UNKNOWN_SIZE) & (own == UNKNOWN_SIZE)
        self.doubts.overflows.extend((rows[overflow] + first).tolist())

    def _check_sections(self) -> None:
        """A variable's place holds its type."""
        entries: Elements = self.types.elements(Kind.DATASEC)
        resolved = self.resolved
        variables = entries.column("type_id").astype(np.int64)
        is_variable = resolved.kinds_of(variables) == Kind.VAR
        ids = np.where(is_variable, variables, 0)
        targets = np.where(is_variable, resolved.take("thirds", ids), 0)
        finals = resolved.finals_of(targets)
        needed = resolved.of_finals("sizes", finals, UNKNOWN_SIZE)
        sizes = entries.column("size").astype(np.int64)
        (word,) = (f.word for f in entries.plan.element if f.name == "size")
        first = self.types.first_id
        self.doubts.add("datasec.variable", entries, needed > sizes, sizes, word, first)

    def _check_tags(self) -> None:
        """The component that a tag is about is there."""
        rows = self.types.rows_of(Kind.DECL_TAG)
        if not len(rows):
            return
        resolved = self.resolved
        ids = self.types.thirds[rows].astype(np.int64)
        kinds = resolved.kinds_of(ids)
        index = self.types.fixed(Kind.DECL_TAG, rows, "component_idx").astype(np.int64)
        counted = np.where(among(kinds, self.tagged), ids, 0)
        is_func = kinds == Kind.FUNC
        counted = np.where(is_func, resolved.take("thirds", np.where(is_func, ids, 0)), counted)
        known = resolved.kinds_of(counted) != MISSING
        parts = resolved.take("vlens", np.where(known, counted, 0)).astype(np.int64)
        parts = np.where(among(kinds, self.unparted), 0, parts)
        bad = (index != U32_MAX) & (index < 1 << 31) & (index >= parts)
        bad &= among(kinds, self.tagged) & known
        room = parts[bad]
        word = self.types.plan.kinds[Kind.DECL_TAG].fixed_field("component_idx").word
        self.findings.rows(
            "tag.target",
            rows[bad],
            index[bad],
            lambda n: f"-1 to {room[n] - 1}" if room[n] else "-1",
            word,
        )
