"""``rename``: other names for types."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import evolve, field, frozen

from btfschema import Btf, Context, Draft, Pass, PassResult
from btfschema.arguments import texts
from btfschema.errors import SpecError
from btfschema_transforms.choosing import nothing_called

__all__ = ["Rename"]


@frozen
class Rename(Pass):
    """Give types other names.

    Attributes:
        names: pairs ``old:new``, such as ``names=sk_buff:sk_buff___old``.
    """

    name: ClassVar[str] = "rename"
    names: tuple[str, ...] = field(converter=texts)

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The container with the new names; ids stay."""
        draft, lacking = Draft(btf), []
        for pair in self.names:
            old, _, new = pair.partition(":")
            if not old or not new:
                raise SpecError(f'"{pair}" is not a pair of names, expected OLD:NEW', got=pair)
            rows = np.flatnonzero(btf.types.named(old)).tolist()
            if not rows:
                lacking.append(nothing_called(btf, old))
            for row in rows:
                type_id = btf.first_id + row
                # What has been found by its name has one.
                draft[type_id] = evolve(draft[type_id], name=new)  # type: ignore[call-arg]
        result, ids = draft.build()
        return PassResult(result, ids, diagnostics=tuple(lacking))
