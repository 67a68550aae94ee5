"""BTF from what people have: raw files, sysfs, ELF, kernel modules, boot images.

What a file is is told by its content, never by its name. :func:`load` gives a container;
:func:`read_source` gives the sections' bytes and says where they came from.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from attrs import evolve, field, frozen

from btfschema.codec.engines import Engine
from btfschema.codec.header import ByteOrder
from btfschema.errors import BtfError, Failure, SourceError, attempt
from btfschema.escapes import printable
from btfschema.model.container import Btf
from btfschema.model.loading import decoded, dumps, warn_of_base
from btfschema.model.objectfile import ObjectFile
from btfschema.schema.kinds import KINDS, Kinds
from btfschema.sources import archives, compression, elf, images
from btfschema.sources.compression import Window, codec_of, decompress
from btfschema.sources.elfobjects import read_object
from btfschema.sources.files import atomic_write
from btfschema.tables.joined import portions

__all__ = [
    "STDIN",
    "Source",
    "SourceFormat",
    "StrPath",
    "atomic_write",
    "base_beside",
    "detached_base",
    "dump",
    "load",
    "load_many",
    "load_source",
    "load_sources",
    "read_source",
]

StrPath = str | os.PathLike[str]
SourceFormat = Literal["raw", "elf", "image", "scan"]

STDIN = "-"
SYSFS = Path("/sys/kernel/btf")
VMLINUX = "vmlinux"
# A compressed file of a boot image with a compressed payload has three.
MOST_LAYERS = 4
STEP = 1 << 20


@frozen
class Source:
    """A file's BTF sections, not decoded, and how they were found.

    Attributes:
        path: as given, ``"-"`` for standard input.
        format: what holds the BTF: ``"raw"`` (the data is BTF), ``"elf"``, or ``"image"`` (an
            uncompressed arm64 or RISC-V kernel), or ``"scan"`` (anything, searched).
        btf: ``.BTF``.
        base: ``.BTF.base``, the distilled base that ``.BTF`` is split over, or None.
        ext: ``.BTF.ext``, or None.
        inline: ``.BTF.inline``, which is split over ``.BTF``, or None.
        layers: what is around that, the outermost first: ``("xz",)`` for a ``.ko.xz``,
            ``("bzImage", "xz")`` for a ``vmlinuz``.
        elf_class: 32 or 64 for ELF, else None.
        elf_byteorder: the ELF file's, else None. BTF says its own.
        object_file: of a BPF object, its sections and symbols.
    """

    path: str
    format: SourceFormat
    btf: bytes = field(repr=False)
    base: bytes | None = field(default=None, repr=False)
    ext: bytes | None = field(default=None, repr=False)
    layers: tuple[str, ...] = ()
    elf_class: elf.ElfClass | None = None
    elf_byteorder: ByteOrder | None = None
    inline: bytes | None = field(default=None, repr=False)
    object_file: ObjectFile | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the file is called in messages."""
        return _name(self.path)


def load(
    path: StrPath,
    base: Btf | StrPath | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
    scan: bool = False,
) -> Btf:
    """Read BTF from a file.

    Taken are raw BTF, also from ``/sys/kernel/btf``; ELF objects and executables with ``.BTF``;
    kernel modules, also ``.ko.gz``, ``.ko.xz`` and ``.ko.zst``; and kernel boot images (x86
    bzImage, arm64 and RISC-V Image, EFI zboot). Where the base is not given, it is looked for:

    - ``.BTF.base`` in the file, or ``FILE.base`` beside a raw ``FILE`` (the detached form ``X.btf``
      and ``X.btf.base``) is the base, as its type ids count from there. Giving another is an error,
      and not an order to relocate;
    - ``/sys/kernel/btf/vmlinux`` for another file of that directory.

    Args:
        path: the file; ``"-"`` for standard input.
        base: what it is split over, or a file with that.
        decoder: ``"bulk"`` (numpy) or ``"reference"`` (Construct, record by record).
        kinds: the schema to read it with.
        check: whether every type id and string offset must exist.
        scan: take the largest BTF that lies anywhere in the file, whatever it is.

    Raises:
        OSError: the file can't be read.
        SourceError: it is none of the above, or damaged; or ``base`` was given for a file that
            brings its own.
        NoBtfError: it holds no BTF.
        DecodeError: its BTF is damaged.
        MissingBaseError: it is split BTF, and no base was given or found.

    Warns:
        WrongBaseWarning: it was probably built over another base than the one given.
    """
    source = read_source(path, scan=scan)
    btf = load_source(source, base, decoder=decoder, kinds=kinds, check=check)
    if base is not None and check:
        warn_of_base(btf, f"{source.name}: ")
    return btf


def load_source(
    source: Source,
    base: Btf | StrPath | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
) -> Btf:
    """Decode what :func:`read_source` read; arguments and errors are those of :func:`load`."""
    if base is not None:
        _refuse_two_bases(source, base)
    elif source.base is not None:
        with _named(f"{source.name}: {elf.BTF_BASE}"):
            (base,) = decoded([source.base], decoder=decoder, kinds=kinds, check=check)
    else:
        base = base_beside(source)
    if base is not None and not isinstance(base, Btf):
        base = load(base, decoder=decoder, kinds=kinds, check=check)
    with _named(source.name):
        (btf,) = decoded([source.btf], base, decoder=decoder, kinds=kinds, check=check)
    return _finished(source, btf, decoder=decoder, check=check)


def _refuse_two_bases(source: Source, base: Btf | StrPath) -> None:
    """Refuse a base for a file that brings its own.

    Raises:
        SourceError: it does, and is given another.
    """
    own, way_out = elf.BTF_BASE, ""
    if source.base is None:
        detached = detached_base(source)
        if detached is None or _is_file(base, detached):
            return
        own = _name(str(detached))
        way_out = f"; if {own} is not its base, move it away"
    raise SourceError(
        f"{source.name}: brings its own base ({own}), which its type ids count from; load it "
        f"without a base (no -B), then relocate it onto the one given{way_out}",
        got=base,
        expected="no base",
    )


def _is_file(base: Btf | StrPath, path: Path) -> bool:
    """Whether a base was given by the path of this file."""
    return not isinstance(base, Btf) and os.fspath(base) != STDIN and path.samefile(base)


def _finished(source: Source, btf: Btf, *, decoder: Engine = "bulk", check: bool = True) -> Btf:
    """The container with what its file says besides ``.BTF``."""
    with _named(source.name):
        if btf.base is not None and source.base is None:
            _refuse_alone(btf, btf.base)
        if source.elf_class is not None:
            address_size = source.elf_class // 8
            btf = evolve(btf, address_size=address_size, object_file=source.object_file)
        if source.inline:
            with _named(elf.BTF_INLINE):
                (inline,) = decoded([source.inline], btf, decoder=decoder, check=check)
            btf = evolve(btf, inline=inline)
        if source.ext is None:
            return btf
        from btfschema.model.ext import loads_ext

        return evolve(btf, ext=loads_ext(source.ext, btf, decoder=decoder, check=check))


def load_many(paths: Sequence[StrPath], base: Btf | StrPath | None = None) -> list[Btf | Failure]:
    """Read many files at once, each as :func:`load` does, at less cost for each.

    Returns:
        For each file its container, or the error that :func:`load` raises.

    Warns:
        WrongBaseWarning: a file was probably built over another base than the one given.
    """
    opened = load(base) if isinstance(base, str | os.PathLike) else base
    sources = [attempt(read_source, path) for path in paths]
    found = load_sources(sources, [opened] * len(sources))
    for source, btf in zip(sources, found, strict=True):
        if opened is not None and isinstance(source, Source) and isinstance(btf, Btf):
            warn_of_base(btf, f"{source.name}: ")
    return found


def load_sources(
    sources: Sequence[Source | Failure], bases: Sequence[Btf | None]
) -> list[Btf | Failure]:
    """Decode many files that were read; failures among them stay where they are.

    Args:
        sources: what :func:`read_source` gave or raised.
        bases: of each.

    Returns:
        For each file its container, or the error that :func:`load_source` raises.
    """
    pairs = [
        (source, base)
        for source, base in zip(sources, bases, strict=True)
        if isinstance(source, Source)
    ]
    decoded: list[Btf | Failure] = []
    for portion in portions(pairs, [len(source.btf) // 4 for source, _ in pairs]):
        try:
            decoded += _decoded(portion)
        except (BtfError, OSError):
            # One of them is at fault: each by itself says what is wrong with it.
            decoded += [attempt(load_source, source, base) for source, base in portion]
    results = iter(decoded)
    return [next(results) if isinstance(one, Source) else one for one in sources]


def _decoded(pairs: Sequence[tuple[Source, Btf | None]]) -> list[Btf]:
    """Decode the bases that files bring, then what is split over them."""
    beside: dict[Path, Btf | bytes] = {}
    given: list[Btf | bytes | None] = []
    for source, base in pairs:
        if base is not None:
            _refuse_two_bases(source, base)
            given.append(base)
        elif source.base is not None:
            given.append(source.base)
        elif (path := base_beside(source)) is not None:
            if path not in beside:
                beside[path] = _opened_base(path)
            given.append(beside[path])
        else:
            given.append(None)
    fresh = iter(decoded([one for one in given if isinstance(one, bytes)]))
    bases = [next(fresh) if isinstance(one, bytes) else one for one in given]
    sources = [source for source, _ in pairs]
    return list(map(_finished, sources, decoded([one.btf for one in sources], bases)))


def _opened_base(path: Path) -> Btf | bytes:
    """A base that lies beside what is split over it: raw bytes, if that is all there is to it."""
    source = read_source(path)
    shared = path.parent == SYSFS
    if source.format == "raw" and base_beside(source) is None and not shared:
        return source.btf
    return load_source(source)


def _refuse_alone(btf: Btf, base: Btf) -> None:
    """Refuse BTF that needs no base: over one, each of its ids and names would mean another.

    Raises:
        SourceError: the BTF has types, its strings start as those of a base do, and all ids and
            offsets lie within itself.
    """
    types, strings = btf.types, btf.strings.data
    if not len(types) or strings[:1] != b"\0":
        return
    ids, offsets = types.words[types.type_id_positions], types.words[types.string_positions]
    if ids.max(initial=0) <= len(types) and offsets.max(initial=0) < len(strings):
        raise SourceError(
            f"this is stand-alone BTF: its {len(types)} types refer to nothing else, so it is not "
            f"split over a base of {base.end_id - 1} types; load it without a base",
            got="stand-alone BTF",
            expected="split BTF",
        )


def dump(btf: Btf, path: StrPath) -> None:
    """Write a container to a file as raw BTF, whole or not at all; its base is not written.

    Raises:
        OSError: the file can't be written; what was there before is unchanged.
        EncodeError: the container does not fit the format.
    """
    atomic_write(path, dumps(btf))


def read_source(path: StrPath, *, scan: bool = False) -> Source:
    """Find the BTF sections of a file, whatever it is, without decoding them.

    Of an ELF file only the headers and these sections are read. What is compressed or comes from a
    pipe is held in memory, up to a limit.

    Args:
        path: the file; ``"-"`` for standard input.
        scan: take the largest BTF that lies anywhere in the file, whatever format it has: see
            :mod:`btfschema.sources.scan`.

    Raises:
        OSError: the file can't be read.
        SourceError: it is no known format, damaged, truncated, or more than the limit.
        NoBtfError: it holds no BTF.
    """
    path = os.fspath(path)
    if scan:
        from btfschema.sources.scan import largest_blob

        return Source(path, "scan", largest_blob(path)[1])
    with _opened(path) as (stream, size):
        return _unwrap(stream, size, path)


def _unwrap(stream: BinaryIO, size: int, path: str) -> Source:
    """Take the layers off until something holds BTF.

    Args:
        stream: the file, at its start.
        size: its length in bytes.
        path: where it is.
    """
    name, layers, limit = _name(path), list[str](), compression.proportionate(size)
    while len(layers) <= MOST_LAYERS:
        head = stream.read(images.HEAD_SIZE)
        if head[:2] in images.RAW_MAGICS:
            return Source(path, "raw", _whole(stream, size, name), layers=tuple(layers))
        if head.startswith(elf.ELF_MAGIC):
            found = elf.read_elf(stream, size, name, limit)
            btf, base, ext, inline = map(found.contents.get, elf.SECTIONS)
            kind = found.elf_class, found.byteorder
            more = inline, read_object(stream, size, name)
            return Source(path, "elf", btf or b"", base, ext, tuple(layers), *kind, *more)
        if archives.is_tar(head):
            stream, size = _rewound(archives.btf_in_tar(stream, name, limit))
            layers.append("tar")
            continue
        payload = images.payload_of(head, size, name)
        if payload is None and images.is_bare_kernel(head):
            btf = images.find_btf(memoryview(_whole(stream, size, name)), name)
            return Source(path, "image", btf, layers=tuple(layers))
        offset, length = 0, size
        if payload is not None:
            offset, length = payload.offset, payload.length
            layers.append(payload.image)
            stream.seek(offset)
            head = stream.read(min(length, images.HEAD_SIZE))
        codec = codec_of(head)
        if codec is None:
            raise _unknown(head, name, layers)
        window = Window(stream, offset, length)
        unpacked = decompress(codec, window, name, one=payload is not None, limit=limit)
        stream, size = _rewound(unpacked)
        layers.append(codec.name)
    raise SourceError(
        f"{name}: {len(layers)} layers ({', '.join(layers)}), expected at most {MOST_LAYERS}",
        got=len(layers),
        expected=f"at most {MOST_LAYERS}",
    )


def _unknown(head: bytes, name: str, layers: list[str]) -> SourceError:
    known = "raw BTF, ELF, a kernel boot image, or one of these compressed"
    codecs = ", ".join(codec.name for codec in compression.CODECS)
    if layers and layers[-1] in ("bzImage", "zboot"):
        what, known = f"the {layers[-1]}'s payload", codecs
    else:
        what = f"the {layers[-1]} data" if layers else "the file"
    begins = f"begins with {head[:4].hex(' ')}" if head else "is empty"
    return SourceError(f"{name}: {what} {begins}, expected {known}", got=head[:4], expected=known)


def _whole(stream: BinaryIO, size: int, name: str) -> bytes:
    """All of a stream."""
    if size > compression.LIMIT:
        raise _too_large(name, size)
    stream.seek(0)
    return stream.read()


def _too_large(name: str, size: int) -> SourceError:
    limit = compression.LIMIT
    return SourceError(
        f"{name}: {size} bytes or more, the limit is {limit}",
        got=size,
        expected=f"at most {limit} bytes",
    )


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable stream and its length; pipes and standard input are read into memory."""
    if path == STDIN:
        if sys.stdin is None:
            raise SourceError("standard input is closed", expected="a file or a pipe")
        yield _slurped(sys.stdin.buffer, _name(path))
        return
    # pathlib takes longer than the system does, which shows with thousands of modules.
    with open(path, "rb") as file:  # noqa: PTH123
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            yield file, status.st_size
        elif stat.S_ISFIFO(status.st_mode):
            yield _slurped(file, _name(path))
        else:
            raise SourceError(
                f"{_name(path)}: a device, expected a file or a pipe", expected="a file"
            )


def _slurped(pipe: BinaryIO, name: str) -> tuple[BinaryIO, int]:
    data = io.BytesIO()
    while chunk := pipe.read(STEP):
        data.write(chunk)
        if data.tell() > compression.LIMIT:
            raise _too_large(name, data.tell())
    return _rewound(data)


def _rewound(data: io.BytesIO) -> tuple[BinaryIO, int]:
    """What was written to memory, from its start, and how much it is."""
    size = data.tell()
    data.seek(0)
    return data, size


def base_beside(source: Source) -> Path | None:
    """Where the base of a file that is given none is by convention."""
    if source.format != "raw" or source.path == STDIN:
        return None
    # Following links takes longer than asking which file system they lead to.
    device = _device(source.path)
    if device is not None and device == _device(SYSFS):
        resolved = Path(source.path).resolve()
        if resolved.parent == SYSFS:
            return SYSFS / VMLINUX if resolved.name != VMLINUX else None
    return detached_base(source)


def detached_base(source: Source) -> Path | None:
    """The base that raw BTF brings along, ``FILE.base``, as ELF files do in ``.BTF.base``."""
    if source.format != "raw" or source.path == STDIN:
        return None
    detached = f"{source.path}{elf.BTF_BASE.removeprefix(elf.BTF)}"
    return Path(detached) if os.path.isfile(detached) else None  # noqa: PTH113


def _device(path: StrPath) -> int | None:
    """The file system that a path leads to, None if it leads nowhere."""
    try:
        return os.stat(path).st_dev  # noqa: PTH116
    except OSError:
        return None


def _name(path: str) -> str:
    return "standard input" if path == STDIN else printable(path)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put a file's name before the message of an error."""
    try:
        yield
    except BtfError as error:
        error.args = (f"{name}: {error}", *error.args[1:])
        raise
