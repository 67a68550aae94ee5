"""What makes BTF fit a kernel, or a reader, that refuses it: a repair beside each rule.

A rule (:data:`btfschema.verification.RULES`) says in words what :func:`sanitise` does about what
breaks it; :data:`REPAIRS` has the functions. Nothing else changes: BTF that breaks no rule comes
back as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from attrs import evolve, frozen

from btfschema.codec.header import canonical_header
from btfschema.model.container import Btf, require_btf
from btfschema.model.draft import Draft
from btfschema.tables.ids import IdMap
from btfschema.verification.findings import Findings
from btfschema.verification.kernels import Kernel, kernel_of
from btfschema.verification.readers import READERS, reader_of
from btfschema.verification.repairs.changes import Change, Repairs
from btfschema.verification.repairs.loading import OBJECT_RULES, opened
from btfschema.verification.repairs.records import REPAIRS
from btfschema.verification.rules import FRAME_RULES
from btfschema.verification.verifier import verify
from btfschema.verification.violations import Violation

__all__ = ["OBJECT_RULES", "READERS", "REPAIRS", "Change", "Sanitised", "as_loaded", "sanitise"]

# A repair may break another rule: a union in place of an enum can't be a bit field's type.
MOST_ROUNDS = 24


@frozen
class Sanitised:
    """What :func:`sanitise` gives.

    Attributes:
        btf: the result; the input itself when nothing was wrong.
        ids: where each type of the input went.
        changes: what was done, in order of the input's ids within each round.
        left: what is still refused, since nothing repairs it.
    """

    btf: Btf
    ids: IdMap
    changes: tuple[Change, ...]
    left: tuple[Violation, ...]


def sanitise(
    btf: Btf, kernel: str | Kernel | None = None, *, reader: str | None = None
) -> Sanitised:
    """Make BTF one that a kernel loads, or that a reader of BTF opens.

    BTF of a BPF object first gets what libbpf fills in when it opens the object.

    Args:
        btf: the input, which stays as it is. Of split BTF its own types are repaired; its base
            counts as sound.
        kernel: the kernel that is to load it: a version or limits of your own.
        reader: the reader that is to open it, one of :data:`READERS`, such as ``"libbpf-0.8"``.

    Raises:
        ValueError: neither or both are given, or one is not known.
        PassError: a kind that goes is referred to by one that stays, or only the layout section
            describes a type.
    """
    require_btf("the input", btf)
    if (kernel is None) == (reader is None):
        message = "give either a kernel or a reader"
        raise ValueError(message)
    if kernel is None:
        return _repaired(btf, reader_of(reader or ""), _unreadable)
    limits = kernel_of(kernel)
    filled = opened(btf) if btf.object_file is not None and _refused(btf, limits) else None
    if filled is None:
        return _repaired(btf, limits, _refused)
    found = _repaired(filled.btf, limits, _refused)
    ids = IdMap.identity(btf.end_id).then(found.ids)
    return Sanitised(found.btf, ids, filled.changes + found.changes, filled.failures + found.left)


def as_loaded(btf: Btf, kernel: str | Kernel) -> Sanitised:
    """What libbpf hands to a kernel when it loads a BPF object, and what the kernel refuses then.

    libbpf fills in what compilers leave to it, and lowers kinds that the kernel does not know
    (``bpf_object__sanitize_btf``); it repairs nothing else.

    Args:
        btf: the BTF of an object, with its ``object_file``; other BTF is only lowered.
        kernel: a version or limits of your own.

    Returns:
        The BTF as it is loaded; ``left`` holds what is wrong with it, in the input's ids, or why
        libbpf would not open the object.

    Raises:
        ValueError: the kernel is not known.
    """
    limits = kernel_of(kernel)
    filled = opened(btf)
    if filled.failures:
        return Sanitised(btf, IdMap.identity(btf.end_id), filled.changes, filled.failures)
    found = _repaired(filled.btf, limits, _refused, _is_lowered)
    ids = IdMap.identity(btf.end_id).then(found.ids)
    left = found.left
    if found.btf is not btf:
        back = _back(found.ids)
        left = tuple(evolve(one, type_id=back(one.type_id), offset=None) for one in left)
    return Sanitised(found.btf, ids, filled.changes + found.changes, left)


def _is_lowered(violation: Violation) -> bool:
    """Whether libbpf repairs this for kernels that lack something."""
    rule, kind = violation.rule.id, violation.kind
    lowered = {"record.kind_flag": ("ENUM", "ENUM64"), "record.vlen": ("FUNC",)}
    if rule == "record.name":
        return kind == "DATASEC" and violation.name.startswith("?")
    return rule == "record.kernel_kind" or kind in lowered.get(rule, ())


def _repaired(
    btf: Btf,
    limits: Kernel,
    find: Callable[[Btf, Kernel], list[Violation]],
    chosen: Callable[[Violation], bool] = bool,
) -> Sanitised:
    """Repair what is found wrong, and what that brings, until nothing more can be done."""
    ids, changes = IdMap.identity(btf.end_id), tuple[Change, ...]()
    current = btf
    left: list[Violation] = []
    for _ in range(MOST_ROUNDS):
        left = find(current, limits)
        wanted = [violation for violation in left if chosen(violation)]
        repairs = Repairs(Draft(current), limits)
        framed = _reframed(repairs, wanted)
        if any(violation.rule.id == "types.empty" for violation in wanted):
            repairs.byte()
            repairs.changes.append(Change(None, "", "", "types.empty", "has an INT of 1 byte now"))
        _repair_types(repairs, wanted)
        if not repairs.changes:
            break
        current, moved = repairs.draft.build() if repairs.draft else (current, None)
        if framed:
            current = _canonical(current, limits)
        back = _back(ids)
        changes += tuple(evolve(one, type_id=back(one.type_id)) for one in repairs.changes)
        ids = ids.then(moved) if moved is not None else ids
    return Sanitised(current, ids, changes, tuple(left))


def _refused(btf: Btf, kernel: Kernel) -> list[Violation]:
    """What a kernel would refuse."""
    return verify(btf, "kernel", kernel)


def _unreadable(btf: Btf, reader: Kernel) -> list[Violation]:
    """The types of kinds that a reader does not know."""
    findings, types = Findings(btf), btf.types
    rows = np.flatnonzero(types.kinds > reader.last_kind)
    name = types.plan.name
    got = [f"{kind} ({name(kind)})" for kind in types.kinds[rows].tolist()]
    findings.rows("record.kind", rows, got, f"1..{int(reader.last_kind)}")
    return findings.violations


def _reframed(repairs: Repairs, left: Sequence[Violation]) -> bool:
    """Whether something is wrong with the frame, which writing it anew mends; noted then."""
    found = [violation for violation in left if violation.rule.id in FRAME_RULES]
    for violation in found:
        lost = "the layout section" if violation.rule.id == "header.excess" else ""
        repairs.say(violation, "is written anew", lost)
    return bool(found)


def _canonical(btf: Btf, kernel: Kernel) -> Btf:
    """The same sections in the usual order, with the header that the kernel knows."""
    strings = btf.strings.data or (b"" if btf.base is not None else b"\0")
    whole = Btf.assemble(btf.types, strings, like=btf, base=btf.base)
    image = whole.image
    if image.layout is not None and not kernel.layout:
        words = 4 * len(image.types.words)
        header = canonical_header(btf.byteorder, words, len(image.strings.data), 0)
        image = evolve(image, header=header, layout=None)
    return evolve(btf, image=image)


def _repair_types(repairs: Repairs, left: Sequence[Violation]) -> None:
    """Repair each type by one of the rules that it breaks; the others have their turn later.

    Members that one repair drops or sorts have other numbers than the violations of the next say.
    """
    draft, done = repairs.draft, set[int]()
    placed = [one for one in left if one.type_id is not None and one.rule.id in REPAIRS]
    for (type_id, rule), group in groupby(placed, lambda one: (one.type_id or 0, one.rule.id)):
        if type_id in done or draft.is_changed(type_id):
            continue
        repairs.group = tuple(group)
        if REPAIRS[rule](repairs, repairs.group[0], draft[type_id]):
            done.add(type_id)


def _back(ids: IdMap) -> Callable[[int | None], int | None]:
    """Gives the id that a type had in the input; None for one that was added."""
    back = ids.invert()
    end = len(back)

    def of(type_id: int | None) -> int | None:
        return None if type_id is None or type_id >= end else back[type_id]

    return of
