"""``keep``: some types, with all that they need."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from btfschema import Btf, Context, Kind, Pass, PassResult
from btfschema.arguments import texts
from btfschema_transforms.choosing import rows_named

__all__ = ["Keep"]


@frozen
class Keep(Pass):
    """Keep the types with some names, and everything that they refer to.

    Attributes:
        names: names or patterns with ``*``, ``?`` and ``[...]``.
        tags: whether tags on what stays, stay too.
    """

    name: ClassVar[str] = "keep"
    names: tuple[str, ...] = field(converter=texts)
    tags: bool = True

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The container with these types alone."""
        roots = np.flatnonzero(rows_named(btf, self.names)) + btf.first_id
        needed = np.array(btf.closure(roots.tolist()), np.int64)
        live = np.zeros(len(btf), np.bool_)
        live[needed[needed >= btf.first_id] - btf.first_id] = True
        if self.tags:
            # Nothing refers to a tag, and a tag to nothing but what it is on.
            rows = btf.types.rows_of(Kind.DECL_TAG)
            targets = btf.types.thirds[rows].astype(np.int64) - btf.first_id
            own = targets >= 0
            live[rows[own][live[targets[own]]]] = True
        return PassResult.select(btf, live, facts={"kept": int(np.count_nonzero(live))})
