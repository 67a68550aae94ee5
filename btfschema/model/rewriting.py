"""Types with other names or other records, in bulk: what ``PassResult.rewritten`` does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from attrs import evolve

from btfschema.errors import BrokenPassError, EncodeError
from btfschema.model.container import Btf
from btfschema.model.inline import carry_inline
from btfschema.model.integrity import check_new_references
from btfschema.schema.plan import NAME_OFF
from btfschema.tables.compaction import kept_strings
from btfschema.tables.ids import IdMap
from btfschema.tables.strings import MAX_STRING_OFFSET, StringTable
from btfschema.tables.types import TypeTable

__all__ = ["rewritten"]


def rewritten(
    btf: Btf, names: Mapping[int, str] | None = None, records: TypeTable | None = None
) -> Btf:
    """A container whose types have other records, other names, or both; all ids stay.

    Byte order, layout section, address size, ``.BTF.ext`` and ``.BTF.inline`` stay too. Strings
    that nothing uses any more go, unless a type's references are unknown.

    Args:
        btf: the input, which stays as it is.
        names: the new names, by the ids of types of the container's own.
        records: a record for each of the container's own types, of any kind and length, whose
            string offsets are those of ``btf.strings``; by default the records as they are.

    Raises:
        BrokenPassError: ``records`` has more or fewer types than the container.
        TypeIdError: a name is given to a type of a base or to none, or a record refers to no type.
        EncodeError: a name holds a NUL, or the strings are too many.
        PassError: ``.BTF.inline`` holds a kind that the schema does not declare.
    """
    table = btf.types if records is None else records
    if len(table) != len(btf.types):
        raise BrokenPassError(
            f"{len(table)} new records for the container's {len(btf.types)} types",
            got=len(table),
            expected=f"{len(btf.types)} records",
        )
    check_new_references(
        table,
        btf.end_id,
        lambda type_id: f"the new record of type {type_id}",
        id_of=lambda row: btf.first_id + row,
    )
    strings = btf.strings
    if names:
        strings, offsets = _with_names(btf, list(names.values()))
        rows = np.array([btf.types.row(type_id) for type_id in names])
        table = table.rewritten([(table.starts[rows] + NAME_OFF.word, offsets)])
    if len(table.opaque_rows()):
        # Such records may hold offsets, nobody knows where; what there is stays where it is.
        table = table.rewritten([], btf.first_id)
        result = _carried(btf, Btf.assemble(table, strings, like=btf, base=btf.base))
        return result if btf.ext is None else evolve(result, ext=btf.ext.map(result))
    at = table.string_positions
    used = table.words[at]
    if btf.ext is not None:
        used = np.append(used, btf.ext.string_offsets)
    data, new_offsets = kept_strings(strings, used)
    table = table.rewritten([(at, new_offsets(table.words[at]))], btf.first_id)
    result = _carried(btf, Btf.assemble(table, data, like=btf, base=btf.base))
    if btf.ext is None:
        return result
    return evolve(result, ext=btf.ext.map(result, strings=new_offsets))


def _carried(btf: Btf, result: Btf) -> Btf:
    """The result with the ``.BTF.inline`` of the input."""
    return carry_inline(btf, result, IdMap.identity(btf.end_id))


def _with_names(btf: Btf, names: list[str]) -> tuple[StringTable, npt.NDArray[np.int64]]:
    """The container's strings with some more behind them, and where these are."""
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    bad = next((text for text in encoded if b"\0" in text), None)
    if bad is not None:
        raise EncodeError(f"the name {bad!r} holds a NUL", got=bad, expected="a name without NUL")
    data = btf.strings.data or (b"\0" if btf.base is None else b"")
    lengths = np.array([len(text) + 1 for text in encoded], np.int64)
    start = btf.strings.start + len(data)
    offsets = start + np.cumsum(lengths) - lengths
    if start + int(lengths.sum()) > MAX_STRING_OFFSET:
        raise EncodeError(
            "with the new names, the strings exceed the largest offset",
            got=start + int(lengths.sum()),
            expected=f"at most {MAX_STRING_OFFSET} bytes",
        )
    # An empty name counts as none.
    offsets[lengths == 1] = 0
    table = StringTable(data + b"".join(text + b"\0" for text in encoded), btf.strings.base)
    return table, offsets
