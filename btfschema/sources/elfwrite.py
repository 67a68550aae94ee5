"""Writing BTF back into what it came from: ELF files and kernel modules, or raw files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from btfschema.errors import EncodeError, NoBtfError, SourceError
from btfschema.model.loading import dumps
from btfschema.sources import STDIN, Source, StrPath, compression, read_source
from btfschema.sources.compression import Window, decompress
from btfschema.sources.elf import BASE_SUFFIX, BTF, BTF_BASE, BTF_EXT, BTF_INLINE
from btfschema.sources.elfsections import replace_sections, strip_signature
from btfschema.sources.files import atomic_write_all, writing_stdout

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = [
    "extract_section",
    "replace_sections",
    "strip_signature",
    "write_btf_file",
    "write_raw_file",
]

RAW_SUFFIX = ".btf"


def write_btf_file(
    source: Source | StrPath, target: StrPath, btf: Btf, *, with_base: bool | None = None
) -> tuple[str, ...]:
    """Write BTF that was derived from a file, in that file's form.

    - From an ELF file (an object, a kernel module) comes that ELF file with other ``.BTF``,
      ``.BTF.base``, ``.BTF.ext`` and ``.BTF.inline`` sections
      (:func:`btfschema.sources.elfsections.replace_sections`), without a module signature,
      which would no longer hold.
    - From raw BTF comes raw BTF, and ``TARGET.base`` beside it when the base is written. So it
      does from any source when the target is named ``.btf``.

    A target named ``.gz``, ``.xz`` or ``.zst`` is compressed, as the kernel's build does for
    modules (``scripts/Makefile.modinst``). Targets are written whole or not at all, also when the
    target is the source; a new one gets the source's mode, and its owner and extended attributes
    where the user may set them. To standard output (``"-"``) everything goes uncompressed.

    Args:
        source: where ``btf`` came from, or its path. An ELF file is read again.
        target: the file to write.
        btf: what to write, with its ``.BTF.ext``.
        with_base: whether ``btf.base`` belongs into the result. A distilled base does, and a
            kernel's BTF does not: that is what None does. Without, a ``.BTF.base`` that the source
            has is removed.

    Returns:
        What of the source could not be kept, a sentence each.

    Raises:
        OSError: a file can't be read or written; all are as they were.
        SourceError: the source is damaged, or can be read just once.
        EncodeError: the result can't be written in this form.
    """
    if with_base is None:
        from btfschema.model.standing import base_state

        with_base = base_state(btf) == "distilled"
    base = _own_base(btf) if with_base else None
    name, to_stdout = Path(target), os.fspath(target) == STDIN
    compress = COMPRESSORS.get(name.suffix)
    raw = (name if compress is None else name.with_suffix("")).suffix == RAW_SUFFIX
    if not raw:
        _refuse_archive(name)
    if not raw and not isinstance(source, Source):
        _check_rereadable(os.fspath(source))
        source = read_source(source)
    notices: tuple[str, ...] = ()
    if isinstance(source, Source) and not raw and source.format != "raw":
        data, notices = _elf_file(source, btf, base)
        contents = {name: data}
    else:
        contents = _raw_files(name, btf, base, to_stdout)
        notices = _left_out(btf)
    if compress is not None:
        contents = {path: compress(data) for path, data in contents.items()}
    if to_stdout:
        _print(contents[name])
        return notices
    of_source = source.path if isinstance(source, Source) else os.fspath(source)
    atomic_write_all(contents, like=of_source if of_source != STDIN else None)
    return notices


def write_raw_file(target: StrPath, btf: Btf, *, with_base: bool) -> None:
    """Write raw BTF, whatever the target is named.

    Args:
        target: the file to write; ``"-"`` for standard output.
        btf: what to write, without its ``.BTF.ext``.
        with_base: whether ``TARGET.base`` is written too.

    Raises:
        OSError: a file can't be written; all are as they were.
        EncodeError: the base can't be written, or another one lies beside the target.
    """
    name, to_stdout = Path(target), os.fspath(target) == STDIN
    contents = _raw_files(name, btf, _own_base(btf) if with_base else None, to_stdout)
    if to_stdout:
        _print(contents[name])
    else:
        atomic_write_all(contents)


def _refuse_archive(target: Path) -> None:
    if ".tar" in target.suffixes[-2:]:
        raise EncodeError(
            f"{target}: tar archives are read, not written; name the target {RAW_SUFFIX}",
            got=str(target),
            expected=f"a target named {RAW_SUFFIX}",
        )


def _print(data: bytes) -> None:
    with writing_stdout():
        if sys.stdout is None:
            raise OSError("standard output is closed")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _left_out(btf: Btf) -> tuple[str, ...]:
    """What a raw file can't hold, a sentence each."""
    parts = ((BTF_EXT, btf.ext), (BTF_INLINE, btf.inline))
    return tuple(
        f"a raw file has no place for {title}, which is not written"
        for title, part in parts
        if part is not None
    )


def extract_section(path: StrPath, section: str = BTF) -> bytes:
    """One BTF section of a file, whatever holds it (:func:`btfschema.sources.read_source`).

    Args:
        path: the file; ``"-"`` for standard input.
        section: ``.BTF``, ``.BTF.base``, ``.BTF.ext`` or ``.BTF.inline``.

    Raises:
        OSError: the file can't be read.
        SourceError: it is damaged, or no file that BTF comes in.
        NoBtfError: it has no such section.
    """
    source = read_source(path)
    found = {BTF: source.btf, BTF_BASE: source.base, BTF_EXT: source.ext}
    found[BTF_INLINE] = source.inline
    data = found.get(section)
    if data is None:
        present = [name for name, content in found.items() if content is not None]
        raise NoBtfError(
            f"{source.name}: no {section} section; it has {', '.join(present)}",
            got=present,
            expected=f"a {section} section",
        )
    return data


def _own_base(btf: Btf) -> bytes:
    if btf.base is None or btf.base.base is not None:
        found = "no base" if btf.base is None else "a base that is split itself"
        raise EncodeError(
            f"can't write {BTF_BASE}: the BTF has {found}, expected a stand-alone one",
            got=found,
            expected="a stand-alone base",
        )
    return dumps(btf.base)


def _raw_files(
    target: Path, btf: Btf, base: bytes | None, to_stdout: bool = False
) -> dict[Path, bytes]:
    """The contents of raw files; the base first, so that no new file meets an old base."""
    if to_stdout:
        if base is not None:
            raise EncodeError(
                "raw BTF with its base takes two files, which can't both be standard output",
                got=STDIN,
                expected="the name of a file",
            )
        return {target: dumps(btf)}
    beside = target.with_name(f"{target.name}{BASE_SUFFIX}")
    if base is None:
        if beside.exists():
            raise EncodeError(
                f"{beside}: exists, and would be taken for the base of {target}, which has another "
                "one or none; remove it or choose another target",
                got=str(beside),
                expected="no such file",
            )
        return {target: dumps(btf)}
    if target.exists() and not target.is_file():
        raise EncodeError(
            f"{target}: no regular file, and raw BTF with its base takes two files",
            got=str(target),
            expected="a regular file",
        )
    return {beside: base, target: dumps(btf)}


def _elf_file(source: Source, btf: Btf, base: bytes | None) -> tuple[bytes, tuple[str, ...]]:
    """The source's ELF file with the sections of ``btf``, and what could not be kept."""
    ext = None
    if btf.ext is not None:
        from btfschema.model.ext import dumps_ext

        ext = dumps_ext(btf.ext)
    notices = []
    data, signed = strip_signature(_payload(source), name=source.name)
    if signed:
        notices.append("the module's signature no longer holds and is dropped")
    if ext is None and source.ext is not None:
        notices.append(f"the source's {BTF_EXT} does not fit the new BTF and is dropped")
    inline = dumps(btf.inline) if btf.inline is not None else None
    if inline is None and source.inline is not None:
        notices.append(f"the source's {BTF_INLINE} does not fit the new BTF and is dropped")
    sections = {BTF: dumps(btf), BTF_BASE: base, BTF_EXT: ext, BTF_INLINE: inline}
    data = replace_sections(data, sections, name=source.name)
    return data, tuple(notices)


def _payload(source: Source) -> bytes:
    """The whole ELF file that a source's sections are from."""
    codecs = {codec.name: codec for codec in compression.CODECS}
    images = [layer for layer in source.layers if layer not in codecs]
    if source.format == "image" or images:
        what = ", ".join(images) or "Image"
        raise EncodeError(
            f"{source.name}: an image or archive ({what}) can't be written; "
            f"name the target {RAW_SUFFIX} for raw BTF",
            got=what,
            expected=f"an ELF file, raw BTF or a target named {RAW_SUFFIX}",
        )
    _check_rereadable(source.path)
    with Path(source.path).open("rb") as file:
        stream: BinaryIO = file
        limit = compression.proportionate(stream.seek(0, os.SEEK_END))
        for layer in source.layers:
            size = stream.seek(0, os.SEEK_END)
            window = Window(stream, 0, size)
            stream = decompress(codecs[layer], window, source.name, limit=limit)
        stream.seek(0)
        return stream.read()


def _check_rereadable(path: str) -> None:
    """Standard input and pipes were read up when their BTF was loaded."""
    if path == STDIN or (Path(path).exists() and not Path(path).is_file()):
        raise SourceError(
            f"{'standard input' if path == STDIN else path}: can't be read a second time, for what "
            f"is around its BTF; give a regular file, or name the target {RAW_SUFFIX} for raw BTF",
            got=path,
            expected="a regular file",
        )


def _gzip(data: bytes) -> bytes:
    """As ``gzip -n`` does: without a name and a time."""
    import zlib

    return zlib.compress(data, wbits=zlib.MAX_WBITS | 16)


def _xz(data: bytes) -> bytes:
    """As ``xz --check=crc32 --lzma2=dict=1MiB`` does: the kernel knows no other check."""
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "preset": lzma.PRESET_DEFAULT, "dict_size": 1 << 20}]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def _zstd(data: bytes) -> bytes:
    """As ``zstd`` does."""
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {".gz": _gzip, ".xz": _xz, ".zst": _zstd}
