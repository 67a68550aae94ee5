"""What commands say beside their results: lines for people, JSON objects for programs.

A command that is asked for JSON (``-j``, ``-p``, ``--format json``) says errors, warnings and sums
as JSON objects too, one a line on stderr. docs/reference/json.md has their shapes.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli import ARGUMENTS, COMMANDS
from btfschema.cli.given import as_given, named_as_given
from btfschema.cli.outputs import DASH, echo, json_text
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.errors import BtfError

__all__ = [
    "as_object",
    "asked_for_json",
    "asks_for_json",
    "called",
    "complain",
    "complain_of",
    "complaint",
    "print_json",
    "reason",
    "say_why",
    "worded",
]

# Patterns are compiled when something is said, which is seldom.
FLAGS = r"--json|--pretty|--format=json|-[jp]{1,2}"
# What an error advises, at the end of its text.
ADVICE = r"(?is)[;:.]\s+((?:did you mean|pass|give|use|add|name|run|redirect|pip install)\b.*)\Z"

# The exit code of a failure, where it is not 1: diff's 1 says that two files differ.
FAILED = {"diff": 2}


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON; told before it is parsed, which may fail."""
    for number, word in enumerate(arguments):
        if word == "--":
            return False
        if re.fullmatch(FLAGS, word) or (word == "json" and arguments[number - 1] == "--format"):
            return True
    return False


def asked_for_json() -> bool:
    """Whether the command line of the command that runs asks for JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and asks_for_json(context.meta.get(ARGUMENTS, ()))


def print_json(value: Any, *, pretty: bool, err: bool = False) -> None:
    """Print data as bpftool does with ``-j``, on a line, or with ``-p``, indented."""
    echo(json_text(value, pretty=pretty), err=err)


def complaint(text: str, file: str | None = None, kind: str = "error") -> str:
    """The line that says that something is wrong.

    Args:
        text: what; without the file's name.
        file: the file that it is about, or None.
        kind: ``"error"``, or ``"warning"`` for what does not keep a command from its work.
    """
    from btfschema.errors import for_shell

    text, file = (
        as_given(for_shell(text), words=True),
        named_as_given(file) if file is not None else None,
    )
    if asked_for_json():
        return json_text(as_object(text, (), kind, file))
    where = f"{called(file)}: " if file is not None else ""
    return f"btfschema: {where}{text}"


def complain(text: str, file: str | None = None, kind: str = "error") -> None:
    """Say it on stderr."""
    echo(complaint(text, file, kind), err=True)


def complain_of(error: Exception, files: Iterable[str]) -> None:
    """Say on stderr what an error says; in JSON, its file is a part of its own."""
    from btfschema.errors import for_shell

    text = worded(error) if isinstance(error, OSError) else for_shell(str(error))
    text = as_given(text, words=True)
    files = list(map(named_as_given, files))
    asked = asked_for_json()
    echo(json_text(as_object(text, files)) if asked else f"btfschema: {text}", err=True)


def as_object(
    text: str, files: Iterable[str], kind: str = "error", file: str | None = None
) -> dict[str, Any]:
    """An error as data.

    Args:
        text: what it says.
        files: what may be the name of the file that it is about, at its beginning.
        kind: as for :func:`complaint`.
        file: the file, when it is known.
    """
    if file is None:
        for one in files:
            head = f"{called(one)}: "
            if one and text.startswith(head):
                file, text = one, text.removeprefix(head)
                break
    data: dict[str, Any] = {kind: text}
    if file is not None:
        data["file"] = os.fsdecode(file)
    advice = re.search(ADVICE, text)
    if advice is not None:
        data[kind], data["hint"] = text[: advice.start()], advice[1].strip()
    return data


def worded(error: OSError) -> str:
    """An error of the system in words; one without a file comes from writing what is printed."""
    if error.strerror is None:
        return str(error)
    name = error.filename
    where = printable(os.fsdecode(name)) if isinstance(name, str | bytes) else "standard output"
    return f"{where}: {reason(error)}"


def reason(error: OSError) -> str:
    """What an error of the system says, without the file."""
    if isinstance(error, IsADirectoryError):
        return "this is a directory, where a file is expected"
    return error.strerror or str(error)


def called(file: str) -> str:
    """What a file that is read is called in messages, as those of the library call it."""
    return "standard input" if file == DASH else printable(file)


def say_why(error: click.ClickException | BtfError | OSError, words: Sequence[str]) -> int:
    """Say on stderr what ended a command; returns the exit code.

    Args:
        error: what ended it.
        words: the command line.
    """
    from btfschema.errors import RegistryError, SpecError, for_shell

    failed = FAILED.get(next(filter(COMMANDS.__contains__, words), ""), 1)
    code, as_json = failed, asks_for_json(words)
    if isinstance(error, click.ClickException):
        for word in filter(None, words):
            # Names of files are words of the command line, where a shell expands a pattern.
            vars(error)["message"] = error.message.replace(word, printable(word))
        code = error.exit_code
        if not as_json:
            error.show()
            return code
        text = error.format_message()
    elif isinstance(error, OSError):
        text = worded(error)
        if sys.stdout is not None:
            # What could not be written is not tried again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        text = for_shell(str(error))
        code = 2 if isinstance(error, SpecError | RegistryError) else failed
    echo(json_text(as_object(text, words)) if as_json else f"btfschema: {text}", err=True)
    return code
