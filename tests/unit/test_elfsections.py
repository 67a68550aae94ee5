"""Sections replaced, added and removed; everything else stays what and where it was."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from elf_objects import (
    ALLOC,
    COMPRESSED,
    FORMS,
    NOBITS,
    PROGBITS,
    REL,
    RELA,
    STRTAB,
    SYMTAB,
    Form,
    Row,
    described,
    make_object,
    typical,
)
from hypothesis import example, given
from hypothesis import strategies as st

from btfschema import Builder, dumps
from btfschema.errors import BtfError, EncodeError, SourceError
from btfschema.sources import elfobjects, read_source
from btfschema.sources.elfsections import SIGNATURE_MAGIC, replace_sections, strip_signature

LITTLE = Form()
BTF = dumps(Builder().build())
OLD = b"old BTF " * 25
NEW: dict[str, bytes | None] = {".BTF": b"new " * 100, ".BTF.base": b"base"}
CONTENTS = st.dictionaries(
    st.sampled_from([".BTF", ".BTF.base", ".BTF.ext"]), st.binary(max_size=300), min_size=1
)

forms = pytest.mark.parametrize("form", FORMS, ids=str)


def section_header(data: bytes | bytearray, index: int) -> int:
    """Where a section header of a 64-bit little-endian file is."""
    start: int = struct.unpack_from("<Q", data, 40)[0]
    return start + 64 * index


def untouched(data: bytes, *changed: str) -> dict[str, Any]:
    """All of a file but some sections and what says where and how many sections there are."""
    found = described(data)
    for name in (*changed, ".shstrtab"):
        found.pop(name, None)
    moving = ("e_shoff", "e_shnum")
    found["header"] = {k: v for k, v in found["header"].items() if k not in moving}
    # Of a file with 65,280 sections and more the first header holds their count.
    found[""]["header"].pop("sh_size")
    return found


@forms
def test_contents_arrive_and_nothing_else_changes(form: Form) -> None:
    before = typical(form)
    after = replace_sections(before, NEW)
    found = described(after)
    assert {name: found[name]["content"] for name in NEW} == NEW
    assert untouched(after, ".BTF", ".BTF.base") == untouched(before, ".BTF")
    assert [name for name, _ in found["symbols"]] == ["", "main", "counter"]
    assert len(found[".rela.text"]["entries"]) == 2


@forms
def test_an_existing_section_keeps_its_header_and_a_new_one_comes_last(form: Form) -> None:
    before = described(typical(form))
    after = described(replace_sections(typical(form), NEW))
    header = dict(before[".BTF"]["header"], sh_offset=0, sh_size=400)
    assert dict(after[".BTF"]["header"], sh_offset=0) == header
    sections = [name for name in after if name.startswith(".")]
    assert sections == [*(name for name in before if name.startswith(".")), ".BTF.base"]
    added = after[".BTF.base"]["header"]
    assert added["sh_type"] == "SHT_PROGBITS"
    assert added["sh_flags"] == added["sh_addr"] == added["sh_link"] == added["sh_entsize"] == 0
    # The kernel reads .BTF.base where it lies in the file.
    assert added["sh_offset"] % 8 == after[".BTF"]["header"]["sh_offset"] % 8 == 0
    assert added["sh_addralign"] == 4


@forms
@given(contents=CONTENTS)
def test_any_content_reads_back(form: Form, contents: dict[str, bytes]) -> None:
    found = described(replace_sections(typical(form), contents))
    assert {name: found[name]["content"] for name in contents} == contents


@forms
@given(first=CONTENTS)
def test_replacing_twice_is_replacing_once(form: Form, first: dict[str, bytes]) -> None:
    second = {name: b"2" + content for name, content in first.items()}
    data = typical(form)
    assert replace_sections(replace_sections(data, first), second) == replace_sections(data, second)


def test_the_same_contents_change_nothing() -> None:
    data = replace_sections(typical(LITTLE), NEW)
    assert replace_sections(data, NEW) is data
    assert replace_sections(data, {}) is data
    assert replace_sections(data, {".BTF.ext": None}) is data


def test_the_old_content_is_gone_and_its_place_is_zero() -> None:
    before = typical(LITTLE)
    after = replace_sections(before, NEW)
    at = before.index(OLD)
    assert OLD not in after
    assert after[at : at + len(OLD)] == bytes(len(OLD))
    # What was at the end, the names and the section headers, leaves no hole: the file grows by two
    # contents, a name and a section header, the first three padded to 8 bytes.
    assert 0 <= len(after) - len(before) - 400 - 4 - len(".BTF.base\0") - 64 < 24


def test_an_old_place_that_another_section_shares_stays() -> None:
    data = bytearray(make_object(LITTLE, [Row(".BTF", OLD), Row(".twin")]))
    first, second = (section_header(data, index) for index in (1, 2))
    data[second + 24 : second + 40] = data[first + 24 : first + 40]
    after = described(replace_sections(bytes(data), {".BTF": b"new"}))
    assert after[".twin"]["content"] == OLD
    assert after[".BTF"]["content"] == b"new"


@forms
def test_a_removed_section_leaves_an_unused_header_that_the_next_takes(form: Form) -> None:
    full = replace_sections(typical(form), NEW)
    without = replace_sections(full, {".BTF.base": None})
    found = described(without)
    assert ".BTF.base" not in found
    assert found["header"]["e_shnum"] == described(full)["header"]["e_shnum"]
    assert untouched(without) == untouched(full, ".BTF.base")
    assert replace_sections(without, {".BTF.base": b"base"}) == full


def test_a_section_before_others_is_removed_without_renumbering_them() -> None:
    before = typical(LITTLE)
    after = replace_sections(before, {".BTF": None})
    assert ".BTF" not in described(after)
    assert described(after)["symbols"] == described(before)["symbols"]
    assert OLD not in after


def test_names_in_the_symbols_string_table_as_llvm_writes_them() -> None:
    before = make_object(
        LITTLE,
        [
            Row(".strtab", b"\0main\0", STRTAB),
            Row(".BTF", OLD),
            Row(
                ".symtab",
                LITTLE.symbol(0, 0, 0) + LITTLE.symbol(1, 8, 2),
                2,
                0,
                8,
                ".strtab",
                1,
                24,
            ),
        ],
        names=".strtab",
    )
    after = described(replace_sections(before, NEW))
    assert [name for name, _ in after["symbols"]] == ["", "main"]
    old_names = described(before)[".strtab"]["content"]
    assert after[".strtab"]["content"] == old_names + b".BTF.base\0"


def test_a_name_that_is_there_already_is_used() -> None:
    rows = [Row(".BTF", OLD), Row(".rel.BTF.ext", b"")]
    before = make_object(LITTLE, rows)
    after = described(replace_sections(before, {".BTF.ext": b"ext"}))
    assert after[".BTF.ext"]["content"] == b"ext"
    assert after[".shstrtab"]["content"] == described(before)[".shstrtab"]["content"]


@forms
def test_extended_numbering_is_kept(form: Form) -> None:
    after = described(replace_sections(typical(form, extended=True), NEW))
    assert (after["header"]["e_shnum"], after["header"]["e_shstrndx"]) == (0, 0xFFFF)
    assert after[""]["header"]["sh_size"] == 11
    assert after[".BTF.base"]["content"] == b"base"


def test_extended_numbering_begins_with_section_65280() -> None:
    before = bytearray(make_object(LITTLE, [Row(".BTF", OLD)]))
    count = 0xFF00 - 1
    empty = struct.pack("<IIQQQQIIQQ", 0, PROGBITS, 0, 0, 64, 0, 0, 0, 1, 0)
    before += empty * (count - 3)
    struct.pack_into("<H", before, 60, count)
    after = replace_sections(bytes(before), {".BTF": b"new", ".BTF.base": b"base"})
    assert struct.unpack_from("<H", after, 60) == (0,)
    assert struct.unpack_from("<Q", after, section_header(after, 0) + 32) == (0xFF00,)
    assert len(after) == section_header(after, 0xFF00)
    at, size = struct.unpack_from("<QQ", after, section_header(after, 0xFF00 - 1) + 24)
    assert after[at : at + size] == b"base"


def test_many_sections_are_read_as_columns(tmp_path: Path) -> None:
    """An object with a section a function costs no call of Python for each of 66,000."""
    before, count = bytearray(make_object(LITTLE, [Row(".BTF", OLD)])), 66_000
    before += struct.pack("<IIQQQQIIQQ", 0, PROGBITS, 0, 0, 64, 0, 0, 0, 1, 0) * (count - 3)
    struct.pack_into("<H", before, 60, 0)
    struct.pack_into("<Q", before, section_header(before, 0) + 32, count)
    path = tmp_path / "many.o"
    path.write_bytes(before)
    calls = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    data = path.read_bytes()
    # Once before, as much is imported only when it is used.
    read_source(path)
    replace_sections(data, NEW)
    sys.setprofile(called)
    try:
        assert read_source(path).btf == OLD
        after = replace_sections(data, NEW)
    finally:
        sys.setprofile(None)
    assert calls < count / 2
    path.write_bytes(after)
    assert (read_source(path).btf, read_source(path).base) == (NEW[".BTF"], NEW[".BTF.base"])


def test_names_without_end_cost_no_more_than_their_file(tmp_path: Path) -> None:
    """Of a BPF object all sections' names are kept: here each would be all of the names."""
    names = b"\0.BTF\0.shstrtab\0" + b"n" * (4 << 20)
    count, order = 2_000, "<IIQQQQIIQQ"
    contents = names + BTF
    at = 64 + len(contents)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", *(1, 247, 1, 0, 0, at, 0, 64, 0, 0, 64), count, 2
    )
    rows = [struct.pack(order, *([0] * 10))]
    rows.append(struct.pack(order, 1, PROGBITS, 0, 0, 64 + len(names), len(BTF), 0, 0, 1, 0))
    rows.append(struct.pack(order, 6, STRTAB, 0, 0, 64, len(names), 0, 0, 1, 0))
    rows += [
        struct.pack(order, 20 + n, PROGBITS, 0, 0, 64, 0, 0, 0, 1, 0) for n in range(count - 3)
    ]
    path = tmp_path / "bpf.o"
    path.write_bytes(header + contents + b"".join(rows))
    tracemalloc.start()
    source = read_source(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.object_file is not None
    assert source.btf == BTF
    assert peak < 4 * path.stat().st_size


def test_more_symbols_than_a_bpf_object_has_are_not_read(tmp_path: Path) -> None:
    """Each would have a name of its own among names without end."""
    form, count = Form(), elfobjects.MOST_SYMBOLS + 1
    rows = [
        Row(".BTF", BTF),
        Row(".symtab", form.symbol(1, 0, 1) * count, SYMTAB, align=8, link=".strtab"),
        Row(".strtab", b"\0" + b"n" * count + b"\0", STRTAB),
    ]
    data = bytearray(make_object(form, rows))
    struct.pack_into("<H", data, 18, 247)
    path = tmp_path / "bpf.o"
    path.write_bytes(data)
    source = read_source(path)
    assert (source.btf, source.object_file) == (BTF, None)


def test_segments_past_all_places(tmp_path: Path) -> None:
    """What no address reaches is kept, as nobody knows where it is."""
    rows = [Row(".text", b"c"), Row(".BTF", OLD)]
    before = bytearray(make_object(LITTLE, rows, segments=(".text",)))
    at = struct.unpack_from("<Q", before, 32)[0]
    struct.pack_into("<QQ", before, at + 8, 1 << 63, 0)
    struct.pack_into("<QQ", before, at + 32, (1 << 64) - 1, 0)
    path = tmp_path / "odd.o"
    path.write_bytes(replace_sections(bytes(before), NEW))
    assert read_source(path).btf == NEW[".BTF"]


@forms
def test_a_loaded_section_takes_content_of_the_same_size_only(form: Form) -> None:
    rows = [Row(".text", b"code" * 8, flags=6), Row(".BTF", OLD, flags=ALLOC), Row(".data", b"x")]
    before = make_object(form, rows, segments=(".BTF",))
    same = OLD.swapcase()
    after = described(replace_sections(before, {".BTF": same, ".BTF.base": b"base"}))
    (segment,) = after["segments"]
    assert segment[1] == after[".BTF"]["content"] == same
    assert after[".BTF"]["header"] == described(before)[".BTF"]["header"]
    for content in (OLD + b"longer", b"shorter", None):
        with pytest.raises(
            EncodeError, match=r"\.BTF is loaded into memory .* 200 bytes"
        ) as caught:
            replace_sections(before, {".BTF": content})
        assert caught.value.expected == "200 bytes"


def test_what_a_segment_maps_stays_even_when_no_section_does() -> None:
    before = make_object(LITTLE, [Row(".text", b"c"), Row(".BTF", OLD)], segments=(".BTF",))
    after = described(replace_sections(before, {".BTF": b"new"}))
    assert after["segments"][0][1] == OLD
    assert after[".BTF"]["content"] == b"new"


@pytest.mark.parametrize("size", [1, 7, 100])
def test_bytes_behind_the_section_headers_stay(size: int) -> None:
    tail = b"\xff" * size
    before = typical(LITTLE) + tail
    after = replace_sections(before, NEW)
    assert after[len(before) - size : len(before)] == tail
    assert described(after)[".BTF"]["content"] == NEW[".BTF"]


@forms
def test_relocations_of_clang_are_emptied_with_the_content_they_belong_to(form: Form) -> None:
    entries = form.relocation(8, 0) * 2
    rows = [
        Row(".text", b"code"),
        Row(".rel.text", entries, REL, info=".text", entry=len(entries) // 2),
        Row(".BTF", OLD),
        Row(".BTF.ext", b"ext"),
        Row(".rel.BTF", entries, REL, info=".BTF", entry=len(entries) // 2),
        Row(".rel.BTF.ext", entries, REL, info=".BTF.ext", entry=len(entries) // 2),
    ]
    before = make_object(form, rows)
    after = described(replace_sections(before, {".BTF": b"new", ".BTF.ext": b"ext"}))
    assert after[".rel.BTF"]["content"] == b""
    assert len(after[".rel.text"]["entries"]) == len(after[".rel.BTF.ext"]["entries"]) == 2
    # Emptied, and no longer inside the file, it would be refused by the kernel's loader.
    gone = replace_sections(before, {".BTF": None, ".BTF.ext": None})
    assert described(gone)[".rel.BTF.ext"]["header"]["sh_offset"] <= len(gone)
    assert replace_sections(gone, {".BTF": None}) is gone


def test_relocations_with_addends_are_refused() -> None:
    rows = [Row(".BTF", OLD), Row(".rela.BTF", LITTLE.relocation(8, 0, 4), RELA, info=".BTF")]
    with pytest.raises(EncodeError, match=r"\.BTF has RELA relocations \(section 2\)"):
        replace_sections(make_object(LITTLE, rows), {".BTF": b"new"})


def test_a_compressed_section_and_one_without_content_become_plain() -> None:
    rows = [
        Row(".BTF", LITTLE.pack("IIQQ", 1, 0, 8, 1) + b"zlib", flags=COMPRESSED),
        Row(".BTF.ext", kind=NOBITS, size=400),
    ]
    contents = {".BTF": b"new", ".BTF.ext": b"ext"}
    after = described(replace_sections(make_object(LITTLE, rows), contents))
    for name, content in contents.items():
        assert after[name]["content"] == content
        assert after[name]["header"]["sh_type"] == "SHT_PROGBITS"
        assert after[name]["header"]["sh_flags"] == 0


def test_two_sections_of_one_name_are_refused() -> None:
    with pytest.raises(EncodeError, match=r"2 sections are called \.BTF \(1, 2\)") as caught:
        replace_sections(make_object(LITTLE, [Row(".BTF", OLD), Row(".BTF", OLD)]), NEW)
    assert caught.value.got == [1, 2]


def test_the_table_of_names_is_not_replaced() -> None:
    with pytest.raises(EncodeError, match=r"\.shstrtab holds the sections' names"):
        replace_sections(typical(LITTLE), {".shstrtab": b"\0"})


def with_header(offset: int, fields: str, *values: int) -> bytes:
    data = bytearray(typical(LITTLE))
    struct.pack_into(f"<{fields}", data, offset, *values)
    return bytes(data)


FIRST_SECTION = section_header(typical(LITTLE), 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with nothing, expected an ELF file"),
        (b"BTF?", "begins with 42 54 46 3f"),
        (b"\x7fELF", "expected an ELF file"),
        (b"\x7fELF\x03\x01", "class 3 and byte order 1"),
        (b"\x7fELF\x02\x00", "class 2 and byte order 0"),
        (typical(LITTLE)[:50], r"truncated ELF: the header is bytes 0\.\.64, the file has 50"),
        (typical(LITTLE)[:-1], "truncated ELF: the section header table"),
        (with_header(40, "Q", 0), "no section table"),
        (with_header(58, "H", 40), "section headers of 40 bytes, expected 64"),
        (with_header(60, "H", 0), "0 sections"),
        (with_header(62, "H", 0), "name table is section 0, it has 10 sections"),
        (with_header(62, "H", 10), "name table is section 10"),
        (with_header(62, "H", 1), "section 1, the section name table, has type 1 and flags 0x6"),
        (with_header(54, "HH", 32, 1), "program headers of 32 bytes, expected 56"),
        (
            with_header(32, "Q", 1 << 40)[:56] + b"\1\0" + typical(LITTLE)[58:],
            "program header table",
        ),
        (
            with_header(FIRST_SECTION + 32, "Q", 1 << 40),
            r"truncated ELF: the section 1 is bytes 64\.\.",
        ),
    ],
)
def test_damaged_files_are_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=f"^module.ko: .*({words})"):
        replace_sections(data, NEW, name="module.ko")


@example(form=Form(64, "little"), changes=[(909268, 0)], cut=0, whole=True)
@given(
    form=st.sampled_from(FORMS),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 10**6),
    whole=st.booleans(),
)
def test_any_bytes_give_a_file_or_a_worded_error(
    form: Form, changes: list[tuple[int, int]], cut: int, whole: bool
) -> None:
    data = bytearray(typical(form))
    shoff = struct.unpack_from(
        form.prefix + "IQ"[form.bits == 64], data, 32 + 8 * (form.bits == 64)
    )
    # Most bytes are contents: hit the headers.
    spots = [*range(4, 64), *range(shoff[0] if shoff[0] < len(data) else 0, len(data))]
    for place, value in changes:
        data[spots[place % len(spots)]] = value
    damaged = bytes(data if whole else data[: cut % len(data)])
    try:
        after = replace_sections(damaged, NEW)
    except BtfError as error:
        message = str(error)
    else:
        message = ""
        assert replace_sections(after, NEW) is after
        assert len(after) < len(damaged) + 2000
    assert not message or message.startswith("ELF file: ")


def signed(
    data: bytes, signature: bytes, *, signer: bytes = b"", length: int | None = None
) -> bytes:
    """With a signature as ``scripts/sign-file`` appends it."""
    size = len(signature) if length is None else length
    info = struct.pack(">BBBBB3xI", 0, 0, 2, len(signer), 0, size)
    return data + signer + signature + info + SIGNATURE_MAGIC


def test_signatures_are_taken_off() -> None:
    data = typical(LITTLE)
    assert strip_signature(data) == (data, False)
    assert strip_signature(signed(data, b"PKCS#7" * 50)) == (data, True)
    assert strip_signature(signed(data, b"raw", signer=b"somebody")) == (data, True)
    assert strip_signature(signed(signed(data, b"one"), b"two")) == (data, True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SIGNATURE_MAGIC, "truncated module signature: 28 bytes"),
        (signed(b"data", b"", length=5), "says that it has 5 bytes, 4 come before"),
        (signed(b"", b"", length=0xFFFFFFFF), "4294967295 bytes, 0 come before"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=f"^m.ko: .*{words}"):
        strip_signature(data, name="m.ko")
