"""Whether what a container's records refer to exists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from btfschema.arrays import sizes_of
from btfschema.errors import BtfError, DecodeError, MissingBaseError, TypeIdError, either_way
from btfschema.model.memo import notes
from btfschema.model.wrongbase import suspect_base
from btfschema.schema.plan import ROLE_CODES, U32_MAX
from btfschema.schema.roles import Role
from btfschema.tables.joined import Joined, portions

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.tables.types import TypeTable

__all__ = ["check_new_references", "check_references"]


def check_new_references(
    table: TypeTable,
    end_id: int,
    described: Callable[[int], str],
    *,
    id_of: Callable[[int], int] | None = None,
    error: type[BtfError] = TypeIdError,
) -> None:
    """Refuse new records that refer to a type that is not there; the error is about the first.

    Args:
        table: the records.
        end_id: the id after the last.
        described: says in words which type has an id.
        id_of: gives the id of a row; None where ids count up from the table's first.
        error: the class to raise.

    Raises:
        BtfError: of that class; one does.
    """
    past = table.reference_past(end_id)
    if past is None:
        return
    row, target = past
    type_id = table.first_id + row if id_of is None else id_of(row)
    raise error(
        f"{described(type_id)} refers to type id {target}, the last id is {end_id - 1}",
        type_id=type_id,
        got=target,
        expected=f"0..{end_id - 1}",
    )


def check_references(*btfs: Btf) -> None:
    """Every type id and string offset of these containers lies inside its chain.

    Each is looked at once; that it is sound is kept with it.

    Raises:
        DecodeError: one does not; of several such containers this tells of one.
        MissingBaseError: one does not, or the strings start like a split's, and there is no base.
    """
    # By identity: to compare two containers takes longer than to check them.
    several = {id(btf): btf for btf in btfs}.values()
    fresh = [btf for btf in several if not notes(btf, check_references)]
    for portion in portions(fresh, [len(btf.types.words) for btf in fresh]):
        _check_together(portion)
        for btf in portion:
            notes(btf, check_references)["sound"] = True


def _check_together(btfs: Sequence[Btf]) -> None:
    for btf in btfs:
        first = btf.strings.data[:1]
        if btf.base is None and first not in (b"", b"\0"):
            raise MissingBaseError(
                "this is split BTF (its strings do not start with an empty one): "
                + either_way(
                    python="pass the BTF that it was built over, usually vmlinux, as base",
                    shell="give the BTF that it was built over, usually vmlinux, with -B",
                ),
                offset=btf.image.header.sections[1][1],
                got=first,
                expected="NUL",
            )
    joined = Joined.of([btf.types for btf in btfs])
    types = joined.types
    for role, what, limits in (
        (Role.TYPE_ID, "type id", [btf.end_id for btf in btfs]),
        (Role.STRING_OFFSET, "string offset", [max(btf.strings.end, 1) for btf in btfs]),
    ):
        # Compared with every word: cheaper than to look for the few that have the role.
        highest = np.array([min(limit - 1, U32_MAX) for limit in limits], np.uint32)
        # One number for a container alone: as many of it as there are words take longer to write
        # than to compare.
        alone = len(btfs) == 1
        wrong = types.words > (highest[0] if alone else highest.repeat(sizes_of(joined.words)))
        wrong &= types.roles == ROLE_CODES[role]
        # Takes a quarter of the time of any(), which counts for a small container.
        if np.count_nonzero(wrong):
            position = int(wrong.argmax())
            number = int(joined.words.searchsorted(position, side="right")) - 1
            _raise_reference(btfs[number], position - int(joined.words[number]), what)


def _raise_reference(btf: Btf, position: int, what: str) -> None:
    past = f"the last id {btf.end_id - 1}"
    if what == "string offset":
        past = f"the end of the strings ({btf.strings.end} bytes)"
    types = btf.types
    row = types.row_at(position)
    plan = types.plan.kinds[int(types.kinds[row])]
    word = position - int(types.starts[row])
    where = btf.describe(types.first_id + row).rsplit(" [", 1)[0]
    if word >= plan.first_element and plan.spec is not None:
        number = (word - plan.first_element) // plan.stride
        where += f") {plan.spec.element_name} {number}"
    else:
        where += ")"
    value = int(types.words[position])
    error = DecodeError if btf.base is not None else MissingBaseError
    hint = "; if this is split BTF, pass its base"
    if btf.base is not None:
        why = suspect_base(btf)
        hint = f"; {why}: it was probably built over another base" if why is not None else ""
    raise error(
        f"type {types.first_id + row} ({where}: {what} {value} is past {past}{hint}",
        type_id=types.first_id + row,
        offset=btf.image.header.sections[0][1] + 4 * position,
        got=value,
        expected=f"within {past}",
    )
