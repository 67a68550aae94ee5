"""``sort``: types in the order of their names; and in any order, ``permute``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen

from btfschema import Btf
from btfschema.arguments import one_of, require_choice
from btfschema.errors import PassError
from btfschema.framework import Context, Pass, PassResult
from btfschema.model import carry_inline
from btfschema.tables import IdMap, name_ranks
from btfschema_transforms.references import refuse_opaque
from btfschema_transforms.sameness.content import content_order

__all__ = ["Sort", "Ties", "permute", "sort"]

Ties = Literal["order", "content"]
"""How :func:`sort` orders types of one name."""


def permute(btf: Btf, order: Sequence[int] | npt.NDArray[np.integer]) -> tuple[Btf, IdMap]:
    """Put a container's own types in another order (``btf__permute``).

    Records move whole, and what refers to them follows; strings stay where they are.

    Args:
        btf: the container. Its bases stay as they are.
        order: the container's own ids, in the order in which the types are to stand.

    Returns:
        The new container, and where each id went.

    Raises:
        PassError: ``order`` does not hold each own id once, or the container holds a kind that the
            schema does not declare.
    """
    refuse_opaque(btf)
    chosen = np.asarray(order, np.int64).reshape(-1)
    _refuse_wrong(btf, chosen)
    news = np.arange(btf.end_id)
    news[chosen] = btf.first_id + np.arange(len(chosen))
    ids = IdMap.from_array(news)
    types = btf.types.take(chosen - btf.first_id, btf.first_id)
    at = types.type_id_positions
    types = types.rewritten([(at, news.take(types.words.take(at)))])
    result = Btf.assemble(types, btf.strings, like=btf, base=btf.base)
    if btf.ext is not None:
        ext = btf.ext.map(result, type_ids=ids.apply, strings=lambda offsets: offsets)
        result = evolve(result, ext=ext)
    return carry_inline(btf, result, ids), ids


def _refuse_wrong(btf: Btf, order: npt.NDArray[np.int64]) -> None:
    first, end = btf.first_id, btf.end_id
    if len(order) != len(btf):
        raise PassError(
            f"the order names {len(order)} types, the container has {len(btf)} of its own",
            got=len(order),
            expected=str(len(btf)),
        )
    outside = order[(order < first) | (order >= end)]
    if len(outside):
        raise PassError(
            f"the order names type {outside[0]}, which is not one of the container's own",
            type_id=int(outside[0]),
            got=int(outside[0]),
            expected=f"{first}..{end - 1}",
        )
    counts = np.bincount(order - first, minlength=len(btf))
    if len(counts) and int(counts.max()) > 1:
        twice = first + int(counts.argmax())
        raise PassError(
            f"the order names {btf.describe(twice)} {counts.max()} times",
            type_id=twice,
            got=int(counts.max()),
            expected="once",
        )


def sort(btf: Btf, ties: Ties = "order") -> tuple[Btf, IdMap]:
    """Put a container's own types in the order of their names' bytes, as kernels from 7.0 on do.

    Types without a name come first. Bases stay as they are, so sort them first, and what is split
    over them then.

    Args:
        btf: the container.
        ties: types of one name keep their "order", or follow their "content": then the result is
            the same for builds whose ids differ only in order.

    Returns:
        The new container, and where each id went.

    Raises:
        ValueError: ``ties`` is something else.
        PassError: the container holds a kind that the schema does not declare.
    """
    require_choice("ties", ties, Ties)
    refuse_opaque(btf)
    if ties == "content":
        return permute(btf, content_order(btf))
    ranks = name_ranks(btf.strings, btf.types.name_offs)
    return permute(btf, btf.first_id + np.argsort(ranks, kind="stable"))


@frozen
class Sort(Pass):
    """Put types in the order of their names, those without a name first.

    Attributes:
        ties: types of one name keep their order, or follow their content, which is the same in
            builds whose ids differ only in order.
    """

    name: ClassVar[str] = "sort"

    ties: Ties = field(default="order", validator=one_of(Ties))

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Sort the types."""
        return PassResult(*sort(btf, self.ties))
