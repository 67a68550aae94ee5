"""The memory of a running Debian kernel, read through its own types."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import field, frozen
from guest import debian_guest, static_program

from btfschema import Btf, loads
from btfschema.values import column, ctypes_of, read_array

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

READER = Path(__file__).parent / "kcore_read.c"
# Symbols of the kernel, with a size that covers each.
SYMBOLS = {"init_task": 16384, "init_uts_ns": 1024, "init_nsproxy": 128, "linux_banner": 256}


@frozen
class Memory:
    """What a guest's kernel had in its memory.

    Attributes:
        btf: its types.
        addresses: of the symbols.
        data: what was there.
        release: what ``uname -r`` said.
    """

    btf: Btf
    addresses: dict[str, int]
    data: dict[str, bytes] = field(repr=False)
    release: str


@pytest.fixture(scope="module")
def memory() -> Memory:
    wanted = " ".join(f"{name} {size} /out/{name}" for name, size in SYMBOLS.items())
    script = f"cat /sys/kernel/btf/vmlinux >/out/btf; uname -r; ./kcore_read {wanted}"
    result = debian_guest("6.12").run({"kcore_read": static_program(READER)}, script, timeout=120)
    release, *lines = result.stdout.strip().split("\n")
    addresses = {name: int(address, 16) for name, address in map(str.split, lines)}
    return Memory(loads(result.files["btf"]), addresses, result.files, release)


def test_text(memory: Memory) -> None:
    banner = memory.btf.read("char", memory.data["linux_banner"], count=256)
    assert str(banner.to_python()).startswith(f"Linux version {memory.release} ")


def test_the_release_is_what_uname_says(memory: Memory) -> None:
    namespace = memory.btf.read("uts_namespace", memory.data["init_uts_ns"])
    assert namespace["name.sysname"] == "Linux"
    assert namespace["name.release"] == memory.release
    assert namespace.name.machine == "x86_64"


def test_the_first_task(memory: Memory) -> None:
    btf, data = memory.btf, memory.data["init_task"]
    task = btf.read("task_struct", data)
    assert task.comm == "swapper/0"
    assert (task.pid, task.tgid, task.in_execve) == (0, 0, 0)
    # It is its own parent, and its namespaces are the first ones.
    address = memory.addresses["init_task"]
    assert task.real_parent == task.group_leader == address
    assert task.nsproxy == memory.addresses["init_nsproxy"]
    # Lists of the kernel lead to the kernel's memory, not to nowhere.
    assert task.tasks.next != address + task.at_("tasks").offset_
    assert task.tasks.next >> 47 == (1 << 17) - 1
    assert task.sched_class >> 47 == (1 << 17) - 1


def test_pointers_lead_from_symbol_to_symbol(memory: Memory) -> None:
    proxy = memory.btf.read("nsproxy", memory.data["init_nsproxy"])
    assert proxy.uts_ns == memory.addresses["init_uts_ns"]
    assert proxy["count.refs.counter"] >= 1


def test_all_forms_say_the_same(memory: Memory) -> None:
    btf, data = memory.btf, memory.data["init_task"]
    task = btf.read("task_struct", data)
    array = read_array(btf, "task_struct", data, count=1)
    one = ctypes_of(btf, "task_struct").from_buffer_copy(data[: btf.sizeof(task.type_)])
    for name in ("prio", "static_prio", "nr_cpus_allowed", "sched_reset_on_fork", "tgid"):
        assert column(btf, "task_struct", array, name).tolist() == [task[name]]
        assert getattr(one, name) == task[name]
    text = str(task)
    assert "\t.comm = (char[16])[\n\t\t's',\n\t\t'w'," in text
    assert f".real_parent = (struct task_struct *){task.real_parent:#x}" in text
