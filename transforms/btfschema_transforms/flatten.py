"""``flatten``: split BTF and all its bases as one stand-alone BTF."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve, frozen

from btfschema import Btf
from btfschema.framework import BaseState, Context, Pass, PassResult
from btfschema.model import carry_inline, require_btf
from btfschema.tables import IdMap

__all__ = ["Flatten", "flatten"]


def flatten(btf: Btf) -> Btf:
    """Put split BTF behind its bases: one stand-alone BTF in which every type has the id it had.

    Types and strings follow one another as they are; to make those equal that are in the base and
    in the split, ``dedup`` the result.

    Args:
        btf: the container; a stand-alone one comes back as it is.

    Raises:
        EncodeError: the result is too large for the format.
    """
    require_btf("the input", btf)
    if btf.base is None:
        return btf
    strings = b"".join(part.strings.data for part in btf.chain)
    like = next((part for part in reversed(btf.chain) if part.image.layout), btf)
    flat = Btf.assemble(btf.all_types, strings, like=like, base=None)
    flat = evolve(flat, address_size=btf.address_size)
    if btf.ext is not None:
        ext = btf.ext.map(flat, type_ids=lambda ids: ids, strings=lambda offsets: offsets)
        flat = evolve(flat, ext=ext)
    return carry_inline(btf, flat, IdMap.identity(btf.end_id))


@frozen
class Flatten(Pass):
    """Make split BTF stand alone; all ids stay."""

    name: ClassVar[str] = "flatten"
    provides: ClassVar[BaseState | None] = "none"

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Put the split behind its bases."""
        return PassResult(flatten(btf), IdMap.identity(btf.end_id))
