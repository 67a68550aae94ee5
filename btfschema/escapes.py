r"""Names and paths as text that is safe to show, with escapes that read back.

Names in BTF and file names hold any bytes; as ``str`` a byte that is not UTF-8 is a lone surrogate
(``surrogateescape``). Raw, they can move a terminal's cursor, set its title, or forge a line of a
log. Two forms are safe:

- :func:`printable`, for people: everything that can't be printed is an escape (``\x1b``, ``\n``,
  ``\u202e``).
- :func:`plain`, for JSON, which has its own escapes for control characters: only bytes that are not
  UTF-8 are escapes (``\xff``), because JSON text must not hold lone surrogates.

:func:`original` turns either back. A string that needs no escapes stays as it is, unless it looks
as though it had some; where there are escapes, a backslash is ``\\``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from btfschema._doors import shown

__all__ = ["on_terminal", "original", "plain", "printable"]

__dir__ = shown(__all__)

# Code points that stand for bytes that are not UTF-8, and what surrogateescape adds to the byte.
BYTES, SURROGATE = range(0xDC80, 0xDD00), 0xDC00
SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
LONG = {escape: char for char, escape in SHORT.items()}


# Compiled when first needed: every command prints, and hardly any prints an escape.
@cache
def _not_plain() -> re.Pattern[str]:
    return re.compile("[\\\\\ud800-\udfff]")


@cache
def _escape() -> re.Pattern[str]:
    return re.compile(r"\\(?:[\\ntr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})")


def _has_escape(text: str) -> bool:
    """Whether something in it reads as an escape."""
    return "\\" in text and _escape().search(text) is not None


def _escaped(char: str) -> str:
    if char in SHORT:
        return SHORT[char]
    code = ord(char)
    if code in BYTES:
        return f"\\x{code - SURROGATE:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: str) -> str:
    r"""A name or path on one line, without anything that a terminal acts on.

    Of ``\xNN``, those from ``80`` on are bytes that are not UTF-8; other characters are ``\uNNNN``.
    """
    if text.isprintable() and not _has_escape(text):
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def on_terminal(text: str) -> str:
    """Text of several lines for a terminal: keeps newlines and tabs, escapes the rest."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def _encodes(text: str) -> bool:
    """Whether it holds no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(value: Any) -> Any:
    """JSON-able data whose strings can all be encoded; see :func:`original`."""
    if isinstance(value, str):
        if _encodes(value) and not _has_escape(value):
            return value
        return _not_plain().sub(lambda found: _escaped(found[0]), value)
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def original(text: str) -> str:
    """The name or path that :func:`printable` or :func:`plain` was given."""

    def unescaped(found: re.Match[str]) -> str:
        escape = found[0]
        if escape in LONG:
            return LONG[escape]
        code = int(escape[2:], 16)
        is_byte = escape[1] == "x" and code >= 0x80
        return chr(SURROGATE + code) if is_byte else chr(code)

    return _escape().sub(unescaped, text)
