"""``relocate``: find the types of a distilled base in the base that is really there."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema import Btf, Kind
from btfschema.errors import MatchError, PassError, RequirementError
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.ids import IdMap
from btfschema_transforms.embedding import Embedding, embedding
from btfschema_transforms.explain import Mismatch, explain, report
from btfschema_transforms.graph import COMPOSITES, NAMED_IN_BASE, kind_mask, named
from btfschema_transforms.matching import Policy, Target, Wanted, target_of, wanted_types
from btfschema_transforms.rebasing import (
    Offsets,
    id_map,
    offsets_within,
    placed,
    rebase_onto,
    require_base,
    require_same_byteorder,
)
from btfschema_transforms.references import refuse_opaque

__all__ = ["Relocate", "relocate"]

Index = npt.NDArray[np.int64]

DISTILLED = kind_mask(kind for kind in NAMED_IN_BASE if kind != Kind.ENUM64)


def relocate(
    split: Btf, target: Btf, policy: Policy = "strict", *, original: Btf | None = None
) -> tuple[Btf, IdMap]:
    """Split BTF over a distilled base -> the same split over ``target``.

    Args:
        split: split BTF over a distilled base.
        target: a full base; it may itself be split, but not under the policy ``"kernel"``.
        policy: ``"strict"`` matches each type with one of its own kind and counts every use by
            value; ``"kernel"`` does exactly what libbpf and the kernel do
            (``btf_relocate``, Linux 6.11), also where that is wrong.
        original: the base that was distilled, if it is at hand: a failure then also says which
            members changed.

    Returns:
        The new split, whose ``base`` is ``target``, and the map of every id of the input.

    Raises:
        RequirementError: the split has no base, or the target does not suit it.
        MatchError: types of the distilled base have no partner; ``mismatches`` says which and why.
        PassError: the split's base is not a distilled one, or the split holds a kind that the
            schema does not declare.
    """
    base = require_base(split, "relocate")
    require_same_byteorder(split, target)
    refuse_opaque(split)
    _require_distilled(base, split)
    if policy == "kernel":
        _require_alone(base, "distilled base")
        _require_alone(target, "target")
    held = embedding(split, policy)
    wanted = wanted_types(base, held.mask, policy)
    partners = _match(wanted, target_of(target), policy, held, target, original)
    ids = id_map(split, np.arange(split.first_id), np.append(0, partners), target)
    strings, data = _moved_strings(split, target, partners, policy)
    return rebase_onto(split, target, ids, strings, data), ids


def _require_distilled(base: Btf, split: Btf) -> None:
    """Only named types of the six kinds, as libbpf has it."""
    types = base.all_types
    good = DISTILLED[types.kinds] & named(base)
    if not good.all():
        type_id = int(np.argmin(good)) + 1
        raise PassError(
            f"the base is not a distilled one: it holds {split.describe(type_id)}, and a distilled "
            "base holds named INT, FLOAT, ENUM, FWD, STRUCT and UNION only",
            type_id=type_id,
            got=split.describe(type_id),
            expected="a distilled base, as distill makes it",
        )


def _require_alone(btf: Btf, what: str) -> None:
    if btf.base is not None:
        raise RequirementError(
            f"under the policy kernel the {what} must be stand-alone BTF: a kernel relocates onto "
            "its vmlinux only, and libbpf would mix up the names",
            got="split BTF",
            expected="stand-alone BTF",
        )


def _match(
    wanted: list[Wanted],
    index: Target,
    policy: Policy,
    held: Embedding,
    target: Btf,
    original: Btf | None,
) -> Index:
    """The partner of each distilled type, in id order."""
    found = [index.partners(one, policy) for one in wanted]
    failed = {row: None for row, ids in enumerate(found) if len(ids) != 1}
    if policy == "strict":
        failed |= _shared(wanted, found)
    if failed:
        mismatches: tuple[Mismatch, ...] = tuple(
            explain(row + 1, wanted[row], found[row], held, target, original)
            for row in sorted(failed)
        )
        raise MatchError(
            report(mismatches, len(wanted)),
            type_id=mismatches[0].id,
            expected="a partner in the target for every distilled type",
            mismatches=mismatches,
        )
    return np.array([ids[0] for ids in found], np.int64)


def _shared(wanted: list[Wanted], found: list[tuple[int, ...]]) -> dict[int, None]:
    """Rows of definitions whose only partner is also another's: different types can't be one."""
    rows: dict[tuple[int, int], list[int]] = {}
    for row, (one, ids) in enumerate(zip(wanted, found, strict=True)):
        if len(ids) == 1 and one.kind in (*COMPOSITES, Kind.ENUM):
            rows.setdefault((one.kind, ids[0]), []).append(row)
    return {row: None for group in rows.values() if len(group) > 1 for row in group}


def _moved_strings(
    split: Btf, target: Btf, partners: Index, policy: Policy
) -> tuple[Offsets, bytes]:
    """The map of string offsets, and the result's own strings.

    Own strings move by the difference of the bases' lengths, a distilled type's name becomes that
    of its partner. Another string of the distilled base is looked up in the target, or else added.
    """
    base = require_base(split, "relocate")
    end = base.strings.end
    used = split.types.words[split.types.string_positions]
    if split.ext is not None:
        used = np.append(used, split.ext.string_offsets)
    marks = np.zeros(end, np.bool_)
    marks[used[used < end]] = True
    olds = marks.nonzero()[0]
    news = np.zeros(max(end, 1), np.int64)
    # Of several partners' name offsets libbpf keeps that of the highest id.
    order = np.argsort(partners, kind="stable")
    names = target.all_types.name_offs[partners[order] - 1]
    news[base.all_types.name_offs[order]] = names
    data = bytearray(split.strings.data)
    for offset in olds[(news[olds] == 0) & (olds > 0)].tolist():
        text = split.strings[offset]
        if policy == "kernel":
            raise PassError(
                f"string {text!r} [offset {offset}] of the distilled base is not the name of a "
                "type there; libbpf and the kernel refuse that",
                got=text,
                expected="names of distilled types",
            )
        news[offset] = placed(text, target, data)
    return offsets_within(olds, news[olds], end, target.strings.end), bytes(data)


@frozen
class Relocate(Pass):
    """Put split BTF over a distilled base onto a full one, finding each type by its name.

    Attributes:
        policy: ``"strict"``, which never guesses, or ``"kernel"``, which does what kernels do.
    """

    name: ClassVar[str] = "relocate"
    needs: ClassVar[Needs] = Needs(base="distilled", inputs=("target",))
    provides: ClassVar[BaseState | None] = "full"

    policy: Policy = "strict"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Relocate onto the input ``target``; the input ``original``, if given, helps to explain.

        A failure leaves nothing behind: the input stays as it is.
        """
        split, ids = relocate(
            btf, ctx.input("target"), self.policy, original=ctx.inputs.get("original")
        )
        facts: dict[str, Any] = {"policy": self.policy, "matched": btf.first_id - 1}
        return PassResult(split, ids, facts)
