"""What a command line that can't be understood was probably meant to say."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

__all__ = ["as_here", "as_pass", "nearest"]


def nearest(word: str, commands: Iterable[str]) -> str:
    """The command that a word was probably meant to be, as a question; empty when none is near."""
    known = list(commands)
    begun = [one for one in known if len(word) > 1 and one.startswith(word)]
    close = begun or get_close_matches(word, known, 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def as_pass(arguments: Sequence[str]) -> str:
    """How to run what was named as a command and is a pass; empty for any other word."""
    from btfschema.framework.registry import passes

    if arguments[0] not in passes():
        return ""
    return f" It is a pass: {shlex.join(['btfschema', 'run', *arguments])}"


def as_here(arguments: Sequence[str]) -> str | None:
    """The command line for one that is written as bpftool takes it, or None for others.

    ``btf dump file vmlinux format c`` is ``dump vmlinux --format c`` here.
    """
    words = list(arguments)
    if words[:1] == ["btf"]:
        del words[0]
    elif words[:1] != ["dump"] or not {"file", "format"} & {*words[1:]}:
        return None
    if words[:1] != ["dump"]:
        return "dump FILE" if not words or words[0] in ("list", "show", "help") else None
    found = ["btfschema", "dump"]
    rest = iter(words[1:])
    translated = len(words) < len(arguments)
    for word in rest:
        if word == "format" and not Path(word).exists():
            found += ["--format", next(rest, "c")]
            translated = True
        elif word == "file" and not Path(word).exists():
            translated = True
        else:
            found.append(word)
    return shlex.join(found) if translated else None
