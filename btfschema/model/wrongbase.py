"""Whether split BTF was built over the base that it is read over.

Ids and string offsets count on from the base, and nothing in split BTF says which base that is:
over another one nearly all of them still exist, and mean something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from btfschema.schema.plan import ROLE_CODES
from btfschema.schema.roles import Role

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["suspect_base"]


def suspect_base(btf: Btf) -> str | None:
    """Why split BTF was probably built over another base, or None when nothing says so.

    Two signs must come together. Names start inside strings, as offsets do that were meant for
    other strings; by itself this may be right, since writers may let a string start inside another.
    And nothing is named by the first string that the split brings, though it brings its strings
    because something is named by them; by itself this may come of types that were left out.

    What may be right is never suspected. What is wrong is missed when the split brings no strings,
    when it has ``.BTF.ext``, whose lines may use them, or when by chance an offset meets its first
    string. It costs a look at the split's string offsets, and at the base's strings only when its
    first is not used.
    """
    strings, types = btf.strings, btf.types
    if btf.base is None or btf.ext is not None or not strings.data:
        return None
    # Some writers begin any string section with the empty string.
    first = strings.start + (1 if strings.data[0] == 0 else 0)
    at = (types.words == first).nonzero()[0]
    if np.count_nonzero(types.roles.take(at) == ROLE_CODES[Role.STRING_OFFSET]):
        return None
    offsets = types.words[types.string_positions]
    named = offsets[offsets > 0]
    inside = 0
    for table in strings.chain:
        local = named[(named > table.start) & (named < table.end)] - table.start
        inside += int(np.count_nonzero(np.frombuffer(table.data, np.uint8)[local - 1]))
    if not inside:
        return None
    return f"{inside} of {len(named)} names start inside a string, none at the first of its own"
