"""``.BTF.inline``: what a file says about inlined calls, kept up with its ``.BTF``.

It is split BTF over the same file's ``.BTF``, which may itself be split over a kernel's or over
``.BTF.base``: a chain of three. Its references and strings count from the end of ``.BTF``, so that
they are wrong as soon as that is rewritten.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema.arrays import Index
from btfschema.errors import PassError
from btfschema.model.container import Btf
from btfschema.model.integrity import check_new_references
from btfschema.tables.ids import DROPPED, IdMap
from btfschema.tables.strings import StringTableBuilder

__all__ = ["carry_inline", "inline_references"]


def carry_inline(old: Btf, new: Btf, ids: IdMap) -> Btf:
    """``new`` with the ``.BTF.inline`` of what it was made from, its references and strings moved.

    Whoever writes a pass that renumbers types calls this last.

    Args:
        old: the input.
        new: the result.
        ids: where each id of the input went.

    Raises:
        PassError: a type that ``.BTF.inline`` refers to was dropped, or it holds a kind that the
            schema does not declare.
        TypeIdError: it refers to no type (it was read with ``check=False``).
    """
    inline = old.inline
    if inline is None or new is old:
        return new
    rows = inline.types.opaque_rows()
    if len(rows):
        type_id = inline.first_id + int(rows[0])
        raise PassError(
            f".BTF.inline: {inline.describe(type_id)} can't be rewritten: the schema does not "
            "declare its kind",
            type_id=type_id,
        )
    types = inline.types
    at, string_at = types.type_id_positions, types.string_positions
    olds = types.words.take(at).astype(np.int64)
    own = new.end_id + np.arange(len(inline))
    check_new_references(
        inline.types, inline.end_id, lambda type_id: f".BTF.inline: {inline.describe(type_id)}"
    )
    news = np.concatenate([ids.to_array(), own]).take(olds)
    lost = (news == DROPPED).nonzero()[0]
    if len(lost):
        user = inline.first_id + types.row_at(int(at[lost[0]]))
        target = int(olds[lost[0]])
        raise PassError(
            f".BTF.inline: {inline.describe(user)} refers to {inline.describe(target)}, which is "
            "dropped",
            type_id=target,
            expected="a type that stays",
        )
    used, inverse = np.unique(types.words.take(string_at), return_inverse=True)
    builder = StringTableBuilder(new.strings)
    strings = builder.add_many(inline.strings.names(used)).take(inverse)
    changed = types.rewritten([(at, news), (string_at, strings)], new.end_id)
    moved = Btf.assemble(changed, builder.build(), like=inline, base=new)
    return evolve(new, inline=moved)


def inline_references(btf: Btf) -> Index:
    """The ids of the container, and of its bases, that its ``.BTF.inline`` refers to; repeated."""
    if btf.inline is None:
        return np.zeros(0, np.int64)
    types = btf.inline.types
    ids: npt.NDArray[np.int64] = types.words.take(types.type_id_positions).astype(np.int64)
    return ids[(ids > 0) & (ids < btf.end_id)]
