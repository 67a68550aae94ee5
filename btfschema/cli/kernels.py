"""Kernels named on the command line, alone or with modules, or all below a directory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
from attrs import evolve, field, frozen

from btfschema.cli.below import BTF_SUFFIXES, PACKAGE_SUFFIXES, is_special, stem
from btfschema.cli.inputs import load_files, running_kernel
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.cli.tree import Kept
    from btfschema.co_re import Kernel
    from btfschema.errors import Failure
    from btfschema.framework.files import Shared
    from btfschema.model.container import Btf

__all__ = [
    "KernelFiles",
    "kernels_of",
    "named_kernel",
    "named_kernels",
    "open_kernel",
    "refusal_of",
]

KERNELS = (*BTF_SUFFIXES, *PACKAGE_SUFFIXES, "vmlinux", ".itb")
# Kernels that an error names.
NAMED = 8


@frozen
class KernelFiles:
    """The kernels to work on.

    Attributes:
        paths: their files, in order.
        names: what each is called: see :func:`named_kernels`.
        modules: by kernel, the files of its modules.
        walked: whether directories were searched.
        below: the paths of those found in directories, below these.
    """

    paths: tuple[str, ...]
    names: Mapping[str, str]
    modules: Mapping[str, tuple[str, ...]] = field(factory=dict)
    walked: bool = False
    below: Mapping[str, str] = field(factory=dict)

    @property
    def reads(self) -> dict[str, tuple[str, ...]]:
        """All files that are read, by what they are: for :func:`btfschema.cli.outputs.guard`."""
        modules = [path for paths in self.modules.values() for path in paths]
        return {"the kernel": self.paths, "the module": tuple(modules)}


def kernels_of(
    targets: Sequence[str],
    trees: Sequence[str],
    modules: Sequence[str] = (),
    *,
    given: str = "--target FILE",
) -> KernelFiles:
    """The kernels of ``--target [NAME=]FILE``, ``--all DIR`` and ``--modules [NAME=]DIR|PACKAGE``.

    Without target and directory, the running kernel.

    Args:
        targets: the kernels' files.
        trees: directories to search for kernels.
        modules: directories or packages of modules, each of one kernel.
        given: how the command line names a kernel, for error messages.

    Raises:
        click.UsageError: there is none, one is given twice, or modules belong to none of them.
    """
    if not targets and not trees:
        targets = running_kernel(f"give {given}, or --all DIR")
    below = _kernels_below(trees)
    names: dict[str, str] = {}
    for name, path in named_kernels(targets, below):
        if path in names:
            raise click.UsageError(f"the kernel {printable(path)} is given twice")
        if name in names.values():
            raise click.UsageError(
                f"two kernels are called {name!r}: give {printable(path)} another NAME"
            )
        names[path] = name
    if not names:
        raise click.UsageError(f"no kernels below {', '.join(trees)}")
    found: dict[str, tuple[str, ...]] = {}
    for text in modules:
        owner, folder = _owner(text, names)
        found[owner] = (*found.get(owner, ()), *_modules(folder, owner))
    return KernelFiles(tuple(names), names, found, bool(trees), below)


def _kernels_below(trees: Sequence[str]) -> dict[str, str]:
    """The kernels in some directories, and the path of each below its own."""
    from btfschema.sources.identity import starts_like_kernel

    found: dict[str, str] = {}
    for tree in trees:
        for folder, folders, files in os.walk(tree):
            folders.sort()
            for one in sorted(files):
                path = os.path.join(folder, one)  # noqa: PTH118
                if (one.endswith(KERNELS) or starts_like_kernel(one)) and not is_special(path):
                    found.setdefault(path, os.path.relpath(path, tree))
    return found


def _owner(text: str, names: Mapping[str, str]) -> tuple[str, str]:
    """The kernel that ``--modules [NAME=]DIR|PACKAGE`` is about, and where its modules are.

    Args:
        text: as given.
        names: what each kernel is called.

    Raises:
        click.UsageError: no kernel has that name, or none is named and there are several.
    """
    name, folder = named_kernel(text)
    owners = [path for path in names if names[path] == name]
    if not owners and name != folder:
        known = ", ".join(map(printable, islice(names.values(), NAMED)))
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        raise click.UsageError(
            f"--modules {printable(text)}: no kernel is called {printable(name)!r}, but "
            f"{known}{more}"
        )
    first, *others = owners or names
    if others:
        raise click.UsageError(f"--modules {text}: say of which kernel, as NAME={folder}")
    return first, folder


def named_kernel(text: str) -> tuple[str, str]:
    """``NAME=FILE``, or a file that is called by its path."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and path and not Path(text).exists() else (text, text)


def named_kernels(
    texts: Sequence[str], below: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[str, str]]:
    """Name and file of each ``[NAME=]FILE``; without a name, the release that the file says.

    A file that says none, or the same as another one, is called by its path.

    Args:
        texts: as given.
        below: files found in directories, and their paths below these, by which they are called if
            just one has that path.
    """
    from btfschema.sources.kernels import release_of

    # What each may be called, the best first; the last is its name even if others have it too.
    choices: list[tuple[list[str], str]] = []
    for name, path in map(named_kernel, texts):
        release = release_of(path) if name == path else None
        choices.append(([release, name] if release is not None else [name], path))
    given = {path for _, path in choices}
    for path, name in below.items():
        if path not in given:
            release = release_of(path)
            choices.append(([release, name, path] if release is not None else [name, path], path))
    taken = Counter(one for names, _ in choices for one in names)
    return [
        (next((one for one in names if taken[one] == 1), names[-1]), path)
        for names, path in choices
    ]


def _modules(folder: str, kernel: str) -> tuple[str, ...]:
    """All modules below a directory, or in a package; the kernel may lie there too."""
    from btfschema.cli.tree import below

    found = [one.path for one in below(folder) if not Path(one.path).samefile(kernel)]
    if not found:
        raise click.UsageError(f"no modules below {folder}")
    return tuple(found)


def refusal_of(name: str, kernel: Shared | Kept) -> str:
    """Why no module loads over a kernel's BTF, as the newest of kernels says; empty if some do."""
    from btfschema.verification import KERNELS
    from btfschema.verification.verifier import refused_base

    *_, newest = KERNELS
    # What verification remembers takes as much memory as the BTF itself. It is remembered of a
    # copy, and freed with it.
    found = list(refused_base(evolve(kernel.open()), newest))
    if not found:
        return ""
    more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
    return (
        f"no module loads over {printable(name)}, which Linux {newest} refuses itself: "
        f"{found[0]}{more}"
    )


@contextmanager
def open_kernel(path: str, modules: Sequence[str]) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """Read a kernel and its modules; those without BTF are left out.

    A module with a distilled base is moved onto the kernel, as the kernel itself does.

    What was found out about them is forgotten at the end, so that many kernels, one after another,
    take the memory of one.

    Returns:
        The kernel, and the file of each of its modules by the module's name.

    Raises:
        BtfError, OSError: one can't be read, or does not fit the kernel.
    """
    from btfschema.co_re import Kernel
    from btfschema.errors import NoBtfError
    from btfschema.model.memo import forget
    from btfschema.sources import load

    vmlinux = load(path)
    found: dict[str, Btf] = {}
    files: dict[str, str] = {}
    for file, one in zip(modules, _loaded(modules, vmlinux, path), strict=True):
        if isinstance(one, NoBtfError):
            continue
        if isinstance(one, Exception):
            raise one
        name = _module_name(file)
        found[name], files[name] = one, file
    try:
        yield Kernel(vmlinux, found), files
    finally:
        for btf in (vmlinux, *found.values()):
            # Answers refer to their container, which refers to them.
            forget(btf)


def _loaded(modules: Sequence[str], vmlinux: Btf, path: str) -> list[Btf | Failure]:
    """The modules over the kernel, or why one is not."""
    from btfschema.errors import BtfError
    from btfschema.framework.files import run_loaded
    from btfschema.framework.passes import Context, base_state
    from btfschema.framework.pipeline import Pipeline

    found = load_files(modules, vmlinux, path)
    distilled = {
        number: one
        for number, one in enumerate(found)
        if not isinstance(one, Exception) and base_state(one) == "distilled"
    }
    if distilled:
        move = Pipeline.parse("relocate{policy=kernel}")
        moved = run_loaded(move, list(distilled.values()), Context({"target": vmlinux}))
        for number, end in zip(distilled, moved, strict=True):
            if isinstance(end, Exception):
                found[number] = BtfError(f"{printable(modules[number])}: {end}")
            else:
                found[number] = end.btf
    return found


def _module_name(path: str) -> str:
    """A module's name as the kernel has it: ``nf_tables`` for ``nf-tables.ko.xz``."""
    return stem(Path(path).name).replace("-", "_")
