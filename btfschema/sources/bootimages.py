"""The kernel inside the boot images of Android and U-Boot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from attrs import frozen

from btfschema.codec.header import ByteOrder
from btfschema.errors import NoBtfError, SourceError
from btfschema.escapes import printable
from btfschema.sources.bootheaders import (
    ANDROID_V0,
    ANDROID_V3,
    FDT_HEADER,
    FDT_PROP,
    UIMAGE,
)
from btfschema.sources.images import (
    ANDROID_MAGIC,
    FDT_MAGIC,
    UIMAGE_MAGIC,
    VENDOR_MAGIC,
    Payload,
)
from btfschema.sources.parts import check_inside

__all__ = ["boxed_kernel"]

# Where the version of an Android boot image is in all of them. Before there were versions, vendors
# kept a device tree's size there.
ANDROID_VERSION_AT, ANDROID_VERSIONS = 40, range(5)
ANDROID_PAGE = 4096
LEAST_PAGE = 512

UIMAGE_TYPES = {2: "kernel", 4: "multi-file", 14: "kernel_noload"}
MULTI_FILE = 4
# Sizes at the start of a multi-file image end in a zero; U-Boot has no more than a handful.
MOST_FILES = 64

FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROPERTY, FDT_NOP, FDT_END = 1, 2, 3, 4, 9
# Image trees have tens of nodes. A name has 31 bytes, and an address behind it.
MOST_TOKENS, DEEPEST, LONGEST_NAME = 100_000, 32, 256
# A property that is read here is a name, a number or a list of names.
LONGEST_VALUE = 1024
KERNEL_TYPES = ("kernel", "kernel_noload")


def boxed_kernel(head: bytes, stream: BinaryIO, size: int, name: str) -> Payload | None:
    """The kernel of an Android boot image, a U-Boot image or a FIT; None for anything else.

    Args:
        head: the file's start.
        stream: the file, seekable.
        size: its length in bytes.
        name: what it is called, for messages.

    Raises:
        SourceError: the image is damaged, truncated, or holds several kernels and no default.
        NoBtfError: it holds no kernel.
    """
    reader = _Reader(stream, size, name)
    if head.startswith(ANDROID_MAGIC):
        payload = _android(reader)
    elif head.startswith(UIMAGE_MAGIC):
        payload = _uimage(reader)
    elif head.startswith(FDT_MAGIC):
        payload = _fit(reader)
    elif head.startswith(VENDOR_MAGIC):
        raise NoBtfError(
            f"{name}: an Android vendor_boot image, which holds no kernel; give the boot image",
            expected="a boot image",
        )
    else:
        return None
    reader.check_inside(payload.image, "kernel", payload.offset, payload.length)
    return payload


@frozen
class _Reader:
    """A boot image; every place is checked against its size before it is read."""

    stream: BinaryIO
    size: int
    name: str

    def check_inside(self, image: str, what: str, at: int, length: int) -> None:
        check_inside(self.name, image, f"the {what}", at, length, self.size)

    def bytes(self, image: str, what: str, at: int, length: int) -> bytes:
        self.check_inside(image, what, at, length)
        self.stream.seek(at)
        return self.stream.read(length)

    def parse(self, struct: Any, image: str, what: str, at: int, order: ByteOrder) -> Any:
        """One declared header."""
        return struct.parse(self.bytes(image, what, at, struct.sizeof()), byteorder=order)


def _android(reader: _Reader) -> Payload:
    image = "Android boot image"
    said = reader.bytes(image, "header", ANDROID_VERSION_AT, 4)
    if int.from_bytes(said, "little") in ANDROID_VERSIONS[3:]:
        header = reader.parse(ANDROID_V3, image, "header", 0, "little")
        at = ANDROID_PAGE
    else:
        header = reader.parse(ANDROID_V0, image, "header", 0, "little")
        at = header.page_size
        if at < LEAST_PAGE:
            raise SourceError(
                f"{reader.name}: damaged {image}: pages of {at} bytes, expected at least "
                f"{LEAST_PAGE}",
                got=at,
                expected=f"at least {LEAST_PAGE}",
            )
    if not header.kernel_size:
        raise NoBtfError(
            f"{reader.name}: the {image} holds no kernel, as init_boot and some recovery images; "
            "give the one with the kernel",
            expected="a boot image with a kernel",
        )
    return Payload(image, at, header.kernel_size, packed=False)


def _uimage(reader: _Reader) -> Payload:
    image = "uImage"
    header = reader.parse(UIMAGE, image, "header", 0, "big")
    if header.ih_type not in UIMAGE_TYPES:
        expected = ", ".join(f"{number} ({what})" for number, what in UIMAGE_TYPES.items())
        raise SourceError(
            f"{reader.name}: a uImage of type {header.ih_type}, expected {expected}",
            got=header.ih_type,
            expected=expected,
        )
    at, length = UIMAGE.sizeof(), header.ih_size
    if header.ih_type != MULTI_FILE:
        return Payload(image, at, length, packed=False)
    first = 0
    for _ in range(MOST_FILES):
        one = int.from_bytes(reader.bytes(image, "table of files", at, 4), "big")
        at += 4
        if not one:
            return Payload(image, at, first, packed=False)
        first = first or one
    raise SourceError(
        f"{reader.name}: damaged uImage: more than {MOST_FILES} files",
        got=MOST_FILES + 1,
        expected=f"at most {MOST_FILES}",
    )


def _fit(reader: _Reader) -> Payload:
    """The kernel of the default configuration, else the only one.

    Its bytes are a property of its node, or lie where two properties say: ``data-position``, or
    ``data-offset`` from the end of the tree.
    """
    image = "FIT"
    header = reader.parse(FDT_HEADER, image, "header", 0, "big")
    images: dict[str, dict[str, tuple[int, int]]] = {}
    configurations: dict[str, dict[str, tuple[int, int]]] = {}
    default = None
    for path, title, place in _properties(reader, header):
        match path:
            case ("", "images", node):
                images.setdefault(node, {})[title] = place
            case ("", "configurations") if title == "default":
                default = _text(reader, place)
            case ("", "configurations", node):
                configurations.setdefault(node, {})[title] = place
    kernels = [
        node
        for node, has in images.items()
        if "type" not in has or _text(reader, has["type"]) in KERNEL_TYPES
    ]
    chosen = configurations.get(default or "", {}).get("kernel")
    if chosen is not None and _text(reader, chosen) in images:
        kernels = [_text(reader, chosen)]
    if not kernels:
        raise NoBtfError(
            f"{reader.name}: a device tree without a kernel among its images, expected a FIT",
            expected="a FIT with a kernel",
        )
    if len(kernels) > 1:
        raise SourceError(
            f"{reader.name}: the FIT holds {len(kernels)} kernels "
            f"({', '.join(map(printable, kernels[:5]))}) and no default configuration: take one "
            "out with dumpimage, and give that",
            got=len(kernels),
            expected="one kernel",
        )
    return _fit_data(reader, header, images[kernels[0]], printable(kernels[0]))


def _fit_data(
    reader: _Reader, header: Any, node: dict[str, tuple[int, int]], title: str
) -> Payload:
    if "data" in node:
        return Payload("FIT", *node["data"], packed=False)
    if "data-size" in node and "data-position" in node:
        at = _number(reader, node["data-position"])
    elif "data-size" in node and "data-offset" in node:
        at = (header.totalsize + 3 & ~3) + _number(reader, node["data-offset"])
    else:
        raise SourceError(
            f"{reader.name}: the FIT's image {title} has no data, neither in the tree nor outside",
            got=title,
            expected="data, or data-size with data-position or data-offset",
        )
    return Payload("FIT", at, _number(reader, node["data-size"]), packed=False)


def _properties(reader: _Reader, header: Any) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Each property of a flattened device tree: the path of its node, its name, its place."""
    at, path = header.off_dt_struct, list[str]()
    for _ in range(MOST_TOKENS):
        token = int.from_bytes(reader.bytes("FIT", "structure block", at, 4), "big")
        at += 4
        if token == FDT_BEGIN_NODE:
            title = _string(reader, at)
            at += len(title) + 1
            path.append(title.decode("utf-8", "surrogateescape"))
            if len(path) > DEEPEST:
                break
        elif token == FDT_END_NODE and path:
            path.pop()
        elif token == FDT_PROPERTY:
            prop = reader.parse(FDT_PROP, "FIT", "property", at, "big")
            title = _string(reader, header.off_dt_strings + prop.nameoff)
            at += FDT_PROP.sizeof()
            reader.check_inside("FIT", "property", at, prop.len)
            yield tuple(path), title.decode("utf-8", "surrogateescape"), (at, prop.len)
            at += prop.len
        elif token == FDT_END:
            return
        elif token != FDT_NOP:
            raise SourceError(
                f"{reader.name}: damaged FIT: token {token} at byte {at - 4}",
                offset=at - 4,
                got=token,
                expected="1, 2, 3, 4 or 9",
            )
        at = at + 3 & ~3
    raise SourceError(
        f"{reader.name}: damaged FIT: more than {MOST_TOKENS} tokens, or nodes nested deeper than "
        f"{DEEPEST}",
        offset=at,
        expected=f"at most {MOST_TOKENS} tokens, nested {DEEPEST} deep",
    )


def _string(reader: _Reader, at: int) -> bytes:
    """What lies before the next NUL, which must be near."""
    reader.check_inside("FIT", "name", at, 1)
    text, end, _ = reader.bytes("FIT", "name", at, min(LONGEST_NAME, reader.size - at)).partition(
        b"\0"
    )
    if not end:
        raise SourceError(
            f"{reader.name}: damaged FIT: the name at byte {at} has no end",
            offset=at,
            expected=f"a NUL within {LONGEST_NAME} bytes",
        )
    return text


def _text(reader: _Reader, place: tuple[int, int]) -> str:
    """The first string of a property."""
    at, length = place
    data = reader.bytes("FIT", "property", at, min(length, LONGEST_VALUE))
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(reader: _Reader, place: tuple[int, int]) -> int:
    """A property of one or two cells."""
    at, length = place
    return int.from_bytes(reader.bytes("FIT", "property", at, min(length, 8)), "big")
