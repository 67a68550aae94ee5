"""Whether a kernel takes what ``.BTF.ext`` says about a program: func_info and line_info.

A kernel is given these records with the program, and refuses the program for a wrong one
(``check_btf_func``, ``check_btf_line``). CO-RE relocations are for libbpf alone, and
:mod:`btfschema.co_re` judges them.
"""

from __future__ import annotations

import numpy as np

from btfschema.arrays import Mask
from btfschema.model.container import Btf
from btfschema.model.ext import BtfExt, ExtInfo
from btfschema.schema.kinds import Kind
from btfschema.schema.parts import parts_of_plan
from btfschema.verification.findings import Ints
from btfschema.verification.kernels import LATEST, Kernel, kernel_of
from btfschema.verification.resolution import MISSING, resolution
from btfschema.verification.violations import Rule, Violation

__all__ = ["EXT_RULES", "verify_ext"]

_SOURCE = "kernel/bpf/verifier.c"

EXT_RULES = {
    rule.id: rule
    for rule in (
        Rule("ext.func", "func_info refers to a FUNC", f"{_SOURCE}: check_btf_func_early"),
        Rule(
            "ext.prototype",
            "func_info's FUNC refers to a FUNC_PROTO",
            f"{_SOURCE}: check_btf_func_early",
        ),
        Rule(
            "ext.order",
            "records of a section ascend by instruction",
            f"{_SOURCE}: check_btf_func_early, check_btf_line",
        ),
        Rule(
            "ext.name",
            "names of files and lines lie inside the strings",
            f"{_SOURCE}: check_btf_line",
        ),
    )
}
"""What a kernel wants of ``.BTF.ext``, by the rule's id."""


def verify_ext(btf: Btf, kernel: str | Kernel = LATEST) -> list[Violation]:
    """All records of a program's ``.BTF.ext`` that a kernel refuses; none without the section.

    Args:
        btf: the program's BTF; read it with ``check=False`` to see references that lead nowhere.
        kernel: a version or limits of your own; those that know no FUNC are given no records.

    Returns:
        Violations whose offsets count from the start of ``.BTF.ext``.

    Raises:
        ValueError: the kernel is not known.
    """
    ext = btf.ext
    if ext is None or kernel_of(kernel).last_kind < Kind.FUNC:
        return []
    found = [*_functions(btf, ext), *_lines(btf, ext)]
    for part in (ext.func_info, ext.line_info):
        found += _order(part)
    return sorted(found, key=lambda violation: violation.offset or 0)


def _functions(btf: Btf, ext: BtfExt) -> list[Violation]:
    """Each record of func_info is about a function, which has a prototype."""
    part, parts = ext.func_info, parts_of_plan(btf.types.plan)
    positions = part.type_id_positions
    ids = part.words[positions].astype(np.int64)
    resolved = resolution(btf)
    kinds = resolved.kinds_of(ids)
    is_function = np.isin(kinds, list(parts.functions))
    found = [
        _violation("ext.func", part, at, _described(btf, type_id), "a FUNC")
        for at, type_id in _chosen(positions, ids, ~is_function)
    ]
    targets = resolved.take("thirds", np.where(is_function, ids, 0)).astype(np.int64)
    wrong = is_function & ~np.isin(resolved.kinds_of(targets), list(parts.prototypes))
    return found + [
        _violation("ext.prototype", part, at, _described(btf, type_id), "a FUNC_PROTO")
        for at, type_id in _chosen(positions, targets, wrong)
    ]


def _described(btf: Btf, type_id: int) -> str:
    if resolution(btf).kinds_of(np.array([type_id]))[0] == MISSING:
        return f"{type_id}, past the last id {btf.end_id - 1}"
    return btf.describe(type_id)


def _lines(btf: Btf, ext: BtfExt) -> list[Violation]:
    part = ext.line_info
    positions = part.string_positions
    offsets, end = part.words[positions].astype(np.int64), btf.strings.end
    return [
        _violation("ext.name", part, at, str(offset), f"less than {end}")
        for at, offset in _chosen(positions, offsets, offsets >= end)
    ]


def _order(part: ExtInfo) -> list[Violation]:
    """Each record is about a later instruction than the one before it in its section."""
    starts = part.record_starts
    offsets = part.words[starts].astype(np.int64)
    section = np.repeat(np.arange(len(part.counts)), part.counts)
    late = np.append(False, (section[1:] == section[:-1]) & (offsets[1:] <= offsets[:-1]))
    late = late[: len(starts)]
    before = np.roll(offsets, 1)
    expected = {at: int(limit) for at, limit in _chosen(starts, before, late)}
    return [
        _violation("ext.order", part, at, str(offset), f"more than {expected[at]}")
        for at, offset in _chosen(starts, offsets, late)
    ]


def _chosen(positions: Ints, values: Ints, which: Mask) -> list[tuple[int, int]]:
    return list(zip(positions[which].tolist(), values[which].tolist(), strict=True))


def _violation(rule: str, part: ExtInfo, at: int, got: str, expected: str) -> Violation:
    where = f".BTF.ext {part.describe(at)}"
    offset = part.offset + 4 * at
    return Violation(EXT_RULES[rule], got, expected, part=where, offset=offset)
