"""All rules, asked of one container or of its bytes, or of many containers together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from btfschema.arguments import as_bytes, require_choice, several
from btfschema.model.container import Btf, require_btf
from btfschema.model.memo import remembered
from btfschema.model.siblings import Siblings, siblings
from btfschema.schema.kinds import KINDS, Kinds
from btfschema.verification.doubts import Doubts
from btfschema.verification.fields import check_special_fields
from btfschema.verification.findings import Findings
from btfschema.verification.framing import check_frame, open_blob
from btfschema.verification.kernels import LATEST, Kernel, kernel_of
from btfschema.verification.records import check_kinds, check_name_offsets, check_records
from btfschema.verification.references import References, check_existence, check_prototypes
from btfschema.verification.rules import MAX_NAMES
from btfschema.verification.tags import check_chains
from btfschema.verification.violations import Level, Violation
from btfschema.verification.visits import Walk, is_shallow

__all__ = ["refused_base", "verify", "verify_many"]


def verify(
    btf: Btf | bytes,
    level: Level = "kernel",
    kernel: str | Kernel = LATEST,
    base: Btf | None = None,
    *,
    kinds: Kinds = KINDS,
) -> list[Violation]:
    """All places that break a rule, in the order of their bytes; none when the BTF is sound.

    Args:
        btf: a container, or the bytes of one, however damaged.
        level: ``"read"`` for what libbpf reads, ``"kernel"`` for what ``BPF_BTF_LOAD`` of a 64-bit
            kernel loads.
        kernel: which kernel: a version from 4.19 on, or limits of your own. One that is not in
            :data:`KERNELS` is treated as the newest of them that is not above it.
        base: what bytes are split over; a container brings its own.
        kinds: the schema to read bytes with.

    Split BTF is verified over its base, whose own types count as sound. When a kernel loads a
    module, it asks the rules whose ``modules`` is true alone, and believes the rest.

    Example:
        >>> from btfschema import Builder, verify, views
        >>> b = Builder()
        >>> _ = b.add(views.Enum("state", 0))
        >>> [violation.rule.id for violation in verify(b.build())]
        ['record.size_word']

    Raises:
        ValueError: the level or the kernel is not known, or a container came with a base.
        TypeError: ``btf`` or ``base`` is the path of a file, say.
    """
    asked = _asked(level, kernel)
    require_btf("the base", base, optional=True)
    if isinstance(btf, Btf):
        if base is not None and base is not btf.base:
            message = "a container brings its own base, pass one with bytes only"
            raise ValueError(message)
        findings, whole = Findings(btf, asked), True
        check_frame(findings, btf, asked)
    else:
        findings = Findings(None, asked)
        if base is not None and base.kinds is not kinds and kinds is KINDS:
            kinds = base.kinds
        whole = open_blob(findings, as_bytes(btf), base, kinds, asked)
    if findings.btf is not None:
        _check_types(findings, findings.btf, asked, whole=whole)
    return sorted(findings.violations, key=lambda violation: violation.offset or 0)


def verify_many(
    btfs: Btf | Iterable[Btf], level: Level = "kernel", kernel: str | Kernel = LATEST
) -> list[list[Violation]]:
    """What :func:`verify` finds in each of many containers, at a fraction of the time.

    Modules over one base are asked together, up to 64 at once; those that seem to break a rule, and
    whatever stands alone, one by one.

    Args:
        btfs: the containers, with their bases; or one.
        level: as for :func:`verify`.
        kernel: as for :func:`verify`.

    Raises:
        ValueError: the level or the kernel is not known.
    """
    asked, btfs = _asked(level, kernel), several(btfs, Btf)
    for btf in btfs:
        require_btf("the input", btf)
    found: list[list[Violation]] = [[] for _ in btfs]
    for group in siblings(btfs):
        for number in _suspects(group, btfs, asked):
            found[number] = verify(btfs[number], level, kernel)
    return found


def _suspects(group: Siblings, btfs: Sequence[Btf], kernel: Kernel | None) -> set[int]:
    """Which containers must be asked alone, since a rule is broken, or may be."""
    everybody = set(group.numbers)
    if len(everybody) == 1:
        return everybody
    findings = Findings(group.whole, kernel)
    if _check_at_once(findings, group.whole, kernel) is not None:
        return everybody
    ids = [violation.type_id for violation in findings.violations]
    rows = [type_id - group.whole.types.first_id for type_id in ids if type_id is not None]
    # A violation without a type does not say whose it is.
    found = everybody if len(rows) < len(ids) else group.owners(np.array(rows, np.int64))
    return found | {number for number in everybody if not _is_framed(btfs[number], kernel)}


def _is_framed(btf: Btf, kernel: Kernel | None) -> bool:
    findings = Findings(btf, kernel)
    check_frame(findings, btf, kernel)
    return not findings.violations


def _asked(level: Level, kernel: str | Kernel) -> Kernel | None:
    """The kernel whose rules are asked, None for those of readers.

    Raises:
        ValueError: the level or the kernel is not known.
    """
    require_choice("level", level, Level)
    limits = kernel_of(kernel)
    return limits if level == "kernel" else None


def refused_base(btf: Btf, kernel: str | Kernel = LATEST) -> tuple[Violation, ...]:
    """Why no module loads over a kernel's BTF: what the kernel refuses of it when it boots.

    A kernel looks at its own BTF as at a module's, a record at a time (``btf_parse_base``). The
    answer is kept with the container.

    Raises:
        ValueError: the kernel is not known.
    """

    def refused(one: Btf) -> tuple[Violation, ...]:
        found = verify(one, "kernel", kernel)
        return tuple(each for each in found if each.rule.modules and each.rule.error != "none")

    parts = [remembered(one, (refused_base, kernel), refused) for one in btf.chain]
    return tuple(violation for part in parts for violation in part)


def _check_types(findings: Findings, btf: Btf, kernel: Kernel | None, *, whole: bool) -> None:
    """The records; and where they lead, when they are all there."""
    doubts = _check_at_once(findings, btf, kernel, whole=whole)
    if doubts is not None:
        Walk(findings, btf, doubts).run()
    if whole and kernel is not None and kernel.special_fields and not findings.violations:
        check_special_fields(findings, btf)


def _check_at_once(
    findings: Findings, btf: Btf, kernel: Kernel | None, *, whole: bool = True
) -> Doubts | None:
    """All that a rule asks of a record, whatever order a kernel visits them in.

    Returns:
        What that order decides, or None when it decides nothing.
    """
    types = btf.types
    names_end = btf.strings.end
    check_name_offsets(findings, types, min(names_end, MAX_NAMES) if kernel else names_end)
    if kernel is not None:
        check_kinds(findings, types, kernel)
        check_records(findings, types, kernel)
    if not whole:
        return None
    check_existence(findings, types)
    check_prototypes(findings, btf)
    if kernel is None:
        return None
    doubts = References(findings, btf, kernel).check()
    check_chains(findings, btf)
    return doubts if doubts or not is_shallow(btf) else None
