"""BTF from what people have: raw files, sysfs, ELF, kernel modules, boot images.

File types are detected from content, not names. :func:`load` gives a container;
:func:`read_source` gives the sections' bytes and says where they came from.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from btfschema._doors import shown
from btfschema.arguments import require_choice, several
from btfschema.codec.engines import Engine
from btfschema.errors import BtfError, Failure, SourceError, attempt
from btfschema.model.container import Btf
from btfschema.model.loading import decoded, dumps, warn_of_base
from btfschema.schema.kinds import KINDS, Kinds
from btfschema.sources import elf
from btfschema.sources.files import atomic_write
from btfschema.sources.reading import STDIN, Source, SourceFormat, StrPath, name_of, read_source
from btfschema.tables.joined import portions

if TYPE_CHECKING:
    # pathlib takes a while to import: only who needs it does.
    from pathlib import Path

__all__ = [
    "STDIN",
    "Source",
    "SourceFormat",
    "StrPath",
    "apart",
    "atomic_write",
    "base_beside",
    "detached_base",
    "dump",
    "load",
    "load_linked",
    "load_many",
    "load_source",
    "load_sources",
    "read_source",
]

__dir__ = shown(__all__)

SYSFS = "/sys/kernel/btf"
VMLINUX = "vmlinux"


def load(
    path: StrPath,
    base: Btf | StrPath | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
    scan: bool = False,
    pointer_size: int | None = None,
) -> Btf:
    """Read BTF from a file.

    Taken are raw BTF, also from ``/sys/kernel/btf``; ELF objects and executables with ``.BTF``;
    kernel modules, also ``.ko.gz``, ``.ko.xz`` and ``.ko.zst``; kernel boot images (x86 bzImage,
    arm64 and RISC-V Image, arm zImage, EFI zboot, Android's, U-Boot's uImage and FIT); and the
    kernel in a Debian or RPM package, or a tar or cpio archive. Where the
    base is not given, it is looked for:

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
        pointer_size: bytes of a pointer, 4 or 8, where the file does not tell: raw BTF without
            ``long``.

    Raises:
        ValueError: ``decoder`` or ``pointer_size`` is something else.
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
    if pointer_size is not None:
        btf = with_pointers_of(btf, pointer_size)
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
        own = name_of(str(detached))
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


def with_pointers_of(btf: Btf, size: int) -> Btf:
    """The same container, with pointers of so many bytes.

    Raises:
        ValueError: these are not 4 or 8.
    """
    require_choice("pointer size", size, (4, 8))
    return evolve(btf, address_size=size)


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


def load_many(
    paths: StrPath | Iterable[StrPath], base: Btf | StrPath | None = None
) -> list[Btf | Failure]:
    """Read many files at once, each as :func:`load` does, at less cost for each.

    Args:
        paths: the files, or one.
        base: what all of them are split over, or a file with that.

    Returns:
        For each file its container, or the error that :func:`load` raises.

    Warns:
        WrongBaseWarning: a file was probably built over another base than the one given.
    """
    opened = load(base) if isinstance(base, str | os.PathLike) else base
    sources = [attempt(read_source, path) for path in several(paths, str, os.PathLike)]
    found = load_sources(sources, [opened] * len(sources))
    for source, btf in zip(sources, found, strict=True):
        if opened is not None and isinstance(source, Source) and isinstance(btf, Btf):
            warn_of_base(btf, f"{source.name}: ")
    return found


def load_linked(path: StrPath, base: Btf | StrPath | None = None) -> list[Btf]:
    """Read all BTFs of a file whose ``.BTF`` a linker joined from several objects.

    ``gcc -gbtf a.c b.c`` leaves one behind the other, of which :func:`load` reads the first, as
    libbpf does. ``.BTF.ext`` belongs to the first alone.

    Args:
        path: the file; most have just one.
        base: what each is split over.

    Raises:
        BtfError, OSError: as :func:`load`.
    """
    source = read_source(path)
    opened = load(base) if isinstance(base, str | os.PathLike) else base
    return [load_source(one, opened) for one in apart(source)]


def apart(source: Source) -> list[Source]:
    """A source for each BTF that a linker joined in one section."""
    first, *others = source.blobs
    if not others:
        return [source]
    alone = evolve(source, ext=None, inline=None, object_file=None)
    return [evolve(source, btf=first), *(evolve(alone, btf=one) for one in others)]


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
    loaded: list[Btf | Failure] = []
    for portion in portions(pairs, [len(source.btf) // 4 for source, _ in pairs]):
        try:
            loaded += _decoded(portion)
        except (BtfError, OSError):
            # One of them is at fault: each by itself says what is wrong with it.
            loaded += [attempt(load_source, source, base) for source, base in portion]
    results = iter(loaded)
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
    shared = str(path.parent) == SYSFS
    if source.format == "raw" and base_beside(source) is None and not shared:
        return source.btf
    return load_source(source)


def stands_alone(btf: Btf) -> bool:
    """Whether BTF that was read over a base needs none.

    So it is when it has types, its strings start as those of a base do, and all ids and offsets lie
    within itself: over a base, each of them would mean another.
    """
    types, strings = btf.types, btf.strings.data
    if not len(types) or strings[:1] != b"\0":
        return False
    ids, offsets = types.words[types.type_id_positions], types.words[types.string_positions]
    return bool(ids.max(initial=0) <= len(types) and offsets.max(initial=0) < len(strings))


def _refuse_alone(btf: Btf, base: Btf) -> None:
    """Refuse BTF that needs no base.

    Raises:
        SourceError: it stands alone.
    """
    if stands_alone(btf):
        raise SourceError(
            f"this is stand-alone BTF: its {len(btf.types)} types refer to nothing else, so it is "
            f"not split over a base of {base.end_id - 1} types; load it without a base",
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


def base_beside(source: Source) -> Path | None:
    """Where the base of a file that is given none is by convention."""
    if source.format != "raw" or source.path == STDIN:
        return None
    # Following links takes longer than asking which file system they lead to.
    device = _device(source.path)
    if device is not None and device == _device(SYSFS):
        from pathlib import Path

        resolved, folder = Path(source.path).resolve(), Path(SYSFS)
        if resolved.parent == folder:
            return folder / VMLINUX if resolved.name != VMLINUX else None
    return detached_base(source)


def detached_base(source: Source) -> Path | None:
    """The base that raw BTF brings along, ``FILE.base``, as ELF files do in ``.BTF.base``."""
    if source.format != "raw" or source.path == STDIN:
        return None
    detached = f"{source.path}{elf.BASE_SUFFIX}"
    if not os.path.isfile(detached):  # noqa: PTH113
        return None
    from pathlib import Path

    return Path(detached)


def _device(path: StrPath) -> int | None:
    """The file system that a path leads to, None if it leads nowhere."""
    try:
        return os.stat(path).st_dev  # noqa: PTH116
    except OSError:
        return None


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put a file's name before the message of an error."""
    try:
        yield
    except BtfError as error:
        error.args = (f"{name}: {error}", *error.args[1:])
        raise
