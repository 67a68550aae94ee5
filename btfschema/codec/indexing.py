"""Type sections cut into records, and whether these fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from btfschema.arrays import Words, bounds_of, joined_arrays
from btfschema.codec.walking import index_records
from btfschema.errors import DecodeError
from btfschema.schema.plan import HEADER_WORDS, INFO_WORD, Plan
from btfschema.tables.joined import Joined
from btfschema.tables.types import TypeTable, split_info

__all__ = ["Section", "index_sections", "raise_record_error"]


class Section(NamedTuple):
    """A type section that is not cut into records yet.

    Attributes:
        words: in the machine's byte order.
        first_id: the id of the first record: 1, or for split BTF the number of the base's types
            plus 1.
        offset: the byte of the input at which the section starts, for messages.
        trailing: bytes after the last whole word (an error, as no record can end there).
    """

    words: Words
    first_id: int = 1
    offset: int = 0
    trailing: int = 0


def index_sections(sections: Sequence[Section], plan: Plan) -> Joined:
    """Cut type sections into records, all at once.

    Raises:
        DecodeError: of the first section in which a record's kind is unknown or a record does not
            fit.
    """
    words = joined_arrays([section.words for section in sections])
    bounds = bounds_of([len(section.words) for section in sections])
    ends = bounds.tolist()
    starts, reached = index_records(words, plan, ends)
    joined = Joined(TypeTable(words, starts, plan), starts.searchsorted(bounds), bounds)
    # Every section ends where its last record does; those before it fit, or it had no start.
    for number, (section, end, came) in enumerate(zip(sections, ends[1:], reached, strict=True)):
        if came != end or section.trailing:
            _raise_of_last(section, joined, number)
    return joined


def _raise_of_last(section: Section, joined: Joined, number: int) -> None:
    """Raise the error of a section's last record, or of the bytes behind it."""
    plan = joined.types.plan
    row, end = joined.rows[number : number + 2].tolist()
    end_id = section.first_id + end - row
    size = 4 * len(section.words)
    if row < end:
        start = int(joined.types.starts[end - 1] - joined.words[number])
        left = size - 4 * start + section.trailing
        kind = vlen = 0
        if left >= 4 * HEADER_WORDS:
            info = split_info(int(section.words[start + INFO_WORD.word]))
            kind, vlen = info["kind"], info["vlen"]
        raise_record_error(plan, end_id - 1, kind, vlen, left, section.offset + 4 * start)
    if section.trailing:
        raise_record_error(plan, end_id, 0, 0, section.trailing, section.offset + size)


def raise_record_error(
    plan: Plan, type_id: int, kind: int, vlen: int, left: int, offset: int
) -> None:
    """Say what is wrong with a record of which ``left`` bytes remain in the section, if anything.

    Both engines word their errors here.
    """
    if left < 4 * HEADER_WORDS:
        raise DecodeError(
            f"type {type_id} at byte {offset}: {left} bytes are left of the type section, "
            f"a record has at least {4 * HEADER_WORDS}",
            type_id=type_id,
            offset=offset,
            got=left,
            expected=f"at least {4 * HEADER_WORDS}",
        )
    known = plan.kinds.get(kind)
    if known is None:
        raise DecodeError(
            f"type {type_id} at byte {offset}: kind {kind} is unknown"
            + ("" if kind else " (0 is void, which has no record)")
            + ", and no layout section describes it",
            type_id=type_id,
            offset=offset,
            got=kind,
            expected=f"one of 1..{max(plan.schema)}",
        )
    need = 4 * known.size(vlen)
    if left < need:
        raise DecodeError(
            f"type {type_id} ({known.name}) at byte {offset}: vlen {vlen} makes a record of "
            f"{need} bytes, {left} are left of the type section",
            type_id=type_id,
            offset=offset,
            got=left,
            expected=f"at least {need}",
        )
