"""BTF from bytes and back: ``loads``, ``loads_many``, ``dumps``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from btfschema.arguments import as_bytes, require_choice, several
from btfschema.codec.engines import Engine, decode_many, encode
from btfschema.errors import DecodeError, WrongBaseWarning
from btfschema.model.container import Btf, require_btf
from btfschema.model.integrity import check_references
from btfschema.model.wrongbase import suspect_base
from btfschema.schema.kinds import KINDS, Kinds
from btfschema.tables.joined import portions

if TYPE_CHECKING:
    from btfschema.model.objectfile import ObjectFile

__all__ = ["decoded", "dumps", "loads", "loads_many", "pickled", "unpickled", "warn_of_base"]


def loads(
    data: bytes,
    base: Btf | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
) -> Btf:
    """Read BTF from bytes.

    Args:
        data: a raw BTF blob, in either byte order.
        base: what it is split over; None for stand-alone BTF.
        decoder: ``"bulk"`` (numpy) or ``"reference"`` (Construct, record by record).
        kinds: the schema to read it with; by default its base's.
        check: whether every type id and string offset must exist. Without, damaged BTF can be
            looked at; following a bad reference then raises.

    Raises:
        DecodeError: the data is not BTF or is damaged.
        MissingBaseError: it is split BTF and ``base`` is None.
        TypeError: ``data`` or ``base`` is the path of a file, say.
        ValueError: ``decoder`` is something else.

    Warns:
        WrongBaseWarning: it was probably built over another base than the one given.
    """
    (btf,) = decoded([data], base, decoder=decoder, kinds=kinds, check=check)
    if check:
        warn_of_base(btf)
    return btf


def loads_many(
    blobs: bytes | Iterable[bytes],
    base: Btf | Sequence[Btf | None] | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
) -> list[Btf]:
    """Read many blobs at once, at a fraction of the time that :func:`loads` takes for each.

    Args:
        blobs: each as for :func:`loads`; or one.
        base: what all of them are split over, or one base (or None) for each.
        decoder: as for :func:`loads`.
        kinds: the schema to read them with; by default that of each one's base.
        check: whether every type id and string offset must exist.

    Raises:
        DecodeError: one of them is not BTF or is damaged; to find out which, read them one by one.
        MissingBaseError: one of them is split BTF and has no base.
        TypeError: a blob or a base is the path of a file, say.
        ValueError: there are more or fewer bases than blobs, or ``decoder`` is something else.

    Warns:
        WrongBaseWarning: one of them was probably built over another base than the one given.
    """
    blobs = several(blobs, bytes, bytearray, memoryview)
    found = decoded(blobs, base, decoder=decoder, kinds=kinds, check=check)
    for number, btf in enumerate(found if check else ()):
        warn_of_base(btf, f"blob {number}: ")
    return found


def warn_of_base(btf: Btf, where: str = "") -> None:
    """Tell the caller of the caller when split BTF was probably built over another base.

    Args:
        btf: what was read.
        where: what the message begins with.
    """
    why = suspect_base(btf)
    if why is not None:
        message = f"{where}{why}: it was probably built over another base"
        warnings.warn(message, WrongBaseWarning, stacklevel=3)


def decoded(
    blobs: Sequence[bytes],
    base: Btf | Sequence[Btf | None] | None = None,
    *,
    decoder: Engine = "bulk",
    kinds: Kinds = KINDS,
    check: bool = True,
) -> list[Btf]:
    """What :func:`loads_many` returns, without a word about bases that may be wrong."""
    require_choice("decoder", decoder, Engine)
    for_all = isinstance(base, Btf | None)
    bases: list[Any] = [base] * len(blobs) if for_all else several(base, str, os.PathLike)
    for one in bases:
        require_btf("the base", one, optional=True)
    if len(bases) != len(blobs):
        message = f"{len(bases)} bases were given for {len(blobs)} blobs"
        raise ValueError(message)
    found: list[Btf] = []
    pairs = list(zip(map(as_bytes, blobs), bases, strict=True))
    for portion in portions(pairs, [len(blob) // 4 for blob, _ in pairs]):
        found += _read(portion, decoder, kinds, check)
    return found


def _read(
    pairs: Sequence[tuple[bytes, Btf | None]], decoder: Engine, kinds: Kinds, check: bool
) -> list[Btf]:
    """Blobs with their bases, as many as are done together."""
    images = decode_many(
        [blob for blob, _ in pairs],
        [base.image if base is not None else None for _, base in pairs],
        engine=decoder,
        kinds=kinds,
    )
    found = []
    for image, (_, base) in zip(images, pairs, strict=True):
        if base is not None and base.byteorder != image.header.byteorder:
            raise DecodeError(
                f"the BTF is {image.header.byteorder}-endian and its base {base.byteorder}-endian",
                got=image.header.byteorder,
                expected=base.byteorder,
            )
        found.append(Btf(image, base))
    if check:
        check_references(*found)
    return found


def dumps(btf: Btf, *, encoder: Engine = "bulk") -> bytes:
    """The bytes of a container, without its base.

    What was read and not changed comes back byte for byte; anything else is laid out as header,
    types, layout, strings.
    """
    require_btf("what is dumped", btf)
    require_choice("encoder", encoder, Engine)
    return encode(btf.image, engine=encoder)


def pickled(btf: Btf) -> tuple[Any, ...]:
    """What :func:`unpickled` takes."""
    ext = None
    if btf.ext is not None:
        from btfschema.model.ext import dumps_ext

        ext = dumps_ext(btf.ext)
    # The package's own schema is there already where this is read; another one travels.
    kinds = None if btf.kinds is KINDS else btf.kinds
    inline = dumps(btf.inline) if btf.inline is not None else None
    return dumps(btf), btf.base, kinds, ext, btf.address_size, inline, btf.object_file


def unpickled(
    data: bytes,
    base: Btf | None,
    kinds: Kinds | None,
    ext: bytes | None,
    address_size: int | None,
    inline: bytes | None = None,
    object_file: ObjectFile | None = None,
) -> Btf:
    """A container that was pickled; what was not checked then is not checked now."""
    schema = KINDS if kinds is None else kinds
    (btf,) = decoded([data], base, kinds=schema, check=False)
    btf = evolve(btf, address_size=address_size, object_file=object_file)
    if inline is not None:
        btf = evolve(btf, inline=decoded([inline], btf, kinds=schema, check=False)[0])
    if ext is None:
        return btf
    from btfschema.model.ext import loads_ext

    return evolve(btf, ext=loads_ext(ext, btf, check=False))
