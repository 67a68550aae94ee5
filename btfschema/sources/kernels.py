"""The kernels of this machine, and of directories."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from btfschema.codec.header import MAGICS
from btfschema.errors import NoBtfError, SourceError
from btfschema.model.container import Btf
from btfschema.sources import SYSFS, VMLINUX, StrPath, load
from btfschema.sources.compression import codec_of
from btfschema.sources.elf import ELF_MAGIC, read_identity
from btfschema.sources.identity import BOOT_NAMES, bzimage_release, named_release
from btfschema.sources.images import (
    BOXES,
    HEAD_SIZE,
    PACKAGES,
    is_bare_kernel,
    is_bzimage,
    is_zimage,
    payload_of,
)

__all__ = ["KernelFile", "find_kernels", "load_kernel", "load_kernel_module", "release_of"]

# Where libbpf looks for a kernel's types (libbpf_find_kernel_btf).
PLACES = (
    "/boot/vmlinux-{release}",
    "/lib/modules/{release}/vmlinux-{release}",
    "/lib/modules/{release}/build/vmlinux",
    "/usr/lib/modules/{release}/kernel/vmlinux",
    "/usr/lib/debug/boot/vmlinux-{release}",
    "/usr/lib/debug/boot/vmlinux-{release}.debug",
    "/usr/lib/debug/lib/modules/{release}/vmlinux",
)
# Distributions ship these, which libbpf can't read.
IMAGES = ("/boot/vmlinuz-{release}", "/lib/modules/{release}/vmlinuz")

# What a kernel's file is called, with the release behind the first dash.
KERNEL_NAME = re.compile(
    rf"(?:{BOOT_NAMES}|kernel)(?:-(?P<release>.+?))?"
    r"(?:\.btf|\.debug|\.img|\.itb)?"
)
DEFAULT_PLACES = ("/boot", "/lib/modules")
DEEPEST = 3


@frozen
class KernelFile:
    """A file that should hold a kernel's types.

    Attributes:
        path: the file.
        release: the kernel's release as the path tells it, or "".
    """

    path: Path
    release: str


def load_kernel(release: str | None = None) -> Btf:
    """The types of the running kernel, or of another one that is installed.

    Args:
        release: as ``uname -r`` gives it; the running kernel by default, whose types are taken from
            ``/sys/kernel/btf/vmlinux`` where they are there.

    Raises:
        NoBtfError: none of the files where they may be has them.
        BtfError, OSError: as :func:`btfschema.load`.
    """
    sysfs = Path(SYSFS, VMLINUX)
    running = platform.release()
    if release in (None, running) and sysfs.exists():
        return load(sysfs)
    release = release or running
    tried = [place.format(release=release) for place in (*PLACES, *IMAGES)]
    for path in tried:
        if not Path(path).is_file():
            continue
        try:
            return load(path)
        except NoBtfError:
            continue
    raise NoBtfError(
        f"no types of kernel {release}: looked for {sysfs} and {', '.join(tried)}",
        got=release,
        expected="a file with .BTF",
    )


def load_kernel_module(name: str, base: Btf | None = None) -> Btf:
    """The types of a module of the running kernel.

    Args:
        name: as ``lsmod`` or the file has it: ``nf_tables``, ``nf-tables``.
        base: the kernel's types, when they are loaded already.

    Raises:
        NoBtfError: the module is not loaded, is built in, or has no types.
        BtfError, OSError: as :func:`btfschema.load`.
    """
    path = Path(SYSFS, name.replace("-", "_"))
    if path.parent != Path(SYSFS) or path.name in ("", VMLINUX) or not path.exists():
        raise NoBtfError(
            f"{SYSFS} has no module {name!r}; is it loaded, and no part of the kernel itself?",
            got=name,
            expected="a module's name",
        )
    return load(path, base)


def release_of(path: StrPath) -> str | None:
    """The release that a kernel's file says, as far as it does without being unpacked.

    Args:
        path: an x86 boot image, vmlinux or a module. Of other files with BTF, such as packages,
            and ``RELEASE.btf`` as BTFHub's archive has it, the name counts.

    Returns:
        The release as ``uname -r`` gives it; None when the file does not say it or can't be read.
    """
    said = None
    try:
        if not os.path.isfile(path):  # noqa: PTH113
            return None
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(HEAD_SIZE)
            if is_bzimage(head):
                said = bzimage_release(head, file)
            elif head.startswith(ELF_MAGIC):
                size = file.seek(0, os.SEEK_END)
                said = read_identity(file, size, os.fspath(path))[0]
            elif not (codec_of(head) or head.startswith(PACKAGES) or head[:2] in MAGICS):
                return None
    except (OSError, SourceError):
        return None
    return said or named_release(os.fsdecode(path))


def find_kernels(*places: StrPath) -> list[KernelFile]:
    """Files that look like kernels, by name and by their first bytes; none is decoded.

    Args:
        places: directories and files; ``/boot`` and ``/lib/modules`` by default. Directories are
            searched three levels deep, links to directories are not followed.

    Returns:
        The files in the order of their paths, those that are links to others left out.

    Raises:
        OSError: a place does not exist.
    """
    found: dict[Path, KernelFile] = {}
    for place in places or [place for place in DEFAULT_PLACES if Path(place).is_dir()]:
        # Links last, as the file itself says more.
        for path in sorted(_files(Path(place)), key=Path.is_symlink):
            match = KERNEL_NAME.fullmatch(path.name)
            if match is None or not _looks_like_one(path):
                continue
            release = match["release"] or _release_of_tree(path)
            found.setdefault(path.resolve(), KernelFile(path, release))
    return sorted(found.values(), key=lambda kernel: kernel.path)


def _files(place: Path) -> Iterator[Path]:
    """The regular files in a directory, or the file itself."""
    if place.is_file():
        yield place
        return
    if not place.is_dir():
        raise FileNotFoundError(2, os.strerror(2), str(place))
    start = len(place.parts)
    for folder, folders, names in os.walk(place):
        if len(Path(folder).parts) - start >= DEEPEST:
            folders.clear()
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(folder, name)).is_file())


def _release_of_tree(path: Path) -> str:
    """The release of a kernel in ``/lib/modules/RELEASE``, or ""."""
    parts = path.parts
    at = len(parts) - 1 - parts[::-1].index("modules") if "modules" in parts else len(parts)
    return parts[at + 1] if at + 2 < len(parts) else ""


def _looks_like_one(path: Path) -> bool:
    """Whether a file starts as ELF, BTF or a boot image does; not whether it has types."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_SIZE)
    except OSError:
        return False
    return head[:2] in MAGICS or head.startswith(ELF_MAGIC) or _is_image(head, path)


def _is_image(head: bytes, path: Path) -> bool:
    try:
        payload = payload_of(head, path.stat().st_size, str(path))
    except SourceError:
        return False
    known = payload is not None or is_bare_kernel(head) or is_zimage(head)
    return known or head.startswith(BOXES) or codec_of(head) is not None
