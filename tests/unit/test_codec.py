"""Bytes to containers and back, on both engines: real files, odd frames, damage."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable

import attrs
import numpy as np
import pytest
from samples import TINY_SIZE, TINY_STRINGS, TINY_TYPES, every_kind, patched, tiny

from btfschema import Btf, Builder, Kind, dumps, loads, views
from btfschema.cli.sample import sample
from btfschema.codec.engines import Engine, reference_records
from btfschema.codec.header import ByteOrder
from btfschema.errors import DecodeError, MissingBaseError, TypeIdError
from btfschema.tables.strings import StringTable

# The reference engine takes about 20 ms a module.
EVERY_THIRTIETH = slice(None, None, 30)


def same_in_both_engines(data: bytes, base: Btf | None = None) -> None:
    reference, bulk = loads(data, base, decoder="reference"), loads(data, base)
    assert bulk.types.words.tobytes() == reference.types.words.tobytes()
    assert bulk.types.starts.tolist() == reference.types.starts.tolist()
    assert dumps(reference) == data


def same_records(btf: Btf) -> None:
    table = btf.types
    assert [table.record(row) for row in range(len(table))] == reference_records(table)


class TestRealFiles:
    def test_both_kernels_come_back(self, cloud_bytes: bytes, generic_bytes: bytes) -> None:
        for data in (cloud_bytes, generic_bytes):
            assert dumps(loads(data)) == data

    def test_all_modules_come_back(self, modules: dict[str, bytes], cloud: Btf) -> None:
        assert len(modules) == 1138
        different = [name for name, x in modules.items() if dumps(loads(x, cloud)) != x]
        assert different == []

    def test_engines_agree_on_many_modules(self, modules: dict[str, bytes], cloud: Btf) -> None:
        for name in sorted(modules)[EVERY_THIRTIETH]:
            same_in_both_engines(modules[name], cloud)

    def test_records_are_what_construct_reads(self, modules: dict[str, bytes], cloud: Btf) -> None:
        for name in sorted(modules)[EVERY_THIRTIETH]:
            same_records(loads(modules[name], cloud))

    @pytest.mark.slow
    def test_engines_agree_on_all_modules(self, modules: dict[str, bytes], cloud: Btf) -> None:
        for data in modules.values():
            same_in_both_engines(data, cloud)
            same_records(loads(data, cloud))

    @pytest.mark.slow
    def test_engines_agree_on_a_kernel(self, cloud_bytes: bytes) -> None:
        same_in_both_engines(cloud_bytes)
        same_records(loads(cloud_bytes))
        assert dumps(loads(cloud_bytes), encoder="reference") == cloud_bytes


@pytest.mark.parametrize("byteorder", ["little", "big"])
class TestByteOrders:
    def test_every_kind_comes_back(self, byteorder: ByteOrder, engine: Engine) -> None:
        built = every_kind(byteorder=byteorder)
        data = dumps(built, encoder=engine)
        read = loads(data, decoder=engine)
        assert read.byteorder == byteorder
        assert read.equivalent(built)
        assert list(read) == list(built)
        assert dumps(read, encoder=engine) == data

    def test_one_meaning_in_both_orders(self, byteorder: ByteOrder, engine: Engine) -> None:
        read = loads(dumps(every_kind(byteorder=byteorder)), decoder=engine)
        assert list(read) == list(every_kind())
        same_records(read)

    def test_signed_words_are_signed(self, byteorder: ByteOrder, engine: Engine) -> None:
        builder = Builder(byteorder=byteorder)
        builder.add(views.Typedef("t", 0))
        builder.add(views.DeclTag("whole", 1, -1))
        builder.add(views.Enum("e", 4, [views.Enumerator("minus", -2)]))
        read = loads(dumps(builder.build()), decoder=engine)
        assert read.types.record(1)["component_idx"] == -1
        assert read.types.record(2)["elements"][0]["value"] == -2
        same_records(read)


class TestFrames:
    """What lies around the sections comes back, though nothing reads it."""

    @pytest.mark.parametrize(
        "frame",
        [
            pytest.param(lambda t, s: (24, 0, t, 64, s, t + s), id="as compilers write it"),
            pytest.param(lambda t, s: (24, 0, t, 64, s, t + s + b"tail"), id="trailing data"),
            pytest.param(lambda t, s: (24, 4, t, 71, s, b"gap." + t + b"gap" + s), id="gaps"),
            pytest.param(lambda t, s: (24, 12, t, 0, s, s + b"!" + t), id="strings first"),
            pytest.param(lambda t, s: (28, 0, t, 64, s, b"\0\0\0\0" + t + s), id="zero excess"),
            pytest.param(lambda t, s: (28, 0, t, 64, s, b"more" + t + s), id="unknown excess"),
            pytest.param(lambda t, s: (32, 0, t, 64, s, bytes(8) + t + s), id="no layout in 32"),
            pytest.param(
                lambda t, s: (40, 0, t, 64, s, bytes(8) + b"unknown!" + t + s), id="40 bytes"
            ),
            pytest.param(lambda t, s: (33, 0, t, 64, s, bytes(9) + t + s), id="an odd header"),
        ],
    )
    def test_comes_back(
        self,
        engine: Engine,
        frame: Callable[[bytes, bytes], tuple[int, int, bytes, int, bytes, bytes]],
    ) -> None:
        plain = dumps(tiny())
        hdr_len, type_off, types, str_off, strings, rest = frame(
            plain[TINY_TYPES:TINY_STRINGS], plain[TINY_STRINGS:]
        )
        place = (type_off, len(types), str_off, len(strings))
        data = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, hdr_len, *place) + rest
        read = loads(data, decoder=engine)
        assert dumps(read, encoder=engine) == data
        assert list(read) == list(tiny())

    def test_version_and_flags_are_kept(self, engine: Engine) -> None:
        data = bytearray(dumps(tiny()))
        data[2:4] = b"\x07\x80"
        assert dumps(loads(bytes(data), decoder=engine)) == data

    def test_a_lone_header_is_empty_btf(self, engine: Engine) -> None:
        data = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 0)
        read = loads(data, decoder=engine)
        assert len(read) == 0
        assert list(read) == []
        assert dumps(read, encoder=engine) == data

    def test_a_split_may_have_no_strings(self, engine: Engine) -> None:
        base = tiny()
        builder = Builder(base)
        builder.add(views.Ptr(3))
        data = bytearray(dumps(builder.build()))
        assert struct.unpack_from("<I", data, 20) == (0,)
        read = loads(bytes(data), base, decoder=engine)
        assert read[4].references == [3]
        assert dumps(read) == data

    def test_names_may_start_inside_other_strings(self, engine: Engine) -> None:
        data = patched(dumps(tiny()), {TINY_TYPES: 2})
        read = loads(data, decoder=engine)
        assert read[1] == views.Int("nt", 4, 1)
        assert dumps(read) == data

    def test_names_of_a_split_may_start_inside_its_bases(self, engine: Engine) -> None:
        data = patched(dumps(tiny(tiny())), {TINY_TYPES: 2})
        assert loads(data, tiny(), decoder=engine)[4] == views.Int("nt", 4, 1)

    def test_wide_bits_are_read(self, engine: Engine) -> None:
        """Since 2026, vlen has 24 bits and kind 7; a kind of 5 bits would read as 8 % 32."""
        data = patched(dumps(tiny()), {TINY_TYPES + 4: 40 << 24})
        with pytest.raises(DecodeError, match="kind 40 is unknown"):
            loads(data, decoder=engine)
        data = patched(dumps(tiny()), {TINY_TYPES + 28 + 4: 4 << 24 | 0x10002})
        with pytest.raises(DecodeError, match=f"vlen 65538 makes a record of {12 + 12 * 0x10002}"):
            loads(data, decoder=engine)


class TestUnknownKinds:
    """A layout section gives the sizes of kinds that the schema lacks."""

    LAYOUT = bytes(4) * 50 + bytes([8, 4, 1, 0])  # kind 50: 8 bytes, then 4 for each vlen
    RECORD = struct.pack("<8I", 0, 1 << 31 | 50 << 24 | 3, 7, 10, 20, 30, 40, 50)

    def blob(self) -> bytes:
        plain = dumps(tiny())
        types, strings = plain[TINY_TYPES:TINY_STRINGS] + self.RECORD, plain[TINY_STRINGS:]
        layout_at = len(types)
        strings_at = layout_at + len(self.LAYOUT)
        place = (0, len(types), strings_at, len(strings), layout_at, len(self.LAYOUT))
        header = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, 32, *place)
        return header + types + self.LAYOUT + strings

    def test_is_opaque_and_comes_back(self, engine: Engine) -> None:
        read = loads(self.blob(), decoder=engine)
        assert read[4] == views.Opaque(50, "", 3, True, 7, (10, 20, 30, 40, 50))
        assert read[4].kind == 50
        assert read[4].references == []
        assert read.types.opaque_rows().tolist() == [3]
        assert dumps(read, encoder=engine) == self.blob()
        same_records(read)

    def test_without_a_layout_it_is_an_error(self, engine: Engine) -> None:
        data = patched(self.blob(), {24: 0, 28: 0})
        with pytest.raises(DecodeError) as caught:
            loads(data, decoder=engine)
        assert str(caught.value) == (
            "type 4 at byte 96: kind 50 is unknown, and no layout section describes it"
        )

    def test_a_layout_must_be_whole_entries(self, engine: Engine) -> None:
        with pytest.raises(DecodeError, match="203 bytes, expected a multiple of 4"):
            loads(patched(self.blob(), {28: 203}), decoder=engine)

    def test_a_layout_of_odd_sizes_is_refused(self, engine: Engine) -> None:
        at = self.blob().index(self.LAYOUT) + 200
        data = patched(self.blob(), {at: 9 | 4 << 8})
        with pytest.raises(DecodeError, match="kind 50: info_sz 9 and elem_sz 4, expected mult"):
            loads(data, decoder=engine)


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "empty": (lambda x: b"", 0, "not BTF: the input is empty, expected 9f eb or eb 9f"),
    "text": (lambda x: b"BTF!" * 9, 0, "not BTF: found 42 54, expected 9f eb or eb 9f"),
    "short header": (
        lambda x: x[:23],
        23,
        "truncated BTF header: 23 bytes, expected at least 24",
    ),
    "small hdr_len": (
        lambda x: patched(x, {4: 23}),
        4,
        f"header length 23 at byte 4: expected 24 to the input's {TINY_SIZE} bytes",
    ),
    "large hdr_len": (
        lambda x: patched(x, {4: 100}),
        4,
        f"header length 100 at byte 4: expected 24 to the input's {TINY_SIZE} bytes",
    ),
    "types cut": (
        lambda x: patched(x[:40], {20: 0}),
        24,
        "truncated BTF: the types section is bytes 24..88, the input has 40 bytes",
    ),
    "strings cut": (
        lambda x: x[:-1],
        88,
        "truncated BTF: the strings section is bytes 88..99, the input has 98 bytes",
    ),
    "misaligned": (
        lambda x: patched(x, {8: 2}),
        8,
        "type section offset 2 is not a multiple of 4",
    ),
    "overlap": (
        lambda x: patched(x, {16: 60}),
        84,
        "the types section (bytes 24..88) runs into the strings section (from byte 84)",
    ),
    "no NUL": (
        lambda x: x[:-1] + b"x",
        98,
        "the string section ends in byte 0x78 at byte 98, expected NUL",
    ),
    "half a word": (
        lambda x: patched(x[:-1] + b"\0", {12: 63}),
        52,
        "type 3 (STRUCT) at byte 52: vlen 2 makes a record of 36 bytes, 35 are left of the type "
        "section",
    ),
    "half a record": (
        lambda x: patched(x, {12: 36}),
        52,
        "type 3 at byte 52: 8 bytes are left of the type section, a record has at least 12",
    ),
    "a stray byte": (
        lambda x: patched(x, {12: 29}),
        52,
        "type 3 at byte 52: 1 bytes are left of the type section, a record has at least 12",
    ),
    "void": (
        lambda x: patched(x, {TINY_TYPES + 4: 0}),
        24,
        "type 1 at byte 24: kind 0 is unknown (0 is void, which has no record), and no layout "
        "section describes it",
    ),
    "long vlen": (
        lambda x: patched(x, {52 + 4: 4 << 24 | 3}),
        52,
        "type 3 (STRUCT) at byte 52: vlen 3 makes a record of 48 bytes, 36 are left of the type "
        "section",
    ),
    "vlen past all": (
        lambda x: patched(x, {52 + 4: 4 << 24 | 0xFFFFFF}),
        52,
        "type 3 (STRUCT) at byte 52: vlen 16777215 makes a record of 201326592 bytes, 36 are left "
        "of the type section",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(name: str, engine: Engine) -> None:
    damage, offset, message = DAMAGED[name]
    with pytest.raises(DecodeError) as caught:
        loads(damage(dumps(tiny())), decoder=engine)
    assert str(caught.value) == message
    assert caught.value.offset == offset


def test_every_truncation_is_refused(engine: Engine) -> None:
    data = dumps(every_kind(layout=True))
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            loads(data[:size], decoder=engine)
    assert len(loads(data, decoder=engine)) == 23


class TestReferences:
    def test_a_type_id_past_the_last(self, engine: Engine) -> None:
        data = patched(dumps(tiny()), {52 + 12 + 12 + 4: 99})
        with pytest.raises(MissingBaseError) as caught:
            loads(data, decoder=engine)
        assert str(caught.value) == (
            'type 3 (STRUCT "s") member 1: type id 99 is past the last id 3; if this is split BTF, '
            "pass its base"
        )
        assert (caught.value.type_id, caught.value.offset, caught.value.got) == (3, 80, 99)

    def test_a_type_id_past_the_last_of_a_split(self, engine: Engine) -> None:
        data = patched(dumps(tiny(tiny())), {TINY_TYPES + 16 + 8: 7})
        with pytest.raises(DecodeError) as caught:
            loads(data, tiny(), decoder=engine)
        assert type(caught.value) is DecodeError
        assert str(caught.value) == "type 5 (PTR): type id 7 is past the last id 6"

    def test_a_string_past_the_end(self, engine: Engine) -> None:
        data = patched(dumps(tiny()), {52: 11})
        with pytest.raises(DecodeError) as caught:
            loads(data, decoder=engine)
        assert str(caught.value) == (
            "type 3 (STRUCT): string offset 11 is past the end of the strings (11 bytes); if this "
            "is split BTF, pass its base"
        )

    def test_a_split_without_its_base(
        self, engine: Engine, modules: dict[str, bytes], cloud: Btf
    ) -> None:
        with pytest.raises(MissingBaseError, match="this is split BTF"):
            loads(modules["8021q"], decoder=engine)
        assert len(loads(modules["8021q"], cloud, decoder=engine)) > 0

    def test_a_base_of_the_other_byte_order(self, engine: Engine) -> None:
        base = tiny(byteorder="big")
        with pytest.raises(DecodeError) as caught:
            loads(dumps(tiny()), base, decoder=engine)
        assert str(caught.value) == "the BTF is little-endian and its base big-endian"

    def test_unchecked_opens_damaged_btf(self, engine: Engine) -> None:
        data = patched(dumps(tiny()), {TINY_TYPES + 16 + 8: 99, 52: 11})
        read = loads(data, decoder=engine, check=False)
        assert len(read) == 3
        assert dumps(read) == data
        with pytest.raises(TypeIdError, match="type id 99 is past the last id 3"):
            read.find("", views.Ptr).type  # noqa: B018
        with pytest.raises(DecodeError, match="string offset 11 is past the end"):
            read[3]


@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\x04", b"\x15"])
def test_hostile_sections_take_little_memory(byte: bytes) -> None:
    """A megabyte of one byte, as types: refused without allocating what it claims to hold."""
    size = 1 << 20
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, size, size, 1)
    data = header + size * byte + b"\0"
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            loads(data)
        assert tracemalloc.get_traced_memory()[1] < 24 * size
    finally:
        tracemalloc.stop()


def test_numpy_imports_no_more_for_it(cloud_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """``np.unique`` imports numpy.ma, which takes as long as reading a vmlinux."""
    monkeypatch.delattr(np, "unique")
    btf = loads(cloud_bytes)
    assert btf.find("task_struct", views.Struct).size > 0
    assert dumps(btf) == cloud_bytes


def test_one_struct_with_many_members_takes_little_memory() -> None:
    """Where records are short, numbers for each word are made for some records at a time."""
    count = 300_000
    members = np.tile(np.array([1, 2, 0], np.uint32), count)
    heads = [1, Kind.STRUCT << 24 | count, 0], [0, Kind.PTR << 24, 0]
    words = np.concatenate((heads[0], members, heads[1])).astype(np.uint32).tobytes()
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(words), len(words), 3)
    data = header + words + b"\0m\0"
    tracemalloc.start()
    try:
        assert len(loads(data)) == 2
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data)
    finally:
        tracemalloc.stop()


def test_an_image_with_other_strings_is_laid_out_anew(engine: Engine) -> None:
    """What was around the sections goes with what was in them."""
    btf = loads(dumps(sample()) + b"trailing", decoder=engine)
    longer = StringTable(btf.strings.data + b"more\0")
    changed = Btf(attrs.evolve(btf.image, strings=longer))
    blob = dumps(changed, encoder=engine)
    again = loads(blob, decoder=engine)
    assert again.strings.data == longer.data
    assert np.array_equal(again.types.words, btf.types.words)
    assert len(blob) == 24 + again.types.words.nbytes + len(longer.data)


@pytest.mark.parametrize(
    ("kind", "entry", "words"),
    [
        (3, (16, 0, 0), "kind 3 (ARRAY): info_sz 16 and elem_sz 0, the schema declares 12 and 0"),
        (25, (5, 0, 0), "kind 25: info_sz 5 and elem_sz 0, expected multiples of 4"),
    ],
)
def test_a_layout_that_can_not_be_is_refused(
    engine: Engine, kind: int, entry: tuple[int, int, int], words: str
) -> None:
    b = Builder(layout=True)
    b.add(views.Int("int", 4))
    image = b.build().image
    layout = [*(image.layout or ()), *[(0, 0, 0)] * 8]
    layout[kind] = entry
    blob = dumps(Btf(attrs.evolve(image, layout=tuple(layout))))
    with pytest.raises(DecodeError) as caught:
        loads(blob, decoder=engine)
    assert words in str(caught.value)
