"""``keep``: some types, with all that they need."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import frozen

from btfschema import Btf, Context, Pass, PassResult
from btfschema_transforms.choosing import closure, rows_named

__all__ = ["Keep"]


@frozen
class Keep(Pass):
    """Keep the types with some names, and everything that they refer to.

    Attributes:
        names: names or patterns with ``*``, ``?`` and ``[...]``.
        tags: whether tags on what stays, stay too.
    """

    name: ClassVar[str] = "keep"
    names: tuple[str, ...]
    tags: bool = True

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The container with these types alone."""
        live = closure(btf, rows_named(btf, self.names), tags=self.tags)
        return PassResult.select(btf, live, facts={"kept": int(np.count_nonzero(live))})
