"""Ask another kernel: boot one under qemu, hand it files and a script, take files back.

A guest is emulated (``-accel tcg``), so that it needs no rights of the host, and what crashes it
crashes nothing else. It has one processor, no network, and busybox. Its first serial port is the
console; over the second it sends what the script left in ``/out``.
"""

from __future__ import annotations

import functools
import io
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from attrs import field, frozen
from debian_packages import package_tree

BTF_LOAD_SOURCE = Path(__file__).parent / "kernel" / "btf_load.c"

QEMU = "qemu-system-x86_64"
REPORT = ".report"
STATUS = ".status"
INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /out
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
stty -F /dev/ttyS1 raw
cd /in
sh -eu /script >/out/{REPORT} 2>&1
echo $? >/out/{STATUS}
tar -C /out -cz . >/dev/ttyS1
poweroff -f
"""


class GuestError(AssertionError):
    """The guest could not be started, did not finish, or its script failed."""


@frozen
class Result:
    """What a guest gave back.

    Attributes:
        stdout: what the script wrote to standard output and standard error.
        files: what it left in ``/out``, by path relative to that.
        console: the kernel's messages on the serial console.
    """

    stdout: str
    files: dict[str, bytes] = field(repr=False)
    console: str = field(repr=False)


@frozen
class Guest:
    """A kernel to boot.

    Attributes:
        kernel: an unpacked Debian kernel package (or any directory with ``boot/vmlinuz-*``).
        memory: of the guest, in MiB.
    """

    kernel: Path
    memory: int = 512

    @property
    def vmlinuz(self) -> Path:
        """The kernel's boot image."""
        found = sorted(self.kernel.glob("boot/vmlinuz-*"))
        if len(found) != 1:
            message = f"{self.kernel}: {len(found)} files boot/vmlinuz-*, expected one"
            raise GuestError(message)
        return found[0]

    def module(self, name: str) -> Path:
        """The file of one of the package's modules, ``NAME.ko`` with any compression."""
        found = sorted(self.kernel.glob(f"**/lib/modules/**/{name}.ko*"))
        if len(found) != 1:
            message = f"{self.kernel}: {len(found)} modules {name}.ko, expected one"
            raise GuestError(message)
        return found[0]

    def run(self, files: Mapping[str, bytes], script: str, timeout: float = 60) -> Result:
        """Boot, run a script, and power off: about three seconds and what the script needs.

        Args:
            files: what the script finds in ``/in``, its working directory, all executable.
            script: for busybox's ``sh -eu``, as root. What it leaves in ``/out`` comes back.
            timeout: seconds until the guest is given up.

        Raises:
            GuestError: a program is missing on the host; the kernel panicked, oopsed or hung; the
                script failed. The message ends with the last lines of what the guest said.
        """
        # Looked for first: without it nothing else is needed.
        kernel = self.vmlinuz
        root = {"init": INIT.encode(), "script": script.encode(), "bin/busybox": busybox()}
        root |= {f"in/{name}": data for name, data in files.items()}
        with tempfile.TemporaryDirectory(prefix="guest-") as name:
            folder = Path(name)
            (folder / "initrd").write_bytes(cpio(root))
            ended = self._boot(kernel, folder, timeout)
            console = (folder / "console").read_text(errors="replace").replace("\r", "")
            returned = unpack((folder / "out").read_bytes())
        if STATUS not in returned:
            message = f"the guest {ended} without a result; its console:\n{tail(console)}"
            raise GuestError(message)
        status = int(returned.pop(STATUS))
        stdout = returned.pop(REPORT).decode(errors="replace")
        if status:
            message = f"the guest's script failed with status {status}:\n{tail(stdout)}"
            raise GuestError(message)
        return Result(stdout, returned, console)

    def _boot(self, kernel: Path, folder: Path, timeout: float) -> str:
        """Run qemu to its end and say how it ended."""
        program = host_program(QEMU, "qemu-system-x86")
        command = [program, "-accel", "tcg", "-m", f"{self.memory}M", "-nodefaults", "-no-reboot"]
        command += ["-display", "none", "-monitor", "none"]
        command += ["-serial", f"file:{folder / 'console'}", "-serial", f"file:{folder / 'out'}"]
        command += ["-kernel", str(kernel), "-initrd", str(folder / "initrd")]
        command += ["-append", "console=ttyS0 quiet panic=-1 oops=panic"]
        for name in ("console", "out"):
            (folder / name).touch()
        try:
            done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return f"did not finish in {timeout:g} seconds and was stopped"
        if done.returncode:
            message = f"{QEMU} failed: {done.stderr.decode(errors='replace').strip()}"
            raise GuestError(message)
        return "ended"


def tail(text: str, lines: int = 80) -> str:
    """The last lines: enough for a whole kernel panic."""
    return "\n".join(text.rstrip().split("\n")[-lines:])


def host_program(name: str, package: str) -> str:
    """A program's path.

    Raises:
        GuestError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        message = f"guest tests need {name} (on Debian: apt-get install {package})"
        raise GuestError(message)
    return found


@functools.cache
def busybox() -> bytes:
    """The host's busybox, which must be a static one, as the guest has no libraries."""
    from elftools.elf.elffile import ELFFile

    data = Path(host_program("busybox", "busybox-static")).read_bytes()
    if any(s["p_type"] == "PT_INTERP" for s in ELFFile(io.BytesIO(data)).iter_segments()):
        message = "guest tests need a static busybox (on Debian: apt-get install busybox-static)"
        raise GuestError(message)
    return data


def cpio(files: Mapping[str, bytes]) -> bytes:
    """An archive for ``-initrd`` in the "newc" form: executables, and the directories they need.

    Source: ``Documentation/driver-api/early-userspace/buffer-format.rst``.
    """
    parents = {str(p) for name in files for p in PurePosixPath(name).parents} - {"."}
    entries = [(name, 0o040755, b"") for name in sorted(parents)]
    entries += [(name, 0o100755, data) for name, data in files.items()]
    entries.append(("TRAILER!!!", 0, b""))
    archive = bytearray()
    for inode, (name, mode, data) in enumerate(entries, 1):
        path = name.encode() + b"\0"
        # inode, mode, uid, gid, links, mtime, size, device and rdevice, length of path, checksum
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        archive += b"070701" + b"".join(b"%08X" % value for value in fields) + path
        archive += bytes(-len(archive) % 4)
        archive += data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files of a gzipped tar; none of an archive that was cut off."""
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for entry in members:
                content = members.extractfile(entry) if entry.isfile() else None
                if content is not None:
                    files[entry.name.removeprefix("./")] = content.read()
    except (tarfile.TarError, EOFError):
        return {}
    return files


def kernel_package(series: str) -> str:
    """The newest of Debian's kernel packages for cloud machines, such as of series ``"6.12"``.

    Raises:
        GuestError: Debian has none.
    """
    program = host_program("apt-cache", "apt")
    pattern = rf"^linux-image-{re.escape(series)}\.[0-9].*-cloud-amd64$"
    found = subprocess.run(
        [program, "search", "--names-only", pattern], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split(" ", 1)[0] for line in found.splitlines()]
    if not names:
        message = f"no Debian package matches {pattern} (apt-get update, and bookworm's sources?)"
        raise GuestError(message)
    return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


@functools.cache
def debian_guest(series: str) -> Guest:
    """A guest with the newest Debian kernel of a series; downloads it when need be."""
    return Guest(package_tree(kernel_package(series)))


@frozen
class Verdict:
    """What a kernel says to a blob.

    Attributes:
        errno: 0 when it is loaded, else why not.
        message: the last line of the verifier's log; empty when it is loaded, or where the kernel
            gives no reason.
    """

    errno: int
    message: str


@functools.cache
def static_program(source: Path) -> bytes:
    """A C source as a static program."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / source.stem
        command = [host_program("gcc", "gcc"), "-static", "-O2", "-Wall", "-Werror"]
        subprocess.run([*command, "-o", str(program), str(source)], check=True)
        return program.read_bytes()


def btf_verdicts(guest: Guest, blobs: Sequence[bytes], timeout: float = 120) -> list[Verdict]:
    """What a guest's ``BPF_BTF_LOAD`` says to each blob, in one boot.

    A second of guest time judges some ten thousand small blobs.

    Raises:
        GuestError: as :meth:`Guest.run`, which a blob that crashes the kernel causes too.
    """
    packed = b"".join(struct.pack("<I", len(blob)) + blob for blob in blobs)
    files = {"btf_load": static_program(BTF_LOAD_SOURCE), "blobs": packed}
    result = guest.run(files, "./btf_load blobs /out/verdicts", timeout)
    verdicts = list(read_verdicts(result.files["verdicts"]))
    if len(verdicts) != len(blobs):
        message = f"{len(verdicts)} verdicts for {len(blobs)} blobs"
        raise GuestError(message)
    return verdicts


def read_verdicts(data: bytes) -> Iterator[Verdict]:
    """Decode what ``btf_load`` writes."""
    at = 0
    while at < len(data):
        errno, length = struct.unpack_from("<II", data, at)
        at += 8
        yield Verdict(errno, data[at : at + length].decode(errors="replace"))
        at += length
