"""What can be read and loaded, and is probably not what was meant: one function for each doubt.

A new doubt is one more function under :func:`_doubt`. ``info`` and ``verify`` say all of them; a
command that prints types says those that make what it prints doubtful, once. Whether split BTF was
built over another base is asked in :mod:`btfschema.model.wrongbase`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from btfschema.arguments import several
from btfschema.arrays import Mask, distinct, ranges
from btfschema.model.bitfields import member_places
from btfschema.model.container import Btf, require_btf
from btfschema.model.memo import per_container, remembered
from btfschema.schema.constraints import C_KEYWORDS, NameRule
from btfschema.schema.parts import parts_of_plan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements
from btfschema.verification.resolution import resolution_as_built

if TYPE_CHECKING:
    from btfschema.tables.strings import StringTable
    from btfschema.verification.findings import Ints

__all__ = ["Oddity", "kfuncs_untagged", "may_be_untagged_kfunc", "oddities", "oddities_many"]

# So many types are named.
NAMED = 3
# BTF refers by ids and offsets of 32 bits, sizes have as many, and bits are eight times as many.
ROOM = 1 << 37

KEYWORDS = frozenset(word.encode() for word in C_KEYWORDS)
_CODES = np.arange(256)
DIGITS = np.isin(_CODES, list(b"0123456789"))
IDENTIFIER = DIGITS | np.isin(
    _CODES, list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$\0")
)
# Which bytes no identifier holds, as bytes.translate takes it.
SPOILING = bytes(~IDENTIFIER)
# What they are read in: no more than a piece of them is held as numbers.
PIECE = 1 << 16


@frozen
class Oddity:
    """A doubt about types of a container; ``str`` makes a sentence of it.

    Attributes:
        id: its name, such as ``"enum-8-bytes"``.
        text: what is odd, and what comes of it.
        type_ids: the types that it is about; none when it is about the whole.
        printed: whether it makes what commands print of these types doubtful.
        examples: the first of these types in words.
    """

    id: str
    text: str
    type_ids: tuple[int, ...] = ()
    printed: bool = True
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.type_ids:
            return self.text
        more = len(self.type_ids) - len(self.examples)
        named = ", ".join(self.examples) + f" and {more:,} more" * (more > 0)
        return f"{self.text}: {named}"

    def as_dict(self) -> dict[str, Any]:
        """The doubt as data that JSON can hold."""
        return {
            "doubt": self.id,
            "type_ids": list(self.type_ids),
            "printed": self.printed,
            "message": str(self),
        }


Check = Callable[[Btf], "Ints | bool"]
_CHECKS: list[tuple[str, str, bool, Check]] = []


def _doubt(id_: str, text: str, *, printed: bool = True) -> Callable[[Check], Check]:
    """Declare a doubt by the function that gives the rows in doubt, or whether all is."""

    def declare(check: Check) -> Check:
        _CHECKS.append((id_, text, printed, check))
        return check

    return declare


def oddities(btf: Btf, *, printed: bool = False) -> tuple[Oddity, ...]:
    """What is odd about a container's own types, in the order in which doubts are declared.

    Args:
        btf: the container; each doubt is looked for once.
        printed: only what makes the types as they are printed doubtful.

    Example:
        >>> from btfschema import Builder, views
        >>> from btfschema.verification import oddities
        >>> b = Builder()
        >>> _ = b.add(views.Enum("wide", 8, (views.Enumerator("HIGH", 1),)))
        >>> [oddity.id for oddity in oddities(b.build())]
        ['enum-8-bytes']
    """
    require_btf("what is asked", btf)
    return tuple(_found(btf, printed))


def _found(btf: Btf, printed_only: bool) -> Iterator[Oddity]:
    for id_, text, printed, check in _CHECKS:
        if printed_only and not printed:
            continue
        found = remembered(btf, check, check)
        if isinstance(found, bool):
            if found:
                yield Oddity(id_, text, (), printed)
        elif len(found):
            ids = tuple((found + btf.first_id).tolist())
            examples = tuple(btf.describe(type_id) for type_id in ids[:NAMED])
            yield Oddity(id_, text, ids, printed, examples)


def oddities_many(btfs: Btf | Iterable[Btf], *, printed: bool = False) -> list[tuple[Oddity, ...]]:
    """What :func:`oddities` says of each of many containers, at a fraction of the time.

    Doubts about types are looked for in all modules over one base together, and doubts about the
    whole in each.
    """
    from btfschema.model.siblings import siblings

    btfs = several(btfs, Btf)
    for group in siblings(btfs):
        for _, _, shown, check in _CHECKS if len(group.numbers) > 1 else ():
            if printed and not shown:
                continue
            found = check(group.whole)
            if not isinstance(found, bool):
                for number in set(group.numbers) - group.owners(found):
                    remembered(btfs[number], check, _nothing)
    return [oddities(btf, printed=printed) for btf in btfs]


def _nothing(_: Btf) -> Ints:
    return np.zeros(0, np.int64)


@_doubt(
    "enum-8-bytes",
    "ENUMs of 8 bytes hold only the low halves of their values "
    "(pahole before 1.24, or --skip_encoding_btf_enum64)",
)
def _half_enums(btf: Btf) -> Ints:
    types, parts = btf.types, parts_of_plan(btf.types.plan)
    rows = types.rows_of(*(parts.enums - parts.wide_enums))
    return np.asarray(rows[types.thirds[rows] == 8])


class _Placed:
    """The members of structs or unions of one kind, and where they end."""

    def __init__(self, btf: Btf, kind: int) -> None:
        self.is_union = kind in parts_of_plan(btf.types.plan).unions
        self.members: Elements = btf.types.elements(kind)
        resolved = resolution_as_built(btf)
        ids = self.members.column("type_id").astype(np.int64)
        # What is an array or an id past the end is not looked through.
        sizes = resolved.sizes_of(ids)
        # BTF over a base (Linux 5.11) is newer than bit fields without kind_flag (before 5.0).
        self.starts, widths = (
            member_places(btf.types, self.members)
            if btf.base is None
            else btf.types.member_offsets(self.members)
        )
        bits = np.where(widths > 0, widths, 8 * np.maximum(sizes, 0))
        self.ends = self.starts + np.where(sizes >= 0, bits, 0)

    @property
    def owners(self) -> Ints:
        """The row that each member belongs to."""
        return self.members.owners


@per_container
def _placed(btf: Btf) -> list[_Placed]:
    return [_Placed(btf, kind) for kind in sorted(parts_of_plan(btf.types.plan).composites)]


def _rows(found: list[Ints]) -> Ints:
    """Each row once, ascending."""
    return distinct(np.concatenate([np.zeros(0, np.int64), *found]))


@_doubt("member-twice", "members have the same name as another one of their struct")
def _same_names(btf: Btf) -> Ints:
    found = []
    for placed in _placed(btf):
        names = placed.members.column("name_off").astype(np.int64)
        keys = np.sort((placed.owners << 32 | names)[names > 0])
        found.append(keys[1:][keys[1:] == keys[:-1]] >> 32)
    return _rows(found)


@_doubt("member-overlap", "members of structs share bits with others")
def _overlaps(btf: Btf) -> Ints:
    found = []
    for placed in _placed(btf):
        if placed.is_union:
            continue
        some = placed.ends > placed.starts
        owners = placed.owners[some]
        ends = np.minimum(placed.ends[some], ROOM - 1)
        # Each struct has a range of its own, so that the highest end so far is one of its own.
        begins = owners * ROOM + placed.starts[some]
        if (begins[1:] < begins[:-1]).any():
            order = begins.argsort(kind="stable")
            owners, ends, begins = owners[order], ends[order], begins[order]
        reach = np.maximum.accumulate(owners * ROOM + ends)
        again = owners[1:] == owners[:-1]
        found.append(owners[1:][again & (reach[:-1] > begins[1:])])
    return _rows(found)


@_doubt("member-past-end", "members reach past the end of their struct")
def _too_long(btf: Btf) -> Ints:
    found = []
    for placed in _placed(btf):
        owners = placed.owners
        room = 8 * btf.types.thirds[owners].astype(np.int64)
        found.append(owners[placed.ends > room])
    return _rows(found)


@_doubt("name-not-c", "names are not C: no identifiers, or keywords")
def _not_c(btf: Btf) -> Ints:
    types, parts = btf.types, parts_of_plan(btf.types.plan)
    named = parts.composites | parts.enums | parts.typedefs | parts.declarations
    found = []
    for plan in types.present:
        if plan.number not in named or plan.spec is None:
            continue
        rows = types.rows_of(plan.number)
        found.append(rows[_wrong_names(btf, types.name_offs[rows])])
        wants = plan.spec.constraints
        if wants is not None and wants.element_name is not NameRule.FREE:
            elements = types.elements(plan.number, rows)
            for word in plan.element_words_with(Role.STRING_OFFSET):
                wrong = _wrong_names(btf, elements.words[elements.starts + word])
                if wrong.any():
                    found.append(elements.owners[wrong])
    return _rows(found)


def _wrong_names(btf: Btf, offsets: Ints) -> Mask:
    """Which of these names no C compiler takes; those past the strings are not told."""
    wrong = np.zeros(len(offsets), np.bool_)
    named: Btf | None = btf
    while named is not None:
        start, end = named.strings.start, named.strings.end
        here = ((offsets >= max(start, 1)) & (offsets < end)).nonzero()[0]
        if len(here):
            wrong[here] = _are_wrong(named, offsets.take(here).astype(np.int64) - start)
        named = named.base
    return wrong


def _are_wrong(btf: Btf, at: Ints) -> Mask:
    """The same of names that start at these bytes of a container's own strings."""
    spoilt = _spoilt(btf)
    wrong: Mask = np.zeros(len(at), np.bool_) if spoilt is None else spoilt.take(at)
    # The bytes are looked up: a base has many more strings than the few that a module names.
    data = np.frombuffer(btf.strings.data, np.uint8)
    near = BEGINNINGS.take(_pairs(data, at)).nonzero()[0]
    at = at.take(near)
    wrong[near] |= DIGITS.take(data.take(at)) | _are_keywords(btf.strings, at)
    return wrong


def _pairs(data: npt.NDArray[np.uint8], at: Ints) -> npt.NDArray[np.uint16]:
    """The bytes at these places and those after them, as numbers of two bytes."""
    pairs = data.take(at + 1, mode="clip").astype(np.uint16) << np.uint16(8)
    pairs |= data.take(at, mode="clip")
    return pairs


@per_container
def _spoilt(btf: Btf) -> Mask | None:
    """Of each byte of own strings, whether a name from there on holds what no identifier does.

    None if no string holds any.
    """
    data = btf.strings.data
    bad = np.concatenate(
        [
            np.frombuffer(data[at : at + PIECE].translate(SPOILING), np.bool_).nonzero()[0] + at
            for at in range(0, max(len(data), 1), PIECE)
        ]
    )
    if not len(bad):
        return None
    string = btf.strings.ends.searchsorted(bad, side="right")
    is_last = np.append(string[1:] != string[:-1], True)
    starts = np.append(0, btf.strings.ends)[string[is_last]]
    spoilt = np.zeros(len(data), np.bool_)
    spoilt[ranges(starts, bad[is_last] + 1 - starts)] = True
    return spoilt


def _are_keywords(strings: StringTable, at: Ints) -> Mask:
    """Which of the strings that start at these bytes of a table's own are keywords of C."""
    data = np.frombuffer(strings.data, np.uint8)
    near = KEYWORD_STARTS[0].take(_pairs(data, at)) & KEYWORD_STARTS[1].take(_pairs(data, at + 2))
    text, places = strings.data, []
    for place in set(at[near].tolist()):
        end = text.find(b"\0", place, place + LONGEST_KEYWORD + 1)
        if end > 0 and text[place:end] in KEYWORDS:
            places.append(place)
    return np.isin(at, places) if places else np.zeros(len(at), np.bool_)


def _starts(at: int) -> Mask:
    """By two bytes as a number, whether a keyword has them at ``at``; a NUL ends it."""
    found = np.zeros(1 << 16, np.bool_)
    found[[int.from_bytes((word + b"\0\0")[at : at + 2], "little") for word in KEYWORDS]] = True
    # What comes after the end of a keyword may be anything.
    if any(len(word) == at for word in KEYWORDS):
        found[::256] = True
    return found


KEYWORD_STARTS = (_starts(0), _starts(2))
# By two bytes as a number, whether a name that begins with them may be none in C.
BEGINNINGS = (KEYWORD_STARTS[0].reshape(256, 256) | DIGITS).ravel()
LONGEST_KEYWORD = max(map(len, KEYWORDS))


@_doubt(
    "no-kfunc-tags",
    "no function is tagged as a kfunc, though this kernel is 6.10 or newer "
    "(pahole before 1.26, or without --btf_features=decl_tag_kfuncs)",
    printed=False,
)
def _no_kfunc_tags(btf: Btf) -> bool:
    # A module is no kernel, and need not have kfuncs.
    return btf.base is None and kfuncs_untagged(btf) and bool(btf.strings.find(KPROBE_SESSION))


# An enumerator of the UAPI that came with 6.10, as did the tags.
KPROBE_SESSION = "BPF_TRACE_KPROBE_SESSION"
# One of the first kfuncs, in any kernel from 6.2 on that has BPF, and the tag that marks kfuncs.
FIRST_KFUNC, KFUNC_TAG = "bpf_rdonly_cast", "bpf_kfunc"


@per_container
def kfuncs_untagged(btf: Btf) -> bool:
    """Whether a kernel's BTF has kfuncs and doesn't say which functions they are."""
    parts = parts_of_plan(btf.types.plan)

    def has(name: str, kinds: frozenset[int]) -> bool:
        offsets = btf.strings.find(name)
        rows = btf.types.rows_of(*kinds) if offsets else np.zeros(0, np.int64)
        # Of nothing, numpy.isin imports numpy.ma.
        return bool(len(rows) and np.isin(btf.types.name_offs[rows], offsets).any())

    return has(FIRST_KFUNC, parts.functions) and not has(KFUNC_TAG, parts.tags)


def may_be_untagged_kfunc(btf: Btf, type_id: int) -> bool:
    """Whether a type is a function named as kfuncs are, of a kernel whose BTF tags none."""
    if not type_id:
        return False
    owner = btf.owner(type_id)
    types, row = owner.types, type_id - owner.first_id
    if int(types.kinds[row]) not in parts_of_plan(types.plan).functions:
        return False
    return "bpf_" in owner.strings[int(types.name_offs[row])] and kfuncs_untagged(btf.chain[0])


DOUBTS = tuple(text for _, text, _, _ in _CHECKS)
"""What every doubt may say of types, without the types."""
