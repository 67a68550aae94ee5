"""The arguments that many commands share, and how a file named on the command line is read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from btfschema.cli.answers import complain
from btfschema.cli.options import AnyPath, Decorator
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.errors import Failure, MissingBaseError, SourceError
    from btfschema.model.container import Btf
    from btfschema.sources import Source

__all__ = [
    "RUNNING_KERNEL",
    "base_option",
    "base_option_of",
    "brings_base",
    "doubts",
    "has_kernel",
    "joined",
    "list_text",
    "load_all_over",
    "load_files",
    "load_over",
    "no_distilled_base",
    "noted",
    "odd",
    "open_input",
    "original_option_of",
    "pointer_option",
    "probably_another",
    "running_kernel",
    "saying",
    "standing_alone",
    "warn",
    "warn_of_kfuncs",
    "with_pointers_asked_for",
]

RUNNING_KERNEL = "/sys/kernel/btf/vmlinux"
# Of a list, whether it is text.
LOOKED_AT = 4096

Opened = tuple["Btf", list[str]]
"""A container, and what is to be said of it."""


def base_option_of(split: str) -> Decorator:
    """``-B/--base-btf``.

    Args:
        split: the argument that is split over it, for the help.
    """
    return click.option(
        "-B",
        "--base-btf",
        "base_btf",
        metavar="FILE",
        type=AnyPath(allow_dash=True),
        help=f"The BTF that {split} is split over, usually the kernel's vmlinux.",
    )


base_option = base_option_of("FILE")


def original_option_of(use: str) -> Decorator:
    """``-B/--base-btf`` of commands that relocate files, which bring their distilled bases.

    Args:
        use: what it is good for, for the help.
    """
    return click.option(
        "-B",
        "--base-btf",
        "--original-base",
        "original_base",
        metavar="FILE",
        type=AnyPath(),
        help=f"The BTF that the files were built over, usually their kernel's vmlinux. {use}",
    )


def no_distilled_base(path: str, advice: str) -> MissingBaseError:
    """The error about a file that should bring its distilled base and does not.

    Args:
        path: the file.
        advice: what to do.
    """
    from btfschema.errors import MissingBaseError

    where = f"(.BTF.base, or {printable(path)}.base beside it)"
    return MissingBaseError(f"{printable(path)}: has no distilled base {where}: {advice}")


def standing_alone(path: str) -> SourceError:
    """The error about a file that stands alone where one is relocated."""
    from btfschema.errors import SourceError

    return SourceError(f"{printable(path)}: stands alone, so there is nothing to relocate")


POINTER_SIZE = "btfschema.pointer_size"


def _keep(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    ctx.meta[POINTER_SIZE] = value


pointer_option: Decorator = click.option(
    "--pointer-size",
    type=click.Choice(["4", "8"]),
    callback=_keep,
    expose_value=False,
    help="Pointer size in bytes, if FILE does not say (raw BTF without a C long).",
)


def with_pointers_asked_for(btf: Btf) -> Btf:
    """The container with pointers as large as ``--pointer-size`` says."""
    from btfschema.sources import with_pointers_of

    size = click.get_current_context().meta.get(POINTER_SIZE)
    return with_pointers_of(btf, int(size)) if size else btf


def open_input(file: str | None, base_btf: str | None) -> Btf:
    """Load FILE over its base; without FILE the running kernel, or a sample where it has no BTF."""
    from btfschema.sources import load, read_source

    if file is not None:
        btf, notes = load_over(read_source(file), base_btf)
        btf = with_pointers_asked_for(btf)
        warn(file, [*notes, *odd(btf, printed=True)])
        return btf
    if base_btf is not None:
        raise click.UsageError("-B/--base-btf needs a FILE that is split over it")
    if has_kernel():
        btf = load(RUNNING_KERNEL)
        warn(RUNNING_KERNEL, odd(btf, printed=True))
        return btf
    from btfschema.cli.sample import sample

    complain(f"no {RUNNING_KERNEL} here; this is a small sample", None, "warning")
    return sample()


def list_text(file: str, advice: str = "") -> str:
    """The text of a list, one entry in each line; "-" is standard input.

    Args:
        file: where it stands.
        advice: what was probably meant, if it is no text.

    Raises:
        SpecError: it is no text.
        OSError: it can't be read.
    """
    from btfschema.errors import SpecError

    if file == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(file, "rb") as stream:  # noqa: PTH123
            data = stream.read()
    if b"\0" in data[:LOOKED_AT]:
        kind = "BTF" if data[:2] in (b"\x9f\xeb", b"\xeb\x9f") else "binary data"
        what = f"this is {kind}, where a text with a name in each line is expected"
        raise SpecError(f"{what}: {advice}" if advice else what)
    return data.decode("utf-8", "surrogateescape")


def has_kernel() -> bool:
    """Whether the running kernel has BTF."""
    return os.path.exists(RUNNING_KERNEL)  # noqa: PTH110


def running_kernel(advice: str = "give FILEs") -> tuple[str, ...]:
    """The file of the running kernel's BTF, for commands that were given no file or kernel.

    Args:
        advice: what to give the command instead, for the error message.

    Raises:
        click.UsageError: there is none.
    """
    if not has_kernel():
        raise click.UsageError(f"the running kernel has no BTF ({RUNNING_KERNEL}): {advice}")
    return (RUNNING_KERNEL,)


def load_over(
    source: Source, base: Btf | str | None, base_name: str | None = None
) -> tuple[Btf, list[str]]:
    """Load what was read of a file over the base that was named for it.

    Args:
        source: the file.
        base: the base, or the name of its file; None when none was named.
        base_name: what a container is called.

    Returns:
        The container, and what is to be said of it: see :func:`doubts`.

    Raises:
        BtfError, OSError: as :func:`btfschema.load`.
    """
    from btfschema.sources import load_source

    base_name = base if isinstance(base, str) else base_name
    btf = load_source(source, base)
    return btf, [*doubts(btf, base_name), *joined(source, btf)]


def load_all_over(
    sources: Sequence[Source | Failure], bases: Sequence[Btf | None], base_name: str | None
) -> list[Opened | Failure]:
    """What :func:`load_over` does, for many files together; failures stand in their places.

    Args:
        sources: of each file what was read, or why it was not.
        bases: of each file; all that are not None are called ``base_name``.
        base_name: what that is called.
    """
    from btfschema.sources import Source, load_sources

    found: list[Opened | Failure] = []
    loaded = load_sources(sources, bases)
    for source, base, one in zip(sources, bases, loaded, strict=True):
        if isinstance(one, Exception):
            found.append(one)
        else:
            notes = doubts(one, base_name if base is not None else None)
            notes += joined(source, one) if isinstance(source, Source) else []
            found.append((one, notes))
    return found


def load_files(
    paths: Sequence[str], base: Btf | None, base_name: str | None
) -> list[Btf | Failure]:
    """Load many files together, and say on stderr which were probably built over another base.

    Those that bring their own base are read over that.
    """
    from btfschema.errors import attempt
    from btfschema.sources import read_source

    sources = [attempt(read_source, path) for path in paths]
    found: list[Btf | Failure] = []
    bases = [None if brings_base(source) else base for source in sources]
    opened = load_all_over(sources, bases, base_name)
    for path, one in zip(paths, opened, strict=True):
        if isinstance(one, Exception):
            found.append(one)
        else:
            warn(path, one[1])
            found.append(one[0])
    return found


def brings_base(source: Source | Failure) -> bool:
    """Whether a file that was read has its own base, in it or beside it."""
    from btfschema.sources import Source, detached_base

    return isinstance(source, Source) and (
        source.base is not None or detached_base(source) is not None
    )


def doubts(btf: Btf, base: str | None) -> list[str]:
    """A line when ``btf`` was probably built over another base than the one named, else none."""
    from btfschema.model.wrongbase import suspect_base

    why = suspect_base(btf) if base is not None else None
    return [f"{why}: {probably_another(base)}"] if why is not None else []


def joined(source: Source, btf: Btf) -> list[str]:
    """A line when a linker joined several BTFs in one section, of which the first was read."""
    from btfschema.sources.linked import end_of

    if end_of(btf.image.header) >= len(source.btf) or (count := len(source.blobs)) == 1:
        return []
    return [
        f"another BTF lies behind this one, {count} in all, as a linker joins those of objects; "
        "readers take the first alone, btfschema merge all of them"
    ]


def odd(btf: Btf, *, printed: bool = False) -> list[str]:
    """A line for each doubt about the types themselves; ``printed``: that touches printed types."""
    from btfschema.verification.suspect import oddities

    return [str(one) for one in oddities(btf, printed=printed)]


def warn_of_kfuncs(file: str | None, btf: Btf, type_ids: Iterable[int]) -> None:
    """Say that nothing tells kfuncs, when one of these types is a function that may be one."""
    from btfschema.verification.suspect import may_be_untagged_kfunc

    if any(may_be_untagged_kfunc(btf, type_id) for type_id in type_ids):
        why = "BPF programs may call functions that it does not declare: it has no bpf_kfunc tags"
        warn(file or RUNNING_KERNEL, [f"{why} (pahole before 1.26, or a kernel before 6.10)"])


def probably_another(base: str | None) -> str:
    """What a doubt is about."""
    return f"this BTF was probably built over another base than {base}"


def warn(file: str, notes: list[str]) -> None:
    """Say on stderr what is to be said of a file."""
    for note in notes:
        complain(note, file, "warning")


@contextmanager
def saying(notes: list[str]) -> Iterator[None]:
    """Make errors of a piece of work say notes too, since nobody will say them after it."""
    from btfschema.errors import BtfError

    try:
        yield
    except BtfError as error:
        noted(error, notes)
        raise


def noted(error: Failure, notes: list[str]) -> Failure:
    """An error, which now says these notes too."""
    if notes:
        error.args = ("\n  ".join([str(error), *notes]), *error.args[1:])
    return error
