"""The guest harness: what goes in comes back, and what goes wrong is said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from guest import Guest, GuestError, cpio, debian_guest, host_program, unpack


@pytest.fixture(scope="module")
def guest() -> Guest:
    return debian_guest("6.12")


@pytest.mark.guest
@pytest.mark.debian
@pytest.mark.network
class TestBooted:
    def test_files_go_in_and_come_back(self, guest: Guest) -> None:
        every_byte = bytes(range(256)) * 300
        script = "uname -r; mkdir /out/d; cat data/a data/a >/out/d/twice; echo oops >&2"
        result = guest.run({"data/a": every_byte, "unused": b""}, script)
        assert result.stdout.split("\n") == [
            guest.vmlinuz.name.removeprefix("vmlinuz-"),
            "oops",
            "",
        ]
        assert {"d/twice": 2 * every_byte} == result.files

    def test_a_failing_script_is_an_error_with_its_output(self, guest: Guest) -> None:
        with pytest.raises(GuestError, match=r"status 3:\nbefore$"):
            guest.run({}, "echo before; (exit 3); echo after")

    def test_a_crash_is_an_error_with_the_console(self, guest: Guest) -> None:
        with pytest.raises(
            GuestError, match=r"ended without a result(.|\n)*Kernel panic - not syncing: sysrq"
        ):
            guest.run({}, "echo c >/proc/sysrq-trigger")

    def test_a_guest_that_hangs_is_given_up(self, guest: Guest) -> None:
        with pytest.raises(GuestError, match=r"did not finish in 0\.5 seconds"):
            guest.run({}, "sleep 1000", timeout=0.5)


def test_a_missing_program_is_an_error_that_names_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match=r"need qemu-system-x86_64 .*install qemu-system-x86\)"):
        host_program("qemu-system-x86_64", "qemu-system-x86")


def test_a_kernel_package_without_a_kernel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GuestError, match="0 files boot/vmlinuz"):
        Guest(tmp_path).run({}, "true")


def test_what_is_cut_off_unpacks_to_nothing() -> None:
    assert unpack(b"") == {}
    assert unpack(b"\x1f\x8b\x08\0") == {}


@pytest.mark.debian
def test_cpio_reads_our_archives(tmp_path: Path) -> None:
    files = {"a": b"1", "d/e/f": b"12345", "d/g": b""}
    assert shutil.which("cpio") is not None
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--make-directories"],
        input=cpio(files),
        cwd=tmp_path,
        check=True,
    )
    found = {
        str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
    }
    assert files == found
