"""BTF wherever it lies, and the kernels of a machine."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest
from building import built
from every_kind import every_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import btfschema

from btfschema import (
    Btf,
    dump,
    dumps,
    find_kernels,
    load,
    load_kernel,
    load_kernel_module,
    loads,
    views,
)
from btfschema.errors import BtfError, NoBtfError
from btfschema.sources import kernels, read_source
from btfschema.sources.scan import MOST_CANDIDATES, scan
from btfschema.testing import blobs

LITTLE, BIG = dumps(every_kind()), dumps(every_kind("big"))
SPLIT = dumps(built(views.Struct("own", 4, [views.Member("a", 1)]), base=every_kind()))
NOISE = random.Random(5).randbytes(5000)


def places(data: bytes) -> list[tuple[int, int, bool]]:
    return [(blob.offset, blob.size, blob.split) for blob in scan(data).blobs]


class TestScan:
    def test_blobs_are_found_between_other_things(self) -> None:
        data = NOISE + LITTLE + NOISE[:7] + BIG + LITTLE[:100] + NOISE + SPLIT
        found = scan(data)
        assert [blob.byteorder for blob in found.blobs] == ["little", "big", "little"]
        assert places(data) == [
            (5000, len(LITTLE), False),
            (5007 + len(LITTLE), len(BIG), False),
            (len(data) - len(SPLIT), len(SPLIT), True),
        ]
        assert [blob.types for blob in found.blobs] == [len(every_kind())] * 2 + [1]
        assert found.largest == found.blobs[0]
        assert found.unchecked == 0

    def test_what_lies_in_a_blob_is_part_of_it(self) -> None:
        inner = dumps(built(views.Int("int", 4)))
        strings = b"\0int\0" + inner + b"\0"
        outer = bytearray(dumps(built(views.Int("int", 4))))
        outer[20:24] = len(strings).to_bytes(4, "little")
        data = bytes(outer[:-5]) + strings
        assert loads(data)[1] == views.Int("int", 4)
        assert places(data) == [(0, len(data), False)]

    def test_nothing_is_an_answer(self) -> None:
        for data in (b"", NOISE, LITTLE[:-1], b"\x9f\xeb\x01\0", LITTLE[:24]):
            assert scan(data).blobs == ()
            assert scan(data).largest is None

    @given(blobs(), st.binary(max_size=40), st.binary(max_size=40))
    @settings(max_examples=40)
    def test_what_loads_is_found_whatever_lies_around_it(
        self, blob: bytes, before: bytes, after: bytes
    ) -> None:
        btf = loads(blob, check=False)
        found = scan(before + blob + after)
        if not len(btf) or btf.image.header.hdr_len > 255 or blob[2:4] != b"\1\0":
            return
        try:
            loads(blob)
        except BtfError:
            return
        assert any(one.offset <= len(before) < one.offset + one.size for one in found.blobs)

    def test_time_is_bounded(self) -> None:
        size = 1 << 19
        header = bytes.fromhex("9feb0100 18000000 00000000 00000800 00000800 01000000")
        short = bytes.fromhex("9feb0100 18000000 00000000 0c000000 0c000000 01000000")
        for data in (
            random.Random(1).randbytes(size),
            b"\x9f\xeb\x01\0" * (size // 4),
            header * (2 * size // len(header)),
            short * (size // len(short)),
        ):
            begin = time.process_time()
            found = scan(data)
            assert time.process_time() - begin < 1
            assert not found.blobs
            assert found.unchecked <= MOST_CANDIDATES

    def test_load_takes_the_largest(self, tmp_path: Path) -> None:
        path = tmp_path / "firmware.bin"
        path.write_bytes(NOISE + BIG + dumps(built(views.Int("int", 4))))
        assert load(path, scan=True).equivalent(every_kind("big"))
        assert read_source(path, scan=True).format == "scan"
        with pytest.raises(BtfError, match="begins with"):
            load(path)
        path.write_bytes(NOISE)
        with pytest.raises(NoBtfError, match="nothing in these 5,000 bytes is BTF"):
            load(path, scan=True)


class TestExtract:
    @staticmethod
    def run(*arguments: str | Path) -> tuple[int, bytes, str]:
        done = btfschema("extract", *arguments)
        return done.returncode, done.stdout, done.stderr.decode()

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "mem"
        path.write_bytes(NOISE + LITTLE + SPLIT)
        return path

    def test_a_list(self, file: Path) -> None:
        code, out, error = self.run("--scan", file)
        assert (code, error) == (0, "")
        assert [line.split()[0] for line in out.decode().splitlines()] == [
            "0x0000001388",
            f"{5000 + len(LITTLE):#012x}",
        ]
        rows = json.loads(self.run("--scan", "--json", file)[1])
        assert rows[0]["offset"] == 5000
        assert rows[1]["split"] is True

    def test_nothing_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "none").write_bytes(NOISE)
        said = f"btfschema: {tmp_path / 'none'}: nothing in these {len(NOISE):,} bytes is BTF\n"
        assert self.run("--scan", tmp_path / "none") == (1, b"", said)
        code, out, error = self.run("--scan", "--json", tmp_path / "none")
        assert (code, json.loads(out)) == (1, [])
        assert "is BTF" in json.loads(error)["error"]

    def test_the_largest_is_written_or_one_that_is_named(self, file: Path) -> None:
        out = file.parent / "out"
        assert self.run("--scan", file, "-o", out)[0] == 0
        assert out.read_bytes() == LITTLE
        at = hex(5000 + len(LITTLE))
        assert self.run("--scan", file, "--at", at, "-o", "-")[1] == SPLIT
        code, _, error = self.run("--scan", file, "--at", "7", "-o", "-")
        assert (code, "no BTF was found at 0x7" in error) == (1, True)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--json"],
            ["--at", "3"],
            [],
            ["--scan", "--at", "x", "-o", "-"],
            ["--scan", "--at", "5000"],
            ["--scan", "--section", ".BTF.ext", "-o", "-"],
        ],
    )
    def test_wrong_usage(self, file: Path, arguments: list[str]) -> None:
        assert self.run(file, *arguments)[0] == 2


class TestKernels:
    @pytest.fixture
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A machine without ``/sys/kernel/btf`` whose files lie under ``tmp_path``."""
        monkeypatch.setattr(kernels, "SYSFS", str(tmp_path / "sys"))
        for name in ("PLACES", "IMAGES"):
            here = tuple(f"{tmp_path}{place}" for place in getattr(kernels, name))
            monkeypatch.setattr(kernels, name, here)
        return tmp_path

    @staticmethod
    def put(path: Path, btf: Btf) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        dump(btf, path)
        return path

    def test_the_running_kernel_is_in_sysfs(self, machine: Path) -> None:
        self.put(machine / "sys" / "vmlinux", every_kind())
        assert load_kernel().equivalent(every_kind())

    def test_another_kernel_is_where_libbpf_looks(self, machine: Path) -> None:
        self.put(machine / "lib/modules/6.1-x/build/vmlinux", every_kind())
        assert load_kernel("6.1-x").equivalent(every_kind())
        with pytest.raises(NoBtfError, match=r"no types of kernel 6\.2.*boot/vmlinux-6\.2"):
            load_kernel("6.2")

    def test_a_module_is_split_over_its_kernel(self, machine: Path) -> None:
        kernel = every_kind()
        self.put(machine / "sys" / "vmlinux", kernel)
        (machine / "sys" / "nf_tables").write_bytes(SPLIT)
        module = load_kernel_module("nf-tables", load_kernel())
        assert module.find("own").id == kernel.end_id
        for name in ("ip_tables", "vmlinux", "../sys/nf_tables", ""):
            with pytest.raises(NoBtfError, match="has no module"):
                load_kernel_module(name)

    def test_kernels_of_directories(self, machine: Path) -> None:
        boot = machine / "boot"
        self.put(boot / "vmlinux-6.1", every_kind())
        self.put(machine / "lib/modules/6.2/build/vmlinux", every_kind())
        (boot / "vmlinux-6.3").write_bytes(b"\x7fELF and so on")
        (boot / "vmlinuz-6.4").write_bytes(bytes(0x202) + b"HdrS" + bytes(200))
        (boot / "vmlinuz-6.5").write_bytes(b"\x1f\x8b\x08" + bytes(600))
        (boot / "vmlinuz").symlink_to("vmlinuz-6.5")
        (boot / "config-6.1").write_bytes(LITTLE)
        (boot / "vmlinux-6.6").write_bytes(b"nothing of the kind")
        found = find_kernels(boot, machine / "lib" / "modules")
        assert [kernel.release for kernel in found] == ["6.1", "6.3", "6.5", "6.2"]
        (one,) = find_kernels(boot / "vmlinux-6.1")
        assert one.path == boot / "vmlinux-6.1"
        with pytest.raises(FileNotFoundError):
            find_kernels(machine / "nothing")

    def test_the_default_places_need_not_exist(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernels, "DEFAULT_PLACES", ("/nonexistent",))
        assert find_kernels() == []
