"""BTF out of every kind of file, and nothing but worded errors out of any other."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import resource
import stat
import struct
import sys
import tarfile
import threading
import tracemalloc
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
import zstandard
from file_makers import (
    COMPRESS,
    kernel_lz4,
    make_bare_kernel,
    make_bzimage,
    make_elf,
    make_zboot,
)
from hypothesis import given
from hypothesis import strategies as st
from mutating import mutated

from btfschema import Btf, Builder, dump, dumps, load, loads, sources, views
from btfschema.codec.header import ByteOrder
from btfschema.errors import (
    BtfError,
    DecodeError,
    MissingBaseError,
    NoBtfError,
    SourceError,
)
from btfschema.sources import (
    Source,
    atomic_write,
    compression,
    load_many,
    load_source,
    read_source,
)
from btfschema.views import Int, Ptr, Struct

# Raised by limits; no test may come near the real one.
SMALL_LIMIT = 1 << 20


def build(byteorder: ByteOrder = "little", types: int = 3, base: Btf | None = None) -> Btf:
    builder = Builder(base, byteorder=byteorder if base is None else None)
    number = builder.add(Int("split_int" if base else "int", 4))
    while len(builder) < types:
        builder.add(Ptr(number))
    return builder.build()


BASE = build()
SPLIT = build(base=BASE)
BTF, SPLIT_BTF = dumps(BASE), dumps(SPLIT)
ELF = make_elf({".text": b"\x90" * 40, ".BTF": BTF})


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(compression, "LIMIT", SMALL_LIMIT)
    return SMALL_LIMIT


def put(directory: Path, data: bytes, name: str = "file") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def listing(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


# What is taken.


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_raw(tmp_path: Path, byteorder: ByteOrder) -> None:
    data = dumps(build(byteorder))
    path = put(tmp_path, data)
    source = read_source(path)
    assert (source.format, source.btf, source.layers) == ("raw", data, ())
    assert dumps(load(str(path))) == data


@pytest.mark.parametrize(
    ("bits", "elf_order", "btf_order"),
    list(product([32, 64], ["little", "big"], ["little", "big"])),
)
def test_elf_of_every_class_and_byte_order(
    tmp_path: Path, bits: int, elf_order: str, btf_order: ByteOrder
) -> None:
    btf = dumps(build(btf_order))
    path = put(tmp_path, make_elf({".text": b"code", ".BTF": btf}, bits=bits, byteorder=elf_order))
    source = read_source(path)
    assert (source.format, source.elf_class, source.elf_byteorder) == ("elf", bits, elf_order)
    assert source.btf == btf
    assert source.base is source.ext is None
    assert load(path).byteorder == btf_order


@pytest.mark.parametrize(
    ("bits", "byteorder", "compress"),
    list(product([32, 64], ["little", "big"], ["zlib", "zstd"])),
)
def test_compressed_section(
    tmp_path: Path, bits: int, byteorder: str, compress: Literal["zlib", "zstd"]
) -> None:
    elf = make_elf({".BTF": BTF}, bits=bits, byteorder=byteorder, compress=compress)
    assert read_source(put(tmp_path, elf)).btf == BTF


def test_extended_section_numbers(tmp_path: Path) -> None:
    assert read_source(put(tmp_path, make_elf({".BTF": BTF}, extended=True))).btf == BTF


def test_last_of_several_sections_counts(tmp_path: Path) -> None:
    """As in libbpf; other section names that start alike don't matter."""
    elf = make_elf({".BTF.old": b"x", ".BTF": BTF, ".BTF_ids": b"y"})
    assert read_source(put(tmp_path, elf)).btf == BTF


@pytest.mark.parametrize("codec", COMPRESS)
def test_compressed_files(tmp_path: Path, codec: str) -> None:
    """By content: the name says nothing."""
    for data, form in ((ELF, "elf"), (BTF, "raw")):
        source = read_source(put(tmp_path, COMPRESS[codec](data), "module.ko"))
        assert (source.btf, source.format, source.layers) == (BTF, form, (codec,))


@pytest.mark.parametrize("codec", ["gzip", "bzip2", "xz", "zstd"])
def test_several_compressed_streams(tmp_path: Path, codec: str) -> None:
    """Parallel compressors write files in parts."""
    parts = [ELF[:100], ELF[100:300], ELF[300:]]
    data = b"".join(COMPRESS[codec](part) for part in parts)
    assert read_source(put(tmp_path, data)).btf == BTF


@pytest.mark.parametrize("codec", COMPRESS)
def test_chunks_on_every_boundary(tmp_path: Path, codec: str) -> None:
    """A file much larger than the steps in which it is decompressed, hard and easy to compress."""
    noise = b"".join(i.to_bytes(4, "big") for i in range(0, 1 << 32, 1 << 14))
    elf = make_elf({".zero": bytes(9 << 20), ".noise": noise, ".BTF": BTF})
    assert read_source(put(tmp_path, COMPRESS[codec](elf))).btf == BTF


@pytest.mark.parametrize("codec", COMPRESS)
def test_bzimage(tmp_path: Path, codec: str) -> None:
    source = read_source(put(tmp_path, make_bzimage(COMPRESS[codec](ELF))))
    assert source.btf == BTF
    assert source.layers == ("bzImage", codec)
    assert source.format == "elf"


def test_bzimage_payload_as_the_kernel_makes_it(tmp_path: Path) -> None:
    """xz with the x86 filter and CRC32, and the size behind it."""
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "dict_size": 128 << 20}]
    payload = lzma.compress(ELF, check=lzma.CHECK_CRC32, filters=filters)
    image = make_bzimage(payload + struct.pack("<I", len(ELF)))
    assert read_source(put(tmp_path, image)).btf == BTF
    again = read_source(put(tmp_path, gzip.compress(image)))
    assert again.layers == ("gzip", "bzImage", "xz")


def test_zstd_with_the_kernels_window(tmp_path: Path) -> None:
    """The kernel compresses with ``zstd -22 --ultra``: a window of 128 MiB."""
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = stream.compress(ELF) + stream.flush()
    assert read_source(put(tmp_path, make_bzimage(packed))).btf == BTF


@pytest.mark.parametrize("magic", [b"ARM\x64", b"RSC\x05"])
@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_bare_kernels(tmp_path: Path, magic: bytes, byteorder: ByteOrder) -> None:
    """The BTF is found by looking for it, between decoys and the BTF of a program."""
    btf = dumps(build(byteorder, types=50))
    program = dumps(build(byteorder, types=4))
    decoy = btf[:24]
    image = make_bare_kernel(decoy, program, btf, program, btf[:-1], magic=magic)
    source = read_source(put(tmp_path, image))
    assert (source.format, source.btf) == ("image", btf)
    packed = read_source(put(tmp_path, gzip.compress(image) + b"device tree"))
    assert (packed.btf, packed.layers) == (btf, ("gzip",))


def test_bare_kernel_with_layout(tmp_path: Path) -> None:
    builder = Builder(layout=True)
    builder.add(Struct("s", 0, []))
    btf = dumps(builder.build())
    assert read_source(put(tmp_path, make_bare_kernel(btf))).btf == btf


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_zboot(tmp_path: Path, codec: str) -> None:
    image = make_zboot(COMPRESS[codec](make_bare_kernel(BTF)))
    source = read_source(put(tmp_path, image))
    assert (source.btf, source.layers) == (BTF, ("zboot", codec))


@pytest.mark.parametrize("data", [BTF, ELF, gzip.compress(ELF)])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    source = read_source("-")
    assert (source.path, source.name, source.btf) == ("-", "standard input", BTF)


def test_pipe(tmp_path: Path) -> None:
    """As in ``btfschema dump <(xz -dc module.ko.xz)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(ELF,))
    writer.start()
    assert read_source(pipe).btf == BTF
    writer.join()


def test_empty_module(tmp_path: Path) -> None:
    """A module without types of its own has a lone header."""
    lone = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 0)
    path = put(tmp_path, make_elf({".BTF": lone}))
    assert len(load(path)) == 0
    assert load(path, BASE).end_id == BASE.end_id


def test_empty_sections_may_claim_any_place(tmp_path: Path) -> None:
    lone = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 1 << 31, 0, 1 << 31, 0)
    btf = load(put(tmp_path, lone))
    assert (len(btf), dumps(btf)) == (0, lone)


def test_real_module(
    tmp_path: Path, cloud: Btf, cloud_bytes: bytes, modules: dict[str, bytes]
) -> None:
    module = put(tmp_path, COMPRESS["xz"](make_elf({".BTF": modules["libiscsi"]})), "m.ko.xz")
    vmlinux = put(tmp_path, make_bzimage(COMPRESS["zstd"](make_elf({".BTF": cloud_bytes}))))
    for base in (cloud, vmlinux, str(vmlinux)):
        btf = load(module, base)
        assert dumps(btf) == modules["libiscsi"]
        assert btf.equivalent(loads(modules["libiscsi"], cloud))


# Bases.


def test_base_in_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, make_elf({".BTF": SPLIT_BTF, ".BTF.base": BTF}))
    btf = load(path)
    assert btf.base is not None
    assert (dumps(btf), dumps(btf.base)) == (SPLIT_BTF, BTF)


def test_another_base_than_the_one_in_the_file_is_refused(tmp_path: Path) -> None:
    """The ids count from ``.BTF.base``: over another base they would mean other types."""
    path = put(tmp_path, make_elf({".BTF": SPLIT_BTF, ".BTF.base": BTF}))
    with pytest.raises(SourceError, match=r"file: brings its own base \(\.BTF\.base\)") as caught:
        load(path, build(types=5))
    assert caught.value.expected == "no base"


def test_damaged_base_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, make_elf({".BTF": SPLIT_BTF, ".BTF.base": BTF[:-5]}))
    with pytest.raises(DecodeError, match=r"file: \.BTF\.base: truncated BTF"):
        load(path)


def test_detached_base(tmp_path: Path) -> None:
    path = put(tmp_path, SPLIT_BTF, "m.btf")
    with pytest.raises(MissingBaseError, match=r"m\.btf: .*pass .*base"):
        load(path)
    put(tmp_path, BTF, "m.btf.base")
    assert load(path).equivalent(SPLIT)
    assert load(path, tmp_path / "m.btf.base").equivalent(SPLIT)


def test_another_base_than_the_one_beside_the_file_is_refused(tmp_path: Path) -> None:
    """As when it is in the file; but it may have been left there from something else."""
    path, other = put(tmp_path, SPLIT_BTF, "m.btf"), put(tmp_path, dumps(build(types=9)), "other")
    put(tmp_path, BTF, "m.btf.base")
    for base in (other, load(other)):
        with pytest.raises(
            SourceError, match=r"m\.btf: brings its own base \(.*m\.btf\.base\)"
        ) as one:
            load(path, base)
        assert one.value.expected == "no base"
        assert str(one.value).endswith(f"if {path}.base is not its base, move it away")
        (many,) = load_many([path], base)
        assert (type(many), str(many)) == (SourceError, str(one.value))
    Path(f"{path}.base").unlink()
    assert load(path, other).base is not None


def test_sysfs_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SYSFS", str(tmp_path))
    vmlinux, module = put(tmp_path, BTF, "vmlinux"), put(tmp_path, SPLIT_BTF, "nf_nat")
    assert load(module).equivalent(SPLIT)
    assert load(module, vmlinux).equivalent(SPLIT)
    assert load(module, load(vmlinux)).equivalent(SPLIT)
    assert load(vmlinux).base is None
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(MissingBaseError, match="nf_nat"):
        load(put(tmp_path / "elsewhere", SPLIT_BTF, "nf_nat"))


def test_arguments_reach_the_codec(tmp_path: Path) -> None:
    """``check=False`` lets one look at BTF whose references are wrong."""
    path = put(tmp_path, make_elf({".BTF": SPLIT_BTF}))
    with pytest.raises(MissingBaseError):
        load(path, decoder="reference")
    assert len(load(path, decoder="reference", check=False)) == len(SPLIT)


def test_ext_is_read_along(tmp_path: Path) -> None:
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, 0, 0, 0, 0, 0, 0)
    assert load(put(tmp_path, ELF)).ext is None
    path = put(tmp_path, make_elf({".BTF": BTF, ".BTF.ext": ext}))
    assert read_source(path).ext == ext
    assert load(path).ext is not None
    damaged = put(tmp_path, make_elf({".BTF": BTF, ".BTF.ext": ext[:20]}))
    with pytest.raises(DecodeError, match=r"file: truncated \.BTF\.ext"):
        load(damaged)


# What is refused, and in which words.


REFUSED: dict[str, tuple[bytes, type[BtfError], str]] = {
    "empty": (b"", SourceError, "the file is empty"),
    "text": (b"#include <linux/btf.h>", SourceError, "begins with 23 69 6e 63, expected raw BTF"),
    "packed text": (gzip.compress(b"hello"), SourceError, "the gzip data begins with 68 65"),
    "packed nothing": (gzip.compress(b""), SourceError, "the gzip data is empty"),
    "no section": (make_elf({".text": b""}), NoBtfError, "has 3 sections and none is .BTF"),
    "empty section": (make_elf({".BTF": b""}), NoBtfError, "section is empty"),
    "debug file": (make_elf({".BTF": BTF}, nobits=True), NoBtfError, "--only-keep-debug"),
    "no header table": (ELF[:40] + bytes(24), NoBtfError, "has 0 sections"),
    "elf class": (b"\x7fELF\x03\x01" + bytes(80), SourceError, "ELF class 3 and byte order 1"),
    "bare kernel": (make_bare_kernel(b"\xcc" * 500), NoBtfError, "holds no BTF"),
    "lzo payload": (make_bzimage(b"\x89LZO"), SourceError, "bzImage's payload begins with 89 4c"),
    "old bzImage": (make_bzimage(b"", version=0x207), SourceError, "boot protocol 2.07"),
    "damaged gzip": (gzip.compress(ELF)[:20] + b"\xff" * 50, SourceError, "decompress the gzip"),
    "damaged xz": (lzma.compress(ELF)[:20] + b"\xff" * 50, SourceError, "decompress the xz"),
    "damaged bzip2": (b"BZh9" + b"\xff" * 50, SourceError, "decompress the bzip2"),
    "damaged zstd": (b"\x28\xb5\x2f\xfd" + b"\xff" * 50, SourceError, "decompress the zstd"),
    "damaged lz4": (kernel_lz4(ELF)[:8] + b"\xff" * 900, SourceError, "decompress the lz4"),
    "wrong size after lz4": (
        kernel_lz4(ELF)[:-4] + b"\xff" * 4,
        SourceError,
        f"not the size of the data, {len(ELF)}",
    ),
    "part of a size after lz4": (kernel_lz4(ELF)[:-1], SourceError, "follows the last block"),
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


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (ELF, [5, 15, 16, 63, 64, len(ELF) - 1, len(ELF) - 64 * 3]),
        (make_elf({".BTF": BTF}, bits=32), [51, 52, 60]),
        (BTF, [2, 23, 24, 30, len(BTF) - 1]),
        (make_bzimage(gzip.compress(ELF)), [0x206, 0x248, 0x24F, 0x250, 1700]),
        (make_zboot(gzip.compress(make_bare_kernel(BTF))), [8, 15, 16, 64, 80]),
        *((pack(ELF), [len(pack(b"")), 60, len(pack(ELF)) - 5]) for pack in COMPRESS.values()),
    ],
)
def test_truncated_files(tmp_path: Path, data: bytes, ends: list[int]) -> None:
    for end in ends:
        path = put(tmp_path, data[:end])
        with pytest.raises((SourceError, DecodeError), match=r"truncated|begins with|decompress"):
            load(path)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    for data in (ELF, make_elf({".BTF": BTF}, compress="zstd"), BTF):
        for end in range(len(data)):
            with pytest.raises(BtfError):
                load(put(tmp_path, data[:end]))


@pytest.mark.parametrize("place", range(12))
def test_absurd_elf_headers(tmp_path: Path, place: int) -> None:
    """Every word of a section header at its largest: no allocation of that size, no hang."""
    elf = bytearray(ELF)
    at = len(elf) - 64 * 2 + 4 * place
    elf[at : at + 4] = b"\xff" * 4
    tracemalloc.start()
    try:
        load(put(tmp_path, bytes(elf)))
    except BtfError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 << 20


def test_section_headers_without_size_or_end(tmp_path: Path) -> None:
    """Billions of headers that take no space would keep a reader busy for ever."""
    elf = bytearray(make_elf({".BTF": BTF}, extended=True))
    table_at = struct.unpack_from("<Q", elf, 40)[0]
    struct.pack_into("<H", elf, 58, 0)
    struct.pack_into("<Q", elf, table_at + 32, 1 << 60)
    with pytest.raises(SourceError, match="headers of 0 bytes"):
        load(put(tmp_path, bytes(elf)))
    struct.pack_into("<H", elf, 58, 64)
    with pytest.raises(SourceError, match="truncated ELF: the section header table"):
        load(put(tmp_path, bytes(elf)))


@pytest.mark.parametrize("size", [1, len(BTF) - 1, len(BTF) + 1, 1 << 60])
def test_compressed_section_that_lies_about_its_size(tmp_path: Path, size: int) -> None:
    elf = bytearray(make_elf({".BTF": BTF}, compress="zlib"))
    struct.pack_into("<Q", elf, 64 + 8, size)
    with pytest.raises(SourceError, match=r"section \.BTF.*decompresses to"):
        load(put(tmp_path, bytes(elf)))


@pytest.mark.parametrize("codec", COMPRESS)
def test_bombs(tmp_path: Path, small_limit: int, codec: str) -> None:
    path = put(tmp_path, COMPRESS[codec](bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(SourceError, match=f"more than the limit of {small_limit} bytes"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One part of what zstd and lz4 give may be larger than this limit.
    assert peak < small_limit + (36 << 20)


@pytest.mark.parametrize(
    "codec",
    [
        codec if codec in ("gzip", "zstd") else pytest.param(codec, marks=pytest.mark.slow)
        for codec in COMPRESS
    ],
)
def test_what_unpacks_out_of_proportion_is_refused_early(tmp_path: Path, codec: str) -> None:
    """Far below the limit for any file: memory is a multiple of the file's size, or the floor."""
    data = COMPRESS[codec](b"\x7fELF" + bytes(160 << 20))
    allowed = compression.proportionate(len(data))
    assert allowed < 140 << 20
    path = put(tmp_path, data)
    tracemalloc.start()
    with pytest.raises(SourceError, match=f"more than the limit of {allowed} bytes"):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The buffer doubles as it grows, and one part of what zstd and lz4 give comes on top.
    assert peak < 2 * allowed + (36 << 20)


def test_layers_share_what_a_file_may_unpack_to(tmp_path: Path) -> None:
    inner = make_elf({".BTF": BTF + bytes(300 << 20)}, compress="zstd")
    path = put(tmp_path, gzip.compress(inner))
    allowed = compression.proportionate(path.stat().st_size)
    assert allowed == compression.FLOOR
    with pytest.raises(SourceError, match=f"more than the limit of {allowed} bytes"):
        load(path)


def test_section_bomb(tmp_path: Path, small_limit: int) -> None:
    elf = make_elf({".BTF": bytes(64 << 20)}, compress="zstd")
    with pytest.raises(SourceError, match="more than the limit"):
        load(put(tmp_path, elf))


def test_large_pipe_and_raw_file(
    tmp_path: Path, small_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = BTF + bytes(small_limit)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(SourceError, match=f"standard input: .* the limit is {small_limit}"):
        load("-")
    with pytest.raises(SourceError, match=f"the limit is {small_limit}"):
        load(put(tmp_path, data))


def test_bombs_in_bombs(tmp_path: Path) -> None:
    data = BTF
    for _ in range(20):
        data = gzip.compress(data)
    with pytest.raises(SourceError, match="layers"):
        load(put(tmp_path, data))


def test_lz4_without_the_size_that_the_kernels_build_appends(tmp_path: Path) -> None:
    """As the program ``lz4 -l`` writes it."""
    assert dumps(load(put(tmp_path, kernel_lz4(ELF)[:-4]))) == BTF


def test_lz4_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, make_bzimage(kernel_lz4(ELF)))
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    with pytest.raises(SourceError, match=r"pip install btfschema\[lz4\]"):
        load(path)


def test_large_elf_is_not_read_whole(tmp_path: Path) -> None:
    """A sparse file of 6 GiB, its section table at the end, takes no more memory than its BTF."""
    elf = bytearray(ELF)
    table_at = struct.unpack_from("<Q", elf, 40)[0]
    far = 6 << 30
    struct.pack_into("<Q", elf, 40, far)
    path = put(tmp_path, bytes(elf[:table_at]))
    with path.open("r+b") as file:
        file.seek(far)
        file.write(elf[table_at:])
    read_source(path)
    tracemalloc.start()
    assert read_source(path).btf == BTF
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_bare_kernel_full_of_headers(tmp_path: Path) -> None:
    """Each claims all of the rest: a reader that decodes every one would never end."""
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 1 << 19, 1 << 19, 1)
    with pytest.raises(NoBtfError):
        load(put(tmp_path, make_bare_kernel(header * 50_000)))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    with pytest.raises(SourceError, match="/dev/zero: a device, expected a file or a pipe"):
        load("/dev/zero")


# Nothing else, whatever the bytes.

FUZZED = (
    BTF,
    ELF,
    make_elf({".BTF": SPLIT_BTF, ".BTF.base": BTF}, bits=32, byteorder="big", compress="zlib"),
    make_elf({".BTF": BTF}, compress="zstd", extended=True),
    make_bzimage(COMPRESS["xz"](ELF)),
    make_zboot(gzip.compress(make_bare_kernel(BTF))),
    make_bare_kernel(BTF, BTF),
    *(pack(ELF) for pack in COMPRESS.values()),
)


@given(mutated(FUZZED))
def test_mutated_files(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    read_or_refuse(tmp_path_factory, data)


@given(st.sampled_from([data[:n] for data in FUZZED for n in (0, 4, 8, 64)]), st.binary())
def test_random_files(tmp_path_factory: pytest.TempPathFactory, start: bytes, rest: bytes) -> None:
    read_or_refuse(tmp_path_factory, start + rest)


def read_or_refuse(factory: pytest.TempPathFactory, data: bytes) -> None:
    path = put(factory.getbasetemp(), data, "fuzzed")
    try:
        source = read_source(path)
        assert isinstance(source, Source)
        load_source(source)
    except BtfError as error:
        named = str(error).startswith(f"{path}: ")
        if not named:
            raise


# Writing.


def test_dump_writes_what_load_reads(tmp_path: Path) -> None:
    path = tmp_path / "out.btf"
    dump(SPLIT, path)
    assert path.read_bytes() == SPLIT_BTF
    assert load(path, BASE).equivalent(SPLIT)
    assert listing(tmp_path) == ["out.btf"]


def test_new_file_has_the_default_mode(tmp_path: Path) -> None:
    reference = put(tmp_path, b"")
    atomic_write(tmp_path / "new", b"data")
    assert (tmp_path / "new").stat().st_mode == reference.stat().st_mode


def test_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    path = put(tmp_path, b"old")
    path.chmod(0o640)
    atomic_write(path, memoryview(b"new"))
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_link_stays_a_link(tmp_path: Path) -> None:
    target = put(tmp_path, b"old", "target")
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to("target")
    dangling.symlink_to("later")
    atomic_write(link, b"new")
    atomic_write(dangling, b"made")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert (tmp_path / "later").read_bytes() == b"made"


def test_device_is_written_to_and_not_replaced() -> None:
    atomic_write(os.devnull, b"data")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_failed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """The system refuses to let the file grow past a few bytes, in the midst of writing."""
    path = put(tmp_path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            dump(BASE, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == [path.name]


def test_failed_rename_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(f"{source} -> {target}")

    path = put(tmp_path, b"old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        dump(BASE, path)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == [path.name]


def test_what_is_no_bytes_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        atomic_write(tmp_path / "new", "text")  # type: ignore[arg-type]
    assert listing(tmp_path) == []


@pytest.mark.parametrize(("bits", "size"), [(32, 4), (64, 8)])
def test_pointers_are_as_large_as_the_elf_file_addresses(
    tmp_path: Path, bits: Literal[32, 64], size: int
) -> None:
    path = tmp_path / "prog.o"
    path.write_bytes(make_elf({".BTF": BTF}, bits=bits))
    btf = load(path)
    assert btf.pointer_size == size
    assert btf.sizeof(2) == size
    assert loads(BTF).pointer_size == 8


def test_stand_alone_btf_is_not_taken_for_split(tmp_path: Path) -> None:
    """Over a base each of its ids would silently mean another type."""
    (tmp_path / "alone.btf").write_bytes(BTF)
    with pytest.raises(SourceError, match=r"this is stand-alone BTF: its 3 types"):
        load(tmp_path / "alone.btf", BASE)
    (tmp_path / "split.btf").write_bytes(SPLIT_BTF)
    assert load(tmp_path / "split.btf", BASE).base is BASE


def small() -> Btf:
    builder = Builder()
    builder.add(views.Int("int", 4))
    return builder.build()


def archive_of(files: dict[str, bytes], compress: str = "xz") -> bytes:
    """A tar archive as BTFHub's."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    data = out.getvalue()
    return {"": data, "gz": gzip.compress(data), "xz": lzma.compress(data)}[compress]


@pytest.mark.parametrize("compress", ["", "gz", "xz"])
def test_an_archive_of_one_kernel_is_read(tmp_path: Path, compress: str) -> None:
    path = tmp_path / "6.12.0.btf.tar.xz"
    path.write_bytes(archive_of({"README": b"text", "6.12.0.btf": dumps(small())}, compress))
    assert load(path).equivalent(small())
    assert read_source(path).layers[-1] == "tar"


def test_an_archive_of_several_asks_which(tmp_path: Path) -> None:
    data = dumps(small())
    path = tmp_path / "all.tar"
    path.write_bytes(archive_of({f"{n}.btf": data for n in range(7)}, ""))
    with pytest.raises(SourceError, match=r"7 files that may have BTF \(0\.btf, .* and 2 more\)"):
        load(path)
    path.write_bytes(archive_of({"README": b"text"}, ""))
    with pytest.raises(NoBtfError, match="holds no kernel, and no file"):
        load(path)
    for damaged in (archive_of({"a": data}, "")[:700], b"\xff" * 257 + b"ustar" + b"\xff" * 300):
        path.write_bytes(damaged)
        with pytest.raises(SourceError):
            load(path)
