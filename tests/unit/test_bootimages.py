"""Kernels inside the boot images of Android and U-Boot, and nothing but worded errors."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from boot_makers import Tree, make_android, make_tree, make_uimage, make_zimage
from file_makers import COMPRESS, make_bare_kernel, make_bzimage, make_elf
from hypothesis import given
from hypothesis import strategies as st
from mutating import mutated

from btfschema import Builder, dumps, load
from btfschema.errors import BtfError, NoBtfError, SourceError
from btfschema.sources import read_source
from btfschema.views import Int, Ptr

DATA = Path(__file__).parent.parent / "data" / "boot"


def build() -> bytes:
    builder = Builder()
    number = builder.add(Int("int", 4))
    while len(builder) < 3:
        builder.add(Ptr(number))
    return dumps(builder.build())


BTF = build()
IMAGE = make_bare_kernel(BTF)
# 32-bit kernels, and those of most other processors, have no header at all.
HEADLESS = b"\xcc" * 500 + BTF + b"\xcc" * 80
ELF = make_elf({".BTF": BTF})
KERNELS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "Image": (IMAGE, ()),
    "Image.gz and a device tree": (gzip.compress(IMAGE) + b"\xd0\x0d\xfe\xed", ("gzip",)),
    "Image.lz4": (COMPRESS["lz4"](IMAGE), ("lz4",)),
    "Image.lzma": (COMPRESS["lzma"](HEADLESS), ("lzma",)),
    "headless": (HEADLESS, ()),
    "zImage": (make_zimage(gzip.compress(HEADLESS)), ("zImage", "gzip")),
    "big-endian zImage": (make_zimage(COMPRESS["xz"](HEADLESS), "big"), ("zImage", "xz")),
    "bzImage": (make_bzimage(COMPRESS["zstd"](ELF)), ("bzImage", "zstd")),
    "vmlinux": (ELF, ()),
}


def fit(kernel: bytes) -> bytes:
    node: Tree = {"description": "Linux", "data": kernel, "type": "kernel"}
    return make_tree({"images": {"kernel-1": node}, "configurations": {}})


BOXES: dict[str, Callable[[bytes], bytes]] = {
    **{f"Android boot image v{n}": partial(make_android, version=n) for n in range(5)},
    "uImage": make_uimage,
    "FIT": fit,
}


def put(directory: Path, data: bytes, name: str = "file") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["boot4.img", "uImage", "fit.itb"])
def test_reported_files(name: str) -> None:
    """As people reported them: with checksums of zero, and a FIT whose image has no type."""
    assert len(load(DATA / name)) == 2


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_in_boot_images(tmp_path: Path, box: str, kernel: str) -> None:
    data, layers = KERNELS[kernel]
    source = read_source(put(tmp_path, BOXES[box](data)))
    assert source.btf == BTF
    assert source.layers == (box.removesuffix(f" v{box[-1]}"), *layers)


def test_old_images_of_vendors_have_a_size_in_the_place_of_the_version(tmp_path: Path) -> None:
    data = bytearray(make_android(IMAGE, 0, page=4096))
    data[40:44] = (300_000).to_bytes(4, "little")
    assert read_source(put(tmp_path, bytes(data))).btf == BTF


def test_first_of_several_files_is_the_kernel(tmp_path: Path) -> None:
    data = make_uimage(gzip.compress(IMAGE), b"ramdisk", b"device tree")
    assert read_source(put(tmp_path, data)).layers == ("uImage", "gzip")


def test_fit_takes_the_kernel_of_its_default_configuration(tmp_path: Path) -> None:
    images: dict[str, Tree] = {
        "old": {"data": b"old", "type": "kernel"},
        "new": {"data": gzip.compress(IMAGE), "type": "kernel"},
        "fdt": {"data": b"tree", "type": "flat_dt"},
    }
    chosen: Tree = {"default": "conf-2", "conf-1": {"kernel": "old"}, "conf-2": {"kernel": "new"}}
    data = make_tree({"images": images, "configurations": chosen})
    assert read_source(put(tmp_path, data)).btf == BTF
    with pytest.raises(SourceError, match=r"the FIT holds 2 kernels \(old, new\)"):
        load(put(tmp_path, make_tree({"images": images})))


def test_fit_with_data_outside_the_tree(tmp_path: Path) -> None:
    kernel = gzip.compress(IMAGE)
    outside: Tree = {"data-offset": 8, "data-size": len(kernel), "type": "kernel"}
    data = make_tree({"images": {"k": outside}}, bytes(8) + kernel)
    assert read_source(put(tmp_path, data)).btf == BTF
    placed: Tree = {"data-position": 4096, "data-size": len(kernel), "type": "kernel"}
    tree = make_tree({"images": {"k": placed}}).ljust(4096, b"\0") + kernel
    assert read_source(put(tmp_path, tree)).btf == BTF


REFUSED: dict[str, tuple[bytes, type[BtfError], str]] = {
    "no kernel": (make_android(b"", 4), NoBtfError, "holds no kernel, as init_boot"),
    "vendor_boot": (b"VNDRBOOT" + bytes(4096), NoBtfError, "give the boot image"),
    "page of 0": (make_android(IMAGE, 1)[:36] + bytes(2000), SourceError, "pages of 0 bytes"),
    "short": (make_android(IMAGE, 3)[:4200], SourceError, "the kernel is bytes 4096.."),
    "ramdisk": (
        make_uimage(b"cpio", kind=3),
        SourceError,
        "a uImage of type 3, expected 2 (kernel",
    ),
    "lzo": (make_uimage(b"\x89LZO\0"), SourceError, "begins with 89 4c"),
    "no btf": (make_uimage(b"\xcc" * 500), NoBtfError, "the kernel image holds no BTF"),
    "device tree": (
        make_tree({"cpus": {"cpu@0": {}}}),
        NoBtfError,
        "a device tree without a kernel",
    ),
    "no data": (
        make_tree({"images": {"k": {"type": "kernel"}}}),
        SourceError,
        "image k has no data",
    ),
    "deep": (make_tree({"a": {}}), NoBtfError, "without a kernel"),
    "zImage": (make_zimage(b"\xcc" * 500), SourceError, "nothing in this zImage unpacks"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_file_and_the_reason(tmp_path: Path, case: str) -> None:
    data, error, words = REFUSED[case]
    path = put(tmp_path, data)
    with pytest.raises(BtfError) as caught:
        load(path)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_trees_that_never_end_and_nodes_that_nest(tmp_path: Path) -> None:
    head = make_tree({})[:40]
    for token, words in ((4, "more than 100000 tokens"), (1, "nested deeper than 32")):
        block = (token.to_bytes(4, "big") + bytes(0 if token == 4 else 4)) * 300_000
        with pytest.raises(SourceError, match=words):
            load(put(tmp_path, head + block))


def test_bomb_in_a_zimage(tmp_path: Path) -> None:
    path = put(tmp_path, make_zimage(COMPRESS["zstd"](bytes(64 << 20))))
    with pytest.raises(SourceError, match="more than the limit of"):
        load(path)


@pytest.mark.parametrize("box", ["FIT"])
def test_bombs_in_boot_images(tmp_path: Path, box: str) -> None:
    """A kernel out of proportion to the image is refused before it is unpacked."""
    path = put(tmp_path, BOXES[box](gzip.compress(bytes(200 << 20), 6)))
    tracemalloc.start()
    with pytest.raises(SourceError, match="more than the limit of"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20


FUZZED = [make(data) for make in BOXES.values() for data, _ in KERNELS.values()]


@given(mutated(FUZZED, within=2048))
def test_any_bytes_give_btf_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    load_or_refuse(put(tmp_path_factory.getbasetemp(), data, "fuzzed"))


@given(st.sampled_from([data[:n] for data in FUZZED for n in (8, 40, 44, 64)]), st.binary())
def test_random_bytes_behind_a_header(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes
) -> None:
    load_or_refuse(put(tmp_path_factory.getbasetemp(), start + rest, "fuzzed"))


def load_or_refuse(path: Path) -> None:
    try:
        load(path)
    except BtfError as error:
        named = str(error).startswith(f"{path}: ")
        if not named:
            raise
