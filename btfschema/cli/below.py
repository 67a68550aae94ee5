"""Which files below a directory hold BTF: by name, and as /sys/kernel/btf has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from btfschema.cli.answers import complain
from btfschema.cli.given import as_given, unpacked
from btfschema.errors import BtfError, SourceError
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.sources.archives import Reader

__all__ = [
    "BTF_SUFFIXES",
    "MODULE_SUFFIXES",
    "PACKAGE_SUFFIXES",
    "SUFFIXES",
    "Below",
    "files_below",
    "is_special",
    "stem",
    "unpacked_package",
    "write_unpacked",
]

PACKED = ("", ".gz", ".xz", ".zst")
MODULE_SUFFIXES = tuple(f".ko{packed}" for packed in PACKED)
# BTFHub's archive keeps each kernel's BTF as NAME.btf.tar.xz.
BTF_SUFFIXES = tuple(f".btf{tar}{packed}" for tar in ("", ".tar") for packed in PACKED)
# What files that hold a module's BTF are called; a directory may hold anything else too.
SUFFIXES = MODULE_SUFFIXES + BTF_SUFFIXES
# What packages are called that may hold a kernel and its modules.
PACKAGE_SUFFIXES = (".deb", ".rpm")
LONGEST_FIRST = sorted(SUFFIXES, key=len, reverse=True)
VMLINUX = "vmlinux"
STEP = 1 << 20


@frozen
class Below:
    """A file below a directory.

    Attributes:
        path: the file.
        relative: its path below the directory; of ``NAME.btf.tar.xz``, that of ``NAME.btf``.
        base: the ``vmlinux`` beside it in a copy of ``/sys/kernel/btf``, else None.
    """

    path: str
    relative: str
    base: str | None = None


def files_below(root: str, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Below]:
    """The files with one of these suffixes, in order; links to directories are not followed.

    Pipes, sockets and devices are left out, whatever they are called: one that is read may block
    for ever. A link that leads nowhere stays, to be reported.

    A directory whose ``vmlinux`` is raw BTF is taken for a copy of ``/sys/kernel/btf``, where
    modules have no suffix: what begins as BTF does belongs to it, and ``vmlinux`` is the base. It
    is a file like others when it is alone. Packages are not opened, which is said on stderr.
    """
    packages = list[str]()
    for folder, below, names in os.walk(root):
        below.sort()
        base, found = _base_of(folder, names), list[str]()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118
            known = name.endswith(suffixes) and not is_special(path)
            if known or (base is not None and path != base and _is_raw(path)):
                found.append(path)
            elif name.endswith(PACKAGE_SUFFIXES):
                packages.append(path)
        if base is not None and not found:
            found, base = [base], None
        within = os.path.relpath(folder, root)
        for one in found:
            name = _unpacked(os.path.basename(one))  # noqa: PTH119
            yield Below(one, os.path.normpath(os.path.join(within, name)), base)  # noqa: PTH118
    if packages:
        count = f"{len(packages):,} packages" if len(packages) > 1 else "a package"
        first = printable(os.path.relpath(packages[0], root))
        complain(f"{count} not opened ({first}): --all PACKAGE opens one", root, "warning")


@contextmanager
def unpacked_package(package: str) -> Iterator[tuple[str, tuple[Below, ...]]]:
    """The files with BTF of a package or an archive, in a directory that is removed at the end.

    They are as old as the package, and errors until then call them as :mod:`btfschema.cli.given`
    does. What would lie outside of the directory is left out, and named on stderr.

    Returns:
        The directory, and its files; the package's kernel, if it has just one, is their base.

    Raises:
        SourceError: it is not a package or archive, or damaged.
        OSError: it can't be read, or there is no room.
    """
    from btfschema.sources.archives import is_kernel_name
    from btfschema.sources.reading import open_archive

    kernels = []
    with TemporaryDirectory(prefix="btfschema-") as made, open_archive(package) as entries:
        top = os.path.realpath(made)
        unpacked(top, package)
        time = os.stat(package).st_mtime_ns  # noqa: PTH116
        for entry in entries:
            path = os.path.normpath(os.path.join(top, entry.name.lstrip("/")))  # noqa: PTH118
            kernel = is_kernel_name(entry.name)
            if not (kernel or path.endswith(SUFFIXES)):
                continue
            if not path.startswith(top + os.sep):
                name = printable(entry.name)
                complain(f"{name} leads out of the package; it is left out", package, "warning")
                continue
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
                write_unpacked(path, entry.stream)
                os.utime(path, ns=(time, time))
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise SourceError(
                    f"{printable(package)}: {printable(entry.name)} and another entry can't both "
                    "be unpacked: one is a directory where the other is a file",
                    got=entry.name,
                ) from error
            if kernel and path not in kernels:
                kernels.append(path)
        base = kernels[0] if len(kernels) == 1 else None
        found = [evolve(one, base=base) for one in files_below(top) if one.path != base]
        try:
            yield top, tuple(found)
        # Since 8.3, click passes the error that ends a command to the resources of its context.
        except BtfError as error:
            error.args = as_given(error.args, words=True)
            raise
        except OSError as error:
            error.filename = as_given(error.filename)
            raise


def write_unpacked(path: str, stream: Reader) -> None:
    """Unpack a file; of several with one name the last counts, as for tar.

    Raises:
        OSError: there is no room, for one; it names the file, which Python's own does not.
    """
    # Without a buffer: closing one would try again, and fail without the name.
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123
        while left := memoryview(stream.read(STEP)):
            while left:
                try:
                    left = left[file.write(left) :]
                except OSError as error:
                    raise OSError(error.errno, error.strerror, path) from error


def is_special(path: str) -> bool:
    """Whether a path leads to something else than a file: a pipe, a socket, a device."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return False


def _base_of(folder: str, names: Collection[str]) -> str | None:
    path = os.path.join(folder, VMLINUX)  # noqa: PTH118
    return path if VMLINUX in names and _is_raw(path) else None


def _is_raw(path: str) -> bool:
    """Whether a file begins as raw BTF does."""
    if not os.path.isfile(path):  # noqa: PTH113
        return False
    from btfschema.codec.header import MAGICS

    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(2) in MAGICS
    except OSError:
        return False


def _unpacked(path: str) -> str:
    """A path as it is, but ``NAME.btf`` for ``NAME.btf.tar.xz``: results are not archives."""
    suffix = next((one for one in LONGEST_FIRST if path.endswith(one)), "")
    return path.removesuffix(suffix) + ".btf" if ".tar" in suffix else path


def stem(name: str) -> str:
    """A file's name without the suffix that says that it holds BTF."""
    suffix = next((one for one in LONGEST_FIRST if name.endswith(one)), "")
    return name.removesuffix(suffix)
