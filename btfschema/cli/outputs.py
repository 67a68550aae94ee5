"""Where commands write: never over what they read, and "-" is standard output."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from btfschema.cli.given import named_as_given
from btfschema.cli.terminal import BAR, PAGER, is_terminal
from btfschema.escapes import on_terminal, plain, printable

if TYPE_CHECKING:
    from btfschema.render.html import Foot
    from btfschema.sources.files import Content, FileId, StrPath

__all__ = [
    "DASH",
    "SOURCES",
    "binary_stdout",
    "echo",
    "foot",
    "guard",
    "json_text",
    "one_line",
    "output_stream",
    "print_csv",
    "ready",
    "stdout",
    "write_output",
]

DASH = "-"
# What the files are called that a command works on.
SOURCES = "FILE"

Paths = Sequence[str | None]


def echo(text: str = "", *, err: bool = False, nl: bool = True, styled: bool = False) -> None:
    """Print text for people; what a terminal would act on is escaped, but for newlines and tabs.

    It does not run into the bar of a command that shows one.

    Args:
        text: of one line or more.
        err: whether it goes to standard error.
        nl: whether to end the line.
        styled: whether what names brought is escaped already, and the rest is colour.
    """
    with nullcontext() if err else _writing_stdout():
        ready(err=err)
        context = click.get_current_context(silent=True)
        bar = context.meta.get(BAR) if context is not None else None
        with bar.aside() if bar is not None else nullcontext():
            click.echo(text if styled else on_terminal(text), err=err, nl=nl)


def ready(*, err: bool = False) -> None:
    """Start the pager before the first line for people, where the command has one.

    Raises:
        OSError: the text is for standard output, which is closed.
    """
    if not err:
        _refuse_closed_stdout()
    context = None if err else click.get_current_context(silent=True)
    if context is not None and PAGER in context.meta:
        context.meta[PAGER].start()


@contextmanager
def _writing_stdout() -> Iterator[None]:
    """As ``writing_stdout``, which is imported when something is wrong."""
    try:
        yield
    except OSError as error:
        from btfschema.sources.files import writing_stdout

        with writing_stdout():
            raise error


def _refuse_closed_stdout() -> None:
    # Python sets it to None (as after a shell's >&-), and print() says nothing then.
    if sys.stdout is None:
        raise OSError("standard output is closed")


def json_text(value: Any, *, pretty: bool = False) -> str:
    """JSON of any data; strings that are not UTF-8 are escaped so that they read back.

    Args:
        value: JSON-able data.
        pretty: whether to indent it.
    """
    import json

    text = json.dumps(value, indent=2 if pretty else None)
    # Only strings that hold a backslash or a surrogate need more.
    if "\\\\" in text or "\\ud" in text:
        text = json.dumps(plain(value), indent=2 if pretty else None)
    return text


def stdout() -> BinaryIO:
    """Standard output, for encoded text; on a terminal its control characters are escaped.

    Raises:
        OSError: it is closed.
    """
    ready()
    # What was printed before comes first.
    sys.stdout.flush()
    raw: BinaryIO = sys.stdout.buffer
    return io.BufferedWriter(_Escaping(raw), 1 << 16) if is_terminal(sys.stdout) else raw


def one_line(text: str) -> str:
    """Text with names in it, of one line whatever they are."""
    return on_terminal(text).replace("\n", "\\n").replace("\t", "\\t")


def print_csv(text: str) -> None:
    """Print CSV; on a terminal without the newlines and control characters that names brought."""
    if is_terminal(sys.stdout):
        import csv

        escaped = io.StringIO()
        rows = csv.reader(io.StringIO(text, newline=""))
        csv.writer(escaped, lineterminator="\n").writerows(map(printable, row) for row in rows)
        text = escaped.getvalue()
    out = stdout()
    out.write(text.encode("utf-8", "surrogateescape"))
    out.flush()


class _Escaping(io.RawIOBase):
    """Writes text to a terminal without the control characters that a file's names brought."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Escape and write all of it."""
        text = bytes(data).decode("utf-8", "surrogateescape")
        self._out.write(on_terminal(text).encode())
        self._out.flush()
        return len(data)


def binary_stdout(*, asked: bool) -> BinaryIO:
    """Standard output, for bytes.

    Args:
        asked: whether the user named it (``-o -``); only then may a terminal get bytes.

    Raises:
        click.UsageError: it is a terminal, and was not asked for.
        OSError: it is closed.
    """
    _refuse_closed_stdout()
    if not asked and sys.stdout.isatty():
        raise click.UsageError(
            "the output is binary and would go to a terminal: "
            "redirect it, or give -o FILE (-o - writes to the terminal nevertheless)"
        )
    sys.stdout.flush()
    return sys.stdout.buffer


def write_output(path: str | None, data: Content, *, like: StrPath | None = None) -> None:
    """Write a command's result.

    Args:
        path: where to; ``"-"`` is standard output, and so is None, but not when it is a terminal.
        data: the bytes.
        like: the file whose mode, owner and extended attributes a new file gets.

    Raises:
        click.UsageError: nobody asked for bytes on the terminal.
        OSError: it can't be written; what was there is unchanged.
    """
    if path is None or path == DASH:
        with _writing_stdout():
            out = binary_stdout(asked=path is not None)
            out.write(data)
            out.flush()
        return
    from btfschema.sources.files import atomic_write

    atomic_write(path, data, like=like)


@contextmanager
def output_stream(path: str) -> Iterator[TextIO]:
    """A text file that is written line by line and appears whole; ``"-"`` is standard output.

    Raises:
        OSError: it can't be written; what was there is unchanged.
    """
    if path == DASH:
        _refuse_closed_stdout()
        yield sys.stdout
        sys.stdout.flush()
        return
    from btfschema.sources.files import atomic_stream

    with atomic_stream(path) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", write_through=True)
        try:
            yield text
        finally:
            text.detach()


def foot(inputs: Mapping[str, Paths]) -> Foot:
    """What a page that this command writes says of itself at its end.

    Args:
        inputs: the files that are read, by the option or argument that names them.
    """
    import shlex

    from btfschema.cli import ARGUMENTS
    from btfschema.render.html import Foot

    context = click.get_current_context()
    return Foot(
        shlex.join(["btfschema", *context.meta.get(ARGUMENTS, ())]),
        {
            what: [named_as_given(path) for path in paths if path is not None]
            for what, paths in inputs.items()
        },
    )


def guard(
    writes: Mapping[str, Paths],
    reads: Mapping[str, Paths],
    in_place: Mapping[str, str] | None = None,
) -> None:
    """Refuse to run when an output is a file that is read, or when two outputs are one file.

    Call it before anything is read. Files are compared as files: links, hard links, ``..`` and case
    do not hide that two paths are one. Standard input and output count when they are redirected.
    With every input goes ``INPUT.base``, and an output's ``.base`` is an output.

    Args:
        writes: the outputs, by the option or argument that names them. None stands for none.
        reads: the inputs, likewise; the sources are called :data:`SOURCES`.
        in_place: the outputs that may replace the source named here; None for a command without
            such an option.

    Raises:
        click.UsageError: one is.
    """
    dashes = [option for option, paths in writes.items() for path in paths if path == DASH]
    if len(dashes) > 1:
        raise click.UsageError(f"{' and '.join(dashes)} can't both be standard output")
    # Most outputs don't exist: then nothing that exists is asked for.
    outputs: dict[FileId, tuple[str, str]] = {}
    for option, path, found in _identified(writes, sys.stdout):
        if found in outputs and outputs[found] != (option, path):
            (other, there), both = outputs[found], f"{option} {printable(path)}"
            raise click.UsageError(f"{both} and {other} {printable(there)} are the same file")
        outputs[found] = (option, path)
    if not outputs:
        return
    from btfschema.sources.elf import BASE_SUFFIX

    allowed = in_place or {}
    for what, path, found in _identified(reads, sys.stdin):
        if found not in outputs:
            continue
        option, output = outputs[found]
        own = allowed.get(output, allowed.get(output.removesuffix(BASE_SUFFIX)))
        if what == SOURCES and own is not None and path in (own, own + BASE_SUFFIX):
            continue
        hint = "; --in-place replaces FILEs" if what == SOURCES and in_place is not None else ""
        raise click.UsageError(
            f"{option} {printable(output)} is the same file as {what} {printable(path)}, which is "
            f"read: an output never replaces an input{hint}"
        )


def _identified(
    named: Mapping[str, Paths], standard: TextIO | None
) -> Iterator[tuple[str, str, FileId]]:
    """Each regular file that is named, with the option that names it and what tells it."""
    from btfschema.sources.elf import BASE_SUFFIX
    from btfschema.sources.files import identity

    for option, paths in named.items():
        for path in paths:
            if path is None:
                continue
            if path == DASH:
                found = _redirected(standard)
                if found is not None:
                    yield option, path, found
                continue
            for each in (path, path + BASE_SUFFIX):
                found = identity(each)
                if found is not None:
                    yield option, each, found


def _redirected(stream: TextIO | None) -> FileId | None:
    """The file that standard input or output is redirected to, or None."""
    try:
        status = os.fstat(stream.fileno()) if stream is not None else None
    except (OSError, io.UnsupportedOperation):
        return None
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, ""
