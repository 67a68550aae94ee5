"""``.BTF.ext`` of a real BPF program, in both byte orders and on both engines."""

from __future__ import annotations

import io
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from samples import patched, tiny

from btfschema import Btf, loads
from btfschema.codec.engines import Engine
from btfschema.codec.header import ByteOrder
from btfschema.errors import BtfError, DecodeError, EncodeError, NoBtfError, UnresolvedError
from btfschema.model.ext import (
    BtfExt,
    CoreRelo,
    CoreReloKind,
    FuncInfo,
    LineInfo,
    dumps_ext,
    loads_ext,
)
from btfschema.render.ext import ext_as_data, write_ext
from btfschema.schema import BTF_EXT_INFO_SEC, BTF_EXT_PARTS
from btfschema.testing import mutations
from conftest import DATA

ORDERS: tuple[ByteOrder, ...] = ("little", "big")


def program(byteorder: ByteOrder = "little") -> tuple[bytes, Btf]:
    """The ``.BTF.ext`` of ``tests/data/bpf/prog.c`` and the BTF that it belongs to."""
    stem = f"prog-{byteorder[0]}e.btf"
    btf = loads((DATA / "bpf" / stem).read_bytes())
    return (DATA / "bpf" / f"{stem}.ext").read_bytes(), btf


EXT, BTF = program()
# Where the parts start, and how long they are.
FUNC_INFO, LINE_INFO, CORE_RELO = (32, 52), (84, 252), (336, 132)


@pytest.fixture(params=ORDERS)
def ext(request: pytest.FixtureRequest, engine: Engine) -> BtfExt:
    data, btf = program(request.param)
    return loads_ext(data, btf, decoder=engine)


class TestReading:
    def test_functions(self, ext: BtfExt) -> None:
        found = {section.name: section.records for section in ext.func_info}
        assert found == {
            "xdp": (FuncInfo(0, 6),),
            "raw_tp/sched": (FuncInfo(0, 17),),
            ".text": (FuncInfo(0, 20),),
        }
        assert [r.type.name for r in found[".text"]] == ["first_byte"]

    def test_lines(self, ext: BtfExt) -> None:
        assert [(s.name, len(s.records)) for s in ext.line_info] == [
            ("xdp", 3),
            ("raw_tp/sched", 7),
            (".text", 4),
        ]
        source = (DATA / "bpf" / "prog.c").read_text().splitlines()
        for section in ext.line_info:
            for record in section.records:
                assert isinstance(record, LineInfo)
                assert record.insn_off % 8 == 0
                if record.line_num:
                    assert record.file_name == "./prog.c"
                    assert record.line == source[record.line_num - 1]
                    assert record.column <= len(record.line)

    def test_relocations(self, ext: BtfExt) -> None:
        (section, other) = ext.core_relo
        assert (section.name, other.name) == ("raw_tp/sched", ".text")
        assert section.records == (
            CoreRelo(8, 8, "0:1", CoreReloKind.FIELD_EXISTS),
            CoreRelo(24, 8, "0:3:0", CoreReloKind.FIELD_BYTE_OFFSET),
            CoreRelo(48, 8, "0:0", CoreReloKind.FIELD_BYTE_OFFSET),
            CoreRelo(64, 18, "1", CoreReloKind.ENUMVAL_VALUE),
            CoreRelo(80, 8, "0", CoreReloKind.TYPE_SIZE),
        )
        assert section.records[3].type == BTF[18]

    def test_records_are_what_construct_reads(self, ext: BtfExt) -> None:
        data, byteorder = ext.source, ext.byteorder
        for part, declared in zip(ext.parts, BTF_EXT_PARTS, strict=True):
            at = part.offset + 4
            for start, count in zip(part.section_starts, part.counts, strict=True):
                header = BTF_EXT_INFO_SEC.parse(data[at:], byteorder=byteorder)
                assert at == part.offset + 4 * start
                assert header.num_info == count
                at += 8
                for _ in range(count):
                    record = declared.record.parse(data[at:], byteorder=byteorder)
                    assert record.insn_off == part.words[(at - part.offset) // 4]
                    at += declared.record.sizeof()

    def test_counts(self, ext: BtfExt) -> None:
        assert [len(part) for part in ext.parts] == [3, 14, 7]
        assert [part.rec_size for part in ext.parts] == [8, 16, 16]

    def test_records_of_nothing_resolve_nothing(self) -> None:
        with pytest.raises(UnresolvedError, match="type id 6 can't be resolved: this FuncInfo"):
            FuncInfo(0, 6).type  # noqa: B018

    def test_unknown_kinds_stay_numbers(self) -> None:
        assert CoreRelo(0, 1, "0", 13).kind == 13
        assert not isinstance(CoreRelo(0, 1, "0", 13).kind, CoreReloKind)


class TestWriting:
    @pytest.mark.parametrize("byteorder", ORDERS)
    def test_comes_back(self, byteorder: ByteOrder, engine: Engine) -> None:
        data, btf = program(byteorder)
        assert dumps_ext(loads_ext(data, btf, decoder=engine)) == data

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(EXT + b"tail", id="trailing data"),
            pytest.param(patched(EXT[:24], {4: 24, 8: 0, 16: 52}) + EXT[32:336], id="no core_relo"),
            pytest.param(
                patched(EXT[:32], {4: 40, 8: 4, 16: 60, 24: 316})
                + b"excess!!"
                + b"gap."
                + EXT[32:84]
                + b"gap."
                + EXT[84:336]
                + b"gap."
                + EXT[336:],
                id="gaps and a longer header",
            ),
            pytest.param(patched(EXT, {20: 0, 28: 0}), id="parts that are not there"),
            pytest.param(
                patched(EXT[:32], {8: 252, 16: 0}) + EXT[84:336] + EXT[32:84] + EXT[336:],
                id="lines before functions",
            ),
        ],
    )
    def test_odd_arrangements_come_back(self, data: bytes, engine: Engine) -> None:
        ext = loads_ext(data, BTF, decoder=engine)
        assert dumps_ext(ext) == data
        assert ext.func_info.sections == loads_ext(EXT, BTF).func_info.sections

    def oversized(self) -> bytes:
        """The functions' records with 4 more bytes than anybody knows."""
        part = bytearray(struct.pack("<I", 12))
        for at in range(FUNC_INFO[0] + 4, sum(FUNC_INFO), 16):
            part += EXT[at : at + 16] + b"more"
        header = {12: len(part), 16: len(part), 24: len(part) + LINE_INFO[1]}
        return patched(EXT[:32], header) + bytes(part) + EXT[84:]

    def test_longer_records_come_back(self, engine: Engine) -> None:
        ext = loads_ext(self.oversized(), BTF, decoder=engine)
        assert ext.func_info.rec_size == 12
        assert ext.func_info.sections == loads_ext(EXT, BTF).func_info.sections
        assert dumps_ext(ext) == self.oversized()
        assert (
            ext.map(BTF, type_ids=lambda ids: ids - 1).func_info.words.tobytes().count(b"more") == 3
        )


class TestRewriting:
    """Passes that renumber types or strings renumber these too."""

    def test_positions_are_the_references(self, ext: BtfExt) -> None:
        ids = [
            r.type_id for part in (ext.func_info, ext.core_relo) for s in part for r in s.records
        ]
        assert ext.type_ids.tolist() == ids
        strings = loads_ext(*program()).string_offsets
        assert sorted(BTF.strings.names(strings)) == sorted(
            [s.name for part in ext.parts for s in part]
            + [text for s in ext.line_info for r in s.records for text in (r.file_name, r.line)]
            + [r.access_str for s in ext.core_relo for r in s.records]
        )

    def test_new_strings(self, ext: BtfExt) -> None:
        """The same strings in another order are the same records."""
        btf = loads((DATA / "bpf" / f"prog-{ext.byteorder[0]}e.btf").read_bytes())
        texts = list(btf.strings)[1:]
        random.Random(1).shuffle(texts)
        data = b"\0" + b"".join(text.encode() + b"\0" for text in texts)
        new = {text: data.index(b"\0" + text.encode() + b"\0") + 1 for text in texts} | {"": 0}
        other = Btf.assemble(btf.types, data, like=btf, base=None)

        def moved(offsets: Any) -> Any:
            return np.array([new[text] for text in btf.strings.names(offsets)])

        result = ext.map(other, strings=moved)
        assert [part.sections for part in result.parts] == [part.sections for part in ext.parts]
        assert dumps_ext(result) != dumps_ext(ext)
        again = loads_ext(dumps_ext(result), other)
        assert [part.sections for part in again.parts] == [part.sections for part in ext.parts]

    def test_new_type_ids(self, ext: BtfExt) -> None:
        btf = loads((DATA / "bpf" / f"prog-{ext.byteorder[0]}e.btf").read_bytes())
        result = ext.map(btf, type_ids=lambda ids: btf.end_id - ids)
        assert result.type_ids.tolist() == (btf.end_id - ext.type_ids).tolist()
        assert result.line_info.sections == ext.line_info.sections
        assert result.func_info.sections[0].records[0].type == btf[btf.end_id - 6]

    def test_changes_nothing_but_its_result(self, ext: BtfExt) -> None:
        before = dumps_ext(ext)
        ext.map(BTF, type_ids=lambda ids: np.ones_like(ids), strings=lambda s: np.zeros_like(s))
        assert dumps_ext(ext) == before
        with pytest.raises(ValueError, match="read-only"):
            ext.func_info.words[0] = 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda ids: ids + 20, "type id 26 is past the last id 23"),
            (lambda ids: ids.astype(np.int64) - 20, "type id -14 is negative"),
        ],
    )
    def test_a_map_to_nowhere_is_refused(
        self, ext: BtfExt, change: Callable[[Any], Any], message: str
    ) -> None:
        with pytest.raises(EncodeError) as caught:
            ext.map(BTF, type_ids=change)
        assert str(caught.value) == f".BTF.ext func_info section 0 record 0: {message}"

    def test_strings_to_nowhere_are_refused(self, ext: BtfExt) -> None:
        with pytest.raises(EncodeError, match="func_info section 1: string offset 717 is past"):
            ext.map(BTF, strings=lambda offsets: offsets + 500)


HEADER = 32
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not .BTF.ext: the input is empty, expected 9f eb or eb 9f"),
    "something else": (b"ELF", "not .BTF.ext: found 45 4c, expected 9f eb or eb 9f"),
    "short header": (EXT[:20], "truncated .BTF.ext header: 20 bytes, expected at least 24"),
    "small hdr_len": (
        patched(EXT, {4: 20}),
        ".BTF.ext header length 20 at byte 4: expected 24 to the input's 468 bytes",
    ),
    "large hdr_len": (
        patched(EXT, {4: 469}),
        ".BTF.ext header length 469 at byte 4: expected 24 to the input's 468 bytes",
    ),
    "version": (EXT[:2] + b"\x02" + EXT[3:], ".BTF.ext version 2, expected 1"),
    "flags": (EXT[:3] + b"\x01" + EXT[4:], ".BTF.ext flags 1, expected 0"),
    "misaligned": (
        patched(EXT, {8: 2}),
        ".BTF.ext func_info offset 2 is not a multiple of 4",
    ),
    "cut": (
        EXT[:-1],
        "truncated .BTF.ext: core_relo is bytes 336..468, the input has 467 bytes",
    ),
    "overlap": (
        patched(EXT, {12: 56}),
        ".BTF.ext func_info (bytes 32..88) runs into line_info (from byte 84)",
    ),
    "small records": (
        patched(EXT, {LINE_INFO[0]: 12}),
        ".BTF.ext line_info at byte 84: record size 12, expected a multiple of 4 from 16 on",
    ),
    "odd records": (
        patched(EXT, {FUNC_INFO[0]: 10}),
        ".BTF.ext func_info at byte 32: record size 10, expected a multiple of 4 from 8 on",
    ),
    "no record size": (
        patched(EXT, {12: 3}),
        ".BTF.ext func_info at byte 32: no room for the record size, expected a multiple of 4 "
        "from 8 on",
    ),
    "no records": (
        patched(EXT, {FUNC_INFO[0] + 8: 0}),
        ".BTF.ext func_info section 0 at byte 36: it has no records",
    ),
    "many records": (
        patched(EXT, {FUNC_INFO[0] + 8: 0xFFFFFFFF}),
        ".BTF.ext func_info section 0 at byte 36: 4294967295 records make it 34359738368 bytes, "
        "48 are left of the part",
    ),
    "half a section": (
        patched(EXT, {12: 42}),
        ".BTF.ext func_info section 2 at byte 68: 6 bytes are left of the part, a section has at "
        "least 8",
    ),
    "half a record": (
        patched(EXT, {12: 50}),
        ".BTF.ext func_info section 2 at byte 68: 1 records make it 16 bytes, 14 are left of the "
        "part",
    ),
    "type id": (
        patched(EXT, {CORE_RELO[0] + 4 + 8 + 16 + 4: 24}),
        ".BTF.ext core_relo section 0 record 1: type id 24 is past the last id 23",
    ),
    "string": (
        patched(EXT, {CORE_RELO[0] + 4 + 8 + 8: 578}),
        ".BTF.ext core_relo section 0 record 0: string offset 578 is past the end of the strings "
        "(578 bytes)",
    ),
    "section name": (
        patched(EXT, {FUNC_INFO[0] + 4 + 16: 600}),
        ".BTF.ext func_info section 1: string offset 600 is past the end of the strings "
        "(578 bytes)",
    ),
}


class TestDamage:
    @pytest.mark.parametrize("name", DAMAGED)
    def test_is_named(self, name: str, engine: Engine) -> None:
        data, message = DAMAGED[name]
        with pytest.raises(DecodeError) as caught:
            loads_ext(data, BTF, decoder=engine)
        assert str(caught.value) == message

    def test_the_other_byte_order(self, engine: Engine) -> None:
        with pytest.raises(DecodeError) as caught:
            loads_ext(program("big")[0], BTF, decoder=engine)
        assert str(caught.value) == ".BTF.ext is big-endian and its BTF little-endian"

    def test_another_programs_btf(self, engine: Engine) -> None:
        with pytest.raises(DecodeError, match="type id 6 is past the last id 3"):
            loads_ext(EXT, tiny(), decoder=engine)

    def test_unchecked_opens_it(self, engine: Engine) -> None:
        ext = loads_ext(EXT, tiny(), decoder=engine, check=False)
        assert ext.type_ids[0] == 6
        assert dumps_ext(ext) == EXT

    def test_every_truncation_is_refused(self, engine: Engine) -> None:
        for size in range(len(EXT)):
            with pytest.raises(DecodeError):
                loads_ext(EXT[:size], BTF, decoder=engine)

    @given(st.one_of(mutations(EXT), st.binary(max_size=99)))
    def test_mutations_give_a_section_or_an_error(self, data: bytes) -> None:
        bulk, reference = (outcome(data, engine) for engine in ("bulk", "reference"))
        assert bulk == reference


def outcome(data: bytes, engine: Any) -> Any:
    """What reading gives: the bytes and records, or the error."""
    try:
        ext = loads_ext(data, BTF, decoder=engine)
    except BtfError as error:
        return type(error), str(error)
    assert dumps_ext(ext) == data
    return [part.sections for part in ext.parts]


class TestShowing:
    def test_text(self, ext: BtfExt) -> None:
        btf = loads((DATA / "bpf" / f"prog-{ext.byteorder[0]}e.btf").read_bytes())
        out = io.BytesIO()
        write_ext(evolve(btf, ext=ext), out)
        text = out.getvalue().decode()
        assert text.startswith("func_info 'xdp'\n\tinsn_off=0 type_id=6 FUNC 'xdp_prog'\n")
        assert "\tinsn_off=16 ./prog.c:48:6  if (__builtin_preserve_field_info(task->flags" in text
        assert text.endswith(
            "core_relo '.text'\n"
            "\tinsn_off=0 type_id=8 STRUCT 'task' access='0:4:0' kind=0(field_byte_offset)\n"
            "\tinsn_off=8 type_id=8 STRUCT 'task' access='0:5:3' kind=0(field_byte_offset)\n"
        )
        assert text.count("\n") == 24 + 8

    def test_data(self, ext: BtfExt) -> None:
        data = ext_as_data(ext)
        assert json.loads(json.dumps(data)) == data
        assert data["core_relo"]["rec_size"] == 16
        assert data["core_relo"]["sections"][0]["records"][3] == {
            "insn_off": 64,
            "type_id": 18,
            "access_str": "1",
            "kind": 11,
            "kind_name": "enumval_value",
        }
        assert data["line_info"]["sections"][2]["records"][0] == {
            "insn_off": 0,
            "file_name": "./prog.c",
            "line_num": 36,
            "column": 37,
            "line": "\treturn task->comm[3] + task->scope.number;",
        }

    def test_nothing(self) -> None:
        with pytest.raises(NoBtfError, match=r"there is no \.BTF\.ext section"):
            write_ext(BTF, io.BytesIO())
