"""Small boot images of Android and U-Boot, built from the declared headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btfschema.sources.bootheaders import (
    ANDROID_V0,
    ANDROID_V1,
    ANDROID_V2,
    ANDROID_V3,
    ANDROID_V4,
    FDT_HEADER,
    FDT_PROP,
    UIMAGE,
)
from btfschema.sources.images import ANDROID_MAGIC, FDT_MAGIC, UIMAGE_MAGIC

ANDROID = (ANDROID_V0, ANDROID_V1, ANDROID_V2, ANDROID_V3, ANDROID_V4)
Tree = Mapping[str, "Tree | bytes | str | int"]


def make_android(kernel: bytes, version: int, *, page: int = 2048, ramdisk: bytes = b"r") -> bytes:
    """A boot image with a kernel and a RAM disk, as ``mkbootimg`` writes it."""
    struct, page = ANDROID[version], page if version < 3 else 4096
    facts = {
        **dict.fromkeys((one.name for one in struct.subcons), 0),
        **{one.name: bytes(one.sizeof()) for one in struct.subcons if one.name in TEXTS},
        "magic": ANDROID_MAGIC,
        "kernel_size": len(kernel),
        "ramdisk_size": len(ramdisk),
        "page_size": page,
        "header_size": struct.sizeof(),
        "header_version": version,
        "reserved": [0] * 4,
    }
    parts = (struct.build(facts, byteorder="little"), kernel, ramdisk)
    return b"".join(part + bytes(-len(part) % page) for part in parts)


TEXTS = ("name", "cmdline", "id", "extra_cmdline")


def make_uimage(*files: bytes, kind: int = 2, compression: int = 0) -> bytes:
    """A legacy image; of several files, one of them all (type 4)."""
    data = files[0] if len(files) == 1 else b""
    if len(files) > 1:
        kind = 4
        data = b"".join(len(one).to_bytes(4, "big") for one in files) + bytes(4)
        data += b"".join(one + bytes(-len(one) % 4) for one in files)
    facts = {
        **dict.fromkeys((one.name for one in UIMAGE.subcons), 0),
        "ih_magic": UIMAGE_MAGIC,
        "ih_size": len(data),
        "ih_type": kind,
        "ih_comp": compression,
        "ih_name": b"Linux".ljust(32, b"\0"),
    }
    header: bytes = UIMAGE.build(facts, byteorder="big")
    return header + data


def make_tree(tree: Tree, behind: bytes = b"") -> bytes:
    """A flattened device tree, and what lies behind it."""
    strings, block = bytearray(), bytearray()
    _node(block, strings, "", tree)
    block += (9).to_bytes(4, "big")
    at = FDT_HEADER.sizeof()
    total = at + len(block) + len(strings)
    facts = {
        **dict.fromkeys((one.name for one in FDT_HEADER.subcons), 0),
        "magic": FDT_MAGIC,
        "totalsize": total,
        "off_dt_struct": at,
        "off_dt_strings": at + len(block),
        "version": 17,
        "last_comp_version": 16,
        "size_dt_strings": len(strings),
        "size_dt_struct": len(block),
    }
    header: bytes = FDT_HEADER.build(facts, byteorder="big")
    return header + bytes(block) + bytes(strings) + bytes(-total % 4) + behind


def _node(block: bytearray, strings: bytearray, title: str, node: Tree) -> None:
    block += (1).to_bytes(4, "big") + _padded(title.encode() + b"\0")
    for name, value in node.items():
        if isinstance(value, Mapping):
            _node(block, strings, name, value)
            continue
        prop: Any = {"len": 0, "nameoff": len(strings)}
        strings += name.encode() + b"\0"
        if isinstance(value, str):
            value = value.encode() + b"\0"
        elif isinstance(value, int):
            value = value.to_bytes(4, "big")
        prop["len"] = len(value)
        block += (3).to_bytes(4, "big") + FDT_PROP.build(prop, byteorder="big") + _padded(value)
    block += (2).to_bytes(4, "big")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def make_zimage(payload: bytes, byteorder: str = "little") -> bytes:
    """A 32-bit arm kernel: eight instructions, the header, code, the payload and its size."""
    magic = (0x016F2818).to_bytes(4, "little" if byteorder == "little" else "big")
    return bytes(36) + magic + bytes(8) + b"\x5d\0\0code\x1f\x8b\x08" * 3 + payload + bytes(4)
