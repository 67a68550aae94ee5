"""``dedup``: equal types become one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen

from btfschema import Btf
from btfschema.arguments import one_of, require_choice
from btfschema.framework import Context, Diagnostic, Pass, PassResult
from btfschema.model import carry_inline
from btfschema.tables import DROPPED, IdMap
from btfschema_transforms.references import refuse_opaque
from btfschema_transforms.sameness.merging import Forwards, images
from btfschema_transforms.sameness.rebuilding import rebuilt

__all__ = ["Dedup", "DedupResult", "dedup"]


@frozen
class DedupResult:
    """What ``dedup`` made of a container.

    Attributes:
        btf: the new container, over the same base.
        ids: where each id of the input went; equal types went to the same one.
        ambiguous: ids of the output: forward declarations that stay although their name is
            defined, since it is defined in several ways.
        guessed: ids of the output: enums that declarations of their name were taken for, although
            there are other enums of that name.
    """

    btf: Btf
    ids: IdMap
    ambiguous: tuple[int, ...] = ()
    guessed: tuple[int, ...] = ()


def dedup(btf: Btf, forwards: Forwards = "resolve") -> DedupResult:
    """Make equal types one, through everything that they refer to.

    Two types are equal when their records are and the types that they refer to are equal, in order;
    types that refer to each other in circles are equal unless something tells them apart. The first
    of equal types survives, in its place; a type of the container that is in a base becomes that
    one. Bases stay as they are. Variables and sections are never equal to others.

    Args:
        btf: the container, stand-alone or split.
        forwards: ``"resolve"``: a forward declaration (and an enum without values) becomes what it
            declares, when the name is defined in one way, or when another type that is equal but
            for the declaration tells which definition is meant; types that differ by what one only
            declares become the one that knows more. ``"keep"``: it is a type like any other.

    Raises:
        ValueError: ``forwards`` is something else.
        PassError: the container holds a kind that the schema does not declare.
    """
    require_choice("forwards", forwards, Forwards)
    refuse_opaque(btf)
    found = images(btf, forwards)
    nodes = np.arange(len(found.images))
    live = (found.images == nodes)[btf.first_id :]
    if live.all() and np.array_equal(found.meant, nodes):
        return DedupResult(btf, IdMap.identity(btf.end_id), tuple(found.ambiguous.tolist()))
    numbers = np.full(len(nodes), DROPPED)
    numbers[: btf.first_id] = nodes[: btf.first_id]
    numbers[btf.first_id :][live] = btf.first_id + np.arange(int(live.sum()))
    ids = IdMap.from_array(numbers.take(found.images))
    meant = IdMap.from_array(numbers.take(found.meant))
    result = carry_inline(btf, rebuilt(btf, [live.nonzero()[0]], meant), ids)
    ambiguous, guessed = ids.apply(found.ambiguous), ids.apply(found.guessed)
    return DedupResult(result, ids, tuple(ambiguous.tolist()), tuple(guessed.tolist()))


@frozen
class Dedup(Pass):
    """Make equal types one; forward declarations become what they declare."""

    name: ClassVar[str] = "dedup"
    forwards: Forwards = field(default="resolve", validator=one_of(Forwards))

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Make equal types one."""
        found = dedup(btf, self.forwards)
        notes = [
            Diagnostic(
                f"{found.btf.describe(one)} stays a forward declaration: the name is defined in "
                "several ways, and it is unclear which applies",
                "note",
            )
            for one in found.ambiguous
        ]
        notes += [
            Diagnostic(
                f"declarations of {found.btf.describe(one)} were taken for this one, and there are "
                "other definitions",
                "note",
            )
            for one in found.guessed
        ]
        facts = {
            "types": len(btf),
            "left": len(found.btf),
            "ambiguous": list(found.ambiguous),
        }
        return PassResult(found.btf, found.ids, facts, tuple(notes))
