"""``drop``: take types out by kind or name."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from btfschema import Btf, Context, Pass, PassResult
from btfschema.arguments import texts
from btfschema_transforms.choosing import names_lacking, rows_named, rows_of_kinds

__all__ = ["Drop"]


@frozen
class Drop(Pass):
    """Drop the types of some kinds, those with some names, or those with both.

    Attributes:
        kinds: such as ``decl_tag``, in any case; all kinds when empty.
        names: names or patterns with ``*``, ``?`` and ``[...]``; all names when empty.

    What stays must not refer to what goes.
    """

    name: ClassVar[str] = "drop"
    kinds: tuple[str, ...] = field(default=(), converter=texts)
    names: tuple[str, ...] = field(default=(), converter=texts)

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The container without these types."""
        if not self.kinds and not self.names:
            return PassResult.unchanged(btf)
        among = rows_of_kinds(btf, self.kinds) if self.kinds else None
        gone = np.ones(len(btf), np.bool_) if among is None else among
        if self.names:
            gone = gone & rows_named(btf, self.names)
        said = names_lacking(btf, self.names, among)
        return PassResult.select(btf, ~gone, facts={"dropped": int(gone.sum())}, diagnostics=said)
