"""Offsets, sizes and values by path, with alternatives for kernels that name them differently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from attrs import asdict, evolve, frozen

from btfschema.arguments import several
from btfschema.co_re.values import load_of
from btfschema.errors import BtfError, SpecError, UnknownNameError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.finding import ids_named
from btfschema.model.paths import place_of
from btfschema.model.views import EnumBase, Fwd, Member

__all__ = ["Answer", "Question", "answer", "parse_questions"]

What = Literal["offset", "sizeof", "exists", "enum"]

_CALL = re.compile(r"(sizeof|exists)\s*\(\s*(.+?)\s*\)")
_PATH = re.compile(r"((?:struct |union )?\w+)\.(.+)")
_ENUM = re.compile(r"(enum \w+)\.(\w+)")
_TYPE = re.compile(r"(?:struct |union |enum )?\w+(?: \w+)*")


@frozen
class Question:
    """One line: what is asked, and what else to ask where that is not there.

    Attributes:
        text: the line.
        alternatives: what to ask in turn: what kind of question it is, a type, and a path or "".
    """

    text: str
    alternatives: tuple[tuple[What, str, str], ...]

    @property
    def texts(self) -> list[str]:
        """The alternatives as they are written."""
        return [one.strip() for one in self.text.split("|")]


@frozen
class Answer:
    """The first alternative that a kernel has.

    A bit field is read with one load: ``(load(offset, size) >> shift) & ((1 << bits) - 1)``, in the
    kernel's byte order. It is the load that CO-RE relocations of a bit field ask for, the smallest
    aligned one, unless no load of 8 bytes holds the bit field.

    Attributes:
        question: the line.
        found: the alternative, as written; "" where there is none.
        value: an offset or size in bytes, an enumerator's value, or 1 and 0 for ``exists``.
        size: bytes of the member, of a bit field bytes to load; None for other questions, and where
            the member's type has no size.
        bits: bits of a bit field, or 0.
        shift: of a bit field, by how many bits to shift what was loaded to the right.
        note: why there is no value although the type has the name, or "".
    """

    question: str
    found: str = ""
    value: int | None = None
    size: int | None = None
    bits: int = 0
    shift: int = 0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def parse_questions(text: str) -> list[Question]:
    """The questions of a text, one a line; ``|`` is between alternatives, ``#`` starts a comment.

    Raises:
        SpecError: a line is not a question, or there is none.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line:
            parts = tuple(_alternative(one.strip(), number) for one in line.split("|"))
            found.append(Question(line, parts))
    if not found:
        raise SpecError("no questions: write one a line, such as task_struct.pid")
    return found


def _alternative(text: str, number: int) -> tuple[What, str, str]:
    call = _CALL.fullmatch(text)
    inside = call[2] if call else text
    if call and call[1] == "sizeof" and _TYPE.fullmatch(inside):
        return "sizeof", inside, ""
    value = _ENUM.fullmatch(inside)
    path = _PATH.fullmatch(inside)
    if call and call[1] == "exists":
        for one in (value, path):
            if one is not None:
                return "exists", one[1], one[2]
        if _TYPE.fullmatch(inside):
            return "exists", inside, ""
    if value and not call:
        return "enum", value[1], value[2]
    if path and not call:
        return "offset", path[1], path[2]
    raise SpecError(
        f"line {number}: {text!r} is not a path: write TYPE.member, sizeof(TYPE), "
        "exists(TYPE.member) or enum TYPE.VALUE"
    )


def answer(btf: Btf, question: Question, modules: Btf | Iterable[Btf] = ()) -> Answer:
    """What a kernel says to a question: the first alternative that it has.

    Of several types of one name those count that have the member; where they disagree there is no
    answer, as there is none for CO-RE.

    Args:
        btf: the kernel.
        question: what is asked.
        modules: split BTF over it, one or several, looked through for what the kernel itself does
            not have.
    """
    note, wheres = "", [btf, *several(modules, Btf)]
    for text, (what, name, path) in zip(question.texts, question.alternatives, strict=True):
        for where in wheres:
            found = set(_answers(where, what, name, path))
            if len(found) > 1:
                values = " and ".join(sorted(str(one.value) for one in found))
                note = note or f"{text} is ambiguous: {values} in types of one name"
            elif found:
                return evolve(found.pop(), question=question.text, found=text)
            if found:
                break
    if all(what == "exists" for what, _, _ in question.alternatives):
        return Answer(question.text, question.texts[0], 0)
    return Answer(question.text, note=note)


def _answers(btf: Btf, what: What, name: str, path: str) -> Iterator[Answer]:
    """What each type of a name says."""
    for type_id in ids_named(btf, name):
        try:
            yield _answered(btf, type_id, what, path)
        except (UnknownNameError, UnresolvedError):
            continue


def _answered(btf: Btf, type_id: int, what: What, path: str) -> Answer:
    view = btf[type_id]
    if what == "sizeof":
        return Answer("", value=btf.sizeof(type_id))
    if what == "exists" and not path:
        if isinstance(view, Fwd):
            raise UnresolvedError(f"{btf.describe(type_id)} is declared only")
        return Answer("", value=1)
    if isinstance(view, EnumBase) and what != "offset":
        values = [one.value for one in view.values if one.name == path]
        if not values:
            raise UnknownNameError(f"{btf.describe(type_id)} has no value {path}", got=path)
        return Answer("", value=1 if what == "exists" else values[0])
    member = place_of(btf, view, path)
    return Answer("", value=1) if what == "exists" else _placed(btf, member)


def _placed(btf: Btf, member: Member) -> Answer:
    """Where a member is."""
    start, bits = member.bit_offset, member.bitfield_size
    size: int | None
    try:
        size = btf.sizeof(member.type_id)
    except BtfError:
        size = None
    if not bits:
        return Answer("", value=start // 8, size=size)
    at, load = load_of(start, bits, size or 0) or (start // 8, -(-(start % 8 + bits) // 8))
    first = start - at * 8
    shift = first if btf.byteorder == "little" else load * 8 - first - bits
    return Answer("", value=at, size=load, bits=bits, shift=shift)
