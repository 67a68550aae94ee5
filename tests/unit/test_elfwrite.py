"""BTF written back into the kind of file that it came from, whole or not at all."""

from __future__ import annotations

import io
import lzma
import os
import stat
import sys
from pathlib import Path

import pytest
from attrs import evolve
from elf_objects import FORMS, Form, Row, described, make_object, typical
from file_makers import COMPRESS, make_bare_kernel, make_bzimage
from samples import tiny

from btfschema import Btf, Builder, dumps, load, loads, views
from btfschema.errors import EncodeError, NoBtfError, SourceError
from btfschema.sources import read_source
from btfschema.sources.elfsections import SIGNATURE_MAGIC
from btfschema.sources.elfwrite import extract_section, write_btf_file
from btfschema.sources.files import atomic_write_all

UNSIGNED_NOTICE = "the module's signature no longer holds and is dropped"
BPF = Path(__file__).parent.parent / "data" / "bpf"


def signature(length: int = 3) -> bytes:
    return b"sig" + bytes(8) + length.to_bytes(4, "big") + SIGNATURE_MAGIC


def distilled() -> Btf:
    """Split BTF over a distilled base, as small as it gets."""
    builder = Builder()
    builder.add(views.Int("int", 4, views.IntEncoding.SIGNED))
    builder.add(views.Struct("device", 760, []))
    return tiny(builder.build())


SPLIT = distilled()
BASE = SPLIT.base
assert BASE is not None
SPLIT_BYTES, BASE_BYTES, FULL_BYTES = dumps(SPLIT), dumps(BASE), dumps(tiny())


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A signed module of some kernel."""
    path = tmp_path / "old" / "module.ko"
    path.parent.mkdir()
    path.write_bytes(typical(Form(), btf=FULL_BYTES) + signature())
    return path


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_module_gets_its_btf_and_its_distilled_base(tmp_path: Path, form: Form) -> None:
    source, target = tmp_path / "in.ko", tmp_path / "out.ko"
    source.write_bytes(typical(form, btf=FULL_BYTES))
    assert write_btf_file(source, target, SPLIT) == ()
    written = read_source(target)
    assert (written.btf, written.base, written.ext) == (SPLIT_BYTES, BASE_BYTES, None)
    assert (written.elf_class, written.elf_byteorder) == (form.bits, form.byteorder)
    assert load(target).equivalent(SPLIT)
    before, after = described(source.read_bytes()), described(target.read_bytes())
    for name in (".text", ".rela.text", ".data", ".bss", ".note.empty", ".symtab", "symbols"):
        assert after[name] == before[name]


def test_a_base_that_others_have_too_is_not_written(module: Path, tmp_path: Path) -> None:
    """Relocating takes the distilled base out of a module."""
    target = tmp_path / "out.ko"
    write_btf_file(module, target, SPLIT)
    full = Builder(BASE)
    full.add(views.Struct("", 8, []))
    moved = tiny(full.build())
    write_btf_file(target, target, moved)
    assert (read_source(target).btf, read_source(target).base) == (dumps(moved), None)


def test_who_asks_decides_about_the_base(module: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ko"
    write_btf_file(module, target, SPLIT, with_base=False)
    assert read_source(target).base is None
    write_btf_file(module, target, tiny(tiny()), with_base=True)
    assert read_source(target).base == FULL_BYTES
    for btf, words in ((tiny(), "no base"), (tiny(tiny(tiny())), "a base that is split itself")):
        with pytest.raises(EncodeError, match=rf"\.BTF\.base: the BTF has {words}"):
            write_btf_file(module, target, btf, with_base=True)


def test_a_signature_is_dropped_with_a_notice(module: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ko"
    assert write_btf_file(module, target, SPLIT) == (UNSIGNED_NOTICE,)
    assert SIGNATURE_MAGIC not in target.read_bytes()
    assert write_btf_file(target, target, SPLIT) == ()
    damaged = typical(Form(), btf=FULL_BYTES) + signature(length=1 << 20)
    module.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"module\.ko: damaged module signature"):
        write_btf_file(module, module, SPLIT)
    assert module.read_bytes() == damaged


def test_ext_goes_along_or_away(tmp_path: Path) -> None:
    ext = (BPF / "prog-le.btf.ext").read_bytes()
    path, target = tmp_path / "in.o", tmp_path / "out.o"
    rows = [Row(".BTF", (BPF / "prog-le.btf").read_bytes()), Row(".BTF.ext", ext)]
    path.write_bytes(make_object(Form(), rows))
    btf = load(path)
    longer = evolve(btf, image=loads(dumps(btf) + bytes(4)).image)
    assert write_btf_file(path, target, longer) == ()
    assert (read_source(target).btf, read_source(target).ext) == (dumps(btf) + bytes(4), ext)
    (notice,) = write_btf_file(path, target, evolve(btf, ext=None))
    assert notice == "the source's .BTF.ext does not fit the new BTF and is dropped"
    assert read_source(target).ext is None
    (notice,) = write_btf_file(path, tmp_path / "out.btf", btf)
    assert notice == "a raw file has no place for .BTF.ext, which is not written"


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
@pytest.mark.parametrize("packed", ["", "gzip", "xz", "zstd"])
def test_the_targets_name_says_how_it_is_compressed(
    tmp_path: Path, packed: str, suffix: str
) -> None:
    data = typical(Form(), btf=FULL_BYTES)
    source, target = tmp_path / "in", tmp_path / f"out.ko{suffix}"
    source.write_bytes(COMPRESS[packed](data) if packed else data)
    write_btf_file(source, target, SPLIT)
    written = read_source(target)
    layers = {"": (), ".gz": ("gzip",), ".xz": ("xz",), ".zst": ("zstd",)}[suffix]
    assert (written.layers, written.btf, written.base) == (layers, SPLIT_BYTES, BASE_BYTES)
    # The same input gives the same bytes, at any time and under any name.
    again = tmp_path / f"again.ko{suffix}"
    write_btf_file(source, again, SPLIT)
    assert again.read_bytes() == target.read_bytes()


def test_xz_is_what_a_kernel_can_decompress(module: Path, tmp_path: Path) -> None:
    write_btf_file(module, tmp_path / "out.ko.xz", SPLIT)
    data = (tmp_path / "out.ko.xz").read_bytes()
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    decoder.decompress(data)
    assert decoder.check == lzma.CHECK_CRC32
    # The block header: its size, flags for one filter, LZMA2, one byte: a dictionary of 1 MiB.
    assert data[13:17] == bytes([0, 0x21, 1, 16])


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_raw_comes_from_raw_with_the_base_beside_it(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in", tmp_path / f"out.btf{suffix}"
    source.write_bytes(FULL_BYTES)
    assert write_btf_file(source, target, SPLIT) == ()
    assert extract_section(target) == SPLIT_BYTES
    assert extract_section(tmp_path / f"out.btf{suffix}.base") == BASE_BYTES
    assert load(target).equivalent(SPLIT)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["in", target.name, f"{target.name}.base"]
    )


def test_raw_comes_from_a_module_into_a_target_named_so(module: Path, tmp_path: Path) -> None:
    for name in ("out.btf", "out.tar.btf"):
        assert write_btf_file(module, tmp_path / name, SPLIT) == ()
        assert load(tmp_path / name).equivalent(SPLIT)


def test_an_old_base_beside_new_raw_btf_would_be_taken_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.btf"
    write_btf_file(path, path, SPLIT)
    with pytest.raises(EncodeError, match=r"x\.btf\.base: exists, and would be taken for the base"):
        write_btf_file(path, path, tiny())
    assert load(path).equivalent(SPLIT)


def test_two_files_do_not_fit_into_a_device(tmp_path: Path) -> None:
    source = tmp_path / "x.btf"
    source.write_bytes(FULL_BYTES)
    with pytest.raises(EncodeError, match="two files"):
        write_btf_file(source, os.devnull, SPLIT)
    write_btf_file(source, os.devnull, tiny())


def test_a_target_that_is_the_source_is_replaced_at_once(module: Path) -> None:
    module.chmod(0o640)
    write_btf_file(module, module, SPLIT)
    assert load(module).equivalent(SPLIT)
    assert stat.S_IMODE(module.stat().st_mode) == 0o640
    assert list(module.parent.iterdir()) == [module]


def test_a_failure_leaves_all_files_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "loaded.ko"
    path.write_bytes(make_object(Form(), [Row(".BTF", FULL_BYTES, flags=2), Row(".data", b"x")]))
    before = path.read_bytes()
    with pytest.raises(EncodeError, match=r"loaded\.ko: section \.BTF is loaded into memory"):
        write_btf_file(path, path, SPLIT)
    with pytest.raises(FileNotFoundError):
        write_btf_file(path, tmp_path / "missing" / "out.ko", tiny())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_of_files_written_together_none_is_touched_when_one_fails(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "missing" / "second"
    first.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        atomic_write_all({first: b"new", second: b"new"})
    assert first.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [first]
    second.parent.mkdir()
    atomic_write_all({first: b"new", second: b"too"})
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"too")


def test_what_is_read_once_is_written_raw_only(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(module.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    source = read_source("-")
    for given in (source, "-"):
        with pytest.raises(SourceError, match=r"^standard input: can't be read a second time"):
            write_btf_file(given, tmp_path / "out.ko", SPLIT)
        write_btf_file(given, tmp_path / "out.btf", SPLIT)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(SourceError, match="fifo: can't be read a second time"):
        write_btf_file(fifo, tmp_path / "out.ko", SPLIT)


def test_a_boot_image_is_written_raw_only(tmp_path: Path) -> None:
    images = {
        "bzImage": make_bzimage(COMPRESS["gzip"](typical(Form(), btf=FULL_BYTES))),
        "Image": make_bare_kernel(FULL_BYTES),
    }
    for kind, data in images.items():
        path = tmp_path / kind
        path.write_bytes(data)
        with pytest.raises(EncodeError, match=rf"an image or archive \({kind}\) can't be written"):
            write_btf_file(path, tmp_path / "out", tiny())
        write_btf_file(path, tmp_path / f"{kind}.btf", tiny())
        assert extract_section(tmp_path / f"{kind}.btf") == FULL_BYTES


def test_sections_are_extracted(module: Path, tmp_path: Path) -> None:
    assert extract_section(module) == FULL_BYTES
    target = tmp_path / "out.ko.zst"
    write_btf_file(module, target, SPLIT)
    assert extract_section(target, ".BTF") == SPLIT_BYTES
    assert extract_section(target, ".BTF.base") == BASE_BYTES
    words = r"out\.ko\.zst: no \.BTF\.ext section; it has \.BTF, \.BTF\.base$"
    with pytest.raises(NoBtfError, match=words) as caught:
        extract_section(target, ".BTF.ext")
    assert caught.value.got == [".BTF", ".BTF.base"]
