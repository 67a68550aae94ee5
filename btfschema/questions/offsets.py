"""Offsets, sizes and values by path, with alternatives for kernels that name them differently."""

from __future__ import annotations

import re
from typing import Any, Literal

from attrs import asdict, frozen

from btfschema.errors import BtfError, SpecError, UnknownNameError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.paths import place_of

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


@frozen
class Answer:
    """The first alternative that a kernel has.

    Attributes:
        question: the line.
        found: the alternative, as written; "" where there is none.
        value: an offset or size in bytes, an enumerator's value, or 1 and 0 for ``exists``.
        size: bytes of the member, or None.
        bits: bits of a bit field, or 0.
        shift: of a bit field, the first bit within the byte at the offset.
    """

    question: str
    found: str = ""
    value: int | None = None
    size: int | None = None
    bits: int = 0
    shift: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def parse_questions(text: str) -> list[Question]:
    """The questions of a text, one a line; ``|`` is between alternatives, ``#`` starts a comment.

    Raises:
        SpecError: a line is no question.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line:
            parts = tuple(_alternative(one.strip(), number) for one in line.split("|"))
            found.append(Question(line, parts))
    return found


def _alternative(text: str, number: int) -> tuple[What, str, str]:
    call = _CALL.fullmatch(text)
    if call and call[1] == "sizeof" and _TYPE.fullmatch(call[2]):
        return "sizeof", call[2], ""
    path = _PATH.fullmatch(call[2] if call else text)
    if call and call[1] == "exists" and path:
        return "exists", path[1], path[2]
    value = _ENUM.fullmatch(text)
    if value:
        return "enum", value[1], value[2]
    if path and not call:
        return "offset", path[1], path[2]
    raise SpecError(
        f"line {number}: {text!r} is no path: write TYPE.member, sizeof(TYPE), "
        "exists(TYPE.member) or enum TYPE.VALUE"
    )


def answer(btf: Btf, question: Question) -> Answer:
    """What a kernel says to a question: the first alternative that it has."""
    texts = [one.strip() for one in question.text.split("|")]
    for text, (what, name, path) in zip(texts, question.alternatives, strict=True):
        try:
            return _answered(btf, question.text, text, what, name, path)
        except (UnknownNameError, UnresolvedError):
            continue
    if all(what == "exists" for what, _, _ in question.alternatives):
        return Answer(question.text, texts[0], 0)
    return Answer(question.text)


def _answered(btf: Btf, line: str, text: str, what: What, name: str, path: str) -> Answer:
    view: Any = btf.find(name)
    if what == "sizeof":
        return Answer(line, text, btf.sizeof(view))
    if what == "enum":
        for one in view.values:
            if one.name == path:
                return Answer(line, text, one.value)
        raise UnknownNameError(f"{name} has no value {path}", got=path)
    member = place_of(btf, view, path)
    if what == "exists":
        return Answer(line, text, 1)
    bits, at = member.bitfield_size, member.bit_offset
    size: int | None = None
    try:
        size = btf.sizeof(member.type_id)
    except BtfError:
        size = None
    return Answer(line, text, at // 8, size, bits, at % 8 if bits else 0)
