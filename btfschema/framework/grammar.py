r"""The text of a pipeline: its grammar, and errors that point into it.

::

    pipeline = [stage {"," stage}]
    stage    = name ["{" [option {blank option}] "}"]
    option   = key ["=" [value {"," value}]]
    value    = word | '"' any characters, \" and \\ escaped '"'

A name, a key and a word are runs of characters other than blanks and ``, = { } "``. A key alone
switches a flag on; ``key=`` is the empty list. Blanks may stand around stages and options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

from btfschema.errors import SpecError

__all__ = ["OptionText", "StageText", "Word", "close_match", "parse_stages", "point_at", "quoted"]

BLANKS = re.compile(r"\s*")
WORD = re.compile(r'[^\s,={}"]+')
QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
ESCAPED = re.compile(r'\\(["\\])')


@frozen
class Word:
    """A piece of the text: what it says, and where it stands in characters."""

    text: str
    start: int
    end: int


@frozen
class OptionText:
    """One option as written; ``values`` is None for a key alone."""

    key: Word
    values: tuple[Word, ...] | None


@frozen
class StageText:
    """One stage as written."""

    name: Word
    options: tuple[OptionText, ...]


def point_at(text: str, start: int, end: int, message: str) -> str:
    """``message`` with the text below it, and a caret under what it is about."""
    # Blanks of any sort become spaces, so that the caret stands under the right column.
    line = re.sub(r"\s", " ", text)
    marker = "^" + "~" * (end - start - 1)
    return f"{message}\n  {line}\n  {' ' * start}{marker}"


def close_match(word: str, known: Iterable[str]) -> str:
    """A question to append to "unknown ...", or an empty string."""
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(known)}" if known else ""


def quoted(value: str) -> str:
    """A value as the text of a pipeline has it: quoted when it must be."""
    if WORD.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_stages(text: str) -> list[StageText]:
    """The stages of a pipeline's text, undigested.

    Raises:
        SpecError: the text does not follow the grammar.
    """
    reader = _Reader(text)
    stages: list[StageText] = []
    if reader.at_end():
        return stages
    while True:
        stages.append(reader.stage())
        if reader.at_end():
            return stages
        reader.take(",", 'expected "," or the end after a stage')


class _Reader:
    """Reads the text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def blanks(self) -> bool:
        """Skip blanks; whether there were any."""
        before = self.at
        blanks = BLANKS.match(self.text, before)
        self.at += len(blanks[0]) if blanks is not None else 0
        return self.at > before

    def at_end(self) -> bool:
        self.blanks()
        return self.at == len(self.text)

    def next_is(self, mark: str) -> bool:
        """Skip a mark if it comes next."""
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def take(self, mark: str, message: str) -> None:
        if not self.next_is(mark):
            raise self.error(message)

    def error(self, message: str, start: int | None = None) -> SpecError:
        start = self.at if start is None else start
        got = self.text[start : start + 1]
        found = f"{message}, found {got!r}" if got else f"{message}, found the end"
        error = SpecError(
            point_at(self.text, start, start + 1, found), offset=start, got=got, expected=message
        )
        error.pipeline = self.text
        return error

    def word(self, what: str) -> Word:
        match = WORD.match(self.text, self.at)
        if match is None:
            raise self.error(f"expected {what}")
        self.at = match.end()
        return Word(match[0], *match.span())

    def stage(self) -> StageText:
        self.blanks()
        name = self.word("the name of a pass")
        self.blanks()
        options: list[OptionText] = []
        if self.next_is("{"):
            self.blanks()
            while not self.next_is("}"):
                options.append(self.option())
                if not self.blanks() and not self.text.startswith("}", self.at):
                    raise self.error('expected a blank or "}" after an option')
        return StageText(name, tuple(options))

    def option(self) -> OptionText:
        key = self.word('an option or "}"')
        if not self.next_is("="):
            return OptionText(key, None)
        if self.at == len(self.text) or self.text[self.at].isspace() or self.text[self.at] == "}":
            return OptionText(key, ())
        values = [self.value()]
        while self.next_is(","):
            values.append(self.value())
        return OptionText(key, tuple(values))

    def value(self) -> Word:
        if not self.text.startswith('"', self.at):
            return self.word("a value")
        match = QUOTED.match(self.text, self.at)
        if match is None:
            raise self.error('expected a closing quote, with \\" and \\\\ as the only escapes')
        self.at = match.end()
        return Word(ESCAPED.sub(r"\1", match[1]), *match.span())
