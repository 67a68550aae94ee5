"""``verify``: all rules, asked of one container or of its bytes."""

from __future__ import annotations

from btfschema.model.container import Btf
from btfschema.model.memo import remembered
from btfschema.schema.kinds import KINDS, Kinds
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

__all__ = ["refused_base", "verify"]


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
        kernel: which kernel: one of :data:`KERNELS`, or limits of your own.
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
    """
    if level not in ("read", "kernel"):
        message = f"level {level!r} is not known, expected 'read' or 'kernel'"
        raise ValueError(message)
    limits = kernel_of(kernel)
    asked = limits if level == "kernel" else None
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
        whole = open_blob(findings, bytes(btf), base, kinds, asked)
    if findings.btf is not None:
        _check_types(findings, findings.btf, asked, whole=whole)
    return sorted(findings.violations, key=lambda violation: violation.offset or 0)


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
    types = btf.types
    names_end = btf.strings.end
    check_name_offsets(findings, types, min(names_end, MAX_NAMES) if kernel else names_end)
    if kernel is not None:
        check_kinds(findings, types, kernel)
        check_records(findings, types, kernel)
    if not whole:
        return
    check_existence(findings, types)
    check_prototypes(findings, btf)
    if kernel is None:
        return
    doubts = References(findings, btf, kernel).check()
    check_chains(findings, btf)
    if doubts or not is_shallow(btf):
        Walk(findings, btf, doubts).run()
    if kernel.special_fields and not findings.violations:
        check_special_fields(findings, btf)
