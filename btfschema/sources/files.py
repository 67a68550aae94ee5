"""Writing files whole or not at all, and telling whether two paths are one file."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

__all__ = [
    "Content",
    "FileId",
    "alone_in",
    "atomic_stream",
    "atomic_write",
    "atomic_write_all",
    "identity",
    "of_stdout",
    "writing_stdout",
]

Content = bytes | bytearray | memoryview
StrPath = str | os.PathLike[str]
FileId = tuple[int, int, str]
"""Device, inode and, of a file that does not exist yet, its name in that directory."""

# How the names of temporary files begin and end; only a program that is killed leaves any.
TEMPORARY = (".btfschema-", ".tmp")
# Extended attributes that vouch for the content of a file, which is another one now.
OF_CONTENT = frozenset({"security.ima", "security.evm", "security.capability"})


def identity(path: StrPath) -> FileId | None:
    """What two paths have in common when they lead to one file.

    Links, hard links, ``..`` and, where the file system ignores it, case make no difference. A
    path that leads nowhere yet is told by its directory and its name.

    Returns:
        None for what can't be overwritten: a pipe, a terminal, ``/dev/null``, a directory; or
        where there is no such directory.
    """
    linked = False
    try:
        status = os.lstat(path)
        linked = stat.S_ISLNK(status.st_mode)
        status = os.stat(path) if linked else status  # noqa: PTH116
    except OSError:
        # A link that leads nowhere would be written to where it leads.
        path = os.path.realpath(path) if linked else path
        folder, name = os.path.split(path)
        try:
            above = os.stat(folder or ".")  # noqa: PTH116
        except OSError:
            return None
        return above.st_dev, above.st_ino, name
    return (status.st_dev, status.st_ino, "") if stat.S_ISREG(status.st_mode) else None


def atomic_write(path: StrPath, data: Content, *, like: StrPath | None = None) -> None:
    """Write ``data`` to a file, so that a reader sees the old content or the new, never a part.

    The bytes go to a temporary file in the target's directory, which is then renamed over the
    target. An existing target keeps its mode, and its owner and extended attributes where the user
    may set them; a symbolic link goes on pointing to it. What is not a regular file (a terminal, a
    pipe, ``/dev/null``) is written to directly. Nothing is synced to the disk: this guards against
    failures of the program, not of the machine.

    Args:
        path: the target.
        data: its content.
        like: the file whose mode, owner and extended attributes a new target gets; None gives it
            those of any new file.

    Raises:
        OSError: the file can't be written. The old one is whole, and no temporary file is left.
    """
    atomic_write_all({path: data}, like=like)


def atomic_write_all(
    contents: Mapping[StrPath, Content] | Mapping[Path, Content], *, like: StrPath | None = None
) -> None:
    """Write files that belong together: none is touched until all could be written.

    Each is written like :func:`atomic_write` does; they are renamed in the order given.

    Raises:
        OSError: one can't be written. All old ones are whole, and no temporary file is left.
    """
    # A kernel has thousands of files to write: as few system calls for each as there can be.
    renames: list[tuple[str, str]] = []
    pattern = _Pattern.of(like) if like is not None else None
    try:
        for path, data in contents.items():
            target, mode = _target(os.fsdecode(path))
            if mode is not None and not stat.S_ISREG(mode):
                with _blaming(target), open(target, "wb") as file:  # noqa: PTH123
                    file.write(data)
                continue
            temporary = _beside(target)
            renames.append((temporary, target))
            with (
                _blaming(target),
                os.fdopen(_created(temporary, target, mode, pattern), "wb") as file,
            ):
                file.write(data)
        while renames:
            os.replace(*renames[0])  # noqa: PTH105
            del renames[0]
    finally:
        for temporary, _ in renames:
            _remove(temporary)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in a block like this for a directory, and keep others out.

    For writers that choose a new name from those that are taken. The lock ends with the process; on
    systems without ``flock`` there is none.

    Raises:
        OSError: the directory can't be opened.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


@contextmanager
def atomic_stream(path: StrPath) -> Iterator[BinaryIO]:
    """A file that is written bit by bit and appears whole, when the ``with`` block ends.

    It appears too when the block is interrupted, with what was written until then; after any other
    error the old file stands. Otherwise like :func:`atomic_write`.

    Raises:
        OSError: the file can't be written; it names the file.
    """
    target, mode = _target(os.fsdecode(path))
    if mode is not None and not stat.S_ISREG(mode):
        with _Named.opened(os.open(target, os.O_WRONLY), target) as device:
            yield device
        return
    temporary = _beside(target)
    try:
        with _blaming(target):
            descriptor = _created(temporary, target, mode, None)
        try:
            with _Named.opened(descriptor, target) as file:
                yield file
        except (KeyboardInterrupt, SystemExit):
            _replace(temporary, target)
            raise
        _replace(temporary, target)
    finally:
        _remove(temporary)


# Where an error says that standard output was to blame: its class tells what went wrong.
OF_STDOUT = "of_stdout"


@contextmanager
def writing_stdout() -> Iterator[None]:
    """Mark errors as those of standard output, lest the file that is worked on is blamed."""
    try:
        yield
    except OSError as error:
        vars(error)[OF_STDOUT] = True
        raise


def of_stdout(error: BaseException) -> bool:
    """Whether :func:`writing_stdout` marked this error."""
    return OF_STDOUT in vars(error)


def _remove(temporary: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108


def _replace(temporary: str, target: str) -> None:
    with _blaming(target):
        os.replace(temporary, target)  # noqa: PTH105


def _beside(target: str) -> str:
    """The name of a temporary file in the directory of the target."""
    folder, _ = os.path.split(target)
    return os.path.join(folder, os.urandom(8).hex().join(TEMPORARY))  # noqa: PTH118


@contextmanager
def _blaming(target: str) -> Iterator[None]:
    """Let errors name the file that was asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        error.filename = target
        raise


class _Named(io.FileIO):
    """An open file whose errors name it, so that the reader need not guess which file is full."""

    target: str

    @classmethod
    def opened(cls, descriptor: int, target: str) -> BinaryIO:
        """A stream with a buffer."""
        file = cls(descriptor, "wb")
        file.target = target
        return io.BufferedWriter(file)

    # IO declares int, RawIOBase int or None, and typeshed's FileIO breaks the one as this does.
    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        """Write what fits."""
        with _blaming(self.target):
            return super().write(data)


class _Pattern(NamedTuple):
    """What of a file its successor keeps."""

    mode: int
    owner: tuple[int, int]
    attributes: dict[str, bytes]

    @classmethod
    def of(cls, path: StrPath) -> _Pattern | None:
        """That of a file; None when it is not a regular file."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        attributes = dict[str, bytes]()
        # Linux alone has these functions, and not every file system has attributes.
        if hasattr(os, "listxattr"):
            with suppress(OSError):
                for name in os.listxattr(path):
                    if name not in OF_CONTENT:
                        attributes[name] = os.getxattr(path, name)
        return cls(stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), attributes)

    def put_on(self, descriptor: int) -> None:
        """Give a file all of it that the user may set; the mode last, as changes of owner cut it.

        Raises:
            OSError: not even the mode can be set.
        """
        status = os.fstat(descriptor)
        mode = self.mode
        if (status.st_uid, status.st_gid) != self.owner:
            try:
                os.fchown(descriptor, *self.owner)
            except OSError:
                # Nobody but the owner of the old file was trusted with these.
                mode &= ~(stat.S_ISUID | stat.S_ISGID)
        for name, value in self.attributes.items():
            with suppress(OSError):
                os.setxattr(descriptor, name, value)
        os.fchmod(descriptor, mode)


def _created(temporary: str, target: str, mode: int | None, pattern: _Pattern | None) -> int:
    """A new file, open for writing, that has what the target has, or else what ``pattern`` says."""
    pattern = _Pattern.of(target) if mode is not None else pattern
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    if pattern is None:
        return os.open(temporary, flags, 0o666)
    # Nobody may look into it before it has its final mode.
    descriptor = os.open(temporary, flags, 0o600)
    try:
        pattern.put_on(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _target(path: str) -> tuple[str, int | None]:
    """The file that a path leads to, and its mode, or None where there is none."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path, None
    if not stat.S_ISLNK(mode):
        return path, mode
    # The rename would otherwise replace the link.
    return _target(os.path.realpath(path))
