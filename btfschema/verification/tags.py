"""The order and the length of chains of modifiers: ``btf_check_type_tags``."""

from __future__ import annotations

import numpy as np

from btfschema.model.container import Btf
from btfschema.schema.constraints import Graph
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import THIRD
from btfschema.verification.findings import Findings
from btfschema.verification.resolution import among, kinds_with, resolution
from btfschema.verification.rules import MAX_DEPTH

__all__ = ["check_chains"]


def check_chains(findings: Findings, btf: Btf) -> None:
    """No type tag behind another modifier; no chain of more than 32.

    The kernel follows the modifiers from each type on, up to one with a lower id than the type's,
    as it has been there before.
    """
    types, resolved = btf.types, resolution(btf)
    modifiers = kinds_with(btf.kinds, Graph.MODIFIER)
    rows = types.rows_of(*modifiers)
    ids = rows + types.first_id
    targets = types.thirds[rows].astype(np.int64)
    late = (types.kinds[rows] != Kind.TYPE_TAG) & (resolved.kinds_of(targets) == Kind.TYPE_TAG)
    got = [btf.describe(target) for target in targets[late].tolist()]
    findings.rows("tag.order", rows[late], got, "type tags in front", THIRD.word)
    at = targets
    for _ in range(MAX_DEPTH - 1):
        if not len(at):
            break
        goes_on = among(resolved.kinds_of(at), modifiers) & (at >= ids)
        rows, ids, at = rows[goes_on], ids[goes_on], at[goes_on]
        at = resolved.take("thirds", at)
    long = among(resolved.kinds_of(at), modifiers)
    findings.rows(
        "tag.chain",
        rows[long],
        [f"more than {MAX_DEPTH}"] * int(long.sum()),
        f"at most {MAX_DEPTH}",
        THIRD.word,
    )
