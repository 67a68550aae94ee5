"""``keep``: some types, with all that they need."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from btfschema import Btf, Context, Kind, Pass, PassResult
from btfschema.arguments import texts
from btfschema_transforms.choosing import rows_named, some_named

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
        """The container with these types alone.

        Raises:
            UnknownNameError: no type has one of the names.
        """
        chosen = rows_named(btf, self.names)
        said = some_named(btf, self.names, chosen)
        roots = np.flatnonzero(chosen) + btf.first_id
        needed = np.array(btf.closure(roots.tolist()), np.int64)
        live = np.zeros(len(btf), np.bool_)
        live[needed[needed >= btf.first_id] - btf.first_id] = True
        if self.tags:
            # Nothing refers to a tag, and a tag to nothing but what it is on.
            rows = btf.types.rows_of(Kind.DECL_TAG)
            targets = btf.types.thirds[rows].astype(np.int64) - btf.first_id
            own = targets >= 0
            live[rows[own][live[targets[own]]]] = True
        facts = {"kept": int(np.count_nonzero(live))}
        return PassResult.select(btf, live, facts=facts, diagnostics=said)
