"""``.BTF.ext`` sections made by hand, for tests of what rewrites them."""

from __future__ import annotations

import struct

from attrs import evolve

from btfschema import Btf
from btfschema.model.ext import loads_ext


def with_ext(btf: Btf, *, types: list[int], names: list[int]) -> Btf:
    """``btf`` with a func_info record for each type id, in a section named by each string offset.

    Args:
        btf: the program's BTF.
        types: type ids, of any kind.
        names: string offsets of section names, at least one.
    """
    order = "<" if btf.byteorder == "little" else ">"
    words = [8]
    for name in names:
        words += [name, len(types), *(word for at, one in enumerate(types) for word in (at, one))]
    info = struct.pack(f"{order}{len(words)}I", *words)
    header = struct.pack(f"{order}HBBI4I", 0xEB9F, 1, 0, 24, 0, len(info), len(info), 0)
    return evolve(btf, ext=loads_ext(header + info, btf))
