"""``sanitise``: make BTF one that an older kernel loads, or an older reader opens."""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import Attribute, field, frozen
from attrs.validators import optional

from btfschema import Btf
from btfschema.arguments import one_of
from btfschema.errors import SpecError
from btfschema.framework import Context, Diagnostic, Pass, PassResult
from btfschema.verification import READERS, kernel_of, sanitise

__all__ = ["Sanitise"]

# Of changes and of what is left, how many a result says one by one; its facts hold all.
SHOWN = 20


def _known(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """A validator for a version that something is known of."""
    kernel_of(value)


@frozen
class Sanitise(Pass):
    """Repair what a kernel or a reader refuses, and nothing else.

    Attributes:
        kernel: the version of the kernel that is to load the BTF, from 4.19 on.
        reader: the program that is to open it, such as ``libbpf-0.8``.

    The facts hold each ``change`` with its type, what was done and what is lost, and what is
    ``left``: violations that nothing repairs.
    """

    name: ClassVar[str] = "sanitise"
    kernel: str | None = field(default=None, validator=optional(_known))
    reader: str | None = field(default=None, validator=optional(one_of(READERS)))

    def __attrs_post_init__(self) -> None:
        if (self.kernel is None) == (self.reader is None):
            raise SpecError(
                "sanitise takes either a kernel or a reader: sanitise{kernel=5.4} or "
                "sanitise{reader=libbpf-0.8}"
            )

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The repaired container; what can't be repaired is told as warnings."""
        found = sanitise(btf, self.kernel, reader=self.reader)
        notes = [Diagnostic(str(one), "note", one.type_id) for one in found.changes[:SHOWN]]
        if self.kernel is not None and (taken := kernel_of(self.kernel).note):
            notes.insert(0, Diagnostic(taken, "note"))
        if len(found.changes) > SHOWN:
            notes.append(Diagnostic(f"{len(found.changes) - SHOWN:,} more changes", "note"))
        left = [f"can't be repaired: {one}" for one in found.left[:SHOWN]]
        if len(found.left) > SHOWN:
            left.append(f"{len(found.left) - SHOWN:,} more that can't be repaired")
        return PassResult(
            found.btf,
            found.ids,
            {
                "changes": [one.as_dict() for one in found.changes],
                "left": [one.as_dict() for one in found.left],
            },
            (*notes, *(Diagnostic(text) for text in left)),
        )
