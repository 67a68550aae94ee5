"""A pass for btfschema, in a distribution of its own."""

from typing import ClassVar

from attrs import frozen

from btfschema import Btf, Context, Pass, PassResult
from btfschema_transforms.references import References


@frozen
class DropUnreferenced(Pass):
    """Drop types that nothing refers to, except the named ones in ``keep``."""

    name: ClassVar[str] = "drop-unreferenced"
    keep: tuple[str, ...] = ()

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        live = ctx.get(References, btf).in_degree > 0
        live |= btf.types.named(self.keep)
        return PassResult.select(btf, live)
